/* What ThreadSanitizer is told of Rust's standard library, which is not instrumented: ci/sanitize --thread puts these functions before
 * those of their names (the linker's --wrap). The names, which differ between compilers, are given on the command line. */
#include <stdbool.h>
#include <stdint.h>

#define JOIN(a, b) a##b
#define NAME(a, b) JOIN(a, b)
#define WRAP(name) NAME(__wrap_, name)
#define REAL(name) NAME(__real_, name)

void __tsan_acquire(void *address);
void __tsan_release(void *address);

/* A reference count goes down with release, and a fence acquires before the last owner frees: the sanitizer has no model of a fence, so the
 * count acquires as well. Only those who touched the same count are ordered by it. */
uint64_t REAL(__tsan_atomic64_fetch_sub)(volatile uint64_t *count, uint64_t less, int order);
uint64_t WRAP(__tsan_atomic64_fetch_sub)(volatile uint64_t *count, uint64_t less, int order)
{
    (void)order;
    return REAL(__tsan_atomic64_fetch_sub)(count, less, __ATOMIC_ACQ_REL);
}

/* A mutex that was not free at once is taken within the library. */
void REAL(MUTEX_LOCK_CONTENDED)(void *mutex);
void WRAP(MUTEX_LOCK_CONTENDED)(void *mutex)
{
    REAL(MUTEX_LOCK_CONTENDED)(mutex);
    __tsan_acquire(mutex);
}

/* Waiting gives the mutex back and takes it again. */
bool REAL(CONDVAR_WAIT_TIMEOUT)(void *condvar, void *mutex, uint64_t seconds, uint32_t nanos);
bool WRAP(CONDVAR_WAIT_TIMEOUT)(void *condvar, void *mutex, uint64_t seconds, uint32_t nanos)
{
    __tsan_release(mutex);
    bool woken = REAL(CONDVAR_WAIT_TIMEOUT)(condvar, mutex, seconds, nanos);
    __tsan_acquire(mutex);
    return woken;
}

/* A thread of a scope counts itself out, and who waits for the scope reads the count: the first or the second word, as the compiler laid it out. */
void REAL(SCOPE_COUNT_OUT)(void *scope, bool panicked);
void WRAP(SCOPE_COUNT_OUT)(void *scope, bool panicked)
{
    __tsan_release(scope);
    __tsan_release((uint64_t *)scope + 1);
    REAL(SCOPE_COUNT_OUT)(scope, panicked);
}

/* Stands in for Aeron's header of this name when ci/sanitize --thread compiles its C code.
 *
 * On x86-64 Aeron orders its accesses by plain loads and stores between fences of the compiler, and by assembly. ThreadSanitizer sees
 * neither: it would take every hand-over for a race. These are the same operations, said with the compiler's atomics, which it sees. */
#ifndef AERON_ATOMIC64_GCC_X86_64_H
#define AERON_ATOMIC64_GCC_X86_64_H

#include <stdbool.h>
#include <stdint.h>

#define AERON_GET_ACQUIRE(dst, src) ((void)((dst) = __atomic_load_n(&(src), __ATOMIC_ACQUIRE)))
#define AERON_SET_RELEASE(dst, src) __atomic_store_n(&(dst), (src), __ATOMIC_RELEASE)
#define AERON_GET_AND_ADD_INT64(original, dst, value) \
    ((void)((original) = __atomic_fetch_add(&(dst), (int64_t)(value), __ATOMIC_SEQ_CST)))
#define AERON_GET_AND_ADD_INT32(original, dst, value) \
    ((void)((original) = __atomic_fetch_add(&(dst), (int32_t)(value), __ATOMIC_SEQ_CST)))

/* aeron_atomic.c makes a symbol of each. */
#define CI_CAS(name, type)                                                                                             \
    inline bool name(volatile type *dst, type expected, type desired)                                                  \
    {                                                                                                                  \
        return __atomic_compare_exchange_n(dst, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);        \
    }
CI_CAS(aeron_cas_int64, int64_t)
CI_CAS(aeron_cas_uint64, uint64_t)
CI_CAS(aeron_cas_int32, int32_t)
#undef CI_CAS

/* ThreadSanitizer has no model of a fence that stands alone: what Aeron orders with these alone is reported, and would be suppressed. */
inline void aeron_acquire(void)
{
    __asm__ __volatile__("" ::: "memory");
}

inline void aeron_release(void)
{
    __asm__ __volatile__("" ::: "memory");
}

#define AERON_DECL_ALIGNED(declaration, amount) declaration __attribute__((aligned(amount)))

#endif

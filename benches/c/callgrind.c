/* The requests that a program makes of valgrind; without valgrind's header, or outside of it, they do nothing. */
#include <stdbool.h>

#ifdef __has_include
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define HAS_CALLGRIND
#endif
#endif

bool bench_under_valgrind(void)
{
#ifdef HAS_CALLGRIND
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

bool bench_knows_valgrind(void)
{
#ifdef HAS_CALLGRIND
    return true;
#else
    return false;
#endif
}

/* From here on instructions of this thread are counted. */
void bench_start_counting(void)
{
#ifdef HAS_CALLGRIND
    CALLGRIND_ZERO_STATS;
    CALLGRIND_TOGGLE_COLLECT;
#endif
}

/* Up to here; the count is written to a file. */
void bench_stop_counting(void)
{
#ifdef HAS_CALLGRIND
    CALLGRIND_TOGGLE_COLLECT;
    CALLGRIND_DUMP_STATS;
#endif
}

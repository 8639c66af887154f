/* Stands in for the C library's, since no other target's is at hand: the public headers of Aeron need only size_t of it. */
#include <stddef.h>

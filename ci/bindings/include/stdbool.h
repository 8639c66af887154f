/* Stands in for the compiler's own, like stddef.h and stdarg.h: Debian's libclang without clang does not find those for every target. */
#define bool _Bool
#define true 1
#define false 0

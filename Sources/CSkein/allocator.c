#include "CSkein.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

void skein_bound_free(void) {
#if defined(__GLIBC__)
    mallopt(M_MXFAST, 0);
#endif
}

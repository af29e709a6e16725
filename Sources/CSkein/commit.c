#include "CSkein.h"

// The value is not quoted: quotes do not come through every shell and build file alike.
#define TEXT(name) #name
#define VALUE(name) TEXT(name)

const char *skein_commit(void) { return VALUE(SKEIN_COMMIT); }

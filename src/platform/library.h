/* Shared objects loaded at run time. */
#ifndef PARE_PLATFORM_LIBRARY_H
#define PARE_PLATFORM_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The address of `symbol` in a shared object that stays loaded. path: the file; "": `name` beside
 * this program or library, in the folder libraries are installed to, then where the system looks.
 * False: reason (size bytes) says why not.
 */
bool pare_library_symbol(const char *path, const char *name, const char *symbol, void **out,
                         char *reason, size_t size);

#endif

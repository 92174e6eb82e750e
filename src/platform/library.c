#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* dladdr */
#endif
#include "platform/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#if !defined(PARE_LIBRARY_FOLDER)
#define PARE_LIBRARY_FOLDER "/usr/local/lib"
#endif

static void *open_at(const char *folder, size_t length, const char *name) {
    char path[4096];
    if (length + strlen(name) + 2 > sizeof path) {
        return NULL;
    }
    snprintf(path, sizeof path, "%.*s/%s", (int)length, folder, name);
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* The folder of the file that this code is in; 0 if it cannot be told. */
static size_t own_folder(const char **out) {
    static const char here = 0;
    Dl_info info;
    if (dladdr(&here, &info) == 0 || !info.dli_fname) {
        return 0;
    }
    const char *slash = strrchr(info.dli_fname, '/');
    *out = info.dli_fname;
    return slash ? (size_t)(slash - info.dli_fname) : 0;
}

bool pare_library_symbol(const char *path, const char *name, const char *symbol, void **out,
                         char *reason, size_t size) {
    void *library = NULL;
    *out = NULL;
    if (path[0]) {
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    } else {
        const char *folder = NULL;
        size_t length = own_folder(&folder);
        library = length > 0 ? open_at(folder, length, name) : NULL;
        library =
            library ? library : open_at(PARE_LIBRARY_FOLDER, strlen(PARE_LIBRARY_FOLDER), name);
        library = library ? library : dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    void *found = library ? dlsym(library, symbol) : NULL;
    if (!found) {
        const char *said = dlerror();
        snprintf(reason, size, "%s", said ? said : "not found");
        return false;
    }
    *out = found;
    return true;
}

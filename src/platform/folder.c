#include "platform/folder.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 4096 };

bool pare_folder_is(const char *path) {
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

/* Calls remove (or only looks, `dry`) for the files of a folder; false if one is a folder. */
static bool empty_folder(const char *path, bool dry) {
    DIR *folder = opendir(path);
    bool good = folder != NULL;
    for (struct dirent *entry = NULL; good && (entry = readdir(folder));) {
        char name[PATH_SIZE];
        struct stat about;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        good = length > 0 && length < PATH_SIZE && lstat(name, &about) == 0 &&
               !S_ISDIR(about.st_mode) && (dry || unlink(name) == 0);
    }
    if (folder) {
        (void)closedir(folder);
    }
    return good;
}

/* Whether a file of the folder matches none of the patterns, or none is named by the first one:
 * `file` says which, or what is missing. Nothing in an empty folder is. */
static bool foreign(const char *path, const char *const *owned, char *file, size_t size) {
    DIR *folder = opendir(path);
    bool marked = false, strange = false, empty = true;
    for (struct dirent *entry = NULL; folder && !strange && (entry = readdir(folder));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
            continue;
        }
        bool known = false;
        for (int i = 0; owned[i] && !known; i++) {
            known = fnmatch(owned[i], name, 0) == 0;
        }
        empty = false;
        strange = !known;
        marked = marked || strcmp(name, owned[0]) == 0;
        if (strange) {
            snprintf(file, size, "%s", name);
        }
    }
    if (folder) {
        (void)closedir(folder);
    }
    if (!strange && !marked && !empty) {
        snprintf(file, size, "no %s", owned[0]);
    }
    return strange || (!marked && !empty);
}

pare_status pare_folder_check(pare_context *ctx, const char *path, bool replace,
                              const char *const *owned) {
    struct stat about;
    char file[PATH_SIZE] = "";
    if (lstat(path, &about) != 0) {
        return PARE_OK;
    }
    if (!replace) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "%s: exists already; --overwrite replaces it",
                         path);
    }
    if (!S_ISDIR(about.st_mode) || !empty_folder(path, true)) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "%s: is not replaced: not a folder, or one that holds folders", path);
    }
    return foreign(path, owned, file, sizeof file)
               ? pare_fail(ctx, PARE_ERROR_ARGUMENT,
                           "%s: is not replaced: a folder of a model holds its files alone, this "
                           "one has %s",
                           path, file)
               : PARE_OK;
}

pare_status pare_folder_open(pare_context *ctx, const char *path, bool replace,
                             const char *const *owned, pare_folder *out) {
    *out = (pare_folder){.ctx = ctx, .replace = replace, .owned = owned};
    int64_t length = (int64_t)strlen(path);
    while (length > 1 && path[length - 1] == '/') {
        length--;
    }
    if (length == 0) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "the output needs a folder's name");
    }
    pare_status status = pare_text_copy(ctx, path, length, &out->path);
    if (status != PARE_OK) {
        return status;
    }
    status = pare_folder_check(ctx, out->path, replace, owned);
    if (status != PARE_OK) {
        pare_folder_abandon(out);
        return status;
    }
    pare_text name = {.ctx = ctx};
    pare_text_append(&name, "%s.partial-XXXXXX", out->path);
    if (name.status != PARE_OK) {
        pare_folder_abandon(out);
        return name.status;
    }
    if (!mkdtemp(name.bytes)) {
        status =
            pare_fail(ctx, PARE_ERROR_IO, "%s: cannot be written: %s", out->path, strerror(errno));
        pare_text_clear(&name);
        pare_folder_abandon(out);
        return status;
    }
    mode_t mask = umask(0);
    umask(mask);
    (void)chmod(name.bytes, 0777 & ~mask);
    out->temporary = name.bytes;
    return PARE_OK;
}

pare_status pare_folder_commit(pare_folder *folder) {
    bool there = pare_folder_is(folder->path);
    pare_status status =
        there ? pare_folder_check(folder->ctx, folder->path, folder->replace, folder->owned)
              : PARE_OK;
    if (status != PARE_OK) {
        pare_folder_abandon(folder);
        return status;
    }
    if ((there && (!empty_folder(folder->path, false) || rmdir(folder->path) != 0)) ||
        rename(folder->temporary, folder->path) != 0) {
        status = pare_fail(folder->ctx, PARE_ERROR_IO, "%s: cannot be written: %s", folder->path,
                           strerror(errno));
    } else {
        pare_free(folder->ctx, folder->temporary);
        folder->temporary = NULL;
    }
    pare_folder_abandon(folder);
    return status;
}

void pare_folder_abandon(pare_folder *folder) {
    if (!folder->ctx) {
        return;
    }
    if (folder->temporary && empty_folder(folder->temporary, false)) {
        (void)rmdir(folder->temporary);
    }
    pare_free(folder->ctx, folder->temporary);
    pare_free(folder->ctx, folder->path);
    *folder = (pare_folder){0};
}

#include "platform/folder.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
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

pare_status pare_folder_open(pare_context *ctx, const char *path, bool replace, pare_folder *out) {
    *out = (pare_folder){.ctx = ctx, .replace = replace};
    struct stat about;
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
    if (lstat(out->path, &about) == 0 && !replace) {
        status =
            pare_fail(ctx, PARE_ERROR_IO, "%s: exists already; --overwrite replaces it", out->path);
        pare_folder_abandon(out);
        return status;
    }
    if (lstat(out->path, &about) == 0 &&
        (!S_ISDIR(about.st_mode) || !empty_folder(out->path, true))) {
        status =
            pare_fail(ctx, PARE_ERROR_IO,
                      "%s: is not replaced: not a folder, or one that holds folders", out->path);
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
    pare_status status = PARE_OK;
    bool there = pare_folder_is(folder->path);
    if ((there &&
         (!folder->replace || !empty_folder(folder->path, false) || rmdir(folder->path) != 0)) ||
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

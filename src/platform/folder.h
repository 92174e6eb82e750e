/* Output folders that appear under their name only when complete. */
#ifndef PARE_PLATFORM_FOLDER_H
#define PARE_PLATFORM_FOLDER_H

#include "base/context.h"

/* A folder being filled, beside its final place. */
typedef struct pare_folder {
    pare_context *ctx;
    char *path;
    char *temporary; /* files go here */
    bool replace;
    const char *const *owned;
} pare_folder;

/* Refuses a path that exists, unless `replace` and it is a folder of what would be written: all its
 * files match one of the patterns `owned` (NULL ends them; `*` stands for anything), and one is
 * named owned[0]; or an empty one. So that no other files are removed. */
pare_status pare_folder_check(pare_context *ctx, const char *path, bool replace,
                              const char *const *owned) PARE_MUST_CHECK;
/* The same, and begins the folder. `owned` stays the caller's until the commit. */
pare_status pare_folder_open(pare_context *ctx, const char *path, bool replace,
                             const char *const *owned, pare_folder *out) PARE_MUST_CHECK;
/* Gives the folder its name; what was there under `replace` is removed. */
pare_status pare_folder_commit(pare_folder *folder) PARE_MUST_CHECK;
/* Removes what was written. Does nothing after a commit. */
void pare_folder_abandon(pare_folder *folder);
bool pare_folder_is(const char *path);

#endif

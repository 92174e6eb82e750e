/* A folder of its own for a test program: entered first, emptied and removed at the end. */
#ifndef PARE_TESTS_FOLDER_SUPPORT_H
#define PARE_TESTS_FOLDER_SUPPORT_H

#include "support.h"

#include <dirent.h>
#include <unistd.h>

static char test_folder[64];

static inline int folder_enter(void **state) {
    (void)state;
    strcpy(test_folder, "/tmp/pare-test-XXXXXX");
    return mkdtemp(test_folder) && chdir(test_folder) == 0 ? 0 : -1;
}

/* Removes every file of the folder (there are no folders in it). */
static inline void folder_empty(void) {
    DIR *folder = opendir(test_folder);
    assert_non_null(folder);
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlink(entry->d_name);
        }
    }
    closedir(folder);
}

static inline int folder_leave(void **state) {
    (void)state;
    folder_empty();
    return rmdir(test_folder);
}

#endif

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void pare_system_prepare(void) {
    for (int descriptor = 0; descriptor <= 2; descriptor++) {
        if (fcntl(descriptor, F_GETFD) == -1 && errno == EBADF) {
            /* Opened the wrong way round: reading or writing it still fails, as it should. */
            int opened = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);
            (void)opened; /* the lowest free number, which is `descriptor` */
        }
    }
}

bool pare_system_terminal(int64_t *columns) {
    *columns = 80;
    const char *kind = getenv("TERM");
    if (!isatty(STDERR_FILENO) || !kind || strcmp(kind, "dumb") == 0) {
        return false;
    }
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        *columns = size.ws_col;
    }
    return true;
}

static volatile sig_atomic_t keep_working;
static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
    (void)number;
    if (!keep_working || interrupted) {
        static const char text[] = "pare: interrupted\n";
        ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
        (void)written;
        _exit(PARE_EXIT_INTERRUPTED);
    }
    interrupted = 1;
}

void pare_system_catch(bool keep) {
    keep_working = keep;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool pare_system_interrupted(void) {
    return interrupted != 0;
}

bool pare_system_exists(const char *path) {
    struct stat about;
    return lstat(path, &about) == 0;
}

bool pare_system_writable(const char *path, const char **reason) {
    *reason = "";
    struct stat about;
    if (strcmp(path, "-") == 0) {
        return true;
    }
    if (stat(path, &about) == 0 && !S_ISREG(about.st_mode)) {
        /* A directory is refused by open; a pipe is left alone, its reader would see an end. */
        int file = S_ISFIFO(about.st_mode) ? -1 : open(path, O_WRONLY | O_CLOEXEC);
        if (file < 0 && !S_ISFIFO(about.st_mode)) {
            *reason = strerror(errno);
            return false;
        }
        if (file >= 0) {
            (void)close(file);
        }
        return true;
    }
    static const char suffix[] = ".partial-XXXXXX"; /* as long as what the library appends */
    size_t length = strlen(path);
    char *name = malloc(length + sizeof suffix);
    if (!name) {
        *reason = strerror(ENOMEM);
        return false;
    }
    memcpy(name, path, length);
    memcpy(name + length, suffix, sizeof suffix);
    int file = mkstemp(name);
    if (file < 0) {
        *reason = strerror(errno);
    } else {
        (void)close(file);
        (void)unlink(name);
    }
    free(name);
    return file >= 0;
}

/* The folder that holds `path` and the last part of its name; false where there is none. */
static bool folder_of(const char *path, struct stat *folder, const char **name) {
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) + 1 : 1;
    char *copy = malloc(length + 1);
    if (!copy) {
        return false;
    }
    memcpy(copy, slash ? path : ".", length);
    copy[length] = '\0';
    *name = slash ? slash + 1 : path;
    bool there = stat(copy, folder) == 0;
    free(copy);
    return there;
}

bool pare_system_same(const char *a, const char *b) {
    struct stat one, other;
    const char *name[2] = {NULL, NULL};
    if (strcmp(a, "-") == 0 || strcmp(b, "-") == 0) {
        return false;
    }
    bool there = stat(a, &one) == 0;
    if (there != (stat(b, &other) == 0)) {
        return false;
    }
    bool named = there || (folder_of(a, &one, &name[0]) && folder_of(b, &other, &name[1]) &&
                           strcmp(name[0], name[1]) == 0);
    return named && (S_ISREG(one.st_mode) || S_ISDIR(one.st_mode)) && one.st_dev == other.st_dev &&
           one.st_ino == other.st_ino;
}

bool pare_system_folder(const char *path, const char **reason) {
    struct stat about;
    *reason = "";
    if (mkdir(path, 0777) == 0 ||
        (errno == EEXIST && stat(path, &about) == 0 && S_ISDIR(about.st_mode))) {
        return true;
    }
    *reason = strerror(errno);
    return false;
}

void pare_system_remove_empty(const char *path) {
    (void)rmdir(path);
}

#include "cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Seconds between two plain lines of one stage. */
static const double plain_every = 5;

void pare_view_init(pare_view *view, bool quiet) {
    *view = (pare_view){.quiet = quiet};
    view->terminal = pare_system_terminal(&view->columns);
}

void pare_view_clear(pare_view *view) {
    if (view->line_open) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        view->line_open = false;
    }
}

/* Shortens `text` to the width of the terminal, at a whole UTF-8 character. */
static void fit(char *text, int64_t columns) {
    int64_t used = 0;
    for (char *at = text; *at; at++) {
        bool begins = ((unsigned char)*at & 0xC0) != 0x80;
        if (begins && ++used >= columns) {
            *at = '\0';
            return;
        }
    }
}

/* Names come from files: what would steer a terminal is shown as '?'. */
static void tame(char *text) {
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

static void show_line(pare_view *view, char *text) {
    tame(text);
    if (view->terminal) {
        fit(text, view->columns);
        fprintf(stderr, "\r\033[K%s", text);
        view->line_open = true;
    } else {
        fprintf(stderr, "%s\n", text);
    }
    fflush(stderr);
}

void pare_view_status(pare_view *view, const char *format, ...) {
    if (view->quiet) {
        return;
    }
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    show_line(view, text);
}

void pare_view_say(pare_view *view, const char *format, ...) {
    if (view->quiet) {
        return;
    }
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    tame(text);
    pare_view_clear(view);
    fprintf(stderr, "%s\n", text);
}

/* "8.2 s", "3 min 05 s", "2 h 10 min". */
static void format_seconds(double seconds, char *buffer, size_t size) {
    if (seconds < 99.95) {
        snprintf(buffer, size, "%.1f s", seconds);
    } else if (seconds < 3600) {
        snprintf(buffer, size, "%d min %02d s", (int)(seconds / 60), (int)fmod(seconds, 60));
    } else {
        double hours = fmin(seconds / 3600, 1e6);
        snprintf(buffer, size, "%d h %02d min", (int)hours, (int)fmod(seconds / 60, 60));
    }
}

/* "select: 12 of 50 chosen, latest x17, loss 0.0412, 34 %, 2.1 s left". */
static void format_progress(const pare_progress *progress, char *buffer, size_t size) {
    char chosen[512] = "", loss[48] = "", left[48] = "", time[32];
    if (progress->wanted > 0) {
        snprintf(chosen, sizeof chosen, " %lld of %lld chosen,", (long long)progress->chosen,
                 (long long)progress->wanted);
    }
    if (isfinite(progress->loss)) {
        snprintf(loss, sizeof loss, " loss %.4g,", progress->loss);
    }
    if (progress->seconds_left >= 0 && isfinite(progress->seconds_left)) {
        format_seconds(progress->seconds_left, time, sizeof time);
        snprintf(left, sizeof left, ", %s left", time);
    }
    snprintf(buffer, size, "%s:%s%s %.0f %%%s%s%.200s", progress->stage, chosen, loss,
             100 * fmin(1, fmax(0, progress->fraction)), left,
             progress->last && progress->last[0] ? ", latest " : "",
             progress->last ? progress->last : "");
}

int pare_view_progress(void *user, const pare_progress *progress) {
    pare_view *view = user;
    if (pare_system_interrupted()) {
        if (!view->said_stop) {
            pare_view_say(view, "stopping; what is chosen will be written (Ctrl-C again: quit)");
            view->said_stop = true;
        }
        return 1;
    }
    if (view->quiet) {
        return 0;
    }
    char text[1024];
    format_progress(progress, text, sizeof text);
    if (view->terminal) {
        show_line(view, text);
        return 0;
    }
    bool same = strncmp(view->stage, progress->stage, sizeof view->stage - 1) == 0;
    if (!same || progress->seconds >= view->next_plain) {
        snprintf(view->stage, sizeof view->stage, "%s", progress->stage);
        view->next_plain = progress->seconds + plain_every;
        show_line(view, text);
    }
    return 0;
}

#include "report/names.h"
#include "base/json.h"

#include <stdbool.h>
#include <string.h>

enum { REPLACEMENT = 0xFFFD };

/* C0, DEL and C1 controls steer terminals; XML 1.0 does not allow C0 at all. */
static bool is_control(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

/* Ranges of code points a terminal shows in two columns (East Asian wide, emoji), and in none
 * (combining marks, joiners, variation selectors); both ascending. */
static const uint32_t wide_ranges[][2] = {
    {0x1100, 0x115F},   {0x231A, 0x231B},   {0x2E80, 0x303E},   {0x3041, 0xA4CF},
    {0xA960, 0xA97C},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},   {0xFE30, 0xFE6F},
    {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},   {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF},
    {0x1F900, 0x1F9FF}, {0x20000, 0x3FFFD},
};
static const uint32_t narrow_ranges[][2] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},   {0x064B, 0x065F}, {0x0E34, 0x0E3A},
    {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200D},   {0x20D0, 0x20FF}, {0xFE00, 0xFE0F},
    {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}, {0xE0100, 0xE01EF},
};

static bool is_in(uint32_t code, const uint32_t (*ranges)[2], size_t count) {
    for (size_t i = 0; i < count && code >= ranges[i][0]; i++) {
        if (code <= ranges[i][1]) {
            return true;
        }
    }
    return false;
}

/* Marks that turn the direction of the text around them. */
static bool is_direction(uint32_t code) {
    return code == 0x061C || code == 0x200E || code == 0x200F ||
           (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

static int64_t terminal_width(uint32_t code) {
    return is_in(code, wide_ranges, sizeof wide_ranges / sizeof wide_ranges[0])         ? 2
           : is_in(code, narrow_ranges, sizeof narrow_ranges / sizeof narrow_ranges[0]) ? 0
                                                                                        : 1;
}

static int64_t one(uint32_t code) {
    (void)code;
    return 1;
}

/* The next character of `length` bytes; what cannot be shown is REPLACEMENT. */
static int64_t next_shown(const char *text, int64_t length, uint32_t *code) {
    int64_t bytes = pare_utf8_next(text, length, code);
    if (bytes == 0 || is_control(*code)) {
        *code = REPLACEMENT;
    }
    return bytes > 0 ? bytes : 1;
}

/* How a name is written: the room a character takes, and what is put for it. */
typedef struct name_style {
    int64_t (*width)(uint32_t code);
    void (*put)(pare_text *out, const char *bytes, int64_t length, uint32_t code);
} name_style;

/* Writes a name in at most `limit` units of width; returns how many it takes. */
static int64_t walk(pare_text *out, const char *name, int64_t limit, const name_style *style) {
    int64_t length = (int64_t)strlen(name);
    int64_t total = 0;
    uint32_t code = 0;
    for (int64_t i = 0; i < length && total <= limit;) {
        i += next_shown(name + i, length - i, &code);
        total += style->width(code);
    }
    bool cut = total > limit;
    int64_t keep = cut ? limit - 3 : limit;
    int64_t taken = 0;
    for (int64_t i = 0; i < length;) {
        int64_t bytes = next_shown(name + i, length - i, &code);
        int64_t width = style->width(code);
        if (taken + width > keep) {
            break;
        }
        style->put(out, name + i, bytes, code);
        taken += width;
        i += bytes;
    }
    if (cut) {
        pare_text_append_bytes(out, "...", 3);
        taken += 3;
    }
    return taken;
}

static void put_plain(pare_text *out, const char *bytes, int64_t length, uint32_t code) {
    if (code == REPLACEMENT || is_direction(code)) {
        pare_text_append_bytes(out, "?", 1);
    } else {
        pare_text_append_bytes(out, bytes, length);
    }
}

static void put_html(pare_text *out, const char *bytes, int64_t length, uint32_t code) {
    switch (code) {
    case '&':
        pare_text_append(out, "&amp;");
        break;
    case '<':
        pare_text_append(out, "&lt;");
        break;
    case '>':
        pare_text_append(out, "&gt;");
        break;
    case '"':
        pare_text_append(out, "&quot;");
        break;
    case '\'':
        pare_text_append(out, "&#39;");
        break;
    case REPLACEMENT:
    case 0xFFFE: /* no XML characters */
    case 0xFFFF:
        pare_text_append(out, "&#xFFFD;");
        break;
    default:
        pare_text_append_bytes(out, bytes, length);
    }
}

int64_t pare_name_append_plain(pare_text *out, const char *name, int64_t limit) {
    static const name_style plain = {terminal_width, put_plain};
    return walk(out, name, limit, &plain);
}

void pare_name_append_html(pare_text *out, const char *name, int64_t limit) {
    static const name_style html = {one, put_html};
    (void)walk(out, name, limit, &html);
}

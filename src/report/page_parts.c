/* Pieces that the pages of molecules and of panels share. */
#include "report/format.h"
#include "report/names.h"
#include "report/page.h"

#include <math.h>

enum { NAME_LIMIT = 120 };

void pare_page_open(pare_text *out, const char *words, const char *name, const char *const *style) {
    pare_text_append(out,
                     "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n"
                     "<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
                     "content=\"width=device-width, initial-scale=1\"/>\n<title>%s ",
                     words);
    pare_name_append_html(out, name, NAME_LIMIT);
    pare_text_append(out, "</title>\n<style>\n");
    for (int i = 0; pare_page_style[i]; i++) {
        pare_text_append(out, "%s", pare_page_style[i]);
    }
    for (int i = 0; style[i]; i++) {
        pare_text_append(out, "%s", style[i]);
    }
    pare_text_append(out, "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>%s ", words);
    pare_page_name(out, name, NAME_LIMIT);
    pare_text_append(out, "</h1>\n");
}

void pare_page_close(pare_text *out) {
    pare_text_append(out, "<footer>Made by pare %d.%d.%d.</footer>\n</main>\n</body>\n</html>\n",
                     PARE_VERSION_MAJOR, PARE_VERSION_MINOR, PARE_VERSION_PATCH);
}

void pare_page_number(pare_text *out, double value) {
    char number[PARE_NUMBER_SIZE];
    const char *text =
        value == 0 ? "0" : pare_number_text(pare_number_format_of(fabs(value)), value, "-", number);
    pare_text_append(out, "%s%s", text[0] == '-' && text[1] ? "\xE2\x88\x92" : "",
                     text[0] == '-' && text[1] ? text + 1 : text);
}

void pare_page_number_cell(pare_text *out, double value) {
    pare_text_append(out, "<td class=\"n\">");
    pare_page_number(out, value);
    pare_text_append(out, "</td>");
}

void pare_page_number_row(pare_text *out, const char *name, double value) {
    pare_text_append(out, "<tr><th>%s</th><td>", name);
    pare_page_number(out, value);
    pare_text_append(out, "</td></tr>\n");
}

void pare_page_tile(pare_text *out, const char *kind, const char *name, double value,
                    const char *note) {
    pare_text_append(out, "<div class=\"%s\"><dt>%s</dt><dd class=\"big\">", kind, name);
    pare_page_number(out, value);
    pare_text_append(out, "</dd><dd>%s</dd></div>\n", note);
}

/* An embedding plan as terminal text, JSON (docs/embed.md) and HTML. */
#ifndef PARE_REPORT_EMBED_REPORT_H
#define PARE_REPORT_EMBED_REPORT_H

#include "base/text.h"
#include "problem/embed.h"

void pare_embed_report_text(const pare_embed *embed, pare_text *out);
void pare_embed_report_json(const pare_embed *embed, pare_text *out);
void pare_embed_report_html(const pare_embed *embed, pare_text *out);
/* The part of text and JSON about a continuation; needs embed->window. Fields of the JSON are in
 * the order of the plan's. */
void pare_embed_window_text(const pare_embed *embed, pare_text *out);
void pare_embed_window_json(const pare_embed *embed, pare_text *out);

#endif

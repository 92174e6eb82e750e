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

/* ---- Private to the report ---- */

/* Quality against budget: drawing and table; needs points of the curve. */
void pare_embed_curve_html(const pare_embed *e, pare_text *out);

typedef struct pare_embed_facts {
    bool kept;
    int64_t dimension, bytes;
    double gain; /* of what is kept, or of all of it where nothing is */
} pare_embed_facts;

/* What the plan takes where pare itself scores: rows as long as the longest (docs/embed.md). */
typedef struct pare_embed_loaded {
    int64_t bytes, lines;
    double flops;
} pare_embed_loaded;
pare_embed_loaded pare_embed_loaded_of(const pare_embed *e);
void pare_embed_loaded_text(const pare_embed *e, pare_text *out);
/* What is proved of the choice; nothing where there is no bound. */
void pare_embed_certificate_text(const pare_embed *e, pare_text *out);
/* A line for each hashed field: how many of its ids share rows. */
void pare_embed_hashed_text(const pare_embed *e, pare_text *out);
/* The name of field f, blanks behind it to `width` bytes. */
void pare_embed_put_name(const pare_embed *e, int64_t f, int width, pare_text *out);
pare_embed_facts pare_embed_facts_of(const pare_embed *e, int64_t f);
const char *pare_embed_kind_word(const pare_field *field);
/* Why a field is not in the plan; in the buffer, of 96 bytes, or static. */
enum { PARE_EMBED_REASON_SIZE = 96 };
const char *pare_embed_reason_of(const pare_embed *e, int64_t f, char *buffer);
/* A cost or limit ("-": none) in the unit of the resource's word, in the buffer. */
enum { PARE_EMBED_AMOUNT_SIZE = 32 };
const char *pare_embed_amount_text(int resource, int64_t amount, char *buffer);
/* Text of an option, of a method, in the buffer or static. */
const char *pare_embed_option_word(const pare_embed *e, const char *name, char *buffer,
                                   size_t size);
const char *pare_embed_method_word(const pare_embed *e, int64_t method, char *buffer, size_t size);

#endif

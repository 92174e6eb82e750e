/* What was proved, as sentences and as JSON. */
#ifndef PARE_REPORT_PROOF_H
#define PARE_REPORT_PROOF_H

#include "base/text.h"
#include "select/selection.h"

struct json_t;

/* One sentence a line, none if nothing was proved; each between `before` and `after`. */
void pare_report_proof(const pare_selection *selection, const char *before, const char *after,
                       pare_text *out);
/* "in every optimum", "in no optimum", "" for the rest. */
const char *pare_report_verdict(const pare_item *item);

/* The member "proof" and the comma behind it. */
void pare_report_put_proof(const pare_selection *selection, pare_text *out);
/* Reads it from the whole object; an absent one is nothing proved. */
pare_status pare_report_read_proof(pare_context *ctx, const char *path, const struct json_t *top,
                                   pare_selection *record) PARE_MUST_CHECK;

#endif

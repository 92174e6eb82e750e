/* Values as the outputs write them, and the files of an analysis: STEM.TABLE.tsv and STEM.json. */
#ifndef PARE_REPORT_VALUES_H
#define PARE_REPORT_VALUES_H

#include "base/json.h"

#include <jansson.h>

/* `decimals` digits after the point; "-" for NaN and infinities. */
void pare_put_fixed(pare_text *out, double value, int decimals);

/* Appends what json_pack made and frees it. `card` NULL: packing failed. Fails with a sentence
 * where a name is not UTF-8. */
pare_status pare_put_card(pare_text *out, json_t *card) PARE_MUST_CHECK;
/* Writes the text to STEM.ENDING, whole or not at all, and empties it. */
pare_status pare_save_part(pare_text *text, const char *stem, const char *ending) PARE_MUST_CHECK;

#endif

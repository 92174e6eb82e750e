/* Prunings of a language model as an HTML page. */
#ifndef PARE_REPORT_PRUNE_REPORT_H
#define PARE_REPORT_PRUNE_REPORT_H

#include "base/text.h"
#include "problem/prune_record.h"

void pare_prune_report_html(const pare_prune_record *record, pare_text *out);

#endif

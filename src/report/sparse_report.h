/* A network with blocks of weights gone, as terminal text, JSON (docs/pruning.md) and HTML. */
#ifndef PARE_REPORT_SPARSE_REPORT_H
#define PARE_REPORT_SPARSE_REPORT_H

#include "base/text.h"
#include "problem/sparse_network.h"

void pare_sparse_report_text(const pare_sparse *sparse, pare_text *out);
void pare_sparse_report_json(const pare_sparse *sparse, pare_text *out);
void pare_sparse_report_html(const pare_sparse *sparse, pare_text *out);

#endif

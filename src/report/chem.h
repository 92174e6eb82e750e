/* What tells a property of molecules, as text, files and a page with drawings. */
#ifndef PARE_REPORT_CHEM_H
#define PARE_REPORT_CHEM_H

#include "base/text.h"
#include "problem/chem/chem.h"

void pare_chem_report(const struct pare_chem *chem, pare_text *out);
/* stem.features.tsv, stem.molecules.tsv, stem.atoms.tsv, stem.skipped.tsv, stem.json. */
pare_status pare_chem_write(const struct pare_chem *chem, const char *stem) PARE_MUST_CHECK;
/* One HTML page that needs nothing else. */
pare_status pare_chem_page(const struct pare_chem *chem, pare_text *out) PARE_MUST_CHECK;

/* A number with four significant digits, "-" for NaN. */
const char *pare_chem_number(double value, char *buffer, size_t size);
/* The atoms of a choice that occurs in molecules as a table: see pare_chem_write. */
const char *pare_chem_kind_word(const struct pare_chem *chem, const pare_chem_choice *choice);

#endif

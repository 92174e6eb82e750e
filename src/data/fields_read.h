/* Private to the readers of field tables: from an open input, so that tests and fuzzers read
 * memory. */
#ifndef PARE_DATA_FIELDS_READ_H
#define PARE_DATA_FIELDS_READ_H

#include "data/fields.h"
#include "data/reader.h"

pare_status pare_fields_read_input(pare_input *input, pare_fields_format format,
                                   const pare_options *options, pare_fields *out) PARE_MUST_CHECK;

enum { PARE_CRITEO_COLUMNS = 40 };
/* By name, then by the first line. */
pare_fields_format pare_fields_guess(const pare_input *input);

#endif

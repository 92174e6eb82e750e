/* One safetensors file, for hf.c. */
#ifndef PARE_MODEL_SAFETENSORS_H
#define PARE_MODEL_SAFETENSORS_H

#include "model/checkpoint/checkpoint.h"

#include <jansson.h>

/* Adds all tensors of the file. */
pare_status pare_read_safetensors(pare_checkpoint *out, const char *path) PARE_MUST_CHECK;
pare_status pare_write_safetensors(const pare_export *export, const char *path) PARE_MUST_CHECK;
/* Values of one tensor to a file, converted. Also for GGUF. */
pare_status pare_write_values(const pare_export *export, pare_dtype dtype, int64_t index,
                              FILE *file) PARE_MUST_CHECK;

#endif

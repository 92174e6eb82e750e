/* A model to disk, whatever it was read from: rotary conventions are turned where they differ. */
#ifndef PARE_MODEL_TRANSFORMER_EXPORT_H
#define PARE_MODEL_TRANSFORMER_EXPORT_H

#include "model/transformer/transformer.h"

/*
 * model.safetensors and config.json into an existing directory (pare_write_hf). dtype: of the
 * matrices, F32, F16 or BF16. config_from: a config.json whose other fields are kept, or NULL.
 */
pare_status pare_lm_write_hf(const pare_lm *lm, pare_dtype dtype, const char *directory,
                             const char *config_from) PARE_MUST_CHECK;
/* One GGUF file (pare_write_gguf). vocabulary: NULL for none. Layers that differ are only possible
 * for the Llama and Mistral architectures. */
pare_status pare_lm_write_gguf(const pare_lm *lm, pare_dtype dtype,
                               const pare_stored_vocabulary *vocabulary,
                               const char *path) PARE_MUST_CHECK;
/* Does GGUF of this architecture rotate neighbours (2i, 2i + 1)? */
bool pare_lm_gguf_interleaved(const pare_lm_shape *shape);

#endif

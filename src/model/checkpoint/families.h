/*
 * Checkpoints of GPT-2 and GPT-NeoX, whose tensors have other names and layouts than Llama's:
 * query, key and value in one matrix, and in GPT-2 matrices as (inputs, outputs).
 */
#ifndef PARE_MODEL_FAMILIES_H
#define PARE_MODEL_FAMILIES_H

#include "model/checkpoint/checkpoint.h"

#include <jansson.h>

/* Is it one of the two? */
bool pare_family_is(const char *architecture);

/* Shape from config.json, layers and frequencies not yet reserved; *every: one layer. */
pare_status pare_family_read_config(pare_context *ctx, const char *path, json_t *config,
                                    pare_lm_shape *shape, pare_lm_layer *every) PARE_MUST_CHECK;
/* Sets the sizes in a configuration; nonzero if memory ran out. */
int pare_family_write_config(const pare_lm_shape *shape, const pare_lm_layer *common,
                             json_t *config);

/* Gives the tensors as read our names and layouts; what must be moved is copied. */
pare_status pare_family_adapt(pare_checkpoint *checkpoint) PARE_MUST_CHECK;

/* Where a tensor of ours lies in the file's: entry (row, column) at start + row / block *
 * block_stride + row % block * row_stride + column * column_stride. */
typedef struct pare_place {
    int64_t start, block, block_stride, row_stride, column_stride;
} pare_place;
int64_t pare_place_of(const pare_place *place, int64_t row, int64_t column);

/* The file's name of one of our tensors, its shape there (columns 0: a vector) and our place in it.
 * part: 0, or 1 and 2 for key and value, which share query's tensor. False if it has none. */
typedef struct pare_family_tensor {
    char name[PARE_LM_NAME];
    int64_t rows, columns, part;
    pare_place place;
} pare_family_tensor;
bool pare_family_tensor_of(const pare_lm_shape *shape, const char *ours, int64_t rows,
                           int64_t columns, pare_family_tensor *out);

#endif

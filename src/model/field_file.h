/*
 * A trained field model as a folder: model.json (docs/embed.md), for every kept field its table as
 * NPY float32 (rows, 1 + floats), linear weight first, and its vocabulary as text, one id a line in
 * the order of rows 1, 2, ...; the parameters of networks as NPY float32 vectors.
 */
#ifndef PARE_MODEL_FIELD_FILE_H
#define PARE_MODEL_FIELD_FILE_H

#include "model/field_model.h"

/* Writes what the masks of the model leave: fields with a linear weight or a float of the vector,
 * and the parts of such crosses, without a table of their own where they have none. target: name of
 * the label's column, "" where it has none. Fails where no field is left, or path is refused by
 * pare_field_model_check. */
pare_status pare_field_model_save(const pare_field_model *model, const pare_fields *fields,
                                  const char *target, const char *path,
                                  bool replace) PARE_MUST_CHECK;
/* Before training: whether the model can have the folder. One that exists must be that of a model,
 * with no other files, and `replace` be said. */
pare_status pare_field_model_check(pare_context *ctx, const char *path,
                                   bool replace) PARE_MUST_CHECK;

/* A model ready to predict, and the fields (without rows) that encode rows for it. */
typedef struct pare_field_loaded {
    pare_field_model *model;
    pare_fields fields;
    char *target;
} pare_field_loaded;

/* Refuses files that do not fit together. batch: rows of a call of predict. */
pare_status pare_field_model_load(pare_context *ctx, const char *path, int64_t batch,
                                  pare_field_loaded *out) PARE_MUST_CHECK;
void pare_field_loaded_clear(pare_field_loaded *loaded);

/* Names of the kinds in files, in the order of the enums. */
extern const char *const pare_field_model_names[PARE_FIELD_MODEL_KINDS];
extern const char *const pare_field_kind_names[PARE_FIELD_CROSS + 1];

#endif

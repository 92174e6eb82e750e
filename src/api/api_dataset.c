#include "api/config.h"
#include "data/dataset.h"

pare_status pare_dataset_open(pare_context *ctx, const char *path, const pare_config *config,
                              pare_dataset **out) {
    *out = NULL;
    if (!path || !config) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "a dataset needs a path and a config");
    }
    return pare_dataset_read(ctx, path, &config->options, out);
}

pare_status pare_dataset_open_like(pare_dataset *like, const char *path, const char *target_path,
                                   pare_dataset **out) {
    *out = NULL;
    if (!like) {
        return PARE_ERROR_ARGUMENT;
    }
    if (!path) {
        return pare_fail(like->ctx, PARE_ERROR_ARGUMENT, "test rows need a path");
    }
    if (like->like) {
        return pare_fail(like->ctx, PARE_ERROR_ARGUMENT,
                         "test rows must be opened like the training table, not like test rows");
    }
    return pare_dataset_read_like(like, path, target_path, out);
}

pare_status pare_dataset_wrap(pare_context *ctx, int64_t n, int64_t d, const float *x,
                              int64_t outputs, const double *y, const float *weight,
                              const char *const *names, const pare_config *config,
                              pare_dataset **out) {
    *out = NULL;
    if (!x || !y || !config) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "a dataset of arrays needs x, y and a config");
    }
    return pare_dataset_from_arrays(ctx, n, d, x, outputs, y, weight, names, &config->options, out);
}

pare_status pare_dataset_wrap_sparse(pare_context *ctx, int64_t n, int64_t d, const int64_t *start,
                                     const int32_t *index, const float *value, int64_t outputs,
                                     const double *y, const float *weight, const char *const *names,
                                     const pare_config *config, pare_dataset **out) {
    *out = NULL;
    if (!start || !index || !value || !y || !config) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "a sparse dataset needs start, index, value, y and a config");
    }
    return pare_dataset_from_sparse(ctx, n, d, start, index, value, outputs, y, weight, names,
                                    &config->options, out);
}

void pare_dataset_close(pare_dataset *dataset) {
    pare_dataset_free(dataset);
}

int64_t pare_dataset_rows(const pare_dataset *dataset) {
    return dataset->train_count + dataset->validation_count;
}

int64_t pare_dataset_candidates(const pare_dataset *dataset) {
    return dataset->candidates;
}

const char *pare_dataset_candidate_name(const pare_dataset *dataset, int64_t index) {
    return index >= 0 && index < dataset->candidates ? dataset->candidate_name[index] : NULL;
}

const char *pare_dataset_summary(const pare_dataset *dataset) {
    return dataset->summary;
}

pare_status pare_convert(pare_context *ctx, const char *in, const char *out,
                         const pare_config *config, bool compress, pare_progress_fn progress,
                         void *user, bool *complete) {
    if (!in || !out || !config || !complete) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT,
                         "a conversion needs two paths, a config and a place for `complete`");
    }
    return pare_table_convert(ctx, in, out, &config->options, compress, progress, user, complete);
}

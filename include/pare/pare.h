/*
 * pare: choose the subset that is worth its cost.
 *
 * The public header: it includes the other two of its folder. A program needs five objects:
 *
 *   pare_context    memory, error sentence, warnings, threads; one per thread of the caller
 *   pare_config     the options of one run, set by name (pare_option_at lists them all)
 *   pare_dataset    a table with its target: from a file, or wrapped around the caller's arrays
 *   pare_selector   one selection in progress: create, step until done, result
 *   pare_selection  the answer: chosen candidates in order, scores, path, comparison
 *
 * The shortest complete program:
 *
 *   pare_context *ctx = NULL;  pare_config *config = NULL;
 *   pare_dataset *data = NULL; pare_selection *selection = NULL;
 *   pare_status status = pare_context_create(NULL, &ctx);
 *   if (status == PARE_OK) status = pare_config_create(ctx, &config);
 *   if (status == PARE_OK) status = pare_config_set(config, "k", "50");
 *   if (status == PARE_OK) status = pare_config_set(config, "target", "class");
 *   if (status == PARE_OK) status = pare_dataset_open(ctx, "data.csv", config, &data);
 *   if (status == PARE_OK) status = pare_select(data, NULL, config, NULL, NULL, &selection);
 *   if (status != PARE_OK) fprintf(stderr, "%s\n", pare_context_error(ctx));
 *   ... pare_selection_items(selection, ...) ...
 *   pare_selection_destroy(selection); pare_dataset_close(data);
 *   pare_config_destroy(config); pare_context_destroy(ctx);
 *
 * Every function that can fail returns a pare_status and writes its outputs only on success
 * (a returned object is set to NULL first). The sentence that explains a failure is
 * pare_context_error(). Every destroy/close accepts NULL. The library never prints, exits, or
 * installs signal handlers. Objects of one context must be used by one thread at a time;
 * different contexts are independent.
 */
#ifndef PARE_PARE_H
#define PARE_PARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PARE_VERSION_MAJOR 0
#define PARE_VERSION_MINOR 1
#define PARE_VERSION_PATCH 0

#if defined(__GNUC__)
#define PARE_API        __attribute__((visibility("default")))
#define PARE_MUST_CHECK __attribute__((warn_unused_result))
#else
#define PARE_API
#define PARE_MUST_CHECK
#endif

/* ---- Status -------------------------------------------------------------------------------- */

/* code, value, text. Values are stable. */
#define PARE_STATUS_LIST(X)                                                                        \
    X(PARE_OK, 0, "success")                                                                       \
    X(PARE_ERROR_ARGUMENT, 1, "an argument or option is outside what the function accepts")        \
    X(PARE_ERROR_INPUT, 2, "the content of a file or array is not what was promised")              \
    X(PARE_ERROR_IO, 3, "a file could not be opened, read or written")                             \
    X(PARE_ERROR_MEMORY, 4, "out of memory")                                                       \
    X(PARE_ERROR_UNSUPPORTED, 5, "this combination of options is not offered")                     \
    X(PARE_ERROR_NUMERIC, 6, "a computation left the range of finite numbers")

typedef enum pare_status {
#define PARE_STATUS_ENUM(code, value, text) code = value,
    PARE_STATUS_LIST(PARE_STATUS_ENUM)
#undef PARE_STATUS_ENUM
} pare_status;

/* Fixed one-line description of a status code; "unknown status" for other values. */
PARE_API const char *pare_status_text(pare_status status);

/* ---- Context ------------------------------------------------------------------------------- */

typedef struct pare_context pare_context;

/*
 * Where memory comes from. `allocate` returns `bytes` (> 0) bytes aligned to `alignment` (a power
 * of two) or NULL; `release` takes what `allocate` returned. Both may be called from the thread
 * that calls the library only.
 */
typedef struct pare_allocator {
    size_t size; /* sizeof(pare_allocator) */
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    void (*release)(void *user, void *memory);
    void *user;
} pare_allocator;

/* Creates a context. allocator: NULL for the C library's; copied. */
PARE_API PARE_MUST_CHECK pare_status pare_context_create(const pare_allocator *allocator,
                                                         pare_context **out);
PARE_API void pare_context_destroy(pare_context *ctx);

/* The sentence of the last failure, "" if none; valid until the next failing call. */
PARE_API const char *pare_context_error(const pare_context *ctx);

/* A sentence the user should see although the work goes on (a dropped column, ...). */
typedef void (*pare_warning_fn)(void *user, const char *sentence);
PARE_API void pare_context_on_warning(pare_context *ctx, pare_warning_fn fn, void *user);

/* Number of threads for later work, 1..256; 0: one per available core. Default 0. The answer of
 * every function is the same, bit for bit, for any number. */
PARE_API PARE_MUST_CHECK pare_status pare_context_set_threads(pare_context *ctx, int64_t threads);

/* What this build and machine offer, as lines "name: value\n" (version, CPU level, threads, BLAS,
 * optional parts); valid until the context is destroyed. */
PARE_API PARE_MUST_CHECK pare_status pare_context_info(pare_context *ctx, const char **out);

/* `length` bytes as a JSON string with its quotes, as the library's own files hold names: UTF-8
 * as it is, any other byte as the character U+10FE00 + byte; valid until the next such call. */
PARE_API PARE_MUST_CHECK pare_status pare_context_json(pare_context *ctx, const char *bytes,
                                                       int64_t length, const char **out);

/* ---- Cluster ------------------------------------------------------------------------------- */

/*
 * Where a program is started as several processes (mpirun, srun) and the library was built with
 * MPI: joins them, before any other call. All ranks then make the same calls; tables in .pare files
 * are read in shares, and every rank gets the same answer, bit for bit that of one process. Alone:
 * rank 0 of 1. stop: after the last call.
 */
PARE_API void pare_cluster_start(int64_t *rank, int64_t *size);
PARE_API void pare_cluster_stop(int code);
/* What rank 0 says, on every rank: for decisions that depend on time or signals. */
PARE_API bool pare_cluster_decide(bool mine);

/* ---- Options ------------------------------------------------------------------------------- */

typedef enum pare_option_type {
    PARE_OPTION_INTEGER,
    PARE_OPTION_REAL,
    PARE_OPTION_BOOL,
    PARE_OPTION_TEXT,
    PARE_OPTION_CHOICE
} pare_option_type;

typedef struct pare_option {
    size_t size;         /* set by the caller to sizeof(pare_option) */
    const char *name;    /* "mask-learning-rate" */
    const char *section; /* heading in --help: "data", "selection", "training", "proof",
                            "output" */
    pare_option_type type;
    const char *initial; /* the default, as text */
    double low, high;    /* inclusive bounds of INTEGER and REAL */
    const char *choices; /* CHOICE: "a|b|c" */
    const char *help;    /* one sentence */
} pare_option;

/* Number of options, and the index-th of them (0-based); PARE_ERROR_ARGUMENT past the end. */
PARE_API int64_t pare_option_count(void);
PARE_API PARE_MUST_CHECK pare_status pare_option_at(int64_t index, pare_option *out);

typedef struct pare_config pare_config;
PARE_API PARE_MUST_CHECK pare_status pare_config_create(pare_context *ctx, pare_config **out);
/* Sets option `name` from text; refuses unknown names, trailing text, NaN, values out of range. */
PARE_API PARE_MUST_CHECK pare_status pare_config_set(pare_config *config, const char *name,
                                                     const char *value);
/* The current value of option `name` as text, valid until the next call on this config. */
PARE_API PARE_MUST_CHECK pare_status pare_config_get(pare_config *config, const char *name,
                                                     const char **out);
PARE_API void pare_config_destroy(pare_config *config);

/* ---- Progress ------------------------------------------------------------------------------ */

/* Where a selection stands. */
typedef struct pare_progress {
    size_t size;         /* sizeof(pare_progress) as the library knows it */
    const char *stage;   /* "warm-up", "select", "refit", "compare", ... */
    double fraction;     /* of the whole work, 0..1 */
    double seconds;      /* since the start */
    double seconds_left; /* estimate, < 0 if unknown */
    int64_t chosen;      /* candidates chosen so far */
    int64_t wanted;      /* candidates to choose */
    double loss;         /* latest training loss, NaN if none */
    const char *last;    /* name of the latest chosen candidate, NULL if none */
} pare_progress;

/* Called about ten times a second; a nonzero return stops the work: the partial answer is kept. */
typedef int (*pare_progress_fn)(void *user, const pare_progress *progress);
/* Progress of the calls on this context that take no such function of their own:
 * pare_embedding_create and pare_embedding_train, which, stopped, fail and write nothing. NULL:
 * none. */
PARE_API void pare_context_on_progress(pare_context *ctx, pare_progress_fn fn, void *user);

/* ---- Data ---------------------------------------------------------------------------------- */

typedef struct pare_dataset pare_dataset;

/*
 * Opens a table: CSV or TSV (.gz too, "-" for standard input), NPY, IDX(.gz), libsvm(.gz); the
 * format follows from the name and content unless option "format" says. Roles of the columns come
 * from the options of section "data"; the target must be there. Cost: one read of the file.
 */
PARE_API PARE_MUST_CHECK pare_status pare_dataset_open(pare_context *ctx, const char *path,
                                                       const pare_config *config,
                                                       pare_dataset **out);

/*
 * Opens more rows of the same table (test rows): columns are matched by name (by position where
 * there are no names), scaling, levels and missing-value rules are those of `like`, which is
 * borrowed until the new dataset is closed. target_path: NULL if the target is in the file.
 */
PARE_API PARE_MUST_CHECK pare_status pare_dataset_open_like(pare_dataset *like, const char *path,
                                                            const char *target_path,
                                                            pare_dataset **out);

/*
 * Wraps arrays. x: (n, d) row-major float32, NaN = missing, borrowed until close. y: (n, outputs)
 * row-major; class numbers or real values (option "task" decides, "auto" looks at them). names: d
 * strings or NULL for "x0".."x<d-1>". weight: n values >= 0 or NULL.
 */
PARE_API PARE_MUST_CHECK pare_status pare_dataset_wrap(
    pare_context *ctx, int64_t n, int64_t d, const float *x, int64_t outputs, const double *y,
    const float *weight, const char *const *names, const pare_config *config, pare_dataset **out);
/*
 * The same for rows that are mostly zeros, as CSR: row i holds value[p] in column index[p] for p
 * from start[i] to start[i + 1] - 1, columns ascending; the rest is 0. start: (n + 1), start[0] =
 * 0; index and value: (start[n]), not NULL even if it is 0; all borrowed until close. Everything
 * else as in pare_dataset_wrap.
 */
PARE_API PARE_MUST_CHECK pare_status pare_dataset_wrap_sparse(
    pare_context *ctx, int64_t n, int64_t d, const int64_t *start, const int32_t *index,
    const float *value, int64_t outputs, const double *y, const float *weight,
    const char *const *names, const pare_config *config, pare_dataset **out);
PARE_API void pare_dataset_close(pare_dataset *dataset);

/*
 * Writes the table `in` (any format that a dataset can be opened from) as the .pare file `out`,
 * which is opened like any other table. CSV and TSV are read once, with memory that does not depend
 * on their size. The file grows as `out`.partial and is renamed when complete; a call that finds
 * such a beginning of the same source goes on with it. compress: chunks are packed with zstd.
 * *complete: false if progress (NULL allowed) stopped the work; the beginning is then kept.
 */
PARE_API PARE_MUST_CHECK pare_status pare_convert(pare_context *ctx, const char *in,
                                                  const char *out, const pare_config *config,
                                                  bool compress, pare_progress_fn progress,
                                                  void *user, bool *complete);

PARE_API int64_t pare_dataset_rows(const pare_dataset *dataset);
/* Number of candidates: what can be chosen. A categorical column or a group is one candidate. */
PARE_API int64_t pare_dataset_candidates(const pare_dataset *dataset);
/* Name of candidate `index`, NULL past the end; valid until close. */
PARE_API const char *pare_dataset_candidate_name(const pare_dataset *dataset, int64_t index);
/* One sentence about shape, task, split; valid until close. */
PARE_API const char *pare_dataset_summary(const pare_dataset *dataset);

/* ---- Selection ----------------------------------------------------------------------------- */

typedef struct pare_selector pare_selector;
typedef struct pare_selection pare_selection;

/*
 * Starts a selection on `train`. valid: rows for validation, or NULL to hold out the share given
 * by option "validation". Both, and config's values at this moment, are borrowed until destroy.
 */
PARE_API PARE_MUST_CHECK pare_status pare_selector_create(pare_dataset *train, pare_dataset *valid,
                                                          const pare_config *config,
                                                          pare_selector **out);
/* Does a bounded piece of work (well under a second on ordinary data). *done: true at the end. */
PARE_API PARE_MUST_CHECK pare_status pare_selector_step(pare_selector *selector, bool *done);
PARE_API PARE_MUST_CHECK pare_status pare_selector_progress(const pare_selector *selector,
                                                            pare_progress *out);
/* The answer so far; complete once step said done. */
PARE_API PARE_MUST_CHECK pare_status pare_selector_result(pare_selector *selector,
                                                          pare_selection **out);
/* Writes the state; a selector created with the same data and config continues from it, with the
 * same answer as if it had never stopped. */
PARE_API PARE_MUST_CHECK pare_status pare_selector_save(pare_selector *selector, const char *path);
PARE_API PARE_MUST_CHECK pare_status pare_selector_load(pare_selector *selector, const char *path);
PARE_API void pare_selector_destroy(pare_selector *selector);

/* create, step until done or stopped, result, in one call. progress may be NULL. */
PARE_API PARE_MUST_CHECK pare_status pare_select(pare_dataset *train, pare_dataset *valid,
                                                 const pare_config *config,
                                                 pare_progress_fn progress, void *user,
                                                 pare_selection **out);

/*
 * Trains fresh models on the chosen candidates, on all and on as many random ones, scores them on
 * the validation rows and on `test` (NULL: none), and stores the scores in the selection, together
 * with the path (number of candidates -> validation score).
 */
PARE_API PARE_MUST_CHECK pare_status pare_selection_evaluate(
    pare_selection *selection, pare_dataset *train, pare_dataset *valid, pare_dataset *test,
    const pare_config *config, pare_progress_fn progress, void *user);

/*
 * Proves how good the chosen are (option "certify" and its kin; docs/certificates.md): bounds the
 * loss of a linear model on any so many candidates of `train`, and stores the bound and a verdict
 * on each choice in the selection. Candidates are found by their names; a name that `train` lacks
 * is refused. A nonzero return of progress ends the work; the bound reached so far is kept.
 */
PARE_API PARE_MUST_CHECK pare_status pare_selection_certify(pare_selection *selection,
                                                            pare_dataset *train,
                                                            const pare_config *config,
                                                            pare_progress_fn progress, void *user);
/* A selection of the candidates of `dataset` named in a text file, one name a line, in that
 * order. */
PARE_API PARE_MUST_CHECK pare_status pare_selection_from_names(pare_dataset *dataset,
                                                               const char *path,
                                                               const pare_config *config,
                                                               pare_selection **out);
/* A number that was proved, NaN if it was not: "certificate.fraction", "stability.bound",
 * "knockoffs.threshold", "held_out.fewest", ... (docs/selection_json.md, `proof`). */
PARE_API double pare_selection_proved(const pare_selection *selection, const char *what);
/* The value an option had when the selection was made; NULL if unknown; valid until the next call
 * on this selection. */
PARE_API const char *pare_selection_option(pare_selection *selection, const char *name);

PARE_API int64_t pare_selection_count(const pare_selection *selection);
/* Candidate numbers in the order of choice; count entries, valid until destroy. */
PARE_API const int64_t *pare_selection_items(const pare_selection *selection);
/* Name and score of the rank-th choice (0-based); NULL and NaN past the end. */
PARE_API const char *pare_selection_name(const pare_selection *selection, int64_t rank);
PARE_API double pare_selection_score(const pare_selection *selection, int64_t rank);
/* What the chosen cost in all, at most option "budget"; NaN where there was none. */
PARE_API double pare_selection_cost(const pare_selection *selection);
/* True if the work was stopped before its end (progress callback, time limit). */
PARE_API bool pare_selection_stopped(const pare_selection *selection);

/* Comparison of models: which: "chosen", "all", "random"; rows: "validation" or "test". Accuracy
 * for classes, R squared for real targets; NaN where it was not computed. */
PARE_API double pare_selection_metric(const pare_selection *selection, const char *which,
                                      const char *rows);
/* Validation score with the first `count` choices, NaN where not computed. */
PARE_API double pare_selection_path(const pare_selection *selection, int64_t count);
/* The terminal table as text; valid until destroy. */
PARE_API PARE_MUST_CHECK pare_status pare_selection_text(pare_selection *selection,
                                                         const char **out);

/* selection.json (docs/selection_json.md) as text; valid until the next such call or destroy. */
PARE_API PARE_MUST_CHECK pare_status pare_selection_json(pare_selection *selection,
                                                         const char **out);
/* The same as a file; "-" is standard output. Written under a temporary name
 * and renamed, so a failure leaves what was there. */
PARE_API PARE_MUST_CHECK pare_status pare_selection_save(const pare_selection *selection,
                                                         const char *path);
PARE_API PARE_MUST_CHECK pare_status pare_selection_load(pare_context *ctx, const char *path,
                                                         pare_selection **out);
/* Self-contained HTML report. Same writing rule. */
PARE_API PARE_MUST_CHECK pare_status pare_selection_report(const pare_selection *selection,
                                                           const char *path);
/* Copies the chosen columns (and the target and weight columns, where present) of the CSV or TSV
 * file `in` to `out`, cells byte for byte, in the table's own column order. */
PARE_API PARE_MUST_CHECK pare_status pare_selection_apply(const pare_selection *selection,
                                                          const char *in, const char *out);
PARE_API void pare_selection_destroy(pare_selection *selection);

/* ---- Embedding plans ------------------------------------------------------------------------ */

typedef struct pare_embedding pare_embedding;

/*
 * Reads rows of categorical and numeric fields with a 0/1 label (csv, tsv, libffm, libfm, Criteo;
 * option "embed-format"), holds out the share of option "validation", chooses the fields and the
 * lengths of their embedding vectors that are worth their cost within option "budget", trains the
 * model of option "embed-model" on that choice and on everything, and scores both (docs/embed.md).
 */
PARE_API PARE_MUST_CHECK pare_status pare_embedding_create(pare_context *ctx, const char *path,
                                                           const pare_config *config,
                                                           pare_embedding **out);
/* The terminal tables as text; valid until the next call or destroy. */
PARE_API PARE_MUST_CHECK pare_status pare_embedding_text(pare_embedding *plan, const char **out);
/* The plan as JSON, and as HTML; "-" is standard output. */
PARE_API PARE_MUST_CHECK pare_status pare_embedding_save(const pare_embedding *plan,
                                                         const char *path);
PARE_API PARE_MUST_CHECK pare_status pare_embedding_report(const pare_embedding *plan,
                                                           const char *path);
PARE_API void pare_embedding_destroy(pare_embedding *plan);

typedef struct pare_embedding_scores {
    size_t size;          /* sizeof(pare_embedding_scores) */
    int64_t rows;         /* trained on, or scored */
    double log_loss, auc; /* of held-out or scored rows; NaN: none, or no labels */
    double cpu_seconds;
    /* Training: ids of the file in hashed fields, and those that share a row with others. */
    int64_t hashed_ids, shared_ids;
    int64_t crowded_ids; /* training: ids frequent enough, but without a row of their own, since
                            the plan's tables have no more */
} pare_embedding_scores;

/*
 * Trains what the file of option "plan" keeps (none: every field) and writes the model as a folder:
 * JSON, tables as NPY, vocabularies as text (docs/embed.md). scores: may be NULL.
 */
PARE_API PARE_MUST_CHECK pare_status pare_embedding_train(pare_context *ctx, const char *path,
                                                          const pare_config *config,
                                                          const char *folder,
                                                          pare_embedding_scores *scores);
/* Probabilities of rows, labelled or not, by such a folder: CSV, one column "probability". */
PARE_API PARE_MUST_CHECK pare_status pare_embedding_score(pare_context *ctx, const char *folder,
                                                          const char *path,
                                                          const pare_config *config,
                                                          const char *out,
                                                          pare_embedding_scores *scores);

/* What scoring by a plan or a trained model costs. Times are seconds of one call on `batch` rows
 * whose ids are in hand; NaN where nothing was measured. */
typedef struct pare_serving_latency {
    size_t size;                      /* sizeof(pare_serving_latency) */
    const char *model;                /* "lr", "fm", "deepfm", "dnn", "dcnv2"; static */
    int64_t fields, dimension, batch; /* kept; length of vectors; rows of a call */
    int64_t bytes, lines; /* of the tables as the plan counts them; 64-byte lines of a row */
    double flops;         /* of a row, likewise */
    double predicted_p50, predicted_p99, measured_p50, measured_p99;
    int64_t levels, points;  /* the calibration, medians: */
    double level_bytes[8];   /* bytes in use between two visits of a table row */
    double level_wait[8];    /* what a call waits once, beyond the nearest cache */
    double level_look_up[8]; /* and for each field */
    double point_flops[8];   /* of a row of the stand-ins */
    double point_seconds[8]; /* of a call, look-ups not counted */
    /* As pare itself loads and scores, which the times are of: every row as long as the longest. */
    int64_t loaded_bytes, loaded_lines;
    double loaded_flops;
} pare_serving_latency;

/*
 * path: a plan of `pare embed` (its tables are then filled with random numbers) or a folder of
 * pare_embedding_train. batch: 1 .. 65536. measure: calibrates the parts on this machine, predicts
 * from them, and measures the whole, some seconds in all; 0: counts only. One thread at a time:
 * what else runs on the machine shows in the times.
 */
PARE_API PARE_MUST_CHECK pare_status pare_embedding_latency(pare_context *ctx, const char *path,
                                                            int64_t batch, int measure,
                                                            pare_serving_latency *out);

/* ---- A network with blocks of weights gone -------------------------------------------------- */

typedef struct pare_network_pruned pare_network_pruned;

/* Trains a plain network (section "training") on a table while blocks of its weights go (sections
 * "blocks", "sparsify"), scores it on the validation rows and on test (NULL: none), and with option
 * "compare" the dense one too. Borrows train until destroy; stopped by progress: no result. */
PARE_API PARE_MUST_CHECK pare_status pare_network_prune(pare_dataset *train, pare_dataset *test,
                                                        const pare_config *config,
                                                        pare_progress_fn progress, void *user,
                                                        pare_network_pruned **out);
/* Layers and scores as text; valid until the next call or destroy. */
PARE_API PARE_MUST_CHECK pare_status pare_network_text(pare_network_pruned *network,
                                                       const char **out);
/* Weights, biases, masks and scaling as an .npz file (docs/pruning.md); the record as JSON; the
 * report as HTML. Each appears whole or not at all; "-" is standard output. */
PARE_API PARE_MUST_CHECK pare_status pare_network_save(const pare_network_pruned *network,
                                                       const char *path);
PARE_API PARE_MUST_CHECK pare_status pare_network_save_record(const pare_network_pruned *network,
                                                              const char *path);
PARE_API PARE_MUST_CHECK pare_status pare_network_report(const pare_network_pruned *network,
                                                         const char *path);
PARE_API void pare_network_destroy(pare_network_pruned *network);

/* ---- A model that the caller trains ---------------------------------------------------------- */

/*
 * Candidates are whatever the caller's model multiplies by a mask: inputs, blocks of weights,
 * heads, channels, layers. The library owns mask, schedule and choice, the model its parameters.
 * Callbacks run in the thread that calls pare_external_create or _step; one that returns nonzero
 * ends that call with PARE_ERROR_INPUT. mask, d_mask: (candidates).
 */
typedef struct pare_external_model {
    size_t size; /* sizeof(pare_external_model) */
    int64_t candidates;
    int64_t steps_per_epoch; /* calls of step that see every training row once */
    void *user;
    /* Fresh parameters from `seed`, for about so many steps; NULL: they stay as they are. */
    int (*reset)(void *user, uint64_t seed, int64_t steps);
    /* One training step with candidate j multiplied by mask[j]: parameters move, *loss gets the
     * mean loss of the batch, d_mask[j] its derivative by mask[j]; d_mask NULL: not wanted. */
    int (*step)(void *user, const float *mask, double *loss, float *d_mask);
    /* Score on validation rows, higher is better, its standard error (NaN: unknown) and the score
     * of the best constant answer. It ends the warm-up when the model has learned, and says what
     * removing each chosen candidate costs. NULL: the warm-up keeps its planned length, and the
     * derivatives say what removing costs. */
    int (*evaluate)(void *user, const float *mask, double *score, double *error,
                    double *constant_score);
} pare_external_model;

typedef struct pare_external pare_external;

/*
 * Starts a selection of config's k candidates. Methods sequential-attention and lly; options
 * include and exclude take candidate numbers; epochs 0: about 4000 steps. The model is copied,
 * config borrowed for the call.
 */
PARE_API PARE_MUST_CHECK pare_status pare_external_create(pare_context *ctx,
                                                          const pare_external_model *model,
                                                          const pare_config *config,
                                                          pare_external **out);
/* At most 16 steps of the model. *done: true at the end. */
PARE_API PARE_MUST_CHECK pare_status pare_external_step(pare_external *external, bool *done);
PARE_API PARE_MUST_CHECK pare_status pare_external_progress(const pare_external *external,
                                                            pare_progress *out);
/* Candidates chosen so far, their numbers in order of choice (valid until the next step), and the
 * score of the rank-th (NaN past the end): what removing it would cost. */
PARE_API int64_t pare_external_count(const pare_external *external);
PARE_API const int64_t *pare_external_items(const pare_external *external);
PARE_API double pare_external_score(const pare_external *external, int64_t rank);
PARE_API void pare_external_destroy(pare_external *external);

#ifdef __cplusplus
}
#endif

#include "pare/biology.h"
#include "pare/language.h"

#endif

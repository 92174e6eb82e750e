#include "problem/embed_curve.h"
#include "problem/embed_latency.h"

#include "base/random.h"
#include "platform/system.h"

#include <math.h>

static const double TELL_SECONDS = 0.1;

void pare_embed_free(pare_embed *embed) {
    if (!embed) {
        return;
    }
    for (int64_t g = 0; g < embed->serving.groups && embed->group_name; g++) {
        pare_free(embed->ctx, embed->group_name[g]);
    }
    pare_free(embed->ctx, embed->schema);
    void *owned[] = {embed->size,       embed->width,    embed->group,  embed->fetch, embed->name,
                     embed->group_name, embed->pinned,   embed->banned, embed->gain,  embed->keep,
                     embed->train_row,  embed->held_row, embed->cross,  embed->times, embed->curve,
                     embed->reason,     embed->alone};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(embed->ctx, owned[i]);
    }
    pare_field_model_destroy(embed->model);
    pare_embed_window_free(embed->ctx, embed->window);
    pare_fields_clear(&embed->fields);
    pare_options_clear(&embed->options);
    pare_free(embed->ctx, embed);
}

/* ---- Masks ----------------------------------------------------------------------------------- */

void pare_embed_mask(const pare_embed *embed, const double *weight, pare_field_model *model) {
    int64_t chunks = embed->serving.chunks;
    for (int64_t f = 0; f < embed->serving.fields; f++) {
        float *mask = model->mask + f * model->stride;
        int64_t place = PARE_FM_HEAD;
        mask[0] = (float)weight[f * (chunks + 1)];
        for (int64_t c = 0; c < chunks; c++) {
            for (int64_t j = 0; j < embed->width[c]; j++) {
                mask[place++] = (float)weight[f * (chunks + 1) + c + 1];
            }
        }
    }
}

void pare_embed_fold(const pare_embed *embed, const pare_field_model *model, const float *d_mask,
                     double *out) {
    int64_t chunks = embed->serving.chunks;
    for (int64_t f = 0; f < embed->serving.fields; f++) {
        const float *d = d_mask + f * model->stride;
        int64_t place = PARE_FM_HEAD;
        out[f * (chunks + 1)] = (double)d[0];
        for (int64_t c = 0; c < chunks; c++) {
            double sum = 0;
            for (int64_t j = 0; j < embed->width[c]; j++) {
                sum += (double)d[place++];
            }
            out[f * (chunks + 1) + c + 1] = sum;
        }
    }
}

pare_status pare_embed_create(pare_embed *embed, const uint8_t *keep, int64_t known,
                              pare_field_model **out) {
    double *weight = NULL;
    for (int64_t i = known; i < embed->train; i++) {
        embed->fields.held_out[embed->train_row[i]] = 1;
    }
    pare_status status = pare_field_model_create(embed->ctx, &embed->spec, &embed->fields,
                                                 (uint64_t)embed->options.seed, out);
    for (int64_t i = known; i < embed->train; i++) {
        embed->fields.held_out[embed->train_row[i]] = 0;
    }
    if (status == PARE_OK && keep) {
        status = pare_alloc(embed->ctx, embed->candidates, sizeof *weight, &weight);
    }
    if (status == PARE_OK && keep) {
        for (int64_t i = 0; i < embed->candidates; i++) {
            weight[i] = keep[i] ? 1 : 0;
        }
        pare_embed_mask(embed, weight, *out);
    }
    pare_free(embed->ctx, weight);
    if (status != PARE_OK) {
        pare_field_model_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* ---- Progress -------------------------------------------------------------------------------- */

void pare_embed_stage(pare_embed *embed, const char *stage, double from, double to) {
    embed->stage = stage;
    embed->stage_from = from;
    embed->stage_to = to;
}

bool pare_embed_tell(void *user, double done, double loss) {
    pare_embed *e = user;
    double now = pare_clock_seconds();
    if (!e->ctx->on_progress || e->stopped || now - e->told < TELL_SECONDS) {
        return e->stopped;
    }
    double share = e->stage_from + (e->stage_to - e->stage_from) * done, seconds = now - e->began;
    pare_progress at = {.size = sizeof at,
                        .stage = e->stage,
                        .fraction = share,
                        .seconds = seconds,
                        .seconds_left = share > 0 ? seconds * (1 - share) / share : -1,
                        .loss = loss};
    e->told = now;
    e->stopped = e->ctx->on_progress(e->ctx->progress_user, &at) != 0;
    return e->stopped;
}

pare_status pare_embed_going(const pare_embed *embed) {
    return embed->stopped ? pare_fail(embed->ctx, PARE_ERROR_ARGUMENT, "stopped by the caller")
                          : PARE_OK;
}

/* ---- Training -------------------------------------------------------------------------------- */

void pare_embed_order(pare_embed *embed) {
    int64_t used = 0;
    for (int64_t i = 0; i < embed->fields.rows; i++) {
        if (!embed->fields.held_out[i]) {
            embed->train_row[used++] = i;
        }
    }
}

pare_status pare_embed_train(pare_embed *embed, const uint8_t *keep, pare_field_model **out) {
    pare_status status = pare_embed_create(embed, keep, embed->train, out);
    if (status == PARE_OK) {
        pare_embed_order(embed);
        (void)pare_field_model_fit_until(*out, &embed->fields, embed->train, embed->train_row,
                                         embed->passes, true, pare_embed_tell, embed);
        status = pare_embed_going(embed);
    }
    if (status != PARE_OK) {
        pare_field_model_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* ---- Set up ---------------------------------------------------------------------------------- */

/* The model's defaults, and what the options say in their place. */
static pare_status make_spec(pare_embed *embed) {
    const pare_options *options = &embed->options;
    pare_field_spec *spec = &embed->spec;
    if (options->normalise == PARE_NORMALISE_LAYER) {
        return pare_fail(embed->ctx, PARE_ERROR_ARGUMENT,
                         "normalise: field models have batch normalisation only; expected none or "
                         "batch");
    }
    *spec =
        pare_field_spec_default((pare_field_model_kind)options->embed_model, options->dimension);
    pare_field_spec_optimizer(spec, (pare_field_optimizer)options->embed_optimizer);
    embed->start = spec->rate;
    spec->batch = options->batch > 0 ? options->batch : spec->batch;
    spec->decay = options->l2 >= 0 ? (float)options->l2 : spec->decay;
    spec->dropout = (float)options->dropout;
    spec->normalise = options->normalise == PARE_NORMALISE_BATCH;
    return PARE_OK;
}

void pare_embed_network(const pare_field_spec *spec, pare_serving *serving) {
    int64_t layers = spec->layers, units = layers > 0 ? spec->units : 0;
    serving->units = units;
    serving->later = layers > 0 ? 2 * (layers - 1) * units * units + 2 * units : 0;
    serving->crosses = spec->crosses;
}

int64_t pare_embed_part(const pare_serving *serving, int resource, int64_t limit, int64_t part,
                        int64_t whole) {
    int64_t always = resource == PARE_RESOURCE_FLOPS ? serving->later : 0;
    return limit == INT64_MAX || limit < always ? limit : always + (limit - always) / whole * part;
}

pare_status pare_embed_set_up(pare_embed *embed) {
    pare_context *ctx = embed->ctx;
    pare_serving *serving = &embed->serving;
    const pare_options *options = &embed->options;
    pare_status made = make_spec(embed);
    if (made != PARE_OK) {
        return made;
    }
    serving->ctx = ctx;
    serving->fields = embed->fields.count;
    pare_embed_network(&embed->spec, serving);
    int64_t chunk = options->chunk, dimension = embed->spec.dimension;
    int64_t most = serving->fields + options->crosses;
    serving->chunks = (dimension + chunk - 1) / chunk;
    const struct {
        int64_t count;
        size_t size;
        void *array;
    } parts[] = {{most, sizeof *embed->size, &embed->size},
                 {2 * most, sizeof *embed->group, &embed->group},
                 {most, sizeof *embed->name, &embed->name},
                 {most, sizeof *embed->reason, &embed->reason},
                 {most, sizeof *embed->alone, &embed->alone},
                 {most, 1, &embed->pinned},
                 {most, 1, &embed->banned},
                 {serving->chunks, sizeof *embed->width, &embed->width},
                 {most * (serving->chunks + 1), sizeof *embed->gain, &embed->gain},
                 {most * (serving->chunks + 1), 1, &embed->keep}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        pare_status status = pare_alloc_zero(ctx, parts[i].count, parts[i].size, parts[i].array);
        if (status != PARE_OK) {
            return status;
        }
    }
    for (int64_t f = 0; f < serving->fields; f++) {
        embed->group[2 * f] = embed->group[2 * f + 1] = -1;
    }
    for (int64_t c = 0; c < serving->chunks; c++) {
        int64_t left = dimension - c * chunk;
        embed->width[c] = left < chunk ? left : chunk;
    }
    serving->size = embed->size;
    serving->name = embed->name;
    serving->width = embed->width;
    serving->group = embed->group;
    serving->pinned = embed->pinned;
    serving->banned = embed->banned;
    for (int r = 0; r < PARE_RESOURCES; r++) {
        serving->limit[r] = INT64_MAX;
    }
    return PARE_OK;
}

/* What the choice has to know of each field, crosses included. */
void pare_embed_list_fields(pare_embed *embed) {
    embed->serving.fields = embed->fields.count;
    embed->candidates = pare_serving_candidates(&embed->serving);
    for (int64_t f = 0; f < embed->fields.count; f++) {
        const pare_field *field = &embed->fields.field[f];
        embed->size[f] = field->size;
        embed->name[f] = field->name;
        if (field->kind == PARE_FIELD_CROSS) {
            embed->group[2 * f] = embed->group[2 * field->part[0]];
            embed->group[2 * f + 1] = embed->group[2 * field->part[1]];
        }
    }
}

static pare_status inherit(pare_embed *embed) {
    const pare_embed *from = embed->within;
    memcpy(embed->serving.limit, from->serving.limit, sizeof from->serving.limit);
    embed->latency.rates = from->latency.rates;
    return from->schema ? pare_text_copy(embed->ctx, from->schema, (int64_t)strlen(from->schema),
                                         &embed->schema)
                        : PARE_OK;
}

/* The crosses of the other run whose parts there are. */
static pare_status inherit_crosses(pare_embed *embed) {
    const pare_fields *from = &embed->within->fields;
    pare_field_pair *pair = NULL;
    int64_t count = 0;
    pare_status status = pare_alloc(embed->ctx, embed->options.crosses, sizeof *pair, &pair);
    for (int64_t f = 0; f < from->count && status == PARE_OK; f++) {
        const pare_field *cross = &from->field[f];
        int64_t part[2] = {-1, -1};
        for (int i = 0; i < 2 && cross->kind == PARE_FIELD_CROSS; i++) {
            const char *name = from->field[cross->part[i]].name;
            part[i] = pare_fields_find(&embed->fields, name, (int64_t)strlen(name));
        }
        if (part[0] >= 0 && part[1] >= 0 &&
            embed->fields.field[part[0]].kind != PARE_FIELD_NUMBER &&
            embed->fields.field[part[1]].kind != PARE_FIELD_NUMBER &&
            count < embed->options.crosses) {
            pair[count++] = (pare_field_pair){{part[0], part[1]}, embed->options.cross_rows};
        }
    }
    if (status == PARE_OK) {
        status = pare_fields_cross(&embed->fields, count, pair);
    }
    pare_free(embed->ctx, pair);
    return status;
}

static pare_status prepare(pare_embed *embed, const char *path) {
    const pare_options *options = &embed->options;
    pare_status status = options->plan[0] ? pare_embed_plan_options(embed) : PARE_OK;
    if (status == PARE_OK) {
        status = pare_embed_schema_target(embed);
    }
    if (status != PARE_OK) {
        return status;
    }
    status = pare_fields_read(embed->ctx, path, (pare_fields_format)options->embed_format, options,
                              &embed->fields);
    embed->fields.hash_bits = options->hash_bits;
    embed->fields.by_time = options->by_time;
    if (status == PARE_OK) {
        status = pare_embed_set_up(embed);
    }
    if (status == PARE_OK) {
        status = embed->within ? inherit(embed) : pare_embed_budget(embed);
    }
    if (status == PARE_OK) {
        status = pare_embed_schema(embed);
    }
    if (status == PARE_OK && options->plan[0]) {
        status = pare_embed_plan_kinds(embed);
    }
    if (status == PARE_OK) {
        status = pare_fields_encode(&embed->fields, options->validation, (uint64_t)options->seed,
                                    options->minimum_count);
    }
    if (status == PARE_OK) {
        status = pare_fields_rows(&embed->fields, false, &embed->train, &embed->train_row);
    }
    if (status == PARE_OK) {
        status = pare_fields_rows(&embed->fields, true, &embed->held, &embed->held_row);
    }
    double start = pare_cpu_seconds();
    if (status == PARE_OK && options->plan[0]) {
        status = pare_embed_plan_crosses(embed);
    } else if (status == PARE_OK && options->crosses > 0 && embed->within) {
        status = inherit_crosses(embed);
    } else if (status == PARE_OK && options->crosses > 0) {
        pare_embed_stage(embed, "screen crosses", 0.03, 0.05);
        status = pare_embed_crosses(embed);
        embed->cpu_screening = pare_cpu_seconds() - start;
    }
    if (status == PARE_OK) {
        pare_embed_list_fields(embed);
        status = pare_embed_latency_begin(embed);
    }
    return status;
}

/* ---- Run ------------------------------------------------------------------------------------- */

static pare_status score(pare_embed *embed, const uint8_t *keep, pare_embed_score *out) {
    pare_field_model *model = NULL;
    double start = pare_cpu_seconds();
    pare_status status = pare_embed_train(embed, keep, &model);
    if (status == PARE_OK) {
        out->cpu = pare_cpu_seconds() - start;
        status = pare_field_model_score(model, &embed->fields, embed->held, embed->held_row,
                                        &out->log_loss, &out->auc);
    }
    pare_field_model_destroy(model);
    return status;
}

/* Before any training: what cannot fit is said at once. */
static pare_status check_budget(pare_embed *embed) {
    for (int64_t i = 0; i < embed->candidates; i++) {
        embed->keep[i] = 1;
    }
    pare_serving_cost(&embed->serving, embed->keep, embed->full_cost);
    memset(embed->keep, 0, (size_t)embed->candidates);
    return pare_serving_choose(&embed->serving, embed->gain, embed->keep);
}

static pare_status run(pare_embed *embed) {
    pare_status status = pare_embed_leave_constant(embed);
    if (status == PARE_OK) {
        status = check_budget(embed);
    }
    pare_embed_stage(embed, "tune", 0.05, 0.4);
    if (status == PARE_OK) {
        status = pare_embed_tune(embed, NULL);
    }
    pare_embed_stage(embed, "train all", 0.4, 0.6);
    if (status == PARE_OK) {
        status = score(embed, NULL, &embed->full);
    }
    pare_embed_stage(embed, "select", 0.6, 0.85);
    double start = pare_cpu_seconds();
    if (status == PARE_OK) {
        status = embed->options.embed_method == PARE_EMBED_SEQUENTIAL_ATTENTION
                     ? pare_embed_search(embed)
                     : pare_embed_gains(embed);
        embed->cpu_selecting = pare_cpu_seconds() - start;
    }
    if (status == PARE_OK) {
        pare_embed_stage(embed, "train plan", 0.85, 1);
        pare_serving_cost(&embed->serving, embed->keep, embed->cost);
        bool all = !memchr(embed->keep, 0, (size_t)embed->candidates);
        if (!pare_field_spec_deep(&embed->spec) && !all) { /* else: those of the model of all */
            status = pare_embed_tune(embed, embed->keep);
        }
    }
    if (status == PARE_OK) {
        status = score(embed, embed->keep, &embed->chosen);
    }
    if (status == PARE_OK) {
        status = pare_embed_reasons(embed);
    }
    if (status == PARE_OK) {
        status = pare_embed_latency_end(embed);
    }
    return status == PARE_OK && embed->options.curve ? pare_embed_draw_curve(embed) : status;
}

static pare_status start(pare_context *ctx, const char *path, const pare_options *options,
                         const pare_embed *within, pare_status (*work)(pare_embed *embed),
                         pare_embed **out) {
    pare_embed *embed = NULL;
    *out = NULL;
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *embed, &embed);
    if (status != PARE_OK) {
        return status;
    }
    embed->ctx = ctx;
    embed->within = within;
    embed->began = pare_clock_seconds();
    pare_embed_stage(embed, "read", 0, 0.05);
    status = pare_options_copy(options, &embed->options);
    if (status == PARE_OK) {
        status = prepare(embed, path);
    }
    if (status == PARE_OK) {
        status = work(embed);
    }
    if (status != PARE_OK) {
        pare_embed_free(embed);
        return status;
    }
    *out = embed;
    return PARE_OK;
}

pare_status pare_embed_run(pare_context *ctx, const char *path, const pare_options *options,
                           pare_embed **out) {
    return start(ctx, path, options, NULL, run, out);
}

pare_status pare_embed_run_within(pare_context *ctx, const char *path, const pare_options *options,
                                  const pare_embed *within, pare_embed **out) {
    return start(ctx, path, options, within, run, out);
}

/* Only ids of tables that are looked up, for themselves or as part of a cross, are told of. */
static void forget_crowded(pare_embed *embed) {
    int64_t width = embed->serving.chunks + 1;
    for (int64_t f = 0; f < embed->fields.count; f++) {
        bool used = embed->keep[f * width];
        for (int64_t g = 0; g < embed->fields.count; g++) {
            const pare_field *cross = &embed->fields.field[g];
            used = used || (cross->kind == PARE_FIELD_CROSS && embed->keep[g * width] &&
                            (cross->part[0] == f || cross->part[1] == f));
        }
        embed->fields.field[f].crowded = used ? embed->fields.field[f].crowded : 0;
    }
}

/* Trains what the plan keeps, else everything. */
static pare_status fit(pare_embed *embed) {
    pare_embed_stage(embed, "tune", 0.05, 0.5);
    pare_status status = pare_embed_tune(embed, NULL);
    pare_embed_stage(embed, "train", 0.5, 1);
    double start_seconds = pare_cpu_seconds();
    if (status == PARE_OK && embed->options.plan[0]) {
        status = pare_embed_plan_keep(embed);
        forget_crowded(embed);
    } else if (status == PARE_OK) {
        memset(embed->keep, 1, (size_t)embed->candidates);
    }
    if (status == PARE_OK) {
        pare_serving_cost(&embed->serving, embed->keep, embed->cost);
        status = pare_embed_train(embed, embed->keep, &embed->model);
        embed->chosen.cpu = pare_cpu_seconds() - start_seconds;
    }
    if (status == PARE_OK && embed->held > 0) {
        status = pare_field_model_score(embed->model, &embed->fields, embed->held, embed->held_row,
                                        &embed->chosen.log_loss, &embed->chosen.auc);
    }
    return status;
}

pare_status pare_embed_fit(pare_context *ctx, const char *path, const pare_options *options,
                           pare_embed **out) {
    return start(ctx, path, options, NULL, fit, out);
}

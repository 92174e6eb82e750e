/*
 * The state file: magic, version, length and XXH64 of what follows; numbers of 8 bytes, tables of
 * 4, in the order of `visit`. Tables and AdaGrad sums only of kept fields, sketches only of others;
 * networks with moments of Adam, without the inputs of others.
 */
#include "problem/embed_state.h"

#include "base/text.h"
#include "base/xxh64.h"
#include "platform/system.h"

#include <math.h>
#include <stdio.h>

enum { VERSION = 6, NAME_MAX_BYTES = 1 << 16, CROSS_ROWS_MAX = 1 << 24 };

static const char magic[8] = "pare-emb";

typedef struct header {
    char magic[8];
    int64_t version, length;
    uint64_t hash;
} header;

/* Writes to `to`, or reads from bytes. */
typedef struct stream {
    pare_text *to; /* NULL: reading */
    pare_context *ctx;
    const char *path;
    const unsigned char *bytes;
    int64_t length, at;
    pare_status status;
} stream;

static void damaged(stream *s) {
    if (s->status == PARE_OK) {
        s->status =
            pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: the state does not fit together", s->path);
    }
}

static void visit(stream *s, void *data, int64_t length) {
    if (s->status != PARE_OK || length == 0) {
        return;
    }
    if (s->to) {
        pare_text_append_bytes(s->to, data, length);
        s->status = s->to->status;
    } else if (length > s->length - s->at) {
        damaged(s);
    } else {
        memcpy(data, s->bytes + s->at, (size_t)length);
        s->at += length;
    }
}

/* A whole number that must be in low .. high when read. */
static void visit_whole(stream *s, int64_t *value, int64_t low, int64_t high) {
    visit(s, value, (int64_t)sizeof *value);
    if (s->status == PARE_OK && (*value < low || *value > high)) {
        damaged(s);
    }
}

static void visit_real(stream *s, double *value) {
    visit(s, value, (int64_t)sizeof *value);
    if (s->status == PARE_OK && !isfinite(*value)) {
        damaged(s);
    }
}

/* A text of its length; read in place: *text points into the stream. */
static void visit_text(stream *s, const char **text, int64_t *length) {
    visit_whole(s, length, 0, INT64_MAX);
    if (s->status != PARE_OK) {
        return;
    }
    if (s->to) {
        pare_text_append_bytes(s->to, *text, *length);
        s->status = s->to->status;
    } else if (*length > s->length - s->at) {
        damaged(s);
    } else {
        *text = (const char *)s->bytes + s->at;
        s->at += *length;
    }
}

/* ---- Fields ---------------------------------------------------------------------------------- */

static void visit_ids(stream *s, pare_field *field) {
    for (int64_t r = 1; r < field->size && s->status == PARE_OK; r++) {
        int64_t level = r - 1;
        int64_t length = 0;
        const char *text =
            s->to ? (const char *)pare_vocabulary_text(&field->level, level, &length) : NULL;
        visit_text(s, &text, &length);
        if (s->to || s->status != PARE_OK) {
            continue;
        }
        s->status =
            pare_vocabulary_add(s->ctx, &field->level, (const unsigned char *)text, length, &level);
        if (s->status == PARE_OK && level != r - 1) {
            damaged(s);
        }
    }
    if (s->to || s->status != PARE_OK) {
        return;
    }
    s->status = pare_alloc(s->ctx, field->level.count, sizeof *field->row, &field->row);
    for (int64_t l = 0; s->status == PARE_OK && l < field->level.count; l++) {
        field->row[l] = (int32_t)(l + 1);
    }
}

/* The parts of a cross are categories before it; as many rows as they give. */
static void visit_cross(stream *s, const pare_fields *fields, int64_t cross_rows,
                        pare_field *field) {
    const pare_field *parts = fields->field;
    for (int i = 0; i < 2; i++) {
        visit_whole(s, &field->part[i], 0, fields->count - 1);
        if (s->status == PARE_OK && parts[field->part[i]].kind != PARE_FIELD_CATEGORY) {
            damaged(s);
        }
    }
    if (s->status == PARE_OK &&
        field->size !=
            pare_cross_size(parts[field->part[0]].size, parts[field->part[1]].size, cross_rows)) {
        damaged(s);
    }
}

static void visit_field(stream *s, pare_fields *fields, int64_t cross_rows, pare_field *field) {
    int64_t kind = field->kind, bucketed = field->bucketed, hash_bits = field->hash_bits;
    const char *name = field->name;
    int64_t length = name ? (int64_t)strlen(name) : 0;
    visit_text(s, &name, &length);
    visit_whole(s, &kind, 0, PARE_FIELD_CROSS);
    visit_whole(s, &bucketed, 0, 1);
    visit_whole(s, &hash_bits, 0, PARE_FIELD_HASH_MAX);
    visit_whole(s, &field->size, 1, INT32_MAX - (s->to ? 0 : fields->joint));
    visit_real(s, &field->mean);
    visit_real(s, &field->scale);
    if (s->status == PARE_OK && kind == PARE_FIELD_CROSS) {
        visit_cross(s, fields, cross_rows, field);
    } else if (!s->to && s->status == PARE_OK && fields->count > 0 && /* crosses are the last */
               field[-1].kind == PARE_FIELD_CROSS) {
        damaged(s);
    }
    if (!s->to && s->status == PARE_OK) {
        if (length < 0 || length > NAME_MAX_BYTES || memchr(name, '\0', (size_t)length)) {
            damaged(s);
            return;
        }
        field->kind = (pare_field_kind)kind;
        field->bucketed = bucketed;
        field->hash_bits = hash_bits;
        if (kind == PARE_FIELD_NUMBER && field->size != 1) {
            damaged(s);
            return;
        }
        if (hash_bits > 0 &&
            (kind != PARE_FIELD_CATEGORY || field->size != 1 + (INT64_C(1) << hash_bits))) {
            damaged(s);
            return;
        }
        field->first = fields->joint;
        s->status = pare_text_copy(s->ctx, name, length, &field->name);
        fields->joint += field->size;
        fields->count += s->status == PARE_OK;
    }
    if (s->status == PARE_OK && kind <= PARE_FIELD_BUCKET && kind != PARE_FIELD_NUMBER &&
        hash_bits == 0) {
        visit_ids(s, field);
    }
}

static void visit_fields(stream *s, pare_fields *fields, int64_t cross_rows) {
    int64_t count = fields->count;
    visit_whole(s, &count, 1, PARE_FIELDS_MAX);
    if (!s->to && s->status == PARE_OK) {
        *fields = (pare_fields){.ctx = s->ctx};
        s->status = pare_text_copy(s->ctx, s->path, (int64_t)strlen(s->path), &fields->source);
        if (s->status == PARE_OK) {
            s->status = pare_alloc_zero(s->ctx, count, sizeof *fields->field, &fields->field);
        }
    }
    const char *target = fields->target ? fields->target : "";
    int64_t length = (int64_t)strlen(target);
    visit_text(s, &target, &length);
    if (!s->to && s->status == PARE_OK) {
        s->status = pare_text_copy(s->ctx, target, length, &fields->target);
    }
    for (int64_t f = 0; f < count && s->status == PARE_OK; f++) {
        visit_field(s, fields, cross_rows, &fields->field[f]);
    }
}

/* ---- All ------------------------------------------------------------------------------------- */

static pare_status make_arrays(stream *s, pare_embed_state *state) {
    pare_context *ctx = s->ctx;
    pare_field_spec spec =
        pare_field_spec_default((pare_field_model_kind)state->model, state->dimension);
    spec.rate = (float)state->rate;
    pare_status status = pare_field_model_create(ctx, &spec, &state->fields, 1, &state->machine);
    if (status != PARE_OK) {
        return status;
    }
    int64_t fields = state->fields.count,
            candidates = fields * (pare_embed_state_chunks(state) + 1);
    const struct {
        int64_t count;
        size_t size;
        void *array;
    } parts[] = {{candidates, 1, &state->keep},
                 {candidates, sizeof *state->gain, &state->gain},
                 {state->fields.joint * PARE_EMBED_SKETCH, sizeof *state->sketch, &state->sketch},
                 {fields * PARE_EMBED_TRACE, sizeof *state->trace, &state->trace},
                 {fields * PARE_EMBED_BINS, sizeof *state->bins, &state->bins},
                 {fields * 2, sizeof *state->unknown, &state->unknown}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PARE_OK; i++) {
        status = pare_alloc_zero(ctx, parts[i].count, parts[i].size, parts[i].array);
    }
    return status;
}

/* Tables are most of a state: only of kept fields; sketches only of the others. */
static void visit_tables(stream *s, pare_embed_state *state) {
    pare_field_model *machine = state->machine;
    int64_t width = pare_embed_state_chunks(state) + 1;
    for (int64_t f = 0; f < state->fields.count && s->status == PARE_OK; f++) {
        const pare_field *field = &state->fields.field[f];
        if (state->keep[f * width]) {
            visit(s, machine->table + field->first * machine->stride,
                  field->size * machine->stride * (int64_t)sizeof(float));
        } else {
            visit(s, state->sketch + field->first * PARE_EMBED_SKETCH,
                  field->size * PARE_EMBED_SKETCH * (int64_t)sizeof(float));
        }
    }
}

/* The inputs of fields left out never changed anything. */
static void visit_networks(stream *s, pare_embed_state *state) {
    int64_t width = pare_embed_state_chunks(state) + 1, steps = (int64_t)state->machine->steps;
    uint8_t *kept = NULL;
    float *packed = NULL;
    visit_whole(s, &steps, 0, INT64_MAX / 2);
    if (s->status == PARE_OK) {
        s->status = pare_embed_kept_fields(s->ctx, state->fields.count, width, state->keep, &kept);
    }
    if (s->status == PARE_OK) {
        int64_t count = pare_field_networks_get(state->machine, kept, NULL);
        s->status = pare_alloc(s->ctx, count, sizeof *packed, &packed);
        if (s->status == PARE_OK && s->to) {
            (void)pare_field_networks_get(state->machine, kept, packed);
        }
        visit(s, packed, count * (int64_t)sizeof *packed);
    }
    if (s->status == PARE_OK && !s->to) {
        pare_field_networks_put(state->machine, kept, packed, steps);
    }
    pare_free(s->ctx, packed);
    pare_free(s->ctx, kept);
}

static void visit_schema(stream *s, pare_embed_state *state) {
    const char *text = state->schema ? state->schema : "";
    int64_t length = (int64_t)strlen(text);
    visit_text(s, &text, &length);
    if (!s->to && s->status == PARE_OK && length > 0) {
        s->status = pare_text_copy(s->ctx, text, length, &state->schema);
    }
}

/* Pairs of categories. */
static void visit_proposed(stream *s, pare_embed_state *state) {
    for (int64_t k = 0; k < state->proposed && s->status == PARE_OK; k++) {
        for (int i = 0; i < 2; i++) {
            visit_whole(s, &state->pair[k][i], 0, state->fields.count - 1);
            if (s->status == PARE_OK &&
                state->fields.field[state->pair[k][i]].kind != PARE_FIELD_CATEGORY) {
                damaged(s);
            }
        }
    }
}

static void visit_state(stream *s, pare_embed_state *state) {
    visit_whole(s, &state->model, PARE_FIELD_MODEL_LR, PARE_FIELD_MODEL_KINDS - 1);
    visit_whole(s, &state->dimension, 1, PARE_FM_STRIDE_MAX - PARE_FM_HEAD);
    visit_whole(s, &state->chunk, 1, PARE_FM_STRIDE_MAX);
    visit_whole(s, &state->minimum_count, 1, INT64_MAX);
    visit_whole(s, &state->hash_bits, 0, PARE_FIELD_HASH_MAX);
    visit_whole(s, &state->cross_rows, 2, CROSS_ROWS_MAX);
    visit_whole(s, &state->windows, 1, INT64_MAX);
    visit_whole(s, &state->crosses, 0, PARE_FIELDS_MAX);
    visit_whole(s, &state->proposed, 0, PARE_EMBED_PROPOSED);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        visit_whole(s, &state->limit[r], 0, INT64_MAX);
    }
    visit(s, &state->rates, (int64_t)sizeof state->rates);
    if (s->status == PARE_OK && (state->rates.levels < (state->rates.rounds > 0) ||
                                 state->rates.levels > PARE_LATENCY_LEVELS)) {
        damaged(s);
    }
    double *reals[] = {&state->rate, &state->weight,      &state->cusum,
                       &state->loss, &state->loss_square, &state->loss_rows};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        visit_real(s, reals[i]);
    }
    if (s->status == PARE_OK && state->weight < 1) {
        damaged(s);
    }
    visit_schema(s, state);
    visit_fields(s, &state->fields, state->cross_rows);
    visit_proposed(s, state);
    if (!s->to && s->status == PARE_OK) {
        s->status = make_arrays(s, state);
    }
    if (s->status != PARE_OK) {
        return;
    }
    int64_t fields = state->fields.count,
            candidates = fields * (pare_embed_state_chunks(state) + 1);
    visit(s, state->keep, candidates);
    for (int64_t i = 0; i < candidates && s->status == PARE_OK; i++) {
        if (state->keep[i] > 1) {
            damaged(s);
        }
    }
    visit(s, state->gain, candidates * (int64_t)sizeof *state->gain);
    visit(s, state->trace, fields * PARE_EMBED_TRACE * (int64_t)sizeof *state->trace);
    visit(s, state->bins, fields * PARE_EMBED_BINS * (int64_t)sizeof *state->bins);
    visit(s, state->unknown, fields * 2 * (int64_t)sizeof *state->unknown);
    visit(s, &state->machine->bias, (int64_t)sizeof(float));
    visit(s, &state->machine->bias_sum, (int64_t)sizeof(float));
    visit_tables(s, state);
    if (s->status == PARE_OK && state->machine->tower) {
        visit_networks(s, state);
    }
}

pare_status pare_embed_state_save(const pare_embed_state *state, const char *path) {
    pare_text payload = {.ctx = state->ctx};
    pare_output output = {0};
    pare_embed_state view = *state; /* a writing visit changes nothing */
    stream s = {.to = &payload, .ctx = state->ctx, .path = path};
    visit_state(&s, &view);
    if (s.status == PARE_OK) {
        s.status = pare_output_open(state->ctx, path, &output);
    }
    if (s.status == PARE_OK) {
        header head = {.version = VERSION,
                       .length = payload.length,
                       .hash = pare_xxh64(payload.bytes, payload.length, VERSION)};
        memcpy(head.magic, magic, sizeof magic);
        (void)fwrite(&head, sizeof head, 1, output.file);
        (void)fwrite(payload.bytes, 1, (size_t)payload.length, output.file);
        s.status = pare_output_commit(&output);
    }
    pare_text_clear(&payload);
    return s.status;
}

pare_status pare_embed_state_load(pare_context *ctx, const char *path, pare_embed_state *out) {
    pare_map map = {0};
    header head = {0};
    *out = (pare_embed_state){.ctx = ctx};
    pare_status status = pare_map_open(ctx, path, true, &map);
    if (status != PARE_OK) {
        return status;
    }
    if (map.length >= (int64_t)sizeof head) {
        memcpy(&head, map.bytes, sizeof head);
    }
    const unsigned char *bytes = map.bytes ? map.bytes + sizeof head : NULL;
    if (memcmp(head.magic, magic, sizeof magic) != 0) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: not a state of pare embed", path);
    } else if (head.version != VERSION) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: a state of version %lld, expected %d", path,
                           (long long)head.version, VERSION);
    } else if (head.length != map.length - (int64_t)sizeof head ||
               pare_xxh64(bytes, head.length, VERSION) != head.hash) {
        status = pare_fail(ctx, PARE_ERROR_INPUT, "%s: cut short or damaged: wrong checksum", path);
    }
    stream s = {.ctx = ctx, .path = path, .bytes = bytes, .length = head.length, .status = status};
    if (status == PARE_OK) {
        visit_state(&s, out);
        if (s.status == PARE_OK && s.at != s.length) {
            damaged(&s);
        }
    }
    pare_map_close(&map);
    if (s.status != PARE_OK) {
        pare_embed_state_clear(out);
    }
    return s.status;
}

pare_status pare_embed_state_options(const pare_embed_state *state, const char *target,
                                     pare_options *options) {
    options->embed_model = state->model;
    options->dimension = state->dimension;
    options->chunk = state->chunk;
    options->minimum_count = state->minimum_count;
    options->hash_bits = state->hash_bits;
    options->cross_rows = state->cross_rows;
    options->rate = state->rate;
    options->crosses = 0;
    return target && target[0] && !options->target[0] ? pare_options_set(options, "target", target)
                                                      : PARE_OK;
}

pare_status pare_embed_kept_fields(pare_context *ctx, int64_t fields, int64_t width,
                                   const uint8_t *keep, uint8_t **out) {
    pare_status status = pare_alloc(ctx, fields, 1, out);
    for (int64_t f = 0; f < fields && status == PARE_OK; f++) {
        (*out)[f] = keep[f * width];
    }
    return status;
}

void pare_embed_state_clear(pare_embed_state *state) {
    if (!state->ctx) {
        return;
    }
    void *owned[] = {state->keep,  state->gain, state->sketch,
                     state->trace, state->bins, state->unknown};
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++) {
        pare_free(state->ctx, owned[i]);
    }
    pare_free(state->ctx, state->schema);
    pare_field_model_destroy(state->machine);
    pare_fields_clear(&state->fields);
    *state = (pare_embed_state){0};
}

void pare_embed_count_bins(const pare_fields *fields, int64_t f, double *out) {
    const pare_field *field = &fields->field[f];
    for (int64_t i = 0; i < fields->rows; i++) {
        int64_t at = i * fields->count + f, bin = PARE_EMBED_BINS - 1;
        if (fields->cell[at] >= 0 && field->kind == PARE_FIELD_NUMBER) {
            double place = floor((double)fields->value[at] * 2) + (PARE_EMBED_BINS - 1) / 2;
            bin = (int64_t)fmin(fmax(place, 0), PARE_EMBED_BINS - 2);
        } else if (fields->cell[at] >= 0) {
            int64_t row = fields->cell[at] - field->first;
            bin = row < PARE_EMBED_BINS - 2 ? row : PARE_EMBED_BINS - 2;
        }
        out[bin]++;
    }
}

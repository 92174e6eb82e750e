/*
 * Training and validation rows. Blocks of rows (rows with one split key, or single rows) are gone
 * through in random order; a block is held out if that brings the class counts of the validation
 * rows closer to their share (sum over classes of (count - share)^2 / class size). So single rows
 * come out stratified to half a row, and blocks as well as their classes allow.
 */
#include "base/random.h"
#include "data/build.h"

#include <string.h>

typedef struct splitter {
    const pare_dataset *data;
    double share;
    int64_t rows, held;           /* usable rows, and those held out so far */
    int64_t classes;              /* 1 for real targets */
    int64_t *size, *taken, *seen; /* (classes) rows, rows held out, rows of the block at hand */
    int64_t blocks;
    int64_t *start, *row; /* rows of each block */
    int64_t *order;       /* blocks in random order */
    uint8_t *out;         /* (table rows) 1: held out */
} splitter;

static int32_t class_of(const splitter *s, int64_t row) {
    return s->data->label ? s->data->label[row] : 0;
}

/* Change of the misfit if the block is held out; false if training rows would run short. */
static bool judge(splitter *s, int64_t block, double *classes, double *total) {
    int64_t from = s->start[block], to = s->start[block + 1];
    bool allowed = s->rows - s->held - (to - from) >= 2;
    *classes = 0;
    for (int64_t p = from; p < to; p++) {
        s->seen[class_of(s, s->row[p])]++;
    }
    for (int64_t p = from; p < to; p++) {
        int32_t c = class_of(s, s->row[p]);
        double count = (double)s->seen[c], size = (double)s->size[c];
        if (s->seen[c] == 0) {
            continue;
        }
        allowed = allowed && s->size[c] - s->taken[c] - s->seen[c] >= 1;
        *classes += count * (2 * ((double)s->taken[c] - s->share * size) + count) / size;
        s->seen[c] = 0;
    }
    double count = (double)(to - from), rows = (double)s->rows;
    *total = count * (2 * ((double)s->held - s->share * rows) + count) / rows;
    return allowed;
}

static void hold_out(splitter *s, int64_t block) {
    for (int64_t p = s->start[block]; p < s->start[block + 1]; p++) {
        s->out[s->row[p]] = 1;
        s->taken[class_of(s, s->row[p])]++;
        s->held++;
    }
}

static bool is_out(const splitter *s, int64_t block) {
    return s->out[s->row[s->start[block]]] != 0;
}

static void choose(splitter *s) {
    double classes = 0, total = 0;
    for (int64_t b = 0; b < s->blocks; b++) {
        if (judge(s, s->order[b], &classes, &total) && classes < 0) {
            hold_out(s, s->order[b]);
        }
    }
    /* Many small classes: each rounds to nothing, their sum does not. */
    for (int64_t b = 0; b < s->blocks; b++) {
        if (!is_out(s, s->order[b]) && judge(s, s->order[b], &classes, &total) &&
            classes + total < 0) {
            hold_out(s, s->order[b]);
        }
    }
    int64_t best = -1;
    double least = 0;
    for (int64_t b = 0; b < s->blocks && s->held == 0; b++) {
        if (judge(s, s->order[b], &classes, &total) && (best < 0 || classes + total < least)) {
            least = classes + total;
            best = s->order[b];
        }
    }
    if (best >= 0) {
        hold_out(s, best);
    }
}

/* Rows of each block, by counting; blocks without usable rows vanish. */
static pare_status fill_blocks(const pare_build *build, splitter *s) {
    int64_t rows = build->data->table.rows;
    int64_t keys = build->block ? build->blocks : rows;
    int64_t *count = NULL;
    pare_status status = pare_alloc_zero(build->ctx, keys, sizeof *count, &count);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < rows; i++) {
        count[build->block ? build->block[i] : i] += build->usable[i];
    }
    int64_t at = 0;
    for (int64_t key = 0; key < keys; key++) {
        int64_t length = count[key];
        count[key] = at; /* from here on: where the next row of the key goes */
        if (length > 0) {
            s->start[s->blocks++] = at;
            at += length;
        }
    }
    s->start[s->blocks] = at;
    for (int64_t i = 0; i < rows; i++) {
        if (build->usable[i]) {
            s->row[count[build->block ? build->block[i] : i]++] = i;
        }
    }
    s->rows = at;
    pare_free(build->ctx, count);
    return PARE_OK;
}

static pare_status collect(pare_build *build, const splitter *s) {
    pare_dataset *data = build->data;
    int64_t train = s->rows - s->held;
    pare_status status = pare_alloc(build->ctx, train, sizeof *data->train, &data->train);
    if (status == PARE_OK) {
        status = pare_alloc(build->ctx, s->held, sizeof *data->validation, &data->validation);
    }
    for (int64_t i = 0; status == PARE_OK && i < data->table.rows; i++) {
        if (s->out[i]) {
            data->validation[data->validation_count++] = i;
        } else if (build->usable[i]) {
            data->train[data->train_count++] = i;
        }
    }
    return status;
}

pare_status pare_build_split(pare_build *build) {
    pare_context *ctx = build->ctx;
    pare_dataset *data = build->data;
    int64_t rows = data->table.rows;
    splitter s = {.data = data, .share = data->like ? 1 : build->options->validation};
    s.classes = data->label ? data->classes : 1;
    const struct {
        void *array;
        int64_t count;
        size_t size;
    } arrays[] = {
        {&s.size, s.classes, sizeof *s.size}, {&s.taken, s.classes, sizeof *s.taken},
        {&s.seen, s.classes, sizeof *s.seen}, {&s.start, rows + 1, sizeof *s.start},
        {&s.row, rows, sizeof *s.row},        {&s.order, rows, sizeof *s.order},
        {&s.out, rows, sizeof *s.out},
    };
    pare_status status = PARE_OK;
    for (size_t i = 0; status == PARE_OK && i < sizeof arrays / sizeof arrays[0]; i++) {
        status = pare_alloc_zero(ctx, arrays[i].count, arrays[i].size, arrays[i].array);
    }
    if (status == PARE_OK) {
        status = fill_blocks(build, &s);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    if (data->like) { /* all test rows are held out */
        memcpy(s.out, build->usable, (size_t)rows);
        s.held = s.rows;
    } else if (s.share > 0) {
        for (int64_t p = 0; p < s.rows; p++) {
            s.size[class_of(&s, s.row[p])]++;
        }
        for (int64_t b = 0; b < s.blocks; b++) {
            s.order[b] = b;
        }
        uint64_t seed = build->options->seed < 0 ? 0 : (uint64_t)build->options->seed;
        pare_random_shuffle(seed, PARE_STREAM_SPLIT, 0, s.blocks, s.order);
        choose(&s);
        if (s.held == 0) {
            pare_warn(ctx, "%.300s: too few rows to hold some out for validation",
                      data->table.source);
        }
    }
    status = collect(build, &s);
fail:
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        void *array = NULL;
        memcpy(&array, arrays[i].array, sizeof array);
        pare_free(ctx, array);
    }
    return status;
}

/* Trained field models in folders: saved and loaded they say the same; what does not fit is
 * refused. */
#include "support.h"

#include "base/random.h"
#include "model/field_file.h"
#include "problem/embed.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

enum { ROWS = 600, FIELDS = 5 };

static char rows_path[80], more_path[80], base[64], folder[80];

static void write_rows(const char *path, int64_t first, bool label) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%suser,item,shop,age,\"odd \"\"n\xe4me\"\"\"\n", label ? "clicked," : "");
    for (int64_t i = first; i < first + ROWS; i++) {
        int64_t id[FIELDS];
        for (int64_t f = 0; f < FIELDS; f++) {
            id[f] =
                pare_random_below(3, PARE_STREAM_TEST, (uint64_t)(i * FIELDS + f), 8 + first / 50);
        }
        if (label) {
            fprintf(file, "%d,", (id[0] + id[1]) % 2 == 0 || id[2] == 3);
        }
        fprintf(file, "u%lld,\"i, %lld\",%lld,%.3f,%lld\n", (long long)id[0], (long long)id[1],
                (long long)id[2], (double)i * 0.37 - 3, (long long)id[4]);
    }
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state) {
    (void)state;
    strcpy(base, "/tmp/pare-file-XXXXXX");
    if (!mkdtemp(base)) {
        return -1;
    }
    snprintf(rows_path, sizeof rows_path, "%s/rows.csv", base);
    snprintf(more_path, sizeof more_path, "%s/more.csv", base);
    snprintf(folder, sizeof folder, "%s/model", base);
    write_rows(rows_path, 0, true);
    write_rows(more_path, 200, false); /* has ids that training did not see */
    return 0;
}

static int teardown(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", base);
    return system(command);
}

typedef struct run {
    pare_context *ctx;
    pare_options options;
    pare_embed *embed;
} run;

static void open_run(run *r, const char *model) {
    *r = (run){0};
    assert_int_equal(pare_context_create(NULL, &r->ctx), PARE_OK);
    assert_ok(r->ctx, pare_options_init(r->ctx, &r->options));
    assert_ok(r->ctx, pare_options_set(&r->options, "embed-model", model));
    assert_ok(r->ctx, pare_options_set(&r->options, "target", "clicked"));
    assert_ok(r->ctx, pare_options_set(&r->options, "passes", "2"));
    assert_ok(r->ctx, pare_options_set(&r->options, "rate", "0.2"));
    assert_ok(r->ctx, pare_options_set(&r->options, "crosses", "2"));
}

static void close_run(run *r) {
    pare_embed_free(r->embed);
    pare_options_clear(&r->options);
    pare_context_destroy(r->ctx);
}

static void save(run *r) {
    assert_ok(r->ctx, pare_field_model_save(r->embed->model, &r->embed->fields,
                                            r->embed->fields.target, folder, true));
}

/* A field without its own table, a shorter vector, a cross whose part is not kept. */
static void cut(const run *r) {
    pare_field_model *model = r->embed->model;
    const pare_field *cross = &r->embed->fields.field[r->embed->fields.count - 1];
    assert_int_equal(cross->kind, PARE_FIELD_CROSS);
    memset(model->mask + cross->part[0] * model->stride, 0, (size_t)model->stride * sizeof(float));
    memset(model->mask + 4 * model->stride, 0, (size_t)model->stride * sizeof(float));
    for (int j = 2; j < 5 && model->spec.dimension > 0; j++) {
        model->mask[cross->part[1] * model->stride + PARE_FM_HEAD + j] = 0;
    }
}

/* Bit by bit for the same rows; new rows without labels get finite probabilities. */
static void test_round_trip(void **state) {
    (void)state;
    for (int at = 0; at <= PARE_FIELD_MODEL_KINDS; at++) {
        int kind = at < PARE_FIELD_MODEL_KINDS ? at : 1;
        run r;
        open_run(&r, pare_field_model_names[kind]);
        if (at == PARE_FIELD_MODEL_KINDS) { /* once more with eight ids in four rows */
            assert_ok(r.ctx, pare_options_set(&r.options, "hash-bits", "2"));
        }
        assert_ok(r.ctx, pare_embed_fit(r.ctx, rows_path, &r.options, &r.embed));
        assert_int_equal(r.embed->fields.field[1].hash_bits, at == PARE_FIELD_MODEL_KINDS ? 2 : 0);
        cut(&r);
        save(&r);
        int64_t rows = 0, row[ROWS];
        float *probability = NULL, *logit = calloc(ROWS, sizeof *logit);
        pare_embed_score score;
        assert_ok(r.ctx, pare_embed_apply(r.ctx, folder, rows_path, &r.options, &rows, &probability,
                                          &score));
        assert_int_equal(rows, ROWS);
        assert_true(isfinite(score.log_loss));
        for (int64_t i = 0; i < ROWS; i++) {
            row[i] = i;
        }
        pare_field_model_predict(r.embed->model, &r.embed->fields, ROWS, row, logit);
        for (int64_t i = 0; i < ROWS; i++) {
            double p = 1 / (1 + exp(-(double)logit[i]));
            /* A network adds the same products in another order once fields are left out. */
            assert_true(fabs(p - (double)probability[i]) < (kind < 2 ? 1e-7 : 1e-5));
        }
        pare_free(r.ctx, probability);
        assert_ok(r.ctx, pare_embed_apply(r.ctx, folder, more_path, &r.options, &rows, &probability,
                                          &score));
        assert_true(isnan(score.log_loss));
        for (int64_t i = 0; i < rows; i++) {
            assert_true(probability[i] > 0 && probability[i] < 1);
        }
        pare_free(r.ctx, probability);
        free(logit);
        close_run(&r);
    }
}

static void replace_in(const char *file, const char *from, const char *to) {
    char path[128], text[16384];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *in = fopen(path, "r");
    assert_non_null(in);
    size_t length = fread(text, 1, sizeof text - 1, in);
    fclose(in);
    text[length] = '\0';
    char *at = strstr(text, from);
    assert_non_null(at);
    FILE *out = fopen(path, "w");
    fwrite(text, 1, (size_t)(at - text), out);
    fputs(to, out);
    fputs(at + strlen(from), out);
    fclose(out);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *file, *from, *to, *wanted;
    } bad[] = {{"model.json", "{", "[", "line 2"},
               {"model.json", "\"fm\"", "\"xm\"", "not a model of"},
               {"model.json", "\"rows\": 9", "\"rows\": 7", "as many lines as"},
               {"model.json", "\"places\": [0", "\"places\": [99", "places are rising"},
               {"model.json", "field_0.npy", "../0.npy", "leaves the folder"},
               {"model.json", "\"parts\": [", "\"parts\": [77, ", "two categories"},
               {"field_0.ids", "u1\n", "u2\n", "twice"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        run r;
        int64_t rows = 0;
        float *probability = NULL;
        pare_embed_score score;
        open_run(&r, "fm");
        assert_ok(r.ctx, pare_embed_fit(r.ctx, rows_path, &r.options, &r.embed));
        save(&r);
        replace_in(bad[i].file, bad[i].from, bad[i].to);
        assert_int_equal(
            pare_embed_apply(r.ctx, folder, rows_path, &r.options, &rows, &probability, &score),
            PARE_ERROR_INPUT);
        assert_null(probability);
        if (!strstr(pare_context_error(r.ctx), bad[i].wanted)) {
            fail_msg("'%s' lacks '%s'", pare_context_error(r.ctx), bad[i].wanted);
        }
        close_run(&r);
    }
}

static void test_failing_allocation(void **state) {
    (void)state;
    run r;
    open_run(&r, "dcnv2");
    assert_ok(r.ctx, pare_embed_fit(r.ctx, rows_path, &r.options, &r.embed));
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status != PARE_OK; at += 1 + at / 16) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        pare_context *ctx = NULL;
        pare_field_loaded loaded = {0};
        if (at == 0) {
            save(&r);
        }
        assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
        memory.fail_at = memory.count + at;
        status = pare_field_model_load(ctx, folder, 16, &loaded);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        pare_field_loaded_clear(&loaded);
        pare_context_destroy(ctx);
        assert_int_equal(memory.live, 0);
    }
    close_run(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_failing_allocation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

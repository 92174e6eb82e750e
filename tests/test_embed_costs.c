/* What a plan says serving costs is what the trained model costs, and what `pare serve-cost` counts
 * of both; never over the budget of the plan, whatever rows it is trained on. */
#include "embed_support.h"

#include "model/field_file.h"
#include "problem/serve_cost.h"
#include "report/embed_report.h"

enum { ROWS = 5000, IDS = 1000 };

static char folder[80];

/* Fields a and b drive the label together; c has many ids, most of them rare. */
static int setup(void **state) {
    (void)state;
    FILE *file = embed_files_make() == 0 ? fopen(rows_path, "w") : NULL;
    if (!file) {
        return -1;
    }
    snprintf(folder, sizeof folder, "%s-model", rows_path);
    fprintf(file, "a,b,c,y\n");
    for (uint64_t i = 0; i < ROWS; i++) {
        int64_t a = pare_random_below(5, PARE_STREAM_TEST, 4 * i, 12);
        int64_t b = pare_random_below(5, PARE_STREAM_TEST, 4 * i + 1, 7);
        int64_t c = (int64_t)(IDS * pow(pare_random_uniform(5, PARE_STREAM_TEST, 4 * i + 2), 4));
        double u = pare_random_uniform(5, PARE_STREAM_TEST, 4 * i + 3);
        double z = ((a + b) % 2 ? 2 : -2) + 0.2 * (double)(a - 6) + (c % 2 ? 1.5 : -1.5);
        fprintf(file, "%lld,%lld,i%lld,%d\n", (long long)a, (long long)b, (long long)c,
                u < 1 / (1 + exp(-z)));
    }
    return fclose(file);
}

static int teardown(void **state) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) != 0 || embed_files_remove(state);
}

#define USUAL "target=y passes=1 rate=0.2 validation=0.3 dimension=12 chunk=4 "

/* Plans, and writes the plan to other_path. */
static void make_plan(run *r, const char *set) {
    pare_text text = {0};
    run_open(r, NULL, 1, USUAL);
    assert_ok(r->ctx, test_options_set(&r->options, set));
    assert_ok(r->ctx, pare_embed_run(r->ctx, rows_path, &r->options, &r->embed));
    text.ctx = r->ctx;
    pare_embed_report_json(r->embed, &text);
    assert_ok(r->ctx, pare_output_text(&text, other_path));
    pare_text_clear(&text);
}

static void train(run *r, const char *set) {
    run_open(r, NULL, 1, USUAL);
    assert_ok(r->ctx, pare_options_set(&r->options, "plan", other_path));
    assert_ok(r->ctx, test_options_set(&r->options, set));
    assert_ok(r->ctx, pare_embed_fit(r->ctx, rows_path, &r->options, &r->embed));
    assert_ok(r->ctx, pare_field_model_save(r->embed->model, &r->embed->fields, "y", folder, true));
}

static void test_models(void **state) {
    (void)state;
    static const char *const sets[] = {
        "embed-model=lr", "embed-model=fm crosses=2 budget=bytes=40000",
        "embed-model=deepfm budget=flops=700000", "embed-model=dnn", "embed-model=dcnv2"};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        run planned, trained;
        pare_serve_cost of[2];
        int64_t kept = 0;
        make_plan(&planned, sets[i]);
        train(&trained, "seed=1");
        const pare_embed *e = planned.embed;
        for (int64_t f = 0; f < e->fields.count; f++) {
            kept += e->keep[f * (e->serving.chunks + 1)];
        }
        for (int k = 0; k < 2; k++) {
            assert_ok(e->ctx,
                      pare_serve_cost_run(e->ctx, k ? folder : other_path, 1, false, &of[k]));
            assert_int_equal(of[k].bytes, e->cost[PARE_RESOURCE_BYTES]);
            assert_int_equal(of[k].lines, e->cost[PARE_RESOURCE_LINES]);
            assert_int_equal((int64_t)of[k].flops, e->cost[PARE_RESOURCE_FLOPS]);
            assert_int_equal(of[k].fields, kept);
            pare_embed_loaded loaded = pare_embed_loaded_of(e);
            if (k == 0) { /* a folder has the parts of crosses, too */
                assert_int_equal(of[k].loaded_bytes, loaded.bytes);
                assert_int_equal(of[k].loaded_lines, loaded.lines);
                assert_true(of[k].loaded_flops == loaded.flops);
            }
            assert_true(of[k].loaded_bytes >= of[k].bytes && of[k].loaded_lines >= of[k].lines);
            assert_true(of[k].loaded_flops >= of[k].flops);
        }
        run_close(&trained);
        run_close(&planned);
    }
}

/* All rows have more ids than those the plan was made from. */
static void test_more_rows(void **state) {
    (void)state;
    run planned, trained;
    make_plan(&planned, "budget=bytes=60000");
    train(&trained, "validation=0");
    const pare_embed *plan = planned.embed, *e = trained.embed;
    assert_true(e->train > plan->train);
    int64_t crowded = 0;
    for (int64_t f = 0; f < e->fields.count; f++) {
        assert_int_equal(e->size[f], plan->size[f]);
        crowded += e->fields.field[f].crowded;
    }
    assert_true(kept_field(&trained, "c"));
    assert_true(crowded > 0); /* of c */
    assert_int_equal(crowded, e->fields.field[2].level.count - (plan->size[2] - 1));
    for (int r = 0; r < PARE_RESOURCES; r++) {
        assert_true(e->cost[r] <= plan->cost[r] && e->cost[r] <= plan->serving.limit[r]);
    }
    run_close(&trained);
    run_close(&planned);
}

/* The sentence about the cheapest plan knows the network, and what it asks for is enough. */
static void test_network(void **state) {
    (void)state;
    run r;
    run_open(&r, NULL, 1, USUAL "embed-model=deepfm budget=flops=15000");
    assert_int_equal(pare_embed_run(r.ctx, rows_path, &r.options, &r.embed), PARE_ERROR_INPUT);
    const char *needs = strstr(pare_context_error(r.ctx), "needs flops=");
    assert_non_null(needs);
    char budget[64];
    int64_t flops = strtoll(needs + strlen("needs flops="), NULL, 10);
    assert_true(flops > 2 * 2 * 400 * 400);
    run_close(&r);
    snprintf(budget, sizeof budget, "embed-model=deepfm budget=flops=%lld", (long long)flops);
    make_plan(&r, budget);
    assert_true(r.embed->cost[PARE_RESOURCE_FLOPS] <= flops);
    run_close(&r);
}

static pare_embed_why why(const run *r, const char *name) {
    int64_t f = pare_fields_find(&r->embed->fields, name, (int64_t)strlen(name));
    assert_true(f >= 0);
    return r->embed->reason[f].why;
}

/* copy says what good says in more ids; dear fits no budget here. */
static void write_reasons(void) {
    FILE *file = fopen(rows_path, "w");
    assert_non_null(file);
    fprintf(file, "good,copy,noise,dear,weak,one,out,y\n");
    for (uint64_t i = 0; i < ROWS; i++) {
        int64_t id[4];
        for (uint64_t f = 0; f < 4; f++) {
            static const int64_t ids[4] = {20, 30, 400, 50};
            id[f] = pare_random_below(7, PARE_STREAM_TEST, 5 * i + f, ids[f]);
        }
        double u = pare_random_uniform(7, PARE_STREAM_TEST, 5 * i + 4);
        double z = 0.3 * (double)(id[0] - 10) + (id[2] % 2 ? 1.5 : -1.5) + (id[3] % 2 ? 0.5 : -0.5);
        fprintf(file, "g%lld,c%lld,n%lld,d%lld,w%lld,x,g%lld,%d\n", (long long)id[0],
                (long long)(id[0] * 5 + id[1] % 5), (long long)id[1], (long long)id[2],
                (long long)id[3], (long long)id[0], u < 1 / (1 + exp(-z)));
    }
    assert_int_equal(fclose(file), 0);
}

static void test_reasons(void **state) {
    (void)state;
    run r;
    write_reasons();
    FILE *file = fopen(other_path, "w");
    assert_non_null(file);
    fputs("{\"fields\": {\"out\": {\"banned\": true}}}", file);
    assert_int_equal(fclose(file), 0);
    run_open(&r, NULL, 1, USUAL "budget=bytes=290");
    assert_ok(r.ctx, pare_options_set(&r.options, "schema", other_path));
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_int_equal(why(&r, "good"), PARE_EMBED_KEPT);
    assert_int_equal(why(&r, "noise"), PARE_EMBED_NO_GAIN);
    assert_int_equal(why(&r, "dear"), PARE_EMBED_TOO_DEAR);
    assert_int_equal(why(&r, "one"), PARE_EMBED_SINGLE);
    assert_int_equal(why(&r, "out"), PARE_EMBED_BANNED);
    /* The report says each in its own words. */
    pare_text text = {.ctx = r.ctx};
    pare_embed_report_json(r.embed, &text);
    assert_ok(r.ctx, text.status);
    assert_non_null(strstr(text.bytes, "\"reason\": \"does not fit the budget: bytes\""));
    assert_non_null(strstr(text.bytes, "\"reason\": \"banned\""));
    /* From what the run knows: said already, and no room. */
    pare_embed *e = r.embed;
    int64_t copy = pare_fields_find(&e->fields, "copy", 4), width = e->serving.chunks + 1;
    assert_true(e->judged && e->alone[copy] > 20);
    memset(e->keep + copy * width, 0, (size_t)width);
    memset(e->gain + copy * width, 0, (size_t)width * sizeof *e->gain);
    e->serving.limit[PARE_RESOURCE_BYTES] = 600;
    assert_ok(r.ctx, pare_embed_reasons(e));
    assert_int_equal(why(&r, "copy"), PARE_EMBED_SAID);
    e->gain[copy * width] = 0.1;
    pare_serving_cost(&e->serving, e->keep, e->cost);
    e->serving.limit[PARE_RESOURCE_BYTES] = INT64_MAX;
    e->serving.limit[PARE_RESOURCE_LINES] = e->cost[PARE_RESOURCE_LINES];
    assert_ok(r.ctx, pare_embed_reasons(e));
    assert_int_equal(why(&r, "copy"), PARE_EMBED_NO_ROOM);
    assert_int_equal(e->reason[copy].resource, PARE_RESOURCE_LINES);
    pare_text_clear(&text);
    run_close(&r);
}

/* Costs are shown in the units that budgets have. */
static void test_units(void **state) {
    (void)state;
    char text[PARE_EMBED_AMOUNT_SIZE];
    int64_t unit = 0;
    assert_string_equal(pare_resource_word(PARE_RESOURCE_FETCH, &unit), "fetch_us");
    assert_int_equal(unit, 1000);
    assert_string_equal(pare_resource_word(PARE_RESOURCE_LATENCY, &unit), "latency_us");
    assert_string_equal(pare_resource_word(PARE_RESOURCE_BYTES, &unit), "bytes");
    assert_string_equal(pare_embed_amount_text(PARE_RESOURCE_FETCH, 7000, text), "7");
    assert_string_equal(pare_embed_amount_text(PARE_RESOURCE_LATENCY, 1234, text), "1.234");
    assert_string_equal(pare_embed_amount_text(PARE_RESOURCE_BYTES, 1234, text), "1234");
    assert_string_equal(pare_embed_amount_text(PARE_RESOURCE_BYTES, INT64_MAX, text), "-");
}

/* The label is the first column; ids of c that occur less than three times share a row, those of a
 * have one each. */
static void test_schema(void **state) {
    (void)state;
    run r, trained;
    char state_path[96], set[256];
    for (int window = 0; window < 2; window++) {
        FILE *file = fopen(rows_path, "w");
        assert_non_null(file);
        fprintf(file, "y,a,c\n");
        for (int i = 0; i < 400; i++) {
            fprintf(file, "%d,a%d,c%d\n", i % 7 < 3, i % 7, i < 20 ? 1000 * window + i / 2 : i % 5);
        }
        assert_int_equal(fclose(file), 0);
        if (window == 0) {
            file = fopen(other_path, "w");
            assert_non_null(file);
            fputs("{\"target\": \"y\", \"fields\": {\"c\": {\"min_count\": 3, \"pinned\": true}}}",
                  file);
            assert_int_equal(fclose(file), 0);
            snprintf(state_path, sizeof state_path, "%s.pare", other_path);
            snprintf(set, sizeof set, "validation=0.1 passes=1 min-count=1 schema=%s state=%s",
                     other_path, state_path);
            run_open(&r, NULL, 1, set);
            assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
            assert_ok(r.ctx, pare_embed_state_begin(r.embed, state_path));
        } else {
            snprintf(set, sizeof set, "continue=%s", state_path);
            run_open(&r, NULL, 1, set);
            assert_ok(r.ctx, pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed));
        }
        assert_string_equal(r.embed->fields.target, "y");
        assert_int_equal(r.embed->size[0], 8); /* a: all 7, and row 0 */
        assert_int_equal(r.embed->size[1], 6); /* c: 5 */
        if (window == 0) {                     /* the plan says both to training */
            pare_text text = {.ctx = r.ctx};
            pare_embed_report_json(r.embed, &text);
            assert_ok(r.ctx, pare_output_text(&text, other_path));
            pare_text_clear(&text);
            snprintf(set, sizeof set, "plan=%s validation=0", other_path);
            run_open(&trained, NULL, 1, set);
            assert_ok(trained.ctx,
                      pare_embed_fit(trained.ctx, rows_path, &trained.options, &trained.embed));
            assert_string_equal(trained.embed->fields.target, "y");
            assert_int_equal(trained.embed->size[1], 6);
            run_close(&trained);
        }
        run_close(&r);
    }
    unlink(state_path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),  cmocka_unit_test(test_more_rows),
        cmocka_unit_test(test_network), cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_schema),  cmocka_unit_test(test_units)};
    return cmocka_run_group_tests(tests, setup, teardown);
}

/* Plans that go on: what a day brings is scored first, fields come and go, changes pay, states are
 * whole or refused. */
#include "embed_support.h"

#include "base/random.h"
#include "base/xxh64.h"
#include "problem/embed_state.h"

#include <math.h>
#include <stdio.h>

static int setup(void **state) {
    (void)state;
    return embed_files_make();
}

#define USUAL "embed-format=csv passes=2"

/* The first file: field a causes, room for one look-up. schema: its text, "" for none. */
static void begin_with(const char *model, const char *schema) {
    run r;
    run_open(&r, NULL, 0, USUAL);
    if (schema[0]) { /* the file of the state serves: it is written last */
        FILE *file = fopen(other_path, "w");
        assert_non_null(file);
        fputs(schema, file);
        assert_int_equal(fclose(file), 0);
        assert_ok(r.ctx, pare_options_set(&r.options, "schema", other_path));
    }
    write_day(1, (day){.rows = 2000});
    assert_ok(r.ctx, pare_options_set(&r.options, "embed-model", model));
    assert_ok(r.ctx, pare_options_set(&r.options, "budget", "lines=1"));
    assert_ok(r.ctx, pare_options_set(&r.options, "target", "y"));
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_true(r.embed->keep[0]);
    assert_ok(r.ctx, pare_embed_state_begin(r.embed, other_path));
    run_close(&r);
}

static void begin(const char *model) {
    begin_with(model, "");
}

/* Goes on with a day; the caller closes. */
static void next(run *r, uint64_t seed, day d) {
    run_open(r, NULL, 0, USUAL);
    write_day(seed, d);
    assert_ok(r->ctx, pare_options_set(&r->options, "accept", d.without_a ? "true" : "false"));
    assert_ok(r->ctx, pare_options_set(&r->options, "continue", other_path));
    assert_ok(r->ctx, pare_embed_continue(r->ctx, rows_path, &r->options, &r->embed));
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(&r->embed->serving, r->embed->keep, cost);
    assert_int_equal(cost[PARE_RESOURCE_LINES], 1);
}

/* The same world: no change, no alarm, no shift; the loss is that of the first run. */
static void test_stationary(void **state) {
    (void)state;
    static const char *const models[] = {"lr", "fm"};
    for (int m = 0; m < 2; m++) {
        begin(models[m]);
        for (uint64_t window = 2; window <= 6; window++) {
            run r;
            next(&r, window, (day){.rows = 2000});
            const pare_embed_window *w = r.embed->window;
            assert_int_equal(w->number, window);
            assert_true(w->added < 0 && w->dropped < 0 && !w->alarm && !w->repaired);
            assert_true(kept_field(&r, "a"));
            assert_true(r.embed->chosen.log_loss < 0.53 && r.embed->chosen.auc > 0.75);
            for (int64_t f = 0; f < r.embed->fields.count; f++) {
                assert_true(w->psi[f] < 0.1 && w->unknown[f] == 0);
            }
            run_close(&r);
        }
    }
}

/* Hashed by the schema: the table stays as it is, and no id is unknown. */
static void test_hashed(void **state) {
    (void)state;
    begin_with("fm", "{\"fields\": {\"a\": {\"hash_bits\": 12}}}");
    for (uint64_t window = 2; window <= 3; window++) {
        run r;
        next(&r, window, (day){.rows = 2000});
        const pare_field *a = &r.embed->fields.field[0];
        assert_int_equal(a->hash_bits, 12);
        assert_int_equal(a->size, 1 + (1 << 12));
        assert_int_equal(a->ids, 10);
        assert_true(kept_field(&r, "a") && r.embed->window->unknown[0] == 0);
        assert_true(r.embed->chosen.log_loss < 0.6);
        run_close(&r);
    }
}

/* Another field takes over: an alarm, and it is put in the place of the one that died. */
static void test_takes_over(void **state) {
    (void)state;
    begin("fm");
    run r;
    next(&r, 2, (day){.rows = 4000, .by_b = true});
    assert_true(r.embed->window->alarm); /* compared with the rows held out of the first file */
    bool there = kept_field(&r, "b");
    run_close(&r);
    for (uint64_t window = 3; window <= 4; window++) {
        next(&r, window, (day){.rows = 4000, .by_b = true});
        there = there || kept_field(&r, "b");
        if (window == 4) {
            assert_true(kept_field(&r, "b") && !kept_field(&r, "a"));
            assert_true(r.embed->chosen.log_loss < 0.55);
        }
        run_close(&r);
    }
    next(&r, 5, (day){.rows = 4000}); /* and back */
    assert_true(r.embed->window->alarm);
    run_close(&r);
    assert_true(there);
}

/* What one window is too short to tell, several do together: of these five seeds one alone has a
 * window that tells by itself. */
static void test_adds_up(void **state) {
    (void)state;
    int found = 0;
    for (uint64_t seed = 100; seed <= 500; seed += 100) {
        bool there = false;
        begin("lr");
        for (uint64_t window = 2; window <= 16 && !there; window++) {
            run r;
            next(&r, seed + window, (day){.rows = 2000, .by_b = true, .effect = 0.4});
            there = kept_field(&r, "b");
            run_close(&r);
        }
        found += there;
    }
    assert_true(found >= 4);
}

/* Fields disappear and appear, ids are new. */
static void test_fields_change(void **state) {
    (void)state;
    begin("fm");
    run r;
    next(&r, 2, (day){.rows = 4000, .without_a = true, .with_new = true});
    int64_t at = pare_fields_find(&r.embed->fields, "new", 3);
    assert_int_equal(at, 5);
    assert_true(r.embed->window->fresh[at] && r.embed->window->absent[0]);
    run_close(&r);
    next(&r, 3, (day){.rows = 4000, .with_new = true, .shift = 5});
    assert_true(kept_field(&r, "new") && !kept_field(&r, "a"));
    assert_true(r.embed->window->unknown[2] > 0.4 && r.embed->window->unknown[2] < 0.6);
    assert_true(r.embed->window->psi[2] > 0.25);
    run_close(&r);
    next(&r, 4, (day){.rows = 4000, .with_new = true, .shift = 5});
    assert_true(r.embed->window->unknown[2] == 0); /* vocabularies only grow */
    assert_true(r.embed->chosen.log_loss < 0.55);
    run_close(&r);
}

/* Fields a and b tell a little; from the second day on `new` does much, with twice their rows. */
static void write_wide(uint64_t seed, int rows, bool with_new) {
    FILE *file = fopen(rows_path, "w");
    assert_non_null(file);
    fprintf(file, "a,b%s,y\n", with_new ? ",new" : "");
    for (int i = 0; i < rows; i++) {
        int64_t id[3];
        for (int f = 0; f < 3; f++) {
            id[f] =
                pare_random_below(seed, PARE_STREAM_TEST, (uint64_t)(4 * i + f), f < 2 ? 10 : 20);
        }
        double z = (id[0] % 2 ? 0.5 : -0.5) + (id[1] % 2 ? 0.5 : -0.5);
        z += !with_new ? 0 : id[2] % 2 ? 2.5 : -2.5;
        double u = pare_random_uniform(seed, PARE_STREAM_TEST, (uint64_t)(4 * i + 3));
        fprintf(file, "%lld,%lld,", (long long)id[0], (long long)id[1]);
        if (with_new) {
            fprintf(file, "%lld,", (long long)id[2]);
        }
        fprintf(file, "%d\n", u < 1 / (1 + exp(-z)));
    }
    assert_int_equal(fclose(file), 0);
}

/* Two fields go where one does not make room enough. */
static void test_makes_room(void **state) {
    (void)state;
    run r;
    run_open(&r, NULL, 0, USUAL " target=y embed-model=lr");
    write_wide(1, 3000, false);
    assert_ok(r.ctx, pare_options_set(&r.options, "budget", "bytes=100"));
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_int_equal(r.embed->cost[PARE_RESOURCE_BYTES], 2 * 11 * 4); /* both */
    assert_ok(r.ctx, pare_embed_state_begin(r.embed, other_path));
    run_close(&r);
    bool there = false;
    for (uint64_t window = 2; window <= 4 && !there; window++) {
        run_open(&r, NULL, 0, USUAL);
        write_wide(window, 3000, true);
        assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
        assert_ok(r.ctx, pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed));
        assert_true(r.embed->cost[PARE_RESOURCE_BYTES] <= 100);
        there = kept_field(&r, "new");
        assert_true(!there || (!kept_field(&r, "a") && !kept_field(&r, "b")));
        assert_true(there == (r.embed->window->dropped >= 0));
        run_close(&r);
    }
    assert_true(there);
}

/* A full new choice is made beside, and taken only where it is better. */
static void test_audit(void **state) {
    (void)state;
    begin("fm");
    for (int moved = 0; moved < 2; moved++) {
        run r;
        run_open(&r, NULL, 0, USUAL);
        write_day(9, (day){.rows = 3000, .by_b = moved});
        assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
        assert_ok(r.ctx, pare_options_set(&r.options, "audit", "true"));
        assert_ok(r.ctx, pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed));
        assert_true(r.embed->window->audited);
        assert_int_equal(r.embed->window->adopted, moved);
        assert_int_equal(kept_field(&r, "b"), moved);
        run_close(&r);
    }
}

/* Pairs drive the label: a and b together, or c and d, by whether the sum of their ids is odd.
 * Field a has `ids` ids; the others 8. */
static void write_pairs(uint64_t seed, int rows, double by_ab, double by_cd, int64_t ids,
                        bool with_new) {
    FILE *file = fopen(rows_path, "w");
    assert_non_null(file);
    fprintf(file, "a,b,c,d%s,y\n", with_new ? ",new" : "");
    for (int i = 0; i < rows; i++) {
        int64_t id[5];
        for (int f = 0; f < 5; f++) {
            id[f] =
                pare_random_below(seed, PARE_STREAM_TEST, (uint64_t)(6 * i + f), f > 0 ? 8 : ids);
        }
        double z = ((id[0] + id[1]) % 2 ? by_ab : -by_ab) + ((id[2] + id[3]) % 2 ? by_cd : -by_cd);
        double u = pare_random_uniform(seed, PARE_STREAM_TEST, (uint64_t)(6 * i + 5));
        for (int f = 0; f < 4 + with_new; f++) {
            fprintf(file, "%lld,", (long long)id[f]);
        }
        fprintf(file, "%d\n", u < 1 / (1 + exp(-z)));
    }
    assert_int_equal(fclose(file), 0);
}

static void begin_pairs(const char *model) {
    run r;
    run_open(&r, NULL, 0, USUAL " passes=4 target=y budget=lines=1 crosses=3 cross-rows=100");
    assert_ok(r.ctx, pare_options_set(&r.options, "embed-model", model));
    write_pairs(1, 4000, 2, 0.7, 8, false);
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_true(kept_field(&r, "a*b") && !kept_field(&r, "c*d"));
    assert_ok(r.ctx, pare_embed_state_begin(r.embed, other_path));
    run_close(&r);
}

static void next_pairs(run *r, bool audit) {
    run_open(r, NULL, 0, USUAL);
    assert_ok(r->ctx, pare_options_set(&r->options, "continue", other_path));
    assert_ok(r->ctx, pare_options_set(&r->options, "audit", audit ? "true" : "false"));
    assert_ok(r->ctx, pare_embed_continue(r->ctx, rows_path, &r->options, &r->embed));
    const pare_fields *fields = &r->embed->fields;
    int64_t cost[PARE_RESOURCES];
    pare_serving_cost(&r->embed->serving, r->embed->keep, cost);
    assert_int_equal(cost[PARE_RESOURCE_LINES], 1);
    for (int64_t f = 0; f + 1 < fields->count; f++) {
        assert_true(fields->field[f].kind != PARE_FIELD_CROSS ||
                    fields->field[f + 1].kind == PARE_FIELD_CROSS);
    }
}

/* Crosses go on: theirs are the same pairs when ids and fields are new and when their table begins
 * to be hashed (cross-rows); one takes the place of another that died. */
static void test_crosses(void **state) {
    (void)state;
    static const char *const models[] = {"lr", "fm"};
    for (int m = 0; m < 2; m++) {
        run r;
        begin_pairs(models[m]);
        for (uint64_t window = 2; window <= 4; window++) {
            write_pairs(window, 4000, 2, 0.7, window > 2 ? 12 : 8, window > 2);
            next_pairs(&r, window == 4);
            int64_t at = pare_fields_find(&r.embed->fields, "a*b", 3);
            assert_int_equal(r.embed->fields.field[at].size, window > 2 ? 100 : 81);
            assert_true(kept_field(&r, "a*b"));
            double loss = r.embed->chosen.log_loss; /* FM began with smaller steps */
            assert_true(loss < (m == 1 || window == 3 ? 0.65 : window == 2 ? 0.45 : 0.53));
            run_close(&r);
        }
        bool there = false;
        for (uint64_t window = 5; window <= 8; window++) {
            write_pairs(window, 4000, 0, 2, 12, true);
            next_pairs(&r, false);
            there = kept_field(&r, "c*d") && !kept_field(&r, "a*b");
            assert_true(window < 8 || r.embed->chosen.log_loss < 0.5);
            run_close(&r);
        }
        assert_true(there);
    }
}

/* A pair that no screening proposed comes to matter: the alarm that no change answers brings it up,
 * and it takes the place of the cross that died. Memory may run out in the file that brings it up,
 * and in the next one, where it becomes a field. */
static void test_proposes(void **state) {
    (void)state;
    char other[] = "/tmp/pare-continue-XXXXXX";
    close(mkstemp(other));
    run r;
    run_open(&r, NULL, 0,
             USUAL " passes=4 target=y budget=lines=1 crosses=1 embed-model=fm validation=0.2");
    write_pairs(1, 4000, 2, 0, 8, false);
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    assert_true(kept_field(&r, "a*b"));
    assert_int_equal(r.embed->fields.count, 5);
    assert_ok(r.ctx, pare_embed_state_begin(r.embed, other_path));
    run_close(&r);
    write_pairs(2, 4000, 2, 0, 8, false);
    next_pairs(&r, false);
    assert_int_equal(r.embed->window->proposed, 0);
    run_close(&r);
    int64_t proposed = -1;
    bool there = false;
    for (uint64_t window = 3; window <= 8; window++) {
        write_pairs(window, 4000, 0, 2, 8, false);
        pare_status status =
            proposed < 0 || proposed + 1 == (int64_t)window ? PARE_ERROR_MEMORY : PARE_OK;
        for (int64_t at = 0; status != PARE_OK; at++) {
            test_allocator memory = {.fail_at = -1};
            pare_allocator allocator = test_allocator_of(&memory);
            run_open(&r, &allocator, 0, USUAL " passes=1");
            assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
            assert_ok(r.ctx, pare_options_set(&r.options, "state", other));
            memory.fail_at = memory.count + at;
            status = pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed);
            assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
            run_close(&r);
            assert_int_equal(memory.live, 0);
        }
        next_pairs(&r, false);
        const pare_embed_window *w = r.embed->window;
        if (w->proposed > 0) {
            assert_true(proposed < 0 && w->alarm);
            assert_int_equal(w->proposed, 1); /* as many again as there were */
            assert_true(w->pair[0][0] == 2 && w->pair[0][1] == 3);
            proposed = (int64_t)window;
        }
        there = proposed >= 0 && proposed < (int64_t)window && kept_field(&r, "c*d");
        run_close(&r);
    }
    assert_true(there);
    unlink(other);
}

static int stop_later(void *user, const pare_progress *progress) {
    int64_t *calls = user;
    assert_true(progress->fraction >= 0 && progress->fraction <= 1);
    return ++*calls == 1;
}

/* Groups, fetches and bans hold for later files too, in a full new choice as well; that a file
 * lacks a field of the schema is no reason to refuse it. */
static void test_schema_stays(void **state) {
    (void)state;
    begin_with("fm", "{\"fields\": {\"a\": {\"group\": \"g\"}, \"b\": {\"banned\": true}},"
                     " \"groups\": {\"g\": {\"fetch_us\": 7}}}");
    for (int window = 0; window < 3; window++) {
        run r;
        run_open(&r, NULL, 0, USUAL);
        write_day(20 + (uint64_t)window,
                  (day){.rows = 3000, .by_b = true, .without_a = window > 1});
        assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
        assert_ok(r.ctx, pare_options_set(&r.options, "audit", window > 0 ? "true" : "false"));
        assert_ok(r.ctx, pare_options_set(&r.options, "accept", window > 1 ? "true" : "false"));
        assert_ok(r.ctx, pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed));
        assert_int_equal(r.embed->serving.groups, 1);
        assert_false(kept_field(&r, "b"));
        if (window == 0) {
            assert_true(kept_field(&r, "a"));
            assert_int_equal(r.embed->cost[PARE_RESOURCE_FETCH], 7000);
        }
        run_close(&r);
    }
}

/* Refused by a sentence, and the state is as it was. */
static void test_refusals(void **state) {
    (void)state;
    static unsigned char before[1 << 20], after[1 << 20];
    begin("lr");
    int64_t length = file_size(other_path, before, sizeof before);
    static const struct {
        const char *rows, *budget, *wanted;
    } bad[] = {
        {"", "", "no rows"},
        {"a,b,y\n", "", "no rows"},
        {"p,q,y\n1,2,0\n2,3,1\n", "", "none of the fields of the state, such as 'a'"},
        {"a,b,z\n1,2,0\n2,3,1\n", "", "no column 'y'"},
        {"a,b,y\n1,2,0\n2,3,7\n", "", "label 0 or 1"},
        {"a,b,y\n1,2,0\n2,3,1\n", "bytes=1", "the cheapest plan"},
        {"a,b,y\n1,2,0\n2,3,1\n", "colour=1", "no resource 'colour'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        FILE *file = fopen(rows_path, "w");
        assert_non_null(file);
        fputs(bad[i].rows, file);
        assert_int_equal(fclose(file), 0);
        run r;
        run_open(&r, NULL, 0, USUAL);
        assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
        assert_ok(r.ctx, pare_options_set(&r.options, "budget", bad[i].budget));
        assert_int_equal(pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed),
                         PARE_ERROR_INPUT);
        if (!strstr(pare_context_error(r.ctx), bad[i].wanted)) {
            fail_msg("'%s' lacks '%s'", pare_context_error(r.ctx), bad[i].wanted);
        }
        run_close(&r);
        assert_int_equal(file_size(other_path, after, sizeof after), length);
        assert_memory_equal(before, after, (size_t)length);
    }
    { /* the caller stops it */
        int64_t calls = 0;
        run r;
        run_open(&r, NULL, 0, USUAL);
        write_day(2, (day){.rows = 200});
        assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
        pare_context_on_progress(r.ctx, stop_later, &calls);
        assert_int_equal(pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed),
                         PARE_ERROR_ARGUMENT);
        assert_non_null(strstr(pare_context_error(r.ctx), "stopped"));
        run_close(&r);
        assert_int_equal(file_size(other_path, after, sizeof after), length);
        assert_memory_equal(before, after, (size_t)length);
    }
}

/* Any changed or missing byte is noticed. */
static void test_damage(void **state) {
    (void)state;
    static unsigned char bytes[1 << 20];
    begin("lr");
    int64_t length = file_size(other_path, bytes, sizeof bytes);
    for (int64_t at = -8; at < length; at += at < 48 ? 1 : 97) {
        FILE *file = fopen(other_path, "wb");
        assert_non_null(file);
        int64_t shown = at < 0 ? length + at : length;
        unsigned char old = at < 0 ? 0 : bytes[at];
        bytes[at < 0 ? 0 : at] ^= at < 0 ? 0 : 0x10;
        assert_int_equal(fwrite(bytes, 1, (size_t)shown, file), shown);
        assert_int_equal(fclose(file), 0);
        bytes[at < 0 ? 0 : at] = at < 0 ? bytes[0] : old;
        pare_context *ctx = NULL;
        pare_embed_state loaded;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        assert_int_equal(pare_embed_state_load(ctx, other_path, &loaded), PARE_ERROR_INPUT);
        assert_null(loaded.ctx);
        pare_context_destroy(ctx);
    }
}

/* Numbers that do not fit together under a right checksum: refused or harmless. */
static void test_hostile(void **state) {
    (void)state;
    static unsigned char bytes[1 << 20];
    enum { HEAD = 32, VERSION_AT = 8, HASH_AT = 24 };
    begin_pairs("lr");
    int64_t length = file_size(other_path, bytes, sizeof bytes), refused = 0, version = 0;
    memcpy(&version, bytes + VERSION_AT, sizeof version);
    for (int64_t at = HEAD; at < length; at += at < 600 ? 3 : 37) {
        unsigned char old = bytes[at];
        bytes[at] ^= (unsigned char)(1 << at % 8);
        uint64_t hash = pare_xxh64(bytes + HEAD, length - HEAD, (uint64_t)version);
        memcpy(bytes + HASH_AT, &hash, sizeof hash);
        FILE *file = fopen(other_path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, (size_t)length, file), length);
        assert_int_equal(fclose(file), 0);
        bytes[at] = old;
        pare_context *ctx = NULL;
        pare_embed_state loaded;
        assert_int_equal(pare_context_create(NULL, &ctx), PARE_OK);
        refused += pare_embed_state_load(ctx, other_path, &loaded) != PARE_OK;
        pare_embed_state_clear(&loaded);
        pare_context_destroy(ctx);
    }
    assert_true(refused > 20);
}

/* Two runs from one state are the same, whatever the number of threads. */
static void test_same(void **state) {
    (void)state;
    static unsigned char first[1 << 20], second[1 << 20];
    char other[] = "/tmp/pare-continue-XXXXXX";
    close(mkstemp(other));
    begin("fm");
    write_day(3, (day){.rows = 1000, .with_new = true});
    for (int k = 0; k < 2; k++) {
        run r;
        run_open(&r, NULL, 0, USUAL);
        assert_ok(r.ctx, pare_context_set_threads(r.ctx, k ? 8 : 1));
        assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
        assert_ok(r.ctx, pare_options_set(&r.options, "state", other));
        assert_ok(r.ctx, pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed));
        run_close(&r);
        int64_t length = file_size(other, k ? second : first, sizeof first);
        assert_true(length > 0);
    }
    assert_memory_equal(first, second, sizeof first);
    unlink(other);
}

static void test_failing_allocation(void **state) {
    (void)state;
    char other[] = "/tmp/pare-continue-XXXXXX";
    close(mkstemp(other));
    begin_pairs("fm");
    write_pairs(3, 40, 2, 0.7, 12, true);
    pare_status status = PARE_ERROR_MEMORY;
    for (int64_t at = 0; status != PARE_OK; at++) {
        test_allocator memory = {.fail_at = -1};
        pare_allocator allocator = test_allocator_of(&memory);
        run r;
        run_open(&r, &allocator, 0, USUAL);
        assert_ok(r.ctx, pare_options_set(&r.options, "continue", other_path));
        assert_ok(r.ctx, pare_options_set(&r.options, "state", other));
        memory.fail_at = memory.count + at;
        status = pare_embed_continue(r.ctx, rows_path, &r.options, &r.embed);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        assert_true((status == PARE_OK) == (r.embed != NULL));
        run_close(&r);
        assert_int_equal(memory.live, 0);
    }
    test_allocator memory = {.fail_at = -1};
    pare_allocator allocator = test_allocator_of(&memory);
    run r;
    run_open(&r, &allocator, 0, USUAL " crosses=1");
    assert_ok(r.ctx, pare_embed_run(r.ctx, rows_path, &r.options, &r.embed));
    status = PARE_ERROR_MEMORY;
    for (int64_t at = 0, live = memory.live; status != PARE_OK; at++) {
        memory.fail_at = memory.count + at;
        status = pare_embed_state_begin(r.embed, other);
        assert_true(status == PARE_OK || status == PARE_ERROR_MEMORY);
        assert_int_equal(memory.live, live);
    }
    run_close(&r);
    unlink(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stationary),
        cmocka_unit_test(test_hashed),
        cmocka_unit_test(test_takes_over),
        cmocka_unit_test(test_adds_up),
        cmocka_unit_test(test_fields_change),
        cmocka_unit_test(test_makes_room),
        cmocka_unit_test(test_audit),
        cmocka_unit_test(test_crosses),
        cmocka_unit_test(test_proposes),
        cmocka_unit_test(test_schema_stays),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_failing_allocation),
    };
    return cmocka_run_group_tests(tests, setup, embed_files_remove);
}

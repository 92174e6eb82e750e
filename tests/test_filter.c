/* Filters against values computed naively here. */
#include "dataset_support.h"

#include "platform/threads.h"
#include "problem/codes.h"
#include "problem/problem.h"

enum { N = 320, D = 4 };

static double draw(uint64_t index) {
    return pare_random_normal(11, PARE_STREAM_TEST, index);
}

/* Column 0 follows the class, 1 has five distinct values, 2 is noise, 3 is constant. */
static void fill(float *x, double *label, double *real) {
    for (int64_t i = 0; i < N; i++) {
        label[i] = (double)(i % 3);
        x[i * D] = (float)(label[i] + draw((uint64_t)i));
        x[i * D + 1] = (float)floor(2 + 0.8 * draw((uint64_t)(N + i)) + 0.5 * label[i]);
        x[i * D + 2] = (float)draw((uint64_t)(2 * N + i));
        x[i * D + 3] = 7;
        real[i] = 2 * (double)x[i * D] + draw((uint64_t)(3 * N + i));
    }
}

static pare_dataset *wrap(fixture *f, int64_t n, int64_t d, const float *x, int64_t outputs,
                          const double *y, const float *weight) {
    pare_dataset *data = NULL;
    set(f, "validation", "0");
    assert_ok(f->ctx,
              pare_dataset_wrap(f->ctx, n, d, x, outputs, y, weight, NULL, f->config, &data));
    return data;
}

static void gains(pare_dataset *data, bool mutual_information, double *gain) {
    pare_options options;
    assert_ok(data->ctx, pare_options_init(data->ctx, &options));
    pare_objective objective = {0};
    assert_ok(data->ctx, pare_filter_create(data, &options, mutual_information, &objective));
    assert_int_equal(objective.count, data->candidates);
    assert_int_equal(objective.gain_kind, PARE_GAIN_FILTER);
    assert_ok(data->ctx, objective.slots->gains(objective.self, 0, NULL, gain));
    pare_objective_destroy(&objective);
    pare_options_clear(&options);
}

/* From counts, by the definition: H(a) + H(b) - H(a, b). */
static double naive_information(int64_t n, const int *a, const int *b) {
    double joint[64][64] = {{0}}, left[64] = {0}, right[64] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        joint[a[i]][b[i]] += 1 / (double)n;
        left[a[i]] += 1 / (double)n;
        right[b[i]] += 1 / (double)n;
    }
    for (int p = 0; p < 64; p++) {
        sum -= left[p] > 0 ? left[p] * log(left[p]) : 0;
        sum -= right[p] > 0 ? right[p] * log(right[p]) : 0;
        for (int q = 0; q < 64; q++) {
            sum += joint[p][q] > 0 ? joint[p][q] * log(joint[p][q]) : 0;
        }
    }
    return sum;
}

/* Sixteenths by rank; distinct values that many times. */
static void naive_bins(int64_t n, const double *x, int *bin) {
    for (int64_t i = 0; i < n; i++) {
        int64_t rank = 0;
        for (int64_t p = 0; p < n; p++) {
            rank += x[p] < x[i];
        }
        bin[i] = (int)(rank * PARE_BINS / n);
    }
}

static void information_matches_its_definition(void **unused) {
    (void)unused;
    fixture f;
    begin(&f);
    float x[N * D];
    double label[N], real[N], gain[D], column[N];
    int bin[N], five[N], class[N], target[N];
    fill(x, label, real);
    for (int64_t i = 0; i < N; i++) {
        column[i] = (double)x[i * D];
        five[i] = (int)x[i * D + 1] + 8;
        class[i] = (int)label[i];
    }
    naive_bins(N, column, bin);
    naive_bins(N, real, target);

    pare_dataset *data = wrap(&f, N, D, x, 1, label, NULL);
    assert_int_equal(data->classes, 3);
    assert_int_equal(data->train_count, N);
    gains(data, true, gain);
    assert_near(gain[0], naive_information(N, bin, class), 1e-12);
    assert_near(gain[1], naive_information(N, five, class), 1e-12);
    assert_true(gain[2] < 0.1 && gain[0] > 3 * gain[2]);
    assert_near(gain[data->candidates - 1], data->candidates == D ? 0 : gain[2], 1e-12);
    pare_dataset_close(data);

    data = wrap(&f, N, D, x, 1, real, NULL);
    assert_int_equal(data->kind, PARE_KIND_REGRESSION);
    gains(data, true, gain);
    assert_near(gain[0], naive_information(N, bin, target), 1e-12);
    assert_near(gain[1], naive_information(N, five, target), 1e-12);
    pare_dataset_close(data);
    end(&f);
}

static double naive_anova(const float *x, const double *label, int64_t column) {
    double mean[3] = {0}, count[3] = {0}, all = 0, between = 0, within = 0;
    for (int64_t i = 0; i < N; i++) {
        int c = (int)label[i];
        mean[c] += (double)x[i * D + column];
        count[c]++;
        all += (double)x[i * D + column] / N;
    }
    for (int c = 0; c < 3; c++) {
        mean[c] /= count[c];
        between += count[c] * (mean[c] - all) * (mean[c] - all);
    }
    for (int64_t i = 0; i < N; i++) {
        double off = (double)x[i * D + column] - mean[(int)label[i]];
        within += off * off;
    }
    return between / 2 / (within / (N - 3));
}

static double naive_regression(const float *x, const double *y, int64_t column) {
    double mx = 0, my = 0, xx = 0, xy = 0, yy = 0;
    for (int64_t i = 0; i < N; i++) {
        mx += (double)x[i * D + column] / N;
        my += y[i] / N;
    }
    for (int64_t i = 0; i < N; i++) {
        double a = (double)x[i * D + column] - mx, b = y[i] - my;
        xx += a * a;
        xy += a * b;
        yy += b * b;
    }
    double share = xy * xy / (xx * yy);
    return share * (N - 2) / (1 - share);
}

static void f_matches_its_definition(void **unused) {
    (void)unused;
    fixture f;
    begin(&f);
    float x[N * D];
    double label[N], real[N], gain[D];
    fill(x, label, real);
    pare_dataset *data = wrap(&f, N, D, x, 1, label, NULL);
    gains(data, false, gain);
    for (int64_t j = 0; j < 3; j++) {
        double expected = naive_anova(x, label, j);
        assert_near(gain[j], expected, 1e-4 * (1 + expected));
    }
    assert_true(gain[2] < 6);
    pare_dataset_close(data);

    data = wrap(&f, N, D, x, 1, real, NULL);
    gains(data, false, gain);
    for (int64_t j = 0; j < 3; j++) {
        double expected = naive_regression(x, real, j);
        assert_near(gain[j], expected, 1e-4 * (1 + expected));
    }
    pare_dataset_close(data);
    end(&f);
}

/* Two outputs: information is the mean, R squared is the mean. */
static void several_outputs_are_averaged(void **unused) {
    (void)unused;
    fixture f;
    begin(&f);
    float x[N * D];
    double label[N], real[N], both[2 * N], second[N], one[D], two[D], mean[D];
    fill(x, label, real);
    for (int64_t i = 0; i < N; i++) {
        second[i] = (double)x[i * D + 2] - 0.3 * draw((uint64_t)(5 * N + i));
        both[2 * i] = real[i];
        both[2 * i + 1] = second[i];
    }
    for (int mi = 0; mi < 2; mi++) {
        pare_dataset *data = wrap(&f, N, D, x, 1, real, NULL);
        gains(data, mi, one);
        pare_dataset_close(data);
        data = wrap(&f, N, D, x, 1, second, NULL);
        gains(data, mi, two);
        pare_dataset_close(data);
        data = wrap(&f, N, D, x, 2, both, NULL);
        gains(data, mi, mean);
        pare_dataset_close(data);
        for (int64_t j = 0; j < 3; j++) {
            double expected = 0.5 * (one[j] + two[j]);
            if (!mi) {
                double share = 0.5 * (one[j] / (one[j] + N - 2) + two[j] / (two[j] + N - 2));
                expected = share * (N - 2) / (1 - share);
            }
            assert_near(mean[j], expected, 1e-4 * (1 + expected));
        }
    }
    end(&f);
}

/* Weights 1, 2, 0 are rows once, twice, not at all. F differs by its degrees of freedom only. */
static void weights_are_repeated_rows(void **unused) {
    (void)unused;
    fixture f;
    begin(&f);
    float x[N * D], repeated[2 * N * D], weight[N];
    double label[N], real[N], y[2 * N], heavy[D], many[D];
    fill(x, label, real);
    for (int task = 0; task < 2; task++) {
        const double *target = task ? real : label;
        int64_t rows = 0;
        for (int64_t i = 0; i < N; i++) {
            weight[i] = (float)((i / 5) % 3);
            for (int64_t r = 0; r < (i / 5) % 3; r++, rows++) {
                memcpy(repeated + rows * D, x + i * D, D * sizeof *x);
                y[rows] = target[i];
            }
        }
        for (int mi = 0; mi < 2; mi++) {
            pare_dataset *data = wrap(&f, N, D, x, 1, target, weight);
            gains(data, mi, heavy);
            int64_t rows_used = data->train_count;
            pare_dataset_close(data);
            data = wrap(&f, rows, D, repeated, 1, y, NULL);
            gains(data, mi, many);
            pare_dataset_close(data);
            double lost = task ? 2 : 3;
            double factor = mi ? 1 : ((double)rows_used - lost) / ((double)rows - lost);
            for (int64_t j = 0; j < 3; j++) {
                assert_near(heavy[j], many[j] * factor, (mi ? 1e-9 : 1e-3) * (1 + many[j]));
            }
        }
    }
    end(&f);
}

/* Levels are cells, and so is missing: here missing says everything. */
static void categories_and_missing_are_cells(void **unused) {
    (void)unused;
    fixture f;
    begin(&f);
    char text[8192] = "colour,gap,noise,y\n";
    int colour[120], class[120];
    for (int i = 0; i < 120; i++) {
        char line[64];
        static const char *const name[] = {"red", "green", "blue"};
        class[i] = (i * 7 % 11) < 5;
        colour[i] = class[i] && i % 4 ? 2 : i % 3;
        char number[16];
        snprintf(number, sizeof number, "%d", i * 37 % 120);
        snprintf(line, sizeof line, "%s,%s,%d,%s\n", name[colour[i]], class[i] ? "" : number,
                 i * 53 % 120, class[i] ? "yes" : "no");
        strcat(text, line);
    }
    set(&f, "validation", "0");
    pare_dataset *data = open_text(&f, text);
    assert_int_equal(data->candidates, 3);
    double gain[3];
    gains(data, true, gain);
    assert_near(gain[0], naive_information(120, colour, class), 1e-12);
    assert_near(gain[1], naive_information(120, class, class), 1e-12);
    assert_true(gain[2] < gain[0]);
    gains(data, false, gain);
    assert_true(gain[1] > gain[0] && gain[0] > gain[2]);
    pare_dataset_close(data);
    end(&f);
}

/* Exclusive or: neither column says anything, both together everything. */
static void groups_are_taken_jointly(void **unused) {
    (void)unused;
    fixture f;
    begin(&f);
    char text[4096] = "a,b,c,d,y\n";
    for (int i = 0; i < 160; i++) {
        char line[48];
        snprintf(line, sizeof line, "%d,%d,%d,%d,%s\n", i & 1, i >> 1 & 1, i * 7 % 13, i * 3 % 7,
                 (i ^ i >> 1) & 1 ? "yes" : "no");
        strcat(text, line);
    }
    set(&f, "validation", "0");
    pare_dataset *data = open_text(&f, text);
    double gain[4];
    gains(data, true, gain);
    assert_near(gain[0], 0, 1e-12);
    assert_near(gain[1], 0, 1e-12);
    pare_dataset_close(data);
    set(&f, "groups", file_of(&f, "pair: a, b\nrest: c, d\n"));
    data = open_text(&f, text);
    assert_int_equal(data->candidates, 2);
    gains(data, true, gain);
    int64_t pair = strcmp(data->candidate_name[0], "pair") == 0 ? 0 : 1;
    assert_near(gain[pair], log(2), 1e-12);
    pare_dataset_close(data);
    end(&f);
}

/* F of several features is that of the multiple regression; a repeated feature adds nothing. */
static void f_of_a_group_is_of_the_regression(void **unused) {
    (void)unused;
    fixture f;
    begin(&f);
    char text[16384] = "a,b,again,y\n";
    double a[100], b[100], y[100];
    for (int i = 0; i < 100; i++) {
        char line[96];
        a[i] = round(1e3 * draw((uint64_t)(9000 + i))) / 1e3;
        b[i] = round(1e3 * (draw((uint64_t)(9100 + i)) + a[i])) / 1e3;
        y[i] = round(1e3 * (a[i] - b[i] + draw((uint64_t)(9200 + i)))) / 1e3;
        snprintf(line, sizeof line, "%.3f,%.3f,%.3f,%.3f\n", a[i], b[i], a[i], y[i]);
        strcat(text, line);
    }
    double ma = 0, mb = 0, my = 0, aa = 0, ab = 0, bb = 0, ay = 0, by = 0, yy = 0;
    for (int i = 0; i < 100; i++) {
        ma += a[i] / 100, mb += b[i] / 100, my += y[i] / 100;
    }
    for (int i = 0; i < 100; i++) {
        double p = a[i] - ma, q = b[i] - mb, r = y[i] - my;
        aa += p * p, ab += p * q, bb += q * q, ay += p * r, by += q * r, yy += r * r;
    }
    double det = aa * bb - ab * ab;
    double share = (ay * (bb * ay - ab * by) + by * (aa * by - ab * ay)) / (det * yy);
    double expected = share / 2 / ((1 - share) / (100 - 3));
    set(&f, "validation", "0");
    set(&f, "groups", file_of(&f, "all: a, b, again\n"));
    pare_dataset *data = open_text(&f, text);
    double gain[1];
    gains(data, false, gain);
    assert_near(gain[0], expected, 1e-4 * expected);
    pare_dataset_close(data);
    end(&f);
}

static void threads_do_not_change_the_answer(void **unused) {
    (void)unused;
    enum { ROWS = 200, WIDE = 150 };
    fixture f;
    begin(&f);
    float *x = malloc(ROWS * WIDE * sizeof *x);
    double y[ROWS], gain[2][WIDE];
    assert_non_null(x);
    for (int64_t i = 0; i < ROWS * WIDE; i++) {
        x[i] = (float)draw((uint64_t)(20000 + i));
    }
    pare_pool *own = f.ctx->pool;
    for (int task = 0; task < 2; task++) {
        for (int64_t i = 0; i < ROWS; i++) {
            y[i] = task ? (double)x[i * WIDE + 3] : (double)(i % 4);
        }
        pare_dataset *data = wrap(&f, ROWS, WIDE, x, 1, y, NULL);
        for (int mi = 0; mi < 2; mi++) {
            for (int threads = 0; threads < 2; threads++) {
                pare_pool *pool = NULL;
                assert_ok(f.ctx, pare_pool_create(f.ctx, threads ? 3 : 1, &pool));
                f.ctx->pool = pool;
                gains(data, mi, gain[threads]);
                f.ctx->pool = own;
                pare_pool_destroy(pool);
            }
            assert_memory_equal(gain[0], gain[1], sizeof gain[0]);
        }
        pare_dataset_close(data);
    }
    free(x);
    end(&f);
}

static void survives_every_failing_allocation(void **unused) {
    (void)unused;
    float x[N * D];
    double label[N], real[N], gain[D];
    fill(x, label, real);
    test_allocator counter = {.fail_at = -1};
    pare_allocator allocator = test_allocator_of(&counter);
    pare_context *ctx = NULL;
    assert_int_equal(pare_context_create(&allocator, &ctx), PARE_OK);
    pare_options options;
    assert_ok(ctx, pare_options_init(ctx, &options));
    options.validation = 0;
    for (int form = 0; form < 4; form++) {
        pare_dataset *data = NULL;
        assert_ok(ctx, pare_dataset_from_arrays(ctx, N, D, x, 1, form & 1 ? real : label, NULL,
                                                NULL, &options, &data));
        int64_t before = counter.live;
        for (int64_t at = 0;; at++) {
            pare_objective objective = {0};
            counter.fail_at = counter.count + at;
            pare_status status = pare_filter_create(data, &options, form & 2, &objective);
            if (status == PARE_OK) {
                status = objective.slots->gains(objective.self, 0, NULL, gain);
            }
            counter.fail_at = -1;
            pare_objective_destroy(&objective);
            assert_int_equal(counter.live, before);
            if (status == PARE_OK) {
                assert_true(at > 5);
                break;
            }
            assert_int_equal(status, PARE_ERROR_MEMORY);
        }
        pare_dataset_free(data);
    }
    pare_options_clear(&options);
    pare_context_destroy(ctx);
    assert_int_equal(counter.live, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(information_matches_its_definition),
        cmocka_unit_test(f_matches_its_definition),
        cmocka_unit_test(several_outputs_are_averaged),
        cmocka_unit_test(weights_are_repeated_rows),
        cmocka_unit_test(categories_and_missing_are_cells),
        cmocka_unit_test(groups_are_taken_jointly),
        cmocka_unit_test(f_of_a_group_is_of_the_regression),
        cmocka_unit_test(threads_do_not_change_the_answer),
        cmocka_unit_test(survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

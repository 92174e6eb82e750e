#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OWN_METHODS, OWN_SEEDS, OWN_COUNT };

static const pare_option own[OWN_COUNT] = {
    [OWN_METHODS] =
        PARE_OWN_TEXT("comparison", "methods", "all",
                      "methods to compare, separated by commas; all: every one there is"),
    [OWN_SEEDS] = PARE_OWN_NUMBER(
        "comparison", "seeds", PARE_OPTION_INTEGER, "5", 1, PARE_COMPARE_SEEDS,
        "splits into training and validation rows, from option seed on; each method sees the same"),
};

/* ---- Memory of one run --------------------------------------------------------------------- */

typedef struct meter {
    double now, most;
} meter;

/* The size stands in front of the block, so that release can take it off. */
static void *metered_allocate(void *user, size_t bytes, size_t alignment) {
    meter *m = user;
    size_t front = alignment > sizeof(size_t) ? alignment : sizeof(size_t) * 2;
    size_t whole = (bytes + 2 * front - 1) / front * front;
    char *block = whole < bytes ? NULL : aligned_alloc(front, whole);
    if (!block) {
        return NULL;
    }
    memcpy(block + front - sizeof(size_t), &bytes, sizeof bytes);
    memcpy(block + front - 2 * sizeof(size_t), &front, sizeof front);
    m->now += (double)bytes;
    m->most = m->now > m->most ? m->now : m->most;
    return block + front;
}

static void metered_release(void *user, void *memory) {
    meter *m = user;
    size_t bytes = 0, front = 0;
    char *at = memory;
    memcpy(&bytes, at - sizeof bytes, sizeof bytes);
    memcpy(&front, at - 2 * sizeof(size_t), sizeof front);
    m->now -= (double)bytes;
    free(at - front);
}

/* ---- One run ------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static pare_status copy_options(pare_cli *cli, pare_config *config, const char *method,
                                long long seed) {
    char text[32];
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        pare_status status = pare_option_at(i, &option);
        if (status == PARE_OK) {
            status = pare_config_set(config, option.name, pare_cli_text(cli, option.name));
        }
        if (status != PARE_OK) {
            return status;
        }
    }
    snprintf(text, sizeof text, "%lld", seed);
    pare_status status = pare_config_set(config, "seed", text);
    return status == PARE_OK ? pare_config_set(config, "method", method) : status;
}

static pare_status keep_answer(const pare_selection *selection, bool test, pare_compare_run *run) {
    const char *rows = test ? "test" : "validation";
    int64_t count = pare_selection_count(selection);
    size_t least = count > 0 ? (size_t)count : 1;
    run->score = pare_selection_metric(selection, "chosen", rows);
    run->all = pare_selection_metric(selection, "all", rows);
    run->random = pare_selection_metric(selection, "random", rows);
    run->item = malloc(least * sizeof *run->item);
    run->path = malloc(least * sizeof *run->path);
    if (!run->item || !run->path) {
        return PARE_ERROR_MEMORY;
    }
    run->count = count;
    memcpy(run->item, pare_selection_items(selection), (size_t)count * sizeof *run->item);
    qsort(run->item, (size_t)count, sizeof *run->item, by_number);
    for (int64_t i = 0; i < count; i++) {
        run->path[i] = pare_selection_path(selection, i + 1);
    }
    return PARE_OK;
}

/* In a context of its own, so that its memory can be measured. */
static pare_exit run_one(pare_cli *cli, const char *method, long long seed,
                         pare_comparison_table *table, pare_compare_run *run) {
    meter memory = {0, 0};
    const pare_allocator allocator = {sizeof allocator, metered_allocate, metered_release, &memory};
    pare_context *ctx = NULL;
    pare_config *config = NULL;
    pare_dataset *train = NULL, *test = NULL;
    pare_selection *selection = NULL;
    pare_exit code = PARE_EXIT_OK;
    char test_path[4096], target_path[4096];
    snprintf(test_path, sizeof test_path, "%s", pare_cli_text(cli, "test"));
    snprintf(target_path, sizeof target_path, "%s", pare_cli_text(cli, "test-target-file"));
    pare_status status = pare_context_create(&allocator, &ctx);
    if (status != PARE_OK) {
        return pare_cli_fail(cli, PARE_EXIT_MEMORY, "out of memory");
    }
    status = pare_config_create(ctx, &config);
    if (status == PARE_OK) {
        status = copy_options(cli, config, method, seed);
    }
    if (status == PARE_OK) {
        status = pare_dataset_open(ctx, cli->positional[0], config, &train);
    }
    if (status == PARE_OK && test_path[0]) {
        status =
            pare_dataset_open_like(train, test_path, target_path[0] ? target_path : NULL, &test);
    }
    clock_t start = clock();
    if (status == PARE_OK) {
        table->candidates = pare_dataset_candidates(train);
        status = pare_select(train, NULL, config, pare_view_progress, &cli->view, &selection);
    }
    run->cpu_seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    run->memory = memory.most;
    if (status == PARE_OK && !pare_system_interrupted()) {
        status = pare_selection_evaluate(selection, train, NULL, test, config, pare_view_progress,
                                         &cli->view);
    }
    if (status == PARE_OK) {
        status = keep_answer(selection, test != NULL, run);
    }
    if (status != PARE_OK) {
        const char *sentence = pare_context_error(ctx);
        code = pare_cli_fail(cli, status == PARE_ERROR_MEMORY ? PARE_EXIT_MEMORY : PARE_EXIT_INPUT,
                             "%s: %s", method, sentence[0] ? sentence : pare_status_text(status));
    }
    pare_selection_destroy(selection);
    pare_dataset_close(test);
    pare_dataset_close(train);
    pare_config_destroy(config);
    pare_context_destroy(ctx);
    return code;
}

/* ---- Summaries ----------------------------------------------------------------------------- */

/* Kuncheva 2007, for sets of different sizes as Lustgarten 2009: overlap beyond chance. */
static double overlap(const pare_compare_run *a, const pare_compare_run *b, double candidates) {
    double shared = 0, x = (double)a->count, y = (double)b->count;
    for (int64_t i = 0, j = 0; i < a->count && j < b->count;) {
        shared += a->item[i] == b->item[j];
        int64_t left = a->item[i], right = b->item[j];
        i += left <= right;
        j += right <= left;
    }
    double chance = x * y / candidates, most = fmin(x, y);
    return most > chance ? (shared - chance) / (most - chance) : (double)NAN;
}

static void summarise(pare_comparison_table *table) {
    double all = 0, random = 0, runs = 0;
    for (int64_t m = 0; m < table->methods; m++) {
        pare_compare_method *method = &table->method[m];
        double n = (double)method->runs, square = 0, pairs = 0, sum = 0;
        for (int64_t i = 0; i < method->runs; i++) {
            method->mean += method->run[i].score / n;
            method->cpu_seconds += method->run[i].cpu_seconds / n;
            method->memory = fmax(method->memory, method->run[i].memory);
            all += method->run[i].all;
            random += method->run[i].random;
            runs++;
            for (int64_t j = 0; j < i; j++) {
                sum += overlap(&method->run[i], &method->run[j], (double)table->candidates);
                pairs++;
            }
        }
        for (int64_t i = 0; i < method->runs; i++) {
            double off = method->run[i].score - method->mean;
            square += off * off;
        }
        method->sd = n > 1 ? sqrt(square / (n - 1)) : (double)NAN;
        method->overlap = pairs > 0 ? sum / pairs : (double)NAN;
    }
    table->all = all / runs;
    table->random = random / runs;
}

static const char *number(double value, int decimals, char *buffer, size_t size) {
    snprintf(buffer, size, "%.*f", decimals, value);
    return isfinite(value) ? buffer : "-";
}

static void print_table(const pare_comparison_table *table) {
    char a[32], b[32], c[32];
    printf("%s of a fresh model on the chosen, %s rows, mean and standard deviation over %lld "
           "splits;\noverlap of the choices between splits (Kuncheva: 1 the same, 0 as by "
           "chance)\n\n%-22s %8s %8s %8s %8s %10s %10s\n",
           table->score_name, table->score_rows, (long long)table->seeds, "method", "chosen",
           "mean", "sd", "overlap", "CPU s", "memory MB");
    for (int64_t m = 0; m < table->methods; m++) {
        const pare_compare_method *method = &table->method[m];
        printf("%-22s %8lld %8s", method->name, (long long)method->run[0].count,
               number(method->mean, 4, a, sizeof a));
        printf(" %8s %8s", number(method->sd, 4, b, sizeof b),
               number(method->overlap, 3, c, sizeof c));
        printf(" %10s", number(method->cpu_seconds, 2, a, sizeof a));
        printf(" %10s\n", number(method->memory / 1e6, 1, b, sizeof b));
    }
    printf("%-22s %8lld %8s\n", "all columns", (long long)table->candidates,
           number(table->all, 4, a, sizeof a));
    printf("%-22s %8s %8s\n", "random columns", "", number(table->random, 4, a, sizeof a));
}

/* ---- Files --------------------------------------------------------------------------------- */

static void put_json_real(const char *before, double value, FILE *out) {
    if (isfinite(value)) {
        fprintf(out, "%s%.17g", before, value);
    } else {
        fprintf(out, "%snull", before);
    }
}

static void write_json(const pare_comparison_table *table, FILE *out) {
    fprintf(out,
            "{\n  \"format\": \"pare comparison\",\n  \"format_version\": 1,\n  \"data\": %s,\n",
            table->data_json);
    fprintf(out,
            "  \"k\": \"%s\",\n  \"score\": \"%s\",\n  \"rows\": \"%s\",\n  \"seeds\": %lld,\n",
            table->k, table->score_name, table->score_rows, (long long)table->seeds);
    fprintf(out, "  \"candidates\": %lld,\n", (long long)table->candidates);
    put_json_real("  \"all\": ", table->all, out);
    put_json_real(",\n  \"random\": ", table->random, out);
    fprintf(out, ",\n  \"methods\": [");
    for (int64_t m = 0; m < table->methods; m++) {
        const pare_compare_method *method = &table->method[m];
        fprintf(out, "%s\n    {\"name\": \"%s\"", m > 0 ? "," : "", method->name);
        put_json_real(", \"mean\": ", method->mean, out);
        put_json_real(", \"sd\": ", method->sd, out);
        put_json_real(", \"overlap\": ", method->overlap, out);
        put_json_real(", \"cpu_seconds\": ", method->cpu_seconds, out);
        put_json_real(", \"memory\": ", method->memory, out);
        fprintf(out, ", \"runs\": [");
        for (int64_t i = 0; i < method->runs; i++) {
            const pare_compare_run *run = &method->run[i];
            put_json_real(i > 0 ? ",\n      {\"score\": " : "\n      {\"score\": ", run->score,
                          out);
            put_json_real(", \"cpu_seconds\": ", run->cpu_seconds, out);
            fprintf(out, ", \"items\": [");
            for (int64_t c = 0; c < run->count; c++) {
                fprintf(out, "%s%lld", c > 0 ? ", " : "", (long long)run->item[c]);
            }
            fprintf(out, "], \"path\": [");
            for (int64_t c = 0; c < run->count; c++) {
                put_json_real(c > 0 ? ", " : "", run->path[c], out);
            }
            fprintf(out, "]}");
        }
        fprintf(out, "\n    ]}");
    }
    fprintf(out, "\n  ]\n}\n");
}

/* Under a temporary name first, so that a failure leaves what was there. */
static pare_exit write_file(pare_cli *cli, const pare_comparison_table *table, const char *path,
                            void (*write)(const pare_comparison_table *, FILE *)) {
    char temporary[4200];
    if (strcmp(path, "-") == 0) {
        write(table, stdout);
        return pare_cli_flush(cli);
    }
    snprintf(temporary, sizeof temporary, "%s.part", path);
    FILE *file = fopen(temporary, "wb");
    if (!file) {
        return pare_cli_fail(cli, PARE_EXIT_OUTPUT, "%s: cannot be written", path);
    }
    write(table, file);
    bool good = !ferror(file);
    good = fclose(file) == 0 && good;
    if (!good || rename(temporary, path) != 0) {
        (void)remove(temporary);
        return pare_cli_fail(cli, PARE_EXIT_OUTPUT, "%s: cannot be written", path);
    }
    return PARE_EXIT_OK;
}

/* ---- Command ------------------------------------------------------------------------------- */

/* The names asked for; each must be one of option method. */
static pare_exit list_methods(pare_cli *cli, pare_comparison_table *table) {
    const char *wanted = cli->own[OWN_METHODS];
    const char *known = "";
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        if (pare_option_at(i, &option) == PARE_OK && strcmp(option.name, "method") == 0) {
            known = option.choices;
        }
    }
    const char *at = strcmp(wanted, "all") == 0 ? known : wanted;
    while (*at) {
        size_t length = strcspn(at, "|, ");
        bool found = false;
        for (const char *k = known; *k;) {
            size_t piece = strcspn(k, "|");
            found = found || (piece == length && memcmp(k, at, length) == 0);
            k += piece + (k[piece] == '|');
        }
        if (length > 0 && !found) {
            return pare_cli_fail(cli, PARE_EXIT_INPUT,
                                 "option methods: there is no method '%.*s'; there are %s",
                                 (int)length, at, known);
        }
        if (length > 0 && table->methods < PARE_COMPARE_METHODS) {
            snprintf(table->method[table->methods++].name, sizeof table->method->name, "%.*s",
                     (int)length, at);
        }
        at += length + (at[length] != '\0');
    }
    return table->methods > 0
               ? PARE_EXIT_OK
               : pare_cli_fail(cli, PARE_EXIT_INPUT, "option methods: none is named");
}

static pare_exit run_all(pare_cli *cli, pare_comparison_table *table) {
    long long first = strtoll(pare_cli_text(cli, "seed"), NULL, 10);
    for (int64_t s = 0; s < table->seeds; s++) {
        for (int64_t m = 0; m < table->methods; m++) {
            pare_compare_method *method = &table->method[m];
            pare_view_status(&cli->view, "%s, split %lld of %lld", method->name, (long long)s + 1,
                             (long long)table->seeds);
            pare_exit code = run_one(cli, method->name, first + s, table, &method->run[s]);
            method->runs = s + 1;
            if (code != PARE_EXIT_OK) {
                return code;
            }
            if (pare_system_interrupted()) {
                return pare_cli_fail(cli, PARE_EXIT_INTERRUPTED, "interrupted; nothing is written");
            }
        }
    }
    return PARE_EXIT_OK;
}

/* Accuracy for classes, R squared for real targets: told by what the data says of itself. */
static pare_exit name_scores(pare_cli *cli, pare_comparison_table *table) {
    pare_dataset *data = NULL;
    pare_status status = pare_dataset_open(cli->ctx, cli->positional[0], cli->config, &data);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    bool real = strstr(pare_dataset_summary(data), "regression") != NULL;
    pare_dataset_close(data);
    table->score_name = real ? "R squared" : "accuracy";
    table->score_rows = pare_cli_text(cli, "test")[0] ? "test" : "validation";
    return PARE_EXIT_OK;
}

static pare_exit run_compare(pare_cli *cli) {
    static const char *const outputs[] = {"out", "report"};
    char out[4096], report[4096];
    pare_comparison_table table = {.seeds = strtoll(cli->own[OWN_SEEDS], NULL, 10)};
    if (!pare_cli_text(cli, "k")[0]) {
        return pare_cli_fail(cli, PARE_EXIT_INPUT,
                             "option k is missing: say how many to choose with -k COUNT");
    }
    snprintf(table.data, sizeof table.data, "%s", cli->positional[0]);
    snprintf(table.k, sizeof table.k, "%s", pare_cli_text(cli, "k"));
    pare_status status =
        pare_context_json(cli->ctx, table.data, (int64_t)strlen(table.data), &table.data_json);
    if (status != PARE_OK) {
        return pare_cli_failed(cli, status);
    }
    snprintf(out, sizeof out, "%s", pare_cli_text(cli, "out"));
    snprintf(report, sizeof report, "%s", pare_cli_text(cli, "report"));
    table.method = calloc(PARE_COMPARE_METHODS, sizeof *table.method);
    if (!table.method) {
        return pare_cli_fail(cli, PARE_EXIT_MEMORY, "out of memory");
    }
    pare_exit code = pare_cli_outputs_writable(cli, outputs, 2);
    if (code == PARE_EXIT_OK) {
        code = list_methods(cli, &table);
    }
    if (code == PARE_EXIT_OK) {
        code = name_scores(cli, &table);
    }
    if (code == PARE_EXIT_OK) {
        pare_system_catch(true);
        code = run_all(cli, &table);
    }
    pare_view_clear(&cli->view);
    if (code == PARE_EXIT_OK) {
        summarise(&table);
        code = report[0] ? write_file(cli, &table, report, pare_compare_page) : PARE_EXIT_OK;
    }
    bool json = pare_cli_flag(cli, "json") || strcmp(out, "-") == 0;
    if (code == PARE_EXIT_OK && out[0] && strcmp(out, "-") != 0) {
        code = write_file(cli, &table, out, write_json);
    }
    if (code == PARE_EXIT_OK && json) {
        code = write_file(cli, &table, "-", write_json);
    } else if (code == PARE_EXIT_OK && !pare_cli_flag(cli, "quiet")) {
        print_table(&table);
        code = pare_cli_flush(cli);
    }
    for (int64_t m = 0; m < table.methods; m++) {
        for (int64_t i = 0; i < table.method[m].runs; i++) {
            free(table.method[m].run[i].item);
            free(table.method[m].run[i].path);
        }
    }
    free(table.method);
    return code;
}

const pare_command pare_command_compare = {
    .name = "compare",
    .summary = "run several methods on the same splits and compare them",
    .usage = "FILE -k COUNT [options]",
    .examples = "pare compare data.csv --target y -k 50 --methods all --seeds 5\n"
                "pare compare data.csv --target y -k 20 --methods omp,rfe --report report.html\n",
    .sections = "data|memory|selection|training|run|output",
    .own = own,
    .own_count = OWN_COUNT,
    .positionals = 1,
    .run = run_compare,
};

/* What `pare compare` measured, for its table, JSON and page. */
#ifndef PARE_CLI_COMPARE_H
#define PARE_CLI_COMPARE_H

#include "cli.h"

#include <stdio.h>

enum { PARE_COMPARE_METHODS = 16, PARE_COMPARE_SEEDS = 100, PARE_COMPARE_PATH = 64 };

/* One method on one split. */
typedef struct pare_compare_run {
    double score;       /* on the test rows, or the validation rows where there are none */
    double all, random; /* models on all and on as many random columns, same rows */
    double cpu_seconds; /* choosing only */
    double memory;      /* bytes, most at one time, data included */
    int64_t count;      /* chosen */
    int64_t *item;      /* (count) ascending */
    double *path;       /* (count) validation score with the first 1 .. count, NaN: unknown */
} pare_compare_run;

typedef struct pare_compare_method {
    char name[32];
    pare_compare_run run[PARE_COMPARE_SEEDS];
    int64_t runs; /* finished */
    double mean, sd, overlap, cpu_seconds, memory;
} pare_compare_method;

typedef struct pare_comparison_table {
    char data[512], k[64];
    const char *data_json; /* `data` as a JSON string */
    const char *score_name, *score_rows;
    int64_t seeds, candidates, methods;
    pare_compare_method *method;
    double all, random; /* means over all runs */
} pare_comparison_table;

/* compare_page.c: one self-contained page: table, and score by number kept, a line a method. */
void pare_compare_page(const pare_comparison_table *table, FILE *out);
/* Text with markup characters and controls replaced. */
void pare_compare_escape(const char *text, FILE *out);

#endif

#include "base/text.h"
#include "data/genotype/genotype.h"
#include "data/reader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EXAMPLES = 3, LIST_SIZE = 200 };

void pare_traits_clear(pare_traits *traits) {
    pare_context *ctx = traits->ctx;
    if (!ctx) {
        return;
    }
    for (int64_t t = 0; traits->trait && t < traits->traits; t++) {
        pare_free(ctx, traits->trait[t].name);
        pare_free(ctx, traits->trait[t].value);
    }
    for (int64_t c = 0; traits->covariate && c < traits->covariates; c++) {
        pare_free(ctx, traits->covariate[c].name);
    }
    pare_free(ctx, traits->trait);
    pare_free(ctx, traits->covariate);
    pare_free(ctx, traits->covariate_value);
    *traits = (pare_traits){0};
}

/* ---- A file matched to the samples ---------------------------------------------------------- */

typedef struct matched {
    pare_cells fields;
    bool header;   /* row 0 names the columns */
    int64_t first; /* first column of values */
    int64_t *row;  /* (samples) row of the sample, -1: none */
} matched;

static void matched_clear(pare_context *ctx, matched *file) {
    pare_free(ctx, file->row);
    pare_cells_clear(&file->fields);
    *file = (matched){0};
}

static bool cell_missing(const pare_cells *fields, const char *cell) {
    const unsigned char *begin = (const unsigned char *)cell;
    return pare_cell_missing(begin, begin + strlen(cell)) ||
           (!fields->commas && strcmp(cell, "-9") == 0);
}

/* A finite number; missing gives NaN. */
static bool cell_number(const pare_cells *fields, const char *cell, double *out) {
    if (cell_missing(fields, cell)) {
        *out = (double)NAN;
        return true;
    }
    return pare_parse_real(cell, out) && isfinite(*out);
}

static bool header_word(const char *cell, const char *word) {
    return strcmp(cell, word) == 0 || (cell[0] == '#' && strcmp(cell + 1, word) == 0);
}

/* Column of sample ids, -1 where rows have none; sets header and first. */
static int64_t find_ids(const pare_genotypes *g, matched *file) {
    const pare_cells *f = &file->fields;
    file->first = 1;
    for (int64_t c = 0; c < f->columns && c < 2; c++) {
        if (header_word(f->cell[c], "IID")) {
            file->header = true;
            file->first = c + 1;
            return c;
        }
    }
    double number = 0;
    for (int64_t c = 1; c < f->columns && f->commas; c++) {
        file->header = file->header || !cell_number(f, f->cell[c], &number);
    }
    int64_t begin = file->header ? 1 : 0, hits[2] = {0};
    for (int64_t r = begin; r < f->rows; r++) {
        for (int64_t c = 0; c < 2 && c < f->columns; c++) {
            char **cell = f->cell + r * f->columns;
            hits[c] += pare_genotypes_find(g, c > 0 ? cell[0] : NULL, cell[c]) >= 0;
        }
    }
    /* PLINK's two columns of ids, where the second one is at least as good. */
    if (!f->commas && f->columns > 2 && hits[1] > 0 && hits[1] >= hits[0]) {
        file->first = 2;
        return 1;
    }
    if (hits[0] > 0 && f->columns > 1) {
        return 0;
    }
    bool numbers = true;
    for (int64_t c = 0; c < f->columns; c++) {
        numbers = numbers && cell_number(f, f->cell[begin * f->columns + c], &number);
    }
    if (numbers && f->rows - begin == g->samples) {
        file->first = 0;
        return -1;
    }
    file->first = f->commas || f->columns < 3 ? 1 : 2;
    return file->first - 1;
}

static pare_status match_rows(const pare_genotypes *g, matched *file, int64_t ids) {
    const pare_cells *f = &file->fields;
    int64_t begin = file->header ? 1 : 0, found = 0, lost = 0;
    char examples[LIST_SIZE] = "";
    for (int64_t i = 0; i < g->samples; i++) {
        file->row[i] = ids < 0 ? i + begin : -1;
    }
    if (ids < 0) {
        pare_warn(g->ctx, "%s: holds no sample ids; its %lld rows are taken in the order of %s",
                  f->path, (long long)g->samples, g->sample_file);
        return PARE_OK;
    }
    for (int64_t r = begin; r < f->rows; r++) {
        const char *id = f->cell[r * f->columns + ids];
        const char *family = ids > 0 ? f->cell[r * f->columns + ids - 1] : NULL;
        int64_t i = pare_genotypes_find(g, family, id);
        if (i >= 0 && file->row[i] >= 0) {
            return pare_fail(g->ctx, PARE_ERROR_INPUT, "%s row %lld: sample id '%s' occurs twice",
                             f->path, (long long)r + 1, id);
        }
        if (i >= 0) {
            file->row[i] = r;
            found++;
        } else if (lost++ < EXAMPLES) {
            size_t used = strlen(examples);
            snprintf(examples + used, sizeof examples - used, "%s%.40s", used ? ", " : "", id);
        }
    }
    if (found == 0) {
        return pare_fail(g->ctx, PARE_ERROR_INPUT,
                         "%s: none of its %lld sample ids is in %s (first here: %s; first "
                         "there: %s)",
                         f->path, (long long)(f->rows - begin), g->sample_file, examples,
                         g->sample[0].id);
    }
    if (lost > 0) {
        pare_warn(g->ctx, "%s: %lld of %lld sample ids are not in %s (first: %s)", f->path,
                  (long long)lost, (long long)(f->rows - begin), g->sample_file, examples);
    }
    lost = 0;
    examples[0] = '\0';
    for (int64_t i = 0; i < g->samples; i++) {
        if (file->row[i] < 0 && lost++ < EXAMPLES) {
            size_t used = strlen(examples);
            snprintf(examples + used, sizeof examples - used, "%s%.40s", used ? ", " : "",
                     g->sample[i].id);
        }
    }
    if (lost > 0) {
        pare_warn(g->ctx, "%s: %lld of %lld samples of %s have no row (first: %s)", f->path,
                  (long long)lost, (long long)g->samples, g->sample_file, examples);
    }
    return PARE_OK;
}

static pare_status matched_read(const pare_genotypes *g, const char *path, matched *out) {
    *out = (matched){0};
    pare_status status = pare_cells_read(g->ctx, path, &out->fields);
    if (status == PARE_OK) {
        status = pare_alloc(g->ctx, g->samples, sizeof *out->row, &out->row);
    }
    if (status == PARE_OK) {
        status = match_rows(g, out, find_ids(g, out));
    }
    if (status == PARE_OK && out->first >= out->fields.columns) {
        status = pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: no columns behind the sample ids", path);
    }
    if (status != PARE_OK) {
        matched_clear(g->ctx, out);
    }
    return status;
}

static void column_name(const matched *file, int64_t column, char *out, size_t size) {
    if (file->header) {
        snprintf(out, size, "%s", file->fields.cell[column]);
    } else {
        snprintf(out, size, "trait%lld", (long long)(column - file->first + 1));
    }
}

/* The first names of the columns of values, for messages. */
static const char *some_columns(const matched *file, char out[LIST_SIZE]) {
    int64_t used = 0;
    out[0] = '\0';
    for (int64_t c = file->first; c < file->fields.columns; c++) {
        char name[LIST_SIZE];
        column_name(file, c, name, sizeof name);
        if (used + (int64_t)strlen(name) + 8 > LIST_SIZE) {
            snprintf(out + used, (size_t)(LIST_SIZE - used), ", ...");
            break;
        }
        used += snprintf(out + used, (size_t)(LIST_SIZE - used), "%s%s",
                         c > file->first ? ", " : "", name);
    }
    return out;
}

/* Column of values by name; without names also by 1-based number. -1: none. */
static int64_t find_column(const matched *file, const char *name, int64_t length) {
    for (int64_t c = file->first; c < file->fields.columns; c++) {
        char own[LIST_SIZE];
        column_name(file, c, own, sizeof own);
        bool same = (int64_t)strlen(own) == length && memcmp(own, name, (size_t)length) == 0;
        if (!file->header && !same) {
            const char *digits = own + strlen("trait");
            same = (int64_t)strlen(digits) == length && memcmp(digits, name, (size_t)length) == 0;
        }
        if (same) {
            return c;
        }
    }
    return -1;
}

static const char *cell_of(const matched *file, int64_t sample, int64_t column) {
    int64_t row = file->row[sample];
    return row < 0 ? "" : file->fields.cell[row * file->fields.columns + column];
}

/* ---- Traits --------------------------------------------------------------------------------- */

/* Two values 0 1 or 1 2 become 0 1. Counts those present; *constant: all alike. */
static int64_t code_trait(const pare_genotypes *g, pare_trait *trait, bool *constant) {
    int64_t present = 0, whole[3] = {0};
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < g->samples; i++) {
        double value = trait->value[i];
        if (!isnan(value)) {
            present++;
            low = fmin(low, value);
            high = fmax(high, value);
            if (value == 0 || value == 1 || value == 2) {
                whole[(int)value]++;
            }
        }
    }
    *constant = !(high > low);
    bool zero_one = whole[0] > 0 && whole[1] > 0 && whole[0] + whole[1] == present;
    bool one_two = whole[1] > 0 && whole[2] > 0 && whole[1] + whole[2] == present;
    trait->binary = zero_one || one_two;
    for (int64_t i = 0; i < g->samples && one_two; i++) {
        trait->value[i] -= 1;
    }
    return present;
}

/* Adds a column as a trait. `asked`: by name, so what is wrong with it is said. */
static pare_status add_trait(const pare_genotypes *g, const matched *file, int64_t column,
                             bool asked, pare_traits *out) {
    char name[LIST_SIZE];
    column_name(file, column, name, sizeof name);
    pare_trait trait = {0};
    const char *wrong = NULL;
    bool constant = false;
    pare_status status = pare_alloc(g->ctx, g->samples, sizeof *trait.value, &trait.value);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < g->samples; i++) {
        const char *cell = cell_of(file, i, column);
        if (!cell_number(&file->fields, cell, &trait.value[i])) {
            wrong = "holds text; expected numbers";
            status = asked ? pare_fail(g->ctx, PARE_ERROR_INPUT,
                                       "%s: trait '%s' holds '%.40s' for sample %s; expected "
                                       "numbers",
                                       file->fields.path, name, cell, g->sample[i].id)
                           : PARE_OK;
            break;
        }
    }
    if (!wrong && code_trait(g, &trait, &constant) == 0) {
        wrong = "is missing for all samples";
    } else if (!wrong && constant) {
        wrong = "is the same for all samples";
    }
    if (wrong && status == PARE_OK) {
        if (asked) {
            status = pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: trait '%s' %s", file->fields.path,
                               name, wrong);
        } else {
            pare_warn(g->ctx, "%s: trait '%s' is left out: it %s", file->fields.path, name, wrong);
        }
    }
    if (!wrong) {
        status = pare_text_copy(g->ctx, name, (int64_t)strlen(name), &trait.name);
    }
    if (wrong || status != PARE_OK) {
        pare_free(g->ctx, trait.value);
        return status;
    }
    out->trait[out->traits++] = trait;
    return PARE_OK;
}

static bool listed(const char *list, const char *name) {
    const char *item = NULL;
    int64_t length = 0;
    while (pare_list_next(&list, &item, &length)) {
        if ((int64_t)strlen(name) == length && memcmp(item, name, (size_t)length) == 0) {
            return true;
        }
    }
    return false;
}

static pare_status read_traits(const pare_genotypes *g, const pare_options *options,
                               const matched *file, pare_traits *out) {
    const char *item = NULL, *list = options->traits[0] ? options->traits : options->trait;
    int64_t length = 0;
    pare_status status =
        pare_alloc_zero(g->ctx, file->fields.columns, sizeof *out->trait, &out->trait);
    bool all = !list[0] || strcmp(list, "all") == 0;
    for (int64_t c = file->first; all && c < file->fields.columns && status == PARE_OK; c++) {
        char name[LIST_SIZE];
        column_name(file, c, name, sizeof name);
        if (options->covar_file[0] || !listed(options->covar, name)) {
            status = add_trait(g, file, c, file->fields.columns == file->first + 1, out);
        }
    }
    while (!all && status == PARE_OK && pare_list_next(&list, &item, &length)) {
        int64_t column = find_column(file, item, length);
        if (column < 0) {
            char names[LIST_SIZE];
            return pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: there is no trait '%.*s' among %s",
                             file->fields.path, (int)length, item, some_columns(file, names));
        }
        char name[LIST_SIZE];
        column_name(file, column, name, sizeof name);
        for (int64_t t = 0; t < out->traits; t++) {
            if (strcmp(out->trait[t].name, name) == 0) {
                return pare_fail(g->ctx, PARE_ERROR_ARGUMENT, "option trait names '%s' twice",
                                 name);
            }
        }
        if (!options->covar_file[0] && listed(options->covar, name)) {
            return pare_fail(g->ctx, PARE_ERROR_ARGUMENT, "'%s' is named as trait and as covariate",
                             name);
        }
        status = add_trait(g, file, column, true, out);
    }
    if (status == PARE_OK && out->traits == 0) {
        status =
            pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: no column can be a trait", file->fields.path);
    }
    return status;
}

/* The sixth column of .fam. */
static pare_status read_fam_trait(const pare_genotypes *g, const pare_options *options,
                                  pare_traits *out) {
    const char *list = options->traits[0] ? options->traits : options->trait;
    if (list[0] && strcmp(list, "all") != 0) {
        return pare_fail(g->ctx, PARE_ERROR_ARGUMENT,
                         "option trait names '%s', which needs option pheno", list);
    }
    pare_status status = pare_alloc_zero(g->ctx, 1, sizeof *out->trait, &out->trait);
    if (status == PARE_OK) {
        out->traits = 1;
        status = pare_alloc(g->ctx, g->samples, sizeof(double), &out->trait[0].value);
    }
    if (status == PARE_OK) {
        status = pare_text_copy(g->ctx, "phenotype", 9, &out->trait[0].name);
    }
    if (status != PARE_OK) {
        return status;
    }
    const pare_cells plink = {0};
    for (int64_t i = 0; i < g->samples; i++) {
        if (!cell_number(&plink, g->sample[i].phenotype, &out->trait[0].value[i])) {
            return pare_fail(g->ctx, PARE_ERROR_INPUT,
                             "%s: phenotype '%.40s' of sample %s is not a number", g->sample_file,
                             g->sample[i].phenotype, g->sample[i].id);
        }
    }
    bool constant = false;
    const int64_t present = code_trait(g, &out->trait[0], &constant);
    if (present == 0 || constant) {
        return pare_fail(g->ctx, PARE_ERROR_INPUT,
                         "%s: the phenotype column is %s; give option pheno", g->sample_file,
                         present > 0 ? "the same for all samples" : "all missing");
    }
    return PARE_OK;
}

/* ---- Covariates ----------------------------------------------------------------------------- */

static pare_status add_covariate(const pare_genotypes *g, const char *name, bool level,
                                 int64_t *capacity, int64_t *name_capacity, pare_traits *out,
                                 double **column) {
    int64_t cells = 0;
    if (!pare_checked_multiply(out->covariates + 1, g->samples, &cells)) {
        return pare_fail(g->ctx, PARE_ERROR_MEMORY, "out of memory: too many covariates");
    }
    pare_status status =
        pare_grow(g->ctx, cells, sizeof *out->covariate_value, capacity, &out->covariate_value);
    if (status == PARE_OK) {
        status = pare_grow(g->ctx, out->covariates + 1, sizeof *out->covariate, name_capacity,
                           &out->covariate);
    }
    if (status == PARE_OK) {
        status = pare_text_copy(g->ctx, name, (int64_t)strlen(name),
                                &out->covariate[out->covariates].name);
    }
    if (status == PARE_OK) {
        out->covariate[out->covariates].level = level;
        *column = out->covariate_value + out->covariates++ * g->samples;
    }
    return status;
}

/* A column of numbers is one covariate, a column of texts one for each level but the first. */
static pare_status read_covariate(const pare_genotypes *g, const matched *file, int64_t column,
                                  int64_t *capacity, int64_t *name_capacity, pare_traits *out) {
    const pare_cells *f = &file->fields;
    char name[LIST_SIZE];
    bool numbers = true;
    double number = 0, *to = NULL;
    column_name(file, column, name, sizeof name);
    for (int64_t i = 0; i < g->samples; i++) {
        numbers = numbers && cell_number(f, cell_of(file, i, column), &number);
    }
    out->named++;
    pare_status status = PARE_OK;
    if (numbers) {
        status = add_covariate(g, name, false, capacity, name_capacity, out, &to);
        for (int64_t i = 0; i < g->samples && status == PARE_OK; i++) {
            (void)cell_number(f, cell_of(file, i, column), &to[i]);
        }
        return status;
    }
    pare_levels levels = {0};
    for (int64_t i = 0; i < g->samples && status == PARE_OK; i++) {
        const char *cell = cell_of(file, i, column);
        int64_t level = 0;
        if (!cell_missing(f, cell)) {
            status = pare_levels_add(g->ctx, &levels, (const unsigned char *)cell,
                                     (int64_t)strlen(cell), &level);
        }
    }
    for (int64_t level = 1; level < levels.count && status == PARE_OK; level++) {
        char full[2 * LIST_SIZE];
        snprintf(full, sizeof full, "%s=%s", name, levels.text[level]);
        status = add_covariate(g, full, true, capacity, name_capacity, out, &to);
        for (int64_t i = 0; i < g->samples && status == PARE_OK; i++) {
            const char *cell = cell_of(file, i, column);
            to[i] = cell_missing(f, cell) ? (double)NAN : strcmp(cell, levels.text[level]) == 0;
        }
    }
    pare_levels_clear(g->ctx, &levels);
    return status;
}

/* The fifth field of .fam: 1 and 2, others are missing. */
static pare_status read_sex(const pare_genotypes *g, const matched *file, int64_t *capacity,
                            int64_t *name_capacity, pare_traits *out) {
    double *to = NULL;
    int64_t known = 0;
    char names[LIST_SIZE];
    pare_status status = add_covariate(g, "sex", false, capacity, name_capacity, out, &to);
    for (int64_t i = 0; i < g->samples && status == PARE_OK; i++) {
        const char *sex = g->sample[i].sex;
        bool told = strcmp(sex, "1") == 0 || strcmp(sex, "2") == 0;
        to[i] = told ? sex[0] - '0' : (double)NAN;
        known += told;
    }
    out->named++;
    return status == PARE_OK && known == 0
               ? pare_fail(g->ctx, PARE_ERROR_INPUT,
                           "%s: there is no covariate 'sex' among %s, and %s tells it of no sample",
                           file->fields.path, some_columns(file, names), g->sample_file)
               : status;
}

static pare_status read_covariates(const pare_genotypes *g, const pare_options *options,
                                   const matched *file, pare_traits *out) {
    int64_t capacity = 0, name_capacity = 0, length = 0;
    const char *list = options->covar, *item = NULL;
    pare_status status = PARE_OK;
    for (int64_t c = file->first; !list[0] && c < file->fields.columns && status == PARE_OK; c++) {
        status = read_covariate(g, file, c, &capacity, &name_capacity, out);
    }
    while (status == PARE_OK && pare_list_next(&list, &item, &length)) {
        int64_t column = find_column(file, item, length);
        if (column >= 0) {
            status = read_covariate(g, file, column, &capacity, &name_capacity, out);
        } else if (length == 3 && (memcmp(item, "sex", 3) == 0 || memcmp(item, "SEX", 3) == 0)) {
            status = read_sex(g, file, &capacity, &name_capacity, out);
        } else {
            char names[LIST_SIZE];
            return pare_fail(g->ctx, PARE_ERROR_INPUT, "%s: there is no covariate '%.*s' among %s",
                             file->fields.path, (int)length, item, some_columns(file, names));
        }
    }
    return status;
}

pare_status pare_traits_read(const pare_genotypes *g, const pare_options *options,
                             pare_traits *out) {
    *out = (pare_traits){0};
    pare_traits traits = {.ctx = g->ctx};
    matched pheno = {0}, covar = {0};
    pare_status status = PARE_OK;
    if (options->pheno[0]) {
        status = matched_read(g, options->pheno, &pheno);
        if (status == PARE_OK) {
            status = read_traits(g, options, &pheno, &traits);
        }
    } else {
        status = read_fam_trait(g, options, &traits);
    }
    if (status == PARE_OK && options->covar_file[0]) {
        status = matched_read(g, options->covar_file, &covar);
        if (status == PARE_OK) {
            status = read_covariates(g, options, &covar, &traits);
        }
    } else if (status == PARE_OK && options->covar[0]) {
        status = options->pheno[0]
                     ? read_covariates(g, options, &pheno, &traits)
                     : pare_fail(g->ctx, PARE_ERROR_ARGUMENT,
                                 "option covar names '%s', which needs option covar-file or pheno",
                                 options->covar);
    }
    matched_clear(g->ctx, &pheno);
    matched_clear(g->ctx, &covar);
    if (status != PARE_OK) {
        pare_traits_clear(&traits);
        return status;
    }
    *out = traits;
    return PARE_OK;
}

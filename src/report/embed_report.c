#include "report/embed_report.h"

#include "report/values.h"

#include <math.h>
#include <stdio.h>

/* ---- What is said in all three --------------------------------------------------------------- */

const char *pare_embed_option_word(const pare_embed *e, const char *name, char *buffer,
                                   size_t size) {
    return pare_options_get(&e->options, pare_option_index(name), buffer, size);
}

const char *pare_embed_method_word(const pare_embed *e, int64_t method, char *buffer, size_t size) {
    pare_options options = e->options; /* borrows */
    options.embed_method = method;
    return pare_options_get(&options, pare_option_index("embed-method"), buffer, size);
}

const char *pare_embed_kind_word(const pare_field *field) {
    return field->kind == PARE_FIELD_NUMBER  ? "number"
           : field->kind == PARE_FIELD_CROSS ? "cross"
           : field->bucketed                 ? "bucket"
                                             : "category";
}

pare_embed_facts pare_embed_facts_of(const pare_embed *e, int64_t f) {
    int64_t chunks = e->serving.chunks, at = f * (chunks + 1);
    pare_embed_facts out = {.kept = e->keep[at]};
    for (int64_t c = 0; c <= chunks; c++) {
        out.dimension += c > 0 && e->keep[at + c] ? e->width[c - 1] : 0;
        out.gain += e->keep[at + c] || !out.kept ? e->gain[at + c] : 0;
    }
    out.bytes = out.kept ? e->size[f] * 4 * pare_serving_row(out.dimension) : 0;
    return out;
}

pare_embed_loaded pare_embed_loaded_of(const pare_embed *e) {
    int64_t dimension = e->spec.kind == PARE_FIELD_MODEL_LR ? 0 : e->spec.dimension, kept = 0;
    int64_t line = (PARE_FM_HEAD + dimension + PARE_FM_LINE - 1) / PARE_FM_LINE;
    pare_embed_loaded out = {0};
    for (int64_t f = 0; f < e->fields.count; f++) {
        if (e->keep[f * (e->serving.chunks + 1)]) {
            out.bytes += e->size[f] * line * PARE_FM_LINE * (int64_t)sizeof(float);
            kept++;
        }
    }
    out.lines = kept * line;
    out.flops = pare_field_latency_flops(&e->spec, kept);
    return out;
}

void pare_embed_loaded_text(const pare_embed *e, pare_text *out) {
    pare_embed_loaded loaded = pare_embed_loaded_of(e);
    pare_text_append(out,
                     "pare score itself lays rows out as long as the longest: %lld bytes, %lld "
                     "lines, %.0f flops\n",
                     (long long)loaded.bytes, (long long)loaded.lines, loaded.flops);
}

const char *pare_embed_amount_text(int resource, int64_t amount, char *buffer) {
    int64_t unit = 0;
    (void)pare_resource_word((pare_resource)resource, &unit);
    if (amount == INT64_MAX) {
        snprintf(buffer, PARE_EMBED_AMOUNT_SIZE, "-");
    } else if (amount % unit == 0) {
        snprintf(buffer, PARE_EMBED_AMOUNT_SIZE, "%lld", (long long)(amount / unit));
    } else {
        snprintf(buffer, PARE_EMBED_AMOUNT_SIZE, "%.3f", (double)amount / (double)unit);
    }
    return buffer;
}

const char *pare_embed_reason_of(const pare_embed *e, int64_t f, char *buffer) {
    const pare_embed_reason *reason = &e->reason[f];
    int64_t unit = 0;
    const char *word = pare_resource_word(reason->resource, &unit);
    bool never = false;
    switch (reason->why) {
    case PARE_EMBED_SINGLE:
        return "a single value in the training rows";
    case PARE_EMBED_BANNED:
        return "banned";
    case PARE_EMBED_ABSENT:
        return "not in this file";
    case PARE_EMBED_NO_GAIN:
        return e->window   ? "brings nothing beside the plan"
               : e->judged ? "brings nothing on judging rows"
                           : "brings nothing by this method";
    case PARE_EMBED_SAID:
        return "others in the plan say it already";
    case PARE_EMBED_UNSURE:
        return e->window ? "its gain is not surely worth a change" : "the method prefers others";
    case PARE_EMBED_TOO_DEAR:
        never = true;
        break;
    default:
        break;
    }
    snprintf(buffer, PARE_EMBED_REASON_SIZE, "%s: %s",
             never ? "does not fit the budget" : "others bring more for their cost; no room left",
             word);
    return buffer;
}

void pare_embed_put_name(const pare_embed *e, int64_t f, int width, pare_text *out) {
    char *name = NULL;
    if (out->status == PARE_OK) {
        out->status = pare_name_encode(out->ctx, e->fields.field[f].name, &name);
    }
    pare_text_append(out, "%-*s", width, name ? name : "");
    pare_free(out->ctx, name);
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void text_score(pare_text *out, const char *name, const pare_embed_score *score) {
    pare_text_append(out, "%-10s ", name);
    pare_put_fixed(out, score->log_loss, 5);
    pare_text_append(out, "    ");
    pare_put_fixed(out, score->auc, 5);
    pare_text_append(out, "    ");
    pare_put_fixed(out, score->cpu, 2);
    pare_text_append(out, "\n");
}

/* Nats a row times this are shown: a cross saves thousandths. */
static const double milli = 1000;

/* Seconds times this are shown. */
static const double micro = 1e6;

/* Which ids are not told apart. */
void pare_embed_hashed_text(const pare_embed *e, pare_text *out) {
    const char *before = "\n";
    for (int64_t f = 0; f < e->fields.count; f++) {
        const pare_field *field = &e->fields.field[f];
        if (field->hash_bits > 0) {
            pare_text_append(out, "%s", before);
            before = "";
            pare_embed_put_name(e, f, 0, out);
            pare_text_append(out,
                             ": %lld ids hashed into %lld rows, of which they take %lld; %lld ids "
                             "share a row with others\n",
                             (long long)field->ids, (long long)field->size - 1,
                             (long long)field->taken, (long long)field->shared);
        }
    }
}

/* The index of the field of cross c. */
static int64_t cross_field(const pare_embed *e, int64_t c) {
    return e->fields.count - e->crosses + c;
}

static void text_crosses(const pare_embed *e, pare_text *out) {
    pare_text_append(out, "\n%-40s %10s %16s  %s\n", "cross", "rows", "millinats a row", "in plan");
    for (int64_t c = 0; c < e->crosses; c++) {
        int64_t f = cross_field(e, c);
        pare_embed_put_name(e, f, 40, out);
        pare_text_append(out, " %10lld %10s", (long long)e->size[f], "");
        pare_text_append_fixed(out, milli * e->cross[c].score, 3);
        pare_text_append(out, "  %s\n", pare_embed_facts_of(e, f).kept ? "yes" : "no");
    }
    pare_text_append(out, "%lld pairs screened, %lld proposed: ", (long long)e->pairs,
                     (long long)e->crosses);
    pare_put_fixed(out, e->cpu_screening, 2);
    pare_text_append(out, " CPU seconds\n");
}

static void text_latency(const pare_embed *e, pare_text *out) {
    const pare_field_time *predicted = &e->latency.predicted, *measured = &e->latency.measured;
    const double row[2][2] = {{predicted->half, measured->half}, {predicted->most, measured->most}};
    if (e->latency.rates.rounds == 0 || e->window) {
        return;
    }
    pare_text_append(out, "\n%-16s predicted  measured, microseconds\n", "scoring one row");
    for (int i = 0; i < 2; i++) {
        pare_text_append(out, "%-16s ", i == 0 ? "median" : "p99");
        pare_put_fixed(out, micro * row[i][0], 3);
        pare_text_append(out, "      ");
        pare_put_fixed(out, micro * row[i][1], 3);
        pare_text_append(out, "\n");
    }
    pare_text_append(out, "\n");
}

/* Rounded down. */
static double percent_of_best(const pare_embed *e) {
    return floor(1000 * fmax(e->saved, 0) / e->bound) / 10;
}

void pare_embed_certificate_text(const pare_embed *e, pare_text *out) {
    if (!(e->bound > 0) || e->window) {
        return;
    }
    pare_text_append(
        out,
        "certificate: at least %.1f %% of what the best choice within the budget saves, by "
        "the least squares that choose (",
        percent_of_best(e));
    pare_put_fixed(out, e->saved, 5);
    pare_text_append(out, " of at most ");
    pare_put_fixed(out, e->bound, 5);
    pare_text_append(out, ")\n");
}

void pare_embed_report_text(const pare_embed *e, pare_text *out) {
    char model[64], method[64], reason[PARE_EMBED_REASON_SIZE];
    pare_text_append(out,
                     "%s, %s: %lld fields, %lld table rows, %lld training rows, %lld held out, "
                     "%lld passes\n\n",
                     pare_embed_option_word(e, "embed-model", model, sizeof model),
                     pare_embed_option_word(e, "embed-method", method, sizeof method),
                     (long long)e->fields.count, (long long)e->fields.joint, (long long)e->train,
                     (long long)e->held, (long long)e->passes);
    pare_text_append(out, "%-24s %-8s %10s %6s %12s  %s\n", "field", "kind", "rows", "floats",
                     "bytes", "gain");
    for (int64_t f = 0; f < e->fields.count; f++) {
        pare_embed_facts facts = pare_embed_facts_of(e, f);
        pare_embed_put_name(e, f, 24, out);
        pare_text_append(out, " %-8s %10lld ", pare_embed_kind_word(&e->fields.field[f]),
                         (long long)e->size[f]);
        if (facts.kept) {
            pare_text_append(out, "%6lld %12lld  ", (long long)facts.dimension,
                             (long long)facts.bytes);
            pare_put_fixed(out, facts.gain, 4);
            pare_text_append(out, "\n");
        } else {
            pare_text_append(out, "%6s %12s  dropped: %s\n", "-", "-",
                             pare_embed_reason_of(e, f, reason));
        }
    }
    pare_embed_hashed_text(e, out);
    pare_text_append(out, "\n%-10s %16s %16s %16s\n", "resource", "plan", "budget", "all");
    for (int r = 0; r < PARE_RESOURCES; r++) {
        char cost[PARE_EMBED_AMOUNT_SIZE], limit[PARE_EMBED_AMOUNT_SIZE],
            full[PARE_EMBED_AMOUNT_SIZE];
        int64_t unit = 0;
        pare_text_append(out, "%-10s %16s %16s %16s\n", pare_resource_word((pare_resource)r, &unit),
                         pare_embed_amount_text(r, e->cost[r], cost),
                         pare_embed_amount_text(r, e->serving.limit[r], limit),
                         pare_embed_amount_text(r, e->full_cost[r], full));
    }
    pare_embed_loaded_text(e, out);
    if (e->window) {
        pare_embed_window_text(e, out);
        return;
    }
    pare_text_append(out, "\n%-10s log loss   AUC        CPU seconds\n", "held out");
    text_score(out, "plan", &e->chosen);
    text_score(out, "all", &e->full);
    text_latency(e, out);
    pare_text_append(out, "selecting: ");
    pare_put_fixed(out, e->cpu_selecting, 2);
    pare_text_append(out, " CPU seconds; step sizes and passes: ");
    pare_put_fixed(out, e->cpu_tuning, 2);
    pare_text_append(out, "\n");
    pare_embed_certificate_text(e, out);
    if (e->options.crosses > 0) {
        text_crosses(e, out);
    }
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_costs(pare_text *out, const char *name, const int64_t *cost) {
    const char *separator = "";
    pare_text_append(out, "  \"%s\": {", name);
    for (int r = 0; r < PARE_RESOURCES; r++) {
        if (cost[r] < INT64_MAX) {
            pare_text_append(out, "%s\"%s\": %lld", separator, pare_resource_name((pare_resource)r),
                             (long long)cost[r]);
            separator = ", ";
        }
    }
    pare_text_append(out, "},\n");
}

static void json_score(pare_text *out, const char *name, const pare_embed_score *score,
                       const char *end) {
    pare_text_append(out, "    \"%s\": {\"log_loss\": ", name);
    pare_put_json_real(out, score->log_loss);
    pare_text_append(out, ", \"auc\": ");
    pare_put_json_real(out, score->auc);
    pare_text_append(out, ", \"cpu_seconds\": ");
    pare_put_json_real(out, score->cpu);
    pare_text_append(out, "}%s\n", end);
}

static void json_field(const pare_embed *e, int64_t f, pare_text *out) {
    int64_t chunks = e->serving.chunks, at = f * (chunks + 1);
    pare_embed_facts facts = pare_embed_facts_of(e, f);
    pare_text_append(out, "    {\"name\": ");
    pare_put_json_text(out, e->fields.field[f].name);
    pare_text_append(out, ", \"kind\": \"%s\", \"rows\": %lld, \"kept\": %s, \"floats\": %lld, ",
                     pare_embed_kind_word(&e->fields.field[f]), (long long)e->size[f],
                     facts.kept ? "true" : "false", (long long)facts.dimension);
    pare_text_append(out, "\"bytes\": %lld, \"chunks\": [", (long long)facts.bytes);
    for (int64_t c = 1; c <= chunks; c++) {
        pare_text_append(out, c > 1 ? ", %s" : "%s", e->keep[at + c] ? "true" : "false");
    }
    pare_text_append(out, "], \"gain\": [");
    for (int64_t c = 0; c <= chunks; c++) {
        pare_text_append(out, c > 0 ? ", " : "");
        pare_put_json_real(out, e->gain[at + c]);
    }
    const pare_field *field = &e->fields.field[f];
    if (field->hash_bits > 0) {
        pare_text_append(out,
                         "], \"hash_bits\": %lld, \"ids\": %lld, \"rows_taken\": %lld, "
                         "\"ids_sharing\": %lld",
                         (long long)field->hash_bits, (long long)field->ids,
                         (long long)field->taken, (long long)field->shared);
    } else {
        pare_text_append(out, "]");
    }
    if (!facts.kept) {
        char reason[PARE_EMBED_REASON_SIZE];
        pare_text_append(out, ", \"reason\": \"%s\"", pare_embed_reason_of(e, f, reason));
    }
    if (field->minimum_count > 0) {
        pare_text_append(out, ", \"min_count\": %lld", (long long)field->minimum_count);
    }
    pare_text_append(out, ", \"rare_cells\": %lld, \"unseen_cells\": %lld}%s\n",
                     (long long)field->rare, (long long)field->unseen,
                     f + 1 < e->fields.count ? "," : "");
}

static void json_crosses(const pare_embed *e, pare_text *out) {
    pare_text_append(
        out, "  \"pairs_screened\": %lld,\n  \"screening_cpu_seconds\": ", (long long)e->pairs);
    pare_put_json_real(out, e->cpu_screening);
    pare_text_append(out, ",\n  \"crosses\": [\n");
    for (int64_t c = 0; c < e->crosses; c++) {
        pare_text_append(out, "    {\"parts\": [");
        pare_put_json_text(out, e->fields.field[e->cross[c].part[0]].name);
        pare_text_append(out, ", ");
        pare_put_json_text(out, e->fields.field[e->cross[c].part[1]].name);
        pare_text_append(out, "], \"rows\": %lld, \"score\": ", (long long)e->cross[c].rows);
        pare_put_json_real(out, e->cross[c].score);
        pare_text_append(out, "}%s\n", c + 1 < e->crosses ? "," : "");
    }
    pare_text_append(out, "  ],\n");
}

static void json_times(pare_text *out, const char *name, const pare_field_time *time) {
    pare_text_append(out, "\"%s\": {\"p50\": ", name);
    pare_put_json_real(out, micro * time->half);
    pare_text_append(out, ", \"p99\": ");
    pare_put_json_real(out, micro * time->most);
    pare_text_append(out, "}");
}

/* The calibration too: later commands predict from it. */
static void json_latency(const pare_embed *e, pare_text *out) {
    const pare_field_rates *rates = &e->latency.rates;
    pare_text_append(out, "  \"latency\": {\"batch\": 1, ");
    json_times(out, "predicted_us", &e->latency.predicted);
    pare_text_append(out, ", ");
    json_times(out, "measured_us", &e->latency.measured);
    pare_text_append(out, ",\n    \"share\": ");
    pare_put_json_real(out, rates->share);
    pare_text_append(out, ", \"together\": ");
    pare_put_json_real(out, rates->together);
    pare_text_append(out, ", \"hidden_us\": ");
    pare_put_json_real(out, micro * rates->hidden);
    pare_text_append(out, ", \"look_ups\": [");
    for (int64_t i = 0; i < rates->levels; i++) {
        pare_text_append(out, "%s\n      {\"bytes\": ", i > 0 ? "," : "");
        pare_put_json_real(out, rates->reach[i]);
        pare_text_append(out, ", \"wait_us\": [");
        for (int64_t q = 0; q < PARE_LATENCY_QUANTILES; q++) {
            pare_text_append(out, "%s", q > 0 ? ", " : "");
            pare_put_json_real(out, micro * rates->wait[i][q]);
        }
        pare_text_append(out, "]}");
    }
    pare_text_append(out, "],\n    \"rest\": [");
    for (int64_t i = 0; i < PARE_LATENCY_WIDTHS; i++) {
        pare_text_append(out, "%s\n      {\"flops\": ", i > 0 ? "," : "");
        pare_put_json_real(out, rates->flops[i]);
        pare_text_append(out, ", ");
        json_times(out, "us", &rates->rest[i]);
        pare_text_append(out, "}");
    }
    pare_text_append(out, "]},\n");
}

static void json_curve(const pare_embed *e, pare_text *out) {
    char word[64];
    pare_text_append(out, "  \"curve\": [\n");
    for (int64_t i = 0; i < e->points; i++) {
        const pare_embed_point *point = &e->curve[i];
        pare_text_append(out, "    {\"method\": \"%s\", \"share\": ",
                         pare_embed_method_word(e, point->method, word, sizeof word));
        pare_put_json_real(out, point->share);
        pare_text_append(out, ", \"log_loss\": ");
        pare_put_json_real(out, point->log_loss);
        pare_text_append(out, ", \"auc\": ");
        pare_put_json_real(out, point->auc);
        for (int r = 0; r < PARE_RESOURCES; r++) {
            pare_text_append(out, ", \"%s\": %lld", pare_resource_name((pare_resource)r),
                             (long long)point->cost[r]);
        }
        pare_text_append(out, "}%s\n", i + 1 < e->points ? "," : "");
    }
    pare_text_append(out, "  ],\n");
}

/* What `pare train` needs beside passes and step size to train alike. */
static void json_training(const pare_embed *e, pare_text *out) {
    char word[64];
    pare_text_append(out, ",\n  \"optimizer\": \"%s\",\n  \"l2\": ",
                     pare_embed_option_word(e, "embed-optimizer", word, sizeof word));
    pare_put_json_real(out, (double)e->spec.decay);
    pare_text_append(out, ",\n  \"batch\": %lld,\n  \"dropout\": ", (long long)e->spec.batch);
    pare_put_json_real(out, (double)e->spec.dropout);
    pare_text_append(out, ",\n  \"normalise\": \"%s\",\n  \"rate_drops\": [",
                     e->spec.normalise ? "batch" : "none");
    for (int d = 0; d < PARE_FIELD_DROPS && e->spec.drop[d] > 0; d++) {
        pare_text_append(out, d > 0 ? ", %lld" : "%lld", (long long)e->spec.drop[d]);
    }
    pare_text_append(out, "]");
}

void pare_embed_report_json(const pare_embed *e, pare_text *out) {
    char word[64];
    pare_text_append(out, "{\n  \"pare_embed\": 1,\n  \"model\": \"%s\",\n",
                     pare_embed_option_word(e, "embed-model", word, sizeof word));
    if (e->fields.target) {
        pare_text_append(out, "  \"target\": ");
        pare_put_json_text(out, e->fields.target);
        pare_text_append(out, ",\n");
    }
    pare_text_append(out, "  \"method\": \"%s\",\n",
                     pare_embed_option_word(e, "embed-method", word, sizeof word));
    pare_text_append(out, "  \"seed\": %lld,\n  \"min_count\": %lld,\n  \"passes\": %lld,\n",
                     (long long)e->options.seed, (long long)e->options.minimum_count,
                     (long long)e->passes);
    pare_text_append(out, "  \"rate\": ");
    pare_put_json_real(out, (double)e->spec.rate);
    json_training(e, out);
    pare_text_append(out, ",\n  \"train_rows\": %lld,\n  \"held_out_rows\": %lld,\n  \"chunk\": [",
                     (long long)e->train, (long long)e->held);
    for (int64_t c = 0; c < e->serving.chunks; c++) {
        pare_text_append(out, c > 0 ? ", %lld" : "%lld", (long long)e->width[c]);
    }
    pare_text_append(out, "],\n");
    json_costs(out, "budget", e->serving.limit);
    json_costs(out, "cost", e->cost);
    json_costs(out, "cost_of_all", e->full_cost);
    pare_embed_loaded loaded = pare_embed_loaded_of(e);
    pare_text_append(out, "  \"as_loaded\": {\"bytes\": %lld, \"lines\": %lld, \"flops\": %.0f},\n",
                     (long long)loaded.bytes, (long long)loaded.lines, loaded.flops);
    pare_text_append(out, "  \"fields\": [\n");
    for (int64_t f = 0; f < e->fields.count; f++) {
        json_field(e, f, out);
    }
    pare_text_append(out, "  ],\n");
    if (e->bound > 0 && !e->window) {
        pare_text_append(out, "  \"certificate\": {\"saved\": ");
        pare_put_json_real(out, e->saved);
        pare_text_append(out, ", \"bound\": ");
        pare_put_json_real(out, e->bound);
        pare_text_append(out, "},\n");
    }
    if (e->options.crosses > 0) {
        json_crosses(e, out);
    }
    if (e->latency.rates.rounds > 0) {
        json_latency(e, out);
    }
    if (e->points > 0) {
        json_curve(e, out);
    }
    if (e->window) {
        pare_embed_window_json(e, out);
    }
    pare_text_append(out, "  \"held_out\": {\n");
    json_score(out, "plan", &e->chosen, ",");
    json_score(out, "all", &e->full, "");
    pare_text_append(out, "  },\n  \"selecting_cpu_seconds\": ");
    pare_put_json_real(out, e->cpu_selecting);
    pare_text_append(out, ",\n  \"tuning_cpu_seconds\": ");
    pare_put_json_real(out, e->cpu_tuning);
    pare_text_append(out, "\n}\n");
}

/* What a later file changed in a plan: drift, the change, its cost. */
#include "report/embed_report.h"

#include "report/values.h"

#include <math.h>

#define PSI_LIMIT    0.25 /* the customary "significant shift" */
#define UNKNOWN_MORE 0.05 /* of all cells, beyond what is usual */

static bool many_unknown(const pare_embed_window *w, int64_t f) {
    return isfinite(w->usual[f]) && w->unknown[f] > w->usual[f] + UNKNOWN_MORE;
}

static bool shifted(const pare_embed_window *w, int64_t f) {
    return !w->fresh[f] && !w->absent[f] && w->psi[f] > PSI_LIMIT;
}

static void text_drift(const pare_embed *e, int64_t f, pare_text *out) {
    const pare_embed_window *w = e->window;
    if (!w->fresh[f] && !w->absent[f] && !shifted(w, f) && !many_unknown(w, f)) {
        return;
    }
    pare_text_append(out, "field ");
    pare_embed_put_name(e, f, 0, out);
    pare_text_append(out, ": ");
    if (w->fresh[f]) {
        pare_text_append(out, "new");
    } else if (w->absent[f]) {
        pare_text_append(out, "without a single cell");
    }
    if (shifted(w, f)) {
        pare_text_append(out, "shifted, population stability index ");
        pare_put_fixed(out, w->psi[f], 2);
    }
    if (many_unknown(w, f)) {
        pare_text_append(out, "%s", shifted(w, f) ? "; " : "");
        pare_text_append(out, "unknown ids in ");
        pare_put_fixed(out, 100 * w->unknown[f], 1);
        pare_text_append(out, " %% of cells, usual ");
        pare_put_fixed(out, 100 * w->usual[f], 1);
        pare_text_append(out, " %%");
    }
    pare_text_append(out, "\n");
}

static void text_change(const pare_embed *e, pare_text *out) {
    const pare_embed_window *w = e->window;
    int64_t width = e->serving.chunks + 1, dropped = 0;
    for (int64_t f = 0; f < e->fields.count && w->dropped >= 0; f++) {
        if (w->before[f] && !e->keep[f * width]) {
            pare_text_append(out, dropped++ > 0 ? ", " : "dropped ");
            pare_embed_put_name(e, f, 0, out);
        }
    }
    if (w->added >= 0) {
        pare_text_append(out, dropped > 0 ? ", added " : "added ");
        pare_embed_put_name(e, w->added, 0, out);
    }
    if (w->dropped >= 0 || w->added >= 0) {
        pare_text_append(out, ": gain ");
        pare_put_fixed(out, w->gain, 5);
        pare_text_append(out, " nats a row, at least ");
        pare_put_fixed(out, w->bound, 5);
        pare_text_append(out, "; switching costs ");
        pare_put_fixed(out, e->options.switch_cost, 5);
        pare_text_append(out, "\n");
    } else {
        pare_text_append(out, "%s",
                         w->repaired
                             ? "chosen anew within the budget: tables have grown beyond it\n"
                             : "no change pays for its switching cost\n");
    }
}

static void text_audit(const pare_embed *e, pare_text *out) {
    const pare_embed_window *w = e->window;
    pare_text_append(out, "audit: a new choice from this file alone gains ");
    pare_put_fixed(out, w->audit_gain, 5);
    pare_text_append(out, " nats a row on held-out rows, at least ");
    pare_put_fixed(out, w->audit_bound, 5);
    pare_text_append(out, w->adopted ? ": taken;" : ": not taken;");
    for (int64_t f = 0; f < e->fields.count; f++) {
        pare_text_append(out, "%s", w->audit[f] ? " " : "");
        if (w->audit[f]) {
            pare_embed_put_name(e, f, 0, out);
        }
    }
    pare_text_append(out, "\n");
}

void pare_embed_window_text(const pare_embed *e, pare_text *out) {
    const pare_embed_window *w = e->window;
    pare_text_append(out, "\nwindow %lld, %lld rows before learning: log loss ",
                     (long long)w->number, (long long)e->fields.rows);
    pare_put_fixed(out, e->chosen.log_loss, 5);
    pare_text_append(out, " (before: ");
    pare_put_fixed(out, w->reference, 5);
    pare_text_append(out, "), AUC ");
    pare_put_fixed(out, e->chosen.auc, 5);
    pare_text_append(out, "\n");
    if (w->alarm) {
        pare_text_append(out, "alarm: log loss has risen, cumulative sum ");
        pare_put_fixed(out, w->cusum, 1);
        pare_text_append(out, " standard deviations; --audit chooses anew\n");
    }
    for (int64_t f = 0; f < e->fields.count; f++) {
        text_drift(e, f, out);
    }
    text_change(e, out);
    if (w->audited) {
        text_audit(e, out);
    }
    pare_text_append(out, "CPU seconds: scoring ");
    pare_put_fixed(out, w->cpu_scoring, 3);
    pare_text_append(out, ", selecting ");
    pare_put_fixed(out, w->cpu_selecting, 3);
    pare_text_append(out, ", training ");
    pare_put_fixed(out, w->cpu_training, 3);
    pare_text_append(out, "\n");
}

static void json_member(pare_text *out, const char *name, double value) {
    pare_text_append(out, ", \"%s\": ", name);
    pare_put_json_real(out, value);
}

void pare_embed_window_json(const pare_embed *e, pare_text *out) {
    const pare_embed_window *w = e->window;
    pare_text_append(out, "  \"window\": {\"number\": %lld", (long long)w->number);
    json_member(out, "log_loss_before", w->reference);
    json_member(out, "cusum", w->cusum);
    pare_text_append(out, ", \"alarm\": %s, \"repaired\": %s", w->alarm ? "true" : "false",
                     w->repaired ? "true" : "false");
    pare_text_append(out, ", \"added\": %lld, \"dropped\": %lld", (long long)w->added,
                     (long long)w->dropped);
    json_member(out, "gain", w->gain);
    json_member(out, "bound", w->bound);
    if (w->audited) {
        json_member(out, "audit_gain", w->audit_gain);
        json_member(out, "audit_bound", w->audit_bound);
        pare_text_append(out, ", \"audit_taken\": %s", w->adopted ? "true" : "false");
    }
    json_member(out, "scoring_cpu_seconds", w->cpu_scoring);
    json_member(out, "selecting_cpu_seconds", w->cpu_selecting);
    json_member(out, "training_cpu_seconds", w->cpu_training);
    pare_text_append(out, ", \"fields\": [\n");
    for (int64_t f = 0; f < e->fields.count; f++) {
        pare_text_append(out, "    {\"kept_before\": %s", w->before[f] ? "true" : "false");
        pare_text_append(out, ", \"new\": %s, \"absent\": %s", w->fresh[f] ? "true" : "false",
                         w->absent[f] ? "true" : "false");
        json_member(out, "psi", w->psi[f]);
        json_member(out, "unknown", w->unknown[f]);
        json_member(out, "usually_unknown", w->usual[f]);
        pare_text_append(out, "}%s\n", f + 1 < e->fields.count ? "," : "");
    }
    pare_text_append(out, "  ]},\n");
}

/* What a later file changed in a plan: drift, the change, its cost. */
#include "report/embed_report.h"

#include "report/values.h"

#include <math.h>

#define UNKNOWN_MORE 0.05 /* of all cells, beyond what is usual */

static bool many_unknown(const pare_embed_window *w, int64_t f) {
    return isfinite(w->usual[f]) && w->unknown[f] > w->usual[f] + UNKNOWN_MORE;
}

static bool shifted(const pare_embed_window *w, int64_t f) {
    return !w->fresh[f] && !w->absent[f] && w->psi[f] > w->psi_limit[f];
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

/* "dropped a, b; added c; shorter: d": what is otherwise than before. Returns whether anything is.
 */
static bool text_changed(const pare_embed *e, pare_text *out) {
    static const char *const words[] = {"dropped ", "added ", "longer: ", "shorter: "};
    bool any = false;
    for (int kind = 0; kind < 4; kind++) {
        bool first = true;
        for (int64_t f = 0; f < e->fields.count; f++) {
            int64_t before = e->window->before[f], now = pare_embed_kept_of(e, f);
            int is = now == before ? -1 : now == 0 ? 0 : before == 0 ? 1 : now > before ? 2 : 3;
            if (is == kind) {
                pare_text_append(out, "%s", first ? (any ? "; " : "") : ", ");
                pare_text_append(out, "%s", first ? words[kind] : "");
                pare_embed_put_name(e, f, 0, out);
                first = false;
                any = true;
            }
        }
    }
    return any;
}

static void text_gain(const pare_embed *e, pare_text *out) {
    pare_text_append(out, ": gain ");
    pare_put_fixed(out, e->window->gain, 5);
    pare_text_append(out, " nats a row, at least ");
    pare_put_fixed(out, e->window->bound, 5);
    pare_text_append(out, "; switching costs ");
    pare_put_fixed(out, e->options.switch_cost, 5);
    pare_text_append(out, "\n");
}

/* The change that came nearest to paying, and why it was not made. */
static void text_rejected(const pare_embed *e, pare_text *out) {
    static const char *const words[] = {"to add ", "to drop "};
    bool any = false;
    pare_text_append(out, "no change pays for its switching cost");
    for (int kind = PARE_EMBED_COMES; kind <= PARE_EMBED_GOES; kind++) {
        bool first = true;
        for (int64_t f = 0; f < e->fields.count; f++) {
            if (e->window->rejected[f] == kind) {
                pare_text_append(out, "%s%s",
                                 !any    ? "; the best would be "
                                 : first ? "; "
                                         : ", ",
                                 first ? words[kind - PARE_EMBED_COMES] : "");
                pare_embed_put_name(e, f, 0, out);
                first = false;
                any = true;
            }
        }
    }
    if (any) {
        text_gain(e, out);
    } else {
        pare_text_append(out, "\n");
    }
}

static void text_repair(const pare_embed *e, pare_text *out) {
    static const struct {
        int flag;
        const char *words;
    } why[] = {{PARE_EMBED_SCHEMA, "the schema bans or pins otherwise"},
               {PARE_EMBED_SMALLER, "the budget is smaller than it was"},
               {PARE_EMBED_DEARER, "groups cost more than they did"},
               {PARE_EMBED_GROWN, "tables have grown beyond the budget"}};
    bool first = true;
    for (size_t k = 0; k < sizeof why / sizeof why[0]; k++) {
        if (e->window->repaired & why[k].flag) {
            pare_text_append(out, "%s%s", first ? "changed within the budget, since " : ", ",
                             why[k].words);
            first = false;
        }
    }
    pare_text_append(out, ": ");
    pare_text_append(out, "%s\n", text_changed(e, out) ? "" : "the same fields");
}

static void text_change(const pare_embed *e, pare_text *out) {
    const pare_embed_window *w = e->window;
    if (w->repaired) {
        text_repair(e, out);
    } else if (w->dropped >= 0 || w->added >= 0) {
        if (w->adopted) { /* what became of it, the audit says */
            pare_text_append(out, "a change");
        } else {
            (void)text_changed(e, out);
        }
        text_gain(e, out);
    } else {
        text_rejected(e, out);
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

static void text_alarms(const pare_embed *e, pare_text *out) {
    const pare_embed_window *w = e->window;
    if (w->alarm) {
        pare_text_append(out, "alarm: log loss has risen, cumulative sum ");
        pare_put_fixed(out, w->cusum, 1);
        pare_text_append(out, " standard deviations; --audit chooses anew\n");
    }
    if (w->alike) {
        pare_text_append(out, "%severy label is %d, by the model with a probability of %.1g\n",
                         w->likely < 0.01 ? "alarm: " : "", w->label, w->likely);
    }
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
    text_alarms(e, out);
    for (int64_t f = 0; f < e->fields.count; f++) {
        text_drift(e, f, out);
    }
    text_change(e, out);
    for (int64_t k = 0; k < w->proposed; k++) {
        pare_text_append(out, k > 0 ? ", " : "candidates from the next file on: ");
        pare_embed_put_name(e, w->pair[k][0], 0, out);
        pare_text_append(out, "*");
        pare_embed_put_name(e, w->pair[k][1], 0, out);
        pare_text_append(out, "%s", k + 1 == w->proposed ? "\n" : "");
    }
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

/* Why the plan was repaired, in words. */
static void json_repair(const pare_embed_window *w, pare_text *out) {
    static const char *const names[] = {"tables", "budget", "groups", "schema"};
    bool first = true;
    pare_text_append(out, ", \"repaired_for\": [");
    for (int k = 0; k < 4; k++) {
        if (w->repaired & 1 << k) {
            pare_text_append(out, "%s\"%s\"", first ? "" : ", ", names[k]);
            first = false;
        }
    }
    pare_text_append(out, "]");
}

static void json_rejected(const pare_embed *e, pare_text *out) {
    static const char *const names[] = {"rejected_added", "rejected_dropped"};
    for (int kind = PARE_EMBED_COMES; kind <= PARE_EMBED_GOES; kind++) {
        bool first = true;
        pare_text_append(out, ", \"%s\": [", names[kind - PARE_EMBED_COMES]);
        for (int64_t f = 0; f < e->fields.count; f++) {
            if (e->window->rejected[f] == kind) {
                pare_text_append(out, "%s%lld", first ? "" : ", ", (long long)f);
                first = false;
            }
        }
        pare_text_append(out, "]");
    }
}

void pare_embed_window_json(const pare_embed *e, pare_text *out) {
    const pare_embed_window *w = e->window;
    pare_text_append(out, "  \"window\": {\"number\": %lld", (long long)w->number);
    json_member(out, "log_loss_before", w->reference);
    json_member(out, "cusum", w->cusum);
    pare_text_append(out, ", \"alarm\": %s, \"repaired\": %s", w->alarm ? "true" : "false",
                     w->repaired ? "true" : "false");
    if (w->alike) {
        pare_text_append(out, ", \"every_label\": %d", w->label);
        json_member(out, "probability", w->likely);
    }
    json_repair(w, out);
    json_rejected(e, out);
    pare_text_append(out, ", \"added\": %lld, \"dropped\": %lld", (long long)w->added,
                     (long long)w->dropped);
    json_member(out, "gain", w->gain);
    json_member(out, "bound", w->bound);
    if (w->audited) {
        json_member(out, "audit_gain", w->audit_gain);
        json_member(out, "audit_bound", w->audit_bound);
        pare_text_append(out, ", \"audit_taken\": %s", w->adopted ? "true" : "false");
    }
    pare_text_append(out, ", \"proposed\": [");
    for (int64_t k = 0; k < w->proposed; k++) {
        pare_text_append(out, "%s[%lld, %lld]", k > 0 ? ", " : "", (long long)w->pair[k][0],
                         (long long)w->pair[k][1]);
    }
    pare_text_append(out, "]");
    json_member(out, "scoring_cpu_seconds", w->cpu_scoring);
    json_member(out, "selecting_cpu_seconds", w->cpu_selecting);
    json_member(out, "training_cpu_seconds", w->cpu_training);
    pare_text_append(out, ", \"fields\": [\n");
    for (int64_t f = 0; f < e->fields.count; f++) {
        pare_text_append(out, "    {\"kept_before\": %s", w->before[f] ? "true" : "false");
        pare_text_append(out, ", \"new\": %s, \"absent\": %s", w->fresh[f] ? "true" : "false",
                         w->absent[f] ? "true" : "false");
        json_member(out, "psi", w->psi[f]);
        json_member(out, "psi_limit", w->psi_limit[f]);
        json_member(out, "unknown", w->unknown[f]);
        json_member(out, "usually_unknown", w->usual[f]);
        pare_text_append(out, "}%s\n", f + 1 < e->fields.count ? "," : "");
    }
    pare_text_append(out, "  ]},\n");
}

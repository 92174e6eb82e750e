/*
 * Save and load of a selection in progress: a header that ties the file to data, options and
 * version, then what the method and the objective list through their visit slots.
 */
#include "base/text.h"
#include "platform/system.h"
#include "problem/strategy.h"

#include <string.h>

static const char magic[8] = "pare-st1";

typedef struct header {
    char magic[8];
    uint64_t data, options;
    int64_t count; /* chosen so far */
    int64_t trace;
    double seconds, cpu_seconds;
    uint8_t chosen, done;
    uint8_t padding[6];
} header;

/* Hash of the options that change the answer. */
static uint64_t options_hash(const pare_options *options) {
    uint64_t hash = PARE_HASH_START;
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        if (pare_option_at(i, &option) != PARE_OK || strcmp(option.section, "output") == 0 ||
            strcmp(option.name, "threads") == 0 || strcmp(option.name, "time-limit") == 0) {
            continue;
        }
        char buffer[64];
        const char *value = pare_options_get(options, i, buffer, sizeof buffer);
        hash = pare_hash(hash, value, (int64_t)strlen(value) + 1);
    }
    return hash;
}

static pare_status put(void *user, void *data, int64_t length) {
    /* A short write shows in ferror, which commit reports. */
    (void)!fwrite(data, 1, (size_t)length, ((pare_output *)user)->file);
    return PARE_OK;
}

typedef struct source {
    pare_context *ctx;
    const char *path;
    pare_map map;
    int64_t at;
} source;

static pare_status take(void *user, void *data, int64_t length) {
    source *from = user;
    if (length > from->map.length - from->at) {
        return pare_fail(from->ctx, PARE_ERROR_INPUT, "%s: the saved state is cut short",
                         from->path);
    }
    memcpy(data, from->map.bytes + from->at, (size_t)length);
    from->at += length;
    return PARE_OK;
}

/* Everything after the header, in one order for both directions. */
static pare_status visit_all(pare_selector *s, const pare_visitor *visitor) {
    const int64_t words = (int64_t)sizeof(int64_t);
    pare_status status = visitor->bytes(visitor->user, s->choice.item, s->task.k * words);
    if (status == PARE_OK) {
        status = visitor->bytes(visitor->user, s->choice.score, s->task.k * words);
    }
    if (status == PARE_OK) {
        status = visitor->bytes(visitor->user, s->choice.trace_epoch, PARE_TRACE_MAX * words);
    }
    if (status == PARE_OK) {
        status = visitor->bytes(visitor->user, s->choice.trace_loss, PARE_TRACE_MAX * words);
    }
    if (status == PARE_OK && s->method->visit) {
        status = s->method->visit(s->state, visitor);
    }
    if (status == PARE_OK && s->objective.slots->visit) {
        status = s->objective.slots->visit(s->objective.self, visitor);
    }
    return status;
}

static pare_status refuse_strategy(const pare_selector *s) {
    return pare_fail(s->ctx, PARE_ERROR_UNSUPPORTED,
                     "option %s: a selection of several runs cannot be saved half-way",
                     s->strategy->name);
}

pare_status pare_selector_write(pare_selector *s, const char *path) {
    if (s->strategy) {
        return refuse_strategy(s);
    }
    if (!s->method->visit && !s->done) {
        return pare_fail(s->ctx, PARE_ERROR_UNSUPPORTED,
                         "method %s cannot be saved half-way; it takes little time to repeat",
                         s->method->name);
    }
    pare_output out;
    pare_status status = pare_output_open(s->ctx, path, &out);
    if (status != PARE_OK) {
        return status;
    }
    header head = {.data = s->train->checksum,
                   .options = options_hash(&s->options),
                   .count = s->choice.count,
                   .trace = s->choice.trace_count,
                   .seconds = s->seconds,
                   .cpu_seconds = s->cpu_seconds,
                   .chosen = s->chosen,
                   .done = s->done && !s->automatic};
    memcpy(head.magic, magic, sizeof magic);
    const pare_visitor visitor = {put, &out};
    status = put(&out, &head, sizeof head);
    if (status == PARE_OK) {
        status = visit_all(s, &visitor);
    }
    if (status != PARE_OK) {
        pare_output_abandon(&out);
        return status;
    }
    return pare_output_commit(&out);
}

pare_status pare_selector_read(pare_selector *s, const char *path) {
    if (s->strategy) {
        return refuse_strategy(s);
    }
    source from = {.ctx = s->ctx, .path = path};
    pare_status status = pare_map_open(s->ctx, path, true, &from.map);
    if (status != PARE_OK) {
        return status;
    }
    header head = {0};
    status = take(&from, &head, sizeof head);
    if (status != PARE_OK) {
        goto fail;
    }
    if (memcmp(head.magic, magic, sizeof magic) != 0) {
        status = pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: not a saved selection", path);
        goto fail;
    }
    if (head.data != s->train->checksum || head.options != options_hash(&s->options)) {
        status =
            pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: was saved for other %s; nothing was loaded",
                      path, head.data != s->train->checksum ? "data" : "options");
        goto fail;
    }
    if (head.count < 0 || head.count > s->task.k || head.trace < 0 || head.trace > PARE_TRACE_MAX) {
        status = pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: the saved state is damaged", path);
        goto fail;
    }
    const pare_visitor visitor = {take, &from};
    status = visit_all(s, &visitor);
    if (status != PARE_OK) {
        goto fail;
    }
    s->choice.count = head.count;
    s->choice.trace_count = head.trace;
    s->seconds = head.seconds;
    s->cpu_seconds = head.cpu_seconds;
    s->chosen = head.chosen;
    s->done = head.done;
fail:
    pare_map_close(&from.map);
    return status;
}

/*
 * Save and load of a selection in progress: a header that ties the file to data and version, the
 * options that change the answer, what the method and the objective list through their visit slots,
 * and a checksum of all of it, so that nothing of a damaged file is loaded.
 */
#include "base/text.h"
#include "platform/system.h"
#include "problem/strategy.h"

#include <stddef.h>
#include <string.h>

static const char magic[8] = "pare-st3";

typedef struct header {
    char magic[8];
    uint64_t data;
    int64_t options; /* bytes of their text, which follows */
    int64_t count;   /* chosen so far */
    int64_t trace;
    double seconds, cpu_seconds;
    uint8_t chosen, done;
    uint8_t padding[6];
} header;

/* Lines of name, tab, value: the options that change the answer. */
static pare_status list_options(const pare_options *options, pare_text *out) {
    *out = (pare_text){.ctx = options->ctx};
    for (int64_t i = 0; i < pare_option_count(); i++) {
        pare_option option = {.size = sizeof option};
        if (pare_option_at(i, &option) != PARE_OK || strcmp(option.section, "output") == 0 ||
            strcmp(option.section, "comparison") == 0 || !pare_option_recorded(&option) ||
            strcmp(option.name, "quiet") == 0 || strcmp(option.name, "threads") == 0 ||
            strcmp(option.name, "time-limit") == 0 || strcmp(option.name, "memory") == 0) {
            continue;
        }
        char buffer[64];
        pare_text_append(out, "%s\t%s\n", option.name,
                         pare_options_get(options, i, buffer, sizeof buffer));
    }
    pare_status status = out->status;
    if (status != PARE_OK) {
        pare_text_clear(out);
    }
    return status;
}

/* Names the first option in which the saved lines differ from those of now. */
static pare_status refuse_options(pare_context *ctx, const char *path, const char *saved,
                                  int64_t length, const char *now) {
    const char *end = saved + length;
    while (saved < end && *now) {
        size_t one = strcspn(now, "\n"), name = strcspn(now, "\t");
        const char *stop = memchr(saved, '\n', (size_t)(end - saved));
        size_t other = stop ? (size_t)(stop - saved) : (size_t)(end - saved);
        if (one != other || memcmp(saved, now, one) != 0) {
            if (other <= name || memcmp(saved, now, name + 1) != 0) {
                break;
            }
            return pare_fail(ctx, PARE_ERROR_INPUT,
                             "%s: was saved with option %.*s '%.*s', which is '%.*s' now; nothing "
                             "was loaded",
                             path, (int)name, now, (int)(other - name - 1), saved + name + 1,
                             (int)(one - name - 1), now + name + 1);
        }
        now += one + 1;
        saved += other + 1;
    }
    return pare_fail(ctx, PARE_ERROR_INPUT,
                     "%s: was saved by a version with other options; nothing was loaded", path);
}

typedef struct sink {
    pare_output out;
    uint64_t hash;
} sink;

static pare_status put(void *user, void *data, int64_t length) {
    sink *to = user;
    /* A short write shows in ferror, which commit reports. */
    (void)!fwrite(data, 1, (size_t)length, to->out.file);
    to->hash = pare_hash(to->hash, data, length);
    return PARE_OK;
}

typedef struct source {
    pare_context *ctx;
    const char *path;
    const unsigned char *bytes;
    int64_t length, at;
} source;

static pare_status take(void *user, void *data, int64_t length) {
    source *from = user;
    if (length > from->length - from->at) {
        return pare_fail(from->ctx, PARE_ERROR_INPUT, "%s: the saved state is cut short",
                         from->path);
    }
    memcpy(data, from->bytes + from->at, (size_t)length);
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
    sink to = {.hash = PARE_HASH_START};
    pare_text options = {0};
    pare_status status = list_options(&s->options, &options);
    if (status == PARE_OK) {
        status = pare_output_open(s->ctx, path, &to.out);
    }
    if (status != PARE_OK) {
        pare_text_clear(&options);
        return status;
    }
    header head = {.data = s->train->checksum,
                   .options = options.length,
                   .count = s->choice.count,
                   .trace = s->choice.trace_count,
                   .seconds = s->seconds,
                   .cpu_seconds = s->cpu_seconds,
                   .chosen = s->chosen,
                   .done = s->done && !s->automatic};
    memcpy(head.magic, magic, sizeof magic);
    const pare_visitor visitor = {put, &to};
    status = put(&to, &head, sizeof head);
    if (status == PARE_OK) {
        status = put(&to, options.bytes, options.length);
    }
    pare_text_clear(&options);
    if (status == PARE_OK) {
        status = visit_all(s, &visitor);
    }
    if (status == PARE_OK) {
        uint64_t hash = to.hash;
        status = put(&to, &hash, sizeof hash);
    }
    if (status != PARE_OK) {
        pare_output_abandon(&to.out);
        return status;
    }
    return pare_output_commit(&to.out);
}

/* What can be found wrong before anything is loaded. */
static pare_status check(const pare_selector *s, source *from, header *head) {
    uint64_t hash = 0;
    pare_text options = {0};
    if (from->length < (int64_t)(sizeof *head + sizeof hash) ||
        memcmp(from->bytes, magic, sizeof magic) != 0) {
        bool older = from->length >= 8 && memcmp(from->bytes, magic, 7) == 0;
        return pare_fail(s->ctx, PARE_ERROR_INPUT,
                         older ? "%s: saved by another version of the program"
                               : "%s: not a saved selection",
                         from->path);
    }
    from->length -= (int64_t)sizeof hash;
    memcpy(&hash, from->bytes + from->length, sizeof hash);
    if (pare_hash(PARE_HASH_START, from->bytes, from->length) != hash) {
        return pare_fail(s->ctx, PARE_ERROR_INPUT,
                         "%s: the saved state is damaged or cut short; nothing was loaded",
                         from->path);
    }
    pare_status status = take(from, head, sizeof *head);
    if (status == PARE_OK && head->data != s->train->checksum) {
        return pare_fail(s->ctx, PARE_ERROR_INPUT,
                         "%s: was saved for other data: the content of %.300s differs (checksum "
                         "%016llx, then %016llx); nothing was loaded",
                         from->path, s->train->table.source, (unsigned long long)s->train->checksum,
                         (unsigned long long)head->data);
    }
    if (status == PARE_OK && (head->options < 0 || head->options > from->length - from->at ||
                              head->count < 0 || head->trace < 0 || head->trace > PARE_TRACE_MAX)) {
        status = pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: the saved state is damaged", from->path);
    }
    if (status == PARE_OK) {
        status = list_options(&s->options, &options);
    }
    if (status != PARE_OK) {
        return status;
    }
    const char *saved = (const char *)from->bytes + from->at;
    if (head->options != options.length ||
        memcmp(saved, options.bytes, (size_t)options.length) != 0) {
        status = refuse_options(s->ctx, from->path, saved, head->options, options.bytes);
    } else if (head->count > s->task.k) {
        status = pare_fail(s->ctx, PARE_ERROR_INPUT, "%s: the saved state is damaged", from->path);
    }
    from->at += head->options;
    pare_text_clear(&options);
    return status;
}

pare_status pare_selector_read(pare_selector *s, const char *path) {
    if (s->strategy) {
        return refuse_strategy(s);
    }
    pare_map map;
    header head = {0};
    pare_status status = pare_map_open(s->ctx, path, true, &map);
    if (status != PARE_OK) {
        return status;
    }
    source from = {.ctx = s->ctx, .path = path, .bytes = map.bytes, .length = map.length};
    status = check(s, &from, &head);
    if (status == PARE_OK) {
        const pare_visitor visitor = {take, &from};
        status = visit_all(s, &visitor);
    }
    if (status == PARE_OK) {
        s->choice.count = head.count;
        s->choice.trace_count = head.trace;
        s->seconds = head.seconds;
        s->cpu_seconds = head.cpu_seconds;
        s->chosen = head.chosen;
        s->done = head.done;
    }
    pare_map_close(&map);
    return status;
}

/*
 * State of an exact linear model: the fit with all that its last digits depend on, so that a
 * selection which goes on from a saved state ends with the same numbers as one that never stopped.
 */
#include "problem/linear.h"

#include <string.h>

/* Whether the list names candidates, each once. */
static bool is_support(const pare_linear *l, int64_t count, const int64_t *list, uint8_t *seen) {
    for (int64_t c = 0; c < count; c++) {
        if (list[c] < 0 || list[c] >= l->design.candidates || seen[list[c]]) {
            return false;
        }
        seen[list[c]] = 1;
    }
    return true;
}

/* Makes the support what was saved; *loaded: it was another. */
static pare_status visit_support(pare_linear *l, const pare_visitor *visitor, bool *loaded) {
    int64_t count = l->support.candidates, *list = NULL;
    uint8_t *seen = NULL;
    pare_status status = visitor->bytes(visitor->user, &count, sizeof count);
    if (status == PARE_OK && (count < 0 || count > l->design.candidates)) {
        return pare_fail(l->ctx, PARE_ERROR_INPUT, "the saved state is damaged: %lld chosen",
                         (long long)count);
    }
    if (status == PARE_OK) {
        status = pare_alloc(l->ctx, count, sizeof *list, &list);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(l->ctx, l->design.candidates, 1, &seen);
    }
    if (status == PARE_OK && count > 0) {
        memcpy(list, l->support.candidate,
               (size_t)(count < l->support.candidates ? count : l->support.candidates) *
                   sizeof *list);
        status = visitor->bytes(visitor->user, list, count * (int64_t)sizeof *list);
    }
    if (status == PARE_OK && !is_support(l, count, list, seen)) {
        status = pare_fail(l->ctx, PARE_ERROR_INPUT,
                           "the saved state is damaged: it names a column that is not there");
    }
    *loaded =
        status == PARE_OK &&
        (l->support.candidates != count ||
         (count > 0 && memcmp(list, l->support.candidate, (size_t)count * sizeof *list) != 0));
    if (*loaded) {
        status = pare_support_set(l, count, list);
    }
    pare_free(l->ctx, list);
    pare_free(l->ctx, seen);
    return status;
}

pare_status pare_linear_visit(pare_linear *l, const pare_visitor *visitor) {
    bool loaded = false;
    int64_t before = l->fitted.rows;
    pare_status status = visit_support(l, visitor, &loaded);
    if (status == PARE_OK) {
        status = visitor->bytes(visitor->user, &l->fitted, sizeof l->fitted);
    }
    if (status != PARE_OK || l->fitted.rows == 0) {
        return status; /* there is no fit */
    }
    loaded = loaded || before == 0;
    const struct {
        void *data;
        int64_t length;
    } parts[] = {{l->b, l->support.count * l->outputs * (int64_t)sizeof *l->b},
                 {l->intercept, l->outputs * (int64_t)sizeof *l->intercept}};
    for (size_t i = 0; status == PARE_OK && i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].length > 0) {
            status = visitor->bytes(visitor->user, parts[i].data, parts[i].length);
        }
    }
    if (status == PARE_OK && l->squares) {
        status = pare_least_squares_visit(l, visitor, loaded);
    } else if (status == PARE_OK && loaded) {
        status = pare_logistic_restore(l);
    }
    return status;
}

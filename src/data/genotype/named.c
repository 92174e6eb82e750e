/* Variants, or rows of a file, by their ids. */
#include "data/genotype/genotype.h"

#include <stdlib.h>
#include <string.h>

static int by_id(const void *a, const void *b) {
    const pare_named *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

void pare_named_sort(int64_t count, pare_named *list) {
    qsort(list, (size_t)count, sizeof *list, by_id);
}

int64_t pare_named_find(int64_t count, const pare_named *list, const char *id) {
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (strcmp(list[middle].id, id) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < count && strcmp(list[low].id, id) == 0 ? low : -1;
}

pare_status pare_genotypes_named(const pare_genotypes *g, pare_named **out) {
    pare_named *list = NULL;
    *out = NULL;
    pare_status status = pare_alloc(g->ctx, g->kept, sizeof *list, &list);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t j = 0; j < g->kept; j++) {
        list[j] = (pare_named){pare_genotypes_variant(g, j)->id, j};
    }
    pare_named_sort(g->kept, list);
    *out = list;
    return PARE_OK;
}

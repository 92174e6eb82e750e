#include "base/random.h"
#include "problem/chem/chem.h"

#include <stdlib.h>
#include <string.h>

typedef struct family {
    int64_t count, first;
} family;

/* Large scaffolds first; of equal ones the later to appear, as DeepChem's splitter sorts. */
static int larger_first(const void *a, const void *b) {
    const family *x = a, *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1)
                                : (x->first < y->first) - (x->first > y->first);
}

/* Bemis and Murcko's scaffolds stay together, the common ones train (Wu et al. 2018, MoleculeNet):
 * what is scored is of rare scaffolds, none of them seen. */
static pare_status by_scaffold(struct pare_chem *chem) {
    const pare_molecules *m = &chem->molecules;
    family *list = NULL;
    bool *trains = NULL; /* (molecules) said of the first of each scaffold */
    int64_t *first = NULL;
    pare_status status = pare_alloc_zero(chem->ctx, m->scaffolds, sizeof *list, &list);
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, m->scaffolds, sizeof *first, &first);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(chem->ctx, m->count, sizeof *trains, &trains);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t i = m->count - 1; i >= 0; i--) {
        list[m->scaffold[i]].count++;
        list[m->scaffold[i]].first = first[m->scaffold[i]] = i;
    }
    qsort(list, (size_t)m->scaffolds, sizeof *list, larger_first);
    const double most = (1 - chem->options.held_out) * (double)m->count;
    for (int64_t s = 0, train = 0; s < m->scaffolds; s++) {
        trains[list[s].first] = (double)(train + list[s].count) <= most;
        train += trains[list[s].first] ? list[s].count : 0;
    }
    for (int64_t i = 0; i < m->count; i++) {
        chem->held[i] = !trains[first[m->scaffold[i]]];
    }
fail:
    pare_free(chem->ctx, list);
    pare_free(chem->ctx, first);
    pare_free(chem->ctx, trains);
    return status;
}

static pare_status at_random(struct pare_chem *chem) {
    const int64_t count = chem->molecules.count;
    int64_t *order = NULL;
    pare_status status = pare_alloc(chem->ctx, count, sizeof *order, &order);
    if (status != PARE_OK) {
        return status;
    }
    for (int64_t i = 0; i < count; i++) {
        order[i] = i;
    }
    pare_random_shuffle((uint64_t)chem->options.seed, PARE_STREAM_SPLIT, 0, count, order);
    for (int64_t i = 0; i < (int64_t)(chem->options.held_out * (double)count + 0.5); i++) {
        chem->held[order[i]] = true;
    }
    pare_free(chem->ctx, order);
    return PARE_OK;
}

pare_status pare_chem_split(struct pare_chem *chem) {
    pare_status status = PARE_OK;
    memset(chem->held, 0, (size_t)chem->molecules.count * sizeof *chem->held);
    if (chem->options.held_out > 0) {
        status = chem->options.chem_split == PARE_CHEM_SPLIT_SCAFFOLD && chem->toolkit
                     ? by_scaffold(chem)
                     : at_random(chem);
    }
    chem->held_count = 0;
    for (int64_t i = 0; i < chem->molecules.count && status == PARE_OK; i++) {
        chem->held_count += chem->held[i];
    }
    return status;
}

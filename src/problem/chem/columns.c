#include "problem/chem/chem.h"

#include <math.h>
#include <string.h>

enum { SUPPORT = 3 };

static pare_status add_environments(struct pare_chem *chem) {
    const pare_molecules *m = &chem->molecules;
    pare_atom *atom = NULL;
    pare_bond *bond = NULL;
    int64_t atom_capacity = 0, bond_capacity = 0;
    pare_status status =
        pare_environments_create(chem->ctx, (int32_t)chem->options.radius, &chem->environments);
    for (int64_t i = 0; i < m->count && status == PARE_OK; i++) {
        int32_t atoms = 0, bonds = 0;
        chem->toolkit->size(m->molecule[i], &atoms, &bonds);
        status = pare_grow(chem->ctx, atoms, sizeof *atom, &atom_capacity, &atom);
        if (status == PARE_OK) {
            status = pare_grow(chem->ctx, bonds + 1, sizeof *bond, &bond_capacity, &bond);
        }
        if (status == PARE_OK) {
            chem->toolkit->graph(m->molecule[i], atom, bond);
            status = pare_environments_add(&chem->environments, atoms, atom, bonds, bond);
        }
    }
    pare_free(chem->ctx, atom);
    pare_free(chem->ctx, bond);
    return status;
}

/* Values (molecules, descriptors); missing ones become the mean. */
static pare_status describe(struct pare_chem *chem, double **out) {
    const pare_molecules *m = &chem->molecules;
    const int64_t d = chem->toolkit->descriptors;
    pare_status status = pare_alloc_zero(chem->ctx, m->count * d, sizeof **out, out);
    for (int64_t i = 0; i < m->count && status == PARE_OK; i++) {
        chem->toolkit->describe(m->molecule[i], *out + i * d);
    }
    for (int64_t c = 0; c < d && status == PARE_OK; c++) {
        double sum = 0, known = 0;
        for (int64_t i = 0; i < m->count; i++) {
            double value = (*out)[i * d + c];
            sum += isfinite(value) ? value : 0;
            known += isfinite(value);
        }
        for (int64_t i = 0; i < m->count; i++) {
            double *value = &(*out)[i * d + c];
            *value = isfinite(*value) ? *value : known > 0 ? sum / known : 0;
        }
    }
    return status;
}

static double deviation(int64_t n, const double *value, int64_t step) {
    double sum = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        sum += value[i * step];
    }
    for (int64_t i = 0; i < n; i++) {
        double off = value[i * step] - sum / (double)n;
        square += off * off;
    }
    return sqrt(square / (double)n);
}

/* Counts of the environments of one molecule, appended as entries. */
static pare_status fill_environments(struct pare_chem *chem, int64_t molecule, const int32_t *place,
                                     int64_t *used, int64_t *index_capacity,
                                     int64_t *value_capacity) {
    const pare_environments *e = &chem->environments;
    const int64_t step = e->radius + 1, first = *used;
    int64_t begin = e->atom[molecule] * step, end = e->atom[molecule + 1] * step;
    pare_status status = pare_grow(chem->ctx, *used + end - begin + chem->descriptors,
                                   sizeof *chem->index, index_capacity, &chem->index);
    if (status == PARE_OK) {
        status = pare_grow(chem->ctx, *used + end - begin + chem->descriptors, sizeof *chem->value,
                           value_capacity, &chem->value);
    }
    for (int64_t k = begin; k < end && status == PARE_OK; k++) {
        int32_t column = e->of[k] >= 0 ? place[e->of[k]] : -1;
        int64_t at = first;
        if (column < 0) {
            continue;
        }
        while (at < *used && chem->index[at] != column) {
            at++;
        }
        if (at == *used) {
            chem->index[at] = column;
            chem->value[at] = 0;
            (*used)++;
        }
        chem->value[at] += 1;
    }
    for (int64_t at = first; at < *used && status == PARE_OK; at++) {
        chem->value[at] = sqrtf(chem->value[at]);
        chem->column[chem->index[at]].molecules++;
    }
    return status;
}

pare_status pare_chem_columns(struct pare_chem *chem) {
    const pare_molecules *m = &chem->molecules;
    const int64_t d = chem->toolkit->descriptors;
    double *value = NULL;
    int32_t *place = NULL;
    int64_t used = 0, index_capacity = 0, value_capacity = 0;
    pare_status status = add_environments(chem);
    if (status == PARE_OK) {
        status = describe(chem, &value);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, chem->environments.count, sizeof *place, &place);
    }
    if (status == PARE_OK) {
        status = pare_alloc_zero(chem->ctx, chem->environments.count + d, sizeof *chem->column,
                                 &chem->column);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, m->count + 1, sizeof *chem->start, &chem->start);
    }
    if (status != PARE_OK) {
        goto fail;
    }
    for (int64_t k = 0; k < chem->environments.count; k++) {
        bool common = chem->environments.kind[k].molecules >= SUPPORT;
        place[k] = common ? (int32_t)chem->columns : -1;
        if (common) {
            chem->column[chem->columns++] =
                (pare_chem_column){.kind = PARE_CHEM_ENVIRONMENT, .of = k, .scale = 1};
        }
    }
    const int64_t first = chem->columns;
    for (int64_t c = 0; c < d && chem->options.descriptors; c++) {
        double spread = deviation(m->count, value + c, d);
        if (spread > 1e-12) {
            chem->column[chem->columns++] = (pare_chem_column){
                .kind = PARE_CHEM_DESCRIPTOR, .of = c, .scale = spread, .molecules = m->count};
        }
    }
    chem->descriptors = chem->columns - first;
    chem->start[0] = 0;
    for (int64_t i = 0; i < m->count && status == PARE_OK; i++) {
        status = fill_environments(chem, i, place, &used, &index_capacity, &value_capacity);
        for (int64_t j = first; j < chem->columns && status == PARE_OK; j++) {
            const pare_chem_column *column = &chem->column[j];
            chem->index[used] = (int32_t)j;
            chem->value[used++] = (float)(value[i * d + column->of] / column->scale);
        }
        chem->start[i + 1] = used;
    }
fail:
    pare_free(chem->ctx, value);
    pare_free(chem->ctx, place);
    return status;
}

/* ---- Places --------------------------------------------------------------------------------- */

void pare_chem_places_clear(pare_chem_places *places) {
    if (places->ctx) {
        pare_free(places->ctx, places->part);
        pare_free(places->ctx, places->list);
    }
    *places = (pare_chem_places){0};
}

pare_status pare_chem_find(const struct pare_chem *chem, int64_t molecule, int64_t environment,
                           pare_chem_places *out) {
    const pare_environments *e = &chem->environments;
    const int64_t step = e->radius + 1;
    const int32_t *own = e->of + e->atom[molecule] * step;
    pare_chem_places p = {.ctx = chem->ctx};
    pare_atom *atom = NULL;
    pare_bond *bond = NULL;
    int32_t atoms = 0, bonds = 0, places = 0;
    *out = p;
    chem->toolkit->size(chem->molecules.molecule[molecule], &atoms, &bonds);
    for (int64_t k = 0; k < atoms * step; k++) {
        places += own[k] == environment;
    }
    pare_status status = pare_alloc(chem->ctx, atoms, sizeof *atom, &atom);
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, bonds, sizeof *bond, &bond);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, places, sizeof *p.part, &p.part);
    }
    if (status == PARE_OK) {
        status = pare_alloc(chem->ctx, (int64_t)places * (atoms + bonds), sizeof *p.list, &p.list);
    }
    if (status != PARE_OK) {
        pare_chem_places_clear(&p);
        goto fail;
    }
    chem->toolkit->graph(chem->molecules.molecule[molecule], atom, bond);
    for (int64_t k = 0; k < atoms * step; k++) {
        if (own[k] != environment) {
            continue;
        }
        int32_t *list = p.list + (int64_t)p.count * (atoms + bonds);
        pare_part *part = &p.part[p.count++];
        *part = (pare_part){.atom = list, .bond = list + atoms, .center = (int32_t)(k / step)};
        pare_environment_part(atoms, bonds, bond, part->center, (int32_t)(k % step), list,
                              &part->atoms, list + atoms, &part->bonds);
    }
    *out = p;
fail:
    pare_free(chem->ctx, atom);
    pare_free(chem->ctx, bond);
    return status;
}

#include "base/xxh64.h"
#include "data/chemistry/chemistry.h"

#include <stdlib.h>
#include <string.h>

enum { RADIUS_MAX = 8, FIELDS = 6, DEGREE_MAX = 64 };

/* Descriptions met so far: words of 32 bits, found again by a table of twice as many slots. */
struct pare_environment_names {
    int64_t words, word_capacity;
    int32_t *word;
    int64_t starts_capacity;
    int64_t *start; /* (count + 1) */
    int64_t kinds_capacity;
    int64_t slots; /* power of two */
    int64_t *slot; /* number of an environment + 1; 0: free */
    int64_t atoms_capacity, of_capacity;
    int64_t work_capacity; /* in atoms and bonds together */
    int32_t *first;        /* (atoms + 1) bonds of an atom in next */
    int32_t *next;         /* (2 bonds) */
    uint64_t *covered;     /* (atoms, 2 layers, bond words) bonds of each environment */
    uint64_t *seen;        /* (atoms * (radius + 1), bond words) */
    int64_t covered_capacity, seen_capacity;
};

void pare_environments_clear(pare_environments *e) {
    pare_context *ctx = e->ctx;
    if (!ctx) {
        return;
    }
    if (e->names) {
        pare_free(ctx, e->names->word);
        pare_free(ctx, e->names->start);
        pare_free(ctx, e->names->slot);
        pare_free(ctx, e->names->first);
        pare_free(ctx, e->names->next);
        pare_free(ctx, e->names->covered);
        pare_free(ctx, e->names->seen);
    }
    pare_free(ctx, e->names);
    pare_free(ctx, e->atom);
    pare_free(ctx, e->of);
    pare_free(ctx, e->kind);
    *e = (pare_environments){0};
}

pare_status pare_environments_create(pare_context *ctx, int32_t radius, pare_environments *out) {
    *out = (pare_environments){0};
    pare_environments e = {.ctx = ctx, .radius = radius};
    if (radius < 0 || radius > RADIUS_MAX) {
        return pare_fail(ctx, PARE_ERROR_ARGUMENT, "option radius: %d, expected 0 to 8",
                         (int)radius);
    }
    pare_status status = pare_alloc_zero(ctx, 1, sizeof *e.names, &e.names);
    if (status == PARE_OK) {
        e.names->slots = 1024;
        status = pare_alloc_zero(ctx, e.names->slots, sizeof *e.names->slot, &e.names->slot);
    }
    if (status == PARE_OK) {
        status =
            pare_grow(ctx, 1, sizeof *e.names->start, &e.names->starts_capacity, &e.names->start);
    }
    if (status == PARE_OK) {
        e.names->start[0] = 0;
        status = pare_grow(ctx, 1, sizeof *e.atom, &e.names->atoms_capacity, &e.atom);
    }
    if (status != PARE_OK) {
        pare_environments_clear(&e);
        return status;
    }
    e.atom[0] = 0;
    *out = e;
    return PARE_OK;
}

static int64_t slot_of(const pare_environments *e, const int32_t *word, int64_t count) {
    const struct pare_environment_names *n = e->names;
    int64_t at =
        (int64_t)(pare_xxh64(word, count * (int64_t)sizeof *word, 0) & (uint64_t)(n->slots - 1));
    for (; n->slot[at]; at = (at + 1) & (n->slots - 1)) {
        int64_t k = n->slot[at] - 1;
        if (n->start[k + 1] - n->start[k] == count &&
            memcmp(n->word + n->start[k], word, (size_t)count * sizeof *word) == 0) {
            break;
        }
    }
    return at;
}

static pare_status double_slots(pare_environments *e) {
    struct pare_environment_names *n = e->names;
    int64_t *larger = NULL;
    pare_status status = pare_alloc_zero(e->ctx, 2 * n->slots, sizeof *larger, &larger);
    if (status != PARE_OK) {
        return status;
    }
    pare_free(e->ctx, n->slot);
    n->slot = larger;
    n->slots *= 2;
    for (int64_t k = 0; k < e->count; k++) {
        n->slot[slot_of(e, n->word + n->start[k], n->start[k + 1] - n->start[k])] = k + 1;
    }
    return PARE_OK;
}

/* The number of the environment with this description; a new one gets `identity`. */
static pare_status number_of(pare_environments *e, const int32_t *word, int64_t count,
                             uint64_t identity, int32_t radius, int32_t atom, int32_t *out) {
    struct pare_environment_names *n = e->names;
    int64_t at = slot_of(e, word, count);
    if (n->slot[at]) {
        *out = (int32_t)(n->slot[at] - 1);
        return PARE_OK;
    }
    if (e->count >= INT32_MAX) {
        return pare_fail(e->ctx, PARE_ERROR_INPUT, "more than 2^31 environments of atoms");
    }
    pare_status status = 2 * e->count >= n->slots ? double_slots(e) : PARE_OK;
    if (status == PARE_OK) {
        status = pare_grow(e->ctx, n->words + count, sizeof *n->word, &n->word_capacity, &n->word);
    }
    if (status == PARE_OK) {
        status = pare_grow(e->ctx, e->count + 2, sizeof *n->start, &n->starts_capacity, &n->start);
    }
    if (status == PARE_OK) {
        status = pare_grow(e->ctx, e->count + 1, sizeof *e->kind, &n->kinds_capacity, &e->kind);
    }
    if (status != PARE_OK) {
        return status;
    }
    memcpy(n->word + n->words, word, (size_t)count * sizeof *word);
    n->words += count;
    e->kind[e->count] = (pare_environment){
        .identity = identity, .radius = radius, .molecule = (int32_t)e->molecules, .atom = atom};
    *out = (int32_t)e->count++;
    n->start[e->count] = n->words;
    n->slot[slot_of(e, word, count)] = e->count;
    return PARE_OK;
}

/* Room for one molecule. */
static pare_status reserve(pare_environments *e, int64_t atoms, int64_t bonds) {
    struct pare_environment_names *n = e->names;
    const int64_t layers = e->radius + 1, words = bonds / 64 + 1;
    pare_status status =
        pare_grow(e->ctx, e->molecules + 2, sizeof *e->atom, &n->atoms_capacity, &e->atom);
    if (status == PARE_OK) {
        status = pare_grow(e->ctx, (e->atom[e->molecules] + atoms) * layers, sizeof *e->of,
                           &n->of_capacity, &e->of);
    }
    if (status == PARE_OK) {
        status = pare_grow(e->ctx, 2 * atoms * words, sizeof *n->covered, &n->covered_capacity,
                           &n->covered);
    }
    if (status == PARE_OK) {
        status =
            pare_grow(e->ctx, atoms * layers * words, sizeof *n->seen, &n->seen_capacity, &n->seen);
    }
    if (status == PARE_OK && atoms + 2 * bonds + 1 > n->work_capacity) {
        int64_t capacity = 0;
        pare_free(e->ctx, n->first);
        pare_free(e->ctx, n->next);
        n->first = n->next = NULL;
        n->work_capacity = 0;
        status = pare_grow(e->ctx, atoms + 2 * bonds + 1, sizeof *n->first, &capacity, &n->first);
        if (status == PARE_OK) {
            status = pare_alloc(e->ctx, capacity, sizeof *n->next, &n->next);
        }
        n->work_capacity = status == PARE_OK ? capacity : 0;
    }
    return status;
}

static void list_bonds(struct pare_environment_names *n, int32_t atoms, int32_t bonds,
                       const pare_bond *bond) {
    memset(n->first, 0, (size_t)(atoms + 1) * sizeof *n->first);
    for (int32_t b = 0; b < bonds; b++) {
        n->first[bond[b].a + 1]++;
        n->first[bond[b].b + 1]++;
    }
    for (int32_t a = 0; a < atoms; a++) {
        n->first[a + 1] += n->first[a];
    }
    for (int32_t b = 0; b < bonds; b++) {
        n->next[n->first[bond[b].a]++] = b;
        n->next[n->first[bond[b].b]++] = b;
    }
    for (int32_t a = atoms; a > 0; a--) { /* each has moved to the next one's start */
        n->first[a] = n->first[a - 1];
    }
    n->first[0] = 0;
}

static pare_status name_atom(pare_environments *e, const pare_atom *a, int32_t atom, int32_t *out) {
    const int32_t word[1 + FIELDS] = {0,         a->element, a->degree, a->hydrogens,
                                      a->charge, a->isotope, a->ring};
    return number_of(e, word, 1 + FIELDS, pare_xxh64(word, sizeof word, 0), 0, atom, out);
}

typedef struct neighbour {
    int32_t kind, of;
    uint64_t identity;
} neighbour;

/* By identity, so that the order does not depend on the molecules before. */
static int by_identity(const void *a, const void *b) {
    const neighbour *x = a, *y = b;
    return x->kind != y->kind           ? (x->kind > y->kind ? 1 : -1)
           : x->identity != y->identity ? (x->identity > y->identity ? 1 : -1)
                                        : (x->of > y->of) - (x->of < y->of);
}

/* What an atom's environment is one bond further out: its own and those of its neighbours. */
static pare_status name_layer(pare_environments *e, const int32_t *own, int32_t layer, int32_t atom,
                              const pare_bond *bond, int32_t *out) {
    const struct pare_environment_names *n = e->names;
    const int64_t step = e->radius + 1;
    neighbour list[DEGREE_MAX];
    int32_t word[2 + 2 * DEGREE_MAX];
    uint64_t hashed[1 + 2 * DEGREE_MAX];
    int32_t count = n->first[atom + 1] - n->first[atom], before = own[atom * step + layer - 1];
    if (count > DEGREE_MAX) {
        return pare_fail(e->ctx, PARE_ERROR_INPUT, "an atom has %d bonds, at most %d are taken",
                         (int)count, (int)DEGREE_MAX);
    }
    for (int32_t i = 0; i < count; i++) {
        const pare_bond *b = &bond[n->next[n->first[atom] + i]];
        int32_t of = own[(b->a == atom ? b->b : b->a) * step + layer - 1];
        list[i] = (neighbour){b->kind, of, e->kind[of].identity};
    }
    qsort(list, (size_t)count, sizeof *list, by_identity);
    word[0] = layer;
    word[1] = before;
    hashed[0] = e->kind[before].identity;
    for (int32_t i = 0; i < count; i++) {
        word[2 + 2 * i] = list[i].kind;
        word[3 + 2 * i] = list[i].of;
        hashed[1 + 2 * i] = (uint64_t)list[i].kind;
        hashed[2 + 2 * i] = list[i].identity;
    }
    uint64_t identity =
        pare_xxh64(hashed, (1 + 2 * count) * (int64_t)sizeof *hashed, (uint64_t)layer);
    return number_of(e, word, 2 + 2 * count, identity, layer, atom, out);
}

/* Drops environments that cover the bonds of one before: of a smaller radius, else of a smaller
 * identity. covered: (atoms, words) of this layer. */
static void drop_repeats(pare_environments *e, int32_t *own, int32_t layer, int32_t atoms,
                         int64_t words, const uint64_t *covered, int64_t *seen) {
    struct pare_environment_names *n = e->names;
    const int64_t step = e->radius + 1, before = *seen;
    const size_t size = (size_t)words * sizeof *covered;
    for (int32_t a = 0; a < atoms; a++) {
        const uint64_t *mine = covered + a * words;
        int32_t kind = own[a * step + layer];
        bool repeats = kind < 0;
        for (int64_t s = 0; s < before && !repeats; s++) {
            repeats = memcmp(n->seen + s * words, mine, size) == 0;
        }
        for (int32_t c = 0; c < atoms && !repeats; c++) {
            int32_t other = own[c * step + layer];
            bool first = c != a && other >= 0 &&
                         (e->kind[other].identity != e->kind[kind].identity
                              ? e->kind[other].identity < e->kind[kind].identity
                              : c < a);
            repeats = first && memcmp(covered + c * words, mine, size) == 0;
        }
        if (!repeats) {
            memcpy(n->seen + (*seen)++ * words, mine, size);
        }
        n->first[a] = repeats; /* marked now, dropped below: the others still look at it */
    }
    for (int32_t a = 0; a < atoms; a++) {
        own[a * step + layer] = n->first[a] ? -1 : own[a * step + layer];
    }
}

/* Bonds of each environment one layer further out, from those of the neighbours. */
static void cover(const struct pare_environment_names *n, int32_t atoms, const pare_bond *bond,
                  int64_t words, const uint64_t *from, uint64_t *to) {
    memcpy(to, from, (size_t)(atoms * words) * sizeof *to);
    for (int32_t a = 0; a < atoms; a++) {
        uint64_t *mine = to + a * words;
        for (int32_t i = n->first[a]; i < n->first[a + 1]; i++) {
            int32_t b = n->next[i], other = bond[b].a == a ? bond[b].b : bond[b].a;
            for (int64_t w = 0; w < words; w++) {
                mine[w] |= from[other * words + w];
            }
            mine[b / 64] |= UINT64_C(1) << (b % 64);
        }
    }
}

static void count_molecules(pare_environments *e, const int32_t *own, int64_t entries) {
    for (int64_t i = 0; i < entries; i++) {
        bool before = own[i] < 0;
        for (int64_t k = 0; k < i && !before; k++) {
            before = own[k] == own[i];
        }
        if (!before) {
            e->kind[own[i]].molecules++;
        }
    }
}

pare_status pare_environments_add(pare_environments *e, int32_t atoms, const pare_atom *atom,
                                  int32_t bonds, const pare_bond *bond) {
    struct pare_environment_names *n = e->names;
    const int64_t step = e->radius + 1, words = bonds / 64 + 1;
    int64_t seen = 0;
    pare_status status = reserve(e, atoms, bonds);
    if (status != PARE_OK) {
        return status;
    }
    int32_t *own = e->of + e->atom[e->molecules] * step;
    list_bonds(n, atoms, bonds, bond);
    for (int32_t a = 0; a < atoms && status == PARE_OK; a++) {
        status = name_atom(e, &atom[a], a, &own[a * step]);
    }
    for (int32_t layer = 1; layer <= e->radius; layer++) {
        for (int32_t a = 0; a < atoms && status == PARE_OK; a++) {
            status = name_layer(e, own, layer, a, bond, &own[a * step + layer]);
        }
    }
    if (status != PARE_OK) {
        return status;
    }
    uint64_t *from = n->covered, *to = n->covered + atoms * words;
    memset(n->covered, 0, (size_t)(2 * atoms * words) * sizeof *n->covered);
    for (int32_t layer = 1; layer <= e->radius; layer++) {
        list_bonds(n, atoms, bonds, bond);
        cover(n, atoms, bond, words, from, to);
        for (int32_t a = 0; a < atoms; a++) { /* one without bonds is its own layer 0 */
            bool empty = n->first[a] == n->first[a + 1];
            own[a * step + layer] = empty ? -1 : own[a * step + layer];
        }
        drop_repeats(e, own, layer, atoms, words, to, &seen);
        uint64_t *other = from;
        from = to;
        to = other;
    }
    count_molecules(e, own, atoms * step);
    e->molecules++;
    e->atom[e->molecules] = e->atom[e->molecules - 1] + atoms;
    return PARE_OK;
}

void pare_environment_part(int32_t atoms, int32_t bonds, const pare_bond *bond, int32_t center,
                           int32_t radius, int32_t *atom, int32_t *atom_count, int32_t *bond_list,
                           int32_t *bond_count) {
    (void)atoms;
    *atom_count = 1;
    *bond_count = 0;
    atom[0] = center;
    for (int32_t layer = 0, known = 1; layer < radius; layer++, known = *atom_count) {
        for (int32_t b = 0; b < bonds; b++) {
            bool a_in = false, b_in = false, had = false;
            for (int32_t i = 0; i < *atom_count; i++) {
                a_in = a_in || (i < known && atom[i] == bond[b].a);
                b_in = b_in || (i < known && atom[i] == bond[b].b);
            }
            for (int32_t i = 0; i < *bond_count && !had; i++) {
                had = bond_list[i] == b;
            }
            if (had || (!a_in && !b_in)) {
                continue;
            }
            bond_list[(*bond_count)++] = b;
            int32_t far = a_in ? bond[b].b : bond[b].a;
            bool listed = false;
            for (int32_t i = 0; i < *atom_count && !listed; i++) {
                listed = atom[i] == far;
            }
            if (!listed) {
                atom[(*atom_count)++] = far;
            }
        }
    }
}

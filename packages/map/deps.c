/* deps.c -- waves: a map comes after the maps that its lookups and its company need. */
#include "map/deps.h"

#include <stdlib.h>

struct asking {
    struct deps *d;
    const struct binding *const *maps;
    size_t n;
    unsigned char *edges; /* [i * n + k]: map i needs map k; 1 = at once, 2 = the lookup can be filled later */
};

static void note_edge(struct deps *d, const struct binding *from, const struct binding *to,
                      const struct bound_lookup *l, bool hard)
{
    const struct bound_field *f = l ? &from->fields[l->fields[0]] : NULL;

    if (!(d->n_edges & (d->n_edges - 1))) { /* room doubles at each power of two */
        struct deps_edge *wider = arena_alloc(&d->arena, (d->n_edges ? 2 * d->n_edges : 1) * sizeof(*wider));

        if (d->n_edges)
            memcpy(wider, d->edges, d->n_edges * sizeof(*wider));
        d->edges = wider;
    }
    d->edges[d->n_edges++] = (struct deps_edge){ .from = from,
                                                 .to = to,
                                                 .lookup = l,
                                                 .field = f ? f->name : CELL_ABSENT,
                                                 .path = f && f->mf ? f->mf->destination : CELL_ABSENT,
                                                 .hard = hard,
                                                 .self = l && l->self };
}

/*
 * Map i needs every map that fills `set`; several may, told apart by their filters. False = none does. l NULL = the company.
 */
static bool needs(struct asking *q, size_t i, struct cell set, const struct bound_lookup *l, unsigned char strength)
{
    bool served = false;

    for (size_t k = 0; k < q->n; k++) {
        if (!cell_ieq(q->maps[k]->table->set, set))
            continue;
        served = true;
        if (k == i)
            continue;
        note_edge(q->d, q->maps[i], q->maps[k], l, strength == 1);
        if (!q->edges[i * q->n + k] || strength == 1)
            q->edges[i * q->n + k] = strength;
    }
    return served;
}

static void gap(struct deps *d, const struct binding *b, const struct bound_lookup *l)
{
    struct deps_gap *g = arena_alloc(&d->arena, (d->n_gaps + 1) * sizeof(*g));

    if (d->n_gaps)
        memcpy(g, d->gaps, d->n_gaps * sizeof(*g));
    g[d->n_gaps] = (struct deps_gap){ .b = b,
                                      .field = b->fields[l->fields[0]].name,
                                      .path = b->fields[l->fields[0]].mf->destination,
                                      .target = l->target->set };
    d->gaps = g;
    d->n_gaps++;
}

/* A row cannot be written without it. */
static bool needed_at_once(const struct binding *b, const struct bound_lookup *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct bound_field *f = &b->fields[l->fields[i]];

        if (f->key || (f->f && f->f->mandatory))
            return true;
    }
    return l->c->required_by_system;
}

static void find_edges(struct asking *q)
{
    for (size_t i = 0; i < q->n; i++) {
        const struct binding *b = q->maps[i];

        if (b->striped)
            needs(q, i, CELL_LIT("cdm_companies"), NULL, 1);
        for (size_t k = 0; k < b->n_lookups; k++) {
            const struct bound_lookup *l = &b->lookups[k];

            if (l->self)
                note_edge(q->d, b, b, l, false);
            else if (!needs(q, i, l->target->set, l, needed_at_once(b, l) ? 1 : 2))
                gap(q->d, b, l);
        }
    }
}

static size_t index_of(const struct binding *const *maps, size_t n, const struct binding *b)
{
    for (size_t i = 0; i < n; i++)
        if (maps[i] == b)
            return i;
    return n;
}

/*
 * The shortest way from map `from` to map `to`, as text: "to -> from -> .. -> to" names the cycle that an edge to -> from
 * closes. Breadth first; before[k] = the map by which k was reached.
 */
static struct cell cycle_text(const struct asking *q, size_t to, size_t from)
{
    size_t *before = xcalloc(q->n + 1, sizeof(*before)), *queue = xcalloc(q->n + 1, sizeof(*queue)), head = 0,
           tail = 0;
    struct cell way, out;

    for (size_t i = 0; i < q->n; i++)
        before[i] = q->n;
    queue[tail++] = from;
    while (head < tail && before[to] == q->n) {
        size_t at = queue[head++];

        for (size_t k = 0; k < q->n; k++)
            if (q->edges[at * q->n + k] && before[k] == q->n) {
                before[k] = at;
                queue[tail++] = k;
            }
    }
    way = q->maps[to]->map->name;
    for (size_t at = before[to]; at != q->n && at != from; at = before[at])
        way = cell_printf(&q->d->arena, CELL_FMT " -> " CELL_FMT, CELL_ARG(q->maps[at]->map->name), CELL_ARG(way));
    out = cell_printf(&q->d->arena, CELL_FMT " -> " CELL_FMT, CELL_ARG(q->maps[from]->map->name), CELL_ARG(way));
    if (from != to)
        out = cell_printf(&q->d->arena, CELL_FMT " -> " CELL_FMT, CELL_ARG(q->maps[to]->map->name), CELL_ARG(out));
    free(before);
    free(queue);
    return out;
}

/* A lookup of a map that comes later, or in the same wave, is one that a cycle has put off. */
static void mark_deferred(const struct asking *q, const int *wave)
{
    for (size_t i = 0; i < q->d->n_edges; i++) {
        struct deps_edge *e = &q->d->edges[i];
        size_t from = index_of(q->maps, q->n, e->from), to = index_of(q->maps, q->n, e->to);

        e->deferred = !e->self && wave[to] >= wave[from];
        if (e->deferred)
            e->cycle = cycle_text(q, from, to);
    }
}

/* Can `from` reach `to` over maps that have no wave yet? `seen` keeps the search from going round. */
static bool reaches(size_t n, const unsigned char *edges, const int *wave, size_t from, size_t to, bool *seen)
{
    for (size_t k = 0; k < n; k++) {
        if (!edges[from * n + k] || wave[k] || seen[k])
            continue;
        if (k == to)
            return true;
        seen[k] = true;
        if (reaches(n, edges, wave, k, to, seen))
            return true;
    }
    return false;
}

/* Only a map that is part of a cycle may go before what it looks up; one that merely waits for a cycle keeps waiting. */
static bool in_cycle(size_t n, const unsigned char *edges, const int *wave, size_t i)
{
    bool *seen = xcalloc(n + 1, sizeof(*seen));
    bool yes = reaches(n, edges, wave, i, i, seen);

    free(seen);
    return yes;
}

static void place(struct deps *d, const struct binding *const *maps, size_t n, const unsigned char *edges, int *wave,
                  int *ret_waves)
{
    size_t placed = 0;
    int w = 0;

    while (placed < n) {
        size_t before = placed;

        w++;
        for (int relaxed = 0; relaxed < 2 && placed == before; relaxed++)
            for (size_t i = 0; i < n; i++) {
                bool ready = !wave[i];

                for (size_t k = 0; k < n && ready; k++)
                    ready = !edges[i * n + k] || (relaxed && edges[i * n + k] == 2) || (wave[k] && wave[k] < w);
                if (!ready || (relaxed && !in_cycle(n, edges, wave, i)))
                    continue;
                wave[i] = w;
                placed++;
                if (relaxed) {
                    /* A cycle is broken here: the lookup that was not ready is filled in the second pass. */
                    for (size_t k = 0; k < d->n; k++)
                        if (d->nodes[k].b == maps[i])
                            d->nodes[k].second_pass = true;
                    break;
                }
            }
        if (placed == before)
            break; /* a cycle through keys: reported by the caller */
    }
    *ret_waves = w;
}

enum ec deps_plan(const struct binding *const *maps, size_t n, struct deps *ret, struct err *reterr)
{
    struct deps d = { 0 };
    unsigned char *edges = xcalloc(n * n + 1, 1);
    struct asking q = { &d, maps, n, edges };
    int *wave = xcalloc(n + 1, sizeof(*wave));
    enum ec rc = EC_OK;

    d.nodes = arena_zalloc(&d.arena, (n + 1) * sizeof(*d.nodes));
    d.n = n;
    for (size_t i = 0; i < n; i++) {
        d.nodes[i].b = maps[i];
        for (size_t k = 0; k < maps[i]->n_lookups; k++)
            d.nodes[i].second_pass = d.nodes[i].second_pass || maps[i]->lookups[k].self;
    }
    find_edges(&q);
    place(&d, maps, n, edges, wave, &d.n_waves);
    for (size_t i = 0; i < n && !rc; i++) {
        d.nodes[i].wave = wave[i];
        if (!wave[i] && in_cycle(n, edges, wave, i)) {
            rc = err_set(reterr, EC_CONFIG,
                         "map '" CELL_FMT
                         "' is part of a cycle of lookups that are keys, which cannot be loaded: " CELL_FMT,
                         CELL_ARG(maps[i]->map->name), CELL_ARG(cycle_text(&q, i, i)));
            err_hint(reterr, "take one of these lookups out of a custom version of its map, or out of the key");
        }
    }
    mark_deferred(&q, wave);
    /* An insertion sort: few maps, and maps of one wave stay in the order in which they were given. */
    for (size_t i = 1; i < n && !rc; i++)
        for (size_t k = i; k > 0 && d.nodes[k].wave < d.nodes[k - 1].wave; k--) {
            struct deps_node t = d.nodes[k];

            d.nodes[k] = d.nodes[k - 1];
            d.nodes[k - 1] = t;
        }
    free(edges);
    free(wave);
    if (rc)
        arena_release(&d.arena);
    else
        *ret = d;
    return rc;
}

void deps_release(struct deps *d)
{
    arena_release(&d->arena);
    *d = (struct deps){ 0 };
}

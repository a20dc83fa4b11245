/* deps.c -- waves: a map comes after the maps that its lookups and its company need. */
#include "map/deps.h"

#include <stdlib.h>

static int serving(const struct binding *const *maps, size_t n, struct cell set)
{
    for (size_t i = 0; i < n; i++)
        if (cell_ieq(maps[i]->table->set, set))
            return (int)i;
    return -1;
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

static bool key_lookup(const struct binding *b, const struct bound_lookup *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (b->fields[l->fields[i]].key)
            return true;
    return false;
}

/* edges[i * n + k]: map i needs map k; 2 = the lookup can be filled later. */
static void find_edges(struct deps *d, const struct binding *const *maps, size_t n, unsigned char *edges)
{
    for (size_t i = 0; i < n; i++) {
        const struct binding *b = maps[i];
        int at = b->striped ? serving(maps, n, CELL_LIT("cdm_companies")) : -1;

        if (at >= 0 && (size_t)at != i)
            edges[i * n + (size_t)at] = 1;
        for (size_t k = 0; k < b->n_lookups; k++) {
            const struct bound_lookup *l = &b->lookups[k];

            if (l->self)
                continue;
            at = serving(maps, n, l->target->set);
            if (at < 0)
                gap(d, b, l);
            else if (!edges[i * n + (size_t)at])
                edges[i * n + (size_t)at] = key_lookup(b, l) ? 1 : 2;
        }
    }
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
                if (!ready)
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
    int *wave = xcalloc(n + 1, sizeof(*wave));
    enum ec rc = EC_OK;

    d.nodes = arena_zalloc(&d.arena, (n + 1) * sizeof(*d.nodes));
    d.n = n;
    for (size_t i = 0; i < n; i++) {
        d.nodes[i].b = maps[i];
        for (size_t k = 0; k < maps[i]->n_lookups; k++)
            d.nodes[i].second_pass = d.nodes[i].second_pass || maps[i]->lookups[k].self;
    }
    find_edges(&d, maps, n, edges);
    place(&d, maps, n, edges, wave, &d.n_waves);
    for (size_t i = 0; i < n && !rc; i++) {
        d.nodes[i].wave = wave[i];
        if (!wave[i])
            rc = err_set(reterr, EC_CONFIG,
                         "map '" CELL_FMT "' is part of a cycle of lookups that are keys, which cannot be loaded",
                         CELL_ARG(maps[i]->map->name));
    }
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

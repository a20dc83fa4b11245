/*
 * deps.h -- order of maps: what each one's lookups need, the closure, the waves, what is missing.
 * Layer: map. The edges come from the maps' own lookup paths (target entity sets) and the company stripe; a self reference is
 * a second pass, not an edge; cycles between maps are broken at lookups that are not part of a key and not mandatory.
 */
#ifndef MAP_DEPS_H
#define MAP_DEPS_H

#include "map/bind.h"

struct deps_node {
    const struct binding *b;
    int wave; /* 1-based */
    bool second_pass; /* has self lookups or lookups deferred by a cycle */
};
struct deps_gap { /* a mapped lookup whose target no given map serves */
    const struct binding *b;
    struct cell field; /* staging name */
    struct cell path; /* destination path */
    struct cell target; /* entity set */
};
struct deps_edge { /* rows of `from` look up rows of `to`, or need its companies (field absent) */
    const struct binding *from, *to;
    const struct bound_lookup *lookup; /* of `from`; NULL = the company */
    struct cell field; /* staging name of the lookup's first part */
    struct cell path;
    bool hard; /* a row cannot be written without it */
    bool self; /* the same table: a second pass, no order between maps */
    bool deferred; /* it would close a cycle: filled in the second pass */
    struct cell cycle; /* deferred: "A (as) -> B (bs) -> A (as)" */
};
struct deps {
    struct arena arena;
    struct deps_node *nodes; /* sorted by wave, then as given */
    size_t n;
    int n_waves;
    struct deps_gap *gaps;
    size_t n_gaps;
    struct deps_edge *edges; /* in the order of the maps given, then of their lookups */
    size_t n_edges;
};
enum ec deps_plan(const struct binding *const *maps, size_t n, struct deps *ret, struct err *reterr);
void deps_release(struct deps *d);

#endif

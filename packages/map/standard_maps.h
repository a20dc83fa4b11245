/*
 * standard_maps.h -- Microsoft's standard maps: which there are, what each looks up, the closure and the waves by that list alone.
 * Layer: map. Source: "Dual-write mapping reference" (packages/map/standard_maps.csv says how it was taken from there). The
 * list is a fact of the program, not of an environment: a map at hand may look up less or more, and deps.h is about those.
 */
#ifndef MAP_STANDARD_MAPS_H
#define MAP_STANDARD_MAPS_H

#include "map/map.h"

struct standard_map {
    struct cell name; /* "Customers V3 (accounts)", unique */
    struct cell label, set; /* "Customers V3", "accounts" */
    struct cell entity; /* CustCustomerV3Entity, empty = not known */
    enum map_dir dir;
    bool striped; /* rows are of a company */
    bool self; /* rows look up rows of the same table */
    bool single_threaded; /* F&O imports it with one thread, whatever is configured */
    bool retired; /* not to be run together with party and global address book */
    bool skip_initial; /* requests and answers: nothing to load */
    uint16_t *needs; /* indices: n_hard that every row looks up, then the optional ones */
    size_t n_needs, n_hard;
};
struct standard_maps {
    struct arena arena;
    struct standard_map *maps;
    size_t n;
};
enum ec standard_maps_read(struct standard_maps *ret, struct err *reterr);
/* The same from any text of this form (tests). EC_FORMAT names the line. */
enum ec standard_maps_read_text(const char *text, struct standard_maps *ret, struct err *reterr);
void standard_maps_release(struct standard_maps *s);
/*
 * By full name, label, entity or set, ignoring case and a "CDS " in front; retired maps only by their full name. EC_NOTFOUND, or
 * EC_USAGE when several fit: the message lists near or fitting names.
 */
enum ec standard_map_find(const struct standard_maps *s, const char *text, size_t *ret, struct err *reterr);
/* Index of the map of this label and set, ignoring case; -1 = not a standard map. */
int standard_map_of(const struct standard_maps *s, struct cell label, struct cell set);
/* The first map that fills this entity set, not a retired one; -1 = none. */
int standard_map_filling(const struct standard_maps *s, struct cell set);
/* Marks everything that the marked maps need, directly or not, over hard (and soft) edges. Returns how many were added. */
size_t standard_closure(const struct standard_maps *s, bool soft, bool *marked);
/*
 * Waves of the marked maps: 1-based in ret_wave (n of them; 0 = not marked), a map after all it needs. A cycle gives its maps the
 * wave after everything else and is returned as false.
 */
bool standard_waves(const struct standard_maps *s, bool soft, const bool *marked, int *ret_wave, int *ret_n_waves);

#endif

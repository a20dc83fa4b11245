/*
 * map_diff.h -- what two maps say differently.
 * Layer: map. Compared are entity and table, both filters (as expressions), and per pair of source and destination:
 * direction, transforms (type, default value, each entry of a value map), the related table, isSystemGenerated, and members
 * that are not known here, at every level. Not a difference: order and case of fields, of a value map's keys and of names;
 * how a direction or a yes/no is spelled; blanks and parentheses in filters; null, absent, empty, false and 0 of
 * members that are not known; which end of a leg is
 * called source. Left out: what belongs to an environment and not to the map (ids, connection sets, environment and
 * partition names, order, description, $type, hints for the page).
 * Threads: no shared state.
 */
#ifndef MAP_MAP_DIFF_H
#define MAP_MAP_DIFF_H

#include "map/map.h"

enum map_diff_sign { MAP_DIFF_CHANGED = '*', MAP_DIFF_ONLY_A = '-', MAP_DIFF_ONLY_B = '+' };
struct map_diff_row {
    enum map_diff_sign sign;
    struct cell place; /* "CREDITRATING = msdyn_creditrating", or "map" */
    struct cell what; /* "direction", "value map: yes", "F&O filter" */
    struct cell a, b; /* absent = not there */
};
struct map_diff {
    struct arena arena;
    struct map_diff_row *rows;
    size_t n, cap;
};
void map_diff(const struct map *a, const struct map *b, struct map_diff *ret);
void map_diff_release(struct map_diff *d);

#endif

/*
 * map_live.h -- which saved version of a map is the live one, and by what evidence.
 * Layer: loader. In this order: the version that an active runtime row names (only maps with Dataverse as a source have one);
 * else the newest saved version by createdon, parked ones (9.9.9.9) left out. The highest number is no evidence: drafts and
 * parked versions lie above the one that runs. What cannot be attributed is refused, not guessed.
 */
#ifndef LOADER_MAP_LIVE_H
#define LOADER_MAP_LIVE_H

#include "dv/dv.h"
#include "map/import.h"

struct live_map {
    struct cell label, set; /* which map */
    const struct dv_map_row *row;
    struct cell evidence; /* "version 1.0.0.5 by its runtime row" */
};
/* EC_NOTFOUND: no saved version. EC_STATE: several could be it, or only parked ones are there. Texts live in maps->arena. */
enum ec live_map_find(struct dv_maps *maps, struct cell label, struct cell set, struct live_map *ret,
                      struct err *reterr);
/*
 * Label and set of the map that `text` names among the saved ones: "Customers V3 (accounts)", "[Customers V3] - [accounts]",
 * a file's stem. false = none.
 */
bool live_map_named(struct dv_maps *maps, const char *text, struct cell *ret_label, struct cell *ret_set);
/* Each map once, in order of names; returns how many. */
size_t live_map_all(struct dv_maps *maps, struct live_map **ret, struct arena *a);
/* Reads the documents of the found rows into the import, chosen, with their evidence. */
enum ec live_map_fetch(struct dv *d, const struct live_map *list, size_t n, struct import *i, struct err *reterr);

#endif

/*
 * adopt.h -- a baseline from what both sides already hold; nothing is written to the services. Layer: sync.
 * Rows that are equal get a base; the others have none and wait as conflicts for a person (conflicts list, resolve).
 */
#ifndef SYNC_ADOPT_H
#define SYNC_ADOPT_H

#include "sync/compare.h"

struct adopt_counts {
    uint64_t equal, conflicts, fields; /* rows with a base; rows that wait; their differing fields */
};
/* Compares, sets the base, stores the conflicts in the place of an earlier adoption's, and the verdict. */
enum ec adopt_map(struct map_ctx *m, struct dict *d, struct arena *a, struct comparison *ret,
                  struct adopt_counts *counts, struct err *reterr);

#endif

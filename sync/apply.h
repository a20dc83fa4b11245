/*
 * apply.h -- applies the map's pending changes, record by record, with the version it read.
 * Layer: sync. Per key: re-read where the feed's row may be stale or a write may have been cut off, merge against the base,
 * write conditionally (If-Match), then one transaction: base, log, conflict, pending row gone. A lost race is read and
 * merged again. A row that cannot pass is parked or marked poison with its reason and does not hold the others.
 */
#ifndef SYNC_APPLY_H
#define SYNC_APPLY_H

#include "sync/feed.h"
#include "sync/merge.h"

struct apply_counts {
    uint64_t to_fno, to_dv, echoes, unchanged, conflicts, parked, poison, deletes, reported_deletes, races, halted;
};
enum ec apply_pending(struct map_ctx *m, struct dict *d, struct apply_counts *ret, struct err *reterr);

#endif

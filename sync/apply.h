/*
 * apply.h -- applies the map's pending changes, record by record, with the version it read.
 * Layer: sync. Per key: both records are read as they are, merged against the base, written conditionally (If-Match), then one
 * transaction: base, log, conflict, pending row gone. A lost race is read and merged again. Keys run side by side, each in its
 * own order. A row that cannot pass is parked or marked poison with its reason and does not hold the others. Many changes go
 * to Dataverse in batches of conditional writes. Errors: EC_NET, EC_AUTH, EC_STOPPED end the stage; what was begun is stored.
 */
#ifndef SYNC_APPLY_H
#define SYNC_APPLY_H

#include "sync/feed.h"
#include "sync/merge.h"

struct apply_counts {
    uint64_t to_fno, to_dv, created, unchanged, conflicts, parked, poison, deletes, reported_deletes, races, halted,
        left;
    uint64_t writes; /* calls that changed a record: a merge of both sides makes two */
    int64_t lag_ms_sum, lag_ms_max; /* from when a change was seen to when it was stored as done */
    uint64_t lag_n;
    bool batches;
};
struct apply_how {
    bool parked_too; /* a parent may have come: parked keys are looked at before their time */
    bool dry_run; /* say what would be done */
};
enum ec apply_pending(struct map_ctx *m, struct dict *d, const struct apply_how *how, struct apply_counts *ret,
                      struct err *reterr);

#endif

/*
 * apply_bulk.h -- pending changes that flow to Dataverse alone, in bulk: three-way merged, written by the bulk writer, settled.
 * Layer: sync. What needs a look at the live records (both sides changed one field, deletions, changes towards F&O) is left to
 * apply_pending(). The feeds of both sides must have been read just before: a side that said nothing is taken as the base has it.
 * Errors: those of dvload_write() and the state file. Threads: one.
 *
 * Kill-safe: rows on their way are marked in `pending`; after an end in the middle the feeds are read again, and what arrived
 * is found equal on both sides.
 */
#ifndef SYNC_APPLY_BULK_H
#define SYNC_APPLY_BULK_H

#include "loader/public/dvload.h"
#include "sync/verdict.h"

struct bulk_counts {
    uint64_t agreed; /* both sides have it alike: the base follows, nothing is written */
    uint64_t chosen, created, updated, refused, parked, calls, left;
};
enum bulk_mode {
    BULK_AGREED_ONLY, /* nothing is written to a service */
    BULK_WRITE
};
/*
 * touched: called for each key that was settled or written ("agreed", "written"), inside the transaction that stores it; NULL =
 * none. Fewer than `at_least` rows to write are left to apply_pending().
 */
typedef enum ec bulk_touched(void *arg, const char octets[16], struct cell key, const char *what, struct err *reterr);
enum ec apply_bulk(struct map_ctx *m, const struct run *run, enum bulk_mode mode, uint64_t at_least,
                   bulk_touched *touched, void *arg, struct bulk_counts *ret, struct err *reterr);

#endif

/* compare.h -- read both sides and diff them: what parity, diff and repair share. Layer: sync. */
#ifndef SYNC_COMPARE_H
#define SYNC_COMPARE_H

#include "sync/verdict.h"

struct comparison {
    struct snapshot fno, dv;
    struct diff_result diff;
    enum verdict_word verdict;
    char checked_at[32];
};
/* Fresh snapshots of both sides, the delta, and up to `recheck` differing keys read again. */
enum ec compare_map(struct map_ctx *m, struct dict *d, uint64_t recheck, struct arena *a, struct comparison *ret,
                    struct err *reterr);
/* The same with Dataverse's side from the snapshot before and what changed since. */
enum ec compare_map_changes(struct map_ctx *m, struct dict *d, uint64_t recheck, struct arena *a,
                            struct comparison *ret, struct err *reterr);

#endif

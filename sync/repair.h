/*
 * repair.h -- bring Dataverse to F&O's state for the rows that the stored delta names. Layer: sync.
 * Only fields that flow to Dataverse and whose master is F&O; nothing is deleted. Rows that Dataverse already held and that we
 * did not write follow the policy `existing`.
 */
#ifndef SYNC_REPAIR_H
#define SYNC_REPAIR_H

#include "loader/public/dvload.h"
#include "sync/diff.h"

struct repair_counts {
    struct dvload_counts written;
    uint64_t refused_existing, left_alone;
    uint64_t outside; /* not taken: the scope's run was refused them by F&O */
};
/* What of the delta is written; NULL = all of it. */
struct repair_scope {
    const bool
        *fields; /* per bound field: whether the rows given have it at all (blanks are not written); NULL = all */
    int64_t refused_run; /* rows with an exception of this run on F&O's side are left out; 0 = none are */
};
enum ec repair_dataverse(struct map_ctx *m, const struct run *run, struct dict *d, const struct repair_scope *scope,
                         struct repair_counts *ret, struct err *reterr);
/* The same from F&O's side, record by record: fields whose master is Dataverse. */
struct repair_fno_counts {
    uint64_t updated, refused;
};
enum ec repair_fno(struct map_ctx *m, const struct run *run, struct repair_fno_counts *ret, struct err *reterr);

#endif

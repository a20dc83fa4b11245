/*
 * repair.h -- bring each side to the other's state for the rows that the stored delta names. Layer: sync.
 * Each field goes where its direction allows and, where both do, away from its master. Rows that Dataverse already held and that
 * we did not write follow the policy `existing`. Rows are deleted by repair_deletes() alone, under its guard. What changed since it
 * was compared is left for the next comparison.
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
    bool master_only; /* rows are created only on the side that is not the map's master */
    int64_t refused_run; /* rows with an exception of this run on F&O's side are left out; 0 = none are */
    bool more, again; /* turns of one run; as in struct dvload */
};
enum ec repair_dataverse(struct map_ctx *m, const struct run *run, struct dict *d, const struct repair_scope *scope,
                         struct repair_counts *ret, struct err *reterr);
/* Does repair write this field to Dataverse? A field of one direction goes that way whoever is the master. */
bool repair_flows_to_dv(const struct bound_field *f);
/* The same from F&O's side, record by record; rows are created there where Dataverse is the map's master. */
struct repair_fno_counts {
    uint64_t updated, created, refused, moved; /* moved: changed since it was compared */
};
enum ec repair_fno(struct map_ctx *m, const struct run *run, struct repair_fno_counts *ret, struct err *reterr);
/*
 * Rows that the map's master does not have are deleted on the other side (deletes = apply) or made inactive in Dataverse
 * (deletes = mark). The guard, max_delete of the base's rows per company but never fewer than 10, is EC_GUARD before the
 * first one. Rows that left the filter, wait or are waived are never deleted.
 */
struct repair_delete_counts {
    uint64_t planned, deleted, marked, refused, moved;
};
enum ec repair_deletes_plan(struct map_ctx *m, struct repair_delete_counts *ret, struct err *reterr);
enum ec repair_deletes(struct map_ctx *m, const struct run *run, struct dict *d, struct repair_delete_counts *ret,
                       struct err *reterr);
/* A refused write as an exception of the run; in no transaction. */
enum ec repair_refused(struct map_ctx *m, const struct run *run, const char *side, struct cell key, const char *why,
                       struct err *reterr);
struct delta_row;
bool repair_left_filter(const struct delta_row *row);

#endif

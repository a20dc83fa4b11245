/*
 * snapshot.h -- all rows of one side of one map at one moment, as a leaf file named in the map's state.db.
 * Layer: sync. Errors: those of the clients, EC_DISK. Published whole or not at all: the file appears by rename, then one
 * transaction names it; a file that no row names is removed at the next locked start. Threads: one.
 *
 * F&O rows have the cells of fno_shape_of() (binding, then load-only), Dataverse rows the binding's cells with extra =
 * "<id> <etag>". Rows outside the map's filters or companies are counted, not kept. Reading Dataverse starts change
 * tracking, so that the delta link of the read is the feed's cursor: it replays every change since the read began.
 */
#ifndef SYNC_SNAPSHOT_H
#define SYNC_SNAPSHOT_H

#include "loader/public/dict.h"
#include "loader/public/load.h"
#include "store/leaf.h"

struct snapshot {
    int64_t id;
    char *path; /* absolute, in the arena given */
    uint64_t rows, excluded, faults;
    struct digest sum;
    char began_at[32], ended_at[32];
    char *cursor; /* Dataverse: delta link; "" = none */
};
enum snapshot_origin { FROM_ODATA, FROM_PACKAGE };
/*
 * FROM_PACKAGE runs an export project per company: `feed` = the feed project DMFSYNC_FEED_<alias>_<company> (its first, full
 * run sets the position from which the sync continues; taken only when the map has no F&O cursor yet or after a reset),
 * else the snapshot project DMFSYNC_SNAP_... with full push. FROM_ODATA scans company by company.
 */
enum ec snapshot_fno(struct map_ctx *m, enum snapshot_origin origin, bool feed, struct arena *a, struct snapshot *ret,
                     struct err *reterr);
enum ec snapshot_dv(struct map_ctx *m, struct dict *d, struct arena *a, struct snapshot *ret, struct err *reterr);
/*
 * The newest Dataverse snapshot brought up to date by what changed since it was read: its own delta link is followed, the feed's
 * position is not touched. Read whole instead when there is none of this map and these settings, when its link has expired, when
 * much has changed, and every full_every ([parity]). Rows outside of filters and companies are counted as when it was read.
 */
enum ec snapshot_dv_refresh(struct map_ctx *m, struct dict *d, struct arena *a, struct snapshot *ret,
                            struct err *reterr);
/* For makers of snapshots: leaf bits of the map (-1 = not chosen yet), the next file's number, and publishing in state.db. */
int snapshot_bits(struct map_ctx *m);
int64_t snapshot_next_no(struct map_ctx *m);
enum ec snapshot_name(struct map_ctx *m, const char *side, const char *origin, const char *file,
                      const struct leaf_totals *t, struct snapshot *s, struct err *reterr);
/*
 * Both sides or none: between the two calls snapshots are built and published as files, but named in state.db only by the second call,
 * in one transaction (rc not EC_OK: not at all, and the files go). ret_fno and ret_dv get their ids.
 */
struct snapshot_hold {
    struct arena a;
    struct held_snapshot {
        const char *side, *origin, *file;
        struct snapshot s;
    } held[2];
    size_t n;
};
void snapshot_hold_begin(struct map_ctx *m, struct snapshot_hold *h);
enum ec snapshot_hold_end(struct map_ctx *m, enum ec rc, struct snapshot *ret_fno, struct snapshot *ret_dv,
                          struct err *reterr);
/* The latest one stored that a service gave; EC_NOTFOUND when there is none. _any: or a file. */
enum ec snapshot_latest(struct map_ctx *m, const char *side, struct arena *a, struct snapshot *ret,
                        struct err *reterr);
enum ec snapshot_latest_any(struct map_ctx *m, const char *side, struct arena *a, struct snapshot *ret,
                            struct err *reterr);
/* Removes leaf files that neither snapshot, baseline nor load names, and snapshots beyond the `keep` newest per side. */
enum ec snapshot_prune(struct map_ctx *m, int keep, struct err *reterr);
void snapshot_sweep(struct map_ctx *m); /* those files alone */
/* One row as it is now on either side, canonical; cells in `a`; NULL cells = not there. ret_etag/id for Dataverse. */
struct live_row {
    struct cell *cells; /* NULL: not there, or outside of the map's filter or companies */
    struct cell *any; /* the same, whatever the filter says */
    struct cell id, etag;
    struct json *raw;
    bool in_filter;
    bool inactive; /* Dataverse, asked for where deletes = mark */
    int64_t modified_ms; /* 0 = the side does not tell */
};
/* One F&O record (NULL = none) as a live row. */
void live_fno_record(struct map_ctx *m, struct json *rec, struct arena *a, struct live_row *ret);
/* What to ask for so that a live row can be made: the binding's fields and, where there is one, the time of change. */
char *live_fno_select(struct map_ctx *m, struct arena *a);
char *live_dv_select(struct map_ctx *m, struct arena *a);
/* The looked-up rows of Dataverse records are put into the dictionary, in as few requests as fit. */
enum ec dv_want_lookups(struct map_ctx *m, struct dict *d, const struct json *const *recs, size_t n,
                        struct err *reterr);
struct json *row_keep(struct arena *a, const struct json *v);
enum ec live_fno(struct map_ctx *m, const struct cell *key_cells, struct arena *a, struct live_row *ret,
                 struct err *reterr);
enum ec live_dv(struct map_ctx *m, struct dict *d, const struct cell *key_cells, struct cell id_or_absent,
                struct arena *a, struct live_row *ret, struct err *reterr);
/* A Dataverse record as a live row (cells, id, etag); lookups resolved through `d`. */
void dv_record(struct map_ctx *m, struct dict *d, const struct json *rec, struct arena *a, struct live_row *ret);
/* Key parts of a canonical row in the order of F&O's key fields; returns their number. */
size_t fno_key_of(struct map_ctx *m, const struct cell *cells, struct arena *a, struct cell *ret, size_t max);
/* Does a Dataverse record pass the map's filter? */
bool dv_in_filter(struct map_ctx *m, const struct json *rec, struct arena *a);
/* "<id> <etag>" of a Dataverse leaf row. */
bool dv_extra_split(struct cell extra, struct cell *ret_id, struct cell *ret_etag);

#endif

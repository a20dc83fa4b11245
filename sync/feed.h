/*
 * feed.h -- what changed on either side since the cursor, into the map's table `pending`.
 * Layer: sync. At-least-once: rows may come twice, which does no harm. The Dataverse cursor moves in the transaction that
 * stores the changes it brought. F&O's position lives in the service and moves when the export runs: the execution id is
 * stored first, the package kept until its rows are in `pending`. Lookup ids are resolved through `d`. Threads: one.
 */
#ifndef SYNC_FEED_H
#define SYNC_FEED_H

#include "sync/verdict.h"

struct feed_counts {
    uint64_t read, changed, deleted, echoes, outside, left; /* left = known ones that are outside of the filter now */
    bool whole; /* a position was lost and the side was read whole */
};
/*
 * An expired token: the table is read whole and the keys are compared. EC_GUARD = this is not the environment any more that the
 * positions belong to (restored, refreshed, copied): nothing is taken, the gate is shut, the way back is in the error.
 */
enum ec feed_dv(struct map_ctx *m, struct dict *d, struct feed_counts *ret, struct err *reterr);
enum ec feed_fno(struct map_ctx *m, struct feed_counts *ret, struct err *reterr);
/* F&O's keys against those of the base, when it is time ([sync] key_scan): its exports do not tell what was deleted. */
enum ec feed_fno_keys(struct map_ctx *m, struct baseline *base, struct feed_counts *ret, struct err *reterr);
/* One incremental or full export of a project for one company, driven to a downloaded package file; resumable by feed_run. */
enum ec feed_export(struct map_ctx *m, const char *project, struct cell company, char **ret_path, struct arena *a,
                    struct err *reterr);

/* The rows of the fetched package of this project and company are taken: inside the caller's transaction. */
enum ec feed_taken(struct map_ctx *m, const char *project, struct cell company, struct err *reterr);
/*
 * DMFSYNC_FEED_<alias>_<company>: nothing but the sync runs it, since its position moves with each run; DMFSYNC_SNAP_... for
 * full snapshots. One per company: whether the service keeps its position per company is not documented.
 */
void feed_project(const struct map_ctx *m, bool feed, struct cell company, char ret[static 64]);
/* The next export of a feed project is a full one again: forgets runs under way and the service's position. */
enum ec feed_restart(struct map_ctx *m, const char *project, struct cell company, struct err *reterr);
/* Does the map's F&O feed come from export projects (else from OData scans)? */
bool feed_by_export(const struct map_ctx *m);

#endif

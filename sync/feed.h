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
    uint64_t read, changed, deleted, echoes, outside;
};
/* EC_NOTFOUND = the position is lost (expired token, restored environment): the way back is named in the error. */
enum ec feed_dv(struct map_ctx *m, struct dict *d, struct feed_counts *ret, struct err *reterr);
enum ec feed_fno(struct map_ctx *m, struct feed_counts *ret, struct err *reterr);
/* One incremental or full export of a project for one company, driven to a downloaded package file; resumable by feed_run. */
enum ec feed_export(struct map_ctx *m, const char *project, struct cell company, char **ret_path, struct arena *a,
                    struct err *reterr);

#endif

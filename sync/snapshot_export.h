/*
 * snapshot_export.h -- snapshots as plain tables: an SQLite file for every other program.
 * Layer: sync. Errors: EC_NOTFOUND (no snapshot), EC_STATE (made by an older program; FILE is something else), EC_DISK.
 * Table `fno` and `dataverse`: key, company, dv_id, version, then a text per field as the canonical form has it (null = absent);
 * `snapshot` says of each what and when. FILE appears by rename; only an older export is replaced.
 */
#ifndef SYNC_SNAPSHOT_EXPORT_H
#define SYNC_SNAPSHOT_EXPORT_H

#include "sync/snapshot.h"

struct export_side {
    const char *side; /* fno | dataverse */
    struct snapshot s;
};
/* The newest of each of `sides` (n of them); *ret_n: those that there were. */
enum ec snapshot_export(struct map_ctx *m, const char *path, const char *const *sides, size_t n, struct arena *a,
                        struct export_side *ret, size_t *ret_n, struct err *reterr);

#endif

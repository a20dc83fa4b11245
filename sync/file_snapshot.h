/*
 * file_snapshot.h -- snapshots of a side from a CSV file of that side's own columns.
 * Layer: sync. Published like any other (snapshot.h). They have no cursor: a feed cannot go on from a file.
 */
#ifndef SYNC_FILE_SNAPSHOT_H
#define SYNC_FILE_SNAPSHOT_H

#include "sync/snapshot.h"

enum ec snapshot_csv(struct map_ctx *m, bool fno, const char *path, struct arena *a, struct snapshot *ret,
                     struct err *reterr);

#endif

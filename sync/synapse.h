/*
 * synapse.h -- Dataverse's rows from a folder that Azure Synapse Link for Dataverse wrote ("Query and analyze the incremental
 * updates", "Azure Synapse Link - Azure Data Lake"): a local copy of the container.
 * Layer: sync. Errors: EC_CONFIG (not such a folder, a table or column that is not in it), EC_FORMAT with file and line (a CSV that is
 * cut off, or not as its model.json says), EC_BUSY (the initial export is not finished), EC_IO. Threads: one.
 *
 * DIR has Changelog/changelog.info and folders named by time, 2024-05-01T10.15.00Z, each with a model.json of its own and
 * TABLE/FILE.csv without header rows, columns in the order of that model's attributes. The folder named in changelog.info is being
 * written and is never read. Of a row's versions the one with the largest versionnumber counts, then SinkModifiedOn, then the
 * order of the files; a deletion at the same version wins, and one without a version goes by time.
 */
#ifndef SYNC_SYNAPSE_H
#define SYNC_SYNAPSE_H

#include "sync/snapshot.h"

/* The map's Dataverse side as the folder has it: published like any other, as of the newest folder that is whole. Lookups and
 * companies are resolved from the same folder. No gate opens on it, and no feed goes on from it. */
enum ec snapshot_synapse(struct map_ctx *m, const char *dir, struct arena *a, struct snapshot *ret,
                         struct err *reterr);

/* The folder of "synapse:DIR"; NULL = the text is something else. */
const char *synapse_dir(const char *text);

#endif

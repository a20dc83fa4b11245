/*
 * archive.h -- snapshots kept for long: .dmfsync/snapshots/ALIAS-ID-SIDE.zst (store/column_file.h), a later one as what changed since
 * the one before. Layer: sync. Errors: EC_NOTFOUND, EC_FORMAT (damaged), EC_STATE, EC_DISK. A file appears by rename, whole; the files
 * themselves are the list, nothing else names them. Threads: one.
 *
 * The head (JSON) has map, id, side, origin, times, counts, the sum of row digests, the fields with their rules and, of a difference,
 * the id and SHA-256 of the one before. Rows are canonical cells in the order of their keys' digests; digests are not kept but
 * computed again under the rules in the head, so that a restored snapshot is proved against the sum.
 */
#ifndef SYNC_ARCHIVE_H
#define SYNC_ARCHIVE_H

#include "store/leaf_fields.h"
#include "sync/snapshot.h"

struct archive {
    int64_t id; /* of the snapshot, in state.db's numbering */
    const char *side; /* fno | dataverse */
    char *path;
    int64_t octets;
    int64_t base; /* the id of the one that this is a difference to; 0 = none */
    char base_sha[65];
    const char *origin, *began_at, *ended_at;
    uint64_t rows, duplicates, excluded, faults;
    struct digest sum;
    struct leaf_fields fields;
    const char *bad; /* the head cannot be read: why; only id, side, path and octets are told then */
    struct err err;
};
/* All archives of the map, oldest first. */
enum ec archive_list(struct map_ctx *m, struct arena *a, struct archive **ret, size_t *ret_n, struct err *reterr);
/* The newest snapshot of that side; *ret_made false: it is archived already. */
enum ec archive_make(struct map_ctx *m, const char *side, struct arena *a, struct archive *ret, bool *ret_made,
                     struct err *reterr);
/* Published as a snapshot again, with another number; no feed goes on from it and no gate opens on it. */
enum ec archive_restore(struct map_ctx *m, int64_t id, struct arena *a, struct snapshot *ret, struct err *reterr);
/* Every octet, and that the rows are those that the head tells of. */
enum ec archive_verify(struct map_ctx *m, const struct archive *list, size_t n, size_t i, struct err *reterr);
/* Removes what is older than the `keep` newest of a side, save what these are differences to. keep 0 = removes nothing. */
enum ec archive_prune(struct map_ctx *m, int64_t keep, struct err *reterr);

#endif

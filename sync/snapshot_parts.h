/* snapshot_parts.h -- what the snapshot sources share beside snapshot.h. Layer: sync, private to them. */
#ifndef SYNC_SNAPSHOT_PARTS_H
#define SYNC_SNAPSHOT_PARTS_H

#include "sync/snapshot.h"

/* "snap-17-fno.db": the name of the next one; in `a`. */
char *snapshot_file(struct map_ctx *m, const char *side, struct arena *a);
/* The map's alias and the fields' names, rules and key into the file. shape NULL: the binding's fields alone (Dataverse). */
void snapshot_describe(struct map_ctx *m, struct leaf_builder *to, const struct fno_shape *shape);
/* arg: the map_ctx */
enum ec snapshot_warn_duplicate(void *arg, const struct leaf_row *kept, const struct leaf_row *other,
                                struct err *reterr);

#endif

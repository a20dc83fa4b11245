/* feed_parts.h -- what the feeds of either side share. Layer: sync, private to feed*.c. Threads: one. */
#ifndef SYNC_FEED_PARTS_H
#define SYNC_FEED_PARTS_H

#include "sync/feed.h"

enum feed_side { FEED_FNO, FEED_DV };
struct taking {
    struct map_ctx *m;
    struct dict *d; /* Dataverse only */
    struct baseline *base;
    struct feed_counts *c;
    struct arena a; /* of one row */
};
/*
 * A key into `pending`, inside the caller's transaction. cells: a row with the key's cells at least, NULL = deleted there. What
 * waits already is replaced; a parked, refused or queued key is looked at again.
 */
enum ec feed_put(struct taking *t, enum feed_side side, struct digest key, struct cell key_text,
                 const struct cell *cells, struct cell id, struct err *reterr);
/* The same for a known row that is outside of the map now. */
enum ec feed_put_left(struct taking *t, enum feed_side side, struct digest key, struct cell key_text,
                      const struct cell *cells, struct cell id, struct err *reterr);
/* A row as the feed tells it: nothing to do when the base has it so and nothing of its key waits. */
enum ec feed_changed(struct taking *t, enum feed_side side, const struct cell *cells, struct cell id,
                     struct err *reterr);
/* Is the key in the base? */
enum ec feed_known(struct taking *t, struct digest key, bool *ret, struct err *reterr);

/* ---- feed_guard.c: is this still the environment that the positions belong to? EC_GUARD when not; the gate is then shut ---- */
enum ec guard_fno(struct map_ctx *m, const char *project, struct cell company, struct err *reterr);
enum ec guard_fno_taken(struct map_ctx *m, const char *project, struct cell company, struct err *reterr);
enum ec guard_dv(struct map_ctx *m, const char *organization, struct err *reterr);
/* Row versions grow over the whole organisation: the next link's must not be below the last one's. */
enum ec guard_dv_link(struct map_ctx *m, const char *was, const char *next, struct err *reterr);
/* The highest version seen in a round becomes the witness of the next one; inside the caller's transaction. */
struct dv_witness {
    char id[40];
    int64_t version;
};
void guard_dv_saw(struct dv_witness *w, struct cell id, struct cell etag);
enum ec guard_dv_keep(struct map_ctx *m, const struct dv_witness *w, const char *organization, struct err *reterr);
/* The positions are worth nothing: the next handoff begins with new ones. */
enum ec guard_forget(struct map_ctx *m, struct err *reterr);

/* ---- settings of a map's state ---- */
enum ec state_get(struct map_ctx *m, const char *name, struct arena *a, char **ret,
                  struct err *reterr); /* NULL = none */
enum ec state_put(struct map_ctx *m, const char *name, const char *value, struct err *reterr);

#endif

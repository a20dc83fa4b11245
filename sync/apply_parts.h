/*
 * apply_parts.h -- one record on its way through the steps of applying. Layer: sync, private to apply*.c. Threads: one.
 *
 * Keys are taken in chunks; within one, every key occurs once and all go through each step side by side: read both records as
 * they are (apply_read.c), merge (apply_item.c), store what is about to be written, write F&O, write Dataverse (apply_write.c),
 * store what is so. Where F&O's entity cannot be written by OData, its writes are packages (apply_package.c). A key whose write lost a race goes through the steps again with the next chunk.
 */
#ifndef SYNC_APPLY_PARTS_H
#define SYNC_APPLY_PARTS_H

#include "dv/dv_records.h"
#include "erp/erp_records.h"
#include "sync/apply.h"

enum { MAX_RACES = 4 };
struct applying {
    struct map_ctx *m;
    struct dict *d;
    struct baseline *base;
    struct apply_counts *c;
    const struct apply_how *how;
    struct arena rows; /* of the chunk under way */
    bool deletes_held; /* more deletions than the guard allows */
    struct strbuf held_companies; /* "|usmf|gbmf|": in these alone */
    bool batches;
    bool packages; /* F&O's entity takes no writes through OData (apply_package.c) */
    bool under_way; /* a package of an earlier round has not ended: nothing is written to F&O until it has */
    enum ec stop; /* network, sign-in: what was begun is stored, then this ends the stage */
    struct err stop_err;
};
enum fate {
    FATE_OPEN,
    FATE_SETTLE, /* nothing (more) to write: base, log, pending in one transaction */
    FATE_WRITE,
    FATE_HOLD, /* parked, conflict or poison, with its reason */
    FATE_DROP, /* no business of this map */
    FATE_AGAIN, /* somebody was faster: from the start */
    FATE_LEAVE, /* state as it is: the next round reads first */
};
struct item {
    char octets[16];
    struct digest digest;
    struct cell key, dv_id, at;
    char state[16], resolve[16];
    const struct cell *key_row; /* some row with the key's cells; NULL = none is known */
    const struct cell *fno, *dv; /* rows to merge, NULL = not there */
    bool fno_outside, dv_outside; /* there, but not in the map's filter or companies */
    struct base_row base;
    const struct cell
        *sent; /* what an earlier write, of which nothing is known, was to make of it; NULL = there is none */
    const char *sent_flags; /* as in the table */
    int sent_made;
    struct live_row live_fno, live_dv;
    struct merge_out o;
    struct cell fno_key[32];
    struct strbuf fno_body, dv_body, self_body;
    bool wrote_fno, wrote_dv, made_dv;
    enum fate fate;
    const char *hold_state;
    char reason[400];
    int races;
    struct arena a;
};

/* ---- apply_read.c ---- */
enum ec read_items(struct applying *p, struct item *items, size_t n, struct err *reterr);

/* ---- apply_item.c ---- */
/* *ret_found false: the key is not pending any more. */
enum ec item_load(struct applying *p, const char octets[16], struct item *it, bool *ret_found, struct err *reterr);
void item_release(struct item *it);
/* Merges what was read and sets the item's fate. */
enum ec item_decide(struct applying *p, struct item *it, struct err *reterr);
void item_hold(struct item *it, const char *state, const char *reason);
/* Inside the caller's transaction: state sending, and the conflicts that the write settles. */
enum ec item_sending(struct applying *p, struct item *it, struct err *reterr);
/* Inside the caller's transaction: what came of it. */
enum ec item_store(struct applying *p, struct item *it, struct err *reterr);

/* ---- apply_sent.c: inside the caller's transaction where they write ---- */
enum ec sent_put(struct applying *p, struct item *it, struct err *reterr);
enum ec sent_drop(struct applying *p, struct item *it, struct err *reterr);
enum ec sent_load(struct applying *p, struct item *it, struct err *reterr);
/* Before the merge: what is there as it was sent belongs to the base. */
void sent_trust(struct applying *p, struct item *it);

/* ---- apply_write.c ---- */
/* Bodies of both writes; a lookup that has no row parks the item. */
enum ec item_bodies(struct applying *p, struct item *it, struct err *reterr);
/* apply_package.c: creations and updates towards F&O of the chunk. What goes wrong with all of it is in p->stop. */
enum ec write_packages(struct applying *p, struct item *items, size_t n);
enum ec write_items(struct applying *p, struct item *items, size_t n, struct err *reterr);

#endif

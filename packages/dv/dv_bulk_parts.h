/*
 * dv_bulk_parts.h -- the bulk writer's state, shared by dv_bulk.c (rows in, calls out) and dv_settle.c (answers in, results
 * out). Layer: dv. Threads: one.
 */
#ifndef DV_DV_BULK_PARTS_H
#define DV_DV_BULK_PARTS_H

#include "dv/dv_parts.h"

enum {
    ROWS_START = 100,
    ROWS_CAP = 1000, /* operations of a $batch; also where larger bulk calls stop paying */
    ROWS_FLOOR = 10,
    BATCH_ALWAYS = 8, /* halving 8 rows costs up to 6 calls, a $batch one */
    BATCH_MAX = 200, /* operations run one after the other and must end within two minutes */
    LOOK_ROWS = 400, /* ids per look: 400 * 45 octets of URL */
    WAITING_MAX = 4096, /* rows that wait for an id on its way */
    ROW_COST = 150, /* of a row besides its body's octets: in a call, and in memory */
    TRIES_MAX = 10,
    LANES_MAX = 64
};
#define OCTETS_MAX ((size_t)4 << 20) /* per call; the service's own limit is documented nowhere (413 teaches it) */
#define OCTETS_LEAST ((size_t)16 << 10)
/*
 * Octets of rows that are read and have no result yet. Many small calls fill it as well as few large ones: what a run needs
 * of memory does not grow with its rows, nor with how many calls the service takes side by side.
 */
#define HELD_MAX ((size_t)4 << 20)
#define HELD_LEAST ((size_t)64 << 10) /* of a call, when others hold nearly all of it */
#define SLOW_MS 12000 /* a call that took longer was too large */

struct row_list {
    struct dv_bulk_row *rows;
    size_t n, cap, octets;
};

struct writer {
    struct dv *d;
    const struct dv_table *t;
    const struct dv_bulk *b;
    struct dv_bulk_stats stats;
    struct strbuf head; /* of each target of a bulk call */
    char pk[130]; /* NUL-terminated, for look-ups in answers */
    struct slice_queue queue; /* halves, repeats, looks: before new rows */
    struct row_list creates, updates, waiting;
    size_t held; /* octets of rows without a result */
    struct id_set live;
    bool source_end;
    bool create_multiple, update_multiple, upsert_multiple;
    int in_flight, lanes, clean_calls;
    int batch_rows;
    size_t octets_max; /* of a call's rows: lower once the service found one too large */
    double recent_rows, recent_bad;
    uint64_t same_what; /* the breaker: what the last refusals said, and how often in a row */
    int same_n;
    enum ec rc; /* first reason to stop; no new calls from then on */
    struct err err;
    bool results_failed;
    int64_t last_ok_ms; /* monotonic time of the last call that went through */
};

/* First reason to stop; later ones are ignored. */
void writer_give_up(struct writer *w, enum ec rc, const struct err *why);
/* One result each for all rows of a slice. */
void writer_deliver_same(struct writer *w, const struct slice *s, enum dv_outcome outcome, bool created,
                         const struct err *why, int klass);
/* What an answer means for the rows of `s` (taken over): results, repeats, halves, looks. */
void writer_settle(struct writer *w, struct slice *s, const struct http_response *r, enum ec rc,
                   const struct err *call_err);

#endif

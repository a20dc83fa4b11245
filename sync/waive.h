/*
 * waive.h -- accepted differences: waivers.csv beside dmfsync.ini, in the user's version control.
 * Layer: sync. Errors: EC_CONFIG naming file and line. Threads: one.
 *
 * A waiver covers one key, or the rows that a filter names; one field of them, or the whole record. It has a reason and a last
 * day; the day after (UTC) the difference is red again. The file is sorted, so that two people's waivers merge in git.
 */
#ifndef SYNC_WAIVE_H
#define SYNC_WAIVE_H

#include "loader/public/pair.h"

#define WAIVERS_FILE "waivers.csv"

struct waiver {
    struct cell map, key, filter, field, until, reason,
        by; /* as in the file; key or filter, the other one is empty */
    int line; /* 0 = not from the file yet */
    /* after waivers_for() */
    bool ended; /* its last day has passed */
    struct digest digest; /* of the key */
    struct filter *expr;
    int bound; /* the field's index, -1 = the whole record */
    uint64_t keys; /* differences that it covered in this comparison */
};
struct waivers {
    struct arena arena;
    struct waiver *v;
    size_t n;
    struct map_ctx *m; /* after waivers_for() */
    size_t n_keyed; /* so many stand in front */
};
/* The whole file; none = no waivers. */
enum ec waivers_read(const struct workspace *ws, struct waivers *ret, struct err *reterr);
/* Writes them in order: map, key, filter, field. */
enum ec waivers_write(const struct workspace *ws, const struct waivers *w, struct err *reterr);
void waivers_release(struct waivers *w);
/* Checks one waiver against its map (key, filter, field, date) and fills what is computed; canonical key and field. */
enum ec waiver_bind(struct waiver *w, struct map_ctx *m, struct arena *a, struct err *reterr);
/* Reads the file and keeps this map's, bound, those with keys first and sorted by digest. */
enum ec waivers_for(struct map_ctx *m, struct waivers *ret, struct err *reterr);
/*
 * Are all of these differing fields (n = 0: the record as a whole) waived? Counts what covers. *ret_note tells the reason in
 * `a`, also when a waiver that has ended would have covered it (then false); NULL = nothing to tell.
 */
bool waivers_cover(struct waivers *w, struct digest key, const struct cell *fno, const struct cell *dv,
                   const int *fields, size_t n, struct arena *a, const char **ret_note);
/* Table waiver of the map's state, for reports and `sql`: the waivers as this comparison applied them. In a transaction. */
enum ec waivers_store(struct map_ctx *m, const struct waivers *w, struct err *reterr);
/* {"key"|"filter","field","reason","until","by","keys","ended"}[] as stored by the last comparison, into obj.waivers. */
enum ec waivers_output(struct map_ctx *m, struct output *o, struct json *obj, struct err *reterr);
/* Warns of those that covered nothing in the last comparison. */
enum ec waivers_warn_idle(struct map_ctx *m, struct err *reterr);

#endif

/* delta_row.h -- one row of the table delta, shared by diff, recheck and repair. Layer: sync, private to it. */
#ifndef SYNC_DELTA_ROW_H
#define SYNC_DELTA_ROW_H

#include "sync/verdict.h"

/* Ends the note of a row that one side has outside of the map's filter or companies. */
#define DELTA_LEFT "outside of the map's filter: it left it"

struct delta_row {
    char key_octets[16]; /* key digest, big-endian */
    struct cell key, company;
    const char *class; /* static word */
    struct cell dv_id;
    const struct cell *fno, *dv; /* canonical rows, NULL = not there */
    struct cell fno_packed, dv_packed; /* the same as row_pack() has them; absent = not packed yet */
    const char *note;
};
enum ec delta_put(struct map_ctx *m, const struct delta_row *d, struct err *reterr);
void delta_key_octets(struct digest key, char ret[static 16]);
struct digest delta_key_digest(const char octets[static 16]);
void delta_count(struct diff_counts *c, const char *class, int64_t add);
const char *delta_sign(const char *class);
bool delta_is_red(const char *class); /* drift: differ, only_*, error (diff_print.c) */
struct diff_counts *diff_company(struct diff_result *res, struct cell company);

/* Reading the stored delta in key order of the file; rows live until the next call. */
struct delta_reader;
enum ec delta_reader_new(struct map_ctx *m, const char *where, struct delta_reader **ret, struct err *reterr);
enum ec delta_reader_next(struct delta_reader *r, struct delta_row *ret, bool *ret_more, struct err *reterr);
void delta_reader_free(struct delta_reader *r);

#endif

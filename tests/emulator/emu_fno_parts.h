/*
 * emu_fno_parts.h -- what the files of the OData part (emu_fno_odata.c, emu_fno_write.c) share. A function that
 * returns false has answered the request.
 */
#ifndef EMU_FNO_PARTS_H
#define EMU_FNO_PARTS_H

#include "emu_fno.h"

enum { FNO_MSG = 1024 };

/* One request against one entity set. */
struct fno_ask {
    struct emu *e;
    struct emu_request *q;
    struct emu_response *r;
    const struct emu_entity *en;
    bool cross; /* all companies, not only the caller's own */
    bool *selected; /* by field, NULL = all */
    bool company_selected;
};
/* A record's key as the address gives it. */
struct fno_key {
    struct emu_value *v;
    size_t n;
    const char *company; /* NULL for shared entities */
    bool has_enum;
};

bool fno_refuse(struct fno_ask *a, const char *msg); /* 400 */
/* May the caller see rows of the key's company? Without cross-company=true only those of his own. */
bool fno_visible(struct fno_ask *a, const struct fno_key *k);
/* Callback of emu_fno_find(): adds the record with its context to the answer. */
bool fno_send_one(void *arg, const struct emu_fno_row *row);

/* POST (k NULL), PATCH, PUT. */
void fno_write_request(struct fno_ask *a, const struct fno_key *k);
void fno_delete_record(struct fno_ask *a, const struct fno_key *k);

#endif

/*
 * emu_fno.h -- Finance & Operations: what the other parts of the emulator may call.
 *
 * Rows of public entities live in one SQLite table per entity (emu_fno_rows.c). A value is a text in one canonical
 * form per type: strings without trailing blanks, enums as element names, reals as plain decimal text without
 * superfluous zeros, integers as digits, dates "yyyy-MM-dd", date-times "yyyy-MM-ddTHH:mm:ssZ". There are no nulls:
 * the empty value is "", the first element, "0", "1900-01-01" or "1900-01-01T00:00:00Z". Keys compare without case.
 * Companies are kept in lower case.
 */
#ifndef EMU_FNO_H
#define EMU_FNO_H

#include "emu.h"

/*
 * Answers with the error envelope of the OData service: error.message is "An error has occurred.", the given text is
 * error.innererror.message ("Data management package REST API", error envelope of a failed action).
 */
void emu_fno_error(struct emu_response *r, struct emu_request *q, int status, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* "http://host" as the client wrote it: links in answers echo it. */
const char *emu_fno_base(const struct emu_request *q);
/* JSON answer of this status; the body is the caller's. */
void emu_fno_json(struct emu_response *r, struct emu_request *q, int status);

/* Any case -> the company's lower-case id; "" -> the calling user's own ("dat"); NULL = there is no such company. */
const char *emu_fno_company(struct emu *e, const char *id);
/* The last change number given out: rows with a larger one were written later. */
int64_t emu_fno_change_number(struct emu *e);

/* One row; everything is valid only during the callback. */
struct emu_fno_row {
    const char **values; /* in the order of the entity's fields, never NULL */
    const char *company; /* "" for shared entities */
    int64_t recid, recversion, change;
};
typedef bool emu_fno_row_cb(void *arg, const struct emu_fno_row *row); /* false = enough */
/* Rows in key order (company first), of one company (any case) or all (NULL), changed after that number (0 = all). */
void emu_fno_scan(struct emu *e, const struct emu_entity *en, const char *company, int64_t changed_after,
                  emu_fno_row_cb *cb, void *arg);
/* The row with this key (all key fields among `key`); false = there is none. `cb` may be NULL. */
bool emu_fno_find(struct emu *e, const struct emu_entity *en, const char *company, const struct emu_value *key,
                  size_t n, emu_fno_row_cb *cb, void *arg);

/*
 * emu_fno_upsert() with the three outcomes told apart. `v` may leave fields out: they keep their value or, in a new
 * row, get their default. EMU_FNO_REFUSED leaves `msg`; the row is as it was.
 */
enum emu_fno_outcome { EMU_FNO_REFUSED, EMU_FNO_CREATED, EMU_FNO_UPDATED, EMU_FNO_UNCHANGED };
enum emu_fno_outcome emu_fno_write(struct emu *e, const struct emu_entity *en, const char *company,
                                   const struct emu_value *v, size_t n, char *msg, size_t msg_size);

/*
 * Text -> canonical text of the field's type (emu_fno_value.c). Enums by element name in any case; dates and
 * date-times in any ISO form. False: `msg` says why.
 */
bool emu_fno_canon(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                   size_t msg_size);
const char *emu_fno_empty(const struct emu_field *f); /* the type's empty value */
/* Companies of the tenant in lower case, in the order of the definition; NULL = no more. */
const char *emu_fno_company_at(const struct emu *e, size_t i);
void emu_fno_table(const struct emu_entity *en, struct strbuf *out); /* the SQL table's name, quoted */
/* A row's etag: W/"base64('recversion,recid')". */
void emu_fno_etag(const struct emu_fno_row *row, struct strbuf *out);
void emu_fno_free(struct emu *e);

/* "/Metadata/...": false = no such path (emu_fno_meta.c). */
bool emu_fno_metadata(struct emu *e, struct emu_request *q, struct emu_response *r);
/* "/data/..." of public entities, service document, $metadata: false = no such path (emu_fno_odata.c). */
bool emu_fno_odata(struct emu *e, struct emu_request *q, struct emu_response *r);

/* Does OData take writes of this entity? */
bool emu_fno_writable(const struct emu *e, const struct emu_entity *en);
/* The type of a property; of_enum is that of an enum. */
const char *emu_edm_type(const struct emu_field *f, const char *of_enum);

#endif

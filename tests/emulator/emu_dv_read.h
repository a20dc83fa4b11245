/*
 * emu_dv_read.h -- what the reading files of the Dataverse part share: selections turned into SQL, rows into JSON, the
 * tokens of pages.
 */
#ifndef EMU_DV_READ_H
#define EMU_DV_READ_H

#include "emu_dv.h"

/* Which columns a statement gives, in order. */
struct dv_reader {
    int *cols;
    size_t n, cap;
};
/* "select ..." up to before "from": primary key, version, the selection and what its annotations need. */
void dv_reader_sql(struct dv_reader *rd, struct dv_op *op, const struct dv_table *t, const struct dv_select *s,
                   struct strbuf *sql);
void dv_reader_add(struct dv_reader *rd, const struct dv_table *t, int col, struct strbuf *sql);
/* row[col] for the columns of the statement; texts are valid until its next step. */
void dv_reader_row(const struct dv_reader *rd, sqlite3_stmt *s, const char **row);

/* Where a page starts; written into $skiptoken as a paging cookie that clients must not look into. */
struct dv_cookie {
    int64_t page, offset;
    char id[37];
    const char *value; /* NULL = null, or nothing to order by */
    bool tracking;
    int64_t from_version, to_version, taken_ms; /* change tracking */
    bool deletes; /* the page is among the deleted rows */
};
bool dv_cookie_read(struct dv_op *op, const char *token, struct dv_cookie *ret, bool *ret_any);
/* ,"@odata.nextLink":"..." with the options of this request. */
void dv_add_next_link(struct dv_op *op, const struct dv_table *t, const struct dv_cookie *c);
/* The set with the options of this request but the named ones: "http://host/.../accounts?$select=name&" */
void dv_add_link_start(struct dv_op *op, const struct dv_table *t, struct strbuf *out);
void dv_preferences_applied(struct dv_op *op);
void dv_plain_number(struct dv_op *op, int64_t n); /* text/plain, as of /$count */

#endif

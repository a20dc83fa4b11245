/* leaf_sql_parts.h -- what the modules over leaf files share. Layer: store, private to leaf_sql*.c. */
#ifndef STORE_LEAF_SQL_PARTS_H
#define STORE_LEAF_SQL_PARTS_H

#include "store/sqlite_host.h"
#include "store/leaf_fields.h"

extern const sqlite3_module LEAF_DELTA_MODULE, LEAF_ROWS_MODULE;
/* A module's argument: a text in single quotes as the text, anything else as it stands; in `a`. */
char *leaf_sql_text(const char *arg, struct arena *a);
/* *err for a virtual table, in memory that SQLite frees. Returns an SQLite code for the error. */
int leaf_sql_fail(char **err, const struct err *e);
void leaf_sql_result(sqlite3_context *ctx, struct cell c);
void leaf_sql_key(sqlite3_context *ctx, struct digest key);
/* "<id> <version>" of a Dataverse row, either may be absent. */
void leaf_sql_extra(struct cell extra, struct cell *ret_id, struct cell *ret_version);
/* A row as {"NAME":"text",..}; null for absent. */
void leaf_sql_json(struct strbuf *out, const char *const *names, const struct cell *cells, size_t n);

#endif

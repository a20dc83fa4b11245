/* store_private.h -- what store.c and query.c share. Layer: store, private to the two. */
#ifndef STORE_PRIVATE_H
#define STORE_PRIVATE_H

#include "store/store.h"

enum { QUERY_BUCKETS = 64, QUERY_CACHE_MAX = 256 };
struct store {
    sqlite3 *db;
    char *path;
    enum store_mode mode;
    const struct store_schema *schema;
    struct query *cache[QUERY_BUCKETS];
    unsigned cached;
};

enum ec store_error_code(sqlite3 *db, int rc);
/* Fills *reterr from the connection's last error: "<doing> '<path>': <SQLite's text>", with a hint. */
enum ec store_fail(sqlite3 *db, int rc, const char *path, const char *doing, struct err *reterr);
void store_drop_queries(struct store *s);

#endif

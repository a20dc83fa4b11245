/*
 * store.h -- SQLite files of the workspace: open, migrate, queries that remember their first error.
 * Layer: store (sqlite3). Errors: EC_DB, EC_STATE (foreign or newer file), EC_DISK (full), EC_LOCKED (busy timeout).
 * Threads: one store, one thread. Text is UTF-8; absent cells bind as NULL, empty ones as ''.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "data/cell.h"

#include <sqlite3.h>

struct store;
struct query;

/*
 * A file that is not ours (other application_id) or was made by a newer program is EC_STATE and stays as it is. An older
 * one is upgraded by STORE_WRITE only: copied to "PATH.v<old>.bak" by VACUUM INTO, then all steps in one transaction.
 * SQL on these connections: a text in double quotes is an error, foreign keys are enforced, the schema is not trusted.
 */
enum store_mode {
    STORE_WRITE, /* create if missing, migrate; WAL, synchronous=FULL, busy timeout 10 s */
    STORE_READ, /* live file read by a status command: never creates, never migrates, query_only */
    /* A new file built aside with journal_mode=OFF, synchronous=OFF; store_finish() makes it durable. What an interrupted
     * build left at the path is replaced; on an error the file is worth nothing, the caller removes it. */
    STORE_BUILD,
    STORE_SEALED, /* published, immutable file: mode=ro&immutable=1 */
};
struct store_schema {
    uint32_t application_id; /* PRAGMA application_id, tells our kinds of file apart */
    int version; /* PRAGMA user_version of this program */
    const char *const *steps; /* steps[i] takes the file from version i to i + 1; steps[0] creates it */
};
enum ec store_open(const char *path, enum store_mode mode, const struct store_schema *schema, struct store **ret,
                   struct err *reterr);
/* STORE_BUILD: checks, closes, fsyncs. The caller publishes with file_publish(). Frees the store in every case. */
enum ec store_finish(struct store *s, struct err *reterr);
void store_close(struct store *s); /* NULL is fine */
const char *store_path(const struct store *s);
sqlite3 *store_handle(struct store *s); /* for modules that register functions or virtual tables */

/* Transactions: always IMMEDIATE (in the two reading modes: one unchanging view over several queries). Nesting is a bug. store_end(s, rc, ..) commits when rc is EC_OK, else rolls back. */
enum ec store_begin(struct store *s, struct err *reterr);
enum ec store_commit(struct store *s, struct err *reterr);
void store_rollback(struct store *s);
enum ec store_end(struct store *s, enum ec rc, struct err *reterr);
bool store_in_transaction(const struct store *s);
enum ec store_exec(struct store *s, const char *sql, struct err *reterr); /* one or more statements, no parameters */

/*
 * A query: bind by number (1-based), step, read, done. The first error sticks; query_done() resets, clears and turns it
 * into an error with the SQL text. The store owns and caches the statement by its text; the same text must not be in use
 * twice at once (EC_BUG).
 */
struct query *store_query(struct store *s, const char *sql);
void query_cell(struct query *q, int i, struct cell c); /* valid until query_done() */
void query_str(struct query *q, int i, const char *s); /* NULL = NULL; valid until query_done() */
void query_int(struct query *q, int i, int64_t v);
void query_null(struct query *q, int i);
void query_blob(struct query *q, int i, const void *p, size_t n);
bool query_step(struct query *q); /* true = a row is there */
int64_t query_get_int(struct query *q, int col); /* 0-based columns */
bool query_is_null(struct query *q, int col);
struct cell query_get_cell(struct query *q, int col); /* borrowed until the next step or done; NULL = absent */
struct cell query_get_blob(struct query *q, int col);
const char *query_get_str(struct query *q, int col); /* "" for NULL */
enum ec query_done(struct query *q, struct err *reterr);
/* For statements without rows: step, done. */
enum ec query_run(struct query *q, struct err *reterr);
int64_t store_last_id(const struct store *s);
int64_t store_changes(const struct store *s);

#endif

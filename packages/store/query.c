#include "store/store_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

struct query {
    struct query *next; /* in its bucket */
    struct store *store;
    sqlite3_stmt *st;
    char *sql;
    bool in_use, row, done;
    bool loose; /* not in the cache: freed by query_done() */
    int rc; /* the first error of SQLite, SQLITE_OK = none */
    enum ec code; /* ours, when it is not SQLite's */
    char why[300];
};

static void note(struct query *q, int rc)
{
    if (rc == SQLITE_OK || q->rc || q->code)
        return;
    q->rc = rc;
    q->code = store_error_code(q->store->db, rc);
    snprintf(q->why, sizeof(q->why), "%s", sqlite3_errmsg(q->store->db));
}

static void note_bug(struct query *q, const char *why)
{
    if (q->rc || q->code)
        return;
    q->code = EC_BUG;
    snprintf(q->why, sizeof(q->why), "%s", why);
}

static bool failed(const struct query *q)
{
    return q->rc || q->code;
}

static void query_free(struct query *q)
{
    sqlite3_finalize(q->st);
    free(q->sql);
    free(q);
}

void store_drop_queries(struct store *s)
{
    for (unsigned i = 0; i < QUERY_BUCKETS; i++) {
        while (s->cache[i]) {
            struct query *q = s->cache[i];

            s->cache[i] = q->next;
            query_free(q);
        }
    }
    s->cached = 0;
}

/* SQL made at run time must not fill memory: when the cache is full, what is idle goes. */
static void make_room(struct store *s)
{
    if (s->cached < QUERY_CACHE_MAX)
        return;
    for (unsigned i = 0; i < QUERY_BUCKETS; i++) {
        for (struct query **at = &s->cache[i]; *at;) {
            struct query *q = *at;

            if (q->in_use) {
                at = &q->next;
                continue;
            }
            *at = q->next;
            s->cached--;
            query_free(q);
        }
    }
}

static bool only_blanks(const char *p)
{
    while (*p && (isspace((unsigned char)*p) || *p == ';'))
        p++;
    return !*p;
}

struct query *store_query(struct store *s, const char *sql)
{
    struct query **bucket = &s->cache[XXH3_64bits(sql, strlen(sql)) % QUERY_BUCKETS];
    const char *tail = "";
    struct query *q;
    bool taken = false;

    for (q = *bucket; q; q = q->next) {
        if (strcmp(q->sql, sql))
            continue;
        if (q->in_use) {
            taken = true;
            break;
        }
        q->in_use = true;
        return q;
    }
    q = xcalloc(1, sizeof(*q));
    q->store = s;
    q->sql = xstrdup(sql);
    q->in_use = true;
    if (taken) {
        note_bug(q, "the same query is in use twice at once");
    } else {
        note(q, sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &q->st, &tail));
        if (!failed(q) && (!q->st || !only_blanks(tail)))
            note_bug(q, "not exactly one statement");
    }
    if (failed(q)) {
        q->loose = true;
        return q;
    }
    make_room(s);
    q->next = *bucket;
    *bucket = q;
    s->cached++;
    return q;
}

void query_cell(struct query *q, int i, struct cell c)
{
    if (!failed(q)) /* a NULL pointer binds NULL, which is what absent means */
        note(q, sqlite3_bind_text64(q->st, i, c.ptr, c.len, SQLITE_STATIC, SQLITE_UTF8));
}

void query_str(struct query *q, int i, const char *s)
{
    query_cell(q, i, cell_of(s));
}

void query_int(struct query *q, int i, int64_t v)
{
    if (!failed(q))
        note(q, sqlite3_bind_int64(q->st, i, v));
}

void query_null(struct query *q, int i)
{
    if (!failed(q))
        note(q, sqlite3_bind_null(q->st, i));
}

void query_blob(struct query *q, int i, const void *p, size_t n)
{
    if (!failed(q))
        note(q, sqlite3_bind_blob64(q->st, i, p, n, SQLITE_STATIC));
}

bool query_step(struct query *q)
{
    int rc;

    q->row = false;
    if (failed(q) || q->done) /* a step after the last one would run the statement again */
        return false;
    rc = sqlite3_step(q->st);
    if (rc == SQLITE_ROW)
        return q->row = true;
    q->done = true;
    if (rc != SQLITE_DONE)
        note(q, rc);
    return false;
}

int64_t query_get_int(struct query *q, int col)
{
    return q->row ? sqlite3_column_int64(q->st, col) : 0;
}

bool query_is_null(struct query *q, int col)
{
    return !q->row || sqlite3_column_type(q->st, col) == SQLITE_NULL;
}

struct cell query_get_cell(struct query *q, int col)
{
    struct cell c;

    if (query_is_null(q, col))
        return CELL_ABSENT;
    c.ptr = (const char *)sqlite3_column_text(q->st, col);
    c.len = (size_t)sqlite3_column_bytes(q->st, col);
    if (!c.ptr)
        note(q, SQLITE_NOMEM);
    return c;
}

struct cell query_get_blob(struct query *q, int col)
{
    struct cell c;

    if (query_is_null(q, col))
        return CELL_ABSENT;
    c.ptr = sqlite3_column_blob(q->st, col);
    c.len = (size_t)sqlite3_column_bytes(q->st, col);
    if (!c.ptr && c.len)
        note(q, SQLITE_NOMEM);
    return c.ptr ? c : (struct cell){ "", 0 }; /* SQLite gives NULL for an empty blob too */
}

const char *query_get_str(struct query *q, int col)
{
    const char *s = q->row ? (const char *)sqlite3_column_text(q->st, col) : NULL;

    return s ? s : "";
}

/* One line of the SQL text, for messages. Values are always bound, so it holds no data. */
static void one_line(const char *sql, char *out, size_t cap)
{
    size_t n = 0;

    for (; *sql && n + 1 < cap; sql++) {
        bool blank = isspace((unsigned char)*sql);

        if (!blank || (n && out[n - 1] != ' '))
            out[n++] = blank ? ' ' : *sql;
    }
    out[n] = 0;
}

enum ec query_done(struct query *q, struct err *reterr)
{
    enum ec code = q->code;

    if (failed(q)) {
        char sql[240];

        one_line(q->sql, sql, sizeof(sql));
        err_set(reterr, code, "database '%s': %s (in: %s)", q->store->path, q->why, sql);
        if (code == EC_DISK)
            err_hint(reterr, "free some disk space, then run the same command again");
        else if (code == EC_LOCKED)
            err_hint(reterr, "another process is writing this file; try again when it has finished");
    }
    if (q->loose) {
        query_free(q);
        return code;
    }
    sqlite3_reset(q->st);
    sqlite3_clear_bindings(q->st);
    q->in_use = q->row = q->done = false;
    q->rc = SQLITE_OK;
    q->code = EC_OK;
    return code;
}

enum ec query_run(struct query *q, struct err *reterr)
{
    while (query_step(q)) /* a RETURNING clause may give rows; the change is complete only after the last */
        ;
    return query_done(q, reterr);
}

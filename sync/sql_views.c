/* sql_views.c -- views over the snapshots of a map, in the schema `temp`; and the extension's entry. */
#include "sync/sql_views.h"
#include "base/arena.h"
#include "store/leaf_sql.h"

#include <stdlib.h>
#include <string.h>

static const char LEDGER[] =
    "create temp view ledger as select run_id, 'fno' as side, first_row, last_row, rows, state, company, null as "
    "key, "
    "null as line, null as stage, null as field, null as code, message, id as package from main.package where picked "
    "= 0 "
    "union all select e.run_id, e.side, e.row_no, e.row_no, 1, e.state, p.company, e.key, e.line, e.stage, e.field, "
    "e.code, e.message, e.package_id from main.row_exception e left join main.package p on p.id = e.package_id";

/* An SQL text literal. */
static void add_literal(struct strbuf *b, const char *text)
{
    strbuf_addc(b, '\'');
    for (; *text; text++) {
        if (*text == '\'')
            strbuf_addc(b, '\'');
        strbuf_addc(b, *text);
    }
    strbuf_addc(b, '\'');
}

static void add_name(struct strbuf *b, const char *name)
{
    strbuf_addc(b, '"');
    for (; *name; name++) {
        if (*name == '"')
            strbuf_addc(b, '"');
        strbuf_addc(b, *name);
    }
    strbuf_addc(b, '"');
}

static enum ec run(sqlite3 *db, const char *sql, struct err *reterr)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) ? err_set(reterr, EC_DB, "%s", sqlite3_errmsg(db)) : EC_OK;
}

/* The first column of the first row, in `a`; NULL = none. */
static char *ask(sqlite3 *db, const char *sql, struct arena *a)
{
    sqlite3_stmt *st = NULL;
    char *text = NULL;

    if (!sqlite3_prepare_v2(db, sql, -1, &st, NULL) && sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
        text = arena_strdup(a, (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    return text;
}

static char *folder(sqlite3 *db, struct arena *a)
{
    const char *file = sqlite3_db_filename(db, "main"), *slash = file ? strrchr(file, '/') : NULL;

    return slash ? arena_dup(a, file, (size_t)(slash - file)) : arena_strdup(a, ".");
}

/* temp.NAME over the rows of DIR/FILE; false: it cannot be read, and why is a note. */
static bool rows_table(sqlite3 *db, const char *name, const char *dir, const char *file, struct strbuf *notes)
{
    struct strbuf path = STRBUF(0), sql = STRBUF(0);
    struct err e = { 0 };
    enum ec rc;

    strbuf_addf(&path, "%s/%s", dir, file);
    strbuf_addf(&sql, "create virtual table temp.%s using dmfsync_rows(", name);
    add_literal(&sql, path.buf);
    strbuf_addc(&sql, ')');
    rc = run(db, sql.buf, &e);
    if (rc)
        strbuf_addf(notes, "%s: %s\n", name, e.msg);
    strbuf_release(&path);
    strbuf_release(&sql);
    return !rc;
}

/* The columns of temp.OF, each as temp.IN has it (NULL where it has none), behind commas. */
static void add_columns(sqlite3 *db, const char *of, const char *in, struct strbuf *out)
{
    struct arena a = { 0 };
    sqlite3_stmt *st = NULL;
    const char *sql =
        arena_printf(&a,
                     "select o.name, i.name is not null from pragma_table_info('%s', 'temp') o left join "
                     "pragma_table_info('%s', 'temp') i on i.name = o.name order by o.cid",
                     of, in);

    if (!sqlite3_prepare_v2(db, sql, -1, &st, NULL))
        while (sqlite3_step(st) == SQLITE_ROW) {
            strbuf_adds(out, ", ");
            if (!sqlite3_column_int(st, 1))
                strbuf_adds(out, "null as ");
            add_name(out, (const char *)sqlite3_column_text(st, 0));
        }
    sqlite3_finalize(st);
    arena_release(&a);
}

static enum ec snapshot_view(sqlite3 *db, const char *dir, struct strbuf *notes, struct err *reterr)
{
    static const char *const SIDES[] = { "fno", "dataverse" };
    struct strbuf sql = STRBUF(0);
    struct arena a = { 0 };
    bool there[2] = { false, false };
    const char *names = NULL, *word = "create temp view snapshot as ";
    enum ec rc = EC_OK;

    for (int i = 0; i < 2; i++) {
        char *file = ask(
            db,
            arena_printf(&a, "select file from main.snapshot where side = '%s' order by id desc limit 1", SIDES[i]),
            &a);
        char *name = arena_printf(&a, "snapshot_%s", SIDES[i]);

        there[i] = file && rows_table(db, name, dir, file, notes);
        if (there[i])
            names = name; /* Dataverse's, if it is there: F&O's have load-only fields as well */
    }
    for (int i = 0; i < 2; i++) {
        if (!there[i])
            continue;
        strbuf_addf(&sql, "%sselect '%s' as side", word, SIDES[i]);
        add_columns(db, names, arena_printf(&a, "snapshot_%s", SIDES[i]), &sql);
        strbuf_addf(&sql, " from temp.snapshot_%s", SIDES[i]);
        word = " union all ";
    }
    if (sql.len)
        rc = run(db, sql.buf, reterr);
    strbuf_release(&sql);
    arena_release(&a);
    return rc;
}

/* Rows of the file that nothing changed since, and what the overlay has in place of others. */
static enum ec baseline_view(sqlite3 *db, const char *dir, struct strbuf *notes, struct err *reterr)
{
    struct strbuf sql = STRBUF(0);
    struct arena a = { 0 };
    char *file = ask(db, "select file from main.baseline", &a);
    enum ec rc = EC_OK;

    if (file && rows_table(db, "baseline_file", dir, file, notes)) {
        char *first = ask(db, "select name from pragma_table_info('baseline_file', 'temp') where cid = 5", &a);
        char *n = ask(db, "select count(*) from pragma_table_info('baseline_file', 'temp')", &a);
        bool striped = first && !sqlite3_stricmp(first, "dataAreaId");

        strbuf_adds(&sql,
                    "create temp view baseline as select * from temp.baseline_file f where not exists (select 1 "
                    "from main.base_overlay o where o.key_digest = f.key_digest) union all select key_digest, key, ");
        strbuf_addf(&sql, "%s, dv_id, null", striped ? "dmfsync_cell(row, 0)" : "''");
        for (int i = 5, end = n ? (int)strtol(n, NULL, 10) : 0; i < end; i++)
            strbuf_addf(&sql, ", dmfsync_cell(row, %d)", i - 5);
        strbuf_adds(&sql, " from main.base_overlay where row is not null");
        rc = run(db, sql.buf, reterr);
    }
    strbuf_release(&sql);
    arena_release(&a);
    return rc;
}

static enum ec delta_table(sqlite3 *db, const char *dir, struct err *reterr)
{
    struct strbuf stored = STRBUF(0), resolve = STRBUF(0), sql = STRBUF(0), from = STRBUF(0);
    struct arena a = { 0 };
    char *file = ask(db, "select file from main.snapshot where side = 'dataverse' order by id desc limit 1", &a);
    bool names = false;
    enum ec rc;

    if (file) { /* its names stand for the packed cells of the stored rows */
        strbuf_addf(&from, "%s/%s", dir, file);
        strbuf_adds(&sql, "select dmfsync_json(x'', ");
        add_literal(&sql, from.buf);
        strbuf_adds(&sql, ")");
        names = ask(db, sql.buf, &a) != NULL;
    }
    strbuf_adds(&stored, "select d.key_digest, d.key, d.company, d.class, d.sign, d.dv_id, ");
    for (int i = 0; i < 2; i++) {
        strbuf_addf(&stored, names ? "dmfsync_json(d.%s, " : "d.%s", i ? "dataverse" : "fno");
        if (names) {
            add_literal(&stored, from.buf);
            strbuf_adds(&stored, ")");
        }
        strbuf_adds(&stored, ", ");
    }
    strbuf_adds(&stored, "d.note, coalesce((select group_concat(field) from main.delta_field f where f.key_digest = "
                         "d.key_digest), '') from main.delta d");
    strbuf_adds(&resolve, "select ");
    add_literal(&resolve, dir);
    strbuf_adds(&resolve,
                " || '/' || file from (select file, side, id from main.snapshot union all select file, '', 0 from "
                "main.baseline) where file = ?1 or side = ?1 or cast(id as text) = ?1 order by id desc limit 1");
    strbuf_reset(&sql);
    strbuf_adds(&sql, "create virtual table temp.delta using delta(");
    add_literal(&sql, stored.buf);
    strbuf_adds(&sql, ", ");
    add_literal(&sql, resolve.buf);
    strbuf_adds(&sql, ")");
    rc = run(db, sql.buf, reterr);
    strbuf_release(&stored);
    strbuf_release(&resolve);
    strbuf_release(&sql);
    strbuf_release(&from);
    arena_release(&a);
    return rc;
}

enum ec sql_views_open(sqlite3 *db, struct strbuf *ret_notes, struct err *reterr)
{
    struct arena a = { 0 };
    char *dir = folder(db, &a), *was = ask(db, "pragma query_only", &a);
    enum ec rc = leaf_sql_register(db) ? err_set(reterr, EC_DB, "%s", sqlite3_errmsg(db)) : EC_OK;

    if (!rc)
        rc = run(db, "pragma query_only=0", reterr); /* `temp` counts as well */
    if (!rc)
        rc = delta_table(db, dir, reterr);
    if (!rc)
        rc = snapshot_view(db, dir, ret_notes, reterr);
    if (!rc)
        rc = baseline_view(db, dir, ret_notes, reterr);
    if (!rc)
        rc = run(db, LEDGER, reterr);
    if (was && *was == '1')
        (void)run(db, "pragma query_only=1", NULL);
    arena_release(&a);
    return rc;
}

#ifdef DMFSYNC_EXTENSION
/* Called by SQLite: `.load dmfsync`, load_extension(). In a map's state.db the views are there at once. */
__attribute__((visibility("default"))) int sqlite3_dmfsync_init(sqlite3 *db, char **reterr,
                                                                const sqlite3_api_routines *api);
int sqlite3_dmfsync_init(sqlite3 *db, char **reterr, const sqlite3_api_routines *api)
{
    struct strbuf notes = STRBUF(0);
    struct arena a = { 0 };
    struct err e = { 0 };
    char *id;
    int rc;

    dmfsync_sqlite_api = api;
    id = ask(db, "pragma main.application_id", &a);
    rc = leaf_sql_register(db);
    if (!rc && id && strtol(id, NULL, 10) == 0x646d6673 && sql_views_open(db, &notes, &e)) {
        *reterr = sqlite3_mprintf("%s", e.msg);
        rc = SQLITE_ERROR;
    }
    strbuf_release(&notes);
    arena_release(&a);
    return rc;
}
#endif

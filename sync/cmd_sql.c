/* cmd_sql.c -- one reading statement over a map's state. */
#include "sync/sql_views.h"
#include "data/csv.h"
#include "loader/public/pair.h"
#include "sync/sync_commands.h"

static enum ec run_query(struct map_ctx *m, const char *sql, struct err *reterr)
{
    sqlite3 *db = store_handle(m->state);
    sqlite3_stmt *st = NULL;
    struct strbuf line = STRBUF(0);
    int rc;

    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) || !st)
        return err_set(reterr, EC_USAGE, "SQL: %s",
                       st || sqlite3_errcode(db) ? sqlite3_errmsg(db) : "there is no statement");
    if (!sqlite3_stmt_readonly(st)) {
        sqlite3_finalize(st);
        err_set(reterr, EC_USAGE, "only reading statements are allowed here");
        return err_hint(reterr, "the state belongs to dmfsync; copy the file to change it");
    }
    for (int i = 0; i < sqlite3_column_count(st); i++) {
        if (i)
            strbuf_addc(&line, ',');
        csv_add(&line, cell_of(sqlite3_column_name(st, i)), ',');
    }
    strbuf_adds(&line, "\n");
    out_raw(&m->pair->app->out, line.buf, line.len);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        strbuf_reset(&line);
        for (int i = 0; i < sqlite3_column_count(st); i++) {
            bool octets = sqlite3_column_type(st, i) == SQLITE_BLOB; /* before anything makes a text of it */
            const char *p = octets ? NULL : (const char *)sqlite3_column_text(st, i);

            if (i)
                strbuf_addc(&line, ',');
            if (octets) {
                const unsigned char *b = sqlite3_column_blob(st, i);

                for (int k = 0; k < sqlite3_column_bytes(st, i); k++)
                    strbuf_addf(&line, "%02x", b[k]);
            } else if (p) {
                csv_add(&line, (struct cell){ p, (size_t)sqlite3_column_bytes(st, i) }, ',');
            }
        }
        strbuf_addc(&line, '\n');
        out_raw(&m->pair->app->out, line.buf, line.len);
    }
    strbuf_release(&line);
    if (rc != SQLITE_DONE)
        err_set(reterr, EC_DB, "SQL: %s", sqlite3_errmsg(db));
    sqlite3_finalize(st);
    return rc == SQLITE_DONE ? EC_OK : EC_DB;
}

enum ec cmd_sql(struct app *app, struct err *reterr)
{
    const char *sql =
        app->opt->n_args > 1
            ? app->opt->args[1]
            : "select name, type from (select name, type from main.sqlite_schema union select name, 'view' "
              "from temp.sqlite_schema) where type in ('table', 'view') and name not like 'sqlite_%' order by "
              "name";
    struct pair *p = NULL;
    struct map_ctx *m;
    struct strbuf notes = STRBUF(0);
    enum ec rc = pair_open(app, PAIR_CACHED | PAIR_STATE | PAIR_GAPS_OK, app->opt->n_args, &p, reterr);

    if (rc)
        return rc;
    m = pair_map(p, app->opt->args[0]);
    if (!m)
        rc = err_set(reterr, EC_USAGE, "no map '%s' in this workspace", app->opt->args[0]);
    else if (!m->state)
        rc = err_set(reterr, EC_STATE, "map '%s' has no state yet", m->cfg->alias);
    else
        rc = sql_views_open(store_handle(m->state), &notes, reterr);
    if (!rc && notes.len)
        out_warn(&app->out, "%.*s", (int)notes.len - 1, notes.buf);
    if (!rc)
        rc = run_query(m, sql, reterr);
    strbuf_release(&notes);
    pair_close(p);
    return rc;
}

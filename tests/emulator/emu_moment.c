/*
 * emu_moment.c -- environments that are put back: a side as it was at a saved moment, and an F&O database that was copied over from
 * another environment (its rows stay here, projects, executions and positions are gone).
 */
#include "emu_dv.h"
#include "emu_store.h"

#include <stdio.h>
#include <string.h>

static void run(struct emu *e, const char *sql)
{
    if (sqlite3_exec(e->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bug_abort(__FILE__, __LINE__, sqlite3_errmsg(e->db));
}

static void all_tables(struct emu *e, const char *like, bool restore)
{
    struct strbuf sql = { 0 };
    sqlite3_stmt *s = NULL;

    if (sqlite3_prepare_v2(
            e->db, "select name from sqlite_master where type = 'table' and name like ?1 escape '\\' order by 1", -1,
            &s, NULL) != SQLITE_OK)
        bug_abort(__FILE__, __LINE__, sqlite3_errmsg(e->db));
    sqlite3_bind_text(s, 1, like, -1, SQLITE_STATIC);
    while (sqlite3_step(s) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(s, 0);

        if (restore)
            strbuf_addf(&sql, "delete from \"%s\"; insert into \"%s\" select * from \"moment %s\";", name, name,
                        name);
        else
            strbuf_addf(&sql,
                        "drop table if exists \"moment %s\"; create table \"moment %s\" as select * from \"%s\";",
                        name, name, name);
    }
    sqlite3_finalize(s);
    run(e, strbuf_str(&sql));
    strbuf_release(&sql);
}

bool emu_moment(struct emu *e, const char *side, const char *what, char *msg, size_t msg_size)
{
    bool fno = side && !strcmp(side, "fno"), dv = side && !strcmp(side, "dataverse");
    bool save = what && !strcmp(what, "save"), restore = what && !strcmp(what, "restore");

    if (fno && what && !strcmp(what, "refresh")) {
        run(e, "delete from dmf_project; delete from dmf_line; delete from dmf_position; delete from dmf_job; delete "
               "from "
               "dmf_job_entity;");
        return true;
    }
    if ((!fno && !dv) || (!save && !restore)) {
        snprintf(msg, msg_size, "{\"side\":\"fno|dataverse\",\"do\":\"save|restore\"}, for fno also \"refresh\"");
        return false;
    }
    all_tables(e, fno ? "fno\\_%" : "dv\\_%", restore);
    if (fno)
        all_tables(e, "dmf\\_%", restore);
    else if (restore)
        dv_find_version(e);
    return true;
}

char *emu_recomputed(struct arena *a, const char *value, int64_t how, bool fno)
{
    char *v = arena_printf(a, "%s%s", value, how == 2 ? (fno ? "+" : "~") : "");

    for (char *p = v; how == 1 && *p; p++) {
        if (!fno && *p >= 'a' && *p <= 'z')
            *p = (char)(*p - 32);
        if (fno && *p >= 'A' && *p <= 'Z')
            *p = (char)(*p + 32);
    }
    return v;
}

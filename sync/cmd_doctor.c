/* cmd_doctor.c -- every check a support engineer would ask for, each with what to do about it. */
#include "base/clock.h"
#include "base/file.h"
#include "dv/dv.h"
#include "erp/odata.h"
#include "loader/public/source.h"
#include "sync/sync_commands.h"

#include <stdio.h>
#include <zstd.h>

struct checking {
    struct app *app;
    struct json *list;
    size_t failed;
};

static void result(struct checking *c, const char *what, bool fine, const char *text, const char *todo)
{
    struct output *o = &c->app->out;
    struct json *v = out_object(o, c->list, NULL);

    out_str(o, v, "check", what);
    out_bool(o, v, "ok", fine);
    out_str(o, v, "text", text);
    out_str(o, v, "todo", fine ? NULL : todo);
    out_line(o, "%s  %-28s %s", fine ? "ok  " : "FAIL", what, text);
    if (!fine && todo && todo[0])
        out_line(o, "      -> %s", todo);
    c->failed += !fine;
}

static void failed(struct checking *c, const char *what, const struct err *e)
{
    result(c, what, false, e->msg, e->hint);
}

static void check_machine(struct checking *c)
{
    struct arena a = { 0 };
    int64_t left = disk_free(c->app->ws.dir);

    result(c, "disk", left < 0 || left > (1 << 30),
           arena_printf(&a, "%lld MiB free in the workspace's file system", (long long)(left >> 20)),
           "free some space: packages and snapshots of a large load need several times its source files");
    result(c, "libraries", true, arena_printf(&a, "sqlite %s, zstd %s", sqlite3_libversion(), ZSTD_versionString()),
           NULL);
    arena_release(&a);
}

static void check_fno(struct checking *c)
{
    struct arena a = { 0 };
    struct session_stats st;
    struct err e = { 0 };
    char *version = NULL;

    if (erp_version(c->app->erp, &a, &version, &e)) {
        failed(c, "F&O sign-in", &e);
    } else {
        result(c, "F&O sign-in", true, arena_printf(&a, "application version %s", version), NULL);
        session_stats(erp_session(c->app->erp), &st);
        result(c, "F&O clock", st.clock_skew_ms < 120000 && st.clock_skew_ms > -120000,
               arena_printf(&a, "%lld ms apart", (long long)st.clock_skew_ms),
               "set this machine's clock (NTP): signed URLs depend on it");
    }
    arena_release(&a);
}

static void check_dv(struct checking *c)
{
    struct arena a = { 0 };
    struct dv_whoami who;
    struct session_stats st;
    struct err e = { 0 };

    if (dv_whoami(c->app->dv, &who, &e)) {
        failed(c, "Dataverse sign-in", &e);
    } else {
        result(c, "Dataverse sign-in", true,
               arena_printf(&a, "user %s of organisation %s", who.user_id, who.organization_id), NULL);
        session_stats(dv_session(c->app->dv), &st);
        result(c, "Dataverse clock", st.clock_skew_ms < 120000 && st.clock_skew_ms > -120000,
               arena_printf(&a, "%lld ms apart", (long long)st.clock_skew_ms), "set this machine's clock (NTP)");
    }
    arena_release(&a);
}

static void check_companies(struct checking *c, struct pair *p)
{
    struct arena a = { 0 };
    struct err e = { 0 };

    if (pair_companies(p, &e)) {
        failed(c, "companies", &e);
        return;
    }
    for (size_t i = 0; i < p->n_companies; i++) {
        const struct pair_company *co = &p->companies[i];
        bool used = false;

        for (size_t k = 0; k < p->n; k++)
            used = used || (p->maps[k].b->striped && p->maps[k].b->n_companies &&
                            binding_company_wanted(p->maps[k].b, co->code));
        if (!used)
            continue;
        result(c, "company", !cell_absent(co->dv_id) && !cell_absent(co->team_id),
               arena_printf(&a, CELL_FMT ": %s", CELL_ARG(co->code),
                            cell_absent(co->dv_id)     ? "no row in cdm_companies"
                            : cell_absent(co->team_id) ? "no default owning team"
                                                       : "owning team is set"),
               cell_absent(co->dv_id)
                   ? "add it (create_companies = yes in the map of Legal entities lets migrate do it)"
                   : "set the company's default owning team in Dataverse");
    }
    arena_release(&a);
}

static void check_map(struct checking *c, struct map_ctx *m)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct source *s = NULL;
    struct strbuf caps = STRBUF(0);
    const struct dv_table *t = m->b->table;

    strbuf_addf(&caps, "F&O %s%s%s; Dataverse %s, change tracking %s; key by " CELL_FMT,
                m->b->entity->on_odata ? "OData " : "", m->b->entity->on_dmf ? "DMF " : "",
                m->b->entity->read_only ? "read-only" : "",
                t->create_multiple && t->update_multiple ? "bulk messages" : "$batch only",
                t->change_tracking ? "on" : "OFF", CELL_ARG(m->b->key_evidence));
    result(c, m->cfg->alias, t->change_tracking, caps.buf,
           "turn change tracking on for the table in Dataverse (table properties), or sync cannot follow it");
    strbuf_release(&caps);
    if (m->cfg->source) {
        if (source_open(m, &s, &e))
            failed(c, m->cfg->alias, &e);
        else
            result(c, m->cfg->alias, true, arena_printf(&a, "source %s: %zu columns bound", m->cfg->source, s->n),
                   NULL);
        source_close(s);
    }
    arena_release(&a);
}

static void check_maps(struct checking *c, struct pair *p)
{
    struct arena a = { 0 };
    struct err e = { 0 };

    for (size_t i = 0; i < p->n; i++)
        check_map(c, &p->maps[i]);
    for (size_t i = 0; i < p->deps.n_gaps; i++) {
        const struct deps_gap *g = &p->deps.gaps[i];

        result(c, "lookup", false,
               arena_printf(&a, CELL_FMT " of " CELL_FMT " has no map for " CELL_FMT, CELL_ARG(g->field),
                            CELL_ARG(g->b->map->name), CELL_ARG(g->target)),
               "add that map, or remove the field from a custom version of this one");
    }
    if (c->app->erp && c->app->dv) {
        check_companies(c, p);
        if (pair_check_not_running(p, &e))
            failed(c, "dual-write", &e);
        else
            result(c, "dual-write", true, "runs none of these maps", NULL);
    }
    arena_release(&a);
}

enum ec cmd_doctor(struct app *app, struct err *reterr)
{
    struct checking c = { .app = app, .list = out_array(&app->out, NULL, "checks") };
    bool offline = option_given(app, "--offline");
    struct pair *p = NULL;
    struct err e = { 0 };

    result(&c, "configuration", true, app->cfg.path, NULL);
    check_machine(&c);
    if (!offline) {
        check_fno(&c);
        check_dv(&c);
    }
    if (pair_open(app, (offline ? PAIR_CACHED : PAIR_LIVE) | PAIR_GAPS_OK, 0, &p, &e))
        failed(&c, "maps", &e);
    else
        check_maps(&c, p);
    pair_close(p);
    out_int(&app->out, NULL, "failed", (int64_t)c.failed);
    if (!c.failed)
        return EC_OK;
    return err_set(reterr, EC_CONFIG, "%zu check%s failed", c.failed, c.failed == 1 ? "" : "s");
}

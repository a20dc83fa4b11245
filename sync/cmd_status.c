/* cmd_status.c -- status: read-only, safe beside a working command. */
#include "base/clock.h"
#include "base/file.h"
#include "loader/public/pair.h"
#include "sync/sync_commands.h"
#include "sync/verdict.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Who holds the lock, if anybody: asked without taking it. */
static bool lock_holder(struct app *app, char *text, size_t n)
{
    struct arena a = { 0 };
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(workspace_path(&app->ws, &a, ".dmfsync/lock"), O_RDWR | O_CLOEXEC);
    bool held = fd >= 0 && fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
    ssize_t r = held ? pread(fd, text, n - 1, 0) : 0;

    text[r > 0 ? r : 0] = 0;
    if (fd >= 0)
        close(fd);
    arena_release(&a);
    return held;
}

static enum ec last_run(struct app *app, int64_t *ret_id, struct err *reterr)
{
    struct query *q = store_query(
        app->work, "select id, kind, state, started_at, coalesce(ended_at, '') from run order by id desc limit 1");
    enum ec rc;

    *ret_id = 0;
    if (query_step(q)) {
        struct json *v = out_object(&app->out, NULL, "run");

        *ret_id = query_get_int(q, 0);
        out_int(&app->out, v, "id", *ret_id);
        out_cell(&app->out, v, "kind", query_get_cell(q, 1));
        out_cell(&app->out, v, "state", query_get_cell(q, 2));
        out_cell(&app->out, v, "started_at", query_get_cell(q, 3));
        out_cell(&app->out, v, "ended_at", query_get_cell(q, 4));
        out_line(&app->out, "last run: %lld, %s, %s, begun %s%s%s", (long long)*ret_id, query_get_str(q, 1),
                 query_get_str(q, 2), query_get_str(q, 3), query_get_str(q, 4)[0] ? ", ended " : "",
                 query_get_str(q, 4));
    } else {
        out_line(&app->out, "nothing has run in this workspace yet");
    }
    rc = query_done(q, reterr);
    return rc;
}

static enum ec run_maps(struct app *app, int64_t run_id, struct err *reterr)
{
    static const char *const HEADERS[] = { "wave",     "map", "state",     "phase", "source", "landed",
                                           "rejected", "F&O", "Dataverse", "equal", "updated" };
    struct table *t = table_new(&app->out, HEADERS, COUNT(HEADERS), "rlllrrrrrrl");
    struct json *list = out_array(&app->out, NULL, "maps");
    struct query *q = store_query(
        app->work,
        "select alias, wave, state, phase, counts, updated_at from run_map where run_id = ?1 order by wave, alias");
    struct arena a = { 0 };

    query_int(q, 1, run_id);
    while (query_step(q)) {
        struct json *v = out_object(&app->out, list, NULL), *counts = NULL;
        struct cell text = query_get_cell(q, 4);
        static const char *const NAMES[] = { "source", "landed", "rejected", "fno_rows", "dataverse_rows", "equal" };

        arena_reset(&a);
        (void)json_parse("counts", text.ptr, text.len, NULL, &a, &counts, NULL);
        out_cell(&app->out, v, "map", query_get_cell(q, 0));
        out_int(&app->out, v, "wave", query_get_int(q, 1));
        out_cell(&app->out, v, "state", query_get_cell(q, 2));
        out_cell(&app->out, v, "phase", query_get_cell(q, 3));
        table_cell(t, "%lld", (long long)query_get_int(q, 1));
        table_cell(t, "%s", query_get_str(q, 0));
        table_cell(t, "%s", query_get_str(q, 2));
        table_cell(t, "%s", query_get_str(q, 3));
        for (size_t i = 0; i < COUNT(NAMES); i++) {
            int64_t n = json_i64(json_get(counts, NAMES[i]), 0);

            out_int(&app->out, v, NAMES[i], n);
            table_cell(t, "%lld", (long long)n);
        }
        out_cell(&app->out, v, "updated_at", query_get_cell(q, 5));
        table_cell(t, "%s", query_get_str(q, 5));
    }
    arena_release(&a);
    table_print(t);
    return query_done(q, reterr);
}

static enum ec gates(struct app *app, struct err *reterr)
{
    struct json *list = out_array(&app->out, NULL, "gates");
    struct query *q = store_query(
        app->work,
        "select g.alias, g.state, g.reason, v.verdict, v.checked_at from gate g left join verdict v on v.id = "
        "(select max(id) from verdict where alias = g.alias) order by 1");

    while (query_step(q)) {
        struct json *v = out_object(&app->out, list, NULL);

        out_cell(&app->out, v, "map", query_get_cell(q, 0));
        out_cell(&app->out, v, "gate", query_get_cell(q, 1));
        out_cell(&app->out, v, "reason", query_get_cell(q, 2));
        out_cell(&app->out, v, "verdict", query_get_cell(q, 3));
        out_cell(&app->out, v, "checked_at", query_get_cell(q, 4));
        out_line(&app->out, "%s: gate %s (%s), last verdict %s of %s", query_get_str(q, 0), query_get_str(q, 1),
                 query_get_str(q, 2), query_get_str(q, 3), query_get_str(q, 4));
    }
    return query_done(q, reterr);
}

/* How sync fares with a map: its last round, how old the oldest change not yet applied is, sums since the gate was opened. */
static enum ec sync_state(struct app *app, struct json *list, const char *alias, struct store *s, struct err *reterr)
{
    static const char *const NUMBERS[] = { "took_ms", "written",      "lag_ms", "lag_max_ms", "rounds",
                                           "to_fno",  "to_dataverse", "echoes", "conflicts",  "deletes" };
    struct query *q =
        store_query(s, "select value, coalesce((select min(at) from pending where state in ('new', 'sending')), "
                       "''), coalesce((select count(*) from pending where state in ('new', 'sending')), 0) from "
                       "setting where name = 'sync_last'");
    struct arena a = { 0 };
    struct json *last = NULL, *v;
    int64_t at = 0, age, took, written;

    if (query_step(q)) {
        struct cell text = query_get_cell(q, 0), oldest = query_get_cell(q, 1);

        (void)json_parse("sync_last", text.ptr, text.len, NULL, &a, &last, NULL);
        v = out_object(&app->out, list, NULL);
        out_str(&app->out, v, "map", alias);
        out_cell(&app->out, v, "at", json_member(last, "at"));
        for (size_t i = 0; i < COUNT(NUMBERS); i++)
            out_int(&app->out, v, NUMBERS[i], json_i64(json_get(last, NUMBERS[i]), 0));
        out_int(&app->out, v, "backlog", query_get_int(q, 2));
        age = oldest.len && clock_parse_utc(oldest.ptr, oldest.len, &at) ? clock_utc_ms() - at : 0;
        out_int(&app->out, v, "oldest_ms", age);
        out_cell(&app->out, v, "error", json_member(last, "error"));
        took = json_i64(json_get(last, "took_ms"), 0);
        written = json_i64(json_get(last, "written"), 0);
        out_line(
            &app->out,
            "%s: last sync " CELL_FMT
            ", %lld written%s, lag %lld ms (at most %lld), backlog %lld; in all %lld to F&O, %lld to "
            "Dataverse, %lld echoes, %lld conflicts%s" CELL_FMT,
            alias, CELL_ARG(json_member(last, "at")), (long long)written,
            took > 0 && written
                ? cell_cstr(&a, cell_printf(&a, " (%.1f a second)", (double)written * 1000 / (double)took))
                : "",
            (long long)json_i64(json_get(last, "lag_ms"), 0), (long long)json_i64(json_get(last, "lag_max_ms"), 0),
            (long long)query_get_int(q, 2), (long long)json_i64(json_get(last, "to_fno"), 0),
            (long long)json_i64(json_get(last, "to_dataverse"), 0), (long long)json_i64(json_get(last, "echoes"), 0),
            (long long)json_i64(json_get(last, "conflicts"), 0),
            cell_blank(json_member(last, "error")) ? "" : "; failed: ", CELL_ARG(json_member(last, "error")));
    }
    arena_release(&a);
    return query_done(q, reterr);
}

/* What waits in each map's state; a map that has none yet is left out. */
static enum ec waiting(struct app *app, struct err *reterr)
{
    struct json *list = out_array(&app->out, NULL, "waiting"), *syncs = out_array(&app->out, NULL, "sync");
    enum ec rc = EC_OK;

    for (size_t i = 0; i < app->cfg.n_maps && !rc; i++) {
        struct arena a = { 0 };
        char *path = workspace_path(&app->ws, &a, ".dmfsync/maps/%s/state.db", app->cfg.maps[i].alias);
        struct store *s = NULL;
        struct query *q;

        if (file_exists(path) && !(rc = store_open(path, STORE_READ, &STATE_SCHEMA, &s, reterr))) {
            q = store_query(s, "select count(*) filter (where state in ('new', 'sending')), count(*) filter (where "
                               "state = 'parked'), count(*) filter "
                               "(where state = 'conflict'), count(*) filter (where state = 'poison') from pending");
            if (query_step(q) &&
                (query_get_int(q, 0) || query_get_int(q, 1) || query_get_int(q, 2) || query_get_int(q, 3))) {
                struct json *v = out_object(&app->out, list, NULL);

                out_str(&app->out, v, "map", app->cfg.maps[i].alias);
                out_int(&app->out, v, "pending", query_get_int(q, 0));
                out_int(&app->out, v, "parked", query_get_int(q, 1));
                out_int(&app->out, v, "conflicts", query_get_int(q, 2));
                out_int(&app->out, v, "poison", query_get_int(q, 3));
                out_line(&app->out, "%s: %lld changes to apply, %lld parked, %lld conflicts, %lld refused",
                         app->cfg.maps[i].alias, (long long)query_get_int(q, 0), (long long)query_get_int(q, 1),
                         (long long)query_get_int(q, 2), (long long)query_get_int(q, 3));
            }
            rc = query_done(q, reterr);
            if (!rc)
                rc = sync_state(app, syncs, app->cfg.maps[i].alias, s, reterr);
        }
        store_close(s);
        arena_release(&a);
    }
    return rc;
}

/* What the working process last said of itself; nothing when it has said nothing yet. */
static void progress_of(struct app *app)
{
    struct arena a = { 0 };
    struct strbuf text = STRBUF(0);
    struct json *v = NULL, *list, *o;
    const struct json *waits;

    if (file_read(workspace_path(&app->ws, &a, ".dmfsync/progress.json"), 1 << 20, &text, NULL) ||
        json_parse("progress", strbuf_str(&text), text.len, NULL, &a, &v, NULL))
        goto out;
    list = out_array(&app->out, NULL, "progress");
    for (const struct json *m = json_get(v, "maps") ? json_get(v, "maps")->child : NULL; m; m = m->next) {
        int64_t done = json_i64(json_get(m, "done"), -1), total = json_i64(json_get(m, "total"), -1);
        struct cell why = json_member(m, "why");

        o = out_object(&app->out, list, NULL);
        out_cell(&app->out, o, "map", json_member(m, "map"));
        out_cell(&app->out, o, "phase", json_member(m, "phase"));
        out_int(&app->out, o, "done", done);
        out_int(&app->out, o, "total", total);
        out_cell(&app->out, o, "why", why);
        out_line(&app->out, "  " CELL_FMT ": " CELL_FMT "%s%s%s" CELL_FMT, CELL_ARG(json_member(m, "map")),
                 CELL_ARG(json_member(m, "phase")), done >= 0 ? arena_printf(&a, " %lld", (long long)done) : "",
                 done >= 0 && total >= 0 ? arena_printf(&a, " of %lld", (long long)total) : "",
                 cell_blank(why) ? "" : ", waiting: ", CELL_ARG(cell_blank(why) ? CELL_LIT("") : why));
    }
    waits = json_get(v, "waiting");
    if (waits) {
        struct cell until = json_member(waits, "until");

        o = out_object(&app->out, NULL, "waits");
        out_cell(&app->out, o, "why", json_member(waits, "why"));
        out_cell(&app->out, o, "until", until);
        out_line(&app->out, "  waiting: " CELL_FMT "%s" CELL_FMT, CELL_ARG(json_member(waits, "why")),
                 cell_blank(until) ? "" : ", until ", CELL_ARG(cell_blank(until) ? CELL_LIT("") : until));
    }
out:
    strbuf_release(&text);
    arena_release(&a);
}

enum ec cmd_status(struct app *app, struct err *reterr)
{
    char holder[600];
    bool held = lock_holder(app, holder, sizeof(holder));
    int64_t run_id = 0;
    enum ec rc = EC_OK;

    out_bool(&app->out, NULL, "working", held);
    out_str(&app->out, NULL, "holder", held ? holder : NULL);
    out_line(&app->out, "%s%s", held ? "at work: " : "no command is at work", held ? holder : "");
    if (held)
        progress_of(app);
    if (!app->work)
        return EC_OK;
    rc = last_run(app, &run_id, reterr);
    if (!rc && run_id)
        rc = run_maps(app, run_id, reterr);
    if (!rc)
        rc = gates(app, reterr);
    return rc ? rc : waiting(app, reterr);
}

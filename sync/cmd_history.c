/* cmd_history.c -- runs and verdicts over time, with the trend of each map. Reads only. */
#include "base/clock.h"
#include "sync/report.h"
#include "sync/sync_commands.h"

enum { TREND_DAYS = 30 };

static enum ec runs(struct app *app, const char *from, struct err *reterr)
{
    struct json *list = out_array(&app->out, NULL, "runs");
    struct query *q =
        store_query(app->work, "select id, kind, command, state, started_at, coalesce(ended_at, '') from run where "
                               "started_at >= ?1 order by id");

    query_str(q, 1, from);
    while (query_step(q)) {
        struct json *v = out_object(&app->out, list, NULL);

        out_int(&app->out, v, "id", query_get_int(q, 0));
        out_cell(&app->out, v, "kind", query_get_cell(q, 1));
        out_cell(&app->out, v, "state", query_get_cell(q, 3));
        out_cell(&app->out, v, "started_at", query_get_cell(q, 4));
        out_cell(&app->out, v, "ended_at", query_get_cell(q, 5));
        out_line(&app->out, "%s  run %lld  %s  %s  %s", query_get_str(q, 4), (long long)query_get_int(q, 0),
                 query_get_str(q, 1), query_get_str(q, 3), query_get_str(q, 5));
    }
    return query_done(q, reterr);
}

static enum ec verdicts(struct app *app, const char *alias, const char *from, struct err *reterr)
{
    static const char *const HEADERS[] = { "checked at (UTC)", "map",      "verdict",        "keys",   "equal",
                                           "differ",           "only F&O", "only Dataverse", "waiting" };
    static const char *const NAMES[] = { "keys", "equal", "differ", "only_fno", "only_dataverse", "waiting" };
    struct table *t = table_new(&app->out, HEADERS, COUNT(HEADERS), "lllrrrrrr");
    struct json *list = out_array(&app->out, NULL, "verdicts");
    struct query *q = store_query(
        app->work,
        "select checked_at, alias, verdict, json_extract(data, '$.keys'), json_extract(data, '$.equal'), "
        "json_extract(data, '$.differ'), json_extract(data, '$.only_fno'), json_extract(data, '$.only_dataverse'), "
        "json_extract(data, '$.waiting') from verdict where (?1 is null or alias = ?1) and checked_at >= ?2 and "
        "json_valid(data) order by id");

    query_str(q, 1, alias);
    query_str(q, 2, from);
    while (query_step(q)) {
        struct json *v = out_object(&app->out, list, NULL);

        out_cell(&app->out, v, "checked_at", query_get_cell(q, 0));
        out_cell(&app->out, v, "map", query_get_cell(q, 1));
        out_cell(&app->out, v, "verdict", query_get_cell(q, 2));
        for (int i = 0; i < 3; i++)
            table_cell(t, "%s", query_get_str(q, i));
        for (int i = 0; i < (int)COUNT(NAMES); i++) {
            out_int(&app->out, v, NAMES[i], query_get_int(q, 3 + i));
            table_cell(t, "%lld", (long long)query_get_int(q, 3 + i));
        }
    }
    table_print(t);
    return query_done(q, reterr);
}

/* "==*==?=.": a sign a day, the last is today. */
static void trend(struct app *app, struct report *r, struct report_map *m, struct json *list)
{
    struct json *v = out_object(&app->out, list, NULL);
    char strip[TREND_DAYS + 1], since[32] = "";
    size_t green = 0, red = 0;

    for (size_t i = 0; i < r->n_days; i++) {
        int word = m->days[i].word;

        strip[i] = word == VERDICT_PARITY ? '=' : word == VERDICT_DRIFT ? '*' : word == VERDICT_UNKNOWN ? '?' : '.';
        green += word == VERDICT_PARITY;
        red += word == VERDICT_DRIFT;
    }
    strip[r->n_days] = 0;
    if (m->since_ms)
        clock_format_utc(m->since_ms, since);
    out_str(&app->out, v, "map", m->alias);
    out_str(&app->out, v, "days", strip);
    out_int(&app->out, v, "parity_days", (int64_t)green);
    out_int(&app->out, v, "drift_days", (int64_t)red);
    out_str(&app->out, v, "verdict", m->has_verdict ? verdict_name(m->word) : NULL);
    out_str(&app->out, v, "since", since[0] ? since : NULL);
    if (m->has_verdict)
        out_line(&app->out, "%s  %s  %s since %s", strip, m->alias, verdict_name(m->word),
                 since[0] ? since : m->checked_at);
    else
        out_line(&app->out, "%s  %s  never compared", strip, m->alias);
}

enum ec cmd_history(struct app *app, struct err *reterr)
{
    const struct config_map *map = NULL;
    struct json *list;
    struct report r;
    int64_t days;
    char from[32] = "";
    enum ec rc = option_int(app, "--days", 0, 0, 36600, &days, reterr);

    if (!rc && app->opt->n_args) {
        map = config_map_find(&app->cfg, app->opt->args[0]);
        if (!map)
            rc = err_set(reterr, EC_USAGE, "there is no map '%s' in dmfsync.ini", app->opt->args[0]);
    }
    if (rc || !app->work)
        return rc;
    if (days)
        clock_format_utc(clock_utc_ms() - days * REPORT_DAY_MS, from);
    if (!map)
        rc = runs(app, from, reterr);
    if (!rc)
        rc = verdicts(app, map ? map->alias : NULL, from, reterr);
    if (!rc)
        rc = report_gather(app, TREND_DAYS, &r, reterr);
    if (rc)
        return rc;
    list = out_array(&app->out, NULL, "trend");
    out_line(&app->out, "the last %d days, '=' parity, '*' drift, '?' unknown, '.' not compared:", TREND_DAYS);
    for (size_t i = 0; i < r.n_maps; i++)
        if (!map || !strcmp(map->alias, r.maps[i].alias))
            trend(app, &r, &r.maps[i], list);
    report_release(&r);
    return EC_OK;
}

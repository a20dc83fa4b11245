/* report_data.c -- what the catalog knows: verdicts, gates, runs, calls to the services. Reads only. */
#include "base/clock.h"
#include "sync/report.h"

#include <stdio.h>

int64_t report_drift(const struct report_counts *n)
{
    return n->differ + n->only_fno + n->only_dataverse + n->errors;
}

void report_day_name(int64_t day, char ret[static 16])
{
    int64_t y;
    unsigned m, d;

    civil_from_days(day, &y, &m, &d);
    snprintf(ret, 16, "%04d-%02u-%02u", (int)y % 10000, m % 100, d % 100);
}

bool report_has_table(struct store *s, const char *name)
{
    struct query *q = store_query(s, "select 1 from sqlite_master where type in ('table', 'view') and name = ?1");
    bool yes;

    query_str(q, 1, name);
    yes = query_step(q);
    return !query_done(q, NULL) && yes;
}

int64_t report_time(struct cell c)
{
    int64_t ms = 0;

    return clock_parse_utc(c.ptr ? c.ptr : "", c.len, &ms) ? ms : 0;
}

static void counts_of(const struct json *v, struct report_counts *n)
{
    static const struct {
        const char *name;
        size_t at;
    } MEMBERS[] = { { "fno_rows", offsetof(struct report_counts, fno_rows) },
                    { "dataverse_rows", offsetof(struct report_counts, dataverse_rows) },
                    { "keys", offsetof(struct report_counts, keys) },
                    { "equal", offsetof(struct report_counts, equal) },
                    { "differ", offsetof(struct report_counts, differ) },
                    { "only_fno", offsetof(struct report_counts, only_fno) },
                    { "only_dataverse", offsetof(struct report_counts, only_dataverse) },
                    { "waiting", offsetof(struct report_counts, waiting) },
                    { "waived", offsetof(struct report_counts, waived) },
                    { "in_flight", offsetof(struct report_counts, in_flight) },
                    { "errors", offsetof(struct report_counts, errors) },
                    { "excluded_fno", offsetof(struct report_counts, excluded_fno) },
                    { "excluded_dataverse", offsetof(struct report_counts, excluded_dataverse) } };
    struct cell a = json_member(v, "fno_digest"), b = json_member(v, "dataverse_digest");

    *n = (struct report_counts){ .same_digest = !cell_blank(a) && cell_eq(a, b) };
    for (size_t i = 0; i < COUNT(MEMBERS); i++)
        *(int64_t *)((char *)n + MEMBERS[i].at) = json_i64(json_get(v, MEMBERS[i].name), 0);
}

/* The last verdict as `parity --json` gave it. A text that is no JSON any more leaves the counts at nothing. */
static void take_verdict(struct report *r, struct report_map *m, struct cell data)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    const struct json *list;

    if (json_parse("a verdict", data.ptr, data.len, NULL, &a, &v, NULL) == EC_OK) {
        counts_of(v, &m->n);
        list = json_get(v, "companies");
        m->companies = arena_zalloc(&r->arena, ((list ? list->n : 0) + 1) * sizeof(*m->companies));
        for (const struct json *c = list ? list->child : NULL; c && m->n_companies < REPORT_COMPANIES; c = c->next) {
            struct report_company *x = &m->companies[m->n_companies++];

            x->company = cell_cstr(&r->arena, json_member(c, "company"));
            counts_of(c, &x->n);
        }
        if (!cell_blank(json_member(v, "map")))
            m->name = cell_cstr(&r->arena, json_member(v, "map"));
    }
    arena_release(&a);
}

static enum ec last_verdict(struct report *r, struct report_map *m, struct err *reterr)
{
    struct store *s = r->app->work;
    struct query *q =
        store_query(s, "select verdict, checked_at, data from verdict where alias = ?1 order by id desc limit 1");
    enum ec rc;

    query_str(q, 1, m->alias);
    if (query_step(q)) {
        m->has_verdict = true;
        m->word = verdict_word_of(query_get_cell(q, 0));
        snprintf(m->checked_at, sizeof(m->checked_at), "%s", query_get_str(q, 1));
        m->checked_ms = report_time(query_get_cell(q, 1));
        m->stale = r->now_ms - m->checked_ms > r->app->cfg.verdict_max_age_ms;
        take_verdict(r, m, query_get_cell(q, 2));
    }
    rc = query_done(q, reterr);
    if (rc || !m->has_verdict)
        return rc;
    q = store_query(s, "select max(checked_at) from verdict where alias = ?1 and verdict = 'parity'");
    query_str(q, 1, m->alias);
    if (query_step(q))
        m->green_ms = report_time(query_get_cell(q, 0));
    rc = query_done(q, reterr);
    if (rc)
        return rc;
    q = store_query(
        s, "select min(checked_at) from verdict where alias = ?1 and id > coalesce((select max(id) from verdict "
           "where alias = ?1 and verdict <> ?2), 0)");
    query_str(q, 1, m->alias);
    query_str(q, 2, verdict_name(m->word));
    if (query_step(q))
        m->since_ms = report_time(query_get_cell(q, 0));
    return query_done(q, reterr);
}

static int rank(int word)
{
    return word == VERDICT_DRIFT ? 3 : word == VERDICT_UNKNOWN ? 2 : word == VERDICT_PARITY ? 1 : 0;
}

static enum ec days(struct report *r, struct report_map *m, struct err *reterr)
{
    struct query *q = store_query(
        r->app->work,
        "select verdict, checked_at, coalesce(json_extract(data, '$.differ'), 0) + coalesce(json_extract(data, "
        "'$.only_fno'), 0) + coalesce(json_extract(data, '$.only_dataverse'), 0) + coalesce(json_extract(data, "
        "'$.errors'), 0) from verdict where alias = ?1 and checked_at >= ?2 and json_valid(data)");
    char from[32];

    m->days = arena_zalloc(&r->arena, (r->n_days + 1) * sizeof(*m->days));
    for (size_t i = 0; i < r->n_days; i++)
        m->days[i].word = -1;
    clock_format_utc(r->first_day * REPORT_DAY_MS, from);
    query_str(q, 1, m->alias);
    query_str(q, 2, from);
    while (query_step(q)) {
        int64_t day = report_time(query_get_cell(q, 1)) / REPORT_DAY_MS - r->first_day, drift = query_get_int(q, 2);
        struct report_day *d;
        int word = (int)verdict_word_of(query_get_cell(q, 0));

        if (day < 0 || day >= (int64_t)r->n_days) /* a clock that was wrong once */
            continue;
        d = &m->days[day];
        d->verdicts++;
        if (rank(word) > rank(d->word))
            d->word = word;
        if (drift > d->drift)
            d->drift = drift;
    }
    return query_done(q, reterr);
}

static enum ec gate(struct report *r, struct report_map *m, struct err *reterr)
{
    struct query *q = store_query(r->app->work, "select state, reason from gate where alias = ?1");

    m->gate = "never opened";
    m->gate_reason = "";
    query_str(q, 1, m->alias);
    if (query_step(q)) {
        m->gate = arena_strdup(&r->arena, query_get_str(q, 0));
        m->gate_reason = arena_strdup(&r->arena, query_get_str(q, 1));
    }
    return query_done(q, reterr);
}

static enum ec runs(struct report *r, struct err *reterr)
{
    struct query *q =
        store_query(r->app->work, "select id, kind, state, started_at, ended_at from run order by id desc limit ?1");

    r->runs = arena_zalloc(&r->arena, REPORT_RUNS * sizeof(*r->runs));
    query_int(q, 1, REPORT_RUNS);
    while (query_step(q) && r->n_runs < REPORT_RUNS) {
        struct report_run *x = &r->runs[r->n_runs++];

        x->id = query_get_int(q, 0);
        x->kind = arena_strdup(&r->arena, query_get_str(q, 1));
        x->state = arena_strdup(&r->arena, query_get_str(q, 2));
        x->started_ms = report_time(query_get_cell(q, 3));
        x->ended_ms = report_time(query_get_cell(q, 4));
    }
    return query_done(q, reterr);
}

static void add_call_counts(struct report_activity *sum, const struct report_activity *x)
{
    for (int i = 0; i < 2; i++) {
        sum->calls[i] += x->calls[i];
        sum->retries[i] += x->retries[i];
        sum->throttled[i] += x->throttled[i];
        sum->waited_ms[i] += x->waited_ms[i];
        sum->octets[i] += x->octets[i];
    }
}

static enum ec activity(struct report *r, struct err *reterr)
{
    struct query *q;
    char from[32];

    r->service_days = arena_zalloc(&r->arena, (r->n_days + 1) * sizeof(*r->service_days));
    r->activity = arena_zalloc(&r->arena, REPORT_RUNS * sizeof(*r->activity));
    if (!report_has_table(r->app->work, "activity"))
        return EC_OK;
    clock_format_utc(r->first_day * REPORT_DAY_MS, from);
    q = store_query(
        r->app->work,
        "select command, started_at, ended_at, status, fno_calls, dataverse_calls, fno_retries, "
        "dataverse_retries, fno_throttled, dataverse_throttled, fno_waited_ms, dataverse_waited_ms, fno_octets, "
        "dataverse_octets from activity where started_at >= ?1 order by id desc");
    query_str(q, 1, from);
    while (query_step(q)) {
        struct report_activity x = { .started_ms = report_time(query_get_cell(q, 1)),
                                     .ended_ms = report_time(query_get_cell(q, 2)),
                                     .status = query_get_int(q, 3) };
        int64_t day = x.started_ms / REPORT_DAY_MS - r->first_day;

        for (int i = 0; i < 2; i++) {
            x.calls[i] = query_get_int(q, 4 + i);
            x.retries[i] = query_get_int(q, 6 + i);
            x.throttled[i] = query_get_int(q, 8 + i);
            x.waited_ms[i] = query_get_int(q, 10 + i);
            x.octets[i] = query_get_int(q, 12 + i);
            if (day >= 0 && day < (int64_t)r->n_days) {
                r->service_days[day].calls[i] += x.calls[i];
                r->service_days[day].throttled[i] += x.throttled[i];
                r->service_days[day].waited_ms[i] += x.waited_ms[i];
            }
        }
        add_call_counts(&r->total, &x);
        if (r->n_activity < REPORT_RUNS) {
            x.command = arena_strdup(&r->arena, query_get_str(q, 0));
            r->activity[r->n_activity++] = x;
        }
    }
    return query_done(q, reterr);
}

enum ec report_gather(struct app *app, size_t n_days, struct report *ret, struct err *reterr)
{
    struct report_causes *causes;
    struct report *r = ret;
    enum ec rc = EC_OK;

    *r = (struct report){ .app = app, .now_ms = clock_utc_ms(), .n_days = n_days };
    r->first_day = r->now_ms / REPORT_DAY_MS - (int64_t)n_days + 1;
    r->n_maps = app->cfg.n_maps;
    r->maps = arena_zalloc(&r->arena, (r->n_maps + 1) * sizeof(*r->maps));
    causes = report_causes_new(r);
    for (size_t i = 0; i < r->n_maps && !rc; i++) {
        struct report_map *m = &r->maps[i];
        struct arena a = { 0 };
        char *path;
        struct store *s = NULL;

        m->alias = app->cfg.maps[i].alias;
        m->name = app->cfg.maps[i].name ? app->cfg.maps[i].name : m->alias;
        rc = last_verdict(r, m, reterr);
        if (!rc)
            rc = days(r, m, reterr);
        if (!rc)
            rc = gate(r, m, reterr);
        path = workspace_path(&app->ws, &a, ".dmfsync/maps/%s/state.db", m->alias);
        if (!rc && file_exists(path) && !(rc = store_open(path, STORE_READ, &STATE_SCHEMA, &s, reterr))) {
            rc = report_state(r, m, s, reterr);
            if (!rc)
                rc = report_causes_add(causes, s, m, reterr);
        }
        store_close(s);
        arena_release(&a);
    }
    if (!rc)
        rc = runs(r, reterr);
    if (!rc)
        rc = activity(r, reterr);
    report_causes_end(causes);
    if (rc)
        report_release(r);
    return rc;
}

void report_release(struct report *r)
{
    arena_release(&r->arena);
    *r = (struct report){ 0 };
}

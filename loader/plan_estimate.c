/*
 * plan_estimate.c -- how much and how long, from the source files and from what earlier runs measured here.
 *
 * Where nothing was measured yet, the defaults are: F&O imports 10 rows a second and lane, one lane per legal entity (row-by-row
 * entities run at 5 to 20; Microsoft publishes no figure, so this is a reading of reports), 25 s for each package (batch pick-up
 * and one entity); Dataverse 1,000,000 rows an hour and application user with bulk messages ("Bulk operations", and
 * measurements between 200 and 400 rows a second); 16 Mbit a second of upload (--upload says what the line really has).
 */
#include "base/clock.h"
#include "erp/odata.h"
#include "loader/plan.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FNO_ROWS_PER_S = 10,
    FNO_PACKAGE_S = 25,
    DV_ROWS_PER_S = 1000000 / 3600,
    DV_ROWS_PER_CALL = 500, /* between the first call's 100 and the ceiling of 1,000 */
    PAGE_ROWS = 5000,
    UPLOAD_BLOCK = 16 << 20, /* what a package beyond 64 MiB is cut into */
    SAMPLE = 1 << 20,
    PERCENT_OF_SOURCE = 30 /* a zip of UTF-16 text, seen from the octets of the CSV file */
};

/* ---- rows ---- */

static int64_t stated_rows(const struct plan *pl, const struct plan_map *pm)
{
    const struct options *o = pl->app->opt;
    int64_t rows = -1, n;

    for (size_t i = 0; i < o->n_own; i++) {
        const char *at = strchr(o->own[i].value, '=');
        struct cell name = { o->own[i].value, at ? (size_t)(at - o->own[i].value) : 0 };

        if (strcmp(o->own[i].name, "--rows") || !cell_to_i64(cell_of(at ? at + 1 : o->own[i].value), &n))
            continue;
        if (!at || cell_ieq(name, cell_of(pm->m->cfg->alias)) || cell_ieq(name, pm->m->map->name))
            rows = n;
    }
    return rows;
}

/* Rows of the load that read this very file; -1 = none did. */
static int64_t counted_rows(const struct plan_map *pm, const struct stat *st)
{
    struct query *q;
    int64_t rows = -1;

    if (!pm->m->state)
        return -1;
    q = store_query(pm->m->state,
                    "select rows from load where octets = ?1 and mtime_ns = ?2 order by run_id desc limit 1");
    query_int(q, 1, (int64_t)st->st_size);
    query_int(q, 2, (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec);
    if (query_step(q))
        rows = query_get_int(q, 0);
    (void)query_done(q, NULL);
    return rows;
}

/* Line feeds of the first MiB, carried over to the whole file; the header is no row. */
static int64_t guessed_rows(const char *path, int64_t octets)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *buf = xmalloc(SAMPLE);
    ssize_t n = fd >= 0 ? read(fd, buf, SAMPLE) : -1;
    int64_t lines = 0, rows = -1;

    for (ssize_t i = 0; i < n; i++)
        lines += buf[i] == '\n';
    if (n > 0 && (int64_t)n >= octets)
        rows = lines + (buf[n - 1] != '\n') - 1;
    else if (n > 0 && lines)
        rows = (int64_t)((double)octets / (double)n * (double)lines) - 1;
    free(buf);
    if (fd >= 0)
        close(fd);
    return rows < 0 && n >= 0 ? 0 : rows;
}

static int64_t fno_rows(const struct plan *pl, const struct plan_map *pm)
{
    const struct binding *b = pm->m->b;
    int64_t sum = 0, n = 0;

    if (!pl->app->erp || !b->entity->on_odata)
        return -1;
    if (!b->striped || !b->n_companies)
        return erp_count(pl->app->erp, b->entity, CELL_ABSENT, &sum, NULL) ? -1 : sum;
    for (size_t i = 0; i < b->n_companies; i++) {
        if (erp_count(pl->app->erp, b->entity, b->companies[i], &n, NULL))
            return -1;
        sum += n;
    }
    return sum;
}

static void find_rows(struct plan *pl, struct plan_map *pm)
{
    struct arena *a = &pl->arena;
    const char *path = pm->m->cfg->source ? workspace_path(&pl->app->ws, a, "%s", pm->m->cfg->source) : NULL;
    struct stat st;

    pm->octets = path && !stat(path, &st) ? (int64_t)st.st_size : -1;
    if (pm->octets > 0) {
        int64_t lines = guessed_rows(path, pm->octets);

        pm->row_octets = lines > 0 ? pm->octets / lines : pm->octets;
    }
    pm->rows = stated_rows(pl, pm);
    pm->rows_from = "--rows";
    if (pm->rows >= 0)
        return;
    if (pm->octets >= 0) {
        pm->rows = counted_rows(pm, &st);
        pm->rows_from = "counted by an earlier run";
        if (pm->rows < 0) {
            pm->rows = guessed_rows(path, pm->octets);
            pm->rows_from = pm->octets <= SAMPLE ? "lines of the source file" : "guessed from the first MiB";
        }
    } else if (!path) {
        pm->rows = fno_rows(pl, pm);
        pm->rows_from = pm->rows < 0 ? "not known" : "counted in F&O";
    } else {
        pm->rows_from = "the source file is missing";
    }
}

/* ---- rates ---- */

static int64_t seconds_between(const char *from, const char *to)
{
    int64_t a, b;

    if (!clock_parse_utc(from, strlen(from), &a) || !clock_parse_utc(to, strlen(to), &b) || b < a)
        return -1;
    return (b - a) / 1000;
}

/* The newest run whose packages were settled: rows by the time from the first upload to the last end. */
static struct plan_rate fno_rate(const struct plan_map *pm)
{
    struct plan_rate r = { .rows_per_s = (double)(FNO_ROWS_PER_S * pm->companies) };
    struct query *q;

    if (!pm->m->state)
        return r;
    q = store_query(pm->m->state,
                    "select sum(rows), min(sent_at), max(ended_at) from package where state = 'settled' "
                    "and pass = 1 and sent_at is not null and ended_at is not null group by run_id "
                    "order by run_id desc limit 1");
    if (query_step(q)) {
        int64_t rows = query_get_int(q, 0), s = seconds_between(query_get_str(q, 1), query_get_str(q, 2));

        if (rows >= 100 && s >= 0) /* few rows say nothing about many */
            r = (struct plan_rate){ (double)rows / (double)(s ? s : 1), true, rows };
    }
    (void)query_done(q, NULL);
    return r;
}

/* "ROWS MS" as the writing of Dataverse leaves it (sync/repair.c). */
static struct plan_rate dv_rate(const struct plan *pl, const struct plan_map *pm)
{
    size_t users = pl->app->cfg.dataverse.n_users;
    struct plan_rate r = { .rows_per_s = (double)DV_ROWS_PER_S * (double)(users ? users : 1) };
    struct query *q;
    long long rows, ms;

    if (!pm->m->state)
        return r;
    q = store_query(pm->m->state, "select value from setting where name = 'rate_dataverse'");
    if (query_step(q) && sscanf(query_get_str(q, 0), "%lld %lld", &rows, &ms) == 2 && rows > 0 && ms >= 0)
        r = (struct plan_rate){ (double)rows * 1000 / (double)(ms ? ms : 1), true, rows };
    (void)query_done(q, NULL);
    return r;
}

/* ---- packages, requests, time ---- */

static int64_t ceil_div(int64_t a, int64_t b)
{
    return a <= 0 ? 0 : (a - 1) / b + 1;
}

static int64_t octets_per_package(const struct plan_map *pm, int64_t rows_each)
{
    double per_row = 100;
    struct query *q;

    if (pm->row_octets > 0)
        per_row = (double)pm->row_octets * PERCENT_OF_SOURCE / 100;
    if (pm->m->state) {
        q = store_query(pm->m->state,
                        "select sum(octets) * 1.0 / sum(rows) from package where pass = 1 and rows > 0");
        if (query_step(q) && !query_is_null(q, 0) && atof(query_get_str(q, 0)) > 0)
            per_row = atof(query_get_str(q, 0));
        (void)query_done(q, NULL);
    }
    return (int64_t)(per_row * (double)rows_each);
}

static void estimate_map(struct plan *pl, struct plan_map *pm)
{
    int64_t limit = pl->app->cfg.package_rows, each, polls;
    bool from_file = pm->m->cfg->source != NULL;

    pm->fno = fno_rate(pm);
    pm->dv = dv_rate(pl, pm);
    pm->fno_s = pm->dv_s = -1;
    if (pm->rows < 0)
        return;
    each = ceil_div(pm->rows, pm->companies);
    pm->packages = from_file ? pm->companies * ceil_div(each, limit) * (pm->second_pass ? 2 : 1) : 0;
    if (pm->rows < pm->companies && from_file)
        pm->packages = pm->rows * (pm->second_pass ? 2 : 1);
    pm->package_octets = from_file ? octets_per_package(pm, each < limit ? each : limit) : 0;
    pm->upload_s = pm->package_octets / (pl->upload_mbit * 125000);
    pm->fno_s = !from_file         ? 0
                : pm->fno.measured ? (int64_t)((double)pm->rows / pm->fno.rows_per_s) + 1
                                   : (int64_t)((double)pm->rows / pm->fno.rows_per_s) +
                                         FNO_PACKAGE_S * ceil_div(pm->packages, pm->companies);
    pm->dv_s = map_dir_to_dv(pm->standard >= 0 ? pl->std.maps[pm->standard].dir : DIR_BOTH)
                   ? (int64_t)((double)pm->rows / pm->dv.rows_per_s) + (pm->rows > 0)
                   : 0;
    polls = pl->app->cfg.poll_ms > 0 ? pm->fno_s * 1000 / pl->app->cfg.poll_ms + pm->packages : pm->packages;
    /* A package: place, upload (blocks beyond 64 MiB), import, details, staging file, target keys; and the polls. Then the export. */
    pm->fno_requests =
        pm->packages *
            (6 + (pm->package_octets > 4 * UPLOAD_BLOCK ? ceil_div(pm->package_octets, UPLOAD_BLOCK) : 0)) +
        (from_file ? polls : 0) + 6 * pm->companies;
    /* Written once (twice where the table looks up itself), read before and after. */
    pm->dv_requests = ceil_div(pm->rows, DV_ROWS_PER_CALL) * (pm->second_pass ? 2 : 1) +
                      2 * ceil_div(pm->rows, PAGE_ROWS) + (int64_t)pm->m->b->n_lookups + 2;
}

enum ec plan_estimate(struct plan *pl, struct err *reterr)
{
    (void)reterr;
    pl->total_s = 0;
    for (size_t i = 0; i < pl->n; i++) {
        struct plan_map *pm = &pl->maps[i];

        pm->companies = 1;
        if (pm->m->b->striped) {
            struct cell all[256];

            pm->companies = (int64_t)map_companies(pm->m, all, COUNT(all));
            if (!pm->companies)
                pm->companies = 1;
        }
        for (size_t k = 0; k < pm->m->b->n_lookups; k++)
            pm->second_pass = pm->second_pass || pm->m->b->lookups[k].self;
        find_rows(pl, pm);
        estimate_map(pl, pm);
        if (pm->rows < 0) {
            pl->total_s = -1;
            continue;
        }
        pl->dv_rows += pm->rows * (pm->second_pass ? 2 : 1);
        if (pl->total_s >= 0)
            pl->total_s += pm->fno_s + pm->dv_s;
    }
    return EC_OK;
}

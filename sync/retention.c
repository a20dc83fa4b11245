#include "sync/retention.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/archive.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static enum ec remove_rows(struct store *s, const char *sql, const char *before, int64_t *sum, struct err *reterr)
{
    struct query *q = store_query(s, sql);
    enum ec rc;

    query_str(q, 1, before);
    rc = query_run(q, reterr);
    if (!rc)
        *sum += store_changes(s);
    return rc;
}

static enum ec all_rows(struct store *s, const char *const *sql, const char *before, const char *what,
                        struct err *reterr)
{
    int64_t n = 0;
    enum ec rc = store_begin(s, reterr);

    if (rc)
        return rc;
    for (; *sql && !rc; sql++)
        rc = remove_rows(s, *sql, before, &n, reterr);
    rc = store_end(s, rc, reterr);
    if (!rc && n)
        log_info("retention", "%s: %lld rows from before %s removed", what, (long long)n, before);
    return rc;
}

static enum ec catalog(struct app *app, const char *before, struct err *reterr)
{
    static const char *const SQL[] = {
        "delete from verdict where checked_at < ?1 and id not in (select verdict_id from gate where verdict_id is "
        "not null) "
        "and id not in (select max(id) from verdict group by alias) and id not in (select max(id) from verdict where "
        "verdict "
        "= 'parity' group by alias)",
        "delete from activity where started_at < ?1",
        "delete from gate_log where at < ?1 and id not in (select max(id) from gate_log group by alias)",
        /* Runs that load are the provenance of rows and stay; a repair is one a night at worst. */
        "delete from run_map where run_id in (select id from run where kind = 'repair' and state in ('done', "
        "'failed', "
        "'discarded') and ended_at < ?1)",
        "delete from run where kind = 'repair' and state in ('done', 'failed', 'discarded') and ended_at < ?1 and id "
        "< "
        "(select max(id) from run)",
        NULL
    };

    return all_rows(app->work, SQL, before, "catalog", reterr);
}

static enum ec state(struct map_ctx *m, const char *before, struct err *reterr)
{
    /* Ids grow with time: only the old rows, which go, are looked at. */
    static const char *const SQL[] = {
        "delete from sync_log where id < coalesce((select id from sync_log where at >= ?1 order by id limit 1), "
        "(select max(id) "
        "+ 1 from sync_log))",
        "delete from conflict where outcome <> 'open' and id < coalesce((select id from conflict where at >= ?1 "
        "order by id "
        "limit 1), (select max(id) + 1 from conflict))",
        "delete from row_exception where at < ?1 and run_id < (select max(run_id) from load)", NULL
    };

    return all_rows(m->state, SQL, before, m->cfg->alias, reterr);
}

/* ---- files ---- */
static bool is_old(const char *path, int64_t before_ms)
{
    struct stat st;

    return !lstat(path, &st) && S_ISREG(st.st_mode) && (int64_t)st.st_mtim.tv_sec * 1000 < before_ms;
}

/* A package, or its lineage, of which a row is not settled, or an export that is not taken yet. */
static bool is_needed(struct pair *p, const char *name)
{
    for (size_t i = 0; p && i < p->n; i++) {
        struct query *q;
        bool yes;

        if (!p->maps[i].state)
            continue;
        q = store_query(
            p->maps[i].state,
            "select 1 where exists (select 1 from package where state not in ('settled', 'empty') and file <> '' and "
            "instr(?1, replace(file, rtrim(file, replace(file, '/', '')), '')) = 1) or exists (select 1 from "
            "feed_run "
            "where state in ('asked', 'running', 'fetched') and file <> '' and instr(?1, replace(file, rtrim(file, "
            "replace(file, '/', '')), '')) = 1)");
        query_str(q, 1, name);
        yes = query_step(q);
        if (query_done(q, NULL) || yes)
            return true;
    }
    return false;
}

static void old_files(const char *dir, int64_t before_ms, struct pair *packages_of)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    int64_t n = 0;

    while (d && (e = readdir(d))) {
        struct arena a = { 0 };
        char *path = arena_printf(&a, "%s/%s", dir, e->d_name);

        if (is_old(path, before_ms) && !is_needed(packages_of, e->d_name) && !unlink(path))
            n++;
        arena_release(&a);
    }
    if (d)
        closedir(d);
    if (n)
        log_info("retention", "%s: %lld old files removed", dir, (long long)n);
}

static int newest_first(const void *x, const void *y)
{
    return strcmp(*(char *const *)y, *(char *const *)x);
}

/* Reports with the day in their names: the newest keep_reports stay. */
static void dated_reports(struct app *app)
{
    const char *path = app->cfg.parity_report, *slash = path ? strrchr(path, '/') : NULL;
    const char *mark = slash ? strstr(slash, "{date}") : NULL, *tail = mark ? mark + 6 : NULL;
    struct arena a = { 0 };
    size_t head = mark ? (size_t)(mark - slash - 1) : 0, n = 0, cap = 0;
    char **names = NULL, *folder;
    struct dirent *e;
    DIR *d;

    if (!mark)
        return;
    folder = arena_dup(&a, path, (size_t)(slash - path));
    d = opendir(folder);
    while (d && (e = readdir(d))) {
        int64_t ms;

        if (strlen(e->d_name) != head + 10 + strlen(tail) || strncmp(e->d_name, slash + 1, head) ||
            strcmp(e->d_name + head + 10, tail) || !clock_parse_utc(e->d_name + head, 10, &ms))
            continue;
        if (n == cap)
            names = xrealloc(names, (cap = cap ? cap * 2 : 64) * sizeof(*names));
        names[n++] = arena_strdup(&a, e->d_name);
    }
    if (d)
        closedir(d);
    if (n)
        qsort(names, n, sizeof(*names), newest_first);
    for (size_t i = (size_t)app->cfg.keep_reports; i < n; i++)
        (void)unlink(arena_printf(&a, "%s/%s", folder, names[i]));
    free(names);
    arena_release(&a);
}

/* One previous log is kept beside the current one. What this process still writes goes into the previous one. */
static void log_size(const char *path, int64_t max)
{
    struct arena a = { 0 };

    if (path && max && file_size(path) > max && rename(path, arena_printf(&a, "%s.1", path)))
        log_warn("retention", "the log '%s' is larger than log_octets and cannot be renamed", path);
    arena_release(&a);
}

enum ec retention_run(struct app *app, struct pair *p, struct err *reterr)
{
    struct arena a = { 0 };
    int64_t now = clock_utc_ms();
    char before[32];
    enum ec rc;

    clock_format_utc(now - app->cfg.keep_history_ms, before);
    rc = catalog(app, before, reterr);
    for (size_t i = 0; p && i < p->n && !rc; i++)
        if (p->maps[i].state)
            rc = state(&p->maps[i], before, reterr);
    for (size_t i = 0; p && i < p->n && !rc; i++)
        rc = archive_prune(&p->maps[i], app->cfg.keep_snapshots, reterr);
    old_files(workspace_path(&app->ws, &a, ".dmfsync/packages"), now - app->cfg.keep_packages_ms, p);
    old_files(workspace_path(&app->ws, &a, ".dmfsync/reports"), now - app->cfg.keep_history_ms, NULL);
    dated_reports(app);
    log_size(app->opt->log_file, app->cfg.log_octets);
    log_size(workspace_path(&app->ws, &a, ".dmfsync/control.log"), app->cfg.log_octets);
    arena_release(&a);
    return rc;
}

/*
 * cmd_watchdog.c -- from cron, here or on another host: maps that a reconcile left stopped or paused are started again.
 *
 * In the run's own workspace a dead run is recovered whole. On another host only the lease file in watchdog_dir is known: its maps
 * are started through this workspace's own control adapter and credentials, and the lease is given the word. A lease is a
 * file from outside: it only ever makes us start maps, of the two environments of this workspace.
 */
#include "base/clock.h"
#include "base/log.h"
#include "sync/child.h"
#include "sync/reconcile.h"
#include "sync/sync_commands.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LEASES = 1000 };

struct dog {
    struct app *app;
    struct control *control;
    int64_t seen, alive, started, alerts;
};

static bool by_hand(const struct dog *d)
{
    return !strcmp(d->app->cfg.control, "manual");
}

/* ---- a run of this workspace ---- */

static enum ec run_recover(struct dog *d, bool rollback, int *ret_status, struct err *reterr)
{
    struct arena a = { 0 };
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    const char *argv[] = { self, "--dir", d->app->ws.dir, "--no-progress", "recover", rollback ? "--rollback" : NULL,
                           NULL };
    struct child c = { .argv = argv, .show = true, .log = workspace_path(&d->app->ws, &a, ".dmfsync/watchdog.log") };
    enum ec rc;

    if (n < 0) {
        arena_release(&a);
        return err_errno(reterr, EC_FAIL, errno, "find our own program");
    }
    self[n] = '\0';
    rc = child_run(&c, ret_status, NULL, reterr);
    arena_release(&a);
    return rc;
}

static void list_maps(struct dog *d, const struct control_map *maps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out_line(&d->app->out, "    " CELL_FMT, CELL_ARG(maps[i].name));
}

static enum ec alert_own(struct dog *d, const struct reconcile *r, struct err *reterr)
{
    struct output *o = &d->app->out;

    d->alerts++;
    out_line(o,
             "ALERT: the reconcile of workspace %s is dead in the state '%s', and its maps are %s:", d->app->ws.dir,
             rec_state_word(r->state), r->pause ? "paused" : "stopped");
    for (size_t i = 0; i < r->n; i++)
        if (r->maps[i].ours)
            list_maps(d, &r->maps[i].c, 1);
    out_line(o,
             "1. run 'dmfsync --dir %s recover' on a terminal: it carries over what changed and tells when to start "
             "the maps",
             d->app->ws.dir);
    out_line(o, "2. where that cannot be done now: start them on the dual-write page with 'Skip initial sync', and "
                "run step 1 later");
    return err_set(reterr, EC_GUARD,
                   "maps are %s and their reconcile is dead; control = manual, so a person has to act",
                   r->pause ? "paused" : "stopped");
}

static enum ec own_run(struct dog *d, struct err *reterr)
{
    struct reconcile r = { .app = d->app };
    int64_t now = clock_utc_ms();
    int status = 0;
    bool late;
    enum ec rc = journal_read(d->app, &r, reterr);

    if (rc == EC_NOTFOUND)
        return EC_OK;
    late = !rc && r.window_ms && !r.window_end_ms && now - r.window_ms > d->app->cfg.max_window_ms;
    d->seen += !rc;
    if (!rc)
        rc = workspace_lock(&d->app->ws, "watchdog", 0, reterr);
    if (rc == EC_LOCKED) {
        d->alive++;
        rc = EC_OK;
        if (late && !r.again) {
            d->alerts++;
            rc = err_set(reterr, EC_GUARD, "the reconcile in %s lives, but its maps are away longer than max_window",
                         d->app->ws.dir);
            err_hint(reterr, "end it and run 'dmfsync recover'");
        }
        goto out;
    }
    if (rc)
        goto out;
    file_unlock(&d->app->ws.lock); /* nobody is at work: recover takes it */
    if (by_hand(d)) {
        rc = alert_own(d, &r, reterr);
        goto out;
    }
    out_line(&d->app->out, "the reconcile of run %lld is dead in the state '%s': it is recovered",
             (long long)r.run.id, rec_state_word(r.state));
    rc = run_recover(d, false, &status, reterr);
    if (!rc && status && late && file_exists(workspace_path(&d->app->ws, &r.arena, ".dmfsync/reconcile.json"))) {
        out_line(&d->app->out, "recover ended with status %d and the window is over: the maps are started without it",
                 status);
        rc = run_recover(d, true, &status, reterr);
    }
    d->started += !rc && !status;
    if (!rc && status)
        rc = err_set(reterr, EC_FAIL, "recover ended with status %d; its output is in .dmfsync/watchdog.log", status);
out:
    arena_release(&r.arena);
    return rc;
}

/* ---- leases of other hosts ---- */

static enum ec start_maps(struct dog *d, struct lease *l, struct err *reterr)
{
    enum control_action a = !l->pause ? CONTROL_START : l->applied ? CONTROL_RESUME_DISCARD : CONTROL_RESUME;
    struct output *o = &d->app->out;
    enum ec rc;

    if (by_hand(d) || !control_can(d->control, a)) {
        d->alerts++;
        out_line(o,
                 "ALERT: the reconcile of %s on %s has been silent for %lld min, and its maps are %s:", l->workspace,
                 l->host, (long long)(l->age_ms / 60000), l->pause ? "paused" : "stopped");
        list_maps(d, l->maps, l->n);
        out_line(o, "1. on %s run 'dmfsync --dir %s recover': it carries over what changed and starts them", l->host,
                 l->workspace);
        out_line(o, "2. where that host is gone: %s on the dual-write page, then 'dmfsync parity' and 'repair'",
                 l->pause ? "resume them" : "start them with 'Skip initial sync'");
        return err_set(reterr, EC_GUARD, "maps of a dead reconcile wait for a person (control = %s)",
                       d->app->cfg.control);
    }
    out_line(o, "the reconcile of %s on %s has been silent for %lld s: %s of its %zu maps", l->workspace, l->host,
             (long long)(l->age_ms / 1000), control_action_word(a), l->n);
    rc = control_do(d->control, a, l->maps, l->n, reterr);
    if (!rc)
        rc = lease_resumed(d->app->cfg.watchdog_dir, l, reterr);
    if (!rc) {
        d->started++;
        out_line(o, "they run. What was not carried over is found by 'dmfsync recover' there, else by 'parity'");
    }
    return rc;
}

static enum ec one_lease(struct dog *d, const char *file, struct err *reterr)
{
    const struct config *cfg = &d->app->cfg;
    struct lease l = { 0 };
    enum map_state *s = NULL;
    char why[200];
    size_t away = 0;
    enum ec rc = lease_read(cfg->watchdog_dir, file, &l, reterr);

    if (rc)
        return rc;
    if (strcmp(l.fno, cfg->fno.url) || strcmp(l.dataverse, cfg->dataverse.url)) {
        log_info("watchdog", "'%s' belongs to other environments (%s)", file, l.fno);
        goto out;
    }
    if (!strcmp(l.workspace, d->app->ws.dir) &&
        file_exists(workspace_path(&d->app->ws, &l.arena, ".dmfsync/reconcile.json")))
        goto out; /* our own run: dealt with */
    d->seen++;
    if (l.running || !l.n || l.age_ms < cfg->watchdog_after_ms) {
        d->alive++;
        goto out;
    }
    s = arena_zalloc(&l.arena, (l.n + 1) * sizeof(*s));
    rc = control_read(d->control, l.maps, l.n, s, why, reterr);
    for (size_t i = 0; i < l.n && !rc; i++)
        away += s[i] != MAP_RUNNING;
    if (!rc && !away) {
        out_line(&d->app->out, "the reconcile of %s on %s is silent, its maps run", l.workspace, l.host);
        rc = lease_resumed(cfg->watchdog_dir, &l, reterr);
    } else if (!rc) {
        rc = start_maps(d, &l, reterr);
    }
out:
    lease_release(&l);
    return rc;
}

static enum ec all_leases(struct dog *d, struct err *reterr)
{
    const char *dir = d->app->cfg.watchdog_dir;
    DIR *h = opendir(dir);
    enum ec first = EC_OK;
    int n = 0;

    if (!h)
        return err_errno(reterr, EC_CONFIG, errno, "open watchdog_dir '%s'", dir);
    for (struct dirent *e; (e = readdir(h)) && n < MAX_LEASES;) {
        size_t len = strlen(e->d_name);
        struct err err = { 0 };
        enum ec rc;

        if (len < 12 || len > 250 || strcmp(e->d_name + len - 11, ".lease.json") != 0)
            continue;
        n++;
        rc = one_lease(d, e->d_name, &err);
        if (!rc)
            continue;
        out_warn(&d->app->out, "%s: %s", e->d_name, err.msg);
        out_status(&d->app->out, rc);
        if (!first) {
            first = rc;
            *reterr = err;
        }
    }
    closedir(h);
    return first;
}

enum ec cmd_watchdog(struct app *app, struct err *reterr)
{
    struct dog d = { .app = app };
    struct err e = { 0 };
    enum ec rc = workspace_folders(&app->ws, reterr), more = EC_OK; /* nothing may ever have run in this one */

    if (!rc)
        rc = control_open(app, &d.control, reterr);
    if (rc)
        return rc;
    rc = own_run(&d, reterr);
    if (app->cfg.watchdog_dir)
        more = all_leases(&d, &e);
    if (!rc && more) {
        rc = more;
        *reterr = e;
    }
    control_close(d.control);
    out_int(&app->out, NULL, "runs", d.seen);
    out_int(&app->out, NULL, "alive", d.alive);
    out_int(&app->out, NULL, "recovered", d.started);
    out_int(&app->out, NULL, "alerts", d.alerts);
    return rc;
}

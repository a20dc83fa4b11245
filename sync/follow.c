/*
 * follow.c -- rounds until stopped: the service. Between rounds the workspace's lock is given back, so that parity, conflicts resolve
 * and the like can run; settings are read anew when SIGHUP comes or dmfsync.ini or a map's file is another one.
 */
#include "base/clock.h"
#include "base/log.h"
#include "sync/round.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECK_EVERY_MS = 30000, LOCK_WAIT_MS = 1000, FAILED_MOST_MS = 300000 };

/* Times and sizes of the files that settings come from. */
static uint64_t settings_stamp(const struct app *app)
{
    struct strbuf text = STRBUF(0);
    struct arena a = { 0 };
    uint64_t h;

    for (size_t i = 0; i <= app->cfg.n_maps; i++) {
        const char *path = i < app->cfg.n_maps ? workspace_path(&app->ws, &a, "%s",
                                                                app->cfg.maps[i].file ? app->cfg.maps[i].file : "")
                                               : app->cfg.path;
        struct stat st = { 0 };

        (void)stat(path, &st);
        strbuf_addf(&text, "%lld.%ld.%lld;", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (long long)st.st_size);
    }
    h = digest_bytes(strbuf_str(&text), text.len).lo;
    strbuf_release(&text);
    arena_release(&a);
    return h;
}

/* The same program with the same arguments, from the beginning. Returns only when that cannot be. */
static void begin_anew(struct app *app)
{
    struct config fresh = { 0 };
    struct err e = { 0 };
    char text[65536], *argv[1024];
    FILE *f;
    size_t n, k = 0;

    if (config_read(app->cfg.path, environ, &fresh, &e)) {
        log_error("sync", "the new settings are not taken: %s", e.msg);
        config_release(&fresh);
        return;
    }
    config_release(&fresh);
    f = fopen("/proc/self/cmdline", "re");
    n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = 0;
    for (size_t at = 0; at < n && k < COUNT(argv) - 1; at += strlen(text + at) + 1)
        argv[k++] = text + at;
    argv[k] = NULL;
    if (!k)
        return;
    log_info("sync", "settings are read anew");
    execv("/proc/self/exe", argv);
    log_error("sync", "the program cannot be started again; the old settings stay");
}

static bool wait_for_lock(struct app *app)
{
    struct err e = { 0 };
    bool said = false;

    while (!stop_requested()) {
        enum ec rc = workspace_lock(&app->ws, "sync", LOCK_WAIT_MS, &e);

        if (!rc)
            return true;
        if (!said)
            log_info("sync", "waiting: %s", e.msg);
        said = true;
        if (rc != EC_LOCKED && !clock_sleep_ms(LOCK_WAIT_MS))
            break;
    }
    return false;
}

/* False when it is time to end. */
static bool pause_between(struct app *app, int64_t ms, uint64_t *stamp)
{
    file_unlock(&app->ws.lock);
    for (int64_t end = clock_mono_ms() + ms; clock_mono_ms() < end && !stop_requested() && !reload_requested();)
        (void)clock_sleep_ms(end - clock_mono_ms() < 200 ? end - clock_mono_ms() : 200);
    if (!stop_requested() && (reload_taken() || settings_stamp(app) != *stamp)) {
        *stamp = settings_stamp(app);
        begin_anew(app);
    }
    return !stop_requested() && wait_for_lock(app);
}

enum ec sync_follow(struct app *app, struct pair *p, struct err *reterr)
{
    uint64_t stamp = settings_stamp(app);
    int64_t wait, checked = 0;
    int failures = 0;
    bool idle = false;
    enum ec rc;

    reload_install();
    log_info("sync", "following; a round every %lld ms", (long long)app->cfg.sync_poll_ms);
    for (;;) {
        struct round r = { .app = app, .p = p };

        app->out.statuses = 0; /* what counts in the end is the last round */
        rc = EC_OK;
        if (!checked ||
            clock_mono_ms() - checked >= CHECK_EVERY_MS) { /* has somebody started dual-write meanwhile? */
            rc = pair_check_not_running(p, reterr);
            checked = rc ? 0 : clock_mono_ms();
        }
        if (!rc)
            rc = sync_round(&r, reterr);
        if (!rc && !r.open && !idle)
            log_warn("sync", "no gate is open; waiting for 'dmfsync handoff'");
        idle = !rc && !r.open;
        if (rc == EC_STOPPED)
            break;
        if (rc && !ec_transient(rc) && !r.open && rc != EC_GUARD)
            return rc; /* sign-in, workspace: a person has to look */
        if (rc && !r.failed)
            log_warn("sync", "%s; trying again", reterr->msg);
        failures = rc ? failures + 1 : 0;
        wait = app->cfg.sync_poll_ms << (failures < 5 ? failures : 5);
        if (!pause_between(app, failures && wait > FAILED_MOST_MS ? FAILED_MOST_MS : wait, &stamp))
            break;
    }
    log_info("sync", "stopped; nothing is under way");
    return EC_OK;
}

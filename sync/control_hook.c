/* control_hook.c -- a program of the user's stops, pauses and starts maps. Its contract is in docs/reconcile.md. */
#include "base/log.h"
#include "sync/child.h"
#include "sync/control_parts.h"

#include <stdio.h>
#include <string.h>

enum { HOOK_CANNOT = 3 };

static enum ec run_hook(struct control *c, const char *action, enum control_action a, const struct control_map *maps,
                        size_t n, int *ret_status, struct strbuf *out, struct err *reterr)
{
    struct arena ar = { 0 };
    struct strbuf list = STRBUF(0);
    const char *argv[] = { c->app->cfg.control_hook, action, NULL };
    const char *env[9] = { NULL };
    struct child child = { .argv = argv,
                           .env = env,
                           .dir = c->app->ws.dir,
                           .limit_ms = c->app->cfg.control_wait_ms,
                           .log = workspace_path(&c->app->ws, &ar, ".dmfsync/control.log") };
    enum ec rc;

    for (size_t i = 0; i < n; i++)
        strbuf_addf(&list, "%s%s\t" CELL_FMT "\t" CELL_FMT "\t" CELL_FMT, i ? "\n" : "", maps[i].alias,
                    CELL_ARG(maps[i].label), CELL_ARG(maps[i].set), CELL_ARG(maps[i].name));
    env[0] = arena_printf(&ar, "DMFSYNC_ACTION=%s", action);
    env[1] = arena_printf(&ar, "DMFSYNC_MAPS=%s", strbuf_str(&list));
    env[2] = arena_printf(&ar, "DMFSYNC_WORKSPACE=%s", c->app->ws.dir);
    env[3] = a == CONTROL_RESUME ? "DMFSYNC_REPLAY=1" : "DMFSYNC_REPLAY=0";
    env[4] = "DMFSYNC_SKIP_INITIAL_SYNC=1";
    env[5] = arena_printf(&ar, "DMFSYNC_FNO=%s", c->app->cfg.fno.url);
    env[6] = arena_printf(&ar, "DMFSYNC_DATAVERSE=%s", c->app->cfg.dataverse.url);
    env[7] = "DMFSYNC_LOCK_HELD=1"; /* it may call reading commands of ours */
    rc = child_run(&child, ret_status, out, reterr);
    strbuf_release(&list);
    arena_release(&ar);
    return rc ? err_ctx(reterr, rc, "hook '%s' %s", c->app->cfg.control_hook, action) : EC_OK;
}

enum ec hook_ask(struct control *c, enum control_action a, const struct control_map *maps, size_t n,
                 struct err *reterr)
{
    struct strbuf out = STRBUF(600);
    int status = 0;
    enum ec rc = run_hook(c, control_action_word(a), a, maps, n, &status, &out, reterr);

    if (!rc && status) {
        while (out.len && (out.buf[out.len - 1] == '\n' || out.buf[out.len - 1] == '\r'))
            out.buf[--out.len] = '\0';
        rc =
            err_set(reterr, status == HOOK_CANNOT ? EC_GUARD : EC_FAIL, "hook '%s' %s ended with status %d: %s",
                    c->app->cfg.control_hook, control_action_word(a), status,
                    out.len ? strrchr(strbuf_str(&out), '\n') ? strrchr(strbuf_str(&out), '\n') + 1 : strbuf_str(&out)
                            : "no output");
        err_hint(reterr, "its output is in .dmfsync/control.log; status %d means that it cannot do this",
                 HOOK_CANNOT);
    }
    strbuf_release(&out);
    return rc;
}

/* One word per line, in the order of DMFSYNC_MAPS. */
enum ec hook_read(struct control *c, const struct control_map *maps, size_t n, enum map_state *ret, bool *ret_told,
                  struct err *reterr)
{
    struct strbuf out = STRBUF(65536);
    int status = 0;
    enum ec rc = run_hook(c, "state", CONTROL_STOP, maps, n, &status, &out, reterr);
    const char *p = strbuf_str(&out);
    size_t i = 0;

    *ret_told = false;
    if (rc || status)
        goto out;
    for (; i < n && *p; i++) {
        size_t len = strcspn(p, "\r\n");

        if (!map_state_of((struct cell){ p, len }, &ret[i])) {
            rc = err_set(reterr, EC_FAIL,
                         "hook '%s' state: '%.*s' is no state (running, paused, stopped, resuming, "
                         "initializing, unknown)",
                         c->app->cfg.control_hook, (int)(len > 40 ? 40 : len), p);
            goto out;
        }
        p += len;
        p += strspn(p, "\r\n");
    }
    *ret_told = i == n;
out:
    strbuf_release(&out);
    return rc;
}

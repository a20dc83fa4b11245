/* control.c -- states by supported reads, waiting until they are seen, and the person as adapter. */
#include "base/clock.h"
#include "base/log.h"
#include "dv/dv.h"
#include "erp/erp.h"
#include "loader/public/pair.h"
#include "sync/control_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_MAPS = 512, FIRST_LOOK_MS = 200, REMIND_MS = 60000 };

static const char *const STATES[] = { "unknown", "stopped", "initializing", "resuming", "running", "paused" };
static const char *const ACTIONS[] = { "stop", "start", "pause", "resume", "resume-discard" };

struct control_map control_map_of(const struct map_ctx *m)
{
    return (struct control_map){ .alias = m->cfg->alias,
                                 .name = m->map->name,
                                 .label = m->map->label,
                                 .set = m->map->set,
                                 .logical = m->b->table->logical };
}

const char *map_state_word(enum map_state s)
{
    return (unsigned)s < COUNT(STATES) ? STATES[s] : "?";
}

bool map_state_of(struct cell word, enum map_state *ret)
{
    for (size_t i = 0; i < COUNT(STATES); i++)
        if (cell_ieq(word, cell_of(STATES[i]))) {
            *ret = (enum map_state)i;
            return true;
        }
    return false;
}

const char *control_action_word(enum control_action a)
{
    return (unsigned)a < COUNT(ACTIONS) ? ACTIONS[a] : "?";
}

enum map_state control_action_state(enum control_action a)
{
    return a == CONTROL_STOP ? MAP_STOPPED : a == CONTROL_PAUSE ? MAP_PAUSED : MAP_RUNNING;
}

enum ec control_open(struct app *app, struct control **ret, struct err *reterr)
{
    struct control *c = xcalloc(1, sizeof(*c));
    enum ec rc = EC_OK;

    c->app = app;
    c->kind = !strcmp(app->cfg.control, "hook")      ? CONTROL_HOOK
              : !strcmp(app->cfg.control, "gateway") ? CONTROL_GATEWAY
                                                     : CONTROL_MANUAL;
    if (c->kind == CONTROL_HOOK && !app->cfg.control_hook) {
        rc = err_set(reterr, EC_CONFIG, "[dualwrite] control = hook needs hook = PROGRAM");
        err_hint(reterr, "docs/reconcile.md says what the program is called with");
    }
    if (!rc && c->kind == CONTROL_GATEWAY)
        rc = gateway_open(app, &c->gateway, reterr);
    if (rc)
        control_close(c);
    else
        *ret = c;
    return rc;
}

void control_close(struct control *c)
{
    if (!c)
        return;
    gateway_close(c->gateway);
    free(c);
}

const char *control_kind(const struct control *c)
{
    static const char *const KINDS[] = { "manual", "hook", "gateway" };

    return KINDS[c->kind];
}

/* Whether a queue is thrown away cannot be seen afterwards, so it is left to the adapter that asks the service itself. */
bool control_can(const struct control *c, enum control_action a)
{
    return a != CONTROL_RESUME_DISCARD || c->kind == CONTROL_GATEWAY;
}

/* ---- supported reads ---- */

static bool has(struct cell text, const char *part)
{
    size_t n = strlen(part);

    for (size_t i = 0; i + n <= text.len; i++)
        if (!strncasecmp(text.ptr + i, part, n))
            return true;
    return false;
}

static bool listed(const char *const *words, size_t n, struct cell text)
{
    for (size_t i = 0; i < n; i++)
        if (cell_ieq(text, cell_of(words[i])))
            return true;
    return false;
}

/* The public spelling of Status is not documented: words that tell themselves, else the user's lists. */
static enum map_state state_of_status(const struct config *cfg, struct cell status)
{
    if (listed(cfg->status_running, cfg->n_status_running, status))
        return MAP_RUNNING;
    if (listed(cfg->status_paused, cfg->n_status_paused, status))
        return MAP_PAUSED;
    if (has(status, "paus"))
        return MAP_PAUSED;
    if (has(status, "resum") || has(status, "catch"))
        return MAP_RESUMING;
    if (has(status, "init"))
        return MAP_INITIAL;
    if (has(status, "run") || has(status, "active") || has(status, "start") || has(status, "enabled"))
        return MAP_RUNNING;
    return MAP_UNKNOWN;
}

struct looking {
    struct control *c;
    const struct control_map *maps;
    size_t n;
    enum map_state *ret;
    bool *seen;
    char *why;
};

static enum ec look_at(void *arg, struct cell label, struct cell set, struct cell status, struct err *reterr)
{
    struct looking *l = arg;

    (void)reterr;
    for (size_t i = 0; i < l->n; i++) {
        enum map_state s = state_of_status(&l->c->app->cfg, status);

        if (!cell_ieq(label, l->maps[i].label) || !cell_ieq(set, l->maps[i].set))
            continue;
        /* A map has two rows, one for writes and one for deletes; while it changes they may differ: the later one counts not. */
        if (l->seen[i] && l->ret[i] != s)
            s = MAP_UNKNOWN;
        l->seen[i] = true;
        l->ret[i] = s;
        if (s == MAP_UNKNOWN && !*l->why)
            snprintf(l->why, 200,
                     "F&O gives '" CELL_FMT "' the status '" CELL_FMT "' (see status_running, status_paused)",
                     CELL_ARG(l->maps[i].name), CELL_ARG(status));
    }
    return EC_OK;
}

/* *ret_told false = this environment does not offer the entity. */
static enum ec supported_reads(struct control *c, const struct control_map *maps, size_t n, enum map_state *ret,
                               bool *ret_told, char *why, struct err *reterr)
{
    bool seen[MAX_MAPS] = { false };
    struct looking l = { c, maps, n, ret, seen, why };
    enum ec rc = erp_dualwrite(c->app->erp, look_at, &l, reterr);

    *ret_told = rc != EC_NOTFOUND;
    if (rc == EC_NOTFOUND) {
        snprintf(why, 200, "this F&O environment has no entity DualWriteProjectConfigurations");
        return EC_OK;
    }
    for (size_t i = 0; i < n && !rc; i++) {
        bool armed = false;

        rc = dv_dualwrite_running(c->app->dv, maps[i].logical, maps[i].label, &armed, reterr);
        if (rc == EC_NOTFOUND)
            rc = EC_OK; /* no core solution: nothing can run */
        if (seen[i])
            continue;
        ret[i] = armed ? MAP_UNKNOWN : MAP_STOPPED;
        if (armed && !*why)
            snprintf(why, 200, "F&O has stopped '" CELL_FMT "', Dataverse's runtime row is still active",
                     CELL_ARG(maps[i].name));
    }
    return rc;
}

enum ec control_read(struct control *c, const struct control_map *maps, size_t n, enum map_state *ret,
                     char ret_why[static 200], struct err *reterr)
{
    bool told = true;
    enum ec rc;

    ret_why[0] = '\0';
    if (n > MAX_MAPS)
        return err_set(reterr, EC_LIMIT, "more than %d maps at once", MAX_MAPS);
    for (size_t i = 0; i < n; i++)
        ret[i] = MAP_UNKNOWN;
    if (c->kind == CONTROL_GATEWAY)
        return gateway_read(c->gateway, maps, n, ret, reterr);
    rc = supported_reads(c, maps, n, ret, &told, ret_why, reterr);
    if (!rc && !told && c->kind == CONTROL_HOOK)
        rc = hook_read(c, maps, n, ret, &told, reterr);
    if (told && c->kind == CONTROL_HOOK)
        return rc;
    return rc;
}

/* ---- asking ---- */

/* What stands on the dual-write page of Data management. */
static const char *button(enum control_action a)
{
    switch (a) {
    case CONTROL_STOP: return "Stop";
    case CONTROL_START: return "Run, with 'Initial sync' NOT selected (Skip initial sync)";
    case CONTROL_PAUSE: return "Pause";
    case CONTROL_RESUME: return "Run (resume; the queue is replayed)";
    case CONTROL_RESUME_DISCARD: break;
    }
    return "?";
}

static void tell(struct control *c, enum control_action a, const struct control_map *maps, size_t n)
{
    struct output *o = &c->app->out;

    progress_erase(o);
    out_warn(o, "WAITING FOR YOU: %s %zu dual-write map%s. In F&O: Data management > Dual-write, select, %s:",
             control_action_word(a), n, n == 1 ? "" : "s together", button(a));
    for (size_t i = 0; i < n; i++)
        out_warn(o, "    " CELL_FMT "   (" CELL_FMT ")", CELL_ARG(maps[i].name), CELL_ARG(maps[i].set));
}

enum ec control_ask(struct control *c, enum control_action a, const struct control_map *maps, size_t n,
                    struct err *reterr)
{
    if (!control_can(c, a)) {
        err_set(reterr, EC_GUARD, "control = %s cannot resume a map without its queue being replayed",
                control_kind(c));
        return err_hint(reterr, "stop the map and start it without initial sync, or set control = gateway");
    }
    if (!n)
        return EC_OK;
    log_info("control", "%s: %s of %zu maps asked for", control_kind(c), control_action_word(a), n);
    switch (c->kind) {
    case CONTROL_MANUAL: tell(c, a, maps, n); return EC_OK;
    case CONTROL_HOOK: return hook_ask(c, a, maps, n, reterr);
    case CONTROL_GATEWAY: return gateway_ask(c->gateway, a, maps, n, reterr);
    }
    return EC_OK;
}

/* ---- waiting ---- */

/* Nothing tells the states: the person's word, typed, or nothing. */
static enum ec confirmed(struct control *c, enum map_state wanted, const char *why, struct err *reterr)
{
    const char *stated = option_value(c->app, "--map-state");
    char line[80];

    if (stated && !strcmp(stated, map_state_word(wanted))) {
        log_warn("control", "the maps are taken as %s on the operator's word (--map-state)", stated);
        return EC_OK;
    }
    if (!isatty(0) || !isatty(2)) {
        err_set(reterr, EC_GUARD, "whether the maps are %s cannot be seen: %s", map_state_word(wanted), why);
        return err_hint(reterr, "run it on a terminal, where it asks for your word");
    }
    for (int tries = 0; tries < 3 && !stop_requested(); tries++) {
        fprintf(stderr, "The maps' states cannot be read here. Look at the dual-write page; type '%s' when all are: ",
                map_state_word(wanted));
        fflush(stderr);
        if (!fgets(line, sizeof(line), stdin))
            break;
        line[strcspn(line, "\r\n")] = '\0';
        if (!strcasecmp(line, map_state_word(wanted)))
            return EC_OK;
    }
    return err_set(reterr, stop_requested() ? EC_STOPPED : EC_GUARD, "nobody confirmed that the maps are %s",
                   map_state_word(wanted));
}

enum ec control_wait(struct control *c, enum map_state wanted, const struct control_map *maps, size_t n,
                     int64_t limit_ms, void (*tick)(void *arg), void *tick_arg, struct err *reterr)
{
    int64_t began = clock_mono_ms(), gap = FIRST_LOOK_MS, reminded = began;
    enum map_state states[MAX_MAPS];
    char why[200] = "", last[400] = "";
    enum ec rc;

    if (!limit_ms)
        limit_ms = c->app->cfg.control_wait_ms;
    for (;;) {
        size_t there = 0, unknown = 0;

        rc = control_read(c, maps, n, states, why, reterr);
        if (rc && (!ec_transient(rc) || clock_mono_ms() - began > limit_ms))
            return err_ctx(reterr, rc, "states of the maps");
        for (size_t i = 0; i < n && !rc; i++) {
            there += states[i] == wanted;
            unknown += states[i] == MAP_UNKNOWN;
            if (states[i] != wanted)
                snprintf(last, sizeof(last), "'" CELL_FMT "' is %s%s%s", CELL_ARG(maps[i].name),
                         map_state_word(states[i]), *why ? ": " : "", why);
        }
        if (!rc && there == n) {
            log_info("control", "%zu maps are seen %s after %lld ms", n, map_state_word(wanted),
                     (long long)(clock_mono_ms() - began));
            return EC_OK;
        }
        if (!rc && unknown == n && strstr(why, "has no entity"))
            return confirmed(c, wanted, why, reterr);
        if (clock_mono_ms() - began > limit_ms) {
            err_set(reterr, EC_LIMIT, "after %lld s %zu of %zu maps are %s; %s", (long long)(limit_ms / 1000), there,
                    n, map_state_word(wanted), last);
            return err_hint(reterr,
                            "look at the dual-write page for the reason; [dualwrite] control_wait is the limit");
        }
        if (c->kind == CONTROL_MANUAL && clock_mono_ms() - reminded > REMIND_MS) {
            reminded = clock_mono_ms();
            out_warn(&c->app->out, "still waiting for %zu maps to be %s; %s", n - there, map_state_word(wanted),
                     last);
        }
        if (tick)
            tick(tick_arg);
        if (!clock_sleep_ms(gap))
            return err_set(reterr, EC_STOPPED, "stopped while waiting for the maps to be %s", map_state_word(wanted));
        gap = gap * 2 > c->app->cfg.control_poll_ms ? c->app->cfg.control_poll_ms : gap * 2;
    }
}

enum ec control_do(struct control *c, enum control_action a, const struct control_map *maps, size_t n,
                   struct err *reterr)
{
    enum ec rc = control_ask(c, a, maps, n, reterr);

    return rc ? rc : control_wait(c, control_action_state(a), maps, n, 0, NULL, NULL, reterr);
}

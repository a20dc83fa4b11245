/* reconcile_journal.c -- the journal of a run, and its lease: the file by which a watchdog sees that the run lives. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/public/pair.h"
#include "sync/reconcile.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_JOURNAL = 1 << 20, MAX_LEASE_MAPS = 512 };

static const char *const STATES[] = { "drain",  "stop",   "command", "carry", "deletes",
                                      "verify", "resume", "tail",    "done" };
static const char *const STEPS[] = { "drain", "idle",   "stop", "command", "export", "changes",
                                     "bulk",  "record", "scan", "verify",  "resume" };
static const char *const COMMANDS[] = { "not_run", "began", "ended", "unknown" };

const char *rec_state_word(enum rec_state s)
{
    return (unsigned)s < COUNT(STATES) ? STATES[s] : "?";
}

const char *rec_step_word(enum rec_step s)
{
    return (unsigned)s < COUNT(STEPS) ? STEPS[s] : "?";
}

static int word_of(const char *const *words, size_t n, struct cell text, int otherwise)
{
    for (size_t i = 0; i < n; i++)
        if (cell_is(text, words[i]))
            return (int)i;
    return otherwise;
}

/* ---- writing ---- */

static void put_counts(struct jsonw *w, const struct rec_counts *n)
{
    jw_pi64(w, "touched", n->touched);
    jw_pi64(w, "to_dataverse", n->to_dv);
    jw_pi64(w, "to_fno", n->to_fno);
    jw_pi64(w, "agreed", n->agreed);
    jw_pi64(w, "deletes", n->deletes);
    jw_pi64(w, "reported_deletes", n->reported);
    jw_pi64(w, "conflicts", n->conflicts);
    jw_pi64(w, "waiting", n->waiting);
    jw_pi64(w, "verified", n->verified);
    jw_pi64(w, "differ", n->differ);
}

static void put_map(struct jsonw *w, const struct rec_map *m, bool journal)
{
    jw_begin(w, '{');
    jw_ps(w, "alias", m->c.alias);
    jw_pstr(w, "name", m->c.name);
    jw_pstr(w, "label", m->c.label);
    jw_pstr(w, "set", m->c.set);
    jw_pstr(w, "logical", m->c.logical);
    if (journal) {
        jw_ps(w, "before", map_state_word(m->before));
        jw_pbool(w, "ours", m->ours);
        jw_pi64(w, "log_from", m->log_from);
        put_counts(w, &m->n);
    }
    jw_end(w, '}');
}

static void put_time(struct jsonw *w, const char *name, int64_t ms)
{
    char text[32];

    clock_format_utc(ms, text);
    jw_ps(w, name, ms ? text : "");
}

static void journal_text(const struct reconcile *r, struct strbuf *out)
{
    struct jsonw w = { .out = out };

    jw_begin(&w, '{');
    jw_pi64(&w, "schema", 1);
    jw_pi64(&w, "run", r->run.id);
    jw_ps(&w, "state", rec_state_word(r->state));
    jw_ps(&w, "method", r->pause ? "pause" : "stop");
    jw_ps(&w, "why", r->why);
    jw_ps(&w, "fno", r->app->cfg.fno.url);
    jw_ps(&w, "dataverse", r->app->cfg.dataverse.url);
    jw_name(&w, "command");
    jw_begin(&w, '[');
    for (size_t i = 0; i < r->argc; i++)
        jw_str(&w, cell_of(r->argv[i]));
    jw_end(&w, ']');
    jw_ps(&w, "command_state", COMMANDS[r->command]);
    jw_pi64(&w, "command_status", r->command_status);
    jw_pbool(&w, "skip_command", r->skip_command);
    jw_pi64(&w, "command_ms", r->command_ms);
    jw_pi64(&w, "command_began_ms", r->command_began_ms);
    jw_pi64(&w, "began_ms", r->began_ms);
    jw_pi64(&w, "window_ms", r->window_ms);
    jw_pi64(&w, "window_end_ms", r->window_end_ms);
    jw_pi64(&w, "window_total_ms", r->window_total_ms);
    jw_pbool(&w, "applied", r->applied);
    jw_pbool(&w, "again", r->again);
    jw_pi64(&w, "rounds", r->rounds);
    jw_name(&w, "maps");
    jw_begin(&w, '[');
    for (size_t i = 0; i < r->n; i++)
        put_map(&w, &r->maps[i], true);
    jw_end(&w, ']');
    jw_name(&w, "times");
    jw_begin(&w, '{');
    for (size_t i = 0; i < TIME_STEPS; i++) {
        jw_name(&w, STEPS[i]);
        jw_begin(&w, '{');
        jw_pi64(&w, "ms", r->rates.t[i].ms);
        jw_pi64(&w, "rows", r->rates.t[i].rows);
        jw_pi64(&w, "calls", r->rates.t[i].calls);
        jw_pi64(&w, "times", r->rates.t[i].times);
        jw_end(&w, '}');
    }
    jw_end(&w, '}');
    jw_end(&w, '}');
    strbuf_addc(out, '\n');
}

/* ---- the lease ---- */

struct beat {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    char path[3100];
    struct strbuf text; /* what is written again and again */
    bool end, started;
    int64_t every_ms;
};

/* A file name that two workspaces never share. */
static void lease_path(const struct reconcile *r, char *ret, size_t n)
{
    char host[65] = "", hex[33];

    (void)gethostname(host, sizeof(host) - 1);
    for (char *c = host; *c; c++)
        if (*c == '/')
            *c = '_';
    digest_format_hex(digest_bytes(r->app->ws.dir, strlen(r->app->ws.dir)), hex);
    snprintf(ret, n, "%s/%s-%.12s.lease.json", r->app->cfg.watchdog_dir, host, hex);
}

static void lease_text(const struct reconcile *r, struct strbuf *out)
{
    struct jsonw w = { .out = out };
    char host[65] = "";

    (void)gethostname(host, sizeof(host) - 1);
    jw_begin(&w, '{');
    jw_pi64(&w, "schema", 1);
    jw_ps(&w, "workspace", r->app->ws.dir);
    jw_ps(&w, "host", host);
    jw_pi64(&w, "pid", getpid());
    jw_pi64(&w, "run", r->run.id);
    jw_ps(&w, "fno", r->app->cfg.fno.url);
    jw_ps(&w, "dataverse", r->app->cfg.dataverse.url);
    jw_ps(&w, "state", rec_state_word(r->state));
    jw_ps(&w, "method", r->pause ? "pause" : "stop");
    jw_pbool(&w, "applied", r->applied);
    jw_pbool(&w, "running", r->state < REC_STOP || r->state > REC_RESUME);
    put_time(&w, "window_began_at", r->window_ms);
    jw_pi64(&w, "deadline_ms", r->window_ms ? r->window_ms + r->app->cfg.max_window_ms : 0);
    jw_name(&w, "maps");
    jw_begin(&w, '[');
    for (size_t i = 0; i < r->n; i++)
        if (r->maps[i].ours)
            put_map(&w, &r->maps[i], false);
    jw_end(&w, ']');
    jw_end(&w, '}');
    strbuf_addc(out, '\n');
}

static void *beat_thread(void *arg)
{
    struct beat *b = arg;

    pthread_mutex_lock(&b->lock);
    while (!b->end) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += b->every_ms / 1000;
        until.tv_nsec += b->every_ms % 1000 * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        (void)pthread_cond_timedwait(&b->wake, &b->lock, &until);
        /* A lease that cannot be written just now is silence, which the watchdog understands. */
        if (!b->end && b->text.len)
            (void)file_write_atomic(b->path, b->text.buf, b->text.len, 0644, NULL);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

enum ec beat_begin(struct reconcile *r, struct err *reterr)
{
    struct beat *b;
    sigset_t all, was;
    int errnum;
    enum ec rc;

    if (!r->app->cfg.watchdog_dir)
        return EC_OK;
    rc = dir_make(r->app->cfg.watchdog_dir, 0755, reterr);
    if (rc)
        return err_ctx(reterr, rc, "watchdog_dir");
    b = xcalloc(1, sizeof(*b));
    r->beat = b;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, NULL);
    lease_path(r, b->path, sizeof(b->path));
    b->every_ms = r->app->cfg.watchdog_after_ms / 4;
    if (b->every_ms > 30000)
        b->every_ms = 30000;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was); /* signals are the main thread's */
    errnum = pthread_create(&b->thread, NULL, beat_thread, b);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    b->started = !errnum;
    return errnum ? err_errno(reterr, EC_FAIL, errnum, "start the lease's thread") : EC_OK;
}

void beat_end(struct reconcile *r)
{
    struct beat *b = r->beat;

    if (!b)
        return;
    pthread_mutex_lock(&b->lock);
    b->end = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    if (b->started)
        pthread_join(b->thread, NULL);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->wake);
    strbuf_release(&b->text);
    free(b);
    r->beat = NULL;
}

static enum ec lease_write(struct reconcile *r, struct err *reterr)
{
    struct beat *b = r->beat;
    enum ec rc;

    if (!b)
        return EC_OK;
    pthread_mutex_lock(&b->lock);
    strbuf_reset(&b->text);
    lease_text(r, &b->text);
    rc = file_write_atomic(b->path, b->text.buf, b->text.len, 0644, reterr);
    pthread_mutex_unlock(&b->lock);
    return rc ? err_ctx(reterr, rc, "lease") : EC_OK;
}

/* ---- the journal ---- */

static char *journal_path(struct app *app, struct arena *a, const char *which)
{
    return workspace_path(&app->ws, a, ".dmfsync/%s.json", which);
}

enum ec journal_write(struct reconcile *r, struct err *reterr)
{
    struct arena a = { 0 };
    struct strbuf text = STRBUF(0);
    enum ec rc;

    /* The lease first: a watchdog that knows too early of a window looks at the maps' states before it acts. */
    rc = lease_write(r, reterr);
    journal_text(r, &text);
    STEP(journal_store);
    if (!rc)
        rc = file_write_atomic(journal_path(r->app, &a, "reconcile"), text.buf, text.len, 0600, reterr);
    STEP(journal_stored);
    strbuf_release(&text);
    arena_release(&a);
    return rc ? err_ctx(reterr, rc, "journal of the run") : EC_OK;
}

static void read_counts(const struct json *v, struct rec_counts *n)
{
    n->touched = json_i64(json_get(v, "touched"), 0);
    n->to_dv = json_i64(json_get(v, "to_dataverse"), 0);
    n->to_fno = json_i64(json_get(v, "to_fno"), 0);
    n->agreed = json_i64(json_get(v, "agreed"), 0);
    n->deletes = json_i64(json_get(v, "deletes"), 0);
    n->reported = json_i64(json_get(v, "reported_deletes"), 0);
    n->conflicts = json_i64(json_get(v, "conflicts"), 0);
    n->waiting = json_i64(json_get(v, "waiting"), 0);
    n->verified = json_i64(json_get(v, "verified"), 0);
    n->differ = json_i64(json_get(v, "differ"), 0);
}

static struct control_map read_map(struct arena *a, const struct json *v)
{
    return (struct control_map){ .alias = cell_cstr(a, json_member(v, "alias")),
                                 .name = cell_dup(a, json_member(v, "name")),
                                 .label = cell_dup(a, json_member(v, "label")),
                                 .set = cell_dup(a, json_member(v, "set")),
                                 .logical = cell_dup(a, json_member(v, "logical")) };
}

static void read_maps(struct reconcile *r, const struct json *list)
{
    r->maps = arena_zalloc(&r->arena, (list ? list->n + 1 : 1) * sizeof(*r->maps));
    for (const struct json *v = list ? list->child : NULL; v; v = v->next) {
        struct rec_map *m = &r->maps[r->n++];

        m->c = read_map(&r->arena, v);
        (void)map_state_of(json_member(v, "before"), &m->before);
        m->ours = json_bool(json_get(v, "ours"), false);
        m->log_from = json_i64(json_get(v, "log_from"), 0);
        read_counts(v, &m->n);
    }
}

static void read_rest(struct reconcile *r, const struct json *v)
{
    const struct json *argv = json_get(v, "command"), *times = json_get(v, "times");

    r->run.id = json_i64(json_get(v, "run"), 0);
    r->state = (enum rec_state)word_of(STATES, COUNT(STATES), json_member(v, "state"), REC_DRAIN);
    r->pause = cell_is(json_member(v, "method"), "pause");
    snprintf(r->why, sizeof(r->why), CELL_FMT, CELL_ARG(json_member(v, "why")));
    r->argv = arena_zalloc(&r->arena, (argv ? argv->n + 1 : 1) * sizeof(*r->argv));
    for (const struct json *c = argv ? argv->child : NULL; c; c = c->next)
        r->argv[r->argc++] = cell_cstr(&r->arena, json_text(c));
    r->command =
        (enum rec_command)word_of(COMMANDS, COUNT(COMMANDS), json_member(v, "command_state"), COMMAND_UNKNOWN);
    r->command_status = (int)json_i64(json_get(v, "command_status"), 0);
    r->skip_command = json_bool(json_get(v, "skip_command"), false);
    r->command_ms = json_i64(json_get(v, "command_ms"), 0);
    r->command_began_ms = json_i64(json_get(v, "command_began_ms"), 0);
    r->began_ms = json_i64(json_get(v, "began_ms"), 0);
    r->window_ms = json_i64(json_get(v, "window_ms"), 0);
    r->window_end_ms = json_i64(json_get(v, "window_end_ms"), 0);
    r->window_total_ms = json_i64(json_get(v, "window_total_ms"), 0);
    r->applied = json_bool(json_get(v, "applied"), false);
    r->again = json_bool(json_get(v, "again"), false);
    r->rounds = (int)json_i64(json_get(v, "rounds"), 0);
    for (size_t i = 0; i < TIME_STEPS; i++) {
        const struct json *t = json_get(times, STEPS[i]);

        r->rates.t[i] = (struct rec_time){ json_i64(json_get(t, "ms"), 0), json_i64(json_get(t, "rows"), 0),
                                           json_i64(json_get(t, "calls"), 0), json_i64(json_get(t, "times"), 0) };
    }
}

enum ec journal_read(struct app *app, struct reconcile *r, struct err *reterr)
{
    struct arena a = { 0 };
    struct strbuf text = STRBUF(MAX_JOURNAL);
    struct json *v = NULL;
    char *path = journal_path(app, &a, "reconcile");
    enum ec rc = EC_OK;

    if (!file_exists(path))
        rc = err_set(reterr, EC_NOTFOUND, "there is no unfinished reconcile");
    if (!rc)
        rc = file_read(path, MAX_JOURNAL, &text, reterr);
    if (!rc)
        rc = json_parse(path, text.buf, text.len, NULL, &a, &v, reterr);
    if (rc == EC_FORMAT)
        rc = err_ctx(reterr, EC_STATE, "journal of the run");
    if (!rc && (!cell_is(json_member(v, "fno"), app->cfg.fno.url) ||
                !cell_is(json_member(v, "dataverse"), app->cfg.dataverse.url))) {
        rc = err_set(reterr, EC_STATE, "the unfinished reconcile was begun on " CELL_FMT " and " CELL_FMT,
                     CELL_ARG(json_member(v, "fno")), CELL_ARG(json_member(v, "dataverse")));
        err_hint(reterr, "put these addresses back into dmfsync.ini and run 'dmfsync recover'");
    }
    if (!rc) {
        r->app = app;
        read_maps(r, json_get(v, "maps"));
        read_rest(r, v);
    }
    strbuf_release(&text);
    arena_release(&a);
    return rc;
}

enum ec journal_close(struct reconcile *r, struct err *reterr)
{
    struct arena a = { 0 };
    char *path = journal_path(r->app, &a, "reconcile");
    enum ec rc = EC_OK;

    STEP(journal_close);
    if (rename(path, journal_path(r->app, &a, "reconcile-last")) && errno != ENOENT)
        rc = err_errno(reterr, EC_IO, errno, "put the journal away");
    if (!rc)
        rc = dir_sync(workspace_path(&r->app->ws, &a, ".dmfsync"), reterr);
    STEP(journal_closed);
    if (!rc && r->app->cfg.watchdog_dir) {
        char lease[3100];

        lease_path(r, lease, sizeof(lease));
        beat_end(r);
        (void)unlink(lease);
    }
    arena_release(&a);
    return rc;
}

enum ec rec_enter(struct reconcile *r, enum rec_state s, struct err *reterr)
{
    r->state = s;
    log_info("reconcile", "run %lld: %s", (long long)r->run.id, rec_state_word(s));
    return journal_write(r, reterr);
}

/* ---- a lease as others see it ---- */

/* Age by the folder's own clock: a file made now, against the lease. */
static int64_t age_of(const char *dir, const struct stat *lease)
{
    char probe[3200];
    struct stat st;
    int64_t age = -1;
    FILE *f;

    snprintf(probe, sizeof(probe), "%s/.watchdog-%ld", dir, (long)getpid());
    f = fopen(probe, "we");
    if (f && !fflush(f) && !fstat(fileno(f), &st))
        age = (int64_t)(st.st_mtim.tv_sec - lease->st_mtim.tv_sec) * 1000 +
              (st.st_mtim.tv_nsec - lease->st_mtim.tv_nsec) / 1000000;
    else
        age = clock_utc_ms() - ((int64_t)lease->st_mtim.tv_sec * 1000 + lease->st_mtim.tv_nsec / 1000000);
    if (f)
        fclose(f);
    (void)unlink(probe);
    return age < 0 ? 0 : age;
}

enum ec lease_read(const char *dir, const char *file, struct lease *ret, struct err *reterr)
{
    struct lease l = { .age_ms = -1 };
    struct strbuf text = STRBUF(MAX_JOURNAL);
    struct arena *a = &l.arena;
    struct json *v = NULL;
    const struct json *maps;
    struct stat st;
    char *path = arena_printf(a, "%s/%s", dir, file);
    enum ec rc = file_read(path, MAX_JOURNAL, &text, reterr);

    if (!rc && stat(path, &st))
        rc = err_errno(reterr, EC_IO, errno, "look at '%s'", path);
    if (!rc)
        rc = json_parse(path, strbuf_str(&text), text.len, NULL, a, &v, reterr);
    maps = json_get(v, "maps");
    if (!rc && (json_i64(json_get(v, "schema"), 0) != 1 || !maps || maps->n > MAX_LEASE_MAPS))
        rc = err_set(reterr, EC_FORMAT, "'%s' is no lease of this release", path);
    if (!rc) {
        snprintf(l.file, sizeof(l.file), "%s", file);
        l.workspace = cell_cstr(a, json_member(v, "workspace"));
        l.host = cell_cstr(a, json_member(v, "host"));
        l.fno = cell_cstr(a, json_member(v, "fno"));
        l.dataverse = cell_cstr(a, json_member(v, "dataverse"));
        l.state = cell_cstr(a, json_member(v, "state"));
        l.resumed_by = cell_cstr(a, json_member(v, "resumed_by"));
        l.pause = cell_is(json_member(v, "method"), "pause");
        l.applied = json_bool(json_get(v, "applied"), true);
        l.running = json_bool(json_get(v, "running"), false);
        l.deadline_ms = json_i64(json_get(v, "deadline_ms"), 0);
        l.age_ms = age_of(dir, &st);
        l.maps = arena_zalloc(a, (maps->n + 1) * sizeof(*l.maps));
        for (const struct json *m = maps->child; m; m = m->next)
            l.maps[l.n++] = read_map(a, m);
    }
    strbuf_release(&text);
    if (rc)
        lease_release(&l);
    else
        *ret = l;
    return rc;
}

void lease_release(struct lease *l)
{
    arena_release(&l->arena);
}

enum ec lease_resumed(const char *dir, struct lease *l, struct err *reterr)
{
    struct strbuf text = STRBUF(MAX_JOURNAL), out = STRBUF(0);
    struct arena a = { 0 };
    struct json *v = NULL;
    char *path = arena_printf(&a, "%s/%s", dir, l->file), host[65] = "", now[32];
    enum ec rc = file_read(path, MAX_JOURNAL, &text, reterr);

    if (!rc)
        rc = json_parse(path, strbuf_str(&text), text.len, NULL, &a, &v, reterr);
    if (!rc) {
        (void)gethostname(host, sizeof(host) - 1);
        clock_format_utc(clock_utc_ms(), now);
        json_set(&a, v, "running", json_new(&a, JSON_TRUE, CELL_ABSENT));
        json_set(&a, v, "resumed_by", json_new(&a, JSON_STRING, cell_printf(&a, "%s, %s", host, now)));
        json_write(&out, v);
        strbuf_addc(&out, '\n');
        rc = file_write_atomic(path, out.buf, out.len, 0644, reterr);
    }
    strbuf_release(&text);
    strbuf_release(&out);
    arena_release(&a);
    return rc;
}

void lease_word(struct reconcile *r, char ret[static 120])
{
    struct lease l = { 0 };
    struct err ignored;
    char path[3100];

    ret[0] = '\0';
    if (!r->app->cfg.watchdog_dir)
        return;
    lease_path(r, path, sizeof(path));
    if (!lease_read(r->app->cfg.watchdog_dir, strrchr(path, '/') + 1, &l, &ignored)) {
        snprintf(ret, 120, "%s", l.resumed_by);
        lease_release(&l);
    }
}

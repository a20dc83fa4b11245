#include "sync/sides.h"
#include "base/clock.h"
#include "sync/file_diff.h"
#include "sync/file_snapshot.h"
#include "sync/synapse.h"

enum { MAX_JOBS = 8 }; /* each takes some MiB of buffers */
enum origin { FROM_CSV_FILE, FROM_STORED, FROM_SYNAPSE };
struct named {
    enum origin origin;
    const char *path; /* absolute */
};

bool sides_given(const struct app *app)
{
    return option_given(app, "--fno-from") || option_given(app, "--dataverse-from");
}

static enum ec parse(struct app *app, const char *option, struct arena *a, struct named *ret, struct err *reterr)
{
    const char *v = option_value(app, option);

    if (!v)
        return err_set(reterr, EC_USAGE, "--fno-from and --dataverse-from belong together: '%s' is missing", option);
    if (!strcmp(v, "stored")) {
        *ret = (struct named){ FROM_STORED, NULL };
    } else if (!strncmp(v, "csv:", 4) && v[4]) {
        *ret = (struct named){ FROM_CSV_FILE, workspace_path(&app->ws, a, "%s", v + 4) };
    } else if (!strncmp(v, "synapse:", 8) && v[8] && !strcmp(option, "--dataverse-from")) {
        *ret = (struct named){ FROM_SYNAPSE, workspace_path(&app->ws, a, "%s", v + 8) };
    } else {
        return err_set(reterr, EC_USAGE, "%s %s is not known: csv:FILE or stored%s", option, v,
                       strcmp(option, "--dataverse-from") ? "" : ", synapse:DIR");
    }
    return EC_OK;
}

enum ec sides_check(struct app *app, const struct pair *p, struct err *reterr)
{
    struct arena a = { 0 };
    struct named n;
    size_t selected = 0;
    enum ec rc = parse(app, "--fno-from", &a, &n, reterr);

    if (!rc)
        rc = parse(app, "--dataverse-from", &a, &n, reterr);
    for (size_t i = 0; i < p->n; i++)
        selected += p->maps[i].selected;
    if (!rc && selected != 1)
        rc = err_set(reterr, EC_USAGE, "--fno-from and --dataverse-from are for one map: name it");
    arena_release(&a);
    return rc;
}

static enum ec stored_or_new(struct map_ctx *m, const struct named *n, bool fno, struct arena *a,
                             struct snapshot *ret, struct err *reterr)
{
    switch (n->origin) {
    case FROM_STORED: return snapshot_latest_any(m, fno ? "fno" : "dataverse", a, ret, reterr);
    case FROM_CSV_FILE: return snapshot_csv(m, fno, n->path, a, ret, reterr);
    case FROM_SYNAPSE: return snapshot_synapse(m, n->path, a, ret, reterr);
    }
    return EC_OK;
}

static enum ec straight(struct map_ctx *m, const struct named n[2], struct arena *a, struct comparison *c,
                        bool *ret_done, struct err *reterr)
{
    struct app *app = m->pair->app;
    struct file_input in[2] = { { .fd = -1 }, { .fd = -1 } };
    enum ec rc = file_input_open(m, true, n[0].path, &in[0], reterr);

    *ret_done = false;
    if (!rc)
        rc = file_input_open(m, false, n[1].path, &in[1], reterr);
    if (!rc && in[0].direct && in[1].direct) {
        for (int i = 0; i < 2; i++) {
            struct snapshot *s = i ? &c->dv : &c->fno;

            clock_format_utc(clock_utc_ms(), s->began_at);
            s->path = arena_strdup(a, n[i].path);
            s->cursor = "";
        }
        rc = file_diff(m, in, app->opt->jobs < MAX_JOBS ? (unsigned)app->opt->jobs : MAX_JOBS, a, &c->diff, reterr);
        for (int i = 0; i < 2; i++) {
            struct snapshot *s = i ? &c->dv : &c->fno;

            clock_format_utc(clock_utc_ms(), s->ended_at);
            s->excluded = in[i].excluded;
            s->faults = in[i].faults;
            s->rows = in[i].rows;
        }
        *ret_done = true;
    }
    file_input_close(&in[0]);
    file_input_close(&in[1]);
    return rc;
}

enum ec sides_compare(struct map_ctx *m, struct arena *a, struct comparison *ret, struct err *reterr)
{
    struct app *app = m->pair->app;
    struct comparison c = { 0 };
    struct snapshot_hold hold;
    struct named n[2];
    bool done = false;
    enum ec rc = parse(app, "--fno-from", a, &n[0], reterr);

    if (!rc)
        rc = parse(app, "--dataverse-from", a, &n[1], reterr);
    if (!rc && n[0].origin == FROM_CSV_FILE && n[1].origin == FROM_CSV_FILE && !option_given(app, "--keep"))
        rc = straight(m, n, a, &c, &done, reterr);
    if (!rc && !done) {
        snapshot_hold_begin(m, &hold);
        rc = stored_or_new(m, &n[0], true, a, &c.fno, reterr);
        if (!rc)
            rc = stored_or_new(m, &n[1], false, a, &c.dv, reterr);
        rc = snapshot_hold_end(m, rc, &c.fno, &c.dv, reterr);
        if (!rc)
            rc = diff_run(m, &c.fno, &c.dv, a, &c.diff, reterr);
    }
    if (rc)
        return rc;
    c.verdict = verdict_of(m, &c.diff);
    clock_format_utc(clock_utc_ms(), c.checked_at);
    *ret = c;
    return EC_OK;
}

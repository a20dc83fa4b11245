/* load_files.c -- the command `load` for files into F&O: the maps one by one. */
#include "base/log.h"
#include "loader/public/wave.h"

/* What came of one map. */
struct load_outcome {
    struct load_counts c;
    bool half; /* its second pass waits for another map */
    const char *state; /* green | red | skipped | failed | waiting */
    const char *why; /* NULL = green */
};

static void show(struct app *app, struct table *t, struct json *list, struct map_ctx *m,
                 const struct load_outcome *out)
{
    const struct load_counts *c = &out->c;
    struct json *o = out_object(&app->out, list, NULL);

    table_cell(t, "%d", m->wave);
    table_cell(t, "%s", m->cfg->alias);
    table_cell(t, "%llu", (unsigned long long)c->rows);
    table_cell(t, "%llu", (unsigned long long)c->landed);
    table_cell(t, "%llu", (unsigned long long)c->unchanged);
    table_cell(t, "%llu", (unsigned long long)c->rejected);
    table_cell(t, "%llu", (unsigned long long)c->excluded);
    table_cell(t, "%llu", (unsigned long long)(c->unsent + c->parked + c->unknown));
    table_cell(t, "%s", out->state);
    out_str(&app->out, o, "state", out->state);
    out_str(&app->out, o, "why", out->why);
    out_str(&app->out, o, "map", m->cfg->alias);
    out_int(&app->out, o, "wave", m->wave);
    out_int(&app->out, o, "rows", (int64_t)c->rows);
    out_int(&app->out, o, "landed", (int64_t)c->landed);
    out_int(&app->out, o, "unchanged", (int64_t)c->unchanged);
    out_int(&app->out, o, "rejected", (int64_t)c->rejected);
    out_int(&app->out, o, "parked", (int64_t)c->parked);
    out_int(&app->out, o, "unsent", (int64_t)c->unsent);
    out_int(&app->out, o, "excluded", (int64_t)c->excluded);
    out_int(&app->out, o, "unknown", (int64_t)c->unknown);
    out_int(&app->out, o, "packages", (int64_t)c->packages);
}

struct loading {
    struct app *app;
    struct pair *p;
    struct run run;
    struct wave_rules rules;
    struct load_outcome *outcomes;
    bool *red, *in; /* in: its rows are in F&O, but for the second pass */
};

static enum ec note(struct loading *l, struct map_ctx *m, const char *state, struct err *reterr)
{
    return run_map_set(l->app, &l->run, m->cfg->alias, m->wave, state, "load", NULL, reterr);
}

static enum ec one_map(struct loading *l, size_t i, struct err *reterr)
{
    struct map_ctx *m = &l->p->maps[i];
    struct load_outcome *o = &l->outcomes[i];
    const struct map_ctx *by = wave_blocked_by(l->p, m, l->red);
    struct err why = { 0 };
    enum ec rc;

    if (by) {
        l->red[i] = true;
        o->state = "skipped";
        o->why = arena_printf(&l->p->arena, "it depends on '%s', which is not green", by->cfg->alias);
        return note(l, m, "skipped", reterr);
    }
    rc = note(l, m, "working", reterr);
    if (rc)
        return rc;
    o->half = !o->half && wave_waits_for(l->p, m, l->in);
    rc = o->half ? load_first_pass(m, &l->run, &o->c, &why) : load_map(m, &l->run, &o->c, &why);
    if (rc && wave_goes_on(&l->rules, rc)) {
        l->red[i] = true;
        o->state = "failed";
        o->why = arena_strdup(&l->p->arena, why.msg);
        out_status(&l->app->out, rc);
        out_warn(&l->app->out, "%s: %s", m->cfg->alias, why.msg);
        if (why.hint[0])
            out_warn(&l->app->out, "%s: hint: %s", m->cfg->alias, why.hint);
        (void)load_counts(m, l->run.id, &o->c, NULL);
        o->half = false;
        return note(l, m, "red", reterr);
    }
    if (rc) {
        if (reterr)
            *reterr = why;
        return rc;
    }
    o->why = wave_load_red(&l->rules, &o->c);
    o->state = o->why ? "red" : "green";
    l->red[i] = o->why != NULL;
    l->in[i] = !l->red[i];
    if (o->half)
        return EC_OK;
    if (o->c.rejected || o->c.unknown || o->c.unsent)
        out_status(&l->app->out, EC_ROWS);
    return note(l, m, o->state, reterr);
}

/* The second pass of maps whose lookups close a cycle: what they refer to is in, or will not come in this run. */
static enum ec second_pass(struct loading *l, size_t i, struct err *reterr)
{
    struct load_outcome *o = &l->outcomes[i];
    const struct map_ctx *by = wave_waits_for(l->p, &l->p->maps[i], l->in);

    if (!by)
        return one_map(l, i, reterr);
    o->state = "waiting";
    o->why = arena_printf(&l->p->arena, "its second pass waits for '%s', which is not green", by->cfg->alias);
    out_status(&l->app->out, EC_ROWS);
    return note(l, &l->p->maps[i], "waiting", reterr);
}

static void show_all(struct loading *l)
{
    static const char *const HEADERS[] = { "wave",     "map",      "rows", "landed", "unchanged",
                                           "rejected", "excluded", "open", "state" };
    struct output *out = &l->app->out;
    struct table *t = table_new(out, HEADERS, COUNT(HEADERS), "rlrrrrrrl");
    struct json *list = out_array(out, NULL, "maps");

    for (size_t i = 0; i < l->p->n; i++)
        if (l->outcomes[i].state)
            show(l->app, t, list, &l->p->maps[i], &l->outcomes[i]);
    table_print(t);
    for (size_t i = 0; i < l->p->n; i++)
        if (l->outcomes[i].why)
            out_line(out, "%s is not green: %s", l->p->maps[i].cfg->alias, l->outcomes[i].why);
}

/* A load whose maps were not all tried is not over: the same command takes up those that were skipped. */
static const char *end_state(const struct loading *l)
{
    for (size_t i = 0; i < l->p->n; i++)
        if (l->outcomes[i].state &&
            (!strcmp(l->outcomes[i].state, "skipped") || !strcmp(l->outcomes[i].state, "failed") ||
             !strcmp(l->outcomes[i].state, "waiting")))
            return "stopped";
    return "done";
}

static enum ec run_load(struct app *app, struct pair *p, const struct wave_rules *rules, struct err *reterr)
{
    struct loading l = { .app = app, .p = p, .rules = *rules };
    enum ec rc = run_begin(p, "load", &l.run, reterr);

    if (rc)
        return rc;
    if (l.run.continued)
        log_info("load", "continuing run %lld", (long long)l.run.id);
    l.outcomes = arena_zalloc(&p->arena, (p->n + 1) * sizeof(*l.outcomes));
    l.red = arena_zalloc(&p->arena, p->n + 1);
    l.in = arena_zalloc(&p->arena, p->n + 1);
    for (size_t i = 0; i < p->n; i++)
        l.in[i] = !p->maps[i].cfg->source; /* nothing to wait for */
    for (size_t i = 0; i < p->n && !rc; i++)
        if (p->maps[i].selected && p->maps[i].cfg->source)
            rc = one_map(&l, i, reterr);
    for (size_t i = 0; i < p->n && !rc; i++)
        if (l.outcomes[i].half)
            rc = second_pass(&l, i, reterr);
    show_all(&l);
    if (rc) {
        (void)run_end(app, &l.run, "stopped", NULL);
        return rc;
    }
    return run_end(app, &l.run, end_state(&l), reterr);
}

enum ec load_files(struct app *app, struct err *reterr)
{
    struct pair *p = NULL;
    struct wave_rules rules;
    enum ec rc = wave_rules_read(app, &rules, reterr);

    if (!rc)
        rc = pair_open_to_write(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, &p, reterr);
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct source *s = NULL;

        if (!p->maps[i].selected)
            continue;
        if (!p->maps[i].cfg->source) {
            out_line(&app->out, "%s: no source file, nothing to load", p->maps[i].cfg->alias);
            continue;
        }
        rc = source_open(&p->maps[i], &s, reterr); /* every header is checked before the first row leaves */
        if (!rc && !app->opt->execute)
            out_line(&app->out, "would load %s from %s into F&O entity '" CELL_FMT "'", p->maps[i].cfg->alias,
                     s->path, CELL_ARG(p->maps[i].b->entity->label));
        source_close(s);
    }
    if (!rc && app->opt->execute)
        rc = run_load(app, p, &rules, reterr);
    pair_close(p);
    return rc;
}

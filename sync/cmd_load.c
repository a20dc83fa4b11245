/* cmd_load.c -- the command `load`: the bulk stage in the direction asked for. Files into F&O alone are the loader's. */
#include "base/log.h"
#include "sync/pairing.h"
#include "sync/sync_commands.h"
#include "sync/turns.h"

static const char *const SIDES[] = { "F&O", "Dataverse", "F&O and Dataverse" };
static const char *const GIVEN[] = { "source files", "F&O", "Dataverse" };

/* Rows that the file's own rules refused are in F&O's ledger, whichever side is loaded. */
static uint64_t refused(const struct pairing_counts *c)
{
    return c->fno.rejected + c->dataverse.written.refused + c->dataverse.refused_existing;
}

static uint64_t open_rows(const struct pairing_counts *c)
{
    return c->fno.unsent + c->fno.parked + c->fno.unknown + c->dataverse.written.parked +
           c->dataverse.written.unknown;
}

static void show(struct app *app, struct table *t, struct json *list, struct map_ctx *m,
                 const struct pairing_counts *c)
{
    struct json *o = out_object(&app->out, list, NULL);
    const struct {
        const char *name;
        uint64_t n;
    } COUNTS[] = { { "rows", c->rows },
                   { "landed_fno", c->fno.landed },
                   { "created_dataverse", c->dataverse.written.created },
                   { "updated_dataverse", c->dataverse.written.updated },
                   { "equal", c->to_dataverse ? c->equal : c->fno.unchanged },
                   { "rejected", refused(c) },
                   { "left_alone", c->left_alone + c->skipped + c->fno.excluded },
                   { "open", open_rows(c) } };

    if (refused(c) || open_rows(c))
        out_status(&app->out, EC_ROWS);
    table_cell(t, "%d", m->wave);
    table_cell(t, "%s", m->cfg->alias);
    out_str(&app->out, o, "map", m->cfg->alias);
    out_int(&app->out, o, "wave", m->wave);
    for (size_t i = 0; i < COUNT(COUNTS); i++) {
        table_cell(t, "%llu", (unsigned long long)COUNTS[i].n);
        out_int(&app->out, o, COUNTS[i].name, (int64_t)COUNTS[i].n);
    }
}

struct work {
    struct app *app;
    struct pair *p;
    struct dict *d;
    const struct run *run;
    struct pairing how;
    struct turns turns;
    struct pairing_counts *counts;
    bool *done;
};

/* A map whose rows may follow in a later turn is not done yet: a run that is cut off goes on with its phase. */
static enum ec one_turn(struct work *w, size_t i, struct err *reterr)
{
    struct map_ctx *m = &w->p->maps[i];
    struct pairing_turn turn = { .more = turns_more(&w->turns, i), .again = !turns_first(&w->turns, i) };
    struct dvload_counts c;
    char state[16], phase[24];
    enum ec rc = run_map_get(w->app, w->run, m->cfg->alias, state, phase, reterr);

    if (!rc && strcmp(state, "working") != 0)
        rc = run_map_set(w->app, w->run, m->cfg->alias, m->wave, "working", "read", NULL, reterr);
    if (!rc)
        rc = pairing_load(m, w->d, w->run, w->how, turn, &w->counts[i], reterr);
    if (rc)
        return rc;
    w->done[i] = true;
    c = w->counts[i].dataverse.written;
    c.waiting += turn.more && w->how.to != LOAD_TO_DATAVERSE; /* F&O's second pass */
    turns_note(&w->turns, i, &c);
    return c.waiting ? EC_OK : run_map_set(w->app, w->run, m->cfg->alias, m->wave, "done", "read", NULL, reterr);
}

static enum ec each_map(struct work *w, struct err *reterr)
{
    bool moved = true;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < w->p->n && !rc; i++)
        if (w->p->maps[i].selected && (w->how.from != LOAD_FROM_CSV || w->p->maps[i].cfg->source))
            rc = one_turn(w, i, reterr);
    while (moved && !rc) {
        moved = false;
        for (size_t i = 0; i < w->p->n && !rc; i++)
            if (w->done[i] && turns_due(&w->turns, i)) {
                log_info("load", "%s: once more, for the rows that wait for others", w->p->maps[i].cfg->alias);
                moved = true;
                rc = one_turn(w, i, reterr);
            }
    }
    return rc;
}

static enum ec run_pairing(struct app *app, struct pair *p, struct pairing how, struct err *reterr)
{
    static const char *const HEADERS[] = { "wave",    "map",   "rows",    "in F&O",     "created",
                                           "updated", "equal", "refused", "left alone", "open" };
    struct json *list = out_array(&app->out, NULL, "maps");
    struct table *t;
    struct run run;
    struct work w = { .app = app, .p = p, .run = &run, .how = how };
    enum ec rc;

    w.counts = arena_zalloc(&p->arena, (p->n + 1) * sizeof(*w.counts));
    w.done = arena_zalloc(&p->arena, p->n + 1);
    turns_init(&w.turns, p, &p->arena);
    rc = run_begin(p, pairing_kind(how), &run, reterr);
    if (rc)
        return rc;
    if (run.continued)
        log_info("load", "continuing run %lld", (long long)run.id);
    rc = dict_open(p, &w.d, reterr);
    if (!rc)
        rc = each_map(&w, reterr);
    t = table_new(&app->out, HEADERS, COUNT(HEADERS), "rlrrrrrrrr");
    for (size_t i = 0; i < p->n; i++)
        if (w.done[i])
            show(app, t, list, &p->maps[i], &w.counts[i]);
    table_print(t);
    dict_close(w.d);
    if (rc) {
        (void)run_end(app, &run, "stopped", NULL);
        return rc;
    }
    return run_end(app, &run, "done", reterr);
}

/* Every header is checked before the first row leaves. */
static enum ec announce(struct app *app, struct map_ctx *m, struct pairing how, struct err *reterr)
{
    struct source *s = NULL;
    enum ec rc = EC_OK;

    if (how.from == LOAD_FROM_CSV && !m->cfg->source) {
        out_line(&app->out, "%s: no source file, nothing to load", m->cfg->alias);
        return EC_OK;
    }
    if (how.from == LOAD_FROM_CSV)
        rc = source_open(m, &s, reterr);
    if (!rc && !app->opt->execute)
        out_line(&app->out, "would load %s from %s into %s", m->cfg->alias, s ? s->path : GIVEN[how.from],
                 SIDES[how.to]);
    source_close(s);
    return rc;
}

enum ec cmd_load(struct app *app, struct err *reterr)
{
    struct pair *p = NULL;
    struct pairing how;
    enum ec rc = pairing_parse(option_value(app, "--from"), option_value(app, "--to"), &how, reterr);

    if (rc || (how.from == LOAD_FROM_CSV && how.to == LOAD_TO_FNO))
        return rc ? rc : load_files(app, reterr);
    rc = pair_open_to_write(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, &p, reterr);
    for (size_t i = 0; !rc && i < p->n; i++)
        if (p->maps[i].selected)
            rc = announce(app, &p->maps[i], how, reterr);
    if (!rc && app->opt->execute)
        rc = run_pairing(app, p, how, reterr);
    progress_clear(&app->out);
    pair_close(p);
    return rc;
}

/* migrate.c -- CSV -> F&O -> Dataverse, wave by wave: load, export, compare, write, prove, hand over. Resumable at any point. */
#include "sync/migrate.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/companies.h"
#include "sync/feed.h"
#include "sync/turns.h"

#include <stdio.h>

struct migrating {
    struct pair *p;
    const struct run *run;
    const struct wave_rules *rules;
    struct dict *d;
    struct arena *a;
    struct map_outcome *outcomes;
    struct turns turns;
    bool *red, *done; /* per map; done: its rows are there, and may be referred to */
};

static enum ec note(struct migrating *g, struct map_ctx *m, const char *state, const char *phase,
                    const struct map_outcome *o, struct err *reterr)
{
    struct strbuf counts = STRBUF(0);
    struct jsonw w = { .out = &counts };
    enum ec rc;

    jw_begin(&w, '{');
    jw_pi64(&w, "source", (int64_t)o->load.rows);
    jw_pi64(&w, "landed", (int64_t)o->load.landed);
    jw_pi64(&w, "unchanged", (int64_t)o->load.unchanged);
    jw_pi64(&w, "rejected", (int64_t)(o->load.rejected + o->repair.written.refused + o->repair.refused_existing));
    jw_pi64(&w, "fno_rows", (int64_t)o->diff.all.fno_rows);
    jw_pi64(&w, "dataverse_rows", (int64_t)o->diff.all.dataverse_rows);
    jw_pi64(&w, "equal", (int64_t)o->diff.all.equal);
    jw_pi64(&w, "differ", (int64_t)(o->diff.all.keys - o->diff.all.equal));
    jw_ps(&w, "why", o->why ? o->why : "");
    jw_end(&w, '}');
    rc = run_map_set(g->p->app, g->run, m->cfg->alias, m->wave, state, phase, counts.buf, reterr);
    strbuf_release(&counts);
    return rc;
}

static enum ec read_fno(struct migrating *g, struct map_ctx *m, struct snapshot *fno, struct err *reterr)
{
    bool package = feed_by_export(m);
    enum ec rc = snapshot_fno(m, package ? FROM_PACKAGE : FROM_ODATA, package, g->a, fno, reterr);

    return rc ? rc : run_map_set(g->p->app, g->run, m->cfg->alias, m->wave, "working", "compare", NULL, reterr);
}

static enum ec compare(struct migrating *g, struct map_ctx *m, const struct snapshot *fno, struct snapshot *dv,
                       struct map_outcome *o, struct err *reterr)
{
    enum ec rc = snapshot_dv(m, g->d, g->a, dv, reterr);

    return rc ? rc : diff_run(m, fno, dv, g->a, &o->diff, reterr);
}

static bool something_to_write(const struct map_outcome *o)
{
    return o->diff.all.only_fno || o->diff.all.differ;
}

static void judge(struct migrating *g, struct map_ctx *m, struct map_outcome *o)
{
    uint64_t rejected = o->load.rejected + o->repair.written.refused + o->repair.refused_existing;

    o->verdict = verdict_of(m, &o->diff);
    o->green = false;
    if (o->load.unsent || o->load.parked || o->load.unknown)
        o->why = "rows are unsent, parked or unknown in F&O";
    else if (o->repair.written.parked || o->repair.written.unknown)
        o->why = "rows are parked or unknown in Dataverse";
    else if (o->repair.written.refused || o->repair.refused_existing)
        o->why = "Dataverse refused rows that F&O took (stranded)";
    else if (o->diff.tolerated)
        o->why = "both sides differ; the map's tolerance opens no gate";
    else if (o->verdict != VERDICT_PARITY)
        o->why = companies_map(m) && !m->cfg->create_companies && o->diff.all.only_fno
                     ? "companies are missing in Dataverse (create_companies = yes would create them)"
                     : "both sides differ";
    else if (wave_too_many(g->rules, rejected, m->cfg->source ? o->load.rows : o->diff.all.fno_rows))
        o->why = "more rows were rejected than max_errors allows";
    else if (o->proof.missing_rows)
        o->why = "rows that landed are not in F&O any more";
    else
        o->green = true;
}

static enum ec hand_over(struct migrating *g, struct map_ctx *m, const struct snapshot *dv, struct err *reterr)
{
    struct cell companies[1024];
    size_t n = map_companies(m, companies, COUNT(companies));
    enum ec rc = baseline_set(m, dv, reterr);

    STEP(cursor_store);
    if (!rc)
        rc = store_begin(m->state, reterr);
    for (size_t i = 0; i < n && !rc && feed_by_export(m); i++) {
        char project[64];
        struct arena a = { 0 };

        feed_project(m, true, companies[i], project);
        rc = cursor_set(m, "fno", cell_cstr(&a, companies[i]), "baseline", reterr);
        if (!rc)
            rc = feed_taken(m, project, companies[i], reterr);
        arena_release(&a);
    }
    if (store_in_transaction(m->state))
        rc = store_end(m->state, rc, reterr);
    STEP(cursor_stored);
    if (!rc && !m->cfg->handoff_dual_write)
        rc = gate_open(m, reterr);
    if (!rc)
        rc = snapshot_prune(m, 2, reterr);
    (void)g;
    return rc;
}

static enum ec changed_cell(void *arg, const struct proof_cell *c, struct err *reterr)
{
    struct map_ctx *m = arg;

    (void)reterr;
    if (!strcmp(c->class, "changed"))
        log_warn("proof",
                 "%s: line %llu, '" CELL_FMT "': F&O changed " CELL_FMT " from '" CELL_FMT "' to '" CELL_FMT "'",
                 m->cfg->alias, (unsigned long long)c->place.line, CELL_ARG(c->key), CELL_ARG(c->field),
                 CELL_ARG(c->source), CELL_ARG(c->fno));
    return EC_OK;
}

/*
 * A map whose lookups close a cycle: its rows are there, so that the map which they name can come. No verdict yet; a map that has
 * something else wrong than these lookups is as red as any.
 */
static enum ec half_way(struct migrating *g, size_t i, struct map_outcome *o, struct err *reterr)
{
    struct map_ctx *m = &g->p->maps[i];

    judge(g, m, o);
    o->half = o->green ||
              (!o->repair.written.parked && !o->repair.written.unknown && !o->repair.written.refused &&
               !o->repair.refused_existing && !o->load.unsent && !o->load.parked && !o->load.unknown &&
               o->diff.all.keys - o->diff.all.equal <= o->repair.written.waiting &&
               !wave_too_many(g->rules, o->load.rejected, m->cfg->source ? o->load.rows : o->diff.all.fno_rows));
    o->green = o->compared = false;
    if (!o->half) {
        o->compared = true;
        return note(g, m, "red", "done", o, reterr);
    }
    o->why = NULL;
    log_info("migrate", "%s: lookups that close a cycle follow when the map that they name is there", m->cfg->alias);
    return note(g, m, "working", "cycle", o, reterr);
}

static enum ec one_map(struct migrating *g, size_t i, struct map_outcome *o, struct err *reterr)
{
    struct map_ctx *m = &g->p->maps[i];
    struct snapshot fno, dv;
    char state[16], phase[24];
    int64_t verdict_id = 0;
    struct repair_scope scope = { .more = turns_more(&g->turns, i) && wave_waits_for(g->p, m, g->done),
                                  .again = !turns_first(&g->turns, i) };
    bool have_fno;
    enum ec rc = run_map_get(g->p->app, g->run, m->cfg->alias, state, phase, reterr);

    if (rc)
        return rc;
    have_fno = !strcmp(phase, "compare");
    if (!strcmp(phase, "cycle") && scope.more) { /* a run that goes on: what waits for others is all that is left */
        o->half = true;
        return EC_OK;
    }
    *o = (struct map_outcome){ 0 };
    STEP(wave_begin);
    if (!have_fno)
        rc = note(g, m, "working", "load", o, reterr);
    STEP(wave_begun);
    if (!rc && m->cfg->source) {
        rc = scope.more ? load_first_pass(m, g->run, &o->load, reterr) : load_map(m, g->run, &o->load, reterr);
        o->loaded = !rc;
    }
    /* F&O fills in defaults, so its rows, not the file's, are what Dataverse gets. */
    if (!rc)
        rc = have_fno ? snapshot_latest(m, "fno", g->a, &fno, reterr) : read_fno(g, m, &fno, reterr);
    if (!rc && m->cfg->source && !scope.more)
        rc = proof_source(m, g->run->id, &fno, changed_cell, m, &o->proof, reterr);
    if (!rc)
        rc = compare(g, m, &fno, &dv, o, reterr);
    if (!rc && something_to_write(o) && companies_may_write(m)) {
        rc = repair_dataverse(m, g->run, g->d, &scope, &o->repair, reterr);
        /* A run that goes on may have nothing left to write but self lookups. */
        if (!rc && (o->repair.written.created || o->repair.written.updated || o->repair.written.linked))
            rc = compare(g, m, &fno, &dv, o, reterr);
    }
    if (!rc && companies_map(m))
        rc = companies_await_teams(m, reterr);
    if (rc)
        return rc;
    o->compared = true;
    o->load.defaulted = o->proof.defaulted_rows;
    o->load.changed = o->proof.changed_rows;
    turns_note(&g->turns, i, &o->repair.written);
    if (scope.more)
        return half_way(g, i, o, reterr);
    judge(g, m, o);
    clock_format_utc(clock_utc_ms(), o->checked_at);
    rc = verdict_store(m, g->run->id, o->verdict, &o->diff, &verdict_id, reterr);
    if (!rc && o->green)
        rc = hand_over(g, m, &dv, reterr);
    STEP(wave_end);
    if (!rc)
        rc = note(g, m, o->green ? "green" : "red", "done", o, reterr);
    STEP(wave_ended);
    return rc;
}

/* A map that was green when the run was cut off is not done again; its figures come from the stored verdict. */
static enum ec recall(struct migrating *g, struct map_ctx *m, struct map_outcome *o, struct err *reterr)
{
    struct verdict_row v;
    struct json *data = NULL;
    enum ec rc = verdict_latest(m, g->a, &v, reterr);

    if (!rc && m->cfg->source)
        rc = load_counts(m, g->run->id, &o->load, reterr);
    if (!rc)
        rc = json_parse("verdict", v.data, strlen(v.data), NULL, g->a, &data, reterr);
    if (rc)
        return rc;
    o->green = o->was_green = o->compared = true;
    o->verdict = v.word;
    snprintf(o->checked_at, sizeof(o->checked_at), "%s", v.checked_at);
    o->diff.all.fno_rows = (uint64_t)json_i64(json_get(data, "fno_rows"), 0);
    o->diff.all.dataverse_rows = (uint64_t)json_i64(json_get(data, "dataverse_rows"), 0);
    o->diff.all.keys = (uint64_t)json_i64(json_get(data, "keys"), 0);
    o->diff.all.equal = (uint64_t)json_i64(json_get(data, "equal"), 0);
    o->diff.all.excluded_fno = (uint64_t)json_i64(json_get(data, "excluded_fno"), 0);
    o->diff.all.excluded_dataverse = (uint64_t)json_i64(json_get(data, "excluded_dataverse"), 0);
    return EC_OK;
}

/* Skips the map when one that it depends on is not green. */
static bool blocked(struct migrating *g, size_t i, struct map_outcome *o)
{
    const struct map_ctx *by = wave_blocked_by(g->p, &g->p->maps[i], g->red);

    if (!by)
        return false;
    o->skipped = true;
    o->why = arena_printf(g->a, "it depends on '%s', which is not green", by->cfg->alias);
    return true;
}

/* --keep-going: the error of one map is told, and the maps that do not depend on it go on. */
static enum ec pass_over(struct migrating *g, struct map_ctx *m, struct map_outcome *o, enum ec rc,
                         const struct err *why, struct err *reterr)
{
    struct output *out = &g->p->app->out;

    if (!wave_goes_on(g->rules, rc)) {
        if (reterr)
            *reterr = *why;
        return rc;
    }
    o->failed = true;
    o->why = arena_strdup(g->a, why->msg);
    out_status(out, rc);
    out_warn(out, "%s: %s", m->cfg->alias, why->msg);
    if (why->hint[0])
        out_warn(out, "%s: hint: %s", m->cfg->alias, why->hint);
    return EC_OK;
}

static enum ec next_map(struct migrating *g, size_t i, struct err *reterr)
{
    struct map_ctx *m = &g->p->maps[i];
    struct map_outcome *o = &g->outcomes[i];
    char state[16], phase[24];
    struct err why = { 0 };
    enum ec rc;

    if (blocked(g, i, o))
        return note(g, m, "skipped", "done", o, reterr);
    rc = run_map_get(g->p->app, g->run, m->cfg->alias, state, phase, reterr);
    if (rc)
        return rc;
    if (!strcmp(state, "green"))
        return recall(g, m, o, reterr);
    log_info("migrate", "wave %d: %s%s", m->wave, m->cfg->alias, turns_first(&g->turns, i) ? "" : ", once more");
    rc = one_map(g, i, o, &why);
    return rc ? pass_over(g, m, o, rc, &why, reterr) : EC_OK;
}

static enum ec turn(struct migrating *g, size_t i, struct err *reterr)
{
    struct map_outcome *o = &g->outcomes[i];
    enum ec rc;

    o->skipped = false;
    rc = next_map(g, i, reterr);
    g->red[i] = !o->green && !o->half;
    g->done[i] = !g->red[i];
    return rc;
}

/* Is this map to be tried (again)? One that was skipped when what stopped it is green; one that waits when what it waits for is in. */
static bool due(const struct migrating *g, size_t i)
{
    const struct map_ctx *m = &g->p->maps[i];
    const struct map_outcome *o = &g->outcomes[i];

    if (!m->selected || o->green || o->failed)
        return false;
    if (o->skipped)
        return !wave_blocked_by(g->p, m, g->red);
    if (o->half)
        return !wave_waits_for(g->p, m, g->done);
    return turns_due(&g->turns, i);
}

static void tell_waiting(struct migrating *g)
{
    for (size_t i = 0; i < g->p->n; i++) {
        const struct map_ctx *by = wave_waits_for(g->p, &g->p->maps[i], g->done);

        if (g->outcomes[i].half && by)
            g->outcomes[i].why =
                arena_printf(g->a, "lookups that close a cycle wait for '%s', which is not green", by->cfg->alias);
    }
}

enum ec migrate_all(struct pair *p, const struct run *run, const struct wave_rules *rules, struct arena *a,
                    struct map_outcome *outcomes, struct err *reterr)
{
    struct migrating g = { .p = p, .run = run, .rules = rules, .a = a, .outcomes = outcomes };
    bool moved = true;
    enum ec rc = pair_companies(p, reterr);

    g.red = arena_zalloc(a, p->n + 1);
    g.done = arena_zalloc(a, p->n + 1);
    turns_init(&g.turns, p, a);
    if (!rc)
        rc = dict_open(p, &g.d, reterr);
    for (size_t i = 0; i < p->n && !rc; i++)
        if (p->maps[i].selected)
            rc = turn(&g, i, reterr);
    while (moved && !rc) {
        moved = false;
        for (size_t i = 0; i < p->n && !rc; i++)
            if (due(&g, i)) {
                moved = true;
                rc = turn(&g, i, reterr);
            }
    }
    tell_waiting(&g);
    dict_close(g.d);
    return rc;
}

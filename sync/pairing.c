#include "sync/pairing.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/companies.h"
#include "sync/feed.h"
#include "sync/synapse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const FROM[] = { "csv", "fno", "dataverse" };
static const char *const TO[] = { "fno", "dataverse", "both" };

static int word(const char *const *words, size_t n, const char *w)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(words[i], w))
            return (int)i;
    return -1;
}

enum ec pairing_parse(const char *from, const char *to, struct pairing *ret, struct err *reterr)
{
    int f, t;

    if (synapse_dir(from))
        from = "dataverse"; /* its rows, by another way */
    f = word(FROM, COUNT(FROM), from ? from : "csv");

    /* What is meant where only one side is named: files go into F&O, a side goes into the other one. */
    if (!to)
        to = f == LOAD_FROM_FNO ? "dataverse" : "fno";
    t = word(TO, COUNT(TO), to);
    if (f < 0)
        return err_set(reterr, EC_USAGE, "--from %s is not known: csv, fno, dataverse or synapse:DIR", from);
    if (t < 0)
        return err_set(reterr, EC_USAGE, "--to %s is not known: fno, dataverse or both", to);
    if (f != LOAD_FROM_CSV && t == LOAD_TO_BOTH) {
        err_set(reterr, EC_USAGE, "--from %s --to both: a side is not loaded into itself", FROM[f]);
        return err_hint(reterr, "'both' is for files: --from csv --to both");
    }
    if ((f == LOAD_FROM_FNO && t == LOAD_TO_FNO) || (f == LOAD_FROM_DATAVERSE && t == LOAD_TO_DATAVERSE)) {
        err_set(reterr, EC_USAGE, "--from %s --to %s: a side is not loaded into itself", FROM[f], TO[t]);
        return err_hint(reterr, "--from %s --to %s", FROM[f], f == LOAD_FROM_FNO ? "dataverse" : "fno");
    }
    *ret = (struct pairing){ (enum load_from)f, (enum load_to)t };
    return EC_OK;
}

const char *pairing_kind(struct pairing p)
{
    static const char *const KINDS[3][3] = { { "load", "load-csv-dv", "load-csv-both" },
                                             { "", "load-fno-dv", "" },
                                             { "load-dv-fno", "", "" } };

    return KINDS[p.from][p.to];
}

/* ---- towards Dataverse ---- */

/* The source's good rows stand where F&O's would: the same layout, the same key. */
static enum ec source_rows(struct map_ctx *m, const struct run *run, struct arena *a, struct snapshot *ret,
                           struct repair_scope *scope, struct err *reterr)
{
    struct fno_shape shape;
    bool *supplied = arena_zalloc(a, (m->b->n + 1) * sizeof(*supplied));
    enum ec rc = load_lint(m, run, reterr);

    if (!rc)
        rc = fno_shape_of(m, a, &shape, reterr);
    if (rc)
        return rc;
    for (size_t i = 0; i < m->b->n; i++)
        supplied[i] =
            shape.supplied[i] || m->b->fields[i].kind == BOUND_CONST_DV || m->b->fields[i].kind == BOUND_COMPANY;
    scope->fields = supplied;
    *ret = (struct snapshot){ .path = load_source_file(m, run->id, a) };
    if (!ret->path)
        return err_set(reterr, EC_BUG, "map '%s': the source's rows were not kept", m->cfg->alias);
    return EC_OK;
}

static void count_lint(const struct load_counts *l, struct pairing_counts *c)
{
    c->rows = l->rows;
    c->fno.rejected = l->rejected;
    c->fno.excluded = l->excluded;
}

/* The second pass into F&O is sent when what it refers to is there. */
static enum ec into_fno(struct map_ctx *m, const struct run *run, struct pairing_turn turn, struct load_counts *ret,
                        struct err *reterr)
{
    return turn.more ? load_first_pass(m, run, ret, reterr) : load_map(m, run, ret, reterr);
}

static enum ec write_dataverse(struct map_ctx *m, struct dict *d, const struct run *run, const struct snapshot *given,
                               const struct repair_scope *scope, struct arena *a, struct pairing_counts *c,
                               struct err *reterr)
{
    struct snapshot dv;
    struct diff_result diff;
    enum ec rc = snapshot_dv(m, d, a, &dv, reterr);

    if (!rc)
        rc = diff_run(m, given, &dv, a, &diff, reterr);
    if (!rc && companies_may_write(m))
        rc = repair_dataverse(m, run, d, scope, &c->dataverse, reterr);
    if (!rc && companies_map(m) && c->dataverse.written.created)
        rc = companies_await_teams(m, reterr);
    if (rc)
        return rc;
    c->to_dataverse = true;
    c->equal = diff.all.equal;
    c->left_alone = c->dataverse.left_alone;
    c->skipped = c->dataverse.outside;
    return EC_OK;
}

/* ---- towards F&O ---- */

void pairing_own_file(const struct config_map *was, const char *path, struct config_map *cfg)
{
    *cfg = *was;
    cfg->source = path;
    cfg->date = NULL;
    cfg->decimal = '.';
    cfg->group = 0;
    cfg->delimiter = ',';
    cfg->encoding = "utf-8";
    cfg->enum_labels = false;
    cfg->n_columns = cfg->n_consts = cfg->n_ignore = 0;
}

static enum ec write_fno(struct map_ctx *m, struct dict *d, const struct run *run, struct pairing_turn turn,
                         struct arena *a, struct pairing_counts *c, struct err *reterr)
{
    const struct config_map *was = m->cfg;
    struct config_map given;
    struct snapshot fno, dv;
    struct diff_result diff;
    const char *folder = synapse_dir(option_value(m->pair->app, "--from"));
    char state[16], phase[24], *path = NULL;
    enum ec rc = run_map_get(m->pair->app, run, m->cfg->alias, state, phase, reterr);

    c->to_fno = true;
    /* Once the file is there the packages refer to its lines: it is not made again. */
    if (!rc && strcmp(phase, "load") != 0) {
        rc = snapshot_fno(m, feed_by_export(m) ? FROM_PACKAGE : FROM_ODATA, false, a, &fno, reterr);
        if (!rc)
            rc = folder ? snapshot_synapse(m, workspace_path(&m->pair->app->ws, a, "%s", folder), a, &dv, reterr)
                        : snapshot_dv(m, d, a, &dv, reterr);
        if (!rc)
            rc = diff_run(m, &fno, &dv, a, &diff, reterr);
    }
    if (!rc)
        rc = dataverse_source(m, run, a, &path, &c->rows, reterr);
    STEP(pairing_source);
    if (!rc)
        rc = run_map_set(m->pair->app, run, m->cfg->alias, m->wave, "working", "load", NULL, reterr);
    if (rc || !path)
        return rc;
    pairing_own_file(was, path, &given);
    m->cfg = &given;
    rc = into_fno(m, run, turn, &c->fno, reterr);
    m->cfg = was;
    return rc;
}

/* ---- one map ---- */

/* Sync would take our rows for the other side's edits: the base is not what both sides agreed on any more. */
static enum ec shut_gate(struct map_ctx *m, const struct run *run, struct err *reterr)
{
    enum gate_state state;
    char reason[400];
    enum ec rc = gate_read(m, &state, reason, reterr);

    if (rc || state != GATE_OPEN)
        return rc;
    snprintf(reason, sizeof(reason),
             "rows were loaded past it by run %lld (%s); run 'dmfsync parity', then 'dmfsync handoff'",
             (long long)run->id, run->kind);
    return gate_close(m, reason, reterr);
}

/* The verdict there is does not hold any more: gate.c asks for it. Told before the first write. */
static enum ec note_load(struct map_ctx *m, struct err *reterr)
{
    struct query *q;
    struct verdict_row v = { 0 };
    struct arena a = { 0 };
    enum ec rc = verdict_latest(m, &a, &v, reterr);

    arena_release(&a);
    if (rc == EC_NOTFOUND)
        return EC_OK;
    if (rc)
        return rc;
    q = store_query(m->state, "insert or replace into setting(name, value) values('loaded_after_verdict', ?1)");
    query_int(q, 1, v.id);
    return query_run(q, reterr);
}

enum ec pairing_begin(struct map_ctx *m, const struct run *run, struct err *reterr)
{
    enum ec rc = shut_gate(m, run, reterr);

    return rc ? rc : note_load(m, reterr);
}

/* F&O's rows as this run read them, or read now. */
static enum ec fno_rows(struct map_ctx *m, struct pairing_turn turn, struct arena *a, struct snapshot *ret,
                        struct err *reterr)
{
    return turn.again ? snapshot_latest(m, "fno", a, ret, reterr)
                      : snapshot_fno(m, feed_by_export(m) ? FROM_PACKAGE : FROM_ODATA, false, a, ret, reterr);
}

static enum ec file_rows(struct map_ctx *m, const struct run *run, struct pairing p, struct pairing_turn turn,
                         struct arena *a, struct snapshot *given, struct repair_scope *scope,
                         struct pairing_counts *c, struct err *reterr)
{
    struct load_counts lint;
    enum ec rc = source_rows(m, run, a, given, scope, reterr);

    if (!rc)
        rc = load_counts(m, run->id, &lint, reterr);
    if (!rc)
        count_lint(&lint, c);
    if (!rc && p.to == LOAD_TO_BOTH) {
        rc = into_fno(m, run, turn, &c->fno, reterr);
        c->to_fno = !rc;
        scope->refused_run = run->id;
    }
    return rc;
}

/* What a further turn of the same rows adds: each row stays in one place of the sums. */
static void add_turn(const struct pairing_counts *before, struct pairing_counts *c)
{
    struct dvload_counts *now = &c->dataverse.written;
    const struct dvload_counts *was = &before->dataverse.written;
    uint64_t created = was->created + now->created, updated = was->updated + now->updated;
    uint64_t back = now->back < created ? now->back : created;

    now->created = created - back;
    back = now->back - back;
    now->updated = updated - (back < updated ? back : updated);
    now->linked += was->linked;
    now->calls += was->calls;
    c->rows = before->rows;
    c->equal = before->equal;
    c->left_alone = before->left_alone;
    c->skipped = before->skipped;
}

enum ec pairing_load(struct map_ctx *m, struct dict *d, const struct run *run, struct pairing p,
                     struct pairing_turn turn, struct pairing_counts *counts, struct err *reterr)
{
    struct pairing_counts c = { 0 };
    struct arena a = { 0 };
    struct snapshot given;
    struct repair_scope scope = { .more = turn.more, .again = turn.again };
    enum ec rc = pairing_begin(m, run, reterr);

    if (rc)
        goto out;
    if (p.from == LOAD_FROM_DATAVERSE) {
        rc = write_fno(m, d, run, turn, &a, &c, reterr);
        goto out;
    }
    if (p.from == LOAD_FROM_FNO) {
        rc = fno_rows(m, turn, &a, &given, reterr);
        if (!rc)
            c.rows = given.rows;
    } else {
        rc = file_rows(m, run, p, turn, &a, &given, &scope, &c, reterr);
    }
    if (!rc)
        rc = write_dataverse(m, d, run, &given, &scope, &a, &c, reterr);
out:
    if (!rc && turn.again)
        add_turn(counts, &c);
    if (!rc)
        *counts = c;
    arena_release(&a);
    return rc;
}

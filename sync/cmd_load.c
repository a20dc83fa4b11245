/* cmd_load.c -- the command `load`: the bulk stage in the direction asked for. Files into F&O alone are the loader's. */
#include "base/log.h"
#include "sync/pairing.h"
#include "sync/sync_commands.h"

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

    table_cell(t, "%d", m->wave);
    table_cell(t, "%s", m->cfg->alias);
    out_str(&app->out, o, "map", m->cfg->alias);
    out_int(&app->out, o, "wave", m->wave);
    for (size_t i = 0; i < COUNT(COUNTS); i++) {
        table_cell(t, "%llu", (unsigned long long)COUNTS[i].n);
        out_int(&app->out, o, COUNTS[i].name, (int64_t)COUNTS[i].n);
    }
}

static enum ec each_map(struct app *app, struct pair *p, struct dict *d, const struct run *run, struct pairing how,
                        struct table *t, struct json *list, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < p->n && !rc; i++) {
        struct map_ctx *m = &p->maps[i];
        struct pairing_counts c = { 0 };
        char state[16], phase[24];

        if (!m->selected || (how.from == LOAD_FROM_CSV && !m->cfg->source))
            continue;
        rc = run_map_get(app, run, m->cfg->alias, state, phase, reterr);
        if (!rc && strcmp(state, "working") != 0)
            rc = run_map_set(app, run, m->cfg->alias, m->wave, "working", "read", NULL, reterr);
        if (!rc)
            rc = pairing_load(m, d, run, how, &c, reterr);
        if (rc)
            break;
        show(app, t, list, m, &c);
        if (refused(&c) || open_rows(&c))
            out_status(&app->out, EC_ROWS);
        rc = run_map_set(app, run, m->cfg->alias, m->wave, "done", "read", NULL, reterr);
    }
    return rc;
}

static enum ec run_pairing(struct app *app, struct pair *p, struct pairing how, struct err *reterr)
{
    static const char *const HEADERS[] = { "wave",    "map",   "rows",    "in F&O",     "created",
                                           "updated", "equal", "refused", "left alone", "open" };
    struct json *list = out_array(&app->out, NULL, "maps");
    struct table *t = NULL;
    struct dict *d = NULL;
    struct run run;
    enum ec rc;

    rc = run_begin(p, pairing_kind(how), &run, reterr);
    if (rc)
        return rc;
    if (run.continued)
        log_info("load", "continuing run %lld", (long long)run.id);
    rc = dict_open(p, &d, reterr);
    if (!rc) {
        t = table_new(&app->out, HEADERS, COUNT(HEADERS), "rlrrrrrrrr");
        rc = each_map(app, p, d, &run, how, t, list, reterr);
        table_print(t);
    }
    dict_close(d);
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

/* cmd_plan.c -- the maps in waves, with keys and gaps. */
#include "loader/loader_commands.h"
#include "loader/public/pair.h"

static void text_of(const struct map_ctx *m, struct strbuf *key, struct strbuf *passes)
{
    for (size_t i = 0; i < m->b->n_key; i++)
        strbuf_addf(key, "%s" CELL_FMT, i ? ", " : "", CELL_ARG(m->b->fields[m->b->key[i]].name));
    for (size_t i = 0; i < m->b->n_lookups; i++)
        if (m->b->lookups[i].self)
            strbuf_addf(passes, "%s" CELL_FMT, passes->len ? ", " : "",
                        CELL_ARG(m->b->fields[m->b->lookups[i].fields[0]].name));
}

static void put_gaps(struct app *app, const struct pair *p)
{
    struct json *list = out_array(&app->out, NULL, "gaps");

    for (size_t i = 0; i < p->deps.n_gaps; i++) {
        const struct deps_gap *g = &p->deps.gaps[i];
        struct json *o = out_object(&app->out, list, NULL);

        out_cell(&app->out, o, "map", g->b->map->name);
        out_cell(&app->out, o, "field", g->field);
        out_cell(&app->out, o, "path", g->path);
        out_cell(&app->out, o, "target", g->target);
        out_line(&app->out,
                 "unserved: " CELL_FMT " of " CELL_FMT " looks up " CELL_FMT
                 ", but no map of the workspace fills " CELL_FMT,
                 CELL_ARG(g->field), CELL_ARG(g->b->map->name), CELL_ARG(g->path), CELL_ARG(g->target));
    }
}

enum ec cmd_plan(struct app *app, struct err *reterr)
{
    static const char *const HEADERS[] = { "wave",     "map",     "alias",       "key",
                                           "evidence", "lookups", "second pass", "source" };
    unsigned source = option_given(app, "--offline") ? PAIR_CACHED : PAIR_LIVE;
    struct pair *p = NULL;
    struct table *t;
    struct json *list;
    enum ec rc = pair_open(app, source | PAIR_CLOSURE | PAIR_GAPS_OK, 0, &p, reterr);

    if (rc)
        return rc;
    t = table_new(&app->out, HEADERS, COUNT(HEADERS), "rllllrll");
    list = out_array(&app->out, NULL, "maps");
    for (size_t i = 0; i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];
        struct strbuf key = STRBUF(0), passes = STRBUF(0);
        struct json *o;

        if (!m->selected)
            continue;
        text_of(m, &key, &passes);
        table_cell(t, "%d", m->wave);
        table_cell(t, CELL_FMT, CELL_ARG(m->map->name));
        table_cell(t, "%s", m->cfg->alias);
        table_cell(t, "%s", strbuf_str(&key));
        table_cell(t, CELL_FMT, CELL_ARG(m->b->key_evidence));
        table_cell(t, "%zu", m->b->n_lookups);
        table_cell(t, "%s", strbuf_str(&passes));
        table_cell(t, "%s", m->cfg->source ? m->cfg->source : "(read from F&O)");
        o = out_object(&app->out, list, NULL);
        out_cell(&app->out, o, "map", m->map->name);
        out_str(&app->out, o, "alias", m->cfg->alias);
        out_int(&app->out, o, "wave", m->wave);
        out_str(&app->out, o, "key", strbuf_str(&key));
        out_cell(&app->out, o, "key_evidence", m->b->key_evidence);
        out_int(&app->out, o, "lookups", (int64_t)m->b->n_lookups);
        out_str(&app->out, o, "second_pass", strbuf_str(&passes));
        out_str(&app->out, o, "source", m->cfg->source);
        strbuf_release(&key);
        strbuf_release(&passes);
    }
    table_print(t);
    out_int(&app->out, NULL, "waves", p->deps.n_waves);
    put_gaps(app, p);
    if (p->deps.n_gaps) {
        rc = err_set(reterr, EC_CONFIG, "%zu mapped lookup field%s that no map of the workspace serves",
                     p->deps.n_gaps, p->deps.n_gaps == 1 ? "" : "s");
        err_hint(reterr, "add the maps of those tables, or remove the fields from a custom version of the map");
    }
    pair_close(p);
    return rc;
}

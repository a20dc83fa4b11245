/* plan_standard.c -- closure and waves by the list of standard maps alone, and which of them the workspace lacks. */
#include "loader/plan.h"

#include <stdlib.h>

struct standard_plan {
    struct app *app;
    struct standard_maps std;
    bool *asked, *hard, *all; /* named; closure over hard edges; over all edges */
    bool *here; /* the workspace has it */
    int *wave;
    int n_waves;
};

/* Which standard maps the workspace's documents are; a document that cannot be read is told, and counts by its setting. */
static void look_here(struct standard_plan *sp)
{
    struct app *app = sp->app;
    struct arena a = { 0 };

    for (size_t i = 0; i < app->cfg.n_maps; i++) {
        const struct config_map *c = &app->cfg.maps[i];
        struct map *m = NULL;
        struct err e = { 0 };
        int at = -1;

        if (c->file && !map_read_file(workspace_path(&app->ws, &a, "%s", c->file), &m, &e))
            at = standard_map_of(&sp->std, m->label, m->set);
        else if (c->file)
            out_warn(&app->out, "[map.%s] %s", c->alias, e.msg);
        for (size_t k = 0; k < sp->std.n && at < 0 && c->name; k++)
            if (cell_ieq(sp->std.maps[k].name, cell_of(c->name)))
                at = (int)k;
        if (at >= 0)
            sp->here[at] = true;
        map_free(m);
    }
    arena_release(&a);
}

static enum ec choose(struct standard_plan *sp, struct err *reterr)
{
    const struct options *o = sp->app->opt;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < o->n_args && !rc; i++) {
        size_t at = 0;

        rc = standard_map_find(&sp->std, o->args[i], &at, reterr);
        if (rc == EC_NOTFOUND)
            rc = reterr->code = EC_USAGE;
        if (!rc)
            sp->asked[at] = true;
    }
    for (size_t i = 0; i < sp->std.n && !o->n_args; i++)
        sp->asked[i] = sp->here[i]; /* nothing named: what the workspace has */
    for (size_t i = 0; i < sp->std.n; i++)
        sp->hard[i] = sp->all[i] = sp->asked[i];
    return rc;
}

static void put_map(struct standard_plan *sp, size_t i, struct table *t, struct json *list)
{
    const struct standard_map *m = &sp->std.maps[i];
    struct output *out = &sp->app->out;
    struct json *o = out_object(out, list, NULL), *needs;
    const char *why = sp->asked[i] ? "asked for" : sp->hard[i] ? "needed" : "optional";

    table_cell(t, "%d", sp->wave[i]);
    table_cell(t, CELL_FMT, CELL_ARG(m->name));
    table_cell(t, "%s", why);
    table_cell(t, "%s", sp->here[i] ? "yes" : "no");
    table_cell(t, "%s", m->dir == DIR_BOTH ? "both" : m->dir == DIR_TO_DV ? "to Dataverse" : "to F&O");
    table_cell(t, "%s%s%s", m->self ? "two passes" : "", m->self && m->single_threaded ? ", " : "",
               m->single_threaded ? "one thread in F&O"
               : m->skip_initial  ? "skip the load"
                                  : "");
    out_cell(out, o, "map", m->name);
    out_int(out, o, "wave", sp->wave[i]);
    out_str(out, o, "why", why);
    out_bool(out, o, "in_workspace", sp->here[i]);
    out_bool(out, o, "self", m->self);
    out_bool(out, o, "single_threaded", m->single_threaded);
    needs = out_array(out, o, "needs");
    for (size_t k = 0; k < m->n_needs; k++) {
        struct json *e = out_object(out, needs, NULL);

        out_cell(out, e, "map", sp->std.maps[m->needs[k]].name);
        out_bool(out, e, "hard", k < m->n_hard);
    }
}

static void put_table(struct standard_plan *sp)
{
    static const char *const HEADERS[] = { "wave", "map", "why", "in workspace", "flows", "remark" };
    struct output *out = &sp->app->out;
    struct table *t = table_new(out, HEADERS, COUNT(HEADERS), "rlllll");
    struct json *list = out_array(out, NULL, "standard");

    for (int w = 1; w <= sp->n_waves; w++)
        for (size_t i = 0; i < sp->std.n; i++)
            if (sp->all[i] && sp->wave[i] == w)
                put_map(sp, i, t, list);
    table_print(t);
}

static void put_sums(struct standard_plan *sp, size_t hard, size_t all)
{
    struct output *out = &sp->app->out;
    struct json *missing = out_array(out, NULL, "missing");
    size_t lacking = 0;

    out_int(out, NULL, "prerequisites", (int64_t)hard);
    out_int(out, NULL, "prerequisites_with_optional", (int64_t)all);
    out_int(out, NULL, "waves", sp->n_waves);
    out_line(out, "%zu prerequisite map%s, %zu with optional lookups, in %d waves", hard, hard == 1 ? "" : "s", all,
             sp->n_waves);
    for (size_t i = 0; i < sp->std.n; i++) {
        struct strbuf of = STRBUF(0);

        if (!sp->hard[i] || sp->here[i])
            continue;
        lacking++;
        for (size_t k = 0; k < sp->std.n; k++)
            for (size_t j = 0; sp->hard[k] && j < sp->std.maps[k].n_hard; j++)
                if (sp->std.maps[k].needs[j] == i)
                    strbuf_addf(&of, "%s" CELL_FMT, of.len ? ", " : "", CELL_ARG(sp->std.maps[k].name));
        json_append(missing, json_new(&out->arena, JSON_STRING, cell_dup(&out->arena, sp->std.maps[i].name)));
        out_line(out, "missing: " CELL_FMT "%s%s", CELL_ARG(sp->std.maps[i].name), of.len ? ", looked up by " : "",
                 strbuf_str(&of));
        strbuf_release(&of);
    }
    if (lacking)
        out_line(out,
                 "       -> add these maps to dmfsync.ini, or take the lookups out of a custom version of the map");
}

static void put_dot(struct standard_plan *sp)
{
    struct strbuf s = STRBUF(0);

    strbuf_adds(&s, "digraph plan {\n  rankdir=BT;\n  node [shape=box];\n");
    for (int w = 1; w <= sp->n_waves; w++) {
        strbuf_addf(&s, "  { rank=same; \"wave %d\" [shape=plaintext];", w);
        for (size_t i = 0; i < sp->std.n; i++)
            if (sp->all[i] && sp->wave[i] == w) {
                strbuf_addc(&s, ' ');
                plan_dot_text(&s, sp->std.maps[i].name);
                strbuf_addf(&s, "%s;", sp->here[i] ? "" : " [color=red,style=dashed]");
            }
        strbuf_adds(&s, " }\n");
    }
    for (size_t i = 0; i < sp->std.n; i++)
        for (size_t k = 0; sp->all[i] && k < sp->std.maps[i].n_needs; k++) {
            strbuf_adds(&s, "  ");
            plan_dot_text(&s, sp->std.maps[i].name);
            strbuf_adds(&s, " -> ");
            plan_dot_text(&s, sp->std.maps[sp->std.maps[i].needs[k]].name);
            strbuf_addf(&s, "%s;\n", k < sp->std.maps[i].n_hard ? "" : " [style=dashed]");
        }
    strbuf_adds(&s, "}\n");
    out_raw(&sp->app->out, s.buf, s.len);
    strbuf_release(&s);
}

enum ec plan_standard(struct app *app, struct err *reterr)
{
    struct standard_plan sp = { .app = app };
    const char *format = option_value(app, "--format");
    size_t hard, all;
    enum ec rc = standard_maps_read(&sp.std, reterr);

    if (rc)
        return rc;
    sp.asked = arena_zalloc(&sp.std.arena, sp.std.n);
    sp.hard = arena_zalloc(&sp.std.arena, sp.std.n);
    sp.all = arena_zalloc(&sp.std.arena, sp.std.n);
    sp.here = arena_zalloc(&sp.std.arena, sp.std.n);
    sp.wave = arena_zalloc(&sp.std.arena, sp.std.n * sizeof(*sp.wave));
    look_here(&sp);
    rc = choose(&sp, reterr);
    if (!rc) {
        hard = standard_closure(&sp.std, false, sp.hard);
        all = standard_closure(&sp.std, true, sp.all);
        if (!standard_waves(&sp.std, true, sp.all, sp.wave, &sp.n_waves))
            rc = err_set(reterr, EC_BUG, "the list of standard maps has a cycle");
    }
    if (!rc && format && !strcmp(format, "dot")) {
        put_dot(&sp);
    } else if (!rc) {
        put_table(&sp);
        put_sums(&sp, hard, all);
    }
    standard_maps_release(&sp.std);
    return rc;
}

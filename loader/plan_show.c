/* plan_show.c -- the plan as tables and as JSON. */
#include "loader/plan.h"

#include <stdio.h>

const char *plan_duration(struct arena *a, int64_t s)
{
    if (s < 0)
        return "unknown";
    if (s < 60)
        return arena_printf(a, "%lld s", (long long)s);
    if (s < 3600)
        return arena_printf(a, "%lld min", (long long)(s + 30) / 60);
    if (s < 2 * 86400)
        return arena_printf(a, "%lld h %02lld min", (long long)s / 3600, (long long)s / 60 % 60);
    return arena_printf(a, "%lld d %lld h", (long long)s / 86400, (long long)s / 3600 % 24);
}

static void text_of(const struct map_ctx *m, struct strbuf *key, struct strbuf *passes)
{
    for (size_t i = 0; i < m->b->n_key; i++)
        strbuf_addf(key, "%s" CELL_FMT, i ? ", " : "", CELL_ARG(m->b->fields[m->b->key[i]].name));
    for (size_t i = 0; i < m->pair->deps.n_edges; i++) {
        const struct deps_edge *g = &m->pair->deps.edges[i];

        if (g->from == m->b && (g->self || g->deferred))
            strbuf_addf(passes, "%s" CELL_FMT, passes->len ? ", " : "", CELL_ARG(g->field));
    }
}

static const struct map_ctx *ctx_of(const struct pair *p, const struct binding *b)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->maps[i].b == b)
            return &p->maps[i];
    return NULL;
}

static void put_needs(struct plan *pl, const struct plan_map *pm, struct json *o)
{
    const struct deps *d = &pl->p->deps;
    struct output *out = &pl->app->out;
    struct json *list = out_array(out, o, "needs");

    for (size_t i = 0; i < d->n_edges; i++) {
        const struct deps_edge *g = &d->edges[i];
        struct json *e;

        if (g->from != pm->m->b)
            continue;
        e = out_object(out, list, NULL);
        out_cell(out, e, "map", g->to->map->name);
        out_str(out, e, "alias", ctx_of(pl->p, g->to)->cfg->alias);
        out_cell(out, e, "field", cell_absent(g->field) ? CELL_LIT("dataAreaId") : g->field);
        out_cell(out, e, "path", g->path);
        out_bool(out, e, "hard", g->hard);
        out_bool(out, e, "self", g->self);
        out_bool(out, e, "deferred", g->deferred);
        out_cell(out, e, "cycle", g->cycle);
    }
}

static void put_rate(struct plan *pl, struct json *o, const char *name, const struct plan_rate *r)
{
    struct json *v = out_object(&pl->app->out, o, name);

    out_int(&pl->app->out, v, "rows_per_hour", (int64_t)(r->rows_per_s * 3600));
    out_str(&pl->app->out, v, "from", r->measured ? "measured" : "default");
    out_int(&pl->app->out, v, "measured_rows", r->rows);
}

static void put_number(struct output *out, struct json *o, const char *name, int64_t v)
{
    if (v < 0)
        out_str(out, o, name, NULL);
    else
        out_int(out, o, name, v);
}

static void put_estimate(struct plan *pl, const struct plan_map *pm, struct json *parent)
{
    struct output *out = &pl->app->out;
    struct json *o = out_object(out, parent, "estimate");

    put_number(out, o, "rows", pm->rows);
    out_str(out, o, "rows_from", pm->rows_from);
    out_int(out, o, "lanes", pm->companies);
    out_int(out, o, "packages", pm->packages);
    out_int(out, o, "package_octets", pm->package_octets);
    out_int(out, o, "fno_requests", pm->fno_requests);
    out_int(out, o, "dataverse_requests", pm->dv_requests);
    put_number(out, o, "fno_seconds", pm->fno_s);
    put_number(out, o, "dataverse_seconds", pm->dv_s);
    put_rate(pl, o, "fno_rate", &pm->fno);
    put_rate(pl, o, "dataverse_rate", &pm->dv);
}

static void put_order(struct plan *pl)
{
    static const char *const HEADERS[] = { "wave",     "map",     "alias",       "key",
                                           "evidence", "lookups", "second pass", "source" };
    struct output *out = &pl->app->out;
    struct table *t = table_new(out, HEADERS, COUNT(HEADERS), "rllllrll");
    struct json *list = out_array(out, NULL, "maps");

    for (size_t i = 0; i < pl->n; i++) {
        const struct map_ctx *m = pl->maps[i].m;
        struct strbuf key = STRBUF(0), passes = STRBUF(0);
        struct json *o = out_object(out, list, NULL);

        text_of(m, &key, &passes);
        table_cell(t, "%d", m->wave);
        table_cell(t, CELL_FMT, CELL_ARG(m->map->name));
        table_cell(t, "%s", m->cfg->alias);
        table_cell(t, "%s", strbuf_str(&key));
        table_cell(t, CELL_FMT, CELL_ARG(m->b->key_evidence));
        table_cell(t, "%zu", m->b->n_lookups);
        table_cell(t, "%s", strbuf_str(&passes));
        table_cell(t, "%s", m->cfg->source ? m->cfg->source : "(read from F&O)");
        out_cell(out, o, "map", m->map->name);
        out_str(out, o, "alias", m->cfg->alias);
        out_int(out, o, "wave", m->wave);
        out_str(out, o, "key", strbuf_str(&key));
        out_cell(out, o, "key_evidence", m->b->key_evidence);
        out_int(out, o, "lookups", (int64_t)m->b->n_lookups);
        out_str(out, o, "second_pass", strbuf_str(&passes));
        out_str(out, o, "source", m->cfg->source);
        out_str(out, o, "direction", pl->maps[i].direction);
        out_str(out, o, "direction_why", pl->maps[i].direction_why);
        put_needs(pl, &pl->maps[i], o);
        put_estimate(pl, &pl->maps[i], o);
        strbuf_release(&key);
        strbuf_release(&passes);
    }
    table_print(t);
}

static void number_cell(struct table *t, int64_t v)
{
    if (v < 0)
        table_cell(t, "?");
    else
        table_cell(t, "%lld", (long long)v);
}

static void put_volume(struct plan *pl)
{
    static const char *const HEADERS[] = { "alias",    "rows",           "packages", "F&O calls", "Dataverse calls",
                                           "F&O time", "Dataverse time", "rate",     "load" };
    struct output *out = &pl->app->out;
    struct table *t;
    struct json *o = out_object(out, NULL, "total");
    bool measured = true, guessed = false;

    out_line(out, "%s", "");
    t = table_new(out, HEADERS, COUNT(HEADERS), "lrrrrrrll");
    for (size_t i = 0; i < pl->n; i++) {
        const struct plan_map *pm = &pl->maps[i];

        table_cell(t, "%s", pm->m->cfg->alias);
        number_cell(t, pm->rows);
        number_cell(t, pm->packages);
        number_cell(t, pm->fno_requests);
        number_cell(t, pm->dv_requests);
        table_cell(t, "%s", plan_duration(&pl->arena, pm->fno_s));
        table_cell(t, "%s", plan_duration(&pl->arena, pm->dv_s));
        table_cell(t, "%s",
                   pm->fno.measured && pm->dv.measured   ? "measured"
                   : pm->fno.measured || pm->dv.measured ? "part measured"
                                                         : "default");
        table_cell(t, "%s", pm->direction);
        measured = measured && pm->fno.measured && pm->dv.measured;
        guessed = guessed || (pm->rows_from && strstr(pm->rows_from, "guessed"));
    }
    table_print(t);
    out_line(
        out, "in all %s%s%s", plan_duration(&pl->arena, pl->total_s),
        measured
            ? ""
            : "; rates called default are 10 rows/s per company for F&O and 1,000,000 rows/h per user for Dataverse",
        guessed ? "; row counts are guessed from the files' first MiB" : "");
    out_int(out, o, "dataverse_rows", pl->dv_rows);
    put_number(out, o, "seconds", pl->total_s);
}

static void put_cycles(struct plan *pl)
{
    const struct deps *d = &pl->p->deps;
    struct output *out = &pl->app->out;
    struct json *list = out_array(out, NULL, "two_passes");

    for (size_t i = 0; i < d->n_edges; i++) {
        const struct deps_edge *g = &d->edges[i];
        struct json *o;

        if (!(g->self || g->deferred) || !ctx_of(pl->p, g->from)->selected)
            continue;
        o = out_object(out, list, NULL);
        out_cell(out, o, "map", g->from->map->name);
        out_cell(out, o, "field", g->field);
        out_str(out, o, "why", g->self ? "self" : "cycle");
        out_cell(out, o, "cycle", g->cycle);
        if (g->self)
            out_line(out, "two passes: " CELL_FMT " of " CELL_FMT " looks up rows of the same table",
                     CELL_ARG(g->field), CELL_ARG(g->from->map->name));
        else
            out_line(out, "two passes: " CELL_FMT " of " CELL_FMT " closes the cycle " CELL_FMT, CELL_ARG(g->field),
                     CELL_ARG(g->from->map->name), CELL_ARG(g->cycle));
    }
}

static void put_limits(struct plan *pl)
{
    struct output *out = &pl->app->out;
    struct json *list = out_array(out, NULL, "limits");

    for (size_t i = 0; i < pl->n_limits; i++) {
        const struct plan_limit *l = &pl->limits[i];
        struct json *o = out_object(out, list, NULL);

        out_str(out, o, "limit", l->code);
        out_str(out, o, "alias", l->map ? l->map->m->cfg->alias : NULL);
        out_str(out, o, "text", l->text);
        out_str(out, o, "todo", l->todo);
        if (!strcmp(l->code, "second_pass"))
            continue; /* told above, with the field */
        out_line(out, "limit: %s%s%s", l->map ? l->map->m->cfg->alias : "", l->map ? ": " : "", l->text);
        out_line(out, "       -> %s", l->todo);
    }
}

static void put_gaps(struct plan *pl)
{
    struct output *out = &pl->app->out;
    struct json *list = out_array(out, NULL, "gaps");

    for (size_t i = 0; i < pl->p->deps.n_gaps; i++) {
        const struct deps_gap *g = &pl->p->deps.gaps[i];
        int fills = standard_map_filling(&pl->std, g->target);
        struct json *o = out_object(out, list, NULL);

        out_cell(out, o, "map", g->b->map->name);
        out_cell(out, o, "field", g->field);
        out_cell(out, o, "path", g->path);
        out_cell(out, o, "target", g->target);
        out_cell(out, o, "standard_map", fills >= 0 ? pl->std.maps[fills].name : CELL_ABSENT);
        out_line(out,
                 "unserved: " CELL_FMT " of " CELL_FMT " looks up " CELL_FMT
                 ", but no map of the workspace fills " CELL_FMT,
                 CELL_ARG(g->field), CELL_ARG(g->b->map->name), CELL_ARG(g->path), CELL_ARG(g->target));
        if (fills >= 0)
            out_line(out,
                     "       -> add the map '" CELL_FMT "', or remove the field from a custom version of this one",
                     CELL_ARG(pl->std.maps[fills].name));
    }
}

void plan_show(struct plan *pl)
{
    put_order(pl);
    out_int(&pl->app->out, NULL, "waves", pl->p->deps.n_waves);
    put_volume(pl);
    put_cycles(pl);
    put_limits(pl);
    put_gaps(pl);
}

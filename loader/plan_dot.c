/* plan_dot.c -- the plan for Graphviz: waves as ranks, what a row needs at once solid, what can wait dashed. */
#include "loader/plan.h"

void plan_dot_text(struct strbuf *out, struct cell text)
{
    strbuf_addc(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '"' || c == '\\')
            strbuf_addc(out, '\\');
        strbuf_addc(out, c < 0x20 ? ' ' : (char)c);
    }
    strbuf_addc(out, '"');
}

static bool shown(const struct plan *pl, const struct binding *b)
{
    for (size_t i = 0; i < pl->n; i++)
        if (pl->maps[i].m->b == b)
            return true;
    return false;
}

static void put_edge(struct strbuf *s, struct cell from, struct cell to, struct cell field, const char *style)
{
    strbuf_adds(s, "  ");
    plan_dot_text(s, from);
    strbuf_adds(s, " -> ");
    plan_dot_text(s, to);
    strbuf_adds(s, " [label=");
    plan_dot_text(s, cell_absent(field) ? CELL_LIT("company") : field);
    strbuf_addf(s, "%s];\n", style);
}

static void put_waves(const struct plan *pl, struct strbuf *s)
{
    for (int w = 1; w <= pl->p->deps.n_waves; w++) {
        bool any = false;

        for (size_t i = 0; i < pl->n; i++) {
            if (pl->maps[i].m->wave != w)
                continue;
            if (!any)
                strbuf_addf(s, "  { rank=same; \"wave %d\" [shape=plaintext];", w);
            any = true;
            strbuf_addc(s, ' ');
            plan_dot_text(s, pl->maps[i].m->map->name);
            strbuf_addc(s, ';');
        }
        if (any)
            strbuf_adds(s, " }\n");
    }
}

void plan_dot(struct plan *pl)
{
    struct strbuf s = STRBUF(0);
    const struct deps *d = &pl->p->deps;

    /* An arrow runs from a map to what it needs; the first wave is at the bottom. */
    strbuf_adds(&s, "digraph plan {\n  rankdir=BT;\n  node [shape=box];\n");
    put_waves(pl, &s);
    for (size_t i = 0; i < d->n_edges; i++) {
        const struct deps_edge *g = &d->edges[i];

        if (shown(pl, g->from) && shown(pl, g->to))
            put_edge(&s, g->from->map->name, g->to->map->name, g->field,
                     g->self       ? ",style=dotted"
                     : g->deferred ? ",style=dotted,color=orange"
                     : g->hard     ? ""
                                   : ",style=dashed");
    }
    for (size_t i = 0; i < d->n_gaps; i++) {
        const struct deps_gap *g = &d->gaps[i];

        if (!shown(pl, g->b))
            continue;
        strbuf_adds(&s, "  ");
        plan_dot_text(&s, g->target);
        strbuf_adds(&s, " [color=red,style=dashed];\n");
        put_edge(&s, g->b->map->name, g->target, g->field, ",color=red");
    }
    strbuf_adds(&s, "}\n");
    out_raw(&pl->app->out, s.buf, s.len);
    strbuf_release(&s);
}

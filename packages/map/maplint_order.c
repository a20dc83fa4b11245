/* maplint_order.c -- rings: maps that look up each other, found from the lookups of all maps at hand. */
#include "map/maplint_parts.h"

struct node {
    const struct map *map;
    struct lint_group *groups;
    size_t n;
    bool seen;
};
struct ring {
    struct linter *l;
    struct node *nodes;
    size_t n;
    bool needed_only; /* follow lookups only that a row cannot be written without */
    struct strbuf path;
};

/* A row cannot be written without it, as far as the metadata tells. */
static bool needed(const struct linter *l, const struct map *m, const struct lint_group *g)
{
    const struct fno_entity *e = schema_entity(l->in->schema, m->label);
    const struct dv_table *t = schema_table(l->in->schema, m->set);
    const struct dv_column *c = t ? dv_column_find(t, g->column) : NULL;

    for (size_t i = 0; e && i < g->n; i++) {
        const struct fno_field *f = fno_field_find(e, g->parts[i]->source);

        if (f && (f->key || f->mandatory))
            return true;
    }
    return c && c->required_by_system;
}

/* Appends " -> set" for each map on the way back to the first one; false = there is no way. */
static bool way_back(struct ring *r, struct cell set)
{
    size_t mark = r->path.len;

    strbuf_addf(&r->path, " -> " CELL_FMT, CELL_ARG(set));
    if (cell_ieq(set, r->l->m->set))
        return true;
    for (size_t i = 0; i < r->n; i++) {
        struct node *x = &r->nodes[i];

        if (x->seen || !cell_ieq(x->map->set, set))
            continue;
        x->seen = true;
        for (size_t k = 0; k < x->n; k++)
            if (!cell_absent(x->groups[k].set) && !x->groups[k].self &&
                (!r->needed_only || needed(r->l, x->map, &x->groups[k])) && way_back(r, x->groups[k].set))
                return true;
    }
    r->path.len = mark;
    r->path.buf[mark] = 0;
    return false;
}

static bool report(struct ring *r, const struct lint_group *g)
{
    for (size_t i = 0; i < r->n; i++)
        r->nodes[i].seen = false;
    strbuf_reset(&r->path);
    strbuf_addf(&r->path, CELL_FMT, CELL_ARG(r->l->m->set));
    if ((r->needed_only && !needed(r->l, r->l->m, g)) || !way_back(r, g->set))
        return false;
    lint_add_as(r->l, r->needed_only ? LINT_ERROR : LINT_WARNING, "order-cycle", g->first, "%s%s",
                strbuf_str(&r->path),
                r->needed_only ? ": every lookup of this ring is a key or mandatory, so no map of it can go first"
                               : "; the lookup "
                                 "is left to a second pass");
    return true;
}

void lint_order(struct linter *l)
{
    struct arena *a = &l->out->arena;
    struct ring r = { .l = l, .n = l->in->n_maps, .path = STRBUF(0) };
    struct lint_group *own;
    size_t n = lint_groups(l->m, l->in->schema, a, &own);

    r.nodes = arena_zalloc(a, (r.n + 1) * sizeof(*r.nodes));
    for (size_t i = 0; i < r.n; i++) {
        r.nodes[i].map = l->in->maps[i];
        r.nodes[i].n = lint_groups(l->in->maps[i], l->in->schema, a, &r.nodes[i].groups);
    }
    for (size_t k = 0; k < n; k++) {
        if (cell_absent(own[k].set) || own[k].self)
            continue;
        r.needed_only = true;
        if (report(&r, &own[k]))
            continue;
        r.needed_only = false;
        report(&r, &own[k]);
    }
    strbuf_release(&r.path);
}

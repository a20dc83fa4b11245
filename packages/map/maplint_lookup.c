/* maplint_lookup.c -- findings about lookups: who fills their targets, whole keys, directions, levels, their number. */
#include "map/maplint_parts.h"

enum { LOOKUPS_MAX = 9 }; /* initial sync from Dataverse takes fewer than ten */

static bool is_lookup(const struct dv_table *t, const struct map_field *mf)
{
    return mf->n_path > 1 && !cell_absent(mf->source) && !lint_is_company(t, mf);
}

/* The target by metadata, else by what the document says; "Customer" and the like are no sets. */
static void find_target(const struct map *m, const struct schema *s, const struct dv_table *from,
                        struct lint_group *g)
{
    const struct map_field *mf = g->first;
    const struct dv_column *c = from ? dv_column_find(from, g->column) : NULL;

    g->polymorphic = !cell_absent(mf->path[1].target);
    g->set = CELL_ABSENT;
    for (size_t i = 0; c && i < c->n_navs && !g->target; i++) {
        const struct dv_table *t = schema_table_logical(s, c->navs[i].target);

        if (t && (!g->polymorphic || cell_ieq(mf->path[1].target, t->logical)) &&
            (cell_blank(mf->related_entity) || g->polymorphic || cell_ieq(t->set, mf->related_entity)))
            g->target = t;
    }
    if (g->target)
        g->set = g->target->set;
    else if (!g->polymorphic && !cell_blank(mf->related_entity))
        g->set = mf->related_entity;
    g->self = cell_ieq(g->set, m->set);
}

size_t lint_groups(const struct map *m, const struct schema *s, struct arena *a, struct lint_group **ret)
{
    struct lint_group *groups = arena_zalloc(a, (m->n + 1) * sizeof(*groups));
    const struct map_field **parts = arena_alloc(a, (m->n + 1) * sizeof(*parts));
    size_t *of = arena_alloc(a, (m->n + 1) * sizeof(*of));
    const struct dv_table *from = schema_table(s, m->set);
    size_t n = 0;

    for (size_t i = 0; i < m->n; i++) {
        const struct map_field *mf = &m->fields[i];

        of[i] = m->n;
        if (!is_lookup(from, mf))
            continue;
        for (of[i] = 0; of[i] < n && !cell_ieq(groups[of[i]].column, mf->path[0].name);)
            of[i]++;
        if (of[i] == n) {
            groups[n] = (struct lint_group){ .column = mf->path[0].name, .first = mf };
            find_target(m, s, from, &groups[n++]);
        }
        groups[of[i]].n++;
    }
    for (size_t k = 0; k < n; k++) {
        groups[k].parts = parts;
        parts += groups[k].n;
        groups[k].n = 0;
    }
    for (size_t i = 0; i < m->n; i++)
        if (of[i] < n)
            groups[of[i]].parts[groups[of[i]].n++] = &m->fields[i];
    *ret = groups;
    return n;
}

static bool planned(const struct linter *l, struct cell set)
{
    for (size_t i = 0; i < l->in->n_maps; i++)
        if (cell_ieq(l->in->maps[i]->set, set))
            return true;
    return false;
}

static void check_served(struct linter *l, const struct map_field *mf, struct cell set, const char *what)
{
    int there;

    if (planned(l, set))
        return;
    there = l->in->present ? l->in->present(l->in->present_arg, set) : -1;
    if (there > 0)
        lint_add_as(l, LINT_WARNING, "lookup-unserved", mf,
                    "%s looks up '" CELL_FMT
                    "', which no map at hand fills; rows are there, but nothing keeps them in step",
                    what, CELL_ARG(set));
    else
        lint_add(l, "lookup-unserved", mf, "%s looks up '" CELL_FMT "', which no map at hand fills%s", what,
                 CELL_ARG(set), there ? "" : " and which has no rows");
}

static bool has_part(const struct lint_group *g, struct cell column)
{
    for (size_t i = 0; i < g->n; i++)
        if (cell_ieq(g->parts[i]->path[1].name, column))
            return true;
    return false;
}

/* Columns of a key that the lookup does not name; the company follows from the row. */
static size_t missing_of(const struct lint_group *g, const struct dv_key *key, struct strbuf *names)
{
    size_t n = 0;

    for (size_t i = 0; i < key->n; i++) {
        if (has_part(g, key->columns[i]) ||
            (g->target->company && cell_ieq(key->columns[i], g->target->company->name)))
            continue;
        strbuf_addf(names, "%s" CELL_FMT, n++ ? ", " : "", CELL_ARG(key->columns[i]));
    }
    return n;
}

static void check_whole_key(struct linter *l, const struct lint_group *g)
{
    struct strbuf best = STRBUF(400);
    const struct dv_key *nearest = NULL;
    size_t fewest = 0;

    if (!g->target || g->polymorphic)
        return;
    for (size_t k = 0; k < g->target->n_keys; k++) {
        struct strbuf names = STRBUF(400);
        size_t n;

        if (!g->target->keys[k].active)
            continue;
        n = missing_of(g, &g->target->keys[k], &names);
        if (!nearest || n < fewest) {
            nearest = &g->target->keys[k];
            fewest = n;
            strbuf_reset(&best);
            strbuf_adds(&best, strbuf_str(&names));
        }
        strbuf_release(&names);
    }
    if (nearest && fewest)
        lint_add(l, lint_to_dv(g->first) ? "DIPV1027" : "DIPV1028", g->first,
                 "the lookup " CELL_FMT " names not the whole key " CELL_FMT " of '" CELL_FMT "': "
                 "%s is missing",
                 CELL_ARG(g->column), CELL_ARG(nearest->name), CELL_ARG(g->target->set), strbuf_str(&best));
    strbuf_release(&best);
}

static void check_group(struct linter *l, const struct lint_group *g)
{
    const char *what = arena_printf(&l->out->arena, CELL_FMT, CELL_ARG(lint_name(g->first)));

    if (cell_absent(g->set)) {
        if (!l->table && !g->polymorphic)
            lint_add(l, "lookup-target-unsaid", g->first, "the target of '" CELL_FMT "' is not in the document",
                     CELL_ARG(g->column));
    } else if (!g->self) {
        check_served(l, g->first, g->set, what);
    }
    for (size_t i = 1; i < g->n; i++)
        if (g->parts[i]->dir != g->first->dir) {
            lint_add(l, "lookup-directions", g->parts[i],
                     CELL_FMT " and " CELL_FMT " fill one lookup in different directions",
                     CELL_ARG(lint_name(g->first)), CELL_ARG(lint_name(g->parts[i])));
            break;
        }
    for (size_t i = 0; i < g->n; i++)
        if (g->parts[i]->n_path > 2 && cell_absent(g->parts[i]->path[1].target))
            lint_add(l, "lookup-levels", g->parts[i], "'" CELL_FMT "' goes through %zu lookups",
                     CELL_ARG(g->parts[i]->destination), g->parts[i]->n_path - 1);
    check_whole_key(l, g);
}

void lint_lookups(struct linter *l)
{
    struct lint_group *groups;
    size_t n = lint_groups(l->m, l->in->schema, &l->out->arena, &groups);

    for (size_t i = 0; i < n; i++)
        check_group(l, &groups[i]);
    if (l->out->binding && l->out->binding->striped)
        check_served(l, NULL, CELL_LIT("cdm_companies"), "the company of every row");
    if (n > LOOKUPS_MAX && l->to_fno)
        lint_add_as(l, l->in->settings.master_is_dataverse ? LINT_ERROR : LINT_WARNING, "lookup-count", NULL,
                    "%zu lookups are mapped; initial sync with Dataverse as master takes %d at most", n, LOOKUPS_MAX);
}

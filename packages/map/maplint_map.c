/* maplint_map.c -- findings about the map as a whole: metadata, scope, key, what a new row needs, filters. */
#include "map/maplint_parts.h"

enum { WIDE_MAP = 50 };

/* ---- metadata ---- */

static void check_known(struct linter *l)
{
    enum lint_severity s = l->in->offline ? LINT_WARNING : LINT_ERROR;
    const char *rest = "; only what the document shows was checked";

    if (!l->entity)
        lint_add_as(l, s, "DIPV1018", NULL, "F&O entity '" CELL_FMT "' is unknown %s%s" CELL_FMT "%s",
                    CELL_ARG(l->m->label), l->in->offline ? "in the saved metadata" : "in this environment",
                    cell_blank(l->in->fno_why) ? "" : ": ", CELL_ARG(l->in->fno_why), rest);
    if (!l->table)
        lint_add_as(l, s, "DIPV1020", NULL, "Dataverse table of set '" CELL_FMT "' is unknown %s%s" CELL_FMT "%s",
                    CELL_ARG(l->m->set), l->in->offline ? "in the saved metadata" : "in this environment",
                    cell_blank(l->in->dv_why) ? "" : ": ", CELL_ARG(l->in->dv_why), rest);
}

static void check_scope(struct linter *l)
{
    if (l->table && l->table->virtual_or_elastic)
        lint_add(l, "DIPV1019", NULL, "table '" CELL_FMT "' is virtual or elastic", CELL_ARG(l->table->logical));
    if (l->entity && l->table && l->entity->shared && l->table->company)
        lint_add(l, "DIPV1002", NULL,
                 "F&O entity '" CELL_FMT "' is shared by all companies, Dataverse table '" CELL_FMT
                 "' has the company lookup " CELL_FMT,
                 CELL_ARG(l->entity->label), CELL_ARG(l->table->logical), CELL_ARG(l->table->company->name));
    for (size_t i = 0; i < l->m->n; i++)
        if (lint_is_company(l->table, &l->m->fields[i]) && !cell_ieq(l->m->set, CELL_LIT("cdm_companies")))
            lint_add(l, "company-mapped", &l->m->fields[i], CELL_FMT " names the company, which the stripe fills",
                     CELL_ARG(lint_name(&l->m->fields[i])));
    if (l->entity && l->entity->read_only && l->to_fno)
        lint_add(l, "DIPV1011", NULL, "F&O entity '" CELL_FMT "' is read-only, but fields flow to it",
                 CELL_ARG(l->entity->label));
    if (json_bool(json_iget(json_at(json_iget(l->m->doc, "legs"), 0), "deleteNonMatchingData"), false))
        lint_add(l, "deletes-rows", NULL, "the leg has deleteNonMatchingData, which belongs to Data Integrator");
    if (l->m->n > WIDE_MAP)
        lint_add(l, "map-wide", NULL, "%zu fields are mapped", l->m->n);
}

static void check_key(struct linter *l)
{
    bool active = false;

    if (!l->table || cell_ieq(l->table->logical, CELL_LIT("cdm_company")))
        return;
    for (size_t i = 0; i < l->table->n_keys; i++)
        active = active || l->table->keys[i].active;
    if (!active && !l->in->settings.key)
        lint_add(l, "DIPV1003", NULL,
                 "table '" CELL_FMT
                 "' has no active alternate key, so its integration key was set by hand, if at all",
                 CELL_ARG(l->table->logical));
}

/* ---- what a new row needs ---- */

static const struct map_field *filler_of_column(const struct linter *l, const struct dv_column *c)
{
    for (size_t i = 0; i < l->m->n; i++)
        if (lint_to_dv(&l->m->fields[i]) && cell_ieq(l->m->fields[i].path[0].name, c->name))
            return &l->m->fields[i];
    return NULL;
}

/* Columns that Dataverse fills by itself where a request has none. */
static bool fills_itself(const struct dv_table *t, const struct dv_column *c)
{
    return !c->create || c == t->company || cell_ieq(c->name, t->pk) || c->type == DV_OWNER || c->type == DV_STATE ||
           c->type == DV_STATUS || c->type == DV_BOOLEAN || c->type == DV_OTHER;
}

static void check_required_columns(struct linter *l)
{
    for (size_t i = 0; i < l->table->n; i++) {
        const struct dv_column *c = &l->table->columns[i];
        const struct map_field *mf;

        if ((!c->required_by_system && !c->required_by_app) || fills_itself(l->table, c))
            continue;
        mf = filler_of_column(l, c);
        if (mf && cell_absent(mf->source) && cell_blank(mf->default_value) && mf->has_default &&
            c->required_by_system)
            lint_add(l, "DIPV1031", mf, "column '" CELL_FMT "' is mandatory and its constant is empty",
                     CELL_ARG(c->name));
        if (mf)
            continue;
        if (c->required_by_system)
            lint_add(l, "DIPV1010", NULL,
                     "column '" CELL_FMT "' of table '" CELL_FMT
                     "' is mandatory and no field of the map fills it, so no row "
                     "can be created",
                     CELL_ARG(c->name), CELL_ARG(l->table->logical));
        else
            lint_add(l, "required-by-forms", NULL, "column '" CELL_FMT "' of table '" CELL_FMT "' is not filled",
                     CELL_ARG(c->name), CELL_ARG(l->table->logical));
    }
}

static void check_mandatory_fields(struct linter *l)
{
    for (size_t i = 0; i < l->entity->n; i++) {
        const struct fno_field *f = &l->entity->fields[i];
        bool filled = false;

        for (size_t k = 0; k < l->m->n && !filled; k++)
            filled = lint_to_fno(&l->m->fields[k]) &&
                     (cell_ieq(l->m->fields[k].source, f->staging) || cell_ieq(l->m->fields[k].source, f->property));
        if (f->mandatory && !filled)
            lint_add(l, "DIPV1010", NULL,
                     "field " CELL_FMT " of F&O entity '" CELL_FMT
                     "' is mandatory and no field of the map fills it from Dataverse",
                     CELL_ARG(f->staging), CELL_ARG(l->entity->label));
    }
}

/* ---- filters ---- */

enum known { KNOWN_FALSE, KNOWN_TRUE, KNOWN_NOT };
struct filter_look {
    struct linter *l;
    bool fno; /* the F&O filter: rows flow to F&O, constants towards F&O matter */
    struct cell seen[64]; /* fields already judged: a filter may name one several times */
    size_t n_seen;
};

static bool flows(const struct filter_look *k, const struct map_field *mf)
{
    return k->fno ? lint_to_fno(mf) : lint_to_dv(mf);
}

static const struct map_field *field_by_name(const struct filter_look *k, struct cell name, bool flowing)
{
    for (size_t i = 0; i < k->l->m->n; i++) {
        const struct map_field *mf = &k->l->m->fields[i];
        struct cell own = k->fno ? mf->source : mf->n_path ? mf->path[0].name : CELL_ABSENT;
        const struct fno_field *f = k->fno && k->l->entity ? fno_field_find(k->l->entity, name) : NULL;

        if (!cell_absent(own) && (cell_ieq(own, name) || (f && cell_ieq(own, f->staging))) &&
            (!flowing || flows(k, mf)))
            return mf;
    }
    return NULL;
}

static bool constant_of(void *arg, struct cell field, struct cell *ret)
{
    const struct map_field *mf = field_by_name(arg, field, true);

    if (!mf || !(cell_absent(mf->source) || cell_absent(mf->destination)) || !mf->has_default)
        return false;
    *ret = mf->default_value;
    return true;
}

/* What the constants alone say about the filter. A number compared with an element's name says nothing. */
static enum known judge(struct filter_look *k, const struct filter *f)
{
    struct cell constant;
    int64_t number;
    enum known a, b;

    switch (f->op) {
    case FILTER_AND:
    case FILTER_OR:
        a = judge(k, f->a);
        b = judge(k, f->b);
        if (f->op == FILTER_AND)
            return a == KNOWN_FALSE || b == KNOWN_FALSE ? KNOWN_FALSE
                   : a == KNOWN_TRUE && b == KNOWN_TRUE ? KNOWN_TRUE
                                                        : KNOWN_NOT;
        return a == KNOWN_TRUE || b == KNOWN_TRUE     ? KNOWN_TRUE
               : a == KNOWN_FALSE && b == KNOWN_FALSE ? KNOWN_FALSE
                                                      : KNOWN_NOT;
    case FILTER_NOT: a = judge(k, f->a); return a == KNOWN_NOT ? a : a == KNOWN_TRUE ? KNOWN_FALSE : KNOWN_TRUE;
    default:
        if (!constant_of(k, f->field, &constant) ||
            (cell_to_i64(f->value, &number) != cell_to_i64(constant, &number) && !cell_blank(constant)))
            return KNOWN_NOT;
        return filter_match(f, constant_of, k) ? KNOWN_TRUE : KNOWN_FALSE;
    }
}

static void look_at_field(void *arg, struct cell field)
{
    struct filter_look *k = arg;
    struct linter *l = k->l;
    const char *side = k->fno ? "F&O" : "Dataverse";

    for (size_t i = 0; i < k->n_seen; i++)
        if (cell_ieq(k->seen[i], field))
            return;
    if (k->n_seen < COUNT(k->seen))
        k->seen[k->n_seen++] = field;
    if (k->fno && cell_ieq(field, CELL_LIT("dataAreaId")))
        return;
    if (!field_by_name(k, field, false)) {
        lint_add(l, "filter-unmapped", NULL, "the %s filter goes by '" CELL_FMT "', which no field of the map has",
                 side, CELL_ARG(field));
    }
    if ((k->fno ? l->to_fno : l->to_dv) && !field_by_name(k, field, true))
        /* Without rows flowing back a row outside the filter is only left out of comparisons. */
        lint_add_as(l, (k->fno ? l->to_dv : l->to_fno) ? LINT_ERROR : LINT_WARNING, "filter-constant", NULL,
                    "the %s filter demands '" CELL_FMT
                    "', which nothing fills in rows that are written to %s: they would "
                    "be left out of sync from then on",
                    side, CELL_ARG(field), side);
}

static void check_filter(struct linter *l, const struct filter *f, bool fno)
{
    struct filter_look k = { .l = l, .fno = fno };

    if (!f)
        return;
    filter_fields(f, look_at_field, &k);
    if (judge(&k, f) == KNOWN_FALSE)
        lint_add(l, "filter-constant", NULL,
                 "the constants of the map make every row that is written to %s fail its filter",
                 fno ? "F&O" : "Dataverse");
}

static void check_filters(struct linter *l)
{
    struct filter *xpp = NULL, *odata = NULL;
    struct arena *a = &l->out->arena;

    /* A filter that does not parse was reported by binding. */
    if (!filter_parse_xpp(l->m->source_filter, a, &xpp, NULL))
        check_filter(l, xpp, true);
    if (!filter_parse_odata(l->m->reversed_filter, a, &odata, NULL))
        check_filter(l, odata, false);
}

void lint_map(struct linter *l)
{
    check_known(l);
    check_scope(l);
    check_key(l);
    if (l->table && l->to_dv)
        check_required_columns(l);
    if (l->entity && l->to_fno)
        check_mandatory_fields(l);
    check_filters(l);
}

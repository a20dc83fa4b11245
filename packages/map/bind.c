/* bind.c -- join a map with both sides' metadata: fields, lookups, company, filters. Rules and key are in their own files. */
#include "map/bind_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bind_problem(struct bind_problems *p, const char *code, const struct map_field *mf, const char *fmt, ...)
{
    char line[600];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    strbuf_addf(&p->text, "%s%s", p->n ? "; " : "", line);
    if (!strncmp(code, "DIPV", 4))
        strbuf_addf(&p->text, " (%s)", code);
    p->n++;
    if (p->report)
        p->report(p->arg, code, mf, line);
}

static bool is_company_path(const struct binding *b, const struct map_field *mf)
{
    return b->table->company && mf->n_path == 2 && cell_ieq(mf->path[0].name, b->table->company->name) &&
           (cell_absent(mf->source) || cell_ieq(mf->source, CELL_LIT("DATAAREAID")));
}

static const struct dv_table *lookup_target(const struct schema *s, const struct map_field *mf,
                                            const struct dv_column *c, struct cell *ret_nav, struct cell *ret_wanted)
{
    const struct dv_table *t = NULL;

    *ret_nav = CELL_ABSENT;
    *ret_wanted = mf->related_entity;
    if (!cell_blank(mf->related_entity))
        t = schema_table(s, mf->related_entity);
    for (size_t i = 0; i < c->n_navs; i++) {
        bool polymorphic = mf->n_path > 1 && !cell_absent(mf->path[1].target);

        if (polymorphic && !cell_ieq(mf->path[1].target, c->navs[i].target))
            continue;
        if (!t) {
            *ret_wanted = c->navs[i].target;
            t = schema_table_logical(s, c->navs[i].target);
        }
        if (t && cell_ieq(t->logical, c->navs[i].target)) {
            *ret_nav = c->navs[i].nav;
            return t;
        }
    }
    return NULL;
}

static struct cell rest_of_path(struct binding *b, const struct map_field *mf)
{
    struct strbuf out = STRBUF(0);
    struct cell c;

    for (size_t i = 1; i < mf->n_path; i++) {
        if (i > 1)
            strbuf_addc(&out, '.');
        strbuf_add(&out, mf->path[i].name.ptr, mf->path[i].name.len);
    }
    c = (struct cell){ arena_dup(&b->arena, strbuf_str(&out), out.len), out.len };
    strbuf_release(&out);
    return c;
}

static void add_lookup(struct binding *b, const struct schema *s, struct bound_field *f, int index,
                       struct bind_problems *bad)
{
    const struct map_field *mf = f->mf;
    struct bound_lookup *l = NULL;
    struct cell nav, wanted;

    for (size_t i = 0; i < b->n_lookups && !l; i++)
        if (b->lookups[i].c == f->c)
            l = &b->lookups[i];
    if (!l) {
        const struct dv_table *t = lookup_target(s, mf, f->c, &nav, &wanted);

        if (!t) {
            bind_problem(bad, "lookup-target-unknown", mf,
                         CELL_FMT ": the lookup " CELL_FMT " points at '" CELL_FMT "', whose metadata is not known",
                         CELL_ARG(f->name), CELL_ARG(f->c->name), CELL_ARG(wanted));
            return;
        }
        l = &b->lookups[b->n_lookups++];
        *l = (struct bound_lookup){ .c = f->c,
                                    .target = t,
                                    .nav = nav,
                                    .striped = t->company != NULL && b->striped,
                                    .self = t == b->table,
                                    .later = t == b->table };
        l->fields = arena_alloc(&b->arena, (b->map->n + 1) * sizeof(*l->fields));
        l->columns = arena_alloc(&b->arena, (b->map->n + 1) * sizeof(*l->columns));
    }
    if (l->n == BIND_LOOKUP_PARTS) {
        bind_problem(bad, "lookup-parts", mf, CELL_FMT ": the lookup " CELL_FMT " has more than %d key parts",
                     CELL_ARG(f->name), CELL_ARG(f->c->name), BIND_LOOKUP_PARTS);
        return;
    }
    f->lookup = (int)(l - b->lookups);
    f->part = (int)l->n;
    l->fields[l->n] = index;
    l->columns[l->n] = rest_of_path(b, mf);
    if (!dv_column_find(l->target, mf->path[1].name))
        bind_problem(bad, "DIPV1025", mf, CELL_FMT ": table '" CELL_FMT "' has no column '" CELL_FMT "'%s",
                     CELL_ARG(f->name), CELL_ARG(l->target->logical), CELL_ARG(mf->path[1].name),
                     bind_nearest_column(l->target, mf->path[1].name, &b->arena));
    l->n++;
}

static void classify(struct binding *b, const struct schema *s, struct bound_field *f, int index,
                     struct bind_problems *bad)
{
    const struct map_field *mf = f->mf;

    if (cell_absent(mf->source) || cell_absent(mf->destination)) {
        bool to_dv = cell_absent(mf->source);

        f->kind = to_dv ? BOUND_CONST_DV : BOUND_CONST_FNO;
        /* A constant flows to the side that has the field, whatever direction the document gives. */
        f->dir = to_dv ? DIR_TO_DV : DIR_TO_FNO;
        return;
    }
    if (mf->n_path > 1) {
        f->kind = BOUND_LOOKUP;
        if (!f->c->n_navs)
            bind_problem(bad, "lookup-path", mf, CELL_FMT ": column '" CELL_FMT "' is not a lookup",
                         CELL_ARG(f->name), CELL_ARG(f->c->name));
        else if (mf->n_path == 2 || cell_absent(mf->path[2].target)) /* several targets: the document check says so */
            add_lookup(b, s, f, index, bad);
    } else {
        f->kind = mf->has_map ? BOUND_VALUEMAP : BOUND_PLAIN;
        if (f->kind == BOUND_PLAIN && f->c->n_navs)
            bind_problem(bad, "DIPV1027", mf,
                         CELL_FMT ": '" CELL_FMT
                                  "' is a lookup; the map must name a key column of its target (%.*s.column)",
                         CELL_ARG(f->name), CELL_ARG(f->c->name), CELL_ARG(f->c->name));
    }
    if (map_dir_to_dv(f->dir) && !f->c->create && !f->c->update)
        bind_problem(bad, "DIPV1011", mf, CELL_FMT ": Dataverse column '" CELL_FMT "' is read-only",
                     CELL_ARG(f->name), CELL_ARG(f->c->name));
}

bool bind_named(const struct bound_field *f, struct cell name)
{
    return cell_ieq(name, f->name) || (f->c && cell_ieq(name, f->c->name)) ||
           (f->mf && cell_ieq(name, f->mf->destination)) || (f->f && cell_ieq(name, f->f->property));
}

static enum { MASTER_IS_FNO, MASTER_IS_DV } master_of(const struct bind_settings *set, const struct bound_field *f)
{
    for (size_t i = 0; i < set->n_field_master; i++) {
        if (bind_named(f, set->field_master[i].key))
            return cell_ieq(set->field_master[i].value, CELL_LIT("dataverse")) ? MASTER_IS_DV : MASTER_IS_FNO;
    }
    return set->master_is_dataverse ? MASTER_IS_DV : MASTER_IS_FNO;
}

static void add_field(struct binding *b, const struct schema *s, const struct map_field *mf,
                      const struct bind_settings *set, struct bind_problems *bad)
{
    struct bound_field f = { .mf = mf, .dir = mf->dir, .lookup = -1, .part = -1, .compared = true };

    f.name = cell_absent(mf->source) ? mf->destination : mf->source;
    if (!cell_absent(mf->source)) {
        f.f = fno_field_find(b->entity, mf->source);
        if (!f.f)
            bind_problem(bad, "DIPV1022", mf, "F&O entity '" CELL_FMT "' has no field '" CELL_FMT "'%s",
                         CELL_ARG(b->entity->label), CELL_ARG(mf->source),
                         bind_nearest_field(b->entity, mf->source, &b->arena));
        else
            f.name = f.f->staging;
    }
    if (!cell_absent(mf->destination)) {
        f.c = dv_column_find(b->table, mf->path[0].name);
        if (!f.c)
            bind_problem(bad, "DIPV1025", mf, "Dataverse table '" CELL_FMT "' has no column '" CELL_FMT "'%s",
                         CELL_ARG(b->table->logical), CELL_ARG(mf->path[0].name),
                         bind_nearest_column(b->table, mf->path[0].name, &b->arena));
    }
    if ((!cell_absent(mf->source) && !f.f) || (!cell_absent(mf->destination) && !f.c))
        return;
    classify(b, s, &f, (int)b->n, bad);
    if (f.kind == BOUND_CONST_FNO)
        f.compared = false;
    f.master = master_of(set, &f) == MASTER_IS_DV ? MASTER_DV : MASTER_FNO;
    if (f.dir == DIR_TO_DV)
        f.master = MASTER_FNO;
    if (f.dir == DIR_TO_FNO)
        f.master = MASTER_DV;
    bind_choose_rule(b, &f, bad);
    b->fields[b->n++] = f;
}

struct filter_check {
    const struct binding *b;
    struct bind_problems *bad;
    struct arena *a;
    bool fno;
};

static void check_filter_field(void *arg, struct cell field)
{
    struct filter_check *c = arg;

    if (c->fno && !fno_field_find(c->b->entity, field) && !cell_ieq(field, CELL_LIT("dataAreaId")))
        bind_problem(c->bad, "filter-field", NULL,
                     "the F&O filter names '" CELL_FMT "', which entity '" CELL_FMT "' does not have%s",
                     CELL_ARG(field), CELL_ARG(c->b->entity->label), bind_nearest_field(c->b->entity, field, c->a));
    if (!c->fno && !dv_column_find(c->b->table, field) && !cell_ieq(field, c->b->table->pk))
        bind_problem(c->bad, "DIPV1012", NULL,
                     "the Dataverse filter names '" CELL_FMT "', which table '" CELL_FMT "' does not have%s",
                     CELL_ARG(field), CELL_ARG(c->b->table->logical), bind_nearest_column(c->b->table, field, c->a));
}

/* Rows carry element names: a filter that gives an element by label, number or in other case is brought to its name. */
static void name_elements(const struct binding *b, struct filter *f, struct bind_problems *bad)
{
    const struct fno_field *ff;
    const struct fno_enum *en;
    int64_t v;
    bool known;

    if (!f)
        return;
    name_elements(b, f->a, bad);
    name_elements(b, f->b, bad);
    ff = cell_absent(f->field) ? NULL : fno_field_find(b->entity, f->field);
    en = ff && ff->type == FNO_ENUM ? ff->en : NULL;
    if (!en || !en->n || cell_blank(f->value) || f->op > FILTER_GE)
        return;
    for (size_t i = 0; i < en->n && !f->quoted && cell_to_i64(f->value, &v); i++)
        if (en->values[i] == v) {
            f->value = en->members[i];
            f->quoted = true;
            return;
        }
    f->value = bind_enum_spelling(ff, f->value, &known);
    if (!known)
        bind_problem(bad, "filter-element", NULL,
                     "the F&O filter compares '" CELL_FMT "' with '" CELL_FMT "', which is no element of it",
                     CELL_ARG(f->field), CELL_ARG(f->value));
}

static void bind_filters(struct binding *b, struct bind_problems *bad)
{
    struct filter_check c = { .b = b, .bad = bad, .a = &b->arena };

    c.fno = true;
    filter_fields(b->fno_filter, check_filter_field, &c);
    name_elements(b, b->fno_filter, bad);
    c.fno = false;
    filter_fields(b->dv_filter, check_filter_field, &c);
}

static void bind_company(struct binding *b, struct bind_problems *bad)
{
    if (!b->entity->shared && !b->table->company && !cell_ieq(b->table->logical, CELL_LIT("cdm_company")))
        bind_problem(bad, "DIPV1002", NULL,
                     "F&O entity '" CELL_FMT "' is per company, Dataverse table '" CELL_FMT "' has no company lookup",
                     CELL_ARG(b->entity->label), CELL_ARG(b->table->logical));
    b->striped = !b->entity->shared && b->table->company;
    if (!b->striped)
        return;
    b->fields[b->n++] = (struct bound_field){ .kind = BOUND_COMPANY,
                                              .dir = DIR_BOTH,
                                              .c = b->table->company,
                                              .name = CELL_LIT("dataAreaId"),
                                              .rule = { .type = CANON_COMPANY },
                                              .compared = true,
                                              .key = true,
                                              .lookup = -1,
                                              .part = -1 };
}

static void copy_settings(struct binding *b, const struct bind_settings *set)
{
    b->alias = cell_dup(&b->arena, set->alias);
    b->companies = arena_zalloc(&b->arena, (set->n_companies + 1) * sizeof(*b->companies));
    for (size_t i = 0; i < set->n_companies; i++)
        b->companies[b->n_companies++] = cell_lower(&b->arena, set->companies[i]);
}

static void finish(struct binding *b)
{
    b->rules = arena_zalloc(&b->arena, (b->n + 1) * sizeof(*b->rules));
    b->compared = arena_zalloc(&b->arena, (b->n + 1) * sizeof(*b->compared));
    for (size_t i = 0; i < b->n; i++) {
        b->rules[i] = b->fields[i].rule;
        if (b->fields[i].compared)
            b->compared[b->n_compared++] = (uint16_t)i;
    }
}

/* Entity and table are known. */
static void bind_parts(struct binding *b, const struct schema *s, const struct bind_settings *set,
                       struct bind_problems *bad)
{
    const struct map *m = b->map;
    size_t before = bad->n;

    copy_settings(b, set);
    b->fields = arena_zalloc(&b->arena, (m->n + 2) * sizeof(*b->fields));
    b->lookups = arena_zalloc(&b->arena, (m->n + 1) * sizeof(*b->lookups));
    bind_check_document(m, &b->arena, &b->fno_filter, &b->dv_filter, bad);
    bind_company(b, bad);
    for (size_t i = 0; i < m->n; i++)
        if (!is_company_path(b, &m->fields[i]))
            add_field(b, s, &m->fields[i], set, bad);
    bind_filters(b, bad);
    if (bad->n == before || bad->report)
        bind_choose_key(b, set, bad);
    bind_tune_rules(b, set, bad);
    finish(b);
}

enum ec bind_map(const struct map *m, const struct schema *s, const struct bind_settings *set, struct binding **ret,
                 struct err *reterr)
{
    struct binding *b = xcalloc(1, sizeof(*b));
    struct bind_problems bad = { .text = STRBUF(0) };
    enum ec rc = EC_OK;

    b->map = m;
    b->entity = schema_entity(s, m->label);
    b->table = schema_table(s, m->set);
    if (!b->entity || !b->table) {
        rc = err_set(reterr, EC_CONFIG, "map '" CELL_FMT "': the metadata of %s '" CELL_FMT "' is not known",
                     CELL_ARG(m->name), b->entity ? "Dataverse set" : "F&O entity",
                     CELL_ARG(b->entity ? m->set : m->label));
        goto out;
    }
    bind_parts(b, s, set, &bad);
    if (bad.n) {
        rc = err_set(reterr, EC_CONFIG, "map '" CELL_FMT "' does not fit the services (%zu finding%s): %s",
                     CELL_ARG(m->name), bad.n, bad.n == 1 ? "" : "s", bad.text.buf);
        err_hint(reterr,
                 "correct '" CELL_FMT
                 "'; where a field is new, refresh the entity list in F&O or the tables in Dataverse",
                 CELL_ARG(m->file));
    }
out:
    strbuf_release(&bad.text);
    if (rc)
        binding_free(b);
    else
        *ret = b;
    return rc;
}

size_t bind_check(const struct map *m, const struct schema *s, const struct bind_settings *set, bind_report *report,
                  void *arg, struct binding **ret)
{
    struct binding *b = xcalloc(1, sizeof(*b));
    struct bind_problems bad = { .text = STRBUF(0), .report = report, .arg = arg };

    b->map = m;
    b->entity = schema_entity(s, m->label);
    b->table = schema_table(s, m->set);
    if (b->entity && b->table) {
        bind_parts(b, s, set, &bad);
    } else {
        bind_check_document(m, &b->arena, &b->fno_filter, &b->dv_filter, &bad);
        binding_free(b);
        b = NULL;
    }
    strbuf_release(&bad.text);
    *ret = b;
    return bad.n;
}

void binding_free(struct binding *b)
{
    if (!b)
        return;
    arena_release(&b->arena);
    free(b);
}

int binding_field(const struct binding *b, struct cell name)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct bound_field *f = &b->fields[i];

        if (cell_ieq(f->name, name) || (f->f && cell_ieq(f->f->property, name)) ||
            (f->mf && cell_ieq(f->mf->destination, name)) || (f->c && cell_ieq(f->c->name, name)))
            return (int)i;
    }
    return -1;
}

bool binding_company_wanted(const struct binding *b, struct cell company_lower)
{
    for (size_t i = 0; i < b->n_companies; i++)
        if (cell_ieq(b->companies[i], company_lower))
            return true;
    return !b->n_companies;
}

bool binding_row_wanted(const struct binding *b, const struct cell *row)
{
    if (b->striped)
        return binding_company_wanted(b, row[0]);
    if (cell_ieq(b->table->logical, CELL_LIT("cdm_company")) && b->n_key)
        return binding_company_wanted(b, row[b->key[0]]);
    return true;
}

size_t binding_targets(const struct binding *b, struct cell *ret, size_t max)
{
    size_t n = 0;

    if (b->striped && n < max)
        ret[n++] = CELL_LIT("cdm_companies");
    for (size_t i = 0; i < b->n_lookups; i++) {
        bool seen = false;

        for (size_t k = 0; k < n && k < max && !seen; k++)
            seen = cell_ieq(ret[k], b->lookups[i].target->set);
        if (!seen && n < max)
            ret[n++] = b->lookups[i].target->set;
    }
    return n;
}

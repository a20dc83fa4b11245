/* maplint.c -- collecting findings: binding's own, ours, what the settings silence, and their order. */
#include "map/maplint_parts.h"

#include <stdlib.h>

static void push(struct linter *l, enum lint_severity s, const struct lint_code *code, const struct map_field *mf,
                 struct cell reason)
{
    struct maplint *o = l->out;

    for (size_t i = 0; !mf && i < o->n; i++) /* a filter may name one field several times */
        if (o->v[i].code == code && !o->v[i].mf && cell_eq(o->v[i].reason, reason))
            return;
    if (o->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        o->v = xrealloc(o->v, l->cap * sizeof(*o->v));
    }
    o->v[o->n++] = (struct lint_finding){ .code = code, .severity = s, .mf = mf, .reason = reason };
}

static void add(struct linter *l, int severity, const char *code, const struct map_field *mf, const char *fmt,
                va_list ap)
{
    const struct lint_code *c = lint_code_find(cell_of(code));
    struct cell reason;

    BUG_IF(!c, "a finding whose code is not in the table");
    reason.ptr = arena_vprintf(&l->out->arena, &reason.len, fmt, ap);
    push(l, severity < 0 ? c->severity : (enum lint_severity)severity, c, mf, reason);
}

void lint_add(struct linter *l, const char *code, const struct map_field *mf, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(l, -1, code, mf, fmt, ap);
    va_end(ap);
}

void lint_add_as(struct linter *l, enum lint_severity s, const char *code, const struct map_field *mf,
                 const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    add(l, (int)s, code, mf, fmt, ap);
    va_end(ap);
}

struct cell lint_name(const struct map_field *mf)
{
    return cell_absent(mf->source) ? mf->destination : mf->source;
}

bool lint_to_dv(const struct map_field *mf)
{
    return !cell_absent(mf->destination) && (cell_absent(mf->source) || map_dir_to_dv(mf->dir));
}

bool lint_to_fno(const struct map_field *mf)
{
    return !cell_absent(mf->source) && (cell_absent(mf->destination) || map_dir_to_fno(mf->dir));
}

bool lint_is_company(const struct dv_table *t, const struct map_field *mf)
{
    if (cell_ieq(mf->source, CELL_LIT("DATAAREAID")))
        return true;
    if (mf->n_path != 2 || !cell_ieq(mf->path[1].name, CELL_LIT("cdm_companycode")))
        return false;
    return !t || (t->company && cell_ieq(mf->path[0].name, t->company->name));
}

static void from_binding(void *arg, const char *code, const struct map_field *mf, const char *why)
{
    lint_add(arg, code, mf, "%s", why);
}

/* ---- order and silence ---- */

static int by_place(const void *x, const void *y)
{
    const struct lint_finding *a = x, *b = y;

    if (a->severity != b->severity)
        return a->severity < b->severity ? -1 : 1;
    if (a->mf != b->mf)
        return !a->mf || (b->mf && a->mf->index < b->mf->index) ? -1 : 1;
    if (a->code != b->code)
        return strcmp(a->code->code, b->code->code);
    return cell_cmp(a->reason, b->reason);
}

static bool names_field(const struct map_field *mf, struct cell name)
{
    int64_t number;

    if (!mf)
        return false;
    return cell_ieq(mf->source, name) || cell_ieq(mf->destination, name) ||
           (mf->n_path > 1 && cell_ieq(mf->path[0].name, name)) ||
           (cell_to_i64(name, &number) && number == (int64_t)mf->index + 1);
}

/* CODE or CODE:FIELD; FIELD is a name of either side, or the field's number. */
static bool silences(const char *entry, const struct lint_finding *f)
{
    size_t n = strcspn(entry, ":");

    return cell_ieq((struct cell){ entry, n }, cell_of(f->code->code)) &&
           (!entry[n] || names_field(f->mf, cell_of(entry + n + 1)));
}

static void apply_ignore(struct linter *l)
{
    struct maplint *o = l->out;

    o->idle = arena_alloc(&o->arena, (l->in->n_ignore + 1) * sizeof(*o->idle));
    for (size_t i = 0; i < l->in->n_ignore; i++) {
        bool any = false;

        for (size_t k = 0; k < o->n; k++)
            if (silences(l->in->ignore[i], &o->v[k]))
                any = o->v[k].ignored = true;
        if (!any)
            o->idle[o->n_idle++] = l->in->ignore[i];
    }
    for (size_t k = 0; k < o->n; k++)
        if (o->v[k].ignored)
            o->ignored++;
        else
            o->counts[o->v[k].severity]++;
}

void maplint(const struct maplint_input *in, struct maplint *ret)
{
    struct linter l = { .in = in,
                        .m = in->map,
                        .entity = schema_entity(in->schema, in->map->label),
                        .table = schema_table(in->schema, in->map->set),
                        .out = ret };

    *ret = (struct maplint){ 0 };
    for (size_t i = 0; i < l.m->n; i++) {
        l.to_dv = l.to_dv || lint_to_dv(&l.m->fields[i]);
        l.to_fno = l.to_fno || lint_to_fno(&l.m->fields[i]);
    }
    bind_check(in->map, in->schema, &in->settings, from_binding, &l, &ret->binding);
    lint_map(&l);
    lint_lookups(&l);
    lint_order(&l);
    lint_fields(&l);
    if (ret->n)
        qsort(ret->v, ret->n, sizeof(*ret->v), by_place);
    apply_ignore(&l);
}

void maplint_release(struct maplint *l)
{
    binding_free(l->binding);
    free(l->v);
    arena_release(&l->arena);
    *l = (struct maplint){ 0 };
}

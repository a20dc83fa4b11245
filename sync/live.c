/* live.c -- one row as it is now, on either side. */
#include "base/clock.h"
#include "loader/public/fno_read.h"
#include "sync/snapshot.h"

#include <stdio.h>

/* Key parts of a canonical row in the order of F&O's key. */
size_t fno_key_of(struct map_ctx *m, const struct cell *cells, struct arena *a, struct cell *ret, size_t max)
{
    const struct fno_entity *e = m->b->entity;
    size_t n = 0;

    for (size_t i = 0; i < e->n && n < max; i++) {
        if (!e->fields[i].key)
            continue;
        ret[n] = CELL_LIT("");
        for (size_t k = 0; k < m->b->n_key; k++) {
            size_t at = m->b->key[k];
            const char *why;

            if (m->b->fields[at].f == &e->fields[i])
                (void)bind_to_fno_value(m->b, (int)at, cells[at], a, &ret[n], &why);
        }
        n++;
    }
    return n;
}

char *live_fno_select(struct map_ctx *m, struct arena *a)
{
    char *select = bind_fno_select(m->b, a);
    const struct fno_field *f = fno_modified_field(m);
    char *name = f ? cell_cstr(a, f->property) : NULL, *at = name ? strstr(select, name) : NULL;
    size_t n = name ? strlen(name) : 0;

    if (!name || (at && (at == select || at[-1] == ',') && (!at[n] || at[n] == ',')))
        return select;
    return arena_printf(a, "%s,%s", select, name);
}

static const struct dv_column *dv_modified(const struct map_ctx *m)
{
    return dv_column_find(m->b->table, CELL_LIT("modifiedon"));
}

char *live_dv_select(struct map_ctx *m, struct arena *a)
{
    char *select = bind_dv_select(m->b, a);

    if (m->cfg->deletes == DELETES_MARK && dv_column_find(m->b->table, CELL_LIT("statecode")) &&
        !strstr(select, "statecode"))
        select = arena_printf(a, "%s,statecode", select);
    return !dv_modified(m) || strstr(select, "modifiedon") ? select : arena_printf(a, "%s,modifiedon", select);
}

static int64_t time_of(struct cell text)
{
    int64_t ms = 0;

    return text.ptr && clock_parse_utc(text.ptr, text.len, &ms) ? ms : 0;
}

void live_fno_record(struct map_ctx *m, struct json *rec, struct arena *a, struct live_row *ret)
{
    struct fno_shape shape = { .n = m->b->n };
    const struct fno_field *mod = fno_modified_field(m);
    struct cell *cells = arena_zalloc(a, (m->b->n + 1) * sizeof(*cells));
    size_t faults;

    *ret = (struct live_row){ .in_filter = true };
    if (!rec)
        return;
    fno_record(m, &shape, rec, a, cells, &ret->in_filter, &faults);
    ret->raw = rec;
    ret->etag = json_member(rec, "@odata.etag");
    ret->cells = ret->in_filter ? cells : NULL;
    ret->modified_ms = mod ? time_of(json_member(rec, cell_cstr(a, mod->property))) : 0;
}

enum ec live_fno(struct map_ctx *m, const struct cell *key_cells, struct arena *a, struct live_row *ret,
                 struct err *reterr)
{
    struct cell key[32];
    struct json *rec = NULL;
    bool found = false;
    enum ec rc;

    *ret = (struct live_row){ .in_filter = true };
    (void)fno_key_of(m, key_cells, a, key, COUNT(key));
    rc = erp_get(m->pair->app->erp, m->b->entity, m->b->striped ? key_cells[0] : CELL_ABSENT, key,
                 live_fno_select(m, a), a, &rec, &found, reterr);
    if (!rc && found)
        live_fno_record(m, rec, a, ret);
    return rc;
}

enum ec dv_want_lookups(struct map_ctx *m, struct dict *d, const struct json *const *recs, size_t n,
                        struct err *reterr)
{
    struct arena a = { 0 };
    struct cell *ids = arena_zalloc(&a, (n + 1) * sizeof(*ids));
    enum ec rc = EC_OK;

    for (size_t l = 0; l < m->b->n_lookups && !rc; l++) {
        const char *name = arena_printf(&a, "_%.*s_value", CELL_ARG(m->b->lookups[l].c->name));

        for (size_t i = 0; i < n; i++)
            ids[i] = json_member(recs[i], name);
        rc = dict_want(d, &m->b->lookups[l], ids, n, reterr);
    }
    arena_release(&a);
    return rc;
}

struct one_dv {
    struct arena *a;
    struct json *found;
    size_t n;
};

struct json *row_keep(struct arena *a, const struct json *v)
{
    struct json *c = json_new(a, v->type, cell_dup(a, v->text));

    for (const struct json *ch = v->child; ch; ch = ch->next) {
        struct json *n = row_keep(a, ch);

        n->name = cell_dup(a, ch->name);
        json_append(c, n);
    }
    return c;
}

static enum ec take_one(void *arg, const struct json *rec, struct err *reterr)
{
    struct one_dv *o = arg;

    (void)reterr;
    if (!o->n++)
        o->found = row_keep(o->a, rec);
    return EC_OK;
}

/* "accountnumber eq 'C-1' and _msdyn_company_value eq GUID"; false = a part cannot be expressed (its row is not known). */
static bool key_filter(struct map_ctx *m, struct dict *d, const struct cell *cells, struct strbuf *out,
                       struct arena *a)
{
    const struct binding *b = m->b;
    const char *sep = "";

    for (size_t k = 0; k < b->n_key; k++) {
        const struct bound_field *f = &b->fields[b->key[k]];
        struct cell v = cells[b->key[k]], id;
        const char *why;

        if (f->kind == BOUND_COMPANY) {
            const struct pair_company *c = pair_company(m->pair, v);

            if (!c || cell_absent(c->dv_id))
                return false;
            strbuf_addf(out, "%s_%.*s_value eq %.*s", sep, CELL_ARG(f->c->name), CELL_ARG(c->dv_id));
        } else if (f->kind == BOUND_LOOKUP) {
            const struct bound_lookup *l = &b->lookups[f->lookup];
            struct cell parts[16];

            if (f->part)
                continue;
            for (size_t i = 0; i < l->n && i < COUNT(parts); i++)
                parts[i] = cells[l->fields[i]];
            if (!dict_by_key(d, l->target, l->columns, l->n, l->striped ? cells[0] : CELL_ABSENT, parts, a, &id))
                return false;
            strbuf_addf(out, "%s_%.*s_value eq %.*s", sep, CELL_ARG(f->c->name), CELL_ARG(id));
        } else if (f->c->type == DV_STRING || f->c->type == DV_MEMO) {
            strbuf_addf(out, "%s%.*s eq '", sep, CELL_ARG(f->c->name));
            for (size_t i = 0; i < v.len; i++) {
                if (v.ptr[i] == '\'')
                    strbuf_addc(out, '\'');
                strbuf_addc(out, v.ptr[i]);
            }
            strbuf_addc(out, '\'');
        } else {
            struct cell literal;

            if (!bind_to_dv_value(b, (int)b->key[k], v, a, &literal, &why))
                return false;
            strbuf_addf(out, "%s%.*s eq %.*s", sep, CELL_ARG(f->c->name), CELL_ARG(literal));
        }
        sep = " and ";
    }
    return true;
}

struct live_context {
    struct map_ctx *m;
    struct dict *d;
    struct arena *a;
};

static bool find_parts(void *arg, const struct bound_lookup *l, struct cell id, struct cell *ret_parts)
{
    struct live_context *c = arg;

    return dict_by_id(c->d, l->target, l->columns, l->n, id, c->a, ret_parts);
}

static bool find_company(void *arg, struct cell id, struct cell *ret_code)
{
    struct live_context *c = arg;
    const struct pair_company *co = pair_company_by_id(c->m->pair, id);

    if (co)
        *ret_code = co->code;
    return co != NULL;
}

void dv_record(struct map_ctx *m, struct dict *d, const struct json *rec, struct arena *a, struct live_row *ret)
{
    struct live_context c = { m, d, a };
    struct bind_fault faults[2];
    struct cell *cells = arena_zalloc(a, (m->b->n + 1) * sizeof(*cells));

    (void)bind_from_dv(m->b, rec, find_parts, find_company, &c, a, cells, faults, COUNT(faults));
    ret->id = json_member(rec, cell_cstr(a, m->b->table->pk));
    ret->etag = json_member(rec, "@odata.etag");
    ret->in_filter = dv_in_filter(m, rec, a) && (!m->b->striped || (!cell_blank(cells[0]) && cells[0].ptr[0] != '?' &&
                                                                    binding_company_wanted(m->b, cells[0])));
    ret->cells = ret->in_filter ? cells : NULL;
    ret->any = cells;
    ret->modified_ms = time_of(json_member(rec, "modifiedon"));
    ret->inactive = cell_is(json_member(rec, "statecode"), "1");
}

enum ec live_dv(struct map_ctx *m, struct dict *d, const struct cell *key_cells, struct cell id_or_absent,
                struct arena *a, struct live_row *ret, struct err *reterr)
{
    struct one_dv o = { .a = a };
    struct strbuf filter = STRBUF(0);
    enum ec rc = EC_OK;

    *ret = (struct live_row){ .in_filter = true };
    if (!cell_blank(id_or_absent)) {
        bool found = false;

        rc = dv_get(m->pair->app->dv, cell_cstr(a, m->b->table->set), id_or_absent, live_dv_select(m, a), a, &o.found,
                    &found, reterr);
        if (!found)
            o.found = NULL;
    } else if (key_filter(m, d, key_cells, &filter, a)) {
        rc = dv_scan(m->pair->app->dv, cell_cstr(a, m->b->table->set), live_dv_select(m, a), filter.buf, false,
                     take_one, &o, NULL, reterr);
    }
    strbuf_release(&filter);
    if (!rc && o.found) {
        ret->raw = o.found;
        dv_record(m, d, o.found, a, ret);
    }
    return rc;
}

#include "sync/keyscan.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "erp/odata.h"
#include "loader/public/fno_read.h"
#include "sync/delta_row.h"
#include "sync/feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char SCHEMA[] = "create table seen(k blob primary key) without rowid;";
static const char *const STEPS[] = { SCHEMA };
static const struct store_schema SEEN = { .application_id = 0x646d666b /* "dmfk" */, .version = 1, .steps = STEPS };

struct keyscan {
    struct map_ctx *m;
    struct store *seen;
    struct arena a;
    bool *wanted;
    struct cell *cells;
    uint64_t rows, gone;
};

static enum ec note(struct keyscan *s, struct err *reterr)
{
    struct query *q = store_query(s->seen, "insert or ignore into seen(k) values(?1)");
    char octets[16];
    enum ec rc;

    delta_key_octets(bind_key_digest(s->m->b, s->cells, &s->a), octets);
    query_blob(q, 1, octets, 16);
    rc = query_run(q, reterr);
    if (!rc && !(++s->rows & 1023)) {
        progress_update(&s->m->pair->app->out, s->m->cfg->alias, "keys of F&O", (int64_t)s->rows, -1, "");
        if (stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while reading the keys of F&O");
    }
    return rc;
}

/* ---- by OData: only the key and what the filter looks at ---- */

struct one {
    struct keyscan *s;
    const struct json *rec;
    struct cell company;
};

static struct cell value_of(void *arg, const struct fno_field *f)
{
    struct one *o = arg;

    return f ? json_member(o->rec, cell_cstr(&o->s->a, f->property)) : o->company;
}

static bool filter_value(void *arg, struct cell field, struct cell *ret)
{
    struct one *o = arg;
    const struct fno_field *f = fno_field_find(o->s->m->b->entity, field);

    *ret = f ? value_of(o, f) : o->company;
    return f || cell_ieq(field, CELL_LIT("dataAreaId"));
}

static enum ec take_record(void *arg, const struct json *rec, struct err *reterr)
{
    struct keyscan *s = arg;
    const struct binding *b = s->m->b;
    struct one o = { s, rec, CELL_LIT("") };
    struct bind_fault faults[2];

    arena_reset(&s->a);
    if (!b->entity->shared)
        o.company = cell_lower(&s->a, json_member(rec, "dataAreaId"));
    if ((b->striped && !binding_company_wanted(b, o.company)) || !filter_match(b->fno_filter, filter_value, &o))
        return EC_OK;
    (void)bind_some_from_fno(b, s->wanted, value_of, &o, &s->a, s->cells, faults, COUNT(faults));
    return binding_row_wanted(b, s->cells) ? note(s, reterr) : EC_OK;
}

struct selecting {
    const struct fno_entity *e;
    struct strbuf out;
};

static void select_field(struct selecting *l, const struct fno_field *f)
{
    char name[200];

    if (!f)
        return;
    snprintf(name, sizeof(name), "," CELL_FMT ",", CELL_ARG(f->property));
    if (l->out.len && strstr(strbuf_str(&l->out), name))
        return;
    strbuf_addf(&l->out, "%s" CELL_FMT ",", l->out.len ? "" : ",", CELL_ARG(f->property));
}

static void select_filter(void *arg, struct cell field)
{
    struct selecting *l = arg;

    select_field(l, fno_field_find(l->e, field));
}

/* ",A,B," -> "dataAreaId,A,B" */
static char *select_of(struct keyscan *s, struct arena *a)
{
    const struct binding *b = s->m->b;
    struct selecting l = { .e = b->entity };
    char *text;

    for (size_t k = 0; k < b->n_key; k++)
        select_field(&l, b->fields[b->key[k]].f);
    filter_fields(b->fno_filter, select_filter, &l);
    if (l.out.len)
        l.out.buf[--l.out.len] = '\0';
    text = arena_printf(a, "%s%s", b->entity->shared ? "" : "dataAreaId",
                        l.out.len ? strbuf_str(&l.out) + (b->entity->shared ? 1 : 0) : "");
    strbuf_release(&l.out);
    return text;
}

static enum ec by_odata(struct keyscan *s, struct err *reterr)
{
    struct map_ctx *m = s->m;
    struct arena a = { 0 };
    struct cell companies[1024];
    size_t n = map_companies(m, companies, COUNT(companies));
    const char *select = select_of(s, &a);
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n && !rc; i++)
        rc = erp_scan(m->pair->app->erp, m->b->entity, select, NULL,
                      cell_blank(companies[i]) ? CELL_ABSENT : companies[i], take_record, s, reterr);
    arena_release(&a);
    return rc;
}

/* ---- by a full export ---- */

static enum ec take_row(void *arg, const struct cell *cells, struct cell company, struct err *reterr)
{
    struct keyscan *s = arg;

    (void)company;
    arena_reset(&s->a);
    memcpy(s->cells, cells, s->m->b->n * sizeof(*cells));
    return note(s, reterr);
}

static enum ec by_export(struct keyscan *s, struct err *reterr)
{
    struct map_ctx *m = s->m;
    struct fno_shape shape = { .n = m->b->n };
    struct fno_counts counts = { 0 };
    struct arena a = { 0 };
    struct cell companies[1024];
    size_t n = map_companies(m, companies, COUNT(companies));
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n && !rc; i++) {
        char project[64], *path = NULL;

        feed_project(m, false, companies[i], project);
        rc = feed_export(m, project, companies[i], &path, &a, reterr);
        if (!rc)
            rc = fno_package_rows(m, &shape, path, companies[i], take_row, s, &counts, reterr);
        if (!rc) {
            rc = feed_taken(m, project, companies[i], reterr);
            (void)unlink(path);
        }
    }
    arena_release(&a);
    return rc;
}

/* ---- what is gone ---- */

static enum ec put_gone(struct keyscan *s, struct digest key, const struct base_row *row, struct err *reterr)
{
    struct query *q = store_query(s->m->state, "insert into pending(key_digest, key, fno_row, fno_state, dv_id, at) "
                                               "values(?1, ?2, null, 'deleted', ?3, ?4) on "
                                               "conflict(key_digest) do update set fno_row = null, fno_state = "
                                               "'deleted', state = case state when 'sending' then "
                                               "state when 'conflict' then state else 'new' end");
    char octets[16], now[32];

    clock_format_utc(clock_utc_ms(), now);
    delta_key_octets(key, octets);
    query_blob(q, 1, octets, 16);
    query_cell(q, 2, bind_key_text(s->m->b, row->cells, &s->a));
    query_cell(q, 3, cell_absent(row->dv_id) ? CELL_LIT("") : row->dv_id);
    query_str(q, 4, now);
    return query_run(q, reterr);
}

static enum ec look(void *arg, struct digest key, const struct base_row *row, struct err *reterr)
{
    struct keyscan *s = arg;
    struct query *q = store_query(s->seen, "select 1 from seen where k = ?1");
    char octets[16];
    bool there;
    enum ec rc;

    delta_key_octets(key, octets);
    query_blob(q, 1, octets, 16);
    there = query_step(q);
    rc = query_done(q, reterr);
    if (rc || there)
        return rc;
    s->gone++;
    arena_reset(&s->a);
    return put_gone(s, key, row, reterr);
}

enum ec keyscan_fno(struct map_ctx *m, uint64_t *ret_rows, uint64_t *ret_gone, struct err *reterr)
{
    struct keyscan s = { .m = m };
    struct baseline *base = NULL;
    struct arena a = { 0 };
    const char *path = workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp/keys-%s.db", m->cfg->alias);
    enum ec rc;

    (void)unlink(path);
    rc = store_open(path, STORE_BUILD, &SEEN, &s.seen, reterr);
    if (rc)
        goto out;
    s.wanted = arena_zalloc(&a, m->b->n + 1);
    s.cells = arena_zalloc(&a, (m->b->n + 1) * sizeof(*s.cells));
    for (size_t k = 0; k < m->b->n_key; k++)
        s.wanted[m->b->key[k]] = true;
    rc = store_begin(s.seen, reterr);
    if (!rc)
        rc = m->b->entity->on_odata ? by_odata(&s, reterr) : by_export(&s, reterr);
    if (store_in_transaction(s.seen))
        rc = store_end(s.seen, rc, reterr);
    progress_clear(&m->pair->app->out);
    if (!rc)
        rc = baseline_open(m, &base, reterr);
    STEP(scan_store);
    if (!rc)
        rc = store_begin(m->state, reterr);
    if (!rc)
        rc = store_end(m->state, baseline_each(base, look, &s, reterr), reterr);
    STEP(scan_stored);
    if (!rc) {
        log_info("keys", "%s: %llu rows in F&O, %llu of the base are gone from it", m->cfg->alias,
                 (unsigned long long)s.rows, (unsigned long long)s.gone);
        *ret_rows = s.rows;
        *ret_gone = s.gone;
    }
out:
    baseline_close(base);
    store_close(s.seen);
    (void)unlink(path);
    arena_release(&s.a);
    arena_release(&a);
    return rc;
}

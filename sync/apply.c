/* apply.c -- pending changes to both sides, one record at a time. Writes pending, conflict, sync_log, flips. */
#include "sync/apply.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "erp/odata.h"
#include "loader/public/dvload.h"
#include "sync/delta_row.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_RACES = 4, MAX_FLIPS = 8, FLIP_WINDOW_MS = 60 * 60 * 1000 };

struct applying {
    struct map_ctx *m;
    struct dict *d;
    struct baseline *base;
    struct apply_counts *c;
    bool deletes_held; /* more deletions than the guard allows */
};

/* One pending key while it is worked on. */
struct item {
    char octets[16];
    struct digest digest;
    struct cell key, dv_id;
    const struct cell *fno, *dv; /* rows to merge, NULL = not there */
    struct base_row base;
    struct live_row live_fno, live_dv;
    char state[16];
    struct arena a;
};

static enum ec set_state(struct applying *p, const struct item *it, const char *state, const char *reason,
                         struct err *reterr)
{
    struct query *q = store_query(
        p->m->state, "update pending set state = ?2, reason = ?3, tries = tries + 1 where key_digest = ?1");

    query_blob(q, 1, it->octets, 16);
    query_str(q, 2, state);
    query_str(q, 3, reason);
    return query_run(q, reterr);
}

static enum ec drop(struct applying *p, const struct item *it, struct err *reterr)
{
    struct query *q = store_query(p->m->state, "delete from pending where key_digest = ?1");

    query_blob(q, 1, it->octets, 16);
    return query_run(q, reterr);
}

static enum ec log_it(struct applying *p, const struct item *it, const char *direction, const char *fields,
                      const char *detail, struct err *reterr)
{
    struct query *q = store_query(
        p->m->state, "insert into sync_log(key, direction, fields, detail, at) values(?1, ?2, ?3, ?4, ?5)");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    query_cell(q, 1, it->key);
    query_str(q, 2, direction);
    query_str(q, 3, fields);
    query_str(q, 4, detail);
    query_str(q, 5, now);
    return query_run(q, reterr);
}

static enum ec log_conflict(struct applying *p, const struct item *it, const struct merge_conflict *k,
                            struct err *reterr)
{
    static const char *const RULES[] = { "master", "newest", "queue" };
    struct query *q = store_query(
        p->m->state,
        "insert into conflict(key, field, base, fno, dataverse, rule, outcome, at) values(?1, ?2, ?3, ?4, "
        "?5, ?6, ?7, ?8)");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    query_cell(q, 1, it->key);
    query_cell(q, 2, p->m->b->fields[k->field].name);
    query_cell(q, 3, k->base);
    query_cell(q, 4, k->fno);
    query_cell(q, 5, k->dv);
    query_str(q, 6, RULES[p->m->cfg->conflict]);
    query_str(q, 7, k->open ? "open" : k->fno_won ? "fno" : "dataverse");
    query_str(q, 8, now);
    p->c->conflicts++;
    log_info("sync",
             "%s: conflict on " CELL_FMT " of '" CELL_FMT "': base '" CELL_FMT "', F&O '" CELL_FMT
             "', Dataverse '" CELL_FMT "' -> %s",
             p->m->cfg->alias, CELL_ARG(p->m->b->fields[k->field].name), CELL_ARG(it->key), CELL_ARG(k->base),
             CELL_ARG(k->fno), CELL_ARG(k->dv),
             k->open      ? "waits"
             : k->fno_won ? "F&O"
                          : "Dataverse");
    return query_run(q, reterr);
}

/* ---- reading the pending table ---- */

static const struct cell *unpack(struct applying *p, struct item *it, struct cell blob)
{
    struct cell *cells;

    if (cell_absent(blob))
        return NULL;
    cells = arena_zalloc(&it->a, (p->m->b->n + 1) * sizeof(*cells));
    return row_unpack(arena_dup(&it->a, blob.ptr, blob.len), blob.len, cells, p->m->b->n) ? cells : NULL;
}

static enum ec load_item(struct applying *p, const char octets[16], struct item *it, bool *ret_found,
                         struct err *reterr)
{
    struct query *q = store_query(
        p->m->state, "select key, fno_row, fno_state, dv_row, dv_state, dv_id, state from pending where key_digest = "
                     "?1");
    char fno_state[16], dv_state[16];
    enum ec rc;

    memcpy(it->octets, octets, 16);
    it->digest = (struct digest){ 0, 0 };
    for (int i = 0; i < 8; i++) {
        it->digest.hi = it->digest.hi << 8 | (unsigned char)octets[i];
        it->digest.lo = it->digest.lo << 8 | (unsigned char)octets[8 + i];
    }
    query_blob(q, 1, octets, 16);
    *ret_found = query_step(q);
    if (*ret_found) {
        it->key = cell_dup(&it->a, query_get_cell(q, 0));
        it->fno = unpack(p, it, query_get_blob(q, 1));
        snprintf(fno_state, sizeof(fno_state), "%s", query_get_str(q, 2));
        it->dv = unpack(p, it, query_get_blob(q, 3));
        snprintf(dv_state, sizeof(dv_state), "%s", query_get_str(q, 4));
        it->dv_id = cell_dup(&it->a, query_get_cell(q, 5));
        snprintf(it->state, sizeof(it->state), "%s", query_get_str(q, 6));
    }
    rc = query_done(q, reterr);
    if (!rc && *ret_found)
        rc = baseline_row(p->base, it->digest, &it->a, &it->base, reterr);
    if (rc || !*ret_found)
        return rc;
    /* A side that said nothing is as the base has it. */
    if (!fno_state[0])
        it->fno = it->base.cells;
    if (!dv_state[0])
        it->dv = it->base.cells;
    if (cell_blank(it->dv_id))
        it->dv_id = it->base.dv_id;
    return EC_OK;
}

/* Both records as they are now; the feed's rows may be stale, and a write may have been cut off. */
static enum ec read_live(struct applying *p, struct item *it, struct err *reterr)
{
    const struct cell *key = it->fno ? it->fno : it->dv ? it->dv : it->base.cells;
    enum ec rc;

    if (!key)
        return EC_OK;
    rc = live_fno(p->m, key, &it->a, &it->live_fno, reterr);
    if (!rc)
        rc = live_dv(p->m, p->d, key, it->dv_id, &it->a, &it->live_dv, reterr);
    if (!rc && !it->live_dv.raw && !cell_blank(it->dv_id))
        rc = live_dv(p->m, p->d, key, CELL_ABSENT, &it->a, &it->live_dv, reterr);
    if (!rc)
        rc = dict_failed(p->d, reterr);
    if (rc)
        return rc;
    it->fno = it->live_fno.cells;
    it->dv = it->live_dv.cells;
    if (!cell_blank(it->live_dv.id))
        it->dv_id = it->live_dv.id;
    return EC_OK;
}

/* ---- writing ---- */

static void field_list(const struct binding *b, const bool *fields, struct strbuf *out)
{
    for (size_t i = 0; i < b->n; i++)
        if (fields[i])
            strbuf_addf(out, "%s" CELL_FMT, out->len ? "," : "", CELL_ARG(b->fields[i].name));
}

static enum ec fno_body(struct applying *p, const struct cell *cells, const bool *fields, bool create,
                        struct arena *a, struct strbuf *out, struct err *reterr)
{
    const struct binding *b = p->m->b;
    struct jsonw w = { .out = out };

    jw_begin(&w, '{');
    if (create && b->striped)
        jw_pstr(&w, "dataAreaId", cells[0]);
    for (size_t i = 0; i < b->n; i++) {
        const struct bound_field *f = &b->fields[i];
        struct cell literal;
        const char *why = "";
        bool constant = f->kind == BOUND_CONST_FNO;

        if (!f->f || (constant ? !create : !fields[i]) || (f->key && !create))
            continue;
        if (!bind_to_fno_json(b, (int)i, cells[i], a, &literal, &why))
            return err_set(reterr, f->kind == BOUND_LOOKUP ? EC_NOTFOUND : EC_FORMAT, CELL_FMT " '" CELL_FMT "': %s",
                           CELL_ARG(f->name), CELL_ARG(cells[i]), why);
        if (create && !constant && cell_absent(cells[i]))
            continue; /* an explicit blank would suppress F&O's own defaults */
        jw_namec(&w, f->f->property);
        jw_raw(&w, literal);
    }
    jw_end(&w, '}');
    return EC_OK;
}

static enum ec write_fno(struct applying *p, struct item *it, const struct merge_out *o, struct err *reterr)
{
    struct erp *erp = p->m->pair->app->erp;
    const struct fno_entity *en = p->m->b->entity;
    struct strbuf body = STRBUF(0);
    struct cell key[32], company = CELL_ABSENT;
    const struct cell *key_row = it->fno ? it->fno : it->dv ? it->dv : it->base.cells;
    enum ec rc = EC_OK;

    if (p->m->b->striped)
        company = key_row[0];
    (void)fno_key_of(p->m, key_row, &it->a, key, COUNT(key));
    if (o->to_fno == MERGE_DELETE) {
        rc = erp_delete(erp, en, company, key, it->live_fno.etag, reterr);
        return rc == EC_NOTFOUND ? EC_OK : rc;
    }
    rc = fno_body(p, o->merged, o->fno_fields, o->to_fno == MERGE_CREATE, &it->a, &body, reterr);
    if (!rc)
        rc = o->to_fno == MERGE_CREATE
                 ? erp_create(erp, en, (struct cell){ body.buf, body.len }, reterr)
                 : erp_update(erp, en, company, key, (struct cell){ body.buf, body.len }, it->live_fno.etag, reterr);
    strbuf_release(&body);
    return rc;
}

/* The self lookups of a row that was just created. */
static enum ec write_self(struct applying *p, struct item *it, const struct merge_out *o, const char *set,
                          struct err *reterr)
{
    const struct binding *b = p->m->b;
    bool *fields = arena_zalloc(&it->a, b->n + 1), any = false;
    struct strbuf body = STRBUF(0), full = STRBUF(0);
    char etag[80];
    enum ec rc;

    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].kind == BOUND_LOOKUP && b->lookups[b->fields[i].lookup].self &&
            map_dir_to_dv(b->fields[i].dir) && !cell_blank(o->merged[i]))
            any = fields[i] = true;
    if (!any)
        return EC_OK;
    rc = dvload_body(p->m, p->d, o->merged, fields, false, true, &body, &it->a, reterr);
    if (!rc) {
        strbuf_addf(&full, "{%s}", body.buf);
        rc = dv_update(p->m->pair->app->dv, set, it->dv_id, (struct cell){ full.buf, full.len }, "*", etag, reterr);
    }
    strbuf_release(&body);
    strbuf_release(&full);
    return rc;
}

static enum ec write_dv(struct applying *p, struct item *it, const struct merge_out *o, struct err *reterr)
{
    struct dv *dv = p->m->pair->app->dv;
    const struct binding *b = p->m->b;
    const char *set = cell_cstr(&it->a, b->table->set);
    struct strbuf body = STRBUF(0), full = STRBUF(0);
    char etag[80], id[40];
    enum ec rc;

    if (o->to_dv == MERGE_DELETE) {
        rc = dv_delete(dv, set, it->dv_id, cell_blank(it->live_dv.etag) ? NULL : cell_cstr(&it->a, it->live_dv.etag),
                       reterr);
        return rc == EC_NOTFOUND ? EC_OK : rc;
    }
    /* A new row is made without its self lookups first: they may point at the row itself. */
    rc = dvload_body(p->m, p->d, o->merged, o->to_dv == MERGE_CREATE ? NULL : o->dv_fields, o->to_dv == MERGE_CREATE,
                     o->to_dv != MERGE_CREATE, &body, &it->a, reterr);
    if (dict_failed(p->d, reterr))
        rc = EC_NET;
    if (rc || (!body.len && o->to_dv == MERGE_UPDATE)) {
        strbuf_release(&body);
        return rc;
    }
    if (o->to_dv == MERGE_CREATE) {
        dvload_id(b, dict_organization(p->d), it->key, id);
        it->dv_id = cell_dup(&it->a, cell_of(id));
        rc = dv_create(dv, b->table, it->dv_id, (struct cell){ body.buf, body.len }, etag, reterr);
        if (!rc)
            rc = write_self(p, it, o, set, reterr);
    } else {
        strbuf_addf(&full, "{%s}", body.buf);
        rc = dv_update(dv, set, it->dv_id, (struct cell){ full.buf, full.len },
                       cell_blank(it->live_dv.etag) ? "*" : cell_cstr(&it->a, it->live_dv.etag), etag, reterr);
    }
    strbuf_release(&body);
    strbuf_release(&full);
    return rc;
}

/* A key that we keep writing: some computed field or plug-in writes back. */
static enum ec too_many_flips(struct applying *p, const struct item *it, bool *ret, struct err *reterr)
{
    struct query *q = store_query(
        p->m->state,
        "insert into flips(key_digest, n, since) values(?1, 1, ?2) on conflict(key_digest) do update set n "
        "= case when since < ?3 then 1 else n + 1 end, since = case when since < ?3 then ?2 else since "
        "end returning n");
    char now[32], old[32];

    clock_format_utc(clock_utc_ms(), now);
    clock_format_utc(clock_utc_ms() - FLIP_WINDOW_MS, old);
    query_blob(q, 1, it->octets, 16);
    query_str(q, 2, now);
    query_str(q, 3, old);
    *ret = query_step(q) && query_get_int(q, 0) > MAX_FLIPS;
    while (query_step(q))
        ;
    return query_done(q, reterr);
}

/* ---- one key ---- */

static enum ec settle(struct applying *p, struct item *it, const struct merge_out *o, struct err *reterr)
{
    struct strbuf fields = STRBUF(0);
    bool open = false;
    enum ec rc;

    STEP(apply_store);
    rc = store_begin(p->m->state, reterr);
    if (rc)
        return rc;
    if (o->to_fno == MERGE_UPDATE || o->to_fno == MERGE_CREATE) {
        field_list(p->m->b, o->fno_fields, &fields);
        rc = log_it(p, it, "fno", strbuf_str(&fields), o->to_fno == MERGE_CREATE ? "created" : "updated", reterr);
    }
    strbuf_reset(&fields);
    if (!rc && (o->to_dv == MERGE_UPDATE || o->to_dv == MERGE_CREATE)) {
        field_list(p->m->b, o->dv_fields, &fields);
        rc =
            log_it(p, it, "dataverse", strbuf_str(&fields), o->to_dv == MERGE_CREATE ? "created" : "updated", reterr);
    }
    if (!rc && (o->to_fno == MERGE_DELETE || o->to_dv == MERGE_DELETE))
        rc = log_it(p, it, o->to_fno == MERGE_DELETE ? "fno" : "dataverse", "", "deleted", reterr);
    for (size_t i = 0; i < o->n_conflicts && !rc; i++) {
        rc = log_conflict(p, it, &o->conflicts[i], reterr);
        open = open || o->conflicts[i].open;
    }
    if (!rc && (o->merged || !it->fno || !it->dv))
        rc = baseline_put(p->m, it->digest, it->key, o->merged, it->dv_id, reterr);
    if (!rc)
        rc = open ? set_state(p, it, "conflict", "both sides changed one field (conflict = queue)", reterr)
                  : drop(p, it, reterr);
    rc = store_end(p->m->state, rc, reterr);
    STEP(apply_stored);
    strbuf_release(&fields);
    return rc;
}

static enum ec hold(struct applying *p, struct item *it, const char *state, const char *reason, struct err *reterr)
{
    log_warn("sync", "%s: '" CELL_FMT "' %s: %s", p->m->cfg->alias, CELL_ARG(it->key), state, reason);
    return set_state(p, it, state, reason, reterr);
}

static void merge(struct applying *p, struct item *it, struct merge_out *o)
{
    struct merge_in in = { .b = p->m->b,
                           .base = it->base.deleted ? NULL : it->base.cells,
                           .fno = it->fno,
                           .dv = it->dv,
                           .rule = p->m->cfg->conflict == CONFLICT_QUEUE    ? MERGE_QUEUE
                                   : p->m->cfg->conflict == CONFLICT_NEWEST ? MERGE_NEWEST
                                                                            : MERGE_MASTER,
                           .skew_ms = 5000 };

    merge_record(&in, &it->a, o);
}

static bool writes(const struct merge_out *o)
{
    return o->to_fno == MERGE_UPDATE || o->to_fno == MERGE_CREATE || o->to_fno == MERGE_DELETE ||
           o->to_dv == MERGE_UPDATE || o->to_dv == MERGE_CREATE || o->to_dv == MERGE_DELETE;
}

/* Deletions follow the map's rule; true = the key is dealt with. */
static enum ec deletion(struct applying *p, struct item *it, const struct merge_out *o, bool *ret_over,
                        struct err *reterr)
{
    bool del = o->to_fno == MERGE_DELETE || o->to_dv == MERGE_DELETE;

    *ret_over = true;
    if (o->delete_update)
        return hold(p, it, "conflict", o->why, reterr);
    if (!del)
        return *ret_over = false, EC_OK;
    if (p->m->cfg->deletes == DELETES_IGNORE)
        return drop(p, it, reterr);
    if (p->m->cfg->deletes != DELETES_APPLY) {
        p->c->reported_deletes++;
        return hold(p, it, "conflict", cell_cstr(&it->a, cell_printf(&it->a, "%s (deletes = report)", o->why)),
                    reterr);
    }
    if (p->deletes_held) {
        p->c->reported_deletes++;
        return hold(p, it, "conflict", "more deletions than max_delete allows", reterr);
    }
    *ret_over = false;
    return EC_OK;
}

static void count(struct applying *p, const struct merge_out *o)
{
    p->c->to_fno += o->to_fno == MERGE_UPDATE || o->to_fno == MERGE_CREATE;
    p->c->to_dv += o->to_dv == MERGE_UPDATE || o->to_dv == MERGE_CREATE;
    p->c->deletes += o->to_fno == MERGE_DELETE || o->to_dv == MERGE_DELETE;
}

static enum ec one_try(struct applying *p, struct item *it, bool *ret_again, struct err *reterr)
{
    struct merge_out o;
    struct err why = { 0 };
    bool over = false;
    enum ec rc;

    *ret_again = false;
    rc = read_live(p, it, reterr);
    if (rc)
        return rc;
    merge(p, it, &o);
    rc = deletion(p, it, &o, &over, reterr);
    if (rc || over)
        return rc;
    if (!writes(&o)) {
        p->c->unchanged++;
        return settle(p, it, &o, reterr);
    }
    rc = too_many_flips(p, it, &over, reterr);
    if (!rc && over) {
        p->c->halted++;
        return hold(p, it, "poison", "written again and again: a computed field or plug-in writes back", reterr);
    }
    if (!rc)
        rc = set_state(p, it, "sending", "", reterr);
    if (rc)
        return rc;
    if (o.to_fno != MERGE_NOTHING && o.to_fno != MERGE_WAIT)
        rc = write_fno(p, it, &o, &why);
    if (!rc && o.to_dv != MERGE_NOTHING && o.to_dv != MERGE_WAIT)
        rc = write_dv(p, it, &o, &why);
    switch (rc) {
    case EC_OK: count(p, &o); return settle(p, it, &o, reterr);
    case EC_CONFLICT: /* somebody was faster: read and merge again */
        p->c->races++;
        *ret_again = true;
        return EC_OK;
    case EC_NOTFOUND: p->c->parked++; return hold(p, it, "parked", why.msg, reterr);
    case EC_FNO:
    case EC_DATAVERSE:
    case EC_FORMAT: p->c->poison++; return hold(p, it, "poison", why.msg, reterr);
    default:
        if (reterr)
            *reterr = why;
        return rc; /* network, sign-in: state sending stays, the next round reads first */
    }
}

static enum ec one_key(struct applying *p, const char octets[16], struct err *reterr)
{
    struct item it = { 0 };
    struct merge_out o;
    bool found = false, again = true;
    enum ec rc = load_item(p, octets, &it, &found, reterr);

    if (!rc && found) {
        merge(p, &it, &o);
        if (strcmp(it.state, "sending") && !writes(&o) && !o.delete_update && !o.n_conflicts && it.fno && it.dv) {
            /* The feed's rows already agree: no need to look at the services. */
            p->c->unchanged++;
            rc = settle(p, &it, &o, reterr);
        } else {
            for (int tries = 0; again && !rc; tries++) {
                if (tries == MAX_RACES) {
                    p->c->parked++;
                    rc = hold(p, &it, "parked", "changed by others again and again while it was being written",
                              reterr);
                    break;
                }
                rc = one_try(p, &it, &again, reterr);
            }
        }
    }
    arena_release(&it.a);
    return rc;
}

/* ---- the guard of deletions ---- */

static int64_t allowed_deletes(const struct map_ctx *m, int64_t base_rows)
{
    const char *t = m->cfg->max_delete ? m->cfg->max_delete : "1%";
    char *end;
    double v = strtod(t, &end);
    int64_t n = *end == '%' ? (int64_t)((double)base_rows * v / 100) : (int64_t)v;

    return n < 10 ? 10 : n;
}

static enum ec count_deletes(struct applying *p, struct err *reterr)
{
    struct query *q = store_query(
        p->m->state,
        "select count(*), (select rows from baseline) from pending where (dv_state = 'deleted' or fno_state = "
        "'deleted') and state in ('new', 'sending')");
    int64_t n = 0, rows = 0;
    enum ec rc;

    if (query_step(q)) {
        n = query_get_int(q, 0);
        rows = query_get_int(q, 1);
    }
    rc = query_done(q, reterr);
    if (!rc && n > allowed_deletes(p->m, rows)) {
        p->deletes_held = true;
        log_warn("sync", "%s: %lld deletions are more than max_delete = %s allows (%lld); none is applied",
                 p->m->cfg->alias, (long long)n, p->m->cfg->max_delete ? p->m->cfg->max_delete : "1%",
                 (long long)allowed_deletes(p->m, rows));
    }
    return rc;
}

enum ec apply_pending(struct map_ctx *m, struct dict *d, struct apply_counts *ret, struct err *reterr)
{
    struct applying p = { .m = m, .d = d, .c = ret };
    struct strbuf keys = STRBUF(0);
    struct query *q;
    enum ec rc = baseline_open(m, &p.base, reterr);

    *ret = (struct apply_counts){ 0 };
    if (!rc)
        rc = count_deletes(&p, reterr);
    if (rc)
        goto out;
    q = store_query(
        m->state,
        "select key_digest from pending where state in ('new', 'sending', 'parked') order by at, key_digest");
    while (query_step(q)) {
        struct cell k = query_get_blob(q, 0);

        if (k.len == 16)
            strbuf_add(&keys, k.ptr, 16);
    }
    rc = query_done(q, reterr);
    for (size_t at = 0; at < keys.len && !rc; at += 16) {
        rc = one_key(&p, keys.buf + at, reterr);
        progress_update(&m->pair->app->out, m->cfg->alias, "apply", (int64_t)(at / 16 + 1), (int64_t)(keys.len / 16),
                        "");
        if (!rc && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while applying changes of map '%s'", m->cfg->alias);
    }
    progress_clear(&m->pair->app->out);
out:
    baseline_close(p.base);
    strbuf_release(&keys);
    return rc;
}

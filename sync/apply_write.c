/* apply_write.c -- what is written to either side, and what the answers mean. */
#include "base/log.h"
#include "loader/public/dvload.h"
#include "sync/apply_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- bodies ---- */

static enum ec fno_body(struct applying *p, struct item *it, struct err *reterr)
{
    const struct binding *b = p->m->b;
    const struct merge_out *o = &it->o;
    bool create = o->to_fno == MERGE_CREATE;
    struct jsonw w = { .out = &it->fno_body };

    jw_begin(&w, '{');
    if (create && b->striped)
        jw_pstr(&w, "dataAreaId", o->merged[0]);
    for (size_t i = 0; i < b->n; i++) {
        const struct bound_field *f = &b->fields[i];
        struct cell literal;
        const char *why = "";
        bool constant = f->kind == BOUND_CONST_FNO;

        if (!f->f || (constant ? !create : !o->fno_fields[i]) || (f->key && !create))
            continue;
        if (!bind_to_fno_json(b, (int)i, o->merged[i], &it->a, &literal, &why))
            return err_set(reterr, f->kind == BOUND_LOOKUP ? EC_NOTFOUND : EC_FORMAT, CELL_FMT " '" CELL_FMT "': %s",
                           CELL_ARG(f->name), CELL_ARG(o->merged[i]), why);
        if (create && !constant && cell_absent(o->merged[i]))
            continue; /* an explicit blank would suppress F&O's own defaults */
        jw_namec(&w, f->f->property);
        jw_raw(&w, literal);
    }
    jw_end(&w, '}');
    return EC_OK;
}

/*
 * Self lookups of a row that is about to be made, and those of a cycle: they may point at the row itself, or at one that waits for
 * it, so they are written after it.
 */
static bool self_fields(const struct binding *b, const struct merge_out *o, bool *ret_fields)
{
    bool any = false;

    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].kind == BOUND_LOOKUP && b->lookups[b->fields[i].lookup].later &&
            map_dir_to_dv(b->fields[i].dir) && !cell_blank(o->merged[i]))
            any = ret_fields[i] = true;
    return any;
}

static enum ec dv_body(struct applying *p, struct item *it, struct err *reterr)
{
    const struct binding *b = p->m->b;
    bool create = it->o.to_dv == MERGE_CREATE;
    char id[40];

    if (create) {
        dvload_id(b, dict_organization(p->d), it->key, id);
        if (it->races) /* the row that has our id may have another key by now */
            dv_new_id(id);
        it->dv_id = cell_dup(&it->a, cell_of(id));
    }
    return dvload_body(p->m, p->d, it->o.merged, create ? NULL : it->o.dv_fields, create, !create, &it->dv_body,
                       &it->a, reterr);
}

enum ec item_bodies(struct applying *p, struct item *it, struct err *reterr)
{
    struct err why = { 0 };
    enum ec rc = EC_OK;

    strbuf_reset(&it->fno_body);
    strbuf_reset(&it->dv_body);
    if (it->o.to_fno == MERGE_UPDATE || it->o.to_fno == MERGE_CREATE)
        rc = fno_body(p, it, &why);
    if (!rc && (it->o.to_dv == MERGE_UPDATE || it->o.to_dv == MERGE_CREATE))
        rc = dv_body(p, it, &why);
    if (dict_failed(p->d, reterr))
        return reterr ? reterr->code : EC_NET;
    if (rc == EC_NOTFOUND)
        item_hold(it, "parked", why.msg);
    else if (rc == EC_FORMAT)
        item_hold(it, "poison", why.msg);
    else if (rc && reterr)
        *reterr = why;
    return rc == EC_NOTFOUND || rc == EC_FORMAT ? EC_OK : rc;
}

/* ---- answers ---- */

/*
 * Refusals that another record's change can end: something still points at a record that is to be deleted, or what a record points
 * at is not there yet ("... cannot be deleted while dependent ... exist", "The value ... is not found in the related table").
 */
static bool may_pass(const struct item *it, const struct err *e)
{
    return it->o.to_fno == MERGE_DELETE || it->o.to_dv == MERGE_DELETE ||
           strstr(e->msg, "is not found in the related table");
}

/* What a write that was not done means for its key. */
static void refused(struct applying *p, struct item *it, enum ec rc, const struct err *e)
{
    switch (rc) {
    case EC_CONFLICT: /* somebody was faster, or it was ours and the answer was lost */
    case EC_NOTFOUND: it->fate = FATE_AGAIN; return;
    case EC_FNO:
    case EC_DATAVERSE:
    case EC_FORMAT: item_hold(it, may_pass(it, e) ? "parked" : "poison", e->msg); return;
    case EC_AUTH: /* this record alone, or all? A refused record does not hold the others, a refused application does */
        if (e->http_status == 403 && e->service_code[0]) {
            item_hold(it, "poison", e->msg);
            return;
        }
        break;
    default: break;
    }
    it->fate = FATE_LEAVE; /* state sending stays: the next round reads first */
    if (!p->stop || p->stop == EC_STOPPED) {
        p->stop = rc;
        p->stop_err = *e;
    }
}

static bool to_write(const struct item *it, enum merge_action a)
{
    return it->fate == FATE_WRITE && (a == MERGE_UPDATE || a == MERGE_CREATE || a == MERGE_DELETE);
}

/* Deletions go last: what pointed at the record has been turned elsewhere by then. */
static enum ec write_fno(struct applying *p, struct item *items, size_t n, bool deletions)
{
    struct erp_op *ops = xcalloc(n + 1, sizeof(*ops));
    size_t *of = xcalloc(n + 1, sizeof(*of)), k = 0;
    struct err e = { 0 };
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n; i++) {
        struct item *it = &items[i];
        enum merge_action a = it->o.to_fno;

        if (!to_write(it, a) || deletions != (a == MERGE_DELETE))
            continue;
        of[k] = i;
        ops[k++] = (struct erp_op){ .verb = a == MERGE_CREATE   ? ERP_CREATE
                                            : a == MERGE_UPDATE ? ERP_UPDATE
                                                                : ERP_DELETE,
                                    .company = p->m->b->striped ? it->key_row[0] : CELL_ABSENT,
                                    .key = it->fno_key,
                                    .body = { it->fno_body.buf, it->fno_body.len },
                                    .etag = a == MERGE_CREATE ? CELL_ABSENT : it->live_fno.etag };
    }
    if (k)
        rc = erp_records(p->m->pair->app->erp, p->m->b->entity, NULL, ops, k, &e);
    for (size_t i = 0; i < k; i++) {
        struct item *it = &items[of[i]];

        if (!ops[i].rc || (ops[i].rc == EC_NOTFOUND && ops[i].verb == ERP_DELETE))
            it->wrote_fno = true;
        else if (ops[i].rc == EC_FNO && ops[i].verb == ERP_CREATE && strstr(ops[i].err.msg, "already exists"))
            refused(p, it, EC_CONFLICT, &ops[i].err);
        else
            refused(p, it, ops[i].rc, ops[i].rc == EC_STOPPED ? &e : &ops[i].err);
    }
    free(ops);
    free(of);
    return rc;
}

static enum dv_verb verb_of(const struct applying *p, enum merge_action a, bool by_word)
{
    return a == MERGE_CREATE                                ? DV_CREATE
           : a == MERGE_UPDATE                              ? DV_UPDATE
           : p->m->cfg->deletes == DELETES_MARK && !by_word ? DV_UPDATE
                                                            : DV_DELETE;
}

static enum ec send_dv(struct applying *p, struct item *items, struct dv_op *ops, const size_t *of, size_t k)
{
    struct err e = { 0 };
    enum ec rc = EC_OK;

    if (k)
        rc = dv_records(p->m->pair->app->dv, p->m->b->table, p->batches && k > 1 ? DV_IN_BATCHES : DV_ONE_BY_ONE, ops,
                        k, &e);
    for (size_t i = 0; i < k; i++) {
        struct item *it = &items[of[i]];

        if (!ops[i].rc || (ops[i].rc == EC_NOTFOUND && ops[i].verb == DV_DELETE)) {
            it->wrote_dv = true;
            it->made_dv = it->made_dv || ops[i].verb == DV_CREATE;
        } else {
            refused(p, it, ops[i].rc, ops[i].rc == EC_STOPPED ? &e : &ops[i].err);
        }
    }
    return rc;
}

static enum ec write_dv(struct applying *p, struct item *items, size_t n, bool deletions)
{
    static const char INACTIVE[] = "\"statecode\":1";
    struct dv_op *ops = xcalloc(n + 1, sizeof(*ops));
    size_t *of = xcalloc(n + 1, sizeof(*of)), k = 0;
    enum ec rc;

    for (size_t i = 0; i < n; i++) {
        struct item *it = &items[i];
        enum merge_action a = it->o.to_dv;
        enum dv_verb verb = verb_of(p, a, it->o.by_word);

        if (!to_write(it, a) || deletions != (a == MERGE_DELETE))
            continue;
        if (a == MERGE_UPDATE && !it->dv_body.len)
            continue; /* nothing in it flows there */
        of[k] = i;
        ops[k++] = (struct dv_op){ .verb = verb,
                                   .id = it->dv_id,
                                   .body = a == MERGE_DELETE ? CELL_LIT("")
                                                             : (struct cell){ it->dv_body.buf, it->dv_body.len },
                                   .etag = verb == DV_CREATE              ? NULL
                                           : cell_blank(it->live_dv.etag) ? "*"
                                                                          : cell_cstr(&it->a, it->live_dv.etag) };
        if (a == MERGE_DELETE && verb == DV_UPDATE)
            ops[k - 1].body = (struct cell){ INACTIVE, sizeof(INACTIVE) - 1 };
    }
    rc = send_dv(p, items, ops, of, k);
    free(ops);
    free(of);
    return rc;
}

/* The self lookups of rows that were just made. */
static enum ec write_self(struct applying *p, struct item *items, size_t n, struct err *reterr)
{
    struct dv_op *ops = xcalloc(n + 1, sizeof(*ops));
    size_t *of = xcalloc(n + 1, sizeof(*of)), k = 0;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n && !rc; i++)
        if (items[i].made_dv && items[i].fate == FATE_WRITE)
            rc = dict_saw(p->d, p->m->b, items[i].o.merged, items[i].dv_id, reterr);
    for (size_t i = 0; i < n && !rc; i++) {
        struct item *it = &items[i];
        bool *fields = arena_zalloc(&it->a, p->m->b->n + 1);
        struct err why = { 0 };

        if (!it->made_dv || it->fate != FATE_WRITE || !self_fields(p->m->b, &it->o, fields))
            continue;
        strbuf_reset(&it->self_body);
        rc = dvload_body(p->m, p->d, it->o.merged, fields, false, true, &it->self_body, &it->a, &why);
        if (dict_failed(p->d, reterr))
            rc = EC_NET;
        if (rc == EC_NOTFOUND || rc == EC_FORMAT) {
            item_hold(it, rc == EC_NOTFOUND ? "parked" : "poison", why.msg);
            rc = EC_OK;
        } else if (!rc && it->self_body.len) {
            of[k] = i;
            ops[k++] = (struct dv_op){
                .verb = DV_UPDATE, .id = it->dv_id, .body = { it->self_body.buf, it->self_body.len }, .etag = "*"
            };
        } else if (rc && rc != EC_NET && reterr) {
            *reterr = why;
        }
    }
    if (!rc)
        rc = send_dv(p, items, ops, of, k);
    free(ops);
    free(of);
    return rc;
}

static bool written(const struct item *it)
{
    return (it->wrote_fno || it->o.to_fno == MERGE_NOTHING || it->o.to_fno == MERGE_WAIT) &&
           (it->wrote_dv || it->o.to_dv == MERGE_NOTHING || it->o.to_dv == MERGE_WAIT ||
            (it->o.to_dv == MERGE_UPDATE && !it->dv_body.len));
}

enum ec write_items(struct applying *p, struct item *items, size_t n, struct err *reterr)
{
    enum ec rc = p->packages ? write_packages(p, items, n) : write_fno(p, items, n, false);

    if (!rc)
        rc = write_dv(p, items, n, false);
    if (!rc)
        rc = write_self(p, items, n, reterr);
    if (!rc)
        rc = write_fno(p, items, n, true);
    if (!rc)
        rc = write_dv(p, items, n, true);
    for (size_t i = 0; i < n; i++)
        if (items[i].fate == FATE_WRITE)
            items[i].fate = written(&items[i]) && !(rc && items[i].made_dv) ? FATE_SETTLE : FATE_LEAVE;
    if (rc && !p->stop) {
        p->stop = rc;
        if (reterr && reterr->code)
            p->stop_err = *reterr;
        else
            err_set(&p->stop_err, rc, "stopped while applying changes of map '%s'", p->m->cfg->alias);
    }
    return EC_OK;
}

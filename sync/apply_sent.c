/*
 * apply_sent.c -- writes whose answer did not come: stored before they are made, so that what is found there afterwards is known as ours
 * and not taken for an edit of that side. Writes sent.
 */
#include "loader/public/dvload.h"
#include "sync/apply_parts.h"

enum { TO_FNO = 1, TO_DV = 2 };

static char *flags_of(const struct binding *b, const struct merge_out *o, struct arena *a)
{
    char *flags = arena_zalloc(a, b->n + 1);

    for (size_t i = 0; i < b->n; i++) {
        int f = (o->to_fno == MERGE_UPDATE && o->fno_fields[i] ? TO_FNO : 0) |
                (o->to_dv == MERGE_UPDATE && o->dv_fields[i] ? TO_DV : 0);

        flags[i] = (char)('0' + f);
    }
    return flags;
}

static const struct cell *unpack(const struct applying *p, struct item *it, struct cell blob)
{
    size_t n = p->m->b->n;
    struct cell *row = arena_zalloc(&it->a, (n + 1) * sizeof(*row));

    return row_unpack(arena_dup(&it->a, blob.ptr, blob.len), blob.len, row, n) ? row : NULL;
}

enum ec sent_put(struct applying *p, struct item *it, struct err *reterr)
{
    const struct binding *b = p->m->b;
    struct strbuf row = STRBUF(0);
    struct query *q;
    enum ec rc;

    it->sent = NULL;
    if (!it->o.merged)
        return EC_OK; /* a deletion: a record that is not there any more says all */
    it->sent_flags = flags_of(b, &it->o, &it->a);
    it->sent_made = it->o.to_fno == MERGE_CREATE ? TO_FNO : it->o.to_dv == MERGE_CREATE ? TO_DV : 0;
    q = store_query(p->m->state, "insert or replace into sent(key_digest, row, flags, made) values(?1, ?2, ?3, ?4)");
    row_pack(&row, it->o.merged, b->n);
    query_blob(q, 1, it->octets, sizeof(it->octets));
    query_blob(q, 2, row.buf, row.len);
    query_str(q, 3, it->sent_flags);
    query_int(q, 4, it->sent_made);
    rc = query_run(q, reterr);
    it->sent =
        rc ? NULL : unpack(p, it, (struct cell){ row.buf, row.len }); /* the merged row borrows from what was read */
    strbuf_release(&row);
    return rc;
}

enum ec sent_drop(struct applying *p, struct item *it, struct err *reterr)
{
    struct query *q = store_query(p->m->state, "delete from sent where key_digest = ?1");

    it->sent = NULL;
    query_blob(q, 1, it->octets, sizeof(it->octets));
    return query_run(q, reterr);
}

enum ec sent_load(struct applying *p, struct item *it, struct err *reterr)
{
    struct query *q = store_query(p->m->state, "select row, flags, made from sent where key_digest = ?1");

    query_blob(q, 1, it->octets, sizeof(it->octets));
    if (query_step(q)) {
        struct cell flags = query_get_cell(q, 1);

        /* Another number of fields: the map was changed since, and the base is another one. */
        if (flags.len == p->m->b->n)
            it->sent = unpack(p, it, query_get_blob(q, 0));
        it->sent_flags = cell_cstr(&it->a, flags);
        it->sent_made = (int)query_get_int(q, 2);
    }
    return query_done(q, reterr);
}

/* The record that was to be made is there. Is it ours? Its id says so, or all that it was to hold. */
static bool made_by_us(const struct applying *p, const struct item *it)
{
    const struct binding *b = p->m->b;
    const struct cell *there = it->sent_made == TO_DV ? it->dv : it->fno;
    char id[40];

    if (!there)
        return false;
    dvload_id(b, dict_organization(p->d), it->key, id);
    if (it->sent_made == TO_DV && cell_ieq(it->live_dv.id, cell_of(id)))
        return true;
    for (size_t i = 0; i < b->n; i++)
        if (b->fields[i].compared && !cell_blank(it->sent[i]) &&
            !canon_equal(&b->fields[i].rule, it->sent[i], there[i], NULL))
            return false;
    return true;
}

/* A lookup that a new record of Dataverse is made without, and that has not followed yet. */
static bool follows(const struct applying *p, const struct item *it, size_t i)
{
    const struct bound_field *f = &p->m->b->fields[i];

    return it->sent_made == TO_DV && it->dv && f->kind == BOUND_LOOKUP && p->m->b->lookups[f->lookup].later &&
           cell_blank(it->dv[i]);
}

/*
 * Both sides had a value when it was about to be written, the one that it came from and, as is seen now, the other one: it is the base
 * from then on. What is not there as it was sent tells nothing.
 */
void sent_trust(struct applying *p, struct item *it)
{
    const struct binding *b = p->m->b;

    if (!it->sent)
        return;
    if (it->sent_made && (!it->base.cells || it->base.deleted)) {
        if (made_by_us(p, it)) {
            it->base.cells = arena_zalloc(&it->a, (b->n + 1) * sizeof(*it->base.cells));
            memcpy(it->base.cells, it->sent, b->n * sizeof(*it->sent));
            it->base.deleted = false;
            for (size_t i = 0; i < b->n; i++)
                if (follows(p, it, i))
                    it->base.cells[i] = it->dv[i];
        }
        return;
    }
    for (size_t i = 0; it->base.cells && !it->base.deleted && i < b->n; i++) {
        int f = it->sent_flags[i] - '0';

        if (((f & TO_DV) && it->dv && canon_equal(&b->fields[i].rule, it->sent[i], it->dv[i], NULL)) ||
            ((f & TO_FNO) && it->fno && canon_equal(&b->fields[i].rule, it->sent[i], it->fno[i], NULL)))
            it->base.cells[i] = it->sent[i];
    }
}

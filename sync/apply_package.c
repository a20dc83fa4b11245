/* apply_package.c -- what flows to an F&O entity that OData cannot write: small packages, one per company and set of fields. */
#include "loader/public/fno_rows.h"
#include "sync/apply_parts.h"

#include <stdio.h>
#include <stdlib.h>

/*
 * A package writes the same fields of all of its rows. Only fields that the merge wants to write are sent, so that what a user changes
 * meanwhile in another one stays: records that differ in their fields go in different packages.
 */
struct batch {
    struct applying *p;
    struct item *items;
    size_t n;
    bool *done; /* per item */
    bool *fields; /* of the batch */
    struct fno_row_out *rows;
    size_t *of; /* item of each row */
};

static bool goes(const struct item *it)
{
    return it->fate == FATE_WRITE && (it->o.to_fno == MERGE_UPDATE || it->o.to_fno == MERGE_CREATE);
}

static bool sends(const struct binding *b, const struct item *it, size_t i)
{
    const struct bound_field *f = &b->fields[i];
    bool create = it->o.to_fno == MERGE_CREATE;

    if (!f->f || f->key)
        return false;
    if (f->kind == BOUND_CONST_FNO)
        return create;
    /* An explicit blank in a new record would suppress F&O's own defaults. */
    return it->o.fno_fields[i] && !(create && cell_absent(it->o.merged[i]));
}

static struct cell company_of(const struct binding *b, const struct item *it)
{
    return b->striped ? it->key_row[0] : CELL_LIT("");
}

static bool alike(const struct batch *x, const struct item *first, const struct item *it)
{
    const struct binding *b = x->p->m->b;

    if (it->o.to_fno != first->o.to_fno || !cell_ieq(company_of(b, first), company_of(b, it)))
        return false;
    for (size_t i = 0; i < b->n; i++)
        if (sends(b, it, i) != x->fields[i])
            return false;
    return true;
}

static size_t gather(struct batch *x, size_t from)
{
    const struct binding *b = x->p->m->b;
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        x->fields[i] = sends(b, &x->items[from], i);
    for (size_t i = from; i < x->n; i++) {
        struct item *it = &x->items[i];

        if (x->done[i] || !goes(it) || !alike(x, &x->items[from], it))
            continue;
        x->done[i] = true;
        x->of[n] = i;
        x->rows[n++] = (struct fno_row_out){ .cells = it->o.merged, .key = it->digest };
    }
    return n;
}

static void outcome(struct item *it, const struct fno_row_out *r)
{
    if (r->taken)
        it->wrote_fno = true;
    else if (r->why[0]) /* what a record points at may still come */
        item_hold(it, strstr(r->why, "is not found in the related table") ? "parked" : "poison", r->why);
    else
        it->fate = FATE_AGAIN; /* nothing tells which rows of the package it was: read and merged again */
}

static enum ec send(struct batch *x, size_t n, struct err *reterr)
{
    struct applying *p = x->p;
    struct arena a = { 0 };
    bool left = false;
    enum ec rc = fno_rows_write(p->m, cell_cstr(&a, company_of(p->m->b, &x->items[x->of[0]])), x->fields, x->rows, n,
                                &left, reterr);

    for (size_t i = 0; i < n; i++) {
        if (rc || left)
            x->items[x->of[i]].fate = FATE_LEAVE; /* state sending: the next round knows more */
        else
            outcome(&x->items[x->of[i]], &x->rows[i]);
    }
    p->under_way = p->under_way || left;
    arena_release(&a);
    return rc;
}

enum ec write_packages(struct applying *p, struct item *items, size_t n)
{
    struct batch x = { .p = p, .items = items, .n = n };
    struct err e = { 0 };
    enum ec rc = EC_OK;

    x.done = xcalloc(n + 1, sizeof(*x.done));
    x.of = xcalloc(n + 1, sizeof(*x.of));
    x.rows = xcalloc(n + 1, sizeof(*x.rows));
    x.fields = xcalloc(p->m->b->n + 1, sizeof(*x.fields));
    for (size_t i = 0; i < n; i++) {
        if (x.done[i] || !goes(&items[i]))
            continue;
        if (rc || p->under_way) /* one at a time: behind one that is lost nothing is sent */
            items[i].fate = FATE_LEAVE;
        else
            rc = send(&x, gather(&x, i), &e);
    }
    if (rc && !p->stop) {
        p->stop = rc;
        p->stop_err = e;
    }
    free(x.done);
    free(x.of);
    free(x.rows);
    free(x.fields);
    return rc;
}

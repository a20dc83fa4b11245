/* leaf_read.c -- open a leaf file, find a row, walk one file or merge two. */
#include "store/leaf_format.h"
#include "data/zio.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_LEAF_OCTETS = 1 << 30 };

struct leaf_file {
    struct store *s;
    struct leaf_totals totals;
    size_t n_cells;
    char *path;
    /* the leaf read last by leaf_find() */
    int64_t cached_no;
    struct strbuf index, body;
};

static enum ec damaged(const struct leaf_file *f, const char *what, struct err *reterr)
{
    err_set(reterr, EC_FORMAT, "snapshot file '%s' is damaged: %s", f->path, what);
    return err_hint(reterr, "remove the file and run the command again; snapshots are made anew from the services");
}

const char *leaf_get_meta(struct leaf_file *f, const char *name, struct arena *a)
{
    struct query *q = store_query(f->s, "select value from meta where name = ?1");
    char *v = NULL;

    query_str(q, 1, name);
    if (query_step(q))
        v = arena_strdup(a, query_get_str(q, 0));
    if (query_done(q, NULL))
        return NULL;
    return v;
}

enum ec leaf_open(const char *path, struct leaf_file **ret, struct err *reterr)
{
    struct leaf_file *f = xcalloc(1, sizeof(*f));
    struct arena a = { 0 };
    const char *bits, *cells, *rows, *sum, *dup;
    enum ec rc = store_open(path, STORE_SEALED, &LEAF_SCHEMA, &f->s, reterr);

    f->path = xstrdup(path);
    f->cached_no = -1;
    if (rc) {
        leaf_close(f);
        return rc;
    }
    bits = leaf_get_meta(f, "bits", &a);
    cells = leaf_get_meta(f, "cells", &a);
    rows = leaf_get_meta(f, "rows", &a);
    sum = leaf_get_meta(f, "sum", &a);
    dup = leaf_get_meta(f, "duplicates", &a);
    if (!bits || !cells || !rows || !sum || !dup || !digest_parse_hex(cell_of(sum), &f->totals.sum)) {
        rc = damaged(f, "its description is missing", reterr);
        leaf_close(f);
        arena_release(&a);
        return rc;
    }
    f->totals.bits = atoi(bits);
    f->totals.rows = strtoull(rows, NULL, 10);
    f->totals.duplicates = strtoull(dup, NULL, 10);
    f->n_cells = strtoul(cells, NULL, 10);
    arena_release(&a);
    *ret = f;
    return EC_OK;
}

void leaf_close(struct leaf_file *f)
{
    if (!f)
        return;
    store_close(f->s);
    strbuf_release(&f->index);
    strbuf_release(&f->body);
    free(f->path);
    free(f);
}

const struct leaf_totals *leaf_totals(const struct leaf_file *f)
{
    return &f->totals;
}

size_t leaf_cells(const struct leaf_file *f)
{
    return f->n_cells;
}

enum ec leaf_companies(struct leaf_file *f, struct arena *a, struct leaf_company **ret, size_t *ret_n,
                       struct err *reterr)
{
    struct query *q = store_query(f->s, "select name, rows, sum, count(*) over () from company order by name");
    struct leaf_company *c = NULL;
    size_t n = 0;
    enum ec rc;

    while (query_step(q)) {
        struct cell sum = query_get_blob(q, 2);

        if (!c)
            c = arena_zalloc(a, (size_t)query_get_int(q, 3) * sizeof(*c));
        snprintf(c[n].name, sizeof(c[n].name), "%s", query_get_str(q, 0));
        c[n].rows = (uint64_t)query_get_int(q, 1);
        if (sum.len == 16)
            c[n].sum = leaf_get_digest(sum.ptr);
        n++;
    }
    rc = query_done(q, reterr);
    if (!rc) {
        *ret = c;
        *ret_n = n;
    }
    return rc;
}

/* Unpack the rows of one leaf's body: cells[i] for row i in `a`. The body text must outlive them. */
static bool unpack_row(const struct leaf_file *f, const struct strbuf *body, size_t *at, struct cell *cells,
                       struct leaf_row *row)
{
    struct cell tail[2];
    size_t n = row_packed_size(body->buf + *at, body->len - *at, f->n_cells), m;

    if (n == SIZE_MAX || !row_unpack(body->buf + *at, n, cells, f->n_cells))
        return false;
    m = row_packed_size(body->buf + *at + n, body->len - *at - n, 2);
    if (m == SIZE_MAX || !row_unpack(body->buf + *at + n, m, tail, 2))
        return false;
    *at += n + m;
    row->cells = cells;
    row->extra = tail[0];
    row->company = tail[1];
    return true;
}

static bool skip_row(const struct leaf_file *f, const struct strbuf *body, size_t *at)
{
    size_t n = row_packed_size(body->buf + *at, body->len - *at, f->n_cells + 2);

    if (n == SIZE_MAX)
        return false;
    *at += n;
    return true;
}

enum ec leaf_find(struct leaf_file *f, struct digest key, struct arena *a, struct leaf_row *ret, bool *ret_found,
                  struct err *reterr)
{
    int64_t no = f->totals.bits ? (int64_t)(key.hi >> (64 - f->totals.bits)) : 0;
    size_t lo = 0, hi, at = 0;
    char want[16];
    enum ec rc;

    *ret_found = false;
    if (f->cached_no != no) {
        struct query *q = store_query(f->s, "select index_, body from leaf where no = ?1");
        struct cell packed;

        f->cached_no = -1;
        strbuf_reset(&f->index);
        strbuf_reset(&f->body);
        query_int(q, 1, no);
        rc = EC_OK;
        if (query_step(q)) {
            struct cell ix = query_get_blob(q, 0);

            strbuf_add(&f->index, ix.ptr, ix.len);
            packed = query_get_blob(q, 1);
            rc = zstd_unpack(&f->body, packed.ptr, packed.len, MAX_LEAF_OCTETS, reterr);
        }
        if (rc) {
            (void)query_done(q, NULL);
            return rc;
        }
        rc = query_done(q, reterr);
        if (rc)
            return rc;
        f->cached_no = no;
    }
    leaf_put_digest(want, key);
    hi = f->index.len / 32;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (memcmp(f->index.buf + mid * 32, want, 16) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo >= f->index.len / 32 || memcmp(f->index.buf + lo * 32, want, 16))
        return EC_OK;
    for (size_t i = 0; i < lo; i++)
        if (!skip_row(f, &f->body, &at))
            return damaged(f, "a row cannot be read", reterr);
    {
        struct cell *cells = arena_alloc(a, (f->n_cells + 1) * sizeof(*cells));
        struct leaf_row row;

        if (!unpack_row(f, &f->body, &at, cells, &row))
            return damaged(f, "a row cannot be read", reterr);
        for (size_t i = 0; i < f->n_cells; i++)
            cells[i] = cell_dup(a, cells[i]);
        row.extra = cell_dup(a, row.extra);
        row.company = cell_dup(a, row.company);
        row.key = key;
        row.row = leaf_get_digest(f->index.buf + lo * 32 + 16);
        *ret = row;
        *ret_found = true;
    }
    return EC_OK;
}

/* ---- walking ---- */

struct side {
    struct leaf_file *f;
    sqlite3_stmt *st; /* leaves in order, from `next_no` on */
    bool more; /* st stands on a leaf that is not loaded yet */
    int64_t no; /* of that leaf */
    int64_t loaded_no; /* of the leaf in index and body */
    struct strbuf index, body;
    bool body_loaded;
    size_t rows, i; /* loaded leaf: rows and the next one */
    size_t at, at_row; /* octet position in body, and the row it belongs to */
    struct cell *cells;
};
struct leaf_walk {
    struct side a, b;
    bool two, skip;
    uint64_t skipped;
};

static enum ec side_step(struct side *s, struct err *reterr)
{
    int rc = sqlite3_step(s->st);

    s->more = rc == SQLITE_ROW;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return err_set(reterr, EC_DB, "read snapshot '%s': %s", s->f->path, sqlite3_errmsg(store_handle(s->f->s)));
    if (s->more)
        s->no = sqlite3_column_int64(s->st, 0);
    return EC_OK;
}

static enum ec side_open(struct side *s, struct leaf_file *f, struct err *reterr)
{
    memset(s, 0, sizeof(*s));
    s->f = f;
    if (!f)
        return EC_OK;
    if (sqlite3_prepare_v2(store_handle(f->s), "select no, rows, sum, index_, body from leaf order by no", -1, &s->st,
                           NULL))
        return err_set(reterr, EC_DB, "read snapshot '%s': %s", f->path, sqlite3_errmsg(store_handle(f->s)));
    s->cells = xcalloc(f->n_cells + 1, sizeof(*s->cells));
    return side_step(s, reterr);
}

static void side_close(struct side *s)
{
    sqlite3_finalize(s->st);
    strbuf_release(&s->index);
    strbuf_release(&s->body);
    free(s->cells);
}

/* Take the leaf that st stands on: its index now, its body when a row's cells are wanted. */
static enum ec side_load(struct side *s, struct err *reterr)
{
    const void *p = sqlite3_column_blob(s->st, 3);
    int n = sqlite3_column_bytes(s->st, 3);

    strbuf_reset(&s->index);
    strbuf_reset(&s->body);
    strbuf_add(&s->index, p, (size_t)n);
    /* The compressed body is copied too: stepping on would drop it. */
    p = sqlite3_column_blob(s->st, 4);
    n = sqlite3_column_bytes(s->st, 4);
    strbuf_add(&s->body, p, (size_t)n);
    s->body_loaded = false;
    s->loaded_no = s->no;
    s->rows = s->index.len / 32;
    s->i = 0;
    s->at = s->at_row = 0;
    if (s->index.len % 32)
        return damaged(s->f, "an index has a wrong length", reterr);
    return side_step(s, reterr);
}

static enum ec side_cells(struct side *s, struct leaf_row *row, struct err *reterr)
{
    if (!s->body_loaded) {
        struct strbuf plain = STRBUF(0);
        enum ec rc = zstd_unpack(&plain, s->body.buf, s->body.len, MAX_LEAF_OCTETS, reterr);

        if (rc) {
            strbuf_release(&plain);
            return rc;
        }
        strbuf_release(&s->body);
        s->body = plain;
        s->body_loaded = true;
    }
    while (s->at_row < s->i) {
        if (!skip_row(s->f, &s->body, &s->at))
            return damaged(s->f, "a row cannot be read", reterr);
        s->at_row++;
    }
    if (!unpack_row(s->f, &s->body, &s->at, s->cells, row))
        return damaged(s->f, "a row cannot be read", reterr);
    s->at_row++;
    return EC_OK;
}

enum ec leaf_walk_new(struct leaf_file *a, struct leaf_file *b, bool skip_equal, struct leaf_walk **ret,
                      struct err *reterr)
{
    struct leaf_walk *w = xcalloc(1, sizeof(*w));
    enum ec rc = side_open(&w->a, a, reterr);

    if (!rc)
        rc = side_open(&w->b, b, reterr);
    if (rc) {
        leaf_walk_free(w);
        return rc;
    }
    w->two = b != NULL;
    w->skip = skip_equal && b && a->totals.bits == b->totals.bits;
    *ret = w;
    return EC_OK;
}

static bool have_row(const struct side *s)
{
    return s->i < s->rows;
}

/* Number of the leaf whose rows come next; beyond all leaves at the end. */
static int64_t side_no(const struct side *s)
{
    return have_row(s) ? s->loaded_no : s->more ? s->no : INT64_MAX;
}

/* Make both sides stand on a row where they have one left, passing over leaves that are equal on both. */
static enum ec fill(struct leaf_walk *w, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (;;) {
        bool a_needs = w->a.f && !have_row(&w->a) && w->a.more, b_needs = w->b.f && !have_row(&w->b) && w->b.more;

        if (w->skip && a_needs && b_needs && w->a.no == w->b.no &&
            sqlite3_column_int64(w->a.st, 1) == sqlite3_column_int64(w->b.st, 1) &&
            sqlite3_column_bytes(w->a.st, 2) == 16 && sqlite3_column_bytes(w->b.st, 2) == 16 &&
            !memcmp(sqlite3_column_blob(w->a.st, 2), sqlite3_column_blob(w->b.st, 2), 16)) {
            w->skipped += (uint64_t)sqlite3_column_int64(w->a.st, 1);
            rc = side_step(&w->a, reterr);
            if (!rc)
                rc = side_step(&w->b, reterr);
            if (rc)
                return rc;
            continue;
        }
        /*
         * With the same number of bits on both sides, a leaf is taken only when the other side has nothing before it, so
         * that equal leaves further on still meet at the same moment.
         */
        if (w->skip) {
            int64_t at_a = side_no(&w->a), at_b = side_no(&w->b);

            a_needs = a_needs && at_a <= at_b;
            b_needs = b_needs && at_b <= at_a;
        }
        if (!a_needs && !b_needs)
            return EC_OK;
        if (a_needs)
            rc = side_load(&w->a, reterr);
        if (!rc && b_needs)
            rc = side_load(&w->b, reterr);
        if (rc)
            return rc;
    }
}

static struct leaf_row row_at(const struct side *s)
{
    return (struct leaf_row){ .key = leaf_get_digest(s->index.buf + s->i * 32),
                              .row = leaf_get_digest(s->index.buf + s->i * 32 + 16) };
}

enum ec leaf_walk_next(struct leaf_walk *w, bool want_equal, struct leaf_pair *ret, bool *ret_more,
                       struct err *reterr)
{
    struct leaf_pair p = { 0 };
    enum ec rc = fill(w, reterr);
    bool ha, hb, equal;

    *ret_more = false;
    if (rc)
        return rc;
    ha = have_row(&w->a);
    hb = w->b.f && have_row(&w->b);
    if (!ha && !hb)
        return EC_OK;
    if (ha)
        p.a = row_at(&w->a);
    if (hb)
        p.b = row_at(&w->b);
    if (ha && hb) {
        int c = digest_cmp(p.a.key, p.b.key);

        ha = c <= 0;
        hb = c >= 0;
    }
    p.in_a = ha;
    p.in_b = hb;
    p.key = ha ? p.a.key : p.b.key;
    equal = ha && hb && digest_eq(p.a.row, p.b.row);
    if (ha && (!equal || want_equal || !w->two))
        rc = side_cells(&w->a, &p.a, reterr);
    if (!rc && hb && (!equal || want_equal))
        rc = side_cells(&w->b, &p.b, reterr);
    if (rc)
        return rc;
    if (ha)
        w->a.i++;
    if (hb)
        w->b.i++;
    if (!ha)
        p.a = (struct leaf_row){ 0 };
    if (!hb)
        p.b = (struct leaf_row){ 0 };
    *ret = p;
    *ret_more = true;
    return EC_OK;
}

uint64_t leaf_walk_skipped(const struct leaf_walk *w)
{
    return w->skipped;
}

void leaf_walk_free(struct leaf_walk *w)
{
    if (!w)
        return;
    side_close(&w->a);
    side_close(&w->b);
    free(w);
}

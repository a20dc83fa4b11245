/* leaf_build.c -- rows in any order into a leaf file. The format is described in leaf.h. */
#include "store/leaf_format.h"
#include "base/file.h"
#include "base/step.h"
#include "data/zio.h"
#include "store/spill.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct store_schema LEAF_SCHEMA = {
    .application_id = 0x646d666c, /* "dmfl" */
    .version = 1,
    .steps =
        (const char *const[]){
            "create table meta(name text primary key, value text not null) without rowid;"
            "create table leaf(no integer primary key, rows integer not null, sum blob not null, index_ blob not "
            "null,"
            " body blob not null);"
            "create table company(name text primary key, rows integer not null, sum blob not null) without rowid;" },
};

struct company_sum {
    char name[16];
    uint64_t rows;
    struct digest sum;
};
struct leaf_builder {
    char *path, *part;
    size_t n_cells;
    int bits;
    struct spill *spill;
    pthread_mutex_t lock; /* spill and rows, while several threads add */
    struct strbuf *records; /* one per thread */
    unsigned jobs;
    struct {
        char *name, *value;
    } meta[32];
    size_t n_meta;
    uint64_t rows;
    struct company_sum *companies;
    size_t n_companies;
};

enum ec leaf_build(const char *path, const char *tmp_dir, int bits, size_t n_cells, struct leaf_builder **ret,
                   struct err *reterr)
{
    struct leaf_builder *b = xcalloc(1, sizeof(*b));
    const char *base = strrchr(path, '/');
    size_t n = strlen(tmp_dir) + strlen(base ? base + 1 : path) + 32;
    enum ec rc = spill_new(tmp_dir, &b->spill, reterr);

    if (rc) {
        free(b);
        return rc;
    }
    b->path = xstrdup(path);
    b->part = xmalloc(n);
    snprintf(b->part, n, "%s/%s.part%ld", tmp_dir, base ? base + 1 : path, (long)getpid());
    (void)unlink(b->part);
    b->n_cells = n_cells;
    b->bits = bits;
    pthread_mutex_init(&b->lock, NULL);
    leaf_build_jobs(b, 1);
    *ret = b;
    return EC_OK;
}

/* Spilled record: order, row digest, packed cells, then extra and company as two more cells. */
enum { RECORD_HEAD = 8 + (int)sizeof(struct digest) };

enum ec leaf_add_from(struct leaf_builder *b, unsigned writer, uint64_t order, const struct leaf_row *row,
                      struct err *reterr)
{
    struct cell tail[2] = { row->extra, row->company };
    struct strbuf *r = &b->records[writer];
    enum ec rc;

    strbuf_reset(r);
    strbuf_add(r, &order, sizeof(order));
    strbuf_add(r, &row->row, sizeof(row->row));
    row_pack(r, row->cells, b->n_cells);
    row_pack(r, tail, 2);
    pthread_mutex_lock(&b->lock);
    b->rows++;
    rc = spill_add(b->spill, row->key, r->buf, r->len, reterr);
    pthread_mutex_unlock(&b->lock);
    return rc;
}

enum ec leaf_add(struct leaf_builder *b, const struct leaf_row *row, struct err *reterr)
{
    return leaf_add_from(b, 0, b->rows, row, reterr);
}

void leaf_build_jobs(struct leaf_builder *b, unsigned jobs)
{
    b->records = xrealloc(b->records, jobs * sizeof(*b->records));
    for (unsigned i = b->jobs; i < jobs; i++)
        b->records[i] = (struct strbuf)STRBUF(0);
    b->jobs = jobs;
}

void leaf_meta(struct leaf_builder *b, const char *name, const char *value)
{
    for (size_t i = 0; i < b->n_meta; i++)
        if (!strcmp(b->meta[i].name, name)) {
            free(b->meta[i].value);
            b->meta[i].value = xstrdup(value);
            return;
        }
    BUG_IF(b->n_meta == COUNT(b->meta), "too many meta entries in a leaf file");
    b->meta[b->n_meta].name = xstrdup(name);
    b->meta[b->n_meta++].value = xstrdup(value);
}

void leaf_abandon(struct leaf_builder *b)
{
    if (!b)
        return;
    spill_free(b->spill);
    if (b->part)
        (void)unlink(b->part);
    for (size_t i = 0; i < b->n_meta; i++) {
        free(b->meta[i].name);
        free(b->meta[i].value);
    }
    for (unsigned i = 0; i < b->jobs; i++)
        strbuf_release(&b->records[i]);
    free(b->records);
    pthread_mutex_destroy(&b->lock);
    free(b->companies);
    free(b->path);
    free(b->part);
    free(b);
}

static int choose_bits(uint64_t rows)
{
    int bits = 0;

    while (bits < 24 && (rows >> bits) > 256)
        bits++;
    return bits;
}

static void add_company(struct leaf_builder *b, struct cell company, struct digest row)
{
    char name[16];
    struct company_sum *c = NULL;

    snprintf(name, sizeof(name), "%.*s", (int)(company.len > 15 ? 15 : company.len), company.ptr ? company.ptr : "");
    for (size_t i = 0; i < b->n_companies && !c; i++)
        if (!strcmp(b->companies[i].name, name))
            c = &b->companies[i];
    if (!c) {
        b->companies = xrealloc(b->companies, (b->n_companies + 1) * sizeof(*b->companies));
        c = &b->companies[b->n_companies++];
        memset(c, 0, sizeof(*c));
        memcpy(c->name, name, sizeof(name));
    }
    c->rows++;
    digest_sum_add(&c->sum, row);
}

void leaf_put_digest(char out[16], struct digest d)
{
    for (int i = 0; i < 8; i++) {
        out[i] = (char)(d.hi >> (56 - 8 * i));
        out[8 + i] = (char)(d.lo >> (56 - 8 * i));
    }
}

struct digest leaf_get_digest(const char *p)
{
    struct digest d = { 0, 0 };

    for (int i = 0; i < 8; i++) {
        d.hi = d.hi << 8 | (unsigned char)p[i];
        d.lo = d.lo << 8 | (unsigned char)p[8 + i];
    }
    return d;
}

/* One leaf being filled. */
struct open_leaf {
    int64_t no;
    uint64_t rows;
    struct digest sum;
    struct strbuf index, body, packed;
};

static enum ec write_leaf(struct store *s, struct open_leaf *l, struct err *reterr)
{
    struct query *q;
    char sum[16];
    enum ec rc;

    if (!l->rows)
        return EC_OK;
    strbuf_reset(&l->packed);
    rc = zstd_pack(&l->packed, l->body.buf, l->body.len, 1, reterr);
    if (rc)
        return rc;
    leaf_put_digest(sum, l->sum);
    q = store_query(s, "insert into leaf(no, rows, sum, index_, body) values(?1, ?2, ?3, ?4, ?5)");
    query_int(q, 1, l->no);
    query_int(q, 2, (int64_t)l->rows);
    query_blob(q, 3, sum, sizeof(sum));
    query_blob(q, 4, l->index.buf, l->index.len);
    query_blob(q, 5, l->packed.buf, l->packed.len);
    rc = query_run(q, reterr);
    strbuf_reset(&l->index);
    strbuf_reset(&l->body);
    l->rows = 0;
    l->sum = (struct digest){ 0, 0 };
    return rc;
}

static bool read_record(struct leaf_builder *b, const struct spill_record *r, struct cell *cells,
                        struct leaf_row *row)
{
    struct cell all[2];
    size_t used;

    if (r->n < RECORD_HEAD)
        return false;
    memcpy(&row->row, r->p + 8, sizeof(row->row));
    used = row_packed_size(r->p + RECORD_HEAD, r->n - RECORD_HEAD, b->n_cells);
    if (used == SIZE_MAX || !row_unpack(r->p + RECORD_HEAD, used, cells, b->n_cells) ||
        !row_unpack(r->p + RECORD_HEAD + used, r->n - RECORD_HEAD - used, all, 2))
        return false;
    row->key = r->d;
    row->cells = cells;
    row->extra = all[0];
    row->company = all[1];
    return true;
}

static uint64_t order_of(const struct spill_record *r)
{
    uint64_t order = 0;

    if (r->n >= RECORD_HEAD)
        memcpy(&order, r->p, 8);
    return order;
}

/* Rows of one key come as the threads gave them: the first one of each key is to be the one that stands first in the source. */
static void first_first(struct spill_record *rec, size_t n)
{
    size_t first = 0;

    for (size_t i = 1; i < n; i++) {
        if (!digest_eq(rec[i].d, rec[first].d)) {
            first = i;
        } else if (order_of(&rec[i]) < order_of(&rec[first])) {
            struct spill_record swap = rec[first];

            rec[first] = rec[i];
            rec[i] = swap;
        }
    }
}

static enum ec write_partition(struct leaf_builder *b, unsigned part, struct store *s,
                               const struct leaf_finish_hooks *hooks, struct open_leaf *l, struct arena *scratch,
                               struct leaf_totals *t, struct err *reterr)
{
    struct spill_record *rec;
    size_t n;
    struct cell *cells = xcalloc(b->n_cells + 1, sizeof(*cells)), *other = xcalloc(b->n_cells + 1, sizeof(*other));
    enum ec rc = spill_partition(b->spill, part, &rec, &n, reterr);

    if (!rc && b->jobs > 1)
        first_first(rec, n);
    for (size_t i = 0; i < n && !rc; i++) {
        struct leaf_row row;
        int64_t no = b->bits ? (int64_t)(rec[i].d.hi >> (64 - b->bits)) : 0;
        char ix[32];

        BUG_IF(!read_record(b, &rec[i], cells, &row), "damaged spill record");
        if (i && digest_eq(rec[i].d, rec[i - 1].d)) {
            struct leaf_row first;
            size_t k = i - 1;

            while (k > 0 && digest_eq(rec[k - 1].d, rec[i].d))
                k--;
            BUG_IF(!read_record(b, &rec[k], other, &first), "damaged spill record");
            t->duplicates++;
            if (hooks && hooks->duplicate)
                rc = hooks->duplicate(hooks->arg, &first, &row, reterr);
            continue;
        }
        arena_reset(scratch);
        if (hooks && hooks->last_look) {
            rc = hooks->last_look(hooks->arg, cells, &row, scratch, reterr);
            if (rc)
                break;
            BUG_IF(!digest_eq(row.key, rec[i].d), "a key changed in its last look");
        }
        if (no != l->no) {
            rc = write_leaf(s, l, reterr);
            if (rc)
                break;
            l->no = no;
        }
        leaf_put_digest(ix, row.key);
        leaf_put_digest(ix + 16, row.row);
        strbuf_add(&l->index, ix, sizeof(ix));
        row_pack(&l->body, row.cells, b->n_cells);
        row_pack(&l->body, (struct cell[]){ row.extra, row.company }, 2);
        l->rows++;
        digest_sum_add(&l->sum, row.row);
        digest_sum_add(&t->sum, row.row);
        t->rows++;
        add_company(b, row.company, row.row);
    }
    free(cells);
    free(other);
    return rc;
}

static enum ec write_tail(struct leaf_builder *b, struct store *s, const struct leaf_totals *t, struct err *reterr)
{
    char text[64], sum[16];
    enum ec rc = EC_OK;

    snprintf(text, sizeof(text), "%d", b->bits);
    leaf_meta(b, "bits", text);
    snprintf(text, sizeof(text), "%zu", b->n_cells);
    leaf_meta(b, "cells", text);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)t->rows);
    leaf_meta(b, "rows", text);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)t->duplicates);
    leaf_meta(b, "duplicates", text);
    snprintf(text, sizeof(text), "%d", CANON_VERSION);
    leaf_meta(b, "canon", text);
    digest_format_hex(t->sum, text);
    leaf_meta(b, "sum", text);
    for (size_t i = 0; i < b->n_meta && !rc; i++) {
        struct query *q = store_query(s, "insert into meta(name, value) values(?1, ?2)");

        query_str(q, 1, b->meta[i].name);
        query_str(q, 2, b->meta[i].value);
        rc = query_run(q, reterr);
    }
    for (size_t i = 0; i < b->n_companies && !rc; i++) {
        struct query *q = store_query(s, "insert into company(name, rows, sum) values(?1, ?2, ?3)");

        leaf_put_digest(sum, b->companies[i].sum);
        query_str(q, 1, b->companies[i].name);
        query_int(q, 2, (int64_t)b->companies[i].rows);
        query_blob(q, 3, sum, sizeof(sum));
        rc = query_run(q, reterr);
    }
    return rc;
}

enum ec leaf_finish(struct leaf_builder *b, const struct leaf_finish_hooks *hooks, struct leaf_totals *ret,
                    struct err *reterr)
{
    struct store *s = NULL;
    struct open_leaf leaf = { .no = -1, .index = STRBUF(0), .body = STRBUF(0), .packed = STRBUF(0) };
    struct leaf_totals t = { 0 };
    struct arena scratch = { 0 };
    enum ec rc;

    if (b->bits < 0)
        b->bits = choose_bits(b->rows);
    t.bits = b->bits;
    rc = store_open(b->part, STORE_BUILD, &LEAF_SCHEMA, &s, reterr);
    if (rc)
        goto out;
    rc = store_begin(s, reterr);
    if (rc)
        goto out;
    for (unsigned part = 0; part < SPILL_PARTITIONS && !rc; part++)
        rc = write_partition(b, part, s, hooks, &leaf, &scratch, &t, reterr);
    if (!rc)
        rc = write_leaf(s, &leaf, reterr);
    if (!rc)
        rc = write_tail(b, s, &t, reterr);
    rc = store_end(s, rc, reterr);
    if (rc)
        goto out;
    rc = store_finish(s, reterr);
    s = NULL;
    if (!rc) {
        STEP(snapshot_publish);
        rc = file_publish(b->part, b->path, reterr);
        STEP(snapshot_published);
    }
    if (!rc)
        *ret = t;
out:
    store_close(s);
    strbuf_release(&leaf.index);
    strbuf_release(&leaf.body);
    strbuf_release(&leaf.packed);
    arena_release(&scratch);
    leaf_abandon(b);
    return rc;
}

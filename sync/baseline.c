/* baseline.c -- the merge base: an immutable leaf file and what changed since. Writes baseline, base_overlay, cursor. */
#include "base/clock.h"
#include "base/step.h"
#include "sync/delta_row.h"

#include <stdlib.h>

struct baseline {
    struct map_ctx *m;
    struct leaf_file *f;
};

static enum ec put_cursor(struct map_ctx *m, const char *side, const char *company, const char *value,
                          struct err *reterr)
{
    struct query *q =
        store_query(m->state, "insert or replace into cursor(side, company, value, moved_at) values(?1, ?2, ?3, ?4)");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    query_str(q, 1, side);
    query_str(q, 2, company);
    query_str(q, 3, value);
    query_str(q, 4, now);
    return query_run(q, reterr);
}

enum ec cursor_set(struct map_ctx *m, const char *side, const char *company, const char *value, struct err *reterr)
{
    return put_cursor(m, side, company, value, reterr);
}

enum ec cursor_get(struct map_ctx *m, const char *side, const char *company, struct arena *a, char **ret,
                   struct err *reterr)
{
    struct query *q = store_query(m->state, "select value from cursor where side = ?1 and company = ?2");

    *ret = NULL;
    query_str(q, 1, side);
    query_str(q, 2, company);
    if (query_step(q))
        *ret = arena_strdup(a, query_get_str(q, 0));
    return query_done(q, reterr);
}

enum ec baseline_set(struct map_ctx *m, const struct snapshot *dv, struct err *reterr)
{
    struct query *q;
    char now[32], hash[65];
    enum ec rc;

    clock_format_utc(clock_utc_ms(), now);
    bind_hash(m->b, hash);
    STEP(baseline_store);
    rc = store_begin(m->state, reterr);
    if (rc)
        return rc;
    rc = store_exec(m->state,
                    "delete from base_overlay; delete from flips; delete from pending where state in ('new', "
                    "'sending', 'poison');",
                    reterr);
    if (!rc) {
        q = store_query(
            m->state, "insert or replace into baseline(one, file, rows, map_hash, set_at) values(1, ?1, ?2, ?3, ?4)");
        query_str(q, 1, strrchr(dv->path, '/') + 1);
        query_int(q, 2, (int64_t)dv->rows);
        query_str(q, 3, hash);
        query_str(q, 4, now);
        rc = query_run(q, reterr);
    }
    /* A key on which the sides do not agree has no base: neither value is one that both had. */
    if (!rc) {
        q = store_query(m->state,
                        "insert into base_overlay(key_digest, key, row, dv_id, changed_at) select key_digest, key, "
                        "null, dv_id, ?1 from delta");
        query_str(q, 1, now);
        rc = query_run(q, reterr);
    }
    if (!rc && dv->cursor[0])
        rc = put_cursor(m, "dataverse", "", dv->cursor, reterr);
    rc = store_end(m->state, rc, reterr);
    STEP(baseline_stored);
    return rc;
}

enum ec baseline_open(struct map_ctx *m, struct baseline **ret, struct err *reterr)
{
    struct baseline *b = NULL;
    struct arena a = { 0 };
    struct query *q = store_query(m->state, "select file from baseline");
    char *path = NULL;
    enum ec rc;

    if (query_step(q))
        path = arena_printf(&a, "%s/%s", m->dir, query_get_str(q, 0));
    rc = query_done(q, reterr);
    if (!rc && !path)
        rc = err_set(reterr, EC_NOTFOUND, "map '%s' has no baseline yet", m->cfg->alias);
    if (!rc) {
        b = xcalloc(1, sizeof(*b));
        b->m = m;
        rc = leaf_open(path, &b->f, reterr);
        if (!rc && leaf_cells(b->f) != m->b->n)
            rc =
                err_set(reterr, EC_STATE,
                        "the fields of map '%s' changed since its baseline; run 'dmfsync parity' and 'handoff' again",
                        m->cfg->alias);
    }
    arena_release(&a);
    if (rc)
        baseline_close(b);
    else
        *ret = b;
    return rc;
}

enum ec baseline_companies(struct map_ctx *m, struct arena *a, struct leaf_company **ret, size_t *ret_n,
                           struct err *reterr)
{
    struct query *q = store_query(m->state, "select file from baseline");
    char *path = query_step(q) ? arena_printf(a, "%s/%s", m->dir, query_get_str(q, 0)) : NULL;
    struct leaf_file *f = NULL;
    enum ec rc = query_done(q, reterr);

    *ret_n = 0;
    if (rc || !path || !file_exists(path))
        return rc;
    rc = leaf_open(path, &f, reterr);
    if (!rc)
        rc = leaf_companies(f, a, ret, ret_n, reterr);
    leaf_close(f);
    return rc;
}

uint64_t leaf_company_rows(const struct leaf_company *list, size_t n, struct cell company)
{
    for (size_t i = 0; i < n; i++)
        if (cell_is(company, list[i].name))
            return list[i].rows;
    return 0;
}

void baseline_close(struct baseline *b)
{
    if (!b)
        return;
    leaf_close(b->f);
    free(b);
}

enum ec baseline_row(struct baseline *b, struct digest key, struct arena *a, struct base_row *ret, struct err *reterr)
{
    struct query *q = store_query(b->m->state, "select row, dv_id from base_overlay where key_digest = ?1");
    struct base_row r = { 0 };
    struct leaf_row leaf;
    char octets[16];
    bool found, damaged = false;
    enum ec rc;

    delta_key_octets(key, octets);
    query_blob(q, 1, octets, 16);
    found = query_step(q);
    if (found) {
        struct cell blob = query_get_blob(q, 0);

        r.deleted = cell_absent(blob);
        r.dv_id = cell_dup(a, query_get_cell(q, 1));
        if (!r.deleted) {
            r.cells = arena_zalloc(a, (b->m->b->n + 1) * sizeof(*r.cells));
            damaged = !row_unpack(arena_dup(a, blob.ptr, blob.len), blob.len, r.cells, b->m->b->n);
        }
    }
    rc = query_done(q, reterr);
    if (!rc && damaged)
        rc = err_set(reterr, EC_STATE, "a row of the baseline of map '%s' is damaged", b->m->cfg->alias);
    if (!rc && !found) {
        rc = leaf_find(b->f, key, a, &leaf, &found, reterr);
        if (!rc && found) {
            struct cell etag;

            r.cells = arena_zalloc(a, (b->m->b->n + 1) * sizeof(*r.cells));
            memcpy(r.cells, leaf.cells, b->m->b->n * sizeof(*r.cells));
            (void)dv_extra_split(leaf.extra, &r.dv_id, &etag);
        }
    }
    if (!rc)
        *ret = r;
    return rc;
}

enum ec baseline_put(struct map_ctx *m, struct digest key, struct cell key_text, const struct cell *cells,
                     struct cell dv_id, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "insert or replace into base_overlay(key_digest, key, row, dv_id, changed_at) values(?1, ?2, ?3, "
                  "?4, ?5)");
    struct strbuf row = STRBUF(0);
    char octets[16], now[32];
    enum ec rc;

    clock_format_utc(clock_utc_ms(), now);
    delta_key_octets(key, octets);
    query_blob(q, 1, octets, 16);
    query_cell(q, 2, key_text);
    if (cells) {
        row_pack(&row, cells, m->b->n);
        query_blob(q, 3, row.buf, row.len);
    }
    query_cell(q, 4, cell_absent(dv_id) ? CELL_LIT("") : dv_id);
    query_str(q, 5, now);
    rc = query_run(q, reterr);
    strbuf_release(&row);
    return rc;
}

/* ---- every row: the file and the overlay side by side, both in the order of the key digests ---- */

enum { OVERLAY_PAGE = 1000 };
struct overlay_row {
    struct digest key;
    struct base_row r;
};
/* Read page by page, and closed between: whoever is told of a row may write to the same file. */
struct overlay {
    struct baseline *b;
    struct overlay_row *rows;
    size_t n, at;
    bool more;
    char after[16];
    size_t after_len;
    struct arena a;
};

static enum ec overlay_page(struct overlay *o, struct err *reterr)
{
    size_t cells = o->b->m->b->n;
    struct query *q = store_query(o->b->m->state, "select key_digest, row, dv_id from base_overlay where key_digest "
                                                  "> ?1 order by key_digest limit ?2");
    bool damaged = false;
    enum ec rc;

    arena_reset(&o->a);
    o->rows = arena_zalloc(&o->a, OVERLAY_PAGE * sizeof(*o->rows));
    o->n = o->at = 0;
    query_blob(q, 1, o->after, o->after_len);
    query_int(q, 2, OVERLAY_PAGE);
    while (query_step(q) && o->n < OVERLAY_PAGE) {
        struct cell key = query_get_blob(q, 0), blob = query_get_blob(q, 1);
        struct overlay_row *r = &o->rows[o->n];

        if (key.len != sizeof(o->after)) {
            damaged = true;
            continue;
        }
        o->n++;
        memcpy(o->after, key.ptr, key.len);
        o->after_len = key.len;
        r->key = delta_key_digest(key.ptr);
        r->r.deleted = cell_absent(blob);
        r->r.dv_id = cell_dup(&o->a, query_get_cell(q, 2));
        if (r->r.deleted)
            continue;
        r->r.cells = arena_zalloc(&o->a, (cells + 1) * sizeof(*r->r.cells));
        damaged |= !row_unpack(arena_dup(&o->a, blob.ptr, blob.len), blob.len, r->r.cells, cells);
    }
    o->more = o->n == OVERLAY_PAGE;
    rc = query_done(q, reterr);
    if (!rc && damaged)
        rc = err_set(reterr, EC_STATE, "a row of the baseline of map '%s' is damaged", o->b->m->cfg->alias);
    return rc;
}

/* NULL = no more. */
static enum ec overlay_next(struct overlay *o, const struct overlay_row **ret, struct err *reterr)
{
    enum ec rc = o->at == o->n && o->more ? overlay_page(o, reterr) : EC_OK;

    *ret = !rc && o->at < o->n ? &o->rows[o->at++] : NULL;
    return rc;
}

static enum ec tell_leaf(struct baseline *b, const struct leaf_pair *p, struct arena *a, baseline_fn *fn, void *arg,
                         struct err *reterr)
{
    struct base_row r = { 0 };
    struct cell etag;

    arena_reset(a);
    r.cells = arena_zalloc(a, (b->m->b->n + 1) * sizeof(*r.cells));
    memcpy(r.cells, p->a.cells, b->m->b->n * sizeof(*r.cells));
    (void)dv_extra_split(p->a.extra, &r.dv_id, &etag);
    return fn(arg, p->key, &r, reterr);
}

enum ec baseline_each(struct baseline *b, baseline_fn *fn, void *arg, struct err *reterr)
{
    struct overlay over = { .b = b, .more = true };
    const struct overlay_row *o = NULL;
    struct leaf_walk *w = NULL;
    struct leaf_pair p = { 0 };
    struct arena a = { 0 };
    bool more = true;
    enum ec rc = leaf_walk_new(b->f, NULL, false, &w, reterr);

    if (!rc)
        rc = leaf_walk_next(w, true, &p, &more, reterr);
    if (!rc)
        rc = overlay_next(&over, &o, reterr);
    while (!rc && (more || o)) {
        int cmp = !more ? 1 : !o ? -1 : digest_cmp(p.key, o->key);

        if (cmp < 0)
            rc = tell_leaf(b, &p, &a, fn, arg, reterr);
        else if (!o->r.deleted)
            rc = fn(arg, o->key, &o->r, reterr);
        if (!rc && cmp <= 0) /* the overlay knows better */
            rc = leaf_walk_next(w, true, &p, &more, reterr);
        if (!rc && cmp >= 0)
            rc = overlay_next(&over, &o, reterr);
    }
    leaf_walk_free(w);
    arena_release(&a);
    arena_release(&over.a);
    return rc;
}

struct missing {
    struct baseline *b;
    struct leaf_file *seen;
    baseline_fn *fn;
    void *arg;
};

static enum ec unless_seen(void *arg, struct digest key, const struct base_row *row, struct err *reterr)
{
    struct missing *m = arg;
    struct arena a = { 0 };
    struct leaf_row r;
    bool found = false;
    enum ec rc = leaf_find(m->seen, key, &a, &r, &found, reterr);

    arena_release(&a);
    return rc || found ? rc : m->fn(m->arg, key, row, reterr);
}

enum ec baseline_missing(struct baseline *b, struct leaf_file *seen, baseline_fn *fn, void *arg, struct err *reterr)
{
    struct missing m = { b, seen, fn, arg };

    return baseline_each(b, unless_seen, &m, reterr);
}

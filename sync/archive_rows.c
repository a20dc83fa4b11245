/* archive_rows.c -- a merge of differences, newest first, over the whole archive that they begin with. */
#include "store/column_file.h"
#include "sync/archive_parts.h"

#include <stdlib.h>

struct link {
    const struct archive *of;
    struct column_reader *r;
    struct column_row row;
    struct digest key;
    struct arena a;
    bool more, used, any;
};
struct archive_rows {
    struct link links[ARCHIVE_CHAIN]; /* the newest first */
    size_t n;
    char sha[65];
    struct arena a;
};

static const struct archive *find(const struct archive *list, size_t n, const char *side, int64_t id)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].id == id && !strcmp(list[i].side, side))
            return &list[i];
    return NULL;
}

size_t archive_depth(const struct archive *list, size_t n, size_t i)
{
    const struct archive *at = &list[i];
    size_t depth = 1;

    for (; at && !at->bad && at->base && depth <= ARCHIVE_CHAIN; depth++) {
        if (at->base >= at->id) /* never a loop */
            return 0;
        at = find(list, n, at->side, at->base);
    }
    return at && !at->bad && depth <= ARCHIVE_CHAIN ? depth : 0;
}

static enum ec advance(struct link *l, struct err *reterr)
{
    struct digest was = l->key;
    enum ec rc;

    l->used = false;
    rc = column_next(l->r, &l->row, &l->more, reterr);
    if (rc || !l->more)
        return rc;
    arena_reset(&l->a);
    l->key = l->row.gone
                 ? l->row.key
                 : digest_cells(l->of->fields.rules, l->row.cells, l->of->fields.key, l->of->fields.n_key, &l->a);
    if (l->any && digest_cmp(was, l->key) >= 0)
        return err_set(reterr, EC_FORMAT, "'%s' is damaged: its rows are not in order", l->of->path);
    l->any = true;
    return EC_OK;
}

static enum ec open_link(struct archive_rows *r, const struct archive *at, const char *want, struct err *reterr)
{
    struct link *l = &r->links[r->n];
    struct cell head;
    char sha[65];
    enum ec rc = column_check(at->path, sha, reterr);

    if (!rc && want && strcmp(want, sha))
        rc = err_set(reterr, EC_FORMAT, "'%s' is not the file that later archives are differences to", at->path);
    if (!rc)
        rc = column_open(at->path, &l->r, &head, reterr);
    if (rc)
        return rc;
    l->of = at;
    column_expect(l->r, at->fields.n + 2);
    if (!r->n++)
        memcpy(r->sha, sha, sizeof(sha));
    return advance(l, reterr);
}

enum ec archive_rows_open(const struct archive *list, size_t n, size_t i, struct archive_rows **ret,
                          struct err *reterr)
{
    const struct archive *at = &list[i];
    struct archive_rows *r;
    const char *want = NULL;
    enum ec rc = EC_OK;

    if (at->bad) {
        if (reterr)
            *reterr = at->err;
        return at->err.code;
    }
    if (!archive_depth(list, n, i))
        return err_set(reterr, EC_NOTFOUND, "'%s' is a difference to archive %lld, which is not there, or damaged",
                       at->path, (long long)at->base);
    r = xcalloc(1, sizeof(*r));
    while (!rc && at) {
        rc = open_link(r, at, want, reterr);
        want = at->base_sha;
        at = at->base ? find(list, n, at->side, at->base) : NULL;
    }
    if (rc)
        archive_rows_close(r);
    else
        *ret = r;
    return rc;
}

enum ec archive_rows_next(struct archive_rows *r, struct leaf_row *ret, bool *ret_more, struct err *reterr)
{
    *ret_more = false;
    for (;;) {
        struct link *first = NULL;

        for (size_t i = 0; i < r->n; i++) {
            struct link *l = &r->links[i];
            enum ec rc = l->used ? advance(l, reterr) : EC_OK;

            if (rc)
                return rc;
            if (l->more && (!first || digest_cmp(l->key, first->key) < 0))
                first = l;
        }
        if (!first)
            return EC_OK;
        for (size_t i = 0; i < r->n; i++)
            r->links[i].used = r->links[i].more && digest_eq(r->links[i].key, first->key);
        if (first->row.gone)
            continue;
        arena_reset(&r->a);
        *ret =
            (struct leaf_row){ .key = first->key,
                               .row = digest_cells(first->of->fields.rules, first->row.cells,
                                                   first->of->fields.compared, first->of->fields.n_compared, &r->a),
                               .cells = first->row.cells,
                               .extra = first->row.cells[first->of->fields.n],
                               .company = first->row.cells[first->of->fields.n + 1] };
        *ret_more = true;
        return EC_OK;
    }
}

void archive_rows_close(struct archive_rows *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < COUNT(r->links); i++) {
        column_close(r->links[i].r);
        arena_release(&r->links[i].a);
    }
    arena_release(&r->a);
    free(r);
}

const char *archive_rows_sha(const struct archive_rows *r)
{
    return r->sha;
}

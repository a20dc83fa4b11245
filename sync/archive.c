#include "sync/archive.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/step.h"
#include "data/json.h"
#include "store/column_file.h"
#include "sync/archive_parts.h"
#include "sync/snapshot_parts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FORMAT = 1 };

/* ---- the list ---- */

static char *folder(struct map_ctx *m, struct arena *a)
{
    return workspace_path(&m->pair->app->ws, a, ".dmfsync/snapshots");
}

/* "ALIAS-17-fno.zst" */
static bool parse_name(struct map_ctx *m, const char *name, struct archive *ret)
{
    size_t n = strlen(m->cfg->alias);
    char *end;

    if (strncmp(name, m->cfg->alias, n) || name[n] != '-' || name[n + 1] < '0' || name[n + 1] > '9')
        return false;
    errno = 0;
    ret->id = strtoll(name + n + 1, &end, 10);
    ret->side = !strcmp(end, "-fno.zst") ? "fno" : !strcmp(end, "-dataverse.zst") ? "dataverse" : NULL;
    return !errno && ret->id > 0 && ret->side;
}

static uint64_t number(const struct json *v, const char *name)
{
    int64_t n = json_i64(json_get(v, name), 0);

    return n < 0 ? 0 : (uint64_t)n;
}

static enum ec take_head(struct map_ctx *m, struct archive *x, struct cell head, struct arena *a, struct err *reterr)
{
    struct json_limits lim = { .octets = 16 << 20, .depth = 4 };
    struct json *v = NULL;
    struct cell sum, fields, sha;
    enum ec rc = json_parse(x->path, head.ptr, head.len, &lim, a, &v, reterr);

    if (rc)
        return rc;
    if (json_i64(json_get(v, "format"), 0) != FORMAT)
        return err_set(reterr, EC_STATE, "'%s' has a format that this program does not know", x->path);
    sum = json_member(v, "sum");
    fields = json_member(v, "fields");
    sha = json_member(v, "base_sha256");
    x->base = json_i64(json_get(v, "base"), 0);
    x->origin = cell_cstr(a, json_member(v, "origin"));
    x->began_at = cell_cstr(a, json_member(v, "began_at"));
    x->ended_at = cell_cstr(a, json_member(v, "ended_at"));
    x->rows = number(v, "rows");
    x->duplicates = number(v, "duplicates");
    x->excluded = number(v, "excluded");
    x->faults = number(v, "faults");
    if (!cell_is(json_member(v, "map"), m->cfg->alias) || !cell_is(json_member(v, "side"), x->side) ||
        json_i64(json_get(v, "id"), 0) != x->id || cell_absent(fields) || !digest_parse_hex(sum, &x->sum) ||
        x->base < 0 || (x->base && sha.len != 64))
        return err_set(reterr, EC_FORMAT, "'%s' is damaged: its head is not that of this file", x->path);
    if (x->base)
        memcpy(x->base_sha, sha.ptr, 64);
    return leaf_fields_parse(cell_cstr(a, fields), x->path, a, &x->fields, reterr);
}

static void read_head(struct map_ctx *m, struct archive *x, struct arena *a)
{
    struct column_reader *r = NULL;
    struct cell head;
    enum ec rc = column_open(x->path, &r, &head, &x->err);

    if (!rc)
        rc = take_head(m, x, head, a, &x->err);
    column_close(r);
    if (!rc && x->fields.canon != CANON_VERSION)
        rc = err_set(&x->err, EC_STATE, "'%s' was made under version %d of the canonical rules, this program has %d",
                     x->path, x->fields.canon, CANON_VERSION);
    x->bad = rc ? x->err.msg : NULL;
}

static int by_id(const void *x, const void *y)
{
    const struct archive *a = x, *b = y;

    return a->id < b->id ? -1 : a->id > b->id;
}

enum ec archive_list(struct map_ctx *m, struct arena *a, struct archive **ret, size_t *ret_n, struct err *reterr)
{
    char *dir = folder(m, a);
    struct archive *list = NULL;
    size_t n = 0, cap = 0;
    struct dirent *e;
    DIR *d = opendir(dir);

    if (!d && errno != ENOENT)
        return err_errno(reterr, EC_IO, errno, "read the folder '%s'", dir);
    while (d && (e = readdir(d))) {
        struct archive x = { 0 };

        if (!parse_name(m, e->d_name, &x))
            continue;
        x.path = arena_printf(a, "%s/%s", dir, e->d_name);
        x.octets = file_size(x.path);
        if (n == cap) {
            struct archive *more = arena_zalloc(a, (cap = cap ? cap * 2 : 32) * sizeof(*more));

            if (n)
                memcpy(more, list, n * sizeof(*more));
            list = more;
        }
        list[n++] = x;
    }
    if (d)
        closedir(d);
    if (n)
        qsort(list, n, sizeof(*list), by_id);
    for (size_t i = 0; i < n; i++)
        read_head(m, &list[i], a);
    *ret = list;
    *ret_n = n;
    return EC_OK;
}

/* ---- making one ---- */

struct making {
    struct map_ctx *m;
    struct archive *to;
    struct leaf_file *f;
    struct column_writer *w;
    struct archive_rows *base; /* NULL = whole */
    struct leaf_row was; /* the next row of base */
    bool was_more;
    struct cell *cells; /* fields, extra, company */
};

static char *head_text(struct map_ctx *m, const struct archive *x, struct arena *a)
{
    struct strbuf out = STRBUF(0);
    struct jsonw w = { .out = &out };
    char sum[33], *text;

    digest_format_hex(x->sum, sum);
    jw_begin(&w, '{');
    jw_pi64(&w, "format", FORMAT);
    jw_ps(&w, "map", m->cfg->alias);
    jw_pi64(&w, "id", x->id);
    jw_ps(&w, "side", x->side);
    jw_ps(&w, "origin", x->origin);
    jw_ps(&w, "began_at", x->began_at);
    jw_ps(&w, "ended_at", x->ended_at);
    jw_pi64(&w, "rows", (int64_t)x->rows);
    jw_pi64(&w, "duplicates", (int64_t)x->duplicates);
    jw_pi64(&w, "excluded", (int64_t)x->excluded);
    jw_pi64(&w, "faults", (int64_t)x->faults);
    jw_ps(&w, "sum", sum);
    jw_pi64(&w, "base", x->base);
    if (x->base)
        jw_ps(&w, "base_sha256", x->base_sha);
    jw_ps(&w, "fields", leaf_fields_text(&x->fields, a));
    jw_end(&w, '}');
    text = arena_dup(a, out.buf, out.len);
    strbuf_release(&out);
    return text;
}

static bool same_cells(const struct making *k, const struct leaf_row *r)
{
    for (size_t i = 0; i < k->to->fields.n; i++)
        if (!cell_eq(r->cells[i], k->was.cells[i]))
            return false;
    return cell_eq(r->extra, k->was.extra) && cell_eq(r->company, k->was.company);
}

/* Rows of the base before `key` (NULL = all that are left) are gone. *ret_same: the base's row of the key is this very row. */
static enum ec base_up_to(struct making *k, const struct leaf_row *row, bool *ret_same, struct err *reterr)
{
    enum ec rc = EC_OK;

    *ret_same = false;
    while (!rc && k->was_more) {
        int c = row ? digest_cmp(k->was.key, row->key) : -1;

        if (c > 0)
            break;
        if (c < 0)
            rc = column_add_gone(k->w, k->was.key, reterr);
        else
            *ret_same = same_cells(k, row);
        if (!rc)
            rc = archive_rows_next(k->base, &k->was, &k->was_more, reterr);
    }
    return rc;
}

static enum ec write_rows(struct making *k, struct err *reterr)
{
    struct leaf_walk *w = NULL;
    uint64_t seen = 0;
    bool more = true, same;
    enum ec rc = leaf_walk_new(k->f, NULL, false, &w, reterr);

    if (!rc && k->base)
        rc = archive_rows_next(k->base, &k->was, &k->was_more, reterr);
    while (!rc) {
        struct leaf_pair p;
        size_t n = k->to->fields.n;

        rc = leaf_walk_next(w, true, &p, &more, reterr);
        if (rc || !more)
            break;
        rc = base_up_to(k, &p.a, &same, reterr);
        if (!rc && !same) {
            memcpy(k->cells, p.a.cells, n * sizeof(*k->cells));
            k->cells[n] = p.a.extra;
            k->cells[n + 1] = p.a.company;
            rc = column_add(k->w, k->cells, reterr);
        }
        if (!rc && !(++seen & 8191)) {
            progress_update(&k->m->pair->app->out, k->m->cfg->alias, "archive", (int64_t)seen, (int64_t)k->to->rows,
                            "");
            if (stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while archiving");
        }
    }
    if (!rc)
        rc = base_up_to(k, NULL, &same, reterr);
    leaf_walk_free(w);
    progress_clear(&k->m->pair->app->out);
    return rc;
}

/* The newest one before it that a difference can be made to. */
static void choose_base(struct making *k, const struct archive *list, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        const struct archive *x = &list[i];
        struct err e = { 0 };
        size_t depth;

        if (x->id >= k->to->id || strcmp(x->side, k->to->side) != 0)
            continue;
        depth = archive_depth(list, n, i);
        if (x->bad || !depth || depth == ARCHIVE_CHAIN || !leaf_fields_same(&x->fields, &k->to->fields))
            return;
        if (archive_rows_open(list, n, i, &k->base, &e)) {
            log_warn("archive", "%s: archived whole, since the one before cannot be read: %s", k->m->cfg->alias,
                     e.msg);
            return;
        }
        k->to->base = x->id;
        memcpy(k->to->base_sha, archive_rows_sha(k->base), sizeof(k->to->base_sha));
        return;
    }
}

static enum ec describe(struct map_ctx *m, const struct snapshot *s, struct leaf_file *f, const char *side,
                        struct arena *a, struct archive *x, struct err *reterr)
{
    const struct leaf_totals *t = leaf_totals(f);
    struct query *q = store_query(m->state, "select origin from snapshot where id = ?1");

    *x = (struct archive){ .id = s->id,
                           .side = side,
                           .rows = t->rows,
                           .duplicates = t->duplicates,
                           .excluded = s->excluded,
                           .faults = s->faults,
                           .sum = t->sum,
                           .began_at = s->began_at,
                           .ended_at = s->ended_at,
                           .origin = "" };
    query_int(q, 1, s->id);
    if (query_step(q))
        x->origin = arena_strdup(a, query_get_str(q, 0));
    return query_done(q, reterr) ? EC_DB : leaf_fields_of(f, s->path, a, &x->fields, reterr);
}

static enum ec write_file(struct making *k, struct arena *a, struct err *reterr)
{
    char *part = workspace_path(&k->m->pair->app->ws, a, ".dmfsync/tmp/%s", strrchr(k->to->path, '/') + 1);
    char sha[65];
    enum ec rc = column_create(part, cell_of(head_text(k->m, k->to, a)), k->to->fields.n + 2, &k->w, reterr);

    k->cells = arena_zalloc(a, (k->to->fields.n + 3) * sizeof(*k->cells));
    if (!rc) {
        rc = write_rows(k, reterr);
        if (rc)
            column_abandon(k->w);
        else
            rc = column_finish(k->w, sha, reterr);
    }
    if (!rc) {
        STEP(snapshot_publish);
        rc = file_publish(part, k->to->path, reterr);
        STEP(snapshot_published);
    }
    if (rc)
        (void)unlink(part);
    return rc;
}

enum ec archive_make(struct map_ctx *m, const char *side, struct arena *a, struct archive *ret, bool *ret_made,
                     struct err *reterr)
{
    struct making k = { .m = m, .to = ret };
    struct archive *list = NULL;
    struct snapshot *s = arena_zalloc(a, sizeof(*s));
    size_t n = 0;
    enum ec rc = snapshot_latest_any(m, side, a, s, reterr);

    *ret_made = false;
    if (!rc)
        rc = dir_make(folder(m, a), 0700, reterr);
    if (!rc)
        rc = archive_list(m, a, &list, &n, reterr);
    if (!rc)
        rc = leaf_open(s->path, &k.f, reterr);
    if (!rc)
        rc = describe(m, s, k.f, side, a, ret, reterr);
    for (size_t i = 0; i < n && !rc; i++)
        if (list[i].id == s->id && !strcmp(list[i].side, side) && !list[i].bad && digest_eq(list[i].sum, ret->sum)) {
            *ret = list[i];
            goto out;
        }
    if (!rc) {
        ret->path = arena_printf(a, "%s/%s-%lld-%s.zst", folder(m, a), m->cfg->alias, (long long)ret->id, side);
        choose_base(&k, list, n);
        rc = write_file(&k, a, reterr);
        *ret_made = !rc;
        ret->octets = rc ? 0 : file_size(ret->path);
    }
out:
    archive_rows_close(k.base);
    leaf_close(k.f);
    return rc ? err_ctx(reterr, rc, "archive the snapshot of %s for map '%s'", side, m->cfg->alias) : EC_OK;
}

/* ---- back again ---- */

static enum ec rebuild(struct map_ctx *m, const struct archive *x, struct archive_rows *rows, struct leaf_builder *b,
                       struct err *reterr)
{
    struct leaf_row row = { 0 };
    uint64_t seen = 0;
    bool more = true;
    enum ec rc = EC_OK;

    while (!rc) {
        rc = archive_rows_next(rows, &row, &more, reterr);
        if (rc || !more)
            break;
        rc = leaf_add(b, &row, reterr);
        /* Further rows of a key were left out of the snapshot and counted: the count has to come back with it. */
        for (uint64_t i = 0; !seen && i < x->duplicates && !rc; i++)
            rc = leaf_add(b, &row, reterr);
        if (!(++seen & 8191)) {
            progress_update(&m->pair->app->out, m->cfg->alias, "restore", (int64_t)seen, (int64_t)x->rows, "");
            if (stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while restoring");
        }
    }
    progress_clear(&m->pair->app->out);
    return rc;
}

static enum ec is_it(const struct archive *x, uint64_t rows, struct digest sum, struct err *reterr)
{
    char want[64], got[64];

    if (rows == x->rows && digest_eq(sum, x->sum))
        return EC_OK;
    digest_format_sum(x->sum, want);
    digest_format_sum(sum, got);
    return err_set(reterr, EC_FORMAT,
                   "'%s' is damaged: it should give %llu rows with the digest %s, it gives %llu with %s", x->path,
                   (unsigned long long)x->rows, want, (unsigned long long)rows, got);
}

static enum ec restore(struct map_ctx *m, const struct archive *list, size_t n, size_t i, struct arena *a,
                       struct snapshot *s, struct err *reterr)
{
    const struct archive *x = &list[i];
    struct archive_rows *rows = NULL;
    struct leaf_builder *b = NULL;
    char *file = snapshot_file(m, x->side, a);
    struct leaf_totals t;
    enum ec rc = archive_rows_open(list, n, i, &rows, reterr);

    *s = (struct snapshot){ .cursor = "", .excluded = x->excluded, .faults = x->faults };
    s->path = arena_printf(a, "%s/%s", m->dir, file);
    snprintf(s->began_at, sizeof(s->began_at), "%s", x->began_at);
    snprintf(s->ended_at, sizeof(s->ended_at), "%s", x->ended_at);
    if (!rc)
        rc = leaf_build(s->path, workspace_path(&m->pair->app->ws, a, ".dmfsync/tmp"), snapshot_bits(m), x->fields.n,
                        &b, reterr);
    if (!rc)
        rc = rebuild(m, x, rows, b, reterr);
    archive_rows_close(rows);
    if (rc) {
        leaf_abandon(b);
        return rc;
    }
    leaf_meta(b, "map", m->cfg->alias);
    leaf_meta(b, "fields", leaf_fields_text(&x->fields, a));
    leaf_meta(b, "side", x->side);
    leaf_meta(b, "began_at", x->began_at);
    leaf_meta(b, "archive", strrchr(x->path, '/') + 1);
    rc = leaf_finish(b, NULL, &t, reterr);
    if (rc)
        return rc;
    rc = is_it(x, t.rows, t.sum, reterr);
    if (rc) { /* no row of state.db names it */
        (void)unlink(s->path);
        return rc;
    }
    return snapshot_name(m, x->side, "archive", file, &t, s, reterr);
}

enum ec archive_restore(struct map_ctx *m, int64_t id, struct arena *a, struct snapshot *ret, struct err *reterr)
{
    struct archive *list = NULL;
    size_t n = 0, i = 0;
    enum ec rc = archive_list(m, a, &list, &n, reterr);

    if (rc)
        return rc;
    while (i < n && list[i].id != id)
        i++;
    if (i == n) {
        err_set(reterr, EC_NOTFOUND, "map '%s' has no archived snapshot %lld", m->cfg->alias, (long long)id);
        return err_hint(reterr, "dmfsync snapshot %s --archives lists them", m->cfg->alias);
    }
    return restore(m, list, n, i, a, ret, reterr);
}

enum ec archive_verify(struct map_ctx *m, const struct archive *list, size_t n, size_t i, struct err *reterr)
{
    struct archive_rows *rows = NULL;
    struct digest sum = { 0, 0 };
    uint64_t seen = 0;
    bool more = true;
    enum ec rc = archive_rows_open(list, n, i, &rows, reterr);

    while (!rc) {
        struct leaf_row row;

        rc = archive_rows_next(rows, &row, &more, reterr);
        if (rc || !more)
            break;
        digest_sum_add(&sum, row.row);
        if (!(++seen & 8191)) {
            progress_update(&m->pair->app->out, m->cfg->alias, "verify", (int64_t)seen, (int64_t)list[i].rows, "");
            if (stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while verifying");
        }
    }
    progress_clear(&m->pair->app->out);
    archive_rows_close(rows);
    return rc ? rc : is_it(&list[i], seen, sum, reterr);
}

/* ---- retention ---- */

/* Marks list[i] and what it is a difference to. */
static void mark(const struct archive *list, size_t n, size_t i, bool *kept)
{
    kept[i] = true;
    for (size_t k = 0; k < n && list[i].base; k++)
        if (list[k].id == list[i].base && !strcmp(list[k].side, list[i].side) && !kept[k])
            mark(list, n, k, kept);
}

enum ec archive_prune(struct map_ctx *m, int64_t keep, struct err *reterr)
{
    static const char *const SIDES[] = { "fno", "dataverse" };
    struct archive *list = NULL;
    struct arena a = { 0 };
    size_t n = 0;
    bool *kept;
    enum ec rc = keep > 0 ? archive_list(m, &a, &list, &n, reterr) : EC_OK;

    kept = arena_zalloc(&a, n + 1);
    for (size_t s = 0; s < COUNT(SIDES); s++) {
        int64_t left = keep;

        for (size_t i = n; i-- > 0 && left > 0;)
            if (!strcmp(list[i].side, SIDES[s])) {
                mark(list, n, i, kept);
                left--;
            }
    }
    for (size_t i = 0; i < n && !rc; i++)
        if (!kept[i] && unlink(list[i].path) && errno != ENOENT)
            rc = err_errno(reterr, EC_IO, errno, "remove '%s'", list[i].path);
    arena_release(&a);
    return rc;
}

/* retry_file.c -- the rows of a corrected file: joined to the ledger by file and line, checked again, into the source's leaf file. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "data/zio.h"
#include "erp/odata.h"
#include "loader/earlier.h"
#include "loader/package_form.h"
#include "loader/public/fno_read.h"
#include "loader/retry_parts.h"
#include "store/leaf.h"

#include <stdio.h>
#include <unistd.h>

enum { COPY = 256 * 1024 };

/* Where a corrected file says that its rows come from. */
struct joining {
    struct map_ctx *m;
    int64_t load_run;
    const char *file; /* as the user named it */
    size_t at_file, at_line;
    struct mask rows; /* of the source, that the file has */
    struct row_place *places; /* by number in the file */
    uint64_t *lines; /* by number: in the file */
    size_t n, cap;
    uint64_t strangers; /* rows that are not among the failed ones */
    uint64_t first_stranger;
};

static void joining_release(struct joining *j)
{
    mask_release(&j->rows);
    free(j->places);
    free(j->lines);
}

static enum ec find_columns(struct joining *j, const struct source *s, struct err *reterr)
{
    size_t n;
    const struct cell *header = csv_header(s->csv, &n);

    j->at_file = j->at_line = n;
    for (size_t i = 0; i < n; i++) {
        if (cell_is(header[i], SOURCE_REJECT_PREFIX "file"))
            j->at_file = i;
        if (cell_is(header[i], SOURCE_REJECT_PREFIX "line"))
            j->at_line = i;
    }
    if (j->at_file < n && j->at_line < n)
        return EC_OK;
    err_set(reterr, EC_CONFIG, "'%s' has no columns " SOURCE_REJECT_PREFIX "file and " SOURCE_REJECT_PREFIX "line",
            j->file);
    return err_hint(reterr,
                    "correct a file that 'lint' or 'errors --rejects' wrote, and leave those columns in it: they "
                    "tell which rows it replaces");
}

static bool ours(struct cell header)
{
    size_t n = sizeof(SOURCE_REJECT_PREFIX) - 1;

    return header.len > n && !memcmp(header.ptr, SOURCE_REJECT_PREFIX, n);
}

/* The header row is the source's, apart from columns of ours: rows of both are told by the same places. */
static enum ec same_header(const struct joining *j, const struct source *is, struct err *reterr)
{
    struct source *was = NULL;
    size_t n_is, n_was = 0, k = 0, i = 0;
    const struct cell *h_is = csv_header(is->csv, &n_is), *h_was = NULL;
    enum ec rc = source_open(j->m, &was, reterr);

    if (rc)
        return rc;
    h_was = csv_header(was->csv, &n_was);
    for (;; i++, k++) {
        while (i < n_was && ours(h_was[i]))
            i++;
        while (k < n_is && ours(h_is[k]))
            k++;
        if (i == n_was || k == n_is || !cell_ieq(h_was[i], h_is[k]))
            break;
    }
    if (i < n_was || k < n_is) {
        rc = err_set(reterr, EC_CONFIG,
                     "the header of '%s' is not that of the source: '" CELL_FMT "' in the place of '" CELL_FMT "'",
                     j->file, CELL_ARG(k < n_is ? h_is[k] : CELL_LIT("")),
                     CELL_ARG(i < n_was ? h_was[i] : CELL_LIT("")));
        err_hint(reterr, "correct the cells, and leave the header row as it was written");
    }
    source_close(was);
    return rc;
}

/* The failed row of a source line. */
static enum ec ledger_row(const struct joining *j, int64_t line, struct row_place *ret, struct err *reterr)
{
    struct query *q = store_query(
        j->m->state,
        "select row_no, line, coalesce(offset, 0) from row_exception where run_id = ?1 and side = 'fno' and "
        "line = ?2 and row_no is not null and state in ('rejected', 'unknown', 'parked') limit 1");

    *ret = (struct row_place){ 0 };
    query_int(q, 1, j->load_run);
    query_int(q, 2, line);
    if (query_step(q))
        *ret = (struct row_place){ (uint64_t)query_get_int(q, 0), (uint64_t)query_get_int(q, 1),
                                   (uint64_t)query_get_int(q, 2) };
    return query_done(q, reterr);
}

static void remember(struct joining *j, const struct row_place *at, uint64_t line)
{
    while (j->n + 1 >= j->cap) {
        j->cap = j->cap ? j->cap * 2 : 256;
        j->places = xrealloc(j->places, j->cap * sizeof(*j->places));
        j->lines = xrealloc(j->lines, j->cap * sizeof(*j->lines));
        if (!j->n)
            j->places[j->n++] = (struct row_place){ 0 }; /* numbers begin with 1 */
    }
    j->lines[j->n] = line;
    j->places[j->n++] = *at;
}

static enum ec join_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct joining *j = arg;
    struct cell file = j->at_file < r->n_raw ? r->raw[j->at_file] : CELL_ABSENT;
    struct cell no = j->at_line < r->n_raw ? r->raw[j->at_line] : CELL_ABSENT;
    struct row_place at;
    int64_t line = 0;
    enum ec rc;

    (void)a;
    if (!cell_to_i64(no, &line) || line < 1)
        return err_set(reterr, EC_CONFIG,
                       "line %llu of '%s': " SOURCE_REJECT_PREFIX "line is '" CELL_FMT
                       "', which is no line of the source",
                       (unsigned long long)r->line, j->file, CELL_ARG(no));
    if (!cell_is(file, j->m->cfg->source))
        return err_set(reterr, EC_CONFIG,
                       "line %llu of '%s' is of the source file '" CELL_FMT "', but map '%s' loads '%s'",
                       (unsigned long long)r->line, j->file, CELL_ARG(file), j->m->cfg->alias, j->m->cfg->source);
    rc = ledger_row(j, line, &at, reterr);
    if (rc)
        return rc;
    if (at.row_no && mask_has(&j->rows, at.row_no))
        return err_set(reterr, EC_CONFIG, "line %llu of '%s' is line %lld of the source a second time",
                       (unsigned long long)r->line, j->file, (long long)line);
    if (!at.row_no && !j->strangers++)
        j->first_stranger = r->line;
    if (at.row_no)
        mask_add(&j->rows, at.row_no);
    remember(j, &at, r->line);
    return EC_OK;
}

static enum ec join(struct joining *j, struct source *s, struct err *reterr)
{
    enum ec rc = find_columns(j, s, reterr);

    if (!rc)
        rc = same_header(j, s, reterr);
    return rc ? rc : source_each(s, join_row, j, reterr);
}

enum ec retry_check_file(struct map_ctx *m, int64_t load_run, const char *file, uint64_t *ret_rows,
                         struct err *reterr)
{
    struct joining j = { .m = m, .load_run = load_run, .file = file };
    struct source *s = NULL;
    enum ec rc = source_open_file(m, file, &s, reterr);

    if (!rc)
        rc = join(&j, s, reterr);
    *ret_rows = j.rows.set;
    source_close(s);
    joining_release(&j);
    return rc;
}

static enum ec copy_file(struct map_ctx *m, const char *from, const char *to, struct err *reterr)
{
    struct arena a = { 0 };
    const char *part = arena_printf(&a, "%s.part", to);
    struct zreader *in = NULL;
    struct zwriter *out = NULL;
    char *buf = xmalloc(COPY);
    int64_t n = 0;
    enum ec rc = zreader_open(from, &in, reterr), closed;

    (void)m;
    if (!rc)
        rc = zwriter_open(part, 0, &out, reterr);
    while (!rc && (n = zreader_read(in, buf, COPY, reterr)) > 0)
        rc = zwriter_add(out, buf, (size_t)n, reterr);
    if (!rc && n < 0)
        rc = reterr && reterr->code ? reterr->code : EC_IO;
    if (out) {
        closed = zwriter_close(out, rc ? NULL : reterr);
        rc = rc ? rc : closed;
    }
    if (!rc)
        rc = file_publish(part, to, reterr);
    else
        (void)unlink(part);
    zreader_close(in);
    free(buf);
    arena_release(&a);
    return rc;
}

/* ---- into the ledger ---- */

struct taking {
    struct retry_planning *g;
    struct joining *j;
    struct source *s;
    struct leaf_builder *leaf;
    struct leaf_file *old; /* the source's rows before this retry */
    struct earlier *earlier; /* rows of loads before */
    struct fno_shape shape;
    enum existing_policy policy;
};

static enum ec store_row(const struct taking *t, size_t number, uint64_t offset, struct err *reterr)
{
    const struct row_place *at = &t->j->places[number];
    struct query *q = store_query(
        t->g->m->state, "insert into retry_row(run_id, number, line, offset, row_no, source_line, source_offset) "
                        "values(?1, ?2, ?3, ?4, ?5, ?6, ?7)");

    query_int(q, 1, t->g->retry);
    query_int(q, 2, (int64_t)number);
    query_int(q, 3, (int64_t)t->j->lines[number]);
    query_int(q, 4, (int64_t)offset);
    query_int(q, 5, (int64_t)at->row_no);
    query_int(q, 6, (int64_t)at->line);
    query_int(q, 7, (int64_t)at->offset);
    return query_run(q, reterr);
}

static enum ec reject(const struct taking *t, const struct row_place *at, struct cell key, const char *stage,
                      struct cell field, struct cell code, struct cell message, struct err *reterr)
{
    struct exception e = { .side = "fno",
                           .row_no = (int64_t)at->row_no,
                           .line = (int64_t)at->line,
                           .offset = (int64_t)at->offset,
                           .key = key,
                           .state = "rejected",
                           .stage = stage,
                           .field = field,
                           .code = code,
                           .message = message,
                           .version = t->g->retry,
                           .retry = t->g->retry };

    t->g->again++;
    return exception_add(t->g->m, t->g->load_run, &e, reterr);
}

static enum ec still_wrong(const struct taking *t, const struct source_row *r, struct arena *a, struct err *reterr)
{
    struct row_place at = { r->number, r->line, r->offset };

    if (r->verdict == SOURCE_OTHER_COMPANY)
        return reject(t, &at, r->key, "lint", CELL_LIT("DATAAREAID"), CELL_LIT("company"),
                      CELL_LIT("the company is not one of the map's companies"), reterr);
    return reject(t, &at, r->key, !strcmp(r->code, "csv") ? "read" : "lint", r->field, cell_of(r->code),
                  cell_absent(r->value) ? cell_of(r->why)
                                        : cell_printf(a, "%s: '" CELL_FMT "'", r->why, CELL_ARG(r->value)),
                  reterr);
}

static size_t key_values(struct map_ctx *m, const struct cell *cells, struct arena *a, struct cell *ret, size_t max)
{
    const struct binding *b = m->b;
    size_t n = 0;

    for (size_t i = 0; i < b->entity->n && n < max; i++) {
        const char *why;

        if (!b->entity->fields[i].key)
            continue;
        ret[n] = CELL_LIT("");
        for (size_t k = 0; k < b->n_key; k++)
            if (b->fields[b->key[k]].f == &b->entity->fields[i])
                (void)bind_to_fno_value(b, b->key[k], cells[b->key[k]], a, &ret[n], &why);
        n++;
    }
    return n;
}

/* Was this very row there under this key when the load looked at what F&O held? Or is F&O's row ours from before? */
static enum ec looked_at(const struct taking *t, const struct source_row *r, struct arena *a, bool *ret,
                         struct err *reterr)
{
    struct digest key = bind_key_digest(t->g->m->b, r->canon, a);
    struct leaf_row found;
    struct source_place place;
    enum ec rc = leaf_find(t->old, key, a, &found, ret, reterr);

    /* Another row of the source has it: that is a duplicate, which the leaf file tells. */
    *ret = !rc && *ret && source_place_read(found.extra, &place) &&
           (place.row_no == r->number || !mask_has(&t->j->rows, place.row_no));
    return rc || *ret ? rc : earlier_has(t->earlier, key, ret, reterr);
}

/* The policy `existing` holds for corrected rows, too: the load did not know their keys when it looked. */
static enum ec held_by_fno(const struct taking *t, const struct source_row *r, struct arena *a, bool *ret,
                           struct err *reterr)
{
    struct map_ctx *m = t->g->m;
    const struct fno_shape *sh = &t->shape;
    struct cell keys[32], *cells;
    struct json *rec = NULL;
    bool found = false, known = false, in_filter;
    size_t faults;
    enum ec rc;

    *ret = false;
    if (t->policy == EXISTING_UPDATE)
        return EC_OK;
    rc = looked_at(t, r, a, &known, reterr);
    if (rc || known)
        return rc;
    (void)key_values(m, r->canon, a, keys, COUNT(keys));
    rc = erp_get(m->pair->app->erp, m->b->entity, m->b->striped ? r->company : CELL_ABSENT, keys,
                 fno_shape_select(m, sh, a), a, &rec, &found, reterr);
    if (rc || !found)
        return rc;
    cells = arena_zalloc(a, (sh->n + 1) * sizeof(*cells));
    rc = fno_record(m, sh, rec, a, cells, &in_filter, &faults);
    for (size_t i = 0; i < sh->n && !rc && !*ret; i++)
        *ret = !in_filter || (sh->supplied[i] && !cell_blank(r->canon[i]) &&
                              !canon_equal(&sh->rules[i], r->canon[i], cells[i], NULL));
    return rc;
}

static enum ec good(const struct taking *t, const struct source_row *r, struct arena *a, struct err *reterr)
{
    const struct binding *b = t->g->m->b;
    struct source_place place;
    struct leaf_row row = source_leaf_row(b, r, &place, a);
    struct row_place at = { r->number, r->line, r->offset };
    bool held = false;
    enum ec rc = held_by_fno(t, r, a, &held, reterr);

    if (rc)
        return rc;
    if (held)
        return reject(t, &at, r->key, "existing", CELL_ABSENT, CELL_LIT("exists"),
                      CELL_LIT("F&O already holds a row of this key with other values, and existing is not update"),
                      reterr);
    rc = leaf_add(t->leaf, &row, reterr);
    return rc ? rc : retry_add(t->g, t->s, r, reterr);
}

/* The key of a corrected row is that of another row, of the source or of this file. */
static enum ec on_duplicate(void *arg, const struct leaf_row *kept, const struct leaf_row *other, struct err *reterr)
{
    const struct taking *t = arg;
    const struct binding *b = t->g->m->b;
    struct source_place first = { 0 }, second = { 0 };
    struct arena a = { 0 };
    struct row_place at;
    enum ec rc;

    BUG_IF(!source_place_read(kept->extra, &first) || !source_place_read(other->extra, &second), "source place");
    at = (struct row_place){ second.row_no, second.line, second.offset };
    rc = reject(
        t, &at, bind_key_text(b, other->cells, &a), "lint", b->fields[b->key[b->n_key - 1]].name,
        CELL_LIT("duplicate"),
        cell_printf(&a, "the same key as line %llu, which is the one that is loaded", (unsigned long long)first.line),
        reterr);
    arena_release(&a);
    return rc;
}

static enum ec keep_the_rest(const struct taking *t, const char *path, struct err *reterr)
{
    const struct binding *b = t->g->m->b;
    struct leaf_file *f = NULL;
    struct leaf_walk *w = NULL;
    bool more = true;
    enum ec rc = leaf_open(path, &f, reterr);

    if (!rc && leaf_cells(f) != b->n + source_load_only(t->s))
        rc = err_set(reterr, EC_STATE, "the source rows of map '%s' were read with other columns",
                     t->g->m->cfg->alias);
    if (!rc)
        rc = leaf_walk_new(f, NULL, false, &w, reterr);
    while (!rc && more) {
        struct leaf_pair p;
        struct source_place place;

        rc = leaf_walk_next(w, true, &p, &more, reterr);
        if (rc || !more)
            break;
        BUG_IF(!source_place_read(p.a.extra, &place), "source place");
        if (mask_has(&t->j->rows, place.row_no))
            continue;
        p.a.key = p.key;
        p.a.company = b->striped ? p.a.cells[0] : CELL_ABSENT;
        rc = leaf_add(t->leaf, &p.a, reterr);
    }
    leaf_walk_free(w);
    leaf_close(f);
    return rc;
}

static enum ec take_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct taking *t = arg;
    size_t number = (size_t)r->number;
    struct row_place at;
    enum ec rc;

    if (number >= t->j->n)
        return err_set(reterr, EC_STATE, "'%s' changed while it was read", t->j->file);
    at = t->j->places[number];
    if (!at.row_no)
        return EC_OK;
    rc = store_row(t, number, r->offset, reterr);
    if (!rc)
        rc = retry_take_up(t->g, at.row_no, reterr);
    r->number = at.row_no;
    r->line = at.line;
    r->offset = at.offset;
    if (rc)
        return rc;
    return r->verdict == SOURCE_GOOD ? good(t, r, a, reterr) : still_wrong(t, r, a, reterr);
}

static enum ec take_rows(struct taking *t, struct err *reterr)
{
    enum ec rc = source_each(t->s, take_row, t, reterr);

    return rc ? rc : retry_flush(t->g, reterr);
}

static enum ec new_leaf(struct taking *t, const char *old, struct err *reterr)
{
    struct map_ctx *m = t->g->m;
    struct arena a = { 0 };
    const char *name =
        arena_printf(&a, "snap-%lld-source-%lld.db", (long long)t->g->load_run, (long long)t->g->retry);
    struct leaf_finish_hooks hooks = { .duplicate = on_duplicate, .arg = t };
    struct leaf_totals totals;
    enum ec rc =
        leaf_build(arena_printf(&a, "%s/%s", m->dir, name), workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp"), -1,
                   m->b->n + source_load_only(t->s), &t->leaf, reterr);

    t->policy = m->cfg->has_existing ? m->cfg->existing : m->pair->app->cfg.existing;
    if (!rc)
        rc = fno_shape_of(m, &a, &t->shape, reterr);
    if (!rc)
        rc = leaf_open(old, &t->old, reterr);
    if (!rc)
        rc = earlier_open(m, t->g->load_run, &t->earlier, reterr);
    if (!rc)
        rc = keep_the_rest(t, old, reterr);
    if (!rc)
        rc = take_rows(t, reterr);
    if (!rc) {
        rc = leaf_finish(t->leaf, &hooks, &totals, reterr);
        t->leaf = NULL;
    }
    if (!rc) {
        struct query *q = store_query(m->state, "update load set source_file = ?2 where run_id = ?1");

        query_int(q, 1, t->g->load_run);
        query_str(q, 2, name);
        rc = query_run(q, reterr);
    }
    leaf_abandon(t->leaf);
    leaf_close(t->old);
    earlier_close(t->earlier);
    arena_release(&a);
    return rc;
}

enum ec retry_take_file(struct retry_planning *g, const char *file, struct err *reterr)
{
    struct map_ctx *m = g->m;
    struct arena a = { 0 };
    struct joining j = { .m = m, .load_run = g->load_run, .file = file };
    struct taking t = { .g = g, .j = &j };
    char *copy = retry_file(m, g->retry, &a), *leaf = load_source_file(m, g->load_run, &a);
    enum ec rc = copy_file(m, workspace_path(&m->pair->app->ws, &a, "%s", file), copy, reterr);

    g->version = g->retry;
    if (!rc && !leaf)
        rc = err_set(reterr, EC_STATE, "the source rows of run %lld of map '%s' are gone", (long long)g->load_run,
                     m->cfg->alias);
    if (!rc)
        rc = source_open_file(m, copy, &t.s, reterr);
    if (!rc)
        rc = join(&j, t.s, reterr);
    source_close(t.s);
    t.s = NULL;
    if (!rc && j.strangers)
        out_warn(&m->pair->app->out,
                 "%llu rows of '%s' are not among the failed ones (the first in line %llu): left alone",
                 (unsigned long long)j.strangers, file, (unsigned long long)j.first_stranger);
    if (!rc && j.rows.set)
        rc = source_open_file(m, copy, &t.s, reterr);
    if (!rc && t.s)
        rc = new_leaf(&t, leaf, reterr);
    if (rc)
        (void)unlink(copy);
    source_close(t.s);
    joining_release(&j);
    arena_release(&a);
    return rc;
}

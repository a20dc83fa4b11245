/* lint.c -- one pass over the source: every bad row named, good rows into the source's leaf file, packages planned. */
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/load_state.h"
#include "loader/mask.h"
#include "loader/package_form.h"
#include "store/leaf.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The slice of one company that is being filled. */
struct slice {
    char company[16];
    int64_t no;
    uint64_t first_row, last_row, first_offset, first_line, rows, later_rows, octets;
};
struct linting {
    struct map_ctx *m;
    int64_t run_id;
    struct source *src;
    struct leaf_builder *leaf;
    struct mask excluded;
    struct dmf_format format;
    bool unfit;
    struct slice *slices; /* one per company */
    size_t n_slices;
    uint64_t rows, rejected;
};

enum ec load_row(struct map_ctx *m, int64_t run_id, struct load_row *ret, struct err *reterr)
{
    struct query *q =
        store_query(m->state, "select phase, path, octets, mtime_ns, rows, unfit from load where run_id = ?1");

    memset(ret, 0, sizeof(*ret));
    query_int(q, 1, run_id);
    if (query_step(q)) {
        ret->found = true;
        snprintf(ret->phase, sizeof(ret->phase), "%s", query_get_str(q, 0));
        snprintf(ret->path, sizeof(ret->path), "%s", query_get_str(q, 1));
        ret->octets = query_get_int(q, 2);
        ret->mtime_ns = query_get_int(q, 3);
        ret->rows = (uint64_t)query_get_int(q, 4);
        ret->unfit = query_get_int(q, 5) != 0;
    }
    return query_done(q, reterr);
}

enum ec load_phase_set(struct map_ctx *m, int64_t run_id, const char *phase, struct err *reterr)
{
    struct query *q = store_query(m->state, "update load set phase = ?2, updated_at = ?3 where run_id = ?1");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    query_int(q, 1, run_id);
    query_str(q, 2, phase);
    query_str(q, 3, now);
    return query_run(q, reterr);
}

static enum ec file_stamp(const char *path, int64_t *octets, int64_t *mtime_ns, struct err *reterr)
{
    struct stat st;

    if (stat(path, &st))
        return err_set(reterr, EC_CONFIG, "the source file '%s' cannot be read", path);
    *octets = (int64_t)st.st_size;
    *mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    return EC_OK;
}

enum ec load_check_source(struct map_ctx *m, const struct load_row *l, struct err *reterr)
{
    int64_t octets = 0, mtime_ns = 0;
    enum ec rc = file_stamp(l->path, &octets, &mtime_ns, reterr);

    if (rc)
        return rc;
    if (octets != l->octets || mtime_ns != l->mtime_ns) {
        err_set(reterr, EC_STATE, "the source file '%s' of map '%s' was changed while its load was under way",
                l->path, m->cfg->alias);
        return err_hint(
            reterr, "put the old file back to finish, or give --restart --execute: rows that landed unchanged are "
                    "not sent again");
    }
    return EC_OK;
}

static struct slice *slice_of(struct linting *l, struct cell company)
{
    struct slice *s;

    for (size_t i = 0; i < l->n_slices; i++)
        if (cell_is(company, l->slices[i].company))
            return &l->slices[i];
    l->slices = xrealloc(l->slices, (l->n_slices + 1) * sizeof(*l->slices));
    s = &l->slices[l->n_slices++];
    memset(s, 0, sizeof(*s));
    snprintf(s->company, sizeof(s->company), "%.*s", (int)(company.len > 15 ? 15 : company.len), company.ptr);
    return s;
}

static enum ec plan_package(struct linting *l, struct slice *s, int pass, struct err *reterr)
{
    struct query *q = store_query(
        l->m->state, "insert into package(run_id, pass, company, slice, first_row, last_row, first_offset, "
                     "first_line, state) values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'planned')");

    query_int(q, 1, l->run_id);
    query_int(q, 2, pass);
    query_str(q, 3, s->company);
    query_int(q, 4, s->no);
    query_int(q, 5, (int64_t)s->first_row);
    query_int(q, 6, (int64_t)s->last_row);
    query_int(q, 7, (int64_t)s->first_offset);
    query_int(q, 8, (int64_t)s->first_line);
    return query_run(q, reterr);
}

static enum ec close_slice(struct linting *l, struct slice *s, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (!s->rows)
        return EC_OK;
    s->no++;
    rc = plan_package(l, s, 1, reterr);
    if (!rc && s->later_rows)
        rc = plan_package(l, s, 2, reterr);
    s->rows = s->later_rows = s->octets = 0;
    return rc;
}

/* What the row takes in the data file, about; notes values that the CSV format does not carry. */
static uint64_t weigh(struct linting *l, const struct source_row *r)
{
    bool look = l->format.kind == DMF_CSV && !l->unfit && !strcmp(l->m->pair->app->cfg.unfit, "xml");
    uint64_t octets = 2;

    for (size_t i = 0; i < l->src->n; i++) {
        octets += r->values[i].len + 1;
        if (look && dmf_cell_refused(&l->format, r->values[i]))
            l->unfit = true;
    }
    return l->format.utf16 ? octets * 2 : octets;
}

static enum ec good_row(struct linting *l, const struct source_row *r, struct arena *a, struct err *reterr)
{
    const struct binding *b = l->m->b;
    struct slice *s = slice_of(l, r->company);
    struct source_place place;
    struct leaf_row row = source_leaf_row(b, r, &place, a);
    enum ec rc = leaf_add(l->leaf, &row, reterr);

    if (rc)
        return rc;
    if (!s->rows) {
        s->first_row = r->number;
        s->first_offset = r->offset;
        s->first_line = r->line;
    }
    s->last_row = r->number;
    s->rows++;
    s->later_rows += package_second_pass(l->src, r);
    s->octets += weigh(l, r);
    return package_full(&l->m->pair->app->cfg, s->rows, s->octets) ? close_slice(l, s, reterr) : EC_OK;
}

static enum ec bad_row(struct linting *l, const struct source_row *r, struct arena *a, struct err *reterr)
{
    struct exception e = {
        .side = "fno",
        .row_no = (int64_t)r->number,
        .line = (int64_t)r->line,
        .offset = (int64_t)r->offset,
        .key = r->key,
        .state = "rejected",
        .stage = !strcmp(r->code, "csv") ? "read" : "lint",
        .field = r->field,
        .code = cell_of(r->code),
        .message = cell_absent(r->value) ? cell_of(r->why)
                                         : cell_printf(a, "%s: '" CELL_FMT "'", r->why, CELL_ARG(r->value)),
    };

    l->rejected++;
    return exception_add(l->m, l->run_id, &e, reterr);
}

static enum ec on_duplicate(void *arg, const struct leaf_row *kept, const struct leaf_row *other, struct err *reterr)
{
    struct linting *l = arg;
    struct source_place first = { 0 }, second = { 0 };
    struct arena a = { 0 };
    struct exception e = { .side = "fno", .state = "rejected", .stage = "lint", .code = CELL_LIT("duplicate") };
    enum ec rc;

    BUG_IF(!source_place_read(kept->extra, &first) || !source_place_read(other->extra, &second), "source place");
    e.row_no = (int64_t)second.row_no;
    e.line = (int64_t)second.line;
    e.offset = (int64_t)second.offset;
    e.key = bind_key_text(l->m->b, other->cells, &a);
    e.field = l->m->b->fields[l->m->b->key[l->m->b->n_key - 1]].name;
    e.message =
        cell_printf(&a, "the same key as line %llu, which is the one that is loaded", (unsigned long long)first.line);
    l->rejected++;
    rc = exception_add(l->m, l->run_id, &e, reterr);
    arena_release(&a);
    return rc;
}

static enum ec scan_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct linting *l = arg;

    if (!(++l->rows & 1023))
        progress_update(&l->m->pair->app->out, l->m->cfg->alias, "lint", (int64_t)l->rows, -1, "");
    switch (r->verdict) {
    case SOURCE_GOOD: return good_row(l, r, a, reterr);
    case SOURCE_REJECTED: return bad_row(l, r, a, reterr);
    case SOURCE_OTHER_COMPANY: mask_add(&l->excluded, r->number); break;
    }
    return EC_OK;
}

static enum ec forget(struct map_ctx *m, int64_t run_id, struct err *reterr)
{
    static const char *const SQL[] = { "delete from package where run_id = ?1",
                                       "delete from row_mask where run_id = ?1",
                                       "delete from load where run_id = ?1" };
    enum ec rc = exception_clear(m, run_id, "fno", reterr);

    for (size_t i = 0; i < COUNT(SQL) && !rc; i++) {
        struct query *q = store_query(m->state, SQL[i]);

        query_int(q, 1, run_id);
        rc = query_run(q, reterr);
    }
    return rc;
}

static enum ec store_load(struct linting *l, const char *leaf_name, int64_t octets, int64_t mtime_ns,
                          struct err *reterr)
{
    struct query *q = store_query(
        l->m->state, "insert into load(run_id, phase, path, octets, mtime_ns, rows, source_file, updated_at, "
                     "unfit) values(?1, 'existing', ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    query_int(q, 1, l->run_id);
    query_str(q, 2, l->src->path);
    query_int(q, 3, octets);
    query_int(q, 4, mtime_ns);
    query_int(q, 5, (int64_t)l->rows);
    query_str(q, 6, leaf_name);
    query_str(q, 7, now);
    query_int(q, 8, l->unfit);
    return query_run(q, reterr);
}

enum ec load_lint(struct map_ctx *m, const struct run *run, struct err *reterr)
{
    struct linting l = { .m = m, .run_id = run->id };
    struct load_row have;
    struct arena a = { 0 };
    struct leaf_totals totals;
    struct leaf_finish_hooks hooks = { .duplicate = on_duplicate, .arg = &l };
    int64_t octets = 0, mtime_ns = 0;
    char *leaf_name, *tmp;
    enum ec rc = load_row(m, run->id, &have, reterr);

    if (rc)
        return rc;
    if (have.found)
        return load_check_source(m, &have, reterr);
    rc = source_open(m, &l.src, reterr);
    if (rc)
        return rc;
    leaf_name = arena_printf(&a, "snap-%lld-source.db", (long long)run->id);
    tmp = workspace_path(&m->pair->app->ws, &a, ".dmfsync/tmp");
    rc = file_stamp(l.src->path, &octets, &mtime_ns, reterr);
    if (!rc)
        rc = package_format(&m->pair->app->cfg, &l.format, reterr);
    if (!rc)
        rc = leaf_build(arena_printf(&a, "%s/%s", m->dir, leaf_name), tmp, -1, m->b->n + source_load_only(l.src),
                        &l.leaf, reterr);
    if (rc)
        goto out;
    rc = store_begin(m->state, reterr);
    if (rc)
        goto out;
    rc = forget(m, run->id, reterr);
    if (!rc)
        rc = source_each(l.src, scan_row, &l, reterr);
    for (size_t i = 0; i < l.n_slices && !rc; i++)
        rc = close_slice(&l, &l.slices[i], reterr);
    if (!rc) {
        rc = leaf_finish(l.leaf, &hooks, &totals, reterr);
        l.leaf = NULL;
    }
    if (!rc)
        rc = mask_store(m, run->id, "excluded", &l.excluded, reterr);
    if (!rc)
        rc = store_load(&l, leaf_name, octets, mtime_ns, reterr);
    STEP(wave_begin);
    rc = store_end(m->state, rc, reterr);
    STEP(wave_begun);
    if (!rc)
        log_info("lint", "%s: %llu rows in '%s', %llu rejected%s", m->cfg->alias, (unsigned long long)l.rows,
                 l.src->path, (unsigned long long)l.rejected,
                 l.unfit ? "; some value does not fit into CSV: packages in XML-Element" : "");
out:
    leaf_abandon(l.leaf);
    mask_release(&l.excluded);
    free(l.slices);
    source_close(l.src);
    arena_release(&a);
    return rc;
}

size_t source_load_only(const struct source *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += s->fields[i].bound < 0;
    return n;
}

/*
 * settle.c -- after a job ended: which rows are in, which are not and why. "Succeeded" is not believed without its counters.
 *
 * Named failures come from the staging error file, the target error keys and the execution errors, each joined to its source
 * row through the source's leaf file. Where the counters say more rows failed than were named, F&O's rows of that company
 * are read back and compared: a row whose key is not there did not land; one that is there with other values may be one of
 * those that failed, when the missing keys do not explain the counters. Such rows go once more in a package of their own, since the
 * service may just have stopped before it reached them; what fails again without a reason is rejected, and where
 * nothing tells which of several rows it was, they are unknown.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/package_form.h"
#include "loader/package_import.h"
#include "loader/package_rows.h"
#include "loader/public/fno_read.h"

#include <stdio.h>

enum { MAX_ATTEMPTS = 3 };

struct settling {
    struct map_ctx *m;
    struct package_row *p;
    struct package_rows rows;
    struct source *src; /* for which cells were supplied */
    struct leaf_file *leaf; /* the source's rows by key */
    const char *status;
    struct erp_counters c; /* sums over the job's lines for our entity */
    bool counted; /* the job had a line */
    uint64_t named;
    const char *stage; /* of the file being read: staging or target */
    struct mask landed, differing; /* read-back: rows seen as sent, and with other values */
    struct mask lost, doubtful; /* rows of the package: not there; there with other values */
    bool in_doubt; /* more rows in doubt than failed: which of them it was, nothing tells */
    bool unknown_row;
    char general[400]; /* an error of the whole entity, not of a row */
};

static const char *stage_word(const struct settling *s, const char *stage)
{
    return s->p->pass == 2 ? "second_pass" : stage;
}

/* The source row of a key, if it is in this package's range; false otherwise. */
static bool find_row(struct settling *s, const struct cell *parts, size_t n, struct arena *a,
                     struct source_place *ret, struct cell *ret_key)
{
    struct cell *row = arena_zalloc(a, (s->m->b->n + 1) * sizeof(*row));
    struct leaf_row found;
    bool there = false;

    if (!key_cells(s->m, cell_of(s->p->company), parts, n, a, row))
        return false;
    if (leaf_find(s->leaf, bind_key_digest(s->m->b, row, a), a, &found, &there, NULL) || !there)
        return false;
    if (!source_place_read(found.extra, ret))
        return false;
    *ret_key = bind_key_text(s->m->b, row, a);
    return package_rows_has(&s->rows, ret->row_no);
}

static bool has_exception(struct settling *s, uint64_t row_no)
{
    struct query *q =
        store_query(s->m->state, "select 1 from row_exception where run_id = ?1 and side = 'fno' and row_no = ?2 and "
                                 "package_id = ?3");
    bool yes;

    query_int(q, 1, s->p->run_id);
    query_int(q, 2, (int64_t)row_no);
    query_int(q, 3, s->p->id);
    yes = query_step(q);
    return query_done(q, NULL) == EC_OK && yes;
}

/* A later source of errors may have the text that an earlier one lacked. */
static enum ec improve(struct settling *s, uint64_t row_no, struct cell field, struct cell message,
                       struct err *reterr)
{
    struct query *q = store_query(
        s->m->state,
        "update row_exception set message = ?4, code = null, field = coalesce(nullif(?5, ''), field) where "
        "run_id = ?1 and side = 'fno' and row_no = ?2 and package_id = ?3 and code = 'unnamed'");

    query_int(q, 1, s->p->run_id);
    query_int(q, 2, (int64_t)row_no);
    query_int(q, 3, s->p->id);
    query_cell(q, 4, message);
    query_cell(q, 5, field);
    return query_run(q, reterr);
}

/* "The value 'X' in field 'Customer group' is not found ..." */
static struct cell field_in_text(struct cell message)
{
    static const char MARK[] = "in field '";
    const char *p = message.len ? memmem(message.ptr, message.len, MARK, sizeof(MARK) - 1) : NULL, *end;

    if (!p)
        return CELL_ABSENT;
    p += sizeof(MARK) - 1;
    end = memchr(p, '\'', (size_t)(message.ptr + message.len - p));
    return end ? (struct cell){ p, (size_t)(end - p) } : CELL_ABSENT;
}

static enum ec failed_row(struct settling *s, const struct source_place *place, struct cell key, const char *stage,
                          struct cell field, struct cell message, struct err *reterr)
{
    struct exception e = { .side = "fno",
                           .row_no = (int64_t)place->row_no,
                           .line = (int64_t)place->line,
                           .offset = (int64_t)place->offset,
                           .key = key,
                           .state = s->unknown_row ? "unknown" : "rejected",
                           .stage = stage_word(s, stage),
                           .field = cell_blank(field) ? field_in_text(message) : field,
                           .code = cell_blank(message) ? CELL_LIT("unnamed") : CELL_ABSENT,
                           .message = cell_blank(message) ? CELL_LIT("F&O did not take the row and gave no reason")
                                                          : message,
                           .package_id = s->p->id,
                           .version = s->p->version,
                           .retry = s->p->retry };

    if (has_exception(s, place->row_no))
        return cell_blank(message) ? EC_OK : improve(s, place->row_no, e.field, message, reterr);
    s->named++;
    return exception_add(s->m, s->p->run_id, &e, reterr);
}

static enum ec take_key(void *arg, const struct cell *key, size_t n, struct cell message, struct err *reterr)
{
    struct settling *s = arg;
    struct arena a = { 0 };
    struct source_place place;
    struct cell text;
    enum ec rc = EC_OK;

    if (find_row(s, key, n, &a, &place, &text))
        rc = failed_row(s, &place, text, s->stage, CELL_ABSENT, message, reterr);
    arena_release(&a);
    return rc;
}

struct record {
    struct settling *s;
    struct arena *a;
    struct source_place *place;
    struct cell *key;
};

static bool is_record(void *arg, const struct cell *parts, size_t n)
{
    struct record *r = arg;

    return find_row(r->s, parts, n, r->a, r->place, r->key);
}

static bool find_record(struct settling *s, struct cell id, struct arena *a, struct source_place *ret,
                        struct cell *ret_key)
{
    struct record r = { s, a, ret, ret_key };
    struct cell names[32];

    return record_parts(key_names(s->m, names, COUNT(names)), id, is_record, &r);
}

static enum ec take_error(void *arg, struct cell id, struct cell field, struct cell message, struct err *reterr)
{
    struct settling *s = arg;
    struct arena a = { 0 };
    struct source_place place;
    struct cell key;
    enum ec rc = EC_OK;

    if (find_record(s, id, &a, &place, &key)) {
        rc = failed_row(s, &place, key, "target", field, message, reterr);
    } else if (cell_blank(id) && !cell_blank(message)) {
        if (!s->general[0])
            snprintf(s->general, sizeof(s->general), CELL_FMT, CELL_ARG(message));
    } else
        log_warn("settle", "%s: an error of record '" CELL_FMT "', which is not in the package: " CELL_FMT,
                 s->m->cfg->alias, CELL_ARG(id), CELL_ARG(message));
    arena_release(&a);
    return rc;
}

static enum ec read_file(struct settling *s, bool staging, struct err *reterr)
{
    const struct map_ctx *m = s->m;
    const struct fno_entity *en =
        m->cfg->load_entity ? schema_entity(&m->pair->schema, cell_of(m->cfg->load_entity)) : m->b->entity;

    s->stage = staging ? "staging" : "target";
    return package_error_keys(s->m, s->p->execution_id, en->label, staging, take_key, s, reterr);
}

static enum ec read_counters(struct settling *s, struct err *reterr)
{
    struct erp_counters c[16];
    size_t n = 0;
    enum ec rc = erp_job_details(s->m->pair->app->erp, s->p->execution_id, c, COUNT(c), &n, reterr);

    for (size_t i = 0; i < n && !rc; i++) {
        s->counted = true;
        s->c.staging_total += c[i].staging_total;
        s->c.staging_created += c[i].staging_created;
        s->c.target_created += c[i].target_created;
        s->c.target_updated += c[i].target_updated;
    }
    return rc;
}

/* ---- read-back ---- */

struct reading_back {
    struct settling *s;
    struct arena a;
};

/* Was this source row supplied as F&O has it now? Blank cells have no opinion; lookups of the second pass only count in theirs. */
static bool as_sent(const struct settling *s, const struct cell *source, const struct cell *fno)
{
    const struct source *src = s->src;
    size_t extra = s->m->b->n;

    for (size_t i = 0; i < src->n; i++) {
        size_t at = src->fields[i].bound >= 0 ? (size_t)src->fields[i].bound : extra++;
        const struct canon_rule *rule = src->fields[i].bound >= 0 ? &s->m->b->fields[at].rule : &src->fields[i].rule;

        if (s->p->pass == 1 ? src->fields[i].later : !src->fields[i].later && !src->fields[i].key)
            continue;
        if (!cell_blank(source[at]) && !canon_equal(rule, source[at], fno[at], NULL))
            return false;
    }
    return true;
}

static enum ec back_row(void *arg, const struct cell *cells, struct cell company, struct err *reterr)
{
    struct reading_back *r = arg;
    struct leaf_row found;
    struct source_place place;
    bool there = false;
    enum ec rc;

    (void)company;
    arena_reset(&r->a);
    rc = leaf_find(r->s->leaf, bind_key_digest(r->s->m->b, cells, &r->a), &r->a, &found, &there, reterr);
    if (!rc && there && source_place_read(found.extra, &place) && package_rows_has(&r->s->rows, place.row_no))
        mask_add(as_sent(r->s, found.cells, cells) ? &r->s->landed : &r->s->differing, place.row_no);
    return rc;
}

/* A row of the package that is neither in F&O as sent nor named. */
typedef enum ec unnamed_fn(struct settling *s, const struct source_row *r, struct arena *a, struct err *reterr);

static bool was_packed(struct settling *s, const struct source_row *r, const struct mask *skip)
{
    struct query *q;
    bool refused;

    if (r->verdict != SOURCE_GOOD || !cell_is(r->company, s->p->company) || mask_has(&s->landed, r->number) ||
        mask_has(&skip[0], r->number) || mask_has(&skip[1], r->number) ||
        (s->p->pass == 2 && !package_second_pass(s->src, r)))
        return false;
    q = store_query(s->m->state, "select 1 from row_exception where run_id = ?1 and side = 'fno' and row_no = ?2");
    query_int(q, 1, s->p->run_id);
    query_int(q, 2, (int64_t)r->number);
    refused = query_step(q);
    return query_done(q, NULL) == EC_OK && !refused;
}

struct walking {
    struct settling *s;
    unnamed_fn *fn;
    struct mask skip[2];
};

static enum ec walk_row(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct walking *w = arg;

    return was_packed(w->s, r, w->skip) ? w->fn(w->s, r, a, reterr) : EC_OK;
}

/* The same walk over the source as when it was packed. */
static enum ec each_unnamed(struct settling *s, unnamed_fn *fn, struct err *reterr)
{
    static const char *const MASKS[] = { "unchanged", "excluded" };
    struct walking w = { .s = s, .fn = fn };
    enum ec rc = EC_OK;

    for (size_t i = 0; i < COUNT(MASKS) && !rc; i++)
        rc = mask_load(s->m, s->p->run_id, MASKS[i], &w.skip[i], reterr);
    if (!rc)
        rc = package_rows_each(&s->rows, walk_row, &w, reterr);
    for (size_t i = 0; i < COUNT(MASKS); i++)
        mask_release(&w.skip[i]);
    return rc;
}

static enum ec sort_out(struct settling *s, const struct source_row *r, struct arena *a, struct err *reterr)
{
    (void)a;
    (void)reterr;
    mask_add(mask_has(&s->differing, r->number) ? &s->doubtful : &s->lost, r->number);
    return EC_OK;
}

static enum ec name_it(struct settling *s, const struct source_row *r, struct arena *a, struct err *reterr)
{
    struct source_place place = { r->number, r->line, r->offset };
    bool doubtful = mask_has(&s->doubtful, r->number);
    struct cell message =
        s->general[0]
            ? cell_of(s->general)
            : cell_printf(a,
                          doubtful ? "F&O (%s) holds the row with other values, and named no row that failed"
                                   : "F&O (%s) did not take the row and named no reason",
                          s->status);

    if (!doubtful && !mask_has(&s->lost, r->number))
        return EC_OK;
    s->unknown_row = doubtful && s->in_doubt;
    return failed_row(s, &place, r->key, "target", CELL_ABSENT, message, reterr);
}

/* The counters say that more failed than can be found: every row is there as it was sent. Shown, not counted. */
static enum ec note_unexplained(struct settling *s, uint64_t n, struct err *reterr)
{
    struct arena a = { 0 };
    struct exception e = { .side = "fno",
                           .row_no = -1,
                           .line = -1,
                           .offset = -1,
                           .state = "unknown",
                           .stage = stage_word(s, "target"),
                           .code = CELL_LIT("counters"),
                           .package_id = s->p->id,
                           .version = s->p->version,
                           .retry = s->p->retry };
    enum ec rc;

    e.message = cell_printf(&a,
                            "F&O's counters say that %llu more rows failed than were named or are missing; the rows "
                            "of the package that are not listed are in F&O as they were sent",
                            (unsigned long long)n);
    rc = exception_add(s->m, s->p->run_id, &e, reterr);
    arena_release(&a);
    return rc;
}

static enum ec read_back(struct settling *s, uint64_t unnamed, struct err *reterr)
{
    struct reading_back r = { .s = s };
    struct fno_counts counts = { 0 };
    struct fno_shape shape;
    struct arena a = { 0 };
    enum ec rc = fno_shape_of(s->m, &a, &shape, reterr);

    log_info("settle", "%s: %llu rows failed without being named; reading F&O's rows of company '%s' back",
             s->m->cfg->alias, (unsigned long long)unnamed, s->p->company);
    if (!rc)
        rc = fno_scan_rows(s->m, &shape, cell_of(s->p->company), back_row, &r, &counts, reterr);
    if (!rc)
        rc = each_unnamed(s, sort_out, reterr);
    if (!rc && unnamed <= s->lost.set)
        mask_release(&s->doubtful); /* the missing keys explain the counters: what differs is F&O's own doing */
    arena_release(&r.a);
    arena_release(&a);
    return rc;
}

/* ---- the whole ---- */

static enum ec store_settled(struct settling *s, uint64_t failed, struct err *reterr)
{
    struct query *q = store_query(
        s->m->state, "update package set state = 'settled', staged = ?2, staging_ok = ?3, created = "
                     "coalesce(created, 0) + ?4, updated = coalesce(updated, 0) + ?5, failed = ?6 where id = ?1");

    query_int(q, 1, s->p->id);
    query_int(q, 2, s->c.staging_total);
    query_int(q, 3, s->c.staging_created);
    query_int(q, 4, s->c.target_created);
    query_int(q, 5, s->c.target_updated);
    query_int(q, 6, (int64_t)failed);
    return query_run(q, reterr);
}

/* How often rows of this package went again already because the service stopped. */
static int64_t ancestors(struct settling *s)
{
    struct query *q = store_query(
        s->m->state, "with recursive up(parent, n) as (select parent, 0 from package where id = ?1 union all select "
                     "p.parent, n + 1 from package p join up on p.id = up.parent) select max(n) from up");
    int64_t n = 0;

    query_int(q, 1, s->p->id);
    if (query_step(q))
        n = query_get_int(q, 0);
    return query_done(q, NULL) ? MAX_ATTEMPTS : n;
}

/* Once more, as long as that gets anywhere; an error of the whole entity would only come again. */
static bool worth_another(struct settling *s)
{
    int64_t n = ancestors(s);

    return n + 1 < MAX_ATTEMPTS && (s->landed.set || (!n && !s->general[0]));
}

/* The rows that did not land go on into a package of their own. */
static enum ec plan_rest(struct settling *s, struct err *reterr)
{
    struct mask rest = { 0 };
    struct package_row like = *s->p;
    struct query *q;
    int64_t id = 0;
    enum ec rc;

    mask_merge(&rest, &s->lost);
    mask_merge(&rest, &s->doubtful);
    like.slice = 0; /* the next free one */
    rc = package_plan_picked(s->m, &like, &rest, &id, reterr);
    if (!rc) {
        q = store_query(s->m->state, "update package set moved = moved + ?2 where id = ?1");
        query_int(q, 1, s->p->id);
        query_int(q, 2, (int64_t)rest.set);
        rc = query_run(q, reterr);
    }
    log_warn("settle",
             "%s: F&O ended '%s' without saying what became of %llu rows that are not there; they go again in "
             "package %lld",
             s->m->cfg->alias, s->status, (unsigned long long)rest.set, (long long)id);
    mask_release(&rest);
    return rc;
}

static enum ec unnamed_rows(struct settling *s, uint64_t failed, struct err *reterr)
{
    uint64_t unnamed = failed - s->named, before = s->named;
    enum ec rc = read_back(s, unnamed, reterr);

    if (rc)
        return rc;
    if (s->lost.set + s->doubtful.set == 0)
        return note_unexplained(s, unnamed, reterr);
    if (worth_another(s))
        return plan_rest(s, reterr);
    s->in_doubt = s->lost.set + s->doubtful.set > unnamed;
    rc = each_unnamed(s, name_it, reterr);
    if (!rc && s->named - before < unnamed)
        rc = note_unexplained(s, unnamed - (s->named - before), reterr);
    return rc;
}

static enum ec nothing_happened(struct settling *s, struct err *reterr)
{
    struct query *q =
        store_query(s->m->state, "update package set state = 'failed', message = ?2, failed = rows where id = ?1");
    char text[300];
    enum ec rc;

    snprintf(text, sizeof(text), "F&O reports '%s' for execution %s, but processed none of its %lld rows", s->status,
             s->p->execution_id, (long long)s->p->rows);
    query_int(q, 1, s->p->id);
    query_str(q, 2, text);
    rc = query_run(q, reterr);
    if (rc)
        return rc;
    err_set(reterr, EC_FNO, "%s", text);
    return err_hint(
        reterr,
        "is the source data format '%s' in F&O as expected (Unicode, comma, CR LF), and are the entity's fields "
        "mapped? Look at Data management > Job history > Execution log",
        s->m->pair->app->cfg.data_format);
}

static enum ec settle(struct settling *s, struct err *reterr)
{
    int64_t done = s->c.target_created + s->c.target_updated;
    uint64_t failed = s->p->rows > done ? (uint64_t)(s->p->rows - done) : 0;
    enum ec rc = EC_OK;

    if (!strcmp(s->status, "Succeeded") && !done && !s->c.staging_total && s->p->rows)
        return EC_LIMIT; /* marks "nothing happened" for the caller: not an error of the transaction */
    if (failed || strcmp(s->status, "Succeeded")) {
        rc = read_file(s, true, reterr);
        if (!rc)
            rc = read_file(s, false, reterr);
        if (!rc)
            rc = erp_execution_errors(s->m->pair->app->erp, s->p->execution_id, take_error, s, reterr);
    }
    if (!rc && failed > s->named)
        rc = unnamed_rows(s, failed, reterr);
    return rc ? rc : store_settled(s, failed, reterr);
}

enum ec package_settle(struct map_ctx *m, struct package_row *p, const char *status_word, struct err *reterr)
{
    struct settling s = { .m = m, .p = p, .status = status_word };
    struct arena a = { 0 };
    char *leaf = load_source_file(m, p->run_id, &a);
    enum ec rc, settled = EC_OK;

    if (!leaf)
        return err_set(reterr, EC_STATE, "the source rows of run %lld of map '%s' are gone", (long long)p->run_id,
                       m->cfg->alias);
    rc = leaf_open(leaf, &s.leaf, reterr);
    if (!rc)
        rc = package_rows_open(m, p, &s.rows, reterr);
    s.src = s.rows.src;
    if (!rc)
        rc = read_counters(&s, reterr);
    if (rc)
        goto out;
    STEP(outcome_store);
    rc = store_begin(m->state, reterr);
    if (rc)
        goto out;
    {
        /* A settling that was cut off is done again from the beginning: what it had named goes first. */
        struct query *q = store_query(m->state, "delete from row_exception where run_id = ?1 and package_id = ?2");

        query_int(q, 1, p->run_id);
        query_int(q, 2, p->id);
        rc = query_run(q, reterr);
    }
    if (!rc)
        settled = settle(&s, reterr);
    if (settled == EC_LIMIT) {
        store_rollback(m->state);
        rc = nothing_happened(&s, reterr);
    } else {
        rc = store_end(m->state, rc ? rc : settled, reterr);
    }
    STEP(outcome_stored);
    if (!rc)
        log_info("settle", "%s: execution %s %s, %lld created, %lld updated, %llu named failures", m->cfg->alias,
                 p->execution_id, status_word, (long long)s.c.target_created, (long long)s.c.target_updated,
                 (unsigned long long)s.named);
out:
    leaf_close(s.leaf);
    package_rows_close(&s.rows);
    mask_release(&s.landed);
    mask_release(&s.differing);
    mask_release(&s.lost);
    mask_release(&s.doubtful);
    arena_release(&a);
    return rc;
}

#include "loader/public/fno_rows.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/package_form.h"
#include "loader/package_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A lost answer is looked for this long before the rows are left to the next round. */
enum { FIRST_POLL_MS = 100, LOOK_MS = 30000, MAX_FIELDS = 2048 };
#define UNDER_WAY "fno_rows" /* in the table setting: "EXECUTION-ID TIME" */

struct sending {
    struct map_ctx *m;
    const char *company;
    struct fno_row_out *rows;
    size_t n;
    int at[MAX_FIELDS]; /* fields of the binding, in the order of the package's columns */
    bool datetime[MAX_FIELDS];
    size_t n_fields;
    struct dmf_entity entity;
    struct dmf_package package;
    char project[64], id[120], general[400];
    uint64_t packed, named;
    struct arena a;
};

bool fno_rows_needed(const struct map_ctx *m)
{
    return m->b->entity->read_only && m->b->entity->on_dmf;
}

/* ---- what is under way ---- */

static enum ec remember(struct sending *s, struct err *reterr)
{
    struct query *q = store_query(s->m->state, "insert or replace into setting(name, value) values('" UNDER_WAY
                                               "', ?1 || ' ' || ?2)");
    char now[32];
    enum ec rc;

    clock_format_utc(clock_utc_ms(), now);
    query_str(q, 1, s->id);
    query_str(q, 2, now);
    STEP(exec_store);
    rc = query_run(q, reterr);
    STEP(exec_stored);
    return rc;
}

static enum ec forget(struct map_ctx *m, struct err *reterr)
{
    return store_exec(m->state, "delete from setting where name = '" UNDER_WAY "'", reterr);
}

static enum ec has_ended(struct map_ctx *m, const char *id, const char *asked_at, bool *ret, struct err *reterr)
{
    enum erp_status st = ERP_PENDING;
    bool there = false;
    int64_t at = 0;
    enum ec rc = erp_job_exists(m->pair->app->erp, id, &there, reterr);

    *ret = false;
    if (!rc && there)
        rc = erp_status(m->pair->app->erp, id, &st, reterr);
    if (rc)
        return rc;
    if (there) {
        *ret = erp_status_final(st);
        log_info("send", "%s: execution %s of an earlier round: %s", m->cfg->alias, id, erp_status_word(st));
        return EC_OK;
    }
    (void)clock_parse_utc(asked_at, strlen(asked_at), &at);
    *ret = clock_utc_ms() - at >= m->pair->app->cfg.lost_answer_wait_ms;
    log_info("send", "%s: execution %s of an earlier round is not to be seen in F&O%s", m->cfg->alias, id,
             *ret ? "; it was never begun" : " yet");
    return EC_OK;
}

enum ec fno_rows_under_way(struct map_ctx *m, bool *ret, struct err *reterr)
{
    struct query *q = store_query(m->state, "select value from setting where name = '" UNDER_WAY "'");
    struct arena a = { 0 };
    char *id = query_step(q) ? arena_strdup(&a, query_get_str(q, 0)) : NULL, *at;
    bool ended = false;
    enum ec rc = query_done(q, reterr);

    *ret = false;
    if (!rc && id) {
        at = strchr(id, ' ');
        if (at)
            *at++ = 0;
        rc = has_ended(m, id, at ? at : "", &ended, reterr);
        *ret = !ended;
        if (!rc && ended)
            rc = forget(m, reterr);
    }
    arena_release(&a);
    return rc;
}

/* ---- the package ---- */

static enum ec columns(struct sending *s, const bool *fields, struct err *reterr)
{
    const struct binding *b = s->m->b;
    struct dmf_entity *e = &s->entity;

    e->fields = arena_zalloc(&s->a, (b->n + 1) * sizeof(*e->fields));
    for (size_t i = 0; i < b->n; i++) {
        const struct bound_field *f = &b->fields[i];

        if (!f->f || (!f->key && !fields[i]))
            continue;
        if (s->n_fields == MAX_FIELDS)
            return err_set(reterr, EC_LIMIT, "map '%s' has more than %d fields", s->m->cfg->alias, MAX_FIELDS);
        s->datetime[s->n_fields] = f->f->type == FNO_UTCDATETIME;
        s->at[s->n_fields++] = (int)i;
        e->fields[e->n++] = (struct dmf_field){ .staging = f->f->staging, .file = f->f->staging };
    }
    return EC_OK;
}

static void describe(struct sending *s, const struct dmf_format *f, const char *format_name)
{
    const struct fno_entity *en = s->m->b->entity;

    s->entity.label = en->label;
    s->entity.aot = en->aot;
    s->entity.input_file = cell_of(dmf_file_name(en->label, f->kind == DMF_CSV ? ".csv" : ".xml", &s->a));
    s->entity.source_format = cell_of(format_name);
    s->entity.unit = s->entity.level = s->entity.sequence = 1;
    /* Not the project of the load: imports of one project must not run side by side. */
    snprintf(s->project, sizeof(s->project), "DMFSYNC_APPLY_%.20s%s%s", s->m->cfg->alias, s->company[0] ? "_" : "",
             s->company);
    s->package = (struct dmf_package){
        .project = cell_of(s->project), .description = CELL_LIT("made by dmfsync"), .entities = &s->entity, .n = 1
    };
}

/* The row as the package has it; false: it cannot travel, and says why. */
static bool package_cells(struct sending *s, struct fno_row_out *r, struct arena *a, struct cell *ret)
{
    for (size_t k = 0; k < s->n_fields; k++) {
        const char *why = "";

        if (bind_to_fno_value(s->m->b, s->at[k], r->cells[s->at[k]], a, &ret[k], &why))
            continue;
        snprintf(r->why, sizeof(r->why), CELL_FMT ": %.200s", CELL_ARG(s->entity.fields[k].staging), why);
        return false;
    }
    return true;
}

static enum ec add_row(struct sending *s, struct dmf_writer *w, struct fno_row_out *r, struct err *reterr)
{
    struct arena a = { 0 };
    struct cell *cells = arena_alloc(&a, (s->n_fields + 1) * sizeof(*cells));
    struct err why = { 0 };
    size_t field = 0;
    enum ec rc = EC_OK;

    r->taken = false;
    r->why[0] = 0;
    if (package_cells(s, r, &a, cells)) {
        rc = dmf_writer_row(w, 0, cells, s->datetime, &field, &why);
        if (rc == EC_FORMAT) {
            snprintf(r->why, sizeof(r->why), CELL_FMT ": %.300s", CELL_ARG(s->entity.fields[field].staging), why.msg);
            rc = EC_OK;
        } else if (!rc) {
            s->packed++;
        } else if (reterr) {
            *reterr = why;
        }
    }
    arena_release(&a);
    return rc;
}

/* Does some value need the format that carries every text? */
static bool unfit(const struct sending *s, const struct dmf_format *f)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->n_fields; k++)
            if (dmf_cell_refused(f, s->rows[i].cells[s->at[k]]))
                return true;
    return false;
}

static enum ec pack(struct sending *s, const char *path, struct dmf_result *ret, struct err *reterr)
{
    const struct config *cfg = &s->m->pair->app->cfg;
    const char *name = cfg->data_format;
    struct dmf_writer *w = NULL;
    struct dmf_format f;
    enum ec rc = package_format(cfg, &f, reterr);

    if (!rc && !strcmp(cfg->unfit, "xml") && unfit(s, &f))
        package_format_xml(&f, &name);
    if (!rc) {
        describe(s, &f, name);
        rc = dmf_writer_new(&s->package, &f, workspace_path(&s->m->pair->app->ws, &s->a, ".dmfsync/tmp"), &w, reterr);
    }
    for (size_t i = 0; i < s->n && !rc; i++)
        rc = add_row(s, w, &s->rows[i], reterr);
    if (!rc && s->packed)
        return dmf_writer_finish(w, path, ret, reterr);
    dmf_writer_abandon(w);
    return rc;
}

/* ---- the job ---- */

static enum ec pause_for(struct sending *s, int64_t *gap, int64_t since, const char *what, struct err *reterr)
{
    int64_t cap = s->m->pair->app->cfg.poll_ms ? s->m->pair->app->cfg.poll_ms : 10000;
    char why[160];

    snprintf(why, sizeof(why), "F&O: %s since %lld s", what, (long long)((clock_mono_ms() - since) / 1000));
    progress_update(&s->m->pair->app->out, s->m->cfg->alias, "package to F&O", -1, (int64_t)s->packed, why);
    if (!clock_sleep_ms(*gap))
        return err_set(reterr, EC_STOPPED, "stopped while waiting for execution %s", s->id);
    *gap = *gap * 2 > cap ? cap : *gap * 2;
    return EC_OK;
}

static enum ec import(struct sending *s, const struct erp_place *place, bool *ret_lost, struct err *reterr)
{
    struct map_ctx *m = s->m;
    struct erp_import call = { .package_url = place->url,
                               .project = s->project,
                               .execution_id = s->id,
                               .company = s->company[0]          ? s->company
                                          : m->pair->n_companies ? cell_cstr(&s->a, m->pair->companies[0].code)
                                                                 : "dat",
                               .execute = true,
                               .overwrite = true };
    enum ec rc = erp_import(m->pair->app->erp, &call, reterr);

    *ret_lost = rc == EC_NET || rc == EC_BUSY;
    if (rc == EC_STATE) /* the id is known: an answer was lost below us */
        return EC_OK;
    if (rc == EC_FNO || rc == EC_AUTH) { /* refused before any job */
        struct err unused = { 0 };

        package_advise(reterr);
        (void)forget(m, &unused);
        return err_ctx(reterr, rc, "F&O refused a package of %llu changes", (unsigned long long)s->packed);
    }
    if (*ret_lost)
        log_warn("send", "%s: the answer to ImportFromPackage was lost (%s); looking for execution %s", m->cfg->alias,
                 reterr->msg, s->id);
    return *ret_lost ? EC_OK : rc;
}

static enum ec find_lost(struct sending *s, bool *ret_left, struct err *reterr)
{
    int64_t since = clock_mono_ms(), gap = FIRST_POLL_MS, limit = s->m->pair->app->cfg.lost_answer_wait_ms;
    bool there = false;
    enum ec rc = EC_OK;

    for (;;) {
        rc = erp_job_exists(s->m->pair->app->erp, s->id, &there, reterr);
        if (rc || there)
            return rc;
        if (clock_mono_ms() - since >= (limit < LOOK_MS ? limit : LOOK_MS)) {
            *ret_left = true;
            return EC_OK;
        }
        rc = pause_for(s, &gap, since, "looking for a lost answer", reterr);
        if (rc)
            return rc;
    }
}

static enum ec watch(struct sending *s, enum erp_status *ret, struct err *reterr)
{
    int64_t since = clock_mono_ms(), gap = FIRST_POLL_MS;
    enum ec rc;

    for (;;) {
        rc = erp_status(s->m->pair->app->erp, s->id, ret, reterr);
        if (rc || erp_status_final(*ret))
            return rc;
        if (clock_mono_ms() - since > s->m->pair->app->cfg.import_timeout_ms) {
            err_set(reterr, EC_LIMIT, "execution %s is still '%s' after %lld minutes", s->id, erp_status_word(*ret),
                    (long long)((clock_mono_ms() - since) / 60000));
            return err_hint(reterr, "are batch threads free? System administration > Batch jobs");
        }
        rc = pause_for(s, &gap, since, erp_status_word(*ret), reterr);
        if (rc)
            return rc;
    }
}

/* ---- whose rows were not taken ---- */

static struct fno_row_out *row_of(struct sending *s, const struct cell *parts, size_t n)
{
    struct fno_row_out *found = NULL;
    struct arena a = { 0 };
    struct cell *row = arena_zalloc(&a, (s->m->b->n + 1) * sizeof(*row));

    if (key_cells(s->m, cell_of(s->company), parts, n, &a, row)) {
        struct digest key = bind_key_digest(s->m->b, row, &a);

        for (size_t i = 0; i < s->n && !found; i++)
            if (digest_eq(s->rows[i].key, key))
                found = &s->rows[i];
    }
    arena_release(&a);
    return found;
}

static void not_taken(struct sending *s, struct fno_row_out *r, struct cell message)
{
    s->named += r->taken;
    r->taken = false;
    if (!r->why[0] && !cell_blank(message))
        snprintf(r->why, sizeof(r->why), "%.*s", (int)(message.len > 399 ? 399 : message.len), message.ptr);
}

static enum ec take_key(void *arg, const struct cell *key, size_t n, struct cell message, struct err *reterr)
{
    struct fno_row_out *r = row_of(arg, key, n);

    (void)reterr;
    if (r)
        not_taken(arg, r, message);
    return EC_OK;
}

struct looking {
    struct sending *s;
    struct fno_row_out *found;
};

static bool is_record(void *arg, const struct cell *parts, size_t n)
{
    struct looking *l = arg;

    l->found = row_of(l->s, parts, n);
    return l->found != NULL;
}

static enum ec take_error(void *arg, struct cell id, struct cell field, struct cell message, struct err *reterr)
{
    struct sending *s = arg;
    struct looking l = { .s = s };
    struct cell names[32];

    (void)field;
    (void)reterr;
    if (record_parts(key_names(s->m, names, COUNT(names)), id, is_record, &l))
        not_taken(s, l.found, message);
    else if (!s->general[0] && !cell_blank(message))
        snprintf(s->general, sizeof(s->general), "%.*s", (int)(message.len > 399 ? 399 : message.len), message.ptr);
    return EC_OK;
}

static enum ec count_done(struct sending *s, int64_t *ret, struct err *reterr)
{
    struct erp_counters c[16];
    size_t n = 0;
    enum ec rc = erp_job_details(s->m->pair->app->erp, s->id, c, COUNT(c), &n, reterr);

    *ret = 0;
    for (size_t i = 0; i < n && !rc; i++)
        *ret += c[i].target_created + c[i].target_updated;
    return rc;
}

/*
 * "Succeeded" is not believed without its counters. Rows that are named were not taken; where the counters miss more than are named, of
 * none it is known: the caller reads them back.
 */
static enum ec settle(struct sending *s, enum erp_status st, struct err *reterr)
{
    const struct cell label = s->m->b->entity->label;
    int64_t done = 0;
    enum ec rc = count_done(s, &done, reterr);

    for (size_t i = 0; i < s->n; i++)
        s->rows[i].taken = !s->rows[i].why[0];
    if (rc || (st == ERP_SUCCEEDED && done >= (int64_t)s->packed))
        return rc;
    rc = package_error_keys(s->m, s->id, label, true, take_key, s, reterr);
    if (!rc)
        rc = package_error_keys(s->m, s->id, label, false, take_key, s, reterr);
    if (!rc)
        rc = erp_execution_errors(s->m->pair->app->erp, s->id, take_error, s, reterr);
    for (size_t i = 0; i < s->n && done + (int64_t)s->named < (int64_t)s->packed; i++)
        s->rows[i].taken = false;
    for (size_t i = 0; i < s->n && s->general[0]; i++)
        if (!s->rows[i].taken && !s->rows[i].why[0])
            snprintf(s->rows[i].why, sizeof(s->rows[i].why), "%s", s->general);
    return rc;
}

static enum ec send(struct sending *s, const char *path, const struct dmf_result *r, bool *ret_left,
                    struct err *reterr)
{
    struct erp_place place = { 0 };
    enum erp_status st = ERP_PENDING;
    bool lost = false;
    enum ec rc =
        package_upload(s->m, path, arena_printf(&s->a, "%s-%.12s.zip", s->project, r->digest), &s->a, &place, reterr);

    if (rc)
        return rc;
    snprintf(s->id, sizeof(s->id), "%s-%.16s-%lld", s->project, r->digest, (long long)clock_utc_ms());
    rc = remember(s, reterr);
    if (!rc)
        rc = import(s, &place, &lost, reterr);
    if (!rc && lost)
        rc = find_lost(s, ret_left, reterr);
    if (rc || *ret_left)
        return rc;
    rc = watch(s, &st, reterr);
    if (!rc)
        rc = settle(s, st, reterr);
    if (!rc)
        rc = forget(s->m, reterr);
    if (!rc)
        log_info("send", "%s: execution %s: %s, %llu changes of company '%s'", s->m->cfg->alias, s->id,
                 erp_status_word(st), (unsigned long long)s->packed, s->company);
    return rc;
}

enum ec fno_rows_write(struct map_ctx *m, const char *company, const bool *fields, struct fno_row_out *rows, size_t n,
                       bool *ret_left, struct err *reterr)
{
    struct sending *s = xcalloc(1, sizeof(*s));
    struct dmf_result r = { 0 };
    char *path;
    enum ec rc;

    *ret_left = false;
    *s = (struct sending){ .m = m, .company = company, .rows = rows, .n = n };
    path = workspace_path(&m->pair->app->ws, &s->a, ".dmfsync/tmp/apply-%ld.zip", (long)getpid());
    rc = columns(s, fields, reterr);
    if (!rc)
        rc = pack(s, path, &r, reterr);
    if (!rc && s->packed)
        rc = send(s, path, &r, ret_left, reterr);
    (void)unlink(path);
    progress_clear(&m->pair->app->out);
    arena_release(&s->a);
    free(s);
    return rc;
}

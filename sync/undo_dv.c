/* undo_dv.c -- Dataverse's part: rows of undo_row against the table as it is now. */
#include "sync/delta_row.h"
#include "sync/undo.h"
#include "sync/undo_file.h"

#include <string.h>

struct undoing {
    struct map_ctx *m;
    int64_t of_run;
    struct leaf_file *now;
    char at[16]; /* key digest of the row looked at last */
    bool begun;
    bool *fields;
    struct cell *before, *written;
    struct leaf_row is; /* as it is now */
    struct cell key;
    struct undo_file inverse, created;
    struct undo_counts c;
    struct arena a;
};
enum fate { FATE_NOTHING, FATE_BACK, FATE_CREATED, FATE_END };

static enum ec next_kept(struct undoing *u, bool *ret_found, bool *ret_created, struct err *reterr)
{
    struct query *q = store_query(u->m->state, "select key_digest, key, before, written from undo_row where run_id = "
                                               "?1 and (?3 or key_digest > ?2) order by key_digest limit 1");
    size_t n = u->m->b->n;
    enum ec rc = EC_OK, done;

    query_int(q, 1, u->of_run);
    query_blob(q, 2, u->at, sizeof(u->at));
    query_int(q, 3, !u->begun);
    *ret_found = query_step(q);
    u->begun = true;
    if (*ret_found) {
        struct cell octets = query_get_blob(q, 0), before = query_get_blob(q, 2), written = query_get_blob(q, 3);

        if (octets.len == sizeof(u->at))
            memcpy(u->at, octets.ptr, sizeof(u->at));
        u->key = cell_dup(&u->a, query_get_cell(q, 1));
        *ret_created = query_is_null(q, 2);
        if (!*ret_created) {
            before.ptr = arena_dup(&u->a, before.ptr, before.len);
            written.ptr = arena_dup(&u->a, written.ptr, written.len);
        }
        if (octets.len != sizeof(u->at) || (!*ret_created && (!row_unpack(before.ptr, before.len, u->before, n) ||
                                                              !row_unpack(written.ptr, written.len, u->written, n))))
            rc = err_set(reterr, EC_FORMAT, "map '%s': what was kept of '" CELL_FMT "' in run %lld is damaged",
                         u->m->cfg->alias, CELL_ARG(u->key), (long long)u->of_run);
    }
    done = query_done(q, rc ? NULL : reterr);
    return rc ? rc : done;
}

/* Which fields of a row go back: those that are still as the run wrote them. */
static bool choose(struct undoing *u)
{
    const struct binding *b = u->m->b;
    bool any = false, changed = false, overwritten = false;

    for (size_t i = 0; i < b->n; i++) {
        const struct canon_rule *r = &b->rules[i];

        u->fields[i] = false;
        if (!repair_flows_to_dv(&b->fields[i]) || canon_equal(r, u->before[i], u->written[i], NULL))
            continue;
        if (canon_equal(r, u->before[i], u->is.cells[i], NULL))
            continue;
        overwritten = true;
        if (canon_equal(r, u->written[i], u->is.cells[i], NULL))
            any = u->fields[i] = true;
        else
            changed = true;
    }
    u->c.back += !overwritten;
    u->c.changed += changed;
    return any;
}

static enum ec next_fate(struct undoing *u, enum fate *ret, struct err *reterr)
{
    bool found = false, created = false, is = false;
    enum ec rc;

    arena_reset(&u->a);
    rc = next_kept(u, &found, &created, reterr);
    *ret = FATE_END;
    if (rc || !found)
        return rc;
    rc = leaf_find(u->now, delta_key_digest(u->at), &u->a, &u->is, &is, reterr);
    *ret = FATE_NOTHING;
    if (rc)
        return rc;
    if (created)
        *ret = is ? FATE_CREATED : FATE_NOTHING;
    else if (!is)
        u->c.gone++;
    else if (choose(u))
        *ret = FATE_BACK;
    return EC_OK;
}

static struct cell id_of(const struct undoing *u)
{
    const char *end = u->is.extra.len ? memchr(u->is.extra.ptr, ' ', u->is.extra.len) : NULL;

    return (struct cell){ u->is.extra.ptr, end ? (size_t)(end - u->is.extra.ptr) : u->is.extra.len };
}

/* ---- the files ---- */

static enum ec header(struct undo_file *f, const char *const *names, size_t n, struct err *reterr)
{
    for (size_t i = 0; i < n; i++)
        undo_file_cell(f, cell_of(names[i]));
    return undo_file_row(f, reterr);
}

static enum ec put(struct undoing *u, enum fate fate, struct err *reterr)
{
    const struct binding *b = u->m->b;
    enum ec rc = EC_OK;

    if (fate == FATE_CREATED) {
        u->c.created++;
        undo_file_cell(&u->created, u->key);
        undo_file_cell(&u->created, id_of(u));
        return undo_file_row(&u->created, reterr);
    }
    u->c.rows++;
    for (size_t i = 0; i < b->n && !rc; i++) {
        if (!u->fields[i])
            continue;
        undo_file_cell(&u->inverse, u->key);
        undo_file_cell(&u->inverse, id_of(u));
        undo_file_cell(&u->inverse, b->fields[i].name);
        undo_file_cell(&u->inverse, u->before[i]);
        undo_file_cell(&u->inverse, u->written[i]);
        rc = undo_file_row(&u->inverse, reterr);
    }
    return rc;
}

static enum ec begin(struct undoing *u, struct dict *d, struct arena *a, struct err *reterr)
{
    size_t n = u->m->b->n + 1;
    struct snapshot now;
    char *path;
    enum ec rc = undo_kept(u->m, u->of_run, "dataverse", NULL, a, &path, reterr);

    u->fields = arena_zalloc(a, n * sizeof(*u->fields));
    u->before = arena_zalloc(a, n * sizeof(*u->before));
    u->written = arena_zalloc(a, n * sizeof(*u->written));
    if (!rc)
        rc = snapshot_dv(u->m, d, a, &now, reterr);
    return rc ? rc : leaf_open(now.path, &u->now, reterr);
}

enum ec undo_dv_plan(struct map_ctx *m, struct dict *d, int64_t of_run, struct arena *a, struct undo_counts *ret,
                     struct err *reterr)
{
    static const char *const INVERSE[] = { "key", "id", "field", "before", "written" };
    struct undoing u = { .m = m, .of_run = of_run };
    enum fate fate = FATE_NOTHING;
    enum ec rc = begin(&u, d, a, reterr);

    if (!rc)
        rc = undo_file_open(m, &u.inverse, a, reterr, "%s-%lld-dataverse.csv", m->cfg->alias, (long long)of_run);
    if (!rc)
        rc = undo_file_open(m, &u.created, a, reterr, "%s-%lld-dataverse-created.csv", m->cfg->alias,
                            (long long)of_run);
    if (!rc)
        rc = header(&u.inverse, INVERSE, COUNT(INVERSE), reterr);
    if (!rc)
        rc = header(&u.created, INVERSE, 2, reterr);
    while (!rc && fate != FATE_END) {
        rc = next_fate(&u, &fate, reterr);
        if (!rc && (fate == FATE_BACK || fate == FATE_CREATED))
            rc = put(&u, fate, reterr);
    }
    rc = undo_file_close(&u.inverse, u.c.rows > 0, rc, &u.c.file, reterr);
    rc = undo_file_close(&u.created, u.c.created > 0, rc, &u.c.created_file, reterr);
    leaf_close(u.now);
    arena_release(&u.a);
    if (!rc)
        *ret = u.c;
    return rc;
}

/* ---- writing ---- */

static enum ec next_row(void *ctx, struct dvload_row *ret, bool *ret_more, struct err *reterr)
{
    struct undoing *u = ctx;
    enum fate fate = FATE_NOTHING;
    enum ec rc = EC_OK;

    while (!rc && fate != FATE_BACK && fate != FATE_END)
        rc = next_fate(u, &fate, reterr);
    *ret_more = !rc && fate == FATE_BACK;
    if (*ret_more)
        *ret = (struct dvload_row){ .key = u->key, .cells = u->before, .id = id_of(u), .fields = u->fields };
    return rc;
}

static enum ec rewind_rows(void *ctx, struct err *reterr)
{
    struct undoing *u = ctx;

    (void)reterr;
    u->begun = false;
    return EC_OK;
}

enum ec undo_dv(struct map_ctx *m, const struct run *run, struct dict *d, int64_t of_run, struct dvload_counts *ret,
                struct err *reterr)
{
    struct undoing u = { .m = m, .of_run = of_run };
    struct dvload in = { .next = next_row, .rewind = rewind_rows, .ctx = &u, .total = -1 };
    struct arena a = { 0 };
    enum ec rc = begin(&u, d, &a, reterr);

    if (!rc)
        rc = dvload_write(m, run, d, &in, ret, reterr);
    leaf_close(u.now);
    arena_release(&u.a);
    arena_release(&a);
    return rc;
}

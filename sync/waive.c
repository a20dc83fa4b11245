/* waive.c -- the file of accepted differences, and which of them cover a difference. Writes the table waiver. */
#include "sync/waive.h"
#include "base/clock.h"
#include "data/csv.h"
#include "map/filter.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const COLUMNS[] = { "map", "key", "filter", "field", "until", "reason", "by" };
enum { MAX_WAIVERS = 100000, MAX_OCTETS = 64 << 20 };

static struct cell *column(struct waiver *w, size_t i)
{
    struct cell *const AT[] = { &w->map, &w->key, &w->filter, &w->field, &w->until, &w->reason, &w->by };

    return AT[i];
}

void waivers_release(struct waivers *w)
{
    free(w->v);
    arena_release(&w->arena);
    *w = (struct waivers){ 0 };
}

static enum ec check_header(const char *path, const struct cell *names, size_t n, struct err *reterr)
{
    bool fine = n == COUNT(COLUMNS);

    for (size_t i = 0; i < n && fine; i++)
        fine = cell_is(names[i], COLUMNS[i]);
    if (fine)
        return EC_OK;
    err_set(reterr, EC_CONFIG, "%s: its first line is not map,key,filter,field,until,reason,by", path);
    return err_hint(reterr,
                    "'dmfsync waive' writes the file; correct the line, or take it back from version control");
}

static enum ec take_row(struct waivers *w, const char *path, const struct csv_row *row, struct err *reterr)
{
    struct waiver *v;

    if (row->fault || row->n != COUNT(COLUMNS))
        return err_set(reterr, EC_CONFIG, "%s:%llu: %s", path, (unsigned long long)row->line,
                       row->fault ? csv_fault_text(row->fault) : "not seven columns");
    if (w->n == MAX_WAIVERS)
        return err_set(reterr, EC_CONFIG, "%s: more than %d waivers; waive by --filter", path, MAX_WAIVERS);
    if (!(w->n & (w->n - 1)))
        w->v = xrealloc(w->v, (w->n ? w->n * 2 : 1) * sizeof(*w->v));
    v = &w->v[w->n++];
    *v = (struct waiver){ .line = (int)row->line, .bound = -1 };
    for (size_t i = 0; i < COUNT(COLUMNS); i++)
        *column(v, i) = cell_absent(row->cells[i]) ? CELL_LIT("") : cell_dup(&w->arena, row->cells[i]);
    return EC_OK;
}

enum ec waivers_read(const struct workspace *ws, struct waivers *ret, struct err *reterr)
{
    struct waivers w = { 0 };
    char *path = workspace_path(ws, &w.arena, "%s", WAIVERS_FILE);
    struct csv_reader *csv = NULL;
    const struct cell *names;
    struct csv_row row;
    struct arena a = { 0 };
    bool more = true;
    size_t n;
    enum ec rc = EC_OK;

    if (!file_exists(path))
        goto out;
    if (file_size(path) > MAX_OCTETS) {
        rc = err_set(reterr, EC_CONFIG, "%s: larger than %d MiB", path, MAX_OCTETS >> 20);
        goto out;
    }
    rc = csv_open(path, &(struct csv_dialect){ 0 }, &csv, reterr);
    if (rc)
        goto out;
    names = csv_header(csv, &n);
    if (n || file_size(path) > 0)
        rc = check_header(path, names, n, reterr);
    while (!rc && more) {
        arena_reset(&a);
        rc = csv_next(csv, &a, &row, &more, reterr);
        if (!rc && more)
            rc = take_row(&w, path, &row, reterr);
    }
out:
    csv_close(csv);
    arena_release(&a);
    if (rc)
        waivers_release(&w);
    else
        *ret = w;
    return rc;
}

static int by_place(const void *x, const void *y)
{
    struct waiver a = *(const struct waiver *)x, b = *(const struct waiver *)y;

    for (size_t i = 0; i < 4; i++) {
        int c = cell_cmp(*column(&a, i), *column(&b, i));

        if (c)
            return c;
    }
    return 0;
}

enum ec waivers_write(const struct workspace *ws, const struct waivers *w, struct err *reterr)
{
    struct strbuf out = STRBUF(0);
    struct arena a = { 0 };
    struct waiver *v = xcalloc(w->n + 1, sizeof(*v));
    enum ec rc;

    if (w->n)
        memcpy(v, w->v, w->n * sizeof(*v));
    qsort(v, w->n, sizeof(*v), by_place);
    for (size_t i = 0; i < COUNT(COLUMNS); i++)
        strbuf_addf(&out, "%s%s", i ? "," : "", COLUMNS[i]);
    strbuf_addc(&out, '\n');
    for (size_t k = 0; k < w->n; k++) {
        for (size_t i = 0; i < COUNT(COLUMNS); i++) {
            struct cell c = *column(&v[k], i);

            if (i)
                strbuf_addc(&out, ',');
            csv_add(&out, c.len ? c : CELL_ABSENT, ',');
        }
        strbuf_addc(&out, '\n');
    }
    rc = file_write_atomic(workspace_path(ws, &a, "%s", WAIVERS_FILE), out.buf, out.len, 0644, reterr);
    free(v);
    strbuf_release(&out);
    arena_release(&a);
    return rc;
}

/* ---- one waiver and its map ---- */

static enum ec bad(const struct waiver *w, struct err *reterr, const char *why, struct cell what)
{
    char at[40] = "";

    if (w->line)
        snprintf(at, sizeof(at), "%s:%d: ", WAIVERS_FILE, w->line);
    return err_set(reterr, w->line ? EC_CONFIG : EC_USAGE, "%s'" CELL_FMT "' %s", at, CELL_ARG(what), why);
}

static bool is_day(struct cell c)
{
    int64_t part[3];

    return c.len == 10 && c.ptr[4] == '-' && c.ptr[7] == '-' && cell_to_i64((struct cell){ c.ptr, 4 }, &part[0]) &&
           cell_to_i64((struct cell){ c.ptr + 5, 2 }, &part[1]) &&
           cell_to_i64((struct cell){ c.ptr + 8, 2 }, &part[2]) && part[0] > 0 && part[1] > 0 && part[2] > 0 &&
           civil_valid(part[0], (unsigned)part[1], (unsigned)part[2]);
}

static enum ec bind_key(struct waiver *w, struct map_ctx *m, struct arena *a, struct err *reterr)
{
    const struct binding *b = m->b;
    struct cell parts[64], *cells = arena_zalloc(a, (b->n + 1) * sizeof(*cells));
    size_t n = key_split(a, w->key, parts, COUNT(parts));
    const char *why;

    if (n != b->n_key) {
        bad(w, reterr, "is not a key of this map: it has another number of parts", w->key);
        return err_hint(reterr, "parts in key order, company first, joined by '|': usmf|C-0042");
    }
    for (size_t i = 0; i < n; i++)
        if (canon_cell(&b->fields[b->key[i]].rule, NULL, parts[i], a, &cells[b->key[i]], &why) != CANON_FINE)
            return bad(w, reterr, why, parts[i]);
    w->key = cell_dup(a, bind_key_text(b, cells, a));
    w->digest = bind_key_digest(b, cells, a);
    return EC_OK;
}

static int field_named(const struct binding *b, struct cell name)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct bound_field *f = &b->fields[i];

        if (cell_ieq(name, f->name) || (f->c && cell_ieq(name, f->c->name)) ||
            (f->f && cell_ieq(name, f->f->property)))
            return (int)i;
    }
    return -1;
}

struct naming {
    const struct binding *b;
    struct cell unknown;
};

static void check_name(void *arg, struct cell field)
{
    struct naming *n = arg;

    if (field_named(n->b, field) < 0)
        n->unknown = field;
}

static enum ec bind_filter(struct waiver *w, struct map_ctx *m, struct arena *a, struct err *reterr)
{
    struct naming n = { m->b, CELL_ABSENT };
    struct err why = { 0 };

    if (filter_parse_xpp(w->filter, a, &w->expr, &why))
        return bad(w, reterr, why.msg, w->filter);
    filter_fields(w->expr, check_name, &n);
    if (n.unknown.ptr) {
        bad(w, reterr, "in the filter is no field of this map", n.unknown);
        return err_hint(reterr, "a filter names fields as F&O does: CUSTOMERGROUPID == '90' && DATAAREAID == 'usmf'");
    }
    return EC_OK;
}

enum ec waiver_bind(struct waiver *w, struct map_ctx *m, struct arena *a, struct err *reterr)
{
    char today[32];
    enum ec rc;

    clock_format_utc(clock_utc_ms(), today);
    today[10] = 0;
    w->bound = -1;
    w->keys = 0;
    if (!w->reason.len)
        return bad(w, reterr, "is waived without a reason", w->key.len ? w->key : w->filter);
    if (!is_day(w->until))
        return bad(w, reterr, "is no last day; write it as 2027-03-31", w->until);
    if ((w->key.len > 0) == (w->filter.len > 0))
        return bad(w, reterr, "is a waiver of a key or of a filter, one of the two", w->key);
    if (w->field.len) {
        w->bound = field_named(m->b, w->field);
        if (w->bound < 0)
            return bad(w, reterr, "is no field of this map", w->field);
        if (!m->b->fields[w->bound].compared || m->b->fields[w->bound].key)
            return bad(w, reterr, "is not compared, or is part of the key", w->field);
        w->field = cell_dup(a, m->b->fields[w->bound].name);
    }
    rc = w->key.len ? bind_key(w, m, a, reterr) : bind_filter(w, m, a, reterr);
    w->ended = strncmp(w->until.ptr, today, 10) < 0;
    return rc;
}

static int by_digest(const void *x, const void *y)
{
    const struct waiver *a = x, *b = y;

    if ((a->key.len > 0) != (b->key.len > 0))
        return a->key.len ? -1 : 1;
    return digest_cmp(a->digest, b->digest);
}

enum ec waivers_for(struct map_ctx *m, struct waivers *ret, struct err *reterr)
{
    struct waivers w = { 0 };
    size_t n = 0;
    enum ec rc = waivers_read(&m->pair->app->ws, &w, reterr);

    for (size_t i = 0; i < w.n && !rc; i++) {
        if (!cell_is(w.v[i].map, m->cfg->alias))
            continue;
        w.v[n] = w.v[i];
        rc = waiver_bind(&w.v[n], m, &w.arena, reterr);
        w.n_keyed += w.v[n++].key.len > 0;
    }
    if (rc) {
        waivers_release(&w);
        return rc;
    }
    w.n = n;
    w.m = m;
    if (w.n)
        qsort(w.v, w.n, sizeof(*w.v), by_digest);
    *ret = w;
    return EC_OK;
}

/* ---- covering ---- */

struct row_at_hand {
    const struct binding *b;
    const struct cell *fno, *dv;
};

static bool value_of(void *arg, struct cell field, struct cell *ret)
{
    struct row_at_hand *r = arg;
    int i = field_named(r->b, field);

    if (i < 0)
        return false;
    *ret = r->fno ? r->fno[i] : r->dv[i];
    return true;
}

static size_t first_of(const struct waivers *w, struct digest key)
{
    size_t lo = 0, hi = w->n_keyed;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (digest_cmp(w->v[mid].digest, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* The waiver of this field (or of the whole record) of the row; one that is in force rather than one that has ended. */
static struct waiver *waiver_of(struct waivers *w, struct digest key, struct row_at_hand *r, int field)
{
    struct waiver *ended = NULL;

    for (size_t i = first_of(w, key); i < w->n; i++) {
        struct waiver *v = &w->v[i];

        if (i < w->n_keyed && !digest_eq(v->digest, key)) {
            i = w->n_keyed - 1; /* on to the filters */
            continue;
        }
        if ((v->bound >= 0 && v->bound != field) || (i >= w->n_keyed && !filter_match(v->expr, value_of, r)))
            continue;
        if (!v->ended)
            return v;
        ended = v;
    }
    return ended;
}

bool waivers_cover(struct waivers *w, struct digest key, const struct cell *fno, const struct cell *dv,
                   const int *fields, size_t n, struct arena *a, const char **ret_note)
{
    struct row_at_hand r = { w->m ? w->m->b : NULL, fno, dv };
    struct waiver *said = NULL, *counted = NULL;
    bool all = true;

    *ret_note = NULL;
    for (size_t i = 0; i < (n ? n : 1) && w->n; i++) {
        struct waiver *v = waiver_of(w, key, &r, n ? fields[i] : -1);

        if (!v || v->ended)
            all = false;
        if (v && (!said || v->ended))
            said = v;
    }
    if (!w->n || !said)
        return false;
    if (all)
        for (size_t i = 0; i < (n ? n : 1); i++) {
            struct waiver *v = waiver_of(w, key, &r, n ? fields[i] : -1);

            v->keys += v != counted;
            counted = v;
        }
    if (all || said->ended)
        *ret_note = arena_printf(a, "waived until " CELL_FMT "%s: " CELL_FMT, CELL_ARG(said->until),
                                 all ? "" : ", which is over", CELL_ARG(said->reason));
    return all;
}

/* ---- what a comparison applied ---- */

enum ec waivers_store(struct map_ctx *m, const struct waivers *w, struct err *reterr)
{
    enum ec rc = store_exec(m->state, "delete from waiver", reterr);

    for (size_t i = 0; i < w->n && !rc; i++) {
        struct query *q =
            store_query(m->state, "insert into waiver(key, filter, field, until, reason, by, ended, keys) "
                                  "values(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");

        query_cell(q, 1, w->v[i].key);
        query_cell(q, 2, w->v[i].filter);
        query_cell(q, 3, w->v[i].field);
        query_cell(q, 4, w->v[i].until);
        query_cell(q, 5, w->v[i].reason);
        query_cell(q, 6, w->v[i].by);
        query_int(q, 7, w->v[i].ended);
        query_int(q, 8, (int64_t)w->v[i].keys);
        rc = query_run(q, reterr);
    }
    return rc;
}

enum ec waivers_output(struct map_ctx *m, struct output *o, struct json *obj, struct err *reterr)
{
    struct json *list = out_array(o, obj, "waivers");
    struct query *q = store_query(m->state, "select key, filter, field, until, reason, by, ended, keys from waiver "
                                            "order by key, filter, field");

    while (query_step(q)) {
        struct json *v = out_object(o, list, NULL);
        bool by_key = query_get_cell(q, 0).len > 0;

        out_cell(o, v, by_key ? "key" : "filter", query_get_cell(q, by_key ? 0 : 1));
        out_cell(o, v, "field", query_get_cell(q, 2));
        out_cell(o, v, "until", query_get_cell(q, 3));
        out_cell(o, v, "reason", query_get_cell(q, 4));
        out_cell(o, v, "by", query_get_cell(q, 5));
        out_bool(o, v, "ended", query_get_int(q, 6) != 0);
        out_int(o, v, "keys", query_get_int(q, 7));
    }
    return query_done(q, reterr);
}

enum ec waivers_warn_idle(struct map_ctx *m, struct err *reterr)
{
    struct query *q = store_query(
        m->state, "select key, filter, field, until, ended from waiver where keys = 0 order by key, filter");

    while (query_step(q)) {
        struct cell key = query_get_cell(q, 0), filter = query_get_cell(q, 1), field = query_get_cell(q, 2);

        if (query_get_int(q, 4))
            out_warn(&m->pair->app->out, "%s: the waiver of '" CELL_FMT "'%s" CELL_FMT " ended on %s", m->cfg->alias,
                     CELL_ARG(key.len ? key : filter), field.len ? ", field " : "", CELL_ARG(field),
                     query_get_str(q, 3));
        else
            out_warn(&m->pair->app->out,
                     "%s: the waiver of '" CELL_FMT "'%s" CELL_FMT
                     " covers no difference; drop it with 'dmfsync waive "
                     "drop %s'",
                     m->cfg->alias, CELL_ARG(key.len ? key : filter), field.len ? ", field " : "", CELL_ARG(field),
                     m->cfg->alias);
    }
    return query_done(q, reterr);
}

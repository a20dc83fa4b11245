#include "sync/synapse.h"
#include "base/clock.h"
#include "base/log.h"
#include "data/csv.h"
#include "data/zio.h"
#include "store/spill.h"
#include "sync/synapse_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROW_MAX = 64 << 20, MAX_COLUMNS = 1024 };

/* One version of a row, spilled under the digest of its id. */
struct version {
    int64_t number, sink_ms; /* number -1 = it has none: a deletion */
    bool deleted;
};
struct scan {
    struct synapse *s;
    const struct dv_table *t;
    struct cell columns[MAX_COLUMNS]; /* what is asked for, as the files call it; [0] is the id */
    const char *names[MAX_COLUMNS]; /* and as the record does */
    size_t n;
    struct spill *spill;
    uint64_t rows;
    struct strbuf record;
    struct arena row;
};
/* The columns of one file: indices in its rows, -1 = it has none. */
struct file_columns {
    int at[MAX_COLUMNS], deleted, number, sink;
    bool boolean[MAX_COLUMNS];
};

static int find(const struct synapse_files *f, struct cell name)
{
    for (size_t i = 0; i < f->n; i++)
        if (cell_ieq(f->attributes[i], name))
            return (int)i;
    return -1;
}

/* "accountid,name,_msdyn_company_value" */
static enum ec take_select(struct scan *k, const char *select, struct arena *a, struct err *reterr)
{
    k->columns[0] = CELL_LIT("Id");
    k->names[0] = cell_cstr(a, k->t->pk);
    k->n = 1;
    for (const char *p = select; *p;) {
        size_t len = strcspn(p, ",");
        struct cell name = { p, len };

        p += len + (p[len] == ',');
        if (cell_ieq(name, k->t->pk))
            continue;
        if (k->n == MAX_COLUMNS)
            return err_set(reterr, EC_LIMIT, "more than %d columns of '" CELL_FMT "' are compared", MAX_COLUMNS,
                           CELL_ARG(k->t->logical));
        k->names[k->n] = cell_cstr(a, name);
        if (len > 7 && *name.ptr == '_' && !strncmp(name.ptr + len - 6, "_value", 6))
            name = (struct cell){ name.ptr + 1, len - 7 };
        k->columns[k->n++] = cell_dup(a, name);
    }
    return EC_OK;
}

static enum ec map_columns(const struct scan *k, const struct synapse_files *f, const char *model,
                           struct file_columns *c, struct err *reterr)
{
    c->deleted = find(f, CELL_LIT("IsDelete"));
    if (c->deleted < 0)
        c->deleted = find(f, CELL_LIT("isDeleted"));
    c->number = find(f, CELL_LIT("versionnumber"));
    if (c->number < 0)
        c->number = find(f, CELL_LIT("sysrowversion"));
    c->sink = find(f, CELL_LIT("SinkModifiedOn"));
    for (size_t i = 0; i < k->n; i++) {
        c->at[i] = find(f, k->columns[i]);
        c->boolean[i] = c->at[i] >= 0 && f->booleans[c->at[i]];
    }
    if (c->at[0] < 0 || c->deleted < 0)
        return err_set(reterr, EC_FORMAT, "'%s' gives '" CELL_FMT "' no attribute %s", model, CELL_ARG(k->t->logical),
                       c->at[0] < 0 ? "Id" : "IsDelete");
    return EC_OK;
}

/* "5/1/2024 10:15:00 AM", with 24-hour digits as well, or ISO. */
static bool sink_time(struct cell c, int64_t *ret)
{
    unsigned mo, d, y, h, mi, se;
    char text[40], iso[64], half[3] = "";

    *ret = 0;
    if (cell_blank(c))
        return true;
    if (clock_parse_utc(c.ptr, c.len, ret))
        return true;
    if (c.len >= sizeof(text))
        return false;
    snprintf(text, sizeof(text), CELL_FMT, CELL_ARG(c));
    if (sscanf(text, "%2u/%2u/%4u %2u:%2u:%2u %2s", &mo, &d, &y, &h, &mi, &se, half) < 6)
        return false;
    if ((half[0] == 'P' || half[0] == 'p') && h < 12)
        h += 12;
    if ((half[0] == 'A' || half[0] == 'a') && h == 12)
        h = 0;
    snprintf(iso, sizeof(iso), "%04u-%02u-%02uT%02u:%02u:%02uZ", y, mo, d, h, mi, se);
    return clock_parse_utc(iso, strlen(iso), ret);
}

static struct cell cell_at(const struct csv_row *row, int at)
{
    return at < 0 ? CELL_ABSENT : row->cells[at];
}

static enum ec bad_row(const char *path, const struct csv_row *row, const char *why, struct err *reterr)
{
    /* The first line is one that we gave. */
    err_set(reterr, EC_FORMAT, "'%s' line %llu: %s", path, (unsigned long long)row->line - 1, why);
    return err_hint(reterr, "the file is cut off or not as its model.json says: copy the folder again");
}

static enum ec take_row(struct scan *k, const struct file_columns *c, const char *path, const struct csv_row *row,
                        struct err *reterr)
{
    struct cell cells[MAX_COLUMNS], id, flag = cell_at(row, c->deleted), number = cell_at(row, c->number);
    struct version v = { .number = -1 };

    for (size_t i = 0; i < k->n; i++) {
        cells[i] = cell_at(row, c->at[i]);
        if (c->boolean[i])
            cells[i] = cell_lower(&k->row, cells[i]);
    }
    id = cell_lower(&k->row, cells[0]);
    if (id.len != 36)
        return bad_row(path, row, "its Id is not one", reterr);
    v.deleted = cell_ieq(flag, CELL_LIT("True")) || cell_is(flag, "1");
    if (!v.deleted && !cell_blank(flag) && !cell_ieq(flag, CELL_LIT("False")) && !cell_is(flag, "0"))
        return bad_row(path, row, "IsDelete is neither True nor False", reterr);
    if (!cell_blank(number) && (!cell_to_i64(number, &v.number) || v.number < 0))
        return bad_row(path, row, "its version is not a number", reterr);
    if (!sink_time(cell_at(row, c->sink), &v.sink_ms))
        return bad_row(path, row, "SinkModifiedOn is not a time", reterr);
    cells[0] = id;
    strbuf_reset(&k->record);
    strbuf_add(&k->record, &v, sizeof(v));
    row_pack(&k->record, cells, v.deleted ? 0 : k->n);
    k->rows++;
    return spill_add(k->spill, digest_bytes(id.ptr, id.len), k->record.buf, k->record.len, reterr);
}

/* A file without header, behind one that we make of the attributes. */
struct headed {
    struct strbuf head;
    size_t given;
    struct zreader *z;
    char last;
};

static int64_t fill(void *arg, void *buf, size_t n, struct err *reterr)
{
    struct headed *h = arg;
    int64_t got;

    if (h->given < h->head.len) {
        n = n < h->head.len - h->given ? n : h->head.len - h->given;
        memcpy(buf, h->head.buf + h->given, n);
        h->given += n;
        return (int64_t)n;
    }
    got = zreader_read(h->z, buf, n, reterr);
    if (got > 0)
        h->last = ((const char *)buf)[got - 1];
    return got;
}

static enum ec read_file(struct scan *k, const struct synapse_files *f, const struct file_columns *c,
                         const char *path, struct err *reterr)
{
    struct csv_dialect d = { .encoding = ENC_UTF8, .max_row_octets = ROW_MAX };
    struct headed h = { .head = STRBUF(0), .last = '\n' };
    struct csv_reader *csv = NULL;
    bool more = true;
    enum ec rc = zreader_open(path, &h.z, reterr);

    for (size_t i = 0; i < f->n; i++)
        strbuf_addf(&h.head, "%sc%zu", i ? "," : "", i);
    strbuf_addc(&h.head, '\n');
    if (!rc)
        rc = csv_open_stream(path, fill, &h, &d, &csv, reterr);
    while (!rc) {
        struct csv_row row;

        arena_reset(&k->row);
        rc = csv_next(csv, &k->row, &row, &more, reterr);
        if (rc || !more)
            break;
        if (row.fault)
            rc = bad_row(path, &row, csv_fault_text(row.fault), reterr);
        else if (row.n != f->n)
            rc = bad_row(path, &row,
                         arena_printf(&k->row, "%zu fields, its model.json has %zu attributes", row.n, f->n), reterr);
        else
            rc = take_row(k, c, path, &row, reterr);
        if (!rc && !(k->rows & 1023) && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while reading '%s'", path);
    }
    if (!rc && h.last != '\n') {
        err_set(reterr, EC_FORMAT, "'%s' does not end with a line end: it is cut off", path);
        rc = err_hint(reterr, "copy the folder again");
    }
    csv_close(csv);
    zreader_close(h.z);
    strbuf_release(&h.head);
    return rc;
}

/* Columns that no folder has; the newest that knows the table decides: columns are added at the end and stay. */
static enum ec check_columns(const struct scan *k, const struct synapse_files *newest, struct err *reterr)
{
    struct strbuf missing = STRBUF(0);
    enum ec rc = EC_OK;

    for (size_t i = 0; i < k->n; i++)
        if (find(newest, k->columns[i]) < 0)
            strbuf_addf(&missing, "%s" CELL_FMT, missing.len ? ", " : "", CELL_ARG(k->columns[i]));
    if (missing.len) {
        rc = err_set(reterr, EC_CONFIG, "'%s' has no column of '" CELL_FMT "' for what is compared: %s", k->s->dir,
                     CELL_ARG(k->t->logical), missing.buf);
        err_hint(reterr, "add the columns to the link, or leave them out of the map");
    }
    strbuf_release(&missing);
    return rc;
}

static enum ec read_folders(struct scan *k, struct err *reterr)
{
    struct arena keep = { 0 };
    bool known = false, going_on = false, completed = false;
    enum ec rc = EC_OK;

    for (size_t i = k->s->n; i-- > 0 && !known && !rc;) { /* the newest that describes it */
        struct synapse_files f;

        arena_reset(&keep);
        rc = synapse_files_of(k->s, i, k->t->logical, &keep, &f, reterr);
        known = !rc && f.n;
        if (known)
            rc = check_columns(k, &f, reterr);
    }
    if (!rc && !known) {
        err_set(reterr, EC_CONFIG, "'%s' has no table '" CELL_FMT "'", k->s->dir, CELL_ARG(k->t->logical));
        rc = err_hint(reterr,
                      "tables that the map's lookups point at, and cdm_company, have to be in the link as well");
    }
    for (size_t i = 0; i < k->s->n && !rc; i++) {
        struct synapse_files f;
        struct file_columns *c;

        arena_reset(&keep);
        c = arena_alloc(&keep, sizeof(*c));
        rc = synapse_files_of(k->s, i, k->t->logical, &keep, &f, reterr);
        if (rc || !f.n)
            continue;
        completed = completed || f.initial == SYNC_COMPLETED;
        going_on = going_on || f.initial == SYNC_GOING_ON;
        if (f.n_files)
            rc = map_columns(k, &f, arena_printf(&keep, "%s/model.json", k->s->folders[i].path), c, reterr);
        for (size_t p = 0; p < f.n_files && !rc; p++)
            rc = read_file(k, &f, c, f.paths[p], reterr);
    }
    arena_release(&keep);
    if (!rc && going_on && !completed)
        rc = err_set(reterr, EC_BUSY, "'%s': the initial export of '" CELL_FMT "' is not finished", k->s->dir,
                     CELL_ARG(k->t->logical));
    return rc;
}

/* Does y, which was read later, replace x? */
static bool replaces(const struct version *x, const struct version *y)
{
    if (x->number >= 0 && y->number >= 0) {
        if (x->number != y->number)
            return y->number > x->number;
        if (x->deleted != y->deleted)
            return y->deleted;
    }
    return y->sink_ms >= x->sink_ms;
}

static enum ec give(struct scan *k, const struct spill_record *r, json_row_fn *row, void *arg, struct err *reterr)
{
    struct cell cells[MAX_COLUMNS];
    struct json *rec;

    BUG_IF(!row_unpack(r->p + sizeof(struct version), r->n - sizeof(struct version), cells, k->n), "a spilled row");
    arena_reset(&k->row);
    rec = json_new(&k->row, JSON_OBJECT, CELL_ABSENT);
    for (size_t i = 0; i < k->n; i++) {
        struct json *v = json_new(&k->row, cell_absent(cells[i]) ? JSON_NULL : JSON_STRING, cells[i]);

        v->name = cell_of(k->names[i]);
        json_append(rec, v);
    }
    return row(arg, rec, reterr);
}

static enum ec give_partition(struct scan *k, unsigned part, json_row_fn *row, void *arg, struct err *reterr)
{
    struct spill_record *rec;
    size_t n;
    enum ec rc = spill_partition(k->spill, part, &rec, &n, reterr);

    for (size_t i = 0; i < n && !rc;) {
        size_t best = i, next = i + 1;
        struct version v, w;

        memcpy(&v, rec[i].p, sizeof(v));
        for (; next < n && digest_eq(rec[next].d, rec[i].d); next++) {
            memcpy(&w, rec[next].p, sizeof(w));
            if (replaces(&v, &w)) {
                v = w;
                best = next;
            }
        }
        if (!v.deleted)
            rc = give(k, &rec[best], row, arg, reterr);
        i = next;
    }
    return rc;
}

enum ec synapse_scan(void *synapse, const struct dv_table *t, const char *select, json_row_fn *row, void *row_arg,
                     struct err *reterr)
{
    struct scan *k = xcalloc(1, sizeof(*k));
    struct arena a = { 0 };
    enum ec rc;

    k->s = synapse;
    k->t = t;
    rc = take_select(k, select, &a, reterr);
    if (!rc)
        rc = spill_new(k->s->tmp, &k->spill, reterr);
    if (!rc)
        rc = read_folders(k, reterr);
    for (unsigned part = 0; part < SPILL_PARTITIONS && !rc; part++)
        rc = give_partition(k, part, row, row_arg, reterr);
    if (!rc)
        log_info("synapse", CELL_FMT ": %llu versions of rows", CELL_ARG(t->logical), (unsigned long long)k->rows);
    spill_free(k->spill);
    strbuf_release(&k->record);
    arena_release(&k->row);
    arena_release(&a);
    free(k);
    return rc;
}

/* ---- companies ---- */

struct companies {
    struct pair *p;
    size_t cap;
    struct pair_company *list;
    size_t n;
};

static enum ec take_company(void *arg, const struct json *rec, struct err *reterr)
{
    struct companies *c = arg;
    struct pair_company *more;

    (void)reterr;
    if (cell_blank(json_member(rec, "cdm_companycode")))
        return EC_OK;
    if (c->n == c->cap) {
        more = arena_zalloc(&c->p->arena, (c->cap = c->cap ? c->cap * 2 : 64) * sizeof(*more));
        if (c->n)
            memcpy(more, c->list, c->n * sizeof(*more));
        c->list = more;
    }
    c->list[c->n++] =
        (struct pair_company){ .code = cell_lower(&c->p->arena,
                                                  cell_dup(&c->p->arena, json_member(rec, "cdm_companycode"))),
                               .dv_id = cell_dup(&c->p->arena, json_member(rec, "cdm_companyid")) };
    return EC_OK;
}

static enum ec read_companies(struct synapse *s, struct map_ctx *m, struct err *reterr)
{
    static const struct dv_table COMPANY = { .logical = { "cdm_company", 11 }, .pk = { "cdm_companyid", 13 } };
    struct companies c = { .p = m->pair };
    bool needed = m->b->striped && !m->pair->n_companies; /* or known from the services */
    enum ec rc;

    for (size_t i = 0; i < m->b->n_lookups; i++)
        needed = needed || (m->b->lookups[i].target->company && !m->pair->n_companies);
    if (!needed)
        return EC_OK;
    rc = synapse_scan(s, &COMPANY, "cdm_companyid,cdm_companycode", take_company, &c, reterr);
    if (!rc) {
        m->pair->companies = c.list;
        m->pair->n_companies = c.n;
    }
    return rc;
}

enum ec snapshot_synapse(struct map_ctx *m, const char *dir, struct arena *a, struct snapshot *ret,
                         struct err *reterr)
{
    struct synapse *s = NULL;
    struct dict *d = NULL;
    struct dict_source from = { .scan = synapse_scan };
    enum ec rc = synapse_open(dir, workspace_path(&m->pair->app->ws, a, ".dmfsync/tmp"), &s, reterr);

    if (!rc)
        rc = read_companies(s, m, reterr);
    if (!rc) {
        from.arg = s;
        from.as_of = s->as_of;
        rc = dict_open_from(m->pair, &from, &d, reterr);
    }
    if (!rc)
        rc = snapshot_dv(m, d, a, ret, reterr);
    dict_close(d);
    synapse_close(s);
    return rc;
}

const char *synapse_dir(const char *text)
{
    return text && !strncmp(text, "synapse:", 8) && text[8] ? text + 8 : NULL;
}

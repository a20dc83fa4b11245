/*
 * The row store of Finance & Operations: one SQLite table per entity, and what the service checks before it writes:
 * company, mandatory fields, lengths, elements, relations, dependents ("Open Data Protocol (OData)", method call
 * sequence; error texts as observed in Infolog messages).
 *
 * An import and a call over OData end in the same function, so that both refuse the same rows for the same reasons.
 */
#include "emu_fno.h"

#include "emu_dmf.h"
#include "emu_dualwrite.h"
#include "emu_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MSG = 1024 };
static const int64_t FIRST_RECID = 5637144576LL;

struct company {
    char id[8];
    yajl_val definition;
};
/* A reference to an entity, seen from that entity: who would be left dangling. */
struct dependent {
    const struct emu_entity *en;
    const struct emu_field *f;
    sqlite3_stmt *exists;
};
struct rows {
    const struct emu_entity *en;
    sqlite3_stmt *find, *insert, *update, *remove;
    sqlite3_stmt **refs; /* per field: is the value there? NULL = no relation */
    struct dependent *dependents;
    size_t n_dependents;
    char *columns; /* "recid, company, recversion, chg, F.." */
    char *order; /* "company, K.." */
};
struct emu_fno {
    struct arena arena;
    struct company *companies;
    size_t n_companies;
    struct rows *rows; /* parallel to the tenant's entities */
    int64_t change;
};

static struct rows *rows_of(struct emu *e, const struct emu_entity *en)
{
    return &e->fno->rows[en - e->tenant.entities];
}

void emu_fno_table(const struct emu_entity *en, struct strbuf *out)
{
    strbuf_addf(out, "\"fno_%s\"", en->set);
}

/* ---- companies ---- */
const char *emu_fno_company_at(const struct emu *e, size_t i)
{
    return i < e->fno->n_companies ? e->fno->companies[i].id : NULL;
}

static const struct company *find_company(const struct emu *e, const char *id)
{
    for (size_t i = 0; i < e->fno->n_companies; i++)
        if (!strcasecmp(e->fno->companies[i].id, id))
            return &e->fno->companies[i];
    return NULL;
}

const char *emu_fno_company(struct emu *e, const char *id)
{
    const struct company *c = find_company(e, *id ? id : "dat");

    if (!c && !*id && e->fno->n_companies)
        c = &e->fno->companies[0];
    return c ? c->id : NULL;
}

static const char *company_value(const struct company *c, const char *name)
{
    const char *path[] = { name, NULL };
    yajl_val v = yajl_tree_get(c->definition, path, yajl_t_string);

    return v ? YAJL_GET_STRING(v) : "";
}

int64_t emu_fno_change_number(struct emu *e)
{
    return e->fno->change;
}

static int64_t next_change(struct emu *e)
{
    emu_state_set(e, "fno_change", ++e->fno->change);
    return e->fno->change;
}

/* ---- SQL: tables and statements ---- */
static int decimal_collation(void *arg, int na, const void *a, int nb, const void *b)
{
    const char *p = a, *q = b;
    size_t wa, wb;
    bool ma = na && *p == '-', mb = nb && *q == '-';
    int rc;

    (void)arg; /* both are canonical: no superfluous zeros, no "-0" */
    if (ma != mb)
        return ma ? -1 : 1;
    p += ma;
    q += mb;
    na -= ma;
    nb -= mb;
    for (wa = 0; wa < (size_t)na && p[wa] != '.';)
        wa++;
    for (wb = 0; wb < (size_t)nb && q[wb] != '.';)
        wb++;
    rc = wa != wb ? (wa < wb ? -1 : 1) : memcmp(p, q, (size_t)(na < nb ? na : nb));
    if (!rc)
        rc = na - nb;
    return ma ? -rc : rc;
}

static void run(struct emu *e, const char *sql)
{
    sqlite3_stmt *s = emu_prepare(e, sql);

    (void)emu_step(e, s);
    sqlite3_finalize(s);
}

static void prepare_table(struct emu *e, const struct emu_entity *en, struct rows *r)
{
    struct strbuf t = STRBUF(0), sql = STRBUF(0), columns = STRBUF(0), order = STRBUF(0), where = STRBUF(0);
    int p = 1;

    emu_fno_table(en, &t);
    strbuf_addf(
        &sql,
        "create table if not exists %s(recid integer primary key, company text, recversion integer, chg integer",
        t.buf);
    strbuf_adds(&columns, "recid, company, recversion, chg");
    strbuf_adds(&order, "company");
    strbuf_adds(&where, "company = ?1");
    for (size_t i = 0; i < en->n; i++) {
        strbuf_addf(&sql, ", \"%s\" text%s", en->fields[i].name,
                    en->fields[i].type == F_STRING ? " collate nocase" : "");
        strbuf_addf(&columns, ", \"%s\"", en->fields[i].name);
        if (en->fields[i].key) {
            strbuf_addf(&order, ", \"%s\"", en->fields[i].name);
            strbuf_addf(&where, " and \"%s\" = ?%d", en->fields[i].name, ++p);
        }
    }
    strbuf_adds(&sql, ")");
    run(e, sql.buf);
    strbuf_reset(&sql);
    strbuf_addf(&sql, "create unique index if not exists \"key_%s\" on %s(%s)", en->set, t.buf, order.buf);
    run(e, sql.buf);
    strbuf_reset(&sql);
    strbuf_addf(&sql, "create index if not exists \"chg_%s\" on %s(chg)", en->set, t.buf);
    run(e, sql.buf);
    for (size_t i = 0; i < en->n; i++)
        if (en->fields[i].ref_entity) { /* for the question who depends on a row; most references are empty */
            strbuf_reset(&sql);
            strbuf_addf(&sql, "create index if not exists \"ref_%s_%s\" on %s(\"%s\", company) where \"%s\" <> ''",
                        en->set, en->fields[i].name, t.buf, en->fields[i].name, en->fields[i].name);
            run(e, sql.buf);
        }
    strbuf_reset(&sql);
    strbuf_addf(&sql, "select %s from %s where %s", columns.buf, t.buf, where.buf);
    r->find = emu_prepare(e, sql.buf);
    strbuf_reset(&sql);
    strbuf_addf(&sql, "insert into %s(%s) values(?1, ?2, ?3, ?4", t.buf, columns.buf);
    for (size_t i = 0; i < en->n; i++)
        strbuf_addf(&sql, ", ?%zu", i + 5);
    strbuf_adds(&sql, ")");
    r->insert = emu_prepare(e, sql.buf);
    strbuf_reset(&sql);
    strbuf_addf(&sql, "update %s set company = ?2, recversion = ?3, chg = ?4", t.buf);
    for (size_t i = 0; i < en->n; i++)
        strbuf_addf(&sql, ", \"%s\" = ?%zu", en->fields[i].name, i + 5);
    strbuf_adds(&sql, " where recid = ?1");
    r->update = emu_prepare(e, sql.buf);
    strbuf_reset(&sql);
    strbuf_addf(&sql, "delete from %s where recid = ?1", t.buf);
    r->remove = emu_prepare(e, sql.buf);
    r->en = en;
    r->columns = arena_strdup(&e->fno->arena, columns.buf);
    r->order = arena_strdup(&e->fno->arena, order.buf);
    strbuf_release(&t);
    strbuf_release(&sql);
    strbuf_release(&columns);
    strbuf_release(&order);
    strbuf_release(&where);
}

/* Relations, from both ends. The store's collation makes keys and references compare without case. */
static void prepare_relations(struct emu *e, const struct emu_entity *en, struct rows *r)
{
    struct strbuf sql = STRBUF(0);

    r->refs = arena_zalloc(&e->fno->arena, en->n * sizeof(*r->refs));
    for (size_t i = 0; i < en->n; i++) {
        const struct emu_field *f = &en->fields[i];
        const struct emu_entity *to = f->ref_entity ? emu_entity_by_label(&e->tenant, f->ref_entity) : NULL;

        if (!to)
            continue;
        strbuf_reset(&sql);
        strbuf_adds(&sql, "select 1 from ");
        emu_fno_table(to, &sql);
        strbuf_addf(&sql, " where company = ?1 and \"%s\" = ?2", f->ref_field);
        r->refs[i] = emu_prepare(e, sql.buf);
    }
    for (int pass = 0; pass < 2; pass++) {
        size_t n = 0;

        for (size_t k = 0; k < e->tenant.n_entities; k++)
            for (size_t i = 0; i < e->tenant.entities[k].n; i++) {
                const struct emu_entity *from = &e->tenant.entities[k];
                const struct emu_field *f = &from->fields[i];

                if (!f->ref_entity || strcmp(f->ref_entity, en->label) != 0)
                    continue;
                if (pass) {
                    /* A reference out of companies to shared data is there in any of them. */
                    strbuf_reset(&sql);
                    strbuf_adds(&sql, "select 1 from ");
                    emu_fno_table(from, &sql);
                    strbuf_addf(&sql, " where \"%s\" = ?1 and \"%s\" <> ''%s and recid <> ?3 limit 1", f->name,
                                f->name, en->shared || from->shared ? " and ?2 is not null" : " and company = ?2");
                    r->dependents[n] = (struct dependent){ from, f, emu_prepare(e, sql.buf) };
                }
                n++;
            }
        if (!pass)
            r->dependents = arena_zalloc(&e->fno->arena, (n + 1) * sizeof(*r->dependents));
        r->n_dependents = n;
    }
    strbuf_release(&sql);
}

/* ---- reading ---- */
static void read_row(const struct emu_entity *en, sqlite3_stmt *s, struct emu_fno_row *row)
{
    row->recid = sqlite3_column_int64(s, 0);
    row->company = emu_text(s, 1);
    row->recversion = sqlite3_column_int64(s, 2);
    row->change = sqlite3_column_int64(s, 3);
    for (size_t i = 0; i < en->n; i++)
        row->values[i] = emu_text(s, (int)i + 4);
}

void emu_fno_scan(struct emu *e, const struct emu_entity *en, const char *company, int64_t changed_after,
                  emu_fno_row_cb *cb, void *arg)
{
    const struct rows *r = rows_of(e, en);
    struct strbuf sql = STRBUF(0);
    struct arena a = { 0 };
    struct emu_fno_row row = { .values = arena_zalloc(&a, en->n * sizeof(char *)) };
    const char *id = company && !en->shared ? emu_fno_company(e, company) : NULL;
    sqlite3_stmt *s;
    bool more = !company || en->shared || id; /* an unknown company has no rows */

    strbuf_addf(&sql, "select %s from ", r->columns);
    emu_fno_table(en, &sql);
    strbuf_addf(&sql, " where true%s%s order by %s", id ? " and company = ?1" : "",
                changed_after ? " and chg > ?2" : "", r->order);
    s = emu_prepare(e, sql.buf);
    if (id)
        sqlite3_bind_text(s, 1, id, -1, SQLITE_TRANSIENT);
    if (changed_after)
        sqlite3_bind_int64(s, 2, changed_after);
    while (more && emu_step(e, s)) {
        read_row(en, s, &row);
        more = cb(arg, &row);
    }
    sqlite3_finalize(s);
    strbuf_release(&sql);
    arena_release(&a);
}

/* Binds company and key; false = a key field is missing or no value of its type. */
static bool bind_key(const struct emu_entity *en, sqlite3_stmt *s, const char *company, const struct emu_value *v,
                     size_t n)
{
    struct strbuf text = STRBUF(0);
    char msg[MSG];
    bool ok = true;
    int p = 1;

    sqlite3_reset(s);
    sqlite3_bind_text(s, 1, company, -1, SQLITE_TRANSIENT);
    for (size_t i = 0; i < en->n && ok; i++) {
        const char *value = NULL;

        if (!en->fields[i].key)
            continue;
        for (size_t k = 0; k < n; k++)
            if (!strcasecmp(v[k].name, en->fields[i].name))
                value = v[k].value ? v[k].value : "";
        strbuf_reset(&text);
        ok = value && emu_fno_canon(&en->fields[i], value, strlen(value), &text, msg, sizeof(msg));
        if (ok)
            sqlite3_bind_text(s, ++p, strbuf_str(&text), (int)text.len, SQLITE_TRANSIENT);
    }
    strbuf_release(&text);
    return ok;
}

/* The company that the row is kept under: "" for shared entities, NULL = unknown. */
static const char *stored_company(struct emu *e, const struct emu_entity *en, const char *company)
{
    return en->shared ? "" : emu_fno_company(e, company ? company : "");
}

bool emu_fno_find(struct emu *e, const struct emu_entity *en, const char *company, const struct emu_value *key,
                  size_t n, emu_fno_row_cb *cb, void *arg)
{
    sqlite3_stmt *s = rows_of(e, en)->find;
    const char *stored = stored_company(e, en, company);
    bool found = stored && bind_key(en, s, stored, key, n) && emu_step(e, s);

    if (found && cb) {
        struct arena a = { 0 };
        struct emu_fno_row row = { .values = arena_zalloc(&a, en->n * sizeof(char *)) };

        read_row(en, s, &row);
        (void)cb(arg, &row);
        arena_release(&a);
    }
    sqlite3_reset(s);
    return found;
}

/* ---- writing ---- */
struct write {
    struct emu *e;
    const struct emu_entity *en;
    struct rows *rows;
    const char *company; /* as stored */
    struct arena a;
    const char **old, **now; /* by field; old NULL = a new row */
    bool *given;
    int64_t recid;
    char *msg;
    size_t msg_size;
};

static bool take_values(struct write *w, const struct emu_value *v, size_t n)
{
    struct strbuf text = STRBUF(0);
    bool ok = true;

    for (size_t k = 0; k < n && ok; k++) {
        const struct emu_field *f = emu_field_by_name(w->en, v[k].name);
        size_t i;

        if (!f) {
            snprintf(w->msg, w->msg_size, "The field '%.80s' does not exist in entity '%s'.", v[k].name,
                     w->en->label);
            ok = false;
            break;
        }
        i = (size_t)(f - w->en->fields);
        if (!v[k].value) { /* blank: the default in a new row; later on, what has a default stays, the rest is emptied */
            bool defaulted = f->default_value || f->default_from_company || f->sequence;

            w->given[i] = !defaulted;
            w->now[i] = defaulted ? NULL : emu_fno_empty(f);
            continue;
        }
        strbuf_reset(&text);
        ok = emu_fno_canon(f, v[k].value, strlen(v[k].value), &text, w->msg, w->msg_size);
        w->now[i] = arena_dup(&w->a, strbuf_str(&text), text.len);
        w->given[i] = true;
    }
    strbuf_release(&text);
    return ok;
}

static const char *number_from_sequence(struct write *w, const struct emu_field *f)
{
    const char *name = arena_printf(&w->a, "sequence/%s/%s", w->en->set, f->name);
    int64_t n = emu_state(w->e, name, 0) + 1;

    emu_state_set(w->e, name, n);
    return arena_printf(&w->a, "%s%09" PRId64, f->sequence, n);
}

static void fill_defaults(struct write *w)
{
    const struct company *c = find_company(w->e, w->company);

    for (size_t i = 0; i < w->en->n; i++) {
        const struct emu_field *f = &w->en->fields[i];

        /* A number sequence steps in for an empty number, whatever way it is empty. */
        if (f->sequence && (!w->given[i] || !*w->now[i]))
            w->now[i] = number_from_sequence(w, f);
        if (w->given[i] || w->now[i])
            continue;
        if (f->default_from_company)
            w->now[i] = c ? company_value(c, f->default_from_company) : "";
        else
            w->now[i] = f->default_value ? f->default_value : emu_fno_empty(f);
    }
}

static bool related(struct write *w, size_t i)
{
    const struct emu_field *f = &w->en->fields[i];
    const struct emu_entity *to = emu_entity_by_label(&w->e->tenant, f->ref_entity);
    sqlite3_stmt *s = w->rows->refs[i];
    bool found;

    for (size_t k = 0; k < w->en->n && to == w->en; k++) /* a row may refer to itself before it is there */
        if (!strcmp(w->en->fields[k].name, f->ref_field) && !strcasecmp(w->now[k], w->now[i]))
            return true;
    sqlite3_reset(s);
    sqlite3_bind_text(s, 1, to->shared ? "" : w->company, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 2, w->now[i], -1, SQLITE_STATIC);
    found = emu_step(w->e, s);
    sqlite3_reset(s);
    return found;
}

static bool valid(struct write *w)
{
    for (size_t i = 0; i < w->en->n; i++) {
        const struct emu_field *f = &w->en->fields[i];

        if (w->old && !strcmp(w->old[i], w->now[i]))
            continue;
        if (f->mandatory && !*w->now[i]) {
            snprintf(w->msg, w->msg_size, "Field '%s' must be filled in.", f->property);
            return false;
        }
        if (f->ref_entity && *w->now[i] && w->given[i] && !related(w, i)) {
            snprintf(w->msg, w->msg_size, "The value '%s' in field '%s' is not found in the related table '%s'.",
                     w->now[i], f->property, f->ref_entity);
            return false;
        }
    }
    return true;
}

static void store(struct write *w)
{
    sqlite3_stmt *s = w->old ? w->rows->update : w->rows->insert;
    int64_t change = next_change(w->e), recversion = 1;

    if (w->old) {
        char text[64];

        /* "RecVersion is 1 on insert and becomes a random int on each update." */
        snprintf(text, sizeof(text), "recversion/%" PRId64 "/%" PRId64, w->recid, change);
        recversion = (int64_t)(emu_hash(w->e, text) % 2147483646U) + 2;
    } else {
        w->recid = emu_state(w->e, "fno_recid", FIRST_RECID);
        emu_state_set(w->e, "fno_recid", w->recid + 1);
    }
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 1, w->recid);
    sqlite3_bind_text(s, 2, w->company, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, recversion);
    sqlite3_bind_int64(s, 4, change);
    for (size_t i = 0; i < w->en->n; i++)
        sqlite3_bind_text(s, (int)i + 5, w->now[i], -1, SQLITE_STATIC);
    (void)emu_step(w->e, s);
    sqlite3_reset(s);
}

/* A running map writes the other side in the same transaction, or vetoes. */
static bool propagate(struct write *w)
{
    struct emu_value *row = arena_zalloc(&w->a, w->en->n * sizeof(*row));

    for (size_t i = 0; i < w->en->n; i++)
        row[i] = (struct emu_value){ w->en->fields[i].name, w->now[i] };
    return emu_dualwrite_fno_written(w->e, w->en, w->en->shared ? NULL : w->company, row, w->en->n, w->msg,
                                     w->msg_size);
}

static bool copy_old(void *arg, const struct emu_fno_row *row)
{
    struct write *w = arg;

    w->recid = row->recid;
    w->old = arena_zalloc(&w->a, w->en->n * sizeof(*w->old));
    for (size_t i = 0; i < w->en->n; i++)
        w->old[i] = arena_strdup(&w->a, row->values[i]);
    return true;
}

static enum emu_fno_outcome write_row(struct write *w, const struct emu_value *v, size_t n)
{
    bool same = true, ok;

    if (!w->company) {
        snprintf(w->msg, w->msg_size, "The company does not exist.");
        return EMU_FNO_REFUSED;
    }
    if (!take_values(w, v, n))
        return EMU_FNO_REFUSED;
    for (size_t i = 0; i < w->en->n && EMU_KNOB(w->e, fno_recompute); i++)
        if (!strcmp(w->en->label, "Customers V3") && !strcmp(w->en->fields[i].name, "ORGANIZATIONNAME") &&
            w->given[i] && w->now[i])
            w->now[i] = emu_recomputed(&w->a, w->now[i], EMU_KNOB(w->e, fno_recompute), true);
    emu_fno_find(w->e, w->en, w->company, v, n, copy_old, w);
    if (!w->old)
        fill_defaults(w);
    for (size_t i = 0; i < w->en->n && w->old; i++) {
        if (!w->now[i] || w->en->fields[i].key) /* the key keeps the spelling that it was made with */
            w->now[i] = w->old[i];
        same = same && !strcmp(w->now[i], w->old[i]);
    }
    if (!valid(w))
        return EMU_FNO_REFUSED;
    if (w->old && same)
        return EMU_FNO_UNCHANGED;
    emu_exec(w->e, "savepoint fno_row", "");
    store(w);
    ok = propagate(w);
    if (!ok)
        emu_exec(w->e, "rollback to fno_row", "");
    emu_exec(w->e, "release fno_row", "");
    return !ok ? EMU_FNO_REFUSED : w->old ? EMU_FNO_UPDATED : EMU_FNO_CREATED;
}

enum emu_fno_outcome emu_fno_write(struct emu *e, const struct emu_entity *en, const char *company,
                                   const struct emu_value *v, size_t n, char *msg, size_t msg_size)
{
    static const char *const COUNTERS[] = { [EMU_FNO_REFUSED] = "fno.rows.refused",
                                            [EMU_FNO_CREATED] = "fno.rows.created",
                                            [EMU_FNO_UPDATED] = "fno.rows.updated",
                                            [EMU_FNO_UNCHANGED] = "fno.rows.unchanged" };
    struct write w = { .e = e,
                       .en = en,
                       .rows = rows_of(e, en),
                       .company = stored_company(e, en, company),
                       .msg = msg,
                       .msg_size = msg_size };
    enum emu_fno_outcome done;

    w.now = arena_zalloc(&w.a, en->n * sizeof(*w.now));
    w.given = arena_zalloc(&w.a, en->n * sizeof(*w.given));
    done = write_row(&w, v, n);
    emu_count(e, COUNTERS[done], 1);
    arena_release(&w.a);
    return done;
}

bool emu_fno_upsert(struct emu *e, const struct emu_entity *en, const char *company, const struct emu_value *v,
                    size_t n, bool *ret_created, char *msg, size_t msg_size)
{
    enum emu_fno_outcome done = emu_fno_write(e, en, company, v, n, msg, msg_size);

    if (done == EMU_FNO_REFUSED)
        return false;
    if (ret_created)
        *ret_created = done == EMU_FNO_CREATED;
    return true;
}

/* ---- deleting ---- */
bool emu_fno_delete(struct emu *e, const struct emu_entity *en, const char *company, const struct emu_value *key,
                    size_t n, char *msg, size_t msg_size)
{
    struct write w = { .e = e, .en = en, .rows = rows_of(e, en), .company = stored_company(e, en, company) };
    bool ok = true;

    if (!w.company || !emu_fno_find(e, en, w.company, key, n, copy_old, &w)) {
        snprintf(msg, msg_size, "No resources were found when selecting for update.");
        return false;
    }
    for (size_t d = 0; d < w.rows->n_dependents && ok; d++) {
        const struct dependent *dep = &w.rows->dependents[d];
        const struct emu_field *to = emu_field_by_name(en, dep->f->ref_field);

        sqlite3_reset(dep->exists);
        sqlite3_bind_text(dep->exists, 1, w.old[to - en->fields], -1, SQLITE_STATIC);
        sqlite3_bind_text(dep->exists, 2, w.company, -1, SQLITE_STATIC);
        sqlite3_bind_int64(dep->exists, 3, dep->en == en ? w.recid : 0);
        ok = !emu_step(e, dep->exists);
        sqlite3_reset(dep->exists);
        if (!ok)
            snprintf(msg, msg_size, "%s cannot be deleted while dependent %s exist.", en->label, dep->en->label);
    }
    if (ok)
        ok = emu_dualwrite_fno_deleting(e, en, en->shared ? NULL : w.company, key, n, msg, msg_size);
    if (ok) {
        sqlite3_reset(w.rows->remove);
        sqlite3_bind_int64(w.rows->remove, 1, w.recid);
        (void)emu_step(e, w.rows->remove);
        next_change(e);
        emu_count(e, "fno.rows.deleted", 1);
    }
    arena_release(&w.a);
    return ok;
}

void emu_fno_etag(const struct emu_fno_row *row, struct strbuf *out)
{
    char text[64];
    int n = snprintf(text, sizeof(text), "'%" PRId64 ",%" PRId64 "'", row->recversion, row->recid);

    strbuf_adds(out, "W/\"");
    emu_base64(text, (size_t)n, false, out);
    strbuf_addc(out, '"');
}

/* ---- start and end ---- */
static void read_companies(struct emu *e)
{
    const char *path[] = { "fno", "companies", NULL };
    yajl_val v = yajl_tree_get(e->tenant.root, path, yajl_t_array);
    struct emu_fno *f = e->fno;

    f->n_companies = v ? YAJL_GET_ARRAY(v)->len : 0;
    f->companies = arena_zalloc(&f->arena, (f->n_companies + 1) * sizeof(*f->companies));
    for (size_t i = 0; i < f->n_companies; i++) {
        struct company *c = &f->companies[i];

        c->definition = YAJL_GET_ARRAY(v)->values[i];
        snprintf(c->id, sizeof(c->id), "%s", company_value(c, "LEGALENTITYID"));
        for (char *p = c->id; *p; p++)
            *p = (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
    }
}

/* Legal entities are rows like any other, but nobody can make them over these interfaces. */
static void seed_companies(struct emu *e)
{
    const struct emu_entity *en = emu_entity_by_set(&e->tenant, "LegalEntities");

    for (size_t i = 0; en && i < e->fno->n_companies; i++) {
        struct emu_value v[] = { { "LEGALENTITYID", company_value(&e->fno->companies[i], "LEGALENTITYID") },
                                 { "NAME", company_value(&e->fno->companies[i], "NAME") } };
        char msg[MSG];

        if (!emu_fno_find(e, en, NULL, v, 1, NULL, NULL) &&
            !emu_fno_upsert(e, en, NULL, v, 2, NULL, msg, sizeof(msg)))
            fprintf(stderr, "dmfsync-emulator: company %s: %s\n", v[0].value, msg);
    }
}

void emu_fno_init(struct emu *e)
{
    e->fno = xcalloc(1, sizeof(*e->fno));
    read_companies(e);
    if (sqlite3_create_collation_v2(e->db, "emu_decimal", SQLITE_UTF8, NULL, decimal_collation, NULL) != SQLITE_OK)
        bug_abort(__FILE__, __LINE__, "collation");
    e->fno->rows = arena_zalloc(&e->fno->arena, (e->tenant.n_entities + 1) * sizeof(*e->fno->rows));
    e->fno->change = emu_state(e, "fno_change", 0);
    for (size_t i = 0; i < e->tenant.n_entities; i++)
        prepare_table(e, &e->tenant.entities[i], &e->fno->rows[i]);
    for (size_t i = 0; i < e->tenant.n_entities; i++)
        prepare_relations(e, &e->tenant.entities[i], &e->fno->rows[i]);
    seed_companies(e);
    emu_dmf_init(e);
}

void emu_fno_free(struct emu *e)
{
    if (!e->fno)
        return;
    for (size_t i = 0; e->fno->rows && i < e->tenant.n_entities; i++) {
        struct rows *r = &e->fno->rows[i];

        sqlite3_finalize(r->find);
        sqlite3_finalize(r->insert);
        sqlite3_finalize(r->update);
        sqlite3_finalize(r->remove);
        for (size_t k = 0; k < r->en->n; k++)
            sqlite3_finalize(r->refs[k]);
        for (size_t k = 0; k < r->n_dependents; k++)
            sqlite3_finalize(r->dependents[k].exists);
    }
    arena_release(&e->fno->arena);
    free(e->fno);
    e->fno = NULL;
}

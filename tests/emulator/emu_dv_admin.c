/*
 * The admin port's way to Dataverse rows: a dump for comparing whole runs, a user's edit, one row for assertions.
 */
#include "emu_dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The column that a row is known by: the first one of its key that is no lookup, else a unique one, else its name. */
static int business_column(const struct dv_table *t)
{
    for (size_t k = 0; k < t->n_keys; k++)
        for (size_t i = 0; i < t->keys[k].n; i++)
            if (!dv_is_lookup(&t->cols[t->keys[k].cols[i]]))
                return t->keys[k].cols[i];
    for (size_t i = 0; i < t->n_visible; i++)
        if (t->cols[i].unique)
            return (int)i;
    return t->primary_name >= 0 ? t->primary_name : 0;
}

/* ---- rows as texts ---- */

static void add_company_sql(struct strbuf *sql, const char *alias, const struct dv_table *t)
{
    strbuf_addf(sql, "(select c.cdm_companycode from dv_cdm_company c where c.cdm_companyid = %s.\"%s\")", alias,
                t->cols[t->company].name);
}

/* One lookup as the target's key, with "@COMPANY" where the target belongs to one. */
static void add_lookup_sql(struct emu *e, struct strbuf *sql, const struct dv_table *t, const struct dv_col *c)
{
    strbuf_adds(sql, "coalesce(");
    for (size_t k = 0; k < c->n_navs; k++) {
        const struct dv_table *to = dv_table_by_logical(e, c->navs[k].target, strlen(c->navs[k].target));

        if (!to)
            continue;
        strbuf_addf(sql, "(select %s%s%sk.\"%s\"", c->n_navs > 1 ? "'" : "", c->n_navs > 1 ? to->logical : "",
                    c->n_navs > 1 ? ":' || " : "", to->cols[business_column(to)].name);
        if (to->company >= 0) {
            strbuf_adds(sql, " || coalesce('@' || ");
            add_company_sql(sql, "k", to);
            strbuf_adds(sql, ", '')");
        }
        strbuf_addf(sql, " from \"dv_%s\" k where k.\"%s\" = t0.\"%s\"", to->logical, to->cols[0].name, c->name);
        if (c->target_col >= 0)
            strbuf_addf(sql, " and t0.\"%s\" = '%s'", t->cols[c->target_col].name, to->logical);
        strbuf_adds(sql, "), ");
    }
    strbuf_adds(sql, "null, '')");
}

static bool shown(const struct dv_table *t, int col)
{
    const struct dv_col *c = &t->cols[col];

    return col != t->company && col != business_column(t) &&
           (c->role == DV_PLAIN || c->role == DV_STATECODE || c->role == DV_STATUSCODE || c->role == DV_OWNERID);
}

/* company, key, then every shown column; `cols` gets the latter. */
static size_t row_sql(struct emu *e, const struct dv_table *t, struct strbuf *sql, int *cols)
{
    size_t n = 0;

    strbuf_adds(sql, "select coalesce(");
    if (t->company >= 0)
        add_company_sql(sql, "t0", t);
    else
        strbuf_adds(sql, "''");
    strbuf_addf(sql, ", '') collate binary, coalesce(t0.\"%s\", '') collate binary",
                t->cols[business_column(t)].name);
    for (size_t i = 0; i < t->n_visible; i++) {
        if (!shown(t, (int)i))
            continue;
        cols[n++] = (int)i;
        strbuf_adds(sql, ", ");
        if (dv_is_lookup(&t->cols[i]))
            add_lookup_sql(e, sql, t, &t->cols[i]);
        else
            strbuf_addf(sql, "coalesce(t0.\"%s\", '')", t->cols[i].name);
        strbuf_adds(sql, " collate binary");
    }
    strbuf_addf(sql, " from \"dv_%s\" t0", t->logical);
    return n;
}

static void add_escaped(struct strbuf *out, const char *p)
{
    for (; p && *p; p++) {
        if (*p == '\\' || *p == '|')
            strbuf_addc(out, '\\');
        if (*p == '\n')
            strbuf_adds(out, "\\n");
        else if (*p == '\r')
            strbuf_adds(out, "\\r");
        else
            strbuf_addc(out, *p);
    }
}

static void dump_table(struct emu *e, const struct dv_table *t, struct strbuf *out)
{
    struct strbuf sql = { 0 };
    int *cols = xmalloc((t->n + 1) * sizeof(*cols));
    size_t n = row_sql(e, t, &sql, cols);
    sqlite3_stmt *s;

    strbuf_adds(&sql, " order by 1, 2");
    for (size_t i = 0; i < n; i++)
        strbuf_addf(&sql, ", %zu", i + 3);
    s = dv_prepare(e, strbuf_str(&sql));
    while (dv_step(e, s)) {
        strbuf_addf(out, "%s|", t->logical);
        add_escaped(out, (const char *)sqlite3_column_text(s, 0));
        strbuf_addc(out, '|');
        add_escaped(out, (const char *)sqlite3_column_text(s, 1));
        for (size_t i = 0; i < n; i++) {
            strbuf_addf(out, "|%s=", t->cols[cols[i]].name);
            add_escaped(out, (const char *)sqlite3_column_text(s, (int)i + 2));
        }
        strbuf_addc(out, '\n');
    }
    sqlite3_finalize(s);
    strbuf_release(&sql);
    free(cols);
}

static int by_logical(const void *a, const void *b)
{
    return strcmp((*(const struct dv_table *const *)a)->logical, (*(const struct dv_table *const *)b)->logical);
}

/* The organization's own tables and its users are no contents. */
void emu_dv_dump(struct emu *e, struct strbuf *out)
{
    const struct dv_table **list = xmalloc((e->dv->n + 1) * sizeof(*list));
    size_t n = 0;

    dv_tick(e);
    for (size_t i = 0; i < e->dv->n; i++)
        if (emu_table_by_logical(&e->tenant, e->dv->tables[i].logical) &&
            strcmp(e->dv->tables[i].logical, "systemuser") != 0 &&
            strcmp(e->dv->tables[i].logical, "msdyn_dualwriteentitymap") != 0)
            list[n++] = &e->dv->tables[i];
    qsort(list, n, sizeof(*list), by_logical);
    for (size_t i = 0; i < n; i++)
        dump_table(e, list[i], out);
    free(list);
}

/* ---- a user's edit ---- */

struct edit {
    struct dv_op op;
    struct arena arena;
    const struct dv_table *t;
    char company[37]; /* "" = none */
};

static bool say(char *msg, size_t size, const char *fmt, const char *a, const char *b)
{
    snprintf(msg, size, fmt, a, b);
    return false;
}

static bool begin(struct edit *d, struct emu *e, const struct emu_table *t, const char *company, char *msg,
                  size_t size)
{
    const struct dv_table *c = dv_table_by_logical(e, "cdm_company", 11);
    sqlite3_stmt *s;
    bool found;

    memset(d, 0, sizeof(*d));
    dv_tick(e);
    dv_op_init(&d->op, e, NULL, NULL, &d->arena);
    d->op.bypass_sync = true; /* the guard of accounts is about programs */
    d->t = dv_table_of(e, t);
    if (!company || !*company || !c)
        return true;
    s = emu_sql(e, "select cdm_companyid from dv_cdm_company where cdm_companycode = ?1");
    dv_bind(s, 1, company);
    found = dv_step(e, s);
    if (found)
        snprintf(d->company, sizeof(d->company), "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_reset(s);
    return found || say(msg, size, "there is no company '%s'%s", company, "");
}

/* The id behind a business key; company-striped targets within the row's company. */
static bool find_target(struct edit *d, const struct dv_table *to, const char *value, char ret[static 37])
{
    struct strbuf sql = { 0 };
    sqlite3_stmt *s;
    bool found;

    strbuf_addf(&sql, "select \"%s\" from \"dv_%s\" where \"%s\" = ?1", to->cols[0].name, to->logical,
                to->cols[business_column(to)].name);
    if (to->company >= 0)
        strbuf_addf(&sql, " and \"%s\" is ?2", to->cols[to->company].name);
    s = dv_prepare(d->op.e, strbuf_str(&sql));
    dv_bind(s, 1, value);
    if (to->company >= 0)
        dv_bind(s, 2, d->company[0] ? d->company : NULL);
    found = dv_step(d->op.e, s);
    if (found)
        snprintf(ret, 37, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    strbuf_release(&sql);
    return found;
}

static bool take(struct edit *d, const struct emu_value *v, size_t n, struct dv_change *ch, char *msg, size_t size)
{
    for (size_t i = 0; i < n; i++) {
        int col = dv_col_by_name(d->t, v[i].name, strlen(v[i].name));
        const struct dv_col *c = col > 0 ? &d->t->cols[col] : NULL;
        const struct dv_table *to;
        char id[37];

        if (!c || c->role == DV_HIDDEN || c->role == DV_READONLY || c->role == DV_VERSION)
            return say(msg, size, "table %s has no column '%s' that can be written", d->t->logical, v[i].name);
        if (!dv_is_lookup(c)) {
            if (!dv_value_from_text(&d->op, d->t, col, v[i].value, &ch->v[col]))
                return say(msg, size, "%s%s", d->op.fail.msg, "");
            ch->set[col] = true;
            continue;
        }
        to = dv_table_by_logical(d->op.e, c->navs[c->n_navs - 1].target, strlen(c->navs[c->n_navs - 1].target));
        if (v[i].value && *v[i].value && (!to || !find_target(d, to, v[i].value, id)))
            return say(msg, size, "there is no '%s' for column %s", v[i].value, c->name);
        dv_set_lookup(&d->op, d->t, col, to, v[i].value && *v[i].value ? id : NULL, ch);
    }
    return true;
}

/* The row that has these values and belongs to the company. */
static bool find_row(struct edit *d, const struct dv_change *key, char ret_id[static 37])
{
    struct strbuf sql = { 0 };
    sqlite3_stmt *s;
    bool found;
    int n = 1;

    strbuf_addf(&sql, "select \"%s\" from \"dv_%s\" where 1", d->t->cols[0].name, d->t->logical);
    for (size_t i = 0; i < d->t->n_visible; i++)
        if (key->set[i])
            strbuf_addf(&sql, " and \"%s\" is ?", d->t->cols[i].name);
    if (d->t->company >= 0 && d->company[0] && !key->set[d->t->company])
        strbuf_addf(&sql, " and \"%s\" is ?", d->t->cols[d->t->company].name);
    s = dv_prepare(d->op.e, strbuf_str(&sql));
    for (size_t i = 0; i < d->t->n_visible; i++)
        if (key->set[i])
            dv_bind(s, n++, key->v[i]);
    if (d->t->company >= 0 && d->company[0] && !key->set[d->t->company])
        dv_bind(s, n, d->company);
    found = dv_step(d->op.e, s);
    if (found)
        snprintf(ret_id, 37, "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    strbuf_release(&sql);
    return found;
}

/* A row made by a user belongs to the company's team, as dual-write wants it. */
static void set_company(struct edit *d, struct dv_change *ch)
{
    const struct dv_table *c = dv_table_by_logical(d->op.e, "cdm_company", 11),
                          *team = dv_table_by_logical(d->op.e, "team", 4);
    const char **row;
    int owning;

    if (d->t->company < 0 || !d->company[0])
        return;
    dv_set_lookup(&d->op, d->t, d->t->company, c, d->company, ch);
    row = dv_load(d->op.e, c, d->company, d->op.a);
    owning = dv_col_by_name(c, "cdm_defaultowningteam", 21);
    if (row && owning >= 0 && row[owning] && d->t->owner >= 0 && team)
        dv_set_lookup(&d->op, d->t, d->t->owner, team, row[owning], ch);
}

static bool finish(struct edit *d, bool ok, char *msg, size_t size)
{
    if (ok) {
        dv_release(d->op.e, "dv_edit");
        dv_op_count(&d->op);
    } else {
        dv_rollback(d->op.e, "dv_edit");
        if (!*msg)
            snprintf(msg, size, "%s", d->op.fail.msg);
    }
    arena_release(&d->arena);
    return ok;
}

bool emu_dv_admin_upsert(struct emu *e, const struct emu_table *t, const char *company, const struct emu_value *key,
                         size_t n_key, const struct emu_value *values, size_t n_values, bool *ret_created, char *msg,
                         size_t msg_size)
{
    struct dv_change find, ch;
    struct edit d;
    char id[37];
    bool ok, found = false;

    *msg = '\0';
    ok = begin(&d, e, t, company, msg, msg_size);
    dv_savepoint(e, "dv_edit");
    if (ok) {
        dv_change_init(&d.op, d.t, &find);
        dv_change_init(&d.op, d.t, &ch);
        ok = take(&d, key, n_key, &find, msg, msg_size) && take(&d, values, n_values, &ch, msg, msg_size);
    }
    if (ok) {
        found = n_key && find_row(&d, &find, id);
        if (!found) {
            take(&d, key, n_key, &ch, msg, msg_size);
            set_company(&d, &ch);
        }
        ok = found ? dv_update(&d.op, d.t, id, &ch) : dv_create(&d.op, d.t, NULL, &ch, id);
    }
    if (ok && ret_created)
        *ret_created = !found;
    return finish(&d, ok, msg, msg_size);
}

bool emu_dv_admin_delete(struct emu *e, const struct emu_table *t, const char *company, const struct emu_value *key,
                         size_t n_key, char *msg, size_t msg_size)
{
    struct dv_change find;
    struct edit d;
    char id[37];
    bool ok;

    *msg = '\0';
    ok = begin(&d, e, t, company, msg, msg_size);
    dv_savepoint(e, "dv_edit");
    if (ok) {
        dv_change_init(&d.op, d.t, &find);
        ok = take(&d, key, n_key, &find, msg, msg_size);
    }
    if (ok && !(n_key && find_row(&d, &find, id)))
        ok = say(msg, msg_size, "there is no such row in %s%s", t->logical, "");
    return finish(&d, ok && dv_delete(&d.op, d.t, id), msg, msg_size);
}

bool emu_dv_admin_row(struct emu *e, const struct emu_table *t, const char *company, const struct emu_value *key,
                      size_t n_key, struct strbuf *out, char *msg, size_t msg_size)
{
    struct dv_change find;
    struct edit d;
    struct strbuf sql = { 0 };
    char id[37];
    int *cols;
    size_t n;
    sqlite3_stmt *s;
    bool ok;

    *msg = '\0';
    ok = begin(&d, e, t, company, msg, msg_size);
    if (ok) {
        dv_change_init(&d.op, d.t, &find);
        ok = take(&d, key, n_key, &find, msg, msg_size);
    }
    if (ok && !(n_key && find_row(&d, &find, id)))
        ok = say(msg, msg_size, "there is no such row in %s%s", t->logical, "");
    if (ok) {
        const char **row = dv_load(e, d.t, id, d.op.a);

        cols = arena_alloc(d.op.a, (d.t->n + 1) * sizeof(*cols));
        n = row_sql(e, d.t, &sql, cols);
        strbuf_addf(&sql, " where t0.\"%s\" = ?1", d.t->cols[0].name);
        s = dv_prepare(e, strbuf_str(&sql));
        dv_bind(s, 1, id);
        dv_step(e, s);
        strbuf_addf(out, "{\"id\":\"%s\",\"version\":%s,\"company\":", id, row[d.t->version]);
        emu_json_str(out, (const char *)sqlite3_column_text(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        strbuf_addf(out, ",\"%s\":", d.t->cols[business_column(d.t)].name);
        emu_json_str(out, (const char *)sqlite3_column_text(s, 1), (size_t)sqlite3_column_bytes(s, 1));
        for (size_t i = 0; i < n; i++) {
            strbuf_addf(out, ",\"%s\":", d.t->cols[cols[i]].name);
            emu_json_str(out, (const char *)sqlite3_column_text(s, (int)i + 2),
                         (size_t)sqlite3_column_bytes(s, (int)i + 2));
        }
        strbuf_adds(out, "}\n");
        sqlite3_finalize(s);
    }
    strbuf_release(&sql);
    arena_release(&d.arena);
    return ok;
}

/* ---- rows for the other parts, by id ---- */

bool emu_dv_upsert_by_id(struct emu *e, const struct emu_table *t, const char *id, const struct emu_value *v,
                         size_t n, char *msg, size_t msg_size)
{
    struct dv_change ch;
    struct edit d;
    char made[37];
    bool ok;

    *msg = '\0';
    ok = begin(&d, e, t, NULL, msg, msg_size);
    dv_savepoint(e, "dv_edit");
    dv_change_init(&d.op, d.t, &ch);
    for (size_t i = 0; i < n && ok; i++) {
        int col = dv_col_by_name(d.t, v[i].name, strlen(v[i].name));
        const struct dv_col *c = col > 0 ? &d.t->cols[col] : NULL;

        if (!c) {
            ok = say(msg, msg_size, "table %s has no column '%s'", d.t->logical, v[i].name);
        } else if (dv_is_lookup(c)) {
            const char *target = c->navs[c->n_navs - 1].target;
            const struct dv_table *to = dv_table_by_logical(e, target, strlen(target));

            if (v[i].value && *v[i].value && (!to || !dv_exists(e, to, v[i].value)))
                ok = say(msg, msg_size, "%s With Id = %s Does Not Exist", target, v[i].value);
            else
                dv_set_lookup(&d.op, d.t, col, to, v[i].value && *v[i].value ? v[i].value : NULL, &ch);
        } else {
            ch.set[col] = true;
            ok = dv_value_from_text(&d.op, d.t, col, v[i].value, &ch.v[col]);
        }
    }
    ok = ok && (dv_exists(e, d.t, id) ? dv_update(&d.op, d.t, id, &ch) : dv_create(&d.op, d.t, id, &ch, made));
    return finish(&d, ok, msg, msg_size);
}

bool emu_dv_delete_by_id(struct emu *e, const struct emu_table *t, const char *id, char *msg, size_t msg_size)
{
    struct edit d;
    bool ok;

    *msg = '\0';
    ok = begin(&d, e, t, NULL, msg, msg_size);
    dv_savepoint(e, "dv_edit");
    return finish(&d, ok && dv_delete(&d.op, d.t, id), msg, msg_size);
}

/*
 * Rows: create, update, delete, with what the service does around each. Sources: "Create a table row using the Web API",
 * "Update and delete table rows", "Upsert", "Company concept" and "Bootstrap with company data" of the dual-write guide.
 */
#include "emu_dualwrite.h"
#include "emu_dv.h"
#include "emu_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char **dv_load(struct emu *e, const struct dv_table *t, const char *id, struct arena *a)
{
    sqlite3_stmt *s = emu_sql(e, t->sql_load);
    const char **v = NULL;

    dv_bind(s, 1, id);
    if (dv_step(e, s)) {
        v = arena_zalloc(a, t->n * sizeof(*v));
        for (size_t i = 0; i < t->n; i++)
            v[i] = dv_column(s, (int)i, a);
    }
    sqlite3_reset(s);
    return v;
}

bool dv_exists(struct emu *e, const struct dv_table *t, const char *id)
{
    return dv_int(e, t->sql_exists, id) != 0;
}

static bool same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* ---- logic that hangs on the write ---- */

/* A plug-in of a third party, as the guides to dual-write advise to write one: it lets dual-write's own writes pass. */
static bool run_plugins(struct dv_op *op, const struct dv_table *t)
{
    if (op->inside || !EMU_KNOB(op->e, dv_plugin_throws_untagged) || strcmp(t->logical, "account") != 0)
        return true;
    if (op->bypass_sync || (op->tag && !strcmp(op->tag, "DualWrite")))
        return true;
    dv_refuse(&op->fail, 400, "0x80040265", "accounts are maintained in Finance and Operations");
    op->fail.trace = "\r\n[Contoso.Plugins: Contoso.Plugins.AccountGuard]\r\n[5d0a1f0e-7a52-4d63-9a3f-1f6a3d2c9b11: "
                     "Contoso.Plugins.AccountGuard: Create of account]\r\n";
    return false;
}

static bool check_required(struct dv_op *op, const struct dv_table *t, const char *const *v)
{
    for (size_t i = 1; i < t->n_visible; i++) {
        const struct dv_col *c = &t->cols[i];

        if (!v[i] && c->role == DV_PLAIN && !strcmp(c->required, "SystemRequired"))
            return dv_refuse(&op->fail, 400, "0x80040200", "Attribute '%s' of '%s' cannot be set to NULL", c->name,
                             t->logical);
    }
    return true;
}

static bool check_unique(struct dv_op *op, const struct dv_table *t, const char *id, const char *const *v,
                         const char *const *old)
{
    for (size_t i = 1; i < t->n_visible; i++) {
        char sql[300];
        sqlite3_stmt *s;
        bool twice;

        if (!t->cols[i].unique || !v[i] || (old && same(v[i], old[i])))
            continue;
        if (EMU_KNOB(op->e, dv_company_key_missing) && !strcmp(t->logical, "cdm_company"))
            continue;
        snprintf(sql, sizeof(sql), "select 1 from \"dv_%s\" where \"%s\" = ?1 and \"%s\" <> ?2", t->logical,
                 t->cols[i].name, t->cols[0].name);
        s = emu_sql(op->e, sql);
        dv_bind(s, 1, v[i]);
        dv_bind(s, 2, id);
        twice = dv_step(op->e, s);
        sqlite3_reset(s);
        if (twice)
            return dv_refuse(&op->fail, 412, "0x80073002",
                             "Violation of unique index or constraint: '%s' of '%s' must be unique, '%.60s' exists.",
                             t->cols[i].name, t->logical, v[i]);
    }
    return true;
}

static bool check_keys(struct dv_op *op, const struct dv_table *t, const char *id, const char *const *v,
                       const char *const *old)
{
    for (size_t k = 0; k < t->n_keys; k++) {
        const struct dv_key *key = &t->keys[k];
        const char *values[16];
        char other[37];
        struct strbuf list = { 0 };
        bool changed = !old;

        for (size_t i = 0; i < key->n && i < COUNT(values); i++) {
            values[i] = v[key->cols[i]];
            changed = changed || !same(values[i], old[key->cols[i]]);
        }
        if (!changed || !dv_key_find(op->e, t, key, values, other) || !strcmp(other, id))
            continue;
        for (size_t i = 0; i < key->n; i++)
            strbuf_addf(&list, "%s%s", i ? ", " : "", t->cols[key->cols[i]].schema);
        dv_refuse(
            &op->fail, 412, "0x80060892",
            "A record that has the attribute values %s already exists. The entity key %s requires that this set "
            "of attributes contains unique values. Select unique values and try again.",
            strbuf_str(&list), key->name);
        strbuf_release(&list);
        return false;
    }
    return true;
}

static bool check_state(struct dv_op *op, const struct dv_table *t, struct dv_change *ch, const char **v)
{
    if (t->state < 0 || t->status < 0)
        return true;
    if (ch->set[t->state] && !v[t->state])
        v[t->state] = "0";
    if (ch->set[t->state] && !ch->set[t->status])
        v[t->status] = !strcmp(v[t->state], "0") ? "1" : "2";
    if (!v[t->status])
        v[t->status] = !strcmp(v[t->state], "0") ? "1" : "2";
    if (!strcmp(v[t->state], "0") == !strcmp(v[t->status], "1"))
        return true;
    return dv_refuse(&op->fail, 400, "0x80048408", "%s is not a valid status code for state code %s on %s",
                     v[t->status], !strcmp(v[t->state], "0") ? "Active" : "Inactive", t->logical);
}

/* Money needs a currency; amounts in the base currency follow from its rate. */
static void set_money(struct dv_op *op, const struct dv_table *t, const char **v)
{
    const struct dv_table *cur;
    const char **row = NULL;
    double rate;

    if (t->currency < 0 || t->rate < 0)
        return;
    for (size_t i = 0; i < t->n_visible && !v[t->currency]; i++)
        if (t->cols[i].type == C_MONEY && t->cols[i].role == DV_PLAIN && v[i]) {
            sqlite3_stmt *s = emu_sql(op->e, "select value from dv_state where name = 'base_currency'");

            if (dv_step(op->e, s))
                v[t->currency] = dv_column(s, 0, op->a);
            sqlite3_reset(s);
            if (!v[t->currency])
                return;
        }
    cur = dv_table_by_logical(op->e, "transactioncurrency", strlen("transactioncurrency"));
    if (cur && v[t->currency])
        row = dv_load(op->e, cur, v[t->currency], op->a);
    v[t->rate] =
        row && dv_col_by_name(cur, "exchangerate", 12) >= 0 ? row[dv_col_by_name(cur, "exchangerate", 12)] : NULL;
    rate = v[t->rate] ? strtod(v[t->rate], NULL) : 0;
    for (size_t i = 0; i < t->n_visible; i++) {
        char name[160], text[400], canonical[64];
        int base;

        if (t->cols[i].type != C_MONEY || t->cols[i].role != DV_PLAIN)
            continue;
        snprintf(name, sizeof(name), "%s_base", t->cols[i].name);
        base = dv_col_by_name(t, name, strlen(name));
        if (base < 0)
            continue;
        v[base] = NULL;
        if (!v[i])
            continue;
        if (rate == 1.0) {
            v[base] = v[i];
        } else if (rate > 0) {
            snprintf(text, sizeof(text), "%.6f", strtod(v[i], NULL) / rate);
            if (dv_decimal(text, strlen(text), 4, canonical, sizeof(canonical)))
                v[base] = arena_strdup(op->a, canonical);
        }
    }
}

static void set_owner(struct dv_op *op, const struct dv_table *t, struct dv_change *ch, const char **v, bool create)
{
    const struct dv_table *owner;
    const char **row;
    bool team;
    int bu;

    if (t->owner < 0 || (!create && !ch->set[t->owner]))
        return;
    if (!v[t->owner]) {
        v[t->owner] = op->user_id;
        v[t->cols[t->owner].target_col] = "systemuser";
    }
    team = !strcmp(v[t->cols[t->owner].target_col], "team");
    v[t->owningteam] = team ? v[t->owner] : NULL;
    v[t->owninguser] = team ? NULL : v[t->owner];
    v[t->owningbusinessunit] = op->e->dv->root_bu;
    owner = team ? dv_table_by_logical(op->e, "team", 4) : NULL;
    row = owner ? dv_load(op->e, owner, v[t->owner], op->a) : NULL;
    bu = owner ? dv_col_by_name(owner, "businessunitid", 14) : -1;
    if (row && bu >= 0 && row[bu])
        v[t->owningbusinessunit] = row[bu];
}

/* The company of a row is fixed when it is saved first; a row without one may get one. */
static bool check_company(struct dv_op *op, const struct dv_table *t, const char *const *v, const char *const *old)
{
    if (t->company < 0 || op->inside || !old[t->company] || same(v[t->company], old[t->company]))
        return true;
    return dv_refuse(&op->fail, 400, "0x80040203",
                     "The value of '%s' on '%s' cannot be changed once the record has been saved.",
                     t->cols[t->company].name, t->logical);
}

/* ---- ids ---- */

/* From table and key, so that two runs that do the same give the same ids; a number is added while the id is taken. */
static void make_id(struct dv_op *op, const struct dv_table *t, const char *const *v, char ret[static 37])
{
    struct strbuf text = { 0 };
    size_t base;

    strbuf_adds(&text, t->logical);
    if (t->n_keys)
        for (size_t i = 0; i < t->keys[0].n; i++) {
            const char *p = v[t->keys[0].cols[i]];

            strbuf_addc(&text, '|');
            if (p)
                dv_fold(&text, p, strlen(p));
        }
    else if (t->primary_name >= 0)
        strbuf_addf(&text, "|%s", v[t->primary_name] ? v[t->primary_name] : "");
    base = text.len;
    for (int i = 1;; i++) {
        sqlite3_stmt *s;
        bool gone;

        emu_guid(op->e, strbuf_str(&text), ret);
        s = emu_sql(op->e, "select 1 from dv_deleted where tbl = ?1 and id = ?2");
        dv_bind(s, 1, t->logical);
        dv_bind(s, 2, ret);
        gone = dv_step(op->e, s);
        sqlite3_reset(s);
        if (!gone && !dv_exists(op->e, t, ret))
            break;
        text.len = base;
        strbuf_addf(&text, "#%d", i);
    }
    strbuf_release(&text);
}

/* ---- SQL ---- */

static void store(struct dv_op *op, const char *sql, const struct dv_table *t, const char *const *v)
{
    sqlite3_stmt *s = emu_sql(op->e, sql);

    for (size_t i = 0; i < t->n; i++) {
        if (v[i])
            sqlite3_bind_text(s, (int)i + 1, v[i], -1, SQLITE_STATIC);
        else
            sqlite3_bind_null(s, (int)i + 1);
    }
    dv_step(op->e, s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
}

static void stamp(struct dv_op *op, const struct dv_table *t, const char **v)
{
    char now[32];

    clock_format_utc(emu_now_ms(op->e), now);
    v[t->version] = arena_printf(op->a, "%" PRId64, ++op->e->dv->version);
    v[t->modifiedon] = arena_strdup(op->a, now);
    v[t->modifiedby] = op->user_id;
}

/* A company's business unit and owning team come a moment later, as the plug-in of the core solution makes them. */
static void company_created(struct dv_op *op, const char *id)
{
    sqlite3_stmt *s = emu_sql(op->e, "insert or replace into dv_new_company(id, due) values(?1, ?2)");

    dv_bind(s, 1, id);
    sqlite3_bind_int64(s, 2, emu_now_ms(op->e) + EMU_KNOB(op->e, company_team_delay_ms));
    dv_step(op->e, s);
    sqlite3_reset(s);
}

static bool carry(struct dv_op *op, const struct dv_table *t, const char *id, bool create, const struct dv_change *ch)
{
    const char **columns;
    char msg[900];
    size_t n = 0;

    if (op->inside)
        return true;
    columns = arena_alloc(op->a, (t->n + 1) * sizeof(*columns));
    for (size_t i = 0; i < t->n_visible; i++)
        if (ch->set[i])
            columns[n++] = t->cols[i].name;
    if (emu_dualwrite_dv_touched(op->e, t->def, id, create, columns, n, msg, sizeof(msg)))
        return true;
    return dv_refuse(&op->fail, 400, "0x80040265", "%s", msg);
}

/* A plug-in that has its own idea of an account's name. */
static void recompute(struct dv_op *op, const struct dv_table *t, struct dv_change *ch)
{
    int at = EMU_KNOB(op->e, dv_recompute) && !strcmp(t->logical, "account") ? dv_col_by_name(t, "name", 4) : -1;

    if (at > 0 && ch->set[at] && ch->v[at])
        ch->v[at] = emu_recomputed(op->a, ch->v[at], EMU_KNOB(op->e, dv_recompute), false);
}

/* ---- the three writes ---- */

bool dv_create(struct dv_op *op, const struct dv_table *t, const char *id, struct dv_change *ch,
               char ret_id[static 37])
{
    const char **v = ch->v;

    if (!t->writable && !op->inside)
        return dv_refuse(&op->fail, 405, "0x80040800", "The 'Create' method does not support entities of type '%s'.",
                         t->logical);
    if (!run_plugins(op, t))
        return false;
    recompute(op, t, ch);
    for (size_t i = 1; i < t->n_visible; i++)
        if (!ch->set[i] && t->cols[i].default_value && !v[i])
            v[i] = t->cols[i].default_value;
    if (t->state >= 0) { /* a state that is not the default one is ignored on create */
        v[t->state] = "0";
        v[t->status] = "1";
    }
    if (!check_required(op, t, v))
        return false;
    if (id && dv_exists(op->e, t, id))
        return dv_refuse(&op->fail, 412, "0x80040237", "A record with matching key values already exists.");
    if (id && id != ret_id) /* callers may give the same buffer for both */
        snprintf(ret_id, 37, "%s", id);
    if (!check_keys(op, t, id ? id : "", v, NULL) || !check_unique(op, t, id ? id : "", v, NULL))
        return false;
    if (!id)
        make_id(op, t, v, ret_id);
    v[0] = ret_id;
    stamp(op, t, v);
    v[t->createdon] = t->backdate >= 0 && v[t->backdate] ? v[t->backdate] : v[t->modifiedon];
    v[t->createdby] = op->user_id;
    set_owner(op, t, ch, v, true);
    set_money(op, t, v);
    store(op, t->sql_insert, t, v);
    if (!strcmp(t->logical, "cdm_company"))
        company_created(op, ret_id);
    if (t->change_tracking) {
        sqlite3_stmt *s = emu_sql(op->e, "delete from dv_deleted where tbl = ?1 and id = ?2");

        dv_bind(s, 1, t->logical);
        dv_bind(s, 2, ret_id);
        dv_step(op->e, s);
        sqlite3_reset(s);
    }
    op->created++;
    op->rows++;
    return carry(op, t, ret_id, true, ch);
}

bool dv_update(struct dv_op *op, const struct dv_table *t, const char *id, struct dv_change *ch)
{
    const char **old = dv_load(op->e, t, id, op->a), **v;
    bool changed = false;
    int team;

    if (!old)
        return dv_not_there(&op->fail, t, id);
    if (!t->writable && !op->inside)
        return dv_refuse(&op->fail, 405, "0x80040800", "The 'Update' method does not support entities of type '%s'.",
                         t->logical);
    if (!run_plugins(op, t))
        return false;
    recompute(op, t, ch);
    v = arena_alloc(op->a, t->n * sizeof(*v));
    for (size_t i = 0; i < t->n; i++)
        v[i] = ch->set[i] && i ? ch->v[i] : old[i];
    if (t->backdate >= 0 && ch->set[t->backdate])
        v[t->backdate] = old[t->backdate]; /* on create only */
    if (t->owner >= 0 && ch->set[t->owner] && !v[t->owner])
        return dv_refuse(&op->fail, 400, "0x80040215", "The owner of a record cannot be cleared.");
    team = !strcmp(t->logical, "cdm_company") ? dv_col_by_name(t, "cdm_defaultowningteam", 21) : -1;
    if (team >= 0 && old[team] && !v[team])
        return dv_refuse(&op->fail, 400, "0x80040203", "The default owning team of a company cannot be cleared.");
    if (!check_required(op, t, v) || !check_state(op, t, ch, v) || !check_company(op, t, v, old) ||
        !check_keys(op, t, id, v, old) || !check_unique(op, t, id, v, old))
        return false;
    set_owner(op, t, ch, v, false);
    set_money(op, t, v);
    for (size_t i = 1; i < t->n; i++) {
        bool differs = !same(v[i], old[i]);

        changed = changed || differs;
        if (i < t->n_visible && ch->set[i] && !differs)
            op->same_columns++;
    }
    stamp(op, t, v);
    store(op, t->sql_update, t, v);
    if (changed)
        op->updated++;
    else
        op->unchanged++;
    op->rows++;
    return carry(op, t, id, false, ch);
}

/* Ids of the rows whose lookup `c` holds `id`, but the row itself; *ret_n of them. */
static const char **referring(struct dv_op *op, const struct dv_table *r, const struct dv_col *c, const char *id,
                              bool only_first, size_t *ret_n)
{
    const char **ids = NULL;
    size_t cap = 0;
    char sql[400];
    sqlite3_stmt *s;

    snprintf(sql, sizeof(sql),
             "select \"%s\" from \"dv_%s\" where \"%s\" = ?1 and \"%s\" is not null and \"%s\" <> ?1%s",
             r->cols[0].name, r->logical, c->name, c->name, r->cols[0].name, only_first ? " limit 1" : "");
    s = dv_prepare(op->e, sql);
    dv_bind(s, 1, id);
    *ret_n = 0;
    while (dv_step(op->e, s)) {
        if (*ret_n == cap) {
            const char **more;

            cap = cap ? cap * 2 : 16;
            more = arena_alloc(op->a, cap * sizeof(*more));
            if (*ret_n)
                memcpy(more, ids, *ret_n * sizeof(*more));
            ids = more;
        }
        ids[(*ret_n)++] = dv_column(s, 0, op->a);
    }
    sqlite3_finalize(s);
    return ids;
}

static bool let_go(struct dv_op *op, const struct dv_table *r, int col, const char *id)
{
    struct arena scratch = { 0 };
    struct dv_op inner = *op;
    struct dv_change ch;
    bool ok;

    inner.inside = true;
    inner.a = &scratch;
    dv_change_init(&inner, r, &ch);
    dv_set_lookup(&inner, r, col, NULL, NULL, &ch);
    ok = dv_update(&inner, r, id, &ch);
    op->fail = inner.fail;
    arena_release(&scratch);
    return ok;
}

/* Rows that point to one that goes: companies and currencies are held by them, of everything else they let go. */
static bool unlink_references(struct dv_op *op, const struct dv_table *t, const char *id)
{
    bool restricted = !strcmp(t->logical, "cdm_company") || !strcmp(t->logical, "transactioncurrency") ||
                      !strcmp(t->logical, "businessunit");

    for (size_t k = 0; k < op->e->dv->n; k++) {
        const struct dv_table *r = &op->e->dv->tables[k];

        for (size_t i = 1; i < r->n_visible; i++) {
            const struct dv_col *c = &r->cols[i];
            const char **ids;
            bool points = false;
            size_t n;

            for (size_t j = 0; j < c->n_navs; j++)
                points = points || !strcmp(c->navs[j].target, t->logical);
            if (!points || c->role == DV_READONLY)
                continue;
            ids = referring(op, r, c, id, restricted || c->role == DV_OWNERID, &n);
            if (n && (restricted || c->role == DV_OWNERID))
                return dv_refuse(&op->fail, 405, "0x80040227",
                                 "The record of type '%s' cannot be deleted: a record of type '%s' refers to it.",
                                 t->logical, r->logical);
            for (size_t j = 0; j < n; j++)
                if (!let_go(op, r, (int)i, ids[j]))
                    return false;
        }
    }
    return true;
}

bool dv_delete(struct dv_op *op, const struct dv_table *t, const char *id)
{
    char msg[900];
    sqlite3_stmt *s;

    if (!dv_exists(op->e, t, id))
        return dv_not_there(&op->fail, t, id);
    if (!t->writable && !op->inside)
        return dv_refuse(&op->fail, 405, "0x80040800", "The 'Delete' method does not support entities of type '%s'.",
                         t->logical);
    if (!run_plugins(op, t))
        return false;
    if (!op->inside && !emu_dualwrite_dv_deleting(op->e, t->def, id, msg, sizeof(msg)))
        return dv_refuse(&op->fail, 400, "0x80040265", "%s", msg);
    if (!unlink_references(op, t, id))
        return false;
    s = emu_sql(op->e, t->sql_delete);
    dv_bind(s, 1, id);
    dv_step(op->e, s);
    sqlite3_reset(s);
    s = emu_sql(op->e, "insert or replace into dv_deleted(tbl, id, version) values(?1, ?2, ?3)");
    dv_bind(s, 1, t->logical);
    dv_bind(s, 2, id);
    sqlite3_bind_int64(s, 3, ++op->e->dv->version);
    dv_step(op->e, s);
    sqlite3_reset(s);
    op->deleted++;
    op->rows++;
    return true;
}

/* ---- what falls due ---- */

static bool make_team(struct dv_op *op, const char *company)
{
    const struct dv_table *c = dv_table_by_logical(op->e, "cdm_company", 11), *bu, *team;
    const char **row = c ? dv_load(op->e, c, company, op->a) : NULL;
    int code, owning;
    char bu_id[37], team_id[37];
    struct dv_change ch;

    bu = dv_table_by_logical(op->e, "businessunit", 12);
    team = dv_table_by_logical(op->e, "team", 4);
    if (!row || !bu || !team)
        return true; /* deleted meanwhile, or a tenant without teams */
    code = dv_col_by_name(c, "cdm_companycode", 15);
    owning = dv_col_by_name(c, "cdm_defaultowningteam", 21);
    if (code < 0 || owning < 0 || row[owning])
        return true;
    dv_change_init(op, bu, &ch);
    ch.v[bu->primary_name] = row[code];
    ch.set[bu->primary_name] = true;
    if (!dv_create(op, bu, NULL, &ch, bu_id))
        return false;
    dv_change_init(op, team, &ch);
    ch.v[team->primary_name] = row[code];
    ch.set[team->primary_name] = true;
    if (!dv_set_lookup(op, team, dv_col_by_name(team, "businessunitid", 14), bu, bu_id, &ch) ||
        !dv_create(op, team, NULL, &ch, team_id))
        return false;
    dv_change_init(op, c, &ch);
    return dv_set_lookup(op, c, owning, team, team_id, &ch) && dv_update(op, c, company, &ch);
}

void dv_tick(struct emu *e)
{
    struct arena a = { 0 };

    for (;;) {
        sqlite3_stmt *s = emu_sql(e, "select id from dv_new_company where due <= ?1 order by due, id limit 1");
        struct dv_op op;
        char id[37];
        bool any;

        sqlite3_bind_int64(s, 1, emu_now_ms(e));
        any = dv_step(e, s);
        if (any)
            snprintf(id, sizeof(id), "%s", (const char *)sqlite3_column_text(s, 0));
        sqlite3_reset(s);
        if (!any)
            break;
        s = emu_sql(e, "delete from dv_new_company where id = ?1");
        dv_bind(s, 1, id);
        dv_step(e, s);
        sqlite3_reset(s);
        dv_op_init(&op, e, NULL, NULL, &a);
        op.inside = true;
        BUG_IF(!make_team(&op, id), "a company's owning team cannot be made");
    }
    arena_release(&a);
}

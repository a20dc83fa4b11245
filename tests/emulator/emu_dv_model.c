/*
 * The Dataverse tables: those of the tenant with the columns that every table has, and the platform's own few tables
 * that a client reads (organizations, messages, steps). Each becomes one SQLite table.
 */
#include "emu_dv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- the platform's own tables ---- */

#define TEXT(n, s, len)                                                                              \
    {                                                                                                \
        .name = n, .schema = s, .type = C_STRING, .length = len, .precision = -1, .required = "None" \
    }
#define INT(n, s, d)                                                                                       \
    {                                                                                                      \
        .name = n, .schema = s, .type = C_INTEGER, .precision = -1, .required = "None", .default_value = d \
    }
#define LOOKUP(n, s, navigation)                                                                           \
    {                                                                                                      \
        .name = n, .schema = s, .type = C_LOOKUP, .precision = -1, .required = "None", .navs = navigation, \
        .n_navs = 1                                                                                        \
    }

static struct emu_nav nav_message[] = { { "sdkmessage", "sdkmessageid" } };
static struct emu_nav nav_filter[] = { { "sdkmessagefilter", "sdkmessagefilterid" } };

static struct emu_column organization_columns[] = {
    TEXT("name", "Name", 160),
    INT("expirechangetrackingindays", "ExpireChangeTrackingInDays", "7"),
    INT("languagecode", "LanguageCode", "1033"),
};
static struct emu_column message_columns[] = { TEXT("name", "Name", 256) };
static struct emu_column filter_columns[] = {
    TEXT("primaryobjecttypecode", "PrimaryObjectTypeCode", 64),
    LOOKUP("sdkmessageid", "SdkMessageId", nav_message),
};
static struct emu_column step_columns[] = {
    TEXT("name", "Name", 256),
    INT("stage", "Stage", "20"),
    INT("mode", "Mode", "0"),
    INT("customizationlevel", "CustomizationLevel", "1"),
    { .name = "iscustomizable", .schema = "IsCustomizable", .type = C_BOOLEAN, .precision = -1, .required = "None" },
    LOOKUP("sdkmessagefilterid", "SdkMessageFilterId", nav_filter),
    LOOKUP("sdkmessageid", "SdkMessageId", nav_message),
};
static const struct emu_table OWN_TABLES[] = {
    { .logical = "organization",
      .set = "organizations",
      .pk = "organizationid",
      .primary_name = "name",
      .columns = organization_columns,
      .n = COUNT(organization_columns) },
    { .logical = "sdkmessage",
      .set = "sdkmessages",
      .pk = "sdkmessageid",
      .primary_name = "name",
      .columns = message_columns,
      .n = COUNT(message_columns) },
    { .logical = "sdkmessagefilter",
      .set = "sdkmessagefilters",
      .pk = "sdkmessagefilterid",
      .primary_name = "primaryobjecttypecode",
      .columns = filter_columns,
      .n = COUNT(filter_columns) },
    { .logical = "sdkmessageprocessingstep",
      .set = "sdkmessageprocessingsteps",
      .pk = "sdkmessageprocessingstepid",
      .primary_name = "name",
      .columns = step_columns,
      .n = COUNT(step_columns) },
};

/* ---- columns that every table has ---- */

static struct emu_option state_options[] = { { 0, "Active" }, { 1, "Inactive" } };
static struct emu_option status_options[] = { { 1, "Active" }, { 2, "Inactive" } };
static const struct emu_optionset STATES = { "statecode", state_options, COUNT(state_options) };
static const struct emu_optionset STATUSES = { "statuscode", status_options, COUNT(status_options) };
static const struct emu_nav NAV_CREATEDBY[] = { { "systemuser", "createdby" } };
static const struct emu_nav NAV_MODIFIEDBY[] = { { "systemuser", "modifiedby" } };
static const struct emu_nav NAV_OWNER[] = { { "systemuser", "ownerid" }, { "team", "ownerid" } };
static const struct emu_nav NAV_OWNINGBU[] = { { "businessunit", "owningbusinessunit" } };
static const struct emu_nav NAV_OWNINGTEAM[] = { { "team", "owningteam" } };
static const struct emu_nav NAV_OWNINGUSER[] = { { "systemuser", "owninguser" } };

static const struct dv_col COMMON[] = {
    { .name = "createdon",
      .schema = "CreatedOn",
      .type = C_DATETIME,
      .role = DV_READONLY,
      .precision = -1,
      .behavior = "UserLocal" },
    { .name = "modifiedon",
      .schema = "ModifiedOn",
      .type = C_DATETIME,
      .role = DV_READONLY,
      .precision = -1,
      .behavior = "UserLocal" },
    { .name = "versionnumber", .schema = "VersionNumber", .type = C_BIGINT, .role = DV_VERSION, .precision = -1 },
    { .name = "createdby",
      .schema = "CreatedBy",
      .type = C_LOOKUP,
      .role = DV_READONLY,
      .precision = -1,
      .navs = NAV_CREATEDBY,
      .n_navs = 1 },
    { .name = "modifiedby",
      .schema = "ModifiedBy",
      .type = C_LOOKUP,
      .role = DV_READONLY,
      .precision = -1,
      .navs = NAV_MODIFIEDBY,
      .n_navs = 1 },
    { .name = "statecode",
      .schema = "statecode",
      .type = C_STATE,
      .role = DV_STATECODE,
      .precision = -1,
      .options = &STATES,
      .required = "SystemRequired",
      .default_value = "0" },
    { .name = "statuscode",
      .schema = "statuscode",
      .type = C_STATUS,
      .role = DV_STATUSCODE,
      .precision = -1,
      .options = &STATUSES,
      .default_value = "1" },
    { .name = "importsequencenumber",
      .schema = "ImportSequenceNumber",
      .type = C_INTEGER,
      .precision = -1,
      .has_min = true,
      .min = -2147483648.0,
      .has_max = true,
      .max = 2147483647.0 },
    { .name = "overriddencreatedon",
      .schema = "OverriddenCreatedOn",
      .type = C_DATETIME,
      .role = DV_BACKDATE,
      .precision = -1,
      .behavior = "UserLocal" },
};
static const struct dv_col OWNER[] = {
    { .name = "ownerid",
      .schema = "OwnerId",
      .type = C_OWNER,
      .role = DV_OWNERID,
      .precision = -1,
      .navs = NAV_OWNER,
      .n_navs = COUNT(NAV_OWNER),
      .required = "SystemRequired" },
    { .name = "owningbusinessunit",
      .schema = "OwningBusinessUnit",
      .type = C_LOOKUP,
      .role = DV_READONLY,
      .precision = -1,
      .navs = NAV_OWNINGBU,
      .n_navs = 1 },
    { .name = "owningteam",
      .schema = "OwningTeam",
      .type = C_LOOKUP,
      .role = DV_READONLY,
      .precision = -1,
      .navs = NAV_OWNINGTEAM,
      .n_navs = 1 },
    { .name = "owninguser",
      .schema = "OwningUser",
      .type = C_LOOKUP,
      .role = DV_READONLY,
      .precision = -1,
      .navs = NAV_OWNINGUSER,
      .n_navs = 1 },
};

/* ---- looking things up ---- */

const struct dv_table *dv_table_by_set(const struct emu *e, const char *set, size_t n)
{
    for (size_t i = 0; i < e->dv->n; i++)
        if (strlen(e->dv->tables[i].set) == n && !memcmp(e->dv->tables[i].set, set, n))
            return &e->dv->tables[i];
    return NULL;
}

const struct dv_table *dv_table_by_logical(const struct emu *e, const char *logical, size_t n)
{
    for (size_t i = 0; i < e->dv->n; i++)
        if (strlen(e->dv->tables[i].logical) == n && !memcmp(e->dv->tables[i].logical, logical, n))
            return &e->dv->tables[i];
    return NULL;
}

const struct dv_table *dv_table_of(const struct emu *e, const struct emu_table *t)
{
    return dv_table_by_logical(e, t->logical, strlen(t->logical));
}

int dv_col_by_name(const struct dv_table *t, const char *name, size_t n)
{
    for (size_t i = 0; i < t->n; i++)
        if (!strncmp(t->cols[i].name, name, n) && !t->cols[i].name[n])
            return (int)i;
    return -1;
}

bool dv_is_lookup(const struct dv_col *c)
{
    return c->type == C_LOOKUP || c->type == C_OWNER;
}

int dv_col_by_value_name(const struct dv_table *t, const char *name, size_t n)
{
    static const char TAIL[] = "_value";
    int col;

    if (n < 8 || name[0] != '_' || memcmp(name + n - 6, TAIL, 6) != 0)
        return -1;
    col = dv_col_by_name(t, name + 1, n - 7);
    return col >= 0 && dv_is_lookup(&t->cols[col]) && t->cols[col].role != DV_HIDDEN ? col : -1;
}

int dv_col_by_nav(const struct dv_table *t, const char *nav, size_t n, const char **ret_target)
{
    for (size_t i = 0; i < t->n_visible; i++)
        for (size_t k = 0; k < t->cols[i].n_navs; k++)
            if (!strncmp(t->cols[i].navs[k].nav, nav, n) && !t->cols[i].navs[k].nav[n]) {
                *ret_target = t->cols[i].navs[k].target;
                return (int)i;
            }
    return -1;
}

/* ---- SQL helpers ---- */

_Noreturn static void sql_failed(struct emu *e, const char *sql)
{
    fprintf(stderr, "dmfsync-emulator: %s in: %s\n", sqlite3_errmsg(e->db), sql ? sql : "?");
    abort();
}

sqlite3_stmt *dv_prepare(struct emu *e, const char *sql)
{
    sqlite3_stmt *s = NULL;

    if (sqlite3_prepare_v2(e->db, sql, -1, &s, NULL) != SQLITE_OK)
        sql_failed(e, sql);
    return s;
}

bool dv_step(struct emu *e, sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);

    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        sql_failed(e, sqlite3_sql(s));
    return false;
}

void dv_bind(sqlite3_stmt *s, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(s, at, text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(s, at);
}

void dv_exec(struct emu *e, const char *sql)
{
    if (sqlite3_exec(e->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        sql_failed(e, sql);
}

int64_t dv_int(struct emu *e, const char *sql, const char *text)
{
    sqlite3_stmt *s = emu_sql(e, sql);
    int64_t v = 0;

    if (sqlite3_bind_parameter_count(s))
        dv_bind(s, 1, text);
    if (dv_step(e, s))
        v = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return v;
}

const char *dv_column(sqlite3_stmt *s, int at, struct arena *a)
{
    const char *p = (const char *)sqlite3_column_text(s, at);

    return p && a ? arena_dup(a, p, (size_t)sqlite3_column_bytes(s, at)) : p;
}

void dv_savepoint(struct emu *e, const char *name)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "savepoint %s", name);
    dv_step(e, emu_sql(e, sql));
}

void dv_release(struct emu *e, const char *name)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "release %s", name);
    dv_step(e, emu_sql(e, sql));
}

void dv_rollback(struct emu *e, const char *name)
{
    char sql[64];

    snprintf(sql, sizeof(sql), "rollback to %s", name);
    dv_step(e, emu_sql(e, sql));
    dv_release(e, name);
}

static void fold_function(sqlite3_context *c, int n, sqlite3_value **v)
{
    struct strbuf out = { 0 };
    const char *p = (const char *)sqlite3_value_text(v[0]);

    (void)n;
    if (!p) {
        sqlite3_result_null(c);
        return;
    }
    dv_fold(&out, p, (size_t)sqlite3_value_bytes(v[0]));
    sqlite3_result_text(c, strbuf_str(&out), (int)out.len, SQLITE_TRANSIENT);
    strbuf_release(&out);
}

/* ---- building ---- */

static void add_column(struct dv_table *t, const struct dv_col *c)
{
    struct dv_col *to = &t->cols[t->n++];

    *to = *c;
    to->target_col = -1;
    if (!to->required)
        to->required = "None";
}

static struct dv_col from_definition(const struct emu_column *c)
{
    return (struct dv_col){ .name = c->name,
                            .schema = c->schema,
                            .type = (int)c->type,
                            .role = c->source_type ? DV_READONLY : DV_PLAIN,
                            .source_type = c->source_type,
                            .length = c->length,
                            .precision = c->precision,
                            .has_min = c->has_min,
                            .has_max = c->has_max,
                            .min = c->min,
                            .max = c->max,
                            .unique = c->unique,
                            .behavior = c->behavior ? c->behavior : "UserLocal",
                            .required = c->required ? c->required : "None",
                            .default_value = c->default_value,
                            .options = c->options,
                            .navs = c->navs,
                            .n_navs = c->n_navs };
}

static void set_precision(struct dv_col *c)
{
    if (c->type == C_DECIMAL || c->type == C_MONEY || c->type == C_DOUBLE)
        c->precision = c->precision < 0 ? 2 : c->precision;
    else
        c->precision = -1;
}

static void add_money_columns(struct dv *d, struct dv_table *t, const struct emu_table *def)
{
    bool any = false;

    for (size_t i = 0; i < def->n; i++) {
        struct dv_col c;

        if (def->columns[i].type != C_MONEY)
            continue;
        any = true;
        c = (struct dv_col){ .name = arena_printf(&d->arena, "%s_base", def->columns[i].name),
                             .schema = arena_printf(&d->arena, "%s_Base", def->columns[i].schema),
                             .type = C_MONEY,
                             .role = DV_READONLY,
                             .precision = 4 };
        add_column(t, &c);
    }
    if (any && dv_col_by_name(t, "exchangerate", 12) < 0)
        add_column(t, &(struct dv_col){ .name = "exchangerate",
                                        .schema = "ExchangeRate",
                                        .type = C_DECIMAL,
                                        .role = DV_READONLY,
                                        .precision = 12 });
}

static int at(const struct dv_table *t, const char *name)
{
    return dv_col_by_name(t, name, strlen(name));
}

static void find_special(struct dv_table *t)
{
    t->version = at(t, "versionnumber");
    t->createdon = at(t, "createdon");
    t->modifiedon = at(t, "modifiedon");
    t->createdby = at(t, "createdby");
    t->modifiedby = at(t, "modifiedby");
    t->owner = at(t, "ownerid");
    t->owningteam = at(t, "owningteam");
    t->owninguser = at(t, "owninguser");
    t->owningbusinessunit = at(t, "owningbusinessunit");
    t->importseq = at(t, "importsequencenumber");
    t->backdate = at(t, "overriddencreatedon");
    t->currency = at(t, "transactioncurrencyid");
    if (t->currency >= 0 && !dv_is_lookup(&t->cols[t->currency]))
        t->currency = -1;
    t->rate = at(t, "exchangerate");
    if (t->rate >= 0 && t->cols[t->rate].role != DV_READONLY)
        t->rate = -1;
    t->state = t->status = t->company = -1;
    for (size_t i = 0; i < t->n; i++) {
        const struct dv_col *c = &t->cols[i];

        if (c->role == DV_STATECODE)
            t->state = (int)i;
        else if (c->role == DV_STATUSCODE)
            t->status = (int)i;
        else if (c->type == C_LOOKUP && c->n_navs == 1 && !strcmp(c->navs[0].target, "cdm_company"))
            t->company = (int)i;
    }
    t->primary_name = t->def->primary_name ? at(t, t->def->primary_name) : -1;
}

static void build_keys(struct dv *d, struct dv_table *t)
{
    t->keys = arena_zalloc(&d->arena, (t->def->n_keys + 1) * sizeof(*t->keys));
    for (size_t i = 0; i < t->def->n_keys; i++) {
        const struct emu_key *k = &t->def->keys[i];
        struct dv_key *to = &t->keys[t->n_keys++];

        to->name = k->name;
        to->cols = arena_zalloc(&d->arena, (k->n + 1) * sizeof(*to->cols));
        for (size_t c = 0; c < k->n; c++) {
            int col = at(t, k->columns[c]);

            BUG_IF(col < 0, "an alternate key names a column that its table does not have");
            to->cols[to->n++] = col;
        }
    }
}

/* "account" -> "Account", "msdyn_paymentterm" -> "Paymentterm": good enough for messages that quote display names. */
static const char *display_name(struct dv *d, const char *logical)
{
    const char *p = strchr(logical, '_');
    char *name = arena_strdup(&d->arena, p ? p + 1 : logical);

    if (*name >= 'a' && *name <= 'z')
        *name = (char)(*name - 'a' + 'A');
    return name;
}

static void build_table(struct dv *d, struct dv_table *t, const struct emu_table *def, bool own)
{
    size_t hidden = 0;
    struct dv_col c;

    *t = (struct dv_table){ .def = def, .logical = def->logical, .set = def->set };
    t->display = display_name(d, def->logical);
    t->bulk = def->bulk;
    t->change_tracking = def->change_tracking;
    t->writable = !own || !strcmp(def->logical, "organization");
    t->cols = arena_zalloc(&d->arena, (def->n * 3 + COUNT(COMMON) + COUNT(OWNER) + 4) * sizeof(*t->cols));
    c = (struct dv_col){ .name = def->pk,
                         .schema = def->pk,
                         .type = C_UNIQUEIDENTIFIER,
                         .role = DV_PK,
                         .precision = -1,
                         .required = "SystemRequired" };
    add_column(t, &c);
    for (size_t i = 0; i < def->n; i++) {
        c = from_definition(&def->columns[i]);
        set_precision(&c);
        add_column(t, &c);
    }
    for (size_t i = 0; i < COUNT(COMMON); i++)
        if (dv_col_by_name(t, COMMON[i].name, strlen(COMMON[i].name)) < 0)
            add_column(t, &COMMON[i]);
    for (size_t i = 0; i < COUNT(OWNER) && def->owner; i++)
        add_column(t, &OWNER[i]);
    add_money_columns(d, t, def);
    t->n_visible = t->n;
    for (size_t i = 0; i < t->n_visible; i++)
        if (t->cols[i].n_navs > 1) {
            c = (struct dv_col){ .name = arena_printf(&d->arena, "%s target", t->cols[i].name),
                                 .schema = "",
                                 .type = C_STRING,
                                 .role = DV_HIDDEN,
                                 .precision = -1 };
            add_column(t, &c);
            t->cols[i].target_col = (int)(t->n_visible + hidden++);
        }
    find_special(t);
    build_keys(d, t);
}

static const char *affinity(const struct dv_col *c)
{
    switch (c->type) {
    case C_INTEGER:
    case C_BIGINT:
    case C_PICKLIST:
    case C_BOOLEAN:
    case C_STATE:
    case C_STATUS: return "integer";
    case C_UNIQUEIDENTIFIER: return c->role == DV_PK ? "text collate dvguid primary key not null" : "text";
    case C_STRING: return c->role == DV_HIDDEN ? "text" : "text collate dv";
    default: return "text";
    }
}

static void names(struct strbuf *s, const struct dv_table *t, const char *separator, const char *tail)
{
    for (size_t i = 0; i < t->n; i++)
        strbuf_addf(s, "%s\"%s\"%s", i ? separator : "", t->cols[i].name, tail);
}

static char *keep(struct dv *d, struct strbuf *s)
{
    char *p = arena_dup(&d->arena, strbuf_str(s), s->len);

    strbuf_reset(s);
    return p;
}

static void write_sql(struct dv *d, struct dv_table *t)
{
    struct strbuf s = { 0 };

    strbuf_adds(&s, "select ");
    names(&s, t, ", ", "");
    strbuf_addf(&s, " from \"dv_%s\" where \"%s\" = ?1", t->logical, t->cols[0].name);
    t->sql_load = keep(d, &s);
    strbuf_addf(&s, "insert into \"dv_%s\"(", t->logical);
    names(&s, t, ", ", "");
    strbuf_adds(&s, ") values(");
    for (size_t i = 0; i < t->n; i++)
        strbuf_addf(&s, "%s?%zu", i ? ", " : "", i + 1);
    strbuf_adds(&s, ")");
    t->sql_insert = keep(d, &s);
    strbuf_addf(&s, "update \"dv_%s\" set ", t->logical);
    for (size_t i = 1; i < t->n; i++)
        strbuf_addf(&s, "%s\"%s\" = ?%zu", i > 1 ? ", " : "", t->cols[i].name, i + 1);
    strbuf_addf(&s, " where \"%s\" = ?1", t->cols[0].name);
    t->sql_update = keep(d, &s);
    strbuf_addf(&s, "delete from \"dv_%s\" where \"%s\" = ?1", t->logical, t->cols[0].name);
    t->sql_delete = keep(d, &s);
    strbuf_addf(&s, "select 1 from \"dv_%s\" where \"%s\" = ?1", t->logical, t->cols[0].name);
    t->sql_exists = keep(d, &s);
    strbuf_release(&s);
}

static bool points_to_itself(const struct dv_table *t, const struct dv_col *c)
{
    for (size_t k = 0; k < c->n_navs; k++)
        if (!strcmp(c->navs[k].target, t->logical))
            return true;
    return false;
}

static void create_table(struct emu *e, struct dv_table *t)
{
    struct strbuf s = { 0 };

    strbuf_addf(&s, "create table if not exists \"dv_%s\"(", t->logical);
    for (size_t i = 0; i < t->n; i++)
        strbuf_addf(&s, "%s\"%s\" %s", i ? ", " : "", t->cols[i].name, affinity(&t->cols[i]));
    strbuf_adds(&s, ");");
    for (size_t k = 0; k < t->n_keys; k++) {
        strbuf_addf(&s, "create unique index if not exists \"dv_%s_%s\" on \"dv_%s\"(", t->logical, t->keys[k].name,
                    t->logical);
        for (size_t c = 0; c < t->keys[k].n; c++)
            strbuf_addf(&s, "%s\"%s\"", c ? ", " : "", t->cols[t->keys[k].cols[c]].name);
        strbuf_adds(&s, ");");
    }
    strbuf_addf(&s, "create index if not exists \"dv_%s version\" on \"dv_%s\"(versionnumber);", t->logical,
                t->logical);
    for (size_t i = 1; i < t->n_visible; i++)
        if (t->cols[i].unique || points_to_itself(t, &t->cols[i]))
            strbuf_addf(&s, "create index if not exists \"dv_%s %s\" on \"dv_%s\"(\"%s\") where \"%s\" is not null;",
                        t->logical, t->cols[i].name, t->logical, t->cols[i].name, t->cols[i].name);
    dv_exec(e, strbuf_str(&s));
    strbuf_release(&s);
}

static const char SCHEMA[] =
    "create table if not exists dv_deleted(tbl text not null, id text collate dvguid not null, version integer not "
    "null,"
    " primary key(tbl, id)) without rowid;"
    "create index if not exists dv_deleted_version on dv_deleted(tbl, version);"
    "create table if not exists dv_state(name text primary key, value) without rowid;"
    "create table if not exists dv_new_company(id text primary key, due integer not null) without rowid;"
    "create table if not exists dv_total(tbl text primary key, n integer not null, taken integer not null)"
    " without rowid;";

static void register_functions(struct emu *e)
{
    if (sqlite3_create_collation(e->db, "dv", SQLITE_UTF8, NULL, dv_collate) != SQLITE_OK ||
        sqlite3_create_collation(e->db, "dvguid", SQLITE_UTF8, NULL, dv_collate_guid) != SQLITE_OK ||
        sqlite3_create_function(e->db, "dv_fold", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL, fold_function, NULL,
                                NULL) != SQLITE_OK)
        sql_failed(e, "collations");
}

/* Versions only have to grow: the largest one still to be seen is where counting goes on. */
void dv_find_version(struct emu *e)
{
    struct dv *d = e->dv;
    int64_t v;

    d->version = 70000;
    for (size_t i = 0; i < d->n; i++) {
        char sql[160];
        sqlite3_stmt *s;

        snprintf(sql, sizeof(sql), "select max(versionnumber) from \"dv_%s\"", d->tables[i].logical);
        s = dv_prepare(e, sql);
        v = dv_step(e, s) ? sqlite3_column_int64(s, 0) : 0;
        sqlite3_finalize(s);
        if (v > d->version)
            d->version = v;
    }
    v = dv_int(e, "select max(version) from dv_deleted", NULL);
    if (v > d->version)
        d->version = v;
}

void dv_model_init(struct emu *e)
{
    struct dv *d = xcalloc(1, sizeof(*d));
    size_t n = e->tenant.n_tables;

    e->dv = d;
    register_functions(e);
    dv_exec(e, SCHEMA);
    d->tables = arena_zalloc(&d->arena, (n + COUNT(OWN_TABLES)) * sizeof(*d->tables));
    for (size_t i = 0; i < n; i++)
        build_table(d, &d->tables[d->n++], &e->tenant.tables[i], false);
    for (size_t i = 0; i < COUNT(OWN_TABLES); i++)
        if (!emu_table_by_logical(&e->tenant, OWN_TABLES[i].logical))
            build_table(d, &d->tables[d->n++], &OWN_TABLES[i], true);
    for (size_t i = 0; i < d->n; i++) {
        create_table(e, &d->tables[i]);
        write_sql(d, &d->tables[i]);
    }
    dv_find_version(e);
}

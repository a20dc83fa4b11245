/*
 * Table definitions. Source: Dataverse Web API, "Query table definitions using the Web API"; "Bulk operation messages" for
 * the query that tells whether a table has them. Metadata collections are not paged. A typed property (MaxLength, options)
 * is only visible through a cast to the column's type, one request per type; only types that the table has are asked for.
 */
#include "dv/dv_parts.h"

#include <stdio.h>
#include <string.h>

#define TABLE_SELECT                                                                                     \
    "$select=LogicalName,EntitySetName,PrimaryIdAttribute,PrimaryNameAttribute,OwnershipType,TableType," \
    "ChangeTrackingEnabled"
#define KEYS_EXPAND "$expand=Keys($select=LogicalName,KeyAttributes,EntityKeyIndexStatus)"

struct loading {
    struct dv *d;
    struct schema *s;
    struct dv_table *t;
    struct arena scratch; /* answers; reset after each */
    char what[120];
};

static enum ec ask(struct loading *l, const char *tail, struct json **ret, int *ret_status, struct err *reterr)
{
    struct strbuf url = { 0 };
    enum ec rc;

    strbuf_addf(&url, DV_API "EntityDefinitions(LogicalName='" CELL_FMT "')%s", CELL_ARG(l->t->logical), tail);
    arena_reset(&l->scratch);
    rc = dv_get_json(l->d, strbuf_str(&url), l->what, &l->scratch, ret, ret_status, reterr);
    strbuf_release(&url);
    return rc;
}

static struct cell keep(struct loading *l, struct cell c)
{
    return cell_dup(&l->s->arena, c);
}

/* ---- the table ---- */

/* The table of this set in a list of definitions; a service may have ignored the filter. */
static bool named(const struct json *v, struct cell set, struct cell *ret)
{
    for (const struct json *e = json_get(v, "value") ? json_get(v, "value")->child : NULL; e; e = e->next)
        if (cell_ieq(json_member(e, "EntitySetName"), set) && !cell_blank(json_member(e, "LogicalName"))) {
            *ret = json_member(e, "LogicalName");
            return true;
        }
    return false;
}

/*
 * Logical name of a set. The filter on EntitySetName is common but documented nowhere: where it is refused, or finds
 * nothing because of its case, the whole list is read once.
 */
static enum ec logical_of_set(struct dv *d, struct cell set, struct arena *a, struct cell *ret, struct err *reterr)
{
    struct strbuf url = { 0 };
    struct json *v = NULL;
    struct err first = { 0 };
    enum ec rc;

    *ret = CELL_ABSENT;
    strbuf_adds(&url, DV_API "EntityDefinitions?$select=LogicalName,EntitySetName&$filter=EntitySetName%20eq%20'");
    strbuf_add_url(&url, set.ptr, set.len, "");
    strbuf_adds(&url, "'");
    rc = dv_get_json(d, strbuf_str(&url), "table definitions", a, &v, NULL, &first);
    strbuf_release(&url);
    if (rc && rc != EC_DATAVERSE) {
        if (reterr)
            *reterr = first;
        return rc;
    }
    if (!rc && named(v, set, ret))
        return EC_OK;
    rc = dv_get_json(d, DV_API "EntityDefinitions?$select=LogicalName,EntitySetName", "table definitions", a, &v,
                     NULL, reterr);
    if (rc)
        return rc;
    if (named(v, set, ret))
        return EC_OK;
    err_set(reterr, EC_CONFIG, "Dataverse has no table with the set name '" CELL_FMT "'", CELL_ARG(set));
    return err_hint(reterr, "check the name in the map, and that the solution with this table is installed");
}

static enum ec load_definition(struct loading *l, struct err *reterr)
{
    struct dv_table *t = l->t;
    struct json *v = NULL;
    const struct json *keys;
    struct cell kind;
    int status = 0;
    enum ec rc = ask(l, "?" TABLE_SELECT "&" KEYS_EXPAND, &v, &status, reterr);

    if (rc)
        return rc;
    if (status == 404) {
        err_set(reterr, EC_CONFIG, "Dataverse has no table '" CELL_FMT "'", CELL_ARG(t->logical));
        return err_hint(reterr, "check the name in the map, and that the solution with this table is installed");
    }
    t->logical = keep(l, json_member(v, "LogicalName"));
    t->set = keep(l, json_member(v, "EntitySetName"));
    t->pk = keep(l, json_member(v, "PrimaryIdAttribute"));
    t->primary_name = keep(l, json_member(v, "PrimaryNameAttribute"));
    if (cell_blank(t->logical) || cell_blank(t->set) || cell_blank(t->pk))
        return err_set(reterr, EC_DATAVERSE, "%s: name, set name or primary key is missing in the answer", l->what);
    t->user_owned = cell_is(json_member(v, "OwnershipType"), "UserOwned");
    kind = json_member(v, "TableType");
    t->virtual_or_elastic = cell_is(kind, "Virtual") || cell_is(kind, "Elastic");
    t->change_tracking = json_bool(json_get(v, "ChangeTrackingEnabled"), false);
    keys = json_get(v, "Keys");
    if (!keys || !keys->n)
        return EC_OK;
    t->keys = arena_zalloc(&l->s->arena, keys->n * sizeof(*t->keys));
    for (const struct json *k = keys->child; k; k = k->next) {
        const struct json *columns = json_get(k, "KeyAttributes");
        struct dv_key *key = &t->keys[t->n_keys];

        if (!columns || !columns->n)
            continue;
        key->name = keep(l, json_member(k, "LogicalName"));
        key->active = cell_is(json_member(k, "EntityKeyIndexStatus"), "Active");
        key->columns = arena_zalloc(&l->s->arena, columns->n * sizeof(*key->columns));
        for (const struct json *c = columns->child; c; c = c->next)
            key->columns[key->n++] = keep(l, json_text(c));
        t->n_keys++;
    }
    return EC_OK;
}

/* ---- columns ---- */

static const struct {
    const char *name;
    enum dv_type type;
} TYPES[] = {
    { "String", DV_STRING },         { "Memo", DV_MEMO },       { "Integer", DV_INTEGER },
    { "BigInt", DV_BIGINT },         { "Decimal", DV_DECIMAL }, { "Double", DV_DOUBLE },
    { "Money", DV_MONEY },           { "Boolean", DV_BOOLEAN }, { "Picklist", DV_PICKLIST },
    { "State", DV_STATE },           { "Status", DV_STATUS },   { "DateTime", DV_DATETIME },
    { "Lookup", DV_LOOKUP },         { "Customer", DV_LOOKUP }, { "Owner", DV_OWNER },
    { "Uniqueidentifier", DV_GUID },
    /* a multi-select column calls itself Virtual; the cast below tells it from images and files */
};

static enum dv_type type_of(struct cell name)
{
    for (size_t i = 0; i < COUNT(TYPES); i++)
        if (cell_is(name, TYPES[i].name))
            return TYPES[i].type;
    return DV_OTHER;
}

static enum ec load_columns(struct loading *l, struct err *reterr)
{
    struct dv_table *t = l->t;
    struct json *v = NULL;
    const struct json *list;
    enum ec rc =
        ask(l,
            "/Attributes?$select=LogicalName,SchemaName,AttributeType,AttributeOf,RequiredLevel,IsValidForCreate,"
            "IsValidForUpdate,IsValidForRead,IsPrimaryId,SourceType",
            &v, NULL, reterr);

    if (rc)
        return rc;
    list = json_get(v, "value");
    if (!list || list->type != JSON_ARRAY || !list->n)
        return err_set(reterr, EC_DATAVERSE, "%s: the answer lists no columns", l->what);
    t->columns = arena_zalloc(&l->s->arena, list->n * sizeof(*t->columns));
    for (const struct json *c = list->child; c; c = c->next) {
        struct dv_column *col = &t->columns[t->n];
        int64_t source;

        /* shadows of another column (the name behind a lookup, a phonetic form) are not stored values */
        if (!cell_blank(json_member(c, "AttributeOf")) || cell_blank(json_member(c, "LogicalName")))
            continue;
        col->name = keep(l, json_member(c, "LogicalName"));
        col->type = type_of(json_member(c, "AttributeType"));
        col->precision = -1;
        col->create = json_bool(json_get(c, "IsValidForCreate"), false);
        col->update = json_bool(json_get(c, "IsValidForUpdate"), false);
        col->read = json_bool(json_get(c, "IsValidForRead"), true);
        col->computed = !col->create && !col->update;
        col->required_by_system = cell_is(json_member(json_get(c, "RequiredLevel"), "Value"), "SystemRequired");
        col->required_by_app = cell_is(json_member(json_get(c, "RequiredLevel"), "Value"), "ApplicationRequired");
        source = json_i64(json_get(c, "SourceType"), DV_SIMPLE); /* null: of a type that cannot be calculated */
        col->source = source > DV_SIMPLE && source <= DV_FORMULA ? (enum dv_source)source : DV_SIMPLE;
        t->n++;
    }
    return EC_OK;
}

static struct dv_column *column_of(struct dv_table *t, struct cell name)
{
    for (size_t i = 0; i < t->n; i++)
        if (cell_ieq(t->columns[i].name, name))
            return &t->columns[i];
    return NULL;
}

static struct cell label_of(const struct json *label)
{
    struct cell c = json_member(json_get(label, "UserLocalizedLabel"), "Label");

    return !cell_blank(c) ? c : json_member(json_at(json_get(label, "LocalizedLabels"), 0), "Label");
}

static void add_option(struct loading *l, struct dv_column *col, const struct json *o)
{
    struct dv_option *opt = &col->options[col->n_options];
    struct cell external = json_member(o, "ExternalValue");

    if (!cell_to_i64(json_member(o, "Value"), &opt->value))
        return;
    opt->label = keep(l, label_of(json_get(o, "Label")));
    opt->external = cell_blank(external) ? CELL_ABSENT : keep(l, external);
    col->n_options++;
}

static void take_options(struct loading *l, struct dv_column *col, const struct json *c)
{
    const struct json *set = json_get(c, "OptionSet"), *list;

    if (!set || set->type != JSON_OBJECT)
        set = json_get(c, "GlobalOptionSet");
    if (col->type == DV_BOOLEAN) {
        col->options = arena_zalloc(&l->s->arena, 2 * sizeof(*col->options));
        if (json_get(set, "FalseOption"))
            add_option(l, col, json_get(set, "FalseOption"));
        if (json_get(set, "TrueOption"))
            add_option(l, col, json_get(set, "TrueOption"));
        return;
    }
    list = json_get(set, "Options");
    if (!list || !list->n)
        return;
    col->options = arena_zalloc(&l->s->arena, list->n * sizeof(*col->options));
    for (const struct json *o = list->child; o; o = o->next)
        add_option(l, col, o);
}

static void take_number(struct loading *l, struct dv_column *col, const struct json *c)
{
    int64_t precision = json_i64(json_get(c, "Precision"), -1);

    col->min = keep(l, json_member(c, "MinValue"));
    col->max = keep(l, json_member(c, "MaxValue"));
    if (precision >= 0 && precision <= 10)
        col->precision = (int)precision;
}

static void take_typed(struct loading *l, struct dv_column *col, const struct json *c)
{
    const struct json *targets;
    int64_t length;

    switch (col->type) {
    case DV_STRING:
    case DV_MEMO:
        length = json_i64(json_get(c, "MaxLength"), 0);
        col->max_length = length > 0 ? length : 0;
        break;
    case DV_INTEGER:
    case DV_BIGINT:
    case DV_DECIMAL:
    case DV_DOUBLE:
    case DV_MONEY: take_number(l, col, c); break;
    case DV_DATETIME: col->behavior = keep(l, json_member(json_get(c, "DateTimeBehavior"), "Value")); break;
    case DV_BOOLEAN:
    case DV_PICKLIST:
    case DV_MULTI:
    case DV_STATE:
    case DV_STATUS: take_options(l, col, c); break;
    case DV_LOOKUP:
    case DV_OWNER:
        targets = json_get(c, "Targets");
        if (!targets || !targets->n)
            break;
        col->navs = arena_zalloc(&l->s->arena, targets->n * sizeof(*col->navs));
        for (const struct json *t = targets->child; t; t = t->next)
            if (!cell_blank(json_text(t)))
                col->navs[col->n_navs++].target = keep(l, json_text(t));
        break;
    default: break;
    }
}

#define OPTIONS "$select=LogicalName&$expand=OptionSet,GlobalOptionSet"

/* may_fail: the service may not know the cast for this table; then only ranges or labels stay unknown. */
static const struct {
    enum dv_type type;
    const char *cast, *query;
    bool may_fail;
} CASTS[] = {
    { DV_STRING, "String", "$select=LogicalName,MaxLength", false },
    { DV_MEMO, "Memo", "$select=LogicalName,MaxLength", false },
    { DV_INTEGER, "Integer", "$select=LogicalName,MinValue,MaxValue", false },
    { DV_BIGINT, "BigInt", "$select=LogicalName,MinValue,MaxValue", true },
    { DV_DECIMAL, "Decimal", "$select=LogicalName,MinValue,MaxValue,Precision", false },
    { DV_DOUBLE, "Double", "$select=LogicalName,MinValue,MaxValue,Precision", false },
    { DV_MONEY, "Money", "$select=LogicalName,MinValue,MaxValue,Precision,PrecisionSource", false },
    { DV_DATETIME, "DateTime", "$select=LogicalName,Format,DateTimeBehavior", false },
    { DV_BOOLEAN, "Boolean", "$select=LogicalName&$expand=OptionSet", false },
    { DV_PICKLIST, "Picklist", OPTIONS, false },
    { DV_STATE, "State", OPTIONS, true },
    { DV_STATUS, "Status", OPTIONS, true },
    { DV_OTHER, "MultiSelectPicklist", OPTIONS, true },
    { DV_LOOKUP, "Lookup", "$select=LogicalName,Targets", false },
};

static bool needs_cast(const struct dv_table *t, enum dv_type type)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->columns[i].type == type || (type == DV_LOOKUP && t->columns[i].type == DV_OWNER))
            return true;
    return false;
}

static enum ec load_typed(struct loading *l, struct err *reterr)
{
    char tail[240];

    for (size_t i = 0; i < COUNT(CASTS); i++) {
        struct json *v = NULL;
        struct err e = { 0 };
        int status = 0;
        enum ec rc;

        if (!needs_cast(l->t, CASTS[i].type))
            continue;
        snprintf(tail, sizeof(tail), "/Attributes/Microsoft.Dynamics.CRM.%sAttributeMetadata?%s", CASTS[i].cast,
                 CASTS[i].query);
        rc = ask(l, tail, &v, CASTS[i].may_fail ? &status : NULL, &e);
        if (CASTS[i].may_fail && (rc == EC_DATAVERSE || status == 404))
            continue;
        if (rc) {
            if (reterr)
                *reterr = e;
            return rc;
        }
        for (const struct json *c = json_get(v, "value") ? json_get(v, "value")->child : NULL; c; c = c->next) {
            struct dv_column *col = column_of(l->t, json_member(c, "LogicalName"));

            if (!col)
                continue;
            if (CASTS[i].type == DV_OTHER)
                col->type = DV_MULTI;
            take_typed(l, col, c);
        }
    }
    return EC_OK;
}

/* ---- lookups: the navigation property is case-sensitive and follows no rule, so it is read, never built ---- */

static enum ec load_navigation(struct loading *l, struct err *reterr)
{
    struct json *v = NULL;
    enum ec rc;

    if (!needs_cast(l->t, DV_LOOKUP))
        return EC_OK;
    rc = ask(l,
             "/ManyToOneRelationships?$select=SchemaName,ReferencingAttribute,ReferencedEntity,ReferencedAttribute,"
             "ReferencingEntityNavigationPropertyName",
             &v, NULL, reterr);
    if (rc)
        return rc;
    for (const struct json *r = json_get(v, "value") ? json_get(v, "value")->child : NULL; r; r = r->next) {
        struct dv_column *col = column_of(l->t, json_member(r, "ReferencingAttribute"));
        struct cell target = json_member(r, "ReferencedEntity");
        struct cell nav = json_member(r, "ReferencingEntityNavigationPropertyName");

        for (size_t i = 0; col && !cell_blank(nav) && i < col->n_navs; i++)
            if (cell_ieq(col->navs[i].target, target) && cell_blank(col->navs[i].nav))
                col->navs[i].nav = keep(l, nav);
    }
    /*
     * A target without a relationship of its own cannot be bound. The owner is the exception: its relationships stop at
     * the abstract table "owner", and one property serves users and teams.
     */
    for (size_t i = 0; i < l->t->n; i++) {
        struct dv_column *col = &l->t->columns[i];
        size_t n = 0;

        for (size_t k = 0; k < col->n_navs; k++) {
            if (cell_blank(col->navs[k].nav) && col->type == DV_OWNER)
                col->navs[k].nav = col->name;
            if (!cell_blank(col->navs[k].nav))
                col->navs[n++] = col->navs[k];
        }
        col->n_navs = n;
    }
    return EC_OK;
}

static void find_company(struct dv_table *t)
{
    static const char *const NAMES[] = { "msdyn_company", "msdyn_companyid", "msdyn_associatedcompanyid" };
    const struct dv_column *first = NULL;

    if (cell_is(t->logical, "cdm_company"))
        return;
    for (size_t i = 0; i < t->n; i++) {
        const struct dv_column *col = &t->columns[i];
        bool to_company = false;

        for (size_t k = 0; k < col->n_navs; k++)
            if (cell_is(col->navs[k].target, "cdm_company"))
                to_company = true;
        if (!to_company)
            continue;
        if (!first)
            first = col;
        for (size_t k = 0; k < COUNT(NAMES); k++)
            if (cell_is(col->name, NAMES[k]))
                t->company = col;
        if (t->company)
            return;
    }
    t->company = first;
}

/* UpsertMultiple is never listed: it exists exactly where both others do. */
static enum ec load_bulk(struct loading *l, const char *message, bool *ret, struct err *reterr)
{
    struct strbuf url = { 0 };
    struct json *v = NULL;
    const struct json *list;
    enum ec rc;

    strbuf_addf(&url,
                DV_API "sdkmessagefilters?$select=sdkmessagefilterid&$filter=sdkmessageid/name%%20eq%%20'%s'"
                       "%%20and%%20primaryobjecttypecode%%20eq%%20'" CELL_FMT "'",
                message, CELL_ARG(l->t->logical));
    arena_reset(&l->scratch);
    rc = dv_get_json(l->d, strbuf_str(&url), "bulk messages", &l->scratch, &v, NULL, reterr);
    if (!rc) {
        list = json_get(v, "value");
        *ret = list && list->n;
    }
    strbuf_release(&url);
    return rc;
}

static bool plain_name(struct cell c)
{
    if (!c.len || c.len > 128)
        return false;
    for (size_t i = 0; i < c.len; i++)
        if (!((c.ptr[i] >= 'a' && c.ptr[i] <= 'z') || (c.ptr[i] >= 'A' && c.ptr[i] <= 'Z') ||
              (c.ptr[i] >= '0' && c.ptr[i] <= '9') || c.ptr[i] == '_'))
            return false;
    return true;
}

enum ec dv_load_table_logical(struct dv *d, struct cell logical, struct schema *s, struct err *reterr)
{
    struct loading l = { .d = d, .s = s };
    enum ec rc;

    if (!plain_name(logical))
        return err_set(reterr, EC_CONFIG, "'" CELL_FMT "' is not the name of a Dataverse table", CELL_ARG(logical));
    l.t = arena_zalloc(&s->arena, sizeof(*l.t));
    l.t->logical = cell_dup(&s->arena, logical);
    snprintf(l.what, sizeof(l.what), "definition of table " CELL_FMT, CELL_ARG(logical));
    rc = load_definition(&l, reterr);
    if (!rc)
        rc = load_columns(&l, reterr);
    if (!rc)
        rc = load_typed(&l, reterr);
    if (!rc)
        rc = load_navigation(&l, reterr);
    if (!rc && !l.t->virtual_or_elastic)
        rc = load_bulk(&l, "CreateMultiple", &l.t->create_multiple, reterr);
    if (!rc && !l.t->virtual_or_elastic)
        rc = load_bulk(&l, "UpdateMultiple", &l.t->update_multiple, reterr);
    arena_release(&l.scratch);
    if (rc)
        return rc;
    find_company(l.t);
    schema_add_table(s, l.t);
    dv_remember_pk(d, l.t->set, l.t->pk);
    return EC_OK;
}

enum ec dv_load_table(struct dv *d, struct cell set, struct schema *s, struct err *reterr)
{
    struct arena a = { 0 };
    struct cell logical = CELL_ABSENT;
    enum ec rc;

    if (!plain_name(set))
        return err_set(reterr, EC_CONFIG, "'" CELL_FMT "' is not the set name of a Dataverse table", CELL_ARG(set));
    rc = logical_of_set(d, set, &a, &logical, reterr);
    if (!rc)
        rc = dv_load_table_logical(d, logical, s, reterr);
    arena_release(&a);
    return rc;
}

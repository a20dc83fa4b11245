/*
 * EntityDefinitions. Source: Dataverse Web API, "Query table definitions using the Web API". Metadata collections are not
 * paged; properties that only one type of column has (MaxLength, options) need a cast to that type.
 */
#include "emu_dv_meta.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- objects with a selection ---- */

bool dv_meta_wants(const struct dv_meta_object *o, const char *name)
{
    const char *p = o->select;
    size_t n = strlen(name);

    if (!p)
        return true;
    while (*p) {
        size_t k;

        p += strspn(p, " ,");
        k = strcspn(p, " ,");
        if (k == n && !memcmp(p, name, n))
            return true;
        p += k;
    }
    return false;
}

void dv_meta_raw(struct dv_meta_object *o, const char *name, const char *json)
{
    if (!dv_meta_wants(o, name) && strcmp(name, "MetadataId") != 0)
        return;
    strbuf_addf(o->out, "%s\"%s\":%s", o->n++ ? "," : "", name, json);
}

void dv_meta_text(struct dv_meta_object *o, const char *name, const char *text)
{
    if (!text) {
        dv_meta_raw(o, name, "null");
        return;
    }
    if (!dv_meta_wants(o, name) && strcmp(name, "MetadataId") != 0)
        return;
    strbuf_addf(o->out, "%s\"%s\":", o->n++ ? "," : "", name);
    emu_json_str(o->out, text, strlen(text));
}

void dv_meta_bool(struct dv_meta_object *o, const char *name, bool v)
{
    dv_meta_raw(o, name, v ? "true" : "false");
}

void dv_meta_id(struct dv_op *op, struct dv_meta_object *o, const char *what)
{
    char id[37], text[300];

    snprintf(text, sizeof(text), "metadata %.250s", what);
    emu_guid(op->e, text, id);
    dv_meta_text(o, "MetadataId", id);
}

/* {"LocalizedLabels":[...],"UserLocalizedLabel":{...}} */
void dv_meta_label(struct strbuf *out, const char *text)
{
    struct strbuf label = { 0 };

    strbuf_adds(&label, "{\"Label\":");
    emu_json_str(&label, text, strlen(text));
    strbuf_adds(&label, ",\"LanguageCode\":1033}");
    strbuf_addf(out, "{\"LocalizedLabels\":[%s],\"UserLocalizedLabel\":%s}", label.buf, label.buf);
    strbuf_release(&label);
}

/* ---- $select checked against what there is ---- */

static const char TABLE_NAMES[] =
    " MetadataId LogicalName SchemaName EntitySetName LogicalCollectionName PrimaryIdAttribute PrimaryNameAttribute "
    "OwnershipType TableType ChangeTrackingEnabled IsOptimisticConcurrencyEnabled IsActivity IsCustomEntity "
    "DisplayName "
    "IsValidForAdvancedFind ExternalName ";
static const char KEY_NAMES[] =
    " MetadataId LogicalName SchemaName EntityLogicalName KeyAttributes EntityKeyIndexStatus "
    "DisplayName IsManaged ";
static const char RELATION_NAMES[] =
    " MetadataId SchemaName RelationshipType ReferencedAttribute ReferencedEntity ReferencingAttribute "
    "ReferencingEntity "
    "ReferencingEntityNavigationPropertyName ReferencedEntityNavigationPropertyName IsCustomRelationship ";

bool dv_meta_check_select(struct dv_op *op, const char *select, const char *known, const char *type)
{
    const char *p = select ? select : "";

    while (*(p += strspn(p, " ,"))) {
        size_t n = strcspn(p, " ,");
        const char *name = arena_printf(op->a, " %.*s ", (int)n, p);

        if (!strstr(known, name))
            return dv_refuse(&op->fail, 400, "0x0",
                             "Could not find a property named '%.*s' on type 'Microsoft.Dynamics.CRM.%s'.",
                             (int)(n > 80 ? 80 : n), p, type);
        p += n;
    }
    return true;
}

/* ---- $filter on definitions ---- */

static const struct dv_fnode *side(const struct dv_fnode *n, bool property)
{
    for (size_t i = 0; i < 2; i++)
        if ((n->args[i]->kind == DF_PROPERTY) == property)
            return n->args[i];
    return NULL;
}

bool dv_meta_filter(const struct dv_fnode *n, const char *(*get)(const void *, const char *), const void *arg)
{
    const struct dv_fnode *p, *v;
    const char *text;
    bool equal;

    if (!n)
        return true;
    switch (n->kind) {
    case DF_AND: return dv_meta_filter(n->args[0], get, arg) && dv_meta_filter(n->args[1], get, arg);
    case DF_OR: return dv_meta_filter(n->args[0], get, arg) || dv_meta_filter(n->args[1], get, arg);
    case DF_NOT: return !dv_meta_filter(n->args[0], get, arg);
    case DF_EQ:
    case DF_NE:
        p = side(n, true);
        v = side(n, false);
        text = p ? get(arg, p->text) : NULL;
        if (!v)
            return false;
        equal = v->kind == DF_NULL ? !text : text && !strcasecmp(text, v->text);
        return equal == (n->kind == DF_EQ);
    case DF_PROPERTY: text = get(arg, n->text); return text && !strcmp(text, "true");
    default: return false;
    }
}

/* Operators and properties that a metadata filter can have. */
static bool check_filter(struct dv_op *op, const struct dv_fnode *n, const char *known, const char *type)
{
    if (n->kind == DF_PROPERTY)
        return dv_meta_check_select(op, n->text, known, type);
    if (n->kind > DF_NE && n->kind < DF_PROPERTY)
        return dv_refuse(&op->fail, 400, "0x0", "The operator is not supported in a filter on definitions.");
    for (size_t i = 0; i < n->n; i++)
        if (!check_filter(op, n->args[i], known, type))
            return false;
    return n->kind != DF_CALL ||
           dv_refuse(&op->fail, 400, "0x0", "Functions are not supported in a filter on definitions.");
}

bool dv_meta_read_filter(struct dv_op *op, const char *known, const char *type, struct dv_fnode **ret)
{
    const char *filter = dv_option(op, "$filter");
    char msg[400];

    *ret = NULL;
    if (!filter)
        return true;
    *ret = dv_filter_parse(op->a, op->q, filter, msg, sizeof(msg));
    if (!*ret)
        return dv_refuse(&op->fail, 400, "0x0", "%s", msg);
    return check_filter(op, *ret, known, type);
}

/* ---- tables ---- */

static const char *table_property(const void *arg, const char *name)
{
    const struct dv_table *t = arg;

    if (!strcmp(name, "LogicalName"))
        return t->logical;
    if (!strcmp(name, "EntitySetName") || !strcmp(name, "LogicalCollectionName"))
        return t->set;
    if (!strcmp(name, "SchemaName"))
        return t->logical;
    if (!strcmp(name, "PrimaryIdAttribute"))
        return t->cols[0].name;
    if (!strcmp(name, "PrimaryNameAttribute"))
        return t->def->primary_name;
    if (!strcmp(name, "OwnershipType"))
        return t->owner >= 0 ? "UserOwned" : "OrganizationOwned";
    if (!strcmp(name, "TableType"))
        return "Standard";
    if (!strcmp(name, "ChangeTrackingEnabled"))
        return t->change_tracking ? "true" : "false";
    if (!strcmp(name, "IsOptimisticConcurrencyEnabled") || !strcmp(name, "IsValidForAdvancedFind"))
        return "true";
    if (!strcmp(name, "IsActivity"))
        return "false";
    if (!strcmp(name, "IsCustomEntity"))
        return strchr(t->logical, '_') ? "true" : "false";
    return NULL;
}

/* The $select within $expand=Keys(...); NULL = everything. */
static const char *expand_select(struct dv_op *op, const char *expand, const char *what, bool *ret_there)
{
    size_t n = strlen(what);
    const char *p = expand ? strstr(expand, what) : NULL, *s, *end;

    *ret_there = p && (p == expand || p[-1] == ',') && (!p[n] || p[n] == '(' || p[n] == ',');
    if (!*ret_there || p[n] != '(')
        return NULL;
    end = strchr(p, ')');
    s = strstr(p, "$select=");
    if (!end || !s || s > end)
        return NULL;
    s += 8;
    return arena_dup(op->a, s, strcspn(s, ";)"));
}

static void key_object(struct dv_op *op, struct strbuf *out, const struct dv_table *t, const struct dv_key *k,
                       const char *select)
{
    struct dv_meta_object o = { .out = out, .select = select };
    struct strbuf s = { 0 };

    strbuf_addc(out, '{');
    dv_meta_id(op, &o, arena_printf(op->a, "key %s %s", t->logical, k->name));
    dv_meta_text(&o, "LogicalName", k->name);
    dv_meta_text(&o, "SchemaName", k->name);
    dv_meta_text(&o, "EntityLogicalName", t->logical);
    strbuf_addc(&s, '[');
    for (size_t i = 0; i < k->n; i++)
        strbuf_addf(&s, "%s\"%s\"", i ? "," : "", t->cols[k->cols[i]].name);
    strbuf_addc(&s, ']');
    dv_meta_raw(&o, "KeyAttributes", s.buf);
    dv_meta_text(&o, "EntityKeyIndexStatus",
                 EMU_KNOB(op->e, dv_keys_pending) && !strcmp(t->logical, "account") ? "Pending" : "Active");
    dv_meta_bool(&o, "IsManaged", true);
    strbuf_reset(&s);
    dv_meta_label(&s, k->name);
    dv_meta_raw(&o, "DisplayName", s.buf);
    strbuf_addc(out, '}');
    strbuf_release(&s);
}

static void table_object(struct dv_op *op, struct strbuf *out, const struct dv_table *t, const char *select,
                         const char *expand, const char *context)
{
    static const char *const TEXTS[] = { "LogicalName",           "SchemaName",         "EntitySetName",
                                         "LogicalCollectionName", "PrimaryIdAttribute", "PrimaryNameAttribute",
                                         "OwnershipType",         "TableType",          "ExternalName" };
    static const char *const BOOLS[] = { "ChangeTrackingEnabled", "IsOptimisticConcurrencyEnabled", "IsActivity",
                                         "IsCustomEntity", "IsValidForAdvancedFind" };
    struct dv_meta_object o = { .out = out, .select = select };
    struct strbuf label = { 0 };
    bool keys, attributes;
    const char *inner;

    strbuf_addc(out, '{');
    if (context) {
        strbuf_addf(out, "\"@odata.context\":\"%s\"", context);
        o.n++;
    }
    dv_meta_id(op, &o, t->logical);
    for (size_t i = 0; i < COUNT(TEXTS); i++)
        dv_meta_text(&o, TEXTS[i], table_property(t, TEXTS[i]));
    for (size_t i = 0; i < COUNT(BOOLS); i++)
        dv_meta_raw(&o, BOOLS[i],
                    !i && EMU_KNOB(op->e, dv_tracking_off) && !strcmp(t->logical, "account")
                        ? "false"
                        : table_property(t, BOOLS[i]));
    dv_meta_label(&label, t->display);
    dv_meta_raw(&o, "DisplayName", label.buf);
    strbuf_release(&label);
    inner = expand_select(op, expand, "Keys", &keys);
    if (keys) {
        strbuf_adds(out, ",\"Keys\":[");
        for (size_t i = 0; i < t->n_keys; i++) {
            strbuf_adds(out, i ? "," : "");
            key_object(op, out, t, &t->keys[i], inner);
        }
        strbuf_addc(out, ']');
    }
    inner = expand_select(op, expand, "Attributes", &attributes);
    if (attributes) {
        strbuf_adds(out, ",\"Attributes\":[");
        dv_meta_attributes(op, out, t, NULL, inner, NULL, NULL);
        strbuf_addc(out, ']');
    }
    strbuf_addc(out, '}');
}

static bool check_expand(struct dv_op *op)
{
    const char *expand = dv_option(op, "$expand");
    bool keys, attributes;
    const char *select = expand_select(op, expand, "Keys", &keys);

    expand_select(op, expand, "Attributes", &attributes);
    if (expand && !keys && !attributes)
        return dv_refuse(&op->fail, 400, "0x0",
                         "Could not find a property named '%.60s' on type 'Microsoft.Dynamics.CRM.EntityMetadata'.",
                         expand);
    return !keys || dv_meta_check_select(op, select, KEY_NAMES, "EntityKeyMetadata");
}

static bool list_tables(struct dv_op *op)
{
    struct strbuf *out = &op->r->body;
    struct dv_fnode *filter;
    size_t n = 0;

    if (!dv_meta_check_select(op, dv_option(op, "$select"), TABLE_NAMES, "EntityMetadata") || !check_expand(op) ||
        !dv_meta_read_filter(op, TABLE_NAMES, "EntityMetadata", &filter))
        return false;
    dv_begin_json(op);
    strbuf_addf(out, "{\"@odata.context\":\"%s/$metadata#EntityDefinitions\",\"value\":[", dv_root(op));
    for (size_t i = 0; i < op->e->dv->n; i++) {
        const struct dv_table *t = &op->e->dv->tables[i];

        if (!dv_meta_filter(filter, table_property, t))
            continue;
        strbuf_adds(out, n++ ? "," : "");
        table_object(op, out, t, dv_option(op, "$select"), dv_option(op, "$expand"), NULL);
    }
    strbuf_adds(out, "]}");
    return true;
}

/* ---- keys and relationships ---- */

static void begin_list(struct dv_op *op, const struct dv_table *t, const char *what)
{
    dv_begin_json(op);
    strbuf_addf(&op->r->body, "{\"@odata.context\":\"%s/$metadata#EntityDefinitions('%s')/%s\",\"value\":[",
                dv_root(op), t->logical, what);
}

static bool list_keys(struct dv_op *op, const struct dv_table *t)
{
    if (!dv_meta_check_select(op, dv_option(op, "$select"), KEY_NAMES, "EntityKeyMetadata"))
        return false;
    begin_list(op, t, "Keys");
    for (size_t i = 0; i < t->n_keys; i++) {
        strbuf_adds(&op->r->body, i ? "," : "");
        key_object(op, &op->r->body, t, &t->keys[i], dv_option(op, "$select"));
    }
    strbuf_adds(&op->r->body, "]}");
    return true;
}

static void relation_object(struct dv_op *op, const struct dv_table *t, const struct dv_col *c,
                            const struct emu_nav *nav, size_t *n)
{
    struct strbuf *out = &op->r->body;
    const struct dv_table *to = dv_table_by_logical(op->e, nav->target, strlen(nav->target));
    const char *name = arena_printf(op->a, "%s_%s_%s", t->logical, nav->target, c->name);
    struct dv_meta_object o = { .out = out, .select = dv_option(op, "$select") };

    strbuf_adds(out, (*n)++ ? ",{" : "{");
    dv_meta_id(op, &o, name);
    dv_meta_text(&o, "SchemaName", name);
    dv_meta_text(&o, "RelationshipType", "OneToManyRelationship");
    dv_meta_text(&o, "ReferencedAttribute", to ? to->cols[0].name : arena_printf(op->a, "%sid", nav->target));
    dv_meta_text(&o, "ReferencedEntity", nav->target);
    dv_meta_text(&o, "ReferencingAttribute", c->name);
    dv_meta_text(&o, "ReferencingEntity", t->logical);
    dv_meta_text(&o, "ReferencingEntityNavigationPropertyName", nav->nav);
    dv_meta_text(&o, "ReferencedEntityNavigationPropertyName", name);
    dv_meta_bool(&o, "IsCustomRelationship", strchr(c->name, '_') != NULL);
    strbuf_addc(out, '}');
}

static bool list_relations(struct dv_op *op, const struct dv_table *t, bool to_many)
{
    size_t n = 0;

    if (!dv_meta_check_select(op, dv_option(op, "$select"), RELATION_NAMES, "OneToManyRelationshipMetadata"))
        return false;
    begin_list(op, t, to_many ? "OneToManyRelationships" : "ManyToOneRelationships");
    for (size_t k = 0; k < op->e->dv->n; k++) {
        const struct dv_table *from = &op->e->dv->tables[k];

        if (!to_many && from != t)
            continue;
        for (size_t i = 0; i < from->n_visible; i++)
            for (size_t j = 0; j < from->cols[i].n_navs; j++)
                if (!to_many || !strcmp(from->cols[i].navs[j].target, t->logical))
                    relation_object(op, from, &from->cols[i], &from->cols[i].navs[j], &n);
    }
    strbuf_adds(&op->r->body, "]}");
    return true;
}

/* ---- paths ---- */

/* "(LogicalName='account')/..." -> table; *ret_rest behind it. */
static const struct dv_table *named_table(struct dv_op *op, const char *path, const char **ret_rest)
{
    static const char BY_NAME[] = "(LogicalName='";
    const char *end;
    const struct dv_table *t;
    char id[37], text[300];
    size_t n;

    if (!strncmp(path, BY_NAME, sizeof(BY_NAME) - 1)) {
        path += sizeof(BY_NAME) - 1;
        end = strstr(path, "')");
        if (!end) {
            dv_bad_syntax(&op->fail);
            return NULL;
        }
        n = (size_t)(end - path);
        *ret_rest = end + 2;
        t = dv_table_by_logical(op->e, path, n);
        if (!t)
            dv_refuse(
                &op->fail, 404, "0x80040217",
                "The entity with a name = '%.*s' with namemapping = 'Logical' was not found in the MetadataCache.",
                (int)(n > 80 ? 80 : n), path);
        return t;
    }
    end = strchr(path, ')');
    *ret_rest = end ? end + 1 : "";
    for (size_t i = 0; end && i < op->e->dv->n; i++) {
        snprintf(text, sizeof(text), "metadata %.250s", op->e->dv->tables[i].logical);
        emu_guid(op->e, text, id);
        if ((size_t)(end - path - 1) == 36 && !strncasecmp(path + 1, id, 36))
            return &op->e->dv->tables[i];
    }
    dv_refuse(&op->fail, 404, "0x80040217", "The entity was not found in the MetadataCache.");
    return NULL;
}

static bool table_path(struct dv_op *op, const struct dv_table *t, const char *rest)
{
    if (!*rest) {
        if (!dv_meta_check_select(op, dv_option(op, "$select"), TABLE_NAMES, "EntityMetadata") || !check_expand(op))
            return false;
        dv_begin_json(op);
        table_object(op, &op->r->body, t, dv_option(op, "$select"), dv_option(op, "$expand"),
                     arena_printf(op->a, "%s/$metadata#EntityDefinitions/$entity", dv_root(op)));
        return true;
    }
    if (!strcmp(rest, "/Keys"))
        return list_keys(op, t);
    if (!strcmp(rest, "/ManyToOneRelationships"))
        return list_relations(op, t, false);
    if (!strcmp(rest, "/OneToManyRelationships"))
        return list_relations(op, t, true);
    if (!strcmp(rest, "/ManyToManyRelationships")) { /* the tables here have none */
        begin_list(op, t, "ManyToManyRelationships");
        strbuf_adds(&op->r->body, "]}");
        return true;
    }
    if (!strncmp(rest, "/Attributes", 11))
        return dv_meta_attribute_path(op, t, rest + 11);
    return dv_no_segment(&op->fail, rest + 1, strlen(rest + 1));
}

void dv_metadata(struct dv_op *op, const char *rest)
{
    static const char *const ALLOWED[] = { "$select", "$filter", "$expand" };
    const struct dv_table *t;
    const char *tail = "";
    char *path;
    size_t n;
    bool ok = false;

    path = dv_percent_decode(op->a, rest, strlen(rest), &n);
    if (strcmp(op->q->method, "GET") != 0) {
        dv_refuse(&op->fail, 405, "0x80060888", "Definitions cannot be changed here.");
    } else if (!path) {
        dv_bad_syntax(&op->fail);
    } else if (dv_check_options(op, ALLOWED, COUNT(ALLOWED))) {
        if (!*path) {
            ok = list_tables(op);
        } else {
            t = named_table(op, path, &tail);
            ok = t && table_path(op, t, tail);
        }
    }
    if (!ok)
        dv_answer_fail(op);
}

/*
 * The tenant definition: one JSON document -> entities, tables, enums, option sets. Everything is checked here, so
 * that the other parts may rely on it: names that refer to something do so, types are known, keys exist.
 */
#include "emu.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct reader {
    struct emu_tenant *t;
    struct err *reterr;
    enum ec rc;
};

static yajl_val child(yajl_val v, const char *name)
{
    if (YAJL_IS_OBJECT(v))
        for (size_t i = 0; i < YAJL_GET_OBJECT(v)->len; i++)
            if (!strcmp(YAJL_GET_OBJECT(v)->keys[i], name))
                return YAJL_GET_OBJECT(v)->values[i];
    return NULL;
}

static size_t length(yajl_val v)
{
    return YAJL_IS_ARRAY(v) ? YAJL_GET_ARRAY(v)->len : YAJL_IS_OBJECT(v) ? YAJL_GET_OBJECT(v)->len : 0;
}

static yajl_val at(yajl_val v, size_t i)
{
    return YAJL_IS_ARRAY(v) ? YAJL_GET_ARRAY(v)->values[i] : YAJL_GET_OBJECT(v)->values[i];
}

static const char *key_at(yajl_val v, size_t i)
{
    return YAJL_GET_OBJECT(v)->keys[i];
}

static const char *bad(struct reader *r, const char *what, const char *where)
{
    if (!r->rc)
        r->rc = err_set(r->reterr, EC_FORMAT, "tenant definition: %s in '%s'", what, where ? where : "?");
    return "";
}

/* A text, a number's literal, or true/false; NULL = absent. */
static const char *scalar(yajl_val o, const char *name)
{
    yajl_val v = child(o, name);

    return YAJL_IS_STRING(v)   ? YAJL_GET_STRING(v)
           : YAJL_IS_NUMBER(v) ? YAJL_GET_NUMBER(v)
           : YAJL_IS_TRUE(v)   ? "true"
           : YAJL_IS_FALSE(v)  ? "false"
                               : NULL;
}

static const char *text(struct reader *r, yajl_val o, const char *name, const char *where)
{
    yajl_val v = child(o, name);

    return YAJL_IS_STRING(v) ? YAJL_GET_STRING(v) : bad(r, arena_printf(&r->t->arena, "no '%s'", name), where);
}

static bool flag(yajl_val o, const char *name, bool dflt)
{
    yajl_val v = child(o, name);

    return YAJL_IS_TRUE(v) ? true : YAJL_IS_FALSE(v) ? false : dflt;
}

static size_t number(yajl_val o, const char *name, size_t dflt)
{
    yajl_val v = child(o, name);

    return YAJL_IS_INTEGER(v) && YAJL_GET_INTEGER(v) >= 0 ? (size_t)YAJL_GET_INTEGER(v) : dflt;
}

#define NEW(r, n, type) ((type *)arena_zalloc(&(r)->t->arena, ((n) ? (n) : 1) * sizeof(type)))

/* ---- Finance & Operations ---- */
static void read_enums(struct reader *r, yajl_val v)
{
    struct emu_tenant *t = r->t;

    t->n_enums = length(v);
    t->enums = NEW(r, t->n_enums, struct emu_enum);
    for (size_t i = 0; i < t->n_enums; i++) {
        yajl_val members = at(v, i);
        struct emu_enum *e = &t->enums[i];

        *e = (struct emu_enum){ .name = key_at(v, i), .n = length(members) };
        e->members = NEW(r, e->n, struct emu_enum_member);
        if (!e->n)
            bad(r, "enum without elements", e->name);
        for (size_t k = 0; k < e->n; k++) {
            yajl_val m = at(members, k);

            if (length(m) != 2 || !YAJL_IS_STRING(at(m, 0)) || !YAJL_IS_STRING(at(m, 1)))
                bad(r, "an element is [name, label]", e->name);
            else
                e->members[k] = (struct emu_enum_member){ YAJL_GET_STRING(at(m, 0)), YAJL_GET_STRING(at(m, 1)) };
        }
    }
}

static const struct emu_enum *find_enum(const struct emu_tenant *t, const char *name)
{
    for (size_t i = 0; name && i < t->n_enums; i++)
        if (!strcmp(t->enums[i].name, name))
            return &t->enums[i];
    return NULL;
}

static void read_field(struct reader *r, yajl_val v, const char *where, struct emu_field *f)
{
    static const char *const TYPES[] = { "string", "enum", "real", "int", "int64", "date", "utcdatetime" };
    yajl_val ref = child(v, "ref");
    const char *type = text(r, v, "type", where);
    size_t k = 0;

    while (k < COUNT(TYPES) && strcmp(TYPES[k], type) != 0)
        k++;
    if (k == COUNT(TYPES)) {
        bad(r, "a type that is not known", where);
        return;
    }
    *f = (struct emu_field){
        .name = text(r, v, "name", where),
        .property = text(r, v, "property", where),
        .type = (enum emu_ftype)k,
        .length = number(v, "length", 0),
        .mandatory = flag(v, "mandatory", false),
        .computed = flag(v, "computed", false),
        .default_value = scalar(v, "default"),
        .default_from_company = scalar(v, "default_from_company"),
        .sequence = scalar(v, "sequence"),
    };
    if (f->type == F_ENUM && !(f->en = find_enum(r->t, scalar(v, "enum"))))
        bad(r, "an enum that is not defined", where);
    if (ref) {
        f->ref_entity = text(r, ref, "entity", where);
        f->ref_field = text(r, ref, "field", where);
    }
}

static void read_entity(struct reader *r, yajl_val v, struct emu_entity *e)
{
    yajl_val keys = child(v, "key"), fields = child(v, "fields");
    const char *label = text(r, v, "label", "entities");

    *e = (struct emu_entity){
        .label = label,
        .aot = text(r, v, "aot", label),
        .public_name = text(r, v, "public", label),
        .set = text(r, v, "set", label),
        .shared = flag(v, "shared", false),
        .dmf_import = flag(v, "dmf_import", true),
        .odata_write = flag(v, "odata_write", true),
        .single_threaded = flag(v, "single_threaded", false),
        .n = length(fields),
    };
    e->fields = NEW(r, e->n, struct emu_field);
    for (size_t i = 0; i < e->n && !r->rc; i++)
        read_field(r, at(fields, i), label, &e->fields[i]);
    if (!length(keys))
        bad(r, "no key", label);
    for (size_t i = 0; i < length(keys) && !r->rc; i++) {
        const char *name = YAJL_GET_STRING(at(keys, i));
        struct emu_field *f = NULL;

        for (size_t k = 0; k < e->n && !f; k++)
            if (name && !strcmp(e->fields[k].name, name))
                f = &e->fields[k];
        if (f)
            f->key = true;
        else
            bad(r, "a key that is no field", label);
    }
}

static void read_fno(struct reader *r, yajl_val v)
{
    struct emu_tenant *t = r->t;
    yajl_val entities = child(v, "entities"), formats = child(v, "source_formats");

    read_enums(r, child(v, "enums"));
    t->n_entities = length(entities);
    t->entities = NEW(r, t->n_entities, struct emu_entity);
    for (size_t i = 0; i < t->n_entities && !r->rc; i++)
        read_entity(r, at(entities, i), &t->entities[i]);
    for (size_t i = 0; i < t->n_entities && !r->rc; i++)
        for (size_t k = 0; k < t->entities[i].n; k++) {
            const struct emu_field *f = &t->entities[i].fields[k];
            const struct emu_entity *to = f->ref_entity ? emu_entity_by_label(t, f->ref_entity) : NULL;

            if (f->ref_entity && (!to || !emu_field_by_name(to, f->ref_field)))
                bad(r, arena_printf(&t->arena, "%s refers to nothing", f->name), t->entities[i].label);
        }
    t->n_formats = length(formats);
    t->formats = NEW(r, t->n_formats, struct emu_format);
    for (size_t i = 0; i < t->n_formats && !r->rc; i++) {
        yajl_val f = at(formats, i);
        const char *name = text(r, f, "name", "source_formats");

        t->formats[i] = (struct emu_format){ name,
                                             text(r, f, "type", name),
                                             scalar(f, "encoding"),
                                             scalar(f, "delimiter"),
                                             scalar(f, "qualifier"),
                                             scalar(f, "row_end") };
    }
}

/* ---- Dataverse ---- */
static void read_optionsets(struct reader *r, yajl_val v)
{
    struct emu_tenant *t = r->t;

    t->n_optionsets = length(v);
    t->optionsets = NEW(r, t->n_optionsets, struct emu_optionset);
    for (size_t i = 0; i < t->n_optionsets; i++) {
        yajl_val options = at(v, i);
        struct emu_optionset *o = &t->optionsets[i];

        *o = (struct emu_optionset){ .name = key_at(v, i), .n = length(options) };
        o->options = NEW(r, o->n, struct emu_option);
        for (size_t k = 0; k < o->n; k++) {
            yajl_val p = at(options, k);

            if (length(p) != 2 || !YAJL_IS_INTEGER(at(p, 0)) || !YAJL_IS_STRING(at(p, 1)))
                bad(r, "an option is [value, label]", o->name);
            else
                o->options[k] = (struct emu_option){ YAJL_GET_INTEGER(at(p, 0)), YAJL_GET_STRING(at(p, 1)) };
        }
    }
}

static void read_column(struct reader *r, yajl_val v, const char *where, struct emu_column *c)
{
    static const char *const TYPES[] = { "String", "Memo",    "Integer",  "BigInt",   "Decimal", "Double",
                                         "Money",  "Boolean", "Picklist", "DateTime", "Lookup",  "Uniqueidentifier" };
    yajl_val targets = child(v, "targets"), nav = child(v, "nav"), min = child(v, "min"), max = child(v, "max");
    const char *type = text(r, v, "type", where), *set = scalar(v, "optionset");
    size_t k = 0;

    while (k < COUNT(TYPES) && strcasecmp(TYPES[k], type) != 0)
        k++;
    if (k == COUNT(TYPES)) {
        bad(r, "a type that is not known", where);
        return;
    }
    *c = (struct emu_column){
        .name = text(r, v, "name", where),
        .schema = text(r, v, "schema", where),
        .type = (enum emu_ctype)k,
        .length = number(v, "length", 0),
        .precision = child(v, "precision") ? (int)number(v, "precision", 0) : -1,
        .has_min = YAJL_IS_NUMBER(min),
        .has_max = YAJL_IS_NUMBER(max),
        .min = YAJL_IS_NUMBER(min) ? strtod(YAJL_GET_NUMBER(min), NULL) : 0,
        .max = YAJL_IS_NUMBER(max) ? strtod(YAJL_GET_NUMBER(max), NULL) : 0,
        .behavior = scalar(v, "behavior"),
        .required = scalar(v, "required"),
        .default_value = scalar(v, "default"),
        .unique = flag(v, "unique", false),
        .source_type = (int)number(v, "source_type", 0),
        .n_navs = length(targets),
    };
    if (!c->required)
        c->required = "None";
    if (c->type == C_DATETIME && !c->behavior)
        c->behavior = "UserLocal";
    for (size_t i = 0; set && i < r->t->n_optionsets; i++)
        if (!strcmp(r->t->optionsets[i].name, set))
            c->options = &r->t->optionsets[i];
    if (c->type == C_PICKLIST && !c->options)
        bad(r, arena_printf(&r->t->arena, "%s has no option set", c->name), where);
    if (c->type == C_LOOKUP && !c->n_navs)
        bad(r, arena_printf(&r->t->arena, "%s has no targets", c->name), where);
    c->navs = NEW(r, c->n_navs, struct emu_nav);
    for (size_t i = 0; i < c->n_navs && !r->rc; i++) {
        const char *target = YAJL_IS_STRING(at(targets, i)) ? YAJL_GET_STRING(at(targets, i)) : "";

        c->navs[i] = (struct emu_nav){ target, text(r, nav, target, where) };
    }
}

static void read_table(struct reader *r, yajl_val v, struct emu_table *t)
{
    yajl_val columns = child(v, "columns"), keys = child(v, "keys");
    const char *logical = text(r, v, "logical", "tables");

    *t = (struct emu_table){
        .logical = logical,
        .set = text(r, v, "set", logical),
        .pk = text(r, v, "pk", logical),
        .primary_name = text(r, v, "primary_name", logical),
        .owner = flag(v, "owner", false),
        .bulk = flag(v, "bulk", true),
        .change_tracking = flag(v, "change_tracking", false),
        .n = length(columns),
        .n_keys = length(keys),
    };
    t->columns = NEW(r, t->n, struct emu_column);
    for (size_t i = 0; i < t->n && !r->rc; i++)
        read_column(r, at(columns, i), logical, &t->columns[i]);
    t->keys = NEW(r, t->n_keys, struct emu_key);
    for (size_t i = 0; i < t->n_keys && !r->rc; i++) {
        yajl_val names = child(at(keys, i), "columns");

        t->keys[i] = (struct emu_key){ .name = text(r, at(keys, i), "name", logical), .n = length(names) };
        t->keys[i].columns = NEW(r, t->keys[i].n, const char *);
        for (size_t k = 0; k < t->keys[i].n && !r->rc; k++) {
            const char *name = YAJL_IS_STRING(at(names, k)) ? YAJL_GET_STRING(at(names, k)) : "";
            const struct emu_column *c = emu_column_by_name(t, name);

            if (!c)
                bad(r, "a key column that is none", logical);
            t->keys[i].columns[k] = c ? c->name : "";
        }
    }
}

static void read_dataverse(struct reader *r, yajl_val v)
{
    struct emu_tenant *t = r->t;
    yajl_val tables = child(v, "tables");

    read_optionsets(r, child(v, "optionsets"));
    t->n_tables = length(tables);
    t->tables = NEW(r, t->n_tables, struct emu_table);
    for (size_t i = 0; i < t->n_tables && !r->rc; i++)
        read_table(r, at(tables, i), &t->tables[i]);
    for (size_t i = 0; i < t->n_tables && !r->rc; i++)
        for (size_t k = 0; k < t->tables[i].n; k++)
            for (size_t j = 0; j < t->tables[i].columns[k].n_navs; j++)
                if (!emu_table_by_logical(t, t->tables[i].columns[k].navs[j].target))
                    bad(r, arena_printf(&t->arena, "%s looks up nothing", t->tables[i].columns[k].name),
                        t->tables[i].logical);
}

enum ec emu_tenant_load(struct emu_tenant *t, const char *json, size_t n, struct err *reterr)
{
    struct reader r = { t, reterr, EC_OK };
    char message[256] = "";
    const char *copy = arena_dup(&t->arena, json, n);

    t->root = yajl_tree_parse(copy, message, sizeof(message));
    if (!t->root)
        return err_set(reterr, EC_FORMAT, "tenant definition: %.200s", message);
    snprintf(t->organization_id, sizeof(t->organization_id), "%s",
             text(&r, child(t->root, "organization"), "id", "organization"));
    read_fno(&r, child(t->root, "fno"));
    read_dataverse(&r, child(t->root, "dataverse"));
    return r.rc;
}

/* ---- look-ups; a tenant has a few dozen of each ---- */
const struct emu_entity *emu_entity_by_label(const struct emu_tenant *t, const char *label)
{
    for (size_t i = 0; i < t->n_entities; i++)
        if (!strcmp(t->entities[i].label, label))
            return &t->entities[i];
    return NULL;
}

const struct emu_entity *emu_entity_by_set(const struct emu_tenant *t, const char *set)
{
    for (size_t i = 0; i < t->n_entities; i++)
        if (!strcmp(t->entities[i].set, set))
            return &t->entities[i];
    return NULL;
}

const struct emu_field *emu_field_by_name(const struct emu_entity *e, const char *name)
{
    for (size_t i = 0; i < e->n; i++)
        if (!strcasecmp(e->fields[i].name, name))
            return &e->fields[i];
    return NULL;
}

const struct emu_table *emu_table_by_set(const struct emu_tenant *t, const char *set)
{
    for (size_t i = 0; i < t->n_tables; i++)
        if (!strcmp(t->tables[i].set, set))
            return &t->tables[i];
    return NULL;
}

const struct emu_table *emu_table_by_logical(const struct emu_tenant *t, const char *logical)
{
    for (size_t i = 0; i < t->n_tables; i++)
        if (!strcmp(t->tables[i].logical, logical))
            return &t->tables[i];
    return NULL;
}

const struct emu_column *emu_column_by_name(const struct emu_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->columns[i].name, name))
            return &t->columns[i];
    return NULL;
}

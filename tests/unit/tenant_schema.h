/*
 * tenant_schema.h -- the metadata of the emulator's tenant (tests/emulator/tenant.json) as a struct schema, and the demo's
 * maps bound to it, for unit tests that need no services.
 */
#ifndef TEST_TENANT_SCHEMA_H
#define TEST_TENANT_SCHEMA_H

#include "check.h"

#include "base/file.h"
#include "map/bind.h"

static inline char *tenant_path(struct arena *a, const char *under_root)
{
    const char *root = getenv("DMFSYNC_ROOT");

    return arena_printf(a, "%s/%s", root ? root : ".", under_root);
}

static inline struct json *tenant_json(struct arena *a)
{
    struct strbuf text = STRBUF(0);
    struct json *v = NULL;
    struct err e = { 0 };

    CHECK_OK(file_read(tenant_path(a, "tests/emulator/tenant.json"), 1 << 22, &text, &e), &e);
    CHECK_OK(json_parse("tenant.json", text.buf, text.len, NULL, a, &v, &e), &e);
    strbuf_release(&text);
    return v;
}

static inline size_t tenant_place(struct cell word, const char *const *words, size_t n, size_t otherwise)
{
    for (size_t i = 0; i < n; i++)
        if (cell_ieq(word, cell_of(words[i])))
            return i;
    return otherwise;
}

static inline struct fno_enum *tenant_enum(struct arena *a, const struct json *members)
{
    struct fno_enum *en = arena_zalloc(a, sizeof(*en));

    en->name = members->name;
    en->members = arena_zalloc(a, (members->n + 1) * sizeof(*en->members));
    en->labels = arena_zalloc(a, (members->n + 1) * sizeof(*en->labels));
    en->values = arena_zalloc(a, (members->n + 1) * sizeof(*en->values));
    for (const struct json *m = members->child; m; m = m->next) {
        en->members[en->n] = json_text(json_at(m, 0));
        en->labels[en->n] = json_text(json_at(m, 1));
        en->values[en->n] = (int64_t)en->n;
        en->n++;
    }
    return en;
}

static inline void tenant_entity(struct schema *s, const struct json *v, const struct json *enums)
{
    static const char *const TYPES[] = { "string", "enum", "real", "int", "int64", "date", "utcdatetime", "guid" };
    struct fno_entity *e = arena_zalloc(&s->arena, sizeof(*e));
    const struct json *fields = json_get(v, "fields"), *key = json_get(v, "key");

    e->label = json_member(v, "label");
    e->aot = json_member(v, "aot");
    e->public_name = json_member(v, "public");
    e->set = json_member(v, "set");
    e->shared = json_bool(json_get(v, "shared"), false);
    e->on_odata = true;
    e->on_dmf = json_bool(json_get(v, "dmf_import"), true);
    e->fields = arena_zalloc(&s->arena, (fields->n + 1) * sizeof(*e->fields));
    for (const struct json *f = fields->child; f; f = f->next) {
        struct fno_field *to = &e->fields[e->n++];

        to->property = json_member(f, "property");
        to->staging = json_member(f, "name");
        to->type = (enum fno_type)tenant_place(json_member(f, "type"), TYPES, COUNT(TYPES), FNO_OTHER);
        to->mandatory = json_bool(json_get(f, "mandatory"), false);
        to->edit = to->create = true;
        for (const struct json *k = key->child; k; k = k->next)
            to->key = to->key || cell_eq(json_text(k), to->staging);
        if (to->type == FNO_ENUM)
            to->en = tenant_enum(&s->arena, json_get(enums, cell_cstr(&s->arena, json_member(f, "enum"))));
    }
    schema_add_entity(s, e);
}

static inline void tenant_column(struct schema *s, const struct json *v, const struct json *optionsets,
                                 struct dv_column *c)
{
    static const char *const TYPES[] = { "String",          "Memo",   "Integer",  "BigInt",   "Decimal",
                                         "Double",          "Money",  "Boolean",  "Picklist", "MultiSelectPicklist",
                                         "State",           "Status", "DateTime", "Lookup",   "Owner",
                                         "Uniqueidentifier" };
    struct cell set = json_member(v, "optionset");
    const struct json *nav = json_get(v, "nav");

    c->name = json_member(v, "name");
    c->type = (enum dv_type)tenant_place(json_member(v, "type"), TYPES, COUNT(TYPES), DV_OTHER);
    c->max_length = json_i64(json_get(v, "length"), 0);
    c->precision = (int)json_i64(json_get(v, "precision"), -1);
    c->behavior = json_member(v, "behavior");
    c->create = c->update = c->read = true;
    c->required_by_system = cell_is(json_member(v, "required"), "SystemRequired");
    c->required_by_app = cell_is(json_member(v, "required"), "ApplicationRequired");
    if (!cell_absent(set)) {
        const struct json *o = json_get(optionsets, cell_cstr(&s->arena, set));

        c->options = arena_zalloc(&s->arena, (o->n + 1) * sizeof(*c->options));
        for (o = o->child; o; o = o->next)
            c->options[c->n_options++] =
                (struct dv_option){ .value = json_i64(json_at(o, 0), 0), .label = json_text(json_at(o, 1)) };
    }
    c->navs = arena_zalloc(&s->arena, ((nav ? nav->n : 0) + 1) * sizeof(*c->navs));
    for (nav = nav ? nav->child : NULL; nav; nav = nav->next)
        c->navs[c->n_navs++] = (struct dv_nav){ .target = nav->name, .nav = json_text(nav) };
}

static inline void tenant_table(struct schema *s, const struct json *v, const struct json *optionsets)
{
    struct dv_table *t = arena_zalloc(&s->arena, sizeof(*t));
    const struct json *columns = json_get(v, "columns"), *keys = json_get(v, "keys");

    t->logical = json_member(v, "logical");
    t->set = json_member(v, "set");
    t->pk = json_member(v, "pk");
    t->primary_name = json_member(v, "primary_name");
    t->user_owned = json_bool(json_get(v, "owner"), false);
    t->change_tracking = json_bool(json_get(v, "change_tracking"), false);
    t->create_multiple = t->update_multiple = json_bool(json_get(v, "bulk"), true);
    t->columns = arena_zalloc(&s->arena, (columns->n + 1) * sizeof(*t->columns));
    for (const struct json *c = columns->child; c; c = c->next)
        tenant_column(s, c, optionsets, &t->columns[t->n++]);
    for (size_t i = 0; i < t->n; i++)
        if (t->columns[i].n_navs == 1 && cell_is(t->columns[i].navs[0].target, "cdm_company"))
            t->company = &t->columns[i];
    t->keys = arena_zalloc(&s->arena, ((keys ? keys->n : 0) + 1) * sizeof(*t->keys));
    for (const struct json *k = keys ? keys->child : NULL; k; k = k->next) {
        const struct json *names = json_get(k, "columns");
        struct dv_key *key = &t->keys[t->n_keys++];

        key->name = json_member(k, "name");
        key->active = true;
        key->columns = arena_zalloc(&s->arena, (names->n + 1) * sizeof(*key->columns));
        for (const struct json *c = names->child; c; c = c->next)
            key->columns[key->n++] = json_text(c);
    }
    schema_add_table(s, t);
}

/* Release with schema_release(). */
static inline void tenant_schema(struct schema *s)
{
    struct json *v = tenant_json(&s->arena);
    const struct json *fno = json_get(v, "fno"), *dv = json_get(v, "dataverse");

    for (const struct json *e = json_get(fno, "entities")->child; e; e = e->next)
        tenant_entity(s, e, json_get(fno, "enums"));
    for (const struct json *t = json_get(dv, "tables")->child; t; t = t->next)
        tenant_table(s, t, json_get(dv, "optionsets"));
}

static inline struct map *demo_map(const char *stem)
{
    struct arena a = { 0 };
    struct map *m = NULL;
    struct err e = { 0 };
    char *path = tenant_path(&a, arena_printf(&a, "scripts/demo/maps/%s.json", stem));

    CHECK_OK(map_read_file(path, &m, &e), &e);
    arena_release(&a);
    return m;
}

/* A writable copy of a bound pointer into the schema, for tests that change the metadata. */
static inline struct fno_field *tenant_field(struct schema *s, const char *entity, const char *staging)
{
    for (size_t i = 0; i < s->n_entities; i++)
        for (size_t k = 0; cell_ieq(s->entities[i]->label, cell_of(entity)) && k < s->entities[i]->n; k++)
            if (cell_is(s->entities[i]->fields[k].staging, staging))
                return &s->entities[i]->fields[k];
    fail_msg("the tenant has no field %s of %s", staging, entity);
    return NULL;
}

static inline struct dv_column *tenant_dv_column(struct schema *s, const char *table, const char *column)
{
    for (size_t i = 0; i < s->n_tables; i++)
        for (size_t k = 0; cell_is(s->tables[i]->logical, table) && k < s->tables[i]->n; k++)
            if (cell_is(s->tables[i]->columns[k].name, column))
                return &s->tables[i]->columns[k];
    fail_msg("the tenant has no column %s of %s", column, table);
    return NULL;
}

#endif

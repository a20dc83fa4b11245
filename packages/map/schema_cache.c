/* schema_cache.c -- the metadata as a JSON file in the workspace, so that checks work without the services. */
#include "base/file.h"
#include "map/schema.h"

enum { CACHE_VERSION = 2, MAX_CACHE = 256 << 20 };

/* ---- writing ---- */

static void put_field(struct jsonw *w, const struct fno_field *f)
{
    jw_begin(w, '{');
    jw_pstr(w, "property", f->property);
    jw_pi64(w, "type", f->type);
    if (f->en)
        jw_pstr(w, "enum", f->en->name);
    jw_pbool(w, "key", f->key);
    jw_pbool(w, "mandatory", f->mandatory);
    jw_pbool(w, "edit", f->edit);
    jw_pbool(w, "create", f->create);
    jw_pi64(w, "max_length", f->max_length);
    jw_end(w, '}');
}

static void put_enum(struct jsonw *w, const struct fno_enum *en)
{
    jw_begin(w, '{');
    jw_pstr(w, "name", en->name);
    jw_name(w, "members");
    jw_begin(w, '[');
    for (size_t i = 0; i < en->n; i++) {
        jw_begin(w, '{');
        jw_pstr(w, "name", en->members[i]);
        jw_pstr(w, "label", en->labels[i]);
        jw_pi64(w, "value", en->values[i]);
        jw_end(w, '}');
    }
    jw_end(w, ']');
    jw_end(w, '}');
}

static void put_entity(struct jsonw *w, const struct fno_entity *e)
{
    jw_begin(w, '{');
    jw_pstr(w, "label", e->label);
    jw_pstr(w, "aot", e->aot);
    jw_pstr(w, "public", e->public_name);
    jw_pstr(w, "set", e->set);
    jw_pbool(w, "shared", e->shared);
    jw_pbool(w, "read_only", e->read_only);
    jw_pbool(w, "odata", e->on_odata);
    jw_pbool(w, "dmf", e->on_dmf);
    jw_name(w, "enums");
    jw_begin(w, '[');
    for (size_t i = 0; i < e->n; i++) {
        bool first = e->fields[i].en != NULL;

        for (size_t k = 0; k < i && first; k++)
            first = e->fields[k].en != e->fields[i].en;
        if (first)
            put_enum(w, e->fields[i].en);
    }
    jw_end(w, ']');
    jw_name(w, "fields");
    jw_begin(w, '[');
    for (size_t i = 0; i < e->n; i++)
        put_field(w, &e->fields[i]);
    jw_end(w, ']');
    jw_end(w, '}');
}

static void put_column(struct jsonw *w, const struct dv_column *c)
{
    jw_begin(w, '{');
    jw_pstr(w, "name", c->name);
    jw_pi64(w, "type", c->type);
    jw_pi64(w, "max_length", c->max_length);
    jw_pi64(w, "precision", c->precision);
    jw_pstr(w, "min", c->min);
    jw_pstr(w, "max", c->max);
    jw_pstr(w, "behavior", c->behavior);
    jw_pbool(w, "create", c->create);
    jw_pbool(w, "update", c->update);
    jw_pbool(w, "read", c->read);
    jw_pbool(w, "required", c->required_by_system);
    jw_pbool(w, "required_by_app", c->required_by_app);
    jw_pi64(w, "source", c->source);
    jw_pbool(w, "computed", c->computed);
    jw_name(w, "options");
    jw_begin(w, '[');
    for (size_t i = 0; i < c->n_options; i++) {
        jw_begin(w, '{');
        jw_pi64(w, "value", c->options[i].value);
        jw_pstr(w, "label", c->options[i].label);
        jw_pstr(w, "external", c->options[i].external);
        jw_end(w, '}');
    }
    jw_end(w, ']');
    jw_name(w, "navs");
    jw_begin(w, '[');
    for (size_t i = 0; i < c->n_navs; i++) {
        jw_begin(w, '{');
        jw_pstr(w, "target", c->navs[i].target);
        jw_pstr(w, "nav", c->navs[i].nav);
        jw_end(w, '}');
    }
    jw_end(w, ']');
    jw_end(w, '}');
}

static void put_table(struct jsonw *w, const struct dv_table *t)
{
    jw_begin(w, '{');
    jw_pstr(w, "logical", t->logical);
    jw_pstr(w, "set", t->set);
    jw_pstr(w, "pk", t->pk);
    jw_pstr(w, "primary_name", t->primary_name);
    jw_pbool(w, "user_owned", t->user_owned);
    jw_pbool(w, "change_tracking", t->change_tracking);
    jw_pbool(w, "virtual_or_elastic", t->virtual_or_elastic);
    jw_pbool(w, "create_multiple", t->create_multiple);
    jw_pbool(w, "update_multiple", t->update_multiple);
    if (t->company)
        jw_pstr(w, "company", t->company->name);
    jw_name(w, "columns");
    jw_begin(w, '[');
    for (size_t i = 0; i < t->n; i++)
        put_column(w, &t->columns[i]);
    jw_end(w, ']');
    jw_name(w, "keys");
    jw_begin(w, '[');
    for (size_t i = 0; i < t->n_keys; i++) {
        jw_begin(w, '{');
        jw_pstr(w, "name", t->keys[i].name);
        jw_pbool(w, "active", t->keys[i].active);
        jw_name(w, "columns");
        jw_begin(w, '[');
        for (size_t k = 0; k < t->keys[i].n; k++)
            jw_str(w, t->keys[i].columns[k]);
        jw_end(w, ']');
        jw_end(w, '}');
    }
    jw_end(w, ']');
    jw_end(w, '}');
}

enum ec schema_save(const struct schema *s, const char *path, struct err *reterr)
{
    struct strbuf out = STRBUF(0);
    struct jsonw w = { .out = &out };
    enum ec rc;

    jw_begin(&w, '{');
    jw_pi64(&w, "version", CACHE_VERSION);
    jw_name(&w, "entities");
    jw_begin(&w, '[');
    for (size_t i = 0; i < s->n_entities; i++)
        put_entity(&w, s->entities[i]);
    jw_end(&w, ']');
    jw_name(&w, "tables");
    jw_begin(&w, '[');
    for (size_t i = 0; i < s->n_tables; i++)
        put_table(&w, s->tables[i]);
    jw_end(&w, ']');
    jw_end(&w, '}');
    strbuf_addc(&out, '\n');
    rc = file_write_atomic(path, out.buf, out.len, 0600, reterr);
    strbuf_release(&out);
    return rc;
}

/* ---- reading ---- */

static const struct json *items(const struct json *obj, const char *name)
{
    const struct json *v = json_get(obj, name);

    return v && v->type == JSON_ARRAY ? v->child : NULL;
}

/* A type as a number of its enum; `last` stands for everything that this version does not know. */
static int type_of(const struct json *v, int last)
{
    int64_t t = json_i64(json_get(v, "type"), last);

    return t >= 0 && t <= last ? (int)t : last;
}

static size_t count(const struct json *v)
{
    size_t n = 0;

    for (; v; v = v->next)
        n++;
    return n;
}

static const struct fno_enum *get_enum(struct schema *s, const struct json *list, struct cell name,
                                       const struct fno_entity *e)
{
    struct fno_enum *en;

    for (size_t i = 0; i < e->n; i++)
        if (e->fields[i].en && cell_eq(e->fields[i].en->name, name))
            return e->fields[i].en;
    for (const struct json *v = list; v; v = v->next) {
        size_t n = count(items(v, "members"));

        if (!cell_eq(json_member(v, "name"), name))
            continue;
        en = arena_zalloc(&s->arena, sizeof(*en));
        en->name = name;
        en->members = arena_zalloc(&s->arena, (n + 1) * sizeof(*en->members));
        en->labels = arena_zalloc(&s->arena, (n + 1) * sizeof(*en->labels));
        en->values = arena_zalloc(&s->arena, (n + 1) * sizeof(*en->values));
        for (const struct json *m = items(v, "members"); m; m = m->next) {
            en->members[en->n] = json_member(m, "name");
            en->labels[en->n] = json_member(m, "label");
            en->values[en->n++] = json_i64(json_get(m, "value"), 0);
        }
        return en;
    }
    return NULL;
}

static void get_entity(struct schema *s, const struct json *v)
{
    struct fno_entity *e = arena_zalloc(&s->arena, sizeof(*e));

    e->label = json_member(v, "label");
    e->aot = json_member(v, "aot");
    e->public_name = json_member(v, "public");
    e->set = json_member(v, "set");
    e->shared = json_bool(json_get(v, "shared"), false);
    e->read_only = json_bool(json_get(v, "read_only"), false);
    e->on_odata = json_bool(json_get(v, "odata"), false);
    e->on_dmf = json_bool(json_get(v, "dmf"), false);
    e->fields = arena_zalloc(&s->arena, (count(items(v, "fields")) + 1) * sizeof(*e->fields));
    for (const struct json *f = items(v, "fields"); f; f = f->next) {
        struct fno_field *to = &e->fields[e->n];

        to->property = json_member(f, "property");
        to->staging = cell_upper(&s->arena, to->property);
        to->type = (enum fno_type)type_of(f, FNO_OTHER);
        to->key = json_bool(json_get(f, "key"), false);
        to->mandatory = json_bool(json_get(f, "mandatory"), false);
        to->edit = json_bool(json_get(f, "edit"), true);
        to->create = json_bool(json_get(f, "create"), true);
        to->max_length = json_i64(json_get(f, "max_length"), 0);
        if (to->type == FNO_ENUM)
            to->en = get_enum(s, items(v, "enums"), json_member(f, "enum"), e);
        e->n++;
    }
    if (!cell_blank(e->label))
        schema_add_entity(s, e);
}

static void get_column(struct schema *s, const struct json *v, struct dv_column *c)
{
    size_t n = 0;
    int64_t source;

    c->name = json_member(v, "name");
    c->type = (enum dv_type)type_of(v, DV_OTHER);
    c->max_length = json_i64(json_get(v, "max_length"), 0);
    c->precision = (int)json_i64(json_get(v, "precision"), -1);
    c->min = json_member(v, "min");
    c->max = json_member(v, "max");
    c->behavior = json_member(v, "behavior");
    c->create = json_bool(json_get(v, "create"), true);
    c->update = json_bool(json_get(v, "update"), true);
    c->read = json_bool(json_get(v, "read"), true);
    c->required_by_system = json_bool(json_get(v, "required"), false);
    c->required_by_app = json_bool(json_get(v, "required_by_app"), false);
    source = json_i64(json_get(v, "source"), DV_SIMPLE);
    c->source = source > DV_SIMPLE && source <= DV_FORMULA ? (enum dv_source)source : DV_SIMPLE;
    c->computed = json_bool(json_get(v, "computed"), false);
    c->options = arena_zalloc(&s->arena, (count(items(v, "options")) + 1) * sizeof(*c->options));
    for (const struct json *o = items(v, "options"); o; o = o->next)
        c->options[n++] = (struct dv_option){ json_i64(json_get(o, "value"), 0), json_member(o, "label"),
                                              json_member(o, "external") };
    c->n_options = n;
    n = 0;
    c->navs = arena_zalloc(&s->arena, (count(items(v, "navs")) + 1) * sizeof(*c->navs));
    for (const struct json *o = items(v, "navs"); o; o = o->next)
        c->navs[n++] = (struct dv_nav){ json_member(o, "target"), json_member(o, "nav") };
    c->n_navs = n;
}

static void get_table(struct schema *s, const struct json *v)
{
    struct dv_table *t = arena_zalloc(&s->arena, sizeof(*t));
    struct cell company = json_member(v, "company");

    t->logical = json_member(v, "logical");
    t->set = json_member(v, "set");
    t->pk = json_member(v, "pk");
    t->primary_name = json_member(v, "primary_name");
    t->user_owned = json_bool(json_get(v, "user_owned"), false);
    t->change_tracking = json_bool(json_get(v, "change_tracking"), false);
    t->virtual_or_elastic = json_bool(json_get(v, "virtual_or_elastic"), false);
    t->create_multiple = json_bool(json_get(v, "create_multiple"), false);
    t->update_multiple = json_bool(json_get(v, "update_multiple"), false);
    t->columns = arena_zalloc(&s->arena, (count(items(v, "columns")) + 1) * sizeof(*t->columns));
    for (const struct json *c = items(v, "columns"); c; c = c->next)
        get_column(s, c, &t->columns[t->n++]);
    t->keys = arena_zalloc(&s->arena, (count(items(v, "keys")) + 1) * sizeof(*t->keys));
    for (const struct json *k = items(v, "keys"); k; k = k->next) {
        struct dv_key *key = &t->keys[t->n_keys++];

        key->name = json_member(k, "name");
        key->active = json_bool(json_get(k, "active"), false);
        key->columns = arena_zalloc(&s->arena, (count(items(k, "columns")) + 1) * sizeof(*key->columns));
        for (const struct json *c = items(k, "columns"); c; c = c->next)
            key->columns[key->n++] = json_text(c);
    }
    if (!cell_absent(company))
        t->company = dv_column_find(t, company);
    if (!cell_blank(t->logical))
        schema_add_table(s, t);
}

enum ec schema_load(struct schema *s, const char *path, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    struct json *v = NULL;
    enum ec rc = file_read(path, MAX_CACHE, &text, reterr);

    if (!rc)
        rc =
            json_parse(path, text.buf, text.len, &(struct json_limits){ .octets = MAX_CACHE }, &s->arena, &v, reterr);
    if (!rc && json_i64(json_get(v, "version"), 0) != CACHE_VERSION)
        rc = err_set(reterr, EC_NOTFOUND, "the saved metadata '%s' is of another version", path);
    for (const struct json *e = rc ? NULL : items(v, "entities"); e; e = e->next)
        get_entity(s, e);
    for (const struct json *t = rc ? NULL : items(v, "tables"); t; t = t->next)
        get_table(s, t);
    strbuf_release(&text);
    return rc;
}

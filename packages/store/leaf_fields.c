/* leaf_fields.c -- {"canon":1,"key":[0,3],"fields":[{"name":"..","column":"..","type":"decimal","scale":2,...}]} */
#include "store/leaf_fields.h"
#include "data/json.h"

#include <stdio.h>

enum { MAX_FIELDS = 1900 }; /* SQLite's columns, less those of the row itself */

static void write_rule(struct jsonw *w, const struct canon_rule *r)
{
    jw_ps(w, "type", canon_type_name(r->type));
    if (r->type == CANON_DECIMAL)
        jw_pi64(w, "scale", r->scale);
    if (r->strict)
        jw_pbool(w, "strict", true);
    if (r->zero.ptr)
        jw_pstr(w, "zero", r->zero);
    if (r->blanks)
        jw_pbool(w, "blanks", true);
    if (r->exact)
        jw_pbool(w, "exact", true);
    if (r->letters != CANON_CASE_OF_TYPE)
        jw_pi64(w, "letters", r->letters);
    if (r->day)
        jw_pbool(w, "day", true);
    if (r->round)
        jw_pi64(w, "round", r->round);
    if (r->tuned)
        jw_pbool(w, "tuned", true);
}

char *leaf_fields_text(const struct leaf_fields *f, struct arena *a)
{
    struct strbuf out = STRBUF(0);
    struct jsonw w = { .out = &out };
    char *text;

    jw_begin(&w, '{');
    jw_pi64(&w, "canon", CANON_VERSION);
    jw_name(&w, "key");
    jw_begin(&w, '[');
    for (size_t i = 0; i < f->n_key; i++)
        jw_i64(&w, f->key[i]);
    jw_end(&w, ']');
    jw_name(&w, "fields");
    jw_begin(&w, '[');
    for (size_t i = 0; i < f->n; i++) {
        jw_begin(&w, '{');
        jw_pstr(&w, "name", f->f[i].name);
        if (f->f[i].column.ptr)
            jw_pstr(&w, "column", f->f[i].column);
        write_rule(&w, &f->f[i].rule);
        if (f->f[i].compared)
            jw_pbool(&w, "compared", true);
        jw_end(&w, '}');
    }
    jw_end(&w, ']');
    jw_end(&w, '}');
    text = arena_dup(a, out.buf, out.len);
    strbuf_release(&out);
    return text;
}

static bool read_rule(const struct json *v, struct canon_rule *r)
{
    struct cell type = json_member(v, "type");
    int64_t letters = json_i64(json_get(v, "letters"), 0), round = json_i64(json_get(v, "round"), 0);
    int64_t scale = json_i64(json_get(v, "scale"), 0);
    int t = CANON_TEXT;

    while (t <= CANON_GUID && !cell_is(type, canon_type_name((enum canon_type)t)))
        t++;
    if (t > CANON_GUID || letters < 0 || letters > CANON_CASE_KEPT || round < 0 || round > 17 || scale < -1 ||
        scale > 1000)
        return false;
    *r = (struct canon_rule){ .type = (enum canon_type)t,
                              .scale = (int)scale,
                              .strict = json_bool(json_get(v, "strict"), false),
                              .zero = json_member(v, "zero"),
                              .blanks = json_bool(json_get(v, "blanks"), false),
                              .exact = json_bool(json_get(v, "exact"), false),
                              .tuned = json_bool(json_get(v, "tuned"), false),
                              .day = json_bool(json_get(v, "day"), false),
                              .round = (int8_t)round };
    r->letters = (int)letters;
    return true;
}

static bool read_fields(const struct json *list, struct arena *a, struct leaf_fields *f)
{
    const struct json *v = list->child;

    f->n = list->n;
    f->f = arena_zalloc(a, (f->n + 1) * sizeof(*f->f));
    f->rules = arena_zalloc(a, (f->n + 1) * sizeof(*f->rules));
    f->compared = arena_zalloc(a, (f->n + 1) * sizeof(*f->compared));
    for (size_t i = 0; i < f->n; i++, v = v->next) {
        f->f[i] = (struct leaf_field){ .name = json_member(v, "name"),
                                       .column = json_member(v, "column"),
                                       .compared = json_bool(json_get(v, "compared"), false) };
        if (cell_blank(f->f[i].name) || !read_rule(v, &f->f[i].rule))
            return false;
        f->rules[i] = f->f[i].rule;
        if (f->f[i].compared)
            f->compared[f->n_compared++] = (uint16_t)i;
    }
    return true;
}

static bool read_key(const struct json *list, struct arena *a, struct leaf_fields *f)
{
    f->key = arena_zalloc(a, (list->n + 1) * sizeof(*f->key));
    for (const struct json *v = list->child; v; v = v->next) {
        int64_t at = json_i64(v, -1);

        if (at < 0 || (size_t)at >= f->n)
            return false;
        f->key[f->n_key++] = (uint16_t)at;
    }
    return f->n_key > 0;
}

enum ec leaf_fields_parse(const char *text, const char *path, struct arena *a, struct leaf_fields *ret,
                          struct err *reterr)
{
    struct json_limits lim = { .octets = 4 << 20, .depth = 8 };
    struct leaf_fields f = { 0 };
    const struct json *list, *key;
    struct json *v = NULL;
    enum ec rc = json_parse(path, text, strlen(text), &lim, a, &v, reterr);

    if (rc)
        return rc;
    list = json_get(v, "fields");
    key = json_get(v, "key");
    f.canon = (int)json_i64(json_get(v, "canon"), 0);
    if (!list || list->type != JSON_ARRAY || list->n > MAX_FIELDS || !key || key->type != JSON_ARRAY ||
        !read_fields(list, a, &f) || !read_key(key, a, &f))
        return err_set(reterr, EC_FORMAT, "'%s': the description of its fields is damaged", path);
    *ret = f;
    return EC_OK;
}

enum ec leaf_fields_of(struct leaf_file *f, const char *path, struct arena *a, struct leaf_fields *ret,
                       struct err *reterr)
{
    const char *text = leaf_get_meta(f, "fields", a);
    enum ec rc;

    if (!text) {
        err_set(reterr, EC_STATE, "'%s' does not say what its fields are: an older dmfsync made it", path);
        return err_hint(reterr, "take the snapshot again");
    }
    rc = leaf_fields_parse(text, path, a, ret, reterr);
    if (!rc && ret->n != leaf_cells(f))
        rc = err_set(reterr, EC_FORMAT, "'%s' has %zu cells a row and describes %zu fields", path, leaf_cells(f),
                     ret->n);
    return rc;
}

struct cell leaf_fields_key(const struct leaf_fields *f, const struct cell *cells, struct arena *a)
{
    struct cell parts[64];
    size_t n = f->n_key < COUNT(parts) ? f->n_key : COUNT(parts);

    for (size_t i = 0; i < n; i++)
        parts[i] = cell_absent(cells[f->key[i]]) ? CELL_LIT("") : cells[f->key[i]];
    return key_join(a, parts, n);
}

bool leaf_fields_same(const struct leaf_fields *a, const struct leaf_fields *b)
{
    struct arena x = { 0 };
    bool same = a->n == b->n && a->canon == b->canon && !strcmp(leaf_fields_text(a, &x), leaf_fields_text(b, &x));

    arena_release(&x);
    return same;
}

static bool taken(const char *name, const char *const *fixed, size_t n_fixed, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n_fixed; i++)
        if (cell_ieq(cell_of(name), cell_of(fixed[i])))
            return true;
    for (size_t i = 0; i < n; i++)
        if (cell_ieq(cell_of(name), cell_of(names[i])))
            return true;
    return false;
}

const char **leaf_fields_columns(const struct leaf_fields *f, const char *const *fixed, size_t n_fixed,
                                 struct arena *a)
{
    const char **names = arena_alloc(a, (f->n + 1) * sizeof(*names));

    for (size_t i = 0; i < f->n; i++) {
        const char *name = cell_cstr(a, f->f[i].name);

        for (int k = 2; taken(name, fixed, n_fixed, names, i); k++)
            name = arena_printf(a, "%s_%d", cell_cstr(a, f->f[i].name), k);
        names[i] = name;
    }
    return names;
}

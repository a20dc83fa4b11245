#include "emu_dualwrite_parts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- documents ---- */

static yajl_val member(yajl_val object, const char *name)
{
    if (YAJL_IS_OBJECT(object))
        for (size_t i = 0; i < YAJL_GET_OBJECT(object)->len; i++)
            if (!strcasecmp(YAJL_GET_OBJECT(object)->keys[i], name))
                return YAJL_GET_OBJECT(object)->values[i];
    return NULL;
}

/* A text in the model's arena; NULL when absent, empty or the word none. */
static const char *text_of(struct emu *e, yajl_val object, const char *name)
{
    const char *s = YAJL_GET_STRING(member(object, name));

    return s && *s && strcasecmp(s, "none") != 0 ? arena_strdup(&e->dv->arena, s) : NULL;
}

static int direction_of(yajl_val v)
{
    const char *s = YAJL_IS_NUMBER(v) ? YAJL_GET_NUMBER(v) : YAJL_GET_STRING(v);

    if (!s)
        return DW_BOTH;
    if (!strcmp(s, "1") || !strcasecmp(s, "Forward"))
        return DW_TO_DV;
    if (!strcmp(s, "2") || !strcasecmp(s, "Reverse") || !strcasecmp(s, "Backward"))
        return DW_TO_FNO;
    return DW_BOTH;
}

static void read_transform(struct emu *e, yajl_val transforms, struct dw_field *f)
{
    yajl_val t =
        YAJL_IS_ARRAY(transforms) && YAJL_GET_ARRAY(transforms)->len ? YAJL_GET_ARRAY(transforms)->values[0] : NULL;
    yajl_val map = member(t, "valueMap"), dflt = member(t, "defaultValue");
    const char *type = YAJL_GET_STRING(member(t, "transformType"));

    if (!t)
        return;
    if (YAJL_IS_STRING(dflt))
        f->default_value = arena_strdup(&e->dv->arena, YAJL_GET_STRING(dflt));
    if (!type || strcasecmp(type, "ValueMap") != 0 || !YAJL_IS_OBJECT(map))
        return;
    f->has_map = true;
    f->values = arena_zalloc(&e->dv->arena, (YAJL_GET_OBJECT(map)->len + 1) * sizeof(*f->values));
    for (size_t i = 0; i < YAJL_GET_OBJECT(map)->len; i++) {
        yajl_val v = YAJL_GET_OBJECT(map)->values[i];
        const char *to = YAJL_IS_NUMBER(v) ? YAJL_GET_NUMBER(v) : YAJL_GET_STRING(v);

        if (to)
            f->values[f->n_values++] = (struct dw_pair){ arena_strdup(&e->dv->arena, YAJL_GET_OBJECT(map)->keys[i]),
                                                         arena_strdup(&e->dv->arena, to) };
    }
}

static void read_field(struct emu *e, yajl_val v, struct dw_map *m)
{
    struct dw_field *f = &m->fields[m->n];
    const char *to = text_of(e, v, "destinationField"), *dot = to ? strchr(to, '.') : NULL;

    f->source = text_of(e, v, "sourceField");
    f->column = dot ? arena_dup(&e->dv->arena, to, (size_t)(dot - to)) : to;
    f->path = dot ? dot + 1 : NULL;
    f->direction = direction_of(member(v, "syncDirection"));
    read_transform(e, member(v, "valueTransforms"), f);
    if (!f->source)
        f->direction &= DW_TO_DV;
    if (!f->column)
        f->direction &= DW_TO_FNO;
    m->direction |= f->direction;
    m->n++;
}

bool dw_map_read(struct emu *e, const char *text, size_t n, struct dw_map *ret, char *msg, size_t msg_size)
{
    char *copy = arena_dup(&e->dv->arena, text, n), why[200] = "";
    yajl_val doc = yajl_tree_parse(copy, why, sizeof(why)), legs = member(doc, "legs"), leg, fields;
    bool ok = false;

    *ret = (struct dw_map){ .text = copy };
    if (!YAJL_IS_ARRAY(legs) || !YAJL_GET_ARRAY(legs)->len) {
        snprintf(msg, msg_size, "no dual-write map: %s", *why ? why : "it has no legs");
        goto out;
    }
    leg = YAJL_GET_ARRAY(legs)->values[0];
    fields = member(leg, "fieldMappings");
    ret->label = text_of(e, leg, "sourceSchema");
    ret->set = text_of(e, leg, "destinationSchema");
    ret->name = text_of(e, doc, "name");
    ret->source_filter = text_of(e, leg, "sourceFilter");
    ret->reversed_filter = text_of(e, leg, "reversedSourceFilter");
    ret->en = ret->label ? emu_entity_by_label(&e->tenant, ret->label) : NULL;
    ret->t = ret->set ? dv_table_by_set(e, ret->set, strlen(ret->set)) : NULL;
    if (!ret->en || !ret->t || !YAJL_IS_ARRAY(fields)) {
        snprintf(msg, msg_size, "the map's entity '%.100s' or set '%.100s' is not in this tenant",
                 ret->label ? ret->label : "", ret->set ? ret->set : "");
        goto out;
    }
    ret->fields = arena_zalloc(&e->dv->arena, (YAJL_GET_ARRAY(fields)->len + 1) * sizeof(*ret->fields));
    for (size_t i = 0; i < YAJL_GET_ARRAY(fields)->len; i++)
        read_field(e, YAJL_GET_ARRAY(fields)->values[i], ret);
    ok = true;
out:
    yajl_tree_free(doc);
    return ok;
}

/* ---- range expressions of F&O ---- */

struct parse {
    const char *start, *p;
    dw_get *get;
    void *arg;
    char *msg;
    size_t msg_size;
    bool bad;
    int depth;
};

struct operand {
    char text[400];
    const struct emu_field *field;
    bool number;
};

static bool either(struct parse *ps);

static bool fail(struct parse *ps, const char *why)
{
    if (!ps->bad)
        snprintf(ps->msg, ps->msg_size, "The filter expression '%.200s' is not valid: %s.", ps->start, why);
    ps->bad = true;
    return false;
}

static void blanks(struct parse *ps)
{
    ps->p += strspn(ps->p, " \t\r\n");
}

static bool token(struct parse *ps, const char *t)
{
    blanks(ps);
    if (strncmp(ps->p, t, strlen(t)) != 0)
        return false;
    ps->p += strlen(t);
    return true;
}

static void read_operand(struct parse *ps, struct operand *o)
{
    size_t n = 0;
    char quote;
    const char *v;

    *o = (struct operand){ .field = NULL };
    blanks(ps);
    if (*ps->p == '"' || *ps->p == '\'') {
        for (quote = *ps->p++; *ps->p && *ps->p != quote && n + 1 < sizeof(o->text); ps->p++) {
            if (*ps->p == '\\' && ps->p[1])
                ps->p++;
            o->text[n++] = *ps->p;
        }
        if (*ps->p++ != quote)
            fail(ps, "a text does not end");
        return;
    }
    if (isdigit((unsigned char)*ps->p) || *ps->p == '-') {
        do
            o->text[n++] = *ps->p++;
        while ((isdigit((unsigned char)*ps->p) || *ps->p == '.') && n + 1 < sizeof(o->text));
        o->number = true;
        return;
    }
    while ((isalnum((unsigned char)*ps->p) || *ps->p == '_' || *ps->p == ':') && n + 1 < sizeof(o->text))
        o->text[n++] = *ps->p++;
    if (!n) {
        fail(ps, "a value is missing");
        return;
    }
    if (strstr(o->text, "::")) { /* Enum::Member */
        memmove(o->text, strstr(o->text, "::") + 2, strlen(strstr(o->text, "::") + 2) + 1);
        return;
    }
    v = ps->get(ps->arg, o->text, &o->field);
    if (!v) {
        fail(ps, "it names a field that the entity does not have");
        return;
    }
    snprintf(o->text, sizeof(o->text), "%s", v);
}

/* An enum's value as its number when the other side is a number. */
static void enum_number(struct operand *o)
{
    if (!o->field || o->field->type != F_ENUM)
        return;
    for (size_t i = 0; i < o->field->en->n; i++)
        if (!strcasecmp(o->field->en->members[i].name, o->text)) {
            snprintf(o->text, sizeof(o->text), "%zu", i);
            return;
        }
}

static int order(struct operand *l, struct operand *r)
{
    bool numbers = l->number || r->number;
    double x, y;

    for (int i = 0; i < 2; i++) {
        const struct emu_field *f = i ? r->field : l->field;

        numbers = numbers || (f && (f->type == F_REAL || f->type == F_INT || f->type == F_INT64));
    }
    if (!numbers)
        return strcasecmp(l->text, r->text);
    enum_number(l);
    enum_number(r);
    x = strtod(l->text, NULL);
    y = strtod(r->text, NULL);
    return x < y ? -1 : x > y;
}

static bool comparison(struct parse *ps)
{
    static const char *const OPS[] = { "==", "!=", "<=", ">=", "<", ">", "=" };
    struct operand l, r;
    int d;

    blanks(ps);
    if (token(ps, "!")) {
        bool v = comparison(ps);

        return !ps->bad && !v;
    }
    if (token(ps, "(")) {
        bool v;

        if (++ps->depth > 50)
            return fail(ps, "it is nested too deeply");
        v = either(ps);
        ps->depth--;
        return token(ps, ")") ? v : fail(ps, "a bracket is not closed");
    }
    read_operand(ps, &l);
    for (size_t i = 0; i < COUNT(OPS) && !ps->bad; i++)
        if (token(ps, OPS[i])) {
            read_operand(ps, &r);
            if (ps->bad)
                return false;
            d = order(&l, &r);
            switch (i) {
            case 1: return d != 0;
            case 2: return d <= 0;
            case 3: return d >= 0;
            case 4: return d < 0;
            case 5: return d > 0;
            default: return d == 0;
            }
        }
    return fail(ps, "a comparison is missing");
}

static bool both(struct parse *ps)
{
    bool v = comparison(ps);

    while (!ps->bad && token(ps, "&&")) {
        bool w = comparison(ps);

        v = v && w;
    }
    return v;
}

static bool either(struct parse *ps)
{
    bool v = both(ps);

    while (!ps->bad && token(ps, "||")) {
        bool w = both(ps);

        v = v || w;
    }
    return v;
}

bool dw_source_filter(const char *text, dw_get *get, void *arg, bool *ret, char *msg, size_t msg_size)
{
    struct parse ps = { .start = text, .p = text, .get = get, .arg = arg, .msg = msg, .msg_size = msg_size };

    *ret = either(&ps);
    blanks(&ps);
    if (!ps.bad && *ps.p)
        fail(&ps, "something follows its end");
    return !ps.bad;
}

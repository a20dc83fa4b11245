#include "data/json.h"

struct json *json_new(struct arena *a, enum json_type t, struct cell text)
{
    struct json *v = arena_zalloc(a, sizeof(*v));

    v->type = t;
    v->text = text;
    return v;
}

void json_append(struct json *parent, struct json *child)
{
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->child = child;
    parent->last = child;
    parent->n++;
}

struct json *json_set(struct arena *a, struct json *obj, const char *name, struct json *v)
{
    struct json *before = NULL;

    v->name = (struct cell){ arena_strdup(a, name), strlen(name) };
    for (struct json *m = obj->child; m; before = m, m = m->next) {
        if (!cell_is(m->name, name))
            continue;
        if (m == v)
            return v;
        v->next = m->next;
        if (before)
            before->next = v;
        else
            obj->child = v;
        if (obj->last == m)
            obj->last = v;
        return v;
    }
    json_append(obj, v);
    return v;
}

static const struct json *find(const struct json *obj, struct cell name, bool (*same)(struct cell, struct cell))
{
    if (!obj || obj->type != JSON_OBJECT)
        return NULL;
    for (const struct json *m = obj->child; m; m = m->next)
        if (same(m->name, name))
            return m;
    return NULL;
}

static bool same_exact(struct cell a, struct cell b)
{
    return cell_eq(a, b);
}

const struct json *json_get(const struct json *obj, const char *name)
{
    return find(obj, cell_of(name), same_exact);
}

const struct json *json_iget(const struct json *obj, const char *name)
{
    return find(obj, cell_of(name), cell_ieq);
}

const struct json *json_at(const struct json *arr, size_t i)
{
    const struct json *v;

    if (!arr || arr->type != JSON_ARRAY || i >= arr->n)
        return NULL;
    for (v = arr->child; i; i--)
        v = v->next;
    return v;
}

struct cell json_text(const struct json *v)
{
    if (!v)
        return CELL_ABSENT;
    switch (v->type) {
    case JSON_NUMBER:
    case JSON_STRING: return v->text;
    case JSON_TRUE: return CELL_LIT("true");
    case JSON_FALSE: return CELL_LIT("false");
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    return CELL_ABSENT;
}

struct cell json_member(const struct json *obj, const char *name)
{
    return json_text(json_get(obj, name));
}

bool json_bool(const struct json *v, bool otherwise)
{
    struct cell t = json_text(v);

    if (cell_ieq(t, CELL_LIT("true")))
        return true;
    return cell_ieq(t, CELL_LIT("false")) ? false : otherwise;
}

int64_t json_i64(const struct json *v, int64_t otherwise)
{
    int64_t n;

    return cell_to_i64(json_text(v), &n) ? n : otherwise;
}

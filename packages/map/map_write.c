/* map_write.c -- a map document as text of one shape, and the names that a map goes by. */
#include "base/file.h"
#include "map/map.h"

#include <inttypes.h>

/* ---- one spelling ---- */

static void set_bool(struct json *v)
{
    struct cell text = v->type == JSON_STRING ? v->text : CELL_ABSENT;

    if (!cell_ieq(text, CELL_LIT("true")) && !cell_ieq(text, CELL_LIT("false")))
        return;
    v->type = cell_ieq(text, CELL_LIT("true")) ? JSON_TRUE : JSON_FALSE;
    v->text = CELL_ABSENT;
}

static void normalise_members(struct json *obj)
{
    static const char *const BOOLS[] = { "isSystemGenerated", "createValuesOnDestination", "isSourceFilterEditable",
                                         "deleteNonMatchingData" };
    static const char *const DIGITS[] = { [DIR_TO_DV] = "1", [DIR_TO_FNO] = "2", [DIR_BOTH] = "3" };
    enum map_dir dir;

    for (struct json *v = obj->type == JSON_OBJECT ? obj->child : NULL; v; v = v->next) {
        for (size_t i = 0; i < COUNT(BOOLS); i++)
            if (cell_ieq(v->name, cell_of(BOOLS[i])))
                set_bool(v);
        if (cell_ieq(v->name, CELL_LIT("syncDirection")) && map_direction(json_text(v), &dir)) {
            v->type = JSON_NUMBER;
            v->text = cell_of(DIGITS[dir]);
        }
    }
}

static struct json *member(struct json *obj, const char *name)
{
    for (struct json *v = obj->type == JSON_OBJECT ? obj->child : NULL; v; v = v->next)
        if (cell_ieq(v->name, cell_of(name)))
            return v;
    return NULL;
}

static struct json *elements(struct json *obj, const char *name)
{
    struct json *v = member(obj, name);

    return v && v->type == JSON_ARRAY ? v->child : NULL;
}

void map_normalise(struct map *m)
{
    for (struct json *leg = elements(m->doc, "legs"); leg; leg = leg->next) {
        normalise_members(leg);
        for (struct json *f = elements(leg, "fieldMappings"); f; f = f->next) {
            normalise_members(f);
            for (struct json *t = elements(f, "valueTransforms"); t; t = t->next)
                normalise_members(t);
        }
    }
}

void map_write_text(const struct map *m, struct strbuf *out)
{
    json_write_pretty(out, m->doc);
}

enum ec map_write_file(const struct map *m, const char *path, struct err *reterr)
{
    struct strbuf out = STRBUF(0);
    enum ec rc;

    map_write_text(m, &out);
    rc = file_write_atomic(path, out.buf, out.len, 0644, reterr);
    strbuf_release(&out);
    return rc;
}

/* ---- names ---- */

/* Letters and digits in lower case, everything else one hyphen. */
static void add_slug(struct strbuf *b, struct cell c)
{
    bool gap = false;

    for (size_t i = 0; i < c.len; i++) {
        char ch = c.ptr[i];

        if (ch >= 'A' && ch <= 'Z')
            ch = (char)(ch + 32);
        if ((ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || (ch == '_' && i)) {
            if (gap)
                strbuf_addc(b, '-');
            strbuf_addc(b, ch);
            gap = false;
        } else {
            gap = b->len > 0 && b->buf[b->len - 1] != '-';
        }
    }
}

/* FNV-1a */
static uint32_t hash_of(struct cell c)
{
    uint32_t h = UINT32_C(2166136261);

    for (size_t i = 0; i < c.len; i++)
        h = (h ^ (unsigned char)c.ptr[i]) * UINT32_C(16777619);
    return h;
}

char *map_stem(const struct map *m, struct arena *a)
{
    struct strbuf b = STRBUF(0);
    size_t before;
    char *s;

    add_slug(&b, m->set);
    strbuf_adds(&b, "--");
    before = b.len;
    add_slug(&b, m->label);
    if (b.len == before) /* a label in another script: still one file per map */
        strbuf_addf(&b, "%08" PRIx32, hash_of(m->label));
    s = arena_strdup(a, b.buf);
    strbuf_release(&b);
    return s;
}

bool map_named(const struct map *m, const char *text)
{
    struct arena a = { 0 };
    struct cell want = cell_of(text);
    bool yes = cell_ieq(want, m->name) ||
               cell_ieq(want, cell_printf(&a, "[%.*s] - [%.*s]", (int)m->label.len, m->label.ptr, (int)m->set.len,
                                          m->set.ptr)) ||
               cell_ieq(want, cell_of(map_stem(m, &a)));

    arena_release(&a);
    return yes;
}

const char *map_sign(const struct map_field *f)
{
    bool transform = f->has_map || f->has_default || !cell_absent(f->unknown_transform);

    if (f->dir == DIR_BOTH)
        return transform ? "><" : "=";
    if (f->dir == DIR_TO_DV)
        return transform ? ">>" : ">";
    return transform ? "<<" : "<";
}

/* map_diff.c -- two maps, field by field. */
#include "map/map_diff.h"
#include "map/filter.h"

#include <stdlib.h>
#include <strings.h>

enum { SHOWN = 160 }; /* octets of a value that is no text */

static struct cell some(struct cell c)
{
    return cell_blank(c) ? CELL_ABSENT : c;
}

static void add(struct map_diff *d, struct cell place, struct cell what, struct cell a, struct cell b)
{
    struct map_diff_row *r;

    if (d->n == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 32;
        d->rows = xrealloc(d->rows, d->cap * sizeof(*d->rows));
    }
    r = &d->rows[d->n++];
    *r = (struct map_diff_row){ .sign = MAP_DIFF_CHANGED,
                                .place = cell_dup(&d->arena, place),
                                .what = cell_dup(&d->arena, what),
                                .a = cell_dup(&d->arena, a),
                                .b = cell_dup(&d->arena, b) };
    if (cell_absent(a) != cell_absent(b))
        r->sign = cell_absent(a) ? MAP_DIFF_ONLY_B : MAP_DIFF_ONLY_A;
}

/* true, True and "true" are one value; other texts are as they are. */
static bool same_word(struct cell a, struct cell b)
{
    if (cell_eq(some(a), some(b)))
        return true;
    return cell_ieq(a, b) && (cell_ieq(a, CELL_LIT("true")) || cell_ieq(a, CELL_LIT("false")));
}

static void compare_name(struct map_diff *d, struct cell place, const char *what, struct cell a, struct cell b)
{
    if (!cell_ieq(some(a), some(b)))
        add(d, place, cell_of(what), some(a), some(b));
}

/* ---- members that are not known here ---- */

static bool nothing(const struct json *v)
{
    return !v || v->type == JSON_NULL || v->type == JSON_FALSE || (v->type == JSON_STRING && !v->text.len) ||
           (v->type == JSON_NUMBER && cell_is(v->text, "0")) ||
           ((v->type == JSON_ARRAY || v->type == JSON_OBJECT) && !v->n);
}

/* An object's members in order of their names, so that hostile documents take no square of time. */
struct members {
    const struct json **list;
    size_t n;
};

static int by_fold(struct cell a, struct cell b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? strncasecmp(a.ptr, b.ptr, n) : 0;

    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int by_member(const void *x, const void *y)
{
    const struct json *a = *(const struct json *const *)x, *b = *(const struct json *const *)y;
    int c = by_fold(a->name, b->name);

    return c ? c : cell_cmp(a->name, b->name);
}

static struct members members_of(const struct json *obj)
{
    struct members m = { 0 };

    if (!obj || obj->type != JSON_OBJECT)
        return m;
    m.list = xcalloc(obj->n + 1, sizeof(*m.list));
    for (const struct json *v = obj->child; v; v = v->next)
        m.list[m.n++] = v;
    if (m.n)
        qsort(m.list, m.n, sizeof(*m.list), by_member);
    return m;
}

/* The member of exactly this name, else the first one that differs in case only. */
static const struct json *member(const struct members *m, struct cell name)
{
    size_t from = 0, to = m->n;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (by_fold(m->list[mid]->name, name) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    for (size_t i = from; i < m->n && !by_fold(m->list[i]->name, name) && i < from + 64; i++)
        if (cell_eq(m->list[i]->name, name))
            return m->list[i];
    return from < m->n && !by_fold(m->list[from]->name, name) ? m->list[from] : NULL;
}

static bool same_json(const struct json *a, const struct json *b);

static bool same_members(const struct json *a, const struct json *b)
{
    struct members ma = members_of(a), mb = members_of(b);
    bool same = true;

    for (size_t i = 0; i < ma.n && same; i++)
        same = same_json(ma.list[i], member(&mb, ma.list[i]->name));
    for (size_t i = 0; i < mb.n && same; i++)
        same = nothing(mb.list[i]) || member(&ma, mb.list[i]->name);
    free(ma.list);
    free(mb.list);
    return same;
}

static bool same_json(const struct json *a, const struct json *b)
{
    const struct json *y;

    if (nothing(a) || nothing(b))
        return nothing(a) && nothing(b);
    if (a->type == JSON_OBJECT || b->type == JSON_OBJECT)
        return a->type == b->type && same_members(a, b);
    if (a->type != JSON_ARRAY && b->type != JSON_ARRAY)
        return same_word(json_text(a), json_text(b));
    if (a->type != b->type || a->n != b->n)
        return false;
    y = b->child;
    for (const struct json *x = a->child; x; x = x->next, y = y->next)
        if (!same_json(x, y))
            return false;
    return true;
}

static struct cell text_of(struct map_diff *d, const struct json *v)
{
    struct strbuf b = STRBUF(0);
    struct cell c;

    if (nothing(v))
        return CELL_ABSENT;
    if (v->type != JSON_ARRAY && v->type != JSON_OBJECT)
        return json_text(v);
    json_write(&b, v);
    c = cell_printf(&d->arena, "%.*s%s", (int)utf8_valid_prefix(b.buf, b.len < SHOWN ? b.len : SHOWN), b.buf,
                    b.len > SHOWN ? "..." : "");
    strbuf_release(&b);
    return c;
}

static bool listed(struct cell name, const char *const *list)
{
    for (; *list; list++)
        if (cell_ieq(name, cell_of(*list)))
            return true;
    return false;
}

static struct cell called(struct cell name)
{
    return name.len ? name : CELL_LIT("(a member without a name)");
}

/* Members that none of `known` names. */
static void compare_others(struct map_diff *d, struct cell place, const struct json *a, const struct json *b,
                           const char *const *known)
{
    struct members ma = members_of(a), mb = members_of(b);

    for (const struct json *x = ma.n ? a->child : NULL; x; x = x->next) {
        const struct json *y = member(&mb, x->name);

        if (!listed(x->name, known) && !same_json(x, y))
            add(d, place, called(x->name), text_of(d, x), text_of(d, y));
    }
    for (const struct json *y = mb.n ? b->child : NULL; y; y = y->next)
        if (!listed(y->name, known) && !nothing(y) && !member(&ma, y->name))
            add(d, place, called(y->name), CELL_ABSENT, text_of(d, y));
    free(ma.list);
    free(mb.list);
}

/* ---- transforms ---- */

struct entries {
    struct entry {
        struct cell key, value;
        size_t at;
    } * list;
    size_t n;
};

static int by_key(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;
    int c = cell_cmp(a->key, b->key);

    return c ? c : (a->at > b->at) - (a->at < b->at);
}

/* The entries by key in lower case; a turned leg has them the other way round. */
static struct entries entries_of(struct map_diff *d, const struct json *value_map, bool turned)
{
    struct entries e = { 0 };

    if (!value_map || value_map->type != JSON_OBJECT)
        return e;
    e.list = xcalloc(value_map->n + 1, sizeof(*e.list));
    for (const struct json *p = value_map->child; p; p = p->next) {
        e.list[e.n].key = cell_lower(&d->arena, turned ? json_text(p) : p->name);
        e.list[e.n].value = turned ? p->name : json_text(p);
        e.list[e.n].at = e.n;
        e.n++;
    }
    if (e.n)
        qsort(e.list, e.n, sizeof(*e.list), by_key);
    return e;
}

static void compare_value_maps(struct map_diff *d, struct cell place, struct entries a, struct entries b)
{
    size_t i = 0, k = 0;

    while (i < a.n || k < b.n) {
        int c = i == a.n ? 1 : k == b.n ? -1 : cell_cmp(a.list[i].key, b.list[k].key);
        struct cell key = c <= 0 ? a.list[i].key : b.list[k].key;
        struct cell what = cell_printf(&d->arena, "value map: " CELL_FMT, CELL_ARG(key));

        if (c || !same_word(a.list[i].value, b.list[k].value))
            add(d, place, what, c <= 0 ? a.list[i].value : CELL_ABSENT, c >= 0 ? b.list[k].value : CELL_ABSENT);
        i += c <= 0;
        k += c >= 0;
    }
}

static struct cell type_of(const struct json *t)
{
    struct cell c = json_text(json_iget(t, "transformType"));

    return cell_blank(c) ? CELL_LIT("(without a type)") : c;
}

static void compare_transform(struct map_diff *d, struct cell place, const struct json *a, bool turned_a,
                              const struct json *b, bool turned_b)
{
    static const char *const KNOWN[] = { "$type", "transformType", "valueMap", "defaultValue", NULL };
    struct cell x = a ? type_of(a) : CELL_ABSENT, y = b ? type_of(b) : CELL_ABSENT;
    struct entries ea, eb;

    if (!cell_ieq(x, y)) {
        add(d, place, CELL_LIT("transform"), x, y);
        return;
    }
    ea = entries_of(d, json_iget(a, "valueMap"), turned_a);
    eb = entries_of(d, json_iget(b, "valueMap"), turned_b);
    compare_value_maps(d, place, ea, eb);
    free(ea.list);
    free(eb.list);
    if (!same_json(json_iget(a, "defaultValue"), json_iget(b, "defaultValue")))
        add(d, place, CELL_LIT("default value"), text_of(d, json_iget(a, "defaultValue")),
            text_of(d, json_iget(b, "defaultValue")));
    compare_others(d, place, a, b, KNOWN);
}

static const struct json *first(const struct json *list)
{
    return list && list->type == JSON_ARRAY ? list->child : NULL;
}

/* ---- fields ---- */

static struct cell or_none(struct cell c)
{
    return cell_absent(c) ? CELL_LIT("none") : c;
}

static struct cell place_of(struct map_diff *d, const struct map_field *f)
{
    return cell_printf(&d->arena, CELL_FMT " : " CELL_FMT, CELL_ARG(or_none(f->source)),
                       CELL_ARG(or_none(f->destination)));
}

static struct cell direction_of(const struct map_field *f)
{
    static const struct cell WORDS[] = {
        [DIR_TO_DV] = CELL_LIT("to Dataverse"), [DIR_TO_FNO] = CELL_LIT("to F&O"), [DIR_BOTH] = CELL_LIT("both ways")
    };

    return WORDS[f->dir];
}

static void compare_field(struct map_diff *d, const struct map *ma, const struct map_field *a, const struct map *mb,
                          const struct map_field *b)
{
    static const char *const KNOWN[] = { "id",
                                         "syncDirection",
                                         "sourceField",
                                         "destinationField",
                                         "valueTransforms",
                                         "isSystemGenerated",
                                         "destinationLookupFieldRelatedEntity",
                                         NULL };
    struct cell place = place_of(d, a);
    const struct json *x = first(json_iget(a->doc, "valueTransforms")),
                      *y = first(json_iget(b->doc, "valueTransforms"));

    compare_name(d, place, "source", a->source, b->source);
    compare_name(d, place, "destination", a->destination, b->destination);
    if (a->dir != b->dir)
        add(d, place, CELL_LIT("direction"), direction_of(a), direction_of(b));
    compare_name(d, place, "related table", a->related_entity, b->related_entity);
    if (a->system_generated != b->system_generated)
        add(d, place, CELL_LIT("isSystemGenerated"), cell_of(a->system_generated ? "true" : "false"),
            cell_of(b->system_generated ? "true" : "false"));
    while (x || y) {
        compare_transform(d, place, x, ma->reversed_legs, y, mb->reversed_legs);
        x = x ? x->next : NULL;
        y = y ? y->next : NULL;
    }
    compare_others(d, place, a->doc, b->doc, KNOWN);
}

/* What fields are paired by: first both ends, then what is left by one of them (the other was changed). */
enum pairing { BY_BOTH, BY_SOURCE, BY_DESTINATION };
struct side {
    const struct map *m;
    size_t *mate; /* per field, SIZE_MAX = none yet */
    struct entry *sorted;
    size_t n;
};

static void sort_side(struct map_diff *d, struct side *s, enum pairing how)
{
    s->n = 0;
    for (size_t i = 0; i < s->m->n; i++) {
        const struct map_field *f = &s->m->fields[i];
        struct cell src = how == BY_DESTINATION ? CELL_LIT("") : f->source,
                    dst = how == BY_SOURCE ? CELL_LIT("") : f->destination;

        if (s->mate[i] != SIZE_MAX || (how == BY_SOURCE && cell_absent(src)) ||
            (how == BY_DESTINATION && cell_absent(dst)))
            continue;
        s->sorted[s->n++] = (struct entry){
            .key = cell_lower(&d->arena, cell_printf(&d->arena, "%.*s\x1f%.*s", (int)src.len, src.ptr ? src.ptr : "",
                                                     (int)dst.len, dst.ptr ? dst.ptr : "")),
            .at = i
        };
    }
    if (s->n)
        qsort(s->sorted, s->n, sizeof(*s->sorted), by_key);
}

static void pair_up(struct map_diff *d, struct side *a, struct side *b, enum pairing how)
{
    size_t i = 0, k = 0;

    sort_side(d, a, how);
    sort_side(d, b, how);
    while (i < a->n && k < b->n) {
        int c = cell_cmp(a->sorted[i].key, b->sorted[k].key);

        if (!c) {
            a->mate[a->sorted[i].at] = b->sorted[k].at;
            b->mate[b->sorted[k].at] = a->sorted[i].at;
        }
        i += c <= 0;
        k += c >= 0;
    }
}

static struct side side_of(const struct map *m)
{
    struct side s = { .m = m,
                      .mate = xcalloc(m->n + 1, sizeof(*s.mate)),
                      .sorted = xcalloc(m->n + 1, sizeof(*s.sorted)) };

    for (size_t i = 0; i < m->n; i++)
        s.mate[i] = SIZE_MAX;
    return s;
}

static struct cell summary(struct map_diff *d, const struct map_field *f)
{
    return cell_printf(&d->arena, CELL_FMT " %s " CELL_FMT, CELL_ARG(or_none(f->source)), map_sign(f),
                       CELL_ARG(or_none(f->destination)));
}

static void compare_fields(struct map_diff *d, const struct map *a, const struct map *b)
{
    struct side x = side_of(a), y = side_of(b);

    pair_up(d, &x, &y, BY_BOTH);
    pair_up(d, &x, &y, BY_SOURCE);
    pair_up(d, &x, &y, BY_DESTINATION);
    for (size_t i = 0; i < a->n; i++) {
        if (x.mate[i] == SIZE_MAX)
            add(d, place_of(d, &a->fields[i]), CELL_LIT("field"), summary(d, &a->fields[i]), CELL_ABSENT);
        else
            compare_field(d, a, &a->fields[i], b, &b->fields[x.mate[i]]);
    }
    for (size_t k = 0; k < b->n; k++)
        if (y.mate[k] == SIZE_MAX)
            add(d, place_of(d, &b->fields[k]), CELL_LIT("field"), CELL_ABSENT, summary(d, &b->fields[k]));
    free(x.mate);
    free(x.sorted);
    free(y.mate);
    free(y.sorted);
}

/* ---- filters ---- */

typedef enum ec filter_parser(struct cell text, struct arena *a, struct filter **ret, struct err *reterr);

/* As an expression where it is one, else its words. */
static void normal_filter(struct map_diff *d, filter_parser *parse, struct cell text, struct strbuf *out)
{
    struct filter *f = NULL;

    if (!parse(text, &d->arena, &f, NULL)) {
        filter_normal(f, out);
        return;
    }
    strbuf_adds(out, "unreadable:");
    for (size_t i = 0; i < text.len; i++)
        if (!memchr(" \t\r\n", text.ptr[i], 4))
            strbuf_addc(out, text.ptr[i]);
}

static void compare_filter(struct map_diff *d, const char *what, filter_parser *parse, struct cell a, struct cell b)
{
    struct strbuf x = STRBUF(0), y = STRBUF(0);

    normal_filter(d, parse, a, &x);
    normal_filter(d, parse, b, &y);
    if (x.len != y.len || (x.len && memcmp(x.buf, y.buf, x.len)))
        add(d, CELL_LIT("map"), cell_of(what), x.len ? a : CELL_ABSENT, y.len ? b : CELL_ABSENT);
    strbuf_release(&x);
    strbuf_release(&y);
}

/* ---- the whole ---- */

static const struct json *leg_of(const struct map *m)
{
    return first(json_iget(m->doc, "legs"));
}

void map_diff(const struct map *a, const struct map *b, struct map_diff *ret)
{
    static const char *const DOC[] = { "name",
                                       "id",
                                       "description",
                                       "displayName",
                                       "entityName",
                                       "order",
                                       "connectionSetName",
                                       "leftEnvironmentType",
                                       "centerEnvironmentType",
                                       "rightEnvironmentType",
                                       "leftEnvironment",
                                       "centerEnvironment",
                                       "rightEnvironment",
                                       "leftPartitionName",
                                       "centerPartitionName",
                                       "rightPartitionName",
                                       "legs",
                                       NULL };
    static const char *const LEG[] = { "id",
                                       "sourceEnvironment",
                                       "destinationEnvironment",
                                       "sourceEnvironmentType",
                                       "destinationEnvironmentType",
                                       "sourceSchema",
                                       "destinationSchema",
                                       "sourceFilter",
                                       "reversedSourceFilter",
                                       "isSourceFilterEditable",
                                       "fieldMappings",
                                       NULL };
    struct cell place = CELL_LIT("map");

    *ret = (struct map_diff){ 0 };
    compare_name(ret, place, "F&O entity", a->label, b->label);
    compare_name(ret, place, "Dataverse table", a->set, b->set);
    compare_filter(ret, "F&O filter", filter_parse_xpp, a->source_filter, b->source_filter);
    compare_filter(ret, "Dataverse filter", filter_parse_odata, a->reversed_filter, b->reversed_filter);
    compare_others(ret, place, a->doc, b->doc, DOC);
    compare_others(ret, place, leg_of(a), leg_of(b), LEG);
    compare_fields(ret, a, b);
}

void map_diff_release(struct map_diff *d)
{
    free(d->rows);
    arena_release(&d->arena);
    *d = (struct map_diff){ 0 };
}

/* enums.c -- which element is which option, and writing it into the map's document. */
#include "map/enums.h"
#include "base/nearest.h"
#include "map/bind_parts.h"

#include <ctype.h>

/* Where an element goes in one round; taken options are out of the race. */
struct match {
    struct arena *a;
    const struct fno_enum *en;
    struct dv_option *options; /* of the column, or False and True */
    size_t n_options;
    bool boolean;
    bool *element_done, *option_taken;
};

const char *enums_how_word(enum enums_how h)
{
    static const char *const WORDS[] = { "present", "by name", "by label", "near, review" };

    return WORDS[h];
}

bool enums_wanted(const struct map_field *mf, const struct fno_entity *e, const struct dv_table *t,
                  const struct fno_enum **ret_en, const struct dv_column **ret_c)
{
    const struct fno_field *f = cell_absent(mf->source) ? NULL : fno_field_find(e, mf->source);
    const struct dv_column *c = mf->n_path == 1 ? dv_column_find(t, mf->path[0].name) : NULL;

    if (!f || !f->en || !f->en->n || !c)
        return false;
    if (c->type != DV_BOOLEAN &&
        !(c->n_options && (c->type == DV_PICKLIST || c->type == DV_STATE || c->type == DV_STATUS)))
        return false;
    *ret_en = f->en;
    *ret_c = c;
    return true;
}

/* Letters and digits in lower case: "Sales lead time" and "SalesLeadTime" are one word. Other scripts stay as they are. */
static char *plain(struct arena *a, struct cell c)
{
    char *s = arena_alloc(a, c.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < c.len; i++) {
        unsigned char ch = (unsigned char)c.ptr[i];

        if (ch >= 0x80 || isalnum(ch))
            s[n++] = (char)tolower(ch);
    }
    s[n] = 0;
    return s;
}

/* False and True of a yes/no column, with the labels that it gives them. */
static void two_options(const struct dv_column *c, struct match *m)
{
    m->options = arena_zalloc(m->a, 2 * sizeof(*m->options));
    m->n_options = 2;
    m->options[0] = (struct dv_option){ 0, CELL_LIT("No"), CELL_ABSENT };
    m->options[1] = (struct dv_option){ 1, CELL_LIT("Yes"), CELL_ABSENT };
    for (size_t i = 0; i < c->n_options; i++)
        if ((c->options[i].value == 0 || c->options[i].value == 1) && !cell_blank(c->options[i].label))
            m->options[c->options[i].value].label = c->options[i].label;
}

static struct cell value_text(const struct match *m, size_t option)
{
    if (m->boolean)
        return m->options[option].value ? CELL_LIT("True") : CELL_LIT("False");
    return cell_printf(m->a, "%lld", (long long)m->options[option].value);
}

/* Option of a value-map value; n_options = none. */
static size_t option_of(const struct match *m, struct cell value)
{
    int64_t v;
    bool b;

    for (size_t i = 0; i < m->n_options; i++)
        if (m->boolean ? bind_bool_word(value, &b) && b == (m->options[i].value == 1)
                       : cell_to_i64(value, &v) && v == m->options[i].value)
            return i;
    return m->n_options;
}

static size_t element_of(const struct fno_enum *en, struct cell key)
{
    for (size_t i = 0; i < en->n; i++)
        if (cell_ieq(en->members[i], key))
            return i;
    return en->n;
}

/* Key of a value map: the element's name, its first letter lower. */
static struct cell key_of(struct arena *a, struct cell element)
{
    char *s = cell_cstr(a, element);

    *s = (char)tolower((unsigned char)*s);
    return (struct cell){ s, element.len };
}

/* Exact fit of an element in one of two ways; n_options = none. Taken options do not count unless `any`. */
static size_t exact(const struct match *m, size_t element, bool by_label, bool any)
{
    struct cell text = by_label ? m->en->labels[element] : m->en->members[element];
    const char *want;

    if (cell_blank(text))
        return m->n_options;
    want = plain(m->a, text);
    for (size_t i = 0; i < m->n_options && *want; i++) {
        bool b;

        if (!any && m->option_taken[i])
            continue;
        if (m->boolean && bind_bool_word(text, &b) && b == (m->options[i].value == 1))
            return i;
        if (!strcmp(want, plain(m->a, m->options[i].label)) ||
            (!by_label && !cell_blank(m->options[i].external) && !strcmp(want, plain(m->a, m->options[i].external))))
            return i;
    }
    return m->n_options;
}

/* What a name or a label would pair the element with, taken or not: shows a present pair that says something else. */
static size_t speaks_for(const struct match *m, size_t element)
{
    size_t o = exact(m, element, false, true);

    return o < m->n_options ? o : exact(m, element, true, true);
}

static bool begins(const char *text, const char *with)
{
    return strlen(with) >= 4 && !strncmp(text, with, strlen(with));
}

/* Distance of two words, small = alike: edits, or one beginning with the other. NEAREST_MAX = not alike. */
static size_t alike(const char *x, const char *y)
{
    size_t d;

    if (!*x || !*y)
        return NEAREST_MAX;
    if (begins(x, y) || begins(y, x))
        return 1;
    d = word_edits(x, y);
    return d <= word_slips(strlen(x) < strlen(y) ? x : y) ? d : NEAREST_MAX;
}

static size_t nearest(const struct match *m, size_t element)
{
    size_t best = m->n_options, least = NEAREST_MAX;
    const char *name = plain(m->a, m->en->members[element]), *label = plain(m->a, m->en->labels[element]);

    for (size_t i = 0; i < m->n_options; i++) {
        const char *option = plain(m->a, m->options[i].label);
        size_t d = alike(name, option), e = alike(label, option);

        d = e < d ? e : d;
        if (!m->option_taken[i] && d < least) {
            least = d;
            best = i;
        }
    }
    return best;
}

static void add_pair(const struct match *m, struct enums_proposal *p, size_t element, size_t option,
                     enum enums_how how)
{
    p->pairs[p->n++] = (struct enums_pair){ .element = m->en->members[element],
                                            .element_label = m->en->labels[element],
                                            .key = key_of(m->a, m->en->members[element]),
                                            .value = value_text(m, option),
                                            .option_label = m->options[option].label,
                                            .how = how };
    m->element_done[element] = m->option_taken[option] = true;
    p->fresh += how != ENUMS_NEAR;
    p->near += how == ENUMS_NEAR;
}

static void take_present(const struct match *m, struct enums_proposal *p)
{
    for (size_t i = 0; i < p->mf->n_pairs; i++) {
        const struct map_pair *mp = &p->mf->pairs[i];
        size_t e = element_of(m->en, mp->key), o = option_of(m, mp->value);
        struct enums_pair *to = &p->pairs[p->n++];

        *to = (struct enums_pair){ .element = mp->key, .key = mp->key, .value = mp->value, .how = ENUMS_PRESENT };
        to->unknown_key = e == m->en->n;
        to->unknown_value = o == m->n_options;
        if (!to->unknown_key) {
            size_t other = speaks_for(m, e);

            to->element = m->en->members[e];
            to->element_label = m->en->labels[e];
            m->element_done[e] = true;
            if (other < m->n_options && other != o) {
                to->otherwise = value_text(m, other);
                p->conflicts++;
            }
        }
        if (!to->unknown_value) {
            to->option_label = m->options[o].label;
            m->option_taken[o] = true;
        }
    }
}

static void leftovers(const struct match *m, struct enums_proposal *p)
{
    p->elements = arena_alloc(m->a, (m->en->n + 1) * sizeof(*p->elements));
    p->options = arena_alloc(m->a, (m->n_options + 1) * sizeof(*p->options));
    for (size_t i = 0; i < m->en->n; i++)
        if (!m->element_done[i])
            p->elements[p->n_elements++] = m->en->members[i];
    for (size_t i = 0; i < m->n_options; i++)
        if (!m->option_taken[i])
            p->options[p->n_options++] = m->options[i];
}

void enums_propose(const struct map_field *mf, const struct fno_enum *en, const struct dv_column *c, struct arena *a,
                   struct enums_proposal *ret)
{
    struct match m = {
        .a = a, .en = en, .options = c->options, .n_options = c->n_options, .boolean = c->type == DV_BOOLEAN
    };

    *ret = (struct enums_proposal){ .mf = mf, .en = en, .c = c };
    if (m.boolean)
        two_options(c, &m);
    ret->pairs = arena_alloc(a, (mf->n_pairs + en->n + 1) * sizeof(*ret->pairs));
    m.element_done = arena_zalloc(a, en->n + 1);
    m.option_taken = arena_zalloc(a, m.n_options + 1);
    take_present(&m, ret);
    for (int by_label = 0; by_label < 2; by_label++)
        for (size_t e = 0; e < en->n; e++) {
            size_t o = m.element_done[e] ? m.n_options : exact(&m, e, by_label == 1, false);

            if (o < m.n_options)
                add_pair(&m, ret, e, o, by_label ? ENUMS_BY_LABEL : ENUMS_BY_NAME);
        }
    for (size_t e = 0; e < en->n; e++) {
        size_t o = m.element_done[e] ? m.n_options : nearest(&m, e);

        if (o < m.n_options)
            add_pair(&m, ret, e, o, ENUMS_NEAR);
    }
    leftovers(&m, ret);
}

/* ---- writing ---- */

static struct json *member_i(struct json *obj, const char *name)
{
    for (struct json *v = obj && obj->type == JSON_OBJECT ? obj->child : NULL; v; v = v->next)
        if (cell_ieq(v->name, cell_of(name)))
            return v;
    return NULL;
}

static struct json *element_at(struct json *arr, size_t i)
{
    struct json *v = arr && arr->type == JSON_ARRAY ? arr->child : NULL;

    while (v && i--)
        v = v->next;
    return v;
}

static void put_text(struct arena *a, struct json *obj, const char *name, const char *text)
{
    json_set(a, obj, name, json_new(a, JSON_STRING, cell_of(arena_strdup(a, text))));
}

/* The value map of one field of the document, made when there is none. NULL = the field has another transform. */
static struct json *value_map_of(struct map *m, struct json *field)
{
    struct json *list = member_i(field, "valueTransforms"), *t, *map;

    if (!list || list->type != JSON_ARRAY)
        list = json_set(&m->arena, field, list ? cell_cstr(&m->arena, list->name) : "valueTransforms",
                        json_new(&m->arena, JSON_ARRAY, CELL_ABSENT));
    for (t = list->child; t; t = t->next)
        if (cell_ieq(json_text(member_i(t, "transformType")), CELL_LIT("ValueMap"))) {
            map = member_i(t, "valueMap");
            return map && map->type == JSON_OBJECT
                       ? map
                       : json_set(&m->arena, t, "valueMap", json_new(&m->arena, JSON_OBJECT, CELL_ABSENT));
        }
    if (list->n)
        return NULL;
    t = json_new(&m->arena, JSON_OBJECT, CELL_ABSENT);
    put_text(&m->arena, t, "transformType", "ValueMap");
    map = json_set(&m->arena, t, "valueMap", json_new(&m->arena, JSON_OBJECT, CELL_ABSENT));
    json_set(&m->arena, t, "createValuesOnDestination", json_new(&m->arena, JSON_FALSE, CELL_ABSENT));
    json_append(list, t);
    return map;
}

enum ec enums_apply(struct map *m, const struct enums_proposal *p, bool near, size_t *ret_added, struct err *reterr)
{
    struct json *leg = element_at(member_i(m->doc, "legs"), 0);
    struct json *field = element_at(member_i(leg, "fieldMappings"), p->mf->index), *map;

    *ret_added = 0;
    if (p->fresh + (near ? p->near : 0) == 0)
        return EC_OK;
    map = field ? value_map_of(m, field) : NULL;
    if (!map) {
        err_set(reterr, EC_FORMAT,
                "map '" CELL_FMT "': field %zu (" CELL_FMT ") has a transform that is no value map",
                CELL_ARG(m->name), p->mf->index + 1, CELL_ARG(p->mf->source));
        return err_hint(reterr, "remove the transform first, so that a value map can take its place");
    }
    for (size_t i = 0; i < p->n; i++) {
        const struct enums_pair *x = &p->pairs[i];
        struct json *v;

        if (x->how == ENUMS_PRESENT || (x->how == ENUMS_NEAR && !near))
            continue;
        /* Documents whose source is Dataverse have their value maps the other way round. */
        v = json_new(&m->arena, JSON_STRING, cell_dup(&m->arena, m->reversed_legs ? x->key : x->value));
        json_set(&m->arena, map, cell_cstr(&m->arena, m->reversed_legs ? x->value : x->key), v);
        ++*ret_added;
    }
    return EC_OK;
}

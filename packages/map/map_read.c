/* map_read.c -- a dual-write map document into `struct map`. */
#include "base/file.h"
#include "map/map.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_DOCUMENT = 16 << 20, MAX_SEGMENTS = 8, MAX_QUOTED = 4, MAX_FIELDS = 10000 };

static bool none(struct cell c)
{
    return cell_blank(cell_rtrim(c)) || cell_ieq(c, CELL_LIT("none"));
}

/* Directions come as numbers, as numeric strings, and in one known export as words. */
bool map_direction(struct cell c, enum map_dir *ret)
{
    static const struct {
        const char *word;
        enum map_dir d;
    } WORDS[] = {
        { "1", DIR_TO_DV },
        { "2", DIR_TO_FNO },
        { "3", DIR_BOTH },
        { "Forward", DIR_TO_DV },
        { "Reverse", DIR_TO_FNO },
        { "Backward", DIR_TO_FNO },
        { "Bidirectional", DIR_BOTH },
        { "Both", DIR_BOTH },
    };

    for (size_t i = 0; i < COUNT(WORDS); i++)
        if (cell_ieq(c, cell_of(WORDS[i].word))) {
            *ret = WORDS[i].d;
            return true;
        }
    return false;
}

/* lookup { "." lookup } "." column, with Target(column) segments for polymorphic lookups. */
static enum ec split_path(struct map *m, struct map_field *f, struct err *reterr)
{
    struct cell rest = f->destination;

    f->path = arena_zalloc(&m->arena, MAX_SEGMENTS * sizeof(*f->path));
    while (rest.len || !f->n_path) {
        const char *dot = memchr(rest.ptr, '.', rest.len), *open;
        struct cell seg = { rest.ptr, dot ? (size_t)(dot - rest.ptr) : rest.len };
        struct map_seg *s = &f->path[f->n_path];

        if (f->n_path == MAX_SEGMENTS || !seg.len)
            return err_set(reterr, EC_FORMAT, "destinationField '" CELL_FMT "' is not a column or lookup path",
                           CELL_ARG(f->destination));
        s->name = seg;
        open = memchr(seg.ptr, '(', seg.len);
        if (open && seg.ptr[seg.len - 1] == ')') {
            s->target = (struct cell){ seg.ptr, (size_t)(open - seg.ptr) };
            s->name = (struct cell){ open + 1, seg.len - s->target.len - 2 };
            if (!s->target.len || !s->name.len)
                return err_set(reterr, EC_FORMAT, "destinationField '" CELL_FMT "' has a segment without a name",
                               CELL_ARG(f->destination));
        }
        f->n_path++;
        rest = dot ? (struct cell){ dot + 1, rest.len - seg.len - 1 } : (struct cell){ rest.ptr + rest.len, 0 };
        if (dot && !rest.len)
            return err_set(reterr, EC_FORMAT, "destinationField '" CELL_FMT "' ends in a dot",
                           CELL_ARG(f->destination));
    }
    return EC_OK;
}

static void read_value_map(struct map *m, struct map_field *f, const struct json *pairs)
{
    if (pairs && pairs->type != JSON_OBJECT)
        pairs = NULL; /* an empty map, which binding refuses */
    f->has_map = true;
    f->pairs = arena_zalloc(&m->arena, ((pairs ? pairs->n : 0) + 1) * sizeof(*f->pairs));
    for (const struct json *p = pairs ? pairs->child : NULL; p; p = p->next)
        f->pairs[f->n_pairs++] = m->reversed_legs ? (struct map_pair){ json_text(p), p->name }
                                                  : (struct map_pair){ p->name, json_text(p) };
}

static void read_transforms(struct map *m, struct map_field *f, const struct json *list)
{
    for (const struct json *t = list && list->type == JSON_ARRAY ? list->child : NULL; t; t = t->next) {
        struct cell type = json_text(json_iget(t, "transformType"));

        if (cell_ieq(type, CELL_LIT("ValueMap")) && f->has_map) {
            f->unknown_transform = CELL_LIT("a second ValueMap");
        } else if (cell_ieq(type, CELL_LIT("ValueMap"))) {
            read_value_map(m, f, json_iget(t, "valueMap"));
        } else if (cell_ieq(type, CELL_LIT("Default"))) {
            f->has_default = true;
            f->default_value = json_text(json_iget(t, "defaultValue"));
        } else {
            f->unknown_transform = cell_blank(type) ? CELL_LIT("(without a type)") : type;
        }
    }
}

static enum ec read_field(struct map *m, const struct json *v, size_t index, struct map_field *f, struct err *reterr)
{
    struct cell dir = json_text(json_iget(v, "syncDirection"));
    struct cell source = json_text(json_iget(v, m->reversed_legs ? "destinationField" : "sourceField"));
    struct cell destination = json_text(json_iget(v, m->reversed_legs ? "sourceField" : "destinationField"));

    f->index = index;
    f->doc = v;
    if (!map_direction(dir, &f->dir))
        return err_set(reterr, EC_FORMAT, "field %zu has syncDirection '" CELL_FMT "'; known are 1, 2 and 3",
                       index + 1, CELL_ARG(dir));
    if (m->reversed_legs && f->dir != DIR_BOTH)
        f->dir = f->dir == DIR_TO_DV ? DIR_TO_FNO : DIR_TO_DV;
    f->source = none(source) ? CELL_ABSENT : source;
    f->destination = none(destination) ? CELL_ABSENT : destination;
    f->related_entity = json_text(json_iget(v, "destinationLookupFieldRelatedEntity"));
    f->system_generated = json_bool(json_iget(v, "isSystemGenerated"), false);
    read_transforms(m, f, json_iget(v, "valueTransforms"));
    if (cell_absent(f->source) && cell_absent(f->destination))
        return err_set(reterr, EC_FORMAT, "field %zu has neither a sourceField nor a destinationField", index + 1);
    return cell_absent(f->destination) ? EC_OK : split_path(m, f, reterr);
}

static enum ec read_leg(struct map *m, const struct json *leg, struct err *reterr)
{
    const struct json *fields = json_iget(leg, "fieldMappings");
    struct cell source_type = json_text(json_iget(leg, "sourceEnvironmentType"));
    struct cell query = json_text(json_iget(leg, "sourceMQuery"));
    enum ec rc = EC_OK;

    m->reversed_legs = cell_ieq(source_type, CELL_LIT("CRM"));
    m->label = json_text(json_iget(leg, m->reversed_legs ? "destinationSchema" : "sourceSchema"));
    m->set = json_text(json_iget(leg, m->reversed_legs ? "sourceSchema" : "destinationSchema"));
    m->source_filter = json_text(json_iget(leg, m->reversed_legs ? "reversedSourceFilter" : "sourceFilter"));
    m->reversed_filter = json_text(json_iget(leg, m->reversed_legs ? "sourceFilter" : "reversedSourceFilter"));
    if (cell_blank(m->label) || cell_blank(m->set))
        return err_set(reterr, EC_FORMAT, "the leg names no sourceSchema or destinationSchema");
    if (!cell_blank(query)) {
        err_set(reterr, EC_FORMAT,
                "the leg has an advanced query (sourceMQuery), which dual-write has no equivalent for");
        return err_hint(reterr, "this is a Data Integrator project; remove the query or use the dual-write map");
    }
    if (!fields || fields->type != JSON_ARRAY)
        return err_set(reterr, EC_FORMAT, "the leg has no fieldMappings");
    if (fields->n > MAX_FIELDS)
        return err_set(reterr, EC_LIMIT, "the leg has %zu fields, over the limit of %d", fields->n, MAX_FIELDS);
    m->fields = arena_zalloc(&m->arena, (fields->n + 1) * sizeof(*m->fields));
    for (const struct json *f = fields->child; f && !rc; f = f->next, m->n++)
        rc = read_field(m, f, m->n, &m->fields[m->n], reterr);
    return rc;
}

static enum ec read_document(struct map *m, struct err *reterr)
{
    const struct json *legs = json_iget(m->doc, "legs");

    if (!legs || legs->type != JSON_ARRAY || !legs->n) {
        err_set(reterr, EC_FORMAT, "no legs: this is not a dual-write map document");
        return err_hint(reterr, "expected is the JSON of msdyn_dualwriteentitymap.msdyn_mapping");
    }
    if (legs->n > 1)
        return err_set(reterr, EC_FORMAT, "the map has %zu legs; a dual-write map has one", legs->n);
    return read_leg(m, legs->child, reterr);
}

enum ec map_read_text(const char *what, const char *p, size_t n, struct map **ret, struct err *reterr)
{
    struct map *m = xcalloc(1, sizeof(*m));
    const struct json_limits limits = { .octets = MAX_DOCUMENT };
    enum ec rc;

    m->file = cell_of(arena_strdup(&m->arena, what));
    rc = json_parse(what, p, n, &limits, &m->arena, &m->doc, reterr);
    /* The column's text sometimes is a JSON string that holds the document, and exports quote that once more. */
    for (int i = 0; !rc && m->doc->type == JSON_STRING && i < MAX_QUOTED; i++)
        rc = json_parse(what, m->doc->text.ptr, m->doc->text.len, &limits, &m->arena, &m->doc, reterr);
    if (!rc) {
        rc = read_document(m, reterr);
        if (rc)
            rc = err_ctx(reterr, rc, "map '%s'", what);
    }
    if (rc) {
        map_free(m);
        return rc;
    }
    m->name = cell_printf(&m->arena, "%.*s (%.*s)", (int)m->label.len, m->label.ptr, (int)m->set.len, m->set.ptr);
    *ret = m;
    return EC_OK;
}

enum ec map_read_file(const char *path, struct map **ret, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    enum ec rc = file_read(path, MAX_DOCUMENT, &text, reterr);

    if (rc) {
        rc = err_ctx(reterr, rc == EC_NOTFOUND ? EC_CONFIG : rc, "the map");
        err_hint(reterr,
                 "'dmfsync map import FILE' or 'dmfsync map pull' brings it; or correct file = in dmfsync.ini");
    } else
        rc = map_read_text(path, strbuf_str(&text), text.len, ret, reterr);
    strbuf_release(&text);
    return rc;
}

void map_free(struct map *m)
{
    if (!m)
        return;
    arena_release(&m->arena);
    free(m);
}

bool map_dir_to_dv(enum map_dir d)
{
    return d & DIR_TO_DV;
}

bool map_dir_to_fno(enum map_dir d)
{
    return d & DIR_TO_FNO;
}

/* import.c -- which form a text is, and the maps in it. */
#include "map/import.h"
#include "base/file.h"

#include <stdlib.h>
#include <strings.h>

enum { MAX_FILE = 256 << 20, MAX_JSON = 64 << 20, MAX_NESTED = 8, MAX_MAPS = 5000, MAX_NAME = 128, MAX_NOTES = 1000 };

void import_note(struct import *i, const char *fmt, ...)
{
    struct cell *c;
    va_list ap;

    if (i->n_notes == MAX_NOTES)
        return;
    if (i->n_notes == i->cap_notes) {
        i->cap_notes = i->cap_notes ? i->cap_notes * 2 : 16;
        i->notes = xrealloc(i->notes, i->cap_notes * sizeof(*i->notes));
    }
    c = &i->notes[i->n_notes++];
    if (i->n_notes == MAX_NOTES) {
        *c = CELL_LIT("and so on: there is more that holds no map");
        return;
    }
    va_start(ap, fmt);
    c->ptr = arena_vprintf(&i->arena, &c->len, fmt, ap);
    va_end(ap);
}

/* An entry takes some 2 KB; a list of a million numbers must not become a million of them. */
static struct import_map *beyond(struct import *i)
{
    if (!i->beyond)
        i->beyond = xcalloc(1, sizeof(*i->beyond));
    map_free(i->beyond->map);
    *i->beyond = (struct import_map){ 0 };
    return i->beyond;
}

static struct import_map *new_entry(struct import *i, const char *origin)
{
    if (i->n > MAX_MAPS)
        return beyond(i);
    if (i->n == i->cap) {
        i->cap = i->cap ? i->cap * 2 : 16;
        i->maps = xrealloc(i->maps, i->cap * sizeof(*i->maps));
    }
    i->maps[i->n] = (struct import_map){ .origin = cell_of(arena_strdup(&i->arena, origin)) };
    if (i->n++ < MAX_MAPS)
        return &i->maps[i->n - 1];
    err_set(&i->maps[MAX_MAPS].err, EC_LIMIT, "more than %d maps at once; the rest was not read", MAX_MAPS);
    return beyond(i);
}

void import_refuse(struct import *i, const char *origin, const struct err *why)
{
    new_entry(i, origin)->err = *why;
}

static enum ec check_names(const struct map *m, struct err *reterr)
{
    const struct cell names[] = { m->label, m->set };

    for (size_t k = 0; k < COUNT(names); k++) {
        if (names[k].len > MAX_NAME)
            return err_set(reterr, EC_FORMAT, "the name '%.40s...' is longer than names of entities and tables are",
                           cell_cstr(&((struct map *)m)->arena, names[k]));
        for (size_t c = 0; c < names[k].len; c++)
            if ((unsigned char)names[k].ptr[c] < 0x20 || names[k].ptr[c] == 0x7F)
                return err_set(reterr, EC_FORMAT, "the name of its entity or table holds a control character");
    }
    return EC_OK;
}

static void put_text(struct arena *a, struct json *obj, const char *name, struct cell text)
{
    if (!cell_absent(text))
        json_set(a, obj, name, json_new(a, JSON_STRING, cell_dup(a, text)));
}

/* A copy that lives as long as the import; members named in `without` are left out at the top. */
static struct json *copy_tree(struct arena *a, const struct json *v, const char *without)
{
    struct json *c = json_new(a, v->type, cell_dup(a, v->text));

    for (const struct json *m = v->child; m; m = m->next) {
        struct json *k;

        if (without && (cell_ieq(m->name, cell_of(without)) || (m->name.len && m->name.ptr[0] == '@')))
            continue; /* annotations are about the answer, not about the row */
        k = copy_tree(a, m, NULL);
        k->name = cell_dup(a, m->name);
        json_append(c, k);
    }
    return c;
}

void import_document(struct import *i, const char *origin, struct cell text, const struct json *beside,
                     const char *form)
{
    struct import_map *e = new_entry(i, origin);
    enum ec rc;

    if (beside) {
        e->row_name = cell_dup(&i->arena, json_text(json_iget(beside, "msdyn_name")));
        e->version = cell_dup(&i->arena, json_text(json_iget(beside, "msdyn_version")));
        e->created = cell_dup(&i->arena, json_text(json_iget(beside, "createdon")));
        e->parked = map_version_parked(e->version);
    }
    if (e == i->beyond)
        return;
    rc = map_read_text(origin, text.ptr ? text.ptr : "", text.len, &e->map, &e->err);
    if (!rc)
        rc = check_names(e->map, &e->err);
    if (rc) {
        map_free(e->map);
        e->map = NULL;
        return;
    }
    map_normalise(e->map);
    if (beside && beside->n) {
        e->beside = json_new(&i->arena, JSON_OBJECT, CELL_ABSENT);
        put_text(&i->arena, e->beside, "dmfsync", cell_printf(&i->arena, "what came with the map as a %s", form));
        json_set(&i->arena, e->beside, form, copy_tree(&i->arena, beside, "msdyn_mapping"));
    }
}

void import_row(struct import *i, const char *origin, const struct json *row)
{
    struct cell mapping = json_text(json_iget(row, "msdyn_mapping")), name = json_text(json_iget(row, "msdyn_name"));
    const struct json *v = json_iget(row, "msdyn_mapping");
    struct strbuf text = STRBUF(0);
    struct arena a = { 0 };
    const char *where = cell_blank(name) ? origin
                                         : arena_printf(&a, "%s (" CELL_FMT " " CELL_FMT ")", origin, CELL_ARG(name),
                                                        CELL_ARG(json_text(json_iget(row, "msdyn_version"))));

    if (v && (v->type == JSON_OBJECT || v->type == JSON_ARRAY)) { /* somebody decoded it already */
        json_write(&text, v);
        import_document(i, where, (struct cell){ text.buf, text.len }, row, "row");
    } else if (cell_blank(mapping)) {
        struct import_map *e = new_entry(i, where);

        e->row_name = cell_dup(&i->arena, name);
        err_set(&e->err, EC_FORMAT, "the row has no msdyn_mapping");
        err_hint(&e->err, "ask for the column: $select=msdyn_name,msdyn_version,msdyn_mapping");
    } else {
        import_document(i, where, mapping, row, "row");
    }
    strbuf_release(&text);
    arena_release(&a);
}

static bool has_array(const struct json *obj, const char *name)
{
    const struct json *v = json_iget(obj, name);

    return v && v->type == JSON_ARRAY;
}

/* A project: each task of it is a document; the rest of the project stays beside it. */
static void take_project(struct import *i, const char *origin, const struct json *project)
{
    const struct json *id = json_iget(project, "templateIdentifier"), *v = json_iget(id, "version");
    struct arena a = { 0 };
    struct json *beside = copy_tree(&a, project, "entityMappingTasks");
    size_t n = 0;

    /* The version, as rows have it. */
    if (v && v->type == JSON_OBJECT) {
        struct cell part[4] = { json_text(json_iget(v, "major")), json_text(json_iget(v, "minor")),
                                json_text(json_iget(v, "build")), json_text(json_iget(v, "revision")) };

        put_text(&a, beside, "msdyn_version",
                 cell_printf(&a, CELL_FMT "." CELL_FMT "." CELL_FMT "." CELL_FMT, CELL_ARG(part[0]),
                             CELL_ARG(part[1]), CELL_ARG(part[2]), CELL_ARG(part[3])));
    }
    for (const struct json *t = json_iget(project, "entityMappingTasks")->child; t; t = t->next, n++) {
        struct strbuf text = STRBUF(0);

        json_write(&text, t);
        import_document(i, arena_printf(&a, "%s, entityMappingTasks[%zu]", origin, n),
                        (struct cell){ text.buf, text.len }, beside, "project");
        strbuf_release(&text);
    }
    if (!n)
        err_set(&new_entry(i, origin)->err, EC_FORMAT, "the project has no entityMappingTasks");
    arena_release(&a);
}

static bool is_properties(const struct json *v)
{
    return json_iget(v, "IsDualWriteProject") || json_iget(v, "TargetVersionInfo") || json_iget(v, "TargetTypeList");
}

static void take(struct import *i, const char *origin, const struct json *v, int depth);

static void take_elements(struct import *i, const char *origin, const char *name, const struct json *list, int depth)
{
    size_t n = 0;

    for (const struct json *r = list->child; r && i->n <= MAX_MAPS; r = r->next, n++) {
        struct arena a = { 0 };

        take(i, arena_printf(&a, "%s, %s[%zu]", origin, name, n), r, depth + 1);
        arena_release(&a);
    }
    if (!n)
        import_note(i, "%s: no rows", origin);
}

/* JSON inside of a JSON string. */
static void take_string(struct import *i, const char *origin, const struct json *v, int depth)
{
    const struct json_limits limits = { .octets = MAX_JSON };
    struct arena a = { 0 };
    struct json *inner = NULL;
    struct err e = { 0 };

    if (json_parse(origin, v->text.ptr, v->text.len, &limits, &a, &inner, &e))
        new_entry(i, origin)->err = e;
    else
        take(i, origin, inner, depth + 1);
    arena_release(&a);
}

static void take(struct import *i, const char *origin, const struct json *v, int depth)
{
    struct strbuf text = STRBUF(0);

    if (depth > MAX_NESTED) {
        err_set(&new_entry(i, origin)->err, EC_LIMIT, "wrapped too often");
    } else if (v->type == JSON_STRING) {
        take_string(i, origin, v, depth);
    } else if (v->type == JSON_ARRAY) {
        take_elements(i, origin, "element", v, depth);
    } else if (has_array(v, "legs")) {
        json_write(&text, v);
        import_document(i, origin, (struct cell){ text.buf, text.len }, NULL, "document");
    } else if (has_array(v, "entityMappingTasks")) {
        take_project(i, origin, v);
    } else if (json_iget(v, "msdyn_mapping")) {
        import_row(i, origin, v);
    } else if (has_array(v, "value")) {
        take_elements(i, origin, "value", json_iget(v, "value"), depth);
        if (!cell_blank(json_member(v, "@odata.nextLink")))
            import_note(i, "%s: the answer has a next page (@odata.nextLink), which is not in this file", origin);
    } else if (json_iget(v, "dmfsync")) {
        import_note(i, "%s: what came with a map on an earlier import", origin);
    } else if (is_properties(v)) {
        import_note(i, "%s: properties of a map (msdyn_properties), not a map", origin);
    } else if (json_iget(v, "msdyn_name")) {
        import_row(i, origin, v);
    } else {
        struct import_map *e = new_entry(i, origin);

        err_set(&e->err, EC_FORMAT, "no map: it has neither legs nor msdyn_mapping, value or entityMappingTasks");
        err_hint(&e->err, "expected is the JSON of msdyn_dualwriteentitymap.msdyn_mapping, or rows of that table");
    }
    strbuf_release(&text);
}

/* UTF-16 with its mark, as PowerShell redirects output, into UTF-8. False = it is something else. */
bool import_from_utf16(const char *p, size_t n, struct strbuf *out)
{
    const unsigned char *o = (const unsigned char *)p;
    bool big;

    if (n < 2 || !((o[0] == 0xFF && o[1] == 0xFE) || (o[0] == 0xFE && o[1] == 0xFF)))
        return false;
    big = o[0] == 0xFE;
    for (size_t k = 2; k + 1 < n; k += 2) {
        uint32_t u = big ? (uint32_t)o[k] << 8 | o[k + 1] : (uint32_t)o[k + 1] << 8 | o[k];
        char bytes[4];

        if (u >= 0xD800 && u <= 0xDBFF && k + 3 < n) {
            uint32_t low = big ? (uint32_t)o[k + 2] << 8 | o[k + 3] : (uint32_t)o[k + 3] << 8 | o[k + 2];

            if (low >= 0xDC00 && low <= 0xDFFF) {
                u = 0x10000 + ((u - 0xD800) << 10) + (low - 0xDC00);
                k += 2;
            }
        }
        strbuf_add(out, bytes, utf8_encode(u, bytes));
    }
    return true;
}

static struct cell trimmed(const char *p, size_t n)
{
    if (n >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3))
        p += 3, n -= 3;
    while (n && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++, n--;
    return (struct cell){ p, n };
}

static bool holds(struct cell text, const char *word)
{
    return text.len && memmem(text.ptr, text.len, word, strlen(word));
}

bool import_looks_like_map(struct cell text)
{
    struct cell t = trimmed(text.ptr, text.len);

    if (!t.len || (*t.ptr != '{' && *t.ptr != '[' && *t.ptr != '"'))
        return false;
    return (holds(t, "legs") && holds(t, "fieldMappings")) || holds(t, "msdyn_mapping") ||
           holds(t, "entityMappingTasks");
}

static enum ec take_json(struct import *i, const char *what, const char *p, size_t n, struct err *reterr)
{
    const struct json_limits limits = { .octets = MAX_JSON };
    struct arena a = { 0 };
    struct json *v = NULL;
    enum ec rc = json_parse(what, p, n, &limits, &a, &v, reterr);

    if (!rc)
        take(i, what, v, 0);
    arena_release(&a);
    return rc;
}

enum ec import_text(struct import *i, const char *what, const char *p, size_t n, struct err *reterr)
{
    struct strbuf decoded = STRBUF(0);
    struct cell t;
    size_t found = 0;
    enum ec rc;

    if (n >= 4 && (!memcmp(p, "PK\3\4", 4) || !memcmp(p, "PK\5\6", 4))) /* the second one: a zip without members */
        return import_zip(i, what, p, n, 0, reterr);
    if (import_from_utf16(p, n, &decoded)) {
        p = strbuf_str(&decoded);
        n = decoded.len;
    }
    t = trimmed(p, n);
    if (t.len && *t.ptr == '<') {
        rc = import_xml(i, what, t.ptr, t.len, &found, reterr);
        if (!rc && !found) {
            rc = err_set(reterr, EC_FORMAT, "%s: no map in this XML", what);
            err_hint(reterr, "maps stand in elements msdyn_mapping");
        }
    } else {
        rc = take_json(i, what, t.ptr, t.len, reterr);
        if (rc == EC_FORMAT)
            err_hint(reterr,
                     "a map comes as JSON (a document, rows of msdyn_dualwriteentitymaps) or in a solution zip; was "
                     "the file cut off, or is it another one?");
    }
    strbuf_release(&decoded);
    return rc;
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), t = strlen(tail);

    return n > t && !strcasecmp(s + n - t, tail);
}

enum ec import_file(struct import *i, const char *path, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    struct err e = { 0 };
    enum ec rc = file_read(path, MAX_FILE, &text, &e);

    if (!rc)
        rc = import_text(i, path, strbuf_str(&text), text.len, &e);
    /* What lies beside a document under its name; published properties are not always JSON. */
    if (rc == EC_FORMAT && ends_with(path, ".properties.json")) {
        import_note(i, "%s: properties of a map by its name, not a map, and not readable", path);
        rc = EC_OK;
    }
    if (rc && reterr)
        *reterr = e;
    strbuf_release(&text);
    return rc;
}

void import_release(struct import *i)
{
    for (size_t k = 0; k < i->n; k++)
        map_free(i->maps[k].map);
    free(i->maps);
    free(i->notes);
    free(i->beyond);
    arena_release(&i->arena);
    *i = (struct import){ 0 };
}

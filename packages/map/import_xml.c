/*
 * import_xml.c -- maps in the XML of a solution. Where they stand is nowhere promised, so they are known by their content:
 * a text (of an element or an attribute) that reads as a map, or whatever is called msdyn_mapping. What stands beside it
 * under the same parent are the columns of its row. Streamed; a DOCTYPE is refused.
 */
#include "map/import.h"

#include <libxml/parser.h>
#include <libxml/xmlreader.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_DEPTH = 64, MAX_VALUE = 16 << 20, MAX_COLUMNS = 200, MAX_COLUMN = 4096, MAX_ROW = 1 << 20 };

/* One element on the way to the present place. */
struct level {
    struct arena a;
    struct json *columns; /* texts of child elements and attributes: what may be columns of a row */
    struct cell mapping;
    struct strbuf text; /* of the element itself */
    char *name;
    char *field; /* <field name="msdyn_mapping" value="..."> of configuration data */
    int line;
};
struct walk {
    struct import *i;
    const char *what;
    struct level level[MAX_DEPTH + 1];
    int depth;
    size_t found;
    char why[160];
    int line;
};

static void complain(void *arg, xmlError *e)
{
    struct walk *w = arg;

    if (w->why[0] || !e->message)
        return;
    snprintf(w->why, sizeof(w->why), "%s", e->message);
    w->why[strcspn(w->why, "\r\n")] = 0;
    w->line = e->line;
}

static void emit(struct walk *w, const struct level *l, const struct json *columns)
{
    import_document(w->i, arena_printf(&w->i->arena, "%s, line %d", w->what, l->line), l->mapping, columns, "row");
    w->found++;
}

static void add_column(struct walk *w, struct level *l, const char *name, struct cell value)
{
    if (cell_ieq(cell_of(name), CELL_LIT("msdyn_mapping")) || import_looks_like_map(value)) {
        if (!cell_absent(l->mapping))
            emit(w, l, NULL); /* several under one parent: then what stands beside them is no row */
        l->mapping = cell_dup(&l->a, value);
        return;
    }
    /* The same name a million times over replaces its value, and the arena grows all the same. */
    if (value.len > MAX_COLUMN || l->a.used_octets > MAX_ROW || (l->columns && l->columns->n >= MAX_COLUMNS))
        return;
    if (!l->columns)
        l->columns = json_new(&l->a, JSON_OBJECT, CELL_ABSENT);
    json_set(&l->a, l->columns, name, json_new(&l->a, JSON_STRING, cell_dup(&l->a, value)));
}

static void open_level(struct walk *w, xmlTextReader *r)
{
    struct level *l = &w->level[w->depth];
    struct cell value = CELL_ABSENT;

    l->name = xstrdup((const char *)xmlTextReaderConstLocalName(r));
    l->line = xmlTextReaderGetParserLineNumber(r);
    l->text.max = MAX_VALUE;
    while (xmlTextReaderMoveToNextAttribute(r) == 1) {
        const char *name = (const char *)xmlTextReaderConstLocalName(r);
        struct cell v = cell_of((const char *)xmlTextReaderConstValue(r));

        if (!strcmp(name, "name") && !l->field)
            l->field = xstrdup(v.ptr);
        if (!strcmp(name, "value"))
            value = cell_dup(&l->a, v);
        add_column(w, l, name, v);
    }
    (void)xmlTextReaderMoveToElement(r);
    if (l->field && !cell_absent(value)) /* the value belongs to the record, under the field's name */
        strbuf_add(&l->text, value.ptr, value.len);
    else if (l->field) {
        free(l->field);
        l->field = NULL;
    }
}

static void release_level(struct level *l)
{
    arena_release(&l->a);
    strbuf_release(&l->text);
    free(l->name);
    free(l->field);
    *l = (struct level){ 0 };
}

static bool only_blanks(const struct strbuf *s)
{
    return !s->len || strspn(s->buf, " \t\r\n") == s->len;
}

static void close_level(struct walk *w)
{
    struct level *l = &w->level[w->depth], *parent = w->depth ? &w->level[w->depth - 1] : NULL;

    if (l->field)
        l->mapping = CELL_ABSENT; /* it goes to the record, with its neighbours */
    if (!cell_absent(l->mapping)) {
        emit(w, l, l->columns);
    } else if (parent && !strbuf_full(&l->text) && !only_blanks(&l->text)) {
        add_column(w, parent, l->field ? l->field : l->name, (struct cell){ l->text.buf, l->text.len });
    }
    release_level(l);
}

static enum ec step(struct walk *w, xmlTextReader *r, struct err *reterr)
{
    const char *value;

    switch (xmlTextReaderNodeType(r)) {
    case XML_READER_TYPE_DOCUMENT_TYPE:
        return err_set(reterr, EC_FORMAT, "%s: a DOCTYPE, which a solution never has", w->what);
    case XML_READER_TYPE_ELEMENT:
        if (w->depth >= MAX_DEPTH)
            return err_set(reterr, EC_LIMIT, "%s: nested too deeply", w->what);
        w->depth += w->level[w->depth].name != NULL;
        open_level(w, r);
        if (xmlTextReaderIsEmptyElement(r) == 1) {
            close_level(w);
            w->depth -= w->depth > 0;
        }
        break;
    case XML_READER_TYPE_END_ELEMENT:
        close_level(w);
        w->depth -= w->depth > 0;
        break;
    case XML_READER_TYPE_TEXT:
    case XML_READER_TYPE_CDATA:
    case XML_READER_TYPE_SIGNIFICANT_WHITESPACE:
    case XML_READER_TYPE_WHITESPACE:
        value = (const char *)xmlTextReaderConstValue(r);
        if (value && w->level[w->depth].name)
            strbuf_adds(&w->level[w->depth].text, value);
        break;
    case XML_READER_TYPE_ENTITY_REFERENCE:
        return err_set(reterr, EC_FORMAT, "%s: an entity that the document does not define", w->what);
    default: break;
    }
    return EC_OK;
}

/* What stands before the root element; a DOCTYPE there is refused before the parser may look into it. */
static bool has_doctype(const char *p, size_t n)
{
    struct cell t = { p, n };

    for (;;) {
        const char *end;

        while (t.len && strchr(" \t\r\n", *t.ptr))
            t.ptr++, t.len--;
        if (t.len >= 4 && !memcmp(t.ptr, "<!--", 4))
            end = memmem(t.ptr + 4, t.len - 4, "-->", 3);
        else if (t.len >= 2 && !memcmp(t.ptr, "<?", 2))
            end = memmem(t.ptr + 2, t.len - 2, "?>", 2);
        else
            return t.len >= 2 && !memcmp(t.ptr, "<!", 2);
        if (!end)
            return false; /* the parser says what is wrong */
        end = strchr(end, '>') + 1;
        t.len -= (size_t)(end - t.ptr);
        t.ptr = end;
    }
}

/* The declaration may still say UTF-16 of a text that was decoded, or saved by a tool. */
static const char *encoding_of(const char *p, size_t n)
{
    size_t look = n < 100 ? n : 100;

    for (size_t i = 0; i + 6 <= look && p[i] != '>'; i++)
        if (cell_ieq((struct cell){ p + i, 6 }, CELL_LIT("utf-16")))
            return "UTF-8";
    return NULL;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

enum ec import_xml(struct import *i, const char *what, const char *p, size_t n, size_t *ret_found, struct err *reterr)
{
    struct walk *w = xcalloc(1, sizeof(*w));
    xmlTextReader *r;
    enum ec rc = EC_OK;
    int got = 0;

    (void)pthread_once(&once, xmlInitParser);
    w->i = i;
    w->what = what;
    if (has_doctype(p, n)) {
        rc = err_set(reterr, EC_FORMAT, "%s: a DOCTYPE, which a solution never has", what);
        goto out;
    }
    r = n > INT32_MAX ? NULL
                      : xmlReaderForMemory(p, (int)n, NULL, encoding_of(p, n), XML_PARSE_NONET | XML_PARSE_HUGE);
    if (!r) {
        rc = err_set(reterr, EC_LIMIT, "%s: too large", what);
        goto out;
    }
    xmlTextReaderSetStructuredErrorHandler(r, complain, w);
    while (!rc && (got = xmlTextReaderRead(r)) == 1)
        rc = step(w, r, reterr);
    if (!rc && got != 0)
        rc = err_set(reterr, EC_FORMAT, "%s, line %d: not well-formed XML: %s", what, w->line,
                     w->why[0] ? w->why : "it ends too early");
    xmlFreeTextReader(r);
out:
    *ret_found = w->found;
    for (int k = 0; k <= MAX_DEPTH; k++)
        release_level(&w->level[k]);
    free(w);
    return rc;
}

/*
 * Data files in XML: <Document> holds one element per row, fields are its child elements (XML-Element) or its attributes
 * (XML-Attribute). Both are taken from any row, so that the name of the format need not be known. Streamed: memory is one
 * row.
 */
#include "dmf/dmf_parts.h"

#include <libxml/parser.h>
#include <libxml/xmlreader.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_ROW_OCTETS = 16 << 20, MAX_COLUMNS = 10000 };

struct dmf_xml_rows {
    char *name;
    dmf_fill *fill;
    void *fill_arg;
    struct dmf_columns *columns;
    xmlTextReader *reader;
    struct err failed; /* of fill; libxml2 only hears -1 */
    char why[160]; /* libxml2's own complaint */
    int line;
    struct strbuf text; /* the row's values, one after the other */
    size_t *at, *len; /* per column; len SIZE_MAX = absent */
    size_t cap;
    bool ended;
};

static int read_octets(void *arg, char *buf, int n)
{
    struct dmf_xml_rows *x = arg;
    int64_t got = x->failed.code ? -1 : x->fill(x->fill_arg, buf, (size_t)n, &x->failed);

    return (int)got;
}

static void complain(void *arg, xmlError *e)
{
    struct dmf_xml_rows *x = arg;

    if (x->why[0] || !e->message)
        return;
    snprintf(x->why, sizeof(x->why), "%s", e->message);
    x->why[strcspn(x->why, "\r\n")] = 0;
    x->line = e->line;
}

static enum ec malformed(struct dmf_xml_rows *x, const char *why, struct err *reterr)
{
    if (x->failed.code) {
        if (reterr)
            *reterr = x->failed;
        return x->failed.code;
    }
    if (why)
        return err_set(reterr, EC_FORMAT, "%s, line %d: %s", x->name, xmlTextReaderGetParserLineNumber(x->reader),
                       why);
    return err_set(reterr, EC_FORMAT, "%s, line %d: not well-formed XML: %s", x->name, x->line,
                   x->why[0] ? x->why : "it ends too early");
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

enum ec dmf_xml_rows_open(const char *name, dmf_fill *fill, void *arg, struct dmf_columns *columns,
                          struct dmf_xml_rows **ret, struct err *reterr)
{
    struct dmf_xml_rows *x = xcalloc(1, sizeof(*x));
    enum ec rc = EC_OK;
    int got = 0, type = 0;

    (void)pthread_once(&once, xmlInitParser);
    x->name = xstrdup(name);
    x->fill = fill;
    x->fill_arg = arg;
    x->columns = columns;
    x->reader = xmlReaderForIO(read_octets, NULL, x, NULL, NULL, XML_PARSE_NONET);
    if (!x->reader) {
        rc = malformed(x, NULL, reterr);
        goto out;
    }
    xmlTextReaderSetStructuredErrorHandler(x->reader, complain, x);
    while ((got = xmlTextReaderRead(x->reader)) == 1) {
        type = xmlTextReaderNodeType(x->reader);
        if (type == XML_READER_TYPE_DOCUMENT_TYPE || type == XML_READER_TYPE_ELEMENT)
            break;
    }
    if (got != 1)
        rc = malformed(x, NULL, reterr);
    else if (type == XML_READER_TYPE_DOCUMENT_TYPE)
        rc = malformed(x, "a DOCTYPE, which a data file never has", reterr);
    else if (strcmp((const char *)xmlTextReaderConstLocalName(x->reader), "Document") != 0)
        rc = malformed(x, "the root element is not Document", reterr);
    else
        x->ended = xmlTextReaderIsEmptyElement(x->reader) == 1;
out:
    if (rc)
        dmf_xml_rows_close(x);
    else
        *ret = x;
    return rc;
}

/* The place for the value of a field; SIZE_MAX = more columns than a data file can have. */
static size_t place(struct dmf_xml_rows *x, const char *name)
{
    size_t i = x->columns->n > MAX_COLUMNS ? SIZE_MAX : dmf_columns_add(x->columns, cell_of(name));

    if (i == SIZE_MAX)
        return i;
    while (x->cap <= i) {
        size_t cap = x->cap ? x->cap * 2 : 64;

        x->at = xrealloc(x->at, cap * sizeof(*x->at));
        x->len = xrealloc(x->len, cap * sizeof(*x->len));
        for (; x->cap < cap; x->cap++)
            x->len[x->cap] = SIZE_MAX;
    }
    return i;
}

static bool keep(struct dmf_xml_rows *x, const char *name, const char *value, size_t n)
{
    size_t i = place(x, name);

    if (i == SIZE_MAX || x->text.len + n > MAX_ROW_OCTETS)
        return false;
    x->at[i] = x->text.len;
    x->len[i] = n;
    strbuf_add(&x->text, value, n);
    return true;
}

static bool is_text(int type)
{
    return type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA || type == XML_READER_TYPE_WHITESPACE ||
           type == XML_READER_TYPE_SIGNIFICANT_WHITESPACE;
}

/* The element that the reader stands on is a field: its text goes into the row. Ends on its end tag. */
static enum ec field(struct dmf_xml_rows *x, const char **ret_fault, struct err *reterr)
{
    int depth = xmlTextReaderDepth(x->reader), got;
    size_t i = place(x, (const char *)xmlTextReaderConstLocalName(x->reader));

    if (i == SIZE_MAX)
        return malformed(x, "more columns than a data file has", reterr);
    x->at[i] = x->text.len;
    x->len[i] = 0;
    if (xmlTextReaderIsEmptyElement(x->reader) == 1)
        return EC_OK;
    while ((got = xmlTextReaderRead(x->reader)) == 1) {
        int type = xmlTextReaderNodeType(x->reader);

        if (type == XML_READER_TYPE_END_ELEMENT && xmlTextReaderDepth(x->reader) == depth)
            return EC_OK;
        if (type == XML_READER_TYPE_ELEMENT)
            *ret_fault = "elements inside a field (a composite entity)";
        if (type == XML_READER_TYPE_ENTITY_REFERENCE)
            return malformed(x, "an entity that is not defined", reterr);
        if (is_text(type)) {
            const char *s = (const char *)xmlTextReaderConstValue(x->reader);
            size_t n = strlen(s);

            if (x->text.len + n > MAX_ROW_OCTETS)
                return malformed(x, "a row longer than rows can be", reterr);
            strbuf_add(&x->text, s, n);
            x->len[i] += n;
        }
    }
    return malformed(x, NULL, reterr);
}

/* The element that the reader stands on is a row. */
static enum ec row(struct dmf_xml_rows *x, const char **ret_fault, struct err *reterr)
{
    xmlTextReader *r = x->reader;
    int depth = xmlTextReaderDepth(r), got;
    bool empty = xmlTextReaderIsEmptyElement(r) == 1;

    strbuf_reset(&x->text);
    for (size_t i = 0; i < x->cap; i++)
        x->len[i] = SIZE_MAX;
    while ((got = xmlTextReaderMoveToNextAttribute(r)) == 1) {
        const char *value = (const char *)xmlTextReaderConstValue(r);

        if (xmlTextReaderIsNamespaceDecl(r) == 1)
            continue;
        if (!keep(x, (const char *)xmlTextReaderConstLocalName(r), value ? value : "", value ? strlen(value) : 0))
            return malformed(x, "a row longer than rows can be", reterr);
    }
    if (got < 0)
        return malformed(x, NULL, reterr);
    (void)xmlTextReaderMoveToElement(r);
    if (empty)
        return EC_OK;
    while ((got = xmlTextReaderRead(r)) == 1) {
        int type = xmlTextReaderNodeType(r);
        enum ec rc;

        if (type == XML_READER_TYPE_END_ELEMENT && xmlTextReaderDepth(r) == depth)
            return EC_OK;
        if (type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA)
            *ret_fault = "text outside of the fields";
        if (type != XML_READER_TYPE_ELEMENT)
            continue;
        rc = field(x, ret_fault, reterr);
        if (rc)
            return rc;
    }
    return malformed(x, NULL, reterr);
}

static void give(struct dmf_xml_rows *x, struct arena *a, struct cell **ret_cells, size_t *ret_n)
{
    struct cell *cells = arena_zalloc(a, (x->columns->n + 1) * sizeof(*cells));
    char *text = arena_dup(a, strbuf_str(&x->text), x->text.len);

    for (size_t i = 0; i < x->columns->n; i++)
        if (i < x->cap && x->len[i] != SIZE_MAX)
            cells[i] = (struct cell){ text + x->at[i], x->len[i] };
    *ret_cells = cells;
    *ret_n = x->columns->n;
}

enum ec dmf_xml_rows_next(struct dmf_xml_rows *x, struct arena *a, struct cell **ret_cells, size_t *ret_n,
                          const char **ret_fault, bool *ret_more, struct err *reterr)
{
    int got = 0;
    enum ec rc;

    while (!x->ended && (got = xmlTextReaderRead(x->reader)) == 1)
        if (xmlTextReaderNodeType(x->reader) == XML_READER_TYPE_ELEMENT) {
            rc = row(x, ret_fault, reterr);
            if (rc)
                return rc;
            give(x, a, ret_cells, ret_n);
            *ret_more = true;
            return EC_OK;
        }
    if (got < 0)
        return malformed(x, NULL, reterr);
    if (x->ended) /* an empty document may still be followed by something */
        while ((got = xmlTextReaderRead(x->reader)) == 1)
            ;
    return got < 0 ? malformed(x, NULL, reterr) : EC_OK;
}

void dmf_xml_rows_close(struct dmf_xml_rows *x)
{
    if (!x)
        return;
    xmlFreeTextReader(x->reader);
    strbuf_release(&x->text);
    free(x->at);
    free(x->len);
    free(x->name);
    free(x);
}

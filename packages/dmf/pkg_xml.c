/*
 * Data files in XML: <Document> holds one element per row, fields are its child elements (XML-Element) or its attributes
 * (XML-Attribute). Both are taken from any row, so that the name of the format need not be known. Streamed: memory is one
 * row.
 */
#include "dmf/dmf_parts.h"
#include "dmf/xml_stream.h"

#include <stdlib.h>

enum { MAX_ROW_OCTETS = 16 << 20, MAX_COLUMNS = 10000 };

struct dmf_xml_rows {
    char *name;
    struct dmf_columns *columns;
    struct xml_stream in;
    struct strbuf text; /* the row's values, one after the other */
    size_t *at, *len; /* per column; len SIZE_MAX = absent */
    size_t cap;
    struct {
        const char *name; /* as the parser keeps it */
        size_t column;
    } * known;
    size_t n_known, known_cap, next; /* next: where the next name is expected */
    uint64_t rows; /* given so far */
    bool ended;
};

enum ec dmf_xml_rows_open(const char *name, dmf_fill *fill, void *arg, struct dmf_columns *columns,
                          struct dmf_xml_rows **ret, struct err *reterr)
{
    struct dmf_xml_rows *x = xcalloc(1, sizeof(*x));
    int got = 0;
    enum ec rc;

    x->name = xstrdup(name);
    x->columns = columns;
    rc = xml_stream_open(&x->in, x->name, fill, arg, reterr);
    if (rc)
        goto out;
    while ((got = xml_stream_next(&x->in, reterr)) == 1 && xml_type(&x->in) != XML_READER_TYPE_ELEMENT)
        ;
    if (got < 0)
        rc = xml_stream_code(&x->in);
    else if (!got)
        rc = xml_stream_fail(&x->in, NULL, reterr);
    else if (strcmp(xml_name(&x->in), "Document") != 0)
        rc = xml_stream_fail(&x->in, "the root element is not Document", reterr);
    else
        x->ended = xmlTextReaderIsEmptyElement(x->in.reader) == 1;
out:
    if (rc)
        dmf_xml_rows_close(x);
    else
        *ret = x;
    return rc;
}

/*
 * The column of a name. The parser keeps one copy of each name, so that the pointer tells them apart; rows mostly have
 * their fields in one order.
 */
static size_t column_of(struct dmf_xml_rows *x, const char *name)
{
    size_t column;

    if (x->next < x->n_known && x->known[x->next].name == name)
        return x->known[x->next++].column;
    for (size_t i = 0; i < x->n_known; i++)
        if (x->known[i].name == name) {
            x->next = i + 1;
            return x->known[i].column;
        }
    if (x->n_known >= MAX_COLUMNS)
        return SIZE_MAX;
    column = dmf_columns_add(x->columns, cell_of(name));
    if (x->n_known == x->known_cap) {
        x->known_cap = x->known_cap ? x->known_cap * 2 : 64;
        x->known = xrealloc(x->known, x->known_cap * sizeof(*x->known));
    }
    x->known[x->n_known].name = name;
    x->known[x->n_known++].column = column;
    x->next = x->n_known;
    return column;
}

/* The place for the value of a field; SIZE_MAX = more columns than a data file can have. */
static size_t place(struct dmf_xml_rows *x, const char *name)
{
    size_t i = column_of(x, name);

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

/* The element that the reader stands on is a field: its text goes into the row. Ends on its end tag. */
static enum ec field(struct dmf_xml_rows *x, const char **ret_fault, struct err *reterr)
{
    int depth = xmlTextReaderDepth(x->in.reader), got;
    size_t i = place(x, xml_name(&x->in));

    if (i == SIZE_MAX)
        return xml_stream_fail(&x->in, "more columns than a data file has", reterr);
    if (x->len[i] != SIZE_MAX)
        *ret_fault = "a field that is there twice";
    x->at[i] = x->text.len;
    x->len[i] = 0;
    if (xmlTextReaderIsEmptyElement(x->in.reader) == 1)
        return EC_OK;
    while ((got = xml_stream_next(&x->in, reterr)) == 1) {
        int type = xml_type(&x->in);

        if (type == XML_READER_TYPE_END_ELEMENT && xmlTextReaderDepth(x->in.reader) == depth)
            return EC_OK;
        if (type == XML_READER_TYPE_ELEMENT)
            *ret_fault = "elements inside a field (a composite entity)";
        if (xml_is_text(type)) {
            const char *s = (const char *)xmlTextReaderConstValue(x->in.reader);
            size_t n = strlen(s);

            if (x->text.len + n > MAX_ROW_OCTETS)
                return xml_stream_fail(&x->in, "a row longer than rows can be", reterr);
            strbuf_add(&x->text, s, n);
            x->len[i] += n;
        }
    }
    return got < 0 ? xml_stream_code(&x->in) : xml_stream_fail(&x->in, NULL, reterr);
}

static enum ec attributes(struct dmf_xml_rows *x, const char **ret_fault, struct err *reterr)
{
    xmlTextReader *r = x->in.reader;
    int got;

    while ((got = xmlTextReaderMoveToNextAttribute(r)) == 1) {
        const char *value = (const char *)xmlTextReaderConstValue(r);
        size_t n = value ? strlen(value) : 0, i;

        if (xmlTextReaderIsNamespaceDecl(r) == 1)
            continue;
        i = place(x, xml_name(&x->in));
        if (i == SIZE_MAX || x->text.len + n > MAX_ROW_OCTETS)
            return xml_stream_fail(&x->in, "a row longer than rows can be", reterr);
        if (x->len[i] != SIZE_MAX)
            *ret_fault = "a field that is there twice";
        x->at[i] = x->text.len;
        x->len[i] = n;
        strbuf_add(&x->text, value ? value : "", n);
    }
    if (got < 0)
        return xml_stream_fail(&x->in, NULL, reterr);
    (void)xmlTextReaderMoveToElement(r);
    return EC_OK;
}

/* The element that the reader stands on is a row. */
static enum ec row(struct dmf_xml_rows *x, const char **ret_fault, struct err *reterr)
{
    int depth = xmlTextReaderDepth(x->in.reader), got;
    bool empty = xmlTextReaderIsEmptyElement(x->in.reader) == 1;
    enum ec rc;

    strbuf_reset(&x->text);
    x->next = 0;
    for (size_t i = 0; i < x->cap; i++)
        x->len[i] = SIZE_MAX;
    rc = attributes(x, ret_fault, reterr);
    if (rc || empty)
        return rc;
    while ((got = xml_stream_next(&x->in, reterr)) == 1) {
        int type = xml_type(&x->in);

        if (type == XML_READER_TYPE_END_ELEMENT && xmlTextReaderDepth(x->in.reader) == depth)
            return EC_OK;
        if (type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA)
            *ret_fault = "text outside of the fields";
        if (type != XML_READER_TYPE_ELEMENT)
            continue;
        rc = field(x, ret_fault, reterr);
        if (rc)
            return rc;
    }
    return got < 0 ? xml_stream_code(&x->in) : xml_stream_fail(&x->in, NULL, reterr);
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

    while (!x->ended && (got = xml_stream_next(&x->in, reterr)) == 1) {
        int type = xml_type(&x->in);

        if (xml_is_text(type) && type != XML_READER_TYPE_WHITESPACE && type != XML_READER_TYPE_SIGNIFICANT_WHITESPACE)
            return xml_stream_fail(&x->in, "text outside of the rows", reterr);
        if (type != XML_READER_TYPE_ELEMENT)
            continue;
        rc = row(x, ret_fault, reterr);
        if (rc)
            return rc;
        x->rows++;
        if (*ret_fault)
            *ret_fault = arena_printf(a, "%s, row %llu", *ret_fault, (unsigned long long)x->rows);
        give(x, a, ret_cells, ret_n);
        *ret_more = true;
        return EC_OK;
    }
    if (x->ended) /* an empty document may still be followed by something */
        while ((got = xml_stream_next(&x->in, reterr)) == 1)
            ;
    return got < 0 ? xml_stream_code(&x->in) : EC_OK;
}

void dmf_xml_rows_close(struct dmf_xml_rows *x)
{
    if (!x)
        return;
    xml_stream_close(&x->in);
    strbuf_release(&x->text);
    free(x->at);
    free(x->len);
    free(x->known);
    free(x->name);
    free(x);
}

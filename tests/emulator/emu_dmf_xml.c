/*
 * Reading XML data files: <Document> holds one element per row, named after the entity; fields are its child elements
 * (XML-Element) or its attributes (XML-Attribute). Streamed: a file of any size takes the memory of one row.
 */
#include "emu_dmf_parts.h"

#include <libxml/xmlerror.h>
#include <libxml/xmlreader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { XML_ROW_MAX = 4 << 20 };

struct dmf_xml {
    zip_file_t *file;
    xmlTextReader *reader;
    bool attributes;
    const char *element;
    const struct dmf_entity *d; /* the caller's, outlives the reader */
    struct strbuf row;
    size_t *at, *n; /* per map: place in `row`; n = SIZE_MAX: absent */
    int64_t line;
};

static int read_zip(void *arg, char *buf, int n)
{
    zip_int64_t got = zip_fread(arg, buf, (zip_uint64_t)n);

    return got < 0 ? -1 : (int)got;
}

static void quiet(void *arg, const char *fmt, ...)
{
    (void)arg, (void)fmt;
}

static bool malformed(char *msg, size_t msg_size)
{
    const xmlError *last = xmlGetLastError();

    if (last && last->code == XML_ERR_INVALID_CHAR)
        snprintf(msg, msg_size, "DMF2055: The source file has a character that is not legal in XML, line %d.",
                 last->line);
    else
        snprintf(msg, msg_size, "DMF1830: XML is not in correct format-Exception from HRESULT: 0xC0010009, line %d.",
                 last ? last->line : 0);
    return false;
}

void dmf_xml_close(struct dmf_xml *x)
{
    if (!x)
        return;
    xmlFreeTextReader(x->reader);
    if (x->file)
        zip_fclose(x->file);
    strbuf_release(&x->row);
    free(x->at);
    free(x->n);
    free(x);
}

struct dmf_xml *dmf_xml_open(zip_t *z, zip_int64_t index, bool attributes, const char *element,
                             const struct dmf_entity *d, char *msg, size_t msg_size)
{
    struct dmf_xml *x = xcalloc(1, sizeof(*x));
    int rc;

    xmlSetGenericErrorFunc(NULL, quiet);
    xmlResetLastError();
    x->attributes = attributes;
    x->element = element;
    x->d = d;
    x->at = xcalloc(d->n_maps + 1, sizeof(*x->at));
    x->n = xcalloc(d->n_maps + 1, sizeof(*x->n));
    strbuf_reserve(&x->row, 16);
    x->file = zip_fopen_index(z, (zip_uint64_t)index, 0);
    if (x->file)
        x->reader = xmlReaderForIO(read_zip, NULL, x->file, "data.xml", NULL,
                                   XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    if (!x->reader)
        goto bad;
    while ((rc = xmlTextReaderRead(x->reader)) == 1 && xmlTextReaderNodeType(x->reader) != XML_READER_TYPE_ELEMENT)
        if (xmlTextReaderNodeType(x->reader) == XML_READER_TYPE_DOCUMENT_TYPE)
            goto bad;
    if (rc != 1)
        goto bad;
    if (strcmp((const char *)xmlTextReaderConstLocalName(x->reader), "Document") != 0) {
        snprintf(msg, msg_size, "MAP011: The node Document is missing in the source file.");
        dmf_xml_close(x);
        return NULL;
    }
    return x;
bad:
    malformed(msg, msg_size);
    dmf_xml_close(x);
    return NULL;
}

static void keep(struct dmf_xml *x, const char *name, const char *text)
{
    for (size_t i = 0; i < x->d->n_maps; i++)
        if (!strcmp(x->d->maps[i].column, name)) {
            x->at[i] = x->row.len;
            x->n[i] = strlen(text);
            strbuf_adds(&x->row, text);
        }
}

/* The text of the element the reader stands on; the reader ends on its end tag. */
static bool element_text(xmlTextReader *r, struct strbuf *out)
{
    int depth = xmlTextReaderDepth(r);

    strbuf_reset(out);
    if (xmlTextReaderIsEmptyElement(r) == 1)
        return true;
    while (xmlTextReaderRead(r) == 1) {
        int type = xmlTextReaderNodeType(r);

        if (type == XML_READER_TYPE_END_ELEMENT && xmlTextReaderDepth(r) == depth)
            return true;
        if (type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA || type == XML_READER_TYPE_WHITESPACE ||
            type == XML_READER_TYPE_SIGNIFICANT_WHITESPACE)
            strbuf_adds(out, (const char *)xmlTextReaderConstValue(r));
        if (out->len > XML_ROW_MAX)
            return false;
    }
    return false;
}

static bool read_fields(struct dmf_xml *x)
{
    xmlTextReader *r = x->reader;
    int depth = xmlTextReaderDepth(r);
    bool empty = xmlTextReaderIsEmptyElement(r) == 1;
    struct strbuf text = { 0 };
    bool ok = false;

    if (x->attributes)
        while (xmlTextReaderMoveToNextAttribute(r) == 1)
            keep(x, (const char *)xmlTextReaderConstLocalName(r), (const char *)xmlTextReaderConstValue(r));
    xmlTextReaderMoveToElement(r);
    if (empty)
        return true;
    while (xmlTextReaderRead(r) == 1) {
        int type = xmlTextReaderNodeType(r);

        if (type == XML_READER_TYPE_END_ELEMENT && xmlTextReaderDepth(r) == depth) {
            ok = true;
            break;
        }
        if (type == XML_READER_TYPE_ELEMENT) {
            char name[256];

            snprintf(name, sizeof(name), "%s", (const char *)xmlTextReaderConstLocalName(r));
            if (!element_text(r, &text))
                break;
            if (!x->attributes)
                keep(x, name, strbuf_str(&text));
        }
        if (x->row.len > XML_ROW_MAX)
            break;
    }
    strbuf_release(&text);
    return ok;
}

enum dmf_read dmf_xml_next(struct dmf_xml *x, struct dmf_cell *cells, int64_t *ret_line, char *msg, size_t msg_size)
{
    int rc;

    x->row.len = 0;
    for (size_t i = 0; i < x->d->n_maps; i++)
        x->n[i] = SIZE_MAX;
    while ((rc = xmlTextReaderRead(x->reader)) == 1)
        if (xmlTextReaderNodeType(x->reader) == XML_READER_TYPE_ELEMENT)
            break;
    if (rc == 0)
        return DMF_END;
    if (rc < 0) {
        malformed(msg, msg_size);
        return DMF_BAD_FILE;
    }
    x->line++;
    *ret_line = x->line;
    if (strcasecmp((const char *)xmlTextReaderConstLocalName(x->reader), x->element) != 0) {
        snprintf(msg, msg_size, "MAP011: The node %s is missing in the source file; %s was found.", x->element,
                 (const char *)xmlTextReaderConstLocalName(x->reader));
        return DMF_BAD_FILE;
    }
    if (!read_fields(x)) {
        malformed(msg, msg_size);
        return DMF_BAD_FILE;
    }
    for (size_t i = 0; i < x->d->n_maps; i++)
        cells[i] = x->n[i] == SIZE_MAX ? (struct dmf_cell){ "", 0, true }
                                       : (struct dmf_cell){ x->row.buf + x->at[i], x->n[i], false };
    return DMF_ROW;
}

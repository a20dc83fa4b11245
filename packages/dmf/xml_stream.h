/*
 * xml_stream.h -- XML from anybody as a stream of nodes, one at a time (libxml2's reader), never expanding anything.
 * Layer: dmf, private to it. Errors: EC_FORMAT with the line, or whatever `fill` failed with. Threads: one owner.
 *
 * Octets pass a guard before the parser gets them. It stops at a DOCTYPE (so there is nothing to expand and nothing to
 * fetch), and at an element with more attributes than a table has columns: the parser compares each with every other.
 */
#ifndef DMF_XML_STREAM_H
#define DMF_XML_STREAM_H

#include "dmf/dmf_parts.h"

#include <libxml/xmlreader.h>

/* F&O's staging tables are SQL Server tables, which have at most 1,024 columns. */
enum { XML_MAX_ATTRIBUTES = 1200 };
struct xml_guard {
    unsigned width; /* octets of a code unit: 1 or 2 */
    unsigned low; /* which octet of two is the low one */
    unsigned held, unit_n; /* a code unit that came in two pieces */
    unsigned state, at; /* at: characters of a delimiter matched so far */
    unsigned attributes; /* of the element */
    size_t tags; /* and attributes */
    char quote;
};
void xml_guard_begin(struct xml_guard *g, const char *encoding);
/* NULL, or why these octets do not belong into a data package. */
const char *xml_guard_pass(struct xml_guard *g, const void *p, size_t n);

/*
 * The encoding to insist on: what the octets are, whatever the declaration says ("utf-16" stays in documents that a tool
 * has saved as UTF-8). NULL = as declared. *ret_bom: octets of the BOM, to be passed over.
 */
const char *dmf_xml_encoding(const void *p, size_t n, size_t *ret_bom);

struct xml_stream {
    const char *name; /* for messages; borrowed */
    dmf_fill *fill;
    void *arg;
    xmlTextReader *reader;
    struct xml_guard guard;
    unsigned char head[256]; /* looked at to tell the encoding */
    size_t head_n, head_at;
    struct err failed; /* of fill or of the guard; libxml2 only hears -1 */
    char why[160]; /* libxml2's own complaint */
    int line;
};
/* The stream must not move in memory afterwards. On failure nothing is left to close. */
enum ec xml_stream_open(struct xml_stream *x, const char *name, dmf_fill *fill, void *arg, struct err *reterr);
/* Moves to the next node: 1 = there is one, 0 = the document ended, -1 = *reterr is filled. */
int xml_stream_next(struct xml_stream *x, struct err *reterr);
/* An error at this place. why NULL: what the parser complained about. */
enum ec xml_stream_fail(struct xml_stream *x, const char *why, struct err *reterr);
void xml_stream_close(struct xml_stream *x);

/* The code of the error that xml_stream_next() filled in. */
static inline enum ec xml_stream_code(const struct xml_stream *x)
{
    return x->failed.code ? x->failed.code : EC_FORMAT;
}

static inline int xml_type(struct xml_stream *x)
{
    return xmlTextReaderNodeType(x->reader);
}
static inline const char *xml_name(struct xml_stream *x)
{
    return (const char *)xmlTextReaderConstLocalName(x->reader);
}
static inline bool xml_is_text(int type)
{
    return type == XML_READER_TYPE_TEXT || type == XML_READER_TYPE_CDATA || type == XML_READER_TYPE_WHITESPACE ||
           type == XML_READER_TYPE_SIGNIFICANT_WHITESPACE;
}

#endif

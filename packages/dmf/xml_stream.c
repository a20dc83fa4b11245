#include "dmf/xml_stream.h"

#include <libxml/parser.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- encodings ---- */

/* Value of encoding="..." in the declaration that the document begins with; its length, 0 = none. */
static size_t declared(const char *p, size_t n, const char **ret)
{
    static const char WORD[] = "encoding";

    for (size_t i = 0; i + sizeof(WORD) < n && p[i] != '>'; i++) {
        size_t k = i + sizeof(WORD) - 1, end;

        if (memcmp(p + i, WORD, sizeof(WORD) - 1) != 0)
            continue;
        while (k < n && (p[k] == '=' || p[k] == ' '))
            k++;
        if (k >= n || (p[k] != '"' && p[k] != '\''))
            continue;
        for (end = k + 1; end < n && p[end] != p[k]; end++)
            ;
        *ret = p + k + 1;
        return end - k - 1;
    }
    return 0;
}

const char *dmf_xml_encoding(const void *data, size_t n, size_t *ret_bom)
{
    const unsigned char *o = data;
    const char *word;
    size_t len;

    *ret_bom = 0;
    if (n >= 3 && o[0] == 0xEF && o[1] == 0xBB && o[2] == 0xBF) {
        *ret_bom = 3;
        return "UTF-8";
    }
    if (n >= 2 && ((o[0] == 0xFF && o[1] == 0xFE) || (o[0] == 0xFE && o[1] == 0xFF))) {
        *ret_bom = 2;
        return o[0] == 0xFF ? "UTF-16LE" : "UTF-16BE";
    }
    if (n >= 2 && o[0] && !o[1])
        return "UTF-16LE";
    if (n >= 2 && !o[0] && o[1])
        return "UTF-16BE";
    len = declared(data, n < 200 ? n : 200, &word);
    /* Only encodings in which '<' is the octet '<', which is what the guard looks for. */
    if (!len || (len > 8 && !strncasecmp(word, "iso-8859-", 9)) || (len > 9 && !strncasecmp(word, "windows-125", 10)))
        return NULL;
    return "UTF-8";
}

/* ---- the guard ---- */

enum { G_TEXT, G_OPEN, G_BANG, G_TAG, G_CDATA, G_COMMENT, G_PI };

void xml_guard_begin(struct xml_guard *g, const char *encoding)
{
    *g = (struct xml_guard){ .width = 1 };
    if (encoding && !strncmp(encoding, "UTF-16", 6)) {
        g->width = 2;
        g->low = !strcmp(encoding, "UTF-16BE");
    }
}

/* Is `c` the end of the delimiter "xxy"? Counts the x before it. */
static bool ends(struct xml_guard *g, char c, char x, char y, unsigned wanted)
{
    if (c == y && g->at >= wanted)
        return true;
    g->at = c == x ? g->at + (g->at < wanted) : 0;
    return false;
}

static const char *bang(struct xml_guard *g, char c)
{
    static const char CDATA[] = "[CDATA[";

    if (g->at < sizeof(CDATA) - 1 && c == CDATA[g->at]) {
        if (++g->at == sizeof(CDATA) - 1)
            g->state = G_CDATA, g->at = 0;
    } else if (c == '-' && (g->at == 0 || g->at == 100)) { /* 100: one '-' was there */
        if (g->at)
            g->state = G_COMMENT, g->at = 0;
        else
            g->at = 100;
    } else {
        return "a DOCTYPE, which data packages never have";
    }
    return NULL;
}

static const char *tag(struct xml_guard *g, char c)
{
    if (g->quote) {
        if (c == g->quote)
            g->quote = 0;
    } else if (c == '"' || c == '\'') {
        g->quote = c;
    } else if (c == '>') {
        g->state = G_TEXT;
    } else if (c == '=') {
        g->tags++;
        if (++g->attributes > XML_MAX_ATTRIBUTES)
            return "an element with more attributes than a table has columns";
    }
    return NULL;
}

static const char *step(struct xml_guard *g, char c)
{
    switch (g->state) {
    case G_TEXT:
        if (c == '<')
            g->state = G_OPEN;
        return NULL;
    case G_OPEN:
        g->state = c == '!' ? G_BANG : c == '?' ? G_PI : G_TAG;
        g->at = 0;
        g->attributes = 0;
        g->quote = 0;
        g->tags++;
        return g->state == G_TAG ? tag(g, c) : NULL;
    case G_BANG: return bang(g, c);
    case G_TAG: return tag(g, c);
    case G_CDATA:
        if (ends(g, c, ']', '>', 2))
            g->state = G_TEXT;
        return NULL;
    case G_COMMENT:
        if (ends(g, c, '-', '>', 2))
            g->state = G_TEXT;
        return NULL;
    default:
        if (ends(g, c, '?', '>', 1))
            g->state = G_TEXT;
        return NULL;
    }
}

const char *xml_guard_pass(struct xml_guard *g, const void *data, size_t n)
{
    const unsigned char *p = data;
    const char *why = NULL;

    for (size_t i = 0; i < n && !why; i++) {
        unsigned low, high = 0;

        if (g->width == 1) {
            low = p[i];
            if (g->state == G_TEXT) { /* most of a file is text */
                const unsigned char *at = memchr(p + i, '<', n - i);

                if (!at)
                    return NULL;
                i = (size_t)(at - p);
                low = '<';
            }
        } else if (!g->unit_n) {
            g->held = p[i];
            g->unit_n = 1;
            continue;
        } else {
            low = g->low ? p[i] : g->held;
            high = g->low ? g->held : p[i];
            g->unit_n = 0;
        }
        why = step(g, high || low > 127 ? '\x7F' : (char)low);
    }
    return why;
}

/* ---- the stream ---- */

static int read_octets(void *arg, char *buf, int n)
{
    struct xml_stream *x = arg;
    const char *why;
    int64_t got;

    if (x->failed.code)
        return -1;
    if (x->head_at < x->head_n) {
        got = (int64_t)(x->head_n - x->head_at);
        got = got < n ? got : n;
        memcpy(buf, x->head + x->head_at, (size_t)got);
        x->head_at += (size_t)got;
    } else {
        got = x->fill(x->arg, buf, (size_t)n, &x->failed);
    }
    why = got > 0 ? xml_guard_pass(&x->guard, buf, (size_t)got) : NULL;
    if (!why)
        return (int)got;
    err_set(&x->failed, EC_FORMAT, "%s has %s", x->name, why);
    return -1;
}

static void complain(void *arg, xmlError *e)
{
    struct xml_stream *x = arg;

    if (x->why[0] || !e->message)
        return;
    snprintf(x->why, sizeof(x->why), "%s", e->message);
    x->why[strcspn(x->why, "\r\n")] = 0;
    x->why[utf8_valid_prefix(x->why, strlen(x->why))] = 0;
    x->line = e->line;
}

enum ec xml_stream_fail(struct xml_stream *x, const char *why, struct err *reterr)
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

/* Some complaints of libxml2 go to standard error instead. */
static void quiet(void *arg, const char *fmt, ...)
{
    (void)arg, (void)fmt;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

enum ec xml_stream_open(struct xml_stream *x, const char *name, dmf_fill *fill, void *arg, struct err *reterr)
{
    const char *encoding;
    size_t bom;

    (void)pthread_once(&once, xmlInitParser);
    xmlSetGenericErrorFunc(NULL, quiet); /* of this thread */
    *x = (struct xml_stream){ .name = name, .fill = fill, .arg = arg };
    while (x->head_n < sizeof(x->head)) {
        int64_t got = fill(arg, x->head + x->head_n, sizeof(x->head) - x->head_n, &x->failed);

        if (got < 0)
            return xml_stream_fail(x, NULL, reterr);
        if (!got)
            break;
        x->head_n += (size_t)got;
    }
    encoding = dmf_xml_encoding(x->head, x->head_n, &bom);
    x->head_at = bom;
    xml_guard_begin(&x->guard, encoding);
    x->reader = xmlReaderForIO(read_octets, NULL, x, NULL, encoding, XML_PARSE_NONET);
    if (!x->reader)
        return xml_stream_fail(x, NULL, reterr);
    xmlTextReaderSetStructuredErrorHandler(x->reader, complain, x);
    return EC_OK;
}

int xml_stream_next(struct xml_stream *x, struct err *reterr)
{
    int got = xmlTextReaderRead(x->reader), type;

    if (got == 1) {
        type = xml_type(x);
        if (type == XML_READER_TYPE_DOCUMENT_TYPE)
            xml_stream_fail(x, "a DOCTYPE, which data packages never have", reterr);
        else if (type == XML_READER_TYPE_ENTITY_REFERENCE)
            xml_stream_fail(x, "an entity that is not defined", reterr);
        else
            return 1;
        return -1;
    }
    if (got == 0 && !x->failed.code)
        return 0;
    xml_stream_fail(x, NULL, reterr);
    return -1;
}

void xml_stream_close(struct xml_stream *x)
{
    if (x->reader)
        xmlFreeTextReader(x->reader);
    x->reader = NULL;
}

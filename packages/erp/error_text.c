/*
 * error_text.c -- GetExecutionErrors: an answer that looks like JSON and is not.
 *
 * [{"RecordId":"..","Field":"..","ErrorMessage":".."},{..}] with quotes and line breaks unescaped inside the messages. The
 * records are found by their fixed beginnings: a record ends where "}", a comma and {"RecordId" follow, or at the end.
 */
#include "erp/pkgapi.h"

#include <string.h>

static const char ID[] = "\"RecordId\":\"", FIELD[] = "\",\"Field\":\"", MESSAGE[] = "\",\"ErrorMessage\":\"";

static const char *find(const char *p, const char *end, const char *what)
{
    size_t n = strlen(what);

    return (size_t)(end - p) >= n ? memmem(p, (size_t)(end - p), what, n) : NULL;
}

/* Start of the next record after p: '{' blanks '"RecordId":"' that stands behind '}' blanks ',' blanks. NULL = none. */
static const char *next_record(const char *p, const char *end)
{
    const char *q = p;

    while ((q = find(q, end, ID))) {
        const char *b = q;

        while (b > p && (b[-1] == ' ' || b[-1] == '\n' || b[-1] == '\r' || b[-1] == '\t'))
            b--;
        if (b > p && b[-1] == '{') {
            const char *c = b - 1;

            while (c > p && strchr(" \n\r\t", c[-1]))
                c--;
            if (c > p && c[-1] == ',') {
                c--;
                while (c > p && strchr(" \n\r\t", c[-1]))
                    c--;
                if (c > p && c[-1] == '}')
                    return b - 1;
            }
        }
        q += sizeof(ID) - 1;
    }
    return NULL;
}

/* The text of an id or a field name: blanks stay, since keys may have them. */
static struct cell plain(struct arena *a, const char *p, size_t n)
{
    char *out = arena_alloc(a, n + 1), *o = out;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n && (p[i + 1] == '"' || p[i + 1] == '\\' || p[i + 1] == '/'))
            i++;
        *o++ = p[i];
    }
    return (struct cell){ out, (size_t)(o - out) };
}

static struct cell squeeze(struct arena *a, const char *p, size_t n)
{
    char *out = arena_alloc(a, n + 1), *o = out;
    bool blank = false;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c <= 0x20) {
            blank = o != out;
            continue;
        }
        /* Escapes that are there all the same. */
        if (c == '\\' && i + 1 < n && p[i + 1] && strchr("\"\\/", p[i + 1])) {
            c = (unsigned char)p[++i];
        } else if (c == '\\' && i + 1 < n && p[i + 1] && strchr("rnt", p[i + 1])) {
            i++;
            blank = o != out;
            continue;
        }
        if (blank)
            *o++ = ' ';
        blank = false;
        *o++ = (char)c;
    }
    return (struct cell){ out, (size_t)(o - out) };
}

size_t erp_errors_parse(const char *text, size_t n, erp_error_fn *fn, void *arg, enum ec *ret_rc, struct err *reterr)
{
    const char *p = text, *end = text + n;
    struct arena a = { 0 };
    size_t found = 0;

    *ret_rc = EC_OK;
    p = n ? find(p, end, ID) : NULL;
    while (p && !*ret_rc) {
        const char *next = next_record(p, end), *stop = next ? next : end, *id, *field, *message, *close;

        id = find(p, stop, ID);
        if (!id)
            break;
        id += sizeof(ID) - 1;
        field = find(id, stop, FIELD);
        message = field ? find(field, stop, MESSAGE) : NULL;
        if (!field || !message)
            break;
        /* The message runs to the last quote before the record's closing brace. */
        for (close = stop; close > message && close[-1] != '"'; close--)
            ;
        close = close > message + sizeof(MESSAGE) - 1 ? close - 1 : message + sizeof(MESSAGE) - 1;
        arena_reset(&a);
        *ret_rc =
            fn(arg, plain(&a, id, (size_t)(field - id)),
               plain(&a, field + sizeof(FIELD) - 1, (size_t)(message - field) - (sizeof(FIELD) - 1)),
               squeeze(&a, message + sizeof(MESSAGE) - 1, (size_t)(close - message) - (sizeof(MESSAGE) - 1)), reterr);
        found++;
        p = next;
    }
    arena_release(&a);
    return found;
}

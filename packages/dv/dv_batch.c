/*
 * $batch: multipart requests out, multipart answers in. Source: Dataverse Web API, "Execute batch operations using the Web
 * API"; multipart per RFC 2046, section 5.1.
 */
#include "dv/dv_parts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- writing: CRLF only, a bare LF is "Stream was not readable" ---- */

void dv_batch_boundary(char ret[static 48])
{
    char id[40];

    dv_new_id(id);
    snprintf(ret, 48, "batch_%s", id);
}

void dv_batch_op(struct strbuf *out, const char *boundary, const char *method, const char *path,
                 const struct http_header *headers, size_t n_headers, size_t content_id, struct cell body)
{
    strbuf_addf(
        out,
        "--%s\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: %zu\r\n\r\n"
        "%s %s HTTP/1.1\r\nAccept: application/json\r\nOData-MaxVersion: 4.0\r\nOData-Version: 4.0\r\n",
        boundary, content_id, method, path);
    for (size_t i = 0; i < n_headers; i++)
        strbuf_addf(out, "%s: %s\r\n", headers[i].name, headers[i].value);
    if (!cell_absent(body)) {
        strbuf_adds(out, "Content-Type: application/json; type=entry\r\n\r\n");
        strbuf_add(out, body.ptr, body.len);
        strbuf_adds(out, "\r\n");
    } else { /* one empty line ends the headers, one stands for the empty body */
        strbuf_adds(out, "\r\n\r\n");
    }
}

void dv_batch_end(struct strbuf *out, const char *boundary)
{
    /* the empty line at the end is a known cure for a service that reads one line too far */
    strbuf_addf(out, "--%s--\r\n\r\n", boundary);
}

/* ---- reading ---- */

struct text {
    const char *p, *end;
};

static struct cell trim(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    return (struct cell){ p, (size_t)(end - p) };
}

/* The next line without its end; false at the end of the text. */
static bool line_of(struct text *t, struct cell *ret)
{
    const char *lf;

    if (t->p >= t->end)
        return false;
    lf = memchr(t->p, '\n', (size_t)(t->end - t->p));
    ret->ptr = t->p;
    ret->len = (size_t)((lf ? lf : t->end) - t->p);
    t->p = lf ? lf + 1 : t->end;
    if (ret->len && ret->ptr[ret->len - 1] == '\r')
        ret->len--;
    return true;
}

struct head {
    struct cell content_type, content_id, retry_after, etag;
};

/* Header lines up to the empty one. */
static void heads_of(struct text *t, struct head *h)
{
    static const struct {
        const char *name;
        size_t offset;
    } WANTED[] = {
        { "Content-Type", offsetof(struct head, content_type) },
        { "Content-ID", offsetof(struct head, content_id) },
        { "Retry-After", offsetof(struct head, retry_after) },
        { "ETag", offsetof(struct head, etag) },
    };
    struct cell line;

    *h = (struct head){ { 0 }, { 0 }, { 0 }, { 0 } };
    while (line_of(t, &line) && line.len) {
        const char *colon = memchr(line.ptr, ':', line.len);

        if (!colon)
            continue;
        for (size_t i = 0; i < COUNT(WANTED); i++)
            if (cell_ieq(trim(line.ptr, colon), cell_of(WANTED[i].name)))
                *(struct cell *)((char *)h + WANTED[i].offset) = trim(colon + 1, line.ptr + line.len);
    }
}

const char *dv_batch_boundary_of(const char *content_type, struct arena *a)
{
    const char *p = content_type, *end;

    if (!p || strncasecmp(p, "multipart/", 10))
        return NULL;
    for (p = strchr(p, ';'); p; p = strchr(p, ';')) {
        p++;
        p += strspn(p, " \t");
        if (!strncasecmp(p, "boundary", 8)) {
            p += 8;
            p += strspn(p, " \t");
            if (*p != '=')
                continue;
            p++;
            p += strspn(p, " \t");
            if (*p == '"') {
                p++;
                end = strchr(p, '"');
            } else {
                end = p + strcspn(p, "; \t\r\n");
            }
            /* RFC 2046 allows 70 characters */
            if (!end || end == p || end - p > 200)
                return NULL;
            return arena_dup(a, p, (size_t)(end - p));
        }
    }
    return NULL;
}

/*
 * Next delimiter line at or after `p`: *ret_start is where the part before it ends, *ret_next what follows the line,
 * *ret_last whether it is the closing one. False = none.
 */
static bool delimiter(const char *begin, const char *p, const char *end, const char *boundary, const char **ret_start,
                      const char **ret_next, bool *ret_last)
{
    size_t n = strlen(boundary);

    while (p < end) {
        const char *hit = memmem(p, (size_t)(end - p), boundary, n), *q, *start;

        if (!hit)
            return false;
        q = hit + n;
        p = hit + 1;
        if (hit - begin < 2 || hit[-1] != '-' || hit[-2] != '-')
            continue;
        start = hit - 2;
        if (start > begin && start[-1] != '\n')
            continue;
        *ret_last = end - q >= 2 && q[0] == '-' && q[1] == '-';
        if (*ret_last)
            q += 2;
        while (q < end && (*q == ' ' || *q == '\t' || *q == '\r'))
            q++;
        if (q < end && *q != '\n' && !*ret_last) /* a longer boundary that begins like ours */
            continue;
        *ret_next = q < end && *q == '\n' ? q + 1 : q;
        if (start > begin) /* the line end before the delimiter belongs to it */
            start--;
        if (start > begin && start[-1] == '\r')
            start--;
        *ret_start = start;
        return true;
    }
    return false;
}

struct parse {
    struct arena *a;
    struct dv_batch_part *parts;
    size_t n, cap, max;
};

static enum ec take_operation(struct parse *ps, struct text t, const struct head *part_head, struct err *reterr)
{
    struct dv_batch_part *p;
    struct head h;
    struct cell line = CELL_ABSENT;
    int64_t number;
    int status = 0;

    do {
        if (!line_of(&t, &line))
            return EC_OK;
    } while (!line.len);
    if (line.len < 12 || strncasecmp(line.ptr, "HTTP/", 5))
        return EC_OK;
    for (const char *q = memchr(line.ptr, ' ', line.len), *end = line.ptr + line.len; q && q < end && *q == ' '; q++)
        if (end - q >= 4 && q[1] >= '1' && q[1] <= '5' && q[2] >= '0' && q[2] <= '9' && q[3] >= '0' && q[3] <= '9') {
            status = (q[1] - '0') * 100 + (q[2] - '0') * 10 + (q[3] - '0');
            break;
        }
    if (!status)
        return EC_OK;
    if (ps->n == ps->max)
        return err_set(reterr, EC_LIMIT, "$batch: the answer has more than %zu parts", ps->max);
    if (ps->n == ps->cap) {
        size_t cap = ps->cap ? ps->cap * 2 : 64;
        struct dv_batch_part *more = arena_alloc(ps->a, cap * sizeof(*more));

        if (ps->n)
            memcpy(more, ps->parts, ps->n * sizeof(*more));
        ps->parts = more;
        ps->cap = cap;
    }
    heads_of(&t, &h);
    p = &ps->parts[ps->n++];
    *p = (struct dv_batch_part){
        .status = status, .content_id = -1, .retry_after_ms = -1, .content_type = h.content_type, .etag = h.etag
    };
    if (cell_to_i64(part_head->content_id, &number) && number > 0 && number < LONG_MAX)
        p->content_id = (long)number;
    if (cell_to_i64(h.retry_after, &number) && number >= 0 && number <= 86400)
        p->retry_after_ms = number * 1000;
    while (t.end > t.p && (t.end[-1] == '\n' || t.end[-1] == '\r'))
        t.end--;
    p->body = (struct cell){ t.p, (size_t)(t.end - t.p) };
    return EC_OK;
}

/* depth 0 = the batch, 1 = a changeset's answer inside it; nothing nests deeper. */
static enum ec take_parts(struct parse *ps, const char *boundary, const char *p, const char *end, int depth,
                          bool *ret_complete, struct err *reterr)
{
    const char *begin = p, *stop, *next;
    bool last = false;
    enum ec rc = EC_OK;

    *ret_complete = false;
    if (!delimiter(begin, p, end, boundary, &stop, &next, &last))
        return EC_OK;
    while (!rc && !last) {
        struct text t = { next, end };
        const char *inner;
        struct head h;
        bool found = delimiter(begin, next, end, boundary, &stop, &p, &last), whole;

        if (found)
            t.end = stop > next ? stop : next;
        heads_of(&t, &h);
        inner = cell_blank(h.content_type) ? NULL : dv_batch_boundary_of(cell_cstr(ps->a, h.content_type), ps->a);
        if (inner && depth == 0)
            rc = take_parts(ps, inner, t.p, t.end, depth + 1, &whole, reterr);
        else if (!inner)
            rc = take_operation(ps, t, &h, reterr);
        if (!found)
            return rc;
        next = p;
    }
    *ret_complete = last;
    return rc;
}

enum ec dv_batch_parse(const char *boundary, const char *p, size_t n, size_t max, struct arena *a,
                       struct dv_batch_part **ret, size_t *ret_n, bool *ret_complete, struct err *reterr)
{
    struct parse ps = { .a = a, .max = max };
    bool complete = false;
    enum ec rc;

    if (!boundary || !*boundary)
        return err_set(reterr, EC_FORMAT, "$batch: the answer names no boundary");
    rc = take_parts(&ps, boundary, p, p + n, 0, &complete, reterr);
    if (rc)
        return rc;
    if (!ps.n)
        return err_set(reterr, EC_FORMAT, "$batch: the answer holds no operation's answer");
    *ret = ps.parts;
    *ret_n = ps.n;
    *ret_complete = complete;
    return EC_OK;
}

/*
 * $batch. Source: Dataverse Web API, "Execute batch operations using the Web API"; multipart as in RFC 2046, 5.1.
 *
 * The reader is strict, as the service's is: CRLF only, two empty lines behind a request without a body, application/http
 * with a binary encoding, a closing delimiter. The whole body is read before the first operation runs.
 */
#include "emu_dv.h"
#include "emu_store.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { OPERATIONS_MAX = 1000, HEADERS_MAX = 40 };

struct operation {
    const char *content_id; /* NULL = none */
    const char *method, *url, *body;
    size_t body_len;
    struct emu_pair headers[HEADERS_MAX];
    size_t n_headers;
    int changeset; /* 0 = on its own */
};
struct batch {
    struct dv_op *op;
    struct operation *v;
    size_t n, cap;
    int changesets;
    bool keep_going;
    struct strbuf *out;
    char boundary[64];
};

/* ---- reading ---- */

struct span {
    const char *p, *end;
};

static bool unreadable(struct dv_op *op)
{
    return dv_refuse(&op->fail, 400, "0x80048d19", "Stream was not readable.");
}

static bool refuse(struct dv_op *op, const char *fmt, const char *arg)
{
    char text[400];

    snprintf(text, sizeof(text), fmt, arg);
    return dv_refuse(&op->fail, 400, "0x80048d19", "%s", text);
}

/* One line that ends in CRLF; false = there is none, or a bare CR or LF in it. */
static bool line(struct span *s, struct span *ret)
{
    const char *lf = memchr(s->p, '\n', (size_t)(s->end - s->p));

    if (!lf || lf == s->p || lf[-1] != '\r' || memchr(s->p, '\r', (size_t)(lf - 1 - s->p)))
        return false;
    *ret = (struct span){ s->p, lf - 1 };
    s->p = lf + 1;
    return true;
}

/* Header lines up to the empty one. */
static bool read_headers(struct batch *b, struct span *s, struct emu_pair *v, size_t *n)
{
    struct span l;

    for (;;) {
        const char *colon, *value;
        const char *end;

        if (!line(s, &l))
            return unreadable(b->op);
        if (l.p == l.end)
            return true;
        colon = memchr(l.p, ':', (size_t)(l.end - l.p));
        if (!colon || colon == l.p || *n == HEADERS_MAX)
            return unreadable(b->op);
        value = colon + 1;
        end = l.end;
        while (value < end && (*value == ' ' || *value == '\t'))
            value++;
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        v[*n].name = arena_dup(b->op->a, l.p, (size_t)(colon - l.p));
        v[(*n)++].value = arena_dup(b->op->a, value, (size_t)(end - value));
    }
}

static const char *find_header(const struct emu_pair *v, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(v[i].name, name))
            return v[i].value;
    return NULL;
}

/* boundary=... of a multipart/mixed content type; NULL = it is none. */
static const char *boundary_of(struct batch *b, const char *type)
{
    const char *p;
    size_t n;

    if (!type || strncasecmp(type, "multipart/mixed", 15) != 0 || (type[15] && !strchr("; \t", type[15])))
        return NULL;
    p = strcasestr(type, "boundary=");
    if (!p)
        return NULL;
    p += 9;
    n = *p == '"' ? strcspn(++p, "\"") : strcspn(p, "; \t");
    return n && n <= 70 ? arena_dup(b->op->a, p, n) : NULL;
}

/* Behind "--boundary": 1 = a part, 0 = the end, -1 = neither. *s moves behind the next delimiter. */
static int next_part(struct span *s, const char *boundary, struct span *ret)
{
    size_t n = strlen(boundary);
    const char *from;

    if (s->end - s->p >= 2 && s->p[0] == '-' && s->p[1] == '-')
        return 0;
    if (s->end - s->p < 2 || s->p[0] != '\r' || s->p[1] != '\n')
        return -1;
    from = s->p; /* its CRLF may be the one before the next delimiter: an empty part, refused later */
    for (const char *p = from; p < s->end; p++) {
        const char *hit = memmem(p, (size_t)(s->end - p), boundary, n);

        if (!hit)
            return -1;
        p = hit;
        if (hit - from < 4 || memcmp(hit - 4, "\r\n--", 4) != 0 || s->end - (hit + n) < 2 ||
            (memcmp(hit + n, "--", 2) != 0 && memcmp(hit + n, "\r\n", 2) != 0))
            continue;
        *ret = (struct span){ from + 2, hit - 4 };
        if (ret->end < ret->p)
            return -1;
        s->p = hit + n;
        return 1;
    }
    return -1;
}

static bool add_operation(struct batch *b, struct span s, const char *content_id, int changeset)
{
    struct dv_op *op = b->op;
    struct operation *o;
    struct span l;
    const char *space, *last;
    bool has_body;

    if (b->n == OPERATIONS_MAX)
        return refuse(op, "The number of requests in the batch exceeds the maximum of %s.", "1000");
    if (b->n == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 32;
        struct operation *more = arena_zalloc(op->a, cap * sizeof(*more));

        if (b->n)
            memcpy(more, b->v, b->n * sizeof(*more));
        b->v = more;
        b->cap = cap;
    }
    o = &b->v[b->n++];
    *o = (struct operation){ .content_id = content_id, .changeset = changeset };
    if (!line(&s, &l))
        return unreadable(op);
    space = memchr(l.p, ' ', (size_t)(l.end - l.p));
    last = l.end - 9;
    if (!space || last <= space || memcmp(last, " HTTP/1.1", 9) != 0)
        return unreadable(op);
    o->method = arena_dup(op->a, l.p, (size_t)(space - l.p));
    o->url = arena_dup(op->a, space + 1, (size_t)(last - space - 1));
    if (content_id)
        o->headers[o->n_headers++] = (struct emu_pair){ "Content-ID", content_id };
    if (!read_headers(b, &s, o->headers, &o->n_headers))
        return false;
    if (!content_id) {
        o->content_id = find_header(o->headers, o->n_headers, "Content-ID");
    }
    o->body_len = (size_t)(s.end - s.p);
    o->body = arena_dup(op->a, s.p, o->body_len);
    has_body = strcmp(o->method, "GET") != 0 && strcmp(o->method, "DELETE") != 0;
    if (!has_body && o->body_len && strspn(o->body, "\r\n") != o->body_len)
        return unreadable(op);
    if (changeset && !strcmp(o->method, "GET"))
        return refuse(op, "A request with the method '%s' is not allowed in a change set.", o->method);
    if (changeset && !o->content_id)
        return refuse(op, "The header 'Content-ID' is missing%s in a request of a change set.", "");
    for (size_t i = 0; i + 1 < b->n && o->content_id; i++)
        if (b->v[i].content_id && !strcmp(b->v[i].content_id, o->content_id))
            return refuse(op, "The content ID '%.100s' was found more than once in the same batch request.",
                          o->content_id);
    return true;
}

static bool read_parts(struct batch *b, struct span s, const char *boundary, int changeset)
{
    struct dv_op *op = b->op;
    struct span part;
    size_t n = strlen(boundary);
    int rc;

    while (s.end - s.p >= 2 && s.p[0] == '\r' && s.p[1] == '\n') /* a preamble may be empty lines */
        s.p += 2;
    if ((size_t)(s.end - s.p) < n + 4 || memcmp(s.p, "--", 2) != 0 || memcmp(s.p + 2, boundary, n) != 0)
        return unreadable(op);
    s.p += n + 2;
    while ((rc = next_part(&s, boundary, &part)) == 1) {
        struct emu_pair headers[HEADERS_MAX];
        size_t k = 0;
        const char *type, *inner, *encoding;

        /* the part's own delimiter line took the CRLF that ends its last line */
        if (!read_headers(b, &part, headers, &k))
            return false;
        type = find_header(headers, k, "Content-Type");
        encoding = find_header(headers, k, "Content-Transfer-Encoding");
        inner = boundary_of(b, type);
        if (inner && changeset)
            return refuse(op, "A change set cannot hold another one%s.", "");
        if (inner) {
            if (!strcmp(inner, boundary) || !read_parts(b, part, inner, ++b->changesets))
                return op->fail.status ? false : unreadable(op);
            continue;
        }
        if (!type || strncasecmp(type, "application/http", 16) != 0)
            return refuse(op, "The content type '%.100s' of a part is not supported.", type ? type : "");
        if (!encoding || strcasecmp(encoding, "binary") != 0)
            return refuse(op, "The header 'Content-Transfer-Encoding' is missing or invalid%s.", "");
        if (!add_operation(b, part, find_header(headers, k, "Content-ID"), changeset))
            return false;
    }
    return rc == 0 || unreadable(op);
}

/* ---- running ---- */

static void parse_query(struct dv_op *op, struct emu_request *q, const char *text)
{
    size_t n = 1;
    struct emu_pair *v;

    for (const char *p = text; *p; p++)
        n += *p == '&';
    v = arena_zalloc(op->a, n * sizeof(*v));
    n = 0;
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "&"), k = strcspn(p, "=&");
        const char *name = emu_url_decode(op->a, p, k, true),
                   *value = k < len ? emu_url_decode(op->a, p + k + 1, len - k - 1, true) : "";

        if (name && value && len)
            v[n++] = (struct emu_pair){ name, value };
        p += len + (p[len] == '&');
    }
    q->query = v;
    q->n_query = n;
    q->raw_query = text;
}

/* Below the service's root; NULL = an address of something else. */
static const char *inner_target(struct dv_op *op, const char *url)
{
    const char *p = url;
    size_t n;

    if (!strncasecmp(p, "http://", 7) || !strncasecmp(p, "https://", 8)) {
        p = strstr(p, "//") + 2;
        n = strcspn(p, "/");
        if (!op->q->host || strlen(op->q->host) != n || strncasecmp(p, op->q->host, n) != 0)
            return NULL;
        p += n;
    }
    if (*p != '/')
        return p;
    if (strncasecmp(p, "/api/data/v9.", 13) != 0 || p[13] < '0' || p[13] > '2' || p[14] != '/')
        return NULL;
    return p + 15;
}

static const char *status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } TEXTS[] = { { 200, "OK" },
                  { 201, "Created" },
                  { 204, "No Content" },
                  { 304, "Not Modified" },
                  { 400, "Bad Request" },
                  { 403, "Forbidden" },
                  { 404, "Not Found" },
                  { 405, "Method Not Allowed" },
                  { 412, "Precondition Failed" },
                  { 415, "Unsupported Media Type" },
                  { 429, "Too Many Requests" },
                  { 500, "Internal Server Error" },
                  { 501, "Not Implemented" } };

    for (size_t i = 0; i < COUNT(TEXTS); i++)
        if (TEXTS[i].status == status)
            return TEXTS[i].text;
    return "Unknown";
}

static void write_part(struct strbuf *out, const char *boundary, const char *content_id, const struct emu_response *r)
{
    strbuf_addf(out, "--%s\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n", boundary);
    if (content_id)
        strbuf_addf(out, "Content-ID: %s\r\n", content_id);
    strbuf_addf(out, "\r\nHTTP/1.1 %d %s\r\n", r->status, status_text(r->status));
    for (size_t i = 0; i < r->n_headers; i++)
        strbuf_addf(out, "%s: %s\r\n", r->headers[i].name, r->headers[i].value);
    strbuf_adds(out, "OData-Version: 4.0\r\n\r\n");
    strbuf_add(out, strbuf_str(&r->body), r->body.len);
    strbuf_adds(out, "\r\n");
}

static void add_counts(struct dv_op *to, const struct dv_op *from)
{
    to->created += from->created;
    to->updated += from->updated;
    to->unchanged += from->unchanged;
    to->deleted += from->deleted;
    to->same_columns += from->same_columns;
}

/* One operation; its answer in *r. `sums` takes what it wrote. */
static bool run(struct batch *b, const struct operation *o, struct emu_response *r, struct dv_op *sums)
{
    struct dv_op *op = b->op, inner;
    struct emu_request q = { .service = op->q->service,
                             .method = o->method,
                             .raw_target = o->url,
                             .headers = (struct emu_pair *)(uintptr_t)o->headers,
                             .n_headers = o->n_headers,
                             .host = op->q->host,
                             .body = o->body,
                             .body_len = o->body_len,
                             .user = op->q->user,
                             .arena = op->a };
    const char *target = inner_target(op, o->url), *mark = strchr(o->url, '?');

    q.path = arena_dup(op->a, o->url, strcspn(o->url, "?"));
    parse_query(op, &q, mark ? mark + 1 : "");
    dv_op_init(&inner, op->e, &q, r, op->a);
    inner.in_batch = true;
    inner.refs = op->refs;
    inner.n_refs = op->n_refs;
    emu_count(op->e, "dv.batch.ops", 1);
    if (!target || strlen(o->url) > 65536) {
        dv_no_segment(&inner.fail, o->url, strlen(o->url));
        dv_answer_fail(&inner);
    } else {
        dv_dispatch(&inner, target);
    }
    op->refs = inner.refs;
    op->n_refs = inner.n_refs;
    op->rows += inner.rows;
    add_counts(sums, &inner);
    return r->status < 400;
}

static void clear(struct emu_response *r)
{
    strbuf_release(&r->body);
    *r = (struct emu_response){ 0 };
}

/* A change set: all its operations or none. *i moves behind it. */
static bool run_changeset(struct batch *b, size_t *i)
{
    struct dv_op *op = b->op, sums = { .e = op->e };
    struct strbuf parts = { 0 };
    struct emu_response r = { 0 };
    char boundary[64];
    int set = b->v[*i].changeset;
    size_t refs = op->n_refs;
    bool ok = true;

    snprintf(boundary, sizeof(boundary), "changesetresponse_%s", b->boundary + strlen("batchresponse_"));
    dv_savepoint(op->e, "dv_cs");
    for (; *i < b->n && b->v[*i].changeset == set; (*i)++) {
        const struct operation *o = &b->v[*i];

        if (!ok)
            continue;
        ok = run(b, o, &r, &sums);
        if (!ok)
            strbuf_reset(&parts); /* only the failing one is told */
        write_part(&parts, boundary, o->content_id, &r);
        clear(&r);
    }
    if (ok) {
        dv_release(op->e, "dv_cs");
        add_counts(op, &sums);
    } else {
        dv_rollback(op->e, "dv_cs");
        op->n_refs = refs;
    }
    strbuf_addf(b->out, "--%s\r\nContent-Type: multipart/mixed; boundary=%s\r\n\r\n", b->boundary, boundary);
    strbuf_add(b->out, strbuf_str(&parts), parts.len);
    strbuf_addf(b->out, "--%s--\r\n", boundary);
    strbuf_release(&parts);
    return ok;
}

static void run_all(struct batch *b)
{
    struct dv_op *op = b->op;
    struct emu_response r = { 0 };
    bool ok = true;

    for (size_t i = 0; i < b->n && (ok || b->keep_going);) {
        if (b->v[i].changeset) {
            ok = run_changeset(b, &i);
            continue;
        }
        ok = run(b, &b->v[i], &r, op);
        write_part(b->out, b->boundary, NULL, &r);
        clear(&r);
        i++;
    }
    strbuf_addf(b->out, "--%s--\r\n", b->boundary);
    op->r->status = ok || b->keep_going ? 200 : 400;
    emu_add_header(op->r, op->q, "Content-Type", "multipart/mixed; boundary=%s", b->boundary);
    if (b->keep_going)
        emu_add_header(op->r, op->q, "Preference-Applied", "odata.continue-on-error");
}

void dv_batch(struct dv_op *op)
{
    struct batch b = { .op = op, .out = &op->r->body };
    const struct emu_request *q = op->q;
    const char *boundary = boundary_of(&b, emu_header(q, "Content-Type"));
    char id[37], text[80];
    bool ok;

    if (op->in_batch)
        ok = refuse(op, "A batch cannot hold another one%s.", "");
    else if (strcmp(q->method, "POST") != 0)
        ok = dv_refuse(&op->fail, 405, "0x0", "The requested resource does not support http method '%.10s'.",
                       q->method);
    else if (!boundary)
        ok = dv_refuse(&op->fail, 400, "0x80060888",
                       "The content type of a batch request has to be multipart/mixed with a boundary.");
    else if (EMU_KNOB(op->e, dv_batch_needs_extra_crlf) &&
             (q->body_len < 4 || memcmp(q->body + q->body_len - 4, "\r\n\r\n", 4) != 0))
        ok = unreadable(op);
    else
        ok = read_parts(&b, (struct span){ q->body, q->body + q->body_len }, boundary, 0);
    if (!ok) {
        dv_answer_fail(op);
        return;
    }
    snprintf(text, sizeof(text), "batch %lld", (long long)op->e->dv->version);
    emu_guid(op->e, text, id);
    snprintf(b.boundary, sizeof(b.boundary), "batchresponse_%s", id);
    b.keep_going = strcasestr(op->prefer, "odata.continue-on-error") != NULL;
    strbuf_reset(b.out);
    run_all(&b);
}

/*
 * HTTP: libmicrohttpd's callbacks turned into whole requests and whole answers. One thread per connection, so that an
 * answer that is made to wait delays nobody else.
 */
#include "emu_store.h"

#include "base/file.h"
#include "shared_clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEADERS_MAX = 100, CONNECTION_MEMORY = 192 * 1024, IDLE_SECONDS = 120 };
static const size_t BODY_MAX = (size_t)256 << 20, BLOB_MAX = (size_t)1 << 30;

struct emu_listener {
    struct emu *e;
    enum emu_service service;
    struct MHD_Daemon *daemon;
};

/* One request while it arrives. */
struct call {
    struct emu_listener *l;
    struct arena arena;
    const char *raw; /* as sent: path and query */
    struct strbuf body;
    int fd; /* blob PUT: the file that the body goes to, -1 = none */
    const char *path;
    size_t got, max;
    bool started, too_large, broken;
};

/* ---- small helpers that all services use ---- */
const char *emu_query(const struct emu_request *q, const char *name)
{
    for (size_t i = 0; i < q->n_query; i++)
        if (!strcmp(q->query[i].name, name))
            return q->query[i].value;
    return NULL;
}

const char *emu_header(const struct emu_request *q, const char *name)
{
    for (size_t i = 0; i < q->n_headers; i++)
        if (!strcasecmp(q->headers[i].name, name))
            return q->headers[i].value;
    return NULL;
}

void emu_add_header(struct emu_response *r, struct emu_request *q, const char *name, const char *fmt, ...)
{
    struct strbuf s = STRBUF(0);
    char text[1024];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof(text)) { /* links can be long */
        strbuf_reserve(&s, (size_t)n + 1);
        va_start(ap, fmt);
        vsnprintf(s.buf, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    for (size_t i = 0; i < r->n_headers; i++)
        if (!strcasecmp(r->headers[i].name, name)) { /* the last one counts */
            r->headers[i].value = arena_strdup(q->arena, s.buf ? s.buf : text);
            strbuf_release(&s);
            return;
        }
    BUG_IF(r->n_headers >= COUNT(r->headers), "too many headers in an answer");
    r->headers[r->n_headers++] =
        (struct emu_pair){ arena_strdup(q->arena, name), arena_strdup(q->arena, s.buf ? s.buf : text) };
    strbuf_release(&s);
}

void emu_json_str(struct strbuf *b, const char *p, size_t n)
{
    size_t from = 0;

    strbuf_addc(b, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        strbuf_add(b, p + from, i - from);
        from = i + 1;
        switch (c) {
        case '"': strbuf_adds(b, "\\\""); break;
        case '\\': strbuf_adds(b, "\\\\"); break;
        case '\n': strbuf_adds(b, "\\n"); break;
        case '\r': strbuf_adds(b, "\\r"); break;
        case '\t': strbuf_adds(b, "\\t"); break;
        default: strbuf_addf(b, "\\u%04x", c);
        }
    }
    strbuf_add(b, p + from, n - from);
    strbuf_addc(b, '"');
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

char *emu_url_decode(struct arena *a, const char *p, size_t n, bool form)
{
    char *out = arena_alloc(a, n + 1);
    size_t k = 0;

    for (size_t i = 0; i < n; i++) {
        int hi, lo;

        if (p[i] != '%') {
            out[k++] = form && p[i] == '+' ? ' ' : p[i];
            continue;
        }
        hi = i + 2 < n ? hex(p[i + 1]) : -1; /* both digits have to be there */
        lo = i + 2 < n ? hex(p[i + 2]) : -1;
        if (hi < 0 || lo < 0 || hi + lo == 0)
            return NULL;
        out[k++] = (char)(hi * 16 + lo);
        i += 2;
    }
    out[k] = '\0';
    return out;
}

bool emu_url_pairs(struct arena *a, const char *query, struct emu_pair **ret, size_t *ret_n)
{
    struct emu_pair *pairs;
    size_t n = 1, k = 0;

    for (const char *p = query; *p; p++)
        n += *p == '&';
    pairs = arena_zalloc(a, n * sizeof(*pairs));
    for (const char *p = query; *p; p += strcspn(p, "&"), p += *p == '&') {
        size_t len = strcspn(p, "&");
        const char *eq = memchr(p, '=', len);
        size_t name = eq ? (size_t)(eq - p) : len;

        if (!len)
            continue;
        pairs[k].name = emu_url_decode(a, p, name, true);
        pairs[k].value = emu_url_decode(a, eq ? eq + 1 : p + len, eq ? len - name - 1 : 0, true);
        if (!pairs[k].name || !pairs[k].value)
            return false;
        k++;
    }
    *ret = pairs;
    *ret_n = k;
    return true;
}

/* ---- libmicrohttpd ---- */
static void *request_begins(void *cls, const char *uri, struct MHD_Connection *connection)
{
    struct call *c = xcalloc(1, sizeof(*c));

    (void)connection;
    c->l = cls;
    c->fd = -1;
    c->raw = arena_strdup(&c->arena, uri);
    return c;
}

static void request_ended(void *cls, struct MHD_Connection *connection, void **con_cls,
                          enum MHD_RequestTerminationCode code)
{
    struct call *c = *con_cls;

    (void)cls;
    (void)connection;
    (void)code;
    if (!c)
        return;
    if (c->fd >= 0)
        (void)close(c->fd);
    if (c->path)
        (void)unlink(c->path); /* gone already when it became a blob */
    strbuf_release(&c->body);
    arena_release(&c->arena);
    free(c);
    *con_cls = NULL;
}

/* Blobs may be large: their octets go to a file right away. */
static void prepare_body(struct call *c, const char *method)
{
    static unsigned long serial;

    c->started = true;
    c->max = BODY_MAX;
    if (c->l->service != EMU_BLOB || strcmp(method, "PUT") != 0)
        return;
    c->max = BLOB_MAX;
    c->path = arena_printf(&c->arena, "%s/tmp/put-%d-%lu", c->l->e->dir, (int)getpid(),
                           __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED));
    c->fd = open(c->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    c->broken = c->fd < 0;
}

static void take_body(struct call *c, const char *data, size_t n)
{
    if (c->got + n > c->max)
        c->too_large = true; /* the rest is read and forgotten, so that the answer can be heard */
    c->got += n;
    if (c->too_large || c->broken)
        return;
    if (c->fd < 0)
        strbuf_add(&c->body, data, n);
    else if (file_write_all(c->fd, data, n, c->path, NULL))
        c->broken = true;
}

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
    struct emu_request *q = cls;

    (void)kind;
    if (q->n_headers == HEADERS_MAX)
        return MHD_NO;
    q->headers[q->n_headers++] = (struct emu_pair){ key, value ? value : "" };
    return MHD_YES;
}

/* Fills the request; false = it is malformed. */
static bool build_request(struct call *c, struct MHD_Connection *connection, const char *method,
                          struct emu_request *q)
{
    size_t n = strcspn(c->raw, "?");

    *q = (struct emu_request){ .service = c->l->service,
                               .method = method,
                               .raw_target = c->raw,
                               .raw_query = c->raw[n] ? c->raw + n + 1 : "",
                               .host = "",
                               .body = strbuf_str(&c->body),
                               .body_len = c->got,
                               .body_path = c->path,
                               .path = "/",
                               .arena = &c->arena };
    q->headers = arena_zalloc(&c->arena, HEADERS_MAX * sizeof(*q->headers));
    MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, q);
    if (emu_header(q, "Host"))
        q->host = emu_header(q, "Host");
    q->path = emu_url_decode(&c->arena, c->raw, n, false);
    if (!q->path || q->path[0] != '/' || !emu_url_pairs(&c->arena, q->raw_query, &q->query, &q->n_query)) {
        q->path = "/";
        return false;
    }
    return true;
}

/* The answer's body, cut off after so many octets although more were announced. */
struct cut_body {
    char *p;
    size_t n, cut;
};

static ssize_t read_cut(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct cut_body *b = cls;
    size_t left = pos < b->cut ? b->cut - (size_t)pos : 0;

    if (!left)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (left < max)
        max = left;
    memcpy(buf, b->p + pos, max);
    return (ssize_t)max;
}

static void free_cut(void *cls)
{
    struct cut_body *b = cls;

    free(b->p);
    free(b);
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct emu_response *r)
{
    struct MHD_Response *m;
    enum MHD_Result rc;
    bool bare = r->status == 204 || r->status == 304;
    size_t n = 0;
    char *p = strbuf_detach(&r->body, &n);

    if (r->cut_at && r->cut_at < n && !bare) {
        struct cut_body *b = xmalloc(sizeof(*b));

        *b = (struct cut_body){ p, n, r->cut_at };
        m = MHD_create_response_from_callback(n, 16384, read_cut, b, free_cut);
    } else {
        m = MHD_create_response_from_buffer(bare ? 0 : n, p, MHD_RESPMEM_MUST_FREE);
    }
    for (size_t i = 0; i < r->n_headers; i++)
        MHD_add_response_header(m, r->headers[i].name, r->headers[i].value);
    rc = MHD_queue_response(connection, (unsigned)r->status, m);
    MHD_destroy_response(m);
    return rc;
}

static void refuse(struct call *c, struct emu_request *q, struct emu_response *r, int status, const char *code,
                   const char *what)
{
    r->status = status;
    if (c->l->service == EMU_BLOB) {
        emu_add_header(r, q, "Content-Type", "application/xml");
        strbuf_addf(&r->body,
                    "\xef\xbb\xbf<?xml version=\"1.0\" "
                    "encoding=\"utf-8\"?><Error><Code>%s</Code><Message>%s</Message></Error>",
                    code, what);
        return;
    }
    emu_add_header(r, q, "Content-Type", "application/json");
    strbuf_addf(&r->body, "{\"error\":{\"code\":\"\",\"message\":\"%s\"}}", what);
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *data, size_t *data_size, void **con_cls)
{
    struct call *c = *con_cls;
    struct emu_request q;
    struct emu_response r = { 0 };
    int64_t wait_ms = 0;
    bool good;

    (void)cls;
    (void)url;
    (void)version;
    if (!c->started) {
        const char *expect = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

        prepare_body(c, method);
        /* Blob storage wants to know the length before the first octet. */
        if (c->l->service == EMU_BLOB && !strcmp(method, "PUT") && !expect) {
            build_request(c, connection, method, &q);
            refuse(c, &q, &r, 411, "MissingContentLengthHeader", "Content-Length HTTP header is missing.");
            return send_answer(connection, &r);
        }
        return MHD_YES;
    }
    if (*data_size) {
        take_body(c, data, *data_size);
        *data_size = 0;
        return MHD_YES;
    }
    if (c->fd >= 0) {
        if (close(c->fd) < 0)
            c->broken = true;
        c->fd = -1;
    }
    good = build_request(c, connection, method, &q);
    if (!good)
        refuse(c, &q, &r, 400, "InvalidUri", "The requested URI is not valid.");
    else if (c->too_large)
        refuse(c, &q, &r, 413, "RequestBodyTooLarge", "The request body is too large.");
    else if (c->broken)
        refuse(c, &q, &r, 500, "InternalError", "The body could not be stored.");
    else
        emu_serve(c->l->e, &q, &r, &wait_ms);
    if (wait_ms > 0)
        shared_clock_wait(wait_ms);
    if (r.drop) {
        strbuf_release(&r.body);
        return MHD_NO;
    }
    return send_answer(connection, &r);
}

struct emu_listener *emu_http_listen(struct emu *e, enum emu_service service, int port, const struct emu_tls *tls,
                                     int *ret_port)
{
    const struct MHD_OptionItem secure[] = {
        { tls->certificate ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)(uintptr_t)tls->certificate },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)tls->key },
        { MHD_OPTION_END, 0, NULL },
    };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct emu_listener *l = xcalloc(1, sizeof(*l));
    const union MHD_DaemonInfo *info;

    l->e = e;
    l->service = service;
    l->daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL |
                                     MHD_USE_SUPPRESS_DATE_NO_CLOCK | (tls->certificate ? MHD_USE_TLS : 0),
                                 (uint16_t)port, NULL, NULL, handle, l, MHD_OPTION_SOCK_ADDR, &address,
                                 MHD_OPTION_URI_LOG_CALLBACK, request_begins, l, MHD_OPTION_NOTIFY_COMPLETED,
                                 request_ended, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                                 MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_ARRAY, secure,
                                 MHD_OPTION_END);
    info = l->daemon ? MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) {
        emu_http_stop(l);
        return NULL;
    }
    *ret_port = info->port;
    return l;
}

void emu_http_stop(struct emu_listener *l)
{
    if (!l)
        return;
    if (l->daemon)
        MHD_stop_daemon(l->daemon);
    free(l);
}

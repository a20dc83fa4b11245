/* http.c -- libcurl behind http.h: one multi handle, easy handles reused. */
#include "net/http.h"
#include "base/clock.h"
#include "base/log.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { ERROR_BODY = 1 << 20, DEFAULT_BODY = 64 << 20, MAX_HEADERS = 256 * 1024, MAX_HEADER = 16384 };
/* A kept connection that has been idle for longer is not used for what must go out once: services close idle ones after
 * two minutes and more. */
enum { KEPT_SECONDS = 30, UPLOAD_BUFFER = 32768 /* of each connection; two TLS records */ };

struct transfer {
    struct transfer *next;
    CURL *easy;
    struct curl_slist *headers;
    const struct http_request *q;
    struct http_response *r;
    http_done_fn *done;
    void *arg;
    int in_fd, out_fd;
    uint64_t sent, got;
    int64_t began_ms;
    int starts; /* how often the request began to go out */
    struct err err; /* from a sink or a file: more precise than libcurl's "write error" */
    char curl_text[CURL_ERROR_SIZE];
    bool discard;
};
struct http {
    CURLM *multi;
    struct transfer *flying, *idle;
    int n_flying;
    char *ca_file, *user_agent;
    int64_t connect_timeout_ms;
};

static bool curl_ready;

enum ec http_new(const struct http_config *cfg, struct http **ret, struct err *reterr)
{
    struct http *h;

    if (!curl_ready && curl_global_init(CURL_GLOBAL_DEFAULT))
        return err_set(reterr, EC_NET, "libcurl cannot be set up");
    curl_ready = true;
    h = xcalloc(1, sizeof(*h));
    h->multi = curl_multi_init();
    if (!h->multi) {
        free(h);
        return err_set(reterr, EC_NET, "libcurl cannot be set up");
    }
    /* HTTP/2 multiplexing on one connection would pin one Dataverse web server. */
    curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    curl_multi_setopt(h->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                      (long)(cfg->max_connections ? cfg->max_connections : 64));
    h->ca_file = cfg->ca_file ? xstrdup(cfg->ca_file) : NULL;
    h->user_agent = xstrdup(cfg->user_agent ? cfg->user_agent : "dmfsync");
    h->connect_timeout_ms = cfg->connect_timeout_ms ? cfg->connect_timeout_ms : 15000;
    *ret = h;
    return EC_OK;
}

static void transfer_close(struct transfer *t)
{
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    if (t->in_fd >= 0)
        close(t->in_fd);
    if (t->out_fd >= 0)
        close(t->out_fd);
    t->in_fd = t->out_fd = -1;
}

void http_free(struct http *h)
{
    if (!h)
        return;
    http_cancel_all(h);
    while (h->idle) {
        struct transfer *t = h->idle;

        h->idle = t->next;
        curl_easy_cleanup(t->easy);
        free(t);
    }
    curl_multi_cleanup(h->multi);
    free(h->ca_file);
    free(h->user_agent);
    free(h);
}

void http_response_init(struct http_response *r)
{
    memset(r, 0, sizeof(*r));
    r->retry_after_ms = r->server_date_ms = -1;
}

void http_response_release(struct http_response *r)
{
    strbuf_release(&r->body);
    strbuf_release(&r->headers);
}

/* ---- callbacks ---- */

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;

    n *= size;
    if (n >= 5 && !memcmp(p, "HTTP/", 5))
        strbuf_reset(&t->r->headers); /* a 100 Continue or an earlier answer: only the last one counts */
    if (t->r->headers.len + n > MAX_HEADERS) {
        err_set(&t->err, EC_LIMIT, "%s: the answer's headers are larger than %d octets", t->q->what, MAX_HEADERS);
        return 0;
    }
    strbuf_add(&t->r->headers, p, n);
    return n;
}

static enum ec to_file(struct transfer *t, const char *p, size_t n)
{
    if (t->out_fd < 0) {
        t->out_fd = open(t->q->download, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (t->out_fd < 0)
            return err_errno(&t->err, EC_IO, errno, "create '%s'", t->q->download);
    }
    while (n) {
        ssize_t w = write(t->out_fd, p, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_errno(&t->err, EC_IO, errno, "write '%s'", t->q->download);
        p += w;
        n -= (size_t)w;
    }
    return EC_OK;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    long status = 0;
    uint64_t max = t->q->max_answer ? t->q->max_answer : DEFAULT_BODY;
    enum ec rc = EC_OK;

    n *= size;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->got += n;
    if (status < 200 || status > 299) {
        /* An error text is cut, never refused: its beginning says what is wrong. */
        size_t left = ERROR_BODY - (t->r->body.len < ERROR_BODY ? t->r->body.len : ERROR_BODY);

        strbuf_add(&t->r->body, p, n < left ? n : left);
        return n;
    }
    if (t->got > max && !t->q->sink && !t->q->download)
        rc = err_set(&t->err, EC_LIMIT, "%s: the answer is larger than %llu octets", t->q->what,
                     (unsigned long long)max);
    else if (t->q->max_answer && t->got > max)
        rc = err_set(&t->err, EC_LIMIT, "%s: the answer is larger than %llu octets", t->q->what,
                     (unsigned long long)max);
    else if (t->q->sink)
        rc = t->q->sink(t->q->sink_arg, p, n, &t->err);
    else if (t->q->download)
        rc = to_file(t, p, n);
    else
        strbuf_add(&t->r->body, p, n);
    return rc ? CURL_WRITEFUNC_ERROR : n;
}

static size_t on_read(char *p, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    uint64_t left = t->q->body_len - t->sent;

    n *= size;
    if (n > left)
        n = (size_t)left;
    if (t->q->body) {
        memcpy(p, t->q->body + t->sent, n);
    } else if (t->q->fill) {
        n = n ? t->q->fill(t->q->fill_arg, t->sent, p, n) : 0;
    } else if (n) {
        ssize_t r = pread(t->in_fd, p, n, (off_t)(t->q->file_offset + t->sent));

        if (r <= 0) {
            err_errno(&t->err, EC_IO, r ? errno : EIO, "read '%s'", t->q->file);
            return CURL_READFUNC_ABORT;
        }
        n = (size_t)r;
    }
    t->sent += n;
    return n;
}

/* A body may be sent again when a kept-alive connection turns out to be dead. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->q->body_len)
        return CURL_SEEKFUNC_CANTSEEK;
    t->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* Before the request's first octet: libcurl comes here a second time when it would send it again by itself. */
static int on_send(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct transfer *t = arg;

    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    if (++t->starts == 1 || !t->q->once)
        return CURL_PREREQFUNC_OK;
    err_set(&t->err, EC_NET, "%s: the connection was closed before the answer came", t->q->what);
    return CURL_PREREQFUNC_ABORT;
}

/* ---- one request ---- */

/* Etags and tokens come from outside: a line break in one would be a header of somebody else's choice. */
static enum ec check_headers(const struct http_request *q, struct err *reterr)
{
    for (size_t i = 0; i < q->n_headers; i++) {
        const char *v = q->headers[i].value;

        for (; *v; v++)
            if ((unsigned char)*v < 0x20 || *v == 0x7f)
                return err_set(reterr, EC_FORMAT, "%s: the value of header %s has a control character", q->what,
                               q->headers[i].name);
        if (strlen(q->headers[i].name) + (size_t)(v - q->headers[i].value) + 3 > MAX_HEADER)
            return err_set(reterr, EC_LIMIT, "%s: the value of header %s is too long", q->what, q->headers[i].name);
    }
    return EC_OK;
}

static void set_headers(struct transfer *t)
{
    char line[MAX_HEADER];
    bool typed = false;

    for (size_t i = 0; i < t->q->n_headers; i++) {
        typed = typed || !strcasecmp(t->q->headers[i].name, "Content-Type");
        snprintf(line, sizeof(line), "%s: %s", t->q->headers[i].name, t->q->headers[i].value);
        t->headers = curl_slist_append(t->headers, line);
    }
    /* No waiting for "100 Continue", and no content type of libcurl's own choice. */
    t->headers = curl_slist_append(t->headers, "Expect:");
    if (!typed)
        t->headers = curl_slist_append(t->headers, "Content-Type:");
    explicit_bzero(line, sizeof(line));
}

static void set_method(struct transfer *t)
{
    const struct http_request *q = t->q;
    bool body = q->body || q->fill || q->file || q->body_len;

    if (!strcmp(q->method, "GET") && !body) {
        curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, q->method);
    if (!strcmp(q->method, "PUT")) {
        curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->body_len);
    } else if (body || !strcmp(q->method, "POST") || !strcmp(q->method, "PATCH")) {
        curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
    } else {
        curl_easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, q->method);
    curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
}

static void set_options(struct http *h, struct transfer *t)
{
    const struct http_request *q = t->q;
    int64_t timeout = q->timeout_ms ? q->timeout_ms : 240000, stall = q->stall_ms ? q->stall_ms : 60000;
    CURL *e = t->easy;

    curl_easy_reset(e);
    curl_easy_setopt(e, CURLOPT_URL, q->url);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_USERAGENT, h->user_agent);
    curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)h->connect_timeout_ms);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)timeout);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)(stall / 1000 > 0 ? stall / 1000 : 1));
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->curl_text);
    curl_easy_setopt(e, CURLOPT_PRIVATE, t);
    if (q->once) {
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, q->kept ? 0L : 1L);
        curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)KEPT_SECONDS);
        curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_send);
        curl_easy_setopt(e, CURLOPT_PREREQDATA, t);
    }
    if (!q->download)
        curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
    if (h->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, h->ca_file);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
    set_method(t);
    set_headers(t);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
}

enum ec http_start(struct http *h, const struct http_request *q, struct http_response *r, http_done_fn *done,
                   void *arg, struct err *reterr)
{
    struct transfer *t = h->idle;
    enum ec rc = check_headers(q, reterr);

    if (rc)
        return rc;
    if (!url_allowed(q->url)) {
        struct arena a = { 0 };

        err_set(reterr, EC_CONFIG, "%s: '%s' is not an https URL", q->what, url_shown(q->url, &a));
        arena_release(&a);
        return err_hint(reterr, "plain http is only allowed to this machine (127.0.0.1, localhost)");
    }
    if (t) {
        h->idle = t->next;
    } else {
        t = xcalloc(1, sizeof(*t));
        t->easy = curl_easy_init();
        if (!t->easy) {
            free(t);
            return err_set(reterr, EC_NET, "libcurl cannot be set up");
        }
    }
    t->q = q;
    t->r = r;
    t->done = done;
    t->arg = arg;
    t->in_fd = t->out_fd = -1;
    t->sent = t->got = 0;
    t->starts = 0;
    t->began_ms = clock_mono_ms();
    memset(&t->err, 0, sizeof(t->err));
    t->curl_text[0] = 0;
    strbuf_reset(&r->body);
    strbuf_reset(&r->headers);
    r->status = 0;
    r->retry_after_ms = r->server_date_ms = -1;
    r->request_sent = false;
    if (q->file) {
        t->in_fd = open(q->file, O_RDONLY | O_CLOEXEC);
        if (t->in_fd < 0) {
            rc = err_errno(reterr, EC_IO, errno, "open '%s'", q->file);
            t->next = h->idle;
            h->idle = t;
            return rc;
        }
    }
    set_options(h, t);
    t->next = h->flying;
    h->flying = t;
    h->n_flying++;
    if (curl_multi_add_handle(h->multi, t->easy)) {
        h->flying = t->next;
        h->n_flying--;
        transfer_close(t);
        t->next = h->idle;
        h->idle = t;
        return err_set(reterr, EC_NET, "%s: libcurl cannot start the call", q->what);
    }
    return EC_OK;
}

int http_in_flight(const struct http *h)
{
    return h->n_flying;
}

const char *http_header_get(const struct http_response *r, const char *name, struct arena *a)
{
    const char *p = strbuf_str(&r->headers);
    size_t n = strlen(name);

    while (*p) {
        size_t len = strcspn(p, "\r\n");

        if (len > n && p[n] == ':' && !strncasecmp(p, name, n)) {
            const char *v = p + n + 1, *end = p + len;

            while (v < end && (*v == ' ' || *v == '\t'))
                v++;
            while (end > v && (end[-1] == ' ' || end[-1] == '\t'))
                end--;
            return arena_dup(a, v, (size_t)(end - v));
        }
        p += len;
        p += strspn(p, "\r\n");
    }
    return NULL;
}

static void read_hints(struct http_response *r)
{
    struct arena a = { 0 };
    const char *v = http_header_get(r, "Date", &a);
    int64_t t;
    char *end;

    if (v && clock_parse_http(v, &t))
        r->server_date_ms = t;
    v = http_header_get(r, "x-ms-retry-after-ms", &a);
    if (v) {
        double ms = strtod(v, &end);

        if (end != v && ms >= 0 && ms < 1e10)
            r->retry_after_ms = (int64_t)ms;
    }
    v = http_header_get(r, "Retry-After", &a);
    if (v) {
        double s = strtod(v, &end);

        if (end != v && !*end && s >= 0 && s < 1e7)
            r->retry_after_ms = (int64_t)(s * 1000);
        else if (clock_parse_http(v, &t))
            r->retry_after_ms = t > clock_utc_ms() ? t - clock_utc_ms() : 0;
    }
    arena_release(&a);
}

static enum ec outcome(struct transfer *t, CURLcode code, struct err *reterr)
{
    struct arena a = { 0 };
    const char *shown;

    if (code == CURLE_OK)
        return EC_OK;
    if (t->err.code) { /* ours: a sink, a file, a limit */
        *reterr = t->err;
        return t->err.code;
    }
    shown = url_shown(t->q->url, &a);
    err_set(reterr, EC_NET, "%s at %s: %s", t->q->what, shown,
            t->curl_text[0] ? t->curl_text : curl_easy_strerror(code));
    arena_release(&a);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        reterr->transient = false;
        err_hint(reterr, "check the host name in dmfsync.ini and the machine's name resolution");
        break;
    case CURLE_COULDNT_CONNECT:
        err_hint(reterr, "the host does not answer: check its address, firewall and proxy settings");
        break;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        reterr->transient = false;
        err_hint(reterr, "the server's certificate is not trusted; give its issuer with ca_file in [http]");
        break;
    default: break;
    }
    return EC_NET;
}

static void finish(struct http *h, struct transfer *t, CURLcode code)
{
    struct err e = { 0 };
    http_done_fn *done = t->done;
    void *arg = t->arg;
    curl_off_t up = 0;
    long status = 0, request = 0;
    enum ec rc;

    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &request);
    t->r->status = code == CURLE_OK ? (int)status : 0;
    t->r->elapsed_ms = clock_mono_ms() - t->began_ms;
    t->r->sent_octets = (uint64_t)up + (uint64_t)request;
    t->r->got_octets = t->got;
    t->r->request_sent = request > 0 || t->starts > 1;
    if (code == CURLE_OK && status >= 200 && status < 300 && t->q->download && t->out_fd < 0)
        (void)to_file(t, "", 0); /* an empty answer still makes the file */
    rc = outcome(t, code == CURLE_OK && t->err.code ? CURLE_WRITE_ERROR : code, &e);
    read_hints(t->r);
    curl_multi_remove_handle(h->multi, t->easy);
    for (struct transfer **p = &h->flying; *p; p = &(*p)->next)
        if (*p == t) {
            *p = t->next;
            break;
        }
    h->n_flying--;
    transfer_close(t);
    t->next = h->idle;
    h->idle = t;
    if (done)
        done(arg, rc, &e);
}

static void reap(struct http *h)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(h->multi, &left))) {
        struct transfer *t = NULL;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        finish(h, t, msg->data.result);
    }
}

enum ec http_pump(struct http *h, int64_t wait_ms, struct err *reterr)
{
    int running = 0;
    CURLMcode rc = curl_multi_perform(h->multi, &running);

    if (!rc && running == h->n_flying && running > 0 && wait_ms > 0)
        rc = curl_multi_poll(h->multi, NULL, 0, (int)clock_wall_ms(wait_ms, running), NULL);
    if (!rc)
        rc = curl_multi_perform(h->multi, &running);
    if (rc)
        return err_set(reterr, EC_NET, "libcurl: %s", curl_multi_strerror(rc));
    reap(h);
    return EC_OK;
}

void http_cancel_all(struct http *h)
{
    while (h->flying)
        finish(h, h->flying, CURLE_ABORTED_BY_CALLBACK);
}

struct waiting {
    bool over;
    enum ec rc;
    struct err err;
};

static void on_done(void *arg, enum ec rc, struct err *err)
{
    struct waiting *w = arg;

    w->over = true;
    w->rc = rc;
    w->err = *err;
}

enum ec http_do(struct http *h, const struct http_request *q, struct http_response *r, struct err *reterr)
{
    struct waiting w = { 0 };
    enum ec rc = http_start(h, q, r, on_done, &w, reterr);

    while (!rc && !w.over)
        rc = http_pump(h, 200, reterr);
    if (rc)
        return rc;
    if (w.rc && reterr)
        *reterr = w.err;
    return w.rc;
}

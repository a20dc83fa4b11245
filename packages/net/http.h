/*
 * http.h -- HTTP requests over libcurl: one at a time, or many in flight on one thread.
 * Layer: net (libcurl). Errors: EC_NET (no answer: name, connection, TLS, time-out; err.transient says whether trying
 * again can help), EC_LIMIT (answer over its ceiling), EC_STOPPED. An HTTP status is not an error here; net/session.h
 * turns statuses into retries and errors. Threads: one `struct http`, one thread.
 *
 * libcurl is set up once: HTTP/1.1 (one HTTP/2 connection would pin one Dataverse server), no cookies (sticky cookies pin
 * one server too), no redirects, CURLOPT_NOSIGNAL, https only unless the host is loopback, no Expect: 100-continue,
 * gzip accepted, connections kept alive. Debug output passes redact().
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/arena.h"
#include "base/strbuf.h"

struct http;
struct http_config {
    const char *ca_file; /* NULL = the system's */
    const char *user_agent; /* "dmfsync/<version>" */
    int64_t connect_timeout_ms; /* 0 = 15 s */
    int max_connections; /* per host, 0 = 64 */
};
enum ec http_new(const struct http_config *cfg, struct http **ret, struct err *reterr);
void http_free(struct http *h);

struct http_header {
    const char *name, *value;
};
typedef enum ec http_sink_fn(void *arg, const char *p, size_t n, struct err *reterr); /* body octets as they come */
struct http_request {
    const char *method, *url;
    const struct http_header *headers;
    size_t n_headers;
    /* body: memory, or made on the way (body_len octets: puts at most n of them from `at` on into p, says how many; `at`
     * goes on from the last call's end, or back to 0), or octets [file_offset, file_offset + body_len) of `file` */
    const char *body;
    size_t (*fill)(void *arg, uint64_t at, char *p, size_t n);
    void *fill_arg;
    const char *file;
    uint64_t file_offset;
    uint64_t body_len;
    /* where the answer's body goes when the status is 2xx: `sink`, else `download` (a path, written as a new file), else
     * memory (resp->body, at most max_answer octets, 0 = 64 MiB). Other statuses always go to memory (1 MiB, cut). */
    http_sink_fn *sink;
    void *sink_arg;
    const char *download;
    uint64_t max_answer;
    int64_t timeout_ms; /* whole request, 0 = 240 s */
    int64_t stall_ms; /* no octet for that long, 0 = 60 s; for long calls set it to timeout_ms */
    /* never sent again by libcurl, which does so by itself when a kept-alive connection turns out dead. On a connection of
     * its own, unless `kept`: where that risk costs less than a new connection for each call */
    bool once, kept;
    const char *what; /* names the call in messages and logs: "ImportFromPackage" */
};
struct http_response {
    int status; /* 0 = no answer */
    struct strbuf body; /* reused: reset by http_do */
    struct strbuf headers; /* raw header lines of the last answer */
    int64_t retry_after_ms; /* from Retry-After (seconds or HTTP date) or x-ms-retry-after-ms; -1 = none */
    int64_t server_date_ms; /* from Date; -1 = none */
    int64_t elapsed_ms;
    uint64_t sent_octets, got_octets;
    bool request_sent; /* on EC_NET: at least part of the request may have reached the service */
};
void http_response_init(struct http_response *r);
void http_response_release(struct http_response *r);
/* Value of a header (any case) of the last answer, trimmed, in `a`; NULL = absent. */
const char *http_header_get(const struct http_response *r, const char *name, struct arena *a);

enum ec http_do(struct http *h, const struct http_request *q, struct http_response *r, struct err *reterr);

/*
 * Many in flight: http_start() borrows q and r until `done` was called for them (from http_pump() or http_cancel_all()).
 * http_pump() waits at most wait_ms for something to happen and calls `done` for what ended. `done` may start others.
 */
typedef void http_done_fn(void *arg, enum ec rc, struct err *err);
enum ec http_start(struct http *h, const struct http_request *q, struct http_response *r, http_done_fn *done,
                   void *arg, struct err *reterr);
int http_in_flight(const struct http *h);
enum ec http_pump(struct http *h, int64_t wait_ms, struct err *reterr);
void http_cancel_all(struct http *h);

/* scheme://host:port of a URL, lower case, default port made explicit; "" when it is not an absolute http(s) URL. */
void url_origin(const char *url, char ret[static 300]);
/* https, or http to loopback (127.0.0.0/8, ::1, localhost). */
bool url_allowed(const char *url);
/* The URL without its query, for messages: signed URLs never show. */
const char *url_shown(const char *url, struct arena *a);

#endif

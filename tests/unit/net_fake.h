/*
 * net_fake.h -- an HTTP server on a loopback port inside the test, and a clock that jumps over waits.
 *
 * Each request is kept (fake_seen) and answered by the test's `handle`, one at a time under a lock. Token requests
 * (".../oauth2/v2.0/token") are answered by the server itself: access_token "t1", "t2", ... unless `handle_tokens` is set.
 */
#ifndef NET_FAKE_H
#define NET_FAKE_H

#include "base/arena.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "loopback.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct fake_request {
    char method[12], *target, *head, *body; /* head: request line and header lines */
    size_t body_len;
};
struct fake_answer {
    int status;
    struct strbuf head, body; /* head: lines ending in CRLF */
    bool drop; /* close without an answer */
    size_t cut_at; /* close after so many octets of the body */
    int delay_ms; /* waited for outside the lock */
    bool no_length; /* the body ends with the connection */
};
struct fake_http;
typedef void fake_handle(struct fake_http *f, const struct fake_request *q, struct fake_answer *a);
struct fake_http {
    struct loopback l;
    char url[64]; /* http://127.0.0.1:port */
    fake_handle *handle;
    bool handle_tokens;
    int tokens; /* given so far */
    struct fake_request *seen; /* token requests apart */
    size_t n_seen, cap_seen;
    int now, most; /* requests being answered, and the most at one time */
    int n; /* for the handler's own counting */
    void *arg;
};

/* Value of a header of a request, "" = absent; in a static buffer. */
__attribute__((unused)) static const char *fake_header(const struct fake_request *q, const char *name)
{
    static _Thread_local char value[20000];
    size_t n = strlen(name);

    value[0] = 0;
    for (const char *p = strstr(q->head, "\r\n"); p; p = strstr(p, "\r\n")) {
        p += 2;
        if (!strncasecmp(p, name, n) && p[n] == ':') {
            p += n + 1;
            p += strspn(p, " ");
            snprintf(value, sizeof(value), "%.*s", (int)strcspn(p, "\r"), p);
        }
    }
    return value;
}

__attribute__((unused)) static void fake_text(struct fake_answer *a, int status, const char *text)
{
    a->status = status;
    strbuf_reset(&a->body);
    strbuf_adds(&a->body, text);
}

static bool fake_read(int fd, struct strbuf *in, struct fake_request *q)
{
    char buf[65536], *end, *len;
    size_t head, body = 0;

    while (!(end = in->len ? strstr(in->buf, "\r\n\r\n") : NULL)) {
        ssize_t got = recv(fd, buf, sizeof(buf), 0);

        if (got <= 0)
            return false;
        strbuf_add(in, buf, (size_t)got);
    }
    head = (size_t)(end - in->buf) + 4;
    len = strcasestr(in->buf, "\r\nContent-Length:");
    if (len && len < end)
        body = (size_t)strtoul(len + 17, NULL, 10);
    while (in->len < head + body) {
        ssize_t got = recv(fd, buf, sizeof(buf), 0);

        if (got <= 0)
            return false;
        strbuf_add(in, buf, (size_t)got);
    }
    memset(q, 0, sizeof(*q));
    sscanf(in->buf, "%11s", q->method);
    q->target = strndup(in->buf + strlen(q->method) + 1, strcspn(in->buf + strlen(q->method) + 1, " "));
    q->head = strndup(in->buf, head);
    q->body = xcalloc(1, body + 1);
    memcpy(q->body, in->buf + head, body);
    q->body_len = body;
    strbuf_reset(in);
    return true;
}

static bool fake_send(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

        if (w <= 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static void fake_keep(struct fake_http *f, const struct fake_request *q)
{
    if (f->n_seen == f->cap_seen) {
        f->cap_seen = f->cap_seen ? 2 * f->cap_seen : 64;
        f->seen = xrealloc(f->seen, f->cap_seen * sizeof(*f->seen));
    }
    f->seen[f->n_seen++] = *q;
}

static void fake_drop_request(struct fake_request *q)
{
    free(q->target);
    free(q->head);
    free(q->body);
}

static bool fake_one(struct fake_http *f, int fd, struct strbuf *in)
{
    struct fake_request q;
    struct fake_answer a = { .status = 200 };
    struct strbuf out = { 0 };
    bool token, keep;

    if (!fake_read(fd, in, &q))
        return false;
    token = strstr(q.target, "/oauth2/") != NULL && !f->handle_tokens;
    pthread_mutex_lock(&f->l.lock);
    if (token) {
        strbuf_addf(&a.body, "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"t%d\"}", ++f->tokens);
        fake_drop_request(&q);
    } else {
        f->now++;
        if (f->now > f->most)
            f->most = f->now;
        f->handle(f, &q, &a);
        fake_keep(f, &q);
    }
    pthread_mutex_unlock(&f->l.lock);
    if (a.delay_ms)
        usleep((useconds_t)a.delay_ms * 1000);
    strbuf_addf(&out, "HTTP/1.1 %d X\r\n%s", a.status, strbuf_str(&a.head));
    if (a.no_length)
        strbuf_adds(&out, "Connection: close\r\n");
    else if (a.status != 204)
        strbuf_addf(&out, "Content-Length: %zu\r\n", a.body.len);
    strbuf_adds(&out, "\r\n");
    if (!token) { /* before the answer can arrive: the next request may follow at once */
        pthread_mutex_lock(&f->l.lock);
        f->now--;
        pthread_mutex_unlock(&f->l.lock);
    }
    keep = !a.drop && fake_send(fd, out.buf, out.len);
    keep = keep && fake_send(fd, strbuf_str(&a.body), a.cut_at && a.cut_at < a.body.len ? a.cut_at : a.body.len);
    keep = keep && !a.cut_at && !a.no_length;
    strbuf_release(&a.head);
    strbuf_release(&a.body);
    strbuf_release(&out);
    return keep;
}

static bool fake_next(void *arg, int fd, struct strbuf *in)
{
    return fake_one(arg, fd, in);
}

__attribute__((unused)) static void fake_start(struct fake_http *f, fake_handle *handle)
{
    memset(f, 0, sizeof(*f));
    f->handle = handle;
    loopback_start(&f->l, fake_next, f);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d", f->l.port);
}

__attribute__((unused)) static void fake_stop(struct fake_http *f)
{
    loopback_stop(&f->l);
    for (size_t i = 0; i < f->n_seen; i++)
        fake_drop_request(&f->seen[i]);
    free(f->seen);
}

/* ---- a clock whose waits take no time ---- */
static int64_t jump_ms;

static int64_t jump_real(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 + jump_ms;
}
static int64_t jump_utc(void *arg)
{
    (void)arg;
    return jump_real(CLOCK_REALTIME);
}
static int64_t jump_mono(void *arg)
{
    (void)arg;
    return jump_real(CLOCK_MONOTONIC);
}
static void jump_sleep(void *arg, int64_t ms)
{
    (void)arg;
    jump_ms += ms;
}
__attribute__((unused)) static void jump_clock(void)
{
    static const struct clock_source S = { .utc_ms = jump_utc, .mono_ms = jump_mono, .sleep_ms = jump_sleep };

    jump_ms = 0;
    clock_replace(&S);
}

#endif

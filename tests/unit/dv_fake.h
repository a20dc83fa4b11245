/*
 * A Dataverse small enough to read in one go, in this process, on a loopback port: one table "accounts", the bulk messages,
 * $batch, look-ups by In, and canned answers for everything else. What a row does is written in its name: BAD (data
 * error), PLUG (plug-in), TWIN (alternate key taken), NOWHERE (bound row missing, the text names its id).
 */
#ifndef DV_FAKE_H
#define DV_FAKE_H

#include "data/json.h"
#include "loopback.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct fake_row {
    char id[40];
    char *json;
    int written; /* how often */
};
struct canned {
    const char *method, *part; /* target must contain it */
    int status;
    const char *headers; /* "Name: value\r\n..." or NULL */
    const char *body; /* "%HOST%" becomes http://127.0.0.1:port */
};
struct fake {
    struct loopback l;
    struct fake_row *rows;
    size_t n, cap;
    /* what to do wrong */
    int drop_after; /* that many bulk or $batch calls lose their answer after the work */
    int drop_before; /* ... before it */
    int deadlocks; /* that many bulk calls end in SQL 1205 */
    int unavailable; /* that many calls of any kind answer 503 */
    int throttle; /* that many calls answer 429 with Retry-After: 0 */
    size_t max_rows; /* 413 beyond, 0 = no limit */
    bool unsupported; /* no bulk messages */
    int act_late; /* so many calls are worked off after their connection was cut, when the next one comes */
    struct strbuf late_body;
    bool no_upsert; /* no UpsertMultiple, whatever the metadata says */
    int upsert_calls, upserts_refused;
    bool other_ids; /* CreateMultiple picks ids of its own */
    bool stop_at_first; /* $batch ignores continue-on-error */
    int throttle_op; /* that many operations inside $batch answer 429 */
    size_t page; /* rows per look-up page, 0 = all */
    const struct canned *canned;
    size_t n_canned, at_canned;
    /* what happened */
    int multi_calls, batch_calls, batch_ops, looks, writes_untagged, twice_in_call, creates_of_existing;
    char last_headers[8000], last_target[70000], last_body[20000];
};

static struct fake_row *fake_find(struct fake *f, const char *id)
{
    for (size_t i = 0; i < f->n; i++)
        if (!strcasecmp(f->rows[i].id, id))
            return &f->rows[i];
    return NULL;
}

static void fake_put(struct fake *f, const char *id, const char *json)
{
    struct fake_row *r = fake_find(f, id);

    if (!r) {
        if (f->n == f->cap) {
            f->cap = f->cap ? f->cap * 2 : 256;
            f->rows = xrealloc(f->rows, f->cap * sizeof(*f->rows));
        }
        r = &f->rows[f->n++];
        *r = (struct fake_row){ 0 };
        snprintf(r->id, sizeof(r->id), "%s", id);
    }
    free(r->json);
    r->json = xstrdup(json);
    r->written++;
}

struct reply {
    int status;
    struct strbuf head, body;
    bool drop;
};

static void refuse(struct reply *a, int status, const char *code, const char *text)
{
    a->status = status;
    strbuf_reset(&a->body);
    strbuf_addf(&a->body, "{\"error\":{\"code\":\"%s\",\"message\":\"%s\"}}", code, text);
}

/* Would the service take this row? false = *a says why not. */
static bool check_row(struct fake *f, const struct json *row, const char *id, bool create, struct reply *a)
{
    struct cell name = json_member(row, "name"), bind = json_member(row, "x@odata.bind");
    char text[300];

    if (name.ptr && strstr(name.ptr, "BAD"))
        return refuse(a, 400, "0x80044331", "A validation error occurred.  The length of the 'name' attribute ..."),
               false;
    if (name.ptr && strstr(name.ptr, "PLUG"))
        return refuse(a, 400, "0x80040265", "no such customers here"), false;
    if (name.ptr && strstr(name.ptr, "TWIN"))
        return refuse(a, 412, "0x80060892", "A record that has the attribute values already exists."), false;
    if (name.ptr && strstr(name.ptr, "NOWHERE")) {
        snprintf(text, sizeof(text), "x With Id = %.36s Does Not Exist", bind.ptr ? bind.ptr + 4 : "");
        return refuse(a, 404, "0x80040217", text), false;
    }
    if (create && fake_find(f, id)) {
        f->creates_of_existing++;
        return refuse(a, 412, "0x80040237", "Cannot insert duplicate key."), false;
    }
    if (!create && !fake_find(f, id)) {
        snprintf(text, sizeof(text), "account With Id = %s Does Not Exist", id);
        return refuse(a, 404, "0x80040217", text), false;
    }
    return true;
}

static void multiple(struct fake *f, const char *target, const char *body, size_t n, struct reply *a)
{
    struct arena m = { 0 };
    struct json *v = NULL;
    const struct json *list;
    struct strbuf one = { 0 };
    bool create = strstr(target, "CRM.CreateMultiple"), upsert = strstr(target, "CRM.UpsertMultiple");

    f->multi_calls++;
    f->upsert_calls += upsert;
    f->upserts_refused += upsert && f->no_upsert;
    if (upsert && f->no_upsert) {
        refuse(a, 404, "0x8006088a", "Resource not found for the segment 'Microsoft.Dynamics.CRM.UpsertMultiple'.");
        goto out;
    }
    if (f->unsupported) {
        refuse(a, 404, "0x8006088a", "Resource not found for the segment 'Microsoft.Dynamics.CRM.CreateMultiple'.");
        goto out;
    }
    if (f->deadlocks > 0) {
        f->deadlocks--;
        refuse(a, 500, "0x80044150", "Generic SQL error. Sql ErrorCode: -2146232060 Sql Number: 1205");
        goto out;
    }
    BUG_IF(json_parse("fake", body, n, NULL, &m, &v, NULL), "the client sent broken JSON");
    list = json_get(v, "Targets");
    if (f->max_rows && list->n > f->max_rows) {
        a->status = 413;
        strbuf_adds(&a->body, "<html>too large</html>");
        goto out;
    }
    for (const struct json *r = list->child; r; r = r->next) {
        if (!cell_is(json_member(r, "@odata.type"), "Microsoft.Dynamics.CRM.account")) {
            refuse(a, 400, "0x80048d19", "no type");
            goto out;
        }
        for (const struct json *o = list->child; o != r; o = o->next)
            f->twice_in_call += cell_eq(json_member(o, "accountid"), json_member(r, "accountid"));
        const char *id = json_member(r, "accountid").ptr;

        if (!check_row(f, r, id, upsert ? !fake_find(f, id) : create, a))
            goto out;
    }
    a->status = create ? 200 : 204;
    if (create)
        strbuf_adds(&a->body, "{\"Ids\":[");
    for (const struct json *r = list->child; r; r = r->next) {
        const char *id = json_member(r, "accountid").ptr;

        strbuf_reset(&one);
        json_write(&one, r);
        fake_put(f, id, strbuf_str(&one));
        if (create)
            strbuf_addf(&a->body, "%s\"%s\"", r == list->child ? "" : ",",
                        f->other_ids ? "99999999-9999-4999-8999-999999999999" : id);
    }
    if (create)
        strbuf_adds(&a->body, "]}");
out:
    strbuf_release(&one);
    arena_release(&m);
}

static void batch(struct fake *f, const char *body, size_t n, struct reply *a)
{
    char *text = xcalloc(1, n + 1), *p;
    struct strbuf one = { 0 };

    f->batch_calls++;
    memcpy(text, body, n);
    a->status = 200;
    strbuf_adds(&a->head, "Content-Type: multipart/mixed; boundary=r\r\n");
    for (p = strstr(text, "Content-ID: "); p; p = strstr(p + 1, "Content-ID: ")) {
        int id = atoi(p + 12);
        char *line = strstr(p, "\r\n\r\n") + 4, *json = strstr(line, "\r\n\r\n") + 4, *end = strstr(json, "\r\n--");
        bool post = !strncmp(line, "POST ", 5);
        char row_id[40] = "";
        struct arena m = { 0 };
        struct json *v = NULL;
        struct reply r = { 0 };

        f->batch_ops++;
        if (!memmem(line, (size_t)(json - line), "?tag=T%26T", 10))
            f->writes_untagged++;
        BUG_IF(!end || json_parse("fake", json, (size_t)(end - json), NULL, &m, &v, NULL), "broken JSON in $batch");
        if (post)
            snprintf(row_id, sizeof(row_id), "%s", json_member(v, "accountid").ptr);
        else
            snprintf(row_id, 37, "%s", strstr(line, "accounts(") + 9);
        if (f->throttle_op > 0) {
            f->throttle_op--;
            refuse(&r, 429, "0x80072322", "Number of requests exceeded the limit");
        } else if (!post && !memmem(line, (size_t)(json - line), "If-Match: *", 11)) {
            refuse(&r, 400, "0x80040203", "an update without If-Match");
        } else if (check_row(f, v, row_id, post, &r)) {
            strbuf_reset(&one);
            json_write(&one, v);
            fake_put(f, row_id, strbuf_str(&one));
            r.status = 204;
        }
        strbuf_addf(&a->body,
                    "--r\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: %d\r\n"
                    "\r\nHTTP/1.1 %d X\r\nContent-Type: application/json\r\n\r\n%s\r\n",
                    id, r.status, strbuf_str(&r.body));
        bool failed = r.status != 204;

        strbuf_release(&r.body);
        arena_release(&m);
        if (failed && f->stop_at_first) {
            a->status = 400;
            break;
        }
        p = end;
    }
    strbuf_adds(&a->body, "--r--\r\n");
    strbuf_release(&one);
    free(text);
}

static void url_decode(char *s)
{
    char *o = s;

    for (; *s; s++)
        if (*s == '%' && s[1] && s[2]) {
            char hex[3] = { s[1], s[2], 0 };

            *o++ = (char)strtol(hex, NULL, 16);
            s += 2;
        } else {
            *o++ = *s;
        }
    *o = 0;
}

static void look(struct fake *f, const char *target, struct reply *a)
{
    char *t = xstrdup(target), *list, *skip = strstr(t, "&$skip=");
    struct arena m = { 0 };
    struct json *v = NULL;
    size_t at = 0, from = skip ? (size_t)atoi(skip + 7) : 0, shown = 0;

    if (skip)
        *skip = 0;
    f->looks++;
    list = strstr(t, "@p2=") + 4;
    url_decode(list);
    BUG_IF(json_parse("fake", list, strlen(list), NULL, &m, &v, NULL), "broken list in a look-up");
    a->status = 200;
    strbuf_adds(&a->body, "{\"@odata.context\":\"x\",\"value\":[");
    for (const struct json *id = v->child; id; id = id->next) {
        if (!fake_find(f, json_text(id).ptr) || at++ < from)
            continue;
        if (f->page && shown == f->page)
            break;
        strbuf_addf(&a->body, "%s{\"accountid\":\"%s\"}", shown++ ? "," : "", json_text(id).ptr);
    }
    strbuf_adds(&a->body, "]");
    if (f->page && shown == f->page) {
        if (skip)
            *skip = 0;
        char *first = xstrdup(target), *cut = strstr(first, "&$skip=");

        if (cut)
            *cut = 0;
        strbuf_addf(&a->body, ",\"@odata.nextLink\":\"http://127.0.0.1:%d%s&$skip=%zu\"", f->l.port, first,
                    from + shown);
        free(first);
    }
    strbuf_adds(&a->body, "}");
    arena_release(&m);
    free(t);
}

/* Rows of a call whose answer was lost, and that the service works off only now. */
static void late(struct fake *f)
{
    struct reply unheard = { 0 };
    struct strbuf body = f->late_body;

    f->late_body = (struct strbuf){ 0 };
    if (body.len)
        multiple(f, "CRM.CreateMultiple", body.buf, body.len, &unheard);
    strbuf_release(&body);
    strbuf_release(&unheard.head);
    strbuf_release(&unheard.body);
}

static bool is_multiple(const char *target)
{
    return strstr(target, "CRM.CreateMultiple") || strstr(target, "CRM.UpdateMultiple") ||
           strstr(target, "CRM.UpsertMultiple");
}

static void serve(struct fake *f, const char *method, const char *target, const char *body, size_t n, struct reply *a)
{
    bool bulk = is_multiple(target) || strstr(target, "$batch");

    if (strstr(target, "/oauth2/")) {
        a->status = 200;
        strbuf_adds(&a->body, "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"abc\"}");
        return;
    }
    if (f->throttle > 0) {
        f->throttle--;
        refuse(a, 429, "-2147015902",
               "Number of requests exceeded the limit of 6000 over time window of 300 seconds.");
        strbuf_adds(&a->head, "Retry-After: 0\r\n");
        return;
    }
    if (f->unavailable > 0) {
        f->unavailable--;
        a->status = 503;
        return;
    }
    if (bulk && f->drop_before > 0) {
        f->drop_before--;
        a->drop = true;
        return;
    }
    if (bulk && f->act_late > 0) {
        f->act_late--;
        strbuf_add(&f->late_body, body, n);
        a->drop = true;
        return;
    }
    if (is_multiple(target)) {
        late(f);
        f->writes_untagged += strstr(target, "?tag=T%26T") == NULL;
        multiple(f, target, body, n, a);
    } else if (strstr(target, "$batch")) {
        batch(f, body, n, a);
    } else if (!f->n_canned && strstr(target, "@p2=")) {
        look(f, target, a);
    } else {
        const struct canned *c = f->at_canned < f->n_canned ? &f->canned[f->at_canned] : NULL;

        if (!c || strcmp(c->method, method) || !strstr(target, c->part)) {
            fprintf(stderr, "unexpected request: %s %s\n", method, target);
            a->status = 400;
            strbuf_adds(&a->body, "{\"error\":{\"code\":\"0x0\",\"message\":\"unexpected request\"}}");
            return;
        }
        f->at_canned++;
        a->status = c->status;
        if (c->headers)
            strbuf_adds(&a->head, c->headers);
        for (const char *p = c->body ? c->body : ""; *p;) {
            const char *h = strstr(p, "%HOST%");

            strbuf_add(&a->body, p, h ? (size_t)(h - p) : strlen(p));
            if (!h)
                break;
            strbuf_addf(&a->body, "http://127.0.0.1:%d", f->l.port);
            p = h + 6;
        }
    }
    if (bulk && f->drop_after > 0) {
        f->drop_after--;
        a->drop = true;
    }
}

static bool answer_one(void *arg, int fd, struct strbuf *in)
{
    struct fake *f = arg;
    char buf[65536], method[10] = "", *target, *end, *len;
    struct reply a = { 0 };
    struct strbuf out = { 0 };
    size_t head, body = 0;
    ssize_t got;
    bool keep;

    while (!in->len || !(end = strstr(in->buf, "\r\n\r\n"))) {
        got = recv(fd, buf, sizeof(buf), 0);
        if (got <= 0)
            return false;
        strbuf_add(in, buf, (size_t)got);
    }
    head = (size_t)(end - in->buf) + 4;
    len = strcasestr(in->buf, "\r\nContent-Length:");
    if (len && len < end)
        body = (size_t)strtoul(len + 17, NULL, 10);
    while (in->len < head + body) {
        got = recv(fd, buf, sizeof(buf), 0);
        if (got <= 0)
            return false;
        strbuf_add(in, buf, (size_t)got);
    }
    sscanf(in->buf, "%9s", method);
    target = strndup(in->buf + strlen(method) + 1, strcspn(in->buf + strlen(method) + 1, " "));
    pthread_mutex_lock(&f->l.lock);
    if (!strstr(target, "/oauth2/")) {
        snprintf(f->last_headers, sizeof(f->last_headers), "%.*s", (int)head, in->buf);
        snprintf(f->last_target, sizeof(f->last_target), "%s", target);
        snprintf(f->last_body, sizeof(f->last_body), "%.*s", (int)(body > 19999 ? 19999 : body), in->buf + head);
    }
    serve(f, method, target, in->buf + head, body, &a);
    pthread_mutex_unlock(&f->l.lock);
    keep = !a.drop;
    if (keep) {
        strbuf_addf(&out, "HTTP/1.1 %d X\r\n%s%sContent-Length: %zu\r\n\r\n", a.status,
                    strstr(strbuf_str(&a.head), "Content-Type") ? "" : "Content-Type: application/json\r\n",
                    strbuf_str(&a.head), a.body.len);
        strbuf_add(&out, strbuf_str(&a.body), a.body.len);
        keep = send(fd, out.buf, out.len, MSG_NOSIGNAL) == (ssize_t)out.len;
    }
    strbuf_reset(in);
    strbuf_release(&a.head);
    strbuf_release(&a.body);
    strbuf_release(&out);
    free(target);
    return keep;
}

__attribute__((unused)) static void fake_start(struct fake *f)
{
    loopback_start(&f->l, answer_one, f);
}

__attribute__((unused)) static void fake_stop(struct fake *f)
{
    loopback_stop(&f->l);
    for (size_t i = 0; i < f->n; i++)
        free(f->rows[i].json);
    free(f->rows);
    f->rows = NULL;
    f->n = f->cap = 0;
}

#endif

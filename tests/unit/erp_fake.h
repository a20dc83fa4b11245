/* erp_fake.h -- an F&O that answers by script: requests have to come in the script's order. */
#ifndef ERP_FAKE_H
#define ERP_FAKE_H

#include "erp/erp_parts.h"
#include "erp/odata.h"
#include "erp/pkgapi.h"
#include "net_fake.h"

struct line {
    const char *method, *part; /* the target must contain it */
    int status;
    const char *body; /* "%HOST%" becomes this server's URL */
    const char *head;
    const char *want; /* the request's body must contain it; NULL = anything */
    bool drop;
    size_t cut_at;
    int times; /* that often in a row, 0 = once */
};
struct script {
    struct fake_http f;
    const struct line *lines;
    size_t n, at;
    int repeated, wrong;
    struct http *h;
    struct erp *e;
    struct err err;
};

static void play(struct fake_http *f, const struct fake_request *q, struct fake_answer *a)
{
    struct script *s = f->arg;
    const struct line *l = s->at < s->n ? &s->lines[s->at] : NULL;

    if (!l || strcmp(l->method, q->method) || !strstr(q->target, l->part) || (l->want && !strstr(q->body, l->want))) {
        fprintf(stderr, "line %zu: unexpected request: %s %s\n%s\n", s->at, q->method, q->target, q->body);
        s->wrong++;
        fake_text(a, 400, "{\"error\":{\"code\":\"\",\"message\":\"unexpected request\"}}");
        return;
    }
    a->status = l->status ? l->status : 200;
    strbuf_adds(&a->head, l->head ? l->head : "");
    for (const char *p = l->body ? l->body : ""; *p;) {
        const char *host = strstr(p, "%HOST%");

        strbuf_add(&a->body, p, host ? (size_t)(host - p) : strlen(p));
        if (!host)
            break;
        strbuf_adds(&a->body, f->url);
        p = host + 6;
    }
    a->drop = l->drop;
    a->cut_at = l->cut_at;
    if (++s->repeated >= l->times) {
        s->repeated = 0;
        s->at++;
    }
}

static void script_start(struct script *s, const struct line *lines, size_t n)
{
    struct auth_config u = { .tenant = "t", .client_id = "c", .secret = "s" };
    struct erp_config c = { .users = &u, .n_users = 1, .retry_deadline_ms = 60000 };

    memset(s, 0, sizeof(*s));
    fake_start(&s->f, play);
    s->f.arg = s;
    s->lines = lines;
    s->n = n;
    jump_clock();
    u.authority = u.resource = c.url = s->f.url;
    CHECK_OK(http_new(&(struct http_config){ 0 }, &s->h, &s->err), &s->err);
    CHECK_OK(erp_open(&c, s->h, &s->e, &s->err), &s->err);
}

/* Every line was asked for, nothing else was. */
static void script_end(struct script *s)
{
    erp_close(s->e);
    http_free(s->h);
    fake_stop(&s->f);
    clock_replace(NULL);
    CHECK(s->wrong == 0, "%d unexpected requests", s->wrong);
    CHECK(s->at == s->n, "line %zu was never asked for", s->at);
}
#define SCRIPT(s, ...)                                   \
    static const struct line LINES_[] = { __VA_ARGS__ }; \
    script_start(s, LINES_, COUNT(LINES_))

/* Concatenates one member of each row: "a,b,". */
__attribute__((unused)) static enum ec note_row(void *arg, const struct json *row, struct err *reterr)
{
    struct cell k = json_member(row, "K");

    (void)reterr;
    strbuf_addf(arg, CELL_FMT ",", CELL_ARG(k));
    return EC_OK;
}

#endif

#include "dv/dv_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Sent with every call (Dataverse Web API, "Compose HTTP requests and handle errors"): the literal null of If-None-Match
 * keeps caches between us and the service from answering.
 */
static const struct http_header HEADERS[] = {
    { "Accept", "application/json" },
    { "OData-MaxVersion", "4.0" },
    { "OData-Version", "4.0" },
    { "If-None-Match", "null" },
};

/* "sync,async,flows" -> the headers of "Bypass custom Dataverse logic" and "Bypass Power Automate flows". */
static enum ec set_bypass(struct dv *d, const char *list, struct err *reterr)
{
    bool sync = false, async = false, flows = false;

    for (const char *p = list; p && *p;) {
        size_t n = strcspn(p, ", ");
        struct cell word = { p, n };

        if (cell_ieq(word, CELL_LIT("sync")))
            sync = true;
        else if (cell_ieq(word, CELL_LIT("async")))
            async = true;
        else if (cell_ieq(word, CELL_LIT("flows")))
            flows = true;
        else if (n) {
            err_set(reterr, EC_CONFIG, "bypass '%.60s': '" CELL_FMT "' is not known", list, CELL_ARG(word));
            return err_hint(reterr, "write a list of sync, async and flows, or leave it empty");
        }
        p += n + strspn(p + n, ", ");
    }
    snprintf(d->bypass, sizeof(d->bypass), "%s%s%s", sync ? "CustomSync" : "", sync && async ? "," : "",
             async ? "CustomAsync" : "");
    if (d->bypass[0])
        d->write_headers[d->n_write_headers++] =
            (struct http_header){ "MSCRM.BypassBusinessLogicExecution", d->bypass };
    if (flows)
        d->write_headers[d->n_write_headers++] =
            (struct http_header){ "MSCRM.SuppressCallbackRegistrationExpanderJob", "true" };
    return EC_OK;
}

enum ec dv_open(const struct dv_config *cfg, struct http *http, struct dv **ret, struct err *reterr)
{
    struct dv *d = xcalloc(1, sizeof(*d));
    struct session_config sc = { 0 };
    enum ec rc;

    d->base = xstrdup(cfg->url ? cfg->url : "");
    for (size_t n = strlen(d->base); n && d->base[n - 1] == '/';)
        d->base[--n] = 0;
    d->page_rows = cfg->page_rows > 0 && cfg->page_rows < 5000 ? cfg->page_rows : 5000;
    d->retry_deadline_ms = cfg->retry_deadline_ms > 0 ? cfg->retry_deadline_ms : 600000;
    if (cfg->tag && *cfg->tag) {
        strbuf_adds(&d->tag, "tag=");
        strbuf_add_url(&d->tag, cfg->tag, strlen(cfg->tag), "");
    }
    rc = set_bypass(d, cfg->bypass, reterr);
    if (rc)
        goto out;
    sc.name = "Dataverse";
    sc.base_url = d->base;
    sc.service_error = EC_DATAVERSE;
    sc.governor = GOVERNOR_DATAVERSE;
    sc.users = cfg->users;
    sc.n_users = cfg->n_users;
    sc.headers = HEADERS;
    sc.n_headers = COUNT(HEADERS);
    sc.retry_deadline_ms = cfg->retry_deadline_ms;
    sc.tps_limit = cfg->tps_limit;
    sc.tps_file = cfg->tps_file;
    sc.pause_file = cfg->pause_file;
    rc = session_new(&sc, http, &d->session, reterr);
    if (rc)
        goto out;
    *ret = d;
    d = NULL;
out:
    dv_close(d);
    return rc;
}

void dv_close(struct dv *d)
{
    if (!d)
        return;
    for (struct dv_set_name *n = d->names, *next; n; n = next) {
        next = n->next;
        free(n->set);
        free(n->pk);
        free(n);
    }
    session_free(d->session);
    strbuf_release(&d->tag);
    free(d->base);
    free(d);
}

struct session *dv_session(struct dv *d)
{
    return d->session;
}

void dv_ask_annotations(struct dv *d, bool on)
{
    d->annotations = on;
}

void dv_add_tag(const struct dv *d, struct strbuf *url, bool has_query)
{
    if (!d->tag.len)
        return;
    strbuf_addc(url, has_query ? '&' : '?');
    strbuf_add(url, d->tag.buf, d->tag.len);
}

static void add(struct dv_headers *h, const char *name, const char *value)
{
    BUG_IF(h->n == COUNT(h->line), "too many header lines");
    h->line[h->n++] = (struct http_header){ name, value };
}

void dv_call_fill(const struct dv *d, const struct dv_request *q, struct dv_headers *h, struct call *ret)
{
    h->n = 0;
    dv_new_id(h->request_id);
    add(h, "x-ms-client-request-id", h->request_id); /* what Microsoft's support asks for */
    if (q->prefer && *q->prefer)
        add(h, "Prefer", q->prefer);
    if (q->if_match && *q->if_match)
        add(h, "If-Match", q->if_match);
    if (!cell_absent(q->body) || q->rows)
        add(h, "Content-Type", q->content_type ? q->content_type : "application/json; charset=utf-8");
    for (size_t i = 0; q->write && i < d->n_write_headers; i++)
        add(h, d->write_headers[i].name, d->write_headers[i].value);
    *ret = (struct call){ 0 };
    ret->http.method = q->method;
    ret->http.url = q->url;
    ret->http.headers = h->line;
    ret->http.n_headers = h->n;
    ret->http.body = q->body.ptr;
    ret->http.body_len = q->body.len;
    if (q->rows) {
        ret->http.fill = dv_multiple_read;
        ret->http.fill_arg = q->rows;
        ret->http.body_len = q->rows->len;
    }
    ret->http.max_answer = q->max_answer;
    /* the service stops a message after about two minutes and says so: its own error should come first */
    ret->http.timeout_ms = 240000;
    ret->http.stall_ms = 240000;
    ret->http.what = q->what;
    ret->repeat = q->repeat;
    ret->statuses_are_mine = true;
    ret->json_object = q->json_object;
    ret->user = -1;
}

enum ec dv_call(struct dv *d, const struct dv_request *q, struct http_response *r, struct err *reterr)
{
    struct dv_headers h;
    struct call c;

    dv_call_fill(d, q, &h, &c);
    return session_do(d->session, &c, r, reterr);
}

enum ec dv_get_json(struct dv *d, const char *url, const char *what, struct arena *a, struct json **ret,
                    int *ret_status, struct err *reterr)
{
    struct dv_request q = {
        .method = "GET", .url = url, .what = what, .repeat = CALL_REPEATABLE, .json_object = true
    };
    struct http_response r;
    struct json *v = NULL;
    enum ec rc;

    http_response_init(&r);
    rc = dv_call(d, &q, &r, reterr);
    if (rc)
        goto out;
    if (r.status == 404 && ret_status) {
        *ret_status = 404;
        goto out;
    }
    if (r.status != 200) {
        rc = dv_fail(&r, what, reterr);
        goto out;
    }
    rc = json_parse(what, strbuf_str(&r.body), r.body.len, NULL, a, &v, reterr);
    if (rc) {
        rc = err_ctx(reterr, EC_DATAVERSE, "the answer cannot be read");
        goto out;
    }
    *ret = v;
    if (ret_status)
        *ret_status = 200;
out:
    http_response_release(&r);
    return rc;
}

void dv_etag_of(const struct http_response *r, char ret[static 80])
{
    struct arena a = { 0 };
    const char *tag = http_header_get(r, "ETag", &a);
    struct json *v = NULL;

    ret[0] = 0;
    if (!tag && r->body.len && !json_parse("written row", strbuf_str(&r->body), r->body.len, NULL, &a, &v, NULL))
        tag = cell_cstr(&a, json_member(v, "@odata.etag"));
    /* it goes back into a header line: a tag that does not fit or has control characters is none */
    if (tag && strlen(tag) < 80 && !strpbrk(tag, "\r\n"))
        snprintf(ret, 80, "%s", tag);
    arena_release(&a);
}

enum ec dv_whoami(struct dv *d, struct dv_whoami *ret, struct err *reterr)
{
    struct arena a = { 0 };
    struct json *v = NULL;
    struct dv_whoami w = { 0 };
    struct {
        const char *name;
        char *to;
    } ids[] = { { "UserId", w.user_id },
                { "OrganizationId", w.organization_id },
                { "BusinessUnitId", w.business_unit_id } };
    uint8_t bin[16];
    enum ec rc = dv_get_json(d, DV_API "WhoAmI", "WhoAmI", &a, &v, NULL, reterr);

    for (size_t i = 0; !rc && i < COUNT(ids); i++) {
        struct cell id = json_member(v, ids[i].name);

        if (!dv_guid(id, bin))
            rc = err_set(reterr, EC_DATAVERSE, "WhoAmI: the answer has no %s", ids[i].name);
        else
            memcpy(ids[i].to, cell_cstr(&a, cell_lower(&a, id)), 37);
    }
    if (!rc)
        *ret = w;
    arena_release(&a);
    return rc;
}

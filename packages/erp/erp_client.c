/* erp_client.c -- opening, the shared request helpers, companies, dual-write configurations. */
#include "erp/erp_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct http_header ALWAYS[] = { { "Accept", "application/json" },
                                             { "OData-MaxVersion", "4.0" },
                                             { "OData-Version", "4.0" } };

enum ec erp_open(const struct erp_config *cfg, struct http *http, struct erp **ret, struct err *reterr)
{
    struct session_config sc = {
        .name = "F&O",
        .base_url = cfg->url,
        .service_error = EC_FNO,
        .governor = GOVERNOR_FNO,
        .users = cfg->users,
        .n_users = cfg->n_users,
        .headers = ALWAYS,
        .n_headers = COUNT(ALWAYS),
        .retry_deadline_ms = cfg->retry_deadline_ms,
        .tps_limit = cfg->tps_limit,
        .tps_file = cfg->tps_file,
        .pause_file = cfg->pause_file,
        .start_concurrency = 4,
        .max_concurrency = 8,
    };
    struct erp *e = xcalloc(1, sizeof(*e));
    enum ec rc = session_new(&sc, http, &e->s, reterr);

    if (rc) {
        free(e);
        return rc;
    }
    *ret = e;
    return EC_OK;
}

void erp_close(struct erp *e)
{
    if (!e)
        return;
    session_free(e->s);
    free(e);
}

struct session *erp_session(struct erp *e)
{
    return e->s;
}

void erp_add_literal(struct strbuf *url, struct cell text)
{
    strbuf_adds(url, "%27");
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\'')
            strbuf_adds(url, "%27%27");
        else
            strbuf_add_url(url, text.ptr + i, 1, NULL);
    }
    strbuf_adds(url, "%27");
}

enum ec erp_get_json(struct erp *e, const char *what, const char *path, struct arena *a, struct json **ret,
                     int *ret_status, struct err *reterr)
{
    struct call c = { .http = { .method = "GET", .url = path, .max_answer = ERP_MAX_ANSWER, .what = what },
                      .repeat = CALL_REPEATABLE,
                      .statuses_are_mine = ret_status != NULL,
                      .json_object = true,
                      .user = -1 };
    struct http_response r;
    enum ec rc;

    http_response_init(&r);
    rc = session_do(e->s, &c, &r, reterr);
    *ret = NULL;
    if (ret_status)
        *ret_status = r.status;
    if (!rc && r.status >= 200 && r.status < 300) {
        rc = json_parse(what, strbuf_str(&r.body), r.body.len, NULL, a, ret, reterr);
        if (rc)
            rc = err_ctx(reterr, EC_FNO, "the answer of F&O cannot be read");
    }
    http_response_release(&r);
    return rc;
}

/* The parser's EC_FORMAT about an answer is the service's fault, not the user's settings. */
static enum ec service_fault(enum ec rc, struct err *reterr)
{
    return rc == EC_FORMAT ? err_ctx(reterr, EC_FNO, "the answer of F&O cannot be read") : rc;
}

static enum ec one_page(struct erp *e, const char *what, const char *path, json_row_fn *row, void *arg,
                        struct strbuf *next, struct err *reterr)
{
    struct call c = { .http = { .method = "GET",
                                .url = path,
                                .max_answer = ERP_MAX_PAGE,
                                .what = what,
                                .timeout_ms = 600000,
                                .stall_ms = 300000 },
                      .repeat = CALL_REPEATABLE,
                      .json_object = true,
                      .user = -1 };
    struct json_rows *rows = NULL;
    const struct json *envelope = NULL;
    struct http_response r;
    enum ec rc;

    /* The page is read whole before its rows are given out: a cut connection is then repeated without rows coming twice. */
    http_response_init(&r);
    rc = session_do(e->s, &c, &r, reterr);
    if (rc)
        goto out;
    rows = json_rows_new(what, &(struct json_limits){ .octets = ERP_MAX_PAGE }, row, arg);
    rc = json_rows_feed(rows, strbuf_str(&r.body), r.body.len, reterr);
    if (!rc)
        rc = json_rows_end(rows, &envelope, reterr);
    rc = service_fault(rc, reterr);
    strbuf_reset(next);
    if (!rc) {
        struct cell link = json_member(envelope, "@odata.nextLink");
        const char *p;

        if (!cell_blank(link)) {
            struct strbuf text = STRBUF(0);

            strbuf_add(&text, link.ptr, link.len);
            p = strstr(text.buf, strncmp(path, "/Metadata/", 10) ? "/data/" : "/Metadata/");
            if (!p)
                rc = err_set(reterr, EC_FNO, "%s: the next page's link has no path of the service", what);
            else
                strbuf_adds(next, p);
            strbuf_release(&text);
        }
    }
out:
    json_rows_free(rows);
    http_response_release(&r);
    return rc;
}

enum ec erp_read_rows(struct erp *e, const char *what, const char *path, json_row_fn *row, void *arg,
                      struct err *reterr)
{
    struct strbuf at = STRBUF(0), next = STRBUF(0);
    enum ec rc = EC_OK;

    strbuf_adds(&next, path);
    while (!rc && next.len) {
        struct strbuf swap = at;

        at = next;
        next = swap;
        rc = one_page(e, what, at.buf, row, arg, &next, reterr);
        if (!rc && next.len && !strcmp(next.buf, at.buf))
            rc = err_set(reterr, EC_FNO, "%s: the next page's link points at the page itself", what);
    }
    strbuf_release(&at);
    strbuf_release(&next);
    return rc;
}

enum ec erp_action(struct erp *e, const char *action, const struct strbuf *body, enum call_repeat repeat,
                   int64_t timeout_ms, struct arena *a, struct cell *ret_value, struct err *reterr)
{
    static const struct http_header JSON_BODY[] = { { "Content-Type", "application/json; charset=utf-8" } };
    char *path = arena_printf(a, "/data/%s/Microsoft.Dynamics.DataEntities.%s",
                              !strcmp(action, "GetApplicationVersion") ? "DataManagementEntities"
                                                                       : "DataManagementDefinitionGroups",
                              action);
    struct call c = { .http = { .method = "POST",
                                .url = path,
                                .headers = JSON_BODY,
                                .n_headers = 1,
                                .body = strbuf_str(body),
                                .body_len = body->len,
                                .max_answer = ERP_MAX_ANSWER,
                                .timeout_ms = timeout_ms,
                                .stall_ms = timeout_ms,
                                .what = action },
                      .repeat = repeat,
                      .json_object = true,
                      .user = -1 };
    struct http_response r;
    struct json *v = NULL;
    const struct json *value;
    enum ec rc;

    http_response_init(&r);
    rc = session_do(e->s, &c, &r, reterr);
    if (!rc && r.body.len) {
        /* GetExecutionErrors puts all of a run's errors into one string. */
        rc = json_parse(action, r.body.buf, r.body.len,
                        &(struct json_limits){ .octets = ERP_MAX_ANSWER, .token = ERP_MAX_ANSWER }, a, &v, reterr);
        rc = service_fault(rc, reterr);
    }
    if (!rc) {
        /* Documents show the result nested once more for some actions; both forms are understood. */
        value = json_get(v, "value");
        if (value && value->type == JSON_OBJECT)
            value = json_get(value, "value");
        *ret_value = json_text(value);
        if (cell_absent(*ret_value))
            *ret_value = CELL_LIT("");
    }
    http_response_release(&r);
    return rc;
}

enum ec erp_version(struct erp *e, struct arena *a, char **ret, struct err *reterr)
{
    struct strbuf body = STRBUF(0);
    struct cell v;
    enum ec rc;

    strbuf_adds(&body, "{}");
    rc = erp_action(e, "GetApplicationVersion", &body, CALL_REPEATABLE, 120000, a, &v, reterr);
    if (!rc)
        *ret = cell_cstr(a, v);
    strbuf_release(&body);
    return rc;
}

struct company_reader {
    erp_company_fn *fn;
    void *arg;
};

static enum ec take_company(void *arg, const struct json *rec, struct err *reterr)
{
    struct company_reader *r = arg;
    struct arena a = { 0 };
    enum ec rc = r->fn(r->arg, cell_lower(&a, cell_rtrim(json_member(rec, "LegalEntityId"))),
                       json_member(rec, "Name"), reterr);

    arena_release(&a);
    return rc;
}

enum ec erp_companies(struct erp *e, erp_company_fn *fn, void *arg, struct err *reterr)
{
    struct company_reader r = { fn, arg };

    return erp_read_rows(e, "LegalEntities",
                         "/data/LegalEntities?$select=LegalEntityId,Name&$orderby=LegalEntityId&cross-company=true",
                         take_company, &r, reterr);
}

struct dualwrite_reader {
    erp_dualwrite_fn *fn;
    void *arg;
};

static enum ec take_dualwrite(void *arg, const struct json *rec, struct err *reterr)
{
    struct dualwrite_reader *r = arg;

    return r->fn(r->arg, json_text(json_iget(rec, "InternalEntityName")),
                 json_text(json_iget(rec, "ExternalEntityName")), json_text(json_iget(rec, "Status")), reterr);
}

enum ec erp_dualwrite(struct erp *e, erp_dualwrite_fn *fn, void *arg, struct err *reterr)
{
    struct dualwrite_reader r = { fn, arg };
    enum ec rc = erp_read_rows(e, "DualWriteProjectConfigurations",
                               "/data/DualWriteProjectConfigurations?cross-company=true", take_dualwrite, &r, reterr);

    if (rc == EC_FNO && reterr && reterr->http_status == 404)
        rc = err_set(reterr, EC_NOTFOUND, "this environment has no entity DualWriteProjectConfigurations");
    return rc;
}

/* project_stamp.c -- the description of a data project, where a client leaves word for itself. */
#include "erp/erp_parts.h"
#include "erp/pkgapi.h"

struct asked {
    const char *name;
    struct arena *a;
    char *description;
};

static enum ec take(void *arg, const struct json *rec, struct err *reterr)
{
    struct asked *s = arg;

    (void)reterr;
    if (cell_ieq(json_member(rec, "Name"), cell_of(s->name)))
        s->description = cell_cstr(s->a, json_member(rec, "Description"));
    return EC_OK;
}

enum ec erp_project_description(struct erp *e, const char *name, struct arena *a, char **ret, struct err *reterr)
{
    struct asked s = { .name = name, .a = a };
    struct strbuf url = STRBUF(0);
    enum ec rc;

    strbuf_adds(&url, "/data/DataManagementDefinitionGroups?$filter=Name%20eq%20");
    erp_add_literal(&url, cell_of(name));
    rc = erp_read_rows(e, "DataManagementDefinitionGroups", url.buf, take, &s, reterr);
    strbuf_release(&url);
    if (!rc)
        *ret = s.description;
    return rc;
}

enum ec erp_project_describe(struct erp *e, const char *name, const char *text, struct err *reterr)
{
    static const struct http_header JSON_BODY[] = { { "Content-Type", "application/json; charset=utf-8" } };
    struct strbuf url = STRBUF(0), body = STRBUF(0);
    struct jsonw w = { .out = &body };
    struct call c = {
        .http = { .method = "PATCH", .what = "description of a data project", .headers = JSON_BODY, .n_headers = 1 },
        .repeat = CALL_REPEATABLE,
        .user = -1
    };
    struct http_response r;
    enum ec rc;

    strbuf_adds(&url, "/data/DataManagementDefinitionGroups(");
    strbuf_adds(&url, "Name=");
    erp_add_literal(&url, cell_of(name));
    strbuf_addc(&url, ')');
    jw_begin(&w, '{');
    jw_ps(&w, "Description", text);
    jw_end(&w, '}');
    c.http.url = url.buf;
    c.http.body = strbuf_str(&body);
    c.http.body_len = body.len;
    http_response_init(&r);
    rc = session_do(e->s, &c, &r, reterr);
    http_response_release(&r);
    strbuf_release(&url);
    strbuf_release(&body);
    return rc;
}

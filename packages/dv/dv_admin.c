#include "dv/dv_admin.h"
#include "dv/dv_parts.h"

static enum ec get(struct dv *d, const struct strbuf *url, const char *what, struct arena *a, struct json **ret,
                   struct err *reterr)
{
    int status = 0;
    enum ec rc = dv_get_json(d, url->buf, what, a, ret, &status, reterr);

    if (!rc && (status == 404 || !*ret))
        rc = err_set(reterr, EC_NOTFOUND, "%s: this environment does not tell", what);
    return rc;
}

enum ec dv_custom_steps(struct dv *d, struct cell logical, const char *message, dv_step_fn *fn, void *arg,
                        struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    struct arena a = { 0 };
    struct json *v = NULL;
    enum ec rc;

    strbuf_addf(&url,
                DV_API
                "sdkmessagefilters?$select=sdkmessagefilterid&$filter=primaryobjecttypecode%%20eq%%20'" CELL_FMT
                "'%%20and%%20sdkmessageid/name%%20eq%%20'%s'&$expand=sdkmessagefilterid_sdkmessageprocessingstep("
                "$select=name,stage,mode;$filter=statecode%%20eq%%200%%20and%%20customizationlevel%%20eq%%201%%20and"
                "%%20iscustomizable/Value%%20eq%%20true)",
                CELL_ARG(logical), message);
    rc = get(d, &url, "custom steps", &a, &v, reterr);
    for (const struct json *f = !rc && json_get(v, "value") ? json_get(v, "value")->child : NULL; f && !rc;
         f = f->next) {
        const struct json *steps = json_get(f, "sdkmessagefilterid_sdkmessageprocessingstep");

        for (const struct json *s = steps ? steps->child : NULL; s && !rc; s = s->next) {
            struct dv_step step = { .name = json_member(s, "name"),
                                    .synchronous = json_i64(json_get(s, "mode"), 0) == 0 };

            rc = fn(arg, &step, reterr);
        }
    }
    strbuf_release(&url);
    arena_release(&a);
    return rc;
}

enum ec dv_privileges(struct dv *d, const char *user_id, dv_privilege_fn *fn, void *arg, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    struct arena a = { 0 };
    struct json *v = NULL;
    const struct json *list;
    enum ec rc;

    strbuf_addf(&url, DV_API "systemusers(%s)/Microsoft.Dynamics.CRM.RetrieveUserPrivileges", user_id);
    rc = get(d, &url, "privileges", &a, &v, reterr);
    list = rc ? NULL : json_get(v, "RolePrivileges");
    if (!rc && !list)
        rc = err_set(reterr, EC_NOTFOUND, "privileges: this environment does not tell");
    for (const struct json *p = list ? list->child : NULL; p && !rc; p = p->next)
        rc = fn(arg, json_member(p, "PrivilegeName"), json_member(p, "PrivilegeId"), reterr);
    strbuf_release(&url);
    arena_release(&a);
    return rc;
}

enum ec dv_probe_read(struct dv *d, const struct dv_table *t, bool *ret_readable, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    struct arena a = { 0 };
    struct json *v = NULL;
    struct err e = { 0 };
    enum ec rc;

    strbuf_addf(&url, DV_API CELL_FMT "?$select=" CELL_FMT "&$top=1", CELL_ARG(t->set), CELL_ARG(t->pk));
    rc = dv_get_json(d, url.buf, "one row", &a, &v, NULL, &e);
    *ret_readable = !rc;
    if (rc && e.http_status == 403)
        rc = EC_OK;
    if (rc && reterr)
        *reterr = e;
    strbuf_release(&url);
    arena_release(&a);
    return rc;
}

enum ec dv_version(struct dv *d, struct arena *a, char **ret, struct err *reterr)
{
    struct strbuf url = STRBUF(0);
    struct json *v = NULL;
    enum ec rc;

    strbuf_adds(&url, DV_API "RetrieveVersion()");
    rc = get(d, &url, "version", a, &v, reterr);
    if (!rc)
        *ret = cell_cstr(a, json_member(v, "Version"));
    strbuf_release(&url);
    return rc;
}

struct cell dv_privilege_stem(struct cell logical)
{
    static const char *const OTHERS[][2] = {
        { "salesorder", "order" },      { "salesorderdetail", "order" },         { "quotedetail", "quote" },
        { "invoicedetail", "invoice" }, { "opportunityproduct", "opportunity" }, { "systemuser", "user" },
    };

    for (size_t i = 0; i < COUNT(OTHERS); i++)
        if (cell_is(logical, OTHERS[i][0]))
            return cell_of(OTHERS[i][1]);
    return logical;
}

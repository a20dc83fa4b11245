#include "erp/erp_probe.h"
#include "erp/erp_parts.h"

enum ec erp_probe_entity(struct erp *e, const struct fno_entity *en, struct erp_probe *ret, struct err *reterr)
{
    struct strbuf path = STRBUF(0);
    struct arena a = { 0 };
    struct json *v = NULL;
    const struct json *first;
    int status = 0;
    enum ec rc;

    strbuf_addf(&path, "/data/" CELL_FMT "?$top=1&cross-company=true", CELL_ARG(en->set));
    rc = erp_get_json(e, "one record", path.buf, &a, &v, &status, reterr);
    *ret = (struct erp_probe){ .readable = !rc && status >= 200 && status < 300 };
    if (!rc && !ret->readable && status != 403)
        rc = err_set(reterr, EC_FNO, "a record of '" CELL_FMT "' cannot be read: HTTP %d", CELL_ARG(en->label),
                     status);
    first = v && json_get(v, "value") ? json_get(v, "value")->child : NULL;
    ret->found = first != NULL;
    ret->etags = first && !cell_blank(json_member(first, "@odata.etag"));
    strbuf_release(&path);
    arena_release(&a);
    return rc;
}

struct listed {
    struct cell label;
    bool found;
};

static enum ec take_entity(void *arg, const struct json *rec, struct err *reterr)
{
    struct listed *l = arg;

    (void)reterr;
    l->found = l->found || cell_ieq(json_text(json_iget(rec, "EntityName")), l->label);
    return EC_OK;
}

enum ec erp_probe_listed(struct erp *e, struct cell label, bool *ret, struct err *reterr)
{
    struct strbuf path = STRBUF(0);
    struct listed l = { label, false };
    enum ec rc;

    strbuf_adds(&path, "/data/DataManagementEntities?$select=EntityName&$filter=EntityName%20eq%20");
    erp_add_literal(&path, label);
    rc = erp_read_rows(e, "DataManagementEntities", path.buf, take_entity, &l, reterr);
    *ret = l.found;
    strbuf_release(&path);
    return rc;
}

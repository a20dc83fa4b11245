/* erp_parts.h -- what the files of erp/ share. Layer: erp, private to it. */
#ifndef ERP_ERP_PARTS_H
#define ERP_ERP_PARTS_H

#include "erp/erp.h"

struct erp {
    struct session *s;
    int labels_refused; /* /Metadata/Labels said no that often in a row: not asked any more */
};
enum { ERP_MAX_PAGE = 512 << 20, ERP_MAX_ANSWER = 64 << 20 };

/* GET of a path; the answer as a tree in `a`. statuses: a status that is not 2xx is EC_OK with *ret NULL and *ret_status set. */
enum ec erp_get_json(struct erp *e, const char *what, const char *path, struct arena *a, struct json **ret,
                     int *ret_status, struct err *reterr);
/* An action bound to DataManagementDefinitionGroups; *ret_value = its scalar result as text ("" = none), in `a`. */
enum ec erp_action(struct erp *e, const char *action, const struct strbuf *body, enum call_repeat repeat,
                   int64_t timeout_ms, struct arena *a, struct cell *ret_value, struct err *reterr);
/* Rows of one OData read, following links by path. */
enum ec erp_read_rows(struct erp *e, const char *what, const char *path, json_row_fn *row, void *arg,
                      struct err *reterr);
/* "'O''Neil'" percent-encoded, into a URL. */
void erp_add_literal(struct strbuf *url, struct cell text);

/* ---- single records (odata.c) ---- */
/* "/data/CustomersV3(dataAreaId='usmf',CustomerAccount='C-1')?cross-company=true" */
void erp_add_address(struct strbuf *url, const struct fno_entity *en, struct cell company, const struct cell *key);
/* A key that contains an enum has been seen to answer 404 although the row exists: such rows are read by filter. */
bool erp_has_enum_key(const struct fno_entity *en);
/* Refusals of a write by what a writer does about them: EC_CONFLICT (changed meanwhile), EC_NOTFOUND (no such row). */
enum ec erp_write_refused(enum ec rc, struct err *reterr);

#endif

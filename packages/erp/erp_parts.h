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

#endif

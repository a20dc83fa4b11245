/*
 * erp.h -- the Finance & Operations (F&O) client: opening it, who is there, metadata of one entity.
 * Layer: erp (net, map/schema). Errors of all of erp/: EC_AUTH (sign-in, 401, 403), EC_NET, EC_BUSY, EC_FNO (any other
 * refusal, with the service's inner message and err.http_status), EC_NOTFOUND, EC_CONFLICT, EC_LIMIT, EC_STOPPED.
 * Sources: Finance & Operations "Open Data Protocol (OData)", "Data management package REST API", metadata service.
 * Threads: one `struct erp`, one thread.
 */
#ifndef ERP_ERP_H
#define ERP_ERP_H

#include "map/schema.h"
#include "net/session.h"

struct erp_config {
    const char *url; /* https://contoso.operations.dynamics.com */
    const struct auth_config *users;
    size_t n_users;
    double tps_limit;
    const char *tps_file; /* holds the rate and may change; NULL = none */
    const char *pause_file;
    int64_t retry_deadline_ms;
};
struct erp;
enum ec erp_open(const struct erp_config *cfg, struct http *http, struct erp **ret, struct err *reterr);
void erp_close(struct erp *e);
struct session *erp_session(struct erp *e);

/* GetApplicationVersion: "ping" and version. */
enum ec erp_version(struct erp *e, struct arena *a, char **ret, struct err *reterr);
/* Legal entities that the user may see: code in lower case, name. */
typedef enum ec erp_company_fn(void *arg, struct cell code, struct cell name, struct err *reterr);
enum ec erp_companies(struct erp *e, erp_company_fn *fn, void *arg, struct err *reterr);
/*
 * Dual-write projects of F&O (a row = the map is started; its status tells paused from running; no row = stopped).
 * EC_NOTFOUND: this environment does not offer the entity, so nothing is known.
 */
typedef enum ec erp_dualwrite_fn(void *arg, struct cell fno_label, struct cell dv_set, struct cell status,
                                 struct err *reterr);
enum ec erp_dualwrite(struct erp *e, erp_dualwrite_fn *fn, void *arg, struct err *reterr);

/* Metadata of the entity with this DMF label into the schema. EC_NOTFOUND: no such label. */
enum ec erp_load_entity(struct erp *e, struct cell label, struct schema *s, struct err *reterr);

#endif

/*
 * erp_probe.h -- may we, and what does a record look like: small reads for checks before a run.
 * Layer: erp. Sources: "Troubleshoot service authentication" (a valid token of an application that is not registered, and one
 * whose user lacks a privilege, both answer 403; $metadata answers anybody, so an entity has to be read).
 */
#ifndef ERP_ERP_PROBE_H
#define ERP_ERP_PROBE_H

#include "erp/erp.h"

struct erp_probe {
    bool readable; /* false: 403 */
    bool found; /* there is a record */
    bool etags; /* it carried @odata.etag; only told when found */
};
/* One record of the entity's set. Errors other than a refusal of this very entity are returned. */
enum ec erp_probe_entity(struct erp *e, const struct fno_entity *en, struct erp_probe *ret, struct err *reterr);
/* Is the entity in data management's list? A list that was not refreshed after an update lacks it, and packages fail. */
enum ec erp_probe_listed(struct erp *e, struct cell label, bool *ret, struct err *reterr);

#endif

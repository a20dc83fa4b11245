/*
 * dv_admin.h -- what an environment does to our rows, and what we may do there: custom steps, privileges, version.
 * Layer: dv. Sources: Dataverse "Bypass custom Dataverse logic" (the query for custom steps, the two privileges and their ids),
 * "RetrieveUserPrivileges Function", "RetrieveVersion Function".
 */
#ifndef DV_DV_ADMIN_H
#define DV_DV_ADMIN_H

#include "dv/dv.h"

#define DV_PRIVILEGE_BYPASS_LOGIC "0ea552b0-a491-4470-9a1b-82068deccf66" /* prvBypassCustomBusinessLogic */
#define DV_PRIVILEGE_BYPASS_PLUGINS "148a9eaf-d0c4-4196-9852-c3a38e35f6a1" /* prvBypassCustomPlugins */

struct dv_step {
    struct cell name;
    bool synchronous; /* runs inside our call */
};
typedef enum ec dv_step_fn(void *arg, const struct dv_step *s, struct err *reterr);
/* Active custom steps on a table and message ("Create", "Update", "CreateMultiple" ...). */
enum ec dv_custom_steps(struct dv *d, struct cell logical, const char *message, dv_step_fn *fn, void *arg,
                        struct err *reterr);
/* Privileges of a user by name (absent where the service does not tell) and id. EC_NOTFOUND: it does not tell at all. */
typedef enum ec dv_privilege_fn(void *arg, struct cell name, struct cell id, struct err *reterr);
enum ec dv_privileges(struct dv *d, const char *user_id, dv_privilege_fn *fn, void *arg, struct err *reterr);
/* What a table's privileges are called by: "prvCreate" and this. Order lines and their like have those of their document ("Privileges
 * by entity": SalesOrder, SalesOrderDetail). */
struct cell dv_privilege_stem(struct cell logical);
/* One row of the table; false: refused for want of a privilege. */
enum ec dv_probe_read(struct dv *d, const struct dv_table *t, bool *ret_readable, struct err *reterr);
/* "9.2.24012.00155"; EC_NOTFOUND when it is not told. */
enum ec dv_version(struct dv *d, struct arena *a, char **ret, struct err *reterr);

#endif

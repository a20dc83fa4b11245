/*
 * emu_dmf.h -- data management (DMF): what the rest of the emulator may call.
 *
 * The part owns all paths under /data/DataManagement...: the package actions, the project and job entity sets, the
 * job queue with its staging tables, and exports with their change positions. Facts follow "Data management package
 * REST API" (Finance & Operations documentation) and what public clients report about live environments.
 */
#ifndef EMU_DMF_H
#define EMU_DMF_H

#include "emu.h"

void emu_dmf_init(struct emu *e); /* tables and folders; safe on a state that exists */
/*
 * Brings every job to emu_now_ms(). To be called, under the lock, before each F&O request, and before anything else
 * that looks at F&O rows (dumps): a job's rows are written when its time has come, not when its client asks.
 */
void emu_dmf_tick(struct emu *e);
/* Answers /data/DataManagement...; false = no such path. The caller has checked the token. */
bool emu_dmf_handle(struct emu *e, struct emu_request *q, struct emu_response *r);

/*
 * The i-th action on DataManagementDefinitionGroups, for the metadata service; false = no more. `parameters` is a
 * comma list of "type name" (s = Edm.String, b = Edm.Boolean, i = Edm.Int32; '?' in front = optional). `returns` is
 * one of s, b, c (collection of strings), - (nothing).
 */
bool emu_dmf_action(size_t i, const char **ret_name, const char **ret_parameters, char *ret_returns);

#endif

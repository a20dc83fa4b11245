/*
 * emu_dualwrite.h -- running dual-write maps: states, propagation of committed writes in both directions, vetoes.
 *
 * A map pairs one F&O entity (by label) with one Dataverse set. Its document comes from --maps DIR. Stopped: nothing
 * happens. Running: a write on one side is carried to the other inside the same savepoint; a refusal there vetoes it.
 * Paused: what would have been carried is queued, and replayed in order when the map runs again. Writes that came
 * through a map never go back through it. See "Dual-write live synchronization" and "Pause for maintenance".
 */
#ifndef EMU_DUALWRITE_H
#define EMU_DUALWRITE_H

#include "emu.h"

void emu_dualwrite_init(struct emu *e); /* reads the map files; after emu_dv_init() */
/*
 * state: "running", "paused", "stopped"; reached after dw_change_ms. queue: what becomes of a paused map's queue when it runs
 * again: NULL or "replay", "discard", "preserve" (as catch-up errors). False with a message: no such pair, unknown state, or a
 * state that cannot follow the present one (only a running map can be paused).
 */
bool emu_dualwrite_set(struct emu *e, const char *label, const char *set, const char *state, const char *queue,
                       char *msg, size_t msg_size);
/* The management gateway (emu_gateway.c). */
void emu_gateway_handle(struct emu *e, struct emu_request *q, struct emu_response *r);
/* [{"fno":...,"dataverse":...,"state":...,"queued":n,"errors":n}, ...] for the admin port. */
void emu_dualwrite_list(struct emu *e, struct strbuf *out);
/* GET /data/DualWriteProjectConfigurations: a running or paused map has its rows, a stopped one none. */
bool emu_dualwrite_fno_odata(struct emu *e, struct emu_request *q, struct emu_response *r);

/* Beside the two hooks in emu.h. Called before a row goes, with its key or id. */
bool emu_dualwrite_fno_deleting(struct emu *e, const struct emu_entity *en, const char *company,
                                const struct emu_value *key, size_t n, char *msg, size_t msg_size);
bool emu_dualwrite_dv_deleting(struct emu *e, const struct emu_table *t, const char *id, char *msg, size_t msg_size);
/*
 * As emu_dualwrite_dv_written(), told which columns the write named: an update without a mapped column is not carried.
 */
bool emu_dualwrite_dv_touched(struct emu *e, const struct emu_table *t, const char *id, bool created,
                              const char *const *columns, size_t n, char *msg, size_t msg_size);

#endif

/*
 * emu_fault.h -- injected faults. Rules are read from --fault FILE or POST /faults (docs/emulator.md); they count and
 * draw under the lock, so that the same seed and the same requests give the same faults.
 */
#ifndef EMU_FAULT_H
#define EMU_FAULT_H

#include "emu.h"

/* Replaces all rules. False: nothing changed, `msg` names the line. */
bool emu_fault_load(struct emu *e, const char *text, size_t n, char *msg, size_t msg_size);
/* The rules as they were given, for GET /faults. */
const char *emu_fault_text(const struct emu *e);

/* What the rules want done to one request. */
struct emu_fault_plan {
    int status; /* 0 = none: answered instead of the service */
    int64_t retry_after; /* seconds, -1 = no header */
    bool drop_before, drop_after, garbage, expire_sas;
    size_t cut; /* octets of the body after which the connection is cut, 0 = none */
    int64_t delay_ms;
};
/* Called once per request before it is answered; import settings are kept for emu_fault_import(). */
void emu_fault_match(struct emu *e, const struct emu_request *q, struct emu_fault_plan *ret);
/*
 * For the import that is being answered: "stop-at" = row after which the job ends (0 = none), "partial" = 1 when it
 * ends PartiallySucceeded instead of Failed, "fail-rows" = every n-th row fails (0 = none).
 */
int64_t emu_fault_import(struct emu *e, const char *what);
/* Are signed URLs to be taken for expired while this request is answered? */
bool emu_fault_sas_expired(const struct emu *e);
void emu_fault_free(struct emu *e);

#endif

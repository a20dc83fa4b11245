/*
 * handoff.h -- a map that is proven equal is given over to dual-write, with no gap.
 * Layer: sync. Positions were recorded before the snapshots of the verdict. Both feeds are drained; the map is started without initial
 * sync; it is *seen* running, in the version that was compared; both feeds are read once more from the drained positions, and what is
 * there is merged; the keys concerned are compared once more; only then the map counts as handed over. What was begun is continued by
 * the same command. Errors: EC_GUARD (not proven, cannot be started this way, another version runs), EC_LIMIT (not seen running in time),
 * EC_DIFFERENT (the keys of the gap do not come to rest). Threads: one.
 */
#ifndef SYNC_HANDOFF_H
#define SYNC_HANDOFF_H

#include "sync/apply.h"

enum ec handoff_dual_write(struct map_ctx *m, struct err *reterr);
/* Was the map asked to start by an earlier handoff that did not end? */
bool handoff_begun(struct map_ctx *m);

#endif

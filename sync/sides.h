/*
 * sides.h -- diff and parity over sides that the user names: --fno-from and --dataverse-from.
 * Layer: sync. `csv:FILE` (plain or .zst), `stored` (the last published snapshot). No service is asked: the
 * metadata is the saved one. A verdict over such sides is one "as of" the files: printed, never stored, and opens no gate.
 */
#ifndef SYNC_SIDES_H
#define SYNC_SIDES_H

#include "sync/compare.h"

bool sides_given(const struct app *app); /* is either option there? */
/* Both are there and well-formed, and one map is meant. */
enum ec sides_check(struct app *app, const struct pair *p, struct err *reterr);
/* As compare_map(). Two plain files are compared straight; with --keep, or from other sources, through published snapshots. */
enum ec sides_compare(struct map_ctx *m, struct arena *a, struct comparison *ret, struct err *reterr);

#endif

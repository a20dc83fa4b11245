/*
 * earlier.h -- which rows of F&O are ours: those that an earlier load of this workspace sent. Layer: loader. Threads: one.
 * A row that an earlier load left out, because F&O held it already, is not ours for having been in its file.
 */
#ifndef LOADER_EARLIER_H
#define LOADER_EARLIER_H

#include "loader/public/pair.h"

struct earlier;
/* Of the loads before run_id, the newest EARLIER_MAX whose rows are kept. *ret is NULL when there is none. */
enum { EARLIER_MAX = 32 };
enum ec earlier_open(struct map_ctx *m, int64_t run_id, struct earlier **ret, struct err *reterr);
void earlier_close(struct earlier *e); /* NULL is fine */
enum ec earlier_has(struct earlier *e, struct digest key, bool *ret, struct err *reterr); /* e may be NULL */

#endif

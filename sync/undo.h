/*
 * undo.h -- what one run overwrote of a map, and giving it back. Layer: sync. Errors: EC_STATE (nothing was kept for the run, the
 * source has other columns now), those of the clients and of the load. Threads: one.
 *
 * With [load] undo = yes a load keeps, durably, what each side held before it wrote: F&O's rows as a leaf file (they are read
 * anyway, to tell what exists), Dataverse's as rows of the table undo_row. Undo compares three states of each field: before, as the
 * run wrote it, and now. What is still as the run wrote it goes back; what was changed since stays and is counted. Rows that the run
 * created are listed, never deleted.
 */
#ifndef SYNC_UNDO_H
#define SYNC_UNDO_H

#include "sync/pairing.h"

struct undo_counts {
    uint64_t rows; /* to be given back */
    uint64_t back; /* overwritten, and as they were before already */
    uint64_t changed; /* rows with a field that somebody else has changed since: it stays */
    uint64_t gone, created; /* not there any more; created by the run and still there */
    char *file, *created_file; /* "" = no such rows */
};
/* The inverse set, as files in .dmfsync/undo/. EC_NOTFOUND = nothing was kept for that side. Texts in `a`. */
enum ec undo_fno_plan(struct map_ctx *m, int64_t of_run, struct arena *a, struct undo_counts *ret,
                      struct err *reterr);
enum ec undo_dv_plan(struct map_ctx *m, struct dict *d, int64_t of_run, struct arena *a, struct undo_counts *ret,
                     struct err *reterr);
/* Writing it: F&O's file by packages, as any load; Dataverse's rows in bulk. */
enum ec undo_fno(struct map_ctx *m, const struct run *run, const char *file, struct load_counts *ret,
                 struct err *reterr);
enum ec undo_dv(struct map_ctx *m, const struct run *run, struct dict *d, int64_t of_run, struct dvload_counts *ret,
                struct err *reterr);

#endif

/*
 * file_diff.h -- the delta of two side files straight from the files, nothing kept but the delta.
 * Layer: sync. Same classes, tables and counts as diff_run(). Each row is canonicalised and digested once; what is kept of it is 40
 * octets in a temporary file; partitions of keys are joined by all threads, and only rows that differ are read again, by their place.
 * Memory does not grow with rows. Both inputs are direct (file_read.h).
 */
#ifndef SYNC_FILE_DIFF_H
#define SYNC_FILE_DIFF_H

#include "sync/diff.h"
#include "sync/file_read.h"

/* in[0] F&O, in[1] Dataverse. */
enum ec file_diff(struct map_ctx *m, struct file_input in[2], unsigned jobs, struct arena *a, struct diff_result *ret,
                  struct err *reterr);

#endif

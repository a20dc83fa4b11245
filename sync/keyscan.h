/*
 * keyscan.h -- rows that are gone from F&O: its keys against the base. Incremental exports never tell of deletions, nor of rows that
 * left the map's filter.
 * Layer: sync. Reads the key (and what the filter needs) of every row, by OData, else by a full export; what the base has and F&O
 * has not goes into `pending` as deleted there. Errors: those of the clients. Threads: one.
 */
#ifndef SYNC_KEYSCAN_H
#define SYNC_KEYSCAN_H

#include "sync/verdict.h"

enum ec keyscan_fno(struct map_ctx *m, uint64_t *ret_rows, uint64_t *ret_gone, struct err *reterr);

#endif

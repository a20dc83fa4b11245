/* existing.h -- phase `existing` of a load. Layer: loader, private to it. */
#ifndef LOADER_EXISTING_H
#define LOADER_EXISTING_H

#include "loader/public/load.h"

/* Reads the target's rows when it has any; afterwards the load is in phase send. */
enum ec load_existing(struct map_ctx *m, int64_t run_id, struct err *reterr);

#endif

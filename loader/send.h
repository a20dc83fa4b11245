/* send.h -- drive the planned packages of one pass to settled. Layer: loader, private to it. */
#ifndef LOADER_SEND_H
#define LOADER_SEND_H

#include "loader/load_state.h"

/* Returns when every package of the pass is settled, empty or failed; the first error ends it (state is kept). */
enum ec send_packages(struct map_ctx *m, const struct run *run, int pass, int64_t expected_rows, struct err *reterr);

#endif

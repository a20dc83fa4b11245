/* load_state.h -- the stored state of one load, shared by lint, pack, send and settle. Layer: loader, private to it. */
#ifndef LOADER_LOAD_STATE_H
#define LOADER_LOAD_STATE_H

#include "loader/public/load.h"

#include <stdlib.h>

struct load_row {
    bool found;
    char phase[24], path[3200];
    int64_t octets, mtime_ns;
    uint64_t rows;
    bool unfit; /* some value does not fit into the CSV format: the map goes in XML (setting unfit) */
};
enum ec load_row(struct map_ctx *m, int64_t run_id, struct load_row *ret, struct err *reterr);
enum ec load_phase_set(struct map_ctx *m, int64_t run_id, const char *phase, struct err *reterr);
/* EC_STATE when the file is not the one that was linted. */
enum ec load_check_source(struct map_ctx *m, const struct load_row *l, struct err *reterr);
size_t source_load_only(const struct source *s); /* bound columns that the map does not have */

#endif

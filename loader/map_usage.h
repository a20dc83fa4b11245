/*
 * map_usage.h -- which mapped fields never vary in the source rows: each of them is one more reason to send a row.
 * Layer: loader. Reads the map's source once, without keeping rows.
 */
#ifndef LOADER_MAP_USAGE_H
#define LOADER_MAP_USAGE_H

#include "loader/map_files.h"
#include "map/bind.h"

/*
 * ret_only[i] (one per field of the map, in the arena of `f`): the value that field i has in all good rows, empty where it is
 * blank in all; absent: it varies, is part of the key, or is not in the source. *ret_rows = good rows.
 */
enum ec map_usage(struct map_files *f, const struct map_file *m, struct binding *b, struct cell **ret_only,
                  uint64_t *ret_rows, struct err *reterr);

#endif

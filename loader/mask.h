/*
 * mask.h -- one bit per source row, for the rows that need no exception of their own (unchanged, excluded).
 * Layer: loader. 8 KiB per 65,536 rows in memory, only for chunks with a bit set; stored in the table row_mask.
 */
#ifndef LOADER_MASK_H
#define LOADER_MASK_H

#include "loader/public/pair.h"

struct mask {
    unsigned char **chunks;
    size_t n;
    uint64_t set; /* bits set */
};
void mask_add(struct mask *k, uint64_t row_no); /* 1-based; setting twice counts once */
bool mask_has(const struct mask *k, uint64_t row_no);
void mask_merge(struct mask *k, const struct mask *with);
void mask_release(struct mask *k);
enum ec mask_store(struct map_ctx *m, int64_t run_id, const char *state, const struct mask *k, struct err *reterr);
enum ec mask_load(struct map_ctx *m, int64_t run_id, const char *state, struct mask *ret, struct err *reterr);
enum ec mask_count(struct map_ctx *m, int64_t run_id, const char *state, uint64_t *ret, struct err *reterr);

#endif

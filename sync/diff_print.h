/* diff_print.h -- the stored delta as signs, JSON lines, CSV or one HTML page. Layer: sync, private to `diff`. */
#ifndef SYNC_DIFF_PRINT_H
#define SYNC_DIFF_PRINT_H

#include "sync/delta_row.h"

enum diff_format { DIFF_SIGNS, DIFF_JSONL, DIFF_CSV, DIFF_HTML, DIFF_FORMATS };
bool diff_format_of(const char *word, enum diff_format *ret);
/* Before the first map and after the last one. */
void diff_print_begin(struct output *o, enum diff_format f, bool source);
void diff_print_end(struct output *o, enum diff_format f);
/* One map; res NULL = the counts are not known (a stored delta). An HTML page stops at a number of keys and says so. */
enum ec diff_print_map(struct map_ctx *m, enum diff_format f, const struct diff_result *res, uint64_t *ret_red,
                       struct err *reterr);
/* The same for source <-> F&O. */
void diff_print_source_begin(struct map_ctx *m, enum diff_format f);
void diff_print_source(struct map_ctx *m, enum diff_format f, const struct proof_cell *c);
void diff_print_source_end(struct map_ctx *m, enum diff_format f);

#endif

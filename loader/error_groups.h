/*
 * error_groups.h -- errors of one kind counted together, and what became of those of the run before.
 * Layer: loader, private to the command `errors`. Memory is bounded: kinds beyond the limit are counted as one.
 *
 * The run before is the state before the last retry of this load, where there was one; else the load before. A row is known
 * again by its key, a row without one by its line.
 */
#ifndef LOADER_ERROR_GROUPS_H
#define LOADER_ERROR_GROUPS_H

#include "loader/public/load.h"

enum { ERROR_GROUPS_MAX = 500 };
struct error_group {
    char *side, *stage, *code, *field, *message; /* the fingerprint */
    uint64_t hash, rows, fresh, gone; /* gone are not among the rows */
    int64_t line; /* of the first row, -1 = none */
    struct map_ctx *m;
};
struct error_groups {
    struct error_group *list;
    size_t n;
    struct strbuf text;
};
/* What the errors of a map's run are compared with. */
struct error_past {
    int64_t run_id, retry, before; /* before: the load before, 0 = none; retry: the last one of run_id, 0 = none */
};
enum ec error_past_of(struct map_ctx *m, int64_t run_id, struct error_past *ret, struct err *reterr);
bool error_past_any(const struct error_past *p);
/* Was this row among the errors before? */
enum ec error_was_there(struct map_ctx *m, const struct error_past *p, const struct exception *e, bool *ret,
                        struct err *reterr);
void error_groups_add(struct error_groups *g, struct map_ctx *m, const struct exception *e, bool fresh);
/* Errors of before that are gone, into their groups. */
enum ec error_groups_gone(struct error_groups *g, struct map_ctx *m, const struct error_past *p, struct err *reterr);
void error_groups_sort(struct error_groups *g); /* most rows first */
void error_groups_release(struct error_groups *g);

/* error_rejects.c: the failed rows of a load as they are, with why, to be corrected. *ret_path NULL = there are none. */
enum ec error_rejects(struct map_ctx *m, int64_t run_id, struct arena *a, char **ret_path, uint64_t *ret_rows,
                      struct err *reterr);

#endif

/*
 * package_rows.h -- which rows a package holds, and reading them: those of its range in the source, or the picked ones, from the
 * source or from the corrected file of a retry.
 * Layer: loader, private to it. Errors: EC_CONFIG, EC_IO, EC_STATE. Threads: one.
 *
 * Numbers, lines and offsets of the rows are always those of the source, which is what the ledger goes by.
 */
#ifndef LOADER_PACKAGE_ROWS_H
#define LOADER_PACKAGE_ROWS_H

#include "loader/mask.h"
#include "loader/package_row.h"

struct row_place {
    uint64_t row_no, line, offset; /* of the source; row_no 0 = not a row of ours */
};
struct package_rows {
    const struct package_row *p;
    struct source *src;
    struct mask pick;
    struct row_place *places; /* by number in the corrected file; NULL = the source itself */
    size_t n_places;
    bool over;
};
enum ec package_rows_open(struct map_ctx *m, const struct package_row *p, struct package_rows *ret,
                          struct err *reterr);
void package_rows_close(struct package_rows *k);
/* Is this row of the source in the package, as far as range and picks tell? */
bool package_rows_has(const struct package_rows *k, uint64_t row_no);
/* To the first row, again if need be; then row by row. Rows of other companies and refused ones come too. */
enum ec package_rows_begin(struct package_rows *k, struct err *reterr);
enum ec package_rows_next(struct package_rows *k, struct arena *a, struct source_row *ret, bool *ret_more,
                          struct err *reterr);
/* From the first row on, fn for each until one fails; what is begun here is ended, also where the program is asked to end. */
enum ec package_rows_each(struct package_rows *k, source_row_fn *fn, void *arg, struct err *reterr);

/* Rows (row_no, line, offset, in order of row_no) into `pick`; the first and the last one become `from`'s range. Ends the query. */
enum ec package_rows_pick(struct query *q, struct package_row *from, struct mask *pick, struct err *reterr);
/* Which corrected files the failed rows of a load are of, 0 = the source itself; to be freed. */
enum ec package_versions(struct map_ctx *m, int64_t run_id, int64_t **ret, size_t *ret_n, struct err *reterr);
/* The mask's name of a package's picked rows. */
char *package_pick_name(int64_t package_id, struct arena *a);
/*
 * A package of the rows in `pick`, of `like`'s company, pass and version, with like->id as its parent. A slice of 0 becomes the
 * next free one. *ret_id = the new package.
 */
enum ec package_plan_picked(struct map_ctx *m, struct package_row *like, const struct mask *pick, int64_t *ret_id,
                            struct err *reterr);

#endif

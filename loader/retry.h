/*
 * retry.h -- failed rows of a load once more, as they were or as a corrected file has them.
 * Layer: loader, private to it. Writes the tables retry, retry_row and exception_past. Errors: EC_CONFIG (a file that does not
 * fit), EC_STATE (the load is not over), EC_IO. Threads: one.
 *
 * A retry is a run of its own, but the ledger stays that of the load: its rows get new packages in that ledger, their exceptions
 * go to exception_past, and the packages that had counted them count one less (`moved`). A corrected file is copied, so that the
 * user may go on editing; its rows are joined to those of the source by file and line, and take their places in the
 * source's leaf file. What is still wrong is rejected again. Everything is planned in one transaction.
 */
#ifndef LOADER_RETRY_H
#define LOADER_RETRY_H

#include "loader/load_state.h"

/* Our copy of the corrected file of a retry, absolute. */
char *retry_file(const struct map_ctx *m, int64_t retry, struct arena *a);

struct retry_row {
    bool found; /* planned already, by this very run */
    int64_t load_run;
    uint64_t taken, again, waiting;
};
enum ec retry_get(struct map_ctx *m, int64_t retry, struct retry_row *ret, struct err *reterr);
/* What a retry of this load would take up: rows to send as they are, rows that need correction, packages that F&O refused. */
struct retry_offer {
    uint64_t rows, need_correction, packages;
};
enum ec retry_offer(struct map_ctx *m, int64_t load_run, struct retry_offer *ret, struct err *reterr);
/* Plans the packages. file NULL = the rows as they were. The load must be settled. */
enum ec retry_plan(struct map_ctx *m, const struct run *run, int64_t load_run, const char *file, struct err *reterr);
/* Checks that a file fits this load without changing anything; *ret_rows = its rows that are among the failed ones. */
enum ec retry_check_file(struct map_ctx *m, int64_t load_run, const char *file, uint64_t *ret_rows,
                         struct err *reterr);

#endif

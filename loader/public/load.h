/*
 * load.h -- the bulk stage towards F&O: lint a source, cut it into packages, send them, settle every row.
 * Layer: loader/public. Errors: EC_FNO, EC_NET, EC_LIMIT, EC_ROWS is not an error here: counts say it. Threads: one.
 *
 * load_map() may be called again after the process ended at any moment: it continues at the stored phase and package states.
 * Nothing that may have reached the service is sent twice: the execution id is stored first, a lost answer is looked up.
 */
#ifndef LOADER_PUBLIC_LOAD_H
#define LOADER_PUBLIC_LOAD_H

#include "loader/public/catalog.h"
#include "loader/public/source.h"
#include "store/leaf.h"

struct load_counts { /* places of source rows on the F&O side; they sum to `rows` */
    uint64_t rows, landed, unchanged, rejected, parked, unsent, excluded, unknown;
    uint64_t defaulted, changed; /* proof source <-> F&O, filled by the sync stage */
    uint64_t packages, created, updated, sent_octets;
};
/* Profiles the rows, stores exceptions, the leaf file of good rows and the planned packages. Idempotent per run. */
enum ec load_lint(struct map_ctx *m, const struct run *run, struct err *reterr);
/* Lint, existing-row check, both passes, settled. The map needs a source. */
enum ec load_map(struct map_ctx *m, const struct run *run, struct load_counts *ret, struct err *reterr);
/*
 * The same, but what is left for the second pass is not sent: the rows that it refers to are of a map that comes later (a cycle;
 * wave_waits_for() tells). load_map() ends it.
 */
enum ec load_first_pass(struct map_ctx *m, const struct run *run, struct load_counts *ret, struct err *reterr);
enum ec load_counts(struct map_ctx *m, int64_t run_id, struct load_counts *ret, struct err *reterr);
/* The command `load` for files into F&O, of the maps that the command line names. */
enum ec load_files(struct app *app, struct err *reterr);
/*
 * [load] undo, or the map's own: previous values are kept, durably, before the first row of a side is overwritten in a run. For F&O it
 * is the leaf file of its rows (cells of fno_shape_of()), for Dataverse a table that sync writes. undo_kept() says where it is: ""
 * = the side was empty; EC_NOTFOUND (no message) when nothing was kept for the run, EC_STATE when the source has other columns now.
 */
bool undo_wanted(const struct map_ctx *m);
enum ec undo_note(struct map_ctx *m, int64_t run_id, const char *side, const char *file,
                  const struct fno_shape *shape, struct err *reterr);
enum ec undo_kept(struct map_ctx *m, int64_t run_id, const char *side, const struct fno_shape *shape, struct arena *a,
                  char **ret_path, struct err *reterr);
/* Which rows of its source a run did not send to F&O: refused before, unchanged, kept as they were, out of scope. */
struct load_left;
enum ec load_left_open(struct map_ctx *m, int64_t run_id, struct load_left **ret, struct err *reterr);
enum ec load_left_has(struct load_left *l, uint64_t row_no, bool *ret, struct err *reterr);
void load_left_close(struct load_left *l);
/* F&O's rows of the map as a leaf file; *ret_rows may be NULL. */
enum ec load_read_fno(struct map_ctx *m, const struct fno_shape *shape, const char *path, uint64_t *ret_rows,
                      struct err *reterr);
/* Newest run that loaded this map, 0 = none. */
int64_t load_last_run(struct map_ctx *m);
/*
 * The file that was loaded, as messages name it (relative to the workspace), "" = none; *ret_own false = not the map's source, but a
 * file made of the other side's rows (sync/pairing.h).
 */
const char *load_file_name(struct map_ctx *m, int64_t run_id, struct arena *a, bool *ret_own);
/* Absolute path of the source's leaf file of that run; NULL = none. */
char *load_source_file(struct map_ctx *m, int64_t run_id, struct arena *a);

/* The extra octets of a source leaf row: its place. */
struct source_place {
    uint64_t row_no, line, offset;
};
bool source_place_read(struct cell extra, struct source_place *ret);
/* Such a row, of a good row of the source; borrows from it and from *place, which is set. */
struct leaf_row source_leaf_row(const struct binding *b, const struct source_row *r, struct source_place *place,
                                struct arena *a);

/* Exceptions of either side, for errors and reports. */
struct exception {
    const char *side;
    int64_t row_no, line, offset; /* -1 = none */
    struct cell key;
    const char *state, *stage;
    struct cell field, code, message;
    int64_t package_id; /* 0 = none */
    int64_t version, retry; /* as in the table row_exception */
    const char *package, *execution; /* only when listed: file name of the package, id of its execution; "" = none */
};
enum ec exception_add(struct map_ctx *m, int64_t run_id, const struct exception *e,
                      struct err *reterr); /* inside a transaction */
enum ec exception_clear(struct map_ctx *m, int64_t run_id, const char *side, struct err *reterr);
enum ec exception_list(struct map_ctx *m, int64_t run_id,
                       enum ec (*fn)(void *arg, const struct exception *e, struct err *reterr), void *arg,
                       struct err *reterr);

#endif

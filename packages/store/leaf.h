/*
 * leaf.h -- all rows of one side at one moment, as packed leaves in one SQLite file.
 * Layer: store (data/). Errors: EC_IO, EC_DISK, EC_DB, EC_FORMAT (damaged file). Threads: one owner each.
 *
 * A row has a key digest, a row digest (0 = not digested), canonical cells and a few extra octets (a source row's place, a
 * Dataverse row's id and version). A leaf holds the rows whose key digests share their top `bits` bits, in digest order;
 * its sum of row digests lets equal leaves of two files be skipped unread. Rows come in any order: they are spilled to one
 * temporary file in partitions with extents and sorted partition by partition, so memory does not grow with rows. One
 * `bits` per map is shared by all its files; files with other bits still compare, only without skipping.
 *
 * File: table meta(name, value); leaf(no primary key, rows, sum, index_, body): index_ = 32 octets per row (key digest,
 * row digest, big-endian), body = zstd of the packed rows in the same order. company(name, rows, sum) has the totals per
 * company. Published by rename; opened read-only and immutable.
 */
#ifndef STORE_LEAF_H
#define STORE_LEAF_H

#include "data/canon.h"
#include "store/store.h"

struct leaf_row {
    struct digest key, row;
    const struct cell *cells; /* n_cells of the file */
    struct cell extra; /* may be absent */
    struct cell company; /* absent = shared; for the totals per company */
};
struct leaf_builder;
/* bits < 0: chosen from the number of rows (about 256 rows a leaf). tmp_dir gets the spill file; `path` appears on finish. */
enum ec leaf_build(const char *path, const char *tmp_dir, int bits, size_t n_cells, struct leaf_builder **ret,
                   struct err *reterr);
enum ec leaf_add(struct leaf_builder *b, const struct leaf_row *row, struct err *reterr);
/*
 * Several threads: leaf_build_jobs() before the first row, then leaf_add_from() by each thread under its own number (below jobs).
 * `order` decides which of two rows with one key is kept: the lower one.
 */
void leaf_build_jobs(struct leaf_builder *b, unsigned jobs);
enum ec leaf_add_from(struct leaf_builder *b, unsigned writer, uint64_t order, const struct leaf_row *row,
                      struct err *reterr);
/* May be called before leaf_finish(): text kept in the file (when it began, where it came from, its cursor). */
void leaf_meta(struct leaf_builder *b, const char *name, const char *value);
struct leaf_finish_hooks {
    /* A row just before it goes into its leaf: may change cells (lookups that only now can be resolved) and must then set
     * row->key and row->row again (the key must not change its partition: only non-key cells may change). NULL = none. */
    enum ec (*last_look)(void *arg, struct cell *cells, struct leaf_row *row, struct arena *scratch,
                         struct err *reterr);
    /* The same key twice: `kept` went in first (by `order`), `other` is dropped. NULL = duplicates only counted. */
    enum ec (*duplicate)(void *arg, const struct leaf_row *kept, const struct leaf_row *other, struct err *reterr);
    void *arg;
};
struct leaf_totals {
    uint64_t rows, duplicates;
    struct digest sum;
    int bits;
};
/* Sorts, writes, syncs and publishes. Frees the builder in every case; on error nothing is left at `path`. */
enum ec leaf_finish(struct leaf_builder *b, const struct leaf_finish_hooks *hooks, struct leaf_totals *ret,
                    struct err *reterr);
void leaf_abandon(struct leaf_builder *b);

struct leaf_file;
enum ec leaf_open(const char *path, struct leaf_file **ret, struct err *reterr);
void leaf_close(struct leaf_file *f);
const struct leaf_totals *leaf_totals(const struct leaf_file *f);
size_t leaf_cells(const struct leaf_file *f);
const char *leaf_get_meta(struct leaf_file *f, const char *name, struct arena *a); /* NULL = none */
struct leaf_company {
    char name[16];
    uint64_t rows;
    struct digest sum;
};
enum ec leaf_companies(struct leaf_file *f, struct arena *a, struct leaf_company **ret, size_t *ret_n,
                       struct err *reterr);
/* One row by key digest; cells and extra live in `a`. */
enum ec leaf_find(struct leaf_file *f, struct digest key, struct arena *a, struct leaf_row *ret, bool *ret_found,
                  struct err *reterr);

/*
 * Walk in key-digest order. One file: every row. Two files: the merge; with skip_equal, leaves that both files have equal
 * are passed over (their rows are counted in *ret_skipped). A row given by leaf_walk_next() lives until the next call.
 */
struct leaf_walk;
enum ec leaf_walk_new(struct leaf_file *a, struct leaf_file *b, bool skip_equal, struct leaf_walk **ret,
                      struct err *reterr);
struct leaf_pair {
    bool in_a, in_b;
    struct digest key;
    struct leaf_row a, b;
};
/* Rows with equal row digests come with cells NULL unless want_equal. false at the end (or on error: check reterr->code). */
enum ec leaf_walk_next(struct leaf_walk *w, bool want_equal, struct leaf_pair *ret, bool *ret_more,
                       struct err *reterr);
uint64_t leaf_walk_skipped(const struct leaf_walk *w); /* rows in skipped leaves */
void leaf_walk_free(struct leaf_walk *w);

#endif

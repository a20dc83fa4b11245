/*
 * dict.h -- Dataverse ids by business key and back, one dictionary file per run, bounded memory.
 * Layer: loader/public. A lookup in Dataverse is a GUID, in F&O a business key; every target table of the maps at hand gets
 * its rows here: from Dataverse itself, read once per run with only key columns (filled even where no map covers the
 * table). The file is a SQLite database in .dmfsync/tmp, thrown away with the run.
 */
#ifndef LOADER_PUBLIC_DICT_H
#define LOADER_PUBLIC_DICT_H

#include "dv/dv.h"
#include "loader/public/pair.h"

struct dict;
enum ec dict_open(struct pair *p, struct dict **ret, struct err *reterr);
/* Rows of Dataverse's tables from elsewhere: each as a record of the Web API, with the columns that `select` names. */
struct dict_source {
    enum ec (*scan)(void *arg, const struct dv_table *t, const char *select, json_row_fn *row, void *row_arg,
                    struct err *reterr);
    void *arg;
    const char *as_of; /* the rows are as they were then, UTC */
};
enum ec dict_open_from(struct pair *p, const struct dict_source *source, struct dict **ret, struct err *reterr);
const struct dict_source *dict_source(const struct dict *d); /* NULL = Dataverse itself */
void dict_close(struct dict *d);
/* Lazy: nothing is loaded up front, each miss asks Dataverse for that one row (for sync, where few rows change). */
void dict_lazy(struct dict *d);
void dict_eager(struct dict *d); /* back again: dict_load() loads */
/* A miss that was not an answer but a failure (network): the caller must not take it for "no such row". */
enum ec dict_failed(const struct dict *d, struct err *reterr);
/* What failed is dealt with: the dictionary may be asked again (one map's failure is not that of the next). */
void dict_forgive(struct dict *d);
/* Lazy dictionaries: the rows of these ids that are not known yet, in as few requests as fit. */
enum ec dict_want(struct dict *d, const struct bound_lookup *l, const struct cell *ids, size_t n, struct err *reterr);
/* A row of the map's own table was read or written: what is known of its id (as a lookup's target) is put right. */
enum ec dict_saw(struct dict *d, const struct binding *b, const struct cell *row, struct cell id, struct err *reterr);
const char *dict_organization(const struct dict *d); /* Dataverse organisation id, read on opening */
/* Reads the rows of the map's own table (for its self lookups, after its rows were written). */
enum ec dict_load_self(struct dict *d, const struct binding *b, struct err *reterr);
/* The caller is about to dict_add() every row of the map's own table: forgets what was known of it. */
enum ec dict_expect_self(struct dict *d, const struct binding *b, struct err *reterr);
/* Loads the target tables of a binding's lookups that are not loaded yet; `fresh` reads them again. Self lookups are left out. */
enum ec dict_load(struct dict *d, const struct binding *b, bool fresh, struct err *reterr);
/* Rows were made in this table: who looks it up next reads it again (what is known of it stays). */
void dict_stale(struct dict *d, const struct dv_table *t);
enum ec dict_add(struct dict *d, const struct dv_table *t, struct cell company, const struct cell *parts, size_t n,
                 struct cell id, struct err *reterr);
/*
 * Key parts of a target row by id, and its id by company (absent = shared) and parts; key case is folded. Texts live in `a`.
 */
bool dict_by_id(struct dict *d, const struct dv_table *t, const struct cell *columns, size_t n, struct cell id,
                struct arena *a, struct cell *ret_parts);
bool dict_by_key(struct dict *d, const struct dv_table *t, const struct cell *columns, size_t n, struct cell company,
                 const struct cell *parts, struct arena *a, struct cell *ret_id);

#endif

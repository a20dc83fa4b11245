/*
 * source.h -- a source file bound to the staging fields of the entity that is loaded.
 * Layer: loader/public. Errors: EC_CONFIG (a header bound to nothing, a missing key column, twice bound: all of them in one
 * message), EC_IO, EC_FORMAT. A broken row is returned as such, never an error.
 *
 * A header binds, case-insensitively, to a staging field (or public property) of the loaded entity; columns.HEADER = FIELD,
 * const.FIELD = value and ignore adjust that. Company: the column DATAAREAID (bound or constant), else one company in
 * companies; it chooses the legal entity and is not written into the data file.
 */
#ifndef LOADER_PUBLIC_SOURCE_H
#define LOADER_PUBLIC_SOURCE_H

#include "data/csv.h"
#include "loader/public/pair.h"

/* What one bound column is. */
struct source_field {
    const struct fno_field *f;
    int column; /* index in the CSV row, -1 = constant */
    struct cell constant;
    struct canon_rule rule; /* by F&O type: enums as element names */
    int bound; /* index in the binding's fields, -1 = load-only */
    bool later; /* part of a lookup of the same table, or of one that closes a cycle: second pass only */
    bool key;
};
struct source_row;
/* One fault of a row; the row's first one makes its verdict. `r` is the row as far as it is read. */
typedef void source_fault_fn(void *arg, const struct source_row *r, const char *code, struct cell field,
                             struct cell value, const char *why);
struct source {
    struct map_ctx *m;
    struct arena arena;
    char *path;
    struct source_field *fields;
    size_t n;
    int company_column; /* -1 = constant */
    struct cell company;
    struct canon_format format;
    struct csv_reader *csv;
    bool has_later;
    int *at_field; /* per field of the bound entity: index in `fields`, -1 = the source does not have it */
    const bool *wanted; /* rows that are recognised quickly: bound fields of which the canonical cell is made */
    struct csv_row row; /* read last */
    struct source_quick *quick; /* source_quick.h; NULL = every row is looked at in full */
    source_fault_fn *on_fault; /* asks for every fault, not only the first of a row; NULL = nobody asks */
    void *fault_arg;
};
/* Columns of a reject file that are not data: a corrected one is a source like any other. */
#define SOURCE_REJECT_PREFIX "dmfsync_"
enum ec source_open(struct map_ctx *m, struct source **ret, struct err *reterr);
/* The same with another file in the place of the map's source; absolute, or relative to the workspace. */
enum ec source_open_file(struct map_ctx *m, const char *file, struct source **ret, struct err *reterr);
void source_close(struct source *s);

enum source_verdict { SOURCE_GOOD, SOURCE_REJECTED, SOURCE_OTHER_COMPANY };
struct source_row {
    uint64_t number, line, offset;
    struct cell company; /* lower case; "" = shared */
    struct cell
        *values; /* n cells, canonical in F&O's vocabulary (element names, ISO dates); absent = not supplied */
    struct cell *canon; /* the binding's canonical row, then the load-only fields in source-field order */
    const struct cell *raw; /* n_raw cells as they are in the file; with a fault of the CSV maybe fewer */
    size_t n_raw;
    struct cell raw_text; /* the row's text, only when the CSV could not be read */
    struct cell key; /* readable key, absent when it could not be made */
    enum source_verdict verdict;
    /* Values-only rows: a bit per value, whether it is the cell as it stands in the file (source->row.plain). Only where quick
     * is set, and of sources with at most 64 fields. */
    uint64_t verbatim;
    bool quick;
    struct cell field, value; /* of the first fault */
    const char *code; /* rule that refused it: "csv", "company", "date", "decimal", "enum", "length", "key" ... */
    const char *why;
};
/* Next row; everything lives in `a`. */
enum ec source_next(struct source *s, struct arena *a, struct source_row *ret, bool *ret_more, struct err *reterr);
/*
 * Calls fn for the rows from here to the last, each with an arena of its own, until fn fails or the program is asked to end
 * (EC_STOPPED). fn may change the row.
 */
typedef enum ec source_row_fn(void *arg, struct source_row *r, struct arena *a, struct err *reterr);
enum ec source_each(struct source *s, source_row_fn *fn, void *arg, struct err *reterr);
/*
 * For packages: from here on good rows may come with their values only (canon NULL, key absent), and values stand in the
 * reader's memory until the next row. source_whole() makes the rest of the row that was read last.
 */
void source_values_only(struct source *s);
/* The same, but with the canonical cells of the bound fields that are `wanted` (the key's among them) and with the key. */
void source_some_canonical(struct source *s, const bool *wanted);
/* What such rows must have: the fields of the key and of the company. The source's own, n of the binding. */
bool *source_key_fields(struct source *s);
void source_whole(struct source *s, struct arena *a, struct source_row *ret);
/* What source_next() does with the row in s->row when it is read. */
void source_look(struct source *s, struct arena *a, struct source_row *ret);
enum ec source_seek(struct source *s, uint64_t number, uint64_t line, uint64_t offset, struct err *reterr);

/*
 * Cells of an F&O leaf row of this map: the binding's fields, then the load-only fields of the source. The same layout is
 * used for source rows and for F&O snapshots, so that source <-> F&O compares cell by cell.
 */
struct fno_shape {
    size_t n; /* binding->n + load-only */
    const struct fno_field **extra; /* n - binding->n */
    struct canon_rule *rules; /* n */
    struct cell *names; /* n: staging names for messages */
    bool *supplied; /* n: is in the source (bound column or constant) */
};
/* NULL source settings: only the binding's fields. */
enum ec fno_shape_of(struct map_ctx *m, struct arena *a, struct fno_shape *ret, struct err *reterr);

#endif

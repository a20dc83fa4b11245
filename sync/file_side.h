/*
 * file_side.h -- one side's rows from a file with that side's own columns, as canonical rows of the map.
 * Layer: sync. Errors: EC_CONFIG (a column that the map compares is not in the file: all of them in one message), EC_FORMAT, EC_IO.
 *
 * F&O's file has staging fields (or property names) for headers, Dataverse's has columns as the map names them: `accountnumber`, for
 * lookups the key column of the target (`msdyn_customergroupid.msdyn_groupid`, or the lookup's own name where it has one key
 * column), for the company its code. Other columns of the file are counted, not read. Threads: a file_side is immutable once
 * opened; each thread has a worker of its own.
 */
#ifndef SYNC_FILE_SIDE_H
#define SYNC_FILE_SIDE_H

#include "data/csv_scan.h"
#include "loader/public/source.h"

/* How a field's cell is made. */
enum side_how {
    SIDE_CONSTANT,
    SIDE_TEXT, /* hashed as it stands */
    SIDE_FOLDED, /* a text hashed without case */
    SIDE_QUICK, /* a number or date */
    SIDE_WORDS,
    SIDE_FULL
};
struct side_field {
    enum side_how how;
    int column; /* in the file's rows, -1 = a constant */
    struct cell constant;
    const char *constant_why;
    struct cell constant_code; /* what is hashed of it */
    bool quick; /* a plain text, number or date: most cells are canonical as they stand */
    bool words; /* few values: each is made canonical once and remembered */
    bool text; /* quick, and a text: trailing blanks are all that may have to go */
    bool fold; /* hashed without case */
    bool zero; /* "0" is the default: hashed as nothing */
    bool hashed;
};
struct file_side {
    struct map_ctx *m;
    bool fno;
    const char *path; /* for messages */
    struct arena arena;
    struct cell *header;
    size_t header_n;
    struct side_field *fields; /* the binding's, then F&O's load-only fields */
    size_t n;
    const struct canon_rule *rules; /* n */
    const struct filter *filter;
    size_t unread; /* columns of the file that nothing is bound to */
    bool id_dictionary; /* lookups may be ids, resolved through `resolve` */
};
enum ec file_side_bind(struct map_ctx *m, bool fno, const char *path, const struct cell *header, size_t header_n,
                       struct file_side **ret, struct err *reterr);
void file_side_free(struct file_side *s);

/* One row; cells live until the next row of this worker, or as long as the row's text. */
struct side_row {
    const struct cell *cells;
    struct digest key, row;
    struct cell company;
    bool wanted; /* within the map's filter and companies; else cells are not all there */
    size_t faults;
    int fault_field; /* of the first fault */
    const char *fault_why;
};
struct side_worker;
struct side_worker *side_worker_new(const struct file_side *s);
void side_worker_free(struct side_worker *w);
/* `row` regular or not: only a regular one is taken the quick way. */
void side_worker_row(struct side_worker *w, const struct csv_row *row, struct side_row *ret);
/* The same of a row of the quick reader. */
void side_worker_scan(struct side_worker *w, const struct csv_scan_row *row, struct side_row *ret);

#endif

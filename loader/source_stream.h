/*
 * source_stream.h -- the rows of a source as octets of its package's data file, made on all cores and given in the file's order.
 * Layer: loader, private to it. Errors: EC_IO, EC_LIMIT, EC_FORMAT (of the form). Threads: one owner; the workers are its own.
 *
 * The file is cut into pieces of whole rows (data/csv_chunk.h). Of each, a worker does everything that concerns one row alone: it
 * splits, checks, maps and writes the rows down. What depends on other rows (which package, when it is full, what is refused and listed)
 * stays with the owner, as do rows that cannot just be written down: it reads them for itself. Where the pieces cannot be trusted
 * (stray quotes), and in files that cannot be cut, the owner reads row by row. The rows, their places and their octets are the same in
 * every case, whatever the number of threads.
 */
#ifndef LOADER_SOURCE_STREAM_H
#define LOADER_SOURCE_STREAM_H

#include "base/workers.h"
#include "loader/package_form.h"

struct source_stream;
/*
 * From the source's next row on; its reader belongs to the stream until that is freed. Rows are made in the first pass's form, in the
 * format given.
 */
enum ec source_stream_new(struct source *s, struct workers *ws, const struct dmf_format *f,
                          struct source_stream **ret, struct err *reterr);
void source_stream_free(struct source_stream *st); /* NULL is fine */

enum run_kind {
    RUN_MADE, /* good rows of one company, none with a value for the second pass */
    RUN_OTHER_COMPANY, /* rows that are of companies out of scope */
    RUN_ROW, /* one row, to be looked at: `row`; the source stands on it */
};
struct run_line { /* of a row, from where its run's piece begins */
    uint32_t offset, line;
    uint8_t kind, company;
};
struct source_run { /* rows that follow each other in the file */
    enum run_kind kind;
    size_t n;
    uint64_t number; /* of the first row */
    const struct run_line *lines; /* n; places are from `offset` and `line` on */
    uint64_t offset, line;
    const char *company;
    const char *text; /* in UTF-8, whatever the format's encoding; the first row begins at text + from */
    size_t from;
    const struct dmf_made *made; /* n */
    struct source_row row;
};
/* Valid until the next call; a row lives in `a`. */
enum ec source_stream_next(struct source_stream *st, struct arena *a, struct source_run *ret, bool *ret_more,
                           struct err *reterr);

#endif

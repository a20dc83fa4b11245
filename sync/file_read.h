/*
 * file_read.h -- all rows of one or two side files, by several threads at once.
 * Layer: sync. Errors: EC_FORMAT with file, line and fault: a row that cannot be read is not "not there", so the side was not read
 * whole; EC_IO, EC_STOPPED. Plain UTF-8 files are cut into chunks, each begun at a place that looks like a row's beginning; every
 * chunk must end exactly where the next one began, and every row be regular (csv.h), else all is read again in one piece, by the
 * careful reader. So the result never depends on where it was cut. Other files (.zst, UTF-16) are one piece each.
 */
#ifndef SYNC_FILE_READ_H
#define SYNC_FILE_READ_H

#include "sync/file_side.h"

struct file_input {
    const char *path;
    struct file_side *side; /* filled by file_input_open() */
    bool direct; /* plain UTF-8: a row can be read again by its place */
    int fd;
    uint64_t octets;
    struct strbuf head; /* the header row as it stands, with its line end (and BOM) */
    uint64_t rows, excluded, faults; /* filled by file_rows_read() */
};
enum ec file_input_open(struct map_ctx *m, bool fno, const char *path, struct file_input *ret, struct err *reterr);
void file_input_close(struct file_input *in);

struct file_sink {
    /* A wanted row. worker: 0 .. jobs - 1, one thread at a time each. place: offset and octets in a direct file. */
    enum ec (*row)(void *arg, unsigned worker, unsigned input, const struct side_row *row, uint64_t offset,
                   uint64_t octets, struct err *reterr);
    /* What was given so far is void: everything comes again. */
    enum ec (*again)(void *arg, struct err *reterr);
    void *arg;
};
enum ec file_rows_read(struct file_input *in, size_t n, unsigned jobs, const struct file_sink *sink,
                       struct err *reterr);
/*
 * Rows of a direct file by place, in the order given: fn gets each one's canonical cells, which live until it returns.
 */
struct file_place {
    uint64_t offset;
    size_t octets; /* 0 = not known: an irregular row */
};
typedef enum ec file_row_fn(void *arg, size_t i, const struct side_row *row, struct err *reterr);
enum ec file_fetch(const struct file_input *in, struct side_worker *w, const struct file_place *places, size_t n,
                   file_row_fn *fn, void *arg, struct err *reterr);

#endif

/* archive_parts.h -- the rows of an archive, put together from it and those before it. Layer: sync, private to archive*.c. */
#ifndef SYNC_ARCHIVE_PARTS_H
#define SYNC_ARCHIVE_PARTS_H

#include "sync/archive.h"

/* So many files at most make a snapshot. */
enum { ARCHIVE_CHAIN = 8 };
/* How many files list[i] needs, itself included; 0 = one of them is not there. */
size_t archive_depth(const struct archive *list, size_t n, size_t i);
struct archive_rows;
/* Checks every octet of these files first. */
enum ec archive_rows_open(const struct archive *list, size_t n, size_t i, struct archive_rows **ret,
                          struct err *reterr);
/* In the order of key digests; cells until the next call. */
enum ec archive_rows_next(struct archive_rows *r, struct leaf_row *ret, bool *ret_more, struct err *reterr);
void archive_rows_close(struct archive_rows *r);
/* The file's SHA-256, known once it is open. */
const char *archive_rows_sha(const struct archive_rows *r);

#endif

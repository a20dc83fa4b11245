/*
 * column_file.h -- rows in column blocks under zstd, for keeping: a head (JSON), some thousand rows a block, column by column.
 * Layer: store (zstd). Errors: EC_FORMAT (damaged, cut off), EC_IO, EC_DISK. Threads: one owner each.
 *
 * The file is one zstd frame, so that `zstd -d` reads it: octets of the head (32 bits, little-endian) and the head; blocks, each
 * with its octets before it; a block of 0 octets. A block: varint rows; an octet per row (1 = this key is gone); 16 octets of key
 * digest per key that is gone; per column varint octets and the varint lengths (plus one, 0 = absent) of the rows that are there,
 * then varint octets and the texts. Behind the frame a skippable frame of 32 octets: SHA-256 of all before it. So any octet that
 * changed is found without knowing what the file holds.
 */
#ifndef STORE_COLUMN_FILE_H
#define STORE_COLUMN_FILE_H

#include "data/canon.h"

struct column_writer;
/* `path` ends in ".zst"; it is written in place: the caller publishes it. */
enum ec column_create(const char *path, struct cell head, size_t n_columns, struct column_writer **ret,
                      struct err *reterr);
enum ec column_add(struct column_writer *w, const struct cell *cells, struct err *reterr);
enum ec column_add_gone(struct column_writer *w, struct digest key, struct err *reterr);
/* Durable afterwards. Frees `w` in every case. ret: SHA-256, hex. */
enum ec column_finish(struct column_writer *w, char ret[static 65], struct err *reterr);
void column_abandon(struct column_writer *w); /* the file stays for the caller to remove */

struct column_reader;
/* *ret_head lives as long as the reader. */
enum ec column_open(const char *path, struct column_reader **ret, struct cell *ret_head, struct err *reterr);
/* To be told before the first row: the head says it. */
void column_expect(struct column_reader *r, size_t n_columns);
struct column_row {
    bool gone;
    struct digest key; /* of one that is gone */
    const struct cell *cells; /* n_columns, until the next call */
};
enum ec column_next(struct column_reader *r, struct column_row *ret, bool *ret_more, struct err *reterr);
void column_close(struct column_reader *r);
/* The octets against the SHA-256 at the file's end; EC_FORMAT when one of them changed. ret: it, hex. */
enum ec column_check(const char *path, char ret[static 65], struct err *reterr);

#endif

/*
 * csv_chunk.h -- a CSV file in pieces that begin and end with rows, so that several threads can read them.
 * Layer: data. Errors: EC_IO. Threads: one owner.
 *
 * Where a row ends is told by its quotes alone: a line feed with an even number of them before it. In a file with stray quotes that is
 * wrong now and then. So whoever reads a piece has to see that nothing in it is left open at its end (no row of it has the fault
 * CSV_OPEN_QUOTE): then the rows of the piece are those of the file, and the next one begins where a row does. Otherwise the rows from
 * that one on are read in another way.
 */
#ifndef DATA_CSV_CHUNK_H
#define DATA_CSV_CHUNK_H

#include "base/strbuf.h"

enum { CSV_CHUNK_OCTETS = 128 * 1024 }; /* usual size */
struct csv_chunks;
/* From `offset` on, where a row begins. max_row: what a row may have; a piece has little more. */
enum ec csv_chunks_open(const char *path, uint64_t offset, char quote, size_t max_row, struct csv_chunks **ret,
                        struct err *reterr);
void csv_chunks_close(struct csv_chunks *c); /* NULL is fine */
/* *ret_last: the file ends behind it (it may be empty). An empty one that is not the last: no row ends within reach. */
enum ec csv_chunks_next(struct csv_chunks *c, struct strbuf *text, uint64_t *ret_offset, bool *ret_last,
                        struct err *reterr);

#endif

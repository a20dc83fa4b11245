/*
 * zio.h -- sequential octets from or to a plain or zstd-compressed file.
 * Layer: data (zstd). Errors: EC_IO, EC_DISK, EC_FORMAT (damaged frame), EC_LIMIT. Threads: one owner each.
 */
#ifndef DATA_ZIO_H
#define DATA_ZIO_H

#include "data/cell.h"

struct zreader;
/* A name ending in ".zst" is decompressed (window at most 128 MiB), anything else is read as it is. */
enum ec zreader_open(const char *path, struct zreader **ret, struct err *reterr);
/* Returns octets read, 0 at the end, -1 with *reterr filled. */
int64_t zreader_read(struct zreader *z, void *buf, size_t n, struct err *reterr);
bool zreader_seekable(const struct zreader *z);
enum ec zreader_seek(struct zreader *z, uint64_t offset, struct err *reterr);
void zreader_close(struct zreader *z);

struct zwriter;
/* Created with mode 0600. level 0 = plain file. Nothing is durable before zwriter_close() returned EC_OK. */
enum ec zwriter_open(const char *path, int level, struct zwriter **ret, struct err *reterr);
enum ec zwriter_add(struct zwriter *z, const void *p, size_t n, struct err *reterr);
/* Ends the frame, fsyncs, closes. Frees `z` in every case. */
enum ec zwriter_close(struct zwriter *z, struct err *reterr);

/* One block in memory. ret is appended. */
enum ec zstd_pack(struct strbuf *ret, const void *p, size_t n, int level, struct err *reterr);
enum ec zstd_unpack(struct strbuf *ret, const void *p, size_t n, size_t max_octets, struct err *reterr);

#endif

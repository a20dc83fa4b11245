/*
 * pkgwrite_parts.h -- a package being written, shared by pkgwrite.c (rows in, spools) and pkgwrite_zip.c (the
 * zip out). Layer: dmf, private to the two.
 */
#ifndef DMF_PKGWRITE_PARTS_H
#define DMF_PKGWRITE_PARTS_H

#include "dmf/dmf_parts.h"
#include "dmf/pkgwrite.h"

#include <stdio.h>

enum { BLOCK_OCTETS = DEFLATE_BLOCK / 2 }; /* of text before it is compressed; a row may go beyond */
#define CLASSIC_ZIP_MAX ((uint64_t)UINT32_MAX - 1)
enum { ZIP_LOCAL_OCTETS = 30 }; /* a local header, without the name */

/*
 * One data file: compressed into a file of its own as it grows, which is a zip's member with its local header; the largest of a
 * package becomes the zip.
 */
struct spool {
    struct dmf_writer *w;
    char *path; /* NULL = nothing was written yet */
    struct cell name; /* of the member */
    uint64_t synced; /* octets of which the writing to disk was begun */
    struct dmf_data *rows; /* what rows become; in its `out` are octets not yet compressed */
    struct deflate_stream deflate;
    struct octet_digest *digest;
    uint64_t octets; /* all that the member will have */
};
struct dmf_writer {
    const struct dmf_package *p;
    struct dmf_format format;
    char *tmp_dir;
    struct deflate_pool *pool, *own_pool;
    bool leave_out_empty;
    struct spool *spools; /* one per entity */
    struct spool *open; /* the one whose file is open, NULL = none */
    int fd; /* of that */
    struct dmf_written *written; /* one per entity, for the manifest */
    struct arena a;
};

enum ec writer_close(struct dmf_writer *w, struct err *reterr); /* what is open */
enum ec spool_add(void *arg, const void *p, size_t n, struct err *reterr); /* a deflate_sink */
enum ec spool_compress(struct dmf_writer *w, struct deflate_stream *s, struct strbuf *text, struct err *reterr);
enum ec spool_flush(struct dmf_writer *w, struct spool *s, struct err *reterr);
void spool_drop(struct dmf_writer *w, struct spool *s);

#endif

/*
 * pkgwrite_parts.h -- a package being written, shared by pkgwrite.c (what there is, spools), pkgwrite_row.c (rows in) and
 * pkgwrite_zip.c (the zip out). Layer: dmf, private to the three.
 */
#ifndef DMF_PKGWRITE_PARTS_H
#define DMF_PKGWRITE_PARTS_H

#include "dmf/dmf_parts.h"
#include "dmf/pkgwrite.h"

#include <stdio.h>

enum { BLOCK_OCTETS = DEFLATE_BLOCK / 2 }; /* of text before it is compressed; a row may go beyond */
#define CLASSIC_ZIP_MAX ((uint64_t)UINT32_MAX - 1)

/* What is special about an octet of a CSV cell. */
enum { IS_DELIMITER = 1, IS_QUALIFIER = 2, IS_BREAK = 4, IS_NUL = 8, IS_HIGH = 16 };

/* One data file: compressed into a file of its own as it grows. */
struct spool {
    struct dmf_writer *w;
    char *path; /* NULL = nothing was written yet */
    struct strbuf held; /* octets not yet compressed */
    struct deflate_stream deflate;
    struct octet_digest *digest;
    uint64_t octets; /* all that the member will have */
    char *element; /* XML: name of a row */
    FILE *reading; /* while libzip copies it */
};
struct dmf_writer {
    const struct dmf_package *p;
    struct dmf_format format;
    unsigned char class[256];
    char *tmp_dir;
    struct deflate_pool *pool, *own_pool;
    bool leave_out_empty;
    struct spool *spools; /* one per entity */
    struct dmf_written *written; /* one per entity, for the manifest */
    struct strbuf text; /* one row, UTF-8 */
    bool *qualified; /* of the row being written */
    bool *generated; /* per entity: some field comes from a number sequence */
    struct arena a;
};

/* ---- pkgwrite.c ---- */
enum ec spool_add(void *arg, const void *p, size_t n, struct err *reterr); /* a deflate_sink */
enum ec spool_compress(struct dmf_writer *w, struct spool *s, struct strbuf *text, struct err *reterr);
enum ec spool_flush(struct dmf_writer *w, struct spool *s, struct err *reterr);
void spool_drop(struct dmf_writer *w, struct spool *s);

/* ---- pkgwrite_row.c ---- */
/* What is special about each octet. */
void csv_classify(const struct dmf_format *f, unsigned char class[static 256]);
/* Puts w->text into the entity's file. */
enum ec spool_emit(struct dmf_writer *w, struct spool *s, struct err *reterr);

static inline const char *writer_row_end(const struct dmf_writer *w)
{
    return w->format.row_end && *w->format.row_end ? w->format.row_end : "\r\n";
}

static inline struct cell field_column(const struct dmf_field *f)
{
    return cell_blank(f->file) ? f->staging : f->file;
}

#endif

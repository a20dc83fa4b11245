/*
 * pkgwrite.h -- write one data package: rows in, a zip out.
 * Layer: dmf. Errors: EC_FORMAT (a value the format cannot carry; nothing was written for that row), EC_IO, EC_DISK,
 * EC_LIMIT. On any error of dmf_writer_finish() nothing is left at `path`. Threads: one owner per writer.
 *
 * Data files are compressed as they come and spooled to tmp_dir, so memory does not grow with rows. The zip is deterministic
 * for equal content: fixed member order in its directory (PackageHeader.xml, Manifest.xml, data files in entity order), constant times, and
 * octets that depend only on the compressor, which the zip's comment names (deflate.h). The content digest covers member
 * names and uncompressed octets and does not depend on the compressor: SHA-256 over a line per member with its name, size
 * and XXH3-128.
 */
#ifndef DMF_PKGWRITE_H
#define DMF_PKGWRITE_H

#include "dmf/deflate.h"
#include "dmf/datafile.h"

struct dmf_writer;
/* `p` is borrowed until finish or abandon. */
enum ec dmf_writer_new(const struct dmf_package *p, const struct dmf_format *f, const char *tmp_dir,
                       struct dmf_writer **ret, struct err *reterr);
/* Compresses in this pool (borrowed until finish or abandon; it may serve several writers of one thread) instead of on the
 * caller's thread. Before the first row. */
void dmf_writer_use_pool(struct dmf_writer *w, struct deflate_pool *pool);
/* Entities that got no row are left out of the package. */
void dmf_writer_leave_out_empty(struct dmf_writer *w);
/* One row of an entity, as dmf_data_add() takes it. */
enum ec dmf_writer_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const bool *datetime,
                       size_t *ret_field, struct err *reterr);
/* The same in two steps: what puts a row behind those of the entity, and, when that was done, the end of the row. */
struct dmf_data *dmf_writer_data(struct dmf_writer *w, size_t entity);
enum ec dmf_writer_added(struct dmf_writer *w, size_t entity, struct err *reterr);
/*
 * Rows that were made elsewhere, by a dmf_data of the same entity and format but always in UTF-8, of at most 64 fields: n rows, the first
 * of which begins at text + from. The package is the same as if they had been made here one by one.
 */
struct dmf_made {
    size_t end; /* of the row, in the text */
    uint64_t qualified; /* as dmf_data tells it */
};
enum ec dmf_writer_made(struct dmf_writer *w, size_t entity, const char *text, size_t from,
                        const struct dmf_made *made, size_t n, struct err *reterr);
/* Octets of an entity's data file so far, uncompressed. */
uint64_t dmf_writer_octets(const struct dmf_writer *w, size_t entity);
struct dmf_result {
    char digest[65]; /* SHA-256 hex of the content */
    uint64_t octets; /* of the zip */
    uint64_t rows; /* all entities */
    const char *compressor; /* static: "isal 2.30.0 level 1" */
};
/* Publishes `path` by rename. Frees the writer in every case. */
enum ec dmf_writer_finish(struct dmf_writer *w, const char *path, struct dmf_result *ret, struct err *reterr);
void dmf_writer_abandon(struct dmf_writer *w); /* NULL is fine */

#endif

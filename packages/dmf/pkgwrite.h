/*
 * pkgwrite.h -- write one data package: rows in, a zip out.
 * Layer: dmf (libzip). Errors: EC_FORMAT (a value the format cannot carry; nothing was written for that row), EC_IO, EC_DISK,
 * EC_LIMIT. On any error of dmf_writer_finish() nothing is left at `path`. Threads: one owner per writer.
 *
 * Data files are compressed as they come and spooled to tmp_dir, so memory does not grow with rows. The zip is deterministic
 * for equal content: fixed member order (PackageHeader.xml, Manifest.xml, data files in entity order), constant times, and
 * octets that depend only on the compressor, which the zip's comment names (deflate.h). The content digest covers member
 * names and uncompressed octets and does not depend on the compressor: SHA-256 over a line per member with its name, size
 * and XXH3-128.
 */
#ifndef DMF_PKGWRITE_H
#define DMF_PKGWRITE_H

#include "dmf/deflate.h"
#include "dmf/dmf.h"

struct dmf_writer;
/* `p` is borrowed until finish or abandon. */
enum ec dmf_writer_new(const struct dmf_package *p, const struct dmf_format *f, const char *tmp_dir,
                       struct dmf_writer **ret, struct err *reterr);
/* Compresses in this pool (borrowed until finish or abandon; it may serve several writers of one thread) instead of on the
 * caller's thread. Before the first row. */
void dmf_writer_use_pool(struct dmf_writer *w, struct deflate_pool *pool);
/* Entities that got no row are left out of the package. */
void dmf_writer_leave_out_empty(struct dmf_writer *w);
/*
 * One row of an entity: cells[i] belongs to fields[i], in F&O's vocabulary, canonical (ISO dates, '.' decimals, element names);
 * date-times "yyyy-MM-ddTHH:mm:ssZ" are written as "yyyy-MM-dd HH:mm:ss" into CSV when datetime[i] says the field is one
 * (NULL = none is). Absent and empty cells are written as nothing. EC_FORMAT: *ret_field is the field that cannot travel.
 */
enum ec dmf_writer_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const bool *datetime,
                       size_t *ret_field, struct err *reterr);
/*
 * The same from a row of another CSV with the same delimiter and qualifier, of which the caller knows that it is well formed, UTF-8
 * and without control characters: cells that are to go as they stand there are copied, those that stand together in one piece.
 * Of entities with at most 64 fields.
 */
struct dmf_verbatim {
    const int *columns; /* per field of the entity: its column in that row, -1 = it has none */
    uint64_t adjacent; /* per field, a bit each: its column is the one behind that of the field before */
    uint64_t datetime; /* per field: a date-time */
    /* of the row */
    const char *const *begin; /* column c of that row is [begin[c], begin[c + 1] - 1), qualifiers included */
    size_t octets; /* from begin[0] to the end of the row */
    uint64_t same; /* per field: it goes as it stands there */
    uint64_t quoted; /* per field: it stands in qualifiers there */
};
/* index[i]: where in `cells` field i of the entity is. */
enum ec dmf_writer_verbatim_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const size_t *index,
                                const struct dmf_verbatim *v, size_t *ret_field, struct err *reterr);
/* Octets of an entity's data file so far, uncompressed. */
uint64_t dmf_writer_octets(const struct dmf_writer *w, size_t entity);
/* Why no row of this format can hold the text ("the text qualifier of the CSV format"), NULL = it can. */
const char *dmf_cell_refused(const struct dmf_format *f, struct cell c);
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

/*
 * datafile.h -- rows of one entity as the octets of a data file: CSV in any dialect, XML in both forms.
 * Layer: dmf. Errors: EC_FORMAT. Threads: one owner each; several may make rows of the same entity side by side, which a writer then
 * takes in their order (dmf_writer_made). What a row becomes depends on that row, the entity and the format alone.
 */
#ifndef DMF_DATAFILE_H
#define DMF_DATAFILE_H

#include "base/strbuf.h"
#include "data/csv.h"
#include "dmf/dmf.h"

struct dmf_data {
    const struct dmf_entity *e; /* borrowed */
    struct dmf_format format;
    unsigned char class[256]; /* what is special about an octet of a CSV cell */
    const char *end; /* of a row */
    size_t end_n;
    char *element; /* XML: name of a row */
    bool generated; /* some field comes from a number sequence */
    struct strbuf text; /* one row, UTF-8 */
    struct strbuf out; /* rows as they go into the file; the caller empties it */
    /* of the row that was added last: fields that were written in text qualifiers */
    uint64_t qualified; /* of the first 64, a bit each */
    bool *qualified_all; /* of entities with more */
};
/* EC_FORMAT: delimiter and qualifier are the same; in XML, a name that cannot be one of an element. */
enum ec dmf_data_new(const struct dmf_entity *e, const struct dmf_format *f, struct dmf_data **ret,
                     struct err *reterr);
void dmf_data_free(struct dmf_data *r); /* NULL is fine */
/* What a file begins with and ends with. */
enum ec dmf_data_begin(struct dmf_data *r, struct err *reterr);
void dmf_data_end(struct dmf_data *r);
/*
 * One row: cells[i] belongs to fields[i], in F&O's vocabulary, canonical (ISO dates, '.' decimals, element names);
 * date-times "yyyy-MM-ddTHH:mm:ssZ" are written as "yyyy-MM-dd HH:mm:ss" into CSV when datetime[i] says the field is one
 * (NULL = none is). Absent and empty cells are written as nothing. EC_FORMAT: *ret_field is the field that cannot travel, and
 * nothing was added.
 */
enum ec dmf_data_add(struct dmf_data *r, const struct cell *cells, const bool *datetime, size_t *ret_field,
                     struct err *reterr);
/*
 * The same from a row of another CSV with the same delimiter and qualifier, of which the caller knows that it is well formed, UTF-8
 * and without control characters: cells that are to go as they stand there are copied, those that stand together in one piece.
 * Of entities with at most 64 fields.
 */
struct dmf_verbatim {
    const int *columns; /* per field of the entity: its column in that row, -1 = it has none */
    uint64_t adjacent; /* per field, a bit each: its column is the one behind that of the field before */
    uint64_t datetime; /* per field: a date-time */
    const struct csv_plain *row;
    uint64_t same; /* per field: it goes as it stands there */
    uint64_t quoted; /* per field: it stands in qualifiers there */
};
/* index[i]: where in `cells` field i of the entity is. */
enum ec dmf_data_verbatim(struct dmf_data *r, const struct cell *cells, const size_t *index,
                          const struct dmf_verbatim *v, size_t *ret_field, struct err *reterr);
/* The same, for CSV formats; false: nothing was added, the row is to go the general way. Of cells that stand in qualifiers and need
 * them, only such as are the same are looked at in the row, not in `cells`. */
bool dmf_data_copy(struct dmf_data *r, const struct cell *cells, const size_t *index, const struct dmf_verbatim *v);
/* UTF-16LE of valid UTF-8, behind what is in `out`. */
void dmf_widen(struct strbuf *out, const char *p, size_t n);
/* Why no row of this format can hold the text ("the text qualifier of the CSV format"), NULL = it can. */
const char *dmf_cell_refused(const struct dmf_format *f, struct cell c);

#endif

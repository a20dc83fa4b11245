/*
 * xlsx.h -- rows of a worksheet of an Excel workbook (.xlsx), in a package or from a path.
 * Layer: dmf (libzip, libxml2). Errors: EC_FORMAT naming the member and line, EC_LIMIT, EC_IO, EC_DISK. Threads: one owner.
 * Streamed: shared strings are spilled to tmp_dir, so that memory does not grow with the workbook.
 *
 * What a cell becomes:
 * - Text: as it is, rich text without its formatting, _xHHHH_ as the character it stands for.
 * - Number: plain decimal text, neither exponent nor needless zeros. Up to 15 significant digits, and whole numbers, keep
 *   their digits.
 *   Excel writes what it holds in a double with 17 digits, 0.10000000000000001 for 0.1; where the text is just such a
 *   17-digit form, the shortest text of the same double is given. Any other text is nobody's double and stays.
 * - Number in a cell whose style is a date or time: yyyy-MM-dd, "yyyy-MM-dd HH:mm:ss" (always for a format with both; for
 *   others when the number has both), HH:mm:ss; ".fff" behind when there are milliseconds. [h]:mm counts hours on beyond 24.
 *   1900 system: day 60 (29 February 1900) and day 0 are no dates.
 * - Boolean: true, false. Error (#N/A): the row is faulty. Formula: its stored value.
 */
#ifndef DMF_XLSX_H
#define DMF_XLSX_H

#include "data/cell.h"

struct xlsx_options {
    const char *tmp_dir;
    const char *sheet; /* name, a '$' behind it or not; NULL or "" = the first visible worksheet */
    uint64_t max_member; /* 0 = 16 GiB */
    size_t max_members; /* 0 = 10,000 */
    uint64_t packed; /* octets that the workbook was inflated from, 0 = it is a file of its own */
};
struct xlsx_row {
    struct cell *cells; /* one per header cell, absent when the sheet has none; in the arena given */
    size_t n;
    uint64_t line; /* row of the sheet, 1-based, as Excel shows it */
    uint64_t number; /* data row, 1-based; rows without any value are passed over */
    const char *fault; /* NULL, or why the row cannot be used: "C7: the error #N/A" */
};
struct xlsx_reader;
/* The first row with a value is the header; names are as they stand there and may repeat. header_n 0 = no row at all. */
enum ec xlsx_open(const char *path, const struct xlsx_options *o, struct xlsx_reader **ret, struct err *reterr);
/* `fd` belongs to the reader, whatever comes of it. `what`: "'w.xlsx' of package 'x.zip'", for messages. */
enum ec xlsx_open_fd(int fd, const char *what, const struct xlsx_options *o, struct xlsx_reader **ret,
                     struct err *reterr);
const struct cell *xlsx_header(const struct xlsx_reader *r, size_t *ret_n);
enum ec xlsx_next(struct xlsx_reader *r, struct arena *a, struct xlsx_row *ret, bool *ret_more, struct err *reterr);
void xlsx_close(struct xlsx_reader *r); /* NULL is fine */

#endif

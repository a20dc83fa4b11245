/*
 * pkgread.h -- read a data package as F&O exports it, or as anybody hands it over: hostile until checked.
 * Layer: dmf (libzip, libxml2). Errors: EC_FORMAT naming the member, EC_LIMIT, EC_IO. Threads: one owner. Members are streamed
 * (spilled to tmp_dir where a format needs seeking); memory does not grow with their size.
 *
 * Refused: names with "..", absolute or with folders, duplicate names (case ignored), encrypted members, members that
 * inflate beyond max_member octets or 1,000 times their size, members that overlap or are not where and what the directory
 * says, wrong CRC, XML with a DOCTYPE, more than max_members. Each error names the package and the member.
 */
#ifndef DMF_PKGREAD_H
#define DMF_PKGREAD_H

#include "dmf/dmf.h"

struct dmf_limits {
    uint64_t max_member;
    size_t max_members;
}; /* 0 = 16 GiB, 10,000 */
struct dmf_reader;
enum ec dmf_reader_open(const char *path, const char *tmp_dir, const struct dmf_limits *lim, struct dmf_reader **ret,
                        struct err *reterr);
const struct dmf_package *dmf_reader_package(const struct dmf_reader *r);
/*
 * Rows of one entity: columns are given by staging name, through the entity's field map (a column that the map does not
 * have keeps its own name). An entity whose file is missing has no rows. The format is told by looking at the file: XML,
 * an Excel workbook (xlsx.h), else CSV in the dialect given.
 */
struct dmf_rows;
enum ec dmf_rows_open(struct dmf_reader *r, size_t entity, const struct dmf_format *csv, struct dmf_rows **ret,
                      struct err *reterr);
/* Index of a staging field in the cells of a row, -1 = the file does not have it (XML files may bring it later). */
int dmf_rows_column(struct dmf_rows *s, struct cell staging);
/* Staging names of the columns so far, until the next row. */
const struct cell *dmf_rows_columns(const struct dmf_rows *s, size_t *ret_n);
/* Cells live in `a`. A faulty row has *ret_fault set to a short reason and is to be counted by the caller. */
enum ec dmf_rows_next(struct dmf_rows *s, struct arena *a, struct cell **ret_cells, size_t *ret_n,
                      const char **ret_fault, bool *ret_more, struct err *reterr);
void dmf_rows_close(struct dmf_rows *s);
void dmf_reader_close(struct dmf_reader *r);

#endif

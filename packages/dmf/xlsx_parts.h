/* xlsx_parts.h -- what the files of the workbook reader share. Layer: dmf, private to it. */
#ifndef DMF_XLSX_PARTS_H
#define DMF_XLSX_PARTS_H

#include "dmf/pkg_zip.h"
#include "dmf/xlsx.h"
#include "dmf/xml_stream.h"

/* ---- a part of the workbook as XML ---- */

struct xlsx_part {
    struct dmf_member m;
    struct xml_stream in;
};
/* Must not move in memory. */
enum ec xlsx_part_open(struct xlsx_part *p, struct dmf_zip *zip, int64_t member, struct err *reterr);
void xlsx_part_close(struct xlsx_part *p);
/* Value of an attribute of the element that the stream stands on, copied; one that is too long is cut. False = not there. */
bool xlsx_attribute(struct xml_stream *in, const char *name, char *out, size_t size);

/* ---- the workbook: where its parts are ---- */

enum xlsx_kind { XLSX_NUMBER, XLSX_DATE, XLSX_TIME, XLSX_DATETIME, XLSX_ELAPSED };
struct xlsx_book {
    int64_t sheet, strings, styles; /* members; -1 = not there */
    bool from_1904;
    unsigned char *kinds; /* enum xlsx_kind of each cell style */
    size_t n_kinds;
};
/* Reads the workbook, its relationships and styles. `wanted` as xlsx_options.sheet. */
enum ec xlsx_book_read(struct dmf_zip *zip, const char *what, const char *wanted, struct arena *a,
                       struct xlsx_book *ret, struct err *reterr);
enum ec xlsx_styles_read(struct dmf_zip *zip, struct xlsx_book *b, struct arena *a, struct err *reterr);

/* ---- values ---- */

enum xlsx_kind xlsx_builtin_kind(unsigned id); /* of the number formats that styles do not spell out */
enum xlsx_kind xlsx_format_kind(const char *code);
/* Append the value of a number cell; NULL, or why it is none. */
const char *xlsx_number(struct cell text, struct strbuf *out);
const char *xlsx_date(struct cell text, enum xlsx_kind kind, bool from_1904, struct strbuf *out);
/* _xHHHH_ in the text from `from` on becomes its character, in place. */
void xlsx_unescape(struct strbuf *text, size_t from);

/* ---- texts ---- */

enum { XLSX_MAX_ROW_OCTETS = 16 << 20 };
/*
 * Appends the text of the <si> or <is> that the stream stands on, up to its end: <t> and the <t> of runs, not phonetic
 * hints.
 */
enum ec xlsx_text(struct xml_stream *in, struct strbuf *out, struct err *reterr);

struct xlsx_strings;
/* Reads the shared strings into two files of tmp_dir that no folder lists. */
enum ec xlsx_strings_open(struct dmf_zip *zip, int64_t member, const char *tmp_dir, struct xlsx_strings **ret,
                          struct err *reterr);
uint64_t xlsx_strings_count(const struct xlsx_strings *s);
/* Octets of string i < count, and their appending. */
enum ec xlsx_strings_get(struct xlsx_strings *s, uint64_t i, size_t max, struct strbuf *out, struct err *reterr);
void xlsx_strings_close(struct xlsx_strings *s);

#endif

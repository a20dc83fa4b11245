/*
 * csv.h -- read CSV rows with their place in the file; write CSV cells.
 * Layer: data (libcsv). Errors of the file: EC_IO, EC_LIMIT. A row that is broken is not an error: it is returned with
 * `fault` set, and reading resumes after the next line feed, so that every other row of the file still counts.
 * Threads: one reader, one owner.
 *
 * libcsv is run strict, with a blank never trimmed, empty unquoted fields absent, and a ceiling per row (an unterminated
 * quote would otherwise buffer the rest of the file). It is fed line by line, so that offset and line are known. NUL,
 * invalid UTF-8 and the BOM are handled before it; UTF-16 and Windows-1252 are transcoded. Files named *.zst are
 * decompressed on the way (offsets are those of the decompressed text).
 *
 * Well-formed rows of UTF-8 files, nearly all there are, are split by a quick reader of our own (csv_fast.h), at ten times
 * libcsv's speed; what is irregular in any way goes through libcsv. A differential fuzz test shows that both give the same.
 */
#ifndef DATA_CSV_H
#define DATA_CSV_H

#include "data/cell.h"

enum text_encoding { ENC_AUTO, ENC_UTF8, ENC_UTF16LE, ENC_UTF16BE, ENC_CP1252 }; /* AUTO: by BOM, else UTF-8 */
struct csv_dialect {
    char delimiter; /* 0 = ',' */
    char quote; /* 0 = '"' */
    enum text_encoding encoding;
    size_t max_row_octets; /* 0 = 1 MiB */
    bool only_libcsv; /* every row through libcsv: what the quick reader of well-formed rows is tested against */
};
enum csv_fault {
    CSV_OK,
    CSV_STRAY_QUOTE, /* a quote inside an unquoted field, or text after a closing quote */
    CSV_OPEN_QUOTE, /* the file or the row ceiling ended inside a quoted field */
    CSV_NUL, /* a NUL octet */
    CSV_ENCODING, /* octets that are not valid in the file's encoding */
    CSV_TOO_LONG, /* over max_row_octets */
};
const char *csv_fault_text(enum csv_fault f); /* "stray quote" ... */
struct csv_row {
    struct cell *cells; /* n of them, in the arena given; an empty unquoted field is absent, "" is empty */
    size_t n;
    uint64_t offset; /* of the row's first octet, decompressed, BOM included in the count */
    uint64_t line; /* 1-based physical line on which the row begins */
    uint64_t number; /* 1-based data row number counting every row read, faulty ones too, header not included */
    enum csv_fault fault; /* not CSV_OK: cells hold what could be read (n may be 0) */
    struct cell raw; /* the row's text without its line end, for reject files; set only when fault is not CSV_OK */
    bool regular; /* seen to have no control characters (U+007F is one) and no fault; only then the next is told */
    bool high,
        wide; /* regular rows: some octet is from 0x80 (not ASCII), from 0xCC on (perhaps not in normal form C) */
    bool several_lines; /* regular rows: a line end stands in a cell */
    /* Regular rows: of the first 64 cells, a bit each, whether it stood in quotes, and whether what it holds needs them. */
    uint64_t quoted, needed;
    const struct csv_plain *plain; /* regular rows of csv_next_borrowed(): the row as it stands; else NULL */
};
/* A regular row as it stands in the reader's memory. */
struct csv_plain {
    const char *w;
    const uint32_t *end; /* n; cell i, quotes included, is [w + csv_plain_begin(row, i), w + end[i]) */
    uint32_t begin;
    uint32_t octets; /* with the line end */
    size_t n;
    uint64_t quoted, needed; /* as above */
    /* Of the first 64 cells: there is a CR in it, it is perhaps not in normal form C, or it stands without quotes and has a blank at its
     * end. */
    uint64_t odd;
    bool wide, several_lines;
    uint64_t offset, line, number;
};
static inline uint32_t csv_plain_begin(const struct csv_plain *p, size_t cell)
{
    return cell ? p->end[cell - 1] + 1 : p->begin;
}
struct csv_reader;

/* Opens and reads the header row (names in *ret_header, owned by the reader). header_n 0 = file without any row. */
enum ec csv_open(const char *path, const struct csv_dialect *d, struct csv_reader **ret, struct err *reterr);
/* A reader over memory, for members of packages and tests; `p` is borrowed. */
enum ec csv_open_memory(const char *name, const void *p, size_t n, const struct csv_dialect *d,
                        struct csv_reader **ret, struct err *reterr);
/* A reader over a callback: returns octets read, 0 at the end, -1 with *reterr filled. */
typedef int64_t csv_fill(void *arg, void *buf, size_t n, struct err *reterr);
enum ec csv_open_stream(const char *name, csv_fill *fill, void *arg, const struct csv_dialect *d,
                        struct csv_reader **ret, struct err *reterr);
const struct cell *csv_header(const struct csv_reader *r, size_t *ret_n);
/*
 * A row that cannot be split (stray or open quote) costs its first physical line and no other: reading resumes behind
 * that line, even when the quote had carried the row over later lines, so that no good row is swallowed. NUL and bad
 * encoding leave the shape of a row alone: it ends where it would have ended, with U+FFFD in their place in its cells.
 */
/* Next data row; *ret_more false at the end. Blank lines are skipped. Cells live in `a` until the caller resets it. */
enum ec csv_next(struct csv_reader *r, struct arena *a, struct csv_row *ret, bool *ret_more, struct err *reterr);
/* The same, but cells of a regular row stand in the reader's own memory, until the next call on the reader. */
enum ec csv_next_borrowed(struct csv_reader *r, struct arena *a, struct csv_row *ret, bool *ret_more,
                          struct err *reterr);
/*
 * The same in two steps, for who rarely needs cells: NULL, and nothing read, where the next row is not seen to be regular; then the
 * row as csv_next_borrowed() would have given it.
 */
const struct csv_plain *csv_next_plain(struct csv_reader *r); /* valid until the next call on the reader */
void csv_plain_row(struct csv_reader *r, const struct csv_plain *plain, struct csv_row *ret);
/* Continue at a row whose offset, line and number were returned before (plain files only: EC_STATE on .zst). */
enum ec csv_seek(struct csv_reader *r, uint64_t offset, uint64_t line, uint64_t number, struct err *reterr);
/* Where the next row is looked for. */
struct csv_place {
    uint64_t offset, line, number;
};
struct csv_place csv_here(const struct csv_reader *r);
/*
 * Parts of a file, for several threads: can it be read from the middle, and do line ends stand there as single octets? A part reader
 * has the dialect and the header of the one that it is made of, which must live longer, and reads what csv_part() gives it:
 * p[0..n), borrowed, from where a row begins in the file, as if the file ended behind it.
 */
bool csv_divisible(const struct csv_reader *r);
struct csv_reader *csv_part_reader(const struct csv_reader *of);
void csv_part(struct csv_reader *r, const char *p, size_t n, struct csv_place at);
char csv_quote(const struct csv_reader *r);
size_t csv_max_row(const struct csv_reader *r);
void csv_close(struct csv_reader *r); /* NULL is fine */

/* Append one cell, quoted when it holds the delimiter, a quote, CR or LF, or leading/trailing blanks; quotes doubled.
 * An empty text is written "" and an absent cell as nothing, so that both come back as they were. */
void csv_add(struct strbuf *out, struct cell c, char delimiter);

#endif

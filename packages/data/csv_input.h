/*
 * csv_input.h -- physical lines of a text in any encoding, with their place in the file; what csv_read.c reads from.
 * Layer: data, private to csv. Offsets are octets of the decompressed file.
 */
#ifndef DATA_CSV_INPUT_H
#define DATA_CSV_INPUT_H

#include "data/csv.h"
#include "data/zio.h"

struct csv_input {
    char *name; /* for messages */
    /* Exactly one of three sources. */
    struct zreader *file;
    const char *memory;
    size_t memory_octets;
    csv_fill *fill;
    void *fill_arg;
    enum text_encoding encoding; /* never ENC_AUTO after csv_input_begin() */
    uint64_t read_at; /* where the next octet comes from the source */
    char *buf; /* octets [base, base + len) of the file */
    size_t len, cap;
    uint64_t base;
    bool eof;
    bool borrowed; /* buf is the caller's, and all there is */
};
struct csv_line {
    size_t octets; /* with its end; 0 = no more */
    size_t end; /* octets of the end: LF, CR or CRLF; 0 = the file ended */
    bool too_long; /* no end within `max` octets; `octets` is then meaningless */
};

/* Finds the encoding and passes the BOM; *ret_at: offset of the first octet of text. */
enum ec csv_input_begin(struct csv_input *in, enum text_encoding wanted, uint64_t *ret_at, struct err *reterr);
/* Reads on behind what is there, if anything is left; octets before `keep` may go. */
enum ec csv_input_more(struct csv_input *in, uint64_t keep, struct err *reterr);
/* The line at offset `at`. Octets from `keep` (<= at) on stay readable; at most max octets are looked at. */
enum ec csv_input_line(struct csv_input *in, uint64_t keep, uint64_t at, size_t max, struct csv_line *ret,
                       struct err *reterr);
/* *ret_at: offset behind the end of the line at `at`, however long it is. */
enum ec csv_input_skip(struct csv_input *in, uint64_t at, uint64_t *ret_at, struct err *reterr);
/* Octets of the file at `at`, valid until the next call of one of these. */
const char *csv_input_at(const struct csv_input *in, uint64_t at);
/* p[0..n), which stays the caller's, in the place of the file's octets from `offset` on. */
void csv_input_borrow(struct csv_input *in, const char *p, size_t n, uint64_t offset);
enum ec csv_input_seek(struct csv_input *in, uint64_t at, struct err *reterr);
void csv_input_release(struct csv_input *in);

/* Appends the text of p[0..n) as UTF-8; what is not valid becomes U+FFFD, and false is returned. Not for ENC_UTF8. */
bool csv_to_utf8(enum text_encoding from, const char *p, size_t n, struct strbuf *out);

#endif

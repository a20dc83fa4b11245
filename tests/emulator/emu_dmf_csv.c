/*
 * Reading delimited files as the service's text driver does.
 *
 * The dialect is the source data format's: encoding, delimiter, qualifier, row end. CSV-Unicode is UTF-16LE with a
 * BOM and CR LF row ends; a UTF-8 file is refused as "not Unicode", a file with LF row ends is one single row to the
 * driver. The first row names the columns. A doubled qualifier inside a qualified cell is read as one only where that
 * is switched on and the column's map says UseTextQualifier; otherwise the row is broken.
 */
#include "emu_dmf_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { RAW = 1 << 16, ROW_MAX = 4 << 20, COLUMNS_MAX = 4096 };

#define BAD_OCTET ((char)0xff) /* stands for what the encoding does not allow; never part of UTF-8 */

struct cell_at {
    size_t at, n;
};
struct dmf_csv {
    zip_file_t *file;
    bool utf16, doubled, crlf;
    char delimiter, qualifier;
    unsigned char raw[RAW];
    size_t raw_at, raw_n;
    struct strbuf text; /* decoded, from `text_at` on */
    size_t text_at;
    bool ended, failed;
    uint32_t high; /* a high surrogate that waits for its low one */
    struct strbuf row; /* cells of the current row, one after the other */
    struct cell_at *cells;
    size_t n_cells, n_columns, n_maps;
    int *map_column; /* map -> column, -1 = the service fills it */
    bool *column_doubled;
    int64_t line;
};

/* Reads one chunk and decodes it; false at the end of the file. */
static bool fill(struct dmf_csv *c)
{
    zip_int64_t got;

    if (c->ended)
        return false;
    if (c->text_at) {
        memmove(c->text.buf, c->text.buf + c->text_at, c->text.len - c->text_at);
        c->text.len -= c->text_at;
        c->text_at = 0;
    }
    got = zip_fread(c->file, c->raw + c->raw_n, sizeof(c->raw) - c->raw_n);
    if (got <= 0) {
        c->ended = true;
        c->failed = got < 0;
        if (c->raw_n || c->high) /* half a character at the end */
            strbuf_addc(&c->text, BAD_OCTET);
        return c->raw_n || c->high;
    }
    c->raw_n += (size_t)got;
    strbuf_reserve(&c->text, c->raw_n * 3 / 2 + 8);
    if (!c->utf16) {
        strbuf_add(&c->text, c->raw, c->raw_n);
        c->raw_n = 0;
        return true;
    }
    for (size_t i = 0; i + 1 < c->raw_n; i += 2) {
        uint32_t u = c->raw[i] | (uint32_t)c->raw[i + 1] << 8;
        char *o = c->text.buf + c->text.len;

        if (u < 0x80 && !c->high) {
            *o = (char)u;
            c->text.len++;
            continue;
        }
        if (c->high && (u & 0xfc00) == 0xdc00) {
            uint32_t cp = 0x10000 + ((c->high & 0x3ff) << 10 | (u & 0x3ff));

            c->high = 0;
            o[0] = (char)(0xf0 | cp >> 18), o[1] = (char)(0x80 | (cp >> 12 & 0x3f));
            o[2] = (char)(0x80 | (cp >> 6 & 0x3f)), o[3] = (char)(0x80 | (cp & 0x3f));
            c->text.len += 4;
            continue;
        }
        if (c->high || (u & 0xfc00) == 0xdc00) {
            *o++ = BAD_OCTET;
            c->text.len++;
            c->high = 0;
            if ((u & 0xfc00) == 0xdc00)
                continue;
        }
        if ((u & 0xfc00) == 0xd800) {
            c->high = u;
        } else if (u < 0x80) {
            *o = (char)u;
            c->text.len++;
        } else if (u < 0x800) {
            o[0] = (char)(0xc0 | u >> 6), o[1] = (char)(0x80 | (u & 0x3f));
            c->text.len += 2;
        } else {
            o[0] = (char)(0xe0 | u >> 12), o[1] = (char)(0x80 | (u >> 6 & 0x3f)), o[2] = (char)(0x80 | (u & 0x3f));
            c->text.len += 3;
        }
        strbuf_reserve(&c->text, 8);
    }
    if (c->raw_n & 1)
        c->raw[0] = c->raw[c->raw_n - 1];
    c->raw_n &= 1;
    return true;
}

/* The octet `ahead` places from here, -1 at the end. */
static int peek(struct dmf_csv *c, size_t ahead)
{
    while (c->text_at + ahead >= c->text.len)
        if (!fill(c))
            return -1;
    return (unsigned char)c->text.buf[c->text_at + ahead];
}

static bool at_row_end(struct dmf_csv *c)
{
    int o = peek(c, 0);

    return c->crlf ? o == '\r' && peek(c, 1) == '\n' : o == '\n';
}

static void skip_row_end(struct dmf_csv *c)
{
    c->text_at += c->crlf ? 2 : 1;
}

/* Octets of a plain run: neither delimiter nor qualifier nor a possible row end. */
static size_t plain_run(const struct dmf_csv *c)
{
    const char *p = c->text.buf + c->text_at, *end = c->text.buf + c->text.len, *s = p;

    while (p < end && *p != c->delimiter && *p != c->qualifier && *p != '\r' && *p != '\n')
        p++;
    return (size_t)(p - s);
}

/* The decoder of UTF-16 has marked its own faults; here nothing but well-formed UTF-8 passes. */
static bool utf8_valid(const char *p, size_t n)
{
    size_t step;

    for (; n; p += step, n -= step) {
        step = dmf_utf8_step(p, n);
        if (!step)
            return false;
    }
    return true;
}

/*
 * Reads one row into c->row and c->cells. DMF_BAD_ROW: the row is consumed up to its row end; what its first cells
 * held is still there, for the report.
 */
static enum dmf_read read_row(struct dmf_csv *c, const char **why)
{
    bool broken = false;

    c->row.len = 0;
    c->n_cells = 0;
    if (peek(c, 0) < 0)
        return c->failed ? DMF_BAD_FILE : DMF_END;
    c->line++;
    for (;;) {
        size_t start = c->row.len, column = c->n_cells;
        bool quoted = false, closed = false;

        if (c->qualifier && peek(c, 0) == (unsigned char)c->qualifier) {
            quoted = true;
            c->text_at++;
        }
        for (;;) {
            int o = peek(c, 0);
            size_t run;

            if (o < 0)
                break;
            run = plain_run(c);
            if (run) {
                if (closed)
                    broken = true;
                strbuf_add(&c->row, c->text.buf + c->text_at, run);
                c->text_at += run;
            } else if (quoted && !closed && o == (unsigned char)c->qualifier) {
                c->text_at++;
                if (peek(c, 0) == (unsigned char)c->qualifier && c->doubled &&
                    (!c->column_doubled || (column < c->n_columns && c->column_doubled[column]))) {
                    strbuf_addc(&c->row, c->qualifier);
                    c->text_at++;
                } else {
                    closed = true;
                }
            } else if ((!quoted || closed) && (o == (unsigned char)c->delimiter || at_row_end(c))) {
                break;
            } else {
                /* A qualifier where none may be, text behind a closing one, or an octet inside qualifiers. */
                if (closed || o == (unsigned char)c->qualifier)
                    broken = true;
                strbuf_addc(&c->row, (char)o);
                c->text_at++;
            }
            if (broken)
                break;
            if (c->row.len > ROW_MAX) {
                *why = "DMF2050: A row of the source file is longer than a row can be.";
                return DMF_BAD_FILE;
            }
        }
        if (quoted && !closed)
            broken = true;
        if (c->n_cells < COLUMNS_MAX) {
            c->cells[c->n_cells].at = start;
            c->cells[c->n_cells++].n = c->row.len - start;
        }
        if (broken) {
            while (peek(c, 0) >= 0 && !at_row_end(c))
                c->text_at++;
            if (peek(c, 0) >= 0)
                skip_row_end(c);
            *why = "DMF1999: The column delimiter was not found after the text qualifier.";
            return DMF_BAD_ROW;
        }
        if (peek(c, 0) < 0)
            break;
        if (at_row_end(c)) {
            skip_row_end(c);
            break;
        }
        c->text_at++; /* the delimiter */
    }
    strbuf_reserve(&c->row, 1);
    if (c->failed) {
        *why = "DMF2017: The source file could not be read.";
        return DMF_BAD_FILE;
    }
    if (!utf8_valid(c->row.buf, c->row.len)) {
        *why = "DMF2018: A character of the row is not valid in the source file's encoding.";
        return DMF_BAD_ROW;
    }
    return DMF_ROW;
}

static struct dmf_csv *csv_new(zip_t *z, zip_int64_t index, const struct emu_format *f)
{
    struct dmf_csv *c = xcalloc(1, sizeof(*c));

    c->file = zip_fopen_index(z, (zip_uint64_t)index, 0);
    c->utf16 = !strcmp(f->encoding, "utf-16le");
    c->delimiter = f->delimiter && *f->delimiter ? *f->delimiter : ',';
    c->qualifier = f->qualifier && *f->qualifier ? *f->qualifier : '\0';
    c->crlf = !f->row_end || !strcmp(f->row_end, "\r\n");
    c->cells = xcalloc(COLUMNS_MAX, sizeof(*c->cells));
    strbuf_reserve(&c->text, 16);
    strbuf_reserve(&c->row, 16);
    return c;
}

void dmf_csv_close(struct dmf_csv *c)
{
    if (!c)
        return;
    if (c->file)
        zip_fclose(c->file);
    strbuf_release(&c->text);
    strbuf_release(&c->row);
    free(c->cells);
    free(c->map_column);
    free(c->column_doubled);
    free(c);
}

/* Swallows the BOM; false when a Unicode format meets a file without one. */
static bool start(struct dmf_csv *c)
{
    peek(c, 2);
    if (c->text.len >= 3 && !memcmp(c->text.buf, "\xef\xbb\xbf", 3)) {
        c->text_at = 3;
        return true;
    }
    return !c->utf16;
}

/* The file is looked at as octets first: UTF-8 text must not be decoded as UTF-16 to be recognised. */
static bool is_unicode(zip_t *z, zip_int64_t index)
{
    zip_file_t *f = zip_fopen_index(z, (zip_uint64_t)index, 0);
    unsigned char bom[2] = { 0, 0 };
    bool yes = f && zip_fread(f, bom, 2) == 2 && bom[0] == 0xff && bom[1] == 0xfe;

    if (f)
        zip_fclose(f);
    return yes;
}

bool dmf_csv_lf_only(zip_t *z, zip_int64_t index, const struct emu_format *f)
{
    struct dmf_csv *c;
    bool lf = false;

    if (!f->row_end || strcmp(f->row_end, "\r\n") != 0 || (!strcmp(f->encoding, "utf-16le") && !is_unicode(z, index)))
        return false;
    c = csv_new(z, index, f);
    for (int o, before = 0; c->file && c->line < ROW_MAX && (o = peek(c, 0)) >= 0;
         before = o, c->line++, c->text_at++)
        if (o == '\n') { /* the end of the header row tells */
            lf = before != '\r';
            break;
        }
    dmf_csv_close(c);
    return lf;
}

bool dmf_match_header(const struct dmf_cell *header, size_t n, const struct dmf_entity *d, int *map_column, char *msg,
                      size_t msg_size)
{
    bool used;

    for (size_t i = 0; i < d->n_maps; i++) {
        const struct dmf_map *m = &d->maps[i];

        map_column[i] = -1;
        if (m->auto_default || m->auto_generated)
            continue;
        for (size_t j = 0; j < n && map_column[i] < 0; j++)
            if (header[j].n == strlen(m->column) && !strncasecmp(header[j].p, m->column, header[j].n))
                map_column[i] = (int)j;
        if (map_column[i] < 0) {
            snprintf(msg, msg_size, "DMF2060: The mapped field %s does not exist in the source file.", m->column);
            return false;
        }
    }
    for (size_t j = 0; j < n; j++) {
        used = false;
        for (size_t i = 0; i < d->n_maps && !used; i++)
            used = map_column[i] == (int)j;
        if (!used) {
            snprintf(msg, msg_size, "DMF2022: The column %.*s of the source file is not mapped.", (int)header[j].n,
                     header[j].p);
            return false;
        }
    }
    return true;
}

static bool match_header(struct dmf_csv *c, const struct dmf_entity *d, char *msg, size_t msg_size)
{
    struct dmf_cell *header = xcalloc(c->n_cells + 1, sizeof(*header));
    bool ok;

    c->n_columns = c->n_cells;
    c->n_maps = d->n_maps;
    c->map_column = xcalloc(d->n_maps + 1, sizeof(*c->map_column));
    c->column_doubled = xcalloc(c->n_columns + 1, sizeof(*c->column_doubled));
    for (size_t j = 0; j < c->n_cells; j++)
        header[j] = (struct dmf_cell){ c->row.buf + c->cells[j].at, c->cells[j].n, false };
    ok = dmf_match_header(header, c->n_cells, d, c->map_column, msg, msg_size);
    free(header);
    for (size_t i = 0; i < d->n_maps && ok; i++)
        if (c->map_column[i] >= 0)
            c->column_doubled[c->map_column[i]] = d->maps[i].qualifier;
    return ok;
}

struct dmf_csv *dmf_csv_open(zip_t *z, zip_int64_t index, const struct emu_format *f, const struct dmf_entity *d,
                             bool doubled, char *msg, size_t msg_size)
{
    struct dmf_csv *c;
    const char *why = "";
    enum dmf_read got;

    if (!strcmp(f->encoding, "utf-16le") && !is_unicode(z, index)) {
        snprintf(msg, msg_size, "Selected file is not Unicode");
        return NULL;
    }
    c = csv_new(z, index, f);
    if (!c->file || !start(c)) {
        snprintf(msg, msg_size, "DMF2017: The source file could not be read.");
        goto bad;
    }
    got = read_row(c, &why);
    if (got == DMF_END) {
        snprintf(msg, msg_size, "DMF2053: The source file is empty.");
        goto bad;
    }
    if (got == DMF_ROW && c->n_cells == 1 && c->cells[0].n == 0) {
        snprintf(msg, msg_size, "FF004: The header row is missing.");
        goto bad;
    }
    if (got != DMF_ROW) {
        snprintf(msg, msg_size, "%s", *why ? why : "FF004: The header row is missing.");
        goto bad;
    }
    if (!match_header(c, d, msg, msg_size))
        goto bad;
    c->doubled = doubled;
    if (peek(c, 0) < 0) {
        snprintf(msg, msg_size, "DMF2053: The source file has no data rows.");
        goto bad;
    }
    return c;
bad:
    dmf_csv_close(c);
    return NULL;
}

enum dmf_read dmf_csv_next(struct dmf_csv *c, struct dmf_cell *cells, int64_t *ret_line, char *msg, size_t msg_size)
{
    const char *why = "DMF2017: The source file could not be read.";
    enum dmf_read got = read_row(c, &why);

    *ret_line = c->line;
    if (got == DMF_END)
        return got;
    for (size_t i = 0; i < c->n_maps; i++) {
        size_t j = c->map_column[i] < 0 ? c->n_cells : (size_t)c->map_column[i];

        cells[i] = j < c->n_cells ? (struct dmf_cell){ c->row.buf + c->cells[j].at, c->cells[j].n, false }
                                  : (struct dmf_cell){ "", 0, true };
    }
    if (got == DMF_ROW && c->n_cells != c->n_columns) {
        snprintf(msg, msg_size,
                 "DMF2050: Row %lld of the source file has %zu columns, the header row has %zu. Every row must have "
                 "the same "
                 "number of columns, and blank lines are not allowed.",
                 (long long)c->line, c->n_cells, c->n_columns);
        return DMF_BAD_FILE;
    }
    if (got != DMF_ROW)
        snprintf(msg, msg_size, "%s", why);
    return got;
}

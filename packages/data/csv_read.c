#include "data/csv_fast.h"

#include <csv.h>
#include <stdlib.h>

enum { FIELD_BLOCK = 4096 };
#define DEFAULT_MAX_ROW ((size_t)1 << 20)

struct field {
    size_t at, len; /* in the row's text */
    bool absent;
};
struct csv_reader {
    struct csv_input in;
    struct csv_dialect dialect;
    struct csv_parser parser;
    bool parser_live;
    uint64_t at, line, number; /* of what is read next; number: of the row given last */
    /* The row being read. */
    struct strbuf text; /* all cells, one after the other */
    struct field *fields;
    size_t n, cap;
    bool done; /* libcsv has reported the end of a row with cells */
    struct strbuf utf8; /* the row's lines transcoded, when the file is not UTF-8 */
    struct csv_fast fast;
    struct csv_fast_row quick; /* its row given last */
    struct arena own;
    struct cell *header;
    size_t header_n;
};

static const char *const FAULTS[] = {
    [CSV_OK] = "no fault",
    [CSV_STRAY_QUOTE] = "stray quote",
    [CSV_OPEN_QUOTE] = "quoted field is not closed",
    [CSV_NUL] = "NUL octet",
    [CSV_ENCODING] = "text is not valid in the file's encoding",
    [CSV_TOO_LONG] = "row is too long",
};

const char *csv_fault_text(enum csv_fault f)
{
    return (size_t)f < COUNT(FAULTS) ? FAULTS[f] : "unknown fault";
}

/* By default libcsv trims blanks and tabs around fields, which would change data. */
static int never_space(unsigned char c)
{
    (void)c;
    return 0;
}

/*
 * A fresh parser. Its buffer has a ceiling because no more than max_row_octets of one row are ever given to it.
 */
static void parser_begin(struct csv_reader *r)
{
    if (r->parser_live)
        csv_free(&r->parser);
    BUG_IF(csv_init(&r->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL | CSV_REPALL_NL), "csv_init");
    r->parser_live = true;
    csv_set_delim(&r->parser, (unsigned char)r->dialect.delimiter);
    csv_set_quote(&r->parser, (unsigned char)r->dialect.quote);
    csv_set_space_func(&r->parser, never_space);
    csv_set_realloc_func(&r->parser, xrealloc);
    csv_set_blk_size(&r->parser, FIELD_BLOCK);
}

static void on_field(void *p, size_t len, void *arg)
{
    struct csv_reader *r = arg;

    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 64;
        r->fields = xrealloc(r->fields, r->cap * sizeof(*r->fields));
    }
    r->fields[r->n++] = (struct field){ r->text.len, len, p == NULL };
    strbuf_add(&r->text, p, len);
}

static void on_row(int c, void *arg)
{
    struct csv_reader *r = arg;

    (void)c;
    if (r->n) /* with REPALL_NL it is called for the LF of a CRLF and for blank lines too */
        r->done = true;
}

static void row_begin(struct csv_reader *r)
{
    strbuf_reset(&r->text);
    strbuf_reset(&r->utf8);
    r->n = 0;
    r->done = false;
}

/* NUL and invalid octets as U+FFFD: even the cells of a faulty row are UTF-8. */
static struct cell clean(struct arena *a, struct cell c)
{
    struct strbuf out = { 0 };
    struct cell ret;

    for (size_t i = 0; i < c.len;) {
        size_t n = c.ptr[i] ? utf8_decode(c.ptr + i, c.len - i, NULL) : 0;

        strbuf_add(&out, n ? c.ptr + i : "\xEF\xBF\xBD", n ? n : 3);
        i += n ? n : 1;
    }
    ret = (struct cell){ arena_dup(a, strbuf_str(&out), out.len), out.len };
    strbuf_release(&out);
    return ret;
}

static void give_cells(struct csv_reader *r, struct arena *a, bool dirty, struct csv_row *ret)
{
    char *text = arena_alloc(a, r->text.len + r->n + 1); /* one block a row, a NUL behind each cell */

    ret->n = r->n;
    ret->cells = arena_alloc(a, (r->n + 1) * sizeof(*ret->cells));
    for (size_t i = 0; i < r->n; i++) {
        const struct field *f = &r->fields[i];

        if (f->absent) {
            ret->cells[i] = CELL_ABSENT;
            continue;
        }
        if (f->len)
            memcpy(text, r->text.buf + f->at, f->len);
        text[f->len] = 0;
        ret->cells[i] = (struct cell){ text, f->len };
        text += f->len + 1;
        if (dirty)
            ret->cells[i] = clean(a, ret->cells[i]);
    }
}

/* Cells into one block of `a`, a NUL behind each; octets: at least what they have together. */
static void copy_cells(struct arena *a, size_t octets, struct csv_row *row)
{
    char *text = arena_alloc(a, octets + row->n + 1);
    struct cell *cells = arena_alloc(a, (row->n + 1) * sizeof(*cells));

    for (size_t i = 0; i < row->n; i++) {
        cells[i] = row->cells[i];
        if (!cells[i].ptr)
            continue;
        memcpy(text, cells[i].ptr, cells[i].len);
        text[cells[i].len] = 0;
        cells[i].ptr = text;
        text += cells[i].len + 1;
    }
    row->cells = cells;
}

/* Where a row is, while it is read. */
struct span {
    uint64_t begin;
    uint64_t line;
    size_t first_octets, first_end; /* its first physical line, with the end; octets of the end */
    size_t first_text; /* the same in r->utf8, without the end */
    bool dirty;
    enum csv_fault fault;
};

static bool transcoded(const struct csv_reader *r)
{
    return r->in.encoding != ENC_UTF8;
}

/* Checks, transcodes and parses one physical line. False when libcsv refused it. */
static bool give_line(struct csv_reader *r, struct span *s, const struct csv_line *l)
{
    const char *p = csv_input_at(&r->in, r->at);
    size_t n = l->octets, from = r->utf8.len,
           u = r->in.encoding == ENC_UTF16LE || r->in.encoding == ENC_UTF16BE ? 2 : 1;
    enum csv_fault fault = CSV_OK;

    if (transcoded(r)) {
        if (!csv_to_utf8(r->in.encoding, p, n, &r->utf8))
            fault = CSV_ENCODING;
        p = strbuf_str(&r->utf8) + from;
        n = r->utf8.len - from;
    } else if (utf8_valid_prefix(p, n) < n) {
        fault = CSV_ENCODING;
    }
    if (n && memchr(p, 0, n))
        fault = CSV_NUL;
    if (fault) {
        s->dirty = true;
        if (!s->fault)
            s->fault = fault;
    }
    if (!s->first_octets) {
        s->first_octets = l->octets;
        s->first_end = l->end;
        s->first_text = n - l->end / u; /* CR and LF are one octet each in UTF-8 */
    }
    return csv_parse(&r->parser, p, n, on_field, on_row, r) == n;
}

/* The row cannot be read as it stands: it costs its first line, and the next one gets its own chance. */
static void give_up(struct csv_reader *r, struct span *s, enum csv_fault fault)
{
    s->fault = fault;
    r->at = s->begin + s->first_octets;
    r->line = s->line + (s->first_end != 0);
    parser_begin(r);
}

static struct cell raw_text(const struct csv_reader *r, const struct span *s, struct arena *a, bool first_line_only)
{
    const char *p;
    size_t n;

    if (transcoded(r)) {
        p = strbuf_str(&r->utf8);
        n = first_line_only ? s->first_text : r->utf8.len;
    } else {
        p = csv_input_at(&r->in, s->begin);
        n = first_line_only ? s->first_octets - s->first_end : (size_t)(r->at - s->begin);
    }
    if (!first_line_only)
        while (n && (p[n - 1] == '\n' || p[n - 1] == '\r'))
            n--;
    return (struct cell){ arena_dup(a, p, n), n };
}

/* A line longer than a row may be: passed over, its beginning kept for the reject file. */
static enum ec too_long(struct csv_reader *r, struct span *s, struct arena *a, struct csv_row *ret,
                        struct err *reterr)
{
    size_t n = r->in.len - (size_t)(r->at - r->in.base);
    const char *p = csv_input_at(&r->in, r->at);
    enum ec rc;

    if (n > r->dialect.max_row_octets)
        n = r->dialect.max_row_octets;
    if (transcoded(r)) {
        csv_to_utf8(r->in.encoding, p, n & ~(size_t)1, &r->utf8);
        p = strbuf_str(&r->utf8);
        n = r->utf8.len;
    }
    ret->raw = (struct cell){ arena_dup(a, p, n), n };
    s->fault = CSV_TOO_LONG;
    rc = csv_input_skip(&r->in, r->at, &r->at, reterr);
    r->line++;
    return rc;
}

/* The next row, if it is one of the quick reader; it is then passed. */
static bool next_plain(struct csv_reader *r, struct csv_fast_row *ret, enum ec *ret_rc, struct err *reterr)
{
    *ret_rc = EC_OK;
    if (r->dialect.only_libcsv || transcoded(r))
        return false;
    while (csv_fast_row(&r->fast, &r->in, r->at, r->dialect.max_row_octets, ret, ret_rc, reterr)) {
        ret->plain.offset = r->at;
        ret->plain.line = r->line;
        r->at += ret->plain.octets;
        r->line += ret->lines;
        if (!ret->plain.n) /* a blank line */
            continue;
        ret->plain.number = ++r->number;
        return true;
    }
    return false;
}

void csv_plain_row(struct csv_reader *r, const struct csv_plain *plain, struct csv_row *ret)
{
    csv_fast_cells(&r->fast, plain);
    *ret = (struct csv_row){ .cells = r->fast.cells,
                             .n = plain->n,
                             .offset = plain->offset,
                             .line = plain->line,
                             .number = plain->number,
                             .regular = true,
                             .high = csv_fast_high(&r->fast, plain),
                             .wide = plain->wide,
                             .several_lines = plain->several_lines,
                             .quoted = plain->quoted,
                             .needed = plain->needed,
                             .plain = plain };
}

const struct csv_plain *csv_next_plain(struct csv_reader *r)
{
    enum ec rc;

    /* Where more had to be read, an error would come again from who reads the row in the other way. */
    return r->in.borrowed && next_plain(r, &r->quick, &rc, NULL) ? &r->quick.plain : NULL;
}

/* Reads one row through libcsv. *ret_more false = the file has ended. */
static enum ec read_row(struct csv_reader *r, struct arena *a, struct csv_row *ret, bool *ret_more,
                        struct err *reterr)
{
    struct span s = { .begin = r->at, .line = r->line };
    bool given_up = false;

    *ret = (struct csv_row){ 0 };
    row_begin(r);
    while (!r->done) {
        size_t used = (size_t)(r->at - s.begin);
        struct csv_line l;
        enum ec rc = csv_input_line(&r->in, s.begin, r->at, r->dialect.max_row_octets - used, &l, reterr);

        if (rc)
            return rc;
        if (l.too_long && !used) {
            rc = too_long(r, &s, a, ret, reterr);
            if (rc)
                return rc;
            break;
        }
        if (l.too_long || (!l.octets && used)) { /* only an open quote can carry a row over the end of a line */
            give_up(r, &s, CSV_OPEN_QUOTE);
            given_up = true;
            break;
        }
        if (!l.octets) {
            *ret_more = false;
            return EC_OK;
        }
        if (!used && l.octets == l.end) { /* a blank line */
            s.begin = r->at += l.octets;
            s.line = ++r->line;
            continue;
        }
        if (!give_line(r, &s, &l)) {
            give_up(r, &s, CSV_STRAY_QUOTE);
            given_up = true;
            break;
        }
        r->at += l.octets;
        r->line += l.end != 0;
        if (!l.end) {
            if (csv_fini(&r->parser, on_field, on_row, r)) {
                give_up(r, &s, CSV_OPEN_QUOTE);
                given_up = true;
                break;
            }
            BUG_IF(!r->done, "libcsv reported no row for a text");
        }
    }
    ret->offset = s.begin;
    ret->line = s.line;
    ret->fault = s.fault;
    give_cells(r, a, s.dirty, ret);
    if (s.fault && s.fault != CSV_TOO_LONG)
        ret->raw = raw_text(r, &s, a, given_up);
    *ret_more = true;
    return EC_OK;
}

static enum ec read_header(struct csv_reader *r, struct err *reterr)
{
    struct csv_row row;
    bool there;
    enum ec rc = read_row(r, &r->own, &row, &there, reterr);

    if (rc || !there)
        return rc;
    if (row.fault) {
        rc = err_set(reterr, row.fault == CSV_TOO_LONG ? EC_LIMIT : EC_FORMAT,
                     "'%s' line %llu: the header row cannot be read: %s", r->in.name, (unsigned long long)row.line,
                     csv_fault_text(row.fault));
        if (row.fault == CSV_NUL || row.fault == CSV_ENCODING)
            err_hint(
                reterr,
                "say how the file is encoded (encoding:utf-8, utf-16, utf-16be or windows-1252 in source_format)");
        return rc;
    }
    r->header = row.cells;
    r->header_n = row.n;
    return EC_OK;
}

static bool usable(char c)
{
    return c > 0 && c != '\n' && c != '\r'; /* ASCII: it must be the same octet in every encoding */
}

/* Takes over in->name and in->file, whatever the outcome. */
static enum ec reader_new(struct csv_input in, const struct csv_dialect *d, struct csv_reader **ret,
                          struct err *reterr)
{
    struct csv_reader *r = xcalloc(1, sizeof(*r));
    enum ec rc;

    r->in = in;
    if (d)
        r->dialect = *d;
    if (!r->dialect.delimiter)
        r->dialect.delimiter = ',';
    if (!r->dialect.quote)
        r->dialect.quote = '"';
    if (!r->dialect.max_row_octets)
        r->dialect.max_row_octets = DEFAULT_MAX_ROW;
    r->line = 1;
    r->fast.delimiter = r->dialect.delimiter;
    r->fast.quote = r->dialect.quote;
    if (!usable(r->dialect.delimiter) || !usable(r->dialect.quote) || r->dialect.delimiter == r->dialect.quote) {
        rc = err_set(reterr, EC_CONFIG, "'%s': delimiter and quote must be two different ASCII characters",
                     r->in.name);
    } else {
        parser_begin(r);
        rc = csv_input_begin(&r->in, r->dialect.encoding, &r->at, reterr);
    }
    if (!rc)
        rc = read_header(r, reterr);
    if (rc)
        csv_close(r);
    else
        *ret = r;
    return rc;
}

enum ec csv_open(const char *path, const struct csv_dialect *d, struct csv_reader **ret, struct err *reterr)
{
    struct csv_input in = { 0 };
    enum ec rc = zreader_open(path, &in.file, reterr);

    if (rc)
        return rc;
    in.name = xstrdup(path);
    return reader_new(in, d, ret, reterr);
}

enum ec csv_open_memory(const char *name, const void *p, size_t n, const struct csv_dialect *d,
                        struct csv_reader **ret, struct err *reterr)
{
    return reader_new((struct csv_input){ .name = xstrdup(name), .memory = p, .memory_octets = n }, d, ret, reterr);
}

enum ec csv_open_stream(const char *name, csv_fill *fill, void *arg, const struct csv_dialect *d,
                        struct csv_reader **ret, struct err *reterr)
{
    return reader_new((struct csv_input){ .name = xstrdup(name), .fill = fill, .fill_arg = arg }, d, ret, reterr);
}

const struct cell *csv_header(const struct csv_reader *r, size_t *ret_n)
{
    *ret_n = r->header_n;
    return r->header;
}

static enum ec next_row(struct csv_reader *r, struct arena *a, bool borrowed, struct csv_row *ret, bool *ret_more,
                        struct err *reterr)
{
    enum ec rc;

    *ret_more = false;
    if (next_plain(r, &r->quick, &rc, reterr)) {
        csv_plain_row(r, &r->quick.plain, ret);
        if (!borrowed) {
            copy_cells(a, r->quick.plain.octets, ret);
            ret->plain = NULL;
        }
        *ret_more = true;
        return EC_OK;
    }
    if (!rc)
        rc = read_row(r, a, ret, ret_more, reterr);
    if (!rc && *ret_more)
        ret->number = ++r->number;
    return rc;
}

enum ec csv_next(struct csv_reader *r, struct arena *a, struct csv_row *ret, bool *ret_more, struct err *reterr)
{
    return next_row(r, a, false, ret, ret_more, reterr);
}

enum ec csv_next_borrowed(struct csv_reader *r, struct arena *a, struct csv_row *ret, bool *ret_more,
                          struct err *reterr)
{
    return next_row(r, a, true, ret, ret_more, reterr);
}

enum ec csv_seek(struct csv_reader *r, uint64_t offset, uint64_t line, uint64_t number, struct err *reterr)
{
    enum ec rc = csv_input_seek(&r->in, offset, reterr);

    if (rc)
        return rc;
    parser_begin(r);
    r->at = offset;
    r->line = line;
    r->number = number ? number - 1 : 0;
    return EC_OK;
}

struct csv_place csv_here(const struct csv_reader *r)
{
    return (struct csv_place){ r->at, r->line, r->number + 1 };
}

bool csv_divisible(const struct csv_reader *r)
{
    return !transcoded(r) && r->in.file && zreader_seekable(r->in.file);
}

struct csv_reader *csv_part_reader(const struct csv_reader *of)
{
    struct csv_reader *r = xcalloc(1, sizeof(*r));

    r->in.name = xstrdup(of->in.name);
    r->in.encoding = of->in.encoding;
    r->dialect = of->dialect;
    r->fast.delimiter = of->fast.delimiter;
    r->fast.quote = of->fast.quote;
    r->header = of->header;
    r->header_n = of->header_n;
    parser_begin(r);
    csv_part(r, "", 0, (struct csv_place){ 0, 1, 1 });
    return r;
}

void csv_part(struct csv_reader *r, const char *p, size_t n, struct csv_place at)
{
    csv_input_borrow(&r->in, p, n, at.offset);
    r->fast.octets = r->fast.limit = 0; /* another window */
    r->at = at.offset;
    r->line = at.line;
    r->number = at.number ? at.number - 1 : 0;
}

char csv_quote(const struct csv_reader *r)
{
    return r->dialect.quote;
}

size_t csv_max_row(const struct csv_reader *r)
{
    return r->dialect.max_row_octets;
}

void csv_close(struct csv_reader *r)
{
    if (!r)
        return;
    if (r->parser_live)
        csv_free(&r->parser);
    csv_input_release(&r->in);
    csv_fast_release(&r->fast);
    strbuf_release(&r->text);
    strbuf_release(&r->utf8);
    free(r->fields);
    arena_release(&r->own);
    free(r);
}

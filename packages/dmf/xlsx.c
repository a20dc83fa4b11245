#include "dmf/xlsx.h"
#include "dmf/xlsx_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* Excel's own limits: column XFD, row 1,048,576. */
enum { MAX_COLUMN = 16384, MAX_ROW = 1048576 };
#define DEFAULT_MEMBER_OCTETS ((uint64_t)16 << 30)
enum { DEFAULT_MEMBERS = 10000 };

struct xlsx_reader {
    char *what;
    struct dmf_zip *zip;
    struct xlsx_book book;
    struct xlsx_strings *strings;
    struct xlsx_part sheet;
    bool in_rows, ended;
    struct strbuf text, value; /* the row's values, one after the other; one cell as it stands in the file */
    size_t *at, *len; /* per sheet column of the row; len SIZE_MAX = absent */
    size_t columns; /* of the row */
    int *header_of; /* per sheet column: its header cell, -1 = none */
    struct cell *header;
    size_t header_n;
    uint64_t line, number;
    uint64_t given, max_given; /* octets of text in all rows: a shared text costs nothing to repeat */
    char fault[160]; /* the row's first */
    struct arena a;
};

/* ---- one cell ---- */

struct place {
    size_t column; /* 1-based */
    uint64_t row;
};

/* "C7"; false = not a place on a sheet. */
static bool parse_place(const char *p, struct place *ret)
{
    *ret = (struct place){ 0 };
    for (; *p >= 'A' && *p <= 'Z'; p++) {
        ret->column = ret->column * 26 + (size_t)(*p - 'A') + 1;
        if (ret->column > MAX_COLUMN)
            return false;
    }
    if (!ret->column || *p == '0')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        ret->row = ret->row * 10 + (uint64_t)(*p - '0');
        if (ret->row > MAX_ROW)
            return false;
    }
    return !*p && ret->row;
}

/* "C7" of the row being read. */
static const char *place_text(const struct xlsx_reader *r, size_t column, char *buf, size_t n)
{
    char letters[8];
    size_t k = sizeof(letters) - 1;

    letters[k] = 0;
    for (size_t c = column + 1; c; c = (c - 1) / 26)
        letters[--k] = (char)('A' + (c - 1) % 26);
    snprintf(buf, n, "%s%llu", letters + k, (unsigned long long)r->line);
    return buf;
}

static void set_fault(struct xlsx_reader *r, size_t column, const char *why)
{
    char place[24];

    if (!r->fault[0])
        snprintf(r->fault, sizeof(r->fault), "%s: %s", place_text(r, column, place, sizeof(place)), why);
}

static enum ec fail_at(struct xlsx_reader *r, size_t column, const char *why, struct err *reterr)
{
    char place[24], text[200];

    snprintf(text, sizeof(text), "cell %s: %s", place_text(r, column, place, sizeof(place)), why);
    return xml_stream_fail(&r->sheet.in, text, reterr);
}

/* The text of <v>, up to its end. */
static enum ec raw_value(struct xlsx_reader *r, struct err *reterr)
{
    struct xml_stream *in = &r->sheet.in;
    int depth = xmlTextReaderDepth(in->reader), got;

    if (xmlTextReaderIsEmptyElement(in->reader) == 1)
        return EC_OK;
    while ((got = xml_stream_next(in, reterr)) == 1) {
        int type = xml_type(in);

        if (type == XML_READER_TYPE_END_ELEMENT && xmlTextReaderDepth(in->reader) == depth)
            return EC_OK;
        if (xml_is_text(type))
            strbuf_adds(&r->value, (const char *)xmlTextReaderConstValue(in->reader));
        if (r->value.len > XLSX_MAX_ROW_OCTETS)
            return xml_stream_fail(in, "a row with more text than rows can have", reterr);
    }
    return got < 0 ? xml_stream_code(in) : xml_stream_fail(in, NULL, reterr);
}

/* What stands in the cell goes to r->value; its formula, if any, is passed over. */
static enum ec cell_contents(struct xlsx_reader *r, bool *ret_any, struct err *reterr)
{
    struct xml_stream *in = &r->sheet.in;
    int depth = xmlTextReaderDepth(in->reader), got;

    *ret_any = false;
    strbuf_reset(&r->value);
    if (xmlTextReaderIsEmptyElement(in->reader) == 1)
        return EC_OK;
    while ((got = xml_stream_next(in, reterr)) == 1) {
        int type = xml_type(in), at = xmlTextReaderDepth(in->reader);
        bool text;
        enum ec rc;

        if (type == XML_READER_TYPE_END_ELEMENT && at == depth)
            return EC_OK;
        if (type != XML_READER_TYPE_ELEMENT || at != depth + 1)
            continue;
        text = !strcmp(xml_name(in), "is");
        if (!text && strcmp(xml_name(in), "v") != 0)
            continue;
        if (*ret_any)
            return xml_stream_fail(in, "a cell with two values", reterr);
        *ret_any = true;
        rc = text ? xlsx_text(in, &r->value, reterr) : raw_value(r, reterr);
        if (rc)
            return rc;
    }
    return got < 0 ? xml_stream_code(in) : xml_stream_fail(in, NULL, reterr);
}

static enum ec shared_text(struct xlsx_reader *r, size_t column, struct err *reterr)
{
    char why[120];
    int64_t i;
    enum ec rc;

    if (!cell_to_i64((struct cell){ strbuf_str(&r->value), r->value.len }, &i) || i < 0 ||
        (uint64_t)i >= xlsx_strings_count(r->strings)) {
        snprintf(why, sizeof(why), "shared text '%.30s', of which the workbook has %llu", strbuf_str(&r->value),
                 (unsigned long long)xlsx_strings_count(r->strings));
        return fail_at(r, column, why, reterr);
    }
    rc =
        xlsx_strings_get(r->strings, (uint64_t)i,
                         r->text.len < XLSX_MAX_ROW_OCTETS ? XLSX_MAX_ROW_OCTETS - r->text.len : 0, &r->text, reterr);
    return rc == EC_LIMIT ? err_ctx(reterr, rc, "%s, row %llu", r->what, (unsigned long long)r->line) : rc;
}

static void number_value(struct xlsx_reader *r, size_t column, enum xlsx_kind kind)
{
    struct cell c = { strbuf_str(&r->value), r->value.len };
    const char *why =
        kind == XLSX_NUMBER ? xlsx_number(c, &r->text) : xlsx_date(c, kind, r->book.from_1904, &r->text);

    if (why)
        set_fault(r, column, why);
}

/* Appends the value to the row's text; a value that is none makes the row faulty. */
static enum ec convert(struct xlsx_reader *r, size_t column, const char *type, enum xlsx_kind kind,
                       struct err *reterr)
{
    const char *v = strbuf_str(&r->value);
    char why[100];

    if (!strcmp(type, "s"))
        return shared_text(r, column, reterr);
    if (!*type || !strcmp(type, "n")) {
        number_value(r, column, kind);
    } else if (!strcmp(type, "b")) {
        if (strcmp(v, "0") != 0 && strcmp(v, "1") != 0)
            set_fault(r, column, "neither true nor false");
        strbuf_adds(&r->text, *v == '1' ? "true" : "false");
    } else if (!strcmp(type, "e")) {
        snprintf(why, sizeof(why), "the error %.40s", v);
        set_fault(r, column, why);
    } else if (!strcmp(type, "inlineStr") || !strcmp(type, "str") || !strcmp(type, "d")) {
        size_t from = r->text.len;

        strbuf_add(&r->text, v, r->value.len);
        if (type[0] == 's')
            xlsx_unescape(&r->text, from);
    } else {
        snprintf(why, sizeof(why), "a cell of the type '%.20s', which is not known", type);
        return fail_at(r, column, why, reterr);
    }
    return EC_OK;
}

/* The style's kind of number. A workbook without styles has numbers only. */
static enum ec kind_of(struct xlsx_reader *r, size_t column, const char *style, enum xlsx_kind *ret,
                       struct err *reterr)
{
    int64_t i = 0;

    *ret = XLSX_NUMBER;
    if (r->book.styles < 0 || (!*style && !r->book.n_kinds))
        return EC_OK;
    if (*style && (!cell_to_i64(cell_of(style), &i) || i < 0 || (uint64_t)i >= r->book.n_kinds))
        return fail_at(r, column, "a style that the workbook does not have", reterr);
    *ret = (enum xlsx_kind)r->book.kinds[i];
    return EC_OK;
}

/* The stream stands on <c>. */
static enum ec read_cell(struct xlsx_reader *r, struct err *reterr)
{
    struct xml_stream *in = &r->sheet.in;
    char reference[24], type[24], style[24];
    struct place place = { .column = r->columns + 1, .row = r->line };
    enum xlsx_kind kind;
    size_t c;
    bool any;
    enum ec rc;

    (void)xlsx_attribute(in, "t", type, sizeof(type));
    (void)xlsx_attribute(in, "s", style, sizeof(style));
    if (xlsx_attribute(in, "r", reference, sizeof(reference)) && !parse_place(reference, &place))
        return xml_stream_fail(in, "a cell outside of the sheet", reterr);
    if (place.row != r->line || place.column > MAX_COLUMN)
        return xml_stream_fail(in, "a cell that is not in its row", reterr);
    if (place.column <= r->columns)
        return xml_stream_fail(in, "cells that are not in the order of their columns", reterr);
    for (c = r->columns; c < place.column; c++)
        r->len[c] = SIZE_MAX;
    r->columns = place.column;
    c = place.column - 1;
    rc = kind_of(r, c, style, &kind, reterr);
    if (!rc)
        rc = cell_contents(r, &any, reterr);
    if (rc || !any || (!r->value.len && (!*type || !strcmp(type, "n"))))
        return rc; /* formatted, but without a value */
    r->at[c] = r->text.len;
    rc = convert(r, c, type, kind, reterr);
    r->len[c] = r->text.len - r->at[c];
    if (!rc && r->text.len > XLSX_MAX_ROW_OCTETS)
        rc = xml_stream_fail(in, "a row with more text than rows can have", reterr);
    return rc;
}

/* ---- one row ---- */

/* The stream stands on <row>. */
static enum ec read_row(struct xlsx_reader *r, struct err *reterr)
{
    struct xml_stream *in = &r->sheet.in;
    int depth = xmlTextReaderDepth(in->reader), got;
    char text[24];
    int64_t line = (int64_t)r->line + 1;

    if (xlsx_attribute(in, "r", text, sizeof(text)) && !cell_to_i64(cell_of(text), &line))
        return xml_stream_fail(in, "a row whose number is none", reterr);
    if (line <= (int64_t)r->line)
        return xml_stream_fail(in, "rows that are not in the order of their numbers", reterr);
    if (line > MAX_ROW)
        return xml_stream_fail(in, "a row outside of the sheet", reterr);
    r->line = (uint64_t)line;
    r->columns = 0;
    r->fault[0] = 0;
    strbuf_reset(&r->text);
    if (xmlTextReaderIsEmptyElement(in->reader) == 1)
        return EC_OK;
    while ((got = xml_stream_next(in, reterr)) == 1) {
        enum ec rc;

        if (xml_type(in) == XML_READER_TYPE_END_ELEMENT && xmlTextReaderDepth(in->reader) == depth)
            return EC_OK;
        if (xml_type(in) != XML_READER_TYPE_ELEMENT || strcmp(xml_name(in), "c") != 0)
            continue;
        rc = read_cell(r, reterr);
        if (rc)
            return rc;
    }
    return got < 0 ? xml_stream_code(in) : xml_stream_fail(in, NULL, reterr);
}

/* Texts that many cells share must not make more of a sheet than a member may be. */
static enum ec count_given(struct xlsx_reader *r, struct err *reterr)
{
    r->given += r->text.len;
    if (r->given <= r->max_given)
        return EC_OK;
    return err_set(reterr, EC_LIMIT, "%s, row %llu: the texts up to here have over %llu octets, the limit",
                   r->sheet.m.name, (unsigned long long)r->line, (unsigned long long)r->max_given);
}

static bool has_values(const struct xlsx_reader *r)
{
    for (size_t i = 0; i < r->columns; i++)
        if (r->len[i] != SIZE_MAX)
            return true;
    return false;
}

/* The next row with a value. Behind the last one the rest is read, so that its end is known to be right. */
static enum ec next_row(struct xlsx_reader *r, bool *ret_more, struct err *reterr)
{
    struct xml_stream *in = &r->sheet.in;
    int got = 0;

    *ret_more = false;
    while (!r->ended && (got = xml_stream_next(in, reterr)) == 1) {
        int type = xml_type(in), depth = xmlTextReaderDepth(in->reader);
        enum ec rc;

        if (depth == 1 && (type == XML_READER_TYPE_ELEMENT || type == XML_READER_TYPE_END_ELEMENT))
            r->in_rows = type == XML_READER_TYPE_ELEMENT && !strcmp(xml_name(in), "sheetData") &&
                         xmlTextReaderIsEmptyElement(in->reader) != 1;
        if (!r->in_rows || depth != 2 || type != XML_READER_TYPE_ELEMENT || strcmp(xml_name(in), "row") != 0)
            continue;
        rc = read_row(r, reterr);
        if (!rc)
            rc = count_given(r, reterr);
        if (rc)
            return rc;
        if (has_values(r)) {
            *ret_more = true;
            return EC_OK;
        }
    }
    r->ended = true;
    return got < 0 ? xml_stream_code(in) : EC_OK;
}

static enum ec read_header(struct xlsx_reader *r, struct err *reterr)
{
    bool more;
    enum ec rc = next_row(r, &more, reterr);

    for (size_t i = 0; i < MAX_COLUMN; i++)
        r->header_of[i] = -1;
    if (rc || !more)
        return rc;
    if (r->fault[0])
        return err_set(reterr, EC_FORMAT, "%s, its header: %s", r->what, r->fault);
    r->header = arena_zalloc(&r->a, r->columns * sizeof(*r->header));
    for (size_t i = 0; i < r->columns; i++)
        if (r->len[i] != SIZE_MAX && r->len[i]) {
            r->header_of[i] = (int)r->header_n;
            r->header[r->header_n++] = cell_dup(&r->a, (struct cell){ strbuf_str(&r->text) + r->at[i], r->len[i] });
        }
    return EC_OK;
}

enum ec xlsx_next(struct xlsx_reader *r, struct arena *a, struct xlsx_row *ret, bool *ret_more, struct err *reterr)
{
    enum ec rc = next_row(r, ret_more, reterr);
    char *text;

    if (rc || !*ret_more)
        return rc;
    *ret = (struct xlsx_row){ .cells = arena_zalloc(a, (r->header_n + 1) * sizeof(*ret->cells)),
                              .n = r->header_n,
                              .line = r->line,
                              .number = ++r->number };
    text = arena_dup(a, strbuf_str(&r->text), r->text.len);
    for (size_t i = 0; i < r->columns; i++) {
        if (r->len[i] == SIZE_MAX)
            continue;
        if (r->header_of[i] >= 0)
            ret->cells[r->header_of[i]] = (struct cell){ text + r->at[i], r->len[i] };
        else if (r->len[i])
            set_fault(r, i, "a value in a column without a name");
    }
    if (r->fault[0])
        ret->fault = arena_strdup(a, r->fault);
    return EC_OK;
}

/* ---- the reader ---- */

const struct cell *xlsx_header(const struct xlsx_reader *r, size_t *ret_n)
{
    *ret_n = r->header_n;
    return r->header;
}

static enum ec begin(struct xlsx_reader *r, const struct xlsx_options *o, struct err *reterr)
{
    enum ec rc = xlsx_book_read(r->zip, r->what, o->sheet, &r->a, &r->book, reterr);

    if (!rc && r->book.strings >= 0)
        rc = xlsx_strings_open(r->zip, r->book.strings, o->tmp_dir, &r->strings, reterr);
    if (!rc)
        rc = xlsx_part_open(&r->sheet, r->zip, r->book.sheet, reterr);
    return rc ? rc : read_header(r, reterr);
}

static enum ec open_zip(int fd, const char *path, const char *what, const struct xlsx_options *o,
                        struct xlsx_reader **ret, struct err *reterr)
{
    struct xlsx_reader *r = xcalloc(1, sizeof(*r));
    struct dmf_zip_rules rules = { .kind = "an Excel workbook",
                                   .folders = true,
                                   .max_member = o->max_member ? o->max_member : DEFAULT_MEMBER_OCTETS,
                                   .max_members = o->max_members ? o->max_members : DEFAULT_MEMBERS,
                                   .packed = o->packed };
    enum ec rc;

    r->what = xstrdup(what);
    r->max_given = rules.max_member;
    r->at = arena_zalloc(&r->a, MAX_COLUMN * sizeof(*r->at));
    r->len = arena_zalloc(&r->a, MAX_COLUMN * sizeof(*r->len));
    r->header_of = arena_zalloc(&r->a, MAX_COLUMN * sizeof(*r->header_of));
    rc = path ? dmf_zip_open_path(path, what, &rules, &r->zip, reterr)
              : dmf_zip_open(fd, what, &rules, &r->zip, reterr);
    if (!rc)
        rc = begin(r, o, reterr);
    if (rc)
        xlsx_close(r);
    else
        *ret = r;
    return rc;
}

enum ec xlsx_open_fd(int fd, const char *what, const struct xlsx_options *o, struct xlsx_reader **ret,
                     struct err *reterr)
{
    return open_zip(fd, NULL, what, o, ret, reterr);
}

enum ec xlsx_open(const char *path, const struct xlsx_options *o, struct xlsx_reader **ret, struct err *reterr)
{
    struct arena a = { 0 };
    enum ec rc = open_zip(-1, path, arena_printf(&a, "workbook '%s'", path), o, ret, reterr);

    arena_release(&a);
    return rc;
}

void xlsx_close(struct xlsx_reader *r)
{
    if (!r)
        return;
    xlsx_part_close(&r->sheet);
    xlsx_strings_close(r->strings);
    dmf_zip_close(r->zip);
    strbuf_release(&r->text);
    strbuf_release(&r->value);
    arena_release(&r->a);
    free(r->what);
    free(r);
}

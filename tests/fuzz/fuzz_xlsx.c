/*
 * fuzz_xlsx.c -- any octets as the parts of a workbook. Cells are UTF-8, rows are as wide as the header and go downward. A
 * number that was read is the same when read again; a number format has a kind and a date its text.
 * Octet 0 even: the rest is parts, apart by "\x1E": sheet, shared texts, styles, workbook; what is left out is ours. Odd: a
 * number, "\x1E", a number format.
 */
#include "fuzz_zip.h"

#include "dmf/xlsx_parts.h"

static const char RELS[] =
    "<Relationships><Relationship Id=\"a\" Type=\"x/officeDocument\" Target=\"xl/workbook.xml\"/>"
    "</Relationships>";
static const char BOOK_RELS[] =
    "<Relationships><Relationship Id=\"r1\" Type=\"x/worksheet\" Target=\"worksheets/sheet1.xml\"/><Relationship "
    "Id=\"r2\" Type=\"x/sharedStrings\" Target=\"sharedStrings.xml\"/><Relationship Id=\"r3\" Type=\"x/styles\" "
    "Target=\"styles.xml\"/></Relationships>";
static const char BOOK[] = "<workbook><sheets><sheet name=\"S\" id=\"r1\"/></sheets></workbook>";
static const char STYLES[] =
    "<styleSheet><numFmts><numFmt numFmtId=\"170\" formatCode=\"[h]:mm\"/></numFmts><cellXfs>"
    "<xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/><xf numFmtId=\"21\"/>"
    "<xf numFmtId=\"170\"/></cellXfs></styleSheet>";

static void read_rows(int fd)
{
    struct xlsx_options o = { .tmp_dir = "/tmp", .max_member = 1 << 20 };
    struct xlsx_reader *x = NULL;
    struct arena a = { 0 };
    struct err e = { 0 };
    enum ec rc = xlsx_open_fd(fd, "'fuzz'", &o, &x, &e);
    uint64_t line = 0;
    bool more = true;
    size_t n = 0;

    if (!rc)
        (void)xlsx_header(x, &n);
    while (!rc && more) {
        struct xlsx_row row;

        arena_reset(&a);
        rc = xlsx_next(x, &a, &row, &more, &e);
        if (rc || !more)
            break;
        MUST(row.n == n && row.line > line);
        line = row.line;
        for (size_t i = 0; i < n; i++)
            MUST(fuzz_is_text(row.cells[i]));
        MUST(!row.fault || fuzz_is_text(cell_of(row.fault)));
    }
    MUST(!rc || (e.code == rc && e.msg[0] && fuzz_is_text(cell_of(e.msg))));
    MUST(rc == EC_OK || rc == EC_FORMAT || rc == EC_LIMIT);
    xlsx_close(x);
    arena_release(&a);
}

static void values(const char *p, size_t n)
{
    const char *cut = memchr(p, 0x1E, n);
    struct cell number = { p, cut ? (size_t)(cut - p) : n };
    struct strbuf one = STRBUF(0), two = STRBUF(0);
    struct arena a = { 0 };

    if (!xlsx_number(number, &one)) {
        MUST(!xlsx_number((struct cell){ one.buf, one.len }, &two));
        MUST(one.len == two.len && !memcmp(one.buf, two.buf, one.len));
    }
    strbuf_reset(&one);
    if (cut) {
        enum xlsx_kind kind = xlsx_format_kind(arena_dup(&a, cut + 1, n - number.len - 1));

        MUST(kind <= XLSX_ELAPSED);
        for (int i = 0; i < 2; i++)
            if (!xlsx_date(number, kind == XLSX_NUMBER ? XLSX_DATE : kind, i, &one))
                MUST(one.len >= 7);
    }
    strbuf_reset(&one);
    strbuf_add(&one, p, n);
    xlsx_unescape(&one, 0);
    MUST(utf8_valid_prefix(p, n) < n || fuzz_is_text((struct cell){ one.buf, one.len }));
    strbuf_release(&one);
    strbuf_release(&two);
    arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const NAMES[] = { "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml",
                                         "xl/workbook.xml" };
    static const char *const OURS[] = { "", NULL, STYLES, BOOK };
    const char *p = (const char *)data + 1, *end = (const char *)data + size;
    struct fuzz_zip z = { 0 };

    if (!size || size > 1 << 15)
        return 0;
    if (data[0] % 2) {
        values(p, size - 1);
        return 0;
    }
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        const char *cut = p <= end ? memchr(p, 0x1E, (size_t)(end - p)) : NULL;
        size_t n = p <= end ? (size_t)((cut ? cut : end) - p) : 0;

        if (n)
            fuzz_zip_add(&z, NAMES[i], strlen(NAMES[i]), p, n);
        else if (OURS[i])
            fuzz_zip_add(&z, NAMES[i], strlen(NAMES[i]), OURS[i], strlen(OURS[i]));
        p = (cut ? cut : end) + 1;
    }
    fuzz_zip_add(&z, "_rels/.rels", 11, RELS, sizeof(RELS) - 1);
    fuzz_zip_add(&z, "xl/_rels/workbook.xml.rels", 26, BOOK_RELS, sizeof(BOOK_RELS) - 1);
    fuzz_zip_end(&z);
    read_rows(fuzz_file(z.out.buf, z.out.len));
    fuzz_zip_release(&z);
    return 0;
}

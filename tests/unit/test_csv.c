#include "check.h"

#include "data/csv.h"
#include "fuzz/csv_pair.h"
#include "data/json.h"
#include "data/zio.h"

#include "base/file.h"

#include <unistd.h>

static void add_bytes(struct strbuf *out, struct cell c)
{
    for (size_t i = 0; i < c.len; i++)
        strbuf_add(out, c.ptr[i] ? c.ptr + i : "\\0", c.ptr[i] ? 1 : 2);
}

/* "[a][]~/" = text, empty, absent; a faulty row: "!stray quote<raw>". With places: "number@offset:line" in front. */
static void show(const struct csv_row *row, bool places, struct strbuf *out)
{
    if (places)
        strbuf_addf(out, "%llu@%llu:%llu ", (unsigned long long)row->number, (unsigned long long)row->offset,
                    (unsigned long long)row->line);
    if (row->fault) {
        strbuf_addf(out, "!%s<", csv_fault_text(row->fault));
        add_bytes(out, row->raw);
        strbuf_adds(out, ">");
    } else {
        CHECK(cell_absent(row->raw), "raw only with a fault");
        for (size_t i = 0; i < row->n; i++) {
            CHECK(!row->cells[i].ptr || !row->cells[i].ptr[row->cells[i].len], "NUL behind a cell");
            if (cell_absent(row->cells[i])) {
                strbuf_addc(out, '~');
                continue;
            }
            strbuf_addc(out, '[');
            add_bytes(out, row->cells[i]);
            strbuf_addc(out, ']');
        }
    }
    strbuf_adds(out, "/");
}

static void show_header(const struct csv_reader *r, struct strbuf *out)
{
    struct csv_row row = { 0 };
    size_t n;

    row.cells = (struct cell *)csv_header(r, &n);
    row.n = n;
    if (n)
        show(&row, false, out);
}

static void show_rest(struct csv_reader *r, bool places, struct strbuf *out)
{
    struct arena a = { 0 };
    struct csv_row row;
    struct err e = { 0 };
    bool more;

    for (;;) {
        CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
        if (!more)
            break;
        for (size_t i = 0; i < row.n; i++)
            CHECK(utf8_valid_prefix(row.cells[i].ptr, row.cells[i].len) == row.cells[i].len, "cells are UTF-8");
        show(&row, places, out);
        arena_reset(&a);
    }
    CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
    CHECK(!more, "the end stays the end");
    arena_release(&a);
}

/* Gives `step` octets at a time. */
struct source {
    const char *p;
    size_t n, step;
};
static int64_t fill(void *arg, void *buf, size_t n, struct err *reterr)
{
    struct source *s = arg;
    size_t k = s->step < n ? s->step : n;

    (void)reterr;
    if (k > s->n)
        k = s->n;
    memcpy(buf, s->p, k);
    s->p += k;
    s->n -= k;
    return (int64_t)k;
}

static void read_all(const char *p, size_t n, size_t step, const struct csv_dialect *d, bool places,
                     struct strbuf *out)
{
    struct source s = { p, n, step };
    struct csv_reader *r = NULL;
    struct err e = { 0 };

    if (step)
        CHECK_OK(csv_open_stream("text", fill, &s, d, &r, &e), &e);
    else
        CHECK_OK(csv_open_memory("text", p, n, d, &r, &e), &e);
    show_header(r, out);
    show_rest(r, places, out);
    csv_close(r);
}

#define TEXT(s) (s), sizeof(s) - 1
static const struct {
    const char *name, *in;
    size_t n;
    const char *want;
} CASES[] = {
    { "plain", TEXT("a,b\n1,2\n3,4\n"), "[a][b]/[1][2]/[3][4]/" },
    { "CRLF", TEXT("a,b\r\n1,2\r\n\r\n3,4\r\n"), "[a][b]/[1][2]/[3][4]/" },
    { "CR alone", TEXT("a,b\r1,2\r3,4"), "[a][b]/[1][2]/[3][4]/" },
    { "no end of line at the end", TEXT("a,b\n1,2"), "[a][b]/[1][2]/" },
    { "absent and empty", TEXT("a,b\n,\"\"\n\"\",\n,\n"), "[a][b]/~[]/[]~/~~/" },
    { "absent at the end of the file", TEXT("a,b\n1,"), "[a][b]/[1]~/" },
    { "one empty field is a row", TEXT("a\n\"\"\n\nx\n"), "[a]/[]/[x]/" },
    { "blank lines", TEXT("\n\na\n\n\nx\n\n"), "[a]/[x]/" },
    { "blanks kept", TEXT("a,b\n 1 ,\t2\t\n\" 3 \",  \n"), "[a][b]/[ 1 ][\t2\t]/[ 3 ][  ]/" },
    { "line end in quotes", TEXT("a,b\n\"p\nq\",\"r\r\ns\"\n1,2\n"), "[a][b]/[p\nq][r\r\ns]/[1][2]/" },
    { "CR in quotes", TEXT("a\n\"p\rq\"\nx\n"), "[a]/[p\rq]/[x]/" },
    { "doubled quotes", TEXT("a\n\"p\"\"q\"\"\"\n\"\"\"\"\n"), "[a]/[p\"q\"]/[\"]/" },
    { "delimiter in quotes", TEXT("a,b\n\"1,2\",3\n"), "[a][b]/[1,2][3]/" },
    { "line end in the header", TEXT("\"a\nb\",c\n1,2\n"), "[a\nb][c]/[1][2]/" },
    { "ragged", TEXT("a,b\n1\n1,2,3\n"), "[a][b]/[1]/[1][2][3]/" },
    { "no row at all", TEXT(""), "" },
    { "nothing but blank lines", TEXT("\n\r\n\r"), "" },
    { "header only", TEXT("a,b"), "[a][b]/" },
    { "BOM", TEXT("\xEF\xBB\xBF\"a\",b\n1,2\n"), "[a][b]/[1][2]/" },
    { "BOM only", TEXT("\xEF\xBB\xBF"), "" },
    { "BOM later is text", TEXT("a\n\xEF\xBB\xBFx\n"), "[a]/[\xEF\xBB\xBFx]/" },
    { "umlauts", TEXT("a\nM\xC3\xBCller\n\xF0\x9F\x98\x80\n"), "[a]/[M\xC3\xBCller]/[\xF0\x9F\x98\x80]/" },
    { "stray quote inside", TEXT("a,b\n5\" pipe,x\n1,2\n"), "[a][b]/!stray quote<5\" pipe,x>/[1][2]/" },
    { "stray quote at the end", TEXT("a,b\nx,pipe\"\n1,2\n"), "[a][b]/!stray quote<x,pipe\">/[1][2]/" },
    { "text behind a quote", TEXT("a,b\n\"x\"y,z\n1,2\n"), "[a][b]/!stray quote<\"x\"y,z>/[1][2]/" },
    { "blank behind a quote", TEXT("a,b\n\"x\" ,z\n1,2\n"), "[a][b]/!stray quote<\"x\" ,z>/[1][2]/" },
    { "blank before a quote", TEXT("a,b\nw, \"x\"\n1,2\n"), "[a][b]/!stray quote<w, \"x\">/[1][2]/" },
    { "stray quote, quoted rows around", TEXT("a,b\n\"1\",\"2\"\nx\",y\n\"3\",\"4\"\n"),
      "[a][b]/[1][2]/!stray quote<x\",y>/[3][4]/" },
    { "two stray in a row", TEXT("a\nx\"\ny\"\nz\n"), "[a]/!stray quote<x\">/!stray quote<y\">/[z]/" },
    { "stray quote in the last row", TEXT("a\nx\"y"), "[a]/!stray quote<x\"y>/" },
    { "stray quote, CRLF", TEXT("a,b\r\n5\" pipe,x\r\n1,2\r\n"), "[a][b]/!stray quote<5\" pipe,x>/[1][2]/" },
    { "open quote, next row is quoted", TEXT("a,b\n1,\"x\n2,\"y\"\n3,z\n"),
      "[a][b]/!stray quote<1,\"x>/[2][y]/[3][z]/" },
    { "open quote, then quoted first", TEXT("a,b\n1,\"x\n\"2\",\"y\"\n"), "[a][b]/!stray quote<1,\"x>/[2][y]/" },
    { "open quote to the end", TEXT("a,b\n1,\"x\n2,y\n3,z\n"),
      "[a][b]/!quoted field is not closed<1,\"x>/[2][y]/[3][z]/" },
    { "open quote, no line end", TEXT("a,b\n1,\"x"), "[a][b]/!quoted field is not closed<1,\"x>/" },
    { "open quote in the last line", TEXT("a,b\n1,\"x\n"), "[a][b]/!quoted field is not closed<1,\"x>/" },
    { "open quote, two of them", TEXT("a,b\n1,\"x\n2,y\n3,\"z\n4,w\n"),
      "[a][b]/!stray quote<1,\"x>/[2][y]/!quoted field is not closed<3,\"z>/[4][w]/" },
    { "NUL", TEXT("a,b\n1,x\0y\n2,z\n"), "[a][b]/!NUL octet<1,x\\0y>/[2][z]/" },
    { "NUL in quotes over lines", TEXT("a,b\n1,\"x\n\0y\"\n2,z\n"), "[a][b]/!NUL octet<1,\"x\n\\0y\">/[2][z]/" },
    { "nothing but a NUL", TEXT("a,b\n\0\n2,z\n"), "[a][b]/!NUL octet<\\0>/[2][z]/" },
    { "bad UTF-8", TEXT("a,b\n1,M\xFCller\n2,z\n"),
      "[a][b]/!text is not valid in the file's encoding<1,M\xFCller>/[2][z]/" },
    { "overlong UTF-8", TEXT("a\n\xC0\xAF\nz\n"), "[a]/!text is not valid in the file's encoding<\xC0\xAF>/[z]/" },
    { "cut UTF-8 at the end", TEXT("a\nz\n\xE2\x82"),
      "[a]/[z]/!text is not valid in the file's encoding<\xE2\x82>/" },
    { "bad UTF-8 and a stray quote", TEXT("a\n\xFF\"\nz\n"), "[a]/!stray quote<\xFF\">/[z]/" },
};

static void rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        for (size_t step = 0; step <= CASES[i].n; step++) { /* 0: memory; every way of reading gives the same */
            struct strbuf out = { 0 };

            read_all(CASES[i].in, CASES[i].n, step, NULL, false, &out);
            CHECK_STR(strbuf_str(&out), CASES[i].want, "%s, %zu at a time", CASES[i].name, step);
            strbuf_release(&out);
        }
    }
}

/* Every row's place leads back to the same rows. */
static void check_places(const char *name, const char *p, size_t n, const struct csv_dialect *d)
{
    struct csv_reader *r = NULL, *other = NULL;
    struct arena a = { 0 };
    struct strbuf all = { 0 };
    struct err e = { 0 };
    struct csv_row row;
    uint64_t number = 0;
    bool more;

    CHECK_OK(csv_open_memory("text", p, n, d, &r, &e), &e);
    CHECK_OK(csv_open_memory("text", p, n, d, &other, &e), &e);
    show_rest(r, true, &all);
    csv_close(r);
    CHECK_OK(csv_open_memory("text", p, n, d, &r, &e), &e);
    for (;;) {
        struct strbuf rest = { 0 }, here = { 0 };

        CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
        if (!more)
            break;
        CHECK(row.number == ++number, "%s: row numbers count up", name);
        CHECK_OK(csv_seek(other, row.offset, row.line, row.number, &e), &e);
        show_rest(other, true, &rest);
        show(&row, true, &here);
        CHECK(all.len >= rest.len && !strcmp(all.buf + all.len - rest.len, strbuf_str(&rest)),
              "%s: from row %llu: %s", name, (unsigned long long)row.number, strbuf_str(&rest));
        CHECK(!strncmp(strbuf_str(&rest), strbuf_str(&here), here.len), "%s: row %llu itself", name,
              (unsigned long long)row.number);
        strbuf_release(&rest);
        strbuf_release(&here);
        arena_reset(&a);
    }
    csv_close(r);
    csv_close(other);
    arena_release(&a);
    strbuf_release(&all);
}

static void seek_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        check_places(CASES[i].name, CASES[i].in, CASES[i].n, NULL);
}

static void places(void **state)
{
    static const struct {
        const char *name, *in;
        size_t n;
        const char *want;
    } PLACES[] = {
        { "LF", TEXT("a,b\n1,2\n3,4\n"), "[a][b]/1@4:2 [1][2]/2@8:3 [3][4]/" },
        { "CRLF and blank lines", TEXT("a\r\n\r\n1\r\n\r\n2\r\n"), "[a]/1@5:3 [1]/2@10:5 [2]/" },
        { "CR alone", TEXT("a\r1\r\r2"), "[a]/1@2:2 [1]/2@5:4 [2]/" },
        { "BOM counts",
          TEXT("\xEF\xBB\xBF"
               "a\n1\n"),
          "[a]/1@5:2 [1]/" },
        { "field over lines", TEXT("a,b\n\"x\ny\r\nz\",1\n2,3\n"), "[a][b]/1@4:2 [x\ny\r\nz][1]/2@15:5 [2][3]/" },
        { "faults count", TEXT("a\nx\"\n1\n\"y\n2\n"),
          "[a]/1@2:2 !stray quote<x\">/2@5:3 [1]/3@7:4 !quoted field is not closed<\"y>/4@10:5 [2]/" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(PLACES); i++) {
        struct strbuf out = { 0 };

        read_all(PLACES[i].in, PLACES[i].n, 0, NULL, true, &out);
        CHECK_STR(strbuf_str(&out), PLACES[i].want, "%s", PLACES[i].name);
        strbuf_release(&out);
    }
}

static void encodings(void **state)
{
    static const struct {
        const char *name;
        enum text_encoding encoding;
        const char *in;
        size_t n;
        const char *want;
    } ENCODED[] = {
        { "UTF-16LE by BOM", ENC_AUTO,
          TEXT("\xFF\xFE"
               "a\0\n\0\xE9\0\r\0\n\0=\xD8\0\xDE\n\0"),
          "[a]/1@6:2 [\xC3\xA9]/2@12:3 [\xF0\x9F\x98\x80]/" },
        { "UTF-16BE by BOM", ENC_AUTO, TEXT("\xFE\xFF\0a\0\n\0\xE9\0\r\0\n\xD8=\xDE\0\0\n"),
          "[a]/1@6:2 [\xC3\xA9]/2@12:3 [\xF0\x9F\x98\x80]/" },
        { "UTF-16LE told, no BOM", ENC_UTF16LE, TEXT("a\0\n\0b\0"), "[a]/1@4:2 [b]/" },
        { "UTF-16LE told, BOM", ENC_UTF16LE,
          TEXT("\xFF\xFE"
               "a\0\n\0b\0"),
          "[a]/1@6:2 [b]/" },
        { "U+0A0D is no line end", ENC_UTF16LE,
          TEXT("a\0\n\0\x0D\x0A"
               "b\0\n\0"),
          "[a]/1@4:2 [\xE0\xA8\x8D"
          "b]/" },
        { "UTF-16, quotes over lines", ENC_UTF16LE, TEXT("a\0\n\0\"\0x\0\r\0\n\0y\0\"\0\n\0z\0"),
          "[a]/1@4:2 [x\r\ny]/2@18:4 [z]/" },
        { "UTF-16, lone high", ENC_UTF16LE, TEXT("a\0\n\0=\xD8\n\0b\0\n\0"),
          "[a]/1@4:2 !text is not valid in the file's encoding<\xEF\xBF\xBD>/2@8:3 [b]/" },
        { "UTF-16, lone low", ENC_UTF16BE, TEXT("\0a\0\n\xDE\0\0\n\0b"),
          "[a]/1@4:2 !text is not valid in the file's encoding<\xEF\xBF\xBD>/2@8:3 [b]/" },
        { "UTF-16, half a unit", ENC_UTF16LE, TEXT("a\0\n\0b\0\n\0c"),
          "[a]/1@4:2 [b]/2@8:3 !text is not valid in the file's encoding<\xEF\xBF\xBD>/" },
        { "UTF-16, NUL", ENC_UTF16LE, TEXT("a\0\n\0\0\0\n\0c\0"), "[a]/1@4:2 !NUL octet<\\0>/2@8:3 [c]/" },
        { "UTF-16, stray quote", ENC_UTF16LE, TEXT("a\0\n\0b\0\"\0\r\0\n\0c\0\n\0"),
          "[a]/1@4:2 !stray quote<b\">/2@12:3 [c]/" },
        { "UTF-16, open quote", ENC_UTF16LE, TEXT("a\0\n\0\"\0b\0\r\0\n\0c\0\n\0"),
          "[a]/1@4:2 !quoted field is not closed<\"b>/2@12:3 [c]/" },
        { "UTF-16, CR alone", ENC_UTF16LE, TEXT("a\0\r\0b\0\r\0"), "[a]/1@4:2 [b]/" },
        { "CP1252", ENC_CP1252, TEXT("a\n\x80\xE9\x9F\n"), "[a]/1@2:2 [\xE2\x82\xAC\xC3\xA9\xC5\xB8]/" },
        { "CP1252, not assigned", ENC_CP1252, TEXT("a\nx\x81y\nb\n"),
          "[a]/1@2:2 !text is not valid in the file's encoding<x\xEF\xBF\xBDy>/2@6:3 [b]/" },
        { "CP1252, NUL", ENC_CP1252, TEXT("a\nx\0y\nb\n"), "[a]/1@2:2 !NUL octet<x\\0y>/2@6:3 [b]/" },
        { "CP1252 has no BOM", ENC_CP1252, TEXT("\xEF\xBB\xBF\n"), "[\xC3\xAF\xC2\xBB\xC2\xBF]/" },
        { "UTF-8 told, BOM", ENC_UTF8,
          TEXT("\xEF\xBB\xBF"
               "a\nb\n"),
          "[a]/1@5:2 [b]/" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(ENCODED); i++) {
        struct csv_dialect d = { .encoding = ENCODED[i].encoding };

        for (size_t step = 0; step < 5; step++) {
            struct strbuf out = { 0 };

            read_all(ENCODED[i].in, ENCODED[i].n, step, &d, true, &out);
            CHECK_STR(strbuf_str(&out), ENCODED[i].want, "%s, %zu at a time", ENCODED[i].name, step);
            strbuf_release(&out);
        }
        check_places(ENCODED[i].name, ENCODED[i].in, ENCODED[i].n, &d);
    }
}

static void dialects(void **state)
{
    struct csv_dialect d = { .delimiter = ';', .quote = '\'' };
    struct csv_reader *r = NULL;
    struct strbuf out = { 0 };
    struct err e = { 0 };

    (void)state;
    read_all(TEXT("a;b\n'1;2''';\"3\n,;x\n"), 0, &d, false, &out);
    CHECK_STR(strbuf_str(&out), "[a][b]/[1;2'][\"3]/[,][x]/", "semicolon and apostrophe");
    strbuf_release(&out);
    d = (struct csv_dialect){ .delimiter = '\t' };
    read_all(TEXT("a\tb\n\t1\n \t\"\t\"\n"), 0, &d, false, &out);
    CHECK_STR(strbuf_str(&out), "[a][b]/~[1]/[ ][\t]/", "tab");
    strbuf_release(&out);
    for (size_t i = 0; i < 4; i++) {
        static const struct csv_dialect BAD[] = {
            { .delimiter = '"' }, { .delimiter = '\n' }, { .quote = '\r' }, { .delimiter = (char)0xA7 }
        };

        CHECK(csv_open_memory("text", "a", 1, &BAD[i], &r, &e) == EC_CONFIG, "dialect %zu", i);
    }
}

static void header_faults(void **state)
{
    static const struct {
        const char *name, *in;
        size_t n;
        enum ec rc;
    } BAD[] = {
        { "stray quote", TEXT("a\"b\n1\n"), EC_FORMAT },
        { "UTF-16 without BOM", TEXT("a\0\n\0"), EC_FORMAT },
        { "Latin-1", TEXT("M\xFCller\n1\n"), EC_FORMAT },
        { "open quote", TEXT("\"a\n1\n"), EC_FORMAT },
        { "too long", TEXT("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n1\n"), EC_LIMIT },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(BAD); i++) {
        struct csv_dialect d = { .max_row_octets = 20 };
        struct csv_reader *r = NULL;
        struct err e = { 0 };

        CHECK(csv_open_memory("f.csv", BAD[i].in, BAD[i].n, &d, &r, &e) == BAD[i].rc, "%s: %s", BAD[i].name, e.msg);
        CHECK(!r && strstr(e.msg, "f.csv") && strstr(e.msg, "line 1"), "%s: %s", BAD[i].name, e.msg);
    }
}

static void ceiling(void **state)
{
    static const struct {
        const char *name, *in;
        size_t n;
        const char *want;
    } LONG[] = {
        /* ten octets a row, line ends included */
        { "just fits", TEXT("a\n123456789\nx\n"), "[a]/1@2:2 [123456789]/2@12:3 [x]/" },
        { "one too long", TEXT("a\n1234567890\nx\n"), "[a]/1@2:2 !row is too long<1234567890>/2@13:3 [x]/" },
        { "much too long", TEXT("a\n12345678901234567890123\r\nx\n"),
          "[a]/1@2:2 !row is too long<1234567890>/2@27:3 [x]/" },
        { "long, at the end", TEXT("a\n12345678901234567890123"), "[a]/1@2:2 !row is too long<1234567890>/" },
        { "long in quotes", TEXT("a\n\"2345678901234\n67\"\nx\n"),
          "[a]/1@2:2 !row is too long<\"234567890>/2@17:3 !stray quote<67\">/3@21:4 [x]/" },
        { "quoted over lines", TEXT("a\n\"2\n4\n6\n8\n0\"\nx\n"),
          "[a]/1@2:2 !quoted field is not closed<\"2>/2@5:3 [4]/3@7:4 [6]/4@9:5 [8]/5@11:6 !stray quote<0\">/"
          "6@14:7 [x]/" },
        { "quoted over lines, fits", TEXT("a\n\"2\n4\n6\n8\"\nx\n"), "[a]/1@2:2 [2\n4\n6\n8]/2@12:6 [x]/" },
        { "second line is long", TEXT("a\n\"2\n45678901234567\nx\n"),
          "[a]/1@2:2 !quoted field is not closed<\"2>/2@5:3 !row is too long<4567890123>/3@20:4 [x]/" },
    };
    struct csv_dialect d = { .max_row_octets = 10 };

    (void)state;
    for (size_t i = 0; i < COUNT(LONG); i++) {
        for (size_t step = 0; step < 6; step++) {
            struct strbuf out = { 0 };

            read_all(LONG[i].in, LONG[i].n, step, &d, true, &out);
            CHECK_STR(strbuf_str(&out), LONG[i].want, "%s, %zu at a time", LONG[i].name, step);
            strbuf_release(&out);
        }
        check_places(LONG[i].name, LONG[i].in, LONG[i].n, &d);
    }
}

/* An unterminated quote in front of a large file: one row lost, not the rest, and not all memory. */
static void open_quote_in_a_large_file(void **state)
{
    struct strbuf s = { 0 };
    struct csv_reader *r = NULL;
    struct arena a = { 0 };
    struct csv_row row;
    struct err e = { 0 };
    uint64_t good = 0, bad = 0;
    bool more = true;

    (void)state;
    strbuf_adds(&s, "a,b\n0,\"open\n");
    for (int i = 0; i < 200000; i++)
        strbuf_addf(&s, "%06d,value of this row\n", i);
    CHECK_OK(csv_open_memory("text", s.buf, s.len, NULL, &r, &e), &e);
    while (more) {
        CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
        good += more && !row.fault;
        bad += more && row.fault == CSV_OPEN_QUOTE;
        CHECK(!more || row.number == good + bad, "numbers");
        arena_reset(&a);
    }
    CHECK(good == 200000 && bad == 1, "%llu good, %llu bad", (unsigned long long)good, (unsigned long long)bad);
    csv_close(r);
    arena_release(&a);
    strbuf_release(&s);
}

static void files(void **state)
{
    static const char IN[] = "a,b\n1,x\n2,y\n3,z\n";
    struct zwriter *w = NULL;
    struct csv_reader *r = NULL;
    struct arena a = { 0 };
    struct csv_row row;
    struct strbuf out = { 0 };
    struct err e = { 0 };
    bool more;

    (void)state;
    for (int level = 0; level < 2; level++) {
        const char *path = level ? "in.csv.zst" : "in.csv";

        CHECK_OK(zwriter_open(path, level, &w, &e), &e);
        CHECK_OK(zwriter_add(w, IN, sizeof(IN) - 1, &e), &e);
        CHECK_OK(zwriter_close(w, &e), &e);
        CHECK_OK(csv_open(path, NULL, &r, &e), &e);
        show_header(r, &out);
        CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
        show(&row, true, &out);
        if (level) {
            CHECK(csv_seek(r, 8, 3, 2, &e) == EC_STATE, "no seek in .zst");
        } else {
            CHECK_OK(csv_seek(r, 12, 4, 3, &e), &e);
            CHECK_OK(csv_seek(r, 8, 3, 2, &e), &e);
            CHECK(csv_seek(r, 17, 9, 9, &e) == EC_STATE, "the file is shorter than it was");
            CHECK_OK(csv_seek(r, 16, 5, 4, &e), &e); /* its very end is fine */
            CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
            CHECK(!more, "nothing there");
            CHECK_OK(csv_seek(r, 8, 3, 2, &e), &e);
        }
        show_rest(r, true, &out);
        CHECK_STR(strbuf_str(&out), "[a][b]/1@4:2 [1][x]/2@8:3 [2][y]/3@12:4 [3][z]/", "%s", path);
        strbuf_release(&out);
        csv_close(r);
    }
    r = NULL;
    CHECK(csv_open("nothing.csv", NULL, &r, &e) == EC_IO && !r, "missing file");
    CHECK(csv_open(".", NULL, &r, &e) == EC_IO && !r, "a folder: %s", e.msg);
    arena_release(&a);
}

static int64_t fail_fill(void *arg, void *buf, size_t n, struct err *reterr)
{
    int *calls = arg;

    if (++*calls > 1) {
        err_set(reterr, EC_NET, "connection lost");
        return -1;
    }
    memcpy(buf, "a\n1\n2", n < 5 ? n : 5);
    return 5;
}

static void source_fails(void **state)
{
    struct csv_reader *r = NULL;
    struct arena a = { 0 };
    struct csv_row row;
    struct err e = { 0 };
    int calls = 0;
    bool more;

    (void)state;
    CHECK_OK(csv_open_memory("m", "a\n1\n", 4, NULL, &r, &e), &e);
    CHECK(csv_seek(r, 5, 3, 2, &e) == EC_STATE, "beyond the memory: %s", e.msg);
    CHECK_OK(csv_seek(r, 4, 3, 2, &e), &e);
    CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
    CHECK(!more, "its very end is fine");
    csv_close(r);
    CHECK_OK(csv_open_stream("s", fail_fill, &calls, NULL, &r, &e), &e);
    CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
    CHECK(csv_next(r, &a, &row, &more, &e) == EC_NET, "half a row is not a row");
    CHECK_STR(e.msg, "connection lost", "text");
    CHECK(csv_seek(r, 0, 1, 1, &e) == EC_STATE, "a stream cannot go back");
    csv_close(r);
    csv_close(NULL);
    arena_release(&a);
}

static void writing(void **state)
{
    static const struct {
        const char *in, *want;
        char delimiter;
    } ADD[] = {
        { NULL, "", ',' },
        { "", "\"\"", ',' },
        { "a", "a", ',' },
        { "a,b", "\"a,b\"", ',' },
        { "a,b", "a,b", ';' },
        { "a;b", "\"a;b\"", ';' },
        { "a\"b", "\"a\"\"b\"", ',' },
        { "a\nb", "\"a\nb\"", ',' },
        { "a\rb", "\"a\rb\"", ',' },
        { " a", "\" a\"", ',' },
        { "a ", "\"a \"", ',' },
        { "a b", "a b", ',' },
        { "\t", "\"\t\"", ',' },
        { "\"", "\"\"\"\"", ',' },
    };
    struct strbuf line = { 0 }, out = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(ADD); i++) {
        struct csv_dialect d = { .delimiter = ADD[i].delimiter };
        struct strbuf want = { 0 };

        strbuf_reset(&line);
        csv_add(&line, cell_of(ADD[i].in), ADD[i].delimiter);
        CHECK_STR(strbuf_str(&line), ADD[i].want, "case %zu", i);
        strbuf_addf(&line, "%cx\n", ADD[i].delimiter);
        strbuf_reset(&out);
        strbuf_addf(&want, "[h][i]/%s%s%s[x]/", ADD[i].in ? "[" : "~", ADD[i].in ? ADD[i].in : "",
                    ADD[i].in ? "]" : "");
        {
            struct strbuf file = { 0 };

            strbuf_addf(&file, "h%ci\n%s", ADD[i].delimiter, strbuf_str(&line));
            read_all(file.buf, file.len, 0, &d, false, &out);
            strbuf_release(&file);
        }
        CHECK_STR(strbuf_str(&out), strbuf_str(&want), "read back, case %zu", i);
        strbuf_release(&want);
    }
    strbuf_release(&line);
    strbuf_release(&out);
}

/* Offsets beyond 32 bits: a sparse file, of which only the end is read. */
static void beyond_4_gib(void **state)
{
    static const char TAIL[] = "\n7,seven\n8,eight\n";
    const uint64_t at = ((uint64_t)4 << 30) + 123;
    struct csv_reader *r = NULL;
    struct strbuf out = { 0 };
    struct err e = { 0 };
    FILE *f = fopen("sparse.csv", "w");

    (void)state;
    CHECK(f && fputs("a,b\n", f) >= 0 && fflush(f) == 0, "create");
    CHECK(!fseeko(f, (off_t)at - 1, SEEK_SET) && fwrite(TAIL, sizeof(TAIL) - 1, 1, f) == 1 && !fclose(f), "write");
    CHECK_OK(csv_open("sparse.csv", NULL, &r, &e), &e);
    CHECK_OK(csv_seek(r, at, 4000000000u + 5, 5000000000u, &e), &e);
    show_rest(r, true, &out);
    CHECK_STR(strbuf_str(&out),
              "5000000000@4294967419:4000000005 [7][seven]/5000000001@4294967427:4000000006 [8][eight]/", "64 bits");
    csv_close(r);
    strbuf_release(&out);
    (void)unlink("sparse.csv");
}

static void check_sample(const char *folder, const char *name)
{
    struct csv_reader *r = NULL;
    struct strbuf path = { 0 }, text = { 0 };
    struct arena a = { 0 };
    const struct json *want;
    struct json *all = NULL;
    const struct cell *header;
    struct csv_row row;
    struct err e = { 0 };
    size_t n, rows = 0;
    bool more;

    strbuf_addf(&path, "%s/%s.json", folder, name);
    CHECK_OK(file_read(strbuf_str(&path), 1 << 20, &text, &e), &e);
    CHECK_OK(json_parse(name, text.buf, text.len, NULL, &a, &all, &e), &e);
    strbuf_reset(&path);
    strbuf_addf(&path, "%s/%s.csv", folder, name);
    CHECK_OK(csv_open(strbuf_str(&path), NULL, &r, &e), &e);
    header = csv_header(r, &n);
    for (;; rows++) {
        CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
        if (!more)
            break;
        want = json_at(all, rows);
        CHECK(want && want->n == row.n && row.n == n && !row.fault, "%s, row %zu", name, rows);
        for (size_t i = 0; i < n; i++) {
            const struct json *v = json_get(want, cell_cstr(&a, header[i]));

            CHECK_CELL(row.cells[i], cell_cstr(&a, json_text(v)), "%s, row %zu, column %zu", name, rows, i);
        }
    }
    CHECK(rows == all->n, "%s: %zu rows", name, rows);
    csv_close(r);
    strbuf_release(&path);
    strbuf_release(&text);
    arena_release(&a);
}

static void samples(void **state)
{
    static const char *const NAMES[] = { "simple", "simple_crlf", "empty_crlf" };
    const char *root = getenv("DMFSYNC_SAMPLES");
    struct strbuf path = { 0 };
    struct csv_reader *r = NULL;
    struct arena a = { 0 };
    struct csv_row row;
    struct err e = { 0 };
    size_t n, rows = 0;
    bool more;

    (void)state;
    if (!root)
        skip();
    strbuf_addf(&path, "%s/csv/csv-spectrum", root);
    for (size_t i = 0; i < COUNT(NAMES); i++)
        check_sample(strbuf_str(&path), NAMES[i]);
    strbuf_reset(&path);
    strbuf_addf(&path, "%s/fo-csv/CustomersV3Export.csv", root); /* as F&O exports it */
    CHECK_OK(csv_open(strbuf_str(&path), NULL, &r, &e), &e);
    CHECK_CELL(csv_header(r, &n)[0], "CUSTOMERACCOUNT", "first column");
    for (;; rows++) {
        CHECK_OK(csv_next(r, &a, &row, &more, &e), &e);
        if (!more)
            break;
        CHECK(!row.fault && row.n == n, "row %zu: %zu cells of %zu, %s", rows, row.n, n, csv_fault_text(row.fault));
    }
    CHECK(rows > 0 && n > 100, "%zu rows of %zu", rows, n);
    csv_close(r);
    strbuf_release(&path);
    arena_release(&a);
}

/* Texts made of what matters to CSV: the quick reader and libcsv see the same rows. A mismatch prints the text. */
static void quick_is_libcsv(void **state)
{
    static const char *const WORDS[] = { "a",
                                         "bc",
                                         ",",
                                         ",",
                                         "\n",
                                         "\r\n",
                                         "\"",
                                         "\"\"",
                                         "\"x\"",
                                         "\r",
                                         "\t",
                                         " ",
                                         "\xC3\xA9",
                                         "\xE6\x9D\xB1",
                                         "\xFF",
                                         "\x01",
                                         "0123456789012345678901234567890123456789" };
    unsigned x = 12345;

    (void)state;
    for (int round = 0; round < 60000; round++) {
        struct csv_dialect d = { .max_row_octets = round % 7 ? 0 : 64 };
        char text[3000];
        size_t n = 0, words, wild;

        x = x * 1664525U + 1013904223U;
        words = (x >> 20) % (round % 10 ? 40 : 200);
        wild = round % 3 ? COUNT(WORDS) : 9; /* two of three texts have no octet that is not CSV's own */
        n += (size_t)snprintf(text, sizeof(text), "h1,h2\n");
        for (size_t i = 0; i < words && n < sizeof(text) - 64; i++) {
            const char *w;

            x = x * 1664525U + 1013904223U;
            w = WORDS[(x >> 16) % wild];
            if (!strcmp(w, "\x01") && x & 1)
                text[n++] = 0;
            else
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", w);
        }
        CHECK(csv_pair_same(text, n, &d, 1 + (x >> 24) % 90), "round %d: '%.*s'", round, (int)n, text);
    }
}

/* More cells than a row has bits for. */
static void quick_many_cells(void **state)
{
    struct csv_dialect d = { .delimiter = '|' };
    char text[400];
    size_t n = 0;

    (void)state;
    n += (size_t)snprintf(text, sizeof(text), "h\n");
    for (int i = 0; i < 70; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s|", i == 65 ? "\"a|b\"" : i == 3 ? "\"q\"" : "x");
    n += (size_t)snprintf(text + n, sizeof(text) - n, "\"c\nd\"\n");
    CHECK(csv_pair_same(text, n, &d, 7), "'%s'", text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows),
        cmocka_unit_test(seek_anywhere),
        cmocka_unit_test(places),
        cmocka_unit_test(encodings),
        cmocka_unit_test(dialects),
        cmocka_unit_test(header_faults),
        cmocka_unit_test(ceiling),
        cmocka_unit_test(files),
        cmocka_unit_test(source_fails),
        cmocka_unit_test(writing),
        cmocka_unit_test(beyond_4_gib),
        cmocka_unit_test(open_quote_in_a_large_file),
        cmocka_unit_test(samples),
        cmocka_unit_test(quick_many_cells),
        cmocka_unit_test(quick_is_libcsv),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

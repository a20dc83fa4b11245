/* Excel workbooks: what a cell becomes, where the sheet is, and workbooks that are made to do harm. */
#include "dmf_zip.h"

#include "dmf/xlsx_parts.h"

#define RELS "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
#define REL(id, type, target)                                                                                      \
    "<Relationship Id=\"" id "\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/" type \
    "\" Target=\"" target "\"/>"
#define ROOT_RELS RELS REL("rId1", "officeDocument", "xl/workbook.xml") "</Relationships>"
#define BOOK_RELS                                                                              \
    RELS REL("rId1", "worksheet", "worksheets/sheet1.xml") REL("rId2", "styles", "styles.xml") \
        REL("rId3", "sharedStrings", "sharedStrings.xml") "</Relationships>"
#define MAIN "xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\""
#define BOOK_OF(properties, sheets)                                                                                  \
    "<workbook " MAIN " xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\">" properties \
    "<sheets>" sheets "</sheets></workbook>"
#define BOOK BOOK_OF("", "<sheet name=\"Widgets\" sheetId=\"1\" r:id=\"rId1\"/>")
#define STYLES                                                                                                  \
    "<styleSheet " MAIN "><numFmts><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm\"/><numFmt "    \
    "numFmtId=\"165\" formatCode=\"[h]:mm:ss\"/></numFmts><cellStyleXfs><xf numFmtId=\"14\"/></cellStyleXfs>"   \
    "<cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/><xf numFmtId=\"21\"/><xf numFmtId=" \
    "\"165\"/><xf numFmtId=\"164\"/></cellXfs></styleSheet>"
#define STRINGS                                                                                                  \
    "<sst " MAIN "><si><t>plain</t></si><si><r><rPr><b/></rPr><t>ri</t></r><r><t xml:space=\"preserve\">ch </t>" \
    "</r><rPh><t>phonetic</t></rPh></si><si/><si><t>two_x000D_\nlines &amp; _x005F_x0041_</t></si></sst>"
#define TEXT(ref, text) "<c r=\"" ref "\" t=\"inlineStr\"><is><t>" text "</t></is></c>"
#define HEAD "<row r=\"1\">" TEXT("A1", "Code") TEXT("B1", "NAME") "</row>"
#define SHEET(rows) \
    "<worksheet " MAIN "><dimension ref=\"A1:B2\"/><sheetData>" rows "</sheetData><pageMargins/></worksheet>"

enum { ROOT_PART, BOOK_PART, RELS_PART, STYLES_PART, STRINGS_PART, SHEET_PART, PARTS };
static const struct part OURS[PARTS] = {
    { "_rels/.rels", ROOT_RELS }, { "xl/workbook.xml", BOOK },         { "xl/_rels/workbook.xml.rels", BOOK_RELS },
    { "xl/styles.xml", STYLES },  { "xl/sharedStrings.xml", STRINGS }, { "xl/worksheets/sheet1.xml", SHEET(HEAD) },
};

/* A workbook of ours with some parts replaced (the text NULL: left out). */
static void workbook(const char *path, const struct part *changed, size_t n)
{
    struct part parts[PARTS + 4];
    size_t m = 0;

    for (size_t i = 0; i < PARTS; i++) {
        const struct part *p = &OURS[i];

        for (size_t k = 0; k < n; k++)
            if (!strcmp(changed[k].name, p->name))
                p = &changed[k];
        if (p->text)
            parts[m++] = *p;
    }
    for (size_t k = 0; k < n; k++) {
        bool known = false;

        for (size_t i = 0; i < PARTS; i++)
            known |= !strcmp(changed[k].name, OURS[i].name);
        if (!known && changed[k].text)
            parts[m++] = changed[k];
    }
    build(path, parts, m);
}

/* "line:cell/cell;", a faulty row as "line!fault;", an error as "E" with its text in *e. */
static void read_book(const char *path, const char *sheet, struct strbuf *out, struct err *e)
{
    struct xlsx_options o = { .tmp_dir = "tmp", .sheet = sheet };
    struct xlsx_reader *x = NULL;
    struct arena a = { 0 };
    struct xlsx_row row;
    bool more = true;

    strbuf_reset(out);
    CHECK_OK(dir_make("tmp", 0700, e), e);
    if (xlsx_open(path, &o, &x, e)) {
        strbuf_adds(out, "E");
        more = false;
    }
    while (more) {
        if (xlsx_next(x, &a, &row, &more, e)) {
            strbuf_adds(out, "E");
            break;
        }
        if (!more)
            break;
        strbuf_addf(out, "%llu%s", (unsigned long long)row.line, row.fault ? "!" : ":");
        if (row.fault)
            strbuf_adds(out, row.fault);
        for (size_t i = 0; i < row.n && !row.fault; i++)
            strbuf_addf(out, "%s%s" CELL_FMT, i ? "/" : "", row.cells[i].ptr ? "" : "~", CELL_ARG(row.cells[i]));
        strbuf_adds(out, ";");
    }
    xlsx_close(x);
    arena_release(&a);
    assert_int_equal(files_in("tmp"), 0);
}

static void check_sheet(const char *name, const char *sheet, const char *want, const char *says)
{
    struct part part = { "xl/worksheets/sheet1.xml", sheet };
    struct strbuf got = STRBUF(0);
    struct err e = { 0 };

    workbook("w.xlsx", &part, 1);
    read_book("w.xlsx", NULL, &got, &e);
    CHECK_STR(strbuf_str(&got), want, "%s (%s)", name, e.msg);
    CHECK(strstr(e.msg, says) && (!*says || strstr(e.msg, "w.xlsx")), "%s: %s", name, e.msg);
    strbuf_release(&got);
}

#define ROW2(cells) SHEET(HEAD "<row r=\"2\">" cells "</row>")

static void cells(void **state)
{
    static const struct {
        const char *name, *sheet, *want, *says;
    } CASES[] = {
        { "inline text", ROW2(TEXT("A2", "1") TEXT("B2", "a &lt;b&gt; \xC3\xBC")), "2:1/a <b> \xC3\xBC;", "" },
        { "inline runs", ROW2("<c r=\"A2\" t=\"inlineStr\"><is><r><t>a</t></r><r><t> b</t></r></is></c>"), "2:a b/~;",
          "" },
        { "inline, empty", ROW2(TEXT("A2", "")), "2:/~;", "" },
        { "shared", ROW2("<c r=\"A2\" t=\"s\"><v>0</v></c><c r=\"B2\" t=\"s\"><v>1</v></c>"), "2:plain/rich ;", "" },
        { "shared, empty", ROW2("<c r=\"A2\" t=\"s\"><v>2</v></c>"), "2:/~;", "" },
        { "escapes", ROW2("<c r=\"A2\" t=\"s\"><v>3</v></c>"), "2:two\r\nlines & _x0041_/~;", "" },
        { "shared, beyond the last", ROW2("<c r=\"B2\" t=\"s\"><v>4</v></c>"), "E", "cell B2: shared text '4'" },
        { "shared, no number", ROW2("<c r=\"B2\" t=\"s\"><v>x</v></c>"), "E", "cell B2: shared text 'x'" },
        { "shared, negative", ROW2("<c r=\"B2\" t=\"s\"><v>-1</v></c>"), "E", "cell B2" },
        { "formulas", ROW2("<c r=\"A2\"><f>1+1</f><v>2</v></c><c r=\"B2\" t=\"str\"><f>x</f><v>t</v></c>"), "2:2/t;",
          "" },
        { "booleans", ROW2("<c r=\"A2\" t=\"b\"><v>1</v></c><c r=\"B2\" t=\"b\"><v>0</v></c>"), "2:true/false;", "" },
        { "boolean that is none", ROW2("<c r=\"A2\" t=\"b\"><v>x</v></c>"), "2!A2: neither true nor false;", "" },
        { "an error", ROW2(TEXT("A2", "1") "<c r=\"B2\" t=\"e\"><v>#N/A</v></c>"), "2!B2: the error #N/A;", "" },
        { "no number", ROW2("<c r=\"A2\"><v>1,5</v></c>"), "2!A2: not a number;", "" },
        { "numbers", ROW2("<c r=\"A2\"><v>0.10000000000000001</v></c><c r=\"B2\" t=\"n\"><v>-5E-2</v></c>"),
          "2:0.1/-0.05;", "" },
        { "styles", ROW2("<c r=\"A2\" s=\"1\"><v>45292</v></c><c r=\"B2\" s=\"5\"><v>45292.5</v></c>"),
          "2:2024-01-01/2024-01-01 12:00:00;", "" },
        { "a style that is not there", ROW2("<c r=\"A2\" s=\"6\"><v>1</v></c>"), "E", "cell A2: a style" },
        { "formatted blanks", ROW2("<c r=\"A2\" s=\"1\"/><c r=\"B2\" s=\"1\"><v/></c>"), "", "" },
        { "ISO date", ROW2("<c r=\"A2\" t=\"d\"><v>2024-05-01T00:00:00</v></c>"), "2:2024-05-01T00:00:00/~;", "" },
        { "a type that is not known", ROW2("<c r=\"A2\" t=\"x\"><v>1</v></c>"), "E", "type 'x'" },
        { "two values", ROW2("<c r=\"A2\"><v>1</v><v>2</v></c>"), "E", "two values" },
        { "cells and rows left out",
          SHEET(HEAD "<row r=\"3\">" TEXT("B3", "x") "</row><row r=\"7\"/><row r=\"9\">" TEXT("A9", "y") "</row>"),
          "3:~/x;9:y/~;", "" },
        { "no references at all",
          SHEET("<row><c t=\"str\"><v>Code</v></c><c "
                "t=\"str\"><v>NAME</v></c></row><row><c><v>1</v></c><c><v>2</v></c></row>"),
          "2:1/2;", "" },
        { "blank rows before the header",
          SHEET("<row r=\"1\"><c r=\"A1\" s=\"1\"/></row><row r=\"4\">" TEXT("C4", "Code") "</row><row r=\"5\">" TEXT(
              "C5", "1") "</row>"),
          "5:1;", "" },
        { "a column without a name",
          SHEET("<row r=\"1\">" TEXT("A1", "Code") TEXT("C1", "NAME") "</row><row r=\"2\">" TEXT("A2", "1") TEXT(
              "C2", "x") "</row><row r=\"3\">" TEXT("B3", "lost") "</row><row r=\"4\">" TEXT("E4", "lost") "</row>"),
          "2:1/x;3!B3: a value in a column without a name;4!E4: a value in a column without a name;", "" },
        { "an error in the header", SHEET("<row><c t=\"e\"><v>#REF!</v></c></row>"), "E",
          "header: A1: the error #REF!" },
        { "no rows", SHEET(""), "", "" },
        { "no rows at all", "<worksheet><sheetData/></worksheet>", "", "" },
        { "rows elsewhere", "<worksheet><x><row>" TEXT("A1", "x") "</row></x><sheetData><x/></sheetData></worksheet>",
          "", "" },
        { "column XFD", SHEET("<row>" TEXT("XFD1", "Code") "</row><row>" TEXT("XFD2", "1") "</row>"), "2:1;", "" },
        { "a column beyond", SHEET("<row>" TEXT("XFE1", "Code") "</row>"), "E", "outside of the sheet" },
        { "2^31 columns", ROW2(TEXT("XFDXFD2", "x")), "E", "outside of the sheet" },
        { "two to the 64 columns", ROW2(TEXT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA2", "x")), "E",
          "outside of the sheet" },
        { "a row beyond", SHEET("<row r=\"1048577\"/>"), "E", "outside of the sheet" },
        { "a row number that is none", SHEET("<row r=\"x\"/>"), "E", "number is none" },
        { "a row number without end", SHEET("<row r=\"99999999999999999999999\"/>"), "E", "number is none" },
        { "rows backwards", SHEET(HEAD "<row r=\"3\"/><row r=\"2\"/>"), "E", "order of their numbers" },
        { "a row twice", SHEET(HEAD "<row r=\"1\"/>"), "E", "order of their numbers" },
        { "cells backwards", ROW2(TEXT("B2", "x") TEXT("A2", "y")), "E", "order of their columns" },
        { "a cell of another row", ROW2(TEXT("A3", "x")), "E", "not in its row" },
        { "a cell without a row", ROW2(TEXT("A", "x")), "E", "outside of the sheet" },
        { "cut off", "<worksheet><sheetData>" HEAD "<row r=\"2\">" TEXT("A2", "1") "</row><row", "2:1/~;E",
          "sheet1.xml" },
        { "something behind it", SHEET(HEAD) "<x/>", "E", "well-formed" },
        { "DOCTYPE", "<!DOCTYPE worksheet [<!ENTITY a \"b\">]>" SHEET(HEAD), "E",
          "sheet1.xml' of workbook 'w.xlsx' has a DOCTYPE" },
        { "an entity", ROW2("<c r=\"A2\"><v>&a;</v></c>"), "E", "sheet1.xml" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        check_sheet(CASES[i].name, CASES[i].sheet, CASES[i].want, CASES[i].says);
}

static void numbers(void **state)
{
    static const struct {
        const char *text, *want; /* NULL = not a number */
    } CASES[] = {
        { "0", "0" },
        { "-0.0", "0" },
        { "+7", "7" },
        { " 12 ", "12" },
        { "1.50", "1.5" },
        { ".5", "0.5" },
        { "5.", "5" },
        { "007.5", "7.5" },
        { "0.10000000000000001", "0.1" },
        { "-0.10000000000000001", "-0.1" },
        { "1234.5599999999999", "1234.56" },
        { "1.0999999999999999E-2", "0.011" },
        { "99999999.989999995", "99999999.99" },
        { "0.30000000000000004", "0.30000000000000004" }, /* what 0.1 + 0.2 is: no shorter text is that double */
        { "0.3333333333333333", "0.3333333333333333" },
        { "3.1415926535897931", "3.141592653589793" },
        { "123456789.12345678", "123456789.12345678" },
        { "12345678901234567", "12345678901234567" }, /* a whole number keeps its digits, double or not */
        { "99999999999999968", "99999999999999968" },
        { "9223372036854775807", "9223372036854775807" },
        { "1234567890123456789.25", "1234567890123456789.25" }, /* nobody's double */
        { "1E3", "1000" },
        { "1.23456789012345E+16", "12345678901234500" },
        { "1.5e+2", "150" },
        { "1E-7", "0.0000001" },
        { "0E99", "0" },
        { "", NULL },
        { "-", NULL },
        { ".", NULL },
        { "1.2.3", NULL },
        { "1e", NULL },
        { "1e+", NULL },
        { "1,5", NULL },
        { "0x10", NULL },
        { "inf", NULL },
        { "nan", NULL },
        { "1E999", NULL },
        { "1E99999999999999999999", NULL },
        { "1 2", NULL },
    };
    struct strbuf out = STRBUF(0);

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *why;

        strbuf_reset(&out);
        why = xlsx_number(cell_of(CASES[i].text), &out);
        CHECK(!why == (CASES[i].want != NULL), "'%s': %s", CASES[i].text, why ? why : strbuf_str(&out));
        if (!why)
            CHECK_STR(strbuf_str(&out), CASES[i].want, "'%s'", CASES[i].text);
    }
    strbuf_release(&out);
}

static void number_formats(void **state)
{
    static const struct {
        const char *code;
        enum xlsx_kind want;
    } CASES[] = {
        { "General", XLSX_NUMBER },
        { "general;@", XLSX_NUMBER },
        { "", XLSX_NUMBER },
        { "@", XLSX_NUMBER },
        { "0.00E+00", XLSX_NUMBER },
        { "0.00e-00", XLSX_NUMBER },
        { "#,##0.00_);[Red]\\(#,##0.00\\)", XLSX_NUMBER },
        { "[Red]0", XLSX_NUMBER },
        { "[>100]0", XLSX_NUMBER },
        { "\"day \"0", XLSX_NUMBER },
        { "0\\d", XLSX_NUMBER },
        { "_d0", XLSX_NUMBER },
        { "*d0", XLSX_NUMBER },
        { "[$-409]0.00", XLSX_NUMBER },
        { "[$\xE2\x82\xAC-407] #,##0", XLSX_NUMBER },
        { "0;yyyy", XLSX_NUMBER }, /* only what negative numbers look like */
        { "\"not closed yyyy", XLSX_NUMBER },
        { "[not closed yyyy", XLSX_NUMBER },
        { "yyyy-mm-dd", XLSX_DATE },
        { "m/d/yy", XLSX_DATE },
        { "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", XLSX_DATE },
        { "[$-409]d\\-mmm\\-yy;@", XLSX_DATE },
        { "mmm", XLSX_DATE },
        { "m", XLSX_DATE },
        { "ggge\"x\"", XLSX_DATE },
        { "hh:mm", XLSX_TIME },
        { "mm:ss.0", XLSX_TIME },
        { "h:mm AM/PM", XLSX_TIME },
        { "[$-409]h:mm:ss A/P", XLSX_TIME },
        { "m/d/yy h:mm", XLSX_DATETIME },
        { "yyyy\\-mm\\-dd\\Thh:mm:ss", XLSX_DATETIME },
        { "[h]:mm", XLSX_ELAPSED },
        { "[mm]:ss", XLSX_ELAPSED },
        { "[SS].00", XLSX_ELAPSED },
    };
    static const unsigned DATES[] = { 14, 15, 16, 17, 27, 31, 36, 50, 58 }, TIMES[] = { 18, 19, 20, 21, 45, 47 },
                          PLAIN[] = { 0, 1, 2, 9, 10, 11, 13, 37, 40, 44, 48, 49, 59, 163, 164 };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        CHECK(xlsx_format_kind(CASES[i].code) == CASES[i].want, "'%s': %d", CASES[i].code,
              (int)xlsx_format_kind(CASES[i].code));
    for (size_t i = 0; i < COUNT(DATES); i++)
        CHECK(xlsx_builtin_kind(DATES[i]) == XLSX_DATE, "%u", DATES[i]);
    for (size_t i = 0; i < COUNT(TIMES); i++)
        CHECK(xlsx_builtin_kind(TIMES[i]) == XLSX_TIME, "%u", TIMES[i]);
    for (size_t i = 0; i < COUNT(PLAIN); i++)
        CHECK(xlsx_builtin_kind(PLAIN[i]) == XLSX_NUMBER, "%u", PLAIN[i]);
    assert_int_equal(xlsx_builtin_kind(22), XLSX_DATETIME);
    assert_int_equal(xlsx_builtin_kind(46), XLSX_ELAPSED);
}

static void dates(void **state)
{
    static const struct {
        const char *text;
        enum xlsx_kind kind;
        bool from_1904;
        const char *want; /* begins with '!': the reason */
    } CASES[] = {
        { "1", XLSX_DATE, false, "1900-01-01" },
        { "59", XLSX_DATE, false, "1900-02-28" },
        { "60", XLSX_DATE, false, "!29 February 1900" },
        { "60.5", XLSX_DATETIME, false, "!29 February 1900" },
        { "61", XLSX_DATE, false, "1900-03-01" },
        { "0", XLSX_DATE, false, "!day 0" },
        { "0", XLSX_DATETIME, false, "!day 0" },
        { "0.5", XLSX_DATETIME, false, "12:00:00" },
        { "0", XLSX_TIME, false, "00:00:00" },
        { "25569", XLSX_DATE, false, "1970-01-01" },
        { "45351", XLSX_DATE, false, "2024-02-29" },
        { "45292.5", XLSX_DATE, false, "2024-01-01 12:00:00" }, /* nothing is dropped for the format's sake */
        { "45292", XLSX_DATETIME, false, "2024-01-01 00:00:00" },
        { "45292.999988425924", XLSX_DATETIME, false, "2024-01-01 23:59:59" },
        { "45291.9999999999", XLSX_DATETIME, false, "2024-01-01 00:00:00" },
        { "45292.000000011574", XLSX_DATETIME, false, "2024-01-01 00:00:00.001" },
        { "2958465", XLSX_DATE, false, "9999-12-31" },
        { "2958466", XLSX_DATE, false, "!9999" },
        { "1E300", XLSX_DATE, false, "!9999" },
        { "-1", XLSX_DATE, false, "!negative" },
        { "x", XLSX_DATE, false, "!not a number" },
        { "0.75", XLSX_TIME, false, "18:00:00" },
        { "1.75", XLSX_TIME, false, "1900-01-01 18:00:00" },
        { "1.5", XLSX_ELAPSED, false, "36:00:00" },
        { "0.0625", XLSX_ELAPSED, false, "01:30:00" },
        { "0", XLSX_DATE, true, "1904-01-01" },
        { "0.25", XLSX_DATETIME, true, "1904-01-01 06:00:00" },
        { "60", XLSX_DATE, true, "1904-03-01" },
        { "43830", XLSX_DATE, true, "2024-01-01" },
        { "2957003", XLSX_DATE, true, "9999-12-31" },
        { "2957004", XLSX_DATE, true, "!9999" },
    };
    struct strbuf out = STRBUF(0);

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *why;

        strbuf_reset(&out);
        why = xlsx_date(cell_of(CASES[i].text), CASES[i].kind, CASES[i].from_1904, &out);
        if (CASES[i].want[0] == '!')
            CHECK(why && strstr(why, CASES[i].want + 1), "%s: %s", CASES[i].text, why ? why : strbuf_str(&out));
        else
            CHECK_STR(why ? why : strbuf_str(&out), CASES[i].want, "%s", CASES[i].text);
    }
    strbuf_release(&out);
}

/* Every day that Excel can hold, against the calendar counted on by hand. */
static void every_day(void **state)
{
    static const int DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    struct strbuf out = STRBUF(0);
    int y = 1900, m = 1, d = 1;

    (void)state;
    for (int serial = 1; serial <= 2958465; serial++) {
        char text[16], want[32];

        if (serial == 60)
            continue;
        snprintf(text, sizeof(text), "%d", serial);
        snprintf(want, sizeof(want), "%04d-%02d-%02d", y, m, d);
        strbuf_reset(&out);
        if (serial < 150000 || serial % 97 == 0 || serial > 2958000) {
            assert_null(xlsx_date(cell_of(text), XLSX_DATE, false, &out));
            CHECK_STR(strbuf_str(&out), want, "%d", serial);
        }
        if (++d > DAYS[m - 1] + (m == 2 && y % 4 == 0 && (y % 100 || y % 400 == 0)))
            d = 1, m++;
        if (m > 12)
            m = 1, y++;
    }
    strbuf_release(&out);
}

static void escapes(void **state)
{
    static const char *const CASES[][2] = {
        { "_x000D_\n", "\r\n" },
        { "a_x005F_x000D_", "a_x000D_" },
        { "_xD83D__xDE00_", "\xF0\x9F\x98\x80" },
        { "_xD83D_", "_xD83D_" },
        { "_xDE00_", "_xDE00_" },
        { "_xD83D__x0041_", "_xD83D_A" },
        { "_x0000_", "_x0000_" },
        { "_x00e9_", "\xC3\xA9" },
        { "_x12_ _x123g_ _x12345_ _X0041_ x0041_", "_x12_ _x123g_ _x12345_ _X0041_ x0041_" },
        { "_x004", "_x004" },
        { "", "" },
    };
    struct strbuf b = STRBUF(0);

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        strbuf_reset(&b);
        strbuf_adds(&b, "_x0041_");
        strbuf_adds(&b, CASES[i][0]);
        xlsx_unescape(&b, 7);
        CHECK(!strncmp(b.buf, "_x0041_", 7), "%s", CASES[i][0]);
        CHECK_STR(b.buf + 7, CASES[i][1], "%s", CASES[i][0]);
    }
    strbuf_release(&b);
}

#define OTHER_SHEET SHEET("<row>" TEXT("A1", "Other") "</row><row>" TEXT("A2", "o") "</row>")
#define ONE_ROW SHEET(HEAD "<row r=\"2\">" TEXT("A2", "1") "</row>")
#define TWO_RELS                                                                                                   \
    RELS REL("rId1", "worksheet", "worksheets/sheet1.xml") REL("rId7", "worksheet", "/xl/worksheets/../other.xml") \
        REL("rId8", "chartsheet", "chart.xml") "</Relationships>"
#define LIST(one, two) \
    "<sheet name=\"Widgets\"" one " r:id=\"rId1\"/><sheet name=\"Other one\"" two " r:id=\"rId7\"/>"

/* Where the sheet is. */
static void sheets(void **state)
{
    static const struct {
        const char *name, *wanted;
        struct part parts[4];
        size_t n;
        const char *want, *says;
    } CASES[] = {
        { "the first",
          NULL,
          { { "xl/workbook.xml", BOOK_OF("", LIST("", "")) },
            { "xl/_rels/workbook.xml.rels", TWO_RELS },
            { "xl/other.xml", OTHER_SHEET } },
          3,
          "2:1/~;",
          "" },
        { "the first that can be seen",
          "",
          { { "xl/workbook.xml", BOOK_OF("", LIST(" state=\"hidden\"", "")) },
            { "xl/_rels/workbook.xml.rels", TWO_RELS },
            { "xl/other.xml", OTHER_SHEET } },
          3,
          "2:o;",
          "" },
        { "by name",
          "other one$",
          { { "xl/workbook.xml", BOOK_OF("", LIST("", "")) },
            { "xl/_rels/workbook.xml.rels", TWO_RELS },
            { "xl/other.xml", OTHER_SHEET } },
          3,
          "2:o;",
          "" },
        { "by name in quotes",
          "'Other one$'",
          { { "xl/workbook.xml", BOOK_OF("", LIST("", "")) },
            { "xl/_rels/workbook.xml.rels", TWO_RELS },
            { "xl/other.xml", OTHER_SHEET } },
          3,
          "2:o;",
          "" },
        { "no such name",
          "x$",
          { { "xl/workbook.xml", BOOK_OF("", LIST("", "")) },
            { "xl/_rels/workbook.xml.rels", TWO_RELS },
            { "xl/other.xml", OTHER_SHEET } },
          3,
          "E",
          "2 worksheets, and none is named 'x'" },
        { "another name, but one sheet", "x$", { { "xl/workbook.xml", BOOK } }, 1, "2:1/~;", "" },
        { "a chart comes first",
          NULL,
          { { "xl/workbook.xml", BOOK_OF("", "<sheet name=\"C\" r:id=\"rId8\"/>" LIST("", "")) },
            { "xl/_rels/workbook.xml.rels", TWO_RELS } },
          2,
          "2:1/~;",
          "" },
        { "no sheet", NULL, { { "xl/workbook.xml", BOOK_OF("", "") } }, 1, "E", "no worksheet" },
        { "no workbook", NULL, { { "xl/workbook.xml", NULL } }, 1, "E", "not an Excel workbook" },
        { "binary workbook",
          NULL,
          { { "xl/workbook.xml", NULL }, { "xl/workbook.bin", "x" } },
          2,
          "E",
          "not an Excel workbook" },
        { "no relationships of the package", NULL, { { "_rels/.rels", NULL } }, 1, "2:1/~;", "" },
        { "no relationships of the workbook",
          NULL,
          { { "xl/_rels/workbook.xml.rels", NULL } },
          1,
          "E",
          "no worksheet" },
        { "no file of the sheet",
          NULL,
          { { "xl/worksheets/sheet1.xml", NULL } },
          1,
          "E",
          "no 'xl/worksheets/sheet1.xml'" },
        { "a relationship out of it",
          NULL,
          { { "xl/_rels/workbook.xml.rels", RELS REL("rId1", "worksheet", "../../etc/passwd") "</Relationships>" } },
          1,
          "E",
          "leads out" },
        { "a relationship elsewhere",
          NULL,
          { { "xl/_rels/workbook.xml.rels", RELS
              "<Relationship Id=\"rId9\" Type=\"x/hyperlink\" Target=\"http://x/\" "
              "TargetMode=\"External\"/>" REL("rId1", "worksheet", "worksheets/sheet1.xml") "</Relationships>" } },
          1,
          "2:1/~;",
          "" },
        { "neither styles nor texts",
          NULL,
          { { "xl/styles.xml", NULL }, { "xl/sharedStrings.xml", NULL } },
          2,
          "2:1/~;",
          "" },
        { "1904",
          NULL,
          { { "xl/workbook.xml", BOOK_OF("<workbookPr date1904=\"1\"/>", "<sheet name=\"W\" r:id=\"rId1\"/>") },
            { "xl/worksheets/sheet1.xml", ROW2("<c r=\"A2\" s=\"1\"><v>0</v></c>") } },
          2,
          "2:1904-01-01/~;",
          "" },
        { "strict namespaces",
          NULL,
          { { "xl/_rels/workbook.xml.rels",
              RELS "<Relationship Id=\"rId1\" Type=\"http://purl.oclc.org/ooxml/officeDocument/"
                   "relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>" } },
          1,
          "2:1/~;",
          "" },
        { "entities in the texts",
          NULL,
          { { "xl/sharedStrings.xml",
              "<!DOCTYPE sst [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><sst><si><t>&b;</t></si></sst>" } },
          1,
          "E",
          "'xl/sharedStrings.xml' of workbook 'w.xlsx' has a DOCTYPE" },
        { "an external entity in the styles",
          NULL,
          { { "xl/styles.xml", "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><x/>" } },
          1,
          "E",
          "'xl/styles.xml'" },
        { "texts cut off", NULL, { { "xl/sharedStrings.xml", "<sst><si><t>a" } }, 1, "E", "sharedStrings.xml" },
        { "a folder's entry", NULL, { { "xl/", "", 0, -1 } }, 1, "2:1/~;", "" },
        { "a name that leads up", NULL, { { "xl/../../x", "x" } }, 1, "E", "names a folder" },
        { "a name with a backslash", NULL, { { "xl\\x", "x" } }, 1, "E", "folder" },
        { "an absolute name", NULL, { { "/etc/x", "x" } }, 1, "E", "names a folder" },
        { "encrypted", NULL, { { "x", "x", 0, 0, true } }, 1, "E", "member 'x' is encrypted" },
    };
    struct strbuf got = STRBUF(0);

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct part parts[5];
        bool sheet = false;
        struct err e = { 0 };
        size_t n = 0;

        for (; n < CASES[i].n; n++) {
            parts[n] = CASES[i].parts[n];
            sheet |= !strcmp(parts[n].name, "xl/worksheets/sheet1.xml");
        }
        if (!sheet)
            parts[n++] = (struct part){ "xl/worksheets/sheet1.xml", ONE_ROW, 0, 0, false };
        workbook("w.xlsx", parts, n);
        read_book("w.xlsx", CASES[i].wanted, &got, &e);
        CHECK_STR(strbuf_str(&got), CASES[i].want, "%s (%s)", CASES[i].name, e.msg);
        CHECK(strstr(e.msg, CASES[i].says), "%s: %s", CASES[i].name, e.msg);
    }
    strbuf_release(&got);
}

/* What is read is believed only when its CRC is right. */
static void damaged_parts(void **state)
{
    static const struct part STORED[] = {
        { "xl/worksheets/sheet1.xml", SHEET(HEAD "<row r=\"2\">" TEXT("A2", "damage1") "</row>"), 0, -1, false },
        { "xl/sharedStrings.xml", "<sst><si><t>damage2</t></si></sst>", 0, -1, false },
        { "xl/styles.xml", "<styleSheet><!-- damage3 --></styleSheet>", 0, -1, false },
        { "xl/workbook.xml", BOOK_OF("<!-- damage4 -->", "<sheet name=\"W\" r:id=\"rId1\"/>"), 0, -1, false },
        { "xl/_rels/workbook.xml.rels",
          RELS "<!-- damage5 -->" REL("rId1", "worksheet", "worksheets/sheet1.xml") REL("r2", "styles", "styles.xml")
              REL("r3", "sharedStrings", "sharedStrings.xml") "</Relationships>",
          0, -1, false },
    };
    struct xlsx_reader *x = NULL;
    struct strbuf got = STRBUF(0);
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(STORED); i++) {
        char was[8], is[8];

        snprintf(was, sizeof(was), "damage%zu", i + 1);
        snprintf(is, sizeof(is), "damaGe%zu", i + 1);
        workbook("w.xlsx", STORED, COUNT(STORED));
        read_book("w.xlsx", NULL, &got, &e);
        CHECK_STR(strbuf_str(&got), "2:damage1/~;", "as it is (%s)", e.msg);
        patch("w.xlsx", was, is, 7);
        read_book("w.xlsx", NULL, &got, &e);
        CHECK(got.buf[got.len - 1] == 'E' && strstr(e.msg, "is damaged") && strstr(e.msg, STORED[i].name),
              "%s: %s (%s)", STORED[i].name, got.buf, e.msg);
    }
    assert_int_equal(xlsx_open("none.xlsx", &(struct xlsx_options){ .tmp_dir = "tmp" }, &x, &e), EC_NOTFOUND);
    CHECK(strstr(e.msg, "workbook 'none.xlsx'"), "%s", e.msg);
    strbuf_release(&got);
}

/* A small sheet that repeats one long text. */
static void repeated_text(void **state)
{
    struct strbuf texts = STRBUF(0), sheet = STRBUF(0);
    struct xlsx_options o = { .tmp_dir = "tmp", .max_member = 100000 };
    struct xlsx_reader *x = NULL;
    struct arena a = { 0 };
    struct err e = { 0 };
    bool more = true;
    int rows = 0;

    (void)state;
    strbuf_adds(&texts, "<sst><si><t>");
    for (int i = 0; i < 10000; i++)
        strbuf_addc(&texts, (char)('a' + i * i % 26));
    strbuf_adds(&texts, "</t></si></sst>");
    strbuf_adds(&sheet, "<worksheet><sheetData>");
    for (int i = 0; i < 20; i++)
        strbuf_adds(&sheet, "<row><c t=\"s\"><v>0</v></c></row>");
    strbuf_adds(&sheet, "</sheetData></worksheet>");
    {
        struct part parts[] = { { "xl/sharedStrings.xml", texts.buf }, { "xl/worksheets/sheet1.xml", sheet.buf } };

        workbook("w.xlsx", parts, 2);
    }
    CHECK_OK(dir_make("tmp", 0700, &e), &e);
    CHECK_OK(xlsx_open("w.xlsx", &o, &x, &e), &e);
    while (more) {
        struct xlsx_row row;
        enum ec rc = xlsx_next(x, &a, &row, &more, &e);

        if (rc) {
            assert_int_equal(rc, EC_LIMIT);
            break;
        }
        assert_int_equal(row.cells[0].len, 10000);
        rows++;
    }
    assert_int_equal(rows, 9);
    CHECK(strstr(e.msg, "'xl/worksheets/sheet1.xml' of workbook 'w.xlsx', row 11"), "%s", e.msg);
    xlsx_close(x);
    arena_release(&a);
    strbuf_release(&texts);
    strbuf_release(&sheet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells),  cmocka_unit_test(numbers),       cmocka_unit_test(number_formats),
        cmocka_unit_test(dates),  cmocka_unit_test(every_day),     cmocka_unit_test(escapes),
        cmocka_unit_test(sheets), cmocka_unit_test(damaged_parts), cmocka_unit_test(repeated_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

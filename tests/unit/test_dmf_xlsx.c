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

/* More of everything than a workbook has; and no folder for what is spilled. */
static void too_much(void **state)
{
    static const struct {
        const char *part, *before, *text, *after, *says;
        int times;
    } CASES[] = {
        { "xl/styles.xml", "<styleSheet><cellXfs>", "<xf/>", "</cellXfs></styleSheet>", "more cell styles", 65537 },
        { "xl/workbook.xml", "<workbook><sheets>", "<sheet/>", "</sheets></workbook>", "more sheets", 10001 },
        { "xl/_rels/workbook.xml.rels", "<Relationships>", "<Relationship Id='a' Type='b' Target='c'/>",
          "</Relationships>", "more relationships", 10001 },
        { "xl/worksheets/sheet1.xml", "<worksheet><sheetData><row>", "<c><v>1</v></c>",
          "</row></sheetData></worksheet>", "not in its row", 16385 },
    };
    struct strbuf text = STRBUF(0), got = STRBUF(0);
    struct xlsx_options o = { .tmp_dir = "nowhere" };
    struct xlsx_reader *x = NULL;
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct part part = { CASES[i].part, NULL, 0, -1, false };

        strbuf_reset(&text);
        strbuf_adds(&text, CASES[i].before);
        for (int k = 0; k < CASES[i].times; k++)
            strbuf_adds(&text, CASES[i].text);
        strbuf_adds(&text, CASES[i].after);
        part.text = text.buf;
        workbook("w.xlsx", &part, 1);
        read_book("w.xlsx", NULL, &got, &e);
        CHECK(!strcmp(got.buf, "E") && strstr(e.msg, CASES[i].says) && strstr(e.msg, CASES[i].part), "%s: %s",
              CASES[i].part, e.msg);
    }
    strbuf_reset(&text);
    strbuf_adds(&text, "<worksheet><sheetData><row>");
    for (int k = 0; k < 3; k++) {
        strbuf_adds(&text, "<c t='str'><v>");
        for (int i = 0; i < 6 << 20; i++)
            strbuf_addc(&text, (char)('a' + i * 7 % 25));
        strbuf_adds(&text, "</v></c>");
    }
    strbuf_adds(&text, "</row></sheetData></worksheet>");
    {
        struct part part = { "xl/worksheets/sheet1.xml", text.buf, 0, -1, false };

        workbook("w.xlsx", &part, 1);
        read_book("w.xlsx", NULL, &got, &e);
        CHECK(!strcmp(got.buf, "E") && strstr(e.msg, "more text than rows can have"), "%s: %s", got.buf, e.msg);
    }
    workbook("w.xlsx", NULL, 0);
    assert_int_equal(xlsx_open("w.xlsx", &o, &x, &e), EC_IO);
    CHECK(strstr(e.msg, "'nowhere'"), "%s", e.msg);
    strbuf_release(&text);
    strbuf_release(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells),         cmocka_unit_test(sheets),   cmocka_unit_test(damaged_parts),
        cmocka_unit_test(repeated_text), cmocka_unit_test(too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

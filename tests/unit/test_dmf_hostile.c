/* Packages from anybody: what is refused, what is read all the same, and what a faulty row costs. */
#include "dmf_zip.h"

#include "dmf/pkgread.h"
#include "dmf/xml_stream.h"

static void packages(void **state)
{
    static char zeros[20 << 20];
    static const struct {
        const char *name;
        struct part parts[4];
        size_t n;
        struct dmf_limits lim;
        enum ec want;
        const char *says;
    } CASES[] = {
        { "fine",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "w.csv", "Code,NAME\r\n" } },
          3,
          { 0, 0 },
          EC_OK,
          "" },
        { "names in other case",
          { { "packageheader.XML", HEADER }, { "MANIFEST.xml", MANIFEST } },
          2,
          { 0, 0 },
          EC_OK,
          "" },
        { "no header", { { "Manifest.xml", MANIFEST } }, 1, { 0, 0 }, EC_FORMAT, "no PackageHeader.xml" },
        { "no manifest", { { "PackageHeader.xml", HEADER } }, 1, { 0, 0 }, EC_FORMAT, "no Manifest.xml" },
        { "a folder",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "d/w.csv", "x" } },
          3,
          { 0, 0 },
          EC_FORMAT,
          "folder" },
        { "up",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "../w.csv", "x" } },
          3,
          { 0, 0 },
          EC_FORMAT,
          "folder" },
        { "up, in Windows",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "..\\w", "x" } },
          3,
          { 0, 0 },
          EC_FORMAT,
          "folder" },
        { "absolute",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "/etc/w", "x" } },
          3,
          { 0, 0 },
          EC_FORMAT,
          "folder" },
        { "a drive",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "c:w", "x" } },
          3,
          { 0, 0 },
          EC_FORMAT,
          "folder" },
        { "parent",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "..", "x" } },
          3,
          { 0, 0 },
          EC_FORMAT,
          "folder" },
        { "twice",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "w.csv", "x" }, { "W.CSV", "y" } },
          4,
          { 0, 0 },
          EC_FORMAT,
          "two members named 'w.csv'" },
        { "encrypted",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "w.csv", "x", 0, 0, true } },
          3,
          { 0, 0 },
          EC_FORMAT,
          "encrypted" },
        { "too large",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "w.csv", zeros, 3000, 0, false } },
          3,
          { 2999, 0 },
          EC_LIMIT,
          "over the limit" },
        { "a bomb",
          { { "PackageHeader.xml", HEADER },
            { "Manifest.xml", MANIFEST },
            { "w.csv", zeros, sizeof(zeros), 0, false } },
          3,
          { 0, 0 },
          EC_LIMIT,
          "1000 times" },
        { "too many",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "w.csv", "x" } },
          3,
          { 0, 2 },
          EC_LIMIT,
          "members" },
        { "another method",
          { { "PackageHeader.xml", HEADER },
            { "Manifest.xml", MANIFEST },
            { "w.csv", zeros, 3000, ZIP_CM_BZIP2, false } },
          3,
          { 0, 0 },
          EC_FORMAT,
          "method 12" },
        { "header has a DOCTYPE",
          { { "PackageHeader.xml", "<!DOCTYPE x [<!ENTITY a \"b\">]>" HEADER }, { "Manifest.xml", MANIFEST } },
          2,
          { 0, 0 },
          EC_FORMAT,
          "DOCTYPE" },
        { "manifest has a DOCTYPE",
          { { "PackageHeader.xml", HEADER },
            { "Manifest.xml", "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">" MANIFEST } },
          2,
          { 0, 0 },
          EC_FORMAT,
          "DOCTYPE" },
        { "header of another document",
          { { "PackageHeader.xml", "<a/>" }, { "Manifest.xml", MANIFEST } },
          2,
          { 0, 0 },
          EC_FORMAT,
          "'a'" },
        { "manifest of another document",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", "<DataManagementSchema/>" } },
          2,
          { 0, 0 },
          EC_FORMAT,
          "DataManagementSchema" },
        { "manifest of another namespace",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", "<DataManagementPackageManifest xmlns=\"urn:x\"/>" } },
          2,
          { 0, 0 },
          EC_FORMAT,
          "DataManagementPackageManifest" },
        { "manifest is cut off",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", "<DataManagementPackageManifest " NS "><Descr" } },
          2,
          { 0, 0 },
          EC_FORMAT,
          "well-formed" },
        { "manifest is empty",
          { { "PackageHeader.xml", HEADER }, { "Manifest.xml", " " } },
          2,
          { 0, 0 },
          EC_FORMAT,
          "Manifest.xml" },
        { "entity without a name",
          { { "PackageHeader.xml", HEADER },
            { "Manifest.xml", MANIFEST_OF("<DataManagementPackageEntityData></DataManagementPackageEntityData>") } },
          2,
          { 0, 0 },
          EC_FORMAT,
          "EntityName" },
        { "another type of package",
          { { "PackageHeader.xml", "<DataManagementPackageHeader " NS "><PackageType>X</PackageType>"
                                   "</DataManagementPackageHeader>" },
            { "Manifest.xml", MANIFEST } },
          2,
          { 0, 0 },
          EC_FORMAT,
          "'X'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct err e = { 0 };
        enum ec rc;

        build("p.zip", CASES[i].parts, CASES[i].n);
        rc = try_open("p.zip", &CASES[i].lim, &e);
        CHECK(rc == CASES[i].want, "%s: %d %s", CASES[i].name, rc, e.msg);
        CHECK(strstr(e.msg, CASES[i].says), "%s: %s", CASES[i].name, e.msg);
        CHECK(!rc || strstr(e.msg, "p.zip"), "%s: %s", CASES[i].name, e.msg);
    }
}

static void not_a_zip(void **state)
{
    struct err e = { 0 };

    (void)state;
    assert_int_equal(try_open("none.zip", NULL, &e), EC_NOTFOUND);
    assert_int_equal(try_open(".", NULL, &e), EC_FORMAT);
    CHECK(strstr(e.msg, "not a file"), "%s", e.msg);
    CHECK_OK(file_write_atomic("x.zip", "CUSTOMERACCOUNT\r\nC1\r\n", 21, 0600, &e), &e);
    assert_int_equal(try_open("x.zip", NULL, &e), EC_FORMAT);
    CHECK(strstr(e.msg, "not a data package"), "%s", e.msg);
    CHECK_OK(file_write_atomic("x.zip", "", 0, 0600, &e), &e);
    assert_int_equal(try_open("x.zip", NULL, &e), EC_FORMAT);
}

/* The classic expansions, in each document that a package has. A clear error at once, and little memory. */
static void expansions(void **state)
{
    static const char LAUGHS[] = "<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b "
                                 "\"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;\">]>";
    static const char *const FILES[] = { "PackageHeader.xml", "Manifest.xml", "w.csv" };
    static const char *const TEXTS[] = { HEADER, MANIFEST, "<Document><W Code=\"&c;\"/></Document>" };

    (void)state;
    for (size_t k = 0; k < 6 * COUNT(FILES); k++) {
        struct strbuf evil = STRBUF(0), got = STRBUF(0);
        struct part parts[3];
        const char *says = "DOCTYPE";
        struct err e = { 0 };
        size_t at = k % 3;

        switch (k / 3) {
        case 0: strbuf_addf(&evil, "%s%s", LAUGHS, TEXTS[at]); break;
        case 1: strbuf_addf(&evil, "<!DOCTYPE x SYSTEM \"file:///etc/passwd\">%s", TEXTS[at]); break;
        case 2:
            strbuf_addf(&evil, "<!-- <x> --><?p ?><!DOCTYPE x [<!ENTITY %% p SYSTEM \"http://127.0.0.1/\">%%p;]>%s",
                        TEXTS[at]);
            break;
        case 3: /* each attribute is compared with every other */
            strbuf_adds(&evil, "<Document><W");
            for (int i = 0; i < 300000; i++)
                strbuf_addf(&evil, " a%d='%s'", i, i % 2 ? ">" : "=");
            strbuf_adds(&evil, "/></Document>");
            says = "more attributes";
            break;
        case 4:
            strbuf_adds(&evil, "<Document>");
            for (int i = 0; i < 100000; i++)
                strbuf_adds(&evil, "<a>");
            says = at == 2 ? "w.csv" : "";
            break;
        default: strbuf_addf(&evil, "<Document><W Code=\"\xFC\"/></Document>"); says = "well-formed";
        }
        for (size_t i = 0; i < 3; i++)
            parts[i] = (struct part){ FILES[i], i == at ? evil.buf : TEXTS[i], 0, -1, false };
        build("x.zip", parts, 3);
        if (!try_open("x.zip", NULL, &e))
            read_rows("x.zip", &got, &e);
        CHECK(e.code == EC_FORMAT && strstr(e.msg, FILES[at]), "%s, %zu: %s", FILES[at], k / 3, e.msg);
        CHECK(strstr(e.msg, says), "%s, %zu: %s", FILES[at], k / 3, e.msg);
        strbuf_release(&evil);
        strbuf_release(&got);
    }
}

/* More of everything than there can be. `is` repeats `text`, counted where "%d" stands. */
static void too_much(void **state)
{
    static const struct {
        const char *name;
        int member, times; /* which member, and how often */
        const char *before, *text, *after, *says;
        enum ec want;
    } CASES[] = {
        { "entities", 1, 5001, "<DataManagementPackageManifest><PackageEntityList>",
          "<DataManagementPackageEntityData><EntityName>E%d</EntityName></DataManagementPackageEntityData>",
          "</PackageEntityList></DataManagementPackageManifest>", "5001 entities", EC_LIMIT },
        { "fields", 1, 10001,
          "<DataManagementPackageManifest><PackageEntityList><DataManagementPackageEntityData><EntityName>E</"
          "EntityName><EntityMapList>",
          "<EntityMap><EntityField>F%d</EntityField></EntityMap>",
          "</EntityMapList></DataManagementPackageEntityData></PackageEntityList></DataManagementPackageManifest>",
          "10001 field maps", EC_LIMIT },
        { "tags", 1, 1000001, "<DataManagementPackageManifest>", "<a/><b%d/>", "</DataManagementPackageManifest>",
          "tags", EC_LIMIT },
        { "attributes", 1, 200000, "<DataManagementPackageManifest>",
          "<a b%d='' c='' d='' e='' f='' g='' h='' i='' j='' k=''/>", "</DataManagementPackageManifest>",
          "tags and attributes", EC_LIMIT },
        { "columns of CSV", 2, 1000000, "c", ",c%d", "\r\n", "1000001 columns", EC_FORMAT },
        { "columns of XML", 2, 10001, "<Document><W>", "<c%d/>", "</W></Document>", "more columns", EC_FORMAT },
        { "text of a row", 2, 3, "<Document><W>", "<c%d>", NULL, "row longer", EC_FORMAT },
        { "text of an attribute row", 2, 3, "<Document><W", " c%d='", NULL, "Huge input", EC_FORMAT },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        static char filler[6 << 20];
        struct part parts[] = { { "PackageHeader.xml", HEADER, 0, -1, false },
                                { "Manifest.xml", MANIFEST, 0, -1, false },
                                { "w.csv", "x", 0, -1, false } };
        struct strbuf text = STRBUF(0), got = STRBUF(0);
        bool attribute = strchr(CASES[i].text, '\'') != NULL;
        struct err e = { 0 };

        memset(filler, 'x', sizeof(filler));
        strbuf_adds(&text, CASES[i].before);
        for (int k = 0; k < CASES[i].times; k++) {
            const char *d = strstr(CASES[i].text, "%d");

            strbuf_addf(&text, "%.*s%d%s", (int)(d - CASES[i].text), CASES[i].text, k, d + 2);
            if (!CASES[i].after) {
                strbuf_add(&text, filler, sizeof(filler));
                attribute ? strbuf_addc(&text, '\'') : strbuf_addf(&text, "</c%d>", k);
            }
        }
        strbuf_adds(&text, CASES[i].after ? CASES[i].after : attribute ? "/></Document>" : "</W></Document>");
        parts[CASES[i].member].text = text.buf;
        build("m.zip", parts, 3);
        if (!try_open("m.zip", NULL, &e))
            read_rows("m.zip", &got, &e);
        CHECK(e.code == CASES[i].want && strstr(e.msg, CASES[i].says) && strstr(e.msg, parts[CASES[i].member].name),
              "%s: %s", CASES[i].name, e.msg);
        strbuf_release(&text);
        strbuf_release(&got);
    }
}

/* The guard sees the same in any encoding, in whatever pieces the octets come. */
static void guard(void **state)
{
    static const struct {
        const char *text;
        bool bad;
    } CASES[] = {
        { "<a b='c' d=\"e\">t</a>", false },
        { "<!DOCTYPE a>", true },
        { "<?xml version='1.0'?> <!DOCTYPE", true },
        { "<!ENTITY", true },
        { "<a><!-- <!DOCTYPE --></a>", false },
        { "<a><!-- x --><!DOCTYPE", true },
        { "<a><!-- x ---><!DOCTYPE", true },
        { "<a><![CDATA[<!DOCTYPE]]></a>", false },
        { "<a><![CDATA[]]]><!DOCTYPE", true },
        { "<a><?p <!DOCTYPE ?></a>", false },
        { "<a><?p ?"
          "?><!DOCTYPE",
          true },
        { "<a b='>'/><!DOCTYPE", true },
        { "<a b='\"'/><!DOCTYPE", true },
        { "<a b='<!DOCTYPE'/>", false }, /* not well-formed: the parser's affair */
    };
    static const char *const ENCODINGS[] = { NULL, "UTF-8", "UTF-16LE", "UTF-16BE" };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES) * COUNT(ENCODINGS); i++) {
        const char *text = CASES[i / 4].text, *encoding = ENCODINGS[i % 4];
        struct strbuf b = STRBUF(0);

        for (const char *p = text; *p; p++) {
            if (i % 4 == 3)
                strbuf_addc(&b, 0);
            strbuf_addc(&b, *p);
            if (i % 4 == 2)
                strbuf_addc(&b, 0);
        }
        for (size_t step = 1; step <= b.len; step++) {
            struct xml_guard g;
            const char *why = NULL;

            xml_guard_begin(&g, encoding);
            for (size_t at = 0; at < b.len && !why; at += step)
                why = xml_guard_pass(&g, b.buf + at, b.len - at < step ? b.len - at : step);
            CHECK((why != NULL) == CASES[i / 4].bad, "'%s' in %s by %zu: %s", text, encoding ? encoding : "any", step,
                  why ? why : "passed");
        }
        strbuf_release(&b);
    }
    /* U+3C21 has the octets of "<!" */
    {
        struct xml_guard g;

        xml_guard_begin(&g, "UTF-16LE");
        assert_null(xml_guard_pass(&g, "\x21\x3C\x3C\x21\x44\x00", 6));
    }
}

/* What looks like an attack to a guard that does not know XML. */
static void harmless(void **state)
{
    struct strbuf data = STRBUF(0), got = STRBUF(0);
    struct part parts[] = { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "w.csv", NULL } };
    struct err e = { 0 };

    (void)state;
    strbuf_adds(&data,
                "<!-- ' <!DOCTYPE x> - > --><Document><?p ' <!DOCTYPE ?><W Code='[CDATA[' NAME=\">='\"/><W><Code>"
                "<![CDATA[<!DOCTYPE ' ]] > ");
    for (int i = 0; i < 3000; i++)
        strbuf_adds(&data, "= \"");
    strbuf_adds(&data, "]]></Code></W><W Code='");
    for (int i = 0; i < 3000; i++)
        strbuf_adds(&data, "=");
    strbuf_adds(&data, "'/></Document>");
    parts[2].text = data.buf;
    build("h.zip", parts, 3);
    read_rows("h.zip", &got, &e);
    CHECK(!e.code && strstr(got.buf, "<!DOCTYPE ' ]] > = \"") && got.buf[got.len - 1] == ';', "%s", e.msg);
    strbuf_release(&data);
    strbuf_release(&got);
}

/* A workbook in a package is a zip in a zip: what its members inflate to counts from the outermost octets. */
static void nested_bomb(void **state)
{
    static char sheet[6 << 20];
    struct part book[] = {
        { "xl/worksheets/sheet1.xml", sheet, sizeof(sheet), 0, false },
        { "xl/workbook.xml", "<workbook><sheets><sheet name=\"a\" id=\"a\"/></sheets></workbook>" },
        { "xl/_rels/workbook.xml.rels", "<Relationships><Relationship Id=\"a\" Type=\"x/worksheet\" "
                                        "Target=\"worksheets/sheet1.xml\"/></Relationships>" }
    };
    struct strbuf inner = STRBUF(0), got = STRBUF(0);
    struct err e = { 0 };

    (void)state;
    memset(sheet, ' ', sizeof(sheet));
    for (unsigned i = 0, x = 1; i < 4000; i++) /* enough that does not compress to pass for itself */
        sheet[i] = (char)('a' + (x = x * 1103515245 + 12345) / 65536 % 26);
    build("b.xlsx", book, 3);
    CHECK_OK(file_read("b.xlsx", 1 << 24, &inner, &e), &e);
    {
        struct part parts[] = { { "PackageHeader.xml", HEADER },
                                { "Manifest.xml", MANIFEST },
                                { "w.csv", inner.buf, inner.len, 0, false } };

        build("b.zip", parts, 3);
        read_rows("b.zip", &got, &e);
        CHECK(!strcmp(got.buf, "E") && e.code == EC_LIMIT, "%s %s", got.buf, e.msg);
        CHECK(strstr(e.msg,
                     "'w.csv' of package 'b.zip': member 'xl/worksheets/sheet1.xml' inflates to over 1000 times"),
              "%s", e.msg);
        /* An encrypted member, and a directory that lies, inside. */
        tamper("b.xlsx", false, 0, 8, 2, 1);
        strbuf_reset(&inner);
        CHECK_OK(file_read("b.xlsx", 1 << 24, &inner, &e), &e);
        parts[2].text = inner.buf;
        build("b.zip", parts, 3);
        read_rows("b.zip", &got, &e);
        CHECK(!strcmp(got.buf, "E") && strstr(e.msg, "sheet1.xml' is encrypted"), "%s %s", got.buf, e.msg);
    }
    strbuf_release(&inner);
    strbuf_release(&got);
}

/* Nothing is ever written under a member's name: the folder and the one above it stay as they are. */
static void nothing_outside(void **state)
{
    static const char *const NAMES[] = { "../escaped", "/tmp/dmfsync-escaped", "..\\escaped", "escaped",
                                         "c:escaped" };
    struct err e = { 0 };
    size_t here, above;

    (void)state;
    CHECK_OK(dir_make("tmp", 0700, &e), &e);
    build("z.zip", GOOD, 3);
    here = files_in("."), above = files_in("..");
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        struct part parts[] = { GOOD[0], GOOD[1], { NAMES[i], ROWS } };
        struct dmf_reader *r = NULL;

        build_raw("z.zip", parts, 3, false);
        if (!dmf_reader_open("z.zip", "tmp", NULL, &r, &e))
            dmf_reader_close(r);
        assert_int_equal(files_in("tmp"), 0);
    }
    assert_int_equal(files_in("."), here);
    assert_int_equal(files_in(".."), above);
    assert_false(file_exists("/tmp/dmfsync-escaped"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packages),    cmocka_unit_test(not_a_zip),       cmocka_unit_test(expansions),
        cmocka_unit_test(too_much),    cmocka_unit_test(guard),           cmocka_unit_test(harmless),
        cmocka_unit_test(nested_bomb), cmocka_unit_test(nothing_outside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

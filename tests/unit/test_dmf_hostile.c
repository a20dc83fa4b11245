/* Packages from anybody: what is refused, what is read all the same, and what a faulty row costs. */
#include "dmf_zip.h"

#include "dmf/pkgread.h"
#include "dmf/xml_stream.h"

#include <sys/resource.h>
#include <time.h>

static enum ec try_open(const char *path, const struct dmf_limits *lim, struct err *e)
{
    struct dmf_reader *r = NULL;
    enum ec rc = dmf_reader_open(path, ".", lim, &r, e);

    if (!rc)
        dmf_reader_close(r);
    return rc;
}

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

/* Sets a field of member i's entry in the directory (at its octet `field`), or of its local header. */
static void tamper(const char *path, bool local, size_t i, size_t field, int octets, uint64_t v)
{
    const char *magic = local ? "PK\3\4" : "PK\1\2";
    struct strbuf b = STRBUF(0);
    struct err e = { 0 };
    size_t at = 0;

    CHECK_OK(file_read(path, 1 << 24, &b, &e), &e);
    for (size_t k = 0; k <= i; k++) {
        char *p = memmem(b.buf + at, b.len - at, magic, 4);

        assert_non_null(p);
        at = (size_t)(p - b.buf) + 1;
    }
    for (at--; octets-- > 0; v >>= 8)
        b.buf[at + field++] = (char)v;
    CHECK_OK(file_write_atomic(path, b.buf, b.len, 0600, &e), &e);
    strbuf_release(&b);
}

/* Many names for the same octets: how a small zip inflates without end. */
static void overlap(void **state)
{
    static char zeros[4000];
    struct part parts[] = { { "a", zeros, sizeof(zeros), 0, false },
                            { "b", zeros, sizeof(zeros), 0, false },
                            { "c", zeros, sizeof(zeros), 0, false } };
    struct err e = { 0 };

    (void)state;
    build_raw("o.zip", parts, 3, false);
    tamper("o.zip", false, 1, 42, 4, 0);
    tamper("o.zip", false, 2, 42, 4, 0);
    assert_int_equal(try_open("o.zip", NULL, &e), EC_FORMAT);
    CHECK(strstr(e.msg, "'a' and 'b' overlap"), "%s", e.msg);
}

#define ROWS "Code,NAME\r\n1,a\r\n2,b\r\n"
static const struct part GOOD[] = { { "PackageHeader.xml", HEADER },
                                    { "Manifest.xml", MANIFEST },
                                    { "w.csv", ROWS } };

/* Directories that lie. Members: 0 header, 1 manifest, 2 w.csv; all stored. */
static void lies(void **state)
{
    enum { FLAGS = 8, METHOD = 10, CRC = 16, PACKED = 20, SIZE = 24, NAME_N = 28, DISK = 34, PLACE = 42, NAME = 46 };
    enum { N = sizeof(ROWS) - 1 };
    static const struct {
        const char *name;
        bool local;
        size_t member, field;
        int octets;
        uint64_t value;
        const char *says;
    } CASES[] = {
        { "larger than it is, into the next one", false, 1, PACKED, 4, 100000, "two sizes" },
        { "stored, with a size of its own", false, 2, SIZE, 4, N - 1, "w.csv' is stored, but states two sizes" },
        { "the place of another", false, 2, PLACE, 4, 0, "'PackageHeader.xml' and 'w.csv' overlap" },
        { "a place inside of another", false, 2, PLACE, 4, 100, "'PackageHeader.xml' and 'w.csv' overlap" },
        { "a place behind everything", false, 2, PLACE, 4, 1 << 30, "w.csv' lies outside" },
        { "a place in the directory", false, 2, PLACE, 4, 0xFFFFFF, "w.csv' lies outside" },
        { "another CRC", false, 2, CRC, 4, 12345, "w.csv' of package 'l.zip' is damaged" },
        { "encrypted", false, 2, FLAGS, 2, 1, "w.csv' is encrypted" },
        { "encrypted, only where it lies", true, 2, 6, 2, 1, "w.csv' is encrypted" },
        { "masked", false, 2, FLAGS, 2, 1 << 13, "w.csv' is encrypted" },
        { "another method where it lies", true, 2, 8, 2, 8, "w.csv' is compressed in two ways" },
        { "another method", false, 2, METHOD, 2, 8, "w.csv' is compressed in two ways" },
        { "another name where it lies", true, 2, 30, 1, 'x', "w.csv' is not where the directory says" },
        { "a longer name where it lies", true, 2, 26, 2, 200, "w.csv' is not where the directory says" },
        { "extra octets to behind the end", true, 2, 28, 2, 60000, "w.csv' lies outside of the zip" },
        { "a NUL in its name", false, 2, NAME + 1, 1, 0, "" },
        { "a longer name", false, 2, NAME_N, 2, 6, "directory" },
        { "64-bit sizes that are not there", false, 2, PACKED, 4, UINT32_MAX, "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct strbuf got = STRBUF(0);
        struct err e = { 0 };

        build_raw("l.zip", GOOD, 3, false);
        tamper("l.zip", CASES[i].local, CASES[i].member, CASES[i].field, CASES[i].octets, CASES[i].value);
        if (!try_open("l.zip", NULL, &e)) /* found when it is read */
            read_rows("l.zip", &got, &e);
        CHECK(e.code == EC_FORMAT || e.code == EC_LIMIT, "%s: %s", CASES[i].name, strbuf_str(&got));
        CHECK(strstr(e.msg, CASES[i].says) && strstr(e.msg, "l.zip"), "%s: %s", CASES[i].name, e.msg);
        strbuf_release(&got);
    }
}

/* Deflated members whose size is not the one stated, both ways; the package opens, since only reading can tell. */
static void sizes(void **state)
{
    static const int DIFFERENCES[] = { -1, 1, -20, 1000 };
    static const char LONG[] =
        "Code,NAME\r\n1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    struct part parts[] = { { "PackageHeader.xml", HEADER }, { "Manifest.xml", MANIFEST }, { "w.csv", LONG } };

    (void)state;
    for (size_t i = 0; i < COUNT(DIFFERENCES); i++) {
        struct strbuf got = STRBUF(0);
        struct err e = { 0 };

        build("s.zip", parts, 3);
        tamper("s.zip", false, 2, 24, 4, sizeof(LONG) - 1 + (uint64_t)DIFFERENCES[i]);
        read_rows("s.zip", &got, &e);
        CHECK(got.buf[got.len - 1] == 'E' && strstr(e.msg, "'w.csv' of package 's.zip' is damaged"), "%d: %s",
              DIFFERENCES[i], e.msg);
        strbuf_release(&got);
    }
}

/* Cut off anywhere, a package is none; with one octet changed, it is none, or the rows are what they were. */
static void every_octet(void **state)
{
    struct strbuf good = STRBUF(0), rows = STRBUF(0), got = STRBUF(0);
    struct err e = { 0 };
    size_t found = 0;

    (void)state;
    build("g.zip", GOOD, 3);
    CHECK_OK(file_read("g.zip", 1 << 20, &good, &e), &e);
    read_rows("g.zip", &rows, &e);
    CHECK_STR(strbuf_str(&rows), "1/a;2/b;", "as it is");
    for (size_t n = 0; n < good.len; n++) {
        CHECK_OK(file_write_atomic("b.zip", good.buf, n, 0600, &e), &e);
        CHECK(try_open("b.zip", NULL, &e) == EC_FORMAT && strstr(e.msg, "b.zip"), "%zu octets: %s", n, e.msg);
    }
    for (size_t i = 0; i < good.len; i++) {
        enum ec rc;

        good.buf[i] ^= (char)(1 << i % 8);
        CHECK_OK(file_write_atomic("b.zip", good.buf, good.len, 0600, &e), &e);
        good.buf[i] ^= (char)(1 << i % 8);
        rc = try_open("b.zip", NULL, &e);
        if (!rc) {
            read_rows("b.zip", &got, &e);
            CHECK(got.buf[got.len - 1] == 'E' || !strcmp(got.buf, rows.buf), "octet %zu: %s", i, got.buf);
            rc = got.buf[got.len - 1] == 'E' ? EC_FORMAT : EC_OK;
        }
        CHECK(!rc || ((rc == EC_FORMAT || rc == EC_LIMIT) && strstr(e.msg, "b.zip")), "octet %zu: %s", i, e.msg);
        found += rc != EC_OK;
    }
    CHECK(found > good.len * 3 / 4, "only %zu of %zu changes were found", found, good.len);
    strbuf_release(&good);
    strbuf_release(&rows);
    strbuf_release(&got);
}

/* Counts are looked at before members are. */
static void many_members(void **state)
{
    enum { N = 100000 };
    struct dmf_limits more = { .max_members = 2 * N };
    struct part *parts = calloc(N, sizeof(*parts));
    char(*names)[12] = calloc(N, sizeof(*names));
    struct rusage before, after;
    struct timespec t0, t1;
    struct err e = { 0 };

    (void)state;
    assert_true(parts && names);
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "m%zu", i);
        parts[i] = (struct part){ .name = names[i], .text = "" };
    }
    build_raw("n.zip", parts, N, false);
    getrusage(RUSAGE_SELF, &before);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    assert_int_equal(try_open("n.zip", NULL, &e), EC_LIMIT);
    CHECK(strstr(e.msg, "package 'n.zip' has 100000 members, over the limit of 10000"), "%s", e.msg);
    assert_int_equal(try_open("n.zip", &more, &e), EC_FORMAT); /* all are looked at, and none is what is needed */
    CHECK(strstr(e.msg, "no PackageHeader.xml"), "%s", e.msg);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    getrusage(RUSAGE_SELF, &after);
    CHECK(t1.tv_sec - t0.tv_sec < 20, "%ld s", (long)(t1.tv_sec - t0.tv_sec));
    CHECK(after.ru_maxrss - before.ru_maxrss < 256 << 10, "%ld KiB", after.ru_maxrss - before.ru_maxrss);
    free(parts);
    free(names);
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

/* Zips made to break zip readers: none is a package, none does harm. */
static void broken_zips(void **state)
{
    const char *samples = getenv("DMFSYNC_SAMPLES");
    struct arena a = { 0 };
    size_t n = 0;
    DIR *d;

    (void)state;
    if (!samples)
        skip();
    d = opendir(arena_printf(&a, "%s/zip/libzip", samples));
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));) {
        struct err e = { 0 };
        enum ec rc;

        if (f->d_name[0] == '.')
            continue;
        rc = try_open(arena_printf(&a, "%s/zip/libzip/%s", samples, f->d_name), NULL, &e);
        CHECK((rc == EC_FORMAT || rc == EC_LIMIT) && strstr(e.msg, f->d_name), "%s: %d %s", f->d_name, rc, e.msg);
        n++;
    }
    closedir(d);
    assert_true(n > 50);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packages),     cmocka_unit_test(not_a_zip),   cmocka_unit_test(overlap),
        cmocka_unit_test(lies),         cmocka_unit_test(sizes),       cmocka_unit_test(every_octet),
        cmocka_unit_test(expansions),   cmocka_unit_test(guard),       cmocka_unit_test(harmless),
        cmocka_unit_test(many_members), cmocka_unit_test(nested_bomb), cmocka_unit_test(nothing_outside),
        cmocka_unit_test(broken_zips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

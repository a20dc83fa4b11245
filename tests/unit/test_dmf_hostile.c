/* Packages from anybody: what is refused, what is read all the same, and what a faulty row costs. */
#include "check.h"

#include "dmf/pkgread.h"

#include "base/file.h"

#include <dirent.h>
#include <unistd.h>
#include <zip.h>

/* Members of a table that are not written are zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define NS                                                                    \
    "xmlns=\"http://schemas.microsoft.com/dynamics/2015/01/DataManagement\" " \
    "xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\""
#define HEADER                                                                                                       \
    "<DataManagementPackageHeader " NS "><Description>d</Description><ManifestType>Microsoft.Dynamics.AX.Framework." \
    "Tools.DataManagement.Serialization.DataManagementPackageManifest</ManifestType><PackageType>DefinitionGroup"    \
    "</PackageType><PackageVersion>2</PackageVersion></DataManagementPackageHeader>"
#define MAP(field, file) "<EntityMap><EntityField>" field "</EntityField><XMLField>" file "</XMLField></EntityMap>"
#define ENTITY(file, format)                                                                       \
    "<DataManagementPackageEntityData><EntityMapList>" MAP("CODE", "Code")                         \
        MAP("NAME", "NAME") "</EntityMapList><EntityName>Widgets</EntityName><InputFilePath>" file \
                            "</InputFilePath><SourceFormat>" format                                \
                            "</SourceFormat></DataManagementPackageEntityData>"
#define MANIFEST_OF(entities)                                                                                        \
    "<DataManagementPackageManifest " NS "><DefinitionGroupName>G</DefinitionGroupName><PackageEntityList>" entities \
    "</PackageEntityList></DataManagementPackageManifest>"
#define MANIFEST MANIFEST_OF(ENTITY("w.csv", "CSV-Unicode"))

struct part {
    const char *name;
    const char *text;
    size_t n; /* 0 = strlen */
    int method; /* 0 = deflate, -1 = stored, else libzip's number */
    bool encrypted;
};

static void build(const char *path, const struct part *parts, size_t n)
{
    int zerr = 0;
    zip_t *z;

    (void)unlink(path);
    z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &zerr);
    CHECK(z, "libzip error %d", zerr);
    for (size_t i = 0; i < n; i++) {
        size_t len = parts[i].n ? parts[i].n : strlen(parts[i].text);
        zip_int64_t at =
            zip_file_add(z, parts[i].name, zip_source_buffer(z, parts[i].text, len, 0), ZIP_FL_ENC_UTF_8);

        CHECK(at >= 0, "%s: %s", parts[i].name, zip_strerror(z));
        if (parts[i].method)
            assert_int_equal(zip_set_file_compression(z, (zip_uint64_t)at,
                                                      parts[i].method < 0 ? ZIP_CM_STORE : parts[i].method, 0),
                             0);
        if (parts[i].encrypted)
            assert_int_equal(zip_file_set_encryption(z, (zip_uint64_t)at, ZIP_EM_TRAD_PKWARE, "secret"), 0);
    }
    CHECK(zip_close(z) == 0, "%s", zip_strerror(z));
}

/* Replaces the first (or every) occurrence of some octets in a file. */
static void patch(const char *path, const char *what, const char *with, size_t n)
{
    struct strbuf b = STRBUF(0);
    struct err e = { 0 };
    bool any = false;

    CHECK_OK(file_read(path, 1 << 24, &b, &e), &e);
    for (size_t i = 0; i + n <= b.len; i++)
        if (!memcmp(b.buf + i, what, n)) {
            memcpy(b.buf + i, with, n);
            any = true;
        }
    assert_true(any);
    CHECK_OK(file_write_atomic(path, b.buf, b.len, 0600, &e), &e);
    strbuf_release(&b);
}

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
    CHECK_OK(file_write_atomic("x.zip", "CUSTOMERACCOUNT\r\nC1\r\n", 21, 0600, &e), &e);
    assert_int_equal(try_open("x.zip", NULL, &e), EC_FORMAT);
    CHECK(strstr(e.msg, "not a data package"), "%s", e.msg);
    CHECK_OK(file_write_atomic("x.zip", "", 0, 0600, &e), &e);
    assert_int_equal(try_open("x.zip", NULL, &e), EC_FORMAT);
}

static void put16(struct strbuf *b, unsigned v)
{
    strbuf_addc(b, (char)v);
    strbuf_addc(b, (char)(v >> 8));
}

static void put32(struct strbuf *b, unsigned v)
{
    put16(b, v & 0xFFFF);
    put16(b, v >> 16);
}

static void central(struct strbuf *b, const char *name, unsigned size)
{
    put32(b, 0x02014b50);
    for (int i = 0; i < 3; i++)
        put16(b, i < 2 ? 20 : 0);
    put16(b, 0);
    put32(b, 0x21 << 16);
    put32(b, 0); /* CRC */
    put32(b, size);
    put32(b, size);
    put16(b, (unsigned)strlen(name));
    for (int i = 0; i < 4; i++)
        put16(b, 0);
    put32(b, 0);
    put32(b, 0); /* all at the same place */
    strbuf_adds(b, name);
}

/* Many names for the same octets: how a small zip inflates without end. */
static void overlap(void **state)
{
    struct strbuf b = STRBUF(0);
    struct err e = { 0 };
    size_t at, n;

    (void)state;
    put32(&b, 0x04034b50);
    put16(&b, 20);
    for (int i = 0; i < 2; i++)
        put16(&b, 0);
    put32(&b, 0x21 << 16);
    put32(&b, 0);
    put32(&b, 4000);
    put32(&b, 4000);
    put16(&b, 1);
    put16(&b, 0);
    strbuf_adds(&b, "a");
    for (int i = 0; i < 4000; i++)
        strbuf_addc(&b, 'x');
    at = b.len;
    for (int i = 0; i < 3; i++)
        central(&b, (const char *[]){ "a", "b", "c" }[i], 4000);
    n = b.len - at;
    put32(&b, 0x06054b50);
    put32(&b, 0);
    put16(&b, 3);
    put16(&b, 3);
    put32(&b, (unsigned)n);
    put32(&b, (unsigned)at);
    put16(&b, 0);
    CHECK_OK(file_write_atomic("o.zip", b.buf, b.len, 0600, &e), &e);
    assert_int_equal(try_open("o.zip", NULL, &e), EC_FORMAT);
    CHECK(strstr(e.msg, "overlap"), "%s", e.msg);
    strbuf_release(&b);
}

/* Appends text as UTF-16LE; ASCII only. */
static void wide(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        strbuf_addc(out, *text);
        strbuf_addc(out, 0);
    }
}

static void manifest_encodings(void **state)
{
    static const struct {
        const char *name, *bom;
        size_t bom_n;
        const char *declaration;
        bool wide;
    } CASES[] = {
        { "UTF-8", "", 0, "", false },
        { "UTF-8, declared", "", 0, "<?xml version=\"1.0\" encoding=\"utf-8\"?>", false },
        { "UTF-8 with BOM", "\xEF\xBB\xBF", 3, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n", false },
        { "UTF-8 that says utf-16", "", 0, "<?xml version=\"1.0\" encoding=\"UTF-16\"?>", false },
        { "UTF-8 with BOM that says utf-16", "\xEF\xBB\xBF", 3, "<?xml version=\"1.0\" encoding=\"utf-16\"?>",
          false },
        { "UTF-16", "\xFF\xFE", 2, "<?xml version=\"1.0\" encoding=\"utf-16\"?>", true },
        { "UTF-16, not declared", "\xFF\xFE", 2, "", true },
        { "UTF-16 without BOM", "", 0, "", true },
        { "UTF-16 that says utf-8", "\xFF\xFE", 2, "<?xml version=\"1.0\" encoding=\"utf-8\"?>", true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct strbuf h = STRBUF(0), m = STRBUF(0);
        struct part parts[2];
        struct dmf_reader *r = NULL;
        const struct dmf_package *p;
        struct err e = { 0 };

        for (int k = 0; k < 2; k++) {
            struct strbuf *out = k ? &m : &h;

            strbuf_add(out, CASES[i].bom, CASES[i].bom_n);
            if (CASES[i].wide) {
                wide(out, CASES[i].declaration);
                wide(out, k ? MANIFEST : HEADER);
            } else {
                strbuf_adds(out, CASES[i].declaration);
                strbuf_adds(out, k ? MANIFEST : HEADER);
            }
        }
        parts[0] = (struct part){ "PackageHeader.xml", h.buf, h.len, 0, false };
        parts[1] = (struct part){ "Manifest.xml", m.buf, m.len, 0, false };
        build("e.zip", parts, 2);
        CHECK(dmf_reader_open("e.zip", ".", NULL, &r, &e) == EC_OK, "%s: %s", CASES[i].name, e.msg);
        p = dmf_reader_package(r);
        CHECK(p->n == 1 && p->entities[0].n == 2, "%s", CASES[i].name);
        CHECK_CELL(p->entities[0].label, "Widgets", "%s", CASES[i].name);
        dmf_reader_close(r);
        strbuf_release(&h);
        strbuf_release(&m);
    }
}

static void manifest_contents(void **state)
{
    static const struct part PARTS[] = {
        { "PackageHeader.xml", HEADER },
        { "Manifest.xml",
          "<DataManagementPackageManifest><!-- by hand, no namespace --><DefinitionGroupName>G &amp; H"
          "</DefinitionGroupName><Unknown><EntityName>no</EntityName></Unknown><PackageEntityList>"
          "<DataManagementPackageEntityData><Disable>true</Disable><EntityMapList><EntityMap>"
          "<EntityField>code</EntityField><IsAutoGenerated>true</IsAutoGenerated></EntityMap><EntityMap/><EntityMap>"
          "<EntityField></EntityField><XMLField>x</XMLField></EntityMap></EntityMapList><EntityName>A</EntityName>"
          "<ExecutionUnit>3</ExecutionUnit><LevelInExecutionUnit>20</LevelInExecutionUnit>"
          "<SequenceInLevel>x1</SequenceInLevel></DataManagementPackageEntityData><DataManagementPackageEntityData>"
          "<EntityMapList i:nil=\"true\" "
          "xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\"/><EntityName>B</EntityName>"
          "<TargetEntity i:nil=\"true\" xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">no</TargetEntity>"
          "</DataManagementPackageEntityData></PackageEntityList></DataManagementPackageManifest>" },
    };
    struct dmf_reader *r = NULL;
    const struct dmf_package *p;
    struct dmf_rows *s = NULL;
    struct arena a = { 0 };
    struct cell *cells;
    const char *fault;
    struct err e = { 0 };
    bool more = true;
    size_t n;

    (void)state;
    build("m.zip", PARTS, 2);
    CHECK_OK(dmf_reader_open("m.zip", ".", NULL, &r, &e), &e);
    p = dmf_reader_package(r);
    CHECK_CELL(p->project, "G & H", "project");
    CHECK_CELL(p->description, NULL, "description");
    assert_int_equal(p->n, 2);
    assert_true(p->entities[0].disabled);
    assert_int_equal(p->entities[0].unit, 3);
    assert_int_equal(p->entities[0].level, 20);
    assert_int_equal(p->entities[0].sequence, 1); /* not a number: the first */
    assert_int_equal(p->entities[0].n, 1);
    CHECK_CELL(p->entities[0].fields[0].staging, "CODE", "upper case");
    CHECK_CELL(p->entities[0].fields[0].file, NULL, "file");
    assert_true(p->entities[0].fields[0].auto_generated);
    assert_int_equal(p->entities[1].n, 0);
    assert_false(p->entities[1].disabled);
    CHECK_CELL(p->entities[1].aot, NULL, "nil");
    /* No file in the zip: no rows. */
    CHECK_OK(dmf_rows_open(r, 1, NULL, &s, &e), &e);
    CHECK_OK(dmf_rows_next(s, &a, &cells, &n, &fault, &more, &e), &e);
    assert_false(more);
    assert_int_equal(dmf_rows_column(s, CELL_LIT("CODE")), -1);
    dmf_rows_close(s);
    dmf_reader_close(r);
    arena_release(&a);
}

/* Rows as "code/name;", a faulty one as "!;", an end by error, at opening or later, as "E". */
static void read_rows(const char *path, struct strbuf *out, struct err *e)
{
    struct dmf_format f = { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"' };
    struct dmf_reader *r = NULL;
    struct dmf_rows *s = NULL;
    struct arena a = { 0 };

    CHECK_OK(dmf_reader_open(path, ".", NULL, &r, e), e);
    strbuf_reset(out);
    if (dmf_rows_open(r, 0, &f, &s, e))
        strbuf_adds(out, "E");
    while (s) {
        const char *names[] = { "CODE", "NAME", "LATER" };
        struct cell *cells;
        const char *fault = NULL;
        bool more = false;
        size_t n = 0;

        if (dmf_rows_next(s, &a, &cells, &n, &fault, &more, e)) {
            strbuf_adds(out, "E");
            break;
        }
        if (!more)
            break;
        if (fault) {
            strbuf_adds(out, "!;");
            continue;
        }
        for (int i = 0; i < 3; i++) {
            int c = dmf_rows_column(s, cell_of(names[i]));
            struct cell v = c >= 0 && (size_t)c < n ? cells[c] : CELL_ABSENT;

            if (i == 2 && cell_absent(v))
                break;
            strbuf_addf(out, "%s%s%.*s", i ? "/" : "", cell_absent(v) ? "~" : "", CELL_ARG(v));
        }
        strbuf_adds(out, ";");
    }
    dmf_rows_close(s);
    dmf_reader_close(r);
    arena_release(&a);
}

#define ROW(more) "<WIDGET>" more "</WIDGET>"

static void data_files(void **state)
{
    static const struct {
        const char *name, *text;
        size_t n;
        const char *want, *says;
    } CASES[] = {
        { "plain", "Code,NAME\r\n1,a\r\n2,b\r\n", 0, "1/a;2/b;", "" },
        { "columns in another order and case", "name,CODE\r\na,1\r\n", 0, "1/a;", "" },
        { "a column that is not mapped", "Code,Extra,LATER\r\n1,x,y\r\n", 0, "1/~/y;", "" },
        { "blank cells are empty text", "Code,NAME\r\n,\"\"\r\n", 0, "/;", "" },
        { "too few and too many cells", "Code,NAME\r\n1\r\n1,2,3\r\n2,b\r\n", 0, "!;!;2/b;", "" },
        { "stray quote", "Code,NAME\r\n1,a\"b\r\n2,b\r\n", 0, "!;2/b;", "" },
        { "line break in quotes", "Code,NAME\r\n1,\"a\nb\"\r\n", 0, "1/a\nb;", "" },
        { "UTF-8 with BOM",
          "\xEF\xBB\xBF"
          "Code,NAME\r\n1,\xC3\xBC\r\n",
          0, "1/\xC3\xBC;", "" },
        { "not UTF-8", "Code,NAME\r\n1,\xFC\r\n2,b\r\n", 0, "!;2/b;", "" },
        { "UTF-16 without BOM", "C\0o\0d\0e\0\r\0\n\0001\0\r\0\n", 17, "1/~;!;",
          "" }, /* half a character at the end */
        { "UTF-16 without BOM, whole", "C\0o\0d\0e\0\r\0\n\0001\0\r\0\n\0", 18, "1/~;", "" },
        { "UTF-16 with BOM",
          "\xFF\xFE"
          "C\0o\0d\0e\0\n\0001\0\n\0",
          16, "1/~;", "" },
        { "a header and nothing else", "Code,NAME\r\n", 0, "", "" },
        { "a column twice", "Code,NAME,code\r\n", 0, "E", "twice" },
        { "a column without a name", "Code,,NAME\r\n", 0, "E", "column 2" },
        { "Excel", "PK\3\4xxxx", 0, "E", "Excel" },
        { "elements",
          "<Document>" ROW("<Code>1</Code><NAME>a &amp;&#10; b</NAME>") ROW("<Code/><NAME></NAME>")
              ROW("<NAME>x</NAME>") "</Document>",
          0, "1/a &\n b;/;~/x;", "" },
        { "attributes", "<Document><W Code=\"1\" NAME=\"a&lt;\"/><W NAME=''></W></Document>", 0, "1/a<;~/;", "" },
        { "elements with line breaks",
          "<?xml version=\"1.0\"?>\r\n<Document>\r\n  " ROW("\r\n <Code>1</Code>\r\n") "\r\n</Document>\r\n", 0,
          "1/~;", "" },
        { "a column that comes later",
          "<Document>" ROW("<Code>1</Code>") ROW("<LATER>z</LATER>") ROW("<Code>2</Code>") "</Document>", 0,
          "1/~;~/~/z;2/~;", "" },
        { "CDATA", "<Document>" ROW("<NAME><![CDATA[<a>]]> b</NAME>") "</Document>", 0, "~/<a> b;", "" },
        { "no rows", "<Document/>", 0, "", "" },
        { "no rows, two tags", "<Document>\n</Document>", 0, "", "" },
        { "nested", "<Document>" ROW("<Code><X>1</X></Code>") ROW("<Code>2</Code>") "</Document>", 0, "!;2/~;", "" },
        { "loose text", "<Document>" ROW("x") ROW("<Code>2</Code>") "</Document>", 0, "!;2/~;", "" },
        { "cut off", "<Document>" ROW("<Code>1</Code>") "<WIDGET><Code>2", 0, "1/~;E", "w.csv" },
        { "not closed", "<Document>" ROW("<Code>1</Code>"), 0, "1/~;E", "well-formed" },
        { "something behind it", "<Document></Document><x/>", 0, "E", "well-formed" },
        { "another root", "<Rows/>", 0, "E", "root" },
        { "DOCTYPE", "<!DOCTYPE Document [<!ENTITY a \"aaaaaaaaaa\">]><Document/>", 0, "E", "DOCTYPE" },
        { "an entity that is not there", "<Document>" ROW("<Code>&a;</Code>") "</Document>", 0, "E", "w.csv" },
        { "a control character", "<Document>" ROW("<Code>\x01</Code>") "</Document>", 0, "E", "well-formed" },
        { "nothing", " ", 0, "", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct part parts[] = { { "PackageHeader.xml", HEADER },
                                { "Manifest.xml", MANIFEST },
                                { "w.csv", CASES[i].text, CASES[i].n, 0, false } };
        struct strbuf got = STRBUF(0);
        struct err e = { 0 };

        build("d.zip", parts, 3);
        read_rows("d.zip", &got, &e);
        CHECK_STR(strbuf_str(&got), CASES[i].want, "%s (%s)", CASES[i].name, e.msg);
        CHECK(strstr(e.msg, CASES[i].says), "%s: %s", CASES[i].name, e.msg);
        strbuf_release(&got);
    }
}

/* The CRC is checked by reading to the end, whatever the format. */
static void damaged(void **state)
{
    static const char *const TEXTS[] = { "Code,NAME\r\n1,damage\r\n",
                                         "<Document>" ROW("<Code>damage</Code>") "</Document>" };

    (void)state;
    for (size_t i = 0; i < COUNT(TEXTS); i++) {
        struct part parts[] = { { "PackageHeader.xml", HEADER },
                                { "Manifest.xml", MANIFEST },
                                { "w.csv", TEXTS[i], 0, -1, false } };
        struct strbuf got = STRBUF(0);
        struct err e = { 0 };

        build("c.zip", parts, 3);
        patch("c.zip", "damage", "damaGe", 6);
        read_rows("c.zip", &got, &e);
        CHECK(got.len && got.buf[got.len - 1] == 'E', "%s", strbuf_str(&got));
        CHECK(strstr(e.msg, "w.csv") && strstr(e.msg, "damaged"), "%s", e.msg);
        strbuf_release(&got);
    }
}

/* An export as F&O wrote it. */
static void real_package(void **state)
{
    const char *samples = getenv("DMFSYNC_SAMPLES");
    struct arena a = { 0 };
    struct dmf_reader *r = NULL;
    const struct dmf_package *p;
    struct dmf_rows *s = NULL;
    struct err e = { 0 };

    (void)state;
    if (!samples)
        skip();
    CHECK_OK(dmf_reader_open(arena_printf(&a, "%s/dmf/usmf_asset-major-types-01.zip", samples), ".", NULL, &r, &e),
             &e);
    p = dmf_reader_package(r);
    CHECK_CELL(p->project, "Asset-Major-Types", "project");
    assert_int_equal(p->n, 1);
    CHECK_CELL(p->entities[0].label, "Fixed asset major type", "label");
    CHECK_CELL(p->entities[0].aot, NULL, "a package of 2017 has no TargetEntity");
    CHECK_CELL(p->entities[0].input_file, "Fixed asset major type.xlsx", "file");
    CHECK_CELL(p->entities[0].source_format, "EXCEL", "format");
    assert_int_equal(p->entities[0].n, 2);
    CHECK_CELL(p->entities[0].fields[1].staging, "MAJORTYPEID", "field");
    assert_int_equal(dmf_rows_open(r, 0, NULL, &s, &e), EC_FORMAT);
    CHECK(strstr(e.msg, "Excel") && e.hint[0], "%s", e.msg);
    dmf_reader_close(r);
    arena_release(&a);
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
        cmocka_unit_test(packages),          cmocka_unit_test(not_a_zip),
        cmocka_unit_test(overlap),           cmocka_unit_test(manifest_encodings),
        cmocka_unit_test(manifest_contents), cmocka_unit_test(data_files),
        cmocka_unit_test(damaged),           cmocka_unit_test(real_package),
        cmocka_unit_test(broken_zips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

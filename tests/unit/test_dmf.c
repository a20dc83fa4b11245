/* Packages written and read back: every format, values that cannot travel, determinism, digests. */
#include "check.h"

#include "dmf/pkgread.h"
#include "dmf/pkgwrite.h"

#include "base/file.h"

#include <dirent.h>
#include <unistd.h>
#include <zip.h>

static struct dmf_field FIELDS[] = {
    { CELL_LIT("CUSTOMERACCOUNT"), CELL_LIT("CUSTOMERACCOUNT"), false },
    { CELL_LIT("ORGANIZATIONNAME"), CELL_LIT("ORGANIZATIONNAME"), false },
    { CELL_LIT("CREATEDON"), { NULL, 0 }, false },
    { CELL_LIT("PARTYNUMBER"), CELL_LIT("PARTYNUMBER"), true },
};
static struct dmf_field GROUP_FIELDS[] = { { CELL_LIT("CUSTOMERGROUPID"), CELL_LIT("GroupId"), false } };
static struct dmf_entity ENTITIES[] = {
    { .label = CELL_LIT("Customers & more V3"),
      .aot = CELL_LIT("CustCustomerV3Entity"),
      .input_file = CELL_LIT("Customers V3.csv"),
      .source_format = CELL_LIT("CSV-Unicode"),
      .unit = 1,
      .level = 2,
      .sequence = 3,
      .fields = FIELDS,
      .n = COUNT(FIELDS) },
    { .label = CELL_LIT("Customer groups"),
      .aot = CELL_LIT("CustCustomerGroupEntity"),
      .input_file = CELL_LIT("Customer groups.csv"),
      .source_format = CELL_LIT("CSV-Unicode"),
      .unit = 1,
      .level = 1,
      .sequence = 1,
      .fields = GROUP_FIELDS,
      .n = COUNT(GROUP_FIELDS) },
};
static const struct dmf_package PACKAGE = {
    .project = CELL_LIT("DMFSYNC_customers"), .description = CELL_LIT("a <test>"), .entities = ENTITIES, .n = 2
};
static const bool DATETIME[] = { false, false, true, false };

/* The octets of one member. */
static void member(const char *path, const char *name, struct strbuf *out)
{
    int zerr = 0;
    zip_t *z = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &zerr);
    zip_file_t *f;
    char buf[4096];
    zip_int64_t n;

    CHECK(z, "open %s: %d", path, zerr);
    f = zip_fopen(z, name, 0);
    CHECK(f, "member %s: %s", name, zip_strerror(z));
    strbuf_reset(out);
    while ((n = zip_fread(f, buf, sizeof(buf))) > 0)
        strbuf_add(out, buf, (size_t)n);
    assert_int_equal(n, 0);
    zip_fclose(f);
    zip_discard(z);
}

static void check_member(const char *path, const char *name, const char *want, size_t n)
{
    struct strbuf got = STRBUF(0);

    member(path, name, &got);
    if (got.len != n || memcmp(got.buf, want, n) != 0)
        fail_msg("member %s: got %zu octets, want %zu:\n%s", name, got.len, n, got.buf);
    strbuf_release(&got);
}

static size_t files_in(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static struct dmf_writer *begin(const char *format, bool doubled)
{
    struct dmf_writer *w = NULL;
    struct dmf_format f;
    struct err e = { 0 };

    assert_true(dmf_format_named(format, &f));
    f.doubled_quotes = doubled;
    CHECK_OK(dir_make("tmp", 0700, &e), &e);
    CHECK_OK(dmf_writer_new(&PACKAGE, &f, "tmp", &w, &e), &e);
    return w;
}

static void add(struct dmf_writer *w, const char *account, const char *name, const char *created)
{
    struct cell cells[] = { cell_of(account), cell_of(name), cell_of(created), CELL_LIT("not written") };
    struct err e = { 0 };
    size_t field;

    CHECK_OK(dmf_writer_row(w, 0, cells, DATETIME, &field, &e), &e);
}

static void add_group(struct dmf_writer *w, const char *id)
{
    struct cell c = cell_of(id);
    struct err e = { 0 };
    size_t field;

    CHECK_OK(dmf_writer_row(w, 1, &c, NULL, &field, &e), &e);
}

static struct dmf_result end(struct dmf_writer *w, const char *path)
{
    struct dmf_result r = { .rows = 0 };
    struct err e = { 0 };

    CHECK_OK(dmf_writer_finish(w, path, &r, &e), &e);
    assert_int_equal(files_in("tmp"), 0);
    assert_int_equal(r.octets, file_size(path));
    return r;
}

static void documents(void **state)
{
    static const char HEADER[] = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                                 "<DataManagementPackageHeader xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" "
                                 "xmlns=\"http://schemas.microsoft.com/dynamics/2015/01/DataManagement\">\n"
                                 "  <Description>a &lt;test&gt;</Description>\n"
                                 "  <ManifestType>Microsoft.Dynamics.AX.Framework.Tools.DataManagement.Serialization."
                                 "DataManagementPackageManifest</ManifestType>\n"
                                 "  <PackageType>DefinitionGroup</PackageType>\n"
                                 "  <PackageVersion>2</PackageVersion>\n"
                                 "</DataManagementPackageHeader>\n";
    static const char *const IN_ORDER[] = {
        "<DefinitionGroupName>DMFSYNC_customers</DefinitionGroupName>",
        "<Description>a &lt;test&gt;</Description>",
        "<PackageEntityList>",
        "<DataManagementPackageEntityData>",
        "<DefaultRefreshType>FullPush<",
        "<Disable>false<",
        "<EntityMapList>",
        "<ArrayIndex>0<",
        "<EntityField>CUSTOMERACCOUNT<",
        "<EntityFieldConversionList i:nil=\"true\"/>",
        "<IsAutoDefault>false<",
        "<IsAutoGenerated>false<",
        "<IsDefaultValueEqualNull>false<",
        "<UseTextQualifier>false<",
        "<XMLField>CUSTOMERACCOUNT<",
        "<EntityField>ORGANIZATIONNAME<",
        "<UseTextQualifier>true<",
        "<EntityField>CREATEDON<",
        "<UseTextQualifier>false<",
        "<XMLField>CREATEDON<",
        "<EntityField>PARTYNUMBER<",
        "<IsAutoGenerated>true<",
        "<EntityName>Customers &amp; more V3<",
        "<ExecutionUnit>1<",
        "<InputFilePath>Customers V3.csv<",
        "<LevelInExecutionUnit>2<",
        "<SequenceInLevel>3<",
        "<SkipStaging>false<",
        "<SourceFormat>CSV-Unicode<",
        "<TargetEntity>CustCustomerV3Entity<",
        "<DataManagementPackageEntityData>",
        "<Disable>true<",
        "<EntityField>CUSTOMERGROUPID<",
        "<XMLField>GroupId<",
        "<EntityName>Customer groups<",
    };
    struct dmf_writer *w = begin("CSV-Unicode", false);
    struct strbuf m = STRBUF(0);
    const char *at;

    (void)state;
    add(w, "C1", "one, two", NULL);
    end(w, "a.zip"); /* no group was added: that entity must not be imported */
    check_member("a.zip", "PackageHeader.xml", HEADER, sizeof(HEADER) - 1);
    member("a.zip", "Manifest.xml", &m);
    at = m.buf;
    for (size_t i = 0; i < COUNT(IN_ORDER); i++) {
        const char *next = strstr(at, IN_ORDER[i]);

        CHECK(next, "'%s' is not behind what comes before it in\n%s", IN_ORDER[i], m.buf);
        at = next + 1;
    }
    strbuf_release(&m);
}

static void csv_octets(void **state)
{
    static const char WANT[] = "CUSTOMERACCOUNT,ORGANIZATIONNAME,CREATEDON\r\n"
                               "C1,\"one, two\",2024-05-01 12:00:00\r\n"
                               "C2,M\xC3\xBCller \xF0\x9F\x98\x80,\r\n"
                               " ,,1900-01-01T00:00\r\n";
    static const unsigned char WIDE[] = { 0xFF, 0xFE, 'G', 0,  'r', 0,    'o', 0,   'u', 0,  'p', 0,  'I', 0,    'd',
                                          0,    13,   0,   10, 0,   0xFC, 0,   'x', 0,   13, 0,   10, 0,   0x3D, 0xD8,
                                          0,    0xDE, 13,  0,  10,  0,    '"', 0,   '"', 0,  13,  0,  10,  0 };
    struct dmf_writer *w = begin("CSV-UTF8", false);
    struct dmf_result r;

    (void)state;
    add(w, "C1", "one, two", "2024-05-01T12:00:00Z");
    add(w, "C2", "M\xC3\xBCller \xF0\x9F\x98\x80", "");
    add(w, " ", NULL, "1900-01-01T00:00");
    r = end(w, "a.zip");
    assert_int_equal(r.rows, 3);
    check_member("a.zip", "Customers V3.csv", WANT, sizeof(WANT) - 1);

    w = begin("CSV-Unicode", false);
    add_group(w, "\xC3\xBCx");
    add_group(w, "\xF0\x9F\x98\x80");
    add_group(w, ""); /* one column and no value: not a blank line */
    end(w, "b.zip");
    check_member("b.zip", "Customer groups.csv", (const char *)WIDE, sizeof(WIDE));
}

static void xml_octets(void **state)
{
    static const char ELEMENT[] =
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Document>\r\n"
        "  <CUSTCUSTOMERV3ENTITY><CUSTOMERACCOUNT>C1</CUSTOMERACCOUNT><ORGANIZATIONNAME>a &lt;b&gt; "
        "&amp; &quot;c&quot;&#xD;&#xA;&#x9;</ORGANIZATIONNAME><CREATEDON>2024-05-01T12:00:00Z"
        "</CREATEDON></CUSTCUSTOMERV3ENTITY>\r\n</Document>\r\n";
    static const char ATTRIBUTE[] = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<Document>\r\n"
                                    "  <CUSTCUSTOMERGROUPENTITY GroupId=\"10\"/>\r\n</Document>\r\n";
    struct dmf_writer *w = begin("XML-Element", false);

    (void)state;
    add(w, "C1", "a <b> & \"c\"\r\n\t", "2024-05-01T12:00:00Z");
    end(w, "a.zip");
    check_member("a.zip", "Customers V3.csv", ELEMENT, sizeof(ELEMENT) - 1);
    w = begin("XML-Attribute", false);
    add_group(w, "10");
    end(w, "a.zip");
    check_member("a.zip", "Customer groups.csv", ATTRIBUTE, sizeof(ATTRIBUTE) - 1);
}

static void values_that_cannot_travel(void **state)
{
    static const struct {
        const char *name, *format;
        bool doubled;
        struct cell value;
        const char *why; /* NULL = fine */
    } CASES[] = {
        { "qualifier", "CSV-Unicode", false, CELL_LIT("6\" pipe"), "text qualifier" },
        { "qualifier, doubled", "CSV-Unicode", true, CELL_LIT("6\" pipe"), NULL },
        { "LF", "CSV-Unicode", false, CELL_LIT("a\nb"), "line break" },
        { "CR", "CSV-Unicode", false, CELL_LIT("a\rb"), "line break" },
        { "LF, doubled", "CSV-Unicode", true, CELL_LIT("a\nb"), NULL },
        { "NUL", "CSV-Unicode", true, CELL_LIT("a\0b"), "NUL" },
        { "bad UTF-8", "CSV-UTF8", true, CELL_LIT("a\xFF"), "not valid UTF-8" },
        { "delimiter", "CSV-UTF8", false, CELL_LIT("a,b"), NULL },
        { "delimiter and qualifier", "CSV-UTF8", false, CELL_LIT("a,\"b"), "text qualifier" },
        { "XML NUL", "XML-Element", false, CELL_LIT("a\0b"), "NUL" },
        { "XML control", "XML-Element", false, CELL_LIT("a\x01"), "control character" },
        { "XML noncharacter", "XML-Attribute", false, CELL_LIT("\xEF\xBF\xBF"), "code point" },
        { "XML bad UTF-8", "XML-Element", false, CELL_LIT("\xC0\xAF"), "not valid UTF-8" },
        { "XML quote and break", "XML-Attribute", false, CELL_LIT("\"\r\n\t'"), NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct dmf_writer *w = begin(CASES[i].format, CASES[i].doubled);
        struct cell cells[] = { CELL_LIT("C1"), CASES[i].value, CELL_ABSENT, CELL_ABSENT };
        struct err e = { 0 };
        size_t field = 99;
        enum ec rc = dmf_writer_row(w, 0, cells, DATETIME, &field, &e);
        struct dmf_result r;

        if (CASES[i].why) {
            CHECK(rc == EC_FORMAT && field == 1, "%s: %d, field %zu", CASES[i].name, rc, field);
            CHECK(strstr(e.msg, CASES[i].why) && strstr(e.msg, "ORGANIZATIONNAME"), "%s: %s", CASES[i].name, e.msg);
        } else {
            CHECK_OK(rc, &e);
        }
        add(w, "C2", "next", NULL); /* the refused row left nothing behind */
        r = end(w, "a.zip");
        CHECK(r.rows == (CASES[i].why ? 1 : 2), "%s: %llu rows", CASES[i].name, (unsigned long long)r.rows);
        if (CASES[i].why && CASES[i].format[0] == 'C') {
            struct strbuf m = STRBUF(0);

            member("a.zip", "Manifest.xml", &m);
            CHECK(!strstr(m.buf, "<UseTextQualifier>true<"), "%s: a refused row marks a field", CASES[i].name);
            strbuf_release(&m);
        }
    }
}

static void package_faults(void **state)
{
    static const struct {
        const char *name;
        struct cell file, field, aot;
        const char *format;
    } CASES[] = {
        { "folder", CELL_LIT("a/b.csv"), CELL_LIT("A"), CELL_LIT("X"), "CSV-UTF8" },
        { "parent", CELL_LIT(".."), CELL_LIT("A"), CELL_LIT("X"), "CSV-UTF8" },
        { "the manifest", CELL_LIT("manifest.XML"), CELL_LIT("A"), CELL_LIT("X"), "CSV-UTF8" },
        { "column with a comma", CELL_LIT("a.csv"), CELL_LIT("A,B"), CELL_LIT("X"), "CSV-UTF8" },
        { "element with a blank", CELL_LIT("a.csv"), CELL_LIT("A B"), CELL_LIT("X"), "XML-Element" },
        { "no AOT name", CELL_LIT("a.xml"), CELL_LIT("A"), { NULL, 0 }, "XML-Element" },
        { "no file", CELL_LIT(""), CELL_LIT("A"), CELL_LIT("X"), "CSV-UTF8" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct dmf_field field = { CASES[i].field, CASES[i].field, false };
        struct dmf_entity entity = { .label = CELL_LIT("L"),
                                     .aot = CASES[i].aot,
                                     .input_file = CASES[i].file,
                                     .source_format = cell_of(CASES[i].format),
                                     .fields = &field,
                                     .n = 1 };
        struct dmf_package p = { .project = CELL_LIT("P"), .entities = &entity, .n = 1 };
        struct dmf_writer *w = NULL;
        struct dmf_format f;
        struct err e = { 0 };

        assert_true(dmf_format_named(CASES[i].format, &f));
        CHECK(dmf_writer_new(&p, &f, "tmp", &w, &e) == EC_FORMAT, "%s", CASES[i].name);
        CHECK(!w && e.msg[0], "%s", CASES[i].name);
    }
}

static void same_content_same_octets(void **state)
{
    struct strbuf one = STRBUF(0), two = STRBUF(0);
    struct dmf_result r[3];
    struct err e = { 0 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct dmf_writer *w = begin("CSV-Unicode", false);
        char path[16];

        snprintf(path, sizeof(path), "%d.zip", i);
        for (int j = 0; j < 20000; j++) { /* more than a spool buffer */
            char key[16];

            snprintf(key, sizeof(key), "C%06d", j);
            add(w, key, i == 2 && j == 19999 ? "another" : "name of a customer", NULL);
        }
        add_group(w, "10");
        r[i] = end(w, path);
        assert_int_equal(r[i].rows, 20001);
        if (i == 0)
            usleep(1100000); /* times of files must not matter */
    }
    CHECK_OK(file_read("0.zip", 1 << 24, &one, &e), &e);
    CHECK_OK(file_read("1.zip", 1 << 24, &two, &e), &e);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.buf, two.buf, one.len);
    assert_string_equal(r[0].digest, r[1].digest);
    assert_string_not_equal(r[0].digest, r[2].digest);
    assert_int_equal(strlen(r[0].digest), 64);
    strbuf_release(&one);
    strbuf_release(&two);
}

static void abandon_leaves_nothing(void **state)
{
    struct dmf_writer *w = begin("CSV-Unicode", false);
    struct err e = { 0 };
    struct dmf_result r;

    (void)state;
    for (int j = 0; j < 20000; j++)
        add(w, "C1", "name of a customer", NULL);
    assert_int_equal(files_in("tmp"), 1);
    dmf_writer_abandon(w);
    assert_int_equal(files_in("tmp"), 0);
    dmf_writer_abandon(NULL);

    w = begin("CSV-Unicode", false);
    add(w, "C1", "x", NULL);
    assert_int_equal(dmf_writer_finish(w, "nowhere/a.zip", &r, &e), EC_IO);
    assert_true(e.msg[0]);
    assert_int_equal(files_in("tmp"), 0);
}

/* ---- reading ---- */
static struct cell value(struct dmf_rows *s, const struct cell *cells, size_t n, const char *staging)
{
    int i = dmf_rows_column(s, cell_of(staging));

    return i >= 0 && (size_t)i < n ? cells[i] : CELL_ABSENT;
}

static void round_trip(void **state)
{
    static const struct {
        const char *format;
        bool doubled;
    } FORMATS[] = { { "CSV-Unicode", false }, { "CSV-UTF8", false },      { "CSV-Unicode", true },
                    { "XML-Element", false }, { "XML-Attribute", false }, { "CSV-UTF8", true } };
    static const char *const TEXTS[] = {
        "plain",        "one, two", " blanks ", "M\xC3\xBCller \xF0\x9F\x98\x80", "a \"quoted\" word",
        "a\r\nb\nc\td", "<&>'",     "\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(FORMATS); i++) {
        struct dmf_writer *w = begin(FORMATS[i].format, FORMATS[i].doubled);
        bool all = FORMATS[i].doubled || FORMATS[i].format[0] == 'X';
        struct dmf_reader *r = NULL;
        struct dmf_rows *s = NULL;
        struct arena a = { 0 };
        struct err e = { 0 };
        struct dmf_format f;
        const struct dmf_package *p;

        for (size_t j = 0; j < COUNT(TEXTS); j++)
            if (all || (!strchr(TEXTS[j], '"') && !strchr(TEXTS[j], '\n')))
                add(w, "C1", TEXTS[j], "2024-05-01T12:00:00Z");
        add_group(w, "10");
        end(w, "a.zip");
        CHECK_OK(dmf_reader_open("a.zip", "tmp", NULL, &r, &e), &e);
        p = dmf_reader_package(r);
        CHECK_CELL(p->project, "DMFSYNC_customers", "project");
        CHECK_CELL(p->description, "a <test>", "description");
        assert_int_equal(p->n, 2);
        for (size_t k = 0; k < p->n; k++) {
            CHECK_CELL(p->entities[k].label, ENTITIES[k].label.ptr, "label");
            CHECK_CELL(p->entities[k].aot, ENTITIES[k].aot.ptr, "aot");
            CHECK_CELL(p->entities[k].input_file, ENTITIES[k].input_file.ptr, "file");
            assert_int_equal(p->entities[k].level, ENTITIES[k].level);
            assert_int_equal(p->entities[k].n, ENTITIES[k].n);
            assert_false(p->entities[k].disabled);
        }
        assert_true(p->entities[0].fields[3].auto_generated);
        CHECK_CELL(p->entities[1].fields[0].file, "GroupId", "file column");
        assert_true(dmf_format_named(FORMATS[i].format, &f));
        CHECK_OK(dmf_rows_open(r, 0, &f, &s, &e), &e);
        for (size_t j = 0; j < COUNT(TEXTS); j++) {
            struct cell *cells;
            const char *fault;
            bool more;
            size_t n;

            if (!all && (strchr(TEXTS[j], '"') || strchr(TEXTS[j], '\n')))
                continue;
            CHECK_OK(dmf_rows_next(s, &a, &cells, &n, &fault, &more, &e), &e);
            CHECK(more && !fault, "%s, text %zu: %s", FORMATS[i].format, j, fault ? fault : "no row");
            CHECK_CELL(value(s, cells, n, "organizationname"), TEXTS[j], "%s, text %zu", FORMATS[i].format, j);
            CHECK_CELL(value(s, cells, n, "CUSTOMERACCOUNT"), "C1", "%s", FORMATS[i].format);
            CHECK_CELL(value(s, cells, n, "CREATEDON"),
                       FORMATS[i].format[0] == 'X' ? "2024-05-01T12:00:00Z" : "2024-05-01 12:00:00", "%s",
                       FORMATS[i].format);
            CHECK_CELL(value(s, cells, n, "PARTYNUMBER"), NULL, "%s", FORMATS[i].format);
        }
        for (int twice = 0; twice < 2; twice++) { /* the end stays the end */
            struct cell *cells;
            const char *fault;
            bool more = true;
            size_t n;

            CHECK_OK(dmf_rows_next(s, &a, &cells, &n, &fault, &more, &e), &e);
            assert_false(more);
        }
        dmf_rows_close(s);
        /* Columns come under their staging name, though the file calls this one GroupId. */
        CHECK_OK(dmf_rows_open(r, 1, NULL, &s, &e), &e);
        {
            struct cell *cells;
            const char *fault;
            bool more;
            size_t n;

            CHECK_OK(dmf_rows_next(s, &a, &cells, &n, &fault, &more, &e), &e);
            CHECK(more && !fault, "%s", FORMATS[i].format);
            CHECK_CELL(value(s, cells, n, "CUSTOMERGROUPID"), "10", "%s", FORMATS[i].format);
            assert_int_equal(dmf_rows_column(s, CELL_LIT("GroupId")), -1);
        }
        dmf_rows_close(s);
        dmf_reader_close(r);
        arena_release(&a);
    }
}

static void file_names(void **state)
{
    struct arena a = { 0 };

    (void)state;
    CHECK_STR(dmf_file_name(CELL_LIT("Country/regions"), ".csv", &a), "Countryregions.csv", "as F&O names files");
    CHECK_STR(dmf_file_name(CELL_LIT("a\\:*?\"<>|\x01z"), "", &a), "az", "all that file names cannot have");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents),
        cmocka_unit_test(csv_octets),
        cmocka_unit_test(xml_octets),
        cmocka_unit_test(values_that_cannot_travel),
        cmocka_unit_test(package_faults),
        cmocka_unit_test(same_content_same_octets),
        cmocka_unit_test(abandon_leaves_nothing),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(file_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

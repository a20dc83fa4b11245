/* Packages from anybody: what is refused, what is read all the same, and what a faulty row costs. */
#include "dmf_zip.h"

#include "dmf/pkgread.h"

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
        cmocka_unit_test(packages),
        cmocka_unit_test(not_a_zip),
        cmocka_unit_test(overlap),
        cmocka_unit_test(broken_zips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

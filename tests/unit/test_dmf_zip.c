/* Zips that are damaged or lie: directories, sizes, places, counts. */
#include "dmf_zip.h"

#include <sys/resource.h>
#include <time.h>

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

/* End records of 64-bit zips that lie, and a name that is not text. */
static void lies64(void **state)
{
    static const struct {
        const char *name, *magic;
        size_t field;
        int octets;
        uint64_t value;
    } CASES[] = {
        { "the end record elsewhere", "PK\6\7", 8, 8, UINT64_MAX - 10 },
        { "the end record a little off", "PK\6\7", 8, 8, 1 },
        { "another number of members", "PK\6\6", 32, 8, 2 },
        { "both numbers", "PK\6\6", 24, 8, UINT64_MAX },
        { "a directory elsewhere", "PK\6\6", 48, 8, UINT64_MAX - 10 },
        { "a directory without end", "PK\6\6", 40, 8, UINT64_MAX - 10 },
        { "volumes", "PK\6\6", 16, 4, 7 },
        { "volumes, in the classic record", "PK\5\6", 4, 2, 7 },
        { "sizes that are cut off", "PK\1\2", 46 + 17 + 2, 2, 8 },
        { "sizes beyond", "PK\1\2", 46 + 17 + 2, 2, 60000 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct strbuf b = STRBUF(0);
        struct err e = { 0 };
        uint64_t v = CASES[i].value;
        char *at;

        build_raw("l.zip", GOOD, 3, true);
        assert_int_equal(try_open("l.zip", NULL, &e), EC_OK);
        CHECK_OK(file_read("l.zip", 1 << 20, &b, &e), &e);
        at = memmem(b.buf, b.len, CASES[i].magic, 4);
        assert_non_null(at);
        for (int k = 0; k < CASES[i].octets; k++, v >>= 8)
            at[CASES[i].field + (size_t)k] = (char)v;
        CHECK_OK(file_write_atomic("l.zip", b.buf, b.len, 0600, &e), &e);
        CHECK(try_open("l.zip", NULL, &e) != EC_OK && strstr(e.msg, "l.zip"), "%s: %s", CASES[i].name, e.msg);
        strbuf_release(&b);
    }
    {
        struct part parts[] = { GOOD[0], GOOD[1], { "w\xC3\x28.csv", ROWS } };
        struct err e = { 0 };
        enum ec rc;

        build_raw("l.zip", parts, 3, false);
        rc = try_open("l.zip", NULL, &e); /* libzip takes it for a DOS name; then it is text */
        CHECK(!rc || strstr(e.msg, "not text"), "%s", e.msg);
    }
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
        cmocka_unit_test(overlap),     cmocka_unit_test(lies),         cmocka_unit_test(sizes),
        cmocka_unit_test(every_octet), cmocka_unit_test(many_members), cmocka_unit_test(lies64),
        cmocka_unit_test(broken_zips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "check.h"

#include "data/zio.h"

#include "base/file.h"

#include <pthread.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, int level, const char *p, size_t n, size_t step)
{
    struct zwriter *w = NULL;
    struct err e = { 0 };

    CHECK_OK(zwriter_open(path, level, &w, &e), &e);
    for (size_t at = 0; at < n; at += step)
        CHECK_OK(zwriter_add(w, p + at, n - at < step ? n - at : step, &e), &e);
    CHECK_OK(zwriter_close(w, &e), &e);
}

/* Octets read, or -1 with the error's code in *ret_code. */
static int64_t read_file(const char *path, size_t step, struct strbuf *out, struct err *e)
{
    struct zreader *z = NULL;
    char *buf = malloc(step);
    int64_t got, all = 0;

    CHECK_OK(zreader_open(path, &z, e), e);
    while ((got = zreader_read(z, buf, step, e)) > 0) {
        CHECK((size_t)got <= step, "no more than asked for");
        strbuf_add(out, buf, (size_t)got);
        all += got;
    }
    free(buf);
    zreader_close(z);
    return got < 0 ? -1 : all;
}

static char *sample(size_t n)
{
    char *p = malloc(n);
    uint32_t x = 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = x >> 28 ? (char)('a' + (x >> 24) % 7) : (char)(x >> 13);
    }
    return p;
}

static void round_trip(void **state)
{
    static const size_t SIZES[] = { 0, 1, 1000, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 1000000 };
    static const size_t STEPS[] = { 1, 777, 128 * 1024, 3000000 };
    char *p = sample(1000000);

    (void)state;
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        for (size_t k = 0; k < COUNT(STEPS); k++) {
            for (int level = 0; level <= 3; level += 3) {
                const char *path = level ? "f.zst" : "f";
                struct strbuf out = { 0 };
                struct err e = { 0 };
                struct stat st;

                if (STEPS[k] == 1 && SIZES[i] > 200000)
                    continue;
                write_file(path, level, p, SIZES[i], STEPS[k]);
                CHECK(read_file(path, STEPS[k], &out, &e) == (int64_t)SIZES[i], "%zu by %zu: %s", SIZES[i], STEPS[k],
                      e.msg);
                CHECK(!SIZES[i] || !memcmp(out.buf, p, SIZES[i]), "%zu by %zu", SIZES[i], STEPS[k]);
                CHECK(!stat(path, &st) && (st.st_mode & 0777) == 0600, "mode");
                CHECK(level == 0 || SIZES[i] < 1000 || (size_t)st.st_size < SIZES[i], "smaller");
                strbuf_release(&out);
            }
        }
    }
    free(p);
}

static void damaged(void **state)
{
    char *p = sample(300000);
    struct strbuf whole = { 0 }, out = { 0 };
    struct err e = { 0 };

    (void)state;
    write_file("d.zst", 3, p, 300000, 300000);
    CHECK_OK(file_read("d.zst", 1 << 20, &whole, &e), &e);
    for (size_t cut = 0; cut < whole.len; cut = cut < 20 ? cut + 1 : cut + whole.len / 13) { /* cut off */
        CHECK_OK(file_write_atomic("d.zst", whole.buf, cut, 0600, &e), &e);
        strbuf_reset(&out);
        CHECK(read_file("d.zst", 5000, &out, &e) == -1 && e.code == EC_FORMAT, "cut at %zu of %zu", cut, whole.len);
        CHECK(!out.len || !memcmp(out.buf, p, out.len), "what came before is right");
    }
    CHECK_OK(file_write_atomic("d.zst", whole.buf, whole.len - 1, 0600, &e), &e);
    strbuf_reset(&out);
    CHECK(read_file("d.zst", 1000000, &out, &e) == -1 && e.code == EC_FORMAT, "the checksum cut off");
    whole.buf[whole.len / 2] ^= 0x10;
    CHECK_OK(file_write_atomic("d.zst", whole.buf, whole.len, 0600, &e), &e);
    strbuf_reset(&out);
    CHECK(read_file("d.zst", 5000, &out, &e) == -1 && e.code == EC_FORMAT, "one bit");
    whole.buf[whole.len / 2] ^= 0x10;
    strbuf_adds(&whole, "tail");
    CHECK_OK(file_write_atomic("d.zst", whole.buf, whole.len, 0600, &e), &e);
    strbuf_reset(&out);
    CHECK(read_file("d.zst", 5000, &out, &e) == -1 && e.code == EC_FORMAT, "something behind it");
    CHECK_OK(file_write_atomic("d.zst", "not zstd at all", 15, 0600, &e), &e);
    strbuf_reset(&out);
    CHECK(read_file("d.zst", 5000, &out, &e) == -1 && e.code == EC_FORMAT, "not zstd");
    strbuf_release(&whole);
    strbuf_release(&out);
    free(p);
}

/* `cat a.zst b.zst` is a valid file. */
static void two_frames(void **state)
{
    struct strbuf both = { 0 }, out = { 0 };
    struct err e = { 0 };

    (void)state;
    write_file("a.zst", 1, "first,", 6, 6);
    write_file("b.zst", 1, "second", 6, 6);
    CHECK_OK(file_read("a.zst", 1000, &both, &e), &e);
    CHECK_OK(file_read("b.zst", 1000, &both, &e), &e);
    CHECK_OK(file_write_atomic("ab.zst", both.buf, both.len, 0600, &e), &e);
    CHECK(read_file("ab.zst", 3, &out, &e) == 12, "%s", e.msg);
    CHECK_STR(strbuf_str(&out), "first,second", "joined");
    strbuf_release(&both);
    strbuf_release(&out);
}

static void seeking(void **state)
{
    struct zreader *z = NULL;
    struct err e = { 0 };
    char buf[8];

    (void)state;
    write_file("s", 0, "0123456789", 10, 10);
    CHECK_OK(zreader_open("s", &z, &e), &e);
    CHECK(zreader_seekable(z), "plain");
    CHECK_OK(zreader_seek(z, 7, &e), &e);
    CHECK(zreader_read(z, buf, 8, &e) == 3 && !memcmp(buf, "789", 3), "the end");
    CHECK_OK(zreader_seek(z, 10, &e), &e);
    CHECK(zreader_read(z, buf, 8, &e) == 0, "nothing behind it");
    CHECK(zreader_seek(z, 11, &e) == EC_STATE, "beyond");
    zreader_close(z);
    write_file("s.zst", 1, "0123456789", 10, 10);
    CHECK_OK(zreader_open("s.zst", &z, &e), &e);
    CHECK(!zreader_seekable(z) && zreader_seek(z, 0, &e) == EC_STATE, "compressed");
    zreader_close(z);
    zreader_close(NULL);
    z = NULL;
    CHECK(zreader_open("nothing", &z, &e) == EC_IO && !z, "missing");
    CHECK(zreader_open(".", &z, &e) == EC_IO && !z, "a folder");
}

static void blocks(void **state)
{
    char *p = sample(200000);
    struct strbuf packed = { 0 }, out = { 0 };
    struct err e = { 0 };

    (void)state;
    for (size_t n = 0; n <= 200000; n = n * 3 + 1) {
        strbuf_reset(&packed);
        strbuf_adds(&packed, "in front:");
        CHECK_OK(zstd_pack(&packed, p, n, 3, &e), &e);
        CHECK(!memcmp(packed.buf, "in front:", 9), "appended");
        strbuf_reset(&out);
        strbuf_adds(&out, "x");
        CHECK_OK(zstd_unpack(&out, packed.buf + 9, packed.len - 9, n, &e), &e);
        CHECK(out.len == n + 1 && (!n || !memcmp(out.buf + 1, p, n)), "%zu octets", n);
        CHECK(!n || zstd_unpack(&out, packed.buf + 9, packed.len - 9, n - 1, &e) == EC_LIMIT, "more than allowed");
        CHECK(zstd_unpack(&out, packed.buf + 9, packed.len - 10, n, &e) == EC_FORMAT, "cut off");
        CHECK(zstd_unpack(&out, "garbage here", 12, 1000, &e) == EC_FORMAT, "garbage");
        CHECK(zstd_unpack(&out, "", 0, 1000, &e) == EC_FORMAT, "nothing");
        CHECK(out.len == n + 1, "an error appends nothing");
    }
    strbuf_release(&packed);
    strbuf_release(&out);
    free(p);
}

static void *pack_in_thread(void *arg)
{
    char *p = sample(50000);
    struct strbuf packed = { 0 }, out = { 0 };
    bool *good = arg;

    *good = true;
    for (int i = 0; i < 20; i++) {
        strbuf_reset(&packed);
        strbuf_reset(&out);
        *good &= !zstd_pack(&packed, p, 50000, 1 + i % 3, NULL) &&
                 !zstd_unpack(&out, packed.buf, packed.len, 50000, NULL) && !memcmp(out.buf, p, 50000);
    }
    strbuf_release(&packed);
    strbuf_release(&out);
    free(p);
    return NULL;
}

static void threads(void **state)
{
    pthread_t t[2];
    bool good[2] = { 0 };

    (void)state;
    for (int i = 0; i < 2; i++)
        CHECK(!pthread_create(&t[i], NULL, pack_in_thread, &good[i]), "thread");
    for (int i = 0; i < 2; i++)
        CHECK(!pthread_join(t[i], NULL) && good[i], "thread %d", i);
}

/* `ulimit -f` stands for a full disk. */
static void disk_full(void **state)
{
    char *p = sample(400000);

    (void)state;
    for (int level = 0; level < 2; level++) {
        struct rlimit old, small;
        struct zwriter *w = NULL;
        struct err e = { 0 };
        enum ec add, end;

        signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &old);
        small = old;
        small.rlim_cur = 50000;
        CHECK_OK(zwriter_open(level ? "full.zst" : "full", level, &w, &e), &e);
        CHECK(!setrlimit(RLIMIT_FSIZE, &small), "limit");
        add = zwriter_add(w, p, 400000, &e);
        end = zwriter_close(w, &e);
        CHECK(!setrlimit(RLIMIT_FSIZE, &old), "limit off");
        CHECK(end == EC_DISK, "closing must tell: %d %d %s", add, end, e.msg);
    }
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(damaged), cmocka_unit_test(two_frames),
        cmocka_unit_test(seeking),    cmocka_unit_test(blocks),  cmocka_unit_test(threads),
        cmocka_unit_test(disk_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

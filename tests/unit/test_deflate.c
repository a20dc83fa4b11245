/* test_deflate.c -- members compressed in blocks: they inflate to what went in, whatever the number of threads. */
#include "base/arena.h"
#include "dmf/deflate.h"
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct piece {
    struct strbuf text, squeezed;
    struct deflate_stream s;
};

static enum ec keep(void *arg, const void *p, size_t n, struct err *reterr)
{
    (void)reterr;
    strbuf_add(&((struct piece *)arg)->squeezed, p, n);
    return EC_OK;
}

static void piece_begin(struct piece *p)
{
    *p = (struct piece){ .s = { .sink = keep, .arg = p } };
}

static void piece_end(struct piece *p)
{
    strbuf_release(&p->text);
    strbuf_release(&p->squeezed);
}

/* Text that compresses a little, differently in each block. */
static void add_text(struct strbuf *out, unsigned seed, size_t n)
{
    unsigned x = seed * 2654435761U + 1;

    for (size_t i = 0; i < n; i++) {
        x = x * 1664525U + 1013904223U;
        strbuf_addc(out, (char)(seed % 3 ? 'a' + (x >> 28) : x >> 24));
    }
}

static void check_piece(const struct piece *p)
{
    unsigned char *back = xmalloc(p->text.len + 1);
    z_stream z = { .next_in = (unsigned char *)p->squeezed.buf, .avail_in = (unsigned)p->squeezed.len };

    assert_int_equal(inflateInit2(&z, -15), Z_OK);
    z.next_out = back;
    z.avail_out = (unsigned)p->text.len + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, p->text.len);
    assert_int_equal(z.avail_in, 0);
    if (p->text.len)
        assert_memory_equal(back, p->text.buf, p->text.len);
    inflateEnd(&z);
    free(back);
    assert_int_equal(p->s.crc, p->text.len ? crc32(0, (unsigned char *)p->text.buf, (unsigned)p->text.len) : 0);
    assert_int_equal(p->s.octets_in, p->text.len);
    assert_int_equal(p->s.octets_out, p->squeezed.len);
}

/* Three streams that take turns through one pool; sizes from nothing to a full block of noise. */
static void through(enum deflate_kind kind, int threads, struct piece p[3])
{
    static const size_t SIZES[] = { 0, 1, 17, 70000, DEFLATE_BLOCK, 300000, 5 };
    struct deflate_pool *pool;
    struct strbuf block = STRBUF(0);
    struct err e = { 0 };

    assert_int_equal(deflate_pool_new(kind, threads, &pool, &e), EC_OK);
    for (int i = 0; i < 3; i++)
        piece_begin(&p[i]);
    for (unsigned round = 0; round < 14; round++)
        for (unsigned i = 0; i < 2; i++) { /* the third stays empty */
            strbuf_reset(&block);
            add_text(&block, round * 2 + i, SIZES[(round + i) % COUNT(SIZES)]);
            strbuf_add(&p[i].text, block.buf, block.len);
            assert_int_equal(deflate_block(pool, &p[i].s, &block, &e), EC_OK);
            assert_int_equal(block.len, 0);
        }
    for (int i = 0; i < 3; i++)
        assert_int_equal(deflate_end(pool, &p[i].s, &e), EC_OK);
    deflate_pool_free(pool);
    strbuf_release(&block);
}

static void round_trips(void **state)
{
    static const enum deflate_kind KINDS[] = { DEFLATE_ZLIB, DEFLATE_AUTO };
    static const int THREADS[] = { 0, 1, 4 };

    (void)state;
    for (size_t k = 0; k < COUNT(KINDS); k++) {
        struct piece first[3];

        for (size_t t = 0; t < COUNT(THREADS); t++) {
            struct piece p[3];

            through(KINDS[k], THREADS[t], t ? p : first);
            for (int i = 0; i < 3; i++) {
                check_piece(t ? &p[i] : &first[i]);
                if (t) { /* the number of threads does not show */
                    assert_int_equal(p[i].squeezed.len, first[i].squeezed.len);
                    assert_memory_equal(p[i].squeezed.buf, first[i].squeezed.buf, p[i].squeezed.len);
                    piece_end(&p[i]);
                }
            }
        }
        for (int i = 0; i < 3; i++)
            piece_end(&first[i]);
    }
}

static enum ec refuse(void *arg, const void *p, size_t n, struct err *reterr)
{
    (void)p, (void)n;
    ++*(int *)arg;
    return err_set(reterr, EC_IO, "no room");
}

/* An error of the sink comes back, and an abandoned stream is not written to any more. */
static void failing_sink(void **state)
{
    struct deflate_pool *pool;
    struct strbuf block = STRBUF(0);
    struct err e = { 0 };
    int asked = 0;
    struct deflate_stream s = { .sink = refuse, .arg = &asked };
    struct piece other;
    enum ec rc = EC_OK;

    (void)state;
    assert_int_equal(deflate_pool_new(DEFLATE_AUTO, 2, &pool, &e), EC_OK);
    for (int i = 0; i < 20 && !rc; i++) {
        add_text(&block, (unsigned)i, 1000);
        rc = deflate_block(pool, &s, &block, &e);
    }
    assert_int_equal(rc, EC_IO);
    assert_string_equal(e.msg, "no room");
    deflate_abandon(pool, &s);
    asked = 0;
    piece_begin(&other);
    strbuf_reset(&block);
    add_text(&block, 1, 1000);
    strbuf_add(&other.text, block.buf, block.len);
    assert_int_equal(deflate_block(pool, &other.s, &block, &e), EC_OK);
    assert_int_equal(deflate_end(pool, &other.s, &e), EC_OK);
    assert_int_equal(asked, 0);
    check_piece(&other);
    piece_end(&other);
    deflate_pool_free(pool);
    strbuf_release(&block);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(round_trips), cmocka_unit_test(failing_sink) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

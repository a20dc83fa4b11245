/* test_column_file.c -- archived rows come back as they were; every flipped octet and every cut is found, and harms nobody. */
#include "store/column_file.h"
#include "base/file.h"
#include "data/zio.h"
#include "check.h"

#include <fcntl.h>
#include <unistd.h>

enum { COLUMNS = 3, ROWS = 9000 };
static struct cell cells_of(unsigned i, unsigned k, struct arena *a)
{
    if (k == 0)
        return cell_printf(a, "K%06u", i);
    if (k == 1)
        return i % 5 == 0   ? CELL_ABSENT
               : i % 5 == 1 ? CELL_LIT("")
                            : cell_printf(a, "value %u\n\"quoted\"", i * 7919);
    return i == 77 ? (struct cell){ memset(arena_alloc(a, 5 << 20), 'x', 5 << 20), 5 << 20 } : CELL_LIT("same");
}

static bool is_gone(unsigned i)
{
    return i % 13 == 12;
}

static void write_rows(const char *path, unsigned rows, char sha[static 65])
{
    struct column_writer *w = NULL;
    struct arena a = { 0 };

    assert_int_equal(column_create(path, CELL_LIT("{\"a\":1}"), COLUMNS, &w, NULL), EC_OK);
    for (unsigned i = 0; i < rows; i++) {
        struct cell c[COLUMNS];

        arena_reset(&a);
        for (unsigned k = 0; k < COLUMNS; k++)
            c[k] = cells_of(i, k, &a);
        if (is_gone(i))
            assert_int_equal(column_add_gone(w, (struct digest){ i, ~(uint64_t)i }, NULL), EC_OK);
        else
            assert_int_equal(column_add(w, c, NULL), EC_OK);
    }
    assert_int_equal(column_finish(w, sha, NULL), EC_OK);
    arena_release(&a);
}

/* Reads all; the number of rows, or the error. */
static enum ec read_rows(const char *path, unsigned *ret_rows, bool compare)
{
    struct column_reader *r = NULL;
    struct column_row row;
    struct cell head;
    struct arena a = { 0 };
    bool more = true;
    unsigned i = 0;
    enum ec rc = column_open(path, &r, &head, NULL);

    if (!rc && compare)
        assert_true(cell_is(head, "{\"a\":1}"));
    if (!rc)
        column_expect(r, COLUMNS);
    while (!rc) {
        rc = column_next(r, &row, &more, NULL);
        if (rc || !more)
            break;
        arena_reset(&a);
        if (compare) {
            assert_true(row.gone == is_gone(i));
            if (row.gone)
                assert_true(row.key.hi == i && row.key.lo == ~(uint64_t)i);
            for (unsigned k = 0; k < COLUMNS && !row.gone; k++)
                assert_true(cell_eq(row.cells[k], cells_of(i, k, &a)));
        }
        i++;
    }
    column_close(r);
    arena_release(&a);
    *ret_rows = i;
    return rc;
}

static void back_as_they_were(void **state)
{
    static const unsigned SIZES[] = { 0, 1, 13, 4096, 4097, ROWS };
    char sha[65], again[65];
    unsigned n;

    (void)state;
    for (size_t i = 0; i < COUNT(SIZES); i++) {
        write_rows("a.zst", SIZES[i], sha);
        assert_int_equal(column_check("a.zst", again, NULL), EC_OK);
        assert_string_equal(sha, again);
        assert_int_equal(read_rows("a.zst", &n, true), EC_OK);
        assert_int_equal(n, SIZES[i]);
    }
}

static void damage_is_found(void **state)
{
    struct strbuf good = STRBUF(0);
    char sha[65];
    unsigned n;

    (void)state;
    write_rows("b.zst", 40, sha);
    assert_int_equal(file_read("b.zst", 1 << 20, &good, NULL), EC_OK);
    for (size_t at = 0; at < good.len; at++)
        for (int bit = 0; bit < 8; bit++) {
            good.buf[at] ^= (char)(1 << bit);
            assert_int_equal(file_write_atomic("bad.zst", good.buf, good.len, 0600, NULL), EC_OK);
            assert_int_equal(column_check("bad.zst", sha, NULL), EC_FORMAT);
            if (bit == (int)(at % 8))
                (void)read_rows("bad.zst", &n, false); /* whatever comes of it: no fault of memory */
            good.buf[at] ^= (char)(1 << bit);
        }
    for (size_t len = 0; len < good.len; len++) {
        assert_int_equal(file_write_atomic("cut.zst", good.buf, len, 0600, NULL), EC_OK);
        assert_int_equal(column_check("cut.zst", sha, NULL), EC_FORMAT);
    }
    strbuf_release(&good);
}

/* Octets that zstd takes and the format does not: lengths beyond the end, rows that are not there. */
static void hostile_blocks(void **state)
{
    static const struct cell BLOCKS[] = {
        CELL_LIT("\xff\xff\xff\x7f"), /* a head of 2 GiB */
        CELL_LIT("\x02\0\0\0{}\xff\xff\xff\x3f"), /* a block of 1 GiB */
        CELL_LIT("\x02\0\0\0{}\x01\0\0\0\0"), /* no rows */
        CELL_LIT("\x02\0\0\0{}\x02\0\0\0\x01\x02"), /* an operation that is none */
        CELL_LIT("\x02\0\0\0{}\x02\0\0\0\x01\x01"), /* gone, without its key */
        CELL_LIT("\x02\0\0\0{}\x08\0\0\0\x01\0\x01\x7f\0\0\0\0"), /* a text longer than the block */
        CELL_LIT("\x02\0\0\0{}\x0b\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), /* a number without end */
        CELL_LIT("\x02\0\0\0{}\0\0\0\0more"), /* something behind the end */
        CELL_LIT("\x02\0\0\0{}"), /* no end */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(BLOCKS); i++) {
        struct strbuf packed = STRBUF(0);
        unsigned n;

        assert_int_equal(zstd_pack(&packed, BLOCKS[i].ptr, BLOCKS[i].len, 1, NULL), EC_OK);
        assert_int_equal(file_write_atomic("h.zst", packed.buf, packed.len, 0600, NULL), EC_OK);
        if (read_rows("h.zst", &n, false) != EC_FORMAT)
            fail_msg("block %zu was taken", i);
        strbuf_release(&packed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(back_as_they_were), cmocka_unit_test(damage_is_found),
                                        cmocka_unit_test(hostile_blocks) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

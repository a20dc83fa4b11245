#include "store/column_file.h"
#include "base/file.h"
#include "data/zio.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK_ROWS = 4096, BLOCK_OCTETS = 4 << 20, LEVEL = 6, HEAD_MAX = 16 << 20, BLOCK_MAX = 1 << 30, TAIL = 40 };
static const unsigned char TAIL_MARK[8] = {
    0x5E, 0x2A, 0x4D, 0x18, 32, 0, 0, 0
}; /* a skippable frame of 32 octets */

struct column {
    struct strbuf lengths, texts;
};
struct column_writer {
    char *path;
    struct zwriter *z;
    struct column *columns;
    size_t n;
    struct strbuf ops, gone, block;
    size_t octets; /* of the texts */
};

static void put_varint(struct strbuf *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        strbuf_addc(out, (char)(v | 0x80));
    strbuf_addc(out, (char)v);
}

static void put_u32(char out[4], size_t n)
{
    for (int i = 0; i < 4; i++)
        out[i] = (char)(n >> 8 * i);
}

static enum ec add_sized(struct column_writer *w, struct cell c, struct err *reterr)
{
    char size[4];
    enum ec rc;

    put_u32(size, c.len);
    rc = zwriter_add(w->z, size, 4, reterr);
    return rc || !c.len ? rc : zwriter_add(w->z, c.ptr, c.len, reterr);
}

enum ec column_create(const char *path, struct cell head, size_t n_columns, struct column_writer **ret,
                      struct err *reterr)
{
    struct column_writer *w = xcalloc(1, sizeof(*w));
    enum ec rc;

    w->path = xstrdup(path);
    w->n = n_columns;
    w->columns = xcalloc(n_columns + 1, sizeof(*w->columns));
    rc = zwriter_open(path, LEVEL, &w->z, reterr);
    if (!rc)
        rc = add_sized(w, head, reterr);
    if (rc)
        column_abandon(w);
    else
        *ret = w;
    return rc;
}

static enum ec flush(struct column_writer *w, struct err *reterr)
{
    struct strbuf *b = &w->block;

    if (!w->ops.len)
        return EC_OK;
    strbuf_reset(b);
    put_varint(b, w->ops.len);
    strbuf_add(b, w->ops.buf, w->ops.len);
    if (w->gone.len)
        strbuf_add(b, w->gone.buf, w->gone.len);
    for (size_t i = 0; i < w->n; i++) {
        struct column *c = &w->columns[i];

        put_varint(b, c->lengths.len);
        strbuf_add(b, strbuf_str(&c->lengths), c->lengths.len);
        put_varint(b, c->texts.len);
        strbuf_add(b, strbuf_str(&c->texts), c->texts.len);
        strbuf_reset(&c->lengths);
        strbuf_reset(&c->texts);
    }
    strbuf_reset(&w->ops);
    strbuf_reset(&w->gone);
    w->octets = 0;
    return add_sized(w, (struct cell){ b->buf, b->len }, reterr);
}

static enum ec added(struct column_writer *w, struct err *reterr)
{
    return w->ops.len >= BLOCK_ROWS || w->octets >= BLOCK_OCTETS ? flush(w, reterr) : EC_OK;
}

enum ec column_add(struct column_writer *w, const struct cell *cells, struct err *reterr)
{
    strbuf_addc(&w->ops, 0);
    for (size_t i = 0; i < w->n; i++) {
        put_varint(&w->columns[i].lengths, cell_absent(cells[i]) ? 0 : (uint64_t)cells[i].len + 1);
        if (cells[i].len)
            strbuf_add(&w->columns[i].texts, cells[i].ptr, cells[i].len);
        w->octets += cells[i].len;
    }
    return added(w, reterr);
}

enum ec column_add_gone(struct column_writer *w, struct digest key, struct err *reterr)
{
    char octets[16];

    for (int i = 0; i < 8; i++) {
        octets[i] = (char)(key.hi >> (56 - 8 * i));
        octets[8 + i] = (char)(key.lo >> (56 - 8 * i));
    }
    strbuf_addc(&w->ops, 1);
    strbuf_add(&w->gone, octets, sizeof(octets));
    return added(w, reterr);
}

/* SHA-256 of the first n octets of the file, and the TAIL octets behind them where tail is asked for. */
static enum ec hash_file(const char *path, int fd, uint64_t n, unsigned char tail[TAIL], char hex[static 65],
                         struct err *reterr)
{
    struct sha256 *s = sha256_new();
    enum { PIECE = 1 << 18 };
    char *buf = xmalloc(PIECE);
    uint64_t at = 0;
    enum ec rc = EC_OK;

    while (!rc && at < n) {
        ssize_t got = pread(fd, buf, n - at < PIECE ? (size_t)(n - at) : PIECE, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            rc = err_errno(reterr, EC_IO, got ? errno : EIO, "read '%s'", path);
            break;
        }
        sha256_add(s, buf, (size_t)got);
        at += (uint64_t)got;
    }
    sha256_hex(s, hex);
    free(buf);
    if (!rc && tail && pread(fd, tail, TAIL, (off_t)n) != TAIL)
        rc = err_errno(reterr, EC_IO, errno, "read '%s'", path);
    return rc;
}

static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static void make_tail(const char *hex, unsigned char tail[TAIL])
{
    memcpy(tail, TAIL_MARK, sizeof(TAIL_MARK));
    for (int i = 0; i < 32; i++)
        tail[8 + i] = (unsigned char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
}

static enum ec seal(const char *path, char hex[static 65], struct err *reterr)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    unsigned char tail[TAIL];
    enum ec rc;

    if (end < 0)
        rc = err_errno(reterr, EC_IO, errno, "open '%s'", path);
    else
        rc = hash_file(path, fd, (uint64_t)end, NULL, hex, reterr);
    if (!rc) {
        make_tail(hex, tail);
        rc = file_write_all(fd, tail, TAIL, path, reterr);
    }
    if (!rc && fsync(fd))
        rc = err_errno(reterr, EC_IO, errno, "write '%s' to disk", path);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static void free_writer(struct column_writer *w)
{
    for (size_t i = 0; i < w->n; i++) {
        strbuf_release(&w->columns[i].lengths);
        strbuf_release(&w->columns[i].texts);
    }
    strbuf_release(&w->ops);
    strbuf_release(&w->gone);
    strbuf_release(&w->block);
    free(w->columns);
    free(w->path);
    free(w);
}

enum ec column_finish(struct column_writer *w, char ret[static 65], struct err *reterr)
{
    enum ec rc = flush(w, reterr), closed;

    if (!rc)
        rc = add_sized(w, CELL_LIT(""), reterr);
    closed = zwriter_close(w->z, rc ? NULL : reterr);
    if (!rc)
        rc = closed;
    if (!rc)
        rc = seal(w->path, ret, reterr);
    free_writer(w);
    return rc;
}

void column_abandon(struct column_writer *w)
{
    if (!w)
        return;
    if (w->z)
        (void)zwriter_close(w->z, NULL);
    free_writer(w);
}

/* ---- reading ---- */

struct part { /* of a column: what is left of it in the block */
    const char *lengths, *lengths_end, *texts, *texts_end;
};
struct column_reader {
    char *path;
    struct zreader *z;
    struct strbuf head, block;
    size_t n;
    struct part *parts;
    struct cell *cells;
    const char *ops, *ops_end, *gone, *gone_end;
    bool ended;
};

static enum ec damaged(const struct column_reader *r, const char *what, struct err *reterr)
{
    return err_set(reterr, EC_FORMAT, "'%s' is damaged: %s", r->path, what);
}

static enum ec read_exactly(struct column_reader *r, void *to, size_t n, struct err *reterr)
{
    size_t at = 0;

    while (at < n) {
        int64_t got = zreader_read(r->z, (char *)to + at, n - at, reterr);

        if (got < 0)
            return reterr && reterr->code ? reterr->code : EC_FORMAT;
        if (!got)
            return damaged(r, "it is cut off", reterr);
        at += (size_t)got;
    }
    return EC_OK;
}

static enum ec read_sized(struct column_reader *r, size_t max, struct strbuf *to, struct err *reterr)
{
    unsigned char size[4];
    size_t n;
    enum ec rc = read_exactly(r, size, 4, reterr);

    if (rc)
        return rc;
    n = (size_t)size[0] | (size_t)size[1] << 8 | (size_t)size[2] << 16 | (size_t)size[3] << 24;
    if (n > max)
        return damaged(r, "a part of it is too long", reterr);
    strbuf_reset(to);
    /* In pieces: a length that is not true must not take memory that no octets fill. */
    while (to->len < n && !rc) {
        size_t piece = n - to->len < (1 << 20) ? n - to->len : 1 << 20;

        strbuf_reserve(to, piece + 1);
        rc = read_exactly(r, to->buf + to->len, piece, reterr);
        if (!rc)
            to->len += piece;
    }
    return rc;
}

enum ec column_open(const char *path, struct column_reader **ret, struct cell *ret_head, struct err *reterr)
{
    struct column_reader *r = xcalloc(1, sizeof(*r));
    struct err own = { 0 };
    enum ec rc;

    if (!reterr)
        reterr = &own;
    r->path = xstrdup(path);
    rc = zreader_open(path, &r->z, reterr);
    if (!rc)
        rc = read_sized(r, HEAD_MAX, &r->head, reterr);
    if (rc) {
        column_close(r);
        return rc;
    }
    *ret_head = (struct cell){ strbuf_str(&r->head), r->head.len };
    *ret = r;
    return EC_OK;
}

void column_expect(struct column_reader *r, size_t n_columns)
{
    r->n = n_columns;
    r->parts = xcalloc(n_columns + 1, sizeof(*r->parts));
    r->cells = xcalloc(n_columns + 1, sizeof(*r->cells));
}

static bool get_varint(const char **at, const char *end, uint64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; *at < end && shift < 63; shift += 7) {
        unsigned char c = (unsigned char)*(*at)++;

        v |= (uint64_t)(c & 0x7F) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool get_part(const char **at, const char *end, const char **ret, const char **ret_end)
{
    uint64_t n;

    if (!get_varint(at, end, &n) || n > (uint64_t)(end - *at))
        return false;
    *ret = *at;
    *at += n;
    *ret_end = *at;
    return true;
}

static bool open_block(struct column_reader *r)
{
    const char *at = r->block.buf, *end = at + r->block.len;
    uint64_t gone = 0;

    if (!get_part(&at, end, &r->ops, &r->ops_end) || r->ops == r->ops_end)
        return false;
    for (const char *p = r->ops; p < r->ops_end; p++) {
        if (*p & ~1)
            return false;
        gone += (uint64_t)*p;
    }
    if (gone > (uint64_t)(end - at) / 16)
        return false;
    r->gone = at;
    r->gone_end = at += gone * 16;
    for (size_t i = 0; i < r->n; i++)
        if (!get_part(&at, end, &r->parts[i].lengths, &r->parts[i].lengths_end) ||
            !get_part(&at, end, &r->parts[i].texts, &r->parts[i].texts_end))
            return false;
    return at == end;
}

static enum ec next_block(struct column_reader *r, bool *ret_more, struct err *reterr)
{
    char c;
    int64_t more;
    enum ec rc = read_sized(r, BLOCK_MAX, &r->block, reterr);

    *ret_more = !rc && r->block.len > 0;
    if (rc)
        return rc;
    if (!r->block.len) {
        r->ended = true;
        more = zreader_read(r->z, &c, 1, reterr); /* the frame's checksum is looked at, too */
        return more < 0 ? reterr->code : more ? damaged(r, "there is something behind its end", reterr) : EC_OK;
    }
    return open_block(r) ? EC_OK : damaged(r, "a block cannot be read", reterr);
}

/* All of a block must have been used up. */
static bool used_up(const struct column_reader *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->parts[i].lengths != r->parts[i].lengths_end || r->parts[i].texts != r->parts[i].texts_end)
            return false;
    return r->gone == r->gone_end;
}

static bool take_cells(struct column_reader *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct part *p = &r->parts[i];
        uint64_t n;

        if (!get_varint(&p->lengths, p->lengths_end, &n) || (n && n - 1 > (uint64_t)(p->texts_end - p->texts)))
            return false;
        r->cells[i] = n ? (struct cell){ p->texts, (size_t)n - 1 } : CELL_ABSENT;
        if (n)
            p->texts += n - 1;
    }
    return true;
}

enum ec column_next(struct column_reader *r, struct column_row *ret, bool *ret_more, struct err *reterr)
{
    struct column_row row = { .cells = r->cells };
    struct err own = { 0 };
    enum ec rc = EC_OK;

    if (!reterr)
        reterr = &own;
    *ret_more = false;
    if (r->ended)
        return EC_OK;
    if (r->ops == r->ops_end) {
        bool more;

        if (r->ops && !used_up(r))
            return damaged(r, "a block has more than its rows", reterr);
        rc = next_block(r, &more, reterr);
        if (rc || !more)
            return rc;
    }
    row.gone = *r->ops++;
    if (row.gone) {
        for (int i = 0; i < 8; i++) {
            row.key.hi = row.key.hi << 8 | (unsigned char)r->gone[i];
            row.key.lo = row.key.lo << 8 | (unsigned char)r->gone[8 + i];
        }
        r->gone += 16;
    } else if (!take_cells(r)) {
        return damaged(r, "a row cannot be read", reterr);
    }
    *ret = row;
    *ret_more = true;
    return EC_OK;
}

void column_close(struct column_reader *r)
{
    if (!r)
        return;
    zreader_close(r->z);
    strbuf_release(&r->head);
    strbuf_release(&r->block);
    free(r->parts);
    free(r->cells);
    free(r->path);
    free(r);
}

enum ec column_check(const char *path, char ret[static 65], struct err *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    unsigned char tail[TAIL], want[TAIL];
    enum ec rc;

    if (end < 0)
        rc = err_errno(reterr, EC_IO, errno, "open '%s'", path);
    else if (end < TAIL)
        rc = err_set(reterr, EC_FORMAT, "'%s' is damaged: it is cut off", path);
    else
        rc = hash_file(path, fd, (uint64_t)(end - TAIL), tail, ret, reterr);
    if (fd >= 0)
        (void)close(fd);
    if (rc)
        return rc;
    make_tail(ret, want);
    return memcmp(tail, want, TAIL)
               ? err_set(reterr, EC_FORMAT, "'%s' is damaged: its octets are not those that were written", path)
               : EC_OK;
}

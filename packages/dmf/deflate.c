#include "dmf/deflate.h"

#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#ifdef HAVE_ISAL
#include <isa-l.h>
#define TEXT_OF(x) #x
#define VERSION_TEXT(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)
#define ISAL_VERSION_TEXT VERSION_TEXT(ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION, ISAL_PATCH_VERSION)
enum { WITH_ISAL = 1 };
#else
#define ISAL_VERSION_TEXT ""
enum { WITH_ISAL = 0 };
#endif

/*
 * ISA-L: level 3 gives other octets on other processors, 1 and 2 do not. zlib: levels above 1 cost three times the time for a
 * fifth of the size; memLevel 7 keeps its tables in the cache.
 */
enum { LEVEL = 1, ZLIB_MEMORY = 7 };
/*
 * How far back ISA-L looks, as a power of two: 16 kB and its tables stay in the nearest cache, and what is near is shorter to name. In
 * UTF-16 that is half the text; there it looks as far as it can.
 */
enum { WINDOW_BITS = 14, WINDOW_BITS_WIDE = 15 };
enum {
    OUT_OCTETS = DEFLATE_BLOCK + DEFLATE_BLOCK / 8 + 1024
}; /* stored blocks: 5 octets for each 64 kB, and the flush */

/* What a thread needs to compress; nothing of it survives a block. */
struct squeezer {
    bool begun, isal;
    z_stream z;
#ifdef HAVE_ISAL
    struct isal_zstream is;
    uint8_t *level_buf;
#endif
};
struct slot {
    struct work work;
    struct deflate_pool *pool;
    struct deflate_stream *stream; /* NULL = abandoned meanwhile */
    struct strbuf in;
    bool wide;
    unsigned char *out;
    size_t out_n;
    uint32_t crc;
};
struct deflate_pool {
    bool isal;
    char name[40];
    struct workers *workers;
    struct squeezer *squeezers; /* one per thread */
    struct slot *slots; /* a ring: blocks come in at `head`, results leave at `tail` */
    size_t n_slots;
    uint64_t head, tail;
};

static void squeezer_begin(struct squeezer *q, bool isal)
{
    q->begun = true;
    q->isal = isal;
#ifdef HAVE_ISAL
    if (isal) {
        q->level_buf = xmalloc(ISAL_DEF_LVL1_DEFAULT);
        return;
    }
#endif
    BUG_IF(deflateInit2(&q->z, LEVEL, Z_DEFLATED, -15, ZLIB_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK, "deflateInit2");
}

static void squeezer_end(struct squeezer *q)
{
    if (!q->begun)
        return;
#ifdef HAVE_ISAL
    free(q->level_buf);
#endif
    if (!q->isal)
        deflateEnd(&q->z);
}

static void squeeze(struct squeezer *q, struct slot *s)
{
#ifdef HAVE_ISAL
    if (q->isal) {
        /* Zeros for each block: what ISA-L does not set in there finds its way into the block's octets, which must not depend on
         * the block that this thread had before. Behind what it asks for at least are tokens, written before they are read. */
        memset(&q->is, 0, sizeof(q->is));
        memset(q->level_buf, 0, ISAL_DEF_LVL1_REQ);
        isal_deflate_init(&q->is);
        q->is.level = LEVEL;
        q->is.level_buf = q->level_buf;
        q->is.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
        q->is.gzip_flag = IGZIP_DEFLATE;
        q->is.hist_bits = s->wide ? WINDOW_BITS_WIDE : WINDOW_BITS;
        q->is.flush = SYNC_FLUSH;
        q->is.next_in = (uint8_t *)s->in.buf;
        q->is.avail_in = (uint32_t)s->in.len;
        q->is.next_out = s->out;
        q->is.avail_out = OUT_OCTETS;
        BUG_IF(isal_deflate(&q->is) != COMP_OK || q->is.avail_in || !q->is.avail_out, "isal_deflate");
        s->out_n = OUT_OCTETS - q->is.avail_out;
        s->crc = crc32_gzip_refl(0, (const unsigned char *)s->in.buf, s->in.len);
        return;
    }
#endif
    deflateReset(&q->z);
    q->z.next_in = (unsigned char *)s->in.buf;
    q->z.avail_in = (unsigned)s->in.len;
    q->z.next_out = s->out;
    q->z.avail_out = OUT_OCTETS;
    BUG_IF(deflate(&q->z, Z_SYNC_FLUSH) != Z_OK || q->z.avail_in || !q->z.avail_out, "deflate");
    s->out_n = OUT_OCTETS - q->z.avail_out;
    s->crc = (uint32_t)crc32(0, (const unsigned char *)s->in.buf, (unsigned)s->in.len);
}

static void work(struct work *w, int thread)
{
    struct slot *s = (struct slot *)w; /* its first member */
    struct squeezer *q = &s->pool->squeezers[thread];

    if (!q->begun)
        squeezer_begin(q, s->pool->isal);
    squeeze(q, s);
}

enum ec deflate_pool_new(enum deflate_kind kind, int threads, struct deflate_pool **ret, struct err *reterr)
{
    struct deflate_pool *p = xcalloc(1, sizeof(*p));

    if (kind == DEFLATE_ISAL && !WITH_ISAL) {
        free(p);
        return err_set(reterr, EC_CONFIG, "this build has no ISA-L: set compressor to auto or zlib");
    }
    p->isal = WITH_ISAL && kind != DEFLATE_ZLIB;
    if (p->isal)
        snprintf(p->name, sizeof(p->name), "isal " ISAL_VERSION_TEXT " level %d", LEVEL);
    else
        snprintf(p->name, sizeof(p->name), "zlib %s level %d", zlibVersion(), LEVEL);
    p->workers = workers_new(threads);
    p->squeezers = xcalloc((size_t)workers_threads(p->workers) + 1, sizeof(*p->squeezers));
    /* Enough of them that nobody waits while the owner writes. */
    p->n_slots = workers_threads(p->workers) ? (size_t)workers_threads(p->workers) + 6 : 1;
    p->slots = xcalloc(p->n_slots, sizeof(*p->slots));
    *ret = p;
    return EC_OK;
}

void deflate_pool_free(struct deflate_pool *p)
{
    if (!p)
        return;
    for (; p->tail < p->head; p->tail++) /* abandoned, all of them */
        workers_finish(p->workers, &p->slots[p->tail % p->n_slots].work);
    for (int i = 0; i <= workers_threads(p->workers); i++)
        squeezer_end(&p->squeezers[i]);
    workers_free(p->workers);
    for (size_t i = 0; i < p->n_slots; i++) {
        strbuf_release(&p->slots[i].in);
        free(p->slots[i].out);
    }
    free(p->squeezers);
    free(p->slots);
    free(p);
}

struct workers *deflate_workers(const struct deflate_pool *p)
{
    return p->workers;
}

const char *deflate_name(const struct deflate_pool *p)
{
    return p->name;
}

/* A compressed block to its stream. */
static enum ec bring_out(struct slot *s, struct err *reterr)
{
    struct deflate_stream *to = s->stream;

    if (!to)
        return EC_OK;
    to->crc = to->octets_in ? (uint32_t)crc32_combine(to->crc, s->crc, (z_off_t)s->in.len) : s->crc;
    to->octets_in += s->in.len;
    to->octets_out += s->out_n;
    return to->sink(to->arg, s->out, s->out_n, reterr);
}

/* Results in order, until `left` blocks are on their way. */
static enum ec drain(struct deflate_pool *p, uint64_t left, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (; p->head - p->tail > left; p->tail++) {
        struct slot *s = &p->slots[p->tail % p->n_slots];
        enum ec one;

        workers_finish(p->workers, &s->work);
        one = bring_out(s, rc ? NULL : reterr);
        rc = rc ? rc : one;
        strbuf_reset(&s->in);
    }
    return rc;
}

enum ec deflate_block(struct deflate_pool *p, struct deflate_stream *s, struct strbuf *block, struct err *reterr)
{
    struct slot *to;
    struct strbuf spare;
    enum ec rc;

    BUG_IF(block->len > DEFLATE_BLOCK, "a block that is too large");
    if (!block->len)
        return EC_OK;
    rc = drain(p, p->n_slots - 1, reterr);
    if (rc)
        return rc;
    to = &p->slots[p->head++ % p->n_slots];
    if (!to->out)
        to->out = xmalloc(OUT_OCTETS);
    spare = to->in;
    to->in = *block;
    *block = spare;
    to->stream = s;
    to->wide = s->wide;
    to->pool = p;
    to->work.run = work;
    workers_give(p->workers, &to->work);
    return EC_OK;
}

enum ec deflate_drain(struct deflate_pool *p, struct err *reterr)
{
    return drain(p, 0, reterr);
}

enum ec deflate_end(struct deflate_pool *p, struct deflate_stream *s, struct err *reterr)
{
    static const unsigned char LAST[] = { 0x03, 0x00 }; /* a final block of fixed codes without a symbol */
    enum ec rc = deflate_drain(p, reterr);

    if (rc)
        return rc;
    s->octets_out += sizeof(LAST);
    return s->sink(s->arg, LAST, sizeof(LAST), reterr);
}

void deflate_abandon(struct deflate_pool *p, struct deflate_stream *s)
{
    for (uint64_t i = p->tail; i < p->head; i++)
        if (p->slots[i % p->n_slots].stream == s)
            p->slots[i % p->n_slots].stream = NULL;
}

#include "dmf/deflate.h"

#include "base/arena.h"

#include <pthread.h>
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
enum { LEVEL = 1, ZLIB_MEMORY = 7, MAX_THREADS = 64 };
enum {
    OUT_OCTETS = DEFLATE_BLOCK + DEFLATE_BLOCK / 8 + 1024
}; /* stored blocks: 5 octets for each 64 kB, and the flush */

struct slot {
    enum { SLOT_FREE, SLOT_FILLED, SLOT_TAKEN, SLOT_DONE } state;
    struct deflate_stream *stream; /* NULL = abandoned meanwhile */
    struct strbuf in;
    unsigned char *out;
    size_t out_n;
    uint32_t crc;
};
struct deflate_pool {
    bool isal;
    char name[40];
    pthread_t threads[MAX_THREADS];
    int n_threads;
    pthread_mutex_t mutex;
    pthread_cond_t filled, done;
    bool ending;
    struct slot *slots; /* a ring: the caller fills at `head`, results leave at `tail`, workers take at `take` */
    size_t n_slots;
    uint64_t head, take, tail;
    struct slot own; /* threads 0 */
};

/* What a thread needs to compress; nothing of it survives a block. */
struct squeezer {
    bool isal;
    z_stream z;
#ifdef HAVE_ISAL
    struct isal_zstream is;
    uint8_t *level_buf;
#endif
};

static void squeezer_begin(struct squeezer *q, bool isal)
{
    memset(q, 0, sizeof(*q));
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
        isal_deflate_init(&q->is);
        q->is.level = LEVEL;
        q->is.level_buf = q->level_buf;
        q->is.level_buf_size = ISAL_DEF_LVL1_DEFAULT;
        q->is.gzip_flag = IGZIP_DEFLATE;
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

static void *work(void *arg)
{
    struct deflate_pool *p = arg;
    struct squeezer q;

    squeezer_begin(&q, p->isal);
    pthread_mutex_lock(&p->mutex);
    for (;;) {
        struct slot *s;

        while (p->take == p->head && !p->ending)
            pthread_cond_wait(&p->filled, &p->mutex);
        if (p->take == p->head)
            break;
        s = &p->slots[p->take++ % p->n_slots];
        s->state = SLOT_TAKEN;
        pthread_mutex_unlock(&p->mutex);
        squeeze(&q, s);
        pthread_mutex_lock(&p->mutex);
        s->state = SLOT_DONE;
        pthread_cond_signal(&p->done);
    }
    pthread_mutex_unlock(&p->mutex);
    squeezer_end(&q);
    return NULL;
}

enum ec deflate_pool_new(enum deflate_kind kind, int threads, struct deflate_pool **ret, struct err *reterr)
{
    struct deflate_pool *p = xcalloc(1, sizeof(*p));
    int failed = 0;

    if (kind == DEFLATE_ISAL && !WITH_ISAL) {
        free(p);
        return err_set(reterr, EC_CONFIG, "this build has no ISA-L: set compressor to auto or zlib");
    }
    p->isal = WITH_ISAL && kind != DEFLATE_ZLIB;
    if (p->isal)
        snprintf(p->name, sizeof(p->name), "isal " ISAL_VERSION_TEXT " level %d", LEVEL);
    else
        snprintf(p->name, sizeof(p->name), "zlib %s level %d", zlibVersion(), LEVEL);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->filled, NULL);
    pthread_cond_init(&p->done, NULL);
    threads = threads < 0 ? 0 : threads > MAX_THREADS ? MAX_THREADS : threads;
    p->n_slots = (size_t)threads + 2;
    p->slots = xcalloc(p->n_slots, sizeof(*p->slots));
    for (; p->n_threads < threads && !failed; p->n_threads += !failed)
        failed = pthread_create(&p->threads[p->n_threads], NULL, work, p);
    *ret = p; /* without a thread the caller's does the work */
    return EC_OK;
}

void deflate_pool_free(struct deflate_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    p->ending = true;
    pthread_cond_broadcast(&p->filled);
    pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    for (size_t i = 0; i < p->n_slots; i++) {
        strbuf_release(&p->slots[i].in);
        free(p->slots[i].out);
    }
    free(p->own.out);
    free(p->slots);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->filled);
    pthread_mutex_destroy(&p->mutex);
    free(p);
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

/* Results in order, as long as there are some; with `wait` until `left` blocks or fewer are on their way. */
static enum ec drain(struct deflate_pool *p, uint64_t left, struct err *reterr)
{
    enum ec rc = EC_OK;

    pthread_mutex_lock(&p->mutex);
    while (p->tail < p->head) {
        struct slot *s = &p->slots[p->tail % p->n_slots];
        enum ec one;

        if (s->state != SLOT_DONE) {
            if (p->head - p->tail <= left)
                break;
            pthread_cond_wait(&p->done, &p->mutex);
            continue;
        }
        pthread_mutex_unlock(&p->mutex);
        one = bring_out(s, rc ? NULL : reterr);
        rc = rc ? rc : one;
        strbuf_reset(&s->in);
        pthread_mutex_lock(&p->mutex);
        s->state = SLOT_FREE;
        p->tail++;
    }
    pthread_mutex_unlock(&p->mutex);
    return rc;
}

static enum ec on_this_thread(struct deflate_pool *p, struct deflate_stream *s, struct strbuf *block,
                              struct err *reterr)
{
    struct squeezer q;
    enum ec rc;

    squeezer_begin(&q, p->isal);
    p->own.stream = s;
    p->own.in = *block;
    if (!p->own.out)
        p->own.out = xmalloc(OUT_OCTETS);
    squeeze(&q, &p->own);
    rc = bring_out(&p->own, reterr);
    squeezer_end(&q);
    strbuf_reset(block);
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
    if (!p->n_threads)
        return on_this_thread(p, s, block, reterr);
    rc = drain(p, p->n_slots - 1, reterr);
    if (rc)
        return rc;
    to = &p->slots[p->head % p->n_slots];
    if (!to->out)
        to->out = xmalloc(OUT_OCTETS);
    spare = to->in;
    to->in = *block;
    *block = spare;
    to->stream = s;
    pthread_mutex_lock(&p->mutex);
    to->state = SLOT_FILLED;
    p->head++;
    pthread_cond_signal(&p->filled);
    pthread_mutex_unlock(&p->mutex);
    return EC_OK;
}

enum ec deflate_drain(struct deflate_pool *p, struct err *reterr)
{
    return p->n_threads ? drain(p, 0, reterr) : EC_OK;
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

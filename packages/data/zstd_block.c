#include "data/zio.h"

#include <pthread.h>
#include <zstd.h>

/*
 * A context costs about as much as packing one leaf of a snapshot (it is a megabyte of memory to touch), so each
 * thread keeps its own; a key's destructor frees them when the thread ends.
 */
static pthread_key_t pack_key, unpack_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void free_pack(void *p)
{
    ZSTD_freeCCtx(p);
}

static void free_unpack(void *p)
{
    ZSTD_freeDCtx(p);
}

static void make_keys(void)
{
    BUG_IF(pthread_key_create(&pack_key, free_pack) || pthread_key_create(&unpack_key, free_unpack), "thread keys");
}

static ZSTD_CCtx *pack_context(void)
{
    ZSTD_CCtx *z;

    pthread_once(&once, make_keys);
    z = pthread_getspecific(pack_key);
    if (!z) {
        z = ZSTD_createCCtx();
        BUG_IF(!z || pthread_setspecific(pack_key, z), "zstd context");
    }
    return z;
}

static ZSTD_DCtx *unpack_context(void)
{
    ZSTD_DCtx *z;

    pthread_once(&once, make_keys);
    z = pthread_getspecific(unpack_key);
    if (!z) {
        z = ZSTD_createDCtx();
        BUG_IF(!z || pthread_setspecific(unpack_key, z), "zstd context");
    }
    return z;
}

enum ec zstd_pack(struct strbuf *ret, const void *p, size_t n, int level, struct err *reterr)
{
    size_t bound = ZSTD_compressBound(n), done;

    if (ZSTD_isError(bound))
        return err_set(reterr, EC_LIMIT, "compress: %zu octets are too many for one block", n);
    strbuf_reserve(ret, bound);
    if (strbuf_full(ret))
        return err_set(reterr, EC_LIMIT, "compress: a block of %zu octets does not fit", n);
    done = ZSTD_compressCCtx(pack_context(), ret->buf + ret->len, bound, p, n, level);
    if (ZSTD_isError(done))
        return err_set(reterr, EC_BUG, "compress: %s", ZSTD_getErrorName(done));
    ret->len += done;
    ret->buf[ret->len] = 0;
    return EC_OK;
}

enum ec zstd_unpack(struct strbuf *ret, const void *p, size_t n, size_t max_octets, struct err *reterr)
{
    unsigned long long size = ZSTD_getFrameContentSize(p, n);
    size_t done;

    /* zstd_pack() always writes the size; a block without it is not one of ours. */
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN)
        return err_set(reterr, EC_FORMAT, "a compressed block is damaged");
    if (size > max_octets)
        return err_set(reterr, EC_LIMIT, "a compressed block holds %llu octets, more than the %zu allowed", size,
                       max_octets);
    strbuf_reserve(ret, (size_t)size);
    if (strbuf_full(ret))
        return err_set(reterr, EC_LIMIT, "a compressed block of %llu octets does not fit", size);
    done = ZSTD_decompressDCtx(unpack_context(), ret->buf + ret->len, (size_t)size, p, n);
    if (ZSTD_isError(done) || done != size) {
        ret->buf[ret->len] = 0;
        return err_set(reterr, EC_FORMAT, "a compressed block is damaged");
    }
    ret->len += done;
    ret->buf[ret->len] = 0;
    return EC_OK;
}

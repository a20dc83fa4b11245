/*
 * deflate.h -- one member of a zip compressed on several cores: blocks side by side, their results in order.
 * Layer: dmf (ISA-L where the build has it, else zlib). Errors: EC_IO from the sink. Threads: the pool's workers touch blocks
 * only; everything else, sinks included, runs on the thread that calls.
 *
 * A member is a raw deflate stream (RFC 1951): each block is compressed on its own, without the window of the one before, and
 * ends in a sync flush on an octet boundary; an empty final block closes the stream. So the octets depend on the compressor,
 * its version, its level and the block size, never on the number of threads.
 */
#ifndef DMF_DEFLATE_H
#define DMF_DEFLATE_H

#include "base/strbuf.h"
#include "base/workers.h"

enum { DEFLATE_BLOCK = 512 * 1024 };
enum deflate_kind { DEFLATE_AUTO, DEFLATE_ISAL, DEFLATE_ZLIB };
struct deflate_pool;
/* threads: besides the caller's, which takes part while it waits. EC_CONFIG when ISA-L is asked for and the build has none. */
enum ec deflate_pool_new(enum deflate_kind kind, int threads, struct deflate_pool **ret, struct err *reterr);
void deflate_pool_free(struct deflate_pool *p); /* no stream may be open; NULL is fine */
/* The pool's threads, for other work of the same owner. */
struct workers *deflate_workers(const struct deflate_pool *p);
/* "isal 2.30.0 level 1", what the octets depend on. Static. */
const char *deflate_name(const struct deflate_pool *p);

typedef enum ec deflate_sink(void *arg, const void *p, size_t n, struct err *reterr);
struct deflate_stream {
    deflate_sink *sink;
    void *arg;
    bool wide; /* its text is UTF-16 */
    uint32_t crc; /* CRC-32 of the text, right after deflate_end() */
    uint64_t octets_in, octets_out;
};
/*
 * Takes the text of `block` (at most DEFLATE_BLOCK octets) and leaves it empty, with a buffer of its own. Results of this and
 * of other streams of the pool may reach their sinks meanwhile.
 */
enum ec deflate_block(struct deflate_pool *p, struct deflate_stream *s, struct strbuf *block, struct err *reterr);
/* Brings out every block of every stream. */
enum ec deflate_drain(struct deflate_pool *p, struct err *reterr);
/* The same, then closes this one. */
enum ec deflate_end(struct deflate_pool *p, struct deflate_stream *s, struct err *reterr);
/* Forgets what of the stream is still on its way; nothing more reaches its sink. */
void deflate_abandon(struct deflate_pool *p, struct deflate_stream *s);

#endif

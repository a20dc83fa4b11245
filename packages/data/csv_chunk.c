#include "data/csv_chunk.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

struct csv_chunks {
    int fd;
    char *path;
    uint64_t offset; /* of the next piece */
    char quote;
    size_t max_row;
    struct strbuf left; /* octets read behind the last piece */
};

enum ec csv_chunks_open(const char *path, uint64_t offset, char quote, size_t max_row, struct csv_chunks **ret,
                        struct err *reterr)
{
    struct csv_chunks *c;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "open '%s'", path);
    c = xcalloc(1, sizeof(*c));
    c->fd = fd;
    c->path = xstrdup(path);
    c->offset = offset;
    c->quote = quote;
    c->max_row = max_row;
    *ret = c;
    return EC_OK;
}

void csv_chunks_close(struct csv_chunks *c)
{
    if (!c)
        return;
    close(c->fd);
    strbuf_release(&c->left);
    free(c->path);
    free(c);
}

#ifdef __SSE2__
/* Of whole 32 octets; the other ones are left, *ret_i is the first. */
__attribute__((target("avx2"))) static size_t count_avx2(const char *p, size_t n, char quote, size_t *ret_i)
{
    const __m256i q = _mm256_set1_epi8(quote), zero = _mm256_setzero_si256();
    __m256i sums = zero;
    uint64_t four[4];
    size_t i = 0;

    while (n - i >= 32) {
        __m256i octets = zero; /* of up to 255 rounds, so that none runs over */
        size_t rounds = (n - i) / 32 < 255 ? (n - i) / 32 : 255;

        for (; rounds; rounds--, i += 32)
            octets = _mm256_sub_epi8(
                octets, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(const void *)(p + i)), q));
        sums = _mm256_add_epi64(sums, _mm256_sad_epu8(octets, zero));
    }
    memcpy(four, &sums, sizeof(four));
    *ret_i = i;
    return (size_t)(four[0] + four[1] + four[2] + four[3]);
}
#endif

static size_t count(const char *p, size_t n, char quote)
{
    size_t found = 0, i = 0;

#ifdef __SSE2__
    const __m128i q = _mm_set1_epi8(quote), zero = _mm_setzero_si128();
    __m128i sums = zero;

    if (__builtin_cpu_supports("avx2"))
        found = count_avx2(p, n, quote, &i);
    while (n - i >= 16) {
        __m128i octets = zero; /* of up to 255 rounds, so that none runs over */
        size_t rounds = (n - i) / 16 < 255 ? (n - i) / 16 : 255;

        for (; rounds; rounds--, i += 16)
            octets = _mm_sub_epi8(octets, _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + i)), q));
        sums = _mm_add_epi64(sums, _mm_sad_epu8(octets, zero));
    }
    found += (size_t)_mm_cvtsi128_si64(_mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums)));
#endif
    for (; i < n; i++)
        found += p[i] == quote;
    return found;
}

/* Octets up to the end of the last row, 0 = none ends here. */
static size_t rows_end(const char *p, size_t n, char quote)
{
    bool odd = count(p, n, quote) & 1;

    for (; n; n--) {
        if (p[n - 1] == '\n' && !odd)
            return n;
        odd ^= p[n - 1] == quote;
    }
    return 0;
}

/* Reads up to `want` octets behind the text. *ret_eof: there are no more. */
static enum ec fill(struct csv_chunks *c, struct strbuf *text, size_t want, bool *ret_eof, struct err *reterr)
{
    *ret_eof = false;
    if (text->len >= want)
        return EC_OK;
    strbuf_reserve(text, want - text->len);
    while (text->len < want) {
        ssize_t got = pread(c->fd, text->buf + text->len, want - text->len, (off_t)(c->offset + text->len));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(reterr, EC_IO, errno, "read '%s'", c->path);
        if (!got) {
            *ret_eof = true;
            break;
        }
        text->len += (size_t)got;
    }
    return EC_OK;
}

enum ec csv_chunks_next(struct csv_chunks *c, struct strbuf *text, uint64_t *ret_offset, bool *ret_last,
                        struct err *reterr)
{
    size_t want = CSV_CHUNK_OCTETS, end = 0;

    strbuf_reset(text);
    strbuf_add(text, c->left.buf, c->left.len);
    strbuf_reset(&c->left);
    *ret_offset = c->offset;
    for (;;) {
        enum ec rc = fill(c, text, want, ret_last, reterr);

        if (rc)
            return rc;
        end = *ret_last ? text->len : rows_end(text->buf, text->len, c->quote);
        if (*ret_last || end || want > c->max_row + CSV_CHUNK_OCTETS)
            break;
        want *= 2;
    }
    strbuf_add(&c->left, text->buf + end, text->len - end);
    text->len = end;
    c->offset += end;
    return EC_OK;
}

/* widen.c -- UTF-16LE of UTF-8, as many octets at a time as the processor takes. */
#include "dmf/datafile.h"

#include <endian.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

/* One character that is not ASCII, at p: its octets. */
static size_t widen_one(const char *p, size_t n, char **o)
{
    uint32_t cp = (unsigned char)p[0];
    size_t step = 2;

    if (cp >= 0xC2 && cp < 0xE0 && n > 1)
        cp = (cp & 0x1F) << 6 | (p[1] & 0x3F);
    else
        step = utf8_decode(p, n, &cp);
    if (cp >= 0x10000) {
        uint32_t high = 0xD800 + ((cp - 0x10000) >> 10), low = 0xDC00 + (cp & 0x3FF);

        *(*o)++ = (char)high, *(*o)++ = (char)(high >> 8);
        *(*o)++ = (char)low, *(*o)++ = (char)(low >> 8);
    } else {
        *(*o)++ = (char)cp, *(*o)++ = (char)(cp >> 8);
    }
    return step ? step : 1; /* valid text has none that is 0 */
}

/* ASCII from p[i] on, and what is behind it in the same eight octets, for which there is room: how far ASCII reaches. */
static inline size_t widen_eight(const char *p, char *o)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    w = le64toh(w);
    for (size_t k = 0; k < sizeof(w); k++) {
        o[2 * k] = p[k];
        o[2 * k + 1] = 0;
    }
    w &= 0x8080808080808080U;
    return w ? (size_t)__builtin_ctzll(w) / 8 : sizeof(w);
}

/* Whole pieces of n octets: *ret_i of p were written to the octet that is returned. */
static char *widen_words(const char *p, size_t n, char *o, size_t *ret_i)
{
    size_t i = 0;

    while (n - i >= 8) {
        size_t ascii = widen_eight(p + i, o);

        i += ascii;
        o += 2 * ascii;
        if (ascii < 8)
            i += widen_one(p + i, n - i, &o);
    }
    *ret_i = i;
    return o;
}

#ifdef __SSE2__
__attribute__((target("avx2,bmi"))) static char *widen_avx2(const char *p, size_t n, char *o, size_t *ret_i)
{
    size_t i = 0;

    while (n - i >= 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
        uint32_t high = (uint32_t)_mm256_movemask_epi8(v);

        _mm256_storeu_si256((__m256i *)(void *)o, _mm256_cvtepu8_epi16(_mm256_castsi256_si128(v)));
        _mm256_storeu_si256((__m256i *)(void *)(o + 32), _mm256_cvtepu8_epi16(_mm256_extracti128_si256(v, 1)));
        if (!high) {
            i += 32;
            o += 64;
            continue;
        }
        i += (size_t)__builtin_ctz(high);
        o += 2 * (size_t)__builtin_ctz(high);
        i += widen_one(p + i, n - i, &o);
    }
    *ret_i = i;
    return o;
}
#endif

void dmf_widen(struct strbuf *out, const char *p, size_t n)
{
    size_t i = 0, rest;
    char *o;

    strbuf_reserve(out, 2 * n + 2);
    o = out->buf + out->len;
#ifdef __SSE2__
    if (n >= 32 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        o = widen_avx2(p, n, o, &i);
#endif
    o = widen_words(p + i, n - i, o, &rest);
    for (i += rest; i < n;) {
        if ((unsigned char)p[i] < 0x80) {
            *o++ = p[i++];
            *o++ = 0;
        } else {
            i += widen_one(p + i, n - i, &o);
        }
    }
    *o = 0;
    out->len = (size_t)(o - out->buf);
}

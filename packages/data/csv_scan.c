#include "data/csv_scan.h"

#include <stdlib.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

/* A window is indexed a part at a time, so that the text is still in the nearest cache when its rows are looked at. */
enum { BLOCK = 64, WINDOW = 256 * 1024, PART = 16 * 1024, MAX_ROW = 1 << 20, MAX_CELLS = 4096 };

/* What one look at 64 octets finds. */
struct look {
    uint64_t quote, delimiter, lf, cr, control, high, wide;
};
/* What goes on from block to block. */
struct carry {
    uint64_t inside; /* all ones while a quote is open */
    uint64_t may_open; /* bit 0: a quote may open here */
    uint64_t closed; /* bit 0: the octet before closed a quote */
    uint64_t cr; /* bit 0: the octet before was a CR outside of quotes */
};

struct csv_scan {
    csv_fill *fill;
    void *arg;
    char *buf; /* cap + BLOCK octets */
    size_t cap, len, at; /* at: of the next row */
    uint64_t base; /* offset of buf[0] */
    bool eof, ended; /* ended: a line end was added at the very end */
    uint32_t *index; /* delimiters and line ends outside of quotes */
    size_t n, next;
    size_t indexed; /* octets of buf: a number of blocks, or len */
    struct carry carry; /* from there on */
    uint64_t *high, *odd; /* per block */
    size_t bad; /* first octet of which it is known that this reader must not read on; SIZE_MAX = none */
    struct cell *cells;
    char *scratch; /* cells with doubled quotes */
    size_t scratch_cap;
};

#ifdef __SSE2__
static inline __attribute__((always_inline)) void look_sse2(const char *p, struct look *l)
{
    const __m128i q = _mm_set1_epi8('"'), d = _mm_set1_epi8(','), lf = _mm_set1_epi8('\n'), cr = _mm_set1_epi8('\r'),
                  tab = _mm_set1_epi8('\t'), low = _mm_set1_epi8(0x1F), wide = _mm_set1_epi8((char)0xCC),
                  del = _mm_set1_epi8(0x7F);

    *l = (struct look){ 0 };
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i is_lf = _mm_cmpeq_epi8(v, lf), is_cr = _mm_cmpeq_epi8(v, cr);
        __m128i is_low = _mm_cmpeq_epi8(_mm_min_epu8(v, low), v);
        __m128i fine = _mm_or_si128(_mm_or_si128(is_lf, is_cr), _mm_cmpeq_epi8(v, tab));

        l->quote |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, q)) << 16 * i;
        l->delimiter |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, d)) << 16 * i;
        l->lf |= (uint64_t)(unsigned)_mm_movemask_epi8(is_lf) << 16 * i;
        l->cr |= (uint64_t)(unsigned)_mm_movemask_epi8(is_cr) << 16 * i;
        l->control |= (uint64_t)(unsigned)_mm_movemask_epi8(
                          _mm_or_si128(_mm_andnot_si128(fine, is_low), _mm_cmpeq_epi8(v, del)))
                      << 16 * i;
        l->high |= (uint64_t)(unsigned)_mm_movemask_epi8(v) << 16 * i;
        l->wide |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, wide), v)) << 16 * i;
    }
}

__attribute__((target("avx512bw"))) static inline void look_avx512(const char *p, struct look *l)
{
    __m512i v = _mm512_loadu_si512((const void *)p);

    l->quote = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('"'));
    l->delimiter = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(','));
    l->lf = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n'));
    l->cr = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\r'));
    l->control = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(0x7F)) |
                 (_mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20)) &
                  ~(l->lf | l->cr | _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\t'))));
    l->high = _mm512_movepi8_mask(v);
    l->wide = _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8((char)0xCC));
}

__attribute__((target("avx2"))) static inline void look_avx2(const char *p, struct look *l)
{
    const __m256i q = _mm256_set1_epi8('"'), d = _mm256_set1_epi8(','), lf = _mm256_set1_epi8('\n'),
                  cr = _mm256_set1_epi8('\r'), tab = _mm256_set1_epi8('\t'), low = _mm256_set1_epi8(0x1F),
                  wide = _mm256_set1_epi8((char)0xCC), del = _mm256_set1_epi8(0x7F);

    *l = (struct look){ 0 };
    for (int i = 0; i < 2; i++) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * i));
        __m256i is_lf = _mm256_cmpeq_epi8(v, lf), is_cr = _mm256_cmpeq_epi8(v, cr);
        __m256i is_low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, low), v);
        __m256i fine = _mm256_or_si256(_mm256_or_si256(is_lf, is_cr), _mm256_cmpeq_epi8(v, tab));

        l->quote |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, q)) << 32 * i;
        l->delimiter |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, d)) << 32 * i;
        l->lf |= (uint64_t)(unsigned)_mm256_movemask_epi8(is_lf) << 32 * i;
        l->cr |= (uint64_t)(unsigned)_mm256_movemask_epi8(is_cr) << 32 * i;
        l->control |= (uint64_t)(unsigned)_mm256_movemask_epi8(
                          _mm256_or_si256(_mm256_andnot_si256(fine, is_low), _mm256_cmpeq_epi8(v, del)))
                      << 32 * i;
        l->high |= (uint64_t)(unsigned)_mm256_movemask_epi8(v) << 32 * i;
        l->wide |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(v, wide), v)) << 32 * i;
    }
}
#define LOOKS(X)                                                              \
    X(index_avx512, look_avx512, __attribute__((target("avx512bw,avx512f")))) \
    X(index_avx2, look_avx2, __attribute__((target("avx2"))))                 \
    X(index_plain, look_sse2, )
#else
static inline void look_plain(const char *p, struct look *l)
{
    *l = (struct look){ 0 };
    for (int i = 0; i < BLOCK; i++) {
        unsigned char c = (unsigned char)p[i];
        uint64_t bit = (uint64_t)1 << i;

        l->quote |= c == '"' ? bit : 0;
        l->delimiter |= c == ',' ? bit : 0;
        l->lf |= c == '\n' ? bit : 0;
        l->cr |= c == '\r' ? bit : 0;
        l->control |= (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F ? bit : 0;
        l->high |= c >= 0x80 ? bit : 0;
        l->wide |= c >= 0xCC ? bit : 0;
    }
}
#define LOOKS(X) X(index_plain, look_plain, )
#endif

/* Bits from each opening quote up to the one that closes it, which is outside. */
static inline __attribute__((always_inline)) uint64_t between(uint64_t quotes)
{
    quotes ^= quotes << 1;
    quotes ^= quotes << 2;
    quotes ^= quotes << 4;
    quotes ^= quotes << 8;
    quotes ^= quotes << 16;
    return quotes ^ quotes << 32;
}

/*
 * One block: where cells and rows end, and whether all quotes are where they belong. Each one that opens stands behind a delimiter,
 * a line end or one that closes (both are then a doubled quote); behind each one that closes stands a delimiter, a line end or one
 * that opens. Returns the bits at which something is wrong.
 */
static inline __attribute__((always_inline)) uint64_t one_block(const struct look *l, struct carry *c,
                                                                uint64_t *ret_ends, uint64_t *ret_odd)
{
    uint64_t in = between(l->quote) ^ c->inside, out = ~in;
    uint64_t ends = (l->delimiter | l->lf) & out, opens = l->quote & in, closes = l->quote & out, cr = l->cr & out,
             wrong;

    wrong = opens & ~((ends | closes) << 1 | c->may_open);
    wrong |= (closes << 1 | c->closed) & ~(ends | cr | opens);
    wrong |= (cr << 1 | c->cr) & ~l->lf;
    wrong |= l->control;
    c->inside = (uint64_t)((int64_t)in >> 63);
    c->may_open = (ends | closes) >> 63;
    c->closed = closes >> 63;
    c->cr = cr >> 63;
    *ret_ends = ends;
    *ret_odd = l->wide | ((l->lf | l->cr) & in);
    return wrong;
}

/* Indexes buf[indexed, upto), to the end of its last block; behind len stand BLOCK octets that do no harm (blanks). */
#define DEFINE_INDEX(name, see, attribute)                                                   \
    attribute static void name(struct csv_scan *s, size_t upto)                              \
    {                                                                                        \
        const char *p = s->buf;                                                              \
        struct carry c = s->carry;                                                           \
        uint32_t *to = s->index + s->n;                                                      \
                                                                                             \
        for (size_t b = s->indexed / BLOCK; b * BLOCK < upto; b++) {                         \
            struct look l;                                                                   \
            uint64_t ends, wrong;                                                            \
                                                                                             \
            see(p + b * BLOCK, &l);                                                          \
            wrong = one_block(&l, &c, &ends, &s->odd[b]);                                    \
            if (s->len - b * BLOCK < BLOCK) /* what stands behind the text is none of its */ \
                wrong &= ~(~(uint64_t)0 << (s->len - b * BLOCK));                            \
            s->high[b] = l.high;                                                             \
            for (; ends; ends &= ends - 1)                                                   \
                *to++ = (uint32_t)(b * BLOCK + (unsigned)__builtin_ctzll(ends));             \
            if (wrong) {                                                                     \
                s->bad = b * BLOCK + (unsigned)__builtin_ctzll(wrong);                       \
                break;                                                                       \
            }                                                                                \
        }                                                                                    \
        s->n = (size_t)(to - s->index);                                                      \
        s->carry = c;                                                                        \
        s->indexed = upto;                                                                   \
    }
LOOKS(DEFINE_INDEX)

/* The next part of the window. */
static void index_part(struct csv_scan *s)
{
    size_t upto = s->len - s->indexed > PART ? s->indexed + PART : s->len;

#ifdef __SSE2__
    if (__builtin_cpu_supports("avx512bw")) {
        index_avx512(s, upto);
        return;
    }
    if (__builtin_cpu_supports("avx2")) {
        index_avx2(s, upto);
        return;
    }
#endif
    index_plain(s, upto);
}

/* A window whose first octet begins a row. */
static void index_begin(struct csv_scan *s)
{
    s->n = s->next = s->indexed = 0;
    s->bad = SIZE_MAX;
    s->carry = (struct carry){ .may_open = 1 };
    memset(s->buf + s->len, ' ', BLOCK);
    index_part(s);
}

static void grow(struct csv_scan *s, size_t cap)
{
    s->cap = cap;
    s->buf = xrealloc(s->buf, cap + 2 * BLOCK);
    s->index = xrealloc(s->index, (cap + 2 * BLOCK) * sizeof(*s->index));
    s->high = xrealloc(s->high, (cap / BLOCK + 2) * sizeof(*s->high));
    s->odd = xrealloc(s->odd, (cap / BLOCK + 2) * sizeof(*s->odd));
}

struct csv_scan *csv_scan_new(csv_fill *fill, void *arg, uint64_t offset)
{
    struct csv_scan *s = xcalloc(1, sizeof(*s));

    s->fill = fill;
    s->arg = arg;
    s->base = offset;
    s->bad = SIZE_MAX;
    s->cells = xmalloc(MAX_CELLS * sizeof(*s->cells));
    grow(s, WINDOW);
    return s;
}

void csv_scan_free(struct csv_scan *s)
{
    if (!s)
        return;
    free(s->buf);
    free(s->index);
    free(s->high);
    free(s->odd);
    free(s->cells);
    free(s->scratch);
    free(s);
}

/* Keeps what is not read yet, adds what the file gives, and indexes the beginning of it. */
static bool more(struct csv_scan *s, struct err *reterr)
{
    size_t left = s->len - s->at;

    if (left == s->cap)
        grow(s, s->cap * 4);
    memmove(s->buf, s->buf + s->at, left);
    s->base += s->at;
    s->at = 0;
    s->len = left;
    while (!s->eof && s->len < s->cap) {
        int64_t n = s->fill(s->arg, s->buf + s->len, s->cap - s->len, reterr);

        if (n < 0)
            return false;
        s->eof = n == 0;
        s->len += (size_t)n;
    }
    if (s->eof && s->len && s->buf[s->len - 1] != '\n' && !s->ended) {
        s->buf[s->len++] = '\n'; /* there is room: BLOCK octets beyond cap */
        s->ended = true;
    }
    index_begin(s);
    return true;
}

/* ---- rows ---- */

static inline uint64_t block_bits(uint64_t bits, size_t b, size_t begin, size_t end)
{
    if (b == begin / BLOCK)
        bits &= ~(uint64_t)0 << begin % BLOCK;
    if (b == end / BLOCK)
        bits &= ~(~(uint64_t)0 << end % BLOCK);
    return bits;
}

/* Of one block; *at: octets before it belong to a sequence that began earlier. */
static inline bool block_is_utf8(const char *w, size_t b, uint64_t bits, size_t end, size_t *at)
{
    while (bits) {
        size_t i = b * BLOCK + (unsigned)__builtin_ctzll(bits), n;
        unsigned char c;

        bits &= bits - 1;
        if (i < *at)
            continue;
        c = (unsigned char)w[i];
        if (c >= 0xC2 && c < 0xE0 && ((unsigned char)w[i + 1] & 0xC0) == 0x80)
            n = 2; /* the second is no line end, so it is within the row */
        else
            n = utf8_decode(w + i, end - i, NULL);
        if (!n)
            return false;
        *at = i + n;
    }
    return true;
}

static uint64_t odd_between(const struct csv_scan *s, size_t begin, size_t end)
{
    uint64_t any = 0;

    for (size_t b = begin / BLOCK; b * BLOCK < end; b++)
        any |= block_bits(s->odd[b], b, begin, end);
    return any;
}

/* Is all of it UTF-8? *ret_odd: are some of its octets odd? */
static inline bool look_through(const struct csv_scan *s, size_t begin, size_t end, uint64_t *ret_odd)
{
    size_t at = begin;
    uint64_t odd = 0;

    for (size_t b = begin / BLOCK; b * BLOCK < end; b++) {
        uint64_t high = block_bits(s->high[b], b, begin, end);

        odd |= block_bits(s->odd[b], b, begin, end);
        if (high && !block_is_utf8(s->buf, b, high, end, &at))
            return false;
    }
    *ret_odd = odd;
    return true;
}

/* The text of a quoted cell; quotes are known to be where they belong. */
static struct cell unquoted(const char *p, size_t n, char **scratch)
{
    const char *end = p + n - 1, *q;
    char *to = *scratch, *begin = to;

    p++;
    q = memchr(p, '"', (size_t)(end - p));
    if (!q)
        return (struct cell){ p, (size_t)(end - p) };
    for (; q; q = memchr(p, '"', (size_t)(end - p))) {
        memcpy(to, p, (size_t)(q + 1 - p));
        to += q + 1 - p;
        p = q + 2;
    }
    memcpy(to, p, (size_t)(end - p));
    to += end - p;
    *scratch = to;
    return (struct cell){ begin, (size_t)(to - begin) };
}

/* The row at s->at, if it ends within the index. */
static bool split(struct csv_scan *s, struct csv_scan_row *ret, bool *ret_ours)
{
    const char *w = s->buf;
    const uint32_t *index = s->index + s->next, *const stop = s->index + s->n;
    struct cell *cell = s->cells, *const last = s->cells + MAX_CELLS;
    size_t begin = s->at, from = begin, end;
    char *scratch = NULL;
    uint64_t odd = 0;

    *ret_ours = true;
    for (;;) {
        size_t e;

        if (index == stop || cell == last) {
            *ret_ours = cell != last;
            return false;
        }
        e = *index++;
        if (e >= s->bad) {
            *ret_ours = false;
            return false;
        }
        *cell = (struct cell){ w + from, e - from };
        if (w[from] == '"') {
            if (w[e] == '\n' && w[e - 1] == '\r')
                cell->len--;
            if (!scratch) {
                if (s->scratch_cap < s->len - begin) {
                    s->scratch_cap = s->len - begin;
                    s->scratch = xrealloc(s->scratch, s->scratch_cap + BLOCK);
                }
                scratch = s->scratch;
            }
            *cell = unquoted(cell->ptr, cell->len, &scratch);
        } else if (w[e] == '\n' && cell->len && w[e - 1] == '\r') {
            cell->len--;
        }
        if (from == e || (w[from] == '\r' && cell->len == 0))
            cell->ptr = NULL;
        cell++;
        from = e + 1;
        if (w[e] == '\n')
            break;
    }
    end = from;
    if (end > s->bad || end - begin > MAX_ROW || !look_through(s, begin, end, &odd)) {
        *ret_ours = false;
        return false;
    }
    *ret = (struct csv_scan_row){ .cells = s->cells,
                                  .n = cell - s->cells == 1 && !s->cells[0].ptr ? 0 : (size_t)(cell - s->cells),
                                  .offset = s->base + begin,
                                  .octets = end - begin,
                                  .plain = !odd };
    if (odd) {
        size_t a = begin, n = ret->n < 64 ? ret->n : 64;

        for (size_t i = 0; i < n; i++) {
            if (odd_between(s, a, s->index[s->next + i]))
                ret->odd |= (uint64_t)1 << i;
            a = s->index[s->next + i] + 1;
        }
    }
    s->next = (size_t)(index - s->index);
    s->at = end;
    return true;
}

enum csv_scanned csv_scan_next(struct csv_scan *s, struct csv_scan_row *ret, struct err *reterr)
{
    bool ours, filled = false;

    for (;;) {
        if (s->at < s->len) {
            if (split(s, ret, &ours)) {
                if (!ret->n) /* a blank line */
                    continue;
                return CSV_SCAN_ROW;
            }
            if (!ours || s->bad != SIZE_MAX)
                return CSV_SCAN_IRREGULAR;
            if (s->indexed < s->len) {
                index_part(s);
                continue;
            }
            if (filled && (s->eof || s->len - s->at > MAX_ROW))
                return CSV_SCAN_IRREGULAR; /* a quote stays open, or the row is too long */
        } else if (s->eof) {
            return CSV_SCAN_END;
        }
        if (!more(s, reterr))
            return CSV_SCAN_ERROR;
        filled = true;
    }
}

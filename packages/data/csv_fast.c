#include "data/csv_fast.h"

#include "data/canon.h"

#include <stdlib.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

/* A window, its index and its masks stay in the processor's nearest caches. */
enum { BLOCK = 64, WINDOW_MIN = 2048, WINDOW_USUAL = 16 * 1024 };
#define WINDOW_MAX ((size_t)1 << 30)

#define INLINE __attribute__((always_inline)) inline

/* What one look at 64 octets finds. */
struct look {
    uint64_t quote, delimiter, lf, cr, control, high, wide, blank;
    uint64_t follows, pair; /* 0x80 to 0xBF; 0xC2 to 0xDF, which begin a sequence of two octets */
};

#ifdef __SSE2__
INLINE static void look_sse2(const char *p, char delimiter, char quote, struct look *ret)
{
    const __m128i q = _mm_set1_epi8(quote), d = _mm_set1_epi8(delimiter), lf = _mm_set1_epi8('\n'),
                  cr = _mm_set1_epi8('\r'), tab = _mm_set1_epi8('\t'), low = _mm_set1_epi8(0x1F),
                  wide = _mm_set1_epi8((char)0xCC);
    struct look l = { 0 };

    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i is_lf = _mm_cmpeq_epi8(v, lf), is_cr = _mm_cmpeq_epi8(v, cr);
        __m128i is_low = _mm_cmpeq_epi8(_mm_min_epu8(v, low), v);
        __m128i fine = _mm_or_si128(_mm_or_si128(is_lf, is_cr), _mm_cmpeq_epi8(v, tab));
        int shift = 16 * i;

        l.quote |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, q)) << shift;
        l.delimiter |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, d)) << shift;
        l.lf |= (uint64_t)(unsigned)_mm_movemask_epi8(is_lf) << shift;
        l.cr |= (uint64_t)(unsigned)_mm_movemask_epi8(is_cr) << shift;
        l.control |= (uint64_t)(unsigned)_mm_movemask_epi8(
                         _mm_or_si128(_mm_andnot_si128(fine, is_low), _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7F))))
                     << shift;
        l.high |= (uint64_t)(unsigned)_mm_movemask_epi8(v) << shift;
        l.blank |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(' '))) << shift;
        /* signed: 0x80 is -128, 0xBF -65, 0xC2 -62, 0xDF -33 */
        l.follows |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmplt_epi8(v, _mm_set1_epi8(-64))) << shift;
        l.pair |= (uint64_t)(unsigned)_mm_movemask_epi8(
                      _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8(-63)), _mm_cmplt_epi8(v, _mm_set1_epi8(-32))))
                  << shift;
        l.wide |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, wide), v)) << shift;
    }
    *ret = l;
}

__attribute__((target("avx2"))) INLINE static void look_avx2(const char *p, char delimiter, char quote,
                                                             struct look *ret)
{
    const __m256i q = _mm256_set1_epi8(quote), d = _mm256_set1_epi8(delimiter), lf = _mm256_set1_epi8('\n'),
                  cr = _mm256_set1_epi8('\r'), tab = _mm256_set1_epi8('\t'), low = _mm256_set1_epi8(0x1F),
                  wide = _mm256_set1_epi8((char)0xCC);
    struct look l = { 0 };

    for (int i = 0; i < 2; i++) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + 32 * i));
        __m256i is_lf = _mm256_cmpeq_epi8(v, lf), is_cr = _mm256_cmpeq_epi8(v, cr);
        __m256i is_low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, low), v);
        __m256i fine = _mm256_or_si256(_mm256_or_si256(is_lf, is_cr), _mm256_cmpeq_epi8(v, tab));
        int shift = 32 * i;

        l.quote |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, q)) << shift;
        l.delimiter |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, d)) << shift;
        l.lf |= (uint64_t)(unsigned)_mm256_movemask_epi8(is_lf) << shift;
        l.cr |= (uint64_t)(unsigned)_mm256_movemask_epi8(is_cr) << shift;
        l.control |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_or_si256(
                         _mm256_andnot_si256(fine, is_low), _mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7F))))
                     << shift;
        l.high |= (uint64_t)(unsigned)_mm256_movemask_epi8(v) << shift;
        l.blank |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(' '))) << shift;
        l.follows |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpgt_epi8(_mm256_set1_epi8(-64), v)) << shift;
        l.pair |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_and_si256(
                      _mm256_cmpgt_epi8(v, _mm256_set1_epi8(-63)), _mm256_cmpgt_epi8(_mm256_set1_epi8(-32), v)))
                  << shift;
        l.wide |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(v, wide), v)) << shift;
    }
    *ret = l;
}

#define AVX512 "avx512bw,avx512vbmi2,bmi,pclmul,popcnt"
__attribute__((target(AVX512))) INLINE static void look_avx512(const char *p, char delimiter, char quote,
                                                               struct look *ret)
{
    __m512i v = _mm512_loadu_si512((const void *)p);

    ret->quote = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(quote));
    ret->delimiter = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(delimiter));
    ret->lf = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n'));
    ret->cr = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\r'));
    ret->control = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(0x7F));
    ret->control |= _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20)) &
                    ~(ret->lf | ret->cr | _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\t')));
    ret->high = _mm512_movepi8_mask(v);
    ret->blank = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(' '));
    ret->follows = _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(-64));
    ret->pair = _mm512_cmpgt_epi8_mask(v, _mm512_set1_epi8(-63)) & _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(-32));
    ret->wide = _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8((char)0xCC));
}
#else
INLINE static void look_plain(const char *p, char delimiter, char quote, struct look *ret)
{
    struct look l = { 0 };

    for (int i = 0; i < BLOCK; i++) {
        unsigned char c = (unsigned char)p[i];
        uint64_t bit = (uint64_t)1 << i;

        l.quote |= p[i] == quote ? bit : 0;
        l.delimiter |= p[i] == delimiter ? bit : 0;
        l.lf |= c == '\n' ? bit : 0;
        l.cr |= c == '\r' ? bit : 0;
        l.control |= (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F ? bit : 0;
        l.high |= c >= 0x80 ? bit : 0;
        l.wide |= c >= 0xCC ? bit : 0;
        l.blank |= c == ' ' ? bit : 0;
        l.follows |= (c & 0xC0) == 0x80 ? bit : 0;
        l.pair |= c >= 0xC2 && c < 0xE0 ? bit : 0;
    }
    *ret = l;
}
#endif

/* ---- the index of a window ---- */

/* What one block leaves to the next. */
struct carry {
    uint64_t inside; /* all ones while a quote is open */
    uint64_t may_open, closed, cr,
        blank; /* 0 or 1: the last octet was one behind which a quote may open, a closing quote, a CR, a blank */
    size_t utf8; /* octets before it were looked at */
};

/* Bits from each opening quote up to the one that closes it, which is outside. */
INLINE static uint64_t between(uint64_t quotes)
{
    for (int shift = 1; shift < BLOCK; shift *= 2)
        quotes ^= quotes << shift;
    return quotes;
}

#ifdef __SSE2__
/* The same: a product without carries with all ones. */
__attribute__((target(AVX512))) INLINE static uint64_t between_avx512(uint64_t quotes)
{
    return (uint64_t)_mm_cvtsi128_si64(
        _mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)quotes), _mm_set1_epi8((char)0xFF), 0));
}
#endif

/* Where few are expected. */
INLINE static size_t add_few(uint32_t *to, size_t n, uint64_t bits, size_t begin)
{
    for (; bits; bits &= bits - 1)
        to[n++] = (uint32_t)(begin + (unsigned)__builtin_ctzll(bits));
    return n;
}

INLINE static uint64_t add_one(uint32_t *to, uint64_t bits, size_t begin)
{
    const uint64_t some = (uint64_t)1 << (BLOCK - 1); /* there is no lowest one of none */

    *to = (uint32_t)(begin + (unsigned)__builtin_ctzll(bits | some));
    return bits & (bits - 1);
}

enum { ROUND = 8 };
/* ROUND at a time, so that the number of rounds is mostly the same; what is written too much is behind the end. */
INLINE static size_t add_bits(uint32_t *to, size_t n, uint64_t bits, size_t begin)
{
    size_t at = 0, end = n + (size_t)__builtin_popcountll(bits);

    for (; n < end; n += ROUND) {
        to += n - at;
        at = n;
        bits = add_one(to, bits, begin);
        bits = add_one(to + 1, bits, begin);
        bits = add_one(to + 2, bits, begin);
        bits = add_one(to + 3, bits, begin);
        bits = add_one(to + 4, bits, begin);
        bits = add_one(to + 5, bits, begin);
        bits = add_one(to + 6, bits, begin);
        bits = add_one(to + 7, bits, begin);
    }
    return end;
}

#ifdef __SSE2__
/* Sixteen at a time, of the numbers of all octets those that have a bit. */
__attribute__((target(AVX512))) INLINE static size_t add_bits_avx512(uint32_t *to, size_t n, uint64_t bits,
                                                                     size_t begin)
{
    static const unsigned char ALL[BLOCK] = { 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                              16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                              32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                              48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63 };
    const __m512i from = _mm512_set1_epi32((int)begin);
    __m512i at = _mm512_maskz_compress_epi8(bits, _mm512_loadu_si512(ALL));
    size_t count = (size_t)__builtin_popcountll(bits);

    for (size_t i = 0;;) {
        _mm512_storeu_si512(to + n + i, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(at)), from));
        i += 16;
        if (i >= count)
            return n + count;
        at = _mm512_alignr_epi32(at, at, 4);
    }
}
#endif

/* A sequence that the window's end cuts off is not wrong: its row has no end there. */
static bool cut_off(const char *p, size_t i, size_t end)
{
    if (end - i >= 4)
        return false;
    while (++i < end)
        if ((p[i] & 0xC0) != 0x80)
            return false;
    return true;
}

/* The first of what is not ASCII in the block at `begin`, and not UTF-8; none = no bit. */
static uint64_t not_utf8(const char *p, size_t begin, uint64_t high, size_t end, size_t *at)
{
    for (; high; high &= high - 1) {
        size_t i = begin + (unsigned)__builtin_ctzll(high), n;
        unsigned char c = (unsigned char)p[i];

        if (i < *at)
            continue;
        if (c >= 0xC2 && c < 0xE0 && i + 1 < end && (p[i + 1] & 0xC0) == 0x80) {
            *at = i + 2;
            continue;
        }
        n = utf8_decode(p + i, end - i, NULL);
        if (!n && !cut_off(p, i, end))
            return high & -high;
        *at = n ? i + n : end;
    }
    return 0;
}

/* Rows end at these line feeds; where a CR stands before one, the last cell ends there. */
INLINE static void add_ends(struct csv_fast *f, const char *p, uint64_t ends, uint64_t lf, size_t n, size_t begin)
{
    for (; lf; lf &= lf - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(lf);
        uint32_t at = (uint32_t)(begin + bit);
        uint32_t k = (uint32_t)(n + (size_t)__builtin_popcountll(ends & ((lf & -lf) - 1)));

        f->ends[f->n_ends++] = (struct csv_end){ k + 1, at };
        if (at && p[at - 1] == '\r')
            f->at[k] = at - 1;
    }
}

/* Is all that is not ASCII in the block at `begin` sequences of two octets? Octets before `seen` were looked at. */
INLINE static bool only_pairs(const struct look *l, size_t begin, size_t seen)
{
    uint64_t before = seen > begin ? ~(~(uint64_t)0 << (seen - begin)) : 0;

    return !(l->pair >> 63) && (l->high & ~before) == (l->pair | l->pair << 1) &&
           (l->follows & ~before) == l->pair << 1;
}

/* Where cells and rows end in a block. */
struct block_ends {
    uint64_t cells, rows;
};

/*
 * One block. Every quote has to open a cell, to close one or to be doubled; outside of quotes a CR has an LF behind it. inside: of
 * between(l->quote). False: what is not so is in the block, f->spoiled.
 */
INLINE static bool look_at_block(struct csv_fast *f, const char *p, size_t b, uint64_t there, const struct look *l,
                                 uint64_t inside, struct carry *k, struct block_ends *ret)
{
    const uint64_t quoted = inside ^ k->inside, cr = l->cr & ~quoted;
    const uint64_t ends = (l->delimiter | l->lf) & ~quoted;
    const uint64_t open = l->quote & quoted, close = l->quote & ~quoted, closed = close << 1 | k->closed;
    const uint64_t inner = (l->lf | l->cr) & quoted, odd = l->wide | ((ends | cr) & (l->blank << 1 | k->blank));
    const size_t begin = b * BLOCK;
    uint64_t bad = l->control | ((cr << 1 | k->cr) & ~l->lf);

    if (l->quote | k->closed) {
        bad |= (open & ~(ends << 1 | k->may_open | closed)) | (closed & ~(ends | cr | open));
        f->n_opens = add_few(f->opens, f->n_opens, open & ~closed, begin);
    }
    if (l->high && !only_pairs(l, begin, k->utf8))
        bad |= not_utf8(p, begin, l->high, f->octets, &k->utf8);
    if (odd)
        f->n_odd = add_few(f->odd, f->n_odd, odd, begin);
    f->masks[b] = (struct csv_masks){ l->high, (quoted & (l->delimiter | l->lf | l->cr)) | (open & closed) };
    if (inner)
        f->n_inner = add_few(f->inner, f->n_inner, inner, begin);
    *ret = (struct block_ends){ ends, l->lf & ~quoted };
    *k = (struct carry){
        (uint64_t)((int64_t)quoted >> 63), ends >> 63, close >> 63, cr >> 63, l->blank >> 63, k->utf8
    };
    bad &= there;
    if (bad)
        f->spoiled = begin + (size_t)__builtin_ctzll(bad);
    return !bad;
}

#define INDEX(name, target_, see, between_, add_bits_)                                                   \
    target_ INLINE static bool name##_block(struct csv_fast *f, const char *p, size_t b, uint64_t there, \
                                            const struct look *l, struct carry *k)                       \
    {                                                                                                    \
        struct block_ends e;                                                                             \
        bool good = look_at_block(f, p, b, there, l, between_(l->quote), k, &e);                         \
        size_t n = f->n;                                                                                 \
                                                                                                         \
        f->n = add_bits_(f->at, n, e.cells, b * BLOCK);                                                  \
        add_ends(f, p, e.cells, e.rows, n, b *BLOCK);                                                    \
        return good;                                                                                     \
    }                                                                                                    \
    target_ static void name(struct csv_fast *f, const char *p)                                          \
    {                                                                                                    \
        struct carry k = { .may_open = 1 };                                                              \
        struct look l;                                                                                   \
        char last[BLOCK];                                                                                \
        size_t b = 0, left = f->octets % BLOCK;                                                          \
                                                                                                         \
        for (; b < f->octets / BLOCK; b++) {                                                             \
            see(p + b * BLOCK, f->delimiter, f->quote, &l);                                              \
            if (!name##_block(f, p, b, ~(uint64_t)0, &l, &k))                                            \
                return;                                                                                  \
        }                                                                                                \
        if (!left)                                                                                       \
            return;                                                                                      \
        memset(last, 'x', sizeof(last));                                                                 \
        memcpy(last, p + b * BLOCK, left);                                                               \
        see(last, f->delimiter, f->quote, &l);                                                           \
        l.delimiter &= ~(~(uint64_t)0 << left);                                                          \
        l.quote &= ~(~(uint64_t)0 << left);                                                              \
        (void)name##_block(f, p, b, ~(~(uint64_t)0 << left), &l, &k);                                    \
    }
#ifdef __SSE2__
INDEX(index_sse2, , look_sse2, between, add_bits)
INDEX(index_avx2, __attribute__((target("avx2,bmi,popcnt"))), look_avx2, between, add_bits)
INDEX(index_avx512, __attribute__((target(AVX512))), look_avx512, between_avx512, add_bits_avx512)
#else
INDEX(index_plain, , look_plain, between, add_bits)
#endif

static void index_octets(struct csv_fast *f, const char *p)
{
#ifdef __SSE2__
    bool bits = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");

    if (bits && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vbmi2") &&
        __builtin_cpu_supports("pclmul"))
        index_avx512(f, p);
    else if (bits && __builtin_cpu_supports("avx2"))
        index_avx2(f, p);
    else
        index_sse2(f, p);
#else
    index_plain(f, p);
#endif
}

/* Indexes what the input holds from `from` on, where a row begins. */
static void index_window(struct csv_fast *f, const struct csv_input *in, uint64_t from)
{
    size_t have = in->len - (size_t)(from - in->base);

    if (!f->limit)
        f->limit = WINDOW_MIN;
    have = have > f->limit ? f->limit : have;
    f->limit = f->limit < WINDOW_USUAL ? f->limit * 2 : WINDOW_USUAL;
    f->from = from;
    f->octets = f->spoiled = have;
    f->n = f->n_opens = f->n_inner = f->n_odd = f->n_ends = 0;
    f->next = f->next_open = f->next_inner = f->next_odd = 0;
    if (f->cap < have + BLOCK) { /* and room for what add_bits() writes too much */
        f->cap = have + BLOCK;
        f->at = xrealloc(f->at, f->cap * sizeof(*f->at));
        f->opens = xrealloc(f->opens, f->cap * sizeof(*f->opens));
        f->inner = xrealloc(f->inner, f->cap * sizeof(*f->inner));
        f->odd = xrealloc(f->odd, f->cap * sizeof(*f->odd));
        f->ends = xrealloc(f->ends, f->cap * sizeof(*f->ends));
        f->masks = xrealloc(f->masks, (f->cap / BLOCK + 1) * sizeof(*f->masks));
    }
    index_octets(f, csv_input_at(in, from));
}

/* ---- rows ---- */

/* Bits of [from, to) in block b. */
static uint64_t range_bits(size_t b, size_t from, size_t to)
{
    uint64_t bits = ~(uint64_t)0;

    if (b == from / BLOCK)
        bits &= ~(uint64_t)0 << from % BLOCK;
    if (b == to / BLOCK)
        bits &= ~(~(uint64_t)0 << to % BLOCK);
    return bits;
}

static bool needs_quotes(const struct csv_fast *f, size_t begin, size_t end)
{
    for (size_t b = begin / BLOCK; b * BLOCK < end; b++)
        if (f->masks[b].needs & range_bits(b, begin, end))
            return true;
    return false;
}

/* Cells in quotes up to the octet `lf`. */
static void note_quoted(struct csv_fast *f, size_t lf, struct csv_plain *ret)
{
    size_t i = 0;

    for (; f->next_open < f->n_opens && f->opens[f->next_open] < lf; f->next_open++) {
        size_t begin = f->opens[f->next_open];

        while (ret->end[i] < begin)
            i++;
        if (i >= 64)
            continue;
        ret->quoted |= (uint64_t)1 << i;
        ret->needed |= (uint64_t)needs_quotes(f, begin, ret->end[i]) << i;
    }
}

/* The bit of the cell that holds octet `at`; cells before *i end before it. */
INLINE static uint64_t cell_bit(const struct csv_plain *row, size_t at, size_t *i)
{
    while (row->end[*i] < at)
        ++*i;
    return *i < 64 ? (uint64_t)1 << *i : 0;
}

/* Line ends in cells up to the octet `lf`. */
static uint32_t note_lines(struct csv_fast *f, size_t lf, struct csv_plain *row)
{
    uint32_t lines = 1;
    size_t i = 0;

    for (; f->next_inner < f->n_inner && f->inner[f->next_inner] < lf; f->next_inner++) {
        size_t at = f->inner[f->next_inner];

        if (row->w[at] == '\r') {
            row->odd |= cell_bit(row, at, &i);
            lines++;
        } else {
            lines += row->w[at - 1] != '\r'; /* a quote stands before it at least */
        }
    }
    row->several_lines = lines > 1;
    return lines;
}

/* Cells that end in a blank, and such as are perhaps not in normal form C, up to the octet `lf`. */
static void note_odd(struct csv_fast *f, size_t lf, struct csv_plain *row)
{
    size_t i = 0;

    for (; f->next_odd < f->n_odd && f->odd[f->next_odd] <= lf; f->next_odd++) {
        size_t at = f->odd[f->next_odd];
        uint32_t cp = 0;

        if ((unsigned char)row->w[at] >= 0xCC) {
            row->wide = true;
            if (utf8_decode(row->w + at, lf - at, &cp) && canon_stays(cp))
                continue;
        }
        row->odd |= cell_bit(row, at, &i);
    }
}

bool csv_fast_high(const struct csv_fast *f, const struct csv_plain *row)
{
    size_t begin = row->begin, end = begin + row->octets;

    for (size_t b = begin / BLOCK; b * BLOCK < end; b++)
        if (f->masks[b].high & range_bits(b, begin, end))
            return true;
    return false;
}

/* The next row of the window. False: it has no end there, or is not ours (*ret_ours). */
static bool split(struct csv_fast *f, const char *w, size_t max, struct csv_fast_row *ret, bool *ret_ours)
{
    struct csv_plain *row = &ret->plain;
    const struct csv_end *e = &f->ends[f->next];
    size_t first = f->next ? e[-1].cells : 0, begin = f->next ? (size_t)e[-1].lf + 1 : 0;

    *ret_ours = true;
    if (f->next == f->n_ends)
        return false;
    *ret_ours = e->lf < f->spoiled && e->lf + 1 - begin <= max;
    if (!*ret_ours)
        return false;
    *row = (struct csv_plain){ .w = w, .end = f->at + first, .begin = (uint32_t)begin, .n = e->cells - first };
    row->octets = (uint32_t)(e->lf + 1 - begin);
    ret->lines = 1;
    if (row->n == 1 && row->end[0] == begin)
        row->n = 0;
    if (f->next_open < f->n_opens)
        note_quoted(f, e->lf, row);
    if (f->next_inner < f->n_inner)
        ret->lines = note_lines(f, e->lf, row);
    if (f->next_odd < f->n_odd)
        note_odd(f, e->lf, row);
    f->next++;
    return true;
}

bool csv_fast_row(struct csv_fast *f, struct csv_input *in, uint64_t at, size_t max, struct csv_fast_row *ret,
                  enum ec *ret_rc, struct err *reterr)
{
    bool ours = true;

    *ret_rc = EC_OK;
    /* Rows come one after the other; anything else (a row that libcsv took, a seek) begins a new window. */
    if (!f->octets || at < f->from || at - f->from > f->octets || in->base > f->from ||
        (f->next ? f->from + f->ends[f->next - 1].lf + 1 : f->from) != at)
        index_window(f, in, at);
    for (;;) {
        size_t left = f->octets - (size_t)(at - f->from);

        if (split(f, csv_input_at(in, f->from), max, ret, &ours))
            return true;
        if (!ours || f->spoiled < f->octets || left > max)
            break;
        if (left == in->len - (size_t)(at - in->base)) { /* the window is all there is */
            if (in->eof)
                break;
            *ret_rc = csv_input_more(in, at, reterr);
            if (*ret_rc)
                return false;
        }
        if (left == f->octets) /* the row is longer than a window */
            f->limit = f->octets < WINDOW_MAX ? f->octets * 4 : WINDOW_MAX;
        index_window(f, in, at);
    }
    f->octets = f->limit = 0; /* libcsv takes this row; a small window begins behind it, in case many are irregular */
    return false;
}

/* A cell in quotes: its text. */
static struct cell unquote(struct csv_fast *f, const char *p, size_t n)
{
    const char *end = p + n - 1, *q;
    size_t begin = f->scratch.len;

    p++;
    q = memchr(p, f->quote, (size_t)(end - p));
    if (!q)
        return (struct cell){ p, (size_t)(end - p) };
    for (; q; q = memchr(p, f->quote, (size_t)(end - p))) {
        strbuf_add(&f->scratch, p, (size_t)(q + 1 - p)); /* reserved: nothing moves */
        p = q + 2;
    }
    strbuf_add(&f->scratch, p, (size_t)(end - p));
    return (struct cell){ f->scratch.buf + begin, f->scratch.len - begin };
}

void csv_fast_cells(struct csv_fast *f, const struct csv_plain *row)
{
    const char *p = row->w + row->begin;

    if (f->cells_cap < row->n) {
        f->cells_cap = row->n * 2 + 64;
        f->cells = xrealloc(f->cells, f->cells_cap * sizeof(*f->cells));
    }
    strbuf_reset(&f->scratch);
    strbuf_reserve(&f->scratch, row->end[row->n - 1] - row->begin);
    for (size_t i = 0; i < row->n; i++) {
        size_t n = (size_t)(row->w + row->end[i] - p);

        f->cells[i] = !n ? CELL_ABSENT : *p == f->quote ? unquote(f, p, n) : (struct cell){ p, n };
        p += n + 1;
    }
}

void csv_fast_release(struct csv_fast *f)
{
    free(f->at);
    free(f->opens);
    free(f->inner);
    free(f->odd);
    free(f->ends);
    free(f->masks);
    free(f->cells);
    strbuf_release(&f->scratch);
    *f = (struct csv_fast){ 0 };
}

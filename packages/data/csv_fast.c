#include "data/csv_fast.h"

#include <stdlib.h>

#ifdef __SSE2__
#include <immintrin.h>
#endif

/* A window, its index and its masks stay in the processor's nearest caches. */
enum { BLOCK = 64, WINDOW_MIN = 2048, WINDOW_USUAL = 16 * 1024 };
#define IN_QUOTES 0x80000000U
#define WINDOW_MAX ((size_t)1 << 30)

/* What one look at 64 octets finds. */
struct look {
    uint64_t quote, delimiter, lf, cr, control, high, wide;
};

#ifdef __SSE2__
static void look_sse2(const char *p, char delimiter, char quote, struct look *ret)
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
        l.wide |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(v, wide), v)) << shift;
    }
    *ret = l;
}

__attribute__((target("avx2"))) static void look_avx2(const char *p, char delimiter, char quote, struct look *ret)
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
        l.wide |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(v, wide), v)) << shift;
    }
    *ret = l;
}
__attribute__((target("avx512bw"))) static void look_avx512(const char *p, char delimiter, char quote,
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
    ret->wide = _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8((char)0xCC));
}
#else
static void look_plain(const char *p, char delimiter, char quote, struct look *ret)
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
    }
    *ret = l;
}
#endif

typedef void look_fn(const char *p, char delimiter, char quote, struct look *ret);
static look_fn *best_look(void)
{
#ifdef __SSE2__
    return __builtin_cpu_supports("avx512bw") ? look_avx512 : __builtin_cpu_supports("avx2") ? look_avx2 : look_sse2;
#else
    return look_plain;
#endif
}

/* ---- the index of a window ---- */

/* Bits from each opening quote up to the one that closes it, which is outside. */
static uint64_t between(uint64_t quotes)
{
    for (int shift = 1; shift < BLOCK; shift *= 2)
        quotes ^= quotes << shift;
    return quotes;
}

static void add_bits(struct csv_fast *f, uint64_t bits, uint64_t quoted, size_t begin)
{
    while (bits) {
        unsigned i = (unsigned)__builtin_ctzll(bits);

        f->at[f->n++] = (uint32_t)(begin + i) | (quoted >> i & 1 ? IN_QUOTES : 0);
        bits &= bits - 1;
    }
}

/* Indexes what the input holds from `from` on, where a row begins. */
static void index_window(struct csv_fast *f, const struct csv_input *in, uint64_t from)
{
    look_fn *look = best_look();
    const char *p = csv_input_at(in, from);
    size_t have = in->len - (size_t)(from - in->base), blocks;
    uint64_t inside = 0; /* all ones while a quote is open */

    if (!f->limit)
        f->limit = WINDOW_MIN;
    have = have > f->limit ? f->limit : have;
    f->limit = f->limit < WINDOW_USUAL ? f->limit * 2 : WINDOW_USUAL;
    blocks = (have + BLOCK - 1) / BLOCK;
    f->from = from;
    f->octets = f->spoiled = have;
    f->n = f->next = 0;
    if (f->cap < have + BLOCK) {
        f->cap = have + BLOCK;
        f->at = xrealloc(f->at, f->cap * sizeof(*f->at));
    }
    if (f->masks_cap < blocks) {
        f->masks_cap = blocks;
        f->masks = xrealloc(f->masks, blocks * sizeof(*f->masks));
    }
    for (size_t b = 0; b < blocks; b++) {
        char last[BLOCK];
        struct look l;
        uint64_t quoted;

        if (have - b * BLOCK >= BLOCK) {
            look(p + b * BLOCK, f->delimiter, f->quote, &l);
        } else {
            memset(last, ' ', sizeof(last));
            memcpy(last, p + b * BLOCK, have - b * BLOCK);
            look(last, f->delimiter, f->quote, &l);
        }
        f->masks[b] = (struct csv_masks){ l.quote, l.high, l.wide };
        quoted = between(l.quote) ^ inside;
        inside = (uint64_t)((int64_t)quoted >> 63);
        add_bits(f, (l.delimiter & ~quoted) | l.lf | l.cr, quoted, b * BLOCK);
        if (l.control) {
            f->spoiled = b * BLOCK + (size_t)__builtin_ctzll(l.control);
            break;
        }
    }
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

/* A quoted cell: its text, and how many quotes it took. False: a quote stands alone in it. */
static bool unquote(struct csv_fast *f, const char *p, size_t n, struct cell *ret, unsigned *ret_quotes)
{
    const char *end = p + n - 1, *q;
    size_t begin = f->scratch.len;

    if (n < 2 || *end != f->quote)
        return false;
    *ret_quotes = 2;
    p++;
    q = memchr(p, f->quote, (size_t)(end - p));
    if (!q) {
        *ret = (struct cell){ p, (size_t)(end - p) };
        return true;
    }
    for (; q; q = memchr(p, f->quote, (size_t)(end - p))) {
        if (q + 1 == end || q[1] != f->quote)
            return false;
        strbuf_add(&f->scratch, p, (size_t)(q + 1 - p)); /* reserved: nothing moves */
        *ret_quotes += 2;
        p = q + 2;
    }
    strbuf_add(&f->scratch, p, (size_t)(end - p));
    *ret = (struct cell){ f->scratch.buf + begin, f->scratch.len - begin };
    return true;
}

static void more_cells(struct csv_fast *f)
{
    f->cells_cap = f->cells_cap ? f->cells_cap * 2 : 64;
    f->cells = xrealloc(f->cells, f->cells_cap * sizeof(*f->cells));
    f->begin = xrealloc(f->begin, (f->cells_cap + 1) * sizeof(*f->begin));
}

/* Is what is not ASCII in block b, within `bits`, UTF-8? *at: octets before it were part of a sequence that began earlier. */
static bool block_is_utf8(const char *w, size_t b, uint64_t bits, size_t end, size_t *at)
{
    while (bits) {
        size_t i = b * BLOCK + (size_t)__builtin_ctzll(bits), n;

        bits &= bits - 1;
        if (i < *at)
            continue;
        n = utf8_decode(w + i, end - i, NULL);
        if (!n)
            return false;
        *at = i + n;
    }
    return true;
}

/* What is in the row's octets besides cells: all its quotes must be accounted for, and its text be UTF-8. */
static bool fine(const struct csv_fast *f, const char *w, size_t begin, size_t end, unsigned quotes,
                 struct csv_fast_row *ret)
{
    uint64_t high = 0, wide = 0;
    unsigned found = 0;
    size_t at = begin;

    for (size_t b = begin / BLOCK; b * BLOCK < end; b++) {
        const struct csv_masks *m = &f->masks[b];
        uint64_t bits = range_bits(b, begin, end);

        if (m->quote & bits)
            found += (unsigned)__builtin_popcountll(m->quote & bits);
        high |= m->high & bits;
        wide |= m->wide & bits;
        if ((m->high & bits) && !block_is_utf8(w, b, m->high & bits, end, &at))
            return false;
    }
    ret->high = high != 0;
    ret->wide = wide != 0;
    return found == quotes;
}

/* Of the first 64 cells; none of the others. */
static inline uint64_t bit_of(size_t cell)
{
    return cell < 64 ? (uint64_t)1 << cell : 0;
}

/* The row that begins at octet `begin` of the window. False: it has no end in the window, or is not ours (*ret_ours). */
static bool split(struct csv_fast *f, const char *w, size_t begin, struct csv_fast_row *ret, bool *ret_ours)
{
    const char *cell = w + begin;
    const char delimiter = f->delimiter, quote = f->quote;
    size_t n = 0;
    unsigned quotes = 0;
    uint32_t lines = 1;
    uint64_t quoted = 0, needed = 0;

    *ret_ours = true;
    strbuf_reset(&f->scratch);
    for (size_t i = f->next; i < f->n; i++) {
        size_t at = f->at[i] & ~IN_QUOTES;
        char c = w[at];

        if (f->at[i] & IN_QUOTES) { /* a line end inside a cell */
            lines += c == '\n' ? !(at > begin && w[at - 1] == '\r') : 1;
            continue;
        }
        if (c == '\r' && (at + 1 >= f->octets || w[at + 1] != '\n')) {
            *ret_ours = at + 1 >= f->octets; /* a lone CR ends a line for libcsv's reader */
            return false;
        }
        if (n == f->cells_cap)
            more_cells(f);
        f->cells[n] = (struct cell){ w + at > cell ? cell : NULL, (size_t)(w + at - cell) };
        f->begin[n] = cell;
        if (w + at > cell && *cell == quote) {
            unsigned more;

            *ret_ours = unquote(f, cell, (size_t)(w + at - cell), &f->cells[n], &more);
            if (!*ret_ours)
                return false;
            quotes += more;
            quoted |= bit_of(n);
            if (more > 2 || memchr(f->cells[n].ptr, delimiter, f->cells[n].len) ||
                (lines > 1 &&
                 (memchr(f->cells[n].ptr, '\n', f->cells[n].len) || memchr(f->cells[n].ptr, '\r', f->cells[n].len))))
                needed |= bit_of(n);
        }
        n++;
        cell = w + at + 1;
        if (c == delimiter)
            continue;
        f->begin[n] = cell;
        if (c == '\r') {
            i++; /* the LF behind it */
            at++;
        }
        *ret = (struct csv_fast_row){ .cells = f->cells,
                                      .n = n,
                                      .octets = at + 1 - begin,
                                      .lines = lines,
                                      .begin = f->begin,
                                      .quoted = quoted,
                                      .needed = needed };
        if (n == 1 && cell_absent(f->cells[0]))
            ret->n = 0;
        *ret_ours = at < f->spoiled && fine(f, w, begin, at + 1, quotes, ret);
        f->next = i + 1;
        return *ret_ours;
    }
    return false;
}

bool csv_fast_row(struct csv_fast *f, struct csv_input *in, uint64_t at, size_t max, struct csv_fast_row *ret,
                  enum ec *ret_rc, struct err *reterr)
{
    bool ours = true;

    *ret_rc = EC_OK;
    /* Rows come one after the other; anything else (a row that libcsv took, a seek) begins a new window. */
    if (!f->octets || at < f->from || at - f->from > f->octets || in->base > f->from ||
        (f->next ? f->from + (f->at[f->next - 1] & ~IN_QUOTES) + 1 : f->from) != at)
        index_window(f, in, at);
    for (;;) {
        const char *w = csv_input_at(in, f->from);
        size_t begin = (size_t)(at - f->from);

        strbuf_reserve(&f->scratch, f->octets - begin < max ? f->octets - begin : max);
        if (split(f, w, begin, ret, &ours) && ret->octets <= max)
            return true;
        if (!ours || f->spoiled < f->octets || f->octets - begin > max)
            break;
        f->limit =
            f->octets < WINDOW_MAX ? f->octets * 4 : WINDOW_MAX; /* the row, or what is left of it, is longer */
        if (f->octets - begin == in->len - (size_t)(at - in->base)) { /* the window is all there is */
            if (in->eof)
                break;
            *ret_rc = csv_input_more(in, at, reterr);
            if (*ret_rc)
                return false;
        }
        index_window(f, in, at);
    }
    f->octets = f->limit = 0; /* libcsv takes this row; a small window begins behind it, in case many are irregular */
    return false;
}

void csv_fast_release(struct csv_fast *f)
{
    free(f->at);
    free(f->masks);
    free(f->cells);
    free(f->begin);
    strbuf_release(&f->scratch);
    *f = (struct csv_fast){ 0 };
}

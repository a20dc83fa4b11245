#include "loader/source_quick.h"

#include <endian.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { MEMO_SLOTS = 256, MEMO_OCTETS = 40, COMPANY_SLOTS = 64, NUMBER_DIGITS = 15 };

enum shape {
    SHAPE_TEXT, /* as it is, without trailing blanks */
    SHAPE_NUMBER, /* [-]digits[.digits] */
    SHAPE_DATE, /* yyyy-MM-dd */
    SHAPE_DATETIME, /* yyyy-MM-ddTHH:mm:ssZ */
    SHAPE_SEEN, /* only what was seen before */
};
struct seen { /* a cell and what became of it */
    uint64_t word, tail; /* its first octets, all there are when raw_n <= 8; its last eight, when there are more */
    uint8_t raw_n, value_n; /* raw_n 0 = free */
    bool same, value_absent; /* same: the value is the cell */
    char raw[MEMO_OCTETS], value[MEMO_OCTETS];
};
struct quick_field {
    enum shape shape;
    bool usual; /* a number or a date-time of a column, or an element when some was seen */
    bool foreign; /* spelled as the file does it: made canonical first, then looked at */
    int column; /* -1 = constant */
    size_t max_octets; /* texts */
    int max_digits, scale; /* numbers: before and behind the point */
    bool negative; /* may be */
    struct seen *seen; /* MEMO_SLOTS, NULL until needed */
    bool absent_good, empty_good; /* seen in a good row */
    bool empty_is_absent;
    struct cell constant; /* the value of a constant */
    bool constant_known;
};
struct company {
    uint64_t word; /* of the raw text */
    char raw[16], code[COMPANY_CODE_OCTETS]; /* zeros behind the code */
    uint8_t raw_n;
    bool other; /* of a company that is not in scope */
};
struct source_quick {
    struct arena arena; /* constants */
    /* Bare texts: of a column, they go as they stand when they are short enough. By their columns, a bit each. */
    uint64_t bare;
    uint64_t absent_bad; /* of none of them a good row was seen in which it is absent */
    int32_t most[64]; /* octets */
    uint32_t field_of[64];
    uint32_t *others; /* the fields that are none */
    size_t n_others;
    struct quick_field *fields;
    size_t n, header_n;
    struct company companies[COMPANY_SLOTS];
    struct company fixed; /* no company column */
    bool fixed_known;
};

/* ---- what a field allows ---- */

static int integer_digits(struct cell c)
{
    size_t i = c.len && c.ptr[0] == '-', n = 0;

    while (i + n < c.len && c.ptr[i + n] >= '0' && c.ptr[i + n] <= '9')
        n++;
    return (int)n;
}

static bool numeric(enum dv_type t)
{
    return t == DV_INTEGER || t == DV_BIGINT || t == DV_DECIMAL || t == DV_DOUBLE || t == DV_MONEY;
}

/* A number with fewer digits than either limit is within them. */
static void limit_number(struct quick_field *q, const struct dv_column *c)
{
    if (!cell_absent(c->max)) {
        int n = c->max.len && c->max.ptr[0] == '-' ? 0 : integer_digits(c->max) - 1;

        q->max_digits = n < q->max_digits ? n : q->max_digits;
    }
    if (!cell_absent(c->min)) {
        int n = integer_digits(c->min) - 1;

        q->negative = c->min.len && c->min.ptr[0] == '-' && n > 0;
        if (q->negative)
            q->max_digits = n < q->max_digits ? n : q->max_digits;
        else if (!cell_is(c->min, "0"))
            q->max_digits = c->min.len && c->min.ptr[0] == '-' ? q->max_digits : 0;
    }
}

/* A cell that goes to several columns has to fit into each: that is for the full look. */
static bool bound_once(const struct source *s, const struct source_field *sf)
{
    const struct binding *b = s->m->b;
    size_t n = 0;

    for (size_t i = 0; i < b->n; i++)
        n += b->fields[i].f && cell_ieq(b->fields[i].f->staging, sf->f->staging);
    return n <= 1;
}

static enum shape shape_of(const struct source *s, const struct source_field *sf, struct quick_field *q)
{
    const struct bound_field *b = sf->bound >= 0 ? &s->m->b->fields[sf->bound] : NULL;
    const struct dv_column *c = b && b->kind == BOUND_PLAIN && map_dir_to_dv(b->dir) ? b->c : NULL;
    bool as_text = !b || ((b->rule.type == CANON_TEXT || b->rule.type == CANON_KEY) && !b->rule.blanks);
    bool foreign = s->format.decimal && s->format.decimal != '.';

    if (b && ((b->kind != BOUND_PLAIN && b->kind != BOUND_LOOKUP) || !bound_once(s, sf)))
        return SHAPE_SEEN;
    q->max_octets = SIZE_MAX;
    q->max_digits = NUMBER_DIGITS;
    q->negative = true;
    switch (sf->f->type) {
    case FNO_STRING:
        if (!as_text || (c && c->type != DV_STRING && c->type != DV_MEMO))
            return SHAPE_SEEN;
        if (c && c->max_length)
            q->max_octets = (size_t)c->max_length;
        if (sf->f->max_length && (size_t)sf->f->max_length < q->max_octets)
            q->max_octets = (size_t)sf->f->max_length;
        return SHAPE_TEXT;
    case FNO_REAL:
    case FNO_INT:
    case FNO_INT64:
        q->scale = sf->f->type == FNO_REAL ? sf->rule.scale : 0;
        q->foreign = foreign || s->format.group;
        if ((b && b->rule.type != CANON_DECIMAL && (b->rule.type != CANON_INT || q->scale) && !as_text))
            return SHAPE_SEEN;
        if (sf->f->type == FNO_INT)
            q->max_digits = 9;
        if (c && numeric(c->type))
            limit_number(q, c);
        else if (c)
            return SHAPE_SEEN;
        return q->max_digits > 0 ? SHAPE_NUMBER : SHAPE_SEEN;
    case FNO_DATE:
    case FNO_UTCDATETIME:
        q->foreign = s->format.date != NULL;
        if ((b && b->rule.type != CANON_DATE && b->rule.type != CANON_DATETIME) || (c && c->type != DV_DATETIME))
            return SHAPE_SEEN;
        return sf->f->type == FNO_DATE ? SHAPE_DATE : SHAPE_DATETIME;
    case FNO_ENUM:
    case FNO_GUID:
    case FNO_OTHER: break;
    }
    return SHAPE_SEEN;
}

/* Notes a bare text. False: the field is none. */
static bool bare_text(struct source_quick *q, size_t i)
{
    const struct quick_field *f = &q->fields[i];

    if (f->shape != SHAPE_TEXT || f->column < 1 || f->column > 63 || i > 63 || q->bare >> f->column & 1)
        return false;
    q->bare |= (uint64_t)1 << f->column;
    q->most[f->column] = f->max_octets < INT32_MAX ? (int32_t)f->max_octets : INT32_MAX;
    q->field_of[f->column] = (uint32_t)i;
    return true;
}

struct source_quick *source_quick_new(const struct source *s, size_t header_n)
{
    struct source_quick *q = xcalloc(1, sizeof(*q));

    q->n = s->n;
    q->header_n = header_n;
    q->fields = xcalloc(s->n + 1, sizeof(*q->fields));
    q->others = xcalloc(s->n + 1, sizeof(*q->others));
    for (size_t i = 0; i < s->n; i++) {
        q->fields[i].column = s->fields[i].column;
        q->fields[i].shape = shape_of(s, &s->fields[i], &q->fields[i]);
        if (!bare_text(q, i))
            q->others[q->n_others++] = (uint32_t)i;
        q->fields[i].usual = (q->fields[i].shape == SHAPE_NUMBER || q->fields[i].shape == SHAPE_DATETIME) &&
                             q->fields[i].column >= 0 && !q->fields[i].foreign;
        q->fields[i].empty_is_absent = s->fields[i].f->type != FNO_STRING;
    }
    q->absent_bad = q->bare;
    return q;
}

void source_quick_free(struct source_quick *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < q->n; i++)
        free(q->fields[i].seen);
    arena_release(&q->arena);
    free(q->others);
    free(q->fields);
    free(q);
}

/* ---- shapes ---- */

/* The first eight octets as a number, zeros behind a shorter text. */
static inline uint64_t word_of(struct cell c)
{
    uint64_t w = 0;
    uint32_t first, last;

    if (c.len >= 8) {
        memcpy(&w, c.ptr, 8);
        w = le64toh(w);
    } else if (c.len >= 4) {
        memcpy(&first, c.ptr, 4);
        memcpy(&last, c.ptr + c.len - 4, 4);
        w = le32toh(first) | (uint64_t)le32toh(last) << (8 * (c.len - 4));
    } else if (c.len) { /* one to three octets, some of them twice */
        size_t middle = c.len >> 1, end = c.len - 1;

        w = (unsigned char)c.ptr[0] | (uint64_t)(unsigned char)c.ptr[middle] << (8 * middle) |
            (uint64_t)(unsigned char)c.ptr[end] << (8 * end);
    }
    return w;
}

/* The same of a text that is not empty and stands before `end`, up to which octets may be read. */
static inline uint64_t word_before(struct cell c, const char *end)
{
    uint64_t w;

    if (end - c.ptr < 8)
        return word_of(c);
    memcpy(&w, c.ptr, 8);
    return le64toh(w) & ~(uint64_t)0 >> 8 * (8 - (c.len < 8 ? c.len : 8));
}

/* The last eight octets of a text that has them. */
static inline uint64_t tail_of(struct cell c)
{
    uint64_t w;

    memcpy(&w, c.ptr + c.len - 8, 8);
    return w;
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Zeros at the end of the fraction go, as they do from the canonical number. One octet after the other. */
static bool long_number(const struct quick_field *q, struct cell *c)
{
    const char *p = c->ptr, *end = p + c->len, *begin, *last;

    if (*p == '-') {
        if (!q->negative)
            return false;
        p++;
    }
    begin = p;
    while (p < end && is_digit(*p))
        p++;
    if (p == begin || p - begin > q->max_digits || (*begin == '0' && (p - begin > 1 || c->ptr[0] == '-')))
        return false;
    if (p == end)
        return true;
    last = p; /* behind the last octet that stays */
    if (*p++ != '.' || p == end || end - p > q->scale)
        return false;
    for (; p < end; p++) {
        if (!is_digit(*p))
            return false;
        if (*p != '0')
            last = p + 1;
    }
    c->len = (size_t)(last - c->ptr);
    return true;
}

#ifdef __SSE2__
/* The same for all octets at once, of which there are at most 16; how many differs from row to row. */
static inline bool number(const struct quick_field *q, struct cell *c)
{
    const __m128i zero = _mm_set1_epi8('0');
    const size_t n = c->len;
    uint64_t first, rest = 0;
    unsigned digits, zeros, others, sign, dot, before;
    __m128i v;

    if (n > 16)
        return long_number(q, c);
    first = word_of(*c);
    if (n > 8)
        rest = tail_of(*c) >> 8 * (16 - n);
    v = _mm_set_epi64x((long long)rest, (long long)first);
    v = _mm_sub_epi8(v, zero);
    digits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(9)), v));
    zeros = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128()));
    sign = c->ptr[0] == '-';
    others = ~digits & ((1U << n) - 1) & ~sign; /* n <= 16 < 32 */
    dot = others ? (unsigned)__builtin_ctz(others) : (unsigned)n;
    before = dot - sign;
    if ((others & (others - 1)) || (others && c->ptr[dot] != '.') || (sign && !q->negative) || !before ||
        (int)before > q->max_digits || ((zeros >> sign & 1) && (before > 1 || sign)))
        return false;
    if (!others)
        return true;
    if (dot + 1 == n || (int)(n - dot - 1) > q->scale)
        return false;
    /* What stays ends behind the last octet that is no zero, at the latest before the dot. */
    c->len = 32 - (size_t)__builtin_clz((~zeros & ((1U << n) - 1)) | 1U << dot);
    c->len -= c->len == dot + 1;
    return true;
}
#else
static inline bool number(const struct quick_field *q, struct cell *c)
{
    return long_number(q, c);
}
#endif

static inline int two(const char *p)
{
    return is_digit(p[0]) && is_digit(p[1]) ? (p[0] - '0') * 10 + p[1] - '0' : 99;
}

/* Days that every month has, in years that both services have; the others are looked at in full. */
static inline bool every_day(int century, int year, int month, int day)
{
    return (century == 19 || century == 20) && year < 99 && (century == 20 || year > 0) && month >= 1 &&
           month <= 12 && day >= 1 && day <= 28;
}

static bool date(const char *p)
{
    return p[4] == '-' && p[7] == '-' && every_day(two(p), two(p + 2), two(p + 5), two(p + 8));
}

/* Two digits at octet i of eight, of which '0' was taken away by ^. */
static inline int pair_at(uint64_t w, unsigned i)
{
    return (int)(w >> 8 * i & 15) * 10 + (int)(w >> 8 * (i + 1) & 15);
}

/* Eight octets ^ their pattern, in which '0' stands for a digit: nothing else is left. digits: 0xFF for each of these. */
static inline bool fits(uint64_t w, uint64_t digits)
{
    return !(w & ~(digits & 0x0F0F0F0F0F0F0F0FU)) && !((w + (digits & 0x0606060606060606U)) & 0xF0F0F0F0F0F0F0F0U);
}

/* "2024-05-01T12:00:00Z", of the dates that date() takes. */
static bool date_time(struct cell c)
{
    uint64_t day, hour, tail;
    uint32_t last;

    if (c.len != 20)
        return false;
    memcpy(&day, c.ptr, 8);
    memcpy(&hour, c.ptr + 8, 8);
    memcpy(&last, c.ptr + 16, 4);
    day = le64toh(day) ^ 0x2D30302D30303030U; /* "0000-00-" */
    hour = le64toh(hour) ^ 0x30303A3030543030U; /* "00T00:00" */
    tail = le32toh(last) ^ 0x5A30303AU; /* ":00Z" */
    return fits(day, 0x00FFFF00FFFFFFFFU) && fits(hour, 0xFFFF00FFFF00FFFFU) && fits(tail, 0x0000000000FFFF00U) &&
           every_day(pair_at(day, 0), pair_at(day, 2), pair_at(day, 5), pair_at(hour, 0)) && pair_at(hour, 3) < 24 &&
           pair_at(hour, 6) < 60 && pair_at(tail, 1) < 60;
}

/* Texts: in normal form C, LF for line ends, no trailing blanks. easy: the row has only such. */
static bool text(const struct quick_field *q, const struct source_field *sf, bool easy, struct arena *a,
                 struct cell *c)
{
    const char *why;

    if (c->len > q->max_octets)
        return false;
    if (!easy) {
        bool plain = true;

        for (size_t i = 0; i < c->len && plain; i++)
            plain = (unsigned char)c->ptr[i] < 0xCC && c->ptr[i] != '\r';
        if (!plain && canon_cell(&sf->rule, NULL, *c, a, c, &why) != CANON_FINE)
            return false;
    }
    *c = cell_rtrim(*c);
    return c->len > 0 && c->len <= q->max_octets;
}

/* ---- what was seen ---- */

static inline unsigned slot_of(uint64_t word, size_t len, unsigned slots)
{
    return (unsigned)(((word ^ len) * 0x9E3779B97F4A7C15U) >> 40) % slots;
}

static inline bool seen_before(const struct quick_field *q, struct cell *c, bool *ret_same)
{
    uint64_t word = word_of(*c);
    const struct seen *s;

    if (!q->seen)
        return false;
    s = &q->seen[slot_of(word, c->len, MEMO_SLOTS)];
    if (s->raw_n != c->len || s->word != word || (c->len > 8 && memcmp(s->raw, c->ptr, c->len) != 0))
        return false;
    *ret_same = s->same;
    if (!s->same)
        *c = s->value_absent ? CELL_ABSENT : (struct cell){ s->value, s->value_n };
    return true;
}

static void remember(struct quick_field *q, struct cell raw, struct cell value)
{
    struct seen *s;

    if (raw.len > MEMO_OCTETS || value.len > MEMO_OCTETS)
        return;
    if (!q->seen)
        q->seen = xcalloc(MEMO_SLOTS, sizeof(*q->seen));
    s = &q->seen[slot_of(word_of(raw), raw.len, MEMO_SLOTS)];
    s->word = word_of(raw);
    s->tail = raw.len > 8 ? tail_of(raw) : 0;
    q->usual = q->column >= 0;
    memcpy(s->raw, raw.ptr, raw.len);
    s->raw_n = (uint8_t)raw.len;
    s->same = cell_eq(raw, value);
    s->value_absent = cell_absent(value);
    if (value.len)
        memcpy(s->value, value.ptr, value.len);
    s->value_n = (uint8_t)value.len;
}

static const struct company *company_of(const struct source_quick *q, struct cell raw)
{
    const struct company *c;
    uint64_t word;

    if (!raw.len || raw.len > sizeof(c->raw))
        return NULL;
    word = word_of(raw);
    c = &q->companies[slot_of(word, raw.len, COMPANY_SLOTS)];
    return c->raw_n == raw.len && c->word == word && (raw.len <= 8 || !memcmp(c->raw, raw.ptr, raw.len)) ? c : NULL;
}

static void remember_company(struct source_quick *q, const struct source *s, const struct source_row *r)
{
    struct company *c = &q->fixed;
    struct cell raw = CELL_LIT("");

    if (s->company_column >= 0) {
        raw = s->row.cells[s->company_column];
        if (!raw.len || raw.len > sizeof(c->raw))
            return;
        c = &q->companies[slot_of(word_of(raw), raw.len, COMPANY_SLOTS)];
    }
    if (r->company.len >= sizeof(c->code))
        return;
    memcpy(c->raw, raw.ptr, raw.len);
    c->word = word_of(raw);
    memset(c->code, 0, sizeof(c->code));
    memcpy(c->code, r->company.ptr, r->company.len);
    c->raw_n = (uint8_t)raw.len;
    c->other = r->verdict == SOURCE_OTHER_COMPANY;
    q->fixed_known = q->fixed_known || c == &q->fixed;
}

/* ---- rows ---- */

static inline __attribute__((always_inline)) bool value_of(const struct quick_field *q, const struct source_field *sf,
                                                           const struct canon_format *format, struct cell in,
                                                           bool easy, struct arena *a, struct cell *ret,
                                                           bool *ret_verbatim)
{
    struct cell c = { in.ptr, in.len };
    const size_t len = in.len;

    if (q->column < 0) {
        *ret = q->constant;
        *ret_verbatim = false;
        return q->constant_known;
    }
    if (!len) {
        *ret = !in.ptr || q->empty_is_absent ? CELL_ABSENT : c;
        return in.ptr ? q->empty_good : q->absent_good;
    }
    if (q->shape == SHAPE_TEXT && easy && len <= q->max_octets && in.ptr[len - 1] != ' ') {
        ret->ptr = in.ptr;
        ret->len = len;
        return true;
    }
    if (q->foreign) {
        const char *why;

        *ret_verbatim = false;
        if (canon_cell(&sf->rule, format, c, a, &c, &why) != CANON_FINE || !c.len)
            return false;
    }
    switch (q->shape) {
    case SHAPE_TEXT:
        if (!text(q, sf, easy, a, &c))
            return false;
        *ret_verbatim = c.len == len && (c.ptr == in.ptr || !memcmp(c.ptr, in.ptr, len));
        break;
    case SHAPE_NUMBER:
        if (!number(q, &c))
            return false;
        *ret_verbatim = !q->foreign && c.len == len;
        break;
    case SHAPE_DATE:
        if (c.len != 10 || !date(c.ptr))
            return false;
        break;
    case SHAPE_DATETIME:
        if (!date_time(c))
            return false;
        break;
    case SHAPE_SEEN:
        if (!seen_before(q, &c, ret_verbatim))
            return false;
        break;
    }
    ret->ptr = c.ptr; /* one by one: what was stored in halves is not fetched as a whole without a wait */
    ret->len = c.len;
    return true;
}

bool source_quick_row(struct source_quick *q, const struct source *s, struct arena *a, struct source_row *ret)
{
    const struct csv_row *row = &s->row;
    const struct company *company;
    const bool easy = !row->wide && !row->several_lines; /* texts are in normal form, without CR */
    struct cell *values;
    uint64_t verbatim = 0;

    if (!row->regular || row->n != q->header_n)
        return false;
    company = s->company_column >= 0 ? company_of(q, row->cells[s->company_column])
              : q->fixed_known       ? &q->fixed
                                     : NULL;
    if (!company)
        return false;
    *ret = (struct source_row){ .number = row->number,
                                .line = row->line,
                                .offset = row->offset,
                                .company = cell_of(company->code),
                                .verdict = company->other ? SOURCE_OTHER_COMPANY : SOURCE_GOOD };
    ret->values = values = arena_alloc(a, (q->n + 1) * sizeof(*values));
    if (company->other) {
        memset(values, 0, (q->n + 1) * sizeof(*values));
        return true;
    }
    ret->quick = q->n <= 64;
    for (size_t i = 0; i < q->n; i++) {
        const struct quick_field *f = &q->fields[i];
        struct cell in = row->cells[f->column < 0 ? 0 : f->column];
        bool same = true;

        if (!value_of(f, &s->fields[i], &s->format, in, easy, a, &values[i], &same))
            return false;
        verbatim |= (uint64_t)same << (i & 63);
    }
    ret->verbatim = verbatim;
    return true;
}

/* A cell as it stands, without its quotes. False: there may be more quotes in it. */
static inline bool plain_cell(const struct csv_plain *row, size_t column, struct cell *ret)
{
    uint32_t begin = csv_plain_begin(row, column);
    const char *p = row->w + begin;
    size_t n = row->end[column] - begin;

    if (row->quoted >> column & 1) {
        *ret = (struct cell){ p + 1, n - 2 };
        return !(row->needed >> column & 1);
    }
    *ret = (struct cell){ n ? p : NULL, n };
    return true;
}

/* A field that is no bare text: a number, a date, an element, a constant, a text in quotes, an odd one. */
static bool plain_value(const struct source_quick *q, const struct source *s, size_t i, const struct csv_plain *row,
                        struct arena *a, struct cell *values, uint64_t *same)
{
    const struct quick_field *f = &q->fields[i];
    struct cell in = CELL_ABSENT;
    bool as_it_is = true, easy = f->column < 0 || !(row->odd >> f->column & 1);

    if (f->column >= 0 && !plain_cell(row, (size_t)f->column, &in)) {
        /* Of a text with doubled quotes it is enough to know that it is short enough with them. */
        if (memchr(in.ptr, csv_quote(s->csv), in.len) &&
            (f->shape != SHAPE_TEXT || !easy || in.len > f->max_octets || in.ptr[in.len - 1] == ' '))
            return false;
    }
    if (!value_of(f, &s->fields[i], &s->format, in, easy, a, &values[i], &as_it_is))
        return false;
    *same &= ~((uint64_t)!as_it_is << i);
    return true;
}

/* The same for an element, a number or a date-time that stands there without quotes. False: not known so simply. */
static inline bool usual_value(const struct source_quick *q, size_t i, const struct csv_plain *row,
                               struct cell *value, uint64_t *same)
{
    const struct quick_field *f = &q->fields[i];
    size_t column = (size_t)f->column;
    struct cell c;
    bool as_it_is = true;

    if (!f->usual || row->quoted >> column & 1)
        return false;
    c.ptr = row->w + csv_plain_begin(row, column);
    c.len = (size_t)(row->w + row->end[column] - c.ptr);
    if (!c.len)
        return false;
    if (f->shape == SHAPE_SEEN) {
        uint64_t word = word_before(c, row->w + row->begin + row->octets);
        const struct seen *seen = &f->seen[slot_of(word, c.len, MEMO_SLOTS)];

        if (!seen->same || seen->raw_n != c.len || seen->word != word ||
            (c.len > 8 && (c.len > 16 || seen->tail != tail_of(c))))
            return false;
    } else if (f->shape == SHAPE_NUMBER) {
        size_t n = c.len;

        if (!number(f, &c))
            return false;
        as_it_is = c.len == n;
    } else if (!date_time(c)) {
        return false;
    }
    value->ptr = c.ptr;
    value->len = c.len;
    *same &= ~((uint64_t)!as_it_is << i);
    return true;
}

/* Cells of a row, a bit each, the first left out: those in which nothing stands, and those with more octets than they may have. */
struct lengths {
    uint64_t none, too_many;
};

#ifdef __SSE2__
/* Four cells from i on. */
static inline void four_lengths(const uint32_t *end, const int32_t *most, size_t i, struct lengths *ret)
{
    __m128i to = _mm_loadu_si128((const __m128i *)(const void *)(end + i));
    __m128i from = _mm_loadu_si128((const __m128i *)(const void *)(end + i - 1));
    __m128i n = _mm_sub_epi32(to, _mm_add_epi32(from, _mm_set1_epi32(1)));
    __m128i max = _mm_loadu_si128((const __m128i *)(const void *)(most + i));

    ret->none |= (uint64_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(n, _mm_setzero_si128()))) << i;
    ret->too_many |= (uint64_t)_mm_movemask_ps(_mm_castsi128_ps(_mm_cmpgt_epi32(n, max))) << i;
}
#endif

static inline struct lengths lengths_of(const uint32_t *end, size_t n, const int32_t *most)
{
    struct lengths ret = { 0 };
    size_t i = 1;

    n = n < 64 ? n : 64;
#ifdef __SSE2__
    for (; i + 4 <= n; i += 4)
        four_lengths(end, most, i, &ret);
    if (n >= 5 && i < n) { /* some of them twice */
        four_lengths(end, most, n - 4, &ret);
        i = n;
    }
#endif
    for (; i < n; i++) {
        size_t octets = end[i] - end[i - 1] - 1;

        ret.none |= (uint64_t)!octets << i;
        ret.too_many |= (uint64_t)(octets > (size_t)most[i]) << i;
    }
    return ret;
}

/*
 * The bare texts of a row, but those in quotes and odd ones: *ret_left has a bit for the column of each that is not to go as it stands.
 * False: one is not good.
 */
static bool bare_texts(const struct source_quick *q, const struct csv_plain *row, uint64_t *ret_left)
{
    const uint64_t special = row->quoted | row->odd;
    const struct lengths l = lengths_of(row->end, row->n, q->most);

    *ret_left = q->bare & special;
    return !((q->bare & ~special & l.too_many) | (q->absent_bad & ~special & l.none));
}

/* Bare texts as cells, for who looks at some. */
static void bare_cells(const struct source_quick *q, const struct csv_plain *row, struct cell *values)
{
    for (uint64_t bare = q->bare; bare; bare &= bare - 1)
        (void)plain_cell(row, (size_t)__builtin_ctzll(bare), &values[q->field_of[__builtin_ctzll(bare)]]);
}

bool source_quick_plain(struct source_quick *q, const struct source *s, const struct csv_plain *row, struct arena *a,
                        struct cell *values, struct quick_plain *ret)
{
    const struct company *company = q->fixed_known ? &q->fixed : NULL;
    struct cell in = CELL_ABSENT;
    uint64_t left, same = ~(uint64_t)0;

    if (row->n != q->header_n)
        return false;
    if (s->company_column >= 0)
        company = plain_cell(row, (size_t)s->company_column, &in) ? company_of(q, in) : NULL;
    if (!company)
        return false;
    ret->company = company->code;
    ret->other_company = company->other;
    if (company->other)
        return true;
    if (!bare_texts(q, row, &left))
        return false;
    if (s->has_later)
        bare_cells(q, row, values);
    for (size_t k = 0; k < q->n_others; k++)
        if (!usual_value(q, q->others[k], row, &values[q->others[k]], &same) &&
            !plain_value(q, s, q->others[k], row, a, values, &same))
            return false;
    for (; left; left &= left - 1)
        if (!plain_value(q, s, q->field_of[__builtin_ctzll(left)], row, a, values, &same))
            return false;
    ret->same = same;
    return true;
}

void source_quick_learn(struct source_quick *q, const struct source *s, const struct source_row *r)
{
    const struct csv_row *row = &s->row;

    remember_company(q, s, r);
    if (r->verdict != SOURCE_GOOD)
        return;
    for (size_t i = 0; i < q->n; i++) {
        struct quick_field *f = &q->fields[i];
        struct cell raw = f->column >= 0 ? row->cells[f->column] : CELL_ABSENT;

        if (f->column < 0) {
            f->constant = s->fields[i].constant;
            f->constant_known =
                cell_eq(f->constant, r->values[i]); /* stands in the settings, as long as the source */
        } else if (!raw.len) {
            f->empty_good = f->empty_good || raw.ptr;
            f->absent_good = f->absent_good || !raw.ptr;
            if (f->absent_good && f->column < 64 && q->field_of[f->column] == i)
                q->absent_bad &= ~((uint64_t)1 << f->column);
        } else if (f->shape == SHAPE_SEEN) {
            remember(f, raw, r->values[i]);
        }
    }
}

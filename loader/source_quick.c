#include "loader/source_quick.h"

#include <stdlib.h>

enum { MEMO_SLOTS = 256, MEMO_OCTETS = 40, COMPANY_SLOTS = 64, NUMBER_DIGITS = 15 };

enum shape {
    SHAPE_TEXT, /* as it is, without trailing blanks */
    SHAPE_NUMBER, /* [-]digits[.digits] */
    SHAPE_DATE, /* yyyy-MM-dd */
    SHAPE_DATETIME, /* yyyy-MM-ddTHH:mm:ssZ */
    SHAPE_SEEN, /* only what was seen before */
};
struct seen { /* a cell and what became of it */
    uint64_t word; /* its first octets; all there are when raw_n <= 8 */
    uint8_t raw_n, value_n; /* raw_n 0 = free */
    bool same, value_absent; /* same: the value is the cell */
    char raw[MEMO_OCTETS], value[MEMO_OCTETS];
};
struct quick_field {
    enum shape shape;
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
    char raw[16], code[16];
    uint8_t raw_n;
    bool other; /* of a company that is not in scope */
};
struct source_quick {
    struct arena arena; /* constants */
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

struct source_quick *source_quick_new(const struct source *s, size_t header_n)
{
    struct source_quick *q = xcalloc(1, sizeof(*q));

    q->n = s->n;
    q->header_n = header_n;
    q->fields = xcalloc(s->n + 1, sizeof(*q->fields));
    for (size_t i = 0; i < s->n; i++) {
        q->fields[i].column = s->fields[i].column;
        q->fields[i].shape = shape_of(s, &s->fields[i], &q->fields[i]);
        q->fields[i].empty_is_absent = s->fields[i].f->type != FNO_STRING;
    }
    return q;
}

void source_quick_free(struct source_quick *q)
{
    if (!q)
        return;
    for (size_t i = 0; i < q->n; i++)
        free(q->fields[i].seen);
    arena_release(&q->arena);
    free(q->fields);
    free(q);
}

/* ---- shapes ---- */

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Zeros at the end of the fraction go, as they do from the canonical number. */
static bool number(const struct quick_field *q, struct cell *c)
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

static inline int two(const char *p)
{
    return is_digit(p[0]) && is_digit(p[1]) ? (p[0] - '0') * 10 + p[1] - '0' : 99;
}

/* Days that every month has, in years that both services have; the others are looked at in full. */
static bool date(const char *p)
{
    int century = two(p), year = two(p + 2), month = two(p + 5), day = two(p + 8);

    return (century == 19 || century == 20) && year < 99 && (century == 20 || year > 0) && p[4] == '-' &&
           p[7] == '-' && month >= 1 && month <= 12 && day >= 1 && day <= 28;
}

static bool date_time(struct cell c)
{
    return c.len == 20 && date(c.ptr) && c.ptr[10] == 'T' && two(c.ptr + 11) < 24 && c.ptr[13] == ':' &&
           two(c.ptr + 14) < 60 && c.ptr[16] == ':' && two(c.ptr + 17) < 60 && c.ptr[19] == 'Z';
}

/* Texts: in normal form C, LF for line ends, no trailing blanks. */
static bool text(const struct quick_field *q, const struct source_field *sf, const struct csv_row *row,
                 struct arena *a, struct cell *c)
{
    const char *why;

    if (c->len > q->max_octets)
        return false;
    if (row->wide || row->several_lines) {
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

/* The first eight octets as a number, zeros behind a shorter text. */
static inline uint64_t word_of(struct cell c)
{
    uint64_t w = 0;
    uint32_t first, last;

    if (c.len >= 8) {
        memcpy(&w, c.ptr, 8);
    } else if (c.len >= 4) {
        memcpy(&first, c.ptr, 4);
        memcpy(&last, c.ptr + c.len - 4, 4);
        w = first | (uint64_t)last << (8 * (c.len - 4));
    } else {
        for (size_t i = 0; i < c.len; i++)
            w |= (uint64_t)(unsigned char)c.ptr[i] << (8 * i);
    }
    return w;
}

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
    memcpy(s->raw, raw.ptr, raw.len);
    s->raw_n = (uint8_t)raw.len;
    s->same = cell_eq(raw, value);
    s->value_absent = cell_absent(value);
    if (value.len)
        memcpy(s->value, value.ptr, value.len);
    s->value_n = (uint8_t)value.len;
}

static const struct company *company_of(const struct source_quick *q, const struct source *s)
{
    const struct company *c;
    struct cell raw;

    if (s->company_column < 0)
        return q->fixed_known ? &q->fixed : NULL;
    raw = s->row.cells[s->company_column];
    if (!raw.len || raw.len > sizeof(c->raw))
        return NULL;
    c = &q->companies[slot_of(word_of(raw), raw.len, COMPANY_SLOTS)];
    return c->raw_n == raw.len && !memcmp(c->raw, raw.ptr, raw.len) ? c : NULL;
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
    memcpy(c->code, r->company.ptr, r->company.len);
    c->code[r->company.len] = 0;
    c->raw_n = (uint8_t)raw.len;
    c->other = r->verdict == SOURCE_OTHER_COMPANY;
    q->fixed_known = q->fixed_known || c == &q->fixed;
}

/* ---- rows ---- */

static inline bool value_of(const struct quick_field *q, const struct source_field *sf,
                            const struct canon_format *format, const struct csv_row *row, bool easy, struct arena *a,
                            struct cell *ret, bool *ret_verbatim)
{
    const struct cell *in = &row->cells[q->column < 0 ? 0 : q->column];
    struct cell c = { in->ptr, in->len };
    const size_t len = in->len;

    if (q->column < 0) {
        *ret = q->constant;
        *ret_verbatim = false;
        return q->constant_known;
    }
    if (!len) {
        *ret = !in->ptr || q->empty_is_absent ? CELL_ABSENT : c;
        return in->ptr ? q->empty_good : q->absent_good;
    }
    if (q->shape == SHAPE_TEXT && easy && len <= q->max_octets && in->ptr[len - 1] != ' ') {
        ret->ptr = in->ptr;
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
        *ret_verbatim = false;
        if (!text(q, sf, row, a, &c))
            return false;
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
    *ret = c;
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
    company = company_of(q, s);
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
        bool same = true;

        if (!value_of(&q->fields[i], &s->fields[i], &s->format, row, easy, a, &values[i], &same))
            return false;
        verbatim |= (uint64_t)same << (i & 63);
    }
    ret->verbatim = verbatim;
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
        } else if (f->shape == SHAPE_SEEN) {
            remember(f, raw, r->values[i]);
        }
    }
}

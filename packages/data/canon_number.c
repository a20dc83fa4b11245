#include "data/canon_parts.h"

enum {
    MAX_EXPONENT = 400, /* beyond a double's range: no service means such a number */
};

/* A number as text: digits[0..n) with the point behind the first `point` of them; point may lie outside 0..n. */
struct number {
    bool negative;
    char *digits;
    size_t n;
    int64_t point;
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/*
 * Digit groups must look like groups, or "1,5" written with a decimal comma would silently become 15: three digits
 * before the end, two or three between separators (Indian grouping), one to three in front.
 */
static bool group_ok(size_t run, bool first, bool last)
{
    return last ? run == 3 : first ? run >= 1 && run <= 3 : run == 2 || run == 3;
}

static bool read_exponent(struct cell in, size_t *i, int64_t *ret, const char **ret_why)
{
    bool negative = false;
    int64_t e = 0;
    size_t from;

    if (*i < in.len && (in.ptr[*i] == '+' || in.ptr[*i] == '-'))
        negative = in.ptr[(*i)++] == '-';
    from = *i;
    for (; *i < in.len && digit(in.ptr[*i]); (*i)++)
        if (e <= MAX_EXPONENT)
            e = e * 10 + (in.ptr[*i] - '0');
    if (*i == from)
        return false;
    if (e > MAX_EXPONENT) {
        *ret_why = "exponent is too large";
        return false;
    }
    *ret = negative ? -e : e;
    return true;
}

static bool read_number(struct cell in, char decimal, char group, struct arena *a, struct number *ret,
                        const char **ret_why)
{
    struct number v = { .digits = arena_alloc(a, in.len + 1) };
    size_t i = 0, run = 0, groups = 0;
    int64_t exponent = 0;

    *ret_why = "not a number";
    if (in.ptr[0] == '-' || in.ptr[0] == '+') {
        v.negative = in.ptr[0] == '-';
        i = 1;
    }
    for (; i < in.len; i++) {
        if (digit(in.ptr[i])) {
            v.digits[v.n++] = in.ptr[i];
            run++;
        } else if (group && in.ptr[i] == group) {
            if (!group_ok(run, !groups, false)) {
                *ret_why = "digit groups are not where they belong";
                return false;
            }
            groups++;
            run = 0;
        } else {
            break;
        }
    }
    if (groups && !group_ok(run, false, true)) {
        *ret_why = "digit groups are not where they belong";
        return false;
    }
    v.point = (int64_t)v.n;
    if (i < in.len && in.ptr[i] == decimal)
        for (i++; i < in.len && digit(in.ptr[i]); i++)
            v.digits[v.n++] = in.ptr[i];
    if (!v.n)
        return false;
    if (i < in.len && (in.ptr[i] == 'e' || in.ptr[i] == 'E')) {
        i++;
        if (!read_exponent(in, &i, &exponent, ret_why))
            return false;
    }
    if (i != in.len)
        return false;
    v.point += exponent;
    *ret = v;
    return true;
}

/* Without zeros in front and at the end; zero is no digits at all. */
static void strip(struct number *v)
{
    while (v->n && v->digits[v->n - 1] == '0')
        v->n--;
    while (v->n && v->digits[0] == '0') {
        v->digits++;
        v->n--;
        v->point--;
    }
    if (!v->n)
        v->point = 0;
}

/* Half away from zero, on the text. `digits` has room for one more in front only through carry into a new buffer. */
static void round_to(struct number *v, int scale, struct arena *a)
{
    int64_t keep = v->point + scale; /* digits that stay */
    bool up;
    size_t i;

    if (keep >= (int64_t)v->n)
        return;
    if (keep < 0) { /* below half of the last place, whatever the digits are */
        v->n = 0;
        return;
    }
    up = v->digits[keep] >= '5';
    v->n = (size_t)keep;
    if (!up)
        return;
    for (i = v->n; i && v->digits[i - 1] == '9'; i--)
        v->digits[i - 1] = '0';
    if (i) {
        v->digits[i - 1]++;
    } else { /* 9.99 -> 10.0 */
        char *wider = arena_alloc(a, v->n + 1);

        wider[0] = '1';
        if (v->n)
            memcpy(wider + 1, v->digits, v->n);
        v->digits = wider;
        v->n++;
        v->point++;
    }
}

static struct cell write_number(const struct number *v, struct arena *a)
{
    size_t lead = v->point < 0 ? (size_t)-v->point : 0; /* zeros behind the point */
    size_t tail = v->point > (int64_t)v->n ? (size_t)v->point - v->n : 0;
    char *out = arena_alloc(a, v->n + lead + tail + 4), *p = out;
    size_t whole = v->point <= 0 ? 0 : v->point > (int64_t)v->n ? v->n : (size_t)v->point;

    if (!v->n)
        return CELL_LIT("0");
    if (v->negative)
        *p++ = '-';
    if (!whole)
        *p++ = '0';
    memcpy(p, v->digits, whole);
    p += whole;
    memset(p, '0', tail);
    p += tail;
    if (whole < v->n) {
        *p++ = '.';
        memset(p, '0', lead);
        p += lead;
        memcpy(p, v->digits + whole, v->n - whole);
        p += v->n - whole;
    }
    *p = 0;
    return (struct cell){ out, (size_t)(p - out) };
}

/* The usual number needs no work and no memory: as services write it, and already canonical. */
static bool plain(const struct canon_rule *rule, struct cell in)
{
    size_t i = in.ptr[0] == '-', from = i, point = 0;

    if (i >= in.len || in.len > 18)
        return false;
    for (; i < in.len; i++) {
        if (in.ptr[i] == '.' && !point && rule->type == CANON_DECIMAL && i > from)
            point = i;
        else if (!digit(in.ptr[i]))
            return false;
    }
    if (in.ptr[from] == '0' && in.len > from + 1 && point != from + 1)
        return false; /* leading zeros */
    if (!point)
        return !(from && in.ptr[from] == '0'); /* "-0" */
    if (rule->scale >= 0 && in.len - 1 - point > (size_t)rule->scale)
        return false;
    return in.ptr[in.len - 1] != '0' && in.ptr[in.len - 1] != '.';
}

enum canon_outcome canon_number(const struct canon_rule *rule, const struct canon_format *fmt, struct cell in,
                                struct arena *a, struct cell *ret, const char **ret_why)
{
    char decimal = fmt->decimal ? fmt->decimal : '.';
    struct number v;

    if (decimal == '.' && plain(rule, in)) {
        *ret = in;
        return CANON_FINE;
    }
    if (!read_number(in, decimal, fmt->group, a, &v, ret_why))
        return CANON_BAD;
    strip(&v);
    if (rule->type == CANON_INT) {
        if (v.point < (int64_t)v.n) {
            *ret_why = "not a whole number";
            return CANON_BAD;
        }
    } else if (rule->scale >= 0) {
        round_to(&v, rule->scale, a);
        strip(&v);
    }
    *ret = write_number(&v, a);
    return CANON_FINE;
}

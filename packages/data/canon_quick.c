#include "data/canon_quick.h"
#include "base/clock.h"

static bool digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static unsigned two(const char *p)
{
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

static bool digits(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!digit(p[i]))
            return false;
    return true;
}

/* As services write it and already canonical: no sign to drop, no zeros in front or behind. */
static bool number(const struct canon_rule *rule, struct cell in)
{
    const char *p = in.ptr, *end = p + in.len, *point = NULL, *from;

    p += *p == '-';
    from = p;
    if (p == end || in.len > 18)
        return false;
    for (; p < end && digit(*p); p++)
        continue;
    if (p < end) {
        if (*p != '.' || p == from || rule->type != CANON_DECIMAL)
            return false;
        point = p++;
        for (; p < end && digit(*p); p++)
            continue;
        if (p < end || end[-1] == '0' || end[-1] == '.')
            return false;
        if (rule->scale >= 0 && end - point - 1 > rule->scale)
            return false;
        return *from != '0' || point == from + 1;
    }
    return *from != '0' || (end == from + 1 && from == in.ptr);
}

/* "12.50": only zeros at the end are in the way. */
static bool number_with_zeros(const struct canon_rule *rule, struct cell in, struct cell *ret)
{
    struct cell c = in;

    if (rule->type != CANON_DECIMAL || in.len > 18 || !memchr(in.ptr, '.', in.len))
        return false;
    while (c.len && c.ptr[c.len - 1] == '0')
        c.len--;
    if (c.len && c.ptr[c.len - 1] == '.')
        c.len--;
    if (!c.len || !digit(c.ptr[c.len - 1]) || !number(rule, c))
        return false;
    *ret = c;
    return true;
}

static bool day(const char *p, bool *ret_sentinel)
{
    unsigned y, m, d;

    if (!digits(p, 4) || p[4] != '-' || !digits(p + 5, 2) || p[7] != '-' || !digits(p + 8, 2))
        return false;
    y = two(p) * 100 + two(p + 2);
    m = two(p + 5);
    d = two(p + 8);
    *ret_sentinel = y == 1900 && m == 1 && d == 1;
    return (m >= 1 && m <= 12 && d >= 1 && d <= 28 && y) || civil_valid(y, m, d);
}

static bool time_of_day(const char *p)
{
    return p[0] == 'T' && digits(p + 1, 2) && p[3] == ':' && digits(p + 4, 2) && p[6] == ':' && digits(p + 7, 2) &&
           two(p + 1) < 24 && two(p + 4) < 60 && two(p + 7) < 60;
}

/* 2024-05-01, and 2024-05-01T12:00:00Z; seven decimals behind the seconds may stand there, as F&O and .NET write them. */
static bool date(const struct canon_rule *rule, struct cell in, struct cell *ret)
{
    const char *p = in.ptr;
    bool sentinel, timed = in.len > 10;

    if (in.len < 10 || !day(p, &sentinel))
        return false;
    if (timed) {
        if (in.len < 20 || !time_of_day(p + 10) || p[in.len - 1] != 'Z')
            return false;
        if (in.len > 20 && (p[19] != '.' || in.len == 21 || in.len > 30 || !digits(p + 20, in.len - 21)))
            return false;
    }
    if (sentinel)
        return false; /* null or not: for the full look */
    if (rule->type == CANON_DATE) {
        *ret = (struct cell){ p, 10 };
        return true;
    }
    *ret = in;
    return timed && in.len == 20;
}

static bool lower_code(struct cell in)
{
    for (size_t i = 0; i < in.len; i++)
        if ((unsigned char)in.ptr[i] >= 0x80 || (in.ptr[i] >= 'A' && in.ptr[i] <= 'Z'))
            return false;
    return true;
}

static bool guid(struct cell in)
{
    bool zero = true;

    if (in.len != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        char c = in.ptr[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-')
                return false;
        } else if (!digit(c) && !(c >= 'a' && c <= 'f')) {
            return false;
        } else {
            zero = zero && c == '0';
        }
    }
    return !zero;
}

bool canon_quick(const struct canon_rule *rule, struct cell in, bool plain, struct cell *ret)
{
    *ret = in;
    if (rule->tuned || rule->blanks || rule->exact)
        return false;
    if (!in.ptr)
        return true;
    if (rule->type == CANON_TEXT || rule->type == CANON_KEY) {
        while (ret->len && ret->ptr[ret->len - 1] == ' ')
            ret->len--;
        return plain;
    }
    if (!in.len) {
        *ret = CELL_ABSENT;
        return true;
    }
    /* Blanks around: for the full look. */
    if ((unsigned char)in.ptr[0] <= ' ' || (unsigned char)in.ptr[in.len - 1] <= ' ')
        return false;
    switch (rule->type) {
    case CANON_INT:
    case CANON_DECIMAL: return number(rule, in) || number_with_zeros(rule, in, ret);
    case CANON_BOOL:
        return (in.len == 4 && !memcmp(in.ptr, "true", 4)) || (in.len == 5 && !memcmp(in.ptr, "false", 5));
    case CANON_DATE:
    case CANON_DATETIME: return date(rule, in, ret);
    case CANON_GUID: return guid(in);
    case CANON_COMPANY: return plain && lower_code(in);
    case CANON_WORD: return plain;
    case CANON_TEXT:
    case CANON_KEY: break;
    }
    return false;
}

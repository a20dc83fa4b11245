/*
 * Values of Finance & Operations fields: any accepted text -> the one text that the row store keeps. Reals never pass
 * a binary floating-point number: numeric(32, 6) has more digits than one can hold.
 */
#include "emu_fno.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { WHOLE_MAX = 26, DECIMALS_MAX = 6 };

const char *emu_fno_empty(const struct emu_field *f)
{
    switch (f->type) {
    case F_STRING: return "";
    case F_ENUM: return f->en->members[0].name;
    case F_REAL:
    case F_INT:
    case F_INT64: return "0";
    case F_DATE: return "1900-01-01";
    case F_UTCDATETIME: return "1900-01-01T00:00:00Z";
    }
    return "";
}

static bool bad(const struct emu_field *f, const char *p, size_t n, const char *what, char *msg, size_t msg_size)
{
    snprintf(msg, msg_size, "The value '%.*s' %s field '%s'.", n > 60 ? 60 : (int)n, p, what, f->property);
    return false;
}

/* Characters as the service counts them: UTF-16 units. */
static size_t units(const char *p, size_t n)
{
    size_t u = 0;

    for (size_t i = 0; i < n; i++)
        u += (size_t)(((unsigned char)p[i] & 0xc0) != 0x80) + (size_t)((unsigned char)p[i] >= 0xf0);
    return u;
}

static bool canon_string(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                         size_t msg_size)
{
    while (n && p[n - 1] == ' ')
        n--;
    if (memchr(p, '\0', n))
        return bad(f, p, strlen(p), "has a character that is not valid in", msg, msg_size);
    if (f->length && units(p, n) > f->length)
        return bad(f, p, n, "is too long for", msg, msg_size);
    strbuf_add(out, p, n);
    return true;
}

static bool canon_enum(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                       size_t msg_size)
{
    for (size_t i = 0; i < f->en->n; i++)
        if (strlen(f->en->members[i].name) == n && !strncasecmp(f->en->members[i].name, p, n)) {
            strbuf_adds(out, f->en->members[i].name);
            return true;
        }
    return bad(f, p, n, "is not an element of the enumeration of", msg, msg_size);
}

/*
 * Digits of a decimal literal, exponent applied, into buf with the point at *ret_point. False = not one, or too
 * long.
 */
static bool decimal_digits(const char *p, size_t n, char *buf, size_t size, size_t *ret_n, long *ret_point)
{
    size_t i = 0, k = 0;
    long point = -1, exponent = 0;
    bool any = false;

    for (; i < n && p[i] != 'e' && p[i] != 'E'; i++) {
        if (p[i] == '.' && point < 0) {
            point = (long)k;
            continue;
        }
        if (p[i] < '0' || p[i] > '9' || k == size)
            return false;
        buf[k++] = p[i];
        any = true;
    }
    if (point < 0)
        point = (long)k;
    if (i < n) {
        char *end;
        char text[16];

        if (n - i - 1 == 0 || n - i - 1 >= sizeof(text))
            return false;
        memcpy(text, p + i + 1, n - i - 1);
        text[n - i - 1] = '\0';
        exponent = strtol(text, &end, 10);
        if (*end || exponent > 99 || exponent < -99)
            return false;
    }
    *ret_n = k;
    *ret_point = point + exponent;
    return any;
}

static bool canon_real(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                       size_t msg_size)
{
    char d[128];
    size_t k, first = 0;
    long point;
    bool minus = n && *p == '-', nonzero;
    size_t skip = minus || (n && *p == '+');

    if (!decimal_digits(p + skip, n - skip, d, sizeof(d), &k, &point))
        return bad(f, p, n, "is not a number for", msg, msg_size);
    while (first < k && d[first] == '0')
        first++;
    while (k > first && d[k - 1] == '0')
        k--;
    nonzero = k > first;
    if (nonzero && (point - (long)first > WHOLE_MAX || (long)k - point > DECIMALS_MAX))
        return bad(f, p, n, "has too many digits for", msg, msg_size);
    if (!nonzero) {
        strbuf_addc(out, '0');
        return true;
    }
    if (minus)
        strbuf_addc(out, '-');
    if (point <= (long)first)
        strbuf_addc(out, '0');
    for (long i = (long)first; i < point; i++)
        strbuf_addc(out, i < (long)k ? d[i] : '0');
    if ((long)k > point) {
        strbuf_addc(out, '.');
        for (long i = point; i < (long)k; i++)
            strbuf_addc(out, i >= (long)first && i >= 0 ? d[i] : '0');
    }
    return true;
}

static bool canon_int(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                      size_t msg_size)
{
    char digits[24], *end;
    long long v;

    if (n == 0 || n >= sizeof(digits) || (*p != '-' && (*p < '0' || *p > '9')))
        return bad(f, p, n, "is not an integer for", msg, msg_size);
    memcpy(digits, p, n);
    digits[n] = '\0';
    errno = 0;
    v = strtoll(digits, &end, 10);
    if (errno || *end || (f->type == F_INT && (v < INT32_MIN || v > INT32_MAX)))
        return bad(f, p, n, "is not an integer for", msg, msg_size);
    strbuf_addf(out, "%lld", v);
    return true;
}

static bool canon_time(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                       size_t msg_size)
{
    int64_t ms;
    char text[32];

    if (!clock_parse_utc(p, n, &ms) || ms < -2208988800000LL || ms >= 5869584000000LL) /* 1900 .. 2154 */
        return bad(f, p, n, "is not a valid date for", msg, msg_size);
    clock_format_utc(ms, text);
    strbuf_add(out, text, f->type == F_DATE ? 10 : 20);
    return true;
}

bool emu_fno_canon(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg, size_t msg_size)
{
    if (!n) {
        strbuf_adds(out, emu_fno_empty(f));
        return true;
    }
    switch (f->type) {
    case F_STRING: return canon_string(f, p, n, out, msg, msg_size);
    case F_ENUM: return canon_enum(f, p, n, out, msg, msg_size);
    case F_REAL: return canon_real(f, p, n, out, msg, msg_size);
    case F_INT:
    case F_INT64: return canon_int(f, p, n, out, msg, msg_size);
    case F_DATE:
    case F_UTCDATETIME: return canon_time(f, p, n, out, msg, msg_size);
    }
    return false;
}

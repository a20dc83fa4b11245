#include "data/cell.h"

#include <stdarg.h>

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c | 0x20) : c;
}

static unsigned char upper(unsigned char c)
{
    return c >= 'a' && c <= 'z' ? (unsigned char)(c & ~0x20) : c;
}

bool cell_ieq(struct cell a, struct cell b)
{
    if (!a.ptr != !b.ptr || a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower((unsigned char)a.ptr[i]) != lower((unsigned char)b.ptr[i]))
            return false;
    return true;
}

int cell_cmp(struct cell a, struct cell b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c;

    if (!a.ptr || !b.ptr)
        return (a.ptr != NULL) - (b.ptr != NULL);
    c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? (c < 0 ? -1 : 1) : (a.len > b.len) - (a.len < b.len);
}

struct cell cell_dup(struct arena *a, struct cell c)
{
    return c.ptr ? (struct cell){ arena_dup(a, c.ptr, c.len), c.len } : CELL_ABSENT;
}

char *cell_cstr(struct arena *a, struct cell c)
{
    return arena_dup(a, c.ptr, c.len);
}

struct cell cell_printf(struct arena *a, const char *fmt, ...)
{
    struct cell c;
    va_list ap;

    va_start(ap, fmt);
    c.ptr = arena_vprintf(a, &c.len, fmt, ap);
    va_end(ap);
    return c;
}

struct cell cell_rtrim(struct cell c)
{
    while (c.len && c.ptr[c.len - 1] == ' ')
        c.len--;
    return c;
}

static struct cell map_case(struct arena *a, struct cell c, unsigned char (*f)(unsigned char))
{
    char *p;

    if (!c.ptr)
        return c;
    p = arena_alloc(a, c.len + 1);
    for (size_t i = 0; i < c.len; i++)
        p[i] = (char)f((unsigned char)c.ptr[i]);
    p[c.len] = 0;
    return (struct cell){ p, c.len };
}

struct cell cell_lower(struct arena *a, struct cell c)
{
    return map_case(a, c, lower);
}

struct cell cell_upper(struct arena *a, struct cell c)
{
    return map_case(a, c, upper);
}

bool cell_to_i64(struct cell c, int64_t *ret)
{
    size_t i = 0;
    bool negative = false;
    int64_t v = 0; /* kept negative: the range below zero is the larger one */

    if (c.len && (c.ptr[0] == '-' || c.ptr[0] == '+')) {
        negative = c.ptr[0] == '-';
        i = 1;
    }
    if (i >= c.len)
        return false;
    for (; i < c.len; i++) {
        if (c.ptr[i] < '0' || c.ptr[i] > '9' || __builtin_mul_overflow(v, (int64_t)10, &v) ||
            __builtin_sub_overflow(v, (int64_t)(c.ptr[i] - '0'), &v))
            return false;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, v, &v))
        return false;
    *ret = v;
    return true;
}

size_t utf8_decode(const char *p, size_t n, uint32_t *ret_cp)
{
    const unsigned char *s = (const unsigned char *)p;
    uint32_t cp;
    size_t len;

    if (s[0] < 0x80) {
        cp = s[0];
        len = 1;
    } else if (s[0] >= 0xC2 && s[0] <= 0xDF) { /* C0 and C1 could only begin overlong forms */
        cp = s[0] & 0x1FU;
        len = 2;
    } else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        cp = s[0] & 0x0FU;
        len = 3;
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        cp = s[0] & 0x07U;
        len = 4;
    } else {
        return 0;
    }
    if (len > n)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        cp = cp << 6 | (s[i] & 0x3FU);
    }
    if ((len == 3 && (cp < 0x800 || (cp >= 0xD800 && cp <= 0xDFFF))) || (len == 4 && (cp < 0x10000 || cp > 0x10FFFF)))
        return 0;
    if (ret_cp)
        *ret_cp = cp;
    return len;
}

size_t utf8_encode(uint32_t cp, char out[static 4])
{
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        cp = 0xFFFD;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xC0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3F));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xE0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3F));
        out[2] = (char)(0x80 | (cp & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3F));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3F));
    out[3] = (char)(0x80 | (cp & 0x3F));
    return 4;
}

size_t utf8_valid_prefix(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n) {
        size_t step;
        uint64_t w;

        /* Nearly all business text is ASCII: eight octets at a time until one has its top bit set. */
        while (n - i >= sizeof(w)) {
            memcpy(&w, p + i, sizeof(w));
            if (w & 0x8080808080808080U)
                break;
            i += sizeof(w);
        }
        if (i == n)
            break;
        step = utf8_decode(p + i, n - i, NULL);
        if (!step)
            return i;
        i += step;
    }
    return n;
}

size_t cell_chars(struct cell c)
{
    size_t chars = 0;

    for (size_t i = 0; i < c.len; chars++) {
        size_t step = utf8_decode(c.ptr + i, c.len - i, NULL);

        i += step ? step : 1;
    }
    return chars;
}

size_t cell_utf16_units(struct cell c)
{
    size_t units = 0;

    for (size_t i = 0; i < c.len;) {
        size_t step = utf8_decode(c.ptr + i, c.len - i, NULL);

        units += step == 4 ? 2 : 1;
        i += step ? step : 1;
    }
    return units;
}

/* Values of workbook cells: number formats, serial dates, numbers as text (xlsx.h has the rules). */
#include "dmf/xlsx_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* ---- number formats ---- */

enum xlsx_kind xlsx_builtin_kind(unsigned id)
{
    if (id == 22)
        return XLSX_DATETIME;
    if ((id >= 14 && id <= 17) || (id >= 27 && id <= 31) || (id >= 34 && id <= 36) || (id >= 50 && id <= 58))
        return XLSX_DATE; /* 27 to 36 and 50 to 58: dates of East Asian Excels */
    if ((id >= 18 && id <= 21) || id == 32 || id == 33 || id == 45 || id == 47)
        return XLSX_TIME;
    return id == 46 ? XLSX_ELAPSED : XLSX_NUMBER;
}

/* Behind what stands in [brackets]; *ret_elapsed when it is [h], [mm] or [ss]. */
static const char *brackets(const char *p, bool *ret_elapsed)
{
    size_t n = strcspn(p + 1, "]");

    if (n && n <= 4 && (strspn(p + 1, "hH") == n || strspn(p + 1, "mM") == n || strspn(p + 1, "sS") == n))
        *ret_elapsed = true;
    return p + 1 + n + (p[1 + n] == ']');
}

/* Behind the token at p that is not a letter of a date. */
static const char *passed_over(const char *p, bool *ret_elapsed)
{
    size_t n;

    switch (*p) {
    case '"': n = strcspn(p + 1, "\""); return p + 1 + n + (p[1 + n] == '"');
    case '\\':
    case '_':
    case '*': return p + 1 + (p[1] != 0);
    case '[': return brackets(p, ret_elapsed);
    case 'E':
    case 'e': return p[1] == '+' || p[1] == '-' ? p + 2 : NULL;
    case 'G':
    case 'g': return !strncasecmp(p, "General", 7) ? p + 7 : NULL;
    case 'A':
    case 'a': return !strncasecmp(p, "AM/PM", 5) ? p + 5 : !strncasecmp(p, "A/P", 3) ? p + 3 : NULL;
    default: return NULL;
    }
}

enum xlsx_kind xlsx_format_kind(const char *code)
{
    bool date = false, time = false, months = false, elapsed = false;

    for (const char *p = code, *next; *p && *p != ';';) { /* the first section: what positive numbers look like */
        size_t run = 1;

        next = passed_over(p, &elapsed);
        if (next) {
            p = next;
            continue;
        }
        while (p[run] == *p)
            run++;
        if (strchr("yYdDeEgGbB", *p) || (strchr("aA", *p) && run >= 3))
            date = true;
        else if (strchr("hHsS", *p))
            time = true;
        else if (strchr("mM", *p))
            run >= 3 ? (date = true) : (months = true); /* m and mm are minutes beside hours or seconds */
        p += run;
    }
    if (elapsed)
        return XLSX_ELAPSED;
    if (date)
        return time ? XLSX_DATETIME : XLSX_DATE;
    return time ? XLSX_TIME : months ? XLSX_DATE : XLSX_NUMBER;
}

/* ---- numbers ---- */

enum { MAX_DIGITS = 400, SURE_DIGITS = 15, DOUBLE_DIGITS = 17, MAX_EXPONENT = 400 };
/* 0.DIGITS times ten to the `point`; no zeros at either end of the digits. */
struct decimal {
    char digits[MAX_DIGITS];
    size_t n;
    int point;
    bool negative, whole; /* whole: written without point and exponent */
};

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct cell trimmed(struct cell c)
{
    while (c.len && strchr(" \t\r\n", c.ptr[0]))
        c.ptr++, c.len--;
    while (c.len && strchr(" \t\r\n", c.ptr[c.len - 1]))
        c.len--;
    return c;
}

static const char *read_exponent(struct cell c, size_t i, int *ret)
{
    bool minus = i < c.len && c.ptr[i] == '-';
    int v = 0;

    i += i < c.len && (c.ptr[i] == '-' || c.ptr[i] == '+');
    if (i >= c.len)
        return "not a number";
    for (; i < c.len; i++) {
        if (!digit(c.ptr[i]))
            return "not a number";
        v = v > MAX_EXPONENT ? v : v * 10 + (c.ptr[i] - '0');
    }
    *ret = minus ? -v : v;
    return NULL;
}

/* [+-]digits[.digits][e[+-]digits] */
static const char *read_decimal(struct cell c, struct decimal *d)
{
    size_t i = 0, any = 0;
    bool behind = false;
    int exponent = 0;
    const char *why = NULL;

    *d = (struct decimal){ .whole = true };
    if (c.len && (c.ptr[0] == '-' || c.ptr[0] == '+'))
        d->negative = c.ptr[i++] == '-';
    for (; i < c.len && (digit(c.ptr[i]) || (c.ptr[i] == '.' && !behind)); i++) {
        if (c.ptr[i] == '.') {
            behind = true;
            continue;
        }
        any++;
        if (d->n == MAX_DIGITS)
            return "a number with too many digits";
        if (d->n || c.ptr[i] != '0')
            d->digits[d->n++] = c.ptr[i];
        if (behind ? !d->n : d->n > 0)
            d->point += behind ? -1 : 1;
    }
    if (!any)
        return "not a number";
    d->whole = !behind && i == c.len;
    if (i < c.len)
        why = c.ptr[i] == 'e' || c.ptr[i] == 'E' ? read_exponent(c, i + 1, &exponent) : "not a number";
    while (d->n && d->digits[d->n - 1] == '0')
        d->n--;
    d->point = d->n ? d->point + exponent : 0;
    if (!why && (d->point > MAX_EXPONENT || d->point < -MAX_EXPONENT))
        why = "a number out of range";
    return why;
}

static void add_zeros(struct strbuf *out, int n)
{
    while (n-- > 0)
        strbuf_addc(out, '0');
}

static void print_decimal(const struct decimal *d, struct strbuf *out)
{
    int n = (int)d->n;

    if (!n) {
        strbuf_addc(out, '0');
        return;
    }
    if (d->negative)
        strbuf_addc(out, '-');
    if (d->point <= 0) {
        strbuf_adds(out, "0.");
        add_zeros(out, -d->point);
        strbuf_add(out, d->digits, d->n);
    } else if (d->point >= n) {
        strbuf_add(out, d->digits, d->n);
        add_zeros(out, d->point - n);
    } else {
        strbuf_add(out, d->digits, (size_t)d->point);
        strbuf_addc(out, '.');
        strbuf_add(out, d->digits + d->point, d->n - (size_t)d->point);
    }
}

static bool same_digits(const struct decimal *a, const struct decimal *b)
{
    return a->n == b->n && a->point == b->point && !memcmp(a->digits, b->digits, a->n);
}

/* Is the text the 17-digit form of a double? Then its shortest form takes its place. */
static void shorten(struct cell text, struct decimal *d)
{
    char plain[MAX_DIGITS + 40], form[40];
    struct decimal other;
    double v;

    if (text.len >= sizeof(plain))
        return;
    memcpy(plain, text.ptr, text.len);
    plain[text.len] = 0;
    v = strtod(plain, NULL); /* the program has no locale */
    if (!isfinite(v))
        return;
    snprintf(form, sizeof(form), "%.*e", DOUBLE_DIGITS - 1, v);
    if (read_decimal(cell_of(form), &other) || !same_digits(d, &other))
        return;
    for (int n = SURE_DIGITS; n < DOUBLE_DIGITS; n++) {
        snprintf(form, sizeof(form), "%.*e", n - 1, v);
        if (strtod(form, NULL) == v) {
            (void)read_decimal(cell_of(form), d);
            return;
        }
    }
}

const char *xlsx_number(struct cell text, struct strbuf *out)
{
    struct cell c = trimmed(text);
    struct decimal d;
    const char *why = read_decimal(c, &d);

    if (why)
        return why;
    if (d.n > SURE_DIGITS && !d.whole)
        shorten(c, &d);
    print_decimal(&d, out);
    return NULL;
}

/* ---- dates ---- */

enum { MS_PER_DAY = 86400000, BEFORE_1900 = 693594, BEFORE_1904 = 695055, LAST_DAY = 3652058 };

/* Days since 0001-01-01 in the calendar that goes on unchanged in both directions. */
static void civil(int64_t days, int *y, int *m, int *d)
{
    int64_t z = days + 306, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365,
            doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = (int)(yoe + era * 400 + (*m <= 2));
}

static void print_time(int64_t ms, bool hours_on, struct strbuf *out)
{
    int64_t s = ms / 1000;

    strbuf_addf(out, hours_on ? "%lld:%02d:%02d" : "%02lld:%02d:%02d", (long long)(s / 3600), (int)(s / 60 % 60),
                (int)(s % 60));
    if (ms % 1000)
        strbuf_addf(out, ".%03d", (int)(ms % 1000));
}

/* Day of the serial number, since 0001-01-01; -1 = it is no date. */
static int64_t day_of(int64_t serial, bool from_1904)
{
    int64_t day;

    if (from_1904)
        day = serial + BEFORE_1904;
    else if (serial == 0 || serial == 60) /* 1-2-3 took 1900 for a leap year, and Excel after it */
        return -1;
    else
        day = BEFORE_1900 + serial - (serial > 60);
    return day > LAST_DAY ? -1 : day;
}

const char *xlsx_date(struct cell text, enum xlsx_kind kind, bool from_1904, struct strbuf *out)
{
    struct cell c = trimmed(text);
    char plain[MAX_DIGITS + 40];
    struct decimal check;
    const char *why = read_decimal(c, &check);
    int64_t serial, ms, day;
    int y, m, d;
    double v;

    if (why || c.len >= sizeof(plain))
        return why ? why : "not a number";
    memcpy(plain, c.ptr, c.len);
    plain[c.len] = 0;
    v = strtod(plain, NULL);
    if (!(v >= 0))
        return "a date or time before the first one (a negative number)";
    if (v > LAST_DAY)
        return "a date beyond the year 9999";
    serial = (int64_t)v;
    ms = llround((v - (double)serial) * MS_PER_DAY);
    if (ms == MS_PER_DAY)
        serial++, ms = 0;
    if (kind == XLSX_ELAPSED) {
        print_time(serial * MS_PER_DAY + ms, serial > 0, out);
        return NULL;
    }
    if (!serial && (kind == XLSX_TIME || (ms && !from_1904))) { /* a time alone has no day */
        print_time(ms, false, out);
        return NULL;
    }
    day = day_of(serial, from_1904);
    if (day < 0)
        return !serial        ? "day 0 of 1900, which is no date"
               : serial == 60 ? "29 February 1900, which is no date"
                              : "a date beyond the year 9999";
    civil(day, &y, &m, &d);
    strbuf_addf(out, "%04d-%02d-%02d", y, m, d);
    if (kind != XLSX_DATE || ms) {
        strbuf_addc(out, ' ');
        print_time(ms, false, out);
    }
    return NULL;
}

/* ---- escaped characters ---- */

static bool hex4(const char *p, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];

        if (digit(c))
            *ret = *ret * 16 + (uint32_t)(c - '0');
        else if ((c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'))
            *ret = *ret * 16 + (uint32_t)((c | 32) - 'a' + 10);
        else
            return false;
    }
    return true;
}

/* "_x000D_" at p: its code unit. */
static bool escape_at(const char *p, size_t n, uint32_t *ret)
{
    return n >= 7 && p[0] == '_' && p[1] == 'x' && p[6] == '_' && hex4(p + 2, ret);
}

void xlsx_unescape(struct strbuf *text, size_t from)
{
    size_t at, to;

    if (!text->buf || !memmem(text->buf + from, text->len - from, "_x", 2))
        return;
    for (at = to = from; at < text->len;) {
        uint32_t unit, low;
        size_t used = 7;
        char out[4];

        if (!escape_at(text->buf + at, text->len - at, &unit) || !unit || (unit >= 0xDC00 && unit < 0xE000)) {
            text->buf[to++] = text->buf[at++];
            continue;
        }
        if (unit >= 0xD800 && unit < 0xDC00) {
            if (!escape_at(text->buf + at + 7, text->len - at - 7, &low) || low < 0xDC00 || low >= 0xE000) {
                text->buf[to++] = text->buf[at++]; /* half a character is none: the text stays */
                continue;
            }
            unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
            used = 14;
        }
        at += used;
        used = utf8_encode(unit, out);
        memcpy(text->buf + to, out, used);
        to += used;
    }
    text->len = to;
    text->buf[to] = 0;
}

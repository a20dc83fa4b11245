/*
 * Values between data files and the row store.
 *
 * The store keeps the service's own canonical texts: enum element names, decimals with '.', dates as yyyy-MM-dd,
 * date-times as yyyy-MM-ddTHH:mm:ssZ. Error codes are those of "Data management error descriptions".
 */
#include "emu_dmf_parts.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void dmf_utf16(struct strbuf *out, const char *p, size_t n)
{
    const unsigned char *s = (const unsigned char *)p, *end = s + n;

    strbuf_reserve(out, 2 * n);
    while (s < end) {
        uint32_t c = *s++;
        int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
        char u[4];

        if (more)
            c &= 0x3fU >> more;
        for (; more && s < end; more--)
            c = c << 6 | (*s++ & 0x3fU);
        if (c >= 0x10000) {
            uint32_t hi = 0xd800 + ((c - 0x10000) >> 10), lo = 0xdc00 + ((c - 0x10000) & 0x3ff);

            u[0] = (char)(hi & 0xff), u[1] = (char)(hi >> 8), u[2] = (char)(lo & 0xff), u[3] = (char)(lo >> 8);
            strbuf_add(out, u, 4);
        } else {
            u[0] = (char)(c & 0xff), u[1] = (char)(c >> 8);
            strbuf_add(out, u, 2);
        }
    }
}

size_t dmf_utf8_step(const char *p, size_t n)
{
    const unsigned char *s = (const unsigned char *)p;
    size_t more = *s < 0x80                 ? 0
                  : *s >= 0xc2 && *s < 0xe0 ? 1
                  : *s >= 0xe0 && *s < 0xf0 ? 2
                  : *s >= 0xf0 && *s < 0xf5 ? 3
                                            : n;

    if (more >= n)
        return 0;
    if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) || (*s == 0xf0 && s[1] < 0x90) ||
        (*s == 0xf4 && s[1] > 0x8f))
        return 0;
    for (size_t i = 1; i <= more; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return more + 1;
}

void dmf_clean(struct strbuf *out, const char *p, size_t n, size_t max)
{
    size_t step, end = out->len + max;

    for (; n && out->len < end; p += step ? step : 1, n -= step ? step : 1) {
        step = dmf_utf8_step(p, n);
        if (step && *p)
            strbuf_add(out, p, step);
        else
            strbuf_adds(out, "\xef\xbf\xbd");
    }
}

void dmf_fold(struct strbuf *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        strbuf_addc(out, (char)(p[i] >= 'A' && p[i] <= 'Z' ? p[i] + 32 : p[i]));
}

/* Length as SQL Server's nvarchar counts it: UTF-16 units. */
static size_t units(const char *p, size_t n)
{
    size_t u = 0;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        u += (c & 0xc0) != 0x80;
        u += c >= 0xf0;
    }
    return u;
}

static bool bad(const struct emu_field *f, const char *p, size_t n, const char *code, const char *what, char *msg,
                size_t msg_size)
{
    struct strbuf shown = { 0 };

    dmf_clean(&shown, p, n, 80);
    snprintf(msg, msg_size, "%s: The value \"%s\" %s for the field %s.", code, strbuf_str(&shown), what, f->name);
    strbuf_release(&shown);
    return false;
}

static bool string_in(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                      size_t msg_size)
{
    while (n && p[n - 1] == ' ') /* SQL drops trailing blanks */
        n--;
    if (memchr(p, '\0', n))
        return bad(f, p, n, "DMF2018", "contains a character that is not valid", msg, msg_size);
    if (f->length && units(p, n) > f->length)
        return bad(f, p, n, "DMF2018", "is too long", msg, msg_size);
    strbuf_add(out, p, n);
    return true;
}

static bool enum_in(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                    size_t msg_size)
{
    const struct emu_enum *en = f->en;
    size_t at = 0;
    bool number = n > 0 && n < 6;

    for (size_t i = 0; i < en->n; i++)
        if ((strlen(en->members[i].name) == n && !strncasecmp(en->members[i].name, p, n)) ||
            (strlen(en->members[i].label) == n && !strncasecmp(en->members[i].label, p, n))) {
            strbuf_adds(out, en->members[i].name);
            return true;
        }
    for (size_t i = 0; number && i < n; i++) {
        number = p[i] >= '0' && p[i] <= '9';
        at = at * 10 + (size_t)(p[i] - '0');
    }
    if (number && at < en->n) {
        strbuf_adds(out, en->members[at].name);
        return true;
    }
    return bad(f, p, n, "DMF021", "is not an element of the enumeration", msg, msg_size);
}

static bool real_in(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                    size_t msg_size)
{
    size_t i = 0, whole, first, last, frac = 0;
    bool minus = n && p[0] == '-';

    i = minus || (n && p[0] == '+');
    for (first = i; i < n && p[i] >= '0' && p[i] <= '9'; i++)
        continue;
    whole = i - first;
    if (i < n && p[i] == '.')
        for (i++; i < n && p[i] >= '0' && p[i] <= '9'; i++)
            frac++;
    if (i != n || whole + frac == 0 || whole > 26) /* numeric(32, 6) */
        return bad(f, p, n, "DMF2018", "is not a valid number", msg, msg_size);
    for (last = frac; last && p[n - frac + last - 1] == '0'; last--)
        continue;
    if (last > 6)
        return bad(f, p, n, "DMF2018", "has too many decimals", msg, msg_size);
    while (whole > 1 && p[first] == '0')
        first++, whole--;
    if (minus && (last || (whole && !(whole == 1 && p[first] == '0'))))
        strbuf_addc(out, '-');
    if (whole)
        strbuf_add(out, p + first, whole);
    else
        strbuf_addc(out, '0');
    if (last) {
        strbuf_addc(out, '.');
        strbuf_add(out, p + n - frac, last);
    }
    return true;
}

static bool int_in(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg, size_t msg_size)
{
    char digits[24], *end;
    long long v;

    if (n == 0 || n >= sizeof(digits) || isspace((unsigned char)p[0]))
        return bad(f, p, n, "DMF2018", "is not a valid integer", msg, msg_size);
    memcpy(digits, p, n);
    digits[n] = '\0';
    errno = 0;
    v = strtoll(digits, &end, 10);
    if (errno || (size_t)(end - digits) != n || (f->type == F_INT && (v < INT32_MIN || v > INT32_MAX)))
        return bad(f, p, n, "DMF2018", "is not a valid integer", msg, msg_size);
    strbuf_addf(out, "%lld", v);
    return true;
}

static bool time_in(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg,
                    size_t msg_size)
{
    int64_t ms;
    char text[32];

    /* The range of the service's date types. */
    if (!clock_parse_utc(p, n, &ms) || ms < -2208988800000LL || ms >= 5869584000000LL)
        return bad(f, p, n, "DMF2016", "is not a valid date", msg, msg_size);
    clock_format_utc(ms, text);
    strbuf_add(out, text, f->type == F_DATE ? 10 : 20);
    return true;
}

bool dmf_value_in(const struct emu_field *f, const char *p, size_t n, struct strbuf *out, char *msg, size_t msg_size)
{
    switch (f->type) {
    case F_STRING: return string_in(f, p, n, out, msg, msg_size);
    case F_ENUM: return enum_in(f, p, n, out, msg, msg_size);
    case F_REAL: return real_in(f, p, n, out, msg, msg_size);
    case F_INT:
    case F_INT64: return int_in(f, p, n, out, msg, msg_size);
    case F_DATE:
    case F_UTCDATETIME: return time_in(f, p, n, out, msg, msg_size);
    }
    return false;
}

void dmf_value_out(const struct emu *e, const struct emu_field *f, const char *value, bool csv, struct strbuf *out)
{
    size_t n = strlen(value);

    if (f->type == F_ENUM && EMU_KNOB(e, fno_export_labels)) {
        for (size_t i = 0; i < f->en->n; i++)
            if (!strcmp(f->en->members[i].name, value))
                value = f->en->members[i].label;
        strbuf_adds(out, value);
    } else if (f->type == F_UTCDATETIME && csv && n == 20 && !EMU_KNOB(e, fno_datetime_csv_t)) {
        strbuf_addf(out, "%.10s %.8s", value, value + 11);
    } else if (f->type == F_DATE) {
        strbuf_add(out, value, n < 10 ? n : 10);
    } else {
        strbuf_add(out, value, n);
    }
}

/*
 * Values: JSON or text in, canonical text; canonical text out as JSON. Types and limits as "Column data types in Microsoft
 * Dataverse" and "Web API types and operations" describe them; the texts of the errors follow "Web service error codes".
 */
#include "emu_dv.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- collation: without case, without accents, without trailing blanks ---- */

/* Latin-1 Supplement and Latin Extended-A, U+00C0..U+017F: the letter without its accent; '.' = as it is. */
static const char BASE_LETTERS[] = "aaaaaa.ceeeeiiii.nooooo.ouuuuy..aaaaaa.ceeeeiiii.nooooo.ouuuuy.y"
                                   "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii..jjkk.lllllll"
                                   "lllnnnnnn...oooooo..rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/* Next code point; malformed octets stand for themselves. */
static uint32_t next_point(const char **p, const char *end)
{
    unsigned char c = (unsigned char)*(*p)++;
    uint32_t v;
    int more = c >= 0xf0 && c < 0xf8 ? 3 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xc0 && c < 0xe0 ? 1 : 0;

    if (!more || end - *p < more)
        return c;
    v = c & (0x3fU >> more);
    for (int i = 0; i < more; i++) {
        if (((unsigned char)(*p)[i] & 0xc0) != 0x80)
            return c;
        v = v << 6 | ((unsigned char)(*p)[i] & 0x3fU);
    }
    *p += more;
    return v;
}

static uint32_t fold_point(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if (c >= 0xc0 && c < 0xc0 + sizeof(BASE_LETTERS) - 1) {
        unsigned char b = (unsigned char)BASE_LETTERS[c - 0xc0];

        if (b != '.')
            return b;
        if (c <= 0xde && c != 0xd7)
            return c + 32;
        return c;
    }
    if ((c >= 0x391 && c <= 0x3a9) || (c >= 0x410 && c <= 0x42f)) /* Greek, Cyrillic */
        return c + 32;
    if (c >= 0x400 && c <= 0x40f)
        return c + 80;
    return c;
}

static bool is_mark(uint32_t c)
{
    return c >= 0x300 && c <= 0x36f; /* combining accents */
}

static const char *trim_end(const char *p, const char *end)
{
    while (end > p && end[-1] == ' ')
        end--;
    return end;
}

int dv_collate(void *arg, int na, const void *a, int nb, const void *b)
{
    const char *p = a, *q = b, *pe = trim_end(p, p + na), *qe = trim_end(q, q + nb);

    (void)arg;
    for (;;) {
        uint32_t x = 0, y = 0;

        while (p < pe && is_mark(x = fold_point(next_point(&p, pe))))
            x = 0;
        while (q < qe && is_mark(y = fold_point(next_point(&q, qe))))
            y = 0;
        if (x != y)
            return x < y ? -1 : 1;
        if (!x && p >= pe && q >= qe)
            return 0;
        if (!x) /* a NUL inside a text cannot come in: one of them ended in marks */
            return p < pe ? 1 : -1;
    }
}

void dv_fold(struct strbuf *out, const char *s, size_t n)
{
    const char *end = s + n;

    while (s < end) {
        uint32_t c = fold_point(next_point(&s, end));

        if (is_mark(c))
            continue;
        if (c < 0x80) {
            strbuf_addc(out, (char)c);
        } else if (c < 0x800) {
            strbuf_addc(out, (char)(0xc0 | c >> 6));
            strbuf_addc(out, (char)(0x80 | (c & 0x3f)));
        } else if (c < 0x10000) {
            strbuf_addc(out, (char)(0xe0 | c >> 12));
            strbuf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
            strbuf_addc(out, (char)(0x80 | (c & 0x3f)));
        } else {
            strbuf_addc(out, (char)(0xf0 | c >> 18));
            strbuf_addc(out, (char)(0x80 | (c >> 12 & 0x3f)));
            strbuf_addc(out, (char)(0x80 | (c >> 6 & 0x3f)));
            strbuf_addc(out, (char)(0x80 | (c & 0x3f)));
        }
    }
}

/* SQL Server compares a uniqueidentifier from its last group on; the first three groups octet by octet from behind. */
int dv_collate_guid(void *arg, int na, const void *a, int nb, const void *b)
{
    static const unsigned char ORDER[] = { 24, 26, 28, 30, 32, 34, 19, 21, 16, 14, 11, 9, 6, 4, 2, 0 };
    const char *p = a, *q = b;

    (void)arg;
    if (na != 36 || nb != 36) {
        int d = memcmp(p, q, (size_t)(na < nb ? na : nb));

        return d ? d : na - nb;
    }
    for (size_t i = 0; i < sizeof(ORDER); i++) {
        int d = memcmp(p + ORDER[i], q + ORDER[i], 2);

        if (d)
            return d;
    }
    return 0;
}

/* ---- texts of numbers and ids ---- */

bool dv_guid(const char *text, size_t n, char ret[static 37])
{
    if (n != 36)
        return false;
    for (size_t i = 0; i < 36; i++) {
        char c = text[i];

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-')
                return false;
        } else if (!isxdigit((unsigned char)c)) {
            return false;
        }
        ret[i] = (char)tolower((unsigned char)c);
    }
    ret[36] = '\0';
    return true;
}

size_t dv_utf16_length(const char *s)
{
    size_t n = 0;

    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;

        if ((c & 0xc0) != 0x80)
            n += c >= 0xf0 ? 2 : 1;
    }
    return n;
}

enum { DIGITS_MAX = 80 };

bool dv_decimal(const char *text, size_t n, int digits, char *ret, size_t size)
{
    char d[DIGITS_MAX + 2]; /* all digits, one free place in front for a carry */
    size_t i = 0, nd = 0, point = 0, start, end;
    bool negative = false, seen_point = false, any = false, up;
    long exponent = 0, keep;
    struct strbuf out = { 0 };

    if (i < n && (text[i] == '-' || text[i] == '+'))
        negative = text[i++] == '-';
    d[nd++] = '0';
    for (; i < n && (isdigit((unsigned char)text[i]) || text[i] == '.'); i++) {
        if (text[i] == '.') {
            if (seen_point)
                return false;
            seen_point = true;
            point = nd;
            continue;
        }
        any = true;
        if (nd > DIGITS_MAX) {
            if (!seen_point)
                return false;
            continue; /* beyond anything that is kept */
        }
        d[nd++] = text[i];
    }
    if (!seen_point)
        point = nd;
    if (!any)
        return false;
    if (i < n && (text[i] == 'e' || text[i] == 'E')) {
        char *stop, copy[12];
        size_t m = n - i - 1;

        if (!m || m >= sizeof(copy))
            return false;
        memcpy(copy, text + i + 1, m);
        copy[m] = '\0';
        exponent = strtol(copy, &stop, 10);
        if (*stop || exponent > 60 || exponent < -200)
            return false;
        i = n;
    }
    if (i != n)
        return false;
    /* keep = how many digits stay, counted from d[0] */
    keep = (long)point + exponent + digits;
    if (keep < 0)
        keep = 0;
    up = keep < (long)nd && d[keep] >= '5';
    end = keep < (long)nd ? (size_t)keep : nd;
    for (size_t k = end; up && k-- > 0;) {
        if (d[k] != '9') {
            d[k]++;
            up = false;
        } else {
            d[k] = '0';
        }
    }
    /* digit k has the weight 10^(point + exponent - 1 - k) */
    start = 0;
    while (start < end && d[start] == '0')
        start++;
    while (end > start && d[end - 1] == '0')
        end--;
    if (start == end) {
        strbuf_adds(&out, "0");
    } else {
        long whole = (long)point + exponent; /* digits before the point, counted from d[0] */

        if (negative)
            strbuf_addc(&out, '-');
        if (whole <= (long)start)
            strbuf_addc(&out, '0');
        for (long k = (long)start; k < whole; k++)
            strbuf_addc(&out, k < (long)end ? d[k] : '0');
        if ((long)end > whole) {
            strbuf_addc(&out, '.');
            for (long k = whole; k < (long)end; k++)
                strbuf_addc(&out, k < (long)start ? '0' : d[k]);
        }
    }
    any = out.len < size;
    if (any)
        memcpy(ret, out.buf, out.len + 1);
    strbuf_release(&out);
    return any;
}

/* ---- limits, the same whatever way a value came ---- */

static bool too_long(struct dv_op *op, const struct dv_table *t, const struct dv_col *c)
{
    return dv_refuse(&op->fail, 400, "0x80044331",
                     "A validation error occurred.  The length of the '%s' attribute of the '%s' entity exceeded the "
                     "maximum allowed length of '%zu'.",
                     c->name, t->logical, c->length);
}

static bool take_string(struct dv_op *op, const struct dv_table *t, const struct dv_col *c, const char *s,
                        const char **ret)
{
    if (!*s) { /* stored as null */
        *ret = NULL;
        return true;
    }
    if (c->length && dv_utf16_length(s) > c->length)
        return too_long(op, t, c);
    *ret = s;
    return true;
}

static bool out_of_range(struct dv_op *op, const struct dv_table *t, const struct dv_col *c, const char *code,
                         const char *value)
{
    return dv_refuse(&op->fail, 400, code,
                     "A validation error occurred. The value '%.60s' of '%s' on record of type '%s' is outside the "
                     "valid range.",
                     value, c->name, t->logical);
}

static bool take_integer(struct dv_op *op, const struct dv_table *t, const struct dv_col *c, const char *text,
                         const char **ret)
{
    char *end;
    long long v;
    bool big = c->type == C_BIGINT;

    errno = 0;
    v = strtoll(text, &end, 10);
    if (end == text || *end)
        return false; /* the caller knows how to say it */
    if (errno || (!big && (v < INT32_MIN || v > INT32_MAX)) || (c->has_min && (double)v < c->min) ||
        (c->has_max && (double)v > c->max))
        return out_of_range(op, t, c, "0x8004432F", text);
    *ret = arena_printf(op->a, "%lld", v);
    return true;
}

static bool take_decimal(struct dv_op *op, const struct dv_table *t, const struct dv_col *c, const char *text,
                         const char **ret)
{
    char canonical[120];
    double v, limit = c->type == C_MONEY ? 922337203685477.0 : c->type == C_DECIMAL ? 100000000000.0 : 1e15;

    if (!dv_decimal(text, strlen(text), c->precision, canonical, sizeof(canonical))) {
        char *end;

        strtod(text, &end);
        if (end == text || *end)
            return false;
        return out_of_range(op, t, c, "0x80044330", text);
    }
    v = strtod(canonical, NULL);
    if (fabs(v) > limit || (c->has_min && v < c->min) || (c->has_max && v > c->max))
        return out_of_range(op, t, c, "0x80044330", text);
    *ret = arena_strdup(op->a, canonical);
    return true;
}

static bool take_option(struct dv_op *op, const struct dv_table *t, const struct dv_col *c, const char *text,
                        const char **ret)
{
    struct strbuf list = { 0 };
    int64_t v = strtoll(text, NULL, 10);

    for (size_t i = 0; i < c->options->n; i++)
        if (c->options->options[i].value == v) {
            *ret = arena_printf(op->a, "%" PRId64, v);
            return true;
        }
    for (size_t i = 0; i < c->options->n; i++)
        strbuf_addf(&list, "%s%" PRId64, i ? "," : "", c->options->options[i].value);
    dv_refuse(&op->fail, 400, "0x8004431A",
              "A validation error occurred. The value '%.40s' of '%s' on record of type '%s' is outside the valid "
              "range. Accepted Values: %s",
              text, c->name, t->logical, strbuf_str(&list));
    strbuf_release(&list);
    return false;
}

static bool take_date(struct dv_op *op, const struct dv_table *t, const struct dv_col *c, const char *text,
                      const char **ret)
{
    bool only = c->behavior && !strcmp(c->behavior, "DateOnly");
    int64_t ms;
    char buf[32];

    if (only && strlen(text) != 10)
        return false;
    if (!clock_parse_utc(text, strlen(text), &ms))
        return false;
    if (ms < days_from_civil(1753, 1, 1) * INT64_C(86400000))
        return dv_refuse(&op->fail, 400, "0x80040239",
                         "DateTime is less than minumum value supported by CrmDateTime. Actual value: %.40s, Minimum "
                         "value supported: 01/01/1753 00:00:00 (attribute '%s' of '%s')",
                         text, c->name, t->logical);
    clock_format_utc(ms, buf);
    if (only)
        buf[10] = '\0';
    *ret = arena_strdup(op->a, buf);
    return true;
}

const char *dv_edm_type(const struct dv_col *c)
{
    switch (c->type) {
    case C_INTEGER:
    case C_PICKLIST:
    case C_STATE:
    case C_STATUS: return "Edm.Int32";
    case C_BIGINT: return "Edm.Int64";
    case C_DECIMAL:
    case C_MONEY: return "Edm.Decimal";
    case C_DOUBLE: return "Edm.Double";
    case C_BOOLEAN: return "Edm.Boolean";
    case C_DATETIME: return c->behavior && !strcmp(c->behavior, "DateOnly") ? "Edm.Date" : "Edm.DateTimeOffset";
    case C_UNIQUEIDENTIFIER:
    case C_LOOKUP:
    case C_OWNER: return "Edm.Guid";
    default: return "Edm.String";
    }
}

static bool bad_literal(struct dv_op *op, const struct dv_table *t, const struct dv_col *c, const char *literal)
{
    return dv_payload(
        &op->fail, t,
        "Microsoft.OData.ODataException: Cannot convert the literal '%.100s' to the expected type '%s'.", literal,
        dv_edm_type(c));
}

/* `text` has the right JSON kind for the column. */
static bool take_text(struct dv_op *op, const struct dv_table *t, const struct dv_col *c, const char *text,
                      const char **ret)
{
    char guid[37];

    op->fail.status = 0;
    switch (c->type) {
    case C_STRING:
    case C_MEMO: return take_string(op, t, c, text, ret);
    case C_INTEGER:
    case C_BIGINT:
        if (take_integer(op, t, c, text, ret))
            return true;
        break;
    case C_PICKLIST:
    case C_STATE:
    case C_STATUS:
        if (text[strspn(text, "-0123456789")] || !*text)
            break;
        return take_option(op, t, c, text, ret);
    case C_DECIMAL:
    case C_MONEY:
    case C_DOUBLE:
        if (take_decimal(op, t, c, text, ret))
            return true;
        break;
    case C_DATETIME:
        if (take_date(op, t, c, text, ret))
            return true;
        break;
    case C_UNIQUEIDENTIFIER:
        if (dv_guid(text, strlen(text), guid)) {
            *ret = arena_strdup(op->a, guid);
            return true;
        }
        break;
    default: break;
    }
    return op->fail.status ? false : bad_literal(op, t, c, text);
}

bool dv_value_from_json(struct dv_op *op, const struct dv_table *t, int col, yajl_val v, const char **ret)
{
    const struct dv_col *c = &t->cols[col];
    bool number = c->type == C_INTEGER || c->type == C_BIGINT || c->type == C_DECIMAL || c->type == C_MONEY ||
                  c->type == C_DOUBLE || c->type == C_PICKLIST || c->type == C_STATE || c->type == C_STATUS;

    if (YAJL_IS_NULL(v)) {
        *ret = NULL;
        return true;
    }
    if (c->type == C_BOOLEAN) {
        if (YAJL_IS_TRUE(v) || YAJL_IS_FALSE(v)) {
            *ret = YAJL_IS_TRUE(v) ? "1" : "0";
            return true;
        }
        return bad_literal(op, t, c,
                           YAJL_IS_NUMBER(v)   ? YAJL_GET_NUMBER(v)
                           : YAJL_IS_STRING(v) ? YAJL_GET_STRING(v)
                                               : "");
    }
    if (number && YAJL_IS_NUMBER(v))
        return take_text(op, t, c, YAJL_GET_NUMBER(v), ret);
    if (!number && YAJL_IS_STRING(v))
        return take_text(op, t, c, YAJL_GET_STRING(v), ret);
    if (YAJL_IS_OBJECT(v) || YAJL_IS_ARRAY(v))
        return dv_payload(&op->fail, t,
                          "Microsoft.OData.ODataException: An unexpected 'StartObject' node was found for property "
                          "named '%s' when reading from the JSON reader. A 'PrimitiveValue' node was expected.",
                          c->name);
    return bad_literal(op, t, c,
                       YAJL_IS_NUMBER(v)   ? YAJL_GET_NUMBER(v)
                       : YAJL_IS_STRING(v) ? YAJL_GET_STRING(v)
                       : YAJL_IS_TRUE(v)   ? "true"
                                           : "false");
}

static bool boolean_text(const char *text, const char **ret)
{
    if (!strcasecmp(text, "true") || !strcmp(text, "1") || !strcasecmp(text, "yes"))
        *ret = "1";
    else if (!strcasecmp(text, "false") || !strcmp(text, "0") || !strcasecmp(text, "no"))
        *ret = "0";
    else
        return false;
    return true;
}

bool dv_value_from_text(struct dv_op *op, const struct dv_table *t, int col, const char *text, const char **ret)
{
    const struct dv_col *c = &t->cols[col];

    if (!text || !*text) {
        *ret = NULL;
        return true;
    }
    if (c->type == C_BOOLEAN)
        return boolean_text(text, ret) || bad_literal(op, t, c, text);
    if (c->options)
        for (size_t i = 0; i < c->options->n; i++)
            if (!strcasecmp(c->options->options[i].label, text)) {
                *ret = arena_printf(op->a, "%" PRId64, c->options->options[i].value);
                return true;
            }
    return take_text(op, t, c, text, ret);
}

/* ---- out ---- */

/* Decimals come back with all the digits that the column keeps. */
static void padded(struct strbuf *out, const char *text, int digits)
{
    const char *point = strchr(text, '.');
    int have = point ? (int)strlen(point + 1) : 0;

    strbuf_adds(out, text);
    if (have < digits && !point)
        strbuf_addc(out, '.');
    for (; have < digits; have++)
        strbuf_addc(out, '0');
}

void dv_value_json(struct strbuf *out, const struct dv_col *c, const char *text)
{
    if (!text) {
        strbuf_adds(out, "null");
        return;
    }
    switch (c->type) {
    case C_BOOLEAN: strbuf_adds(out, *text == '1' ? "true" : "false"); break;
    case C_INTEGER:
    case C_BIGINT:
    case C_PICKLIST:
    case C_STATE:
    case C_STATUS: strbuf_adds(out, text); break;
    case C_DECIMAL:
    case C_MONEY: padded(out, text, c->precision); break;
    case C_DOUBLE:
        strbuf_adds(out, text);
        if (!strchr(text, '.'))
            strbuf_adds(out, ".0");
        break;
    default: emu_json_str(out, text, strlen(text));
    }
}

const char *dv_option_label(const struct dv_col *c, const char *text)
{
    if (c->type == C_BOOLEAN)
        return *text == '1' ? "Yes" : "No";
    if (!c->options)
        return NULL;
    for (size_t i = 0; i < c->options->n; i++)
        if (c->options->options[i].value == strtoll(text, NULL, 10))
            return c->options->options[i].label;
    return NULL;
}

static void grouped(struct strbuf *out, const char *text)
{
    size_t n = strcspn(text, "."), i = 0;

    if (text[0] == '-')
        strbuf_addc(out, text[i++]);
    for (; i < n; i++) {
        strbuf_addc(out, text[i]);
        if ((n - i - 1) % 3 == 0 && i + 1 < n)
            strbuf_addc(out, ',');
    }
    strbuf_adds(out, text + n);
}

void dv_value_formatted(struct strbuf *out, const struct dv_col *c, const char *text)
{
    const char *label = dv_option_label(c, text);
    struct strbuf number = { 0 };
    int y, mo, d, h, mi;

    if (label) {
        strbuf_adds(out, label);
        return;
    }
    switch (c->type) {
    case C_DATETIME:
        if (sscanf(text, "%d-%d-%dT%d:%d", &y, &mo, &d, &h, &mi) == 5)
            strbuf_addf(out, "%d/%d/%d %d:%02d %s", mo, d, y, h % 12 ? h % 12 : 12, mi, h < 12 ? "AM" : "PM");
        else if (sscanf(text, "%d-%d-%d", &y, &mo, &d) == 3)
            strbuf_addf(out, "%d/%d/%d", mo, d, y);
        break;
    case C_MONEY:
    case C_DECIMAL:
        padded(&number, text, c->precision);
        if (c->type == C_MONEY)
            strbuf_addc(out, '$');
        grouped(out, strbuf_str(&number));
        break;
    case C_INTEGER:
    case C_BIGINT:
    case C_DOUBLE: grouped(out, text); break;
    default: strbuf_adds(out, text);
    }
    strbuf_release(&number);
}

#include "cli/config_parts.h"

#include "data/canon.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static char *trimmed(struct arena *a, const char *p, size_t n)
{
    while (n && blank(p[0])) {
        p++;
        n--;
    }
    while (n && blank(p[n - 1]))
        n--;
    return arena_dup(a, p, n);
}

bool config_duration(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } UNITS[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    const char *p = text;
    int64_t total = 0;

    /* "1h30m" is a duration too; units fall from large to small, each once. */
    for (int64_t last = INT64_MAX; *p;) {
        int64_t n = 0, ms = 0;
        const char *digits = p;
        size_t len = 0;

        for (; *p >= '0' && *p <= '9'; p++)
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
                return false;
        if (p == digits)
            return false;
        while (isalpha((unsigned char)p[len]))
            len++;
        for (size_t i = 0; i < COUNT(UNITS); i++)
            if (strlen(UNITS[i].unit) == len && !strncasecmp(p, UNITS[i].unit, len))
                ms = UNITS[i].ms;
        if (!ms || ms >= last || __builtin_mul_overflow(n, ms, &n) || __builtin_add_overflow(total, n, &total))
            return false;
        last = ms;
        p += len;
    }
    if (p == text)
        return false;
    *ret_ms = total;
    return true;
}

bool value_count(const char *text, int64_t *ret)
{
    int64_t n = 0;
    bool digit = false;

    for (const char *p = text; *p; p++) {
        if (*p == '_' && digit && p[1] != '_' && p[1])
            continue;
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
            return false;
        digit = true;
    }
    if (!digit)
        return false;
    *ret = n;
    return true;
}

int value_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);
    int at = 0;

    for (const char *p = choices;; at++) {
        size_t len = strcspn(p, "|");

        if (len == n && !strncasecmp(p, text, n))
            return at;
        if (!p[len])
            return -1;
        p += len + 1;
    }
}

const char **value_list(struct arena *a, const char *text, const char *separators, bool lower, size_t *ret_n)
{
    size_t max = 1, n = 0;
    const char **list;

    for (const char *p = text; *p; p++)
        if (strchr(separators, *p))
            max++;
    list = arena_zalloc(a, (max + 1) * sizeof(*list));
    for (const char *p = text;;) {
        size_t len = strcspn(p, separators);
        char *item = trimmed(a, p, len);

        for (char *c = item; lower && *c; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        if (*item)
            list[n++] = item;
        if (!p[len])
            break;
        p += len + 1;
    }
    *ret_n = n;
    return list;
}

static bool loopback(const char *host, size_t n)
{
    return (n == 9 && !strncasecmp(host, "localhost", 9)) || (n > 4 && !strncmp(host, "127.", 4)) ||
           (n == 5 && !strncmp(host, "[::1]", 5));
}

const char *value_url(struct arena *a, const char *text, const char **ret_why)
{
    bool https = !strncasecmp(text, "https://", 8);
    const char *host = text + (https ? 8 : 7);
    char *url;
    size_t n;

    if (!https && strncasecmp(text, "http://", 7)) {
        *ret_why = "it must begin with https://";
        return NULL;
    }
    n = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
    if (n == 0 || n > strlen(host)) {
        *ret_why = "it has no host name";
        return NULL;
    }
    if (strpbrk(text, "?#@ \t\"'<>\\")) {
        *ret_why = "it is a service's address only, without user, query or blanks";
        return NULL;
    }
    if (!https && !loopback(host, n)) {
        *ret_why = "plain http is for the own machine only; use https://";
        return NULL;
    }
    url = arena_strdup(a, text);
    for (n = strlen(url); n && url[n - 1] == '/'; n--)
        url[n - 1] = 0;
    return url;
}

bool value_share(const char *text)
{
    char number[32];
    size_t n = strlen(text);
    const char *dot;
    int64_t v;

    if (!n || n >= sizeof(number))
        return false;
    memcpy(number, text, n + 1);
    if (number[n - 1] != '%')
        return value_count(number, &v);
    for (number[--n] = 0; n && blank(number[n - 1]);)
        number[--n] = 0;
    dot = strchr(number, '.');
    if (dot) {
        if (strlen(dot + 1) > 3 || !value_count(dot + 1, &v))
            return false;
        number[dot - number] = 0;
    }
    return value_count(number, &v) && (v < 100 || (v == 100 && !dot));
}

/* Where the next ", name:" begins, so that a date pattern may have commas in it. */
static size_t format_part(const char *p)
{
    static const char *const NAMES[] = { "date:", "decimal:", "group:", "enum:", "encoding:", "delimiter:" };
    size_t i = 0;

    for (; p[i]; i++) {
        const char *q = p + i + 1;

        if (p[i] != ',')
            continue;
        while (blank(*q))
            q++;
        if (!*q)
            return i;
        for (size_t k = 0; k < COUNT(NAMES); k++)
            if (!strncasecmp(q, NAMES[k], strlen(NAMES[k])))
                return i;
    }
    return i;
}

static bool one_format(struct arena *a, const char *name, const char *v, struct config_map *m, char *why, size_t cap)
{
    static const struct {
        const char *word;
        char c;
    } SIGNS[] = { { "comma", ',' },       { ",", ',' },    { "dot", '.' }, { ".", '.' }, { "semicolon", ';' },
                  { ";", ';' },           { "tab", '\t' }, { "bar", '|' }, { "|", '|' }, { "space", ' ' },
                  { "apostrophe", '\'' }, { "'", '\'' },   { "none", 0 } };
    const char *reason = "";
    int sign = -1, at;

    for (size_t i = 0; i < COUNT(SIGNS) && sign < 0; i++)
        if (!strcasecmp(SIGNS[i].word, v))
            sign = (unsigned char)SIGNS[i].c;
    if (!strcasecmp(name, "date")) {
        if (!canon_date_pattern_ok(v, &reason)) {
            snprintf(why, cap, "date pattern '%.60s': %s", v, reason);
            return false;
        }
        m->date = arena_strdup(a, v);
        return true;
    }
    if (!strcasecmp(name, "decimal") && (sign == ',' || sign == '.')) {
        m->decimal = (char)sign;
        return true;
    }
    if (!strcasecmp(name, "group") && (sign == ',' || sign == '.' || sign == ' ' || sign == '\'' || sign == 0)) {
        m->group = (char)sign;
        return true;
    }
    if (!strcasecmp(name, "delimiter") && (sign == ',' || sign == ';' || sign == '\t' || sign == '|')) {
        m->delimiter = (char)sign;
        return true;
    }
    if (!strcasecmp(name, "enum") && (at = value_choice("element|label", v)) >= 0) {
        m->enum_labels = at == 1;
        return true;
    }
    if (!strcasecmp(name, "encoding") && value_choice("auto|utf-8|utf-16|utf-16be|windows-1252", v) >= 0) {
        m->encoding = cell_lower(a, cell_of(v)).ptr;
        return true;
    }
    snprintf(
        why, cap,
        "'%.20s:%.40s' is not known; allowed are date:PATTERN, decimal:dot|comma, "
        "group:none|comma|dot|space|apostrophe, "
        "enum:element|label, encoding:auto|utf-8|utf-16|utf-16be|windows-1252, delimiter:comma|semicolon|tab|bar",
        name, v);
    return false;
}

bool value_format(struct arena *a, const char *text, struct config_map *m, char *why, size_t why_cap)
{
    for (const char *p = text; *p;) {
        size_t len = format_part(p);
        char *part = trimmed(a, p, len);
        char *colon = strchr(part, ':');

        p += len;
        while (*p == ',' || blank(*p))
            p++;
        if (!*part)
            continue;
        if (!colon) {
            snprintf(why, why_cap, "'%.60s' is not of the form name:value", part);
            return false;
        }
        *colon = 0;
        if (!one_format(a, trimmed(a, part, strlen(part)), trimmed(a, colon + 1, strlen(colon + 1)), m, why, why_cap))
            return false;
    }
    if (m->group && m->group == m->decimal) {
        snprintf(why, why_cap, "decimal and group are the same sign");
        return false;
    }
    return true;
}

#include "loader/public/fingerprint.h"

#include <ctype.h>

static bool word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool name_follows(const struct strbuf *out)
{
    static const char *const WORDS[] = { "field ", "table ",  "entity ",          "column ",
                                         "map ",   "Entity ", "Dataverse column " };

    for (size_t i = 0; i < COUNT(WORDS); i++) {
        size_t n = strlen(WORDS[i]);

        if (out->len >= n && !memcmp(out->buf + out->len - n, WORDS[i], n))
            return true;
    }
    return false;
}

/* End of a quoted text that begins at p: behind the closing quote; NULL = it does not close. */
static const char *closing(const char *p, const char *end)
{
    char q = *p;

    for (const char *c = p + 1; c < end; c++)
        if (*c == q && (c + 1 == end || !word_char(c[1])))
            return c + 1;
    return NULL;
}

/* "DMF2018" before a colon, "0x80040217". */
static bool is_code(const char *p, size_t n, const char *end)
{
    size_t letters = 0, digits = 0;

    if (n == 10 && p[0] == '0' && p[1] == 'x')
        return true;
    while (letters < n && p[letters] >= 'A' && p[letters] <= 'Z')
        letters++;
    while (letters + digits < n && isdigit((unsigned char)p[letters + digits]))
        digits++;
    return letters >= 2 && letters <= 4 && digits >= 2 && letters + digits == n && p + n < end && p[n] == ':';
}

static bool part_of_key(struct cell key, const char *p, size_t n)
{
    for (size_t at = 0; key.ptr && at <= key.len;) {
        const char *bar = memchr(key.ptr + at, '|', key.len - at);
        size_t len = bar ? (size_t)(bar - key.ptr) - at : key.len - at;

        if (len && len == n && !memcmp(key.ptr + at, p, n))
            return true;
        at += len + 1;
    }
    return false;
}

static bool has_digit(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isdigit((unsigned char)p[i]))
            return true;
    return false;
}

/* A word, and what holds numbers, dates, times, ids and keys together. */
static size_t word_length(const char *p, const char *end)
{
    const char *c = p;

    while (c < end && (word_char(*c) || (strchr("-.,:/+", *c) && c > p && c + 1 < end && word_char(c[1]))))
        c++;
    return (size_t)(c - p);
}

void fingerprint(struct cell message, struct cell key, struct strbuf *out)
{
    const char *p = message.ptr, *end = p ? p + message.len : p;

    while (p && p < end) {
        bool starts = p == message.ptr || !word_char(p[-1]);
        const char *close = (*p == '\'' || *p == '"') && starts ? closing(p, end) : NULL;
        size_t n;

        if (close) {
            if (name_follows(out))
                strbuf_add(out, p, (size_t)(close - p));
            else
                strbuf_addf(out, "%c*%c", *p, *p);
            p = close;
            continue;
        }
        if (!word_char(*p)) {
            strbuf_addc(out, *p++);
            continue;
        }
        n = word_length(p, end);
        if (is_code(p, n, end))
            strbuf_add(out, p, n);
        else if (part_of_key(key, p, n))
            strbuf_addc(out, '*');
        else if (has_digit(p, n))
            strbuf_addc(out, '#');
        else
            strbuf_add(out, p, n);
        p += n;
    }
}

struct cell error_kind(const struct error_row *e, struct strbuf *out)
{
    size_t at;

    strbuf_reset(out);
    strbuf_addf(out, "%s\n%s\n%s\n" CELL_FMT "\n" CELL_FMT "\n", e->map, e->side, e->stage, CELL_ARG(e->code),
                CELL_ARG(e->field));
    at = out->len;
    fingerprint(e->message, e->key, out);
    return (struct cell){ strbuf_str(out) + at, out->len - at };
}

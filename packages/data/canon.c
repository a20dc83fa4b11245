#include "data/canon_parts.h"

#include <stdlib.h>
#include <utf8proc.h>

/* utf8proc's result, in `a`. Absent when the text cannot be mapped. */
static struct cell map_text(struct cell c, unsigned options, struct arena *a)
{
    utf8proc_uint8_t *out = NULL;
    utf8proc_ssize_t n = utf8proc_map((const utf8proc_uint8_t *)c.ptr, (utf8proc_ssize_t)c.len, &out,
                                      (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE | options));
    struct cell ret = CELL_ABSENT;

    if (n >= 0)
        ret = (struct cell){ arena_dup(a, out, (size_t)n), (size_t)n };
    free(out);
    return ret;
}

bool canon_stays(uint32_t cp)
{
    static const struct {
        uint32_t from, to;
    } RANGES[] = {
        { 0x0000, 0x02FF }, /* Latin with its supplements, IPA */
        { 0x0388, 0x03CE }, /* Greek letters */
        { 0x0400, 0x0482 }, /* Cyrillic */
        { 0x048A, 0x052F }, { 0x1E00, 0x1EFF }, /* Latin letters with diacritics, Vietnamese */
        { 0x2010, 0x2027 }, /* dashes and quotation marks */
        { 0x20A0, 0x20BF }, /* currencies */
        { 0x3041, 0x3096 }, /* kana */
        { 0x30A1, 0x30FA }, { 0x3400, 0x4DBF }, /* CJK ideographs */
        { 0x4E00, 0x9FFF }, { 0xAC00, 0xD7A3 }, /* Hangul syllables */
    };

    for (size_t i = 0; i < COUNT(RANGES); i++)
        if (cp <= RANGES[i].to)
            return cp >= RANGES[i].from;
    return false;
}

/* In normal form C without utf8proc having to look (0.34 instead of 0.87 us a row of ASCII). */
static bool surely_composed(struct cell c)
{
    for (size_t i = 0; i < c.len;) {
        uint32_t cp;
        size_t n = 1;

        if ((unsigned char)c.ptr[i] >= 0xCC) { /* below: up to U+02FF */
            n = utf8_decode(c.ptr + i, c.len - i, &cp);
            if (!n || !canon_stays(cp))
                return false;
        }
        i += n;
    }
    return true;
}

struct cell canon_fold_case(struct cell c, struct arena *a)
{
    struct cell folded;

    if (canon_ascii(c)) {
        for (size_t i = 0; i < c.len; i++)
            if (c.ptr[i] >= 'A' && c.ptr[i] <= 'Z')
                return cell_lower(a, c);
        return c;
    }
    folded = map_text(c, UTF8PROC_CASEFOLD, a);
    return folded.ptr ? folded : c;
}

/* CRLF and CR as LF: services and spreadsheets each have their own idea of a line end. */
static struct cell unify_lines(struct cell c, struct arena *a)
{
    char *out;
    size_t n = 0;

    if (!c.len || !memchr(c.ptr, '\r', c.len))
        return c;
    out = arena_alloc(a, c.len + 1);
    for (size_t i = 0; i < c.len; i++) {
        if (c.ptr[i] != '\r')
            out[n++] = c.ptr[i];
        else if (i + 1 == c.len || c.ptr[i + 1] != '\n')
            out[n++] = '\n';
    }
    out[n] = 0;
    return (struct cell){ out, n };
}

static enum canon_outcome good_text(struct cell in, const char **ret_why)
{
    if (in.len && memchr(in.ptr, 0, in.len)) {
        *ret_why = "a NUL character in a text";
        return CANON_BAD;
    }
    if (utf8_valid_prefix(in.ptr, in.len) < in.len) {
        *ret_why = "not valid UTF-8";
        return CANON_BAD;
    }
    return CANON_FINE;
}

static enum canon_outcome text(const struct canon_rule *rule, struct cell in, struct arena *a, struct cell *ret,
                               const char **ret_why)
{
    struct cell c = in;

    if (good_text(in, ret_why))
        return CANON_BAD;
    if (rule->exact) {
        *ret = c;
        return CANON_FINE;
    }
    c = unify_lines(c, a);
    if (!surely_composed(c)) {
        c = map_text(c, 0, a);
        if (!c.ptr) {
            *ret_why = "not valid UTF-8";
            return CANON_BAD;
        }
    }
    *ret = rule->blanks ? c : cell_rtrim(c);
    return CANON_FINE;
}

/* Blanks, tabs and line ends around a value that is not a text mean nothing. */
static struct cell trim(struct cell c)
{
    while (c.len && strchr(" \t\r\n", c.ptr[0]) && c.ptr[0]) {
        c.ptr++;
        c.len--;
    }
    while (c.len && strchr(" \t\r\n", c.ptr[c.len - 1]) && c.ptr[c.len - 1])
        c.len--;
    return c;
}

static enum canon_outcome boolean(struct cell c, struct cell *ret, const char **ret_why)
{
    if (cell_ieq(c, CELL_LIT("true")) || cell_ieq(c, CELL_LIT("yes")) || cell_is(c, "1")) {
        *ret = CELL_LIT("true");
    } else if (cell_ieq(c, CELL_LIT("false")) || cell_ieq(c, CELL_LIT("no")) || cell_is(c, "0")) {
        *ret = CELL_LIT("false");
    } else {
        *ret_why = "not yes or no";
        return CANON_BAD;
    }
    return CANON_FINE;
}

static enum canon_outcome guid(const struct canon_rule *rule, struct cell c, struct arena *a, struct cell *ret,
                               const char **ret_why)
{
    static const char ZERO[] = "00000000-0000-0000-0000-000000000000";
    size_t n = 0;
    char *out;

    *ret_why = "not a GUID";
    if (c.len == 38 && c.ptr[0] == '{' && c.ptr[37] == '}')
        c = (struct cell){ c.ptr + 1, 36 };
    if (c.len != 36 && c.len != 32)
        return CANON_BAD;
    out = arena_alloc(a, 37);
    for (size_t i = 0; i < c.len; i++) {
        char ch = c.ptr[i];

        if (n == 8 || n == 13 || n == 18 || n == 23) {
            out[n++] = '-';
            if (c.len == 36) {
                if (ch != '-')
                    return CANON_BAD;
                continue;
            }
        }
        if (ch >= 'A' && ch <= 'F')
            ch = (char)(ch | 0x20);
        if (!(ch >= '0' && ch <= '9') && !(ch >= 'a' && ch <= 'f'))
            return CANON_BAD;
        out[n++] = ch;
    }
    out[n] = 0;
    *ret = !rule->strict && !memcmp(out, ZERO, 36) ? CELL_ABSENT : (struct cell){ out, 36 };
    return CANON_FINE;
}

enum canon_outcome canon_cell(const struct canon_rule *rule, const struct canon_format *fmt, struct cell in,
                              struct arena *a, struct cell *ret, const char **ret_why)
{
    static const struct canon_format AS_SERVICES = { 0 };
    enum canon_outcome out;
    struct cell c;

    if (cell_absent(in)) {
        *ret = CELL_ABSENT;
        return CANON_FINE;
    }
    if (rule->type == CANON_TEXT || rule->type == CANON_KEY)
        return text(rule, in, a, ret, ret_why);
    if (good_text(in, ret_why))
        return CANON_BAD;
    c = trim(in);
    if (!c.len) {
        *ret = CELL_ABSENT;
        return CANON_FINE;
    }
    if (!fmt)
        fmt = &AS_SERVICES;
    switch (rule->type) {
    case CANON_INT:
    case CANON_DECIMAL: return canon_number(rule, fmt, c, a, ret, ret_why);
    case CANON_BOOL: return boolean(c, ret, ret_why);
    case CANON_DATE:
    case CANON_DATETIME: return canon_date(rule, fmt, c, a, ret, ret_why);
    case CANON_GUID: return guid(rule, c, a, ret, ret_why);
    case CANON_COMPANY:
        out = text(rule, c, a, &c, ret_why);
        if (!out)
            *ret = canon_fold_case(c, a);
        return out;
    case CANON_WORD: return text(rule, c, a, ret, ret_why);
    case CANON_TEXT:
    case CANON_KEY: break;
    }
    BUG_IF(true, "canonical type");
    return CANON_BAD;
}

static bool same_folded(struct cell a, struct cell b)
{
    struct arena scratch = { 0 };
    bool same;

    if (canon_ascii(a) && canon_ascii(b))
        return cell_ieq(a, b);
    same = cell_eq(canon_fold_case(a, &scratch), canon_fold_case(b, &scratch));
    arena_release(&scratch);
    return same;
}

bool canon_is_default(const struct canon_rule *rule, struct cell c)
{
    if (cell_absent(c))
        return true;
    if (rule->strict)
        return false;
    if (rule->round) {
        struct arena scratch = { 0 };
        bool zero = cell_is(canon_round(c, rule->round - 1, &scratch), "0");

        arena_release(&scratch);
        return zero;
    }
    switch (rule->type) {
    case CANON_TEXT:
    case CANON_KEY: return !c.len;
    case CANON_INT:
    case CANON_DECIMAL: return cell_is(c, "0");
    case CANON_BOOL: return cell_is(c, "false");
    case CANON_WORD: return rule->zero.ptr && same_folded(c, rule->zero);
    case CANON_DATE: /* sentinel, zero GUID and blank company are absent already */
    case CANON_DATETIME:
    case CANON_COMPANY:
    case CANON_GUID: break;
    }
    return false;
}

/* By what is hashed, so that the two cannot disagree. */
static bool equal_tuned(const struct canon_rule *rule, struct cell a, struct cell b, bool *ret_by_default)
{
    struct arena scratch = { 0 };
    struct cell x = canon_fold(rule, a, &scratch), y = canon_fold(rule, b, &scratch);
    bool same = cell_eq(x, y);

    if (ret_by_default)
        *ret_by_default = same && !x.ptr && (a.ptr == NULL) != (b.ptr == NULL);
    arena_release(&scratch);
    return same;
}

bool canon_equal(const struct canon_rule *rule, struct cell a, struct cell b, bool *ret_by_default)
{
    bool both;

    if (ret_by_default)
        *ret_by_default = false;
    if (cell_eq(a, b))
        return true;
    if (rule->tuned)
        return equal_tuned(rule, a, b, ret_by_default);
    if (a.ptr && b.ptr)
        return canon_folds(rule) && same_folded(a, b);
    both = canon_is_default(rule, a) && canon_is_default(rule, b);
    if (ret_by_default)
        *ret_by_default = both;
    return both;
}

struct cell canon_fold(const struct canon_rule *rule, struct cell c, struct arena *a)
{
    if (c.ptr && rule->day && c.len > 10)
        c.len = 10;
    if (c.ptr && rule->round)
        c = canon_round(c, rule->round - 1, a);
    if (canon_is_default(rule, c))
        return CELL_ABSENT;
    return canon_folds(rule) ? canon_fold_case(c, a) : c;
}

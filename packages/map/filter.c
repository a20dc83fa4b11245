/* filter.c -- two lexers, one recursive-descent parser for `or` / `and` / `not` / comparison, one evaluator. */
#include "map/filter.h"

#include <stdlib.h>
#include <strings.h>

enum { MAX_DEPTH = 64 };
/* A chain of `or`s is as deep a tree as it is long; real filters have some hundred characters. */
enum { MAX_TEXT = 16384 };

enum tok {
    T_END,
    T_WORD,
    T_STRING,
    T_NUMBER,
    T_OPEN,
    T_CLOSE,
    T_COMMA,
    T_AND,
    T_OR,
    T_NOT,
    T_EQ,
    T_NE,
    T_LT,
    T_LE,
    T_GT,
    T_GE,
    T_LIKE,
    T_BAD
};
struct lexer {
    struct cell text;
    size_t at;
    size_t from; /* where the token begins */
    bool xpp;
    struct arena *a;
    enum tok tok;
    struct cell value; /* word, number, or decoded string */
    struct cell enum_name; /* X++ Enum::Member */
    int depth;
};

static bool word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '/' || c == '#';
}

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A string in ' or " (X++), or in ' with '' inside (OData). */
static void lex_string(struct lexer *l, char quote)
{
    struct strbuf b = STRBUF(0);

    l->at++;
    for (;;) {
        char c;

        if (l->at >= l->text.len) {
            l->tok = T_BAD;
            break;
        }
        c = l->text.ptr[l->at++];
        if (c == quote) {
            if (l->at < l->text.len && l->text.ptr[l->at] == quote) {
                l->at++;
            } else {
                l->tok = T_STRING;
                break;
            }
        } else if (c == '\\' && l->xpp && l->at < l->text.len) {
            c = l->text.ptr[l->at++];
        }
        strbuf_addc(&b, c);
    }
    l->value = (struct cell){ arena_dup(l->a, strbuf_str(&b), b.len), b.len };
    strbuf_release(&b);
}

static void lex_word(struct lexer *l)
{
    static const struct {
        const char *word;
        enum tok t;
    } WORDS[] = {
        { "and", T_AND }, { "or", T_OR }, { "not", T_NOT }, { "eq", T_EQ }, { "ne", T_NE },
        { "lt", T_LT },   { "le", T_LE }, { "gt", T_GT },   { "ge", T_GE },
    };
    size_t from = l->at;
    const char *p = l->text.ptr;

    while (l->at < l->text.len && word_char(p[l->at]))
        l->at++;
    l->value = (struct cell){ p + from, l->at - from };
    l->tok = T_WORD;
    if (l->xpp && l->at + 2 < l->text.len && p[l->at] == ':' && p[l->at + 1] == ':') {
        size_t m = l->at + 2;

        l->at = m;
        while (l->at < l->text.len && word_char(p[l->at]))
            l->at++;
        l->enum_name = l->value;
        l->value = (struct cell){ p + m, l->at - m };
        l->tok = T_STRING;
        return;
    }
    for (size_t i = 0; i < COUNT(WORDS) && !l->xpp; i++)
        if (cell_is(l->value, WORDS[i].word))
            l->tok = WORDS[i].t;
    if (l->xpp && cell_ieq(l->value, CELL_LIT("like")))
        l->tok = T_LIKE;
    /* Microsoft.Dynamics.DataEntities.NoYes'Yes' */
    if (!l->xpp && l->tok == T_WORD && l->at < l->text.len && p[l->at] == '\'') {
        l->enum_name = l->value;
        lex_string(l, '\'');
    }
}

static void lex_operator(struct lexer *l)
{
    static const struct {
        const char *op;
        enum tok t;
    } OPS[] = {
        { "==", T_EQ }, { "!=", T_NE }, { "<=", T_LE }, { ">=", T_GE }, { "&&", T_AND },
        { "||", T_OR }, { "=", T_EQ },  { "<", T_LT },  { ">", T_GT },  { "!", T_NOT },
    };

    for (size_t i = 0; i < COUNT(OPS); i++) {
        size_t n = strlen(OPS[i].op);

        if (l->text.len - l->at >= n && !memcmp(l->text.ptr + l->at, OPS[i].op, n)) {
            l->tok = OPS[i].t;
            l->at += n;
            return;
        }
    }
    l->tok = T_BAD;
}

/* GUIDs stand bare in OData, and may begin with a letter. */
static bool is_guid(struct cell c)
{
    static const char SHAPE[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (c.len < sizeof(SHAPE) - 1)
        return false;
    for (size_t i = 0; i < sizeof(SHAPE) - 1; i++) {
        char k = c.ptr[i];
        bool hex = digit(k) || (k >= 'a' && k <= 'f') || (k >= 'A' && k <= 'F');

        if (SHAPE[i] == 'x' ? !hex : k != '-')
            return false;
    }
    return c.len == sizeof(SHAPE) - 1 || !word_char(c.ptr[sizeof(SHAPE) - 1]);
}

/* 1\5\2024, as X++ writes a date; its value is ISO's. False = it is something else. */
static bool lex_date(struct lexer *l)
{
    size_t at = l->at, n[3] = { 0 };
    unsigned v[3] = { 0 };

    for (int k = 0; k < 3; k++) {
        if (k && (at >= l->text.len || l->text.ptr[at++] != '\\'))
            return false;
        for (; at < l->text.len && digit(l->text.ptr[at]) && n[k] < 4; at++, n[k]++)
            v[k] = v[k] * 10 + (unsigned)(l->text.ptr[at] - '0');
    }
    if (!n[0] || n[0] > 2 || !n[1] || n[1] > 2 || n[2] != 4 || v[0] < 1 || v[0] > 31 || v[1] < 1 || v[1] > 12 ||
        (at < l->text.len && word_char(l->text.ptr[at])))
        return false;
    l->at = at;
    l->value = cell_printf(l->a, "%04u-%02u-%02u", v[2], v[1], v[0]);
    l->tok = T_NUMBER;
    return true;
}

static void lex(struct lexer *l)
{
    char c;

    while (l->at < l->text.len && strchr(" \t\r\n", l->text.ptr[l->at]))
        l->at++;
    l->enum_name = CELL_ABSENT;
    l->value = CELL_ABSENT;
    l->from = l->at;
    if (l->at >= l->text.len) {
        l->tok = T_END;
        return;
    }
    c = l->text.ptr[l->at];
    if (c == '(' || c == ')' || c == ',') {
        l->tok = c == '(' ? T_OPEN : c == ')' ? T_CLOSE : T_COMMA;
        l->at++;
    } else if (c == '\'' || (c == '"' && l->xpp)) {
        lex_string(l, c);
    } else if (!l->xpp && is_guid((struct cell){ l->text.ptr + l->at, l->text.len - l->at })) {
        l->value = (struct cell){ l->text.ptr + l->at, 36 };
        l->tok = T_NUMBER;
        l->at += 36;
    } else if (l->xpp && digit(c) && lex_date(l)) {
        return;
    } else if (digit(c) || (c == '-' && l->at + 1 < l->text.len && digit(l->text.ptr[l->at + 1]))) {
        size_t from = l->at++;

        /* Numbers, dates and GUIDs stand bare in OData. */
        while (l->at < l->text.len && (word_char(l->text.ptr[l->at]) || strchr("-:+", l->text.ptr[l->at])))
            l->at++;
        l->value = (struct cell){ l->text.ptr + from, l->at - from };
        l->tok = T_NUMBER;
    } else if (word_char(c)) {
        lex_word(l);
    } else if (l->xpp) {
        lex_operator(l);
    } else {
        l->tok = T_BAD;
    }
}

static enum ec fail(const struct lexer *l, const char *what, struct err *reterr)
{
    return err_set(reterr, EC_FORMAT, "filter '" CELL_FMT "': %s at character %zu", CELL_ARG(l->text), what,
                   l->from + 1);
}

static enum ec parse_or(struct lexer *l, struct filter **ret, struct err *reterr);

static struct filter *node(struct lexer *l, enum filter_op op, struct filter *a, struct filter *b)
{
    struct filter *f = arena_zalloc(l->a, sizeof(*f));

    f->op = op;
    f->a = a;
    f->b = b;
    return f;
}

static bool operand(struct lexer *l, struct filter *f)
{
    f->value_at = l->from;
    if (l->tok == T_STRING) {
        f->value = l->value;
        f->enum_name = l->enum_name;
        f->quoted = true;
    } else if (l->tok == T_NUMBER || l->tok == T_WORD) {
        f->value = cell_is(l->value, "null") ? CELL_ABSENT : l->value;
    } else {
        return false;
    }
    lex(l);
    return true;
}

/* contains(name,'x') and its relatives */
static enum ec parse_function(struct lexer *l, struct cell name, size_t at, struct filter **ret, struct err *reterr)
{
    struct filter *f = node(l, FILTER_CONTAINS, NULL, NULL);

    f->at = at;
    if (cell_is(name, "startswith"))
        f->op = FILTER_STARTS;
    else if (cell_is(name, "endswith"))
        f->op = FILTER_ENDS;
    else if (!cell_is(name, "contains"))
        return fail(l, "unknown function", reterr);
    lex(l); /* ( */
    if (l->tok != T_WORD)
        return fail(l, "a column is expected", reterr);
    f->field = l->value;
    lex(l);
    if (l->tok != T_COMMA)
        return fail(l, "',' is expected", reterr);
    lex(l);
    if (!operand(l, f) || l->tok != T_CLOSE)
        return fail(l, "a value and ')' are expected", reterr);
    lex(l);
    *ret = f;
    return EC_OK;
}

/* `like "abc*"`: a text with the wildcard at one end or both; any other pattern has no equivalent here. */
static enum ec parse_like(struct lexer *l, struct filter *f, struct err *reterr)
{
    struct cell v;
    bool before, after;

    lex(l);
    f->value_at = l->from;
    if (l->tok != T_STRING || !cell_absent(l->enum_name))
        return fail(l, "a text in quotes is expected behind 'like'", reterr);
    v = l->value;
    before = v.len && v.ptr[0] == '*';
    if (before)
        v = (struct cell){ v.ptr + 1, v.len - 1 };
    after = v.len && v.ptr[v.len - 1] == '*';
    v.len -= after;
    if ((v.len && memchr(v.ptr, '*', v.len)) || (v.len && memchr(v.ptr, '?', v.len)))
        return fail(l, "'like' is understood with '*' at either end only", reterr);
    f->op = before && after ? FILTER_CONTAINS : before ? FILTER_ENDS : after ? FILTER_STARTS : FILTER_EQ;
    f->value = v;
    f->quoted = true;
    lex(l);
    return EC_OK;
}

static enum ec parse_comparison(struct lexer *l, struct filter **ret, struct err *reterr)
{
    struct cell field = l->value;
    size_t at = l->from;
    struct filter *f;

    if (l->tok != T_WORD)
        return fail(l, "a field is expected", reterr);
    lex(l);
    if (l->tok == T_OPEN && !l->xpp)
        return parse_function(l, field, at, ret, reterr);
    if (l->tok < T_EQ || l->tok > T_LIKE)
        return fail(l, "a comparison is expected", reterr);
    f = node(l, l->tok == T_LIKE ? FILTER_EQ : (enum filter_op)(FILTER_EQ + (l->tok - T_EQ)), NULL, NULL);
    f->field = field;
    f->at = at;
    *ret = f;
    if (l->tok == T_LIKE)
        return parse_like(l, f, reterr);
    lex(l);
    if (!operand(l, f))
        return fail(l, "a value is expected", reterr);
    return EC_OK;
}

static enum ec parse_unary(struct lexer *l, struct filter **ret, struct err *reterr)
{
    struct filter *inner = NULL;
    enum ec rc;

    if (l->depth > MAX_DEPTH)
        return fail(l, "nested too deeply", reterr);
    l->depth++;
    if (l->tok == T_NOT) {
        lex(l);
        rc = parse_unary(l, &inner, reterr);
        if (!rc)
            *ret = node(l, FILTER_NOT, inner, NULL);
    } else if (l->tok == T_OPEN) {
        lex(l);
        rc = parse_or(l, ret, reterr);
        if (!rc && l->tok != T_CLOSE)
            rc = fail(l, "')' is expected", reterr);
        else if (!rc)
            lex(l);
    } else {
        rc = parse_comparison(l, ret, reterr);
    }
    l->depth--;
    return rc;
}

static enum ec parse_and(struct lexer *l, struct filter **ret, struct err *reterr)
{
    enum ec rc = parse_unary(l, ret, reterr);

    while (!rc && l->tok == T_AND) {
        struct filter *b = NULL;

        lex(l);
        rc = parse_unary(l, &b, reterr);
        if (!rc)
            *ret = node(l, FILTER_AND, *ret, b);
    }
    return rc;
}

static enum ec parse_or(struct lexer *l, struct filter **ret, struct err *reterr)
{
    enum ec rc = parse_and(l, ret, reterr);

    while (!rc && l->tok == T_OR) {
        struct filter *b = NULL;

        lex(l);
        rc = parse_and(l, &b, reterr);
        if (!rc)
            *ret = node(l, FILTER_OR, *ret, b);
    }
    return rc;
}

static enum ec parse(struct cell text, bool xpp, struct arena *a, struct filter **ret, struct err *reterr)
{
    struct lexer l = { .text = text, .xpp = xpp, .a = a };
    struct filter *f = NULL;
    enum ec rc;

    *ret = NULL;
    if (text.len > MAX_TEXT)
        return err_set(reterr, EC_FORMAT, "a filter of %zu characters is longer than filters can be", text.len);
    lex(&l);
    if (l.tok == T_END)
        return EC_OK; /* a blank filter passes every row */
    rc = parse_or(&l, &f, reterr);
    if (!rc && l.tok != T_END)
        rc = fail(&l, "something is left over", reterr);
    if (!rc)
        *ret = f;
    return rc;
}

enum ec filter_parse_xpp(struct cell text, struct arena *a, struct filter **ret, struct err *reterr)
{
    return parse(text, true, a, ret, reterr);
}

enum ec filter_parse_odata(struct cell text, struct arena *a, struct filter **ret, struct err *reterr)
{
    return parse(text, false, a, ret, reterr);
}

/* Parts of a plain decimal: digits before and behind the point without what does not count. False = something else. */
static bool decimal(struct cell c, bool *ret_negative, struct cell *ret_whole, struct cell *ret_fraction)
{
    struct cell w, f = { c.ptr, 0 };
    size_t i = 0;

    *ret_negative = c.len && c.ptr[0] == '-';
    i += *ret_negative;
    w.ptr = c.ptr + i;
    while (i < c.len && digit(c.ptr[i]))
        i++;
    w.len = (size_t)(c.ptr + i - w.ptr);
    if (!w.len)
        return false;
    if (i < c.len && c.ptr[i] == '.') {
        f.ptr = c.ptr + ++i;
        while (i < c.len && digit(c.ptr[i]))
            i++;
        f.len = (size_t)(c.ptr + i - f.ptr);
        if (!f.len)
            return false;
    }
    if (i < c.len)
        return false;
    for (; w.len && *w.ptr == '0'; w.ptr++)
        w.len--;
    while (f.len && f.ptr[f.len - 1] == '0')
        f.len--;
    if (!w.len && !f.len)
        *ret_negative = false; /* -0 */
    *ret_whole = w;
    *ret_fraction = f;
    return true;
}

static int sign(int c)
{
    return (c > 0) - (c < 0);
}

/* Numbers are compared digit by digit: ids of 64 bits do not pass through a double. False = not both are numbers. */
static bool compare_numbers(struct cell a, struct cell b, int *ret)
{
    struct cell wa, wb, fa, fb;
    bool na, nb;
    int c;

    if (!decimal(a, &na, &wa, &fa) || !decimal(b, &nb, &wb, &fb))
        return false;
    if (na != nb) {
        *ret = na ? -1 : 1;
        return true;
    }
    c = wa.len != wb.len ? (wa.len < wb.len ? -1 : 1) : sign(wa.len ? memcmp(wa.ptr, wb.ptr, wa.len) : 0);
    if (!c) {
        size_t n = fa.len < fb.len ? fa.len : fb.len;

        c = sign(n ? memcmp(fa.ptr, fb.ptr, n) : 0);
        if (!c)
            c = (fa.len > fb.len) - (fa.len < fb.len);
    }
    *ret = na ? -c : c;
    return true;
}

/* A literal in quotes is text: "010" is not 10. */
static int compare(struct cell a, struct cell b, bool text)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c;

    if (cell_ieq(a, b))
        return 0;
    if (!text && compare_numbers(a, b, &c))
        return c;
    c = sign(n ? strncasecmp(a.ptr, b.ptr, n) : 0);
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

static bool contains(struct cell c, struct cell part, enum filter_op op)
{
    if (part.len > c.len)
        return false;
    if (op == FILTER_STARTS)
        return !strncasecmp(c.ptr, part.ptr, part.len);
    if (op == FILTER_ENDS)
        return !strncasecmp(c.ptr + c.len - part.len, part.ptr, part.len);
    for (size_t i = 0; i + part.len <= c.len; i++)
        if (!strncasecmp(c.ptr + i, part.ptr, part.len))
            return true;
    return false;
}

bool filter_match(const struct filter *f, filter_get *get, void *arg)
{
    struct cell v;
    int c;

    if (!f)
        return true;
    switch (f->op) {
    case FILTER_AND: return filter_match(f->a, get, arg) && filter_match(f->b, get, arg);
    case FILTER_OR: return filter_match(f->a, get, arg) || filter_match(f->b, get, arg);
    case FILTER_NOT: return !filter_match(f->a, get, arg);
    default: break;
    }
    if (!get(arg, f->field, &v))
        return false;
    if (f->op == FILTER_EQ && cell_absent(f->value))
        return cell_absent(v);
    if (f->op == FILTER_NE && cell_absent(f->value))
        return !cell_absent(v);
    if (cell_absent(f->value)) /* nothing is more, less, or a part of nothing */
        return false;
    if (f->op == FILTER_CONTAINS || f->op == FILTER_STARTS || f->op == FILTER_ENDS)
        return !cell_absent(v) && contains(v, f->value, f->op);
    if (cell_absent(v)) { /* null is what an empty text is, and unequal to every other value */
        bool empty = f->quoted && !f->value.len;

        return f->op == FILTER_NE ? !empty : f->op == FILTER_EQ && empty;
    }
    c = compare(cell_rtrim(v), cell_rtrim(f->value), f->quoted);
    switch (f->op) {
    case FILTER_EQ: return c == 0;
    case FILTER_NE: return c != 0;
    case FILTER_LT: return c < 0;
    case FILTER_LE: return c <= 0;
    case FILTER_GT: return c > 0;
    case FILTER_GE: return c >= 0;
    default: return false;
    }
}

void filter_fields(const struct filter *f, void (*fn)(void *arg, struct cell field), void *arg)
{
    if (!f)
        return;
    filter_fields(f->a, fn, arg);
    filter_fields(f->b, fn, arg);
    if (!cell_absent(f->field))
        fn(arg, f->field);
}

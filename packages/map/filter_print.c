/*
 * filter_print.c -- an expression tree as OData, as X++, and in a normal form for comparing. What one language cannot say is
 * refused with its place in the other: a filter that lets other rows pass is worse than none.
 */
#include "map/filter.h"

#include <stdlib.h>

#define ENUM_SPACE "Microsoft.Dynamics.DataEntities."

struct printer {
    bool xpp;
    filter_name *name;
    void *arg;
    struct strbuf *out;
    struct err *reterr;
};

static enum ec refuse(const struct printer *p, size_t at, const char *why)
{
    return err_set(p->reterr, EC_FORMAT, "the filter has no equivalent in %s: %s at character %zu",
                   p->xpp ? "X++" : "OData", why, at + 1);
}

static bool digits(struct cell c, size_t from, size_t n)
{
    if (from + n > c.len)
        return false;
    for (size_t i = from; i < from + n; i++)
        if (c.ptr[i] < '0' || c.ptr[i] > '9')
            return false;
    return true;
}

static bool is_number(struct cell c)
{
    size_t i = c.len && c.ptr[0] == '-', n = 0;

    for (; i < c.len && digits(c, i, 1); i++)
        n++;
    if (n && i + 1 < c.len && c.ptr[i] == '.')
        for (i++; i < c.len && digits(c, i, 1); i++)
            ;
    return n && i == c.len;
}

static int two(struct cell c, size_t from)
{
    return (c.ptr[from] - '0') * 10 + c.ptr[from + 1] - '0';
}

static bool is_date(struct cell c)
{
    return c.len == 10 && digits(c, 0, 4) && c.ptr[4] == '-' && digits(c, 5, 2) && c.ptr[7] == '-' &&
           digits(c, 8, 2) && two(c, 5) >= 1 && two(c, 5) <= 12 && two(c, 8) >= 1 && two(c, 8) <= 31;
}

/* yyyy-MM-ddTHH:mm:ss, and what follows it: nothing, Z, a fraction, an offset. */
static bool is_moment(struct cell c, struct cell *ret_rest)
{
    if (c.len < 19 || !is_date((struct cell){ c.ptr, 10 }) || c.ptr[10] != 'T' || !digits(c, 11, 2) ||
        c.ptr[13] != ':' || !digits(c, 14, 2) || c.ptr[16] != ':' || !digits(c, 17, 2))
        return false;
    *ret_rest = (struct cell){ c.ptr + 19, c.len - 19 };
    return true;
}

static bool is_rest_of_moment(struct cell rest)
{
    size_t i = 0;

    if (rest.len && rest.ptr[0] == '.')
        for (i = 1; i < rest.len && digits(rest, i, 1); i++)
            ;
    if (i == 1 || i > 8)
        return false;
    if (i < rest.len && (rest.ptr[i] == '+' || rest.ptr[i] == '-'))
        return rest.len == i + 6 && digits(rest, i + 1, 2) && rest.ptr[i + 3] == ':' && digits(rest, i + 4, 2);
    return i == rest.len || (i + 1 == rest.len && (rest.ptr[i] == 'Z' || rest.ptr[i] == 'z'));
}

static bool is_id(struct cell c)
{
    static const char SHAPE[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (c.len != sizeof(SHAPE) - 1)
        return false;
    for (size_t i = 0; i < c.len; i++)
        if (SHAPE[i] == 'x' ? !strchr("0123456789abcdefABCDEF", c.ptr[i]) : c.ptr[i] != '-')
            return false;
    return true;
}

static bool is_member(struct cell c)
{
    for (size_t i = 0; i < c.len; i++) {
        char k = c.ptr[i];

        if (!((k >= 'a' && k <= 'z') || (k >= 'A' && k <= 'Z') || (k >= '0' && k <= '9') || k == '_'))
            return false;
    }
    return c.len > 0;
}

static void put(struct printer *p, struct cell c)
{
    strbuf_add(p->out, c.ptr, c.len);
}

static void put_text(struct printer *p, struct cell c)
{
    char quote = p->xpp ? '"' : '\'';

    strbuf_addc(p->out, quote);
    for (size_t i = 0; i < c.len; i++) {
        if (p->xpp && (c.ptr[i] == '"' || c.ptr[i] == '\\'))
            strbuf_addc(p->out, '\\');
        else if (!p->xpp && c.ptr[i] == '\'')
            strbuf_addc(p->out, '\'');
        strbuf_addc(p->out, c.ptr[i]);
    }
    strbuf_addc(p->out, quote);
}

static struct cell last_part(struct cell name)
{
    for (size_t i = name.len; i-- > 0;)
        if (name.ptr[i] == '.')
            return (struct cell){ name.ptr + i + 1, name.len - i - 1 };
    return name;
}

static enum ec put_enum(struct printer *p, const struct filter *f, struct cell type)
{
    if (p->xpp) {
        struct cell name = last_part(type);

        if (!is_member(name) || digits(name, 0, 1) || !is_member(f->value))
            return refuse(p, f->value_at, "an enum literal that is not Enum::Member");
        put(p, name);
        strbuf_adds(p->out, "::");
        put(p, f->value);
        return EC_OK;
    }
    if (!memchr(type.ptr, '.', type.len))
        strbuf_adds(p->out, ENUM_SPACE);
    put(p, type);
    put_text(p, f->value);
    return EC_OK;
}

/* A literal without quotes. */
static enum ec put_bare(struct printer *p, const struct filter *f)
{
    struct cell v = f->value, rest;

    if (cell_is(v, "true") || cell_is(v, "false") || is_number(v)) {
        put(p, v);
    } else if (is_date(v)) {
        if (p->xpp)
            strbuf_addf(p->out, "%.2s\\%.2s\\%.4s", v.ptr + 8, v.ptr + 5, v.ptr);
        else
            put(p, v);
    } else if (is_moment(v, &rest)) {
        bool utc = !rest.len || cell_ieq(rest, CELL_LIT("Z"));

        if (!is_rest_of_moment(rest) || (p->xpp && !utc))
            return refuse(p, f->value_at, "a point in time that is not whole seconds of UTC");
        strbuf_add(p->out, v.ptr, p->xpp ? 19 : v.len);
        if (!p->xpp && !rest.len)
            strbuf_addc(p->out, 'Z');
    } else if (is_id(v)) {
        if (p->xpp)
            return refuse(p, f->value_at, "an id");
        put(p, v);
    } else {
        return refuse(p, f->value_at, "a word without quotes, which would be another field,");
    }
    return EC_OK;
}

/* A field whose name the other language would read as an operator. */
static bool is_keyword(bool xpp, struct cell name)
{
    static const char *const ODATA[] = { "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge" };

    if (xpp)
        return cell_ieq(name, CELL_LIT("like"));
    for (size_t i = 0; i < COUNT(ODATA); i++)
        if (cell_is(name, ODATA[i]))
            return true;
    return false;
}

static enum ec put_field(struct printer *p, const struct filter *f, struct cell *ret_enum)
{
    struct cell name = f->field, known = CELL_ABSENT;

    if (p->name && p->name(p->arg, f->field, &known, ret_enum) && !cell_blank(known))
        name = known;
    if (!p->xpp && memchr(name.ptr, '.', name.len))
        return refuse(p, f->at, "a field of another data source");
    if (p->xpp && memchr(name.ptr, '/', name.len))
        return refuse(p, f->at, "a column of another table");
    if (is_keyword(p->xpp, name))
        return refuse(p, f->at, "a field with the name of an operator");
    put(p, name);
    return EC_OK;
}

static enum ec put_value(struct printer *p, const struct filter *f, struct cell enum_type)
{
    if (cell_absent(f->value)) {
        if (p->xpp)
            return refuse(p, f->value_at, "null");
        strbuf_adds(p->out, "null");
        return EC_OK;
    }
    if (!cell_absent(f->enum_name))
        return put_enum(p, f, f->enum_name);
    if (f->quoted && !cell_absent(enum_type) && is_member(f->value))
        return put_enum(p, f, enum_type);
    if (!f->quoted)
        return put_bare(p, f);
    put_text(p, f->value);
    return EC_OK;
}

/* contains, startswith, endswith */
static enum ec put_part(struct printer *p, const struct filter *f)
{
    static const char *const NAMES[] = { "contains(", "startswith(", "endswith(" };
    struct cell none = CELL_ABSENT;
    struct strbuf pattern = STRBUF(0);
    enum ec rc;

    if (cell_absent(f->value) && p->xpp)
        return refuse(p, f->value_at, "null");
    if (!p->xpp) {
        strbuf_adds(p->out, NAMES[f->op - FILTER_CONTAINS]);
        rc = put_field(p, f, &none);
        strbuf_addc(p->out, ',');
        if (!rc)
            rc = put_value(p, f, CELL_ABSENT);
        strbuf_addc(p->out, ')');
        return rc;
    }
    if (!f->quoted || !cell_absent(f->enum_name))
        return refuse(p, f->value_at, "a part of a text that is no text");
    if (f->value.len && (memchr(f->value.ptr, '*', f->value.len) || memchr(f->value.ptr, '?', f->value.len)))
        return refuse(p, f->value_at, "a '*' or '?' in a part of a text");
    strbuf_addc(p->out, '(');
    rc = put_field(p, f, &none);
    strbuf_adds(p->out, " like ");
    if (f->op != FILTER_STARTS)
        strbuf_addc(&pattern, '*');
    strbuf_add(&pattern, f->value.ptr, f->value.len);
    if (f->op != FILTER_ENDS)
        strbuf_addc(&pattern, '*');
    put_text(p, (struct cell){ pattern.buf, pattern.len });
    strbuf_addc(p->out, ')');
    strbuf_release(&pattern);
    return rc;
}

static enum ec put_comparison(struct printer *p, const struct filter *f)
{
    static const char *const XPP[] = { " == ", " != ", " < ", " <= ", " > ", " >= " };
    static const char *const ODATA[] = { " eq ", " ne ", " lt ", " le ", " gt ", " ge " };
    struct cell type = CELL_ABSENT;
    enum ec rc;

    if (p->xpp)
        strbuf_addc(p->out, '(');
    rc = put_field(p, f, &type);
    if (rc)
        return rc;
    strbuf_adds(p->out, (p->xpp ? XPP : ODATA)[f->op]);
    rc = put_value(p, f, type);
    if (p->xpp)
        strbuf_addc(p->out, ')');
    return rc;
}

static enum ec print(struct printer *p, const struct filter *f);

/* An operand of and, or, not: in parentheses where the tree would be read otherwise. */
static enum ec print_inner(struct printer *p, const struct filter *f, bool paren)
{
    enum ec rc;

    if (paren)
        strbuf_addc(p->out, '(');
    rc = print(p, f);
    if (paren)
        strbuf_addc(p->out, ')');
    return rc;
}

static bool joins(const struct filter *f)
{
    return f->op == FILTER_AND || f->op == FILTER_OR;
}

static enum ec print(struct printer *p, const struct filter *f)
{
    enum ec rc;

    switch (f->op) {
    case FILTER_AND:
    case FILTER_OR:
        rc = print_inner(p, f->a, joins(f->a) && f->a->op != f->op);
        strbuf_adds(p->out, f->op == FILTER_AND ? (p->xpp ? " && " : " and ") : (p->xpp ? " || " : " or "));
        return rc ? rc : print_inner(p, f->b, joins(f->b));
    case FILTER_NOT:
        strbuf_adds(p->out, p->xpp ? "!" : "not ");
        /* In X++ a comparison has its parentheses already. */
        return print_inner(p, f->a, !p->xpp || joins(f->a));
    case FILTER_CONTAINS:
    case FILTER_STARTS:
    case FILTER_ENDS: return put_part(p, f);
    default: return put_comparison(p, f);
    }
}

static enum ec print_whole(struct printer *p, const struct filter *f)
{
    struct strbuf text = STRBUF(0), *out = p->out;
    enum ec rc;

    if (!f)
        return EC_OK;
    p->out = &text;
    rc = print_inner(p, f, p->xpp && joins(f)); /* X++ wants the whole expression in parentheses */
    if (!rc)
        strbuf_add(out, text.buf, text.len);
    strbuf_release(&text);
    return rc;
}

enum ec filter_to_odata(const struct filter *f, filter_name *name, void *arg, struct strbuf *out, struct err *reterr)
{
    struct printer p = { .name = name, .arg = arg, .out = out, .reterr = reterr };

    return print_whole(&p, f);
}

enum ec filter_to_xpp(const struct filter *f, filter_name *name, void *arg, struct strbuf *out, struct err *reterr)
{
    struct printer p = { .xpp = true, .name = name, .arg = arg, .out = out, .reterr = reterr };

    return print_whole(&p, f);
}

/* ---- the normal form ---- */

struct parts {
    char **text;
    size_t n, cap;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What a chain of one operator joins, each in normal form. */
static void collect(struct parts *parts, const struct filter *f, enum filter_op op)
{
    struct strbuf b = STRBUF(0);

    if (f->op == op) {
        collect(parts, f->a, op);
        collect(parts, f->b, op);
        return;
    }
    filter_normal(f, &b);
    if (parts->n == parts->cap) {
        parts->cap = parts->cap ? parts->cap * 2 : 8;
        parts->text = xrealloc(parts->text, parts->cap * sizeof(*parts->text));
    }
    parts->text[parts->n++] = strbuf_detach(&b, NULL);
}

static void normal_leaf(const struct filter *f, struct strbuf *out)
{
    static const char *const OPS[] = { "==", "!=", "<", "<=", ">", ">=", "", "", "", "contains", "starts", "ends" };
    struct printer p = { .xpp = true, .out = out };
    struct cell rest, type = last_part(f->enum_name);

    for (size_t i = 0; i < f->field.len; i++) {
        char c = f->field.ptr[i];

        strbuf_addc(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    strbuf_addf(out, " %s ", OPS[f->op]);
    if (cell_absent(f->value)) {
        strbuf_adds(out, "null");
    } else if (!cell_absent(f->enum_name)) {
        for (size_t i = 0; i < type.len; i++)
            strbuf_addc(out, type.ptr[i] >= 'A' && type.ptr[i] <= 'Z' ? (char)(type.ptr[i] + 32) : type.ptr[i]);
        put_text(&p, f->value);
    } else if (f->quoted) {
        put_text(&p, f->value);
    } else {
        put(&p, f->value);
        if (is_moment(f->value, &rest) && !rest.len)
            strbuf_addc(out, 'Z');
    }
}

void filter_normal(const struct filter *f, struct strbuf *out)
{
    struct parts parts = { 0 };

    if (!f)
        return;
    if (f->op == FILTER_NOT) {
        strbuf_adds(out, "!(");
        filter_normal(f->a, out);
        strbuf_addc(out, ')');
        return;
    }
    if (!joins(f)) {
        normal_leaf(f, out);
        return;
    }
    collect(&parts, f, f->op);
    qsort(parts.text, parts.n, sizeof(*parts.text), by_text);
    strbuf_addc(out, '(');
    for (size_t i = 0; i < parts.n; i++) {
        strbuf_addf(out, "%s%s", i ? (f->op == FILTER_AND ? " && " : " || ") : "", parts.text[i]);
        free(parts.text[i]);
    }
    strbuf_addc(out, ')');
    free(parts.text);
}

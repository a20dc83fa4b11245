/*
 * $filter and $orderby -> SQL: recursive descent over "OData Version 4.0 Part 2: URL Conventions", as much of it as
 * the service takes. Every operand knows what it is, so that a comparison of things that do not compare is refused as
 * the service refuses it.
 */
#include "emu_filter.h"

#include "emu_fno.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH_MAX = 100 };

enum kind { K_BOOL, K_STRING, K_NUMBER, K_TIME, K_ENUM, K_NULL };
struct operand {
    enum kind kind;
    const struct emu_field *f; /* a property other than dataAreaId, else NULL */
    bool company; /* dataAreaId */
    bool computed; /* by arithmetic: SQL numbers */
    const char *literal; /* a literal's text, NULL = not a literal */
    const char *enum_type; /* of an enum literal: last part of its name */
    const char *sql; /* of conditions and properties */
};
struct parser {
    const struct emu_entity *en;
    const char *p;
    struct arena *a;
    char *msg;
    size_t msg_size;
    int depth;
    bool failed;
};

static bool fail(struct parser *x, const char *what)
{
    if (!x->failed)
        snprintf(x->msg, x->msg_size, "%s", what);
    x->failed = true;
    return false;
}

static bool syntax(struct parser *x)
{
    return fail(x, arena_printf(x->a,
                                "The query specified in the URI is not valid. Syntax error at '%.40s' in the filter.",
                                x->p));
}

const struct emu_field *emu_property(const struct emu_entity *en, const char *p, size_t n, bool *ret_company)
{
    *ret_company = !en->shared && n == 10 && !strncmp(p, "dataAreaId", 10);
    for (size_t i = 0; i < en->n && !*ret_company; i++)
        if (strlen(en->fields[i].property) == n && !strncmp(en->fields[i].property, p, n))
            return &en->fields[i];
    return NULL;
}

void emu_column_sql(const struct emu_field *f, struct strbuf *sql)
{
    if (!f) {
        strbuf_adds(sql, "company");
        return;
    }
    strbuf_addf(sql, "\"%s\"%s", f->name,
                f->type == F_REAL || f->type == F_INT || f->type == F_INT64 ? " collate emu_decimal" : "");
}

static void skip(struct parser *x)
{
    while (*x->p == ' ' || *x->p == '\t')
        x->p++;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '/' || c == '$';
}

/* The next word, if it is this one. */
static bool word(struct parser *x, const char *w)
{
    size_t n = strlen(w);

    skip(x);
    if (strncmp(x->p, w, n) != 0 || name_char(x->p[n]))
        return false;
    x->p += n;
    return true;
}

/* '...' with '' for a quote; x->p stands on the first quote. NULL = it does not end. */
static const char *quoted(struct parser *x)
{
    struct strbuf s = STRBUF(0);
    const char *p = x->p + 1, *out;

    for (; *p && (*p != '\'' || p[1] == '\''); p += *p == '\'' ? 2 : 1)
        strbuf_addc(&s, *p);
    out = *p ? arena_dup(x->a, strbuf_str(&s), s.len) : NULL;
    strbuf_release(&s);
    if (out)
        x->p = p + 1;
    return out;
}

static const char *sql_text(struct parser *x, const char *s)
{
    char *q = sqlite3_mprintf("%Q", s);
    const char *out = arena_strdup(x->a, q);

    sqlite3_free(q);
    return out;
}

static bool unknown_property(struct parser *x, const char *p, size_t n)
{
    return fail(
        x, arena_printf(x->a,
                        "The query specified in the URI is not valid. Could not find a property named '%.*s' on type "
                        "'Microsoft.Dynamics.DataEntities.%s'.",
                        n < 80 ? (int)n : 80, p, x->en->public_name));
}

static bool condition(struct parser *x, struct operand *out);

static bool property(struct parser *x, const char *p, size_t n, struct operand *out)
{
    struct strbuf sql = STRBUF(0);
    bool company;
    const struct emu_field *f = emu_property(x->en, p, n, &company);

    if (!f && !company)
        return unknown_property(x, p, n);
    emu_column_sql(f, &sql);
    *out = (struct operand){ .f = f, .company = company, .sql = arena_strdup(x->a, sql.buf), .kind = K_STRING };
    strbuf_release(&sql);
    if (f)
        out->kind = f->type == F_STRING                             ? K_STRING
                    : f->type == F_ENUM                             ? K_ENUM
                    : f->type == F_DATE || f->type == F_UTCDATETIME ? K_TIME
                                                                    : K_NUMBER;
    return true;
}

/* A number, a date or a date with time. */
static bool number_or_time(struct parser *x, struct operand *out)
{
    const char *from = x->p;
    size_t n = 0;
    bool time;

    if (*x->p == '-')
        n = 1;
    while (name_char(from[n]) || from[n] == ':' || from[n] == '-' || (from[n] == '+' && n))
        n++;
    time = n >= 10 && from[4] == '-' && from[7] == '-';
    *out = (struct operand){ .kind = time ? K_TIME : K_NUMBER, .literal = arena_dup(x->a, from, n) };
    if (!time) {
        struct emu_field real = { .property = "literal", .type = F_REAL };
        struct strbuf s = STRBUF(0);
        size_t digits = n;
        char ignored[128];
        bool ok;

        if (digits > 1 && strchr("LlMmDdFf", from[digits - 1])) /* suffixes of older versions */
            digits--;
        ok = emu_fno_canon(&real, from, digits, &s, ignored, sizeof(ignored)) && digits;
        if (ok)
            out->literal = arena_strdup(x->a, strbuf_str(&s));
        strbuf_release(&s);
        if (!ok)
            return syntax(x);
    } else {
        int64_t ms;

        if (!clock_parse_utc(from, n, &ms))
            return syntax(x);
    }
    x->p += n;
    return true;
}

static bool primary(struct parser *x, struct operand *out)
{
    size_t n = 0;

    skip(x);
    if (*x->p == '(') {
        x->p++;
        if (!condition(x, out))
            return false;
        skip(x);
        if (*x->p != ')')
            return syntax(x);
        x->p++;
        return true;
    }
    if (*x->p == '\'') {
        const char *s = quoted(x);

        *out = (struct operand){ .kind = K_STRING, .literal = s };
        return s || syntax(x);
    }
    if ((*x->p >= '0' && *x->p <= '9') || *x->p == '-')
        return number_or_time(x, out);
    while (name_char(x->p[n]))
        n++;
    if (!n)
        return syntax(x);
    if (x->p[n] == '\'') { /* Microsoft.Dynamics.DataEntities.NoYes'Yes' */
        const char *type = arena_dup(x->a, x->p, n), *dot = strrchr(type, '.');

        x->p += n;
        *out = (struct operand){ .kind = K_ENUM, .enum_type = dot ? dot + 1 : type, .literal = quoted(x) };
        return out->literal || syntax(x);
    }
    if (x->p[n] == '(')
        return fail(x, "The type System.String for the query operator is not Queryable!");
    if ((n == 4 && !strncmp(x->p, "true", n)) || (n == 5 && !strncmp(x->p, "false", n)))
        *out = (struct operand){ .kind = K_BOOL, .sql = n == 4 ? "1" : "0" };
    else if (n == 4 && !strncmp(x->p, "null", n))
        *out = (struct operand){ .kind = K_NULL };
    else if (!property(x, x->p, n, out))
        return false;
    x->p += n;
    return true;
}

static const char *as_number(struct parser *x, const struct operand *o)
{
    if (o->computed)
        return o->sql;
    return o->literal ? arena_printf(x->a, "%s", o->literal) : arena_printf(x->a, "cast(\"%s\" as real)", o->f->name);
}

static bool arithmetic(struct parser *x, struct operand *left, bool additive)
{
    static const struct {
        const char *word, *sql;
        bool additive;
    } OPS[] = { { "add", "+", true },
                { "sub", "-", true },
                { "mul", "*", false },
                { "div", "/", false },
                { "mod", "%", false } };

    if (!(additive ? arithmetic(x, left, false) : primary(x, left)))
        return false;
    for (size_t i = 0; i < COUNT(OPS); i++) {
        struct operand right;

        if (OPS[i].additive != additive || !word(x, OPS[i].word))
            continue;
        if (!(additive ? arithmetic(x, &right, false) : primary(x, &right)))
            return false;
        if (left->kind != K_NUMBER || right.kind != K_NUMBER)
            return fail(x, "A binary operator with incompatible types was detected.");
        left->sql = arena_printf(x->a, "(%s %s %s)", as_number(x, left), OPS[i].sql, as_number(x, &right));
        *left = (struct operand){ .kind = K_NUMBER, .computed = true, .sql = left->sql };
        i = (size_t)-1; /* left to right, as many as there are */
    }
    return true;
}

static const char *edm(const struct operand *o)
{
    switch (o->kind) {
    case K_BOOL: return "Edm.Boolean";
    case K_STRING: return "Edm.String";
    case K_NUMBER:
        return o->f && o->f->type == F_INT     ? "Edm.Int32"
               : o->f && o->f->type == F_INT64 ? "Edm.Int64"
                                               : "Edm.Decimal";
    case K_TIME: return "Edm.DateTimeOffset";
    case K_ENUM: return "Microsoft.Dynamics.DataEntities.Enum";
    case K_NULL: return "null";
    }
    return "";
}

/* "AB*C" -> like 'AB%C'; letters compare without case either way. */
static const char *wildcard(struct parser *x, const char *column, const char *pattern, bool negate)
{
    struct strbuf s = STRBUF(0);
    const char *out;

    for (const char *p = pattern; *p; p++) {
        if (*p == '%' || *p == '_' || *p == '\\')
            strbuf_addc(&s, '\\');
        strbuf_addc(&s, (char)(*p == '*' ? '%' : *p));
    }
    out = arena_printf(x->a, "(%s %slike %s escape '\\')", column, negate ? "not " : "", sql_text(x, strbuf_str(&s)));
    strbuf_release(&s);
    return out;
}

/* A literal as the column's canonical text, in SQL. NULL = it is none of its type. */
static const char *literal_for(struct parser *x, const struct operand *lit, const struct operand *col)
{
    struct strbuf s = STRBUF(0);
    const char *out = NULL;
    char ignored[256];

    if (col->company) {
        for (const char *p = lit->literal; *p; p++)
            strbuf_addc(&s, (char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p));
        out = sql_text(x, strbuf_str(&s));
    } else if (col->f && col->f->type == F_STRING) {
        size_t n = strlen(lit->literal);

        while (n && lit->literal[n - 1] == ' ')
            n--;
        out = sql_text(x, arena_dup(x->a, lit->literal, n));
    } else if (col->f && (col->kind == K_TIME || col->kind == K_ENUM)) {
        if (emu_fno_canon(col->f, lit->literal, strlen(lit->literal), &s, ignored, sizeof(ignored)))
            out = sql_text(x, strbuf_str(&s));
    } else {
        out = sql_text(x, lit->literal); /* decimals are canonical already */
    }
    strbuf_release(&s);
    return out;
}

static bool compare(struct parser *x, const struct operand *l, const char *op, const struct operand *r,
                    struct operand *out)
{
    static const struct {
        const char *word, *sql, *mirrored, *name;
    } OPS[] = { { "eq", "=", "=", "Equal" },       { "ne", "<>", "<>", "NotEqual" },
                { "gt", ">", "<", "GreaterThan" }, { "ge", ">=", "<=", "GreaterThanOrEqual" },
                { "lt", "<", ">", "LessThan" },    { "le", "<=", ">=", "LessThanOrEqual" } };
    const struct operand *col = l->literal ? r : l, *lit = l->literal ? l : r;
    size_t k = 0;
    const char *sql, *value;

    while (strcmp(OPS[k].word, op) != 0)
        k++;
    *out = (struct operand){ .kind = K_BOOL };
    if (l->kind == K_NULL || r->kind == K_NULL) { /* nothing is null in ordinary fields */
        out->sql = (l->kind == r->kind) == (k == 0) && k < 2 ? "1" : "0";
        return true;
    }
    if (l->kind != r->kind ||
        (l->kind == K_ENUM && lit->enum_type && strcmp(lit->enum_type, col->f ? col->f->en->name : "") != 0))
        return fail(
            x,
            arena_printf(x->a,
                         "The query specified in the URI is not valid. A binary operator with incompatible types was "
                         "detected. Found operand types '%s' and '%s' for operator kind '%s'.",
                         edm(l), edm(r), OPS[k].name));
    if ((l->kind == K_ENUM || l->kind == K_BOOL) && k > 1)
        return fail(
            x, arena_printf(x->a,
                            "The query specified in the URI is not valid. The operator '%s' is not supported for "
                            "enumerations.",
                            op));
    sql = l->literal ? OPS[k].mirrored : OPS[k].sql;
    if (l->computed || r->computed || (l->literal && r->literal && l->kind == K_NUMBER)) {
        out->sql = arena_printf(x->a, "(%s %s %s)", as_number(x, l), OPS[k].sql, as_number(x, r));
    } else if (!lit->literal) {
        out->sql = arena_printf(x->a, "(%s %s %s)", l->sql, OPS[k].sql, r->sql);
    } else if (col->literal) {
        out->sql = arena_printf(x->a, "(%s %s %s)", sql_text(x, l->literal), OPS[k].sql, sql_text(x, r->literal));
    } else if (lit->kind == K_STRING && k < 2 && strchr(lit->literal, '*')) {
        out->sql = wildcard(x, col->sql, lit->literal, k == 1);
    } else {
        value = literal_for(x, lit, col);
        if (!value)
            return fail(x,
                        arena_printf(x->a,
                                     "The query specified in the URI is not valid. The string '%.60s' is not a valid "
                                     "value of '%s'.",
                                     lit->literal, col->f ? col->f->property : "dataAreaId"));
        out->sql = arena_printf(x->a, "(%s %s %s)", col->sql, sql, value);
    }
    return true;
}

static bool comparison(struct parser *x, struct operand *out)
{
    static const char *const OPS[] = { "eq", "ne", "gt", "ge", "lt", "le" };
    struct operand left, right;

    if (word(x, "not")) {
        bool ok =
            x->depth < DEPTH_MAX || fail(x, "The query specified in the URI is not valid. The filter is too deep.");

        x->depth++;
        ok = ok && comparison(x, out);
        x->depth--;
        if (!ok)
            return false;
        if (out->kind != K_BOOL)
            return syntax(x);
        out->sql = arena_printf(x->a, "not %s", out->sql);
        return true;
    }
    if (!arithmetic(x, &left, true))
        return false;
    for (size_t i = 0; i < COUNT(OPS); i++)
        if (word(x, OPS[i]))
            return arithmetic(x, &right, true) && compare(x, &left, OPS[i], &right, out);
    *out = left;
    return true;
}

static bool conjunction(struct parser *x, struct operand *out, bool disjunction)
{
    const char *const op = disjunction ? "or" : "and";

    if (!(disjunction ? conjunction(x, out, false) : comparison(x, out)))
        return false;
    while (word(x, op)) {
        struct operand right;

        if (!(disjunction ? conjunction(x, &right, false) : comparison(x, &right)))
            return false;
        if (out->kind != K_BOOL || right.kind != K_BOOL)
            return syntax(x);
        out->sql = arena_printf(x->a, "(%s %s %s)", out->sql, op, right.sql);
    }
    return true;
}

static bool condition(struct parser *x, struct operand *out)
{
    bool ok = x->depth < DEPTH_MAX || fail(x, "The query specified in the URI is not valid. The filter is too deep.");

    x->depth++;
    ok = ok && conjunction(x, out, true);
    x->depth--;
    return ok;
}

bool emu_filter_sql(const struct emu_entity *en, const char *text, struct strbuf *sql, char *msg, size_t msg_size)
{
    struct arena a = { 0 };
    struct parser x = { .en = en, .p = text, .a = &a, .msg = msg, .msg_size = msg_size };
    struct operand o = { .kind = K_NULL };
    bool ok = condition(&x, &o);

    skip(&x);
    if (ok && (*x.p || o.kind != K_BOOL))
        ok = syntax(&x);
    if (ok)
        strbuf_adds(sql, o.sql);
    arena_release(&a);
    return ok;
}

bool emu_orderby_sql(const struct emu_entity *en, const char *text, struct strbuf *sql, char *msg, size_t msg_size)
{
    struct arena a = { 0 };
    struct parser x = { .en = en, .p = text, .a = &a, .msg = msg, .msg_size = msg_size };

    for (bool more = true; more && !x.failed;) {
        bool company;
        size_t n = 0;
        const struct emu_field *f;

        skip(&x);
        while (name_char(x.p[n]))
            n++;
        f = emu_property(en, x.p, n, &company);
        if (!n)
            syntax(&x);
        else if (!f && !company)
            unknown_property(&x, x.p, n);
        if (x.failed)
            break;
        emu_column_sql(f, sql);
        x.p += n;
        if (word(&x, "desc"))
            strbuf_adds(sql, " desc");
        else
            (void)word(&x, "asc");
        skip(&x);
        more = *x.p == ',';
        if (!more && *x.p)
            syntax(&x);
        x.p += more;
        if (more)
            strbuf_adds(sql, ", ");
    }
    arena_release(&a);
    return !x.failed;
}

bool emu_literal(const struct emu_field *f, const char *p, size_t n, struct strbuf *out)
{
    struct arena a = { 0 };
    struct parser x = { .a = &a, .p = arena_dup(&a, p, n), .msg_size = 0 };
    char ignored[256];
    const char *s;
    bool ok = false, text = !f || f->type == F_STRING || f->type == F_ENUM;

    x.msg = ignored;
    x.msg_size = sizeof(ignored);
    if (f && f->type == F_ENUM)
        while (name_char(*x.p))
            x.p++;
    if (text && *x.p == '\'') {
        s = quoted(&x);
        ok = s && !*x.p;
        if (ok && f)
            ok = emu_fno_canon(f, s, strlen(s), out, ignored, sizeof(ignored));
        else if (ok)
            strbuf_adds(out, s);
    } else if (!text && n) {
        ok = emu_fno_canon(f, p, n, out, ignored, sizeof(ignored));
    }
    arena_release(&a);
    return ok;
}

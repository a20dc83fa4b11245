#include "emu_dv.h"
#include "emu_dv_filter.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 100, LIST_MAX = 20000, ARGS_MAX = 8 };

struct parser {
    struct arena *a;
    const struct emu_request *q;
    const char *start, *p;
    int depth;
    bool in_alias;
    char *msg;
    size_t msg_size;
};

static struct dv_fnode *parse_or(struct parser *ps);

static struct dv_fnode *syntax(struct parser *ps)
{
    if (!*ps->msg)
        snprintf(ps->msg, ps->msg_size, "Syntax error at position %zu in '%.200s'.", (size_t)(ps->p - ps->start),
                 ps->start);
    return NULL;
}

static struct dv_fnode *node(struct parser *ps, enum dv_fkind kind, const char *text)
{
    struct dv_fnode *n = arena_zalloc(ps->a, sizeof(*n));

    n->kind = kind;
    n->text = text;
    return n;
}

static struct dv_fnode *pair(struct parser *ps, enum dv_fkind kind, struct dv_fnode *l, struct dv_fnode *r)
{
    struct dv_fnode *n = node(ps, kind, "");

    n->args = arena_alloc(ps->a, 2 * sizeof(*n->args));
    n->args[0] = l;
    n->args[1] = r;
    n->n = r ? 2 : 1;
    return n;
}

static void blanks(struct parser *ps)
{
    ps->p += strspn(ps->p, " \t");
}

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '/' || c == '@';
}

/* The next word, which has to end at something that is no part of a name. */
static bool word(struct parser *ps, const char *w)
{
    size_t n = strlen(w);

    blanks(ps);
    if (strncmp(ps->p, w, n) != 0 || name_char(ps->p[n]))
        return false;
    ps->p += n;
    return true;
}

/* Behind the opening quote -> text; false = it does not end. */
static const char *quoted(struct parser *ps)
{
    struct strbuf s = { 0 };
    const char *text;

    for (;; ps->p++) {
        if (!*ps->p) {
            strbuf_release(&s);
            return NULL;
        }
        if (*ps->p == '\'') {
            if (ps->p[1] != '\'')
                break;
            ps->p++;
        }
        strbuf_addc(&s, *ps->p);
    }
    ps->p++;
    text = arena_dup(ps->a, strbuf_str(&s), s.len);
    strbuf_release(&s);
    return text;
}

/* A JSON array: at p, or the whole value of an alias. */
static struct dv_fnode *list(struct parser *ps, const char *json, size_t n)
{
    char *copy = arena_dup(ps->a, json, n);
    yajl_val v = yajl_tree_parse(copy, NULL, 0);
    struct dv_fnode *l = NULL;

    if (!YAJL_IS_ARRAY(v) || YAJL_GET_ARRAY(v)->len > LIST_MAX) {
        yajl_tree_free(v);
        return syntax(ps);
    }
    l = node(ps, DF_LIST, "");
    l->n = YAJL_GET_ARRAY(v)->len;
    l->args = arena_alloc(ps->a, (l->n + 1) * sizeof(*l->args));
    for (size_t i = 0; i < l->n && l; i++) {
        yajl_val x = YAJL_GET_ARRAY(v)->values[i];

        if (YAJL_IS_STRING(x))
            l->args[i] = node(ps, DF_STRING, arena_strdup(ps->a, YAJL_GET_STRING(x)));
        else if (YAJL_IS_NUMBER(x))
            l->args[i] = node(ps, DF_NUMBER, arena_strdup(ps->a, YAJL_GET_NUMBER(x)));
        else
            l = syntax(ps);
    }
    yajl_tree_free(v);
    return l;
}

/* Length of a JSON array that starts at p; 0 = it does not end. */
static size_t array_length(const char *p)
{
    bool text = false;

    for (size_t i = 0; p[i]; i++) {
        if (text && p[i] == '\\' && p[i + 1])
            i++;
        else if (p[i] == '"')
            text = !text;
        else if (!text && p[i] == ']')
            return i + 1;
    }
    return 0;
}

static struct dv_fnode *alias(struct parser *ps)
{
    size_t n = 1;
    const char *value, *keep = ps->p;
    struct dv_fnode *v;

    while (isalnum((unsigned char)ps->p[n]) || ps->p[n] == '_')
        n++;
    value = ps->q ? emu_query(ps->q, arena_dup(ps->a, ps->p, n)) : NULL;
    if (!value || ps->in_alias) {
        snprintf(ps->msg, ps->msg_size, "The parameter alias '%.*s' has no value.", (int)(n > 60 ? 60 : n), ps->p);
        return NULL;
    }
    value += strspn(value, " ");
    if (*value == '[') {
        v = list(ps, value, strlen(value));
    } else {
        ps->in_alias = true;
        ps->p = value;
        v = parse_or(ps);
        blanks(ps);
        if (v && *ps->p)
            v = syntax(ps);
        ps->in_alias = false;
    }
    ps->p = keep + n;
    return v;
}

static struct dv_fnode *call(struct parser *ps, const char *name)
{
    struct dv_fnode *n = node(ps, DF_CALL, name);

    n->args = arena_zalloc(ps->a, ARGS_MAX * sizeof(*n->args));
    n->arg_names = arena_zalloc(ps->a, ARGS_MAX * sizeof(*n->arg_names));
    ps->p++; /* the bracket */
    blanks(ps);
    while (*ps->p != ')') {
        size_t k = 0;

        if (n->n == ARGS_MAX)
            return syntax(ps);
        while (isalnum((unsigned char)ps->p[k]) || ps->p[k] == '_')
            k++;
        if (k && ps->p[k] == '=') {
            n->arg_names[n->n] = arena_dup(ps->a, ps->p, k);
            ps->p += k + 1;
        }
        n->args[n->n] = parse_or(ps);
        if (!n->args[n->n++])
            return NULL;
        blanks(ps);
        if (*ps->p == ',')
            ps->p++;
        else if (*ps->p != ')')
            return syntax(ps);
        blanks(ps);
    }
    ps->p++;
    return n;
}

/* Something that starts with a digit or a sign: number, date, or a guid that begins with a digit. */
static struct dv_fnode *number(struct parser *ps)
{
    size_t n = 1, i = 0;
    char *text;

    while (isalnum((unsigned char)ps->p[n]) || strchr(".:+-", ps->p[n] ? ps->p[n] : ' '))
        n++;
    text = arena_dup(ps->a, ps->p, n);
    if (n >= 10 && strspn(text, "0123456789") == 4 && text[4] == '-' && text[7] == '-') {
        ps->p += n;
        return node(ps, DF_DATETIME, text);
    }
    i = *text == '-' || *text == '+';
    if (!text[i] || strspn(text + i, "0123456789.eE+-") != n - i || !isdigit((unsigned char)text[i]))
        return syntax(ps);
    ps->p += n;
    return node(ps, DF_NUMBER, text);
}

static struct dv_fnode *value(struct parser *ps)
{
    char guid[37];
    const char *text;
    size_t n = 0;

    blanks(ps);
    if (*ps->p == '\'') {
        ps->p++;
        text = quoted(ps);
        return text ? node(ps, DF_STRING, text) : syntax(ps);
    }
    if (*ps->p == '[') {
        struct dv_fnode *l;

        n = array_length(ps->p);
        l = n ? list(ps, ps->p, n) : syntax(ps);
        ps->p += n;
        return l;
    }
    if (strlen(ps->p) >= 36 && dv_guid(ps->p, 36, guid) && !name_char(ps->p[36]) && ps->p[36] != '-') {
        ps->p += 36;
        return node(ps, DF_GUID, arena_strdup(ps->a, guid));
    }
    if (*ps->p == '@')
        return alias(ps);
    if (isdigit((unsigned char)*ps->p) || *ps->p == '-' || *ps->p == '+')
        return number(ps);
    while (name_char(ps->p[n]))
        n++;
    if (!n)
        return syntax(ps);
    text = arena_dup(ps->a, ps->p, n);
    ps->p += n;
    if (*ps->p == '(')
        return call(ps, text);
    if (*ps->p == '\'') {
        struct dv_fnode *e = node(ps, DF_ENUM, NULL);

        ps->p++;
        e->type = text;
        e->text = quoted(ps);
        return e->text ? e : syntax(ps);
    }
    if (!strcmp(text, "null"))
        return node(ps, DF_NULL, text);
    if (!strcmp(text, "true") || !strcmp(text, "false"))
        return node(ps, DF_BOOL, text);
    return node(ps, DF_PROPERTY, text);
}

static struct dv_fnode *comparison(struct parser *ps)
{
    static const struct {
        const char *name;
        enum dv_fkind kind;
    } OPS[] = {
        { "eq", DF_EQ }, { "ne", DF_NE }, { "gt", DF_GT }, { "ge", DF_GE }, { "lt", DF_LT }, { "le", DF_LE }
    };
    struct dv_fnode *l, *r;

    blanks(ps);
    if (*ps->p == '(') {
        ps->p++;
        l = parse_or(ps);
        blanks(ps);
        if (l && *ps->p != ')')
            return syntax(ps);
        ps->p++;
        return l;
    }
    l = value(ps);
    for (size_t i = 0; l && i < COUNT(OPS); i++)
        if (word(ps, OPS[i].name)) {
            r = value(ps);
            return r ? pair(ps, OPS[i].kind, l, r) : NULL;
        }
    return l;
}

static struct dv_fnode *parse_not(struct parser *ps)
{
    if (word(ps, "not")) {
        struct dv_fnode *n = parse_not(ps);

        return n ? pair(ps, DF_NOT, n, NULL) : NULL;
    }
    return comparison(ps);
}

static struct dv_fnode *parse_and(struct parser *ps)
{
    struct dv_fnode *l = parse_not(ps);

    while (l && word(ps, "and")) {
        struct dv_fnode *r = parse_not(ps);

        l = r ? pair(ps, DF_AND, l, r) : NULL;
    }
    return l;
}

static struct dv_fnode *parse_or(struct parser *ps)
{
    struct dv_fnode *l;

    if (++ps->depth > DEPTH_MAX) {
        snprintf(ps->msg, ps->msg_size, "The node count limit of '%d' has been exceeded.", DEPTH_MAX);
        return NULL;
    }
    l = parse_and(ps);
    while (l && word(ps, "or")) {
        struct dv_fnode *r = parse_and(ps);

        l = r ? pair(ps, DF_OR, l, r) : NULL;
    }
    ps->depth--;
    return l;
}

struct dv_fnode *dv_filter_parse(struct arena *a, const struct emu_request *q, const char *text, char *msg,
                                 size_t msg_size)
{
    struct parser ps = { .a = a, .q = q, .start = text, .p = text, .msg = msg, .msg_size = msg_size };
    struct dv_fnode *n;

    *msg = '\0';
    n = parse_or(&ps);
    blanks(&ps);
    if (n && *ps.p)
        n = syntax(&ps);
    return n;
}

#include "data/json.h"

#include <stdio.h>

/* How many octets from p on need no escape, eight at a time. */
static size_t plain(const char *p, size_t n)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        uint64_t v, quote, slash;

        memcpy(&v, p + i, 8);
        quote = v ^ ones * '"';
        slash = v ^ ones * '\\';
        /* an octet below 0x20, or one that became 0; a borrow can only raise a false alarm behind a true one */
        if (((v - ones * 0x20) & ~v & tops) | ((quote - ones) & ~quote & tops) | ((slash - ones) & ~slash & tops))
            break;
    }
    while (i < n && (unsigned char)p[i] >= 0x20 && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

/* Whole runs of plain octets are copied at once: bodies of a thousand rows pass through here. */
static void add_text(struct strbuf *out, struct cell c)
{
    static const char HEX[] = "0123456789abcdef";
    size_t from = 0;

    strbuf_addc(out, '"');
    for (size_t i = c.len ? plain(c.ptr, c.len) : 0; i < c.len; i += plain(c.ptr + i, c.len - i)) {
        unsigned char ch = (unsigned char)c.ptr[i];
        char esc[6] = { '\\', 0 };
        size_t n = 2;

        switch (ch) {
        case '"':
        case '\\': esc[1] = (char)ch; break;
        case '\b': esc[1] = 'b'; break;
        case '\f': esc[1] = 'f'; break;
        case '\n': esc[1] = 'n'; break;
        case '\r': esc[1] = 'r'; break;
        case '\t': esc[1] = 't'; break;
        default:
            memcpy(esc, "\\u00", 4);
            esc[4] = HEX[ch >> 4];
            esc[5] = HEX[ch & 15];
            n = 6;
        }
        strbuf_add(out, c.ptr + from, i - from);
        strbuf_add(out, esc, n);
        from = ++i;
    }
    strbuf_add(out, c.ptr ? c.ptr + from : NULL, c.len - from);
    strbuf_addc(out, '"');
}

static void before_value(struct jsonw *w)
{
    if (w->comma)
        strbuf_addc(w->out, ',');
    w->comma = true;
}

void jw_begin(struct jsonw *w, char bracket)
{
    before_value(w);
    strbuf_addc(w->out, bracket);
    w->comma = false;
}

void jw_end(struct jsonw *w, char bracket)
{
    strbuf_addc(w->out, bracket);
    w->comma = true;
}

void jw_namec(struct jsonw *w, struct cell name)
{
    before_value(w);
    add_text(w->out, name);
    strbuf_addc(w->out, ':');
    w->comma = false;
}

void jw_name(struct jsonw *w, const char *name)
{
    jw_namec(w, cell_of(name));
}

void jw_null(struct jsonw *w)
{
    jw_raw(w, CELL_LIT("null"));
}

void jw_str(struct jsonw *w, struct cell c)
{
    if (cell_absent(c)) {
        jw_null(w);
        return;
    }
    before_value(w);
    add_text(w->out, c);
}

void jw_raw(struct jsonw *w, struct cell literal)
{
    before_value(w);
    strbuf_add(w->out, literal.ptr, literal.len);
}

void jw_i64(struct jsonw *w, int64_t v)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)v);
    jw_raw(w, cell_of(text));
}

void jw_bool(struct jsonw *w, bool v)
{
    jw_raw(w, v ? CELL_LIT("true") : CELL_LIT("false"));
}

void jw_tree(struct jsonw *w, const struct json *v)
{
    if (!v) {
        jw_null(w);
        return;
    }
    switch (v->type) {
    case JSON_NULL: jw_null(w); break;
    case JSON_TRUE:
    case JSON_FALSE: jw_bool(w, v->type == JSON_TRUE); break;
    case JSON_NUMBER: jw_raw(w, v->text); break;
    case JSON_STRING: jw_str(w, v->text); break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        jw_begin(w, v->type == JSON_ARRAY ? '[' : '{');
        for (const struct json *m = v->child; m; m = m->next) {
            if (v->type == JSON_OBJECT)
                jw_namec(w, m->name);
            jw_tree(w, m);
        }
        jw_end(w, v->type == JSON_ARRAY ? ']' : '}');
    }
}

void jw_pstr(struct jsonw *w, const char *name, struct cell c)
{
    jw_name(w, name);
    jw_str(w, c);
}

void jw_ps(struct jsonw *w, const char *name, const char *s)
{
    jw_pstr(w, name, cell_of(s));
}

void jw_pi64(struct jsonw *w, const char *name, int64_t v)
{
    jw_name(w, name);
    jw_i64(w, v);
}

void jw_pbool(struct jsonw *w, const char *name, bool v)
{
    jw_name(w, name);
    jw_bool(w, v);
}

void json_write(struct strbuf *out, const struct json *v)
{
    jw_tree(&(struct jsonw){ .out = out }, v);
}

static void new_line(struct strbuf *out, size_t depth)
{
    strbuf_addc(out, '\n');
    for (size_t i = 0; i < depth; i++)
        strbuf_adds(out, "  ");
}

static void pretty(struct strbuf *out, const struct json *v, size_t depth)
{
    bool array = v && v->type == JSON_ARRAY;

    if (!v || (v->type != JSON_ARRAY && v->type != JSON_OBJECT) || !v->child) {
        json_write(out, v);
        return;
    }
    strbuf_addc(out, array ? '[' : '{');
    for (const struct json *m = v->child; m; m = m->next) {
        new_line(out, depth + 1);
        if (!array) {
            add_text(out, m->name);
            strbuf_adds(out, ": ");
        }
        pretty(out, m, depth + 1);
        if (m->next)
            strbuf_addc(out, ',');
    }
    new_line(out, depth);
    strbuf_addc(out, array ? ']' : '}');
}

void json_write_pretty(struct strbuf *out, const struct json *v)
{
    pretty(out, v, 0);
    strbuf_addc(out, '\n');
}

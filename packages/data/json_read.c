#include "data/json_build.h"

#include <stdlib.h>
#include <sys/random.h>
#include <xxhash.h>

enum {
    DEFAULT_DEPTH = 64,
    FEW_MEMBERS = 16, /* up to here a walk over the members is cheaper than a table */
};
#define DEFAULT_OCTETS ((size_t)64 << 20)
#define DEFAULT_TOKEN ((size_t)16 << 20)

/* Returns how many octets are fine; when that is less than n, *ret_why says what is wrong with the next one. */
static size_t guard_scan(struct json_guard *g, const char *p, size_t n, size_t max_token, enum ec *ret_code,
                         const char **ret_why)
{
    static const char LONE[] = "half of a surrogate pair";

    *ret_code = EC_FORMAT;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];

        switch (g->state) {
        case GUARD_OUTSIDE:
            if (c == '"') {
                g->state = GUARD_STRING;
                g->token = 0;
            } else if (c == ',' || c == ':' || c == '{' || c == '}' || c == '[' || c == ']' || c == ' ' ||
                       c == '\n' || c == '\r' || c == '\t') {
                g->token = 0;
            } else {
                g->token++;
            }
            break;
        case GUARD_STRING:
            if (c == '\\') {
                g->state = GUARD_ESCAPE;
            } else if (g->high) {
                *ret_why = LONE;
                return i;
            } else if (c == '"') {
                g->state = GUARD_OUTSIDE;
                g->token = 0;
                break;
            }
            g->token++;
            break;
        case GUARD_ESCAPE:
            g->token++;
            if (c == 'u') {
                g->state = GUARD_HEX;
                g->hex_left = 4;
                g->unit = 0;
            } else if (g->high) {
                *ret_why = LONE;
                return i;
            } else {
                g->state = GUARD_STRING;
            }
            break;
        case GUARD_HEX: {
            unsigned d = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 0; /* not a digit: yajl refuses it in a moment */

            g->token++;
            g->unit = g->unit << 4 | d;
            if (--g->hex_left)
                break;
            g->state = GUARD_STRING;
            if (g->high != (g->unit >= 0xDC00 && g->unit <= 0xDFFF)) {
                *ret_why = LONE;
                return i;
            }
            g->high = !g->high && g->unit >= 0xD800 && g->unit <= 0xDBFF;
            break;
        }
        }
        if (g->token > max_token) {
            *ret_code = EC_LIMIT;
            *ret_why = "a token is too long";
            return i;
        }
    }
    return n;
}

/* Record the first failure and make yajl stop. */
static int refuse(struct json_build *b, enum ec code, const char *why)
{
    if (!b->err.code)
        err_set(&b->err, code, "%s: %s near octet %llu", b->what, why,
                (unsigned long long)(b->fed + (b->parser ? yajl_get_bytes_consumed(b->parser) : 0)));
    return 0;
}

static size_t seen_slot(const struct json_build *b, const struct json_frame *f, struct cell name)
{
    size_t i = XXH3_64bits_withSeed(name.ptr, name.len, b->seed) & (f->seen_cap - 1);

    while (f->seen[i] && !cell_eq(f->seen[i]->name, name))
        i = (i + 1) & (f->seen_cap - 1);
    return i;
}

static void seen_grow(struct json_build *b, struct json_frame *f)
{
    free(f->seen);
    f->seen_cap = f->seen_cap ? f->seen_cap * 2 : 8 * FEW_MEMBERS;
    f->seen = xcalloc(f->seen_cap, sizeof(*f->seen));
    for (struct json *m = f->node->child; m; m = m->next)
        f->seen[seen_slot(b, f, m->name)] = m;
}

static bool has_member(struct json_build *b, struct json_frame *f, struct cell name)
{
    if (f->node->n < FEW_MEMBERS) {
        for (struct json *m = f->node->child; m; m = m->next)
            if (cell_eq(m->name, name))
                return true;
        return false;
    }
    if (f->node->n * 2 > f->seen_cap)
        seen_grow(b, f);
    return f->seen[seen_slot(b, f, name)] != NULL;
}

static struct json *new_node(struct json_build *b, enum json_type t)
{
    struct json *v = json_new(b->a, t, CELL_ABSENT);
    struct json_frame *f = b->depth ? &b->stack[b->depth - 1] : NULL;

    v->name = b->name;
    b->name = CELL_ABSENT;
    if (!f) {
        b->root = v;
    } else if (!(b->streaming && b->depth == 2)) {
        json_append(f->node, v);
        if (f->seen)
            f->seen[seen_slot(b, f, v->name)] = v;
    }
    return v;
}

/* A value is complete. One that is a row goes to its owner and is forgotten. */
static int value_done(struct json_build *b, const struct json *v)
{
    enum ec rc;

    if (!b->streaming || b->depth != 2)
        return 1;
    rc = b->row(b->row_arg, v, &b->err);
    arena_reset(b->row_arena);
    if (rc && !b->err.code)
        err_set(&b->err, rc, "%s: a row was refused", b->what);
    return !rc;
}

static int open_container(struct json_build *b, enum json_type t)
{
    bool rows = b->row && b->depth == 1 && t == JSON_ARRAY && cell_is(b->name, "value");
    struct json *v;

    if (b->depth >= b->lim.depth)
        return refuse(b, EC_LIMIT, "nested too deeply");
    v = new_node(b, t);
    if (b->depth == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 16;
        b->stack = xrealloc(b->stack, b->cap * sizeof(*b->stack));
    }
    b->stack[b->depth++] = (struct json_frame){ .node = v };
    if (rows) {
        b->streaming = true;
        b->a = b->row_arena;
    }
    return 1;
}

static int close_container(struct json_build *b)
{
    struct json_frame *f = &b->stack[--b->depth];
    struct json *v = f->node;

    free(f->seen);
    f->seen = NULL;
    if (b->streaming && b->depth == 1) {
        b->streaming = false;
        b->a = b->envelope_arena;
    }
    return value_done(b, v);
}

static int on_null(void *ctx)
{
    return value_done(ctx, new_node(ctx, JSON_NULL));
}

static int on_bool(void *ctx, int v)
{
    return value_done(ctx, new_node(ctx, v ? JSON_TRUE : JSON_FALSE));
}

static int on_number(void *ctx, const char *p, size_t n)
{
    struct json_build *b = ctx;
    struct json *v = new_node(b, JSON_NUMBER);

    v->text = (struct cell){ arena_dup(b->a, p, n), n };
    return value_done(b, v);
}

/* yajl checks only the shape of UTF-8 sequences: overlong forms and surrogates pass it. */
static bool good_text(struct json_build *b, const unsigned char *p, size_t n)
{
    if (utf8_valid_prefix((const char *)p, n) == n)
        return true;
    refuse(b, EC_FORMAT, "a text is not valid UTF-8");
    return false;
}

static int on_string(void *ctx, const unsigned char *p, size_t n)
{
    struct json_build *b = ctx;
    struct json *v;

    if (!good_text(b, p, n))
        return 0;
    v = new_node(b, JSON_STRING);
    v->text = (struct cell){ arena_dup(b->a, p, n), n };
    return value_done(b, v);
}

static int on_key(void *ctx, const unsigned char *p, size_t n)
{
    struct json_build *b = ctx;
    struct cell name = { (const char *)p, n };

    if (!good_text(b, p, n))
        return 0;
    if (has_member(b, &b->stack[b->depth - 1], name))
        return refuse(b, EC_FORMAT, "a member appears twice in one object");
    b->name = cell_dup(b->a, name);
    return 1;
}

static int on_map(void *ctx)
{
    return open_container(ctx, JSON_OBJECT);
}

static int on_array(void *ctx)
{
    return open_container(ctx, JSON_ARRAY);
}

static int on_close(void *ctx)
{
    return close_container(ctx);
}

static void *own_malloc(void *ctx, size_t n)
{
    (void)ctx;
    return xmalloc(n);
}

static void *own_realloc(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return xrealloc(p, n);
}

static void own_free(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

void json_build_init(struct json_build *b, const char *what, const struct json_limits *lim, struct arena *a)
{
    static const yajl_callbacks EVENTS = {
        .yajl_null = on_null,
        .yajl_boolean = on_bool,
        .yajl_number = on_number, /* given, so yajl never converts a literal */
        .yajl_string = on_string,
        .yajl_start_map = on_map,
        .yajl_map_key = on_key,
        .yajl_end_map = on_close,
        .yajl_start_array = on_array,
        .yajl_end_array = on_close,
    };
    static yajl_alloc_funcs memory = { own_malloc, own_realloc, own_free, NULL };

    *b = (struct json_build){ .what = what, .a = a };
    if (lim)
        b->lim = *lim;
    if (!b->lim.octets)
        b->lim.octets = DEFAULT_OCTETS;
    if (!b->lim.depth)
        b->lim.depth = DEFAULT_DEPTH;
    if (!b->lim.token)
        b->lim.token = DEFAULT_TOKEN;
    /* Names come from outside: with a seed nobody can prepare names that all fall into one slot. */
    if (getrandom(&b->seed, sizeof(b->seed), GRND_NONBLOCK) != (ssize_t)sizeof(b->seed))
        b->seed = (uintptr_t)b;
    b->parser = yajl_alloc(&EVENTS, &memory, b);
}

static enum ec give_error(struct json_build *b, struct err *reterr)
{
    if (reterr)
        *reterr = b->err;
    return b->err.code;
}

static void note_status(struct json_build *b, yajl_status st)
{
    unsigned char *text;
    char *end;

    if (st == yajl_status_ok || b->err.code)
        return;
    text = yajl_get_error(b->parser, 0, NULL, 0); /* without an excerpt: the text may hold secrets */
    if (text && (end = strchr((char *)text, '\n')))
        *end = 0;
    err_set(&b->err, EC_FORMAT, "%s: not valid JSON at octet %llu: %s", b->what,
            (unsigned long long)(b->fed + yajl_get_bytes_consumed(b->parser)), text ? (char *)text : "unreadable");
    if (text)
        yajl_free_error(b->parser, text);
}

static void give_parser(struct json_build *b, const char *p, size_t n)
{
    if (!n || b->err.code)
        return;
    note_status(b, yajl_parse(b->parser, (const unsigned char *)p, n));
    b->fed += n;
}

enum ec json_build_feed(struct json_build *b, const char *p, size_t n, struct err *reterr)
{
    static const char BOM[] = "\xEF\xBB\xBF";
    const char *why = NULL;
    enum ec code;
    size_t good;

    while (n && b->bom >= 0 && !b->err.code) { /* may come in pieces */
        if (b->bom < 3 && *p == BOM[b->bom]) {
            b->bom++;
            b->fed++;
            p++;
            n--;
        } else {
            if (b->bom == 1 || b->bom == 2)
                err_set(&b->err, EC_FORMAT, "%s: not valid JSON at octet 0: half of a byte order mark", b->what);
            b->bom = -1;
        }
    }
    if (!b->err.code && (n > b->lim.octets || b->fed > b->lim.octets - n))
        err_set(&b->err, EC_LIMIT, "%s: more than %zu octets of JSON", b->what, b->lim.octets);
    if (b->err.code || !n)
        return give_error(b, reterr);
    good = guard_scan(&b->guard, p, n, b->lim.token, &code, &why);
    give_parser(b, p, good); /* what is wrong earlier is reported first */
    if (good < n && !b->err.code)
        err_set(&b->err, code, "%s: %s at octet %llu", b->what, why, (unsigned long long)b->fed);
    return give_error(b, reterr);
}

enum ec json_build_end(struct json_build *b, struct err *reterr)
{
    if (!b->err.code)
        note_status(b, yajl_complete_parse(b->parser));
    return give_error(b, reterr);
}

void json_build_release(struct json_build *b)
{
    if (b->parser)
        yajl_free(b->parser);
    for (size_t i = 0; i < b->depth; i++)
        free(b->stack[i].seen);
    free(b->stack);
    *b = (struct json_build){ 0 };
}

enum ec json_parse(const char *what, const char *p, size_t n, const struct json_limits *lim, struct arena *a,
                   struct json **ret, struct err *reterr)
{
    struct json_build b;
    enum ec rc;

    json_build_init(&b, what, lim, a);
    rc = json_build_feed(&b, p, n, reterr);
    if (!rc)
        rc = json_build_end(&b, reterr);
    if (!rc)
        *ret = b.root;
    json_build_release(&b);
    return rc;
}

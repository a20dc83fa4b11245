/*
 * The file through libinih, with its traps closed before it sees a line: it cuts section names at 49 characters,
 * lines at 200, and splits names at ':' as well as '='. So the reader below hands it one logical line at a time:
 * comments gone, characters that mean something to it written as two harmless ones, long lines as a line and its
 * continuations.
 */
#include "cli/config_parts.h"

#include "base/file.h"

#include <ini.h>
#include <stdlib.h>

enum {
    FILE_MAX_OCTETS = 4 << 20,
    LINE_MAX_OCTETS = 64 << 10,
    PIECE = 150, /* of a long line; with its marks well under libinih's 200 */
    SECTION_MAX = 49,
    ESCAPE = 1, /* followed by the character + 0x40 */
    CONTINUED = 2,
};

struct reader {
    struct settings *s;
    const char *p, *end; /* what has not been read of the file */
    int line;
    struct strbuf pending; /* rest of an encoded long line */
    size_t pending_at;
    struct err *reterr;
    enum ec rc;
};

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

static const char *short_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void escape(struct strbuf *out, const char *p, size_t n, bool is_name)
{
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        bool special = c == ';' || c == '#' || c == '[' || (is_name && (c == ':' || c == '=')) ||
                       (blank(c) && (i == 0 || i + 1 == n || i % PIECE == 0 || !is_name));

        if (special) {
            strbuf_addc(out, ESCAPE);
            c = (char)(c + 0x40);
        }
        strbuf_addc(out, c);
    }
}

static char *unescape(struct arena *a, const char *text)
{
    size_t n = strlen(text), k = 0;
    char *out = arena_alloc(a, n + 1);

    for (size_t i = 0; i < n; i++)
        out[k++] = text[i] == ESCAPE && i + 1 < n ? (char)(text[++i] - 0x40) : text[i];
    out[k] = 0;
    return out;
}

static char *fail(struct reader *r, const char *what)
{
    r->rc = err_set(r->reterr, EC_CONFIG, "%s:%d: %s", short_name(r->s->path), r->line, what);
    return NULL;
}

/* Where the value ends: before a blank and ';', which begin a remark, unless they stand in double quotes. */
static const char *value_end(const char *p, const char *end)
{
    bool quoted = p < end && *p == '"';

    for (const char *q = p + (quoted ? 1 : 0); q < end; q++) {
        if (quoted && *q == '"')
            quoted = false;
        else if (!quoted && *q == ';' && (q == p || blank(q[-1])))
            return q;
    }
    return end;
}

static bool begin_section(struct reader *r, const char *p, size_t n)
{
    struct settings *s = r->s;
    char *name = arena_dup(s->arena, p, n);

    for (size_t i = 0; i < s->n_sections; i++)
        if (!strcmp(s->sections[i].name, name)) {
            err_set(r->reterr, EC_CONFIG, "%s:%d: section [%s] was already given in line %d", short_name(s->path),
                    r->line, name, s->sections[i].line);
            r->rc = err_hint(r->reterr, "put all settings of [%s] into one section", name);
            return false;
        }
    if (s->n_sections == s->cap_sections) {
        s->cap_sections = s->cap_sections ? 2 * s->cap_sections : 16;
        s->sections = xrealloc(s->sections, s->cap_sections * sizeof(*s->sections));
    }
    s->sections[s->n_sections++] = (struct section){ name, r->line };
    return true;
}

/* One line of the file, encoded into `pending`; false at an error. */
static bool encode_line(struct reader *r, const char *p, const char *end)
{
    const char *eq, *name_end, *v, *v_end;

    strbuf_reset(&r->pending);
    r->pending_at = 0;
    if (end > p && end[-1] == '\r')
        end--;
    while (p < end && blank(*p))
        p++;
    while (end > p && blank(end[-1]))
        end--;
    if (end - p > LINE_MAX_OCTETS)
        return fail(r, "the line is longer than 64 KiB");
    if (utf8_valid_prefix(p, (size_t)(end - p)) != (size_t)(end - p))
        return fail(r, "the line is not valid UTF-8");
    for (const char *q = p; q < end; q++)
        if ((unsigned char)*q < 0x20 && *q != '\t')
            return fail(r, "the line has a control character in it");
    if (p == end || *p == ';' || *p == '#')
        return true;
    if (*p == '[') {
        const char *close_ = memchr(p, ']', (size_t)(end - p));
        const char *rest = close_ ? close_ + 1 : end;

        while (rest < end && blank(*rest))
            rest++;
        if (!close_ || (rest < end && *rest != ';' && *rest != '#'))
            return fail(r, "a section is written [name], with nothing behind it");
        if (close_ - p - 1 > SECTION_MAX)
            return fail(r, "the section's name is too long: an alias has at most 32 characters");
        if (close_ == p + 1)
            return fail(r, "the section has no name");
        if (!begin_section(r, p + 1, (size_t)(close_ - p - 1)))
            return false;
        strbuf_add(&r->pending, p, (size_t)(close_ + 1 - p));
        return true;
    }
    eq = memchr(p, '=', (size_t)(end - p));
    if (!eq || eq == p)
        return fail(r, "neither a [section] nor a 'name = value'");
    if (!r->s->n_sections)
        return fail(r, "the setting stands before the first [section]");
    for (name_end = eq; name_end > p && blank(name_end[-1]);)
        name_end--;
    if (name_end - p > 150)
        return fail(r, "the setting's name is longer than 150 octets");
    for (v = eq + 1; v < end && blank(*v);)
        v++;
    v_end = value_end(v, end);
    while (v_end > v && blank(v_end[-1]))
        v_end--;
    if (v < v_end && *v == '"') {
        if (v_end - v < 2 || v_end[-1] != '"' || memchr(v + 1, '"', (size_t)(v_end - v - 2)))
            return fail(r, "a value that begins with a double quote ends with one, and has none inside");
        v++;
        v_end--;
    }
    escape(&r->pending, p, (size_t)(name_end - p), true);
    strbuf_addc(&r->pending, '=');
    escape(&r->pending, v, (size_t)(v_end - v), false);
    return true;
}

/* libinih's reader: at most num - 1 octets, like fgets(). */
static char *next_piece(char *str, int num, void *stream)
{
    struct reader *r = stream;
    size_t left, n, at = 0;

    if (r->rc)
        return NULL;
    if (r->pending_at >= r->pending.len) {
        const char *nl;

        if (r->p >= r->end)
            return NULL;
        nl = memchr(r->p, '\n', (size_t)(r->end - r->p));
        r->line++;
        if (!encode_line(r, r->p, nl ? nl : r->end))
            return NULL;
        r->p = nl ? nl + 1 : r->end;
    }
    if (num < PIECE + 40)
        return fail(r, "libinih was built with lines that are too short");
    left = r->pending.len - r->pending_at;
    /* The first piece holds the whole name (its escapes may double it) and so may be longer. */
    n = left > PIECE ? PIECE : left;
    if (r->pending_at == 0 && left) {
        const char *eq = memchr(r->pending.buf, '=', r->pending.len);
        size_t need = eq ? (size_t)(eq - r->pending.buf) + 1 : 0;

        if (need > (size_t)num - 10)
            return fail(r, "the setting's name is too long");
        if (n < need)
            n = need;
    }
    if (n && n < left && r->pending.buf[r->pending_at + n - 1] == ESCAPE)
        n++;
    if (r->pending_at) {
        str[at++] = ' ';
        str[at++] = CONTINUED;
    }
    if (n)
        memcpy(str + at, r->pending.buf + r->pending_at, n);
    at += n;
    r->pending_at += n;
    str[at++] = '\n';
    str[at] = 0;
    return str;
}

static int take(void *user, const char *section, const char *name, const char *value)
{
    struct reader *r = user;
    struct settings *s = r->s;
    char *clean_name, *clean_value;
    struct setting *old;

    if (r->rc)
        return 0;
    if (!name)
        return 1;
    if (value && value[0] == CONTINUED && s->n) {
        struct setting *last = &s->v[s->n - 1];

        last->value = arena_printf(s->arena, "%s%s", last->value, unescape(s->arena, value + 1));
        return 1;
    }
    clean_name = unescape(s->arena, name);
    clean_value = unescape(s->arena, value ? value : "");
    old = settings_find(s, section, clean_name);
    if (old) {
        err_set(r->reterr, EC_CONFIG, "%s:%d: '%s' was already given in line %d", short_name(s->path), r->line,
                clean_name, old->line);
        r->rc = err_hint(r->reterr, "keep one of the two lines in [%s]", section);
        return 0;
    }
    settings_add(s, arena_strdup(s->arena, section), clean_name, clean_value, r->line, NULL);
    return 1;
}

enum ec settings_read(const char *path, struct settings *s, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    struct reader r = { .s = s, .pending = STRBUF(0), .reterr = reterr };
    enum ec rc = file_read(path, FILE_MAX_OCTETS, &text, reterr);

    s->path = arena_strdup(s->arena, path);
    if (rc) {
        rc = err_ctx(reterr, EC_CONFIG, "configuration");
        goto out;
    }
    r.p = strbuf_str(&text);
    r.end = r.p + text.len;
    if (text.len >= 3 && !memcmp(r.p, "\xef\xbb\xbf", 3))
        r.p += 3;
    if (memchr(r.p, 0, (size_t)(r.end - r.p))) {
        rc = err_set(reterr, EC_CONFIG, "%s has a NUL octet in it", short_name(path));
        err_hint(reterr, "save the file as UTF-8 text");
        goto out;
    }
    (void)ini_parse_stream(next_piece, &r, take, &r);
    rc = r.rc;
    if (!rc && r.p < r.end)
        rc = err_set(reterr, EC_CONFIG, "%s:%d: the line cannot be read", short_name(path), r.line);
out:
    strbuf_release(&text);
    strbuf_release(&r.pending);
    return rc;
}

void settings_release(struct settings *s)
{
    free(s->v);
    free(s->sections);
    s->v = NULL;
    s->sections = NULL;
    s->n = s->cap = s->n_sections = s->cap_sections = 0;
}

struct setting *settings_find(const struct settings *s, const char *section, const char *name)
{
    for (size_t i = 0; i < s->n; i++)
        if (!strcmp(s->v[i].section, section) && !strcmp(s->v[i].name, name))
            return &s->v[i];
    return NULL;
}

void settings_add(struct settings *s, const char *section, const char *name, const char *value, int line,
                  const char *env)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->v = xrealloc(s->v, s->cap * sizeof(*s->v));
    }
    s->v[s->n++] = (struct setting){ section, name, value, line, env, false };
}

const char *setting_place(const struct settings *s, const struct setting *x)
{
    if (x->env)
        return arena_printf(s->arena, "environment variable %s", x->env);
    return arena_printf(s->arena, "%s:%d: [%s] %s", short_name(s->path), x->line, x->section, x->name);
}

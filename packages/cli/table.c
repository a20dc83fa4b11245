/* Tables for people. */
#include "cli/output.h"
#include "cli/text_width.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column that needs more than READABLE is cut down to that; where less would be left of it, rows take several lines. */
enum { COLUMNS_MAX = 32, NARROWEST = 8, READABLE = 16, INDENT = 6 };

struct table {
    struct output *o;
    struct arena arena;
    size_t n; /* columns */
    const char *align;
    struct cell *cells; /* row after row, headers first */
    size_t used, cap;
};

static void put(struct table *t, struct cell c)
{
    if (t->used == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->cells = xrealloc(t->cells, t->cap * sizeof(*t->cells));
    }
    t->cells[t->used++] = c;
}

struct table *table_new(struct output *o, const char *const *headers, size_t n, const char *align)
{
    struct table *t = xcalloc(1, sizeof(*t));

    BUG_IF(n == 0 || n > COLUMNS_MAX || strlen(align) != n, "table columns");
    t->o = o;
    t->n = n;
    t->align = arena_strdup(&t->arena, align);
    for (size_t i = 0; i < n; i++)
        put(t, cell_dup(&t->arena, cell_of(headers[i])));
    return t;
}

void table_cell(struct table *t, const char *fmt, ...)
{
    va_list ap;
    char *text;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    BUG_IF(n < 0, "table cell format");
    text = arena_alloc(&t->arena, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++) /* a text from a service may not move the cursor */
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    put(t, (struct cell){ text, (size_t)n });
}

/* Takes columns off the widest left-aligned column until the table fits. False = not without cutting one beyond reading. */
static bool fit(const struct table *t, size_t *width)
{
    size_t total = 0, limit = t->o->width > 0 ? (size_t)t->o->width : SIZE_MAX;
    bool readable = true;

    for (size_t i = 0; i < t->n; i++)
        total += width[i] + (i ? 2 : 0);
    while (total > limit) {
        size_t widest = t->n;

        for (size_t i = 0; i < t->n; i++)
            if (t->align[i] == 'l' && width[i] > NARROWEST && (widest == t->n || width[i] > width[widest]))
                widest = i;
        if (widest == t->n)
            return false; /* nothing left to cut: numbers are never shortened */
        readable = readable && width[widest] > READABLE;
        width[widest]--;
        total--;
    }
    return readable;
}

/* Columns keep their width and go to further lines of the row, indented, where the line is full. */
static void fold(const struct table *t, size_t *width, bool *ends)
{
    size_t limit = (size_t)t->o->width, used = 0;

    for (size_t i = 0; i < t->n; i++) {
        size_t most = limit > INDENT + NARROWEST ? limit - INDENT : NARROWEST;

        if (t->align[i] == 'l' && width[i] > most)
            width[i] = most;
        if (i && used + 2 + width[i] > limit) {
            ends[i - 1] = true;
            used = INDENT + width[i];
        } else {
            used += (i ? 2 : 0) + width[i];
        }
    }
}

static void print_cell(struct strbuf *line, struct cell c, size_t width, char align, bool last)
{
    size_t w = text_width(c);
    struct cell shown = c;
    bool cut = w > width;

    if (cut) {
        shown = text_cut(c, width - 1);
        w = text_width(shown) + 1;
    }
    for (size_t i = w; align == 'r' && i < width; i++)
        strbuf_addc(line, ' ');
    strbuf_add(line, shown.ptr, shown.len);
    if (cut)
        strbuf_adds(line, "…");
    for (size_t i = w; align != 'r' && !last && i < width; i++)
        strbuf_addc(line, ' ');
}

void table_print(struct table *t)
{
    size_t width[COLUMNS_MAX] = { 0 }, natural[COLUMNS_MAX];
    bool ends[COLUMNS_MAX] = { false };
    struct strbuf line = STRBUF(0);

    for (size_t i = 0; i < t->used; i++) {
        size_t w = text_width(t->cells[i]);

        if (w > width[i % t->n])
            width[i % t->n] = w;
    }
    memcpy(natural, width, sizeof(natural));
    if (!fit(t, width)) {
        memcpy(width, natural, sizeof(natural));
        fold(t, width, ends);
    }
    if (!t->o->json && !t->o->quiet) {
        progress_erase(t->o);
        for (size_t i = 0; i < t->used; i++) {
            bool last = i % t->n == t->n - 1 || i + 1 == t->used, ended = ends[i % t->n];

            print_cell(&line, t->cells[i], width[i % t->n], t->align[i % t->n], last || ended);
            strbuf_adds(&line, last ? "\n" : ended ? "" : "  ");
            if (ended && !last)
                strbuf_addf(&line, "\n%*s", INDENT, "");
        }
        fwrite(strbuf_str(&line), 1, line.len, stdout);
    }
    strbuf_release(&line);
    free(t->cells);
    arena_release(&t->arena);
    free(t);
}

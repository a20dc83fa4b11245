/* Tables for people. */
#include "cli/output.h"
#include "cli/text_width.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS_MAX = 32, NARROWEST = 8 };

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

/* Takes columns off the widest left-aligned column until the table fits. */
static void fit(const struct table *t, size_t *width)
{
    size_t total = 0, limit = t->o->width > 0 ? (size_t)t->o->width : SIZE_MAX;

    for (size_t i = 0; i < t->n; i++)
        total += width[i] + (i ? 2 : 0);
    while (total > limit) {
        size_t widest = t->n;

        for (size_t i = 0; i < t->n; i++)
            if (t->align[i] == 'l' && width[i] > NARROWEST && (widest == t->n || width[i] > width[widest]))
                widest = i;
        if (widest == t->n)
            return; /* nothing left to cut: numbers are never shortened */
        width[widest]--;
        total--;
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
    size_t width[COLUMNS_MAX] = { 0 };
    struct strbuf line = STRBUF(0);

    for (size_t i = 0; i < t->used; i++) {
        size_t w = text_width(t->cells[i]);

        if (w > width[i % t->n])
            width[i % t->n] = w;
    }
    fit(t, width);
    if (!t->o->json && !t->o->quiet) {
        progress_erase(t->o);
        for (size_t i = 0; i < t->used; i++) {
            bool last = i % t->n == t->n - 1 || i + 1 == t->used;

            print_cell(&line, t->cells[i], width[i % t->n], t->align[i % t->n], last);
            strbuf_adds(&line, last ? "\n" : "  ");
        }
        fwrite(strbuf_str(&line), 1, line.len, stdout);
    }
    strbuf_release(&line);
    free(t->cells);
    arena_release(&t->arena);
    free(t);
}

/* import_choose.c -- versions of maps: their order, and which one of several is taken. */
#include "map/import.h"

#include <stdlib.h>

enum { PARTS = 4 };

static bool version(struct cell c, int64_t ret[static PARTS])
{
    size_t at = 0;

    for (int k = 0; k < PARTS; k++) {
        size_t from = at;

        while (at < c.len && c.ptr[at] != '.')
            at++;
        if (from == at || at - from > 9 || !cell_to_i64((struct cell){ c.ptr + from, at - from }, &ret[k]) ||
            ret[k] < 0 || (at == c.len) != (k == PARTS - 1))
            return false;
        at++;
    }
    return true;
}

int map_version_compare(struct cell a, struct cell b)
{
    int64_t x[PARTS], y[PARTS];
    bool ok_a = version(a, x), ok_b = version(b, y);

    if (!ok_a || !ok_b)
        return ok_a - ok_b;
    for (int k = 0; k < PARTS; k++)
        if (x[k] != y[k])
            return x[k] < y[k] ? -1 : 1;
    return 0;
}

bool map_version_parked(struct cell c)
{
    int64_t v[PARTS];

    return version(c, v) && v[0] == 9 && v[1] == 9 && v[2] == 9 && v[3] == 9;
}

struct cell map_row_key(struct arena *a, struct cell row_name)
{
    const char *open = row_name.len ? memchr(row_name.ptr, '[', row_name.len) : NULL;
    const char *shut = row_name.len ? memrchr(row_name.ptr, ']', row_name.len) : NULL;

    if (!open || !shut || shut < open)
        return CELL_ABSENT;
    return cell_lower(a, (struct cell){ open + 1, (size_t)(shut - open - 1) });
}

static bool same_map(const struct import_map *a, const struct import_map *b)
{
    return cell_ieq(a->map->label, b->map->label) && cell_ieq(a->map->set, b->map->set);
}

static bool same_text(const struct import_map *a, const struct import_map *b)
{
    struct strbuf x = STRBUF(0), y = STRBUF(0);
    bool same;

    map_write_text(a->map, &x);
    map_write_text(b->map, &y);
    same = x.len == y.len && !memcmp(x.buf, y.buf, x.len);
    strbuf_release(&x);
    strbuf_release(&y);
    return same;
}

struct group {
    struct import_map **list; /* the versions of one map */
    size_t n, live; /* live = not parked */
    bool by_date; /* every live one says when it was made */
};

static int order(const struct group *g, const struct import_map *a, const struct import_map *b)
{
    int c = g->by_date ? cell_cmp(a->created, b->created) : 0;

    return c ? c : map_version_compare(a->version, b->version);
}

static const char *version_of(struct import *i, const struct import_map *m)
{
    return cell_blank(m->version) ? "a version that is not named" : cell_cstr(&i->arena, m->version);
}

static void note(struct import *i, struct import_map *m, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void note(struct import *i, struct import_map *m, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    m->note.ptr = arena_vprintf(&i->arena, &m->note.len, fmt, ap);
    va_end(ap);
}

static void refuse_twins(struct import *i, struct import_map *a, struct import_map *b)
{
    struct import_map *both[] = { a, b };

    for (int k = 0; k < 2; k++) {
        struct import_map *m = both[k], *other = both[1 - k];

        m->chosen = false;
        err_set(&m->err, EC_FORMAT,
                "'" CELL_FMT "' is also in " CELL_FMT ", with other content and nothing to tell "
                "which one is newer",
                CELL_ARG(m->map->name), CELL_ARG(other->origin));
        err_hint(&m->err, "import the one that is meant");
    }
    (void)i;
}

static void choose(struct import *i, struct group *g)
{
    struct import_map *best = NULL, *highest = NULL;

    g->by_date = true;
    for (size_t k = 0; k < g->n; k++) {
        struct import_map *m = g->list[k];

        if (!m->parked) {
            g->live++;
            g->by_date = g->by_date && !cell_blank(m->created);
        }
    }
    for (size_t k = 0; k < g->n; k++) {
        struct import_map *m = g->list[k];

        if (g->live && m->parked) {
            note(i, m, "version 9.9.9.9 is parked, not the one that runs");
            continue;
        }
        if (!best || order(g, best, m) < 0)
            best = m;
        if (!highest || map_version_compare(highest->version, m->version) < 0)
            highest = m;
    }
    best->chosen = true;
    if (best->parked) {
        note(i, best, "the only version there is parked (9.9.9.9): it may not be the one that runs");
    } else if (g->n > 1) {
        note(i, best, "%s of %zu versions%s", g->by_date ? "the newest" : "the highest", g->n,
             g->live < g->n ? ", parked ones left out" : "");
        if (map_version_compare(best->version, highest->version) < 0)
            note(i, best, "the newest of %zu versions; %s is higher, but was made earlier", g->n,
                 version_of(i, highest));
    }
    for (size_t k = 0; k < g->n; k++) {
        struct import_map *m = g->list[k];

        if (m == best || !cell_absent(m->note))
            continue;
        if (order(g, m, best) == 0 && !same_text(m, best)) {
            refuse_twins(i, m, best);
            break;
        }
        note(i, m, "%s is taken from " CELL_FMT, version_of(i, best), CELL_ARG(best->origin));
    }
}

void import_choose(struct import *i)
{
    bool *done = xcalloc(i->n + 1, sizeof(*done));
    struct group g = { .list = xcalloc(i->n + 1, sizeof(*g.list)) };

    for (size_t k = 0; k < i->n; k++) {
        if (done[k] || !i->maps[k].map)
            continue;
        g.n = g.live = 0;
        for (size_t m = k; m < i->n; m++)
            if (!done[m] && i->maps[m].map && same_map(&i->maps[k], &i->maps[m])) {
                done[m] = true;
                g.list[g.n++] = &i->maps[m];
            }
        choose(i, &g);
    }
    free(g.list);
    free(done);
}

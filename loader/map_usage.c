/* map_usage.c -- one pass over a source that remembers the first value of each field and whether another came. */
#include "loader/map_usage.h"
#include "base/clock.h"
#include "loader/public/source.h"

struct column {
    const struct map_field *mf; /* NULL = not counted */
    struct cell first;
    bool varies;
};

static void look(struct column *columns, const struct source *s, const struct source_row *r, bool first,
                 struct arena *keep)
{
    for (size_t i = 0; i < s->n; i++) {
        struct column *c = &columns[i];
        struct cell v = cell_blank(r->values[i]) ? CELL_LIT("") : r->values[i];

        if (!c->mf || c->varies)
            continue;
        if (first)
            c->first = cell_dup(keep, v);
        else
            c->varies = !cell_eq(c->first, v);
    }
}

static enum ec scan(struct map_files *f, const struct map_file *m, struct source *s, struct column *columns,
                    uint64_t *ret_rows, struct err *reterr)
{
    struct arena a = { 0 };
    bool more = true;
    enum ec rc = EC_OK;

    while (!rc) {
        struct source_row r;

        arena_reset(&a);
        rc = source_next(s, &a, &r, &more, reterr);
        if (rc || !more)
            break;
        if (r.verdict != SOURCE_GOOD)
            continue;
        look(columns, s, &r, !*ret_rows, &f->arena);
        ++*ret_rows;
        if (!(*ret_rows & 4095)) {
            progress_update(&f->app->out, m->shown, "map lint", (int64_t)*ret_rows, -1, "");
            if (stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while reading '%s'", s->path);
        }
    }
    progress_clear(&f->app->out);
    arena_release(&a);
    return rc;
}

enum ec map_usage(struct map_files *f, const struct map_file *m, struct binding *b, struct cell **ret_only,
                  uint64_t *ret_rows, struct err *reterr)
{
    /* What a source needs of an opened workspace. */
    struct pair p = { .app = f->app, .schema = f->schema };
    struct map_ctx ctx = { .pair = &p, .cfg = m->cfg, .map = m->map, .b = b };
    struct cell *only = arena_zalloc(&f->arena, (m->map->n + 1) * sizeof(*only));
    struct source *s = NULL;
    struct column *columns;
    enum ec rc = source_open(&ctx, &s, reterr);

    *ret_rows = 0;
    if (rc)
        return rc;
    columns = arena_zalloc(&f->arena, (s->n + 1) * sizeof(*columns));
    for (size_t i = 0; i < s->n; i++)
        if (s->fields[i].bound >= 0 && !s->fields[i].key)
            columns[i].mf = b->fields[s->fields[i].bound].mf;
    rc = scan(f, m, s, columns, ret_rows, reterr);
    for (size_t i = 0; i < s->n && !rc && *ret_rows > 1; i++)
        if (columns[i].mf && !columns[i].varies)
            only[columns[i].mf->index] = columns[i].first;
    source_close(s);
    *ret_only = only;
    return rc;
}

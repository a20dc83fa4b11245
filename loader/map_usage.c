/* map_usage.c -- one pass over a source that remembers the first value of each field and whether another came. */
#include "loader/map_usage.h"
#include "loader/public/source.h"

struct column {
    const struct map_field *mf; /* NULL = not counted */
    struct cell first;
    bool varies;
};

struct looking {
    struct map_files *f;
    const struct map_file *m;
    const struct source *s;
    struct column *columns; /* as the source's fields */
    uint64_t rows;
};

static enum ec look(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct looking *l = arg;

    (void)a;
    (void)reterr;
    if (r->verdict != SOURCE_GOOD)
        return EC_OK;
    for (size_t i = 0; i < l->s->n; i++) {
        struct column *c = &l->columns[i];
        struct cell v = cell_blank(r->values[i]) ? CELL_LIT("") : r->values[i];

        if (!c->mf || c->varies)
            continue;
        if (!l->rows)
            c->first = cell_dup(&l->f->arena, v);
        else
            c->varies = !cell_eq(c->first, v);
    }
    if (!(++l->rows & 4095))
        progress_update(&l->f->app->out, l->m->shown, "map lint", (int64_t)l->rows, -1, "");
    return EC_OK;
}

enum ec map_usage(struct map_files *f, const struct map_file *m, struct binding *b, struct cell **ret_only,
                  uint64_t *ret_rows, struct err *reterr)
{
    /* What a source needs of an opened workspace. */
    struct pair p = { .app = f->app, .schema = f->schema };
    struct map_ctx ctx = { .pair = &p, .cfg = m->cfg, .map = m->map, .b = b };
    struct cell *only = arena_zalloc(&f->arena, (m->map->n + 1) * sizeof(*only));
    struct looking l = { .f = f, .m = m };
    struct source *s = NULL;
    enum ec rc = source_open(&ctx, &s, reterr);

    *ret_rows = 0;
    if (rc)
        return rc;
    l.s = s;
    l.columns = arena_zalloc(&f->arena, (s->n + 1) * sizeof(*l.columns));
    for (size_t i = 0; i < s->n; i++)
        if (s->fields[i].bound >= 0 && !s->fields[i].key)
            l.columns[i].mf = b->fields[s->fields[i].bound].mf;
    rc = source_each(s, look, &l, reterr);
    progress_clear(&f->app->out);
    *ret_rows = l.rows;
    for (size_t i = 0; i < s->n && !rc && *ret_rows > 1; i++)
        if (l.columns[i].mf && !l.columns[i].varies)
            only[l.columns[i].mf->index] = l.columns[i].first;
    source_close(s);
    *ret_only = only;
    return rc;
}

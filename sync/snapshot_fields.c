/* snapshot_fields.c -- what a snapshot's cells are, written into the snapshot, so that it can be read without its map. */
#include "store/leaf_fields.h"
#include "sync/snapshot_parts.h"

void snapshot_describe(struct map_ctx *m, struct leaf_builder *to, const struct fno_shape *shape)
{
    const struct binding *b = m->b;
    struct leaf_fields f = { .n = shape ? shape->n : b->n, .key = b->key, .n_key = b->n_key };
    struct arena a = { 0 };

    f.f = arena_zalloc(&a, (f.n + 1) * sizeof(*f.f));
    for (size_t i = 0; i < f.n; i++) {
        bool bound = i < b->n;

        f.f[i] = (struct leaf_field){ .name = bound ? b->fields[i].name : shape->names[i],
                                      .rule = bound ? b->rules[i] : shape->rules[i],
                                      .compared = bound && b->fields[i].compared };
        if (bound && b->fields[i].mf)
            f.f[i].column = b->fields[i].mf->destination;
        else if (bound && b->fields[i].c)
            f.f[i].column = b->fields[i].c->name;
    }
    leaf_meta(to, "map", m->cfg->alias);
    leaf_meta(to, "fields", leaf_fields_text(&f, &a));
    arena_release(&a);
}

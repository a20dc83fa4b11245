#include "sync/turns.h"

void turns_init(struct turns *t, const struct pair *p, struct arena *a)
{
    *t = (struct turns){ .p = p };
    t->last = arena_zalloc(a, (p->n + 1) * sizeof(*t->last));
    t->landed = arena_zalloc(a, (p->n + 1) * sizeof(*t->landed));
    t->open = arena_zalloc(a, p->n + 1);
    t->waiting = arena_zalloc(a, p->n + 1);
}

void turns_note(struct turns *t, size_t i, const struct dvload_counts *c)
{
    t->last[i] = ++t->now;
    if (c->made)
        t->landed[i] = t->now;
    t->open[i] = c->parked > 0;
    t->waiting[i] = c->waiting > 0;
}

bool turns_due(const struct turns *t, size_t i)
{
    struct cell targets[64];
    size_t n;

    if (!t->open[i] && !t->waiting[i])
        return false;
    n = binding_targets(t->p->maps[i].b, targets, COUNT(targets));
    for (size_t k = 0; k < t->p->n; k++)
        for (size_t j = 0; j < n && t->landed[k] > t->last[i]; j++)
            if (cell_ieq(t->p->maps[k].b->table->set, targets[j]))
                return true;
    return t->waiting[i];
}

bool turns_first(const struct turns *t, size_t i)
{
    return !t->last[i];
}

bool turns_more(const struct turns *t, size_t i)
{
    return turns_first(t, i) && wave_waits_for(t->p, &t->p->maps[i], NULL);
}

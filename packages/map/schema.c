/* schema.c -- looking things up in the metadata. */
#include "map/schema.h"

#include <stdlib.h>

void schema_release(struct schema *s)
{
    free(s->entities);
    free(s->tables);
    arena_release(&s->arena);
    *s = (struct schema){ 0 };
}

const struct fno_entity *schema_entity(const struct schema *s, struct cell label_or_set)
{
    for (size_t i = 0; i < s->n_entities; i++)
        if (cell_ieq(s->entities[i]->label, label_or_set))
            return s->entities[i];
    for (size_t i = 0; i < s->n_entities; i++)
        if (cell_ieq(s->entities[i]->set, label_or_set))
            return s->entities[i];
    return NULL;
}

const struct dv_table *schema_table(const struct schema *s, struct cell set)
{
    for (size_t i = 0; i < s->n_tables; i++)
        if (cell_ieq(s->tables[i]->set, set))
            return s->tables[i];
    return NULL;
}

const struct dv_table *schema_table_logical(const struct schema *s, struct cell logical)
{
    for (size_t i = 0; i < s->n_tables; i++)
        if (cell_ieq(s->tables[i]->logical, logical))
            return s->tables[i];
    return NULL;
}

const struct fno_field *fno_field_find(const struct fno_entity *e, struct cell staging_or_property)
{
    for (size_t i = 0; i < e->n; i++)
        if (cell_ieq(e->fields[i].staging, staging_or_property) ||
            cell_ieq(e->fields[i].property, staging_or_property))
            return &e->fields[i];
    return NULL;
}

const struct dv_column *dv_column_find(const struct dv_table *t, struct cell name)
{
    for (size_t i = 0; i < t->n; i++)
        if (cell_ieq(t->columns[i].name, name))
            return &t->columns[i];
    return NULL;
}

void schema_add_entity(struct schema *s, struct fno_entity *e)
{
    for (size_t i = 0; i < s->n_entities; i++)
        if (cell_ieq(s->entities[i]->label, e->label)) {
            s->entities[i] = e;
            return;
        }
    s->entities = xrealloc(s->entities, (s->n_entities + 1) * sizeof(*s->entities));
    s->entities[s->n_entities++] = e;
}

void schema_add_table(struct schema *s, struct dv_table *t)
{
    for (size_t i = 0; i < s->n_tables; i++)
        if (cell_ieq(s->tables[i]->logical, t->logical)) {
            s->tables[i] = t;
            return;
        }
    s->tables = xrealloc(s->tables, (s->n_tables + 1) * sizeof(*s->tables));
    s->tables[s->n_tables++] = t;
}

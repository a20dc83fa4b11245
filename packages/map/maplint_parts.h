/* maplint_parts.h -- what maplint*.c share. Layer: map, private to them. */
#ifndef MAP_MAPLINT_PARTS_H
#define MAP_MAPLINT_PARTS_H

#include "map/bind_parts.h"
#include "map/maplint.h"

struct linter {
    const struct maplint_input *in;
    const struct map *m;
    const struct fno_entity *entity; /* NULL = unknown */
    const struct dv_table *table; /* NULL = unknown */
    struct maplint *out;
    size_t cap;
    bool to_dv, to_fno; /* does any field flow there? */
};
/* With the code's usual severity. */
void lint_add(struct linter *l, const char *code, const struct map_field *mf, const char *fmt, ...) PRINTF_LIKE(4, 5);
void lint_add_as(struct linter *l, enum lint_severity s, const char *code, const struct map_field *mf,
                 const char *fmt, ...) PRINTF_LIKE(5, 6);
/* "CUSTOMERACCOUNT", else the column. */
struct cell lint_name(const struct map_field *mf);
/* A constant flows to the side that has the field. */
bool lint_to_dv(const struct map_field *mf);
bool lint_to_fno(const struct map_field *mf);
/* The map fills the company by the stripe; a field that names it is not like the others. */
bool lint_is_company(const struct dv_table *t, const struct map_field *mf);

/* All fields whose path begins with one lookup column are one reference. */
struct lint_group {
    struct cell column;
    const struct map_field *first;
    const struct map_field **parts;
    size_t n;
    const struct dv_table *target; /* NULL = not known */
    struct cell set; /* of the target; absent = cannot be told */
    bool polymorphic, self;
};
/* The lookups of any map at hand, in `a`. */
size_t lint_groups(const struct map *m, const struct schema *s, struct arena *a, struct lint_group **ret);

void lint_map(struct linter *l); /* company, keys, mandatory fields, filters (maplint_map.c) */
void lint_lookups(struct linter *l); /* maplint_lookup.c */
void lint_order(struct linter *l); /* rings of maps (maplint_order.c) */
void lint_fields(struct linter *l); /* types, value maps, constants, computed ones (maplint_field.c) */

#endif

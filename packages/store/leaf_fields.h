/*
 * leaf_fields.h -- what the cells of a leaf file are, written into the file itself, so that it can be read without its map.
 * Layer: store. Errors: EC_STATE (a file without it, made by an older program), EC_FORMAT. Threads: no shared state.
 */
#ifndef STORE_LEAF_FIELDS_H
#define STORE_LEAF_FIELDS_H

#include "data/canon.h"
#include "store/leaf.h"

struct leaf_field {
    struct cell name; /* as messages call it: staging name, else column */
    struct cell column; /* of the other side; absent = none */
    struct canon_rule rule;
    bool compared;
};
struct leaf_fields {
    struct leaf_field *f;
    size_t n;
    uint16_t *key, *compared; /* indices: the key's parts in key order, the compared cells in cell order */
    size_t n_key, n_compared;
    struct canon_rule *rules; /* n: those of f, for digest_cells() */
    int canon; /* version of the rules */
};
/* As the file's meta text "fields"; an arena's. */
char *leaf_fields_text(const struct leaf_fields *f, struct arena *a);
enum ec leaf_fields_parse(const char *text, const char *path, struct arena *a, struct leaf_fields *ret,
                          struct err *reterr);
enum ec leaf_fields_of(struct leaf_file *f, const char *path, struct arena *a, struct leaf_fields *ret,
                       struct err *reterr);
struct cell leaf_fields_key(const struct leaf_fields *f, const struct cell *cells, struct arena *a); /* readable */
/* The same fields under the same rules? */
bool leaf_fields_same(const struct leaf_fields *a, const struct leaf_fields *b);
/* Names that can stand beside `fixed` (n_fixed) as columns of one table: a name that is taken gets "_2", "_3". In `a`. */
const char **leaf_fields_columns(const struct leaf_fields *f, const char *const *fixed, size_t n_fixed,
                                 struct arena *a);

#endif

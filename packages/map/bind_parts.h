/* bind_parts.h -- what bind.c, bind_key.c and bind_row.c share. Layer: map, private to it. */
#ifndef MAP_BIND_PARTS_H
#define MAP_BIND_PARTS_H

#include "map/bind.h"

/* Key parts of one lookup; bind_from_dv() keeps that many. */
enum { BIND_LOOKUP_PARTS = 16 };

/* Collects everything that is wrong with a map, so that the user sees all of it at once. */
struct bind_problems {
    struct strbuf text;
    size_t n;
};
void bind_problem(struct bind_problems *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

void bind_choose_rule(struct binding *b, struct bound_field *f, struct bind_problems *bad);
void bind_choose_key(struct binding *b, const struct bind_settings *set, struct bind_problems *bad);
/* Element of an F&O enum in the metadata's spelling, by element name or label, any case; the text itself when unknown. */
struct cell bind_enum_spelling(const struct fno_field *f, struct cell text, bool *ret_known);
const struct map_pair *bind_pair_by_key(const struct map_field *mf, struct cell key);
const struct map_pair *bind_pair_by_value(const struct bound_field *f, struct cell value);
/* The blank token of value maps: "" anywhere, the word "blank" where it cannot be a text of its own. */
bool bind_blank_key(const struct bound_field *f, struct cell key);
bool bind_blank_value(const struct bound_field *f, struct cell value);
/* The pair for nothing on F&O's side, and on Dataverse's; NULL = the map has none. */
const struct map_pair *bind_pair_of_blank_key(const struct bound_field *f);
const struct map_pair *bind_pair_of_blank_value(const struct bound_field *f);
/* Is the canonical cell of this value-map field in F&O's words (else in Dataverse's)? */
static inline bool bind_in_fno_words(const struct bound_field *f)
{
    return f->dir != DIR_TO_DV;
}

#endif

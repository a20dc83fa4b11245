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
    bind_report *report; /* each one by itself, for map lint; NULL = none wanted */
    void *arg;
};
/* code: the service's (DIPV...) or a word of ours; mf: the field it is about, NULL = the whole map. */
void bind_problem(struct bind_problems *p, const char *code, const struct map_field *mf, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* What the document alone shows (bind_doc.c); the metadata may be unknown. */
void bind_check_document(const struct map *m, struct arena *a, struct filter **ret_xpp, struct filter **ret_odata,
                         struct bind_problems *bad);
/* ", did you mean 'X'?" from the fields of an entity or the columns of a table; "" = nothing is close. In `a`. */
const char *bind_nearest_field(const struct fno_entity *e, struct cell name, struct arena *a);
const char *bind_nearest_column(const struct dv_table *t, struct cell name, struct arena *a);

void bind_choose_rule(struct binding *b, struct bound_field *f, struct bind_problems *bad);
/* What the settings say about comparing; after the key is known. */
void bind_tune_rules(struct binding *b, const struct bind_settings *set, struct bind_problems *bad);
void bind_choose_key(struct binding *b, const struct bind_settings *set, struct bind_problems *bad);
/* Does a name of the settings mean this field: staging name, property, column or path, any case? */
bool bind_named(const struct bound_field *f, struct cell name);
/* Element of an F&O enum in the metadata's spelling, by element name or label, any case; the text itself when unknown. */
struct cell bind_enum_spelling(const struct fno_field *f, struct cell text, bool *ret_known);
bool bind_bool_word(struct cell c, bool *ret);
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

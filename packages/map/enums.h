/*
 * enums.h -- value maps proposed from an F&O enum and the options of a Dataverse column.
 * Layer: map. Pure. An element meets an option by its name, then by its label, then by similarity, which a person must look
 * at; yes/no columns by what the words mean. Pairs that a map has already stand; an element that would be paired otherwise is
 * shown as a conflict and never changed. Keys are written as element names with a lower-case first letter, the form that
 * resolves in value maps ("Dual-write mapping reference").
 */
#ifndef MAP_ENUMS_H
#define MAP_ENUMS_H

#include "map/map.h"
#include "map/schema.h"

enum enums_how {
    ENUMS_PRESENT, /* the map has the pair */
    ENUMS_BY_NAME,
    ENUMS_BY_LABEL,
    ENUMS_NEAR, /* to be looked at */
};
const char *enums_how_word(enum enums_how h); /* "by name" */
struct enums_pair {
    struct cell element; /* metadata's spelling; the map's own key where it is no element */
    struct cell element_label;
    struct cell key, value; /* as in the value map: "salesLeadTime" -> "192350001" */
    struct cell option_label;
    enum enums_how how;
    bool unknown_key, unknown_value; /* present, but of no element or no option */
    struct cell otherwise; /* conflict: the value that name or label speak for; absent = none */
};
struct enums_proposal {
    const struct map_field *mf;
    const struct fno_enum *en;
    const struct dv_column *c;
    struct enums_pair *pairs;
    size_t n;
    struct cell *elements; /* left over, and their labels */
    size_t n_elements;
    struct dv_option *options; /* left over; 0 and 1 of a yes/no column */
    size_t n_options;
    size_t fresh, near, conflicts; /* counts of pairs: new exact ones, new near ones, conflicts */
};
/* Is this a field for which a value map can be proposed: an enum on one side, options on the other? */
bool enums_wanted(const struct map_field *mf, const struct fno_entity *e, const struct dv_table *t,
                  const struct fno_enum **ret_en, const struct dv_column **ret_c);
void enums_propose(const struct map_field *mf, const struct fno_enum *en, const struct dv_column *c, struct arena *a,
                   struct enums_proposal *ret);
/*
 * Puts the new pairs into the map's document: exact ones, near ones with `near`. Existing pairs, their order and everything else
 * stay. Returns how many pairs were added; the caller writes the file. EC_FORMAT when the field has another transform.
 */
enum ec enums_apply(struct map *m, const struct enums_proposal *p, bool near, size_t *ret_added, struct err *reterr);

#endif

/*
 * maplint.h -- everything that is wrong, risky or useless in one map, before a row leaves: findings with place and remedy.
 * Layer: map. Pure: works on the document and on whatever metadata the schema has; without metadata of a side the checks that
 * the document alone allows are still made. Codes DIPVnnnn are the service's own ("Error codes for dual-write and Data
 * Integrator"); the others are ours. Sources: "Customize table and column mappings", "Considerations for initial
 * synchronization" (fewer than 10 lookups), "Managing dual-write integration keys", "AttributeMetadata.SourceType".
 */
#ifndef MAP_MAPLINT_H
#define MAP_MAPLINT_H

#include "map/bind.h"

enum lint_severity { LINT_ERROR, LINT_WARNING, LINT_INFO };
const char *lint_severity_word(enum lint_severity s); /* "error" */

/* What a code stands for: the table behind `map lint --codes` and the documentation. */
struct lint_code {
    const char *code;
    enum lint_severity severity; /* the usual one */
    const char *meaning, *remedy;
};
extern const struct lint_code LINT_CODES[]; /* ends with {0} */
const struct lint_code *lint_code_find(struct cell code); /* any case; NULL = none */

struct lint_finding {
    const struct lint_code *code;
    enum lint_severity severity;
    const struct map_field *mf; /* NULL = the map as a whole */
    struct cell reason;
    bool ignored; /* silenced by lint_ignore: shown in counts, never a failure */
};
/* Are there rows in the table of this set? 1 = yes, 0 = no, -1 = cannot be told. */
typedef int lint_present(void *arg, struct cell set);
struct maplint_input {
    const struct map *map;
    const struct schema *schema;
    struct bind_settings settings;
    bool offline; /* the metadata is a saved copy: what it lacks may exist */
    struct cell fno_why, dv_why; /* what the service said about an entity or table that it does not have */
    const struct map *const *maps; /* all maps at hand, this one too: they fill what lookups need */
    size_t n_maps;
    lint_present *present; /* NULL = cannot be told */
    void *present_arg;
    const struct cell
        *only; /* per field the one value that it has in all rows at hand, absent = it varies; NULL = not looked */
    uint64_t rows;
    const char *const *ignore; /* CODE or CODE:FIELD */
    size_t n_ignore;
};
struct maplint {
    struct arena arena;
    struct lint_finding *v; /* by severity, then place, then code */
    size_t n;
    struct binding *binding; /* for the key and its evidence; NULL without metadata */
    size_t counts[3]; /* by severity, ignored ones left out */
    size_t ignored;
    const char **idle; /* entries of `ignore` that silenced nothing */
    size_t n_idle;
};
void maplint(const struct maplint_input *in, struct maplint *ret);
void maplint_release(struct maplint *l);

#endif

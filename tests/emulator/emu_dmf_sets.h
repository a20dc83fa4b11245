/*
 * emu_dmf_sets.h -- the data management entity sets, inside the DMF part (emu_dmf_sets.c, _filter.c, _odata.c,
 * _write.c).
 *
 * Each set is a table of properties over an SQL source, so reading, filtering, sorting and writing are the same code
 * for all. A function that returns false has answered the request.
 */
#ifndef EMU_DMF_SETS_H
#define EMU_DMF_SETS_H

#include "emu_dmf_parts.h"

/* Kinds: s string, i Edm.Int32, e enum (names in `members`), t date-time (SQL gives milliseconds), b binary. */
struct dmf_property {
    const char *name;
    char kind;
    bool key, writable;
    const char *dflt, *members;
    const char *sql; /* NULL = the column of the same name; ?1 is the present moment */
};
enum dmf_set_id { DMF_GROUPS, DMF_LINES, DMF_JOBS, DMF_DETAILS, DMF_ENTITIES, DMF_SETS };
struct dmf_set {
    enum dmf_set_id id;
    const char *path, *type, *label, *from;
    const struct dmf_property *p;
    size_t n;
    const char *table; /* of writable sets, else NULL */
};
/* One request against one set. */
struct dmf_ask {
    struct emu *e;
    struct emu_request *q;
    struct emu_response *r;
    const struct dmf_set *set;
};
const struct dmf_set *dmf_set_by_path(const char *p, size_t n);
const struct dmf_property *dmf_property(const struct dmf_set *s, const char *name, size_t n);
static inline const char *dmf_property_sql(const struct dmf_property *p)
{
    return p->sql ? p->sql : p->name;
}
bool dmf_unknown_property(struct dmf_ask *a, const char *name, size_t n); /* answers, returns false */

void dmf_sql_text(struct strbuf *out, const char *text); /* quoted; NULL = null */
bool dmf_filter_sql(struct dmf_ask *a, const char *text, struct strbuf *sql);
/* "('x')" or "(A='x',B='y')" as SQL conditions. */
bool dmf_key_sql(struct dmf_ask *a, const char *key, struct strbuf *sql);

/* For SQL whose text depends on the request: such statements are not worth keeping. The caller finalizes. */
sqlite3_stmt *dmf_prepare(struct dmf_ask *a, const struct strbuf *sql);
int64_t dmf_count_rows(struct dmf_ask *a, const struct strbuf *query);
/* Answers with the row that meets the conditions; false = there is none, nothing answered. */
bool dmf_read_one(struct dmf_ask *a, const char *conditions, int status);
void dmf_write_request(struct dmf_ask *a, const char *key);

#endif

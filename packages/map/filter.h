/*
 * filter.h -- row filters of both sides as one expression tree: parse, evaluate, print as OData.
 * Layer: map. X++ range expressions (F&O side: == = != < <= > >= && || !, Enum::Member, strings in " or ') and OData
 * $filter (Dataverse side: eq ne gt ge lt le and or not, null, contains/startswith/endswith) are read by two literal-aware
 * lexers, never by text replacement. X++ texts are joined by `like` with * at either end, dates are 1\5\2024, points in time
 * 2024-05-01T10:00:00. Sources: dual-write "Customize table and column mappings"; "Using expressions in query ranges" and
 * "Relational operators" of X++.
 */
#ifndef MAP_FILTER_H
#define MAP_FILTER_H

#include "data/cell.h"

enum filter_op {
    FILTER_EQ,
    FILTER_NE,
    FILTER_LT,
    FILTER_LE,
    FILTER_GT,
    FILTER_GE,
    FILTER_AND,
    FILTER_OR,
    FILTER_NOT,
    FILTER_CONTAINS,
    FILTER_STARTS,
    FILTER_ENDS
};
struct filter {
    enum filter_op op;
    struct cell field; /* leaves: field or column name as written */
    struct cell value; /* leaves: literal text, absent = null */
    struct cell enum_name; /* X++ Enum::Member, else absent */
    bool quoted; /* literal stood in quotes */
    size_t at, value_at; /* where field and literal stand in the text, from 0 */
    struct filter *a, *b; /* and, or; not uses a */
};
enum ec filter_parse_xpp(struct cell text, struct arena *a, struct filter **ret, struct err *reterr);
enum ec filter_parse_odata(struct cell text, struct arena *a, struct filter **ret, struct err *reterr);
/* Gives the value of a field of the row at hand; false = the row has no such field. */
typedef bool filter_get(void *arg, struct cell field, struct cell *ret);
/* Numbers compare as numbers when both sides are, text ignoring case. NULL filter = true. Unknown field = false. */
bool filter_match(const struct filter *f, filter_get *get, void *arg);
/* Calls fn for every field named, so that a caller can check and select them. */
void filter_fields(const struct filter *f, void (*fn)(void *arg, struct cell field), void *arg);

/*
 * What the metadata knows about a field: its name as the service spells it, and the enum type of an enum field (absent =
 * none). false = unknown: the name is used as written. NULL = nothing is known.
 */
typedef bool filter_name(void *arg, struct cell field, struct cell *ret_name, struct cell *ret_enum);
/*
 * The expression in the other language, appended to *out (nothing for a NULL filter). EC_FORMAT tells what has no
 * equivalent, with its place in the text that was read: null, ids and navigation in X++; data sources, a field compared
 * with a field, a word without quotes in OData. An enum literal becomes Microsoft.Dynamics.DataEntities.Enum'Member'.
 */
enum ec filter_to_odata(const struct filter *f, filter_name *name, void *arg, struct strbuf *out, struct err *reterr);
enum ec filter_to_xpp(const struct filter *f, filter_name *name, void *arg, struct strbuf *out, struct err *reterr);
/*
 * A text that two filters share exactly when they say the same, apart from case of fields, parentheses, blanks and the
 * order of what `and` and `or` join. For comparing, not for a service.
 */
void filter_normal(const struct filter *f, struct strbuf *out);

#endif

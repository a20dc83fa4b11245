/*
 * filter.h -- row filters of both sides as one expression tree: parse, evaluate, print as OData.
 * Layer: map. X++ range expressions (F&O side: == = != < <= > >= && || !, Enum::Member, strings in " or ') and OData
 * $filter (Dataverse side: eq ne gt ge lt le and or not, null, contains/startswith/endswith) are read by two literal-aware
 * lexers, never by text replacement. Source: dual-write "Customize table and column mappings".
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

#endif

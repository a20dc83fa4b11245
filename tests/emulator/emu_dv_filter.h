/*
 * emu_dv_filter.h -- OData $filter, text -> tree. Grammar: "OData Version 4.0 Part 2: URL Conventions", 5.1.1, as far as
 * Dataverse takes it: comparison, and, or, not, function calls with positional or named arguments, parameter aliases.
 */
#ifndef EMU_DV_FILTER_H
#define EMU_DV_FILTER_H

#include "emu.h"

enum dv_fkind {
    DF_AND,
    DF_OR,
    DF_NOT, /* args: 2, 2, 1 */
    DF_EQ,
    DF_NE,
    DF_GT,
    DF_GE,
    DF_LT,
    DF_LE, /* 2 */
    DF_PROPERTY, /* text = name as written, paths with '/' included */
    DF_NULL,
    DF_BOOL, /* text = "true" or "false" */
    DF_STRING, /* text, unquoted and undoubled */
    DF_NUMBER, /* text = the literal */
    DF_DATETIME, /* text = the literal: date, or date and time */
    DF_GUID, /* text = 36 characters, lower case */
    DF_ENUM, /* type = qualified type name, text = member: Ns.AttributeTypeCode'Picklist' */
    DF_CALL, /* text = function name as written; args, arg_names (NULL entries = positional) */
    DF_LIST /* args: elements of a JSON array */
};
struct dv_fnode {
    enum dv_fkind kind;
    const char *text, *type;
    struct dv_fnode **args;
    const char **arg_names;
    size_t n;
};
/*
 * Aliases (@p1) stand for the query parameters of `q` of that name; `q` may be NULL. NULL with a message when `text` is
 * not a filter. Depth is limited to 100, a list to 20,000 elements.
 */
struct dv_fnode *dv_filter_parse(struct arena *a, const struct emu_request *q, const char *text, char *msg,
                                 size_t msg_size);

#endif

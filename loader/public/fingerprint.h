/*
 * fingerprint.h -- messages of one kind have one fingerprint: keys, numbers, dates, ids and quoted values are taken out.
 * Layer: loader/public. "The value 'NOGROUP' in field 'CustomerGroupId' is not found" gives "The value '*' in field 'CustomerGroupId'
 * is not found": what is quoted behind the words field, table, entity, column and map is a name, not a value. Codes such as
 * DMF2018: and 0x80040217 stay.
 */
#ifndef LOADER_FINGERPRINT_H
#define LOADER_FINGERPRINT_H

#include "data/cell.h"

/* Appends; `key` is the row's readable key ("usmf|C-1"), whose parts are taken out wherever they stand as words. */
void fingerprint(struct cell message, struct cell key, struct strbuf *out);

/* A failed row, and the kind it is of: equal texts are one kind, for `errors` and for the report alike. */
struct error_row {
    const char *map, *side, *stage;
    struct cell code, field, message, key;
};
/* Replaces what is in `out`; gives the fingerprint of the message, which is its end. */
struct cell error_kind(const struct error_row *e, struct strbuf *out);

#endif

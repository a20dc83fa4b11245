/* source_check.h -- limits of both sides that a source row can break before it is sent. Layer: loader, private to it. */
#ifndef LOADER_SOURCE_CHECK_H
#define LOADER_SOURCE_CHECK_H

#include "loader/public/source.h"

const char *source_code_of(enum canon_type t); /* "date", "decimal" ... */
/* Sets r->verdict to SOURCE_REJECTED when a value would be refused by Dataverse (length, range) or cannot travel (control
 * characters): a row that F&O takes and Dataverse refuses would be stranded. */
void source_check_limits(struct source *s, struct arena *a, struct source_row *r);

#endif

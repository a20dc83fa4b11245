/*
 * emu_filter.h -- $filter and $orderby of the Finance & Operations OData service -> SQL over the row store.
 *
 * What the service takes ("Open Data Protocol (OData)", query options): eq ne gt ge lt le and or not add sub mul div
 * mod; enums only eq and ne; no has, no in, no functions. '*' in a string compared by eq or ne stands for any text.
 * Texts compare without case, reals exactly as decimals (collation emu_decimal of emu_fno_rows.c).
 */
#ifndef EMU_FILTER_H
#define EMU_FILTER_H

#include "emu.h"

/* Adds a condition to `sql`. False: it is not a filter for this entity, `msg` has the service's text. */
bool emu_filter_sql(const struct emu_entity *en, const char *text, struct strbuf *sql, char *msg, size_t msg_size);
/* Adds "A, B desc" in SQL. */
bool emu_orderby_sql(const struct emu_entity *en, const char *text, struct strbuf *sql, char *msg, size_t msg_size);
/*
 * One literal of a key or filter -> the store's text for this field (NULL = dataAreaId). False = not a literal of
 * its type.
 */
bool emu_literal(const struct emu_field *f, const char *p, size_t n, struct strbuf *out);
/* Adds `"NAME"`, the field's SQL column with its collation; NULL = the company. */
void emu_column_sql(const struct emu_field *f, struct strbuf *sql);
/* The property's field; *ret_company = it is dataAreaId. NULL and false = no such property (case-sensitive). */
const struct emu_field *emu_property(const struct emu_entity *en, const char *p, size_t n, bool *ret_company);

#endif

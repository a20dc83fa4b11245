/*
 * cell.h -- a borrowed text with a length; the value type of the whole program.
 * Layer: data. Three values stay apart everywhere inside the program: absent (ptr NULL: the source had no such field, or
 * the service said null), empty (ptr not NULL, len 0) and text. Cells are UTF-8 and need not end in NUL. Whoever owns
 * the octets says so; mostly an arena of one batch.
 */
#ifndef DATA_CELL_H
#define DATA_CELL_H

#include "base/arena.h"
#include "base/strbuf.h"

#include <string.h>

struct cell {
    const char *ptr;
    size_t len; /* octets */
};
#define CELL_ABSENT ((struct cell){ NULL, 0 })
#define CELL_LIT(text) ((struct cell){ ("" text), sizeof(text) - 1 })
#define CELL_FMT "%.*s"
#define CELL_ARG(c) (int)((c).len > 500 ? 500 : (c).len), ((c).ptr ? (c).ptr : "")

static inline struct cell cell_of(const char *s)
{
    return (struct cell){ s, s ? strlen(s) : 0 };
}
static inline bool cell_absent(struct cell c)
{
    return !c.ptr;
}
static inline bool cell_blank(struct cell c)
{
    return c.len == 0;
} /* absent or empty */
static inline bool cell_eq(struct cell a, struct cell b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && a.len == b.len && (!a.len || !memcmp(a.ptr, b.ptr, a.len));
}
static inline bool cell_is(struct cell c, const char *s)
{
    return c.ptr && cell_eq(c, cell_of(s));
}
bool cell_ieq(struct cell a, struct cell b); /* ASCII case folded; absent equals only absent */
int cell_cmp(struct cell a, struct cell b); /* memcmp order, absent first */
struct cell cell_dup(struct arena *a, struct cell c); /* NUL-terminated copy; absent stays absent */
char *cell_cstr(struct arena *a, struct cell c); /* NUL-terminated copy; absent becomes "" */
struct cell cell_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct cell cell_rtrim(struct cell c); /* without trailing blanks (U+0020 only, as SQL Server compares) */
struct cell cell_lower(struct arena *a, struct cell c); /* ASCII letters only */
struct cell cell_upper(struct arena *a, struct cell c);
bool cell_to_i64(struct cell c, int64_t *ret); /* decimal digits with optional sign, no blanks, no overflow */
/* Unicode scalar values; invalid sequences count one per octet. utf16 counts UTF-16 code units, as services do. */
size_t cell_chars(struct cell c);
size_t cell_utf16_units(struct cell c);
/* Offset of the first invalid octet (overlong, surrogate, above U+10FFFF, truncated), or len when all is valid. */
size_t utf8_valid_prefix(const char *p, size_t n);
/* Octets of the valid sequence that begins at p (1..4), 0 when it is invalid or cut off. n > 0. *ret_cp may be NULL. */
size_t utf8_decode(const char *p, size_t n, uint32_t *ret_cp);
/* Octets written to out; a surrogate or a value above U+10FFFF is written as U+FFFD. */
size_t utf8_encode(uint32_t cp, char out[static 4]);

#endif

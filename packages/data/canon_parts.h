/* canon_parts.h -- what the canon_*.c files share. Layer: data, private to them. */
#ifndef DATA_CANON_PARTS_H
#define DATA_CANON_PARTS_H

#include "data/canon.h"

/* Each takes a cell that is neither absent nor blank, without blanks around it. */
enum canon_outcome canon_number(const struct canon_rule *rule, const struct canon_format *fmt, struct cell in,
                                struct arena *a, struct cell *ret, const char **ret_why);
enum canon_outcome canon_date(const struct canon_rule *rule, const struct canon_format *fmt, struct cell in,
                              struct arena *a, struct cell *ret, const char **ret_why);

/* Case folded, normal form C. ASCII is the quick path. Borrowed from `c` when nothing changes. */
struct cell canon_fold_case(struct cell c, struct arena *a);

static inline bool canon_ascii(struct cell c)
{
    unsigned char any = 0;

    for (size_t i = 0; i < c.len; i++)
        any |= (unsigned char)c.ptr[i];
    return any < 0x80;
}

static inline bool canon_folds(const struct canon_rule *r)
{
    return r->letters ? r->letters == CANON_CASE_FOLDED : r->type == CANON_KEY || r->type == CANON_WORD;
}
/* A canonical number rounded half away from zero. */
struct cell canon_round(struct cell number, int scale, struct arena *a);

#endif

/*
 * source_quick.h -- good rows recognised without making them canonical, for packages.
 * Layer: loader. A cell is good when it has the plain shape of its type and is within the limits of both sides, or when a
 * row that was looked at in full had the very same cell and was good. What is not recognised is looked at in full; so this
 * never accepts or changes a cell otherwise than source_whole() does, it only finds out sooner. Rests on this: whether a cell
 * is good depends on that cell alone.
 */
#ifndef LOADER_SOURCE_QUICK_H
#define LOADER_SOURCE_QUICK_H

#include "loader/public/source.h"

struct source_quick;
struct source_quick *source_quick_new(const struct source *s, size_t header_n);
void source_quick_free(struct source_quick *q);
/* The row that the source read last; false = not recognised. ret->values in `a` or in the reader's memory. */
bool source_quick_row(struct source_quick *q, const struct source *s, struct arena *a, struct source_row *ret);
/*
 * The same for a row of which no cells were made: its values (of the source's fields; such as stand in quotes and need them are not
 * told exactly), a bit each whether they stand there as they are, and its company. Of sources with at most 64 fields and columns.
 */
enum { COMPANY_CODE_OCTETS = 16 };
struct quick_plain {
    uint64_t same;
    const char *company; /* COMPANY_CODE_OCTETS, zeros behind the code */
    bool other_company; /* out of scope: there are no values */
};
bool source_quick_plain(struct source_quick *q, const struct source *s, const struct csv_plain *row, struct arena *a,
                        struct cell *values, struct quick_plain *ret);
/* A row that was looked at in full and not rejected. */
void source_quick_learn(struct source_quick *q, const struct source *s, const struct source_row *r);

#endif

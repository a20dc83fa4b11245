/*
 * lineage.h -- from a row of a package back to its line in the source.
 * Layer: loader. Beside X.zip stands X.zip.lines.zst (of its second entity X.zip.1.lines.zst, and so on): a head with the source's
 * path, size and time, then for each data row of the package, in order, the difference of its line and of its offset to the row
 * before as two varints. Some three octets a row before compression. Errors: EC_IO, EC_FORMAT, EC_NOTFOUND. Threads: one.
 */
#ifndef LOADER_LINEAGE_H
#define LOADER_LINEAGE_H

#include "data/cell.h"

struct lineage;
/* For rows of entity `entity` of the package `package`, read from the file `source`. Appears when closed. */
enum ec lineage_new(const char *package, size_t entity, const char *source, struct lineage **ret, struct err *reterr);
enum ec lineage_add(struct lineage *l, uint64_t line, uint64_t offset, struct err *reterr);
/* Which entity of the package it turned out to be, before it is closed. */
void lineage_entity(struct lineage *l, const char *package, size_t entity);
enum ec lineage_close(struct lineage *l, struct err *reterr); /* frees it in every case */
void lineage_abandon(struct lineage *l); /* NULL is fine */

struct lineage_place {
    char *source; /* in the arena given */
    uint64_t line, offset;
    bool changed; /* the source is not the file it was */
};
/* Of data row `row`, counted from 1. EC_NOTFOUND: no lineage beside the package, or fewer rows. */
enum ec lineage_find(const char *package, size_t entity, uint64_t row, struct arena *a, struct lineage_place *ret,
                     struct err *reterr);

#endif

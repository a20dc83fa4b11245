/*
 * marks.h -- what is kept of a row while two files are compared: key digest, row digest, place; in partitions by key.
 * Layer: store. Written by several threads at once (each a writer of its own), then read partition by partition. One temporary
 * file with extents, unlinked at once; memory: a small buffer per writer and partition. Errors: EC_IO, EC_DISK.
 */
#ifndef STORE_MARKS_H
#define STORE_MARKS_H

#include "data/canon.h"

struct mark {
    struct digest key, row;
    uint64_t place; /* offset << 24 | octets */
};
enum { MARK_OCTETS_MAX = 0xFFFFFF };
static inline uint64_t mark_offset(const struct mark *m)
{
    return m->place >> 24;
}
static inline size_t mark_octets(const struct mark *m)
{
    return (size_t)(m->place & MARK_OCTETS_MAX);
}
struct marks;
/* 2^bits partitions, by the key's top bits. */
enum ec marks_new(const char *dir, int bits, unsigned writers, struct marks **ret, struct err *reterr);
enum ec marks_add(struct marks *m, unsigned writer, const struct mark *mark, struct err *reterr);
/* When no writer adds any more. */
enum ec marks_flush(struct marks *m, struct err *reterr);
/* All marks of a partition, in no order, into *buf (grown as needed). Any thread. */
enum ec marks_load(const struct marks *m, unsigned part, struct mark **buf, size_t *cap, size_t *ret_n,
                   struct err *reterr);
/* Nothing will be read any more: the temporary file goes. */
void marks_drop(struct marks *m);
uint64_t marks_count(const struct marks *m);
void marks_free(struct marks *m);

#endif

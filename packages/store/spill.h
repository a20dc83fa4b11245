/*
 * spill.h -- records in any order, taken back partition by partition: one temporary file with extents.
 * Layer: store. A partition holds the records whose digests share their top bits. Memory: one small buffer per partition,
 * then one partition at a time. Errors: EC_IO, EC_DISK. Threads: one owner.
 */
#ifndef STORE_SPILL_H
#define STORE_SPILL_H

#include "data/canon.h"

enum { SPILL_PARTITIONS = 256 }; /* by the digest's top 8 bits */
struct spill;
/* The file is created in dir and unlinked at once: it cannot outlive the process. */
enum ec spill_new(const char *dir, struct spill **ret, struct err *reterr);
enum ec spill_add(struct spill *s, struct digest d, const void *p, size_t n, struct err *reterr);
struct spill_record {
    struct digest d;
    const char *p;
    uint32_t n;
    uint32_t order; /* order of arrival in the partition */
};
/*
 * All records of a partition sorted by digest, then by arrival. They live until the next call. A partition is bounded by
 * memory only through the number of rows / 256.
 */
enum ec spill_partition(struct spill *s, unsigned part, struct spill_record **ret, size_t *ret_n, struct err *reterr);
void spill_free(struct spill *s);

#endif

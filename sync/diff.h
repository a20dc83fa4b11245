/*
 * diff.h -- the exact delta of two snapshots, field by field, in the map's state.db; the counts; the digests.
 * Layer: sync. One classifier serves diff, parity and repair. Every key is in exactly one class (design words): equal,
 * differ, only_fno, only_dataverse, waiting, waived, in_flight, error.
 */
#ifndef SYNC_DIFF_H
#define SYNC_DIFF_H

#include "sync/snapshot.h"

struct diff_counts {
    char company[16]; /* "" = all or shared */
    uint64_t fno_rows, dataverse_rows, keys;
    uint64_t equal, differ, only_fno, only_dataverse, waiting, waived, in_flight, errors;
    uint64_t equal_by_default; /* of the equal: only because null equals the type's default */
    uint64_t excluded_fno, excluded_dataverse;
    struct digest fno_digest, dataverse_digest;
};
struct diff_result {
    struct diff_counts all;
    struct diff_counts *companies; /* in the arena given */
    size_t n_companies;
    uint64_t tolerated; /* differing keys that the map's tolerance let pass; set by verdict_of() */
};
/* Replaces delta and delta_field. Rows equal field by field although their digests differ count as equal. */
enum ec diff_run(struct map_ctx *m, const struct snapshot *fno, const struct snapshot *dv, struct arena *a,
                 struct diff_result *ret, struct err *reterr);
/* Which compared fields differ. base may be NULL. Writes at most n indices. */
size_t diff_fields(const struct binding *b, const struct cell *fno, const struct cell *dv, int *ret_fields,
                   size_t max);
/* Re-reads at most `max` differing keys on both sides and corrects delta and counts; what is equal now is `equal`, what
 * changed meanwhile is in_flight. */
enum ec diff_recheck(struct map_ctx *m, struct dict *d, uint64_t max, struct diff_result *res, struct err *reterr);

/*
 * Proof source <-> F&O over a load's source leaf file: per landed row, supplied cells kept, defaulted (blank became a value)
 * or changed. Each that was not kept is told, and each row that is missing in F&O.
 */
struct proof_counts {
    uint64_t rows, kept, defaulted_cells, defaulted_rows, changed_cells, changed_rows, missing_rows;
};
struct proof_cell {
    const char *class; /* changed | defaulted | missing */
    struct source_place place;
    struct cell key, field, source, fno; /* missing: no field */
};
typedef enum ec proof_fn(void *arg, const struct proof_cell *c, struct err *reterr);
enum ec proof_source(struct map_ctx *m, int64_t run_id, const struct snapshot *fno, proof_fn *tell, void *arg,
                     struct proof_counts *ret, struct err *reterr);

#endif

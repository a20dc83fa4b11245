/* diff_parts.h -- the classifier of keys, shared by the diff of two leaf files and that of two side files. Layer: sync, private. */
#ifndef SYNC_DIFF_PARTS_H
#define SYNC_DIFF_PARTS_H

#include "sync/delta_row.h"
#include "sync/diff.h"
#include "sync/verdict.h"
#include "sync/waive.h"

struct comparing {
    struct map_ctx *m;
    struct diff_result *res;
    struct arena *a; /* the caller's: the companies of the result */
    struct arena row; /* one key */
    struct baseline *base; /* NULL = none yet */
    struct waivers waivers;
    bool any_pending; /* is there anything to look up at all? */
    uint64_t twins; /* further rows of a key that a side has already */
};
/* m, res and a are set. Opens the baseline and looks what else decides about classes. */
enum ec comparing_begin(struct comparing *c, struct err *reterr);
void comparing_end(struct comparing *c);
/* Within a transaction on the map's state. */
enum ec comparing_clear(struct map_ctx *m, struct err *reterr);
/* What two rows alone say about a key that is on one side only, or whose row digests differ. Any thread. */
struct judged {
    struct delta_row d; /* class: differ, only_fno, only_dataverse or error */
    int *fields; /* the n that differ */
    size_t n;
    bool equal; /* after all: nothing else is filled in */
};
void comparing_judge(const struct binding *b, const struct leaf_pair *p, struct arena *a, struct judged *ret);
/* The same with what the state says (waiting, waived): into delta, delta_field and the counts. */
enum ec comparing_settle(struct comparing *c, struct judged *j, struct err *reterr);
void comparing_warn_twin(struct comparing *c, const struct cell *cells);
struct diff_counts *comparing_company(struct comparing *c, const char *name);
/* When all keys are through and rows and digests are filled in: what is left is equal. */
void comparing_finish_counts(struct diff_counts *d, uint64_t duplicates);

#endif

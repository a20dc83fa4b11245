/*
 * row_batch.h -- records of a Dataverse read, some at a time, so that the rows which they look up are asked for together.
 * Layer: sync. Threads: one. A record is copied when it is added; `fn` gets it later, in the same order.
 */
#ifndef SYNC_ROW_BATCH_H
#define SYNC_ROW_BATCH_H

#include "sync/snapshot.h"

enum { ROW_BATCH = 1000 };
struct row_batch {
    struct map_ctx *m;
    struct dict *d;
    enum ec (*fn)(void *arg, const struct json *rec, struct err *reterr);
    void *arg;
    const struct json *rows[ROW_BATCH];
    size_t n;
    struct arena kept;
};
enum ec row_batch_add(struct row_batch *b, const struct json *rec, struct err *reterr);
enum ec row_batch_flush(struct row_batch *b, struct err *reterr); /* after the last one */
void row_batch_forget(struct row_batch *b); /* what was added and not given yet */
void row_batch_release(struct row_batch *b);

#endif

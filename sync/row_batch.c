#include "sync/row_batch.h"

void row_batch_forget(struct row_batch *b)
{
    b->n = 0;
    arena_reset(&b->kept);
}

enum ec row_batch_flush(struct row_batch *b, struct err *reterr)
{
    enum ec rc = b->n ? dv_want_lookups(b->m, b->d, b->rows, b->n, reterr) : EC_OK;

    for (size_t i = 0; i < b->n && !rc; i++)
        rc = b->fn(b->arg, b->rows[i], reterr);
    row_batch_forget(b);
    return rc;
}

enum ec row_batch_add(struct row_batch *b, const struct json *rec, struct err *reterr)
{
    b->rows[b->n++] = row_keep(&b->kept, rec);
    return b->n == ROW_BATCH ? row_batch_flush(b, reterr) : EC_OK;
}

void row_batch_release(struct row_batch *b)
{
    arena_release(&b->kept);
}

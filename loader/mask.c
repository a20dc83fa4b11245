#include "loader/mask.h"

#include <stdlib.h>

enum { CHUNK_ROWS = 65536, CHUNK_OCTETS = CHUNK_ROWS / 8 };

static void chunk_at(struct mask *k, size_t c)
{
    if (c >= k->n) {
        k->chunks = xrealloc(k->chunks, (c + 1) * sizeof(*k->chunks));
        while (k->n <= c)
            k->chunks[k->n++] = NULL;
    }
    if (!k->chunks[c])
        k->chunks[c] = xcalloc(1, CHUNK_OCTETS);
}

void mask_add(struct mask *k, uint64_t row_no)
{
    size_t c = (size_t)((row_no - 1) / CHUNK_ROWS), bit = (size_t)((row_no - 1) % CHUNK_ROWS);

    chunk_at(k, c);
    if (!(k->chunks[c][bit / 8] & (1u << bit % 8)))
        k->set++;
    k->chunks[c][bit / 8] |= (unsigned char)(1u << bit % 8);
}

bool mask_has(const struct mask *k, uint64_t row_no)
{
    size_t c = (size_t)((row_no - 1) / CHUNK_ROWS), bit = (size_t)((row_no - 1) % CHUNK_ROWS);

    return c < k->n && k->chunks[c] && (k->chunks[c][bit / 8] & (1u << bit % 8));
}

static void add_chunk(struct mask *k, int64_t no, struct cell bits)
{
    size_t c = (size_t)no;

    if (no < 0 || no > (1 << 24) || bits.len != CHUNK_OCTETS)
        return;
    chunk_at(k, c);
    for (size_t i = 0; i < CHUNK_OCTETS; i++) {
        k->set += (uint64_t)__builtin_popcount((unsigned char)bits.ptr[i] & ~k->chunks[c][i]);
        k->chunks[c][i] |= (unsigned char)bits.ptr[i];
    }
}

void mask_merge(struct mask *k, const struct mask *with)
{
    for (size_t i = 0; i < with->n; i++)
        if (with->chunks[i])
            add_chunk(k, (int64_t)i, (struct cell){ (const char *)with->chunks[i], CHUNK_OCTETS });
}

void mask_release(struct mask *k)
{
    for (size_t i = 0; i < k->n; i++)
        free(k->chunks[i]);
    free(k->chunks);
    *k = (struct mask){ 0 };
}

enum ec mask_store(struct map_ctx *m, int64_t run_id, const char *state, const struct mask *k, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < k->n && !rc; i++) {
        struct query *q;

        if (!k->chunks[i])
            continue;
        q = store_query(m->state,
                        "insert or replace into row_mask(run_id, state, chunk, bits) values(?1, ?2, ?3, ?4)");
        query_int(q, 1, run_id);
        query_str(q, 2, state);
        query_int(q, 3, (int64_t)i);
        query_blob(q, 4, k->chunks[i], CHUNK_OCTETS);
        rc = query_run(q, reterr);
    }
    return rc;
}

enum ec mask_load(struct map_ctx *m, int64_t run_id, const char *state, struct mask *ret, struct err *reterr)
{
    struct query *q = store_query(m->state, "select chunk, bits from row_mask where run_id = ?1 and state = ?2");

    query_int(q, 1, run_id);
    query_str(q, 2, state);
    while (query_step(q))
        add_chunk(ret, query_get_int(q, 0), query_get_blob(q, 1));
    return query_done(q, reterr);
}

enum ec mask_count(struct map_ctx *m, int64_t run_id, const char *state, uint64_t *ret, struct err *reterr)
{
    struct mask k = { 0 };
    enum ec rc = mask_load(m, run_id, state, &k, reterr);

    *ret = k.set;
    mask_release(&k);
    return rc;
}

/*
 * dvload.h -- the bulk stage towards Dataverse: canonical rows in, creates and updates out, every row settled.
 * Layer: loader/public. Builds each record's body (value maps, @odata.bind by id, company, owning team, constants), hands the
 * rows to dv_bulk_write() and stores refusals in the map's exceptions. Self lookups are written in a second pass. Rows whose
 * lookups cannot be resolved are parked; a lookup that closes a cycle of maps does not keep its row back, it follows later. Ids of new rows follow from organisation, table and key, so that a row sent again
 * after a lost answer is the same row.
 */
#ifndef LOADER_PUBLIC_DVLOAD_H
#define LOADER_PUBLIC_DVLOAD_H

#include "loader/public/dict.h"
#include "loader/public/load.h"

struct dvload_row {
    struct cell key; /* readable */
    const struct cell *cells; /* canonical row, binding order */
    struct cell id; /* known row; absent = create */
    const bool *fields; /* which bound fields to write (updates); NULL = all that flow to Dataverse */
};
struct dvload {
    /* Next row; *ret_more false at the end. Cells live until the next call. Called again from the start for the second pass
     * (`rewind` is called first) when the map has self lookups. */
    enum ec (*next)(void *ctx, struct dvload_row *ret, bool *ret_more, struct err *reterr);
    enum ec (*rewind)(void *ctx, struct err *reterr);
    void *ctx;
    int64_t total; /* for progress, -1 = unknown */
    bool
        more; /* the caller comes again when the maps that a cycle leads to are written: such lookups may wait till then */
    bool again; /* this map's rows were written before in this run: lookups that follow now are counted as linked */
};
struct dvload_counts {
    uint64_t created, updated, refused, parked, unknown, calls;
    uint64_t linked; /* rows written in the second pass (self lookups), counted as created or updated or not */
    uint64_t waiting; /* rows that were written without a lookup of a cycle, which is to follow (`more`) */
    uint64_t
        back; /* of rows that an earlier turn counted as created or updated (`again`), those that are open or refused now */
    bool made; /* some row is new in the table, wherever it is counted */
};
enum ec dvload_write(struct map_ctx *m, const struct run *run, struct dict *d, const struct dvload *in,
                     struct dvload_counts *ret, struct err *reterr);
/* Id that a new row of this table and key gets. */
void dvload_id(const struct binding *b, const char *organization_id, struct cell key, char ret[static 40]);
/*
 * Members of the JSON body for the fields given (NULL = all flowing to Dataverse), without braces. create adds company,
 * owner and constants. EC_NOTFOUND with the lookup named when a lookup has no row (the caller parks the row). Without with_self
 * the self lookups are left out, and those of a cycle that have no row yet.
 */
enum ec dvload_body(struct map_ctx *m, struct dict *d, const struct cell *cells, const bool *fields, bool create,
                    bool with_self, struct strbuf *out, struct arena *scratch, struct err *reterr);

#endif

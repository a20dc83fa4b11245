/*
 * report_errors.c -- failed rows by cause: the kinds that `errors` counts, told by the same fingerprint. A hundred thousand refused rows are a
 * handful of causes. Their number is limited; what does not fit any more is counted as rows of the report, not as a cause.
 */
#include "data/canon.h"
#include "loader/public/fingerprint.h"
#include "sync/report.h"

#include <stdlib.h>

enum { CAUSES = 4096 }; /* power of two */

struct cause {
    struct report_error e;
    char *fingerprint;
    uint64_t hash;
};
struct report_causes {
    struct report *r;
    struct cause **slots;
    size_t n;
};

struct report_causes *report_causes_new(struct report *r)
{
    struct report_causes *c = xcalloc(1, sizeof(*c));

    c->r = r;
    c->slots = xcalloc(CAUSES, sizeof(struct cause *));
    return c;
}

static void count_row(struct report_causes *c, struct report_map *m, struct query *q)
{
    struct arena *a = &c->r->arena;
    struct error_row row = { .map = m->alias,
                             .side = query_get_str(q, 0),
                             .stage = query_get_str(q, 1),
                             .code = query_get_cell(q, 2),
                             .field = query_get_cell(q, 3),
                             .message = query_get_cell(q, 4),
                             .key = query_get_cell(q, 5) };
    struct strbuf id = STRBUF(0);
    struct cell message;
    uint64_t h;
    size_t at;

    m->failed_rows++;
    c->r->error_rows++;
    message = error_kind(&row, &id);
    h = digest_bytes(id.buf, id.len).lo;
    for (at = h % CAUSES; c->slots[at]; at = (at + 1) % CAUSES)
        if (c->slots[at]->hash == h && !strcmp(c->slots[at]->fingerprint, id.buf))
            break;
    if (!c->slots[at] && c->n < CAUSES / 2) {
        struct cause *x = arena_zalloc(a, sizeof(*x));

        c->slots[at] = x;
        c->n++;
        c->r->error_kinds++;
        x->hash = h;
        x->fingerprint = arena_strdup(a, id.buf);
        x->e = (struct report_error){ .alias = m->alias,
                                      .side = arena_strdup(a, row.side),
                                      .stage = arena_strdup(a, row.stage),
                                      .code = cell_cstr(a, row.code),
                                      .field = cell_cstr(a, row.field),
                                      .message = cell_cstr(a, message),
                                      .key = arena_strdup(a, query_get_str(q, 5)),
                                      .line = query_is_null(q, 6) ? -1 : query_get_int(q, 6) };
    }
    if (c->slots[at])
        c->slots[at]->e.rows++;
    strbuf_release(&id);
}

enum ec report_causes_add(struct report_causes *c, struct store *state, struct report_map *m, struct err *reterr)
{
    struct query *q = store_query(
        state,
        "select side, stage, coalesce(code, ''), coalesce(field, ''), substr(message, 1, 4000), substr(coalesce(key, "
        "''), "
        "1, 120), line from row_exception where run_id >= coalesce((select max(run_id) from load), 0) and state in "
        "('rejected', 'parked', 'unsent', 'unknown')");

    enum ec rc;

    while (query_step(q))
        count_row(c, m, q);
    rc = query_done(q, reterr);
    q = store_query(state, "select rows from load order by run_id desc limit 1");
    if (query_step(q))
        m->source_rows = query_get_int(q, 0);
    return rc ? (void)query_done(q, NULL), rc : query_done(q, reterr);
}

static int by_rows(const void *x, const void *y)
{
    const struct cause *a = *(struct cause *const *)x, *b = *(struct cause *const *)y;

    if (!a || !b)
        return !a - !b;
    if (a->e.rows != b->e.rows)
        return a->e.rows < b->e.rows ? 1 : -1;
    return strcmp(a->fingerprint, b->fingerprint);
}

void report_causes_end(struct report_causes *c)
{
    struct report *r = c->r;

    qsort(c->slots, CAUSES, sizeof(struct cause *), by_rows);
    r->errors = arena_zalloc(&r->arena, (REPORT_ERRORS + 1) * sizeof(*r->errors));
    for (size_t i = 0; i < REPORT_ERRORS && c->slots[i]; i++)
        r->errors[r->n_errors++] = c->slots[i]->e;
    free(c->slots);
    free(c);
}

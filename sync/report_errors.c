/*
 * report_errors.c -- failed rows by cause: side, stage, code and the message without what differs from row to row (quoted texts,
 * numbers, ids). A hundred thousand refused rows are a handful of causes. Their number is limited; what does not fit any more is
 * counted as rows of the report, not as a cause.
 */
#include "data/canon.h"
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

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

/* Octets of a GUID that begins here, 0 when none does. */
static size_t guid_at(const char *p, size_t n)
{
    if (n < 36)
        return 0;
    for (size_t i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? p[i] != '-' : !((p[i] >= '0' && p[i] <= '9') || ((p[i] | 32) >= 'a' && (p[i] | 32) <= 'f')))
            return 0;
    }
    return 36;
}

/* 'C-0042' and "C-0042" become '…', numbers #, GUIDs {id}; letters and words stay. */
static void generalise(const char *text, struct strbuf *out)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n;) {
        char c = text[i];
        const char *end =
            (c == '\'' || c == '"') && (!i || !is_word(text[i - 1])) ? memchr(text + i + 1, c, n - i - 1) : NULL;
        size_t id = guid_at(text + i, n - i);

        if (end) {
            strbuf_addf(out, "%c\xe2\x80\xa6%c", c, c);
            i = (size_t)(end - text) + 1;
        } else if (id) {
            strbuf_adds(out, "{id}");
            i += id;
        } else if (c >= '0' && c <= '9' && (!i || !is_word(text[i - 1]))) {
            while (i < n &&
                   ((text[i] >= '0' && text[i] <= '9') || text[i] == '.' || text[i] == ',' || text[i] == ':'))
                i++;
            if (strchr(".,:", text[i - 1]))
                i--; /* the sentence's own */
            strbuf_addc(out, '#');
        } else {
            strbuf_addc(out, c);
            i++;
        }
    }
}

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
    struct strbuf fp = STRBUF(0), id = STRBUF(0);
    uint64_t h;
    size_t at;

    m->failed_rows++;
    c->r->error_rows++;
    generalise(query_get_str(q, 4), &fp);
    strbuf_addf(&id, "%s\x1f%s\x1f%s\x1f%s\x1f%s", m->alias, query_get_str(q, 0), query_get_str(q, 1),
                query_get_str(q, 2), strbuf_str(&fp));
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
                                      .side = arena_strdup(a, query_get_str(q, 0)),
                                      .stage = arena_strdup(a, query_get_str(q, 1)),
                                      .code = arena_strdup(a, query_get_str(q, 2)),
                                      .field = arena_strdup(a, query_get_str(q, 3)),
                                      .message = arena_strdup(a, strbuf_str(&fp)),
                                      .key = arena_strdup(a, query_get_str(q, 5)),
                                      .line = query_is_null(q, 6) ? -1 : query_get_int(q, 6) };
    }
    if (c->slots[at])
        c->slots[at]->e.rows++;
    strbuf_release(&fp);
    strbuf_release(&id);
}

enum ec report_causes_add(struct report_causes *c, struct store *state, struct report_map *m, struct err *reterr)
{
    struct query *q = store_query(
        state,
        "select side, stage, coalesce(code, ''), coalesce(field, ''), substr(message, 1, 400), substr(coalesce(key, "
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

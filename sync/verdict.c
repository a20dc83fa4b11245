/* verdict.c -- counts into a word, stored in the catalog. Writes the table verdict. */
#include "sync/verdict.h"
#include "base/clock.h"
#include "base/step.h"

#include "sync/waive.h"

#include <stdio.h>
#include <stdlib.h>

enum verdict_word verdict_word_of(struct cell name)
{
    return cell_is(name, "parity") ? VERDICT_PARITY : cell_is(name, "drift") ? VERDICT_DRIFT : VERDICT_UNKNOWN;
}

const char *verdict_name(enum verdict_word v)
{
    return v == VERDICT_PARITY ? "parity" : v == VERDICT_DRIFT ? "drift" : "unknown";
}

/* "0.01%" of n, rounded down, or a number of its own. */
uint64_t share_of(const char *share, uint64_t n)
{
    char *end;
    double v = share ? strtod(share, &end) : 0;

    if (!share || v <= 0)
        return 0;
    return (uint64_t)(*end == '%' ? (double)n * v / 100 : v);
}

uint64_t deletes_allowed(const struct map_ctx *m, uint64_t n, const char **ret_share)
{
    uint64_t allowed;

    *ret_share = m->cfg->max_delete ? m->cfg->max_delete : "1%";
    allowed = share_of(*ret_share, n);
    return allowed < 10 ? 10 : allowed;
}

enum verdict_word verdict_of(const struct map_ctx *m, struct diff_result *r)
{
    const struct diff_counts *c = &r->all;
    uint64_t drift = c->differ + c->only_fno + c->only_dataverse;

    r->tolerated = 0;
    if (c->errors || drift > share_of(m->cfg->tolerance, c->keys) ||
        (int64_t)(c->waiting + c->waived + c->in_flight) > m->pair->app->cfg.max_waiting)
        return VERDICT_DRIFT;
    r->tolerated = drift;
    return VERDICT_PARITY;
}

static void put_counts(struct output *o, struct json *obj, const struct diff_counts *c)
{
    char sum[64];

    out_int(o, obj, "fno_rows", (int64_t)c->fno_rows);
    out_int(o, obj, "dataverse_rows", (int64_t)c->dataverse_rows);
    out_int(o, obj, "keys", (int64_t)c->keys);
    out_int(o, obj, "equal", (int64_t)c->equal);
    out_int(o, obj, "differ", (int64_t)c->differ);
    out_int(o, obj, "only_fno", (int64_t)c->only_fno);
    out_int(o, obj, "only_dataverse", (int64_t)c->only_dataverse);
    out_int(o, obj, "waiting", (int64_t)c->waiting);
    out_int(o, obj, "waived", (int64_t)c->waived);
    out_int(o, obj, "in_flight", (int64_t)c->in_flight);
    out_int(o, obj, "errors", (int64_t)c->errors);
    digest_format_sum(c->fno_digest, sum);
    out_str(o, obj, "fno_digest", sum);
    digest_format_sum(c->dataverse_digest, sum);
    out_str(o, obj, "dataverse_digest", sum);
}

static enum ec fill(struct map_ctx *m, struct output *o, struct json *obj, enum verdict_word v,
                    const struct diff_result *r, const char *checked_at, struct err *reterr)
{
    struct strbuf key = STRBUF(0);
    struct json *list;

    out_cell(o, obj, "map", m->map->name);
    for (size_t i = 0; i < m->b->n_key; i++)
        strbuf_addf(&key, "%s" CELL_FMT, i ? "," : "", CELL_ARG(m->b->fields[m->b->key[i]].name));
    out_str(o, obj, "key", strbuf_str(&key));
    strbuf_release(&key);
    put_counts(o, obj, &r->all);
    out_int(o, obj, "excluded_fno", (int64_t)r->all.excluded_fno);
    out_int(o, obj, "excluded_dataverse", (int64_t)r->all.excluded_dataverse);
    out_int(o, obj, "tolerated", (int64_t)r->tolerated);
    out_str(o, obj, "verdict", verdict_name(v));
    out_str(o, obj, "checked_at", checked_at);
    list = out_array(o, obj, "companies");
    for (size_t i = 0; i < r->n_companies; i++) {
        struct json *c = out_object(o, list, NULL);

        out_str(o, c, "company", r->companies[i].company);
        put_counts(o, c, &r->companies[i]);
    }
    return waivers_output(m, o, obj, reterr);
}

enum ec verdict_output(struct map_ctx *m, struct json *array, enum verdict_word v, const struct diff_result *r,
                       const char *checked_at, struct err *reterr)
{
    struct output *o = &m->pair->app->out;

    return fill(m, o, out_object(o, array, NULL), v, r, checked_at, reterr);
}

enum ec verdict_store(struct map_ctx *m, int64_t run_id, enum verdict_word v, const struct diff_result *r,
                      int64_t *ret_id, struct err *reterr)
{
    struct store *s = m->pair->app->work;
    struct output mem = { 0 };
    struct strbuf text = STRBUF(0);
    struct json *root = json_new(&mem.arena, JSON_OBJECT, CELL_ABSENT);
    char hash[65], now[32];
    struct query *q;
    enum ec rc;

    clock_format_utc(clock_utc_ms(), now);
    bind_hash(m->b, hash);
    mem.data = root;
    rc = fill(m, &mem, root, v, r, now, reterr);
    if (rc)
        goto out;
    json_write(&text, root);
    STEP(verdict_store);
    q = store_query(
        s, "insert into verdict(alias, run_id, checked_at, verdict, map_hash, data) values(?1, ?2, ?3, ?4, ?5, ?6)");
    query_str(q, 1, m->cfg->alias);
    if (run_id)
        query_int(q, 2, run_id);
    query_str(q, 3, now);
    query_str(q, 4, verdict_name(v));
    query_str(q, 5, hash);
    query_str(q, 6, text.buf);
    rc = query_run(q, reterr);
    if (!rc && ret_id)
        *ret_id = store_last_id(s);
    if (!rc && v != VERDICT_PARITY) {
        enum gate_state g;
        char reason[400];

        bool waits = false;

        rc = gate_read(m, &g, reason, reterr);
        if (!rc)
            rc = gate_waits_for_rules(m, &waits, reterr);
        if (!rc && (g == GATE_OPEN || waits)) {
            snprintf(reason, sizeof(reason), "the verdict of %s is %s", now, verdict_name(v));
            rc = gate_close(m, reason, reterr);
        }
    }
    STEP(verdict_stored);
out:
    strbuf_release(&text);
    arena_release(&mem.arena);
    return rc;
}

enum ec verdict_latest(struct map_ctx *m, struct arena *a, struct verdict_row *ret, struct err *reterr)
{
    struct query *q =
        store_query(m->pair->app->work,
                    "select id, verdict, checked_at, map_hash, data, json_extract(data, '$.tolerated'), "
                    "json_extract(data, '$.fno_digest') from verdict where alias = ?1 order by id desc limit 1");
    struct verdict_row v = { .word = VERDICT_UNKNOWN };
    bool found;
    enum ec rc;

    query_str(q, 1, m->cfg->alias);
    found = query_step(q);
    if (found) {
        v.id = query_get_int(q, 0);
        v.word = verdict_word_of(query_get_cell(q, 1));
        snprintf(v.checked_at, sizeof(v.checked_at), "%s", query_get_str(q, 2));
        snprintf(v.map_hash, sizeof(v.map_hash), "%s", query_get_str(q, 3));
        v.data = arena_strdup(a, query_get_str(q, 4));
        v.tolerated = (uint64_t)query_get_int(q, 5);
        v.canon = digest_canon_version(query_get_cell(q, 6));
    }
    rc = query_done(q, reterr);
    if (!rc && !found)
        rc = err_set(reterr, EC_NOTFOUND, "map '%s' has no verdict yet", m->cfg->alias);
    if (!rc)
        *ret = v;
    return rc;
}

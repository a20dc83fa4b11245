/* apply.c -- the pending changes of a map, chunk by chunk, to both sides. */
#include "sync/apply.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/apply_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* Small enough that a change does not wait long for its neighbours, large enough to keep all calls under way busy. */
enum { CHUNK = 100 };

/* ---- the guard of deletions ---- */

static int64_t allowed_deletes(const struct map_ctx *m, int64_t base_rows)
{
    const char *t = m->cfg->max_delete ? m->cfg->max_delete : "1%";
    char *end;
    double v = strtod(t, &end);
    int64_t n = *end == '%' ? (int64_t)((double)base_rows * v / 100) : (int64_t)v;

    return n < 10 ? 10 : n;
}

static enum ec count_deletes(struct applying *p, struct err *reterr)
{
    struct query *q = store_query(
        p->m->state,
        "select count(*), (select rows from baseline) from pending where (dv_state = 'deleted' or fno_state = "
        "'deleted') and state in ('new', 'sending') and resolve = ''");
    int64_t n = 0, rows = 0;
    enum ec rc;

    if (query_step(q)) {
        n = query_get_int(q, 0);
        rows = query_get_int(q, 1);
    }
    rc = query_done(q, reterr);
    if (!rc && n > allowed_deletes(p->m, rows) &&
        (p->m->cfg->deletes == DELETES_APPLY || p->m->cfg->deletes == DELETES_MARK)) {
        p->deletes_held = true;
        log_warn("sync", "%s: %lld deletions are more than max_delete = %s allows (%lld); none is applied",
                 p->m->cfg->alias, (long long)n, p->m->cfg->max_delete ? p->m->cfg->max_delete : "1%",
                 (long long)allowed_deletes(p->m, rows));
    }
    return rc;
}

/* ---- a chunk ---- */

static void plan_line(struct applying *p, const struct item *it)
{
    static const char *const WORDS[] = { "nothing", "update", "create", "delete", "nothing" };
    struct output *out = &p->m->pair->app->out;

    if (it->fate == FATE_HOLD)
        out_line(out, "%s " CELL_FMT ": %s: %s", p->m->cfg->alias, CELL_ARG(it->key), it->hold_state, it->reason);
    else if (it->fate == FATE_WRITE)
        out_line(out, "%s " CELL_FMT ": F&O %s, Dataverse %s%s%s", p->m->cfg->alias, CELL_ARG(it->key),
                 WORDS[it->o.to_fno], WORDS[it->o.to_dv], it->o.why[0] ? ": " : "", it->o.why);
    else
        out_line(out, "%s " CELL_FMT ": nothing to write", p->m->cfg->alias, CELL_ARG(it->key));
}

static enum ec store_sending(struct applying *p, struct item *items, size_t n, struct err *reterr)
{
    bool any = false;
    enum ec rc;

    for (size_t i = 0; i < n; i++)
        any = any || items[i].fate == FATE_WRITE;
    if (!any)
        return EC_OK;
    rc = store_begin(p->m->state, reterr);
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rc; i++)
        if (items[i].fate == FATE_WRITE)
            rc = item_sending(p, &items[i], reterr);
    return store_end(p->m->state, rc, reterr);
}

static enum ec store_done(struct applying *p, struct item *items, size_t n, struct err *reterr)
{
    enum ec rc;

    STEP(apply_store);
    rc = store_begin(p->m->state, reterr);
    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rc; i++)
        rc = item_store(p, &items[i], reterr);
    rc = store_end(p->m->state, rc, reterr);
    STEP(apply_stored);
    return rc;
}

/* One pass over the chunk: those that lost a race have FATE_AGAIN at the end. */
static enum ec one_pass(struct applying *p, struct item *items, size_t n, struct err *reterr)
{
    enum ec rc = read_items(p, items, n, reterr);

    for (size_t i = 0; i < n && !rc; i++)
        rc = item_decide(p, &items[i], reterr);
    if (p->how->dry_run) {
        for (size_t i = 0; i < n && !rc; i++)
            plan_line(p, &items[i]);
        return rc;
    }
    for (size_t i = 0; i < n && !rc; i++)
        if (items[i].fate == FATE_WRITE)
            rc = item_bodies(p, &items[i], reterr);
    if (!rc)
        rc = store_sending(p, items, n, reterr);
    if (!rc)
        rc = write_items(p, items, n, reterr);
    return rc ? rc : store_done(p, items, n, reterr);
}

static void start_again(struct item *it)
{
    it->fate = FATE_OPEN;
    it->wrote_fno = it->wrote_dv = it->made_dv = false;
    it->races++;
}

static enum ec chunk(struct applying *p, const char *octets, size_t n, struct err *reterr)
{
    struct item *items = xcalloc(n, sizeof(*items));
    size_t k = 0, again = 0;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n && !rc; i++) {
        bool found = false;

        rc = item_load(p, octets + 16 * i, &items[k], &found, reterr);
        if (!rc && found)
            k++;
        else
            item_release(&items[k]);
    }
    do {
        arena_reset(&p->rows);
        if (!rc)
            rc = one_pass(p, items, k, reterr);
        again = 0;
        for (size_t i = 0; i < k && !rc; i++) {
            struct item *it = &items[i];

            if (it->fate != FATE_AGAIN) {
                it->fate = FATE_LEAVE;
                it->wrote_fno = it->wrote_dv = false; /* stored */
                continue;
            }
            p->c->races++;
            start_again(it);
            if (it->races == MAX_RACES)
                item_hold(it, "parked", "changed by others again and again while it was being written");
            again++;
        }
    } while (again && !rc && !p->stop && !p->how->dry_run);
    for (size_t i = 0; i < k; i++)
        item_release(&items[i]);
    free(items);
    if (!rc && p->stop) {
        rc = p->stop;
        if (reterr)
            *reterr = p->stop_err;
    }
    return rc;
}

/* ---- the stage ---- */

static enum ec keys_to_apply(struct applying *p, struct strbuf *keys, struct err *reterr)
{
    struct query *q =
        store_query(p->m->state, "select key_digest from pending where state in ('new', 'sending') or (state "
                                 "= 'parked' and (?1 or next_at <= ?2)) order by at, key_digest");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    query_int(q, 1, p->how->parked_too);
    query_str(q, 2, now);
    while (query_step(q)) {
        struct cell k = query_get_blob(q, 0);

        if (k.len == 16)
            strbuf_add(keys, k.ptr, 16);
    }
    return query_done(q, reterr);
}

enum ec apply_pending(struct map_ctx *m, struct dict *d, const struct apply_how *how, struct apply_counts *ret,
                      struct err *reterr)
{
    struct applying p = { .m = m, .d = d, .c = ret, .how = how };
    struct strbuf keys = STRBUF(0);
    size_t n;
    enum ec rc = baseline_open(m, &p.base, reterr);

    *ret = (struct apply_counts){ 0 };
    if (!rc)
        rc = count_deletes(&p, reterr);
    if (!rc)
        rc = keys_to_apply(&p, &keys, reterr);
    n = keys.len / 16;
    p.batches = ret->batches = (int64_t)n >= m->pair->app->cfg.sync_batch_from;
    if (p.batches && !rc)
        log_info("sync", "%s: %zu changes wait: Dataverse is written in batches of conditional updates",
                 m->cfg->alias, n);
    for (size_t at = 0; at < n && !rc; at += CHUNK) {
        rc = chunk(&p, keys.buf + 16 * at, n - at < CHUNK ? n - at : CHUNK, reterr);
        progress_update(&m->pair->app->out, m->cfg->alias, "apply", (int64_t)(at + CHUNK < n ? at + CHUNK : n),
                        (int64_t)n, "");
        if (!rc && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while applying changes of map '%s'", m->cfg->alias);
    }
    progress_clear(&m->pair->app->out);
    baseline_close(p.base);
    arena_release(&p.rows);
    strbuf_release(&keys);
    return rc;
}

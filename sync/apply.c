/* apply.c -- the pending changes of a map, chunk by chunk, to both sides. */
#include "sync/apply.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "loader/public/fno_rows.h"
#include "sync/apply_parts.h"

#include <stdio.h>
#include <stdlib.h>

/* Small enough that a change does not wait long for its neighbours, large enough to keep all calls under way busy. */
enum { CHUNK = 100, PACKAGE_CHUNK = 2000 };

/* ---- the guard of deletions ---- */

/* company absent = all of the map. True: none of them is applied. */
static bool too_many(struct applying *p, struct cell company, uint64_t n, uint64_t rows)
{
    const char *share;
    uint64_t allowed = deletes_allowed(p->m, rows, &share);

    if (n <= allowed)
        return false;
    log_warn("sync", "%s: %llu deletions%s" CELL_FMT " are more than max_delete = %s allows (%llu); none is applied",
             p->m->cfg->alias, (unsigned long long)n, company.len ? " in company " : "", CELL_ARG(company), share,
             (unsigned long long)allowed);
    return true;
}

/* The keys of a company-striped map begin with the company. */
static enum ec deletes_of_companies(struct applying *p, struct err *reterr)
{
    struct query *q;
    struct leaf_company *base = NULL;
    struct arena a = { 0 };
    uint64_t all = 0, rows = 0;
    size_t n_base = 0;
    enum ec rc = baseline_companies(p->m, &a, &base, &n_base, reterr);

    if (rc)
        goto out;
    q = store_query(
        p->m->state,
        "select case when ?1 then substr(key, 1, instr(key || '|', '|') - 1) else '' end as company, "
        "count(*) from pending where (dv_state = 'deleted' or fno_state = 'deleted') and state in ('new', "
        "'sending') and resolve = '' group by 1");
    query_int(q, 1, p->m->b->striped);
    while (query_step(q)) {
        struct cell company = query_get_cell(q, 0);
        uint64_t n = (uint64_t)query_get_int(q, 1);

        all += n;
        if (company.len && too_many(p, company, n, leaf_company_rows(base, n_base, company)))
            strbuf_addf(&p->held_companies, CELL_FMT "|", CELL_ARG(company));
    }
    rc = query_done(q, reterr);
    if (!rc) {
        q = store_query(p->m->state, "select rows from baseline");
        rows = query_step(q) ? (uint64_t)query_get_int(q, 0) : 0;
        rc = query_done(q, reterr);
    }
    if (!rc)
        p->deletes_held = too_many(p, CELL_ABSENT, all, rows);
out:
    arena_release(&a);
    return rc;
}

static enum ec count_deletes(struct applying *p, struct err *reterr)
{
    strbuf_adds(&p->held_companies, "|");
    return p->m->cfg->deletes == DELETES_APPLY || p->m->cfg->deletes == DELETES_MARK ? deletes_of_companies(p, reterr)
                                                                                     : EC_OK;
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
                item_hold(it, "parked",
                          p->packages ? "F&O's imports neither took the row nor named a reason"
                                      : "changed by others again and again while it was being written");
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

/*
 * Keys to be looked at, some thousands at a time, so that memory does not grow with what waits. What a round leaves in a state is
 * behind the place that is kept, so no key comes twice; those that an earlier run left half done and those that wait for a parent come
 * before the new ones.
 */
enum { PAGE = 5000 };
static const char *const STATES[] = { "sending", "parked", "new" };
struct keys {
    size_t state; /* of STATES */
    char after[32], after_key[16]; /* the last one's `at` and digest */
    struct strbuf page; /* 16 octets each */
};

#define DUE "(state <> 'parked' or ?1 or next_at <= ?2)"
static enum ec count_keys(struct applying *p, const char *now, int64_t *ret, struct err *reterr)
{
    struct query *q = store_query(p->m->state, "select count(*) from pending where state in ('new', 'sending', "
                                               "'parked') and " DUE);

    query_int(q, 1, p->how->parked_too);
    query_str(q, 2, now);
    *ret = query_step(q) ? query_get_int(q, 0) : 0;
    return query_done(q, reterr);
}

static enum ec page_of_state(struct applying *p, const char *now, struct keys *k, struct err *reterr)
{
    struct query *q = store_query(p->m->state, "select key_digest, at from pending where state = ?3 and " DUE
                                               " and (at, key_digest) > (?4, ?5) order by at, key_digest limit ?6");

    query_int(q, 1, p->how->parked_too);
    query_str(q, 2, now);
    query_str(q, 3, STATES[k->state]);
    query_str(q, 4, k->after);
    query_blob(q, 5, k->after_key, k->after[0] ? sizeof(k->after_key) : 0);
    query_int(q, 6, PAGE);
    strbuf_reset(&k->page);
    while (query_step(q)) {
        struct cell key = query_get_blob(q, 0);

        if (key.len != sizeof(k->after_key))
            continue;
        strbuf_add(&k->page, key.ptr, key.len);
        memcpy(k->after_key, key.ptr, key.len);
        snprintf(k->after, sizeof(k->after), "%s", query_get_str(q, 1));
    }
    return query_done(q, reterr);
}

/* An empty page: there are no more. */
static enum ec next_keys(struct applying *p, const char *now, struct keys *k, struct err *reterr)
{
    enum ec rc = EC_OK;

    strbuf_reset(&k->page);
    while (!rc && k->state < COUNT(STATES)) {
        rc = page_of_state(p, now, k, reterr);
        if (rc || k->page.len)
            break;
        k->state++;
        k->after[0] = 0;
    }
    return rc;
}

static enum ec apply_keys(struct applying *p, const char *now, int64_t total, struct err *reterr)
{
    struct keys k = { .page = STRBUF(0) };
    size_t most = p->packages ? PACKAGE_CHUNK : CHUNK; /* a job takes its time however few rows it has */
    int64_t done = 0;
    enum ec rc = next_keys(p, now, &k, reterr);

    while (!rc && k.page.len) {
        for (size_t at = 0, n; at < k.page.len && !rc; at += 16 * n) {
            n = (k.page.len - at) / 16 < most ? (k.page.len - at) / 16 : most;
            rc = chunk(p, k.page.buf + at, n, reterr);
            done += (int64_t)n;
            progress_update(&p->m->pair->app->out, p->m->cfg->alias, "apply", done, total, "");
            if (!rc && stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while applying changes of map '%s'", p->m->cfg->alias);
        }
        if (!rc)
            rc = next_keys(p, now, &k, reterr);
    }
    strbuf_release(&k.page);
    return rc;
}

enum ec apply_pending(struct map_ctx *m, struct dict *d, const struct apply_how *how, struct apply_counts *ret,
                      struct err *reterr)
{
    struct applying p = { .m = m, .d = d, .c = ret, .how = how };
    int64_t n = 0;
    char now[32];
    enum ec rc = baseline_open(m, &p.base, reterr);

    *ret = (struct apply_counts){ 0 };
    clock_format_utc(clock_utc_ms(), now);
    p.packages = fno_rows_needed(m);
    if (!rc && p.packages)
        rc = fno_rows_under_way(m, &p.under_way, reterr);
    if (!rc)
        rc = count_deletes(&p, reterr);
    if (!rc)
        rc = count_keys(&p, now, &n, reterr);
    p.batches = ret->batches = n >= m->pair->app->cfg.sync_batch_from;
    if (p.batches && !rc)
        log_info("sync", "%s: %lld changes wait: Dataverse is written in batches of conditional updates",
                 m->cfg->alias, (long long)n);
    if (!rc)
        rc = apply_keys(&p, now, n, reterr);
    progress_clear(&m->pair->app->out);
    baseline_close(p.base);
    strbuf_release(&p.held_companies);
    arena_release(&p.rows);
    return rc;
}

/* handoff.c -- baseline, drain, start, see, read once more, compare, done. Writes the setting handoff_stage. */
#include "sync/handoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/control.h"
#include "sync/delta_row.h"
#include "sync/feed_parts.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_ROUNDS = 20 };
struct handing {
    struct map_ctx *m;
    struct dict *d;
    struct strbuf keys; /* octets of every key that was worked on since the drain */
    uint64_t writes;
    enum ec rc; /* of the looks taken while the map starts */
    struct err err;
};

bool handoff_begun(struct map_ctx *m)
{
    struct arena a = { 0 };
    char *stage = NULL;
    bool yes = m->state && !state_get(m, "handoff_stage", &a, &stage, NULL) && stage && !strcmp(stage, "asked");

    arena_release(&a);
    return yes;
}

static enum ec note_keys(struct handing *h, uint64_t *ret_n, struct err *reterr)
{
    struct query *q =
        store_query(h->m->state, "select key_digest from pending where state in ('new', 'sending', 'parked')");

    *ret_n = 0;
    while (query_step(q)) {
        struct cell k = query_get_blob(q, 0);
        bool known = false;

        if (k.len != 16)
            continue;
        ++*ret_n;
        for (size_t i = 0; i < h->keys.len && !known; i += 16)
            known = !memcmp(h->keys.buf + i, k.ptr, 16);
        if (!known)
            strbuf_add(&h->keys, k.ptr, 16);
    }
    return query_done(q, reterr);
}

/* One look at both feeds and what comes of it; *ret_quiet: nothing was there. */
static enum ec look(struct handing *h, bool *ret_quiet, struct err *reterr)
{
    struct feed_counts fno = { 0 }, dv = { 0 };
    struct apply_counts a = { 0 };
    struct apply_how how = { .parked_too = true };
    uint64_t keys = 0;
    enum ec rc = state_put(h->m, "key_scan_at", "", reterr); /* deletions, too */

    if (!rc)
        rc = feed_fno(h->m, &fno, reterr);
    if (!rc)
        rc = feed_dv(h->m, h->d, &dv, reterr);
    if (!rc)
        rc = note_keys(h, &keys, reterr);
    if (!rc)
        rc = apply_pending(h->m, h->d, &how, &a, reterr);
    h->writes += a.writes;
    *ret_quiet = !rc && !a.writes && !fno.changed && !dv.changed;
    return rc;
}

static enum ec drain(struct handing *h, const char *what, struct err *reterr)
{
    bool quiet = false;
    enum ec rc = EC_OK;

    for (int i = 0; i < MAX_ROUNDS && !rc && !quiet; i++)
        rc = look(h, &quiet, reterr);
    if (!rc && !quiet) {
        /* Users go on working: what is left is small, and comes with the next look. */
        log_info("handoff", "%s: changes keep coming while %s; going on", h->m->cfg->alias, what);
    }
    return rc;
}

/* The keys of the gap once more, read as they are: a merge that has nothing to write proves that both sides hold the same. */
static enum ec compare_keys(struct handing *h, struct err *reterr)
{
    struct taking t = { .m = h->m };
    struct apply_how how = { .parked_too = true };
    struct apply_counts a = { 0 };
    struct feed_counts c = { 0 };
    uint64_t left = 1;
    enum ec rc = EC_OK;

    for (int i = 0; i < MAX_ROUNDS && !rc && left; i++) {
        rc = baseline_open(h->m, &t.base, reterr);
        t.c = &c;
        if (!rc)
            rc = store_begin(h->m->state, reterr);
        for (size_t at = 0; at < h->keys.len && !rc; at += 16) {
            struct digest key = delta_key_digest(h->keys.buf + at);
            struct base_row row;

            arena_reset(&t.a);
            rc = baseline_row(t.base, key, &t.a, &row, reterr);
            if (!rc && row.cells && !row.deleted)
                rc =
                    feed_put(&t, FEED_DV, key, bind_key_text(h->m->b, row.cells, &t.a), row.cells, row.dv_id, reterr);
        }
        if (store_in_transaction(h->m->state))
            rc = store_end(h->m->state, rc, reterr);
        baseline_close(t.base);
        t.base = NULL;
        if (!rc)
            rc = apply_pending(h->m, h->d, &how, &a, reterr);
        left = a.writes + a.parked + a.poison;
        h->writes += a.writes;
    }
    arena_release(&t.a);
    if (!rc && left) {
        err_set(reterr, EC_DIFFERENT, "map '%s': the records changed during the handoff do not come to rest",
                h->m->cfg->alias);
        rc = err_hint(reterr,
                      "look at 'dmfsync parked' and 'dmfsync conflicts list', then run the same command again");
    }
    return rc;
}

/* The version that runs, where Dataverse tells, against the version that was compared. */
static enum ec same_version(struct map_ctx *m, struct err *reterr)
{
    struct dv_maps maps = { 0 };
    struct arena a = { 0 };
    struct cell compared = pair_map_version(m, &a);
    enum ec rc = dv_maps_read(m->pair->app->dv, &maps, reterr);

    if (rc == EC_NOTFOUND)
        rc = EC_OK;
    for (size_t i = 0; i < maps.n_running && !rc; i++) {
        const struct dv_running_map *r = &maps.running[i];

        if (!cell_ieq(r->logical, m->b->table->logical) || !cell_ieq(r->label, m->b->entity->label) ||
            cell_blank(r->version) || cell_blank(compared) || cell_eq(r->version, compared))
            continue;
        err_set(reterr, EC_GUARD, "map '%s' runs in version " CELL_FMT ", and version " CELL_FMT " was compared",
                m->cfg->alias, CELL_ARG(r->version), CELL_ARG(compared));
        rc = err_hint(
            reterr,
            "stop it, apply the version that was compared (or 'dmfsync map pull' and compare again), then run the "
            "same command");
    }
    dv_maps_release(&maps);
    arena_release(&a);
    return rc;
}

/*
 * While the map starts, both sides are looked at again and again. Once it runs, dual-write carries whole records: an edit of
 * Dataverse then puts its old values over those that a user of F&O gave other fields meanwhile, unless these were merged before.
 */
static void look_meanwhile(void *arg)
{
    struct handing *h = arg;
    bool quiet;

    if (!h->rc)
        h->rc = look(h, &quiet, &h->err);
}

static enum ec see_running(struct handing *h, struct err *reterr)
{
    struct map_ctx *m = h->m;
    struct control *c = NULL;
    struct control_map cm = control_map_of(m);
    enum map_state state = MAP_UNKNOWN;
    char why[200] = "";
    bool begun = handoff_begun(m);
    enum ec rc = control_open(m->pair->app, &c, reterr);

    if (!rc)
        rc = control_read(c, &cm, 1, &state, why, reterr);
    if (!rc && !begun && state != MAP_STOPPED && state != MAP_UNKNOWN) {
        err_set(reterr, EC_GUARD,
                "map '%s' is %s already, started by somebody else: what it carried since is not known", m->cfg->alias,
                map_state_word(state));
        rc = err_hint(reterr, "stop it, run 'dmfsync parity %s', then this command again", m->cfg->alias);
    }
    STEP(gate_store);
    if (!rc)
        rc = state_put(m, "handoff_stage", "asked", reterr);
    STEP(gate_stored);
    if (!rc && state != MAP_RUNNING)
        rc = control_ask(c, CONTROL_START, &cm, 1, reterr);
    if (!rc && state != MAP_RUNNING)
        rc = control_wait(c, MAP_RUNNING, &cm, 1, 0, look_meanwhile, h, reterr);
    if (!rc && h->rc) {
        rc = h->rc;
        if (reterr)
            *reterr = h->err;
    }
    control_close(c);
    return rc ? rc : same_version(m, reterr);
}

enum ec handoff_dual_write(struct map_ctx *m, struct err *reterr)
{
    struct handing h = { .m = m };
    bool begun = handoff_begun(m);
    enum ec rc = dict_open(m->pair, &h.d, reterr);

    if (!rc)
        dict_lazy(h.d);
    if (!rc && !begun)
        rc = gate_take_base(m, reterr);
    if (!rc)
        rc = drain(&h, "the feeds are drained", reterr);
    /* From here on: what was edited between the last look and the moment from which dual-write carried edits itself. */
    strbuf_reset(&h.keys);
    h.writes = 0;
    if (!rc)
        rc = see_running(&h, reterr);
    if (!rc)
        rc = drain(&h, "the gap is read", reterr);
    if (!rc)
        rc = compare_keys(&h, reterr);
    if (!rc)
        rc = gate_handed_over(m, "given over to dual-write on a verdict of parity, nothing lost in between", reterr);
    if (!rc)
        rc = state_put(m, "handoff_stage", "done", reterr);
    if (!rc)
        out_line(&m->pair->app->out,
                 "%s: dual-write runs it; %zu record%s were edited while it started, %llu write%s made up for that",
                 m->cfg->alias, h.keys.len / 16, h.keys.len == 16 ? "" : "s", (unsigned long long)h.writes,
                 h.writes == 1 ? "" : "s");
    dict_close(h.d);
    strbuf_release(&h.keys);
    return rc;
}

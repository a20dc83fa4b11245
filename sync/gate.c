/* gate.c -- whether sync may work on a map. Writes the tables gate and gate_log. */
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/verdict.h"

#include <stdio.h>

/* Version of the canonical rules that the gate's verdict went by; 0 = not known. */
static enum ec gate_canon(struct map_ctx *m, int *ret, struct err *reterr)
{
    struct query *q = store_query(m->pair->app->work, "select json_extract(v.data, '$.fno_digest') from gate g join "
                                                      "verdict v on v.id = g.verdict_id where g.alias = ?1");

    *ret = 0;
    query_str(q, 1, m->cfg->alias);
    if (query_step(q))
        *ret = digest_canon_version(query_get_cell(q, 0));
    return query_done(q, reterr);
}

/* What was stored with this hash differs in nothing but the version of the canonical rules. */
static bool other_rules_only(const struct map_ctx *m, int canon, const char *stored)
{
    char hash[65];

    if (!canon || canon == CANON_VERSION)
        return false;
    bind_hash_under(m->b, canon, hash);
    return !strcmp(hash, stored);
}

enum ec gate_waits_for_rules(struct map_ctx *m, bool *ret, struct err *reterr)
{
    struct query *q =
        store_query(m->pair->app->work, "select map_hash from gate where alias = ?1 and state = 'open'");
    char hash[65] = "";
    int canon = 0;
    enum ec rc;

    query_str(q, 1, m->cfg->alias);
    if (query_step(q))
        snprintf(hash, sizeof(hash), "%s", query_get_str(q, 0));
    rc = query_done(q, reterr);
    if (!rc && hash[0])
        rc = gate_canon(m, &canon, reterr);
    *ret = !rc && hash[0] && other_rules_only(m, canon, hash);
    return rc;
}

enum ec gate_read(struct map_ctx *m, enum gate_state *ret, char ret_reason[static 400], struct err *reterr)
{
    struct query *q = store_query(m->pair->app->work, "select state, reason, map_hash from gate where alias = ?1");
    char hash[65];
    bool rules = false;
    enum ec rc;

    *ret = GATE_NONE;
    snprintf(ret_reason, 400, "it was never opened");
    bind_hash(m->b, hash);
    query_str(q, 1, m->cfg->alias);
    if (query_step(q)) {
        *ret = cell_is(query_get_cell(q, 0), "open") ? GATE_OPEN : GATE_CLOSED;
        snprintf(ret_reason, 400, "%s", query_get_str(q, 1));
        if (*ret == GATE_OPEN && !cell_is(query_get_cell(q, 2), hash)) {
            *ret = GATE_CLOSED;
            snprintf(ret_reason, 400, "the map or its settings changed since the gate was opened");
        }
    }
    rc = query_done(q, reterr);
    if (!rc && *ret == GATE_CLOSED)
        rc = gate_waits_for_rules(m, &rules, reterr);
    if (!rc && rules)
        snprintf(ret_reason, 400,
                 "the rules of comparing are others (c%d) since it was opened; the next parity opens it",
                 CANON_VERSION);
    return rc;
}

static enum ec set(struct map_ctx *m, const char *state, int64_t verdict_id, const char *reason, struct err *reterr)
{
    struct store *s = m->pair->app->work;
    char now[32], hash[65];
    struct query *q;
    enum ec rc;

    clock_format_utc(clock_utc_ms(), now);
    bind_hash(m->b, hash);
    STEP(gate_store);
    rc = store_begin(s, reterr);
    if (rc)
        return rc;
    q = store_query(s,
                    "insert into gate(alias, state, handoff, verdict_id, map_hash, reason, changed_at) values(?1, "
                    "?2, ?3, ?4, ?5, ?6, ?7) on "
                    "conflict(alias) do update set state = excluded.state, handoff = excluded.handoff, verdict_id = "
                    "coalesce(excluded.verdict_id, verdict_id), map_hash = excluded.map_hash, reason = "
                    "excluded.reason, changed_at = "
                    "excluded.changed_at");
    query_str(q, 1, m->cfg->alias);
    query_str(q, 2, state);
    query_str(q, 3, m->cfg->handoff_dual_write ? "dual-write" : "builtin");
    if (verdict_id)
        query_int(q, 4, verdict_id);
    query_str(q, 5, hash);
    query_str(q, 6, reason);
    query_str(q, 7, now);
    rc = query_run(q, reterr);
    if (!rc) {
        q = store_query(s, "insert into gate_log(alias, state, reason, at) values(?1, ?2, ?3, ?4)");
        query_str(q, 1, m->cfg->alias);
        query_str(q, 2, state);
        query_str(q, 3, reason);
        query_str(q, 4, now);
        rc = query_run(q, reterr);
    }
    rc = store_end(s, rc, reterr);
    STEP(gate_stored);
    if (!rc)
        log_info("gate", "%s: %s (%s)", m->cfg->alias, state, reason);
    return rc;
}

/* A load that began after the verdict may have changed what it proved. */
static bool loaded_since(struct map_ctx *m, const struct verdict_row *v)
{
    struct query *q = store_query(
        m->state,
        "select 1 from package where run_id in (select run_id from load) and sent_at > ?1 union all select 1 from "
        "setting where name = 'loaded_after_verdict' and cast(value as integer) >= ?2");
    bool yes;

    query_str(q, 1, v->checked_at);
    query_int(q, 2, v->id);
    yes = query_step(q);
    return query_done(q, NULL) != EC_OK || yes;
}

static enum ec check(struct map_ctx *m, struct verdict_row *ret, struct err *reterr)
{
    struct arena a = { 0 };
    struct verdict_row v;
    char hash[65];
    int64_t at = 0;
    enum ec rc = verdict_latest(m, &a, &v, reterr);

    arena_release(&a);
    if (rc == EC_NOTFOUND) {
        err_set(reterr, EC_GUARD, "the gate of '%s' stays shut: there is no verdict", m->cfg->alias);
        return err_hint(reterr, "run 'dmfsync parity %s' first", m->cfg->alias);
    }
    if (rc)
        return rc;
    bind_hash(m->b, hash);
    (void)clock_parse_utc(v.checked_at, strlen(v.checked_at), &at);
    if (v.word != VERDICT_PARITY) {
        err_set(reterr, EC_GUARD, "the gate of '%s' stays shut: the verdict of %s is %s", m->cfg->alias, v.checked_at,
                verdict_name(v.word));
        return err_hint(reterr, "look at 'dmfsync diff %s', then repair, waive or correct what differs",
                        m->cfg->alias);
    }
    if (v.tolerated) {
        err_set(reterr, EC_GUARD,
                "the gate of '%s' stays shut: %llu keys differ, which its tolerance lets pass in "
                "parity only",
                m->cfg->alias, (unsigned long long)v.tolerated);
        return err_hint(reterr, "look at 'dmfsync diff %s', then repair, waive or correct what differs",
                        m->cfg->alias);
    }
    if (strcmp(hash, v.map_hash) && other_rules_only(m, v.canon, v.map_hash)) {
        err_set(reterr, EC_GUARD,
                "the gate of '%s' stays shut: the verdict of %s went by other rules of comparing "
                "(c%d, now c%d)",
                m->cfg->alias, v.checked_at, v.canon, CANON_VERSION);
        return err_hint(reterr, "run 'dmfsync parity %s' again", m->cfg->alias);
    }
    if (strcmp(hash, v.map_hash)) {
        err_set(reterr, EC_GUARD, "the gate of '%s' stays shut: the map or its settings changed since the verdict",
                m->cfg->alias);
        return err_hint(reterr, "run 'dmfsync parity %s' again", m->cfg->alias);
    }
    if (clock_utc_ms() - at > m->pair->app->cfg.verdict_max_age_ms) {
        err_set(reterr, EC_GUARD, "the gate of '%s' stays shut: the verdict of %s is older than verdict_max_age",
                m->cfg->alias, v.checked_at);
        return err_hint(reterr, "run 'dmfsync parity %s' again", m->cfg->alias);
    }
    if (loaded_since(m, &v)) {
        err_set(reterr, EC_GUARD, "the gate of '%s' stays shut: rows were loaded after the verdict of %s",
                m->cfg->alias, v.checked_at);
        return err_hint(reterr, "run 'dmfsync parity %s' again", m->cfg->alias);
    }
    *ret = v;
    ret->data = NULL; /* lived in the arena above */
    return EC_OK;
}

enum ec gate_check(struct map_ctx *m, struct err *reterr)
{
    struct verdict_row v;

    return check(m, &v, reterr);
}

enum ec gate_open(struct map_ctx *m, struct err *reterr)
{
    struct verdict_row v;
    char reason[200];
    enum ec rc = check(m, &v, reterr);

    if (rc)
        return rc;
    snprintf(reason, sizeof(reason), "verdict of %s: parity", v.checked_at);
    return set(m, "open", v.id, reason, reterr);
}

enum ec gate_close(struct map_ctx *m, const char *reason, struct err *reterr)
{
    return set(m, "closed", 0, reason, reterr);
}

enum ec gate_handed_over(struct map_ctx *m, const char *reason, struct err *reterr)
{
    return set(m, "open", 0, reason, reterr);
}

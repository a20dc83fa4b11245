/* apply_item.c -- one key: what is pending, what the merge makes of it, what is stored. Writes pending, conflict, sync_log. */
#include "base/clock.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/apply_parts.h"
#include "sync/delta_row.h"

#include <stdio.h>
#include <stdlib.h>

#define FLIP_WINDOW_MS INT64_C(3600000)
enum { PARK_FIRST_MS = 5000, PARK_MOST_MS = 600000 };

/* ---- reading the pending table ---- */

static const struct cell *unpack(struct applying *p, struct item *it, struct cell blob)
{
    struct cell *cells;

    if (cell_absent(blob))
        return NULL;
    cells = arena_zalloc(&it->a, (p->m->b->n + 1) * sizeof(*cells));
    return row_unpack(arena_dup(&it->a, blob.ptr, blob.len), blob.len, cells, p->m->b->n) ? cells : NULL;
}

enum ec item_load(struct applying *p, const char octets[16], struct item *it, bool *ret_found, struct err *reterr)
{
    struct query *q = store_query(p->m->state, "select key, fno_row, dv_row, dv_id, state, resolve, at from pending "
                                               "where key_digest = ?1");
    const struct cell *fno = NULL, *dv = NULL;
    enum ec rc;

    *it = (struct item){ .dv_id = CELL_ABSENT };
    memcpy(it->octets, octets, 16);
    it->digest = delta_key_digest(octets);
    query_blob(q, 1, octets, 16);
    *ret_found = query_step(q);
    if (*ret_found) {
        it->key = cell_dup(&it->a, query_get_cell(q, 0));
        fno = unpack(p, it, query_get_blob(q, 1));
        dv = unpack(p, it, query_get_blob(q, 2));
        it->dv_id = cell_dup(&it->a, query_get_cell(q, 3));
        snprintf(it->state, sizeof(it->state), "%s", query_get_str(q, 4));
        snprintf(it->resolve, sizeof(it->resolve), "%s", query_get_str(q, 5));
        it->at = cell_dup(&it->a, query_get_cell(q, 6));
    }
    rc = query_done(q, reterr);
    if (!rc && *ret_found)
        rc = baseline_row(p->base, it->digest, &it->a, &it->base, reterr);
    if (!rc && *ret_found)
        rc = sent_load(p, it, reterr);
    if (rc || !*ret_found)
        return rc;
    if (cell_blank(it->dv_id))
        it->dv_id = it->base.dv_id;
    it->key_row = fno ? fno : dv ? dv : it->base.cells;
    return EC_OK;
}

void item_release(struct item *it)
{
    strbuf_release(&it->fno_body);
    strbuf_release(&it->dv_body);
    strbuf_release(&it->self_body);
    arena_release(&it->a);
}

void item_hold(struct item *it, const char *state, const char *reason)
{
    it->fate = FATE_HOLD;
    it->hold_state = state;
    snprintf(it->reason, sizeof(it->reason), "%.399s", reason);
}

/* ---- deciding ---- */

static void merge(struct applying *p, struct item *it)
{
    struct merge_in in = {
        .b = p->m->b,
        .base = it->base.deleted ? NULL : it->base.cells,
        .fno = it->fno,
        .dv = it->dv,
        .rule = p->m->cfg->conflict == CONFLICT_QUEUE    ? MERGE_QUEUE
                : p->m->cfg->conflict == CONFLICT_NEWEST ? MERGE_NEWEST
                                                         : MERGE_MASTER,
        .word = !strcmp(it->resolve, "fno")         ? WORD_FNO
                : !strcmp(it->resolve, "dataverse") ? WORD_DV
                                                    : WORD_NONE,
        .fno_time_ms = it->live_fno.modified_ms,
        .dv_time_ms = it->live_dv.modified_ms,
        .skew_ms = p->m->pair->app->cfg.sync_skew_ms,
    };

    merge_record(&in, &it->a, &it->o);
}

static bool writes(const struct merge_out *o)
{
    return o->to_fno == MERGE_UPDATE || o->to_fno == MERGE_CREATE || o->to_fno == MERGE_DELETE ||
           o->to_dv == MERGE_UPDATE || o->to_dv == MERGE_CREATE || o->to_dv == MERGE_DELETE;
}

static bool deletes(const struct merge_out *o)
{
    return o->to_fno == MERGE_DELETE || o->to_dv == MERGE_DELETE;
}

/* A side whose record has left the map's filter says nothing about what the other side should hold: nothing is deleted. */
static bool outside(struct applying *p, struct item *it)
{
    bool base = it->base.cells && !it->base.deleted;
    bool word_fno = !strcmp(it->resolve, "fno"), word_dv = !strcmp(it->resolve, "dataverse");

    if (!it->fno_outside && !it->dv_outside)
        return false;
    p->c->left++;
    if (!it->fno && !it->dv) { /* on neither side the map's business any more */
        it->o = (struct merge_out){ .why = "outside of the map's filter" };
        it->fate = base ? FATE_SETTLE : FATE_DROP;
        return true;
    }
    if (base && ((it->fno_outside && word_fno) || (it->dv_outside && word_dv))) {
        /* a person says: away with it on the other side, too */
        it->o = (struct merge_out){ .to_fno = it->dv_outside ? MERGE_DELETE : MERGE_NOTHING,
                                    .to_dv = it->fno_outside ? MERGE_DELETE : MERGE_NOTHING,
                                    .by_word = true,
                                    .why = "left the filter" };
        it->fate = FATE_WRITE;
        return true;
    }
    if (base)
        item_hold(it, "conflict",
                  it->fno_outside ? "it left the map's filter or companies in F&O and is still in Dataverse"
                                  : "it left the map's filter or companies in Dataverse and is still in F&O");
    else
        item_hold(it, "conflict",
                  it->fno_outside ? "F&O has a record of this key outside of the map's filter or companies"
                                  : "Dataverse has a record of this key outside of the map's filter or companies");
    return true;
}

static bool company_held(const struct applying *p, const struct item *it)
{
    struct arena a = { 0 };
    bool held = p->m->b->striped &&
                strstr(strbuf_str(&p->held_companies), arena_printf(&a, "|" CELL_FMT "|", CELL_ARG(it->key_row[0])));

    arena_release(&a);
    return held;
}

/* Deletions follow the map's rule; true = the key is dealt with. */
static bool deletion(struct applying *p, struct item *it)
{
    const char *why = it->o.why;

    if (it->o.delete_update) {
        item_hold(it, "conflict", why);
        return true;
    }
    if (!deletes(&it->o) || it->o.by_word)
        return false;
    if (p->m->cfg->deletes == DELETES_IGNORE) {
        it->fate = FATE_DROP;
        return true;
    }
    if (it->o.to_fno == MERGE_DELETE && p->packages) {
        item_hold(
            it, "conflict",
            cell_cstr(&it->a, cell_printf(&it->a,
                                          "%s; F&O's entity cannot be written through OData, and packages delete "
                                          "nothing: delete it there",
                                          why)));
    } else if (p->m->cfg->deletes == DELETES_REPORT) {
        item_hold(it, "conflict", cell_cstr(&it->a, cell_printf(&it->a, "%s (deletes = report)", why)));
    } else if (p->deletes_held || company_held(p, it)) {
        item_hold(it, "conflict",
                  cell_cstr(&it->a, cell_printf(&it->a, "%s, and more deletions wait than max_delete allows", why)));
    } else if (p->m->cfg->deletes == DELETES_MARK && it->o.to_dv == MERGE_DELETE && it->live_dv.inactive) {
        item_hold(it, "conflict", "gone in F&O, made inactive in Dataverse (deletes = mark)");
        return true;
    } else if (p->m->cfg->deletes == DELETES_MARK &&
               (it->o.to_fno == MERGE_DELETE || !dv_column_find(p->m->b->table, CELL_LIT("statecode")))) {
        /* F&O has no common way to mark a record */
        item_hold(it, "conflict",
                  cell_cstr(&it->a, cell_printf(&it->a, "%s (deletes = mark: cannot be marked there)", why)));
    } else {
        return false;
    }
    p->c->reported_deletes++;
    return true;
}

/* Does the list "A,B" of field names have one of those that are to be written? */
static bool shares_field(const struct binding *b, const bool *fields, struct cell list)
{
    for (size_t i = 0; fields && i < b->n; i++) {
        const char *at;

        if (!fields[i])
            continue;
        at = memmem(list.ptr ? list.ptr : "", list.len, b->fields[i].name.ptr, b->fields[i].name.len);
        if (at && (at == list.ptr || at[-1] == ',') &&
            (at + b->fields[i].name.len == list.ptr + list.len || at[b->fields[i].name.len] == ','))
            return true;
    }
    return false;
}

/*
 * A field that goes back and forth: some computed field or plug-in writes back, and so would we, for ever. What counts is how
 * often the direction of our own writes of that field turned within the last hour.
 */
static enum ec flips_too_often(struct applying *p, const struct item *it, bool to_fno, const bool *fields, bool *ret,
                               struct err *reterr)
{
    struct query *q =
        store_query(p->m->state, "select direction, fields from sync_log where key = ?1 and at >= ?2 and "
                                 "direction in ('fno', 'dataverse') order by id desc limit 1000");
    bool was_fno = to_fno;
    int64_t turns = 0;
    char since[32];

    clock_format_utc(clock_utc_ms() - FLIP_WINDOW_MS, since);
    query_cell(q, 1, it->key);
    query_str(q, 2, since);
    while (query_step(q)) {
        bool fno = cell_is(query_get_cell(q, 0), "fno");

        if (!shares_field(p->m->b, fields, query_get_cell(q, 1)))
            continue;
        turns += fno != was_fno;
        was_fno = fno;
    }
    *ret = turns >= p->m->pair->app->cfg.sync_max_flips;
    return query_done(q, reterr);
}

static enum ec halted(struct applying *p, struct item *it, bool *ret, struct err *reterr)
{
    const struct merge_out *o = &it->o;
    enum ec rc = EC_OK;

    *ret = false;
    if (it->resolve[0]) /* a person looked at it */
        return EC_OK;
    if (o->to_fno == MERGE_UPDATE)
        rc = flips_too_often(p, it, true, o->fno_fields, ret, reterr);
    if (!rc && !*ret && o->to_dv == MERGE_UPDATE)
        rc = flips_too_often(p, it, false, o->dv_fields, ret, reterr);
    if (rc || !*ret)
        return rc;
    p->c->halted++;
    item_hold(it, "poison",
              "halted: one of its fields was written back and forth more often than max_flips allows; a computed "
              "field or a "
              "plug-in writes it. Correct that, then run 'dmfsync conflicts resolve'");
    return EC_OK;
}

enum ec item_decide(struct applying *p, struct item *it, struct err *reterr)
{
    bool over = false;
    enum ec rc;

    if (it->fate != FATE_OPEN)
        return EC_OK;
    if (!it->key_row) {
        it->fate = FATE_DROP; /* was never here, and is gone */
        return EC_OK;
    }
    if (outside(p, it))
        return EC_OK;
    sent_trust(p, it);
    merge(p, it);
    if (deletion(p, it))
        return EC_OK;
    if (!writes(&it->o)) {
        p->c->unchanged++;
        it->fate = FATE_SETTLE;
        return EC_OK;
    }
    if (p->under_way && it->o.to_fno != MERGE_NOTHING) {
        it->fate = FATE_LEAVE; /* what was read may be older than what is on its way */
        return EC_OK;
    }
    rc = halted(p, it, &over, reterr);
    if (!rc && !over)
        it->fate = FATE_WRITE;
    return rc;
}

/* ---- storing ---- */

static enum ec set_state(struct applying *p, const struct item *it, const char *state, const char *reason,
                         struct err *reterr)
{
    struct query *q =
        store_query(p->m->state, "update pending set state = ?2, reason = ?3, tries = tries + 1, next_at = "
                                 "?4, resolve = case ?2 when 'conflict' then '' else resolve end where "
                                 "key_digest = ?1");
    struct query *tries;
    char next[32] = "";
    int64_t wait = PARK_FIRST_MS;

    if (!strcmp(state, "parked")) {
        tries = store_query(p->m->state, "select tries from pending where key_digest = ?1");
        query_blob(tries, 1, it->octets, 16);
        if (query_step(tries))
            wait <<= query_get_int(tries, 0) < 8 ? query_get_int(tries, 0) : 8;
        (void)query_done(tries, NULL);
        clock_format_utc(clock_utc_ms() + (wait < PARK_MOST_MS ? wait : PARK_MOST_MS), next);
    }
    query_blob(q, 1, it->octets, 16);
    query_str(q, 2, state);
    query_str(q, 3, reason);
    query_str(q, 4, next);
    return query_run(q, reterr);
}

static enum ec drop(struct applying *p, const struct item *it, struct err *reterr)
{
    struct query *q = store_query(p->m->state, "delete from pending where key_digest = ?1");

    query_blob(q, 1, it->octets, 16);
    return query_run(q, reterr);
}

static enum ec log_it(struct applying *p, const struct item *it, const char *direction, const char *fields,
                      const char *detail, struct err *reterr)
{
    struct query *q = store_query(
        p->m->state, "insert into sync_log(key, direction, fields, detail, at) values(?1, ?2, ?3, ?4, ?5)");
    char now[32];

    clock_format_utc(clock_utc_ms(), now);
    query_cell(q, 1, it->key);
    query_str(q, 2, direction);
    query_str(q, 3, fields);
    query_str(q, 4, detail);
    query_str(q, 5, now);
    return query_run(q, reterr);
}

static const char *outcome(const struct merge_conflict *k)
{
    return k->open ? "open" : k->fno_won ? "fno" : "dataverse";
}

/* Known already: stored before a write that was cut off or lost its race, or still open. */
static enum ec logged(struct applying *p, const struct item *it, const struct merge_conflict *k, bool *ret,
                      struct err *reterr)
{
    struct query *q = store_query(
        p->m->state,
        "select 1 from conflict where key = ?1 and field = ?2 and base is ?3 and fno is ?4 and dataverse is "
        "?5 and outcome = ?6 and (outcome = 'open' or at >= ?7)");

    query_cell(q, 1, it->key);
    query_cell(q, 2, p->m->b->fields[k->field].name);
    query_cell(q, 3, k->base);
    query_cell(q, 4, k->fno);
    query_cell(q, 5, k->dv);
    query_str(q, 6, outcome(k));
    query_cell(q, 7, it->at); /* since this change came */
    *ret = query_step(q);
    return query_done(q, reterr);
}

static enum ec log_conflict(struct applying *p, const struct item *it, const struct merge_conflict *k,
                            struct err *reterr)
{
    struct query *q;
    char now[32];
    bool known = false;
    enum ec rc = logged(p, it, k, &known, reterr);

    if (rc || known)
        return rc;
    q = store_query(p->m->state,
                    "insert into conflict(key, field, base, fno, dataverse, rule, outcome, at) values(?1, ?2, "
                    "?3, ?4, ?5, ?6, ?7, ?8)");
    clock_format_utc(clock_utc_ms(), now);
    query_cell(q, 1, it->key);
    query_cell(q, 2, p->m->b->fields[k->field].name);
    query_cell(q, 3, k->base);
    query_cell(q, 4, k->fno);
    query_cell(q, 5, k->dv);
    query_str(q, 6, k->rule);
    query_str(q, 7, outcome(k));
    query_str(q, 8, now);
    p->c->conflicts++;
    log_info("sync",
             "%s: conflict on " CELL_FMT " of '" CELL_FMT "': base '" CELL_FMT "', F&O '" CELL_FMT
             "', Dataverse '" CELL_FMT "' -> %s (%s)",
             p->m->cfg->alias, CELL_ARG(p->m->b->fields[k->field].name), CELL_ARG(it->key), CELL_ARG(k->base),
             CELL_ARG(k->fno), CELL_ARG(k->dv), outcome(k), k->rule);
    return query_run(q, reterr);
}

/* Open entries of this key that are not what is so any more: settled by a write, or replaced by newer ones. */
static enum ec close_conflicts(struct applying *p, const struct item *it, struct err *reterr)
{
    struct query *q;
    enum ec rc = EC_OK;

    for (size_t f = 0; f < p->m->b->n && !rc; f++) {
        const struct merge_conflict *k = NULL;

        for (size_t i = 0; i < it->o.n_conflicts; i++)
            if (it->o.conflicts[i].field == (int)f && it->o.conflicts[i].open)
                k = &it->o.conflicts[i];
        q = store_query(p->m->state,
                        "update conflict set outcome = 'resolved' where key = ?1 and field = ?2 and outcome = "
                        "'open' and (?3 or fno is not ?4 or dataverse is not ?5)");
        query_cell(q, 1, it->key);
        query_cell(q, 2, p->m->b->fields[f].name);
        query_int(q, 3, !k);
        query_cell(q, 4, k ? k->fno : CELL_ABSENT);
        query_cell(q, 5, k ? k->dv : CELL_ABSENT);
        rc = query_run(q, reterr);
    }
    return rc;
}

static enum ec log_conflicts(struct applying *p, struct item *it, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < it->o.n_conflicts && !rc; i++)
        rc = log_conflict(p, it, &it->o.conflicts[i], reterr);
    return rc;
}

enum ec item_sending(struct applying *p, struct item *it, struct err *reterr)
{
    enum ec rc = log_conflicts(p, it, reterr); /* after the write nobody could tell that there was one */

    if (!rc)
        rc = sent_put(p, it, reterr);
    return rc ? rc : set_state(p, it, "sending", "", reterr);
}

static void field_list(const struct binding *b, const bool *fields, struct strbuf *out)
{
    strbuf_reset(out);
    for (size_t i = 0; fields && i < b->n; i++)
        if (fields[i])
            strbuf_addf(out, "%s" CELL_FMT, out->len ? "," : "", CELL_ARG(b->fields[i].name));
}

static const char *word_of(const struct applying *p, enum merge_action a, bool dv)
{
    return a == MERGE_CREATE                          ? "created"
           : a == MERGE_UPDATE                        ? "updated"
           : dv && p->m->cfg->deletes == DELETES_MARK ? "made inactive"
                                                      : "deleted";
}

/* What was written: also where the other side's write failed or lost its race. */
static enum ec log_writes(struct applying *p, const struct item *it, struct err *reterr)
{
    struct strbuf fields = STRBUF(0);
    enum ec rc = EC_OK;

    if (it->wrote_fno) {
        field_list(p->m->b, it->o.fno_fields, &fields);
        rc = log_it(p, it, "fno", strbuf_str(&fields), word_of(p, it->o.to_fno, false), reterr);
    }
    if (!rc && it->wrote_dv) {
        field_list(p->m->b, it->o.dv_fields, &fields);
        rc = log_it(p, it, "dataverse", strbuf_str(&fields), word_of(p, it->o.to_dv, true), reterr);
    }
    strbuf_release(&fields);
    return rc;
}

static void count(struct applying *p, const struct item *it)
{
    const struct merge_out *o = &it->o;
    int64_t at = 0;

    p->c->writes += (uint64_t)it->wrote_fno + it->wrote_dv;
    p->c->to_fno += it->wrote_fno && o->to_fno != MERGE_DELETE;
    p->c->to_dv += it->wrote_dv && o->to_dv != MERGE_DELETE;
    p->c->created += (it->wrote_fno && o->to_fno == MERGE_CREATE) + (it->wrote_dv && o->to_dv == MERGE_CREATE);
    p->c->deletes += (it->wrote_fno && o->to_fno == MERGE_DELETE) + (it->wrote_dv && o->to_dv == MERGE_DELETE);
    if (clock_parse_utc(it->at.ptr, it->at.len, &at)) {
        int64_t lag = clock_utc_ms() - at;

        p->c->lag_ms_sum += lag;
        p->c->lag_n++;
        if (lag > p->c->lag_ms_max)
            p->c->lag_ms_max = lag;
    }
}

static enum ec settle(struct applying *p, struct item *it, struct err *reterr)
{
    bool open = false, known = it->base.cells && !it->base.deleted;
    bool marked = it->wrote_dv && it->o.to_dv == MERGE_DELETE && p->m->cfg->deletes == DELETES_MARK && !it->o.by_word;
    enum ec rc = log_conflicts(p, it, reterr);

    if (!rc)
        rc = close_conflicts(p, it, reterr);
    for (size_t i = 0; i < it->o.n_conflicts; i++)
        open = open || it->o.conflicts[i].open;
    if (!rc && it->o.against)
        rc =
            log_it(p, it, "none", "", "a one-way field was changed against its direction; it stays as it is", reterr);
    if (!rc && (it->o.merged || known) && !marked) /* one that is only inactive is still known */
        rc = baseline_put(p->m, it->digest, it->key, it->o.merged, it->dv_id, reterr);
    if (rc)
        return rc;
    count(p, it);
    if (marked)
        return set_state(p, it, "conflict", "gone in F&O, made inactive in Dataverse (deletes = mark)", reterr);
    return open ? set_state(p, it, "conflict", "both sides changed one field (conflict = queue)", reterr)
                : drop(p, it, reterr);
}

static enum ec hold(struct applying *p, struct item *it, struct err *reterr)
{
    bool again = !strcmp(it->hold_state, "parked") && !strcmp(it->state, "parked");

    p->c->parked += !strcmp(it->hold_state, "parked");
    p->c->poison += !strcmp(it->hold_state, "poison");
    if (!again) /* said once, not at every look */
        log_warn("sync", "%s: '" CELL_FMT "' %s: %s", p->m->cfg->alias, CELL_ARG(it->key),
                 !strcmp(it->hold_state, "poison")     ? "is refused"
                 : !strcmp(it->hold_state, "conflict") ? "waits for a person"
                                                       : "is parked",
                 it->reason);
    return set_state(p, it, it->hold_state, it->reason, reterr);
}

enum ec item_store(struct applying *p, struct item *it, struct err *reterr)
{
    enum ec rc = log_writes(p, it, reterr);

    /* What became of it is known: but for a write of which the other half failed. */
    if (!rc && (it->fate == FATE_SETTLE || it->fate == FATE_DROP ||
                (it->fate == FATE_HOLD && !it->wrote_fno && !it->wrote_dv)))
        rc = sent_drop(p, it, reterr);
    if (rc)
        return rc;
    switch (it->fate) {
    case FATE_SETTLE: return settle(p, it, reterr);
    case FATE_HOLD: return hold(p, it, reterr);
    case FATE_DROP: return drop(p, it, reterr);
    case FATE_OPEN:
    case FATE_WRITE:
    case FATE_AGAIN:
    case FATE_LEAVE: break;
    }
    return EC_OK;
}

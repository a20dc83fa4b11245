/*
 * States of the maps and the queue of a paused one. A change of state is asked for and happens later (dw_change_ms), as in the
 * service; a queue has limits of octets and age, beyond which writers are refused. Sources: "Pause dual-write for
 * maintenance"; Microsoft's published dual-write tools and their issues (a request is complete before the maps have changed).
 */
#include "emu_dualwrite_parts.h"
#include "emu_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const STATES[] = { [DW_STOPPED] = "stopped",
                                      [DW_RUNNING] = "running",
                                      [DW_PAUSED] = "paused",
                                      [DW_CATCHUP] = "resuming",
                                      [DW_INITIAL] = "initializing" };

const char *dw_state_word(enum dw_state s)
{
    return STATES[s];
}

bool dw_state_of(const char *word, enum dw_state *ret)
{
    for (size_t i = 0; i < COUNT(STATES); i++)
        if (!strcmp(STATES[i], word)) {
            *ret = (enum dw_state)i;
            return true;
        }
    return false;
}

/* ---- the queue ---- */

/* Octets waiting and since when; read once, kept up to date afterwards. */
static void measure(struct emu *e, struct dw_map *m)
{
    sqlite3_stmt *s;

    if (m->measured)
        return;
    s = emu_sql(
        e, "select coalesce(sum(length(payload)), 0), coalesce(min(at), 0), count(*) from dw_queue where label = ?1 "
           "and tbl = ?2");
    dv_bind(s, 1, m->label);
    dv_bind(s, 2, m->set);
    if (dv_step(e, s)) {
        m->octets = sqlite3_column_int64(s, 0);
        m->since_ms = sqlite3_column_int64(s, 1);
        m->queued = sqlite3_column_int64(s, 2);
    }
    sqlite3_reset(s);
    m->measured = true;
}

static bool queue_full(struct emu *e, struct dw_map *m, char *msg, size_t msg_size)
{
    int64_t age = m->paused_ms ? emu_now_ms(e) - m->paused_ms : 0;

    if (m->octets < EMU_KNOB(e, dw_queue_octets) && age < EMU_KNOB(e, dw_queue_age_s) * 1000)
        return false;
    emu_count(e, "dualwrite.blocked", 1);
    snprintf(msg, msg_size,
             "Unable to write data to entity %s. The map is paused and its queue has reached its limit of %s; resume "
             "the map",
             m->set, m->octets >= EMU_KNOB(e, dw_queue_octets) ? "size" : "time");
    return true;
}

bool dw_enqueue(struct emu *e, struct dw_map *m, const char *side, const char *company, const struct emu_value *v,
                size_t n, char *msg, size_t msg_size)
{
    sqlite3_stmt *s =
        emu_sql(e, "insert into dw_queue(label, tbl, side, company, payload, at) values(?1, ?2, ?3, ?4, ?5, ?6)");
    struct strbuf json = { 0 };

    measure(e, m);
    if (queue_full(e, m, msg, msg_size)) {
        sqlite3_reset(s);
        return false;
    }
    strbuf_addc(&json, '{');
    for (size_t i = 0; i < n; i++) {
        const char *text = v[i].value ? v[i].value : "";

        strbuf_adds(&json, i ? "," : "");
        emu_json_str(&json, v[i].name, strlen(v[i].name));
        strbuf_addc(&json, ':');
        emu_json_str(&json, text, strlen(text));
    }
    strbuf_addc(&json, '}');
    dv_bind(s, 1, m->label);
    dv_bind(s, 2, m->set);
    dv_bind(s, 3, side);
    dv_bind(s, 4, company);
    dv_bind(s, 5, strbuf_str(&json));
    sqlite3_bind_int64(s, 6, emu_now_ms(e));
    dv_step(e, s);
    sqlite3_reset(s);
    m->octets += (int64_t)json.len;
    m->queued++;
    strbuf_release(&json);
    emu_count(e, "dualwrite.queued", 1);
    return true;
}

static void keep_error(struct emu *e, const struct dw_map *m, const char *side, const char *company,
                       const char *payload, const char *msg)
{
    sqlite3_stmt *s =
        emu_sql(e, "insert into dw_error(label, tbl, side, company, payload, msg) values(?1, ?2, ?3, ?4, ?5, ?6)");

    dv_bind(s, 1, m->label);
    dv_bind(s, 2, m->set);
    dv_bind(s, 3, side);
    dv_bind(s, 4, company);
    dv_bind(s, 5, payload);
    dv_bind(s, 6, msg);
    dv_step(e, s);
    sqlite3_reset(s);
}

static void replay_one(struct emu *e, const struct dw_map *m, const char *side, const char *company,
                       const char *payload)
{
    yajl_val doc = yajl_tree_parse(payload, NULL, 0);
    size_t n = YAJL_IS_OBJECT(doc) ? YAJL_GET_OBJECT(doc)->len : 0;
    struct emu_value *v = xcalloc(n + 1, sizeof(*v));
    char msg[1200] = "";
    bool ok;

    for (size_t i = 0; i < n; i++)
        v[i] = (struct emu_value){ YAJL_GET_OBJECT(doc)->keys[i], YAJL_GET_STRING(YAJL_GET_OBJECT(doc)->values[i]) };
    ok = !strcmp(side, "fno") ? dw_to_dataverse(e, m, company, v, n, msg, sizeof(msg))
                              : dw_to_fno(e, m, company, v, n, msg, sizeof(msg));
    emu_count(e, ok ? "dualwrite.replayed" : "dualwrite.catchup_errors", 1);
    if (!ok)
        keep_error(e, m, side, company, payload, msg);
    free(v);
    yajl_tree_free(doc);
}

/*
 * Empties the queue, in order. DW_REPLAY: every intermediate change is written, as the service does, and what fails stays as a
 * catch-up error. DW_PRESERVE: all become catch-up errors. DW_DISCARD: gone.
 */
static void empty_queue(struct emu *e, struct dw_map *m, enum dw_queue_mode mode)
{
    for (;;) {
        sqlite3_stmt *s = emu_sql(e, "select seq, side, company, payload from dw_queue where label = ?1 and tbl = ?2 "
                                     "order by seq limit 1");
        struct arena a = { 0 };
        const char *side = NULL, *company = NULL, *payload = NULL;
        int64_t seq = 0;

        dv_bind(s, 1, m->label);
        dv_bind(s, 2, m->set);
        if (dv_step(e, s)) {
            seq = sqlite3_column_int64(s, 0);
            side = dv_column(s, 1, &a);
            company = dv_column(s, 2, &a);
            payload = dv_column(s, 3, &a);
        }
        sqlite3_reset(s);
        if (!payload)
            break;
        s = emu_sql(e, "delete from dw_queue where seq = ?1");
        sqlite3_bind_int64(s, 1, seq);
        dv_step(e, s);
        sqlite3_reset(s);
        if (mode == DW_REPLAY && m->text)
            replay_one(e, m, side, company, payload);
        else if (mode == DW_PRESERVE)
            keep_error(e, m, side, company, payload, "not replayed: the map went live at once");
        else
            emu_count(e, "dualwrite.discarded", 1);
        arena_release(&a);
    }
    m->octets = m->queued = m->since_ms = 0;
    m->measured = true;
}

/* ---- changes of state ---- */

static void store_state(struct emu *e, const struct dw_map *m)
{
    sqlite3_stmt *s = emu_sql(e, "insert or replace into dw_map(label, tbl, state, next, due, mode, paused) "
                                 "values(?1, ?2, ?3, ?4, ?5, ?6, ?7)");

    dv_bind(s, 1, m->label);
    dv_bind(s, 2, m->set);
    dv_bind(s, 3, STATES[m->state]);
    dv_bind(s, 4, STATES[m->next]);
    sqlite3_bind_int64(s, 5, m->due_ms);
    sqlite3_bind_int64(s, 6, m->mode);
    sqlite3_bind_int64(s, 7, m->paused_ms);
    dv_step(e, s);
    sqlite3_reset(s);
}

static void enter(struct emu *e, struct dw_map *m, enum dw_state next)
{
    struct dw *d = e->dv->dw;
    enum dw_state before = m->state;

    measure(e, m);
    m->state = next;
    m->due_ms = 0;
    m->next = next;
    m->known = true;
    if (next == DW_PAUSED)
        m->paused_ms = emu_now_ms(e);
    if (next == DW_STOPPED || next == DW_RUNNING)
        m->paused_ms = 0;
    if (next == DW_CATCHUP) {
        m->next = DW_RUNNING;
        m->due_ms = emu_now_ms(e) + m->queued * EMU_KNOB(e, dw_replay_us) / 1000;
    }
    d->live = false;
    for (size_t i = 0; i < d->n; i++)
        d->live = d->live || d->maps[i]->state != DW_STOPPED;
    dw_show_runtime(e, m);
    if (next == DW_STOPPED)
        empty_queue(e, m, DW_DISCARD);
    else if (next == DW_RUNNING && (before == DW_PAUSED || before == DW_CATCHUP))
        empty_queue(e, m, m->mode);
    store_state(e, m);
}

void dw_tick_states(struct emu *e)
{
    struct dw *d = e->dv->dw;

    for (size_t i = 0; i < d->n; i++)
        while (d->maps[i]->due_ms && d->maps[i]->due_ms <= emu_now_ms(e))
            enter(e, d->maps[i], d->maps[i]->next);
}

bool dw_change(struct emu *e, struct dw_map *m, enum dw_state next, enum dw_queue_mode mode, char *msg,
               size_t msg_size)
{
    bool fine = next == DW_PAUSED ? m->state == DW_RUNNING || m->state == DW_PAUSED : true;

    if (!fine) {
        snprintf(msg, msg_size, "only a running map can be paused");
        return false;
    }
    m->mode = mode;
    if (next == DW_RUNNING && m->state == DW_PAUSED && mode == DW_REPLAY)
        next = DW_CATCHUP;
    m->next = next;
    m->due_ms = emu_now_ms(e) + EMU_KNOB(e, dw_change_ms);
    store_state(e, m);
    dw_tick_states(e);
    return true;
}

bool emu_dualwrite_set(struct emu *e, const char *label, const char *set, const char *state, const char *queue,
                       char *msg, size_t msg_size)
{
    static const char *const MODES[] = {
        [DW_REPLAY] = "replay", [DW_DISCARD] = "discard", [DW_PRESERVE] = "preserve"
    };
    struct dw *d = e->dv->dw;
    struct dw_map *m, fresh = { .label = NULL };
    enum dw_state next = DW_STOPPED;
    size_t mode = 0;

    dw_read_folder(e); /* maps may have come since the start */
    dw_tick_states(e);
    if (!dw_state_of(state, &next) || next == DW_CATCHUP || next == DW_INITIAL) {
        snprintf(msg, msg_size, "'%.40s' is no state of a map that can be asked for", state);
        return false;
    }
    while (queue && mode < COUNT(MODES) && strcmp(MODES[mode], queue) != 0)
        mode++;
    if (mode == COUNT(MODES)) {
        snprintf(msg, msg_size, "'%.40s' is neither replay, discard nor preserve", queue);
        return false;
    }
    m = dw_find(d, label, set);
    if (!m) { /* a pair without a document can be shown as running, but nothing is carried */
        fresh.en = emu_entity_by_label(&e->tenant, label);
        fresh.t = dv_table_by_set(e, set, strlen(set));
        fresh.label = arena_strdup(&e->dv->arena, label);
        fresh.set = arena_strdup(&e->dv->arena, set);
        if (!fresh.en || !fresh.t) {
            snprintf(msg, msg_size, "there is no entity '%.80s' or no set '%.80s'", label, set);
            return false;
        }
        m = dw_add(e, &fresh);
    }
    return dw_change(e, m, next, (enum dw_queue_mode)mode, msg, msg_size);
}

static int64_t errors_of(struct emu *e, const struct dw_map *m)
{
    sqlite3_stmt *s = emu_sql(e, "select count(*) from dw_error where label = ?1 and tbl = ?2");
    int64_t n = 0;

    dv_bind(s, 1, m->label);
    dv_bind(s, 2, m->set);
    if (dv_step(e, s))
        n = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return n;
}

void emu_dualwrite_list(struct emu *e, struct strbuf *out)
{
    const struct dw *d = e->dv->dw;

    dw_tick_states(e);
    strbuf_addc(out, '[');
    for (size_t i = 0; i < d->n; i++) {
        struct dw_map *m = d->maps[i];

        measure(e, m);
        strbuf_adds(out, i ? ",{\"fno\":" : "{\"fno\":");
        emu_json_str(out, m->label, strlen(m->label));
        strbuf_addf(out,
                    ",\"dataverse\":\"%s\",\"state\":\"%s\",\"document\":%s,\"queued\":%" PRId64
                    ",\"queued_octets\":%" PRId64 ",\"errors\":%" PRId64 "}",
                    m->set, STATES[m->state], m->text ? "true" : "false", m->queued, m->octets, errors_of(e, m));
    }
    strbuf_addc(out, ']');
}

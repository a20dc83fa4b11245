/* cmd_gate.c -- handoff, gate show, gate close. */
#include "base/log.h"
#include "loader/public/fno_read.h"
#include "sync/handoff.h"
#include "sync/sync_commands.h"

#include <stdlib.h>

enum ec cmd_gate_show(struct app *app, struct err *reterr)
{
    static const char *const HEADERS[] = { "map", "gate", "why" }, *const WORDS[] = { "never opened", "open",
                                                                                      "closed" };
    struct table *t;
    struct json *list = out_array(&app->out, NULL, "gates");
    struct pair *p = NULL;
    enum ec rc = pair_open(app, PAIR_CACHED | PAIR_GAPS_OK, 0, &p, reterr);

    if (rc)
        return rc;
    t = table_new(&app->out, HEADERS, COUNT(HEADERS), "lll");
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];
        enum gate_state g;
        char reason[400];
        struct json *v;

        if (!m->selected)
            continue;
        rc = gate_read(m, &g, reason, reterr);
        v = out_object(&app->out, list, NULL);
        out_str(&app->out, v, "map", m->cfg->alias);
        out_str(&app->out, v, "gate", g == GATE_OPEN ? "open" : "closed");
        out_str(&app->out, v, "reason", reason);
        table_cell(t, "%s", m->cfg->alias);
        table_cell(t, "%s", WORDS[g]);
        table_cell(t, "%s", reason);
    }
    table_print(t);
    pair_close(p);
    return rc;
}

enum ec cmd_gate_close(struct app *app, struct err *reterr)
{
    const char *reason = option_value(app, "--reason");
    struct pair *p = NULL;
    enum ec rc = pair_open(app, PAIR_CACHED | PAIR_GAPS_OK, 0, &p, reterr);

    for (size_t i = 0; !rc && i < p->n; i++)
        if (p->maps[i].selected) {
            rc = gate_close(&p->maps[i], reason ? reason : "closed by hand", reterr);
            if (!rc)
                out_line(&app->out, "%s: the gate is shut", p->maps[i].cfg->alias);
        }
    pair_close(p);
    return rc;
}

/*
 * The F&O feed's position must lie before the snapshot that becomes the base: a feed project that has a position is left
 * as it is (rows that come again do no harm), a new one runs its first, full export now and what it brings is compared.
 */
enum ec gate_take_base(struct map_ctx *m, struct err *reterr)
{
    struct query *q = store_query(m->state, "select file from baseline");
    struct arena a = { 0 };
    struct snapshot dv;
    struct feed_counts counts;
    char *cursor = NULL, *file = NULL;
    enum ec rc;

    if (query_step(q))
        file = arena_strdup(&a, query_get_str(q, 0));
    rc = query_done(q, reterr);
    if (!rc)
        rc = cursor_get(m, "dataverse", "", &a, &cursor, reterr);
    if (!rc)
        rc = snapshot_latest(m, "dataverse", &a, &dv, reterr);
    /* What was written since belongs to the base: it is not put back to the same comparison. */
    if (!rc && (!cursor || !file || !baseline_made_of(file, strrchr(dv.path, '/') + 1)))
        rc = baseline_set(m, &dv, reterr);
    if (!rc)
        rc = feed_fno(m, &counts, reterr);
    arena_release(&a);
    return rc;
}

enum ec gate_hand_over(struct map_ctx *m, struct err *reterr)
{
    enum ec rc = gate_take_base(m, reterr);

    return rc ? rc : gate_open(m, reterr);
}

/* The gate's rules without opening it: the dry run of handoff. */
static enum ec would_open(struct map_ctx *m, struct err *reterr)
{
    struct arena a = { 0 };
    struct verdict_row v;
    enum ec rc = verdict_latest(m, &a, &v, reterr);

    if (!rc)
        out_line(&m->pair->app->out, "%s: verdict of %s: %s", m->cfg->alias, v.checked_at, verdict_name(v.word));
    else if (rc == EC_NOTFOUND)
        out_line(&m->pair->app->out, "%s: no verdict yet; run 'dmfsync parity %s'", m->cfg->alias, m->cfg->alias);
    arena_release(&a);
    return rc == EC_NOTFOUND ? EC_OK : rc;
}

/* Maps that are to be given over to dual-write are looked at by the handoff itself: one may run that it started. */
static enum ec check_builtin(struct pair *p, struct err *reterr)
{
    bool *was = xcalloc(p->n + 1, sizeof(*was)), any = false;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < p->n; i++) {
        was[i] = p->maps[i].selected;
        p->maps[i].selected = was[i] && !p->maps[i].cfg->handoff_dual_write;
        any = any || p->maps[i].selected;
    }
    if (any)
        rc = pair_check_not_running(p, reterr);
    for (size_t i = 0; i < p->n; i++)
        p->maps[i].selected = was[i];
    free(was);
    return rc;
}

static enum ec hand_one(struct map_ctx *m, struct err *reterr)
{
    bool dual_write = m->cfg->handoff_dual_write;
    enum ec rc = dual_write && handoff_begun(m) ? EC_OK : gate_check(m, reterr);

    if (!rc)
        rc = pair_check_rules(m, reterr);
    if (!rc)
        rc = dual_write ? handoff_dual_write(m, reterr) : gate_hand_over(m, reterr);
    if (!rc && !dual_write)
        out_line(&m->pair->app->out, "%s: the gate is open", m->cfg->alias);
    return rc;
}

enum ec cmd_handoff(struct app *app, struct err *reterr)
{
    struct pair *p = NULL;
    enum ec rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);

    if (!rc)
        rc = pair_companies(p, reterr);
    if (!rc)
        rc = check_builtin(p, reterr);
    for (size_t i = 0; !rc && i < p->n; i++)
        if (p->maps[i].selected)
            rc = app->opt->execute ? hand_one(&p->maps[i], reterr) : would_open(&p->maps[i], reterr);
    progress_clear(&app->out);
    pair_close(p);
    return rc;
}

/* cmd_gate.c -- handoff, gate show, gate close. */
#include "base/log.h"
#include "sync/feed.h"
#include "sync/sync_commands.h"

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
enum ec gate_hand_over(struct map_ctx *m, struct err *reterr)
{
    struct arena a = { 0 };
    struct snapshot dv;
    struct feed_counts counts;
    enum ec rc = snapshot_latest(m, "dataverse", &a, &dv, reterr);

    if (!rc)
        rc = baseline_set(m, &dv, reterr);
    if (!rc)
        rc = feed_fno(m, &counts, reterr);
    if (!rc)
        rc = gate_open(m, reterr);
    arena_release(&a);
    return rc;
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

enum ec cmd_handoff(struct app *app, struct err *reterr)
{
    struct pair *p = NULL;
    enum ec rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);

    if (!rc)
        rc = pair_companies(p, reterr);
    if (!rc)
        rc = pair_check_not_running(p, reterr);
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];

        if (!m->selected)
            continue;
        if (!app->opt->execute) {
            rc = would_open(m, reterr);
            continue;
        }
        rc = gate_check(m, reterr);
        if (!rc && m->cfg->handoff_dual_write) {
            out_line(&app->out,
                     "%s: both sides are equal. Start the map on the dual-write page with 'Skip initial sync'; "
                     "dmfsync's own sync "
                     "stays away from it (handoff = dual-write)",
                     m->cfg->alias);
            continue;
        }
        if (!rc)
            rc = gate_hand_over(m, reterr);
        if (!rc)
            out_line(&app->out, "%s: the gate is open", m->cfg->alias);
    }
    progress_clear(&app->out);
    pair_close(p);
    return rc;
}

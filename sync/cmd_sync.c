/* cmd_sync.c -- the incremental stage: one round, or rounds until stopped. */
#include "base/log.h"
#include "sync/round.h"
#include "sync/sync_commands.h"

static enum ec once(struct app *app, struct pair *p, struct err *reterr)
{
    struct round r = {
        .app = app, .p = p, .list = out_array(&app->out, NULL, "maps"), .dry_run = option_given(app, "--dry-run")
    };
    enum ec rc = sync_round(&r, reterr);

    if (rc || r.open)
        return rc;
    err_set(reterr, EC_GUARD, "no gate is open, so there is nothing to sync");
    return err_hint(reterr,
                    "run 'dmfsync parity', then 'dmfsync handoff --execute'; 'dmfsync gate show' tells why each "
                    "gate is shut");
}

enum ec cmd_sync(struct app *app, struct err *reterr)
{
    bool follow = option_given(app, "--follow");
    struct pair *p = NULL;
    enum ec rc = EC_OK;

    if (follow && option_given(app, "--dry-run"))
        return err_set(reterr, EC_USAGE, "--dry-run goes with one round, not with --follow");
    rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);
    if (!rc)
        rc = pair_companies(p, reterr);
    for (size_t i = 0; !rc && i < p->n; i++)
        if (p->maps[i].selected && p->maps[i].cfg->handoff_dual_write) {
            if (app->opt->n_args)
                out_line(&app->out, "%s: belongs to dual-write (handoff = dual-write)", p->maps[i].cfg->alias);
            p->maps[i].selected = false; /* two engines on one map would carry everything twice */
        }
    if (!rc && !follow)
        rc = pair_check_not_running(p, reterr);
    if (!rc)
        rc = follow ? sync_follow(app, p, reterr) : once(app, p, reterr);
    pair_close(p);
    return rc;
}

#include "sync/compare.h"
#include "base/clock.h"

static enum ec compare(struct map_ctx *m, struct dict *d, bool changes, uint64_t recheck, struct arena *a,
                       struct comparison *ret, struct err *reterr)
{
    struct comparison c = { 0 };
    struct snapshot_hold hold;
    enum ec rc;

    snapshot_hold_begin(m, &hold);
    rc = snapshot_fno(m, m->b->entity->on_odata ? FROM_ODATA : FROM_PACKAGE, false, a, &c.fno, reterr);
    if (!rc)
        rc = changes ? snapshot_dv_refresh(m, d, a, &c.dv, reterr) : snapshot_dv(m, d, a, &c.dv, reterr);
    rc = snapshot_hold_end(m, rc, &c.fno, &c.dv, reterr);
    if (!rc)
        rc = diff_run(m, &c.fno, &c.dv, a, &c.diff, reterr);
    if (!rc && recheck)
        rc = diff_recheck(m, d, recheck, &c.diff, reterr);
    if (rc)
        return rc;
    c.verdict = verdict_of(m, &c.diff);
    clock_format_utc(clock_utc_ms(), c.checked_at);
    *ret = c;
    return EC_OK;
}

enum ec compare_map(struct map_ctx *m, struct dict *d, uint64_t recheck, struct arena *a, struct comparison *ret,
                    struct err *reterr)
{
    return compare(m, d, false, recheck, a, ret, reterr);
}

enum ec compare_map_changes(struct map_ctx *m, struct dict *d, uint64_t recheck, struct arena *a,
                            struct comparison *ret, struct err *reterr)
{
    return compare(m, d, true, recheck, a, ret, reterr);
}

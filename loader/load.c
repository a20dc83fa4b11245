/* load.c -- one map's load through its phases: lint, existing, send, second_pass, settled. */
#include "base/log.h"
#include "loader/existing.h"
#include "loader/load_state.h"
#include "loader/send.h"

static enum ec expected(struct map_ctx *m, int64_t run_id, int64_t *ret, struct err *reterr)
{
    struct load_counts c;
    enum ec rc = load_counts(m, run_id, &c, reterr);

    *ret = rc ? -1 : (int64_t)(c.rows - c.unchanged - c.rejected - c.excluded);
    return rc;
}

static enum ec advance(struct map_ctx *m, const struct run *run, const struct load_row *l, struct err *reterr)
{
    int64_t rows = -1;
    enum ec rc = EC_OK;

    if (!strcmp(l->phase, "existing"))
        return load_existing(m, run->id, reterr);
    rc = expected(m, run->id, &rows, reterr);
    if (rc)
        return rc;
    if (!strcmp(l->phase, "send")) {
        rc = send_packages(m, run, 1, rows, reterr);
        return rc ? rc : load_phase_set(m, run->id, "second_pass", reterr);
    }
    rc = send_packages(m, run, 2, -1, reterr);
    return rc ? rc : load_phase_set(m, run->id, "settled", reterr);
}

static enum ec load_until(struct map_ctx *m, const struct run *run, const char *phase, struct load_counts *ret,
                          struct err *reterr)
{
    struct load_row l;
    enum ec rc = load_lint(m, run, reterr);

    while (!rc) {
        rc = load_row(m, run->id, &l, reterr);
        if (rc || !strcmp(l.phase, "settled") || !strcmp(l.phase, phase))
            break;
        rc = advance(m, run, &l, reterr);
    }
    return rc ? rc : load_counts(m, run->id, ret, reterr);
}

enum ec load_first_pass(struct map_ctx *m, const struct run *run, struct load_counts *ret, struct err *reterr)
{
    return load_until(m, run, "second_pass", ret, reterr);
}

enum ec load_map(struct map_ctx *m, const struct run *run, struct load_counts *ret, struct err *reterr)
{
    return load_until(m, run, "settled", ret, reterr);
}

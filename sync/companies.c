#include "sync/companies.h"
#include "base/clock.h"

enum { TEAM_WAIT_MS = 5 * 60 * 1000 };

bool companies_map(const struct map_ctx *m)
{
    return cell_ieq(m->b->table->logical, CELL_LIT("cdm_company"));
}

bool companies_may_write(const struct map_ctx *m)
{
    return !companies_map(m) || m->cfg->create_companies;
}

enum ec companies_await_teams(struct map_ctx *m, struct err *reterr)
{
    const struct pair *p = m->pair;
    int64_t until = clock_mono_ms() + TEAM_WAIT_MS;

    for (;;) {
        const char *missing = NULL;
        enum ec rc = pair_companies(m->pair, reterr);

        if (rc)
            return rc;
        for (size_t i = 0; i < p->n_companies && !missing; i++)
            if (binding_company_wanted(m->b, p->companies[i].code) &&
                (cell_absent(p->companies[i].dv_id) || cell_absent(p->companies[i].team_id)))
                missing = p->companies[i].code.ptr;
        if (!missing)
            return EC_OK;
        if (clock_mono_ms() >= until) {
            err_set(reterr, EC_DATAVERSE, "company '%s' has no default owning team in Dataverse", missing);
            return err_hint(
                reterr,
                "dual-write's core solution makes the team; set it on the company's row, then run the command again");
        }
        progress_update(&p->app->out, m->cfg->alias, "wait", -1, -1, "the companies' owning teams are not there yet");
        if (!clock_sleep_ms(250))
            return err_set(reterr, EC_STOPPED, "stopped while waiting for owning teams");
    }
}

/* cmd_plan.c -- the maps in waves, what each needs, how much, how long, which limits it meets. */
#include "loader/loader_commands.h"
#include "loader/plan.h"

static enum ec check_options(struct app *app, bool *ret_dot, struct err *reterr)
{
    const char *format = option_value(app, "--format");

    *ret_dot = format && !strcmp(format, "dot");
    if (format && !*ret_dot && strcmp(format, "table"))
        return err_set(reterr, EC_USAGE, "--format %s is not known: table or dot", format);
    if (*ret_dot && app->opt->json)
        return err_set(reterr, EC_USAGE, "--json and --format dot exclude each other");
    for (size_t i = 0; i < app->opt->n_own; i++) {
        const char *value = app->opt->own[i].value, *at = strchr(value, '=');
        int64_t n;

        if (!strcmp(app->opt->own[i].name, "--rows") &&
            (!cell_to_i64(cell_of(at ? at + 1 : value), &n) || n < 0 || n > (int64_t)1 << 40))
            return err_set(reterr, EC_USAGE, "--rows %s: a number of rows, or MAP=NUMBER", value);
    }
    return EC_OK;
}

/* A name that is no map of this plan would change nothing. */
static enum ec check_rows(struct app *app, const struct plan *pl, struct err *reterr)
{
    for (size_t i = 0; i < app->opt->n_own; i++) {
        const char *value = app->opt->own[i].value, *at = strchr(value, '=');
        struct cell name = { value, at ? (size_t)(at - value) : 0 };
        bool known = false;

        if (strcmp(app->opt->own[i].name, "--rows") || !at)
            continue;
        for (size_t k = 0; k < pl->n && !known; k++)
            known = cell_ieq(name, cell_of(pl->maps[k].m->cfg->alias)) || cell_ieq(name, pl->maps[k].m->map->name);
        if (!known) {
            err_set(reterr, EC_USAGE, "--rows %s: no map of this plan is called '" CELL_FMT "'", value,
                    CELL_ARG(name));
            return err_hint(reterr, "give the alias or the full name, as the plan shows them");
        }
    }
    return EC_OK;
}

static enum ec open_plan(struct app *app, struct plan *pl, struct err *reterr)
{
    unsigned source = option_given(app, "--offline") ? PAIR_CACHED : PAIR_LIVE;
    enum ec rc = standard_maps_read(&pl->std, reterr);

    pl->app = app;
    if (!rc)
        rc = pair_open(app, source | PAIR_CLOSURE | PAIR_GAPS_OK | PAIR_STATE, 0, &pl->p, reterr);
    if (!rc && app->erp)
        rc = pair_companies(pl->p, reterr);
    if (rc)
        return rc;
    pl->maps = arena_zalloc(&pl->arena, (pl->p->n + 1) * sizeof(*pl->maps));
    for (size_t i = 0; i < pl->p->n; i++)
        if (pl->p->maps[i].selected) {
            struct map_ctx *m = &pl->p->maps[i];

            pl->maps[pl->n++] =
                (struct plan_map){ .m = m, .standard = standard_map_of(&pl->std, m->map->label, m->map->set) };
        }
    return EC_OK;
}

enum ec cmd_plan(struct app *app, struct err *reterr)
{
    struct plan pl = { 0 };
    bool dot = false;
    enum ec rc = check_options(app, &dot, reterr);

    if (!rc && option_given(app, "--standard"))
        return plan_standard(app, reterr);
    if (!rc)
        rc = option_int(app, "--upload", 16, 1, 1000000, &pl.upload_mbit, reterr);
    if (!rc)
        rc = open_plan(app, &pl, reterr);
    if (!rc)
        rc = check_rows(app, &pl, reterr);
    if (!rc && dot) {
        plan_dot(&pl);
    } else if (!rc) {
        rc = plan_estimate(&pl, reterr);
        if (!rc) {
            plan_limits(&pl);
            plan_show(&pl);
        }
    }
    if (!rc && pl.p->deps.n_gaps) {
        rc = err_set(reterr, EC_CONFIG, "%zu mapped lookup field%s that no map of the workspace serves",
                     pl.p->deps.n_gaps, pl.p->deps.n_gaps == 1 ? "" : "s");
        err_hint(reterr, "add the maps of those tables, or remove the fields from a custom version of the map");
    }
    pair_close(pl.p);
    standard_maps_release(&pl.std);
    arena_release(&pl.arena);
    return rc;
}

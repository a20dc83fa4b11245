/* cmd_map_diff.c -- map diff: two maps, or a map and the one that runs. */
#include "loader/map_commands.h"
#include "loader/map_store.h"

static void tell(struct app *app, const struct map *a, const char *from, const struct map *b, const char *to,
                 struct map_diff *d)
{
    out_cell(&app->out, NULL, "map", a->name);
    out_str(&app->out, NULL, "a", from);
    out_str(&app->out, NULL, "b", to);
    map_diff(a, b, d);
    map_diff_print(app, d, out_array(&app->out, NULL, "differences"), "");
    if (!d->n)
        out_line(&app->out, "no difference: %s and %s say the same", from, to);
}

static enum ec verdict(const struct map_diff *d, const char *from, const char *to, struct err *reterr)
{
    if (!d->n)
        return EC_OK;
    return err_set(reterr, EC_DIFFERENT, "%zu difference%s between %s and %s", d->n, d->n == 1 ? "" : "s", from, to);
}

/* The map of the workspace against the version that runs. */
static enum ec against_live(struct app *app, struct map_diff *d, struct err *reterr)
{
    struct map *m = NULL;
    struct import live = { 0 };
    struct cell evidence = CELL_ABSENT;
    enum ec rc = map_argument(app, app->opt->args[0], &m, NULL, reterr);

    if (!rc)
        rc = map_live_document(app, m, &live, &evidence, reterr);
    if (!rc) {
        out_cell(&app->out, NULL, "evidence", evidence);
        out_line(&app->out, "live: " CELL_FMT, CELL_ARG(evidence));
        tell(app, m, app->opt->args[0], live.maps[0].map, "the live map", d);
        rc = verdict(d, app->opt->args[0], "the live map", reterr);
    }
    import_release(&live);
    map_free(m);
    return rc;
}

static enum ec of_two(struct app *app, struct map_diff *d, struct err *reterr)
{
    const char **args = app->opt->args;
    struct map *a = NULL, *b = NULL;
    enum ec rc = map_argument(app, args[0], &a, NULL, reterr);

    if (!rc)
        rc = map_argument(app, args[1], &b, NULL, reterr);
    if (!rc) {
        tell(app, a, args[0], b, args[1], d);
        rc = verdict(d, args[0], args[1], reterr);
    }
    map_free(a);
    map_free(b);
    return rc;
}

enum ec cmd_map_diff(struct app *app, struct err *reterr)
{
    bool live = option_given(app, "--live");
    struct map_diff d = { 0 };
    enum ec rc;

    if (app->opt->n_args != (live ? 1 : 2)) {
        err_set(reterr, EC_USAGE, live ? "'map diff --live' needs one map" : "'map diff' needs two maps");
        return err_hint(reterr, "usage: dmfsync map diff A B, or dmfsync map diff MAP --live");
    }
    rc = live ? against_live(app, &d, reterr) : of_two(app, &d, reterr);
    map_diff_release(&d);
    return rc;
}

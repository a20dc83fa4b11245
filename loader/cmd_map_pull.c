/* cmd_map_pull.c -- map pull: the live maps of the environment into the workspace. */
#include "loader/map_commands.h"
#include "loader/map_live.h"
#include "loader/map_store.h"

/* Label and set of a map of the workspace: from its name in the settings, else from its file. */
static bool of_config(struct app *app, struct dv_maps *maps, const struct config_map *cfg, struct arena *a,
                      struct cell *ret_label, struct cell *ret_set)
{
    struct map *m = NULL;
    const char *path = cfg->file ? workspace_path(&app->ws, a, "%s", cfg->file) : NULL;

    if (cfg->name && live_map_named(maps, cfg->name, ret_label, ret_set))
        return true;
    if (!path || map_read_file(path, &m, NULL))
        return false;
    *ret_label = cell_dup(a, m->label);
    *ret_set = cell_dup(a, m->set);
    map_free(m);
    return true;
}

struct pull {
    struct dv_maps maps;
    struct live_map *list;
    size_t n;
    struct import imp;
    struct arena arena;
};

static void want(struct pull *p, struct cell label, struct cell set)
{
    struct live_map found;
    struct err e = { 0 };

    if (!live_map_find(&p->maps, label, set, &found, &e))
        p->list[p->n++] = found;
    else
        import_refuse(&p->imp,
                      arena_printf(&p->arena, "'" CELL_FMT " (" CELL_FMT ")'", CELL_ARG(label), CELL_ARG(set)), &e);
}

static enum ec want_named(struct app *app, struct pull *p, const char *text, struct err *reterr)
{
    const struct config_map *cfg = config_map_find(&app->cfg, text);
    struct cell label, set;

    if (cfg ? of_config(app, &p->maps, cfg, &p->arena, &label, &set) : live_map_named(&p->maps, text, &label, &set)) {
        want(p, label, set);
        return EC_OK;
    }
    if (cfg)
        err_set(reterr, EC_CONFIG, "[map.%s] has neither a name that is saved in the environment nor a readable file",
                cfg->alias);
    else
        err_set(reterr, EC_USAGE, "'%s' is no map of this workspace and none that is saved in the environment", text);
    return err_hint(reterr, "name it as 'Customers V3 (accounts)'; --all pulls every map");
}

static enum ec choose(struct app *app, struct pull *p, struct err *reterr)
{
    const struct options *o = app->opt;
    size_t most = p->maps.n + app->cfg.n_maps + o->n_args + 1;
    enum ec rc = EC_OK;

    p->list = arena_zalloc(&p->arena, most * sizeof(*p->list));
    if (option_given(app, "--all")) {
        struct live_map *all;
        size_t n = live_map_all(&p->maps, &all, &p->arena);

        if (o->n_args)
            return err_set(reterr, EC_USAGE, "--all names every map already");
        for (size_t k = 0; k < n; k++)
            want(p, all[k].label, all[k].set);
        if (!n) {
            err_set(reterr, EC_STATE, "the environment has no saved map");
            return err_hint(reterr,
                            "save or enable maps on the dual-write page, or take them from a solution zip with "
                            "'dmfsync map import FILE --add'");
        }
        return EC_OK;
    }
    for (size_t k = 0; k < o->n_args && !rc; k++)
        rc = want_named(app, p, o->args[k], reterr);
    for (size_t k = 0; k < app->cfg.n_maps && !rc && !o->n_args; k++)
        rc = want_named(app, p, app->cfg.maps[k].alias, reterr);
    if (!rc && !o->n_args && !app->cfg.n_maps) {
        rc = err_set(reterr, EC_USAGE, "the workspace has no maps, and none was named");
        err_hint(reterr, "name maps as 'Customers V3 (accounts)', or give --all");
    }
    return rc;
}

enum ec cmd_map_pull(struct app *app, struct err *reterr)
{
    struct pull p = { 0 };
    enum ec rc = dv_maps_read(app->dv, &p.maps, reterr);

    if (!rc)
        rc = choose(app, &p, reterr);
    if (!rc)
        rc = live_map_fetch(app->dv, p.list, p.n, &p.imp, reterr);
    if (!rc)
        rc = map_store_all(app, &p.imp, reterr);
    import_release(&p.imp);
    dv_maps_release(&p.maps);
    arena_release(&p.arena);
    return rc;
}

enum ec map_live_document(struct app *app, const struct map *m, struct import *i, struct cell *ret_evidence,
                          struct err *reterr)
{
    struct dv_maps maps = { 0 };
    struct live_map found;
    enum ec rc = dv_maps_read(app->dv, &maps, reterr);

    if (!rc)
        rc = live_map_find(&maps, m->label, m->set, &found, reterr);
    if (!rc)
        rc = live_map_fetch(app->dv, &found, 1, i, reterr);
    if (!rc && !i->maps[0].map) {
        if (reterr)
            *reterr = i->maps[0].err;
        rc = err_ctx(reterr, EC_DATAVERSE, "the live map");
    }
    if (!rc)
        *ret_evidence = cell_dup(&app->out.arena, found.evidence);
    dv_maps_release(&maps);
    return rc;
}

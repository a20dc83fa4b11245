/* cmd_map.c -- map show, and finding the map that an argument names. */
#include "loader/map_commands.h"

#include "base/file.h"

enum ec map_argument(struct app *app, const char *text, struct map **ret, const struct config_map **ret_cfg,
                     struct err *reterr)
{
    struct arena a = { 0 };
    const struct config_map *cfg = config_map_find(&app->cfg, text);
    const char *path = text;
    enum ec rc;

    if (cfg && !cfg->file) {
        arena_release(&a);
        return err_set(reterr, EC_CONFIG, "[map.%s] names no map document (file = maps/....json)", cfg->alias);
    }
    if (cfg)
        path = workspace_path(&app->ws, &a, "%s", cfg->file);
    else if (!file_exists(path))
        path = workspace_path(&app->ws, &a, "%s", text);
    if (!cfg && !file_exists(path))
        path = workspace_path(&app->ws, &a, "maps/%s.json", text);
    if (!cfg && !file_exists(path)) {
        rc = err_set(reterr, EC_USAGE, "'%s' is neither a map of this workspace nor a file", text);
        err_hint(reterr, "name an alias of dmfsync.ini, or the path of a map document");
    } else {
        rc = map_read_file(path, ret, reterr);
        if (rc && cfg)
            rc = err_ctx(reterr, rc, "[map.%s]", cfg->alias);
        if (!rc && ret_cfg)
            *ret_cfg = cfg;
    }
    arena_release(&a);
    return rc;
}

static const char *sign_of(const struct map_field *f)
{
    bool transform = f->has_map || f->has_default || !cell_absent(f->unknown_transform);

    if (f->dir == DIR_BOTH)
        return transform ? "><" : "=";
    if (f->dir == DIR_TO_DV)
        return transform ? ">>" : ">";
    return transform ? "<<" : "<";
}

enum ec cmd_map_show(struct app *app, struct err *reterr)
{
    static const char *const HEADERS[] = { "F&O", "", "Dataverse" };
    struct map *m = NULL;
    enum ec rc = map_argument(app, app->opt->args[0], &m, NULL, reterr);
    struct json *list;
    struct table *t;

    if (rc)
        return rc;
    out_cell(&app->out, NULL, "map", m->name);
    out_line(&app->out, CELL_FMT, CELL_ARG(m->name));
    t = table_new(&app->out, HEADERS, COUNT(HEADERS), "lll");
    list = out_array(&app->out, NULL, "fields");
    for (size_t i = 0; i < m->n; i++) {
        const struct map_field *f = &m->fields[i];
        struct json *o = out_object(&app->out, list, NULL);

        table_cell(t, CELL_FMT, CELL_ARG(cell_absent(f->source) ? CELL_LIT("none") : f->source));
        table_cell(t, "%s", sign_of(f));
        table_cell(t, CELL_FMT, CELL_ARG(cell_absent(f->destination) ? CELL_LIT("none") : f->destination));
        out_cell(&app->out, o, "fno", f->source);
        out_str(&app->out, o, "sign", sign_of(f));
        out_cell(&app->out, o, "dataverse", f->destination);
    }
    table_print(t);
    map_free(m);
    return EC_OK;
}

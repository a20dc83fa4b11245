/* map_files.c -- documents and metadata for the commands that look at maps one by one. */
#include "loader/map_files.h"
#include "base/nearest.h"
#include "dv/dv.h"
#include "erp/erp.h"

#include <stdlib.h>
#include <string.h>

/* An F&O entity and a Dataverse table have a thousand columns at most; checks compare fields with each other. */
enum { MAX_FIELDS = 2048, MAX_PAIRS = 4096 };

static enum ec check_size(const struct map *m, const char *path, struct err *reterr)
{
    size_t pairs = 0;

    for (size_t i = 0; i < m->n; i++)
        pairs = m->fields[i].n_pairs > pairs ? m->fields[i].n_pairs : pairs;
    if (m->n <= MAX_FIELDS && pairs <= MAX_PAIRS)
        return EC_OK;
    return err_set(reterr, EC_LIMIT,
                   "the map '%s' has %zu fields and up to %zu entries in a value map; %d and %d are taken", path,
                   m->n, pairs, MAX_FIELDS, MAX_PAIRS);
}

static struct map_file *add_file(struct map_files *f)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 64;
        f->v = xrealloc(f->v, f->cap * sizeof(*f->v));
    }
    f->v[f->n] = (struct map_file){ 0 };
    return &f->v[f->n++];
}

static enum ec read_workspace(struct map_files *f, struct err *reterr)
{
    const struct config *cfg = &f->app->cfg;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < cfg->n_maps && !rc; i++) {
        struct map_file *m;

        if (!cfg->maps[i].file)
            return err_set(reterr, EC_CONFIG, "[map.%s] names no map document (file = maps/....json)",
                           cfg->maps[i].alias);
        m = add_file(f);
        m->cfg = &cfg->maps[i];
        m->path = workspace_path(&f->app->ws, &f->arena, "%s", m->cfg->file);
        m->shown = m->cfg->alias;
        m->selected = !f->app->opt->n_args;
        rc = map_read_file(m->path, &m->map, reterr);
        if (!rc)
            rc = check_size(m->map, m->path, reterr);
        if (rc)
            return err_ctx(reterr, rc, "[map.%s]", m->cfg->alias);
    }
    return rc;
}

static bool goes_by(const struct map_file *m, const char *name)
{
    return m->cfg && (cell_ieq(cell_of(m->cfg->alias), cell_of(name)) || map_named(m->map, name) ||
                      (m->cfg->name && cell_ieq(cell_of(m->cfg->name), cell_of(name))));
}

static bool same_file(const char *a, const char *b)
{
    char *x = realpath(a, NULL), *y = realpath(b, NULL);
    bool yes = x && y && !strcmp(x, y);

    free(x);
    free(y);
    return yes;
}

static enum ec no_such_map(struct map_files *f, const char *name, struct err *reterr)
{
    const char **names = arena_alloc(&f->arena, (f->n + 1) * sizeof(*names));
    const char *near;
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].cfg)
            names[n++] = f->v[i].cfg->alias;
    near = n ? word_nearest(name, names, n) : NULL;
    err_set(reterr, EC_USAGE, "'%s' is neither a map of this workspace nor a file", name);
    return near ? err_hint(reterr, "did you mean '%s'?", near)
                : err_hint(reterr, "name an alias of dmfsync.ini ([map.ALIAS]) or the path of a map document");
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Everything but a bare document: the maps in it, each version's chosen one. */
static enum ec take_import(struct map_files *f, const char *name, struct err *reterr)
{
    struct import *imp;
    size_t taken = 0;
    enum ec rc;

    f->imports = xrealloc(f->imports, (f->n_imports + 1) * sizeof(*f->imports));
    imp = &f->imports[f->n_imports++];
    *imp = (struct import){ 0 };
    rc = import_file(imp, name, reterr);
    if (!rc)
        import_choose(imp);
    for (size_t i = 0; i < imp->n && !rc; i++) {
        const struct import_map *x = &imp->maps[i];
        struct map_file *m;

        if (!x->map) {
            if (imp->n == 1) {
                *reterr = x->err;
                return x->err.code;
            }
            out_warn(&f->app->out, CELL_FMT ": %s", CELL_ARG(x->origin), x->err.msg);
            out_status(&f->app->out, EC_FORMAT);
            continue;
        }
        if (!x->chosen)
            continue;
        rc = check_size(x->map, name, reterr);
        m = add_file(f);
        m->map = x->map;
        m->path = arena_strdup(&f->arena, name);
        m->shown = arena_printf(&f->arena, "%s: " CELL_FMT, last_part(name), CELL_ARG(x->map->name));
        m->selected = m->imported = true;
        taken++;
    }
    if (!rc && !imp->n && imp->n_notes) { /* what lies beside documents: their properties, an answer without rows */
        for (size_t i = 0; i < imp->n_notes; i++)
            out_warn(&f->app->out, CELL_FMT, CELL_ARG(imp->notes[i]));
        return EC_OK;
    }
    if (!rc && !taken) {
        err_set(reterr, EC_FORMAT, "'%s' holds no map", name);
        return err_hint(reterr,
                        "expected is a map document, an answer of msdyn_dualwriteentitymaps or a solution zip");
    }
    return rc;
}

static enum ec take_argument(struct map_files *f, const char *name, struct err *reterr)
{
    struct map_file *m = NULL;
    struct map *read = NULL;

    for (size_t i = 0; i < f->n && !m; i++)
        if (goes_by(&f->v[i], name))
            m = &f->v[i];
    if (!m && !file_exists(name))
        return no_such_map(f, name, reterr);
    for (size_t i = 0; i < f->n && !m; i++)
        if (same_file(f->v[i].path, name))
            m = &f->v[i];
    if (m) {
        m->selected = true;
        return EC_OK;
    }
    if (map_read_file(name, &read, NULL))
        return take_import(f, name, reterr);
    m = add_file(f);
    m->map = read;
    m->path = arena_strdup(&f->arena, name);
    m->shown = last_part(name);
    m->selected = true;
    return check_size(read, name, reterr);
}

static bool any_selected(const struct map_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].selected)
            return true;
    return false;
}

enum ec map_files_open(struct app *app, struct map_files **ret, struct err *reterr)
{
    struct map_files *f = xcalloc(1, sizeof(*f));
    enum ec rc;

    f->app = app;
    f->live = app->erp && app->dv;
    rc = read_workspace(f, reterr);
    for (size_t i = 0; i < app->opt->n_args && !rc; i++)
        rc = take_argument(f, app->opt->args[i], reterr);
    if (!rc && app->opt->n_args && !any_selected(f)) {
        rc = err_set(reterr, EC_FORMAT, "no map is in what was named");
        err_hint(reterr, "expected is a map document, an answer of msdyn_dualwriteentitymaps or a solution zip");
    } else if (!rc && !f->n) {
        rc = err_set(reterr, EC_CONFIG, "no maps are configured in '%s'", app->cfg.path);
        err_hint(reterr, "add a section [map.ALIAS] with name and file ('dmfsync map pull --all --add' does), or "
                         "name the file of a map");
    }
    f->maps = arena_alloc(&f->arena, (f->n + 1) * sizeof(*f->maps));
    for (size_t i = 0; i < f->n; i++)
        f->maps[i] = f->v[i].map;
    if (rc)
        map_files_close(f);
    else
        *ret = f;
    return rc;
}

/* ---- metadata ---- */

/* The side answered and has no such thing; anything else ends the command. */
static enum ec unknown_there(struct map_files *f, enum ec rc, struct cell *ret_why, struct err *e, struct err *reterr)
{
    if (!rc)
        return EC_OK;
    if (rc == EC_NOTFOUND || rc == EC_CONFIG) {
        *ret_why = cell_dup(&f->arena, cell_of(e->msg));
        return EC_OK;
    }
    if (reterr)
        *reterr = *e;
    return rc;
}

static enum ec load_sides(struct map_files *f, struct map_file *m, struct err *reterr)
{
    struct err e = { 0 };
    enum ec rc = EC_OK;

    if (!schema_entity(&f->schema, m->map->label))
        rc = unknown_there(f, erp_load_entity(f->app->erp, m->map->label, &f->schema, &e), &m->fno_why, &e, reterr);
    if (!rc && !schema_table(&f->schema, m->map->set))
        rc = unknown_there(f, dv_load_table(f->app->dv, m->map->set, &f->schema, &e), &m->dv_why, &e, reterr);
    return rc;
}

static enum ec load_targets(struct map_files *f, const struct map *m, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < m->n && !rc; i++) {
        const struct dv_table *at = schema_table(&f->schema, m->set);

        for (size_t k = 0; k + 1 < m->fields[i].n_path && at && !rc; k++) {
            const struct dv_column *c = dv_column_find(at, m->fields[i].path[k].name);

            at = NULL;
            for (size_t v = 0; c && v < c->n_navs && !rc; v++) {
                struct cell ignored = CELL_ABSENT;
                struct err e = { 0 };

                if (!schema_table_logical(&f->schema, c->navs[v].target))
                    rc = unknown_there(f, dv_load_table_logical(f->app->dv, c->navs[v].target, &f->schema, &e),
                                       &ignored, &e, reterr);
                if (!at)
                    at = schema_table_logical(&f->schema, c->navs[v].target);
            }
        }
    }
    return rc;
}

/* What was just read is put beside what was saved, so that checks of other maps stay possible without the services. */
static enum ec save(struct map_files *f, const char *path, struct err *reterr)
{
    struct schema all = { 0 };
    enum ec rc;

    if (schema_load(&all, path, NULL)) {
        schema_release(&all);
        all = (struct schema){ 0 };
    }
    for (size_t i = 0; i < f->schema.n_entities; i++)
        schema_add_entity(&all, f->schema.entities[i]);
    for (size_t i = 0; i < f->schema.n_tables; i++)
        schema_add_table(&all, f->schema.tables[i]);
    rc = workspace_folders(&f->app->ws, reterr);
    if (!rc)
        rc = schema_save(&all, path, reterr);
    schema_release(&all);
    return rc;
}

static enum ec load_live(struct map_files *f, bool targets, const char *path, struct err *reterr)
{
    struct err e = { 0 };
    enum ec rc = EC_OK;

    for (size_t i = 0; i < f->n && !rc; i++) {
        if (!f->v[i].selected)
            continue;
        rc = load_sides(f, &f->v[i], reterr);
        if (!rc && targets)
            rc = load_targets(f, f->v[i].map, reterr);
    }
    if (!rc && save(f, path, &e)) /* the findings do not depend on it */
        out_warn(&f->app->out, "the metadata could not be saved for --offline: %s", e.msg);
    return rc;
}

enum ec map_files_metadata(struct map_files *f, bool targets, struct err *reterr)
{
    struct arena a = { 0 };
    const char *path = workspace_path(&f->app->ws, &a, ".dmfsync/metadata.json");
    struct err e = { 0 };
    enum ec rc = EC_OK;

    if (f->live) {
        rc = load_live(f, targets, path, reterr);
    } else if (schema_load(&f->schema, path, &e)) {
        schema_release(&f->schema);
        out_warn(&f->app->out, "no metadata has been saved in this workspace (%s): only the documents are checked",
                 e.msg);
    }
    arena_release(&a);
    return rc;
}

void map_files_close(struct map_files *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++)
        if (!f->v[i].imported)
            map_free(f->v[i].map);
    for (size_t i = 0; i < f->n_imports; i++)
        import_release(&f->imports[i]);
    free(f->imports);
    free(f->v);
    schema_release(&f->schema);
    arena_release(&f->arena);
    free(f);
}

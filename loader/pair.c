/* pair.c -- open the maps of a workspace: documents, metadata of both sides, bindings, waves, state files. */
#include "loader/public/pair.h"
#include "base/clock.h"
#include "base/log.h"
#include "dv/dv.h"
#include "erp/erp.h"
#include "loader/map_store.h"
#include "loader/public/catalog.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_MAPS = 256, MAX_COMPANIES = 1024 };

static enum ec read_documents(struct pair *p, struct err *reterr)
{
    struct config *cfg = &p->app->cfg;
    enum ec rc = EC_OK;

    p->maps = arena_zalloc(&p->arena, (cfg->n_maps + 1) * sizeof(*p->maps));
    for (size_t i = 0; i < cfg->n_maps && !rc; i++) {
        struct map_ctx *m = &p->maps[p->n];
        char *path;

        m->pair = p;
        m->cfg = &cfg->maps[i];
        m->dir = workspace_path(&p->app->ws, &p->arena, ".dmfsync/maps/%s", m->cfg->alias);
        if (!m->cfg->file)
            return err_set(reterr, EC_CONFIG, "[map.%s] names no map document (file = maps/....json)", m->cfg->alias);
        path = workspace_path(&p->app->ws, &p->arena, "%s", m->cfg->file);
        rc = map_read_file(path, &m->map, reterr);
        if (rc)
            return err_ctx(reterr, rc, "[map.%s]", m->cfg->alias);
        p->n++;
    }
    return rc;
}

/* ---- metadata ---- */

static enum ec load_targets(struct pair *p, const struct dv_table *t, const struct map *m, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < m->n && !rc; i++) {
        const struct dv_table *at = t;

        for (size_t k = 0; k + 1 < m->fields[i].n_path && at && !rc; k++) {
            const struct dv_column *c = dv_column_find(at, m->fields[i].path[k].name);

            at = NULL;
            for (size_t v = 0; c && v < c->n_navs && !rc; v++) {
                if (!schema_table_logical(&p->schema, c->navs[v].target))
                    rc = dv_load_table_logical(p->app->dv, c->navs[v].target, &p->schema, reterr);
                if (!at)
                    at = schema_table_logical(&p->schema, c->navs[v].target);
            }
        }
    }
    return rc;
}

static enum ec load_live(struct pair *p, struct err *reterr)
{
    struct arena a = { 0 };
    enum ec rc = EC_OK;

    for (size_t i = 0; i < p->n && !rc; i++) {
        struct map_ctx *m = &p->maps[i];

        if (!schema_entity(&p->schema, m->map->label))
            rc = erp_load_entity(p->app->erp, m->map->label, &p->schema, reterr);
        if (!rc && m->cfg->load_entity && !schema_entity(&p->schema, cell_of(m->cfg->load_entity)))
            rc = erp_load_entity(p->app->erp, cell_of(m->cfg->load_entity), &p->schema, reterr);
        if (!rc && !schema_table(&p->schema, m->map->set))
            rc = dv_load_table(p->app->dv, m->map->set, &p->schema, reterr);
        if (rc == EC_NOTFOUND)
            rc = reterr->code = EC_CONFIG;
        if (rc)
            rc = err_ctx(reterr, rc, "[map.%s]", m->cfg->alias);
        else
            rc = load_targets(p, schema_table(&p->schema, m->map->set), m->map, reterr);
    }
    if (!rc && !schema_table(&p->schema, CELL_LIT("cdm_companies")))
        rc = dv_load_table(p->app->dv, CELL_LIT("cdm_companies"), &p->schema, reterr);
    if (!rc) {
        const char *path = workspace_path(&p->app->ws, &a, ".dmfsync/metadata.json");

        /* Reading commands leave it for --offline, too; there it may fail: the workspace need not be theirs to write. */
        if (p->app->ws.lock.fd >= 0)
            rc = schema_save(&p->schema, path, reterr);
        else if (!workspace_folders(&p->app->ws, NULL))
            (void)schema_save(&p->schema, path, NULL);
    }
    arena_release(&a);
    return rc;
}

static enum ec load_cached(struct pair *p, struct err *reterr)
{
    struct arena a = { 0 };
    char *path = workspace_path(&p->app->ws, &a, ".dmfsync/metadata.json");
    enum ec rc = schema_load(&p->schema, path, reterr);

    if (rc) {
        rc = err_set(reterr, EC_STATE, "no metadata has been saved in this workspace yet");
        err_hint(reterr, "run 'dmfsync plan' or 'dmfsync doctor' once with both services reachable");
    }
    arena_release(&a);
    return rc;
}

/* ---- binding and order ---- */

static enum ec bind_one(struct pair *p, struct map_ctx *m, struct err *reterr)
{
    struct bind_settings set = { .alias = cell_of(m->cfg->alias),
                                 .key = m->cfg->key,
                                 .master_is_dataverse = m->cfg->master_dataverse };
    struct map_pair *masters = arena_zalloc(&p->arena, (m->cfg->n_masters + 1) * sizeof(*masters));
    struct map_pair *compare = arena_zalloc(&p->arena, (m->cfg->n_compare + 1) * sizeof(*compare));
    struct cell *companies = arena_zalloc(&p->arena, (m->cfg->n_companies + 1) * sizeof(*companies));

    for (size_t i = 0; i < m->cfg->n_compare; i++)
        compare[i] = (struct map_pair){ cell_of(m->cfg->compare[i].name), cell_of(m->cfg->compare[i].value) };
    set.compare = compare;
    set.n_compare = m->cfg->n_compare;
    for (size_t i = 0; i < m->cfg->n_masters; i++)
        masters[i] = (struct map_pair){ cell_of(m->cfg->masters[i].name), cell_of(m->cfg->masters[i].value) };
    for (size_t i = 0; i < m->cfg->n_companies; i++)
        companies[i] = cell_of(m->cfg->companies[i]);
    set.field_master = masters;
    set.n_field_master = m->cfg->n_masters;
    set.companies = companies;
    set.n_companies = m->cfg->n_companies;
    return bind_map(m->map, &p->schema, &set, &m->b, reterr);
}

static enum ec gaps_error(struct pair *p, struct err *reterr)
{
    struct strbuf list = STRBUF(0);

    for (size_t i = 0; i < p->deps.n_gaps; i++) {
        const struct deps_gap *g = &p->deps.gaps[i];

        strbuf_addf(&list, "%s" CELL_FMT " of '" CELL_FMT "' (" CELL_FMT ") needs a map for " CELL_FMT, i ? "; " : "",
                    CELL_ARG(g->field), CELL_ARG(g->b->map->name), CELL_ARG(g->path), CELL_ARG(g->target));
    }
    err_set(reterr, EC_CONFIG, "%zu mapped lookup field%s that no map of the workspace serves: %s", p->deps.n_gaps,
            p->deps.n_gaps == 1 ? "" : "s", strbuf_str(&list));
    strbuf_release(&list);
    return err_hint(reterr, "add the maps of those tables, or remove the fields from a custom version of the map");
}

static enum ec order_maps(struct pair *p, unsigned flags, struct err *reterr)
{
    const struct binding **b = arena_zalloc(&p->arena, (p->n + 1) * sizeof(*b));
    struct map_ctx *sorted = arena_zalloc(&p->arena, (p->n + 1) * sizeof(*sorted));
    enum ec rc;

    for (size_t i = 0; i < p->n; i++)
        b[i] = p->maps[i].b;
    rc = deps_plan(b, p->n, &p->deps, reterr);
    if (rc)
        return rc;
    if (p->deps.n_gaps && !(flags & PAIR_GAPS_OK))
        return gaps_error(p, reterr);
    for (size_t i = 0; i < p->deps.n; i++)
        for (size_t k = 0; k < p->n; k++)
            if (p->maps[k].b == p->deps.nodes[i].b) {
                sorted[i] = p->maps[k];
                sorted[i].wave = p->deps.nodes[i].wave;
                sorted[i].second_pass = p->deps.nodes[i].second_pass;
            }
    p->maps = sorted;
    /* Lookups that would close a cycle are filled in the second pass, as those of the own table are. */
    for (size_t i = 0; i < p->deps.n_edges; i++) {
        const struct deps_edge *e = &p->deps.edges[i];

        for (size_t k = 0; k < p->n && e->deferred; k++)
            if (p->maps[k].b == e->from && e->lookup)
                p->maps[k].b->lookups[e->lookup - e->from->lookups].later = true;
    }
    return EC_OK;
}

/* The maps that this one's lookups and company stripe need are selected too. */
static void select_closure(struct pair *p)
{
    bool grew = true;

    while (grew) {
        grew = false;
        for (size_t i = 0; i < p->n; i++) {
            struct cell targets[64];
            size_t n = p->maps[i].selected ? binding_targets(p->maps[i].b, targets, COUNT(targets)) : 0;

            for (size_t k = 0; k < n; k++) {
                struct map_ctx *m = pair_map_by_set(p, targets[k]);

                if (m && !m->selected)
                    grew = m->selected = true;
            }
        }
    }
}

static enum ec select_maps(struct pair *p, unsigned flags, size_t first_arg, struct err *reterr)
{
    const struct options *o = p->app->opt;

    for (size_t i = 0; i < p->n; i++)
        p->maps[i].selected = o->n_args <= first_arg;
    for (size_t a = first_arg; a < o->n_args; a++) {
        struct map_ctx *m = pair_map(p, o->args[a]);

        if (!m) {
            struct strbuf list = STRBUF(0);

            for (size_t i = 0; i < p->n; i++)
                strbuf_addf(&list, "%s%s", i ? ", " : "", p->maps[i].cfg->alias);
            err_set(reterr, EC_USAGE, "no map '%s' in this workspace; there are: %s", o->args[a], strbuf_str(&list));
            strbuf_release(&list);
            return reterr ? reterr->code : EC_USAGE;
        }
        m->selected = true;
    }
    if (flags & PAIR_CLOSURE)
        select_closure(p);
    return EC_OK;
}

static enum ec open_state(struct pair *p, struct map_ctx *m, struct err *reterr)
{
    struct arena a = { 0 };
    bool writer = p->app->ws.lock.fd >= 0;
    char *path = arena_printf(&a, "%s/state.db", m->dir);
    enum ec rc = EC_OK;

    if (writer)
        rc = dir_make(m->dir, 0700, reterr);
    if (!rc && (writer || file_exists(path)))
        rc = store_open(path, writer ? STORE_WRITE : STORE_READ, &STATE_SCHEMA, &m->state, reterr);
    arena_release(&a);
    return rc;
}

enum ec pair_open(struct app *app, unsigned flags, size_t first_arg, struct pair **ret, struct err *reterr)
{
    struct pair *p = xcalloc(1, sizeof(*p));
    enum ec rc;

    p->app = app;
    rc = read_documents(p, reterr);
    if (!rc && !p->n) {
        rc = err_set(reterr, EC_CONFIG, "no maps are configured in '%s'", app->cfg.path);
        err_hint(reterr, "add a section [map.ALIAS] with name, file and source");
    }
    if (!rc)
        rc = (flags & PAIR_LIVE) && app->erp && app->dv ? load_live(p, reterr) : load_cached(p, reterr);
    for (size_t i = 0; i < p->n && !rc; i++)
        rc = bind_one(p, &p->maps[i], reterr);
    if (!rc)
        rc = order_maps(p, flags, reterr);
    if (!rc)
        rc = select_maps(p, flags, first_arg, reterr);
    for (size_t i = 0; i < p->n && !rc && (flags & PAIR_STATE); i++)
        rc = open_state(p, &p->maps[i], reterr);
    if (rc) {
        pair_close(p);
        return rc;
    }
    *ret = p;
    return EC_OK;
}

void pair_close(struct pair *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++) {
        store_close(p->maps[i].state);
        binding_free(p->maps[i].b);
        map_free(p->maps[i].map);
    }
    deps_release(&p->deps);
    schema_release(&p->schema);
    arena_release(&p->arena);
    free(p);
}

struct map_ctx *pair_map(struct pair *p, const char *name_or_alias)
{
    for (size_t i = 0; i < p->n; i++)
        if (cell_ieq(cell_of(p->maps[i].cfg->alias), cell_of(name_or_alias)))
            return &p->maps[i];
    for (size_t i = 0; i < p->n; i++)
        if (map_named(p->maps[i].map, name_or_alias) ||
            (p->maps[i].cfg->name && cell_ieq(cell_of(p->maps[i].cfg->name), cell_of(name_or_alias))))
            return &p->maps[i];
    return NULL;
}

struct map_ctx *pair_map_by_set(struct pair *p, struct cell set)
{
    for (size_t i = 0; i < p->n; i++)
        if (cell_ieq(p->maps[i].b->table->set, set))
            return &p->maps[i];
    return NULL;
}

/* ---- companies ---- */

static enum ec take_company(void *arg, struct cell code, struct cell name, struct err *reterr)
{
    struct pair *p = arg;

    if (p->n_companies == MAX_COMPANIES)
        return err_set(reterr, EC_LIMIT, "more than %d legal entities", MAX_COMPANIES);
    p->companies[p->n_companies++] =
        (struct pair_company){ .code = cell_dup(&p->arena, code), .name = cell_dup(&p->arena, name) };
    return EC_OK;
}

static enum ec take_dv_company(void *arg, const struct json *rec, struct err *reterr)
{
    struct pair *p = arg;
    struct cell code = json_member(rec, "cdm_companycode");

    (void)reterr;
    for (size_t i = 0; i < p->n_companies; i++)
        if (cell_ieq(p->companies[i].code, code)) {
            p->companies[i].dv_id = cell_dup(&p->arena, json_member(rec, "cdm_companyid"));
            p->companies[i].team_id = cell_dup(&p->arena, json_member(rec, "_cdm_defaultowningteam_value"));
        }
    return EC_OK;
}

enum ec pair_companies(struct pair *p, struct err *reterr)
{
    const struct dv_table *t = schema_table(&p->schema, CELL_LIT("cdm_companies"));
    bool team = t && dv_column_find(t, CELL_LIT("cdm_defaultowningteam"));
    enum ec rc;

    if (!p->companies)
        p->companies = arena_zalloc(&p->arena, MAX_COMPANIES * sizeof(*p->companies));
    p->n_companies = 0;
    rc = erp_companies(p->app->erp, take_company, p, reterr);
    if (!rc && p->app->dv)
        rc = dv_scan(p->app->dv, "cdm_companies",
                     team ? "cdm_companyid,cdm_companycode,_cdm_defaultowningteam_value"
                          : "cdm_companyid,cdm_companycode",
                     NULL, false, take_dv_company, p, NULL, reterr);
    return rc;
}

const struct pair_company *pair_company(const struct pair *p, struct cell code)
{
    for (size_t i = 0; i < p->n_companies; i++)
        if (cell_ieq(p->companies[i].code, code))
            return &p->companies[i];
    return NULL;
}

const struct pair_company *pair_company_by_id(const struct pair *p, struct cell dv_id)
{
    for (size_t i = 0; i < p->n_companies; i++)
        if (!cell_absent(p->companies[i].dv_id) && cell_ieq(p->companies[i].dv_id, dv_id))
            return &p->companies[i];
    return NULL;
}

size_t map_companies(const struct map_ctx *m, struct cell *ret, size_t max)
{
    const struct pair *p = m->pair;
    size_t n = 0;

    if (!m->b->striped) {
        ret[0] = CELL_LIT("");
        return 1;
    }
    for (size_t i = 0; i < m->b->n_companies && n < max; i++)
        ret[n++] = m->b->companies[i];
    if (n)
        return n;
    for (size_t i = 0; i < p->n_companies && n < max; i++)
        if (!cell_absent(p->companies[i].dv_id))
            ret[n++] = p->companies[i].code;
    return n;
}

/* ---- dual-write ---- */

struct running {
    struct pair *p;
    char name[200], status[40];
};

static enum ec look_at(void *arg, struct cell label, struct cell set, struct cell status, struct err *reterr)
{
    struct running *r = arg;

    (void)reterr;
    for (size_t i = 0; i < r->p->n; i++) {
        struct map_ctx *m = &r->p->maps[i];

        if (m->selected && cell_ieq(label, m->map->label) && cell_ieq(set, m->map->set)) {
            snprintf(r->name, sizeof(r->name), CELL_FMT, CELL_ARG(m->map->name));
            snprintf(r->status, sizeof(r->status), CELL_FMT, CELL_ARG(status));
        }
    }
    return EC_OK;
}

enum ec pair_check_not_running(struct pair *p, struct err *reterr)
{
    const char *stated = option_value(p->app, "--map-state");
    struct running r = { .p = p };
    enum ec rc = erp_dualwrite(p->app->erp, look_at, &r, reterr);

    if (rc == EC_NOTFOUND) {
        /* This environment does not tell: the user has to vouch for it. */
        if (stated && !strcmp(stated, "stopped")) {
            log_warn("dual-write", "map state taken as stopped on the operator's word (--map-state stopped)");
            rc = EC_OK;
        } else {
            err_set(reterr, EC_GUARD, "whether dual-write runs these maps cannot be told: %s",
                    "no entity DualWriteProjectConfigurations");
            return err_hint(reterr,
                            "look at the dual-write page; when the maps are stopped, give --map-state stopped");
        }
    }
    if (rc)
        return rc;
    for (size_t i = 0; i < p->n && !r.name[0] && !rc; i++) {
        bool running = false;

        if (!p->maps[i].selected)
            continue;
        rc = dv_dualwrite_running(p->app->dv, p->maps[i].b->table->logical, p->maps[i].map->label, &running, reterr);
        if (rc == EC_NOTFOUND)
            rc = EC_OK; /* no core solution: nothing can run */
        if (running) {
            snprintf(r.name, sizeof(r.name), CELL_FMT, CELL_ARG(p->maps[i].map->name));
            snprintf(r.status, sizeof(r.status), "runtime row active");
        }
    }
    if (!rc && r.name[0]) {
        err_set(reterr, EC_GUARD,
                "dual-write is running (or paused) for map '%s' (%s): what we write would cross twice", r.name,
                r.status);
        return err_hint(reterr, "stop the map on the dual-write page, then run the command again");
    }
    return rc;
}

enum ec pair_open_to_write(struct app *app, unsigned flags, struct pair **ret, struct err *reterr)
{
    enum ec rc = pair_open(app, flags, 0, ret, reterr);

    if (!rc)
        rc = pair_companies(*ret, reterr);
    return rc ? rc : pair_check_not_running(*ret, reterr);
}

/* Which lookups wait for the second pass follows from all maps of the workspace: packages that are planned go by it. */
static void put_second_pass(const struct binding *b, const char *alias, struct strbuf *lines)
{
    for (size_t i = 0; i < b->n_lookups; i++)
        if (b->lookups[i].later && !b->lookups[i].self)
            strbuf_addf(lines, "map.%s.second_pass=" CELL_FMT "\n", alias,
                        CELL_ARG(b->fields[b->lookups[i].fields[0]].name));
}

void pair_identity(const struct pair *p, struct strbuf *ret_lines, char ret[static 65])
{
    struct sha256 *s = sha256_new();
    char hash[65];

    config_identity(&p->app->cfg, ret_lines, hash);
    for (size_t i = 0; i < p->n; i++) {
        if (!p->maps[i].selected)
            continue;
        bind_hash(p->maps[i].b, hash);
        strbuf_addf(ret_lines, "map.%s=%s\n", p->maps[i].cfg->alias, hash);
        put_second_pass(p->maps[i].b, p->maps[i].cfg->alias, ret_lines);
    }
    sha256_add(s, ret_lines->buf, ret_lines->len);
    sha256_hex(s, ret);
}

struct cell pair_map_version(const struct map_ctx *m, struct arena *a)
{
    return m->cfg->file ? map_stored_version(workspace_path(&m->pair->app->ws, a, "%s", m->cfg->file), a)
                        : CELL_ABSENT;
}

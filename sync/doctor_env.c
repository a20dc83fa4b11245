/*
 * doctor_env.c -- the machine, and what both environments must have: companies with teams, maps that do not run. Sources:
 * dual-write "Company concept in Dataverse" (default owning team), "Configuration health check".
 */
#include "base/file.h"
#include "erp/erp.h"
#include "sync/doctor.h"

#include <curl/curl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <zip.h>
#include <zstd.h>

enum {
    TIMES_SOURCE = 4
}; /* packages, the source's rows, a snapshot of each side: about the source's octets each, at most */

static int64_t source_octets(const struct app *app)
{
    struct arena a = { 0 };
    int64_t sum = 0;

    for (size_t i = 0; i < app->cfg.n_maps; i++) {
        const char *file = app->cfg.maps[i].source;
        int64_t n = file ? file_size(workspace_path(&app->ws, &a, "%s", file)) : -1;

        sum += n > 0 ? n : 0;
    }
    arena_release(&a);
    return sum;
}

void doctor_machine(struct doctor *d)
{
    struct arena a = { 0 };
    int64_t left = disk_free(d->app->ws.dir), need = source_octets(d->app) * TIMES_SOURCE + ((int64_t)64 << 20);
    const char *text;

    text = arena_printf(&a, "%lld MiB free, about %lld MiB needed for sources of %lld MiB", (long long)(left >> 20),
                        (long long)(need >> 20), (long long)(source_octets(d->app) >> 20));
    if (left < 0)
        doctor_note(d, "disk", "how much is free cannot be told", NULL);
    else if (left < need)
        doctor_fail(d, EC_DISK, "disk", text, "free some space, or put the workspace on a larger file system");
    else
        doctor_fine(d, "disk", text);
    doctor_fine(d, "libraries",
                arena_printf(&a, "dmfsync %s, sqlite %s, zstd %s, libcurl %s, libzip %s", DMFSYNC_VERSION,
                             sqlite3_libversion(), ZSTD_versionString(), curl_version_info(CURLVERSION_NOW)->version,
                             zip_libzip_version()));
    arena_release(&a);
}

static bool company_used(const struct pair *p, struct cell code)
{
    for (size_t k = 0; k < p->n; k++)
        if (p->maps[k].b->striped && p->maps[k].b->n_companies && binding_company_wanted(p->maps[k].b, code))
            return true;
    return false;
}

static void companies(struct doctor *d)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct map_ctx *own = pair_map_by_set(d->p, CELL_LIT("cdm_companies"));
    bool made_by_us = own && own->cfg->create_companies;

    if (pair_companies(d->p, &e)) {
        doctor_error(d, "companies", &e);
        return;
    }
    for (size_t i = 0; i < d->p->n_companies; i++) {
        const struct pair_company *co = &d->p->companies[i];
        const char *code = cell_cstr(&a, co->code);

        if (!company_used(d->p, co->code))
            continue;
        if (cell_absent(co->dv_id) && made_by_us)
            doctor_note(d, "company", arena_printf(&a, "%s: no row in cdm_companies yet; migrate creates it", code),
                        NULL);
        else if (cell_absent(co->dv_id))
            doctor_fail(d, EC_CONFIG, "company", arena_printf(&a, "%s: no row in Dataverse's cdm_companies", code),
                        "add it (create_companies = yes in the map of Legal entities lets migrate do it)");
        else if (cell_absent(co->team_id))
            doctor_fail(
                d, EC_CONFIG, "company", arena_printf(&a, "%s: no default owning team", code),
                "set the company's default owning team in Dataverse: every row of the company is owned by it");
        else
            doctor_fine(d, "company", arena_printf(&a, "%s: in both systems, owning team is set", code));
    }
    for (size_t k = 0; k < d->p->n; k++)
        for (size_t i = 0; i < d->p->maps[k].b->n_companies; i++)
            if (!pair_company(d->p, d->p->maps[k].b->companies[i]))
                doctor_fail(d, EC_CONFIG, "company",
                            arena_printf(&a, CELL_FMT ": no legal entity of F&O, but map '%s' lists it",
                                         CELL_ARG(d->p->maps[k].b->companies[i]), d->p->maps[k].cfg->alias),
                            "correct companies in its section, or give the user access to the company");
    arena_release(&a);
}

struct states {
    struct doctor *d;
    char (*status)[48]; /* per map; "" = no row */
};

static enum ec take_state(void *arg, struct cell label, struct cell set, struct cell status, struct err *reterr)
{
    struct states *s = arg;
    const struct pair *p = s->d->p;

    (void)reterr;
    for (size_t i = 0; i < p->n; i++)
        if (cell_ieq(label, p->maps[i].map->label) && cell_ieq(set, p->maps[i].map->set))
            snprintf(s->status[i], sizeof(s->status[i]), CELL_FMT,
                     CELL_ARG(cell_blank(status) ? CELL_LIT("started") : status));
    return EC_OK;
}

static void dual_write(struct doctor *d)
{
    struct arena a = { 0 };
    struct err e = { 0 };
    struct states s = { d, arena_zalloc(&a, (d->p->n + 1) * sizeof(*s.status)) };
    size_t running = 0;
    enum ec rc = erp_dualwrite(d->app->erp, take_state, &s, &e);

    if (rc == EC_NOTFOUND) {
        doctor_note(d, "dual-write",
                    "whether it runs the maps cannot be told: no entity DualWriteProjectConfigurations",
                    "look at the dual-write page; commands that write then want --map-state stopped");
    } else if (rc) {
        doctor_error(d, "dual-write", &e);
    }
    for (size_t i = 0; i < d->p->n && !rc; i++) {
        const struct map_ctx *m = &d->p->maps[i];
        bool runtime = false;

        if (!s.status[i][0] &&
            !dv_dualwrite_running(d->app->dv, m->b->table->logical, m->map->label, &runtime, NULL) && runtime)
            snprintf(s.status[i], sizeof(s.status[i]), "runtime row active in Dataverse");
        if (!s.status[i][0])
            continue;
        running++;
        doctor_fail(d, EC_GUARD, "dual-write", arena_printf(&a, CELL_FMT ": %s", CELL_ARG(m->map->name), s.status[i]),
                    "stop the map on the dual-write page before anything is loaded: what we write would cross twice");
    }
    if (!rc && !running)
        doctor_fine(d, "dual-write", "stopped for all of these maps");
    arena_release(&a);
}

void doctor_environment(struct doctor *d)
{
    companies(d);
    dual_write(d);
    doctor_note(
        d, "framework parameters", "data management's parameters cannot be read from outside",
        "look at Data management > Framework parameters > Compatibility options: 'Ensure unique execution id' Yes, "
        "'Enhanced parallel package import' as you like (dmfsync never overlaps imports of one project)");
}

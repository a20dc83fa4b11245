/*
 * plan_limits.c -- the services' limits that a plan meets, and which side is best loaded first.
 *
 * Sources: dual-write "Considerations for initial sync" and "Guidance for initial synchronization" (single-threaded entities and
 * 70,000 rows, 500,000 rows per run, 40 legal entities, fewer than 10 lookups, 24 hours, the table of recommended routes),
 * "Dual-write limits" (250 legal entities); "Requests limits and allocations" (daily entitlement); blob storage "Put Blob"
 * (5,000 MiB); data management: the upload URL's life, cleanup after 7 days; Dataverse "Use change tracking" (7 days).
 */
#include "loader/plan.h"
#include "loader/public/load.h"

#include <stdio.h>

enum {
    SINGLE_THREADED_ROWS = 70000,
    INITIAL_SYNC_ROWS = 500000,
    INITIAL_SYNC_COMPANIES = 40,
    LIVE_COMPANIES = 250,
    INITIAL_SYNC_LOOKUPS = 10,
    URL_LIFE_S = 30 * 60,
    ENTITLEMENT_ROWS = 500000,
    RETENTION_S = 6 * 24 * 3600,
    PACKAGE_ROWS = 200000,
    STAGING_ROWS = 20000000
};
static const int64_t EXPORT_OCTETS = (int64_t)256 << 20, PUT_OCTETS = (int64_t)5000 << 20;

static void hit(struct plan *pl, const struct plan_map *pm, const char *code, const char *todo, const char *text)
{
    struct plan_limit *wider = arena_alloc(&pl->arena, (pl->n_limits + 1) * sizeof(*wider));

    if (pl->n_limits)
        memcpy(wider, pl->limits, pl->n_limits * sizeof(*wider));
    wider[pl->n_limits++] = (struct plan_limit){ code, pm, text, todo };
    pl->limits = wider;
}

static bool single_threaded(const struct plan *pl, const struct plan_map *pm)
{
    return pm->standard >= 0 && pl->std.maps[pm->standard].single_threaded && !pm->m->cfg->load_entity;
}

static int64_t rows_each(const struct plan_map *pm)
{
    return pm->rows < 0 ? -1 : (pm->rows + pm->companies - 1) / pm->companies;
}

static void limits_of_rows(struct plan *pl, struct plan_map *pm)
{
    struct arena *a = &pl->arena;
    bool customers = cell_ieq(pm->m->map->label, CELL_LIT("Customers V3"));

    if (single_threaded(pl, pm) && pm->rows > SINGLE_THREADED_ROWS)
        hit(pl, pm, "single_threaded",
            customers
                ? "set load_entity = Customer definitions (then Customer details), which F&O imports with several "
                  "threads; or let companies run side by side and plan the hours"
                : "companies run side by side, each with one thread: plan the hours, or split the rows over days",
            arena_printf(a,
                         "F&O imports '" CELL_FMT
                         "' with one thread whatever is configured; for %lld rows dual-write's "
                         "own guidance stops at 70,000",
                         CELL_ARG(pm->m->map->label), (long long)pm->rows));
    if (rows_each(pm) > INITIAL_SYNC_ROWS)
        hit(pl, pm, "initial_sync_rows", "load both sides with dmfsync and start the map with 'skip initial sync'",
            arena_printf(a, "%lld rows per legal entity: dual-write's initial sync takes 500,000 per run",
                         (long long)rows_each(pm)));
    if (pm->rows > STAGING_ROWS)
        hit(pl, pm, "staging_rows", "clean the staging table up between packages (job history cleanup)",
            "more than 20,000,000 rows pass one staging table, which slows down beyond that");
    if (pm->second_pass && pm->rows > 0)
        hit(pl, pm, "second_pass", "nothing: it is done by itself; the estimate counts it",
            "rows look up rows of the same table: keys first, these lookups in a second pass");
}

static void limits_of_packages(struct plan *pl, struct plan_map *pm)
{
    struct arena *a = &pl->arena;

    if (pm->upload_s > URL_LIFE_S * 8 / 10)
        hit(pl, pm, "upload_url_life", "make package_rows smaller, or give the line's real rate with --upload",
            arena_printf(
                a,
                "a package of %lld MiB needs about %lld min of upload at %lld Mbit/s; its URL lives some 30 min "
                "(60 at most)",
                (long long)(pm->package_octets >> 20), (long long)(pm->upload_s / 60), (long long)pl->upload_mbit));
    if (pm->package_octets > PUT_OCTETS)
        hit(pl, pm, "package_size", "make package_rows smaller",
            arena_printf(a, "a package of %lld MiB: one upload holds 5,000 MiB at most",
                         (long long)(pm->package_octets >> 20)));
    else if (pm->package_octets > EXPORT_OCTETS)
        hit(pl, pm, "package_size", "make package_rows smaller, or raise the limit of exported files in F&O",
            arena_printf(a, "packages of %lld MiB: F&O's exports of the same rows stop at 256 MiB by default",
                         (long long)(pm->package_octets >> 20)));
    if (pl->app->cfg.package_rows > PACKAGE_ROWS && pm->packages && rows_each(pm) > PACKAGE_ROWS)
        hit(pl, pm, "package_rows", "set package_rows to 100000 .. 200000",
            arena_printf(a,
                         "package_rows = %lld: one failure costs a package; 100,000 to 200,000 rows have proved good",
                         (long long)pl->app->cfg.package_rows));
}

/* What undo = yes costs: disk, and nothing of the services, since F&O's rows are read anyway to tell which exist. */
static void cost_of_undo(struct plan *pl, struct plan_map *pm)
{
    int64_t mib = pm->rows < 0 ? 0 : (pm->rows * (pm->row_octets > 0 ? pm->row_octets : 300)) >> 20;

    if (undo_wanted(pm->m))
        hit(pl, pm, "undo", "keep the disk free, or set undo = no",
            arena_printf(
                &pl->arena,
                "previous values are kept for 'undo': at most about %lld MiB of disk for F&O's rows and as much "
                "for the rows that are written in Dataverse, for each run; nothing more is read",
                (long long)mib + 1));
}

static void limits_of_map(struct plan *pl, struct plan_map *pm)
{
    struct arena *a = &pl->arena;

    cost_of_undo(pl, pm);
    limits_of_rows(pl, pm);
    limits_of_packages(pl, pm);
    if (pm->companies > LIVE_COMPANIES)
        hit(pl, pm, "companies", "link fewer legal entities, or sync this map with dmfsync (handoff = builtin)",
            arena_printf(a, "%lld legal entities: dual-write's live sync takes 250", (long long)pm->companies));
    else if (pm->companies > INITIAL_SYNC_COMPANIES)
        hit(pl, pm, "companies", "load with dmfsync and start the map with 'skip initial sync'",
            arena_printf(a, "%lld legal entities: dual-write's initial sync takes 40", (long long)pm->companies));
    if (pm->m->b->n_lookups >= INITIAL_SYNC_LOOKUPS)
        hit(pl, pm, "lookups", "load F&O first and start the map with 'skip initial sync'; or map fewer lookups",
            arena_printf(a, "%zu lookups: dual-write's initial sync from Dataverse takes fewer than 10",
                         pm->m->b->n_lookups));
}

/* The recommended routes, by direction, volume and threads. */
static void advise(const struct plan *pl, struct plan_map *pm)
{
    enum map_dir dir = DIR_BOTH;

    if (pm->standard >= 0)
        dir = pl->std.maps[pm->standard].dir;
    for (size_t i = 0; i < pm->m->b->n && pm->standard < 0; i++) {
        if (!i)
            dir = 0;
        if (pm->m->b->fields[i].kind != BOUND_COMPANY)
            dir |= pm->m->b->fields[i].dir;
    }
    pm->direction = "fno first";
    if (dir == DIR_TO_FNO) {
        pm->direction = "dataverse first";
        pm->direction_why = "the map flows to F&O only";
    } else if (dir == DIR_TO_DV) {
        pm->direction_why = "the map flows to Dataverse only";
    } else if (rows_each(pm) > INITIAL_SYNC_ROWS) {
        pm->direction = "both sides apart";
        pm->direction_why =
            "more than 500,000 rows per legal entity: load F&O by packages, Dataverse in bulk, skip initial sync";
    } else if (single_threaded(pl, pm) && pm->rows > SINGLE_THREADED_ROWS) {
        pm->direction = "both sides apart";
        pm->direction_why =
            "one thread and more than 70,000 rows: load F&O by packages, Dataverse in bulk, skip initial sync";
    } else if (single_threaded(pl, pm)) {
        pm->direction_why = "F&O imports it with one thread: load F&O, then Dataverse from what F&O holds";
    } else if (pm->m->cfg->master_dataverse && !pm->m->cfg->source) {
        pm->direction = "dataverse first";
        pm->direction_why = "Dataverse is the master and there is no source file";
    } else {
        pm->direction_why = "F&O checks and defaults the rows; Dataverse is then written from what F&O holds";
    }
}

void plan_limits(struct plan *pl)
{
    struct arena *a = &pl->arena;

    for (size_t i = 0; i < pl->n; i++) {
        limits_of_map(pl, &pl->maps[i]);
        advise(pl, &pl->maps[i]);
    }
    if (pl->dv_rows > ENTITLEMENT_ROWS)
        hit(pl, NULL, "daily_entitlement",
            "spread the load over days, add request packs, or ask for the tenant's figure in the admin centre",
            arena_printf(
                a,
                "%lld rows written to Dataverse: each counts as a request of 24 hours; application users share "
                "500,000 per tenant and what licences add (40,000 for a licensed user)",
                (long long)pl->dv_rows));
    if (pl->total_s > RETENTION_S)
        hit(pl, NULL, "retention", "load in parts that end within six days, each to its verdict",
            arena_printf(a, "%lld days: Dataverse forgets changes and F&O its packages after 7",
                         (long long)(pl->total_s / 86400)));
}

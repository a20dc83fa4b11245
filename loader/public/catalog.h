/*
 * catalog.h -- the workspace's databases: which tables, and who writes them.
 * Layer: loader/public. work.db (CATALOG_SCHEMA): runs, per-map progress of a run, verdicts, gates. One state.db per map
 * (STATE_SCHEMA): packages, row exceptions, masks (written by loader/), snapshots, baseline, feeds, pending changes,
 * conflicts, delta (written by sync/). Each table has one writing module, named beside it in the .sql files.
 */
#ifndef LOADER_PUBLIC_CATALOG_H
#define LOADER_PUBLIC_CATALOG_H

#include "store/store.h"

extern const struct store_schema CATALOG_SCHEMA;
extern const struct store_schema STATE_SCHEMA;

/* ---- runs (run.c) ---- */
struct run {
    int64_t id;
    char kind[16]; /* "load", "migrate", "reconcile" */
    bool continued; /* an unfinished run was taken up again */
    char identity[65];
};
/*
 * Continues the unfinished run of this kind over the pair's selected maps, or begins one. Another identity
 * (pair_identity()) than the unfinished run's is EC_STATE with the
 * differing lines; --resume without an unfinished run is EC_STATE; --restart ends the old run as "discarded" first (what is
 * discarded is printed, and --execute is needed).
 */
struct app;
struct pair;
enum ec run_begin(struct pair *p, const char *kind, struct run *ret, struct err *reterr);
enum ec run_end(struct app *app, const struct run *r, const char *state,
                struct err *reterr); /* done | failed | stopped */
/* Per-map progress: phase is a word of the stage that writes it; counts is a JSON object text. */
enum ec run_map_set(struct app *app, const struct run *r, const char *alias, int wave, const char *state,
                    const char *phase, const char *counts_json, struct err *reterr);
enum ec run_map_get(struct app *app, const struct run *r, const char *alias, char ret_state[static 16],
                    char ret_phase[static 24], struct err *reterr); /* "" when there is none */

#endif

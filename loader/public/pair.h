/*
 * pair.h -- the maps of a workspace, opened: document, metadata, binding, state, order.
 * Layer: loader/public. Used by every command that works on maps. Errors: EC_CONFIG (a map that cannot be bound, an unserved
 * lookup), EC_STATE, and those of the clients. Threads: one.
 */
#ifndef LOADER_PUBLIC_PAIR_H
#define LOADER_PUBLIC_PAIR_H

#include "cli/command.h"
#include "map/deps.h"

struct pair;
struct map_ctx {
    struct pair *pair;
    const struct config_map *cfg;
    struct map *map;
    struct binding *b;
    int wave;
    bool second_pass;
    bool blanks_count; /* blank cells of the source are values to be written, not "no opinion": an undo */
    bool selected; /* named on the command line, or nothing was named */
    char *dir; /* .dmfsync/maps/ALIAS, absolute */
    struct snapshot_hold *hold; /* sync/: snapshots that are named together, or not at all; NULL = each by itself */
    struct store *state; /* state.db; NULL when PAIR_STATE was not asked, or read-only and there is none yet */
};
struct pair_company {
    struct cell code; /* lower case */
    struct cell name;
    struct cell dv_id, team_id; /* absent = not there */
};
struct pair {
    struct app *app;
    struct arena arena;
    struct schema schema;
    struct map_ctx *maps; /* in wave order */
    size_t n;
    struct deps deps;
    struct pair_company *companies; /* of F&O; filled by pair_companies() */
    size_t n_companies;
};
enum pair_flags {
    PAIR_LIVE = 1, /* read metadata from both services and save it to .dmfsync/metadata.json */
    PAIR_CACHED =
        2, /* use the saved metadata (EC_STATE when there is none); with PAIR_LIVE: live if the clients are open */
    PAIR_STATE = 4, /* open each map's state.db (created when the lock is held) */
    PAIR_CLOSURE = 8, /* selected maps and all their prerequisites; without it the selected ones only are marked */
    PAIR_GAPS_OK = 16 /* unserved lookups are left in deps.gaps instead of being EC_CONFIG listing all of them */
};
/* names: app->opt->args from first_arg on; none = all maps of the workspace. */
enum ec pair_open(struct app *app, unsigned flags, size_t first_arg, struct pair **ret, struct err *reterr);
/* For commands that write business data: with both sides' companies, and none of the maps running (EC_GUARD). */
enum ec pair_open_to_write(struct app *app, unsigned flags, struct pair **ret, struct err *reterr);
void pair_close(struct pair *p);
struct map_ctx *pair_map(struct pair *p, const char *name_or_alias); /* NULL = none */
struct map_ctx *pair_map_by_set(struct pair *p, struct cell set);
/* Reads F&O's legal entities and Dataverse's cdm_companies with their owning teams. */
enum ec pair_companies(struct pair *p, struct err *reterr);
const struct pair_company *pair_company(const struct pair *p, struct cell code);
const struct pair_company *pair_company_by_id(const struct pair *p, struct cell dv_id);
/* Legal entities of a map's scope: listed companies, else all that both sides have. Shared maps: one entry "". */
size_t map_companies(const struct map_ctx *m, struct cell *ret, size_t max);
/*
 * Exit 13 unless dual-write is known not to run these maps: DualWriteProjectConfigurations on F&O and runtime rows on
 * Dataverse. `--map-state stopped` overrides "unknown", never "running".
 */
enum ec pair_check_not_running(struct pair *p, struct err *reterr);
/* Identity of a run over these maps: config_identity plus each binding's hash, as lines and SHA-256. */
void pair_identity(const struct pair *p, struct strbuf *ret_lines, char ret[static 65]);

/* The saved version that the map's document came from, where it was pulled or imported; absent = not known. */
struct cell pair_map_version(const struct map_ctx *m, struct arena *a);

#endif

#include "loader/map_commands.h"

static const struct option_def IMPORT_OPTIONS[] = {
    { "--replace", NULL, "overwrite files of the workspace that say something else" },
    { "--add", NULL, "append the sections [map.ALIAS] to dmfsync.ini" },
    { 0 }
};
static const struct option_def PULL_OPTIONS[] = { { "--all", NULL, "every map that is saved in the environment" },
                                                  { "--replace", NULL,
                                                    "overwrite files of the workspace that say something else" },
                                                  { "--add", NULL, "append the sections [map.ALIAS] to dmfsync.ini" },
                                                  { 0 } };
static const struct option_def DIFF_OPTIONS[] = { { "--live", NULL, "compare with the version that runs" }, { 0 } };

const struct command MAP_COMMANDS[] = {
    { .name = "map import",
      .args = "FILE..",
      .summary = "dual-write maps out of any export into maps/, one normalised file each",
      .run = cmd_map_import,
      .needs = NEED_WORKSPACE | NEED_LOCK,
      .options = IMPORT_OPTIONS,
      .details = "FILE is a map document, an OData answer of msdyn_dualwriteentitymaps, a project of dual-write's "
                 "management service, or a solution zip; JSON in JSON strings is unwrapped. Of several versions the "
                 "newest one is taken, never a parked one (9.9.9.9). A file that says something else stays "
                 "(status 9, with the differences) unless --replace is given. Status 10 when some maps could not be "
                 "imported.",
      .min_args = 1,
      .max_args = -1 },
    { .name = "map pull",
      .args = "[MAP..]",
      .summary = "the live maps of the environment into maps/",
      .run = cmd_map_pull,
      .needs = NEED_WORKSPACE | NEED_LOCK | NEED_DV,
      .options = PULL_OPTIONS,
      .details =
          "Reads the table 'Dual Write entity map', of which every saved version is a row. Live is the version "
          "that the map's runtime row names, else the newest saved one that is not parked (9.9.9.9); the "
          "evidence is told. Files are written as by map import. Without MAP: the maps of the workspace.",
      .max_args = -1 },
    { .name = "map show",
      .args = "MAP",
      .summary = "what a map says: filters, field pairs, value maps, lookups, key",
      .run = cmd_map_show,
      .needs = NEED_WORKSPACE,
      .details = "MAP may be a file as well. Signs: '=' both ways, '>' to Dataverse, '<' to F&O; with a transform "
                 "'><', '>>', '<<'. The key needs both sides' metadata, as saved by an earlier command.",
      .min_args = 1,
      .max_args = 1 },
    { .name = "map diff",
      .args = "A [B]",
      .summary = "what two maps say differently, or a map and the one that runs",
      .run = cmd_map_diff,
      .needs = NEED_WORKSPACE | NEED_DV,
      .options = DIFF_OPTIONS,
      .details =
          "A and B are maps of the workspace or files. Silent about order, case of keys, blanks in filters and "
          "the spelling of directions. With --live A is compared with the version that runs; the evidence for "
          "that is told. Status 9 when there is a difference.",
      .min_args = 1,
      .max_args = 2 },
    { 0 }
};

#include "loader/loader_commands.h"

static const struct option_def PLAN_OPTIONS[] = {
    { "--offline", NULL, "use the metadata saved by an earlier command" }, { 0 }
};
static const struct option_def LINT_OPTIONS[] = { { "--offline", NULL,
                                                    "use the metadata saved by an earlier command" },
                                                  { "--samples", "N", "sample rows per rule (default 3)" },
                                                  { 0 } };
static const struct option_def MAP_LINT_OPTIONS[] = {
    { "--offline", NULL, "use the metadata saved by an earlier command" },
    { "--strict", NULL, "warnings fail, too" },
    { "--format", "text|csv", "how findings are printed (default text)" },
    { "--rows", NULL, "also read the sources and name fields that never vary" },
    { "--codes", NULL, "list every code with its severity, meaning and remedy" },
    { 0 }
};
static const struct option_def MAP_ENUMS_OPTIONS[] = {
    { "--offline", NULL, "use the metadata saved by an earlier command" },
    { "--write", NULL, "put the exact pairs into the map files; pairs that are there stay" },
    { "--accept-near", NULL, "with --write: the near pairs, too" },
    { 0 }
};
static const struct option_def LOAD_OPTIONS[] = {
    { "--map-state", "stopped",
      "the operator's word that dual-write does not run these maps, where that cannot be read" },
    { 0 }
};
static const struct option_def ERRORS_OPTIONS[] = {
    { "--format", "text|csv|jsonl", "one line per row (default text)" },
    { "--limit", "N", "rows printed as text (default 200; csv and jsonl print all)" },
    { "--run", "N", "of that run (default: the last one)" },
    { 0 }
};

static const struct option_def BUILD_OPTIONS[] = {
    { "--out", "DIR", "folder for the packages (default .dmfsync/packages/build)" },
    { "--format", "NAME", "data format, instead of data_format in [load]" },
    { "--together", NULL, "the entities of all maps in one package per company, sequenced by wave" },
    { 0 }
};
static const struct option_def SHOW_OPTIONS[] = {
    { "--fields", NULL, "also the field map of each entity" },
    { "--row", "N", "where data row N came from: source file, line, octet" },
    { "--entity", "LABEL", "the entity that --row counts in (default the first)" },
    { 0 }
};

const struct command LOADER_COMMANDS[] = {
    { .name = "plan",
      .args = "[MAP..]",
      .summary = "prerequisites, waves, lookups that no map serves",
      .run = cmd_plan,
      .needs = NEED_WORKSPACE | NEED_STORE | NEED_FNO | NEED_DV,
      .options = PLAN_OPTIONS,
      .details = "Shows the maps in the waves that their lookups demand, each with its key and the evidence for it, "
                 "its companies, "
                 "its source and what is done in a second pass. Refuses (status 3) when a mapped lookup has no map "
                 "that serves it.",
      .max_args = -1 },
    { .name = "lint",
      .args = "[MAP..]",
      .summary = "profile the source rows before anything is sent",
      .run = cmd_lint,
      .needs = NEED_WORKSPACE | NEED_FNO | NEED_DV,
      .options = LINT_OPTIONS,
      .details = "Reads every source file once and names each rule that rows break, with count, share and sample "
                 "rows. Nothing is "
                 "stored and nothing is sent. Status 10 when rows would be rejected.",
      .max_args = -1 },
    { .name = "package build",
      .args = "[MAP..]",
      .summary = "data packages from the source files, without a network",
      .run = cmd_package_build,
      .needs = NEED_WORKSPACE,
      .options = BUILD_OPTIONS,
      .details =
          "Checks every row and writes one package per company and slice, a second one where a map looks up itself, "
          "packages.json with the order in which to import them, and rejects.csv. Uses the metadata saved by an "
          "earlier command. Beside each package stands its lineage, for 'package show --row'. Duplicate keys are "
          "found by 'lint' and by each load. Status 10 when rows were rejected.",
      .max_args = -1 },
    { .name = "package show",
      .args = "FILE",
      .summary = "entities, sequencing, field maps and row counts of a package; where a row came from",
      .run = cmd_package_show,
      .needs = 0,
      .options = SHOW_OPTIONS,
      .details = "Reads any data package, those that F&O exports too.",
      .min_args = 1,
      .max_args = 1 },
    { .name = "map lint",
      .args = "[MAP|FILE..]",
      .summary = "everything wrong with the maps, before a row leaves",
      .run = cmd_map_lint,
      .needs = NEED_WORKSPACE | NEED_FNO | NEED_DV,
      .options = MAP_LINT_OPTIONS,
      .details =
          "Checks map documents against both sides' metadata: the service's own checks (codes DIPV...) and more. "
          "Each finding has a code, a severity, a place, a reason and a remedy. Files outside the workspace may be "
          "named; where a side lacks an entity or table, what the document shows is checked still. Findings that are "
          "known and accepted are silenced by lint_ignore in dmfsync.ini. Status 3 when there are errors, with "
          "--strict also for warnings.",
      .max_args = -1 },
    { .name = "map enums",
      .args = "[MAP|FILE..]",
      .summary = "propose value maps from enums and option sets",
      .run = cmd_map_enums,
      .needs = NEED_WORKSPACE | NEED_FNO | NEED_DV,
      .options = MAP_ENUMS_OPTIONS,
      .details =
          "Pairs the elements of each F&O enum with the options of its Dataverse column: by element name, then by "
          "label, then by likeness, which is marked for review. Shows what is left over on either side, and pairs of "
          "the present value map that names and labels speak against. Nothing is written without --write.",
      .max_args = -1 },
    { .name = "load",
      .args = "[MAP..]",
      .summary = "the bulk stage: source files into F&O by DMF packages",
      .run = cmd_load,
      .needs = NEED_WORKSPACE | NEED_STORE | NEED_LOCK | NEED_FNO | NEED_DV | NEED_CONSENT,
      .options = LOAD_OPTIONS,
      .details =
          "Lints the rows, builds packages per company, uploads and imports them, reads counters and row errors, and "
          "accounts for every row. An unfinished load is continued; nothing that may have arrived is sent twice.",
      .max_args = -1 },
    { .name = "errors",
      .args = "[MAP]",
      .summary = "each row that did not arrive, with file, line, field and reason",
      .run = cmd_errors,
      .needs = NEED_WORKSPACE | NEED_STORE,
      .options = ERRORS_OPTIONS,
      .max_args = 1 },
    { 0 }
};

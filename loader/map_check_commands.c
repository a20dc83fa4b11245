/* map_check_commands.c -- the commands that judge maps: their table rows. */
#include "loader/loader_commands.h"

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

const struct command MAP_CHECK_COMMANDS[] = {
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
    { 0 }
};

#include "loader/map_commands.h"

const struct command MAP_COMMANDS[] = {
    { .name = "map show",
      .args = "MAP",
      .summary = "what a map says: filters, field pairs, value maps, lookups, key",
      .run = cmd_map_show,
      .needs = NEED_WORKSPACE,
      .details = "MAP may be a file as well. Signs: '=' both ways, '>' to Dataverse, '<' to F&O; with a transform "
                 "'><', '>>', '<<'. The key needs both sides' metadata, as saved by an earlier command.",
      .min_args = 1,
      .max_args = 1 },
    { 0 }
};

/*
 * map_commands.h -- the command group `map`: its table, and what its commands share.
 * Layer: loader; main.c joins the table with the others.
 */
#ifndef LOADER_MAP_COMMANDS_H
#define LOADER_MAP_COMMANDS_H

#include "cli/command.h"
#include "map/map.h"

extern const struct command MAP_COMMANDS[];

enum ec cmd_map_import(struct app *app, struct err *reterr); /* cmd_map_import.c */
enum ec cmd_map_pull(struct app *app, struct err *reterr); /* cmd_map_pull.c */
enum ec cmd_map_diff(struct app *app, struct err *reterr); /* cmd_map_diff.c */
enum ec cmd_map_show(struct app *app, struct err *reterr); /* cmd_map.c */

/*
 * The map that an argument names: a file (as given, else from the workspace's folder), an alias, the full name,
 * "[label] - [set]", or a file's stem. *ret_cfg is its section, NULL when no section of the workspace uses the file.
 */
enum ec map_argument(struct app *app, const char *text, struct map **ret, const struct config_map **ret_cfg,
                     struct err *reterr);

#endif

/* loader_commands.h -- the bulk stage's command table. Layer: loader; main.c joins it with sync's. */
#ifndef LOADER_LOADER_COMMANDS_H
#define LOADER_LOADER_COMMANDS_H

#include "cli/command.h"

extern const struct command LOADER_COMMANDS[];
extern const struct command MAP_CHECK_COMMANDS[]; /* map_check_commands.c */

enum ec cmd_package_build(struct app *app, struct err *reterr); /* cmd_package.c */
enum ec cmd_package_show(struct app *app, struct err *reterr);
enum ec cmd_package_verify(struct app *app, struct err *reterr); /* cmd_package_verify.c */
enum ec cmd_plan(struct app *app, struct err *reterr); /* cmd_plan.c */
enum ec cmd_lint(struct app *app, struct err *reterr); /* cmd_lint.c */
enum ec cmd_map_lint(struct app *app, struct err *reterr); /* cmd_map_lint.c */
enum ec cmd_map_enums(struct app *app, struct err *reterr); /* cmd_map_enums.c */
enum ec cmd_errors(struct app *app, struct err *reterr); /* cmd_errors.c */
enum ec cmd_retry(struct app *app, struct err *reterr); /* cmd_retry.c */

#endif

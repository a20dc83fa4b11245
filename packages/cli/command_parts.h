/*
 * command_parts.h -- inside of the command layer: parsing the line, finding commands, help texts.
 * Layer: cli, private to command.c, options.c, help.c, cli_commands.c and the unit tests.
 */
#ifndef CLI_COMMAND_PARTS_H
#define CLI_COMMAND_PARTS_H

#include "cli/command.h"

extern const struct option_def GLOBAL_OPTIONS[]; /* ends with {0} */

struct command_line {
    struct arena arena;
    struct options opt;
    const struct command *command; /* NULL with help or version set, or when the line names none */
    bool help, version;
};
/*
 * Reads argv. Options stand anywhere, as --name=value or --name value; what follows "--" goes to opt.rest for
 * commands whose arguments have a "--", else to opt.args. EC_USAGE with the nearest name. opt.json is set as soon as
 * --json was seen, also on failure, so that the error can be told in the form asked for.
 */
enum ec command_line_parse(const struct command_env *env, int argc, char **argv, struct command_line *ret,
                           struct err *reterr);
/* The command with this name (one or two words in `words`); *ret_words = how many were its name. NULL = none. */
const struct command *command_find(const struct command_env *env, const char *const *words, size_t n,
                                   size_t *ret_words);
/* EC_USAGE about a name that is none, with the nearest one or the second words. */
enum ec command_unknown(const struct command_env *env, const char *const *words, size_t n, struct err *reterr);

void help_overview(const struct command_env *env, struct strbuf *out);
void help_command(const struct command *c, struct strbuf *out);
void help_markdown(const struct command_env *env, struct strbuf *out); /* the reference part of docs/commands.md */
void help_manual(const struct command_env *env, struct strbuf *out); /* dmfsync(1), troff */
void help_json(const struct command_env *env, struct output *o);

#endif

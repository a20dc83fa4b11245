/* The commands that need nothing but this layer. */
#include "cli/command_parts.h"

static enum ec cmd_init(struct app *app, struct err *reterr)
{
    const char *dir = app->opt->n_args ? app->opt->args[0] : app->opt->dir;
    enum ec rc = workspace_init(dir, reterr);

    if (rc)
        return rc;
    out_str(&app->out, NULL, "dir", dir);
    out_line(&app->out, "A workspace was made in '%s'. Next:", dir);
    out_line(&app->out, "  1. fill in dmfsync.ini: the two addresses, the application user, one [map.ALIAS] per map");
    out_line(&app->out, "  2. put the maps' JSON into maps/ (msdyn_mapping of the table 'Dual Write entity map')");
    out_line(&app->out, "  3. put the source files into sources/");
    out_line(&app->out, "  4. dmfsync doctor     checks all of it and says what to do");
    out_line(&app->out, "  5. dmfsync migrate    shows the plan; with --execute it does it");
    return EC_OK;
}

static enum ec cmd_help(struct app *app, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    size_t words = 0;
    const struct command *c = command_find(app->env, app->opt->args, app->opt->n_args, &words);
    enum ec rc = EC_OK;

    if (option_given(app, "--markdown"))
        help_markdown(app->env, &text);
    else if (option_given(app, "--manual"))
        help_manual(app->env, &text);
    else if (app->opt->n_args && !c) {
        size_t len = strlen(app->opt->args[0]);
        bool group = false;

        /* "help map" shows all commands whose first word is map */
        for (size_t t = 0; app->env->tables[t] && app->opt->n_args == 1; t++)
            for (const struct command *k = app->env->tables[t]; k->name; k++)
                if (!strncmp(k->name, app->opt->args[0], len) && k->name[len] == ' ') {
                    if (group)
                        strbuf_addc(&text, '\n');
                    help_command(k, &text);
                    group = true;
                }
        if (!group)
            rc = command_unknown(app->env, app->opt->args, app->opt->n_args, reterr);
    } else if (c) {
        help_command(c, &text);
    } else {
        help_overview(app->env, &text);
    }
    if (!rc && app->out.json)
        help_json(app->env, &app->out);
    else if (!rc)
        out_raw(&app->out, strbuf_str(&text), text.len);
    strbuf_release(&text);
    return rc;
}

static const struct option_def HELP_OPTIONS[] = {
    { "--markdown", NULL, "the reference part of docs/commands.md" },
    { "--manual", NULL, "the manual page dmfsync(1), in troff" },
    { NULL, NULL, NULL },
};

const struct command CLI_COMMANDS[] = {
    { "init", "[DIR]", "a commented workspace", cmd_init, 0, NULL,
      "Makes DIR (the current folder when not given) a workspace: dmfsync.ini with every setting explained, maps/, "
      "sources/, "
      "and .dmfsync/, which a .gitignore keeps out of version control. An existing dmfsync.ini is never touched.",
      0, 1 },
    { "help", "[COMMAND]", "this list, or one command in detail", cmd_help, 0, HELP_OPTIONS, NULL, 0, 2 },
    { 0 },
};

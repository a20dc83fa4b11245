/* Help texts, the manual page and the reference documentation: all from the tables. */
#include "cli/command_parts.h"

#include "cli/text_width.h"

#include <stdio.h>

enum { WIDTH = 100 };

/* `text` broken at blanks, each line after `indent` columns; the first continues at column `at`. */
static void wrap(struct strbuf *out, const char *text, size_t indent, size_t at)
{
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, " ");
        size_t w = text_width((struct cell){ p, n });

        if (at > indent && at + w + 1 > WIDTH) {
            strbuf_addf(out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            strbuf_addc(out, ' ');
            at++;
        }
        strbuf_add(out, p, n);
        at += w;
        p += n;
        while (*p == ' ')
            p++;
    }
    strbuf_addc(out, '\n');
}

static void entry(struct strbuf *out, const char *left, const char *text, size_t indent)
{
    size_t n;

    strbuf_addf(out, "  %s", left);
    n = 2 + strlen(left);
    if (n + 2 > indent) {
        strbuf_addf(out, "\n%*s", (int)indent, "");
    } else {
        strbuf_addf(out, "%*s", (int)(indent - n), "");
    }
    wrap(out, text, indent, indent);
}

static void option_entry(struct strbuf *out, const struct option_def *d)
{
    char left[100];

    snprintf(left, sizeof(left), "%s%s%s", d->name, d->value ? " " : "", d->value ? d->value : "");
    entry(out, left, d->help, 30);
}

static void statuses(struct strbuf *out)
{
    entry(out, "0", "done; where it applies, parity holds", 8);
    for (const struct exit_status *x = EXIT_STATUSES; x->meaning; x++) {
        char left[16];

        snprintf(left, sizeof(left), "%d", x->status);
        entry(out, left, x->meaning, 8);
    }
}

void help_overview(const struct command_env *env, struct strbuf *out)
{
    strbuf_addf(out,
                "dmfsync %s: brings Finance & Operations and Dataverse from files to proven, lasting agreement.\n\n"
                "usage: dmfsync COMMAND [ARGUMENT..] [OPTION..]\n\n",
                env->version);
    strbuf_adds(out, "Commands (help COMMAND tells more; * writes business data and needs --execute):\n");
    for (size_t t = 0; env->tables[t]; t++)
        for (const struct command *c = env->tables[t]; c->name; c++) {
            char left[120];

            snprintf(left, sizeof(left), "%s%s%s%s", c->name, c->args && c->args[0] ? " " : "",
                     c->args ? c->args : "", c->needs & NEED_CONSENT ? " *" : "");
            entry(out, left, c->summary, 34);
        }
    strbuf_adds(out, "\nOptions of every command:\n");
    for (const struct option_def *d = GLOBAL_OPTIONS; d->name; d++)
        option_entry(out, d);
    strbuf_adds(
        out,
        "\nMAP is a map's alias, full name, \"[F&O label] - [table set]\" or file name without .json. KEY is the\n"
        "key's parts, company first, joined by | (usmf|C-0042); a bar inside is written \\|.\n");
    strbuf_adds(out, "\nExit statuses; where several apply, the first of this list:\n");
    statuses(out);
}

void help_command(const struct command *c, struct strbuf *out)
{
    strbuf_addf(out, "dmfsync %s%s%s%s\n\n", c->name, c->args && c->args[0] ? " " : "", c->args ? c->args : "",
                c->options || c->needs ? " [OPTION..]" : "");
    wrap(out, c->summary, 2, 0);
    if (c->details) {
        strbuf_addc(out, '\n');
        wrap(out, c->details, 2, 0);
    }
    if (c->options && c->options->name) {
        strbuf_adds(out, "\nOptions:\n");
        for (const struct option_def *d = c->options; d->name; d++)
            option_entry(out, d);
    }
    strbuf_addc(out, '\n');
    if (c->needs & NEED_CONSENT)
        strbuf_adds(out, "Without --execute it shows what it would do and stops with NOT EXECUTED (exit 0).\n");
    if (c->needs & NEED_LOCK)
        strbuf_adds(out, "It takes the workspace's lock; a second writer waits --lock-wait or ends with 11.\n");
    else if (c->needs & NEED_WORKSPACE)
        strbuf_adds(out, "It only reads; it can run while another command works.\n");
    strbuf_adds(out, "The options of every command are listed by 'dmfsync help'.\n\nExit statuses:\n");
    statuses(out);
}

/* ---- docs/commands.md ---- */
static void md_escape(struct strbuf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '<')
            strbuf_addc(out, '\\');
        strbuf_addc(out, *text);
    }
}

static void md_options(struct strbuf *out, const struct option_def *d)
{
    strbuf_adds(out, "| option | meaning |\n|---|---|\n");
    for (; d->name; d++) {
        strbuf_addf(out, "| `%s%s", d->name, d->value ? " " : "");
        md_escape(out, d->value ? d->value : "");
        strbuf_adds(out, "` | ");
        md_escape(out, d->help);
        strbuf_adds(out, " |\n");
    }
    strbuf_addc(out, '\n');
}

void help_markdown(const struct command_env *env, struct strbuf *out)
{
    strbuf_adds(out, "## Options of every command\n\n");
    md_options(out, GLOBAL_OPTIONS);
    strbuf_adds(
        out, "## Exit statuses\n\nWhere several apply, the first of this list is the process's; `--json` has all of "
             "them in `data.statuses`.\n\n| status | meaning |\n|---|---|\n");
    for (const struct exit_status *x = EXIT_STATUSES; x->meaning; x++) {
        strbuf_addf(out, "| %d | ", x->status);
        md_escape(out, x->meaning);
        strbuf_adds(out, " |\n");
    }
    strbuf_adds(out, "| 0 | done; where it applies, parity holds |\n\n## Commands\n");
    for (size_t t = 0; env->tables[t]; t++)
        for (const struct command *c = env->tables[t]; c->name; c++) {
            strbuf_addf(out, "\n### `%s%s%s`\n\n%s.", c->name, c->args && c->args[0] ? " " : "",
                        c->args ? c->args : "", c->summary);
            if (c->needs & NEED_CONSENT)
                strbuf_adds(out, " Needs `--execute` to write.");
            strbuf_adds(out, "\n\n");
            if (c->details)
                strbuf_addf(out, "%s\n\n", c->details);
            if (c->options && c->options->name)
                md_options(out, c->options);
        }
}

/* ---- dmfsync(1) ---- */
static void roff(struct strbuf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (*p == '\\')
            strbuf_adds(out, "\\e");
        else if (*p == '-')
            strbuf_adds(out, "\\-");
        else if ((*p == '.' || *p == '\'') && p == text)
            strbuf_addf(out, "\\&%c", *p);
        else
            strbuf_addc(out, *p);
    }
}

static void roff_entry(struct strbuf *out, const char *bold, const char *rest, const char *text)
{
    strbuf_adds(out, ".TP\n\\fB");
    roff(out, bold);
    strbuf_adds(out, "\\fR");
    if (rest && *rest) {
        strbuf_addc(out, ' ');
        roff(out, rest);
    }
    strbuf_addc(out, '\n');
    roff(out, text);
    strbuf_addc(out, '\n');
}

void help_manual(const struct command_env *env, struct strbuf *out)
{
    strbuf_addf(out, ".TH DMFSYNC 1 \"\" \"dmfsync %s\" \"User Commands\"\n", env->version);
    strbuf_adds(out, ".SH NAME\ndmfsync \\- bring Finance & Operations and Dataverse into proven, lasting agreement\n"
                     ".SH SYNOPSIS\n\\fBdmfsync\\fR COMMAND [ARGUMENT..] [OPTION..]\n.SH COMMANDS\n");
    for (size_t t = 0; env->tables[t]; t++)
        for (const struct command *c = env->tables[t]; c->name; c++) {
            roff_entry(out, c->name, c->args, c->summary);
            if (c->details) {
                strbuf_adds(out, ".IP\n");
                roff(out, c->details);
                strbuf_addc(out, '\n');
            }
            for (const struct option_def *d = c->options; d && d->name; d++) {
                strbuf_adds(out, ".RS\n");
                roff_entry(out, d->name, d->value, d->help);
                strbuf_adds(out, ".RE\n");
            }
        }
    strbuf_adds(out, ".SH OPTIONS\n");
    for (const struct option_def *d = GLOBAL_OPTIONS; d->name; d++)
        roff_entry(out, d->name, d->value, d->help);
    strbuf_adds(out, ".SH EXIT STATUS\nWhere several apply, the first of this list:\n");
    for (const struct exit_status *x = EXIT_STATUSES; x->meaning; x++) {
        char number[16];

        snprintf(number, sizeof(number), "%d", x->status);
        roff_entry(out, number, NULL, x->meaning);
    }
    roff_entry(out, "0", NULL, "done; where it applies, parity holds");
    strbuf_adds(out,
                ".SH ENVIRONMENT\nEvery setting of dmfsync.ini can be given as DMFSYNC_<SECTION>_<KEY>, a map's as\n"
                "DMFSYNC_MAP_<ALIAS>_<KEY>; flags win over the environment, the environment over the file.\n"
                ".SH FILES\n.TP\ndmfsync.ini\nthe workspace's settings\n.TP\n.dmfsync/\nits databases, packages and "
                "snapshots\n");
}

void help_json(const struct command_env *env, struct output *o)
{
    struct json *list = out_array(o, NULL, "commands"), *all;

    for (size_t t = 0; env->tables[t]; t++)
        for (const struct command *c = env->tables[t]; c->name; c++) {
            struct json *x = out_object(o, list, ""), *options;

            out_str(o, x, "name", c->name);
            out_str(o, x, "args", c->args ? c->args : "");
            out_str(o, x, "summary", c->summary);
            out_bool(o, x, "needs_execute", c->needs & NEED_CONSENT);
            options = out_array(o, x, "options");
            for (const struct option_def *d = c->options; d && d->name; d++) {
                struct json *y = out_object(o, options, "");

                out_str(o, y, "name", d->name);
                out_str(o, y, "value", d->value);
                out_str(o, y, "help", d->help);
            }
        }
    all = out_array(o, NULL, "exit_statuses");
    for (const struct exit_status *x = EXIT_STATUSES; x->meaning; x++) {
        struct json *y = out_object(o, all, "");

        out_int(o, y, "status", x->status);
        out_str(o, y, "meaning", x->meaning);
    }
}

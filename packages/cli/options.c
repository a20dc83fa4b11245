#include "cli/command_parts.h"
#include "cli/config_parts.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const struct option_def GLOBAL_OPTIONS[] = {
    { "--dir", "DIR", "the workspace; the current folder when not given" },
    { "--json", NULL, "one JSON object on standard output instead of text" },
    { "--quiet", NULL, "no text beyond warnings and errors" },
    { "--verbose", NULL, "log what happens in detail" },
    { "--log-format", "text|json", "form of the log lines" },
    { "--log-file", "FILE", "append the log to FILE instead of standard error" },
    { "--no-progress", NULL, "no progress lines on the terminal" },
    { "--jobs", "N", "worker threads; the number of processors when not given" },
    { "--resume", NULL, "continue the unfinished run, and fail when there is none" },
    { "--restart", NULL, "discard the unfinished run and begin anew; needs --execute" },
    { "--execute", NULL, "really write; without it the command shows what it would do and stops" },
    { "--max-duration", "TIME", "stop cleanly after this time (90s, 45m, 6h); exit status 12" },
    { "--tpslimit", "N|@FILE",
      "at most N requests per second to each service; FILE holds the number and may change meanwhile" },
    { "--pause-file", "FILE", "start no request while FILE exists; it may come and go meanwhile" },
    { "--lock-wait", "TIME", "wait that long for another run to end" },
    { "--help", NULL, "this text, or that of the command" },
    { "--version", NULL, "the version" },
    { NULL, NULL, NULL },
};

const struct command *command_find(const struct command_env *env, const char *const *words, size_t n,
                                   size_t *ret_words)
{
    char two[80] = "";
    const struct command *one = NULL;

    if (n == 0)
        return NULL;
    if (n > 1 && snprintf(two, sizeof(two), "%s %s", words[0], words[1]) >= (int)sizeof(two))
        two[0] = 0;
    for (size_t t = 0; env->tables[t]; t++)
        for (const struct command *c = env->tables[t]; c->name; c++) {
            if (two[0] && !strcmp(c->name, two)) {
                *ret_words = 2;
                return c;
            }
            if (!strcmp(c->name, words[0]))
                one = c;
        }
    if (one)
        *ret_words = 1;
    return one;
}

enum ec command_unknown(const struct command_env *env, const char *const *words, size_t n, struct err *reterr)
{
    const char *names[200], *best;
    char seconds[300] = "", two[80] = "";
    size_t count = 0, at = 0, len = strlen(words[0]);

    if (n > 1 && snprintf(two, sizeof(two), "%s %s", words[0], words[1]) >= (int)sizeof(two))
        two[0] = 0;
    for (size_t t = 0; env->tables[t]; t++)
        for (const struct command *c = env->tables[t]; c->name; c++) {
            if (count < COUNT(names))
                names[count++] = c->name;
            if (!strncmp(c->name, words[0], len) && c->name[len] == ' ' && at < sizeof(seconds) - 40)
                at += (size_t)snprintf(seconds + at, sizeof(seconds) - at, "%s%s", at ? ", " : "", c->name + len + 1);
        }
    if (seconds[0] && n < 2) {
        err_set(reterr, EC_USAGE, "'%s' needs a second word: %s", words[0], seconds);
        return err_hint(reterr, "dmfsync help lists all commands");
    }
    if (seconds[0])
        err_set(reterr, EC_USAGE, "there is no command '%.60s %.60s'; '%s' is followed by: %s", words[0], words[1],
                words[0], seconds);
    else
        err_set(reterr, EC_USAGE, "there is no command '%.60s'", words[0]);
    best = two[0] ? nearest_word(two, names, count) : NULL;
    if (!best)
        best = nearest_word(words[0], names, count);
    if (best)
        return err_hint(reterr, "did you mean 'dmfsync %s'? dmfsync help lists all commands", best);
    return err_hint(reterr, "dmfsync help lists all commands");
}

static const struct option_def *find_in(const struct option_def *list, const char *name, size_t n)
{
    for (; list && list->name; list++)
        if (strlen(list->name) == n && !strncmp(list->name, name, n))
            return list;
    return NULL;
}

/* Before the command is known: does any command's option of this name take a value? */
static const struct option_def *find_anywhere(const struct command_env *env, const char *name, size_t n)
{
    const struct option_def *d = find_in(GLOBAL_OPTIONS, name, n);

    for (size_t t = 0; !d && env->tables[t]; t++)
        for (const struct command *c = env->tables[t]; c->name && !d; c++)
            d = find_in(c->options, name, n);
    return d;
}

static enum ec unknown_option(const struct command *c, const char *name, size_t n, struct err *reterr)
{
    const char *names[120], *best;
    char shown[64];
    size_t count = 0;

    snprintf(shown, sizeof(shown), "%.*s", (int)n, name);
    for (const struct option_def *d = GLOBAL_OPTIONS; d->name && count < COUNT(names); d++)
        names[count++] = d->name;
    for (const struct option_def *d = c ? c->options : NULL; d && d->name && count < COUNT(names); d++)
        names[count++] = d->name;
    best = nearest_word(shown, names, count);
    if (c)
        err_set(reterr, EC_USAGE, "'%s' has no option %s", c->name, shown);
    else
        err_set(reterr, EC_USAGE, "there is no option %s", shown);
    if (best)
        return err_hint(reterr, "did you mean %s?", best);
    if (c)
        return err_hint(reterr, "dmfsync help %s lists its options", c->name);
    return err_hint(reterr, "dmfsync help lists the options");
}

static enum ec take_duration(const char *name, const char *value, int64_t *to, struct err *reterr)
{
    int64_t seconds;

    if (value_count(value, &seconds) && seconds < INT64_C(100000000)) {
        *to = seconds * 1000; /* a plain number counts seconds */
        return EC_OK;
    }
    if (config_duration(value, to) && *to < INT64_C(100000000000))
        return EC_OK;
    return err_set(reterr, EC_USAGE, "%s %.40s: not a time; write 90s, 45m or 6h", name, value);
}

static enum ec take_global(struct command_line *l, const struct option_def *d, const char *value, struct err *reterr)
{
    struct options *o = &l->opt;
    const char *n = d->name + 2;
    char *end;
    int64_t v;

    if (!strcmp(n, "dir")) {
        o->dir = value;
    } else if (!strcmp(n, "json")) {
        o->json = true;
    } else if (!strcmp(n, "quiet")) {
        o->quiet = true;
    } else if (!strcmp(n, "verbose")) {
        o->verbose = true;
    } else if (!strcmp(n, "no-progress")) {
        o->no_progress = true;
    } else if (!strcmp(n, "resume")) {
        o->resume = true;
    } else if (!strcmp(n, "restart")) {
        o->restart = true;
    } else if (!strcmp(n, "execute")) {
        o->execute = true;
    } else if (!strcmp(n, "log-file")) {
        o->log_file = value;
    } else if (!strcmp(n, "pause-file")) {
        o->pause_file = value;
    } else if (!strcmp(n, "help")) {
        l->help = true;
    } else if (!strcmp(n, "version")) {
        l->version = true;
    } else if (!strcmp(n, "log-format")) {
        int at = value_choice("text|json", value);

        if (at < 0)
            return err_set(reterr, EC_USAGE, "--log-format %.40s: it is text or json", value);
        o->log_json = at == 1;
    } else if (!strcmp(n, "jobs")) {
        if (!value_count(value, &v) || v < 1 || v > 256)
            return err_set(reterr, EC_USAGE, "--jobs %.40s: it is a number from 1 to 256", value);
        o->jobs = (int)v;
    } else if (!strcmp(n, "tpslimit") && value[0] == '@') {
        if (!value[1])
            return err_set(reterr, EC_USAGE, "--tpslimit @: the name of the file that holds the number is missing");
        o->tps_file = value + 1;
        o->tps_limit = 0;
    } else if (!strcmp(n, "tpslimit")) {
        o->tps_file = NULL;
        errno = 0;
        o->tps_limit = strtod(value, &end);
        if (errno || end == value || *end || !isfinite(o->tps_limit) || o->tps_limit <= 0 || o->tps_limit > 100000)
            return err_set(reterr, EC_USAGE, "--tpslimit %.40s: it is a number above 0, such as 20 or 0.5, or @FILE",
                           value);
    } else if (!strcmp(n, "max-duration")) {
        enum ec rc = take_duration(d->name, value, &o->max_duration_ms, reterr);

        if (!rc && o->max_duration_ms == 0)
            return err_set(reterr, EC_USAGE, "--max-duration 0 leaves no time to do anything");
        return rc;
    } else if (!strcmp(n, "lock-wait")) {
        return take_duration(d->name, value, &o->lock_wait_ms, reterr);
    } else {
        return err_set(reterr, EC_BUG, "option %s is in the table but not read", d->name);
    }
    return EC_OK;
}

/*
 * The option at argv[*i] and its value. With `probe` nothing is taken and nothing complained about: it only moves *i
 * over the value, so that the words of the command can be found among options of any kind.
 */
static enum ec one_option(const struct command_env *env, struct command_line *l, int argc, char **argv, int *i,
                          bool probe, struct err *reterr)
{
    const char *text = !strcmp(argv[*i], "-h") ? "--help" : argv[*i], *value = NULL;
    size_t n = strcspn(text, "=");
    const struct option_def *d = find_in(GLOBAL_OPTIONS, text, n), *global = d;

    if (!d)
        d = probe ? find_anywhere(env, text, n) : find_in(l->command ? l->command->options : NULL, text, n);
    if (!d)
        return probe ? EC_OK : unknown_option(l->command, text, n, reterr);
    if (d->value && text[n] == '=')
        value = text + n + 1;
    else if (d->value && *i + 1 < argc && strcmp(argv[*i + 1], "--"))
        value = argv[++*i];
    if (probe)
        return EC_OK;
    if (!d->value && text[n] == '=')
        return err_set(reterr, EC_USAGE, "%s takes no value", d->name);
    if (d->value && (!value || !*value)) {
        err_set(reterr, EC_USAGE, "%s needs a value: %s %s", d->name, d->name, d->value);
        return EC_USAGE;
    }
    if (global)
        return take_global(l, d, value, reterr);
    l->opt.own[l->opt.n_own++] = (struct config_pair){ d->name, value ? value : "" };
    return EC_OK;
}

static bool is_option(const char *text)
{
    return text[0] == '-' && text[1];
}

static enum ec check_arguments(struct command_line *l, struct err *reterr)
{
    const struct command *c = l->command;
    long n = (long)l->opt.n_args;

    if (n < c->min_args)
        err_set(reterr, EC_USAGE, "'%s' needs %s", c->name, c->args && c->args[0] ? c->args : "more arguments");
    else if (c->max_args >= 0 && n > c->max_args)
        err_set(reterr, EC_USAGE, "'%s' has one argument too many: '%.80s'", c->name,
                l->opt.args[c->max_args < n ? c->max_args : n - 1]);
    else if (l->opt.resume && l->opt.restart)
        return err_set(reterr, EC_USAGE, "--resume continues a run and --restart discards it: give one of them");
    else if (l->opt.quiet && l->opt.verbose)
        return err_set(reterr, EC_USAGE, "--quiet and --verbose contradict each other");
    else
        return EC_OK;
    return err_hint(reterr, "usage: dmfsync %s%s%s", c->name, c->args && c->args[0] ? " " : "",
                    c->args ? c->args : "");
}

enum ec command_line_parse(const struct command_env *env, int argc, char **argv, struct command_line *ret,
                           struct err *reterr)
{
    struct command_line *l = ret;
    const char **words, *kept[2];
    size_t n = 0, name_words = 0;
    bool takes_rest;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    enum ec rc;

    *l = (struct command_line){ .opt = { .dir = "." } };
    l->opt.jobs = cpus < 1 ? 1 : cpus > 256 ? 256 : (int)cpus;
    words = arena_zalloc(&l->arena, ((size_t)argc + 2) * sizeof(*words));
    l->opt.rest = arena_zalloc(&l->arena, ((size_t)argc + 2) * sizeof(*words));
    l->opt.own = arena_zalloc(&l->arena, ((size_t)argc + 2) * sizeof(*l->opt.own));
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
        if (!strcmp(argv[i], "--json"))
            l->opt.json = true;
    /* First the words, for the command's name says which options there are. */
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
        if (is_option(argv[i]))
            (void)one_option(env, l, argc, argv, &i, true, NULL);
        else
            words[n++] = argv[i];
    }
    l->command = command_find(env, words, n, &name_words);
    kept[0] = words[0];
    kept[1] = words[1];
    takes_rest = l->command && l->command->args && strstr(l->command->args, "--");
    l->opt.args = words;
    l->opt.n_args = 0;
    for (int i = 1, word = 0; i < argc; i++) {
        if (!strcmp(argv[i], "--")) {
            for (i++; i < argc; i++) {
                if (takes_rest)
                    l->opt.rest[l->opt.n_rest++] = argv[i];
                else
                    words[l->opt.n_args++] = argv[i];
            }
        } else if (is_option(argv[i])) {
            rc = one_option(env, l, argc, argv, &i, false, reterr);
            if (rc)
                return rc;
        } else if ((size_t)word++ >= name_words) {
            words[l->opt.n_args++] = argv[i];
        }
    }
    if (l->help || l->version)
        return EC_OK;
    if (!l->command && n)
        return command_unknown(env, kept, n, reterr);
    return l->command ? check_arguments(l, reterr) : EC_OK;
}

const char *option_value(const struct app *app, const char *name)
{
    for (size_t i = app->opt->n_own; i-- > 0;)
        if (!strcmp(app->opt->own[i].name, name))
            return app->opt->own[i].value;
    return NULL;
}

bool option_given(const struct app *app, const char *name)
{
    return option_value(app, name) != NULL;
}

enum ec option_int(const struct app *app, const char *name, int64_t otherwise, int64_t min, int64_t max, int64_t *ret,
                   struct err *reterr)
{
    const char *text = option_value(app, name);
    int64_t v = otherwise;

    if (text && (!cell_to_i64(cell_of(text), &v) || v < min || v > max))
        return err_set(reterr, EC_USAGE, "%s %.40s: it is a number from %lld to %lld", name, text, (long long)min,
                       (long long)max);
    *ret = v;
    return EC_OK;
}

#include "cli/command_parts.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

/* ---- --max-duration: a timer that asks for a stop, as the user's Ctrl-C does ---- */
static void on_deadline(int signo)
{
    if (!stop_requested())
        stop_request(signo); /* SIGALRM tells this stop from the user's */
}

static void deadline_begin(int64_t ms)
{
    struct sigaction sa = { .sa_handler = on_deadline };
    struct itimerval t = { .it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 } };

    if (ms <= 0)
        return;
    sigemptyset(&sa.sa_mask);
    sigaction(SIGALRM, &sa, NULL);
    setitimer(ITIMER_REAL, &t, NULL);
}

static void deadline_end(void)
{
    struct itimerval none = { 0 };

    setitimer(ITIMER_REAL, &none, NULL);
}

/* ---- the process ---- */
static void process_rules(void)
{
    struct rlimit none = { 0, 0 };

    /* A closed standard descriptor would be given to the next file opened, and messages would land in a database. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd ? O_WRONLY : O_RDONLY);
    /* Secrets are in memory: no core file, no reading by other processes of the same user. */
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    stop_install();
}

static enum ec open_log(const struct options *o, bool progress, int *ret_fd, struct err *reterr)
{
    struct log_config cfg = { .json = o->log_json, .fd = 2, .progress_line = progress };
    int fd;

    cfg.level = o->verbose ? LOG_DEBUG : o->quiet ? LOG_WARN : LOG_INFO;
    if (progress && !o->verbose && !o->log_file)
        cfg.level = LOG_WARN; /* on a terminal the progress lines say the same more calmly */
    if (o->log_file) {
        fd = open(o->log_file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) {
            err_errno(reterr, EC_USAGE, errno, "open the log file '%s'", o->log_file);
            return err_hint(reterr, "choose a file in a folder that exists and is writable");
        }
        cfg.fd = *ret_fd = fd;
        cfg.progress_line = false;
        cfg.level = o->verbose ? LOG_DEBUG : LOG_INFO;
    }
    log_configure(&cfg);
    return EC_OK;
}

static void close_log(int *fd)
{
    struct log_config back = { .level = LOG_WARN, .fd = 2 };

    log_configure(&back);
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* ---- opening what a command needs, and closing it ---- */
static enum ec open_store(struct app *app, struct err *reterr)
{
    struct arena a = { 0 };
    const char *path = workspace_path(&app->ws, &a, ".dmfsync/work.db");
    bool write = app->command->needs & NEED_LOCK;
    enum ec rc = EC_OK;

    /*
     * A reading command never creates or migrates the catalog of a run; only where there is none yet it makes the
     * empty one, so that `status` in a new workspace says "nothing ran yet" and not "no such file".
     */
    if (!write && file_size(path) <= 0) {
        rc = workspace_folders(&app->ws, reterr);
        if (!rc)
            rc = store_open(path, STORE_WRITE, app->env->work_schema, &app->work, reterr);
        store_close(app->work);
        app->work = NULL;
    }
    if (!rc)
        rc = store_open(path, write ? STORE_WRITE : STORE_READ, app->env->work_schema, &app->work, reterr);
    arena_release(&a);
    return rc;
}

/*
 * A command that offers --offline works from what is in the workspace, and one that offers --live asks the services only
 * then: no sign-in, and no settings for one needed.
 */
static bool stays_offline(const struct app *app)
{
    for (const struct option_def *d = app->command->options; d && d->name; d++)
        if (!strcmp(d->name, "--live"))
            return !option_given(app, "--live");
    if (option_given(app, "--fno-from") && option_given(app, "--dataverse-from"))
        return true; /* both sides come from files */
    if (option_value(app, "--from") && !strcmp(app->command->name, "snapshot") &&
        !strcmp(option_value(app, "--from"), "csv"))
        return true;
    return option_given(app, "--offline");
}

static enum ec open_needs(struct app *app, struct err *reterr)
{
    unsigned needs = app->command->needs;
    struct arena a = { 0 };
    enum ec rc;

    if (stays_offline(app) ||
        option_given(app, "--standard")) /* plan --standard: a list that is part of the program */
        needs &= ~(unsigned)(NEED_FNO | NEED_DV);
    if (!(needs & (NEED_WORKSPACE | NEED_STORE | NEED_LOCK | NEED_FNO | NEED_DV)))
        return EC_OK;
    umask(077); /* what is written in or beside .dmfsync is business data */
    rc = workspace_open(app->opt->dir, &app->ws, reterr);
    if (!rc)
        rc = config_read(workspace_path(&app->ws, &a, "dmfsync.ini"), environ, &app->cfg, reterr);
    if (!rc)
        rc = config_check_online(&app->cfg, needs & NEED_FNO, needs & NEED_DV, reterr);
    if (!rc && (needs & NEED_LOCK))
        rc = workspace_lock(&app->ws, app->command->name, app->opt->lock_wait_ms, reterr);
    if (!rc && (needs & NEED_LOCK))
        progress_keep(&app->out, workspace_path(&app->ws, &a, ".dmfsync/progress.json"));
    if (!rc && (needs & NEED_STORE))
        rc = open_store(app, reterr);
    if (!rc && (needs & (NEED_FNO | NEED_DV)))
        rc = app->env->open_clients(app, reterr);
    arena_release(&a);
    return rc;
}

static void close_needs(struct app *app)
{
    if (app->env->close_clients)
        app->env->close_clients(app);
    progress_keep(&app->out, NULL);
    store_close(app->work);
    app->work = NULL;
    config_release(&app->cfg);
    workspace_close(&app->ws);
}

static enum ec run(struct app *app, struct err *reterr)
{
    bool consent = app->command->needs & NEED_CONSENT;
    enum ec rc;

    if (app->opt->restart && consent && !app->opt->execute) {
        err_set(reterr, EC_USAGE, "--restart discards a run and needs --execute beside it");
        return err_hint(reterr, "'dmfsync status' shows the run that would be discarded");
    }
    deadline_begin(app->opt->max_duration_ms);
    rc = open_needs(app, reterr);
    if (!rc && stop_requested())
        rc = err_set(reterr, EC_STOPPED, "stopped before anything was done");
    if (!rc) {
        log_debug("run", "%s begins, version %s", app->command->name, app->env->version);
        rc = app->command->run(app, reterr);
    }
    deadline_end();
    if (rc == EC_STOPPED && stop_signal() == SIGALRM) {
        rc = err_ctx(reterr, EC_LIMIT, "the time given by --max-duration is over");
        err_hint(reterr, "nothing is lost: the same command continues where it stopped");
    } else if (rc == EC_STOPPED) {
        err_hint(reterr, "nothing is lost: the same command continues where it stopped");
    }
    if (consent && !rc) {
        out_bool(&app->out, NULL, "executed", app->opt->execute);
        if (!app->opt->execute) {
            app->out.statuses = 0; /* nothing was done, so nothing failed */
            out_line(&app->out, "NOT EXECUTED: this is what would be done; add --execute to do it");
        }
    } else if (consent) {
        out_bool(&app->out, NULL, "executed", app->opt->execute);
    }
    return rc;
}

static enum ec print_help(struct app *app, const struct command_line *l)
{
    struct strbuf text = STRBUF(0);

    if (l->version) {
        out_str(&app->out, NULL, "version", app->env->version);
        out_line(&app->out, "dmfsync %s", app->env->version);
    } else {
        if (l->command)
            help_command(l->command, &text);
        else
            help_overview(app->env, &text);
        if (app->out.json)
            help_json(app->env, &app->out);
        else
            out_raw(&app->out, strbuf_str(&text), text.len);
    }
    strbuf_release(&text);
    return EC_OK;
}

int command_main(const struct command_env *env, int argc, char **argv)
{
    struct err e = { 0 }, late = { 0 };
    struct command_line l = { 0 };
    struct app app = { .env = env, .ws = { .lock = { -1 } } };
    const char *name = "dmfsync";
    int log_fd = -1, status, signo;
    enum ec rc;

    process_rules();
    rc = command_line_parse(env, argc, argv, &l, &e);
    app.opt = &l.opt;
    app.command = l.command;
    if (l.command)
        name = l.command->name;
    output_init(&app.out, l.opt.json, l.opt.quiet, l.opt.no_progress);
    if (!rc)
        rc = open_log(&l.opt, app.out.progress, &log_fd, &e);
    if (rc) {
        ;
    } else if (l.help || l.version) {
        rc = print_help(&app, &l);
    } else if (!l.command) {
        rc = err_set(&e, EC_USAGE, "no command was given");
        err_hint(&e, "dmfsync help lists the commands");
    } else {
        rc = run(&app, &e);
    }
    if (rc) {
        out_status(&app.out, rc);
        if (log_fd >= 0)
            log_error("run", "%s: %s", name, e.msg);
    }
    signo = stop_signal() == SIGALRM ? 0 : stop_signal();
    status = status_of(app.out.statuses, signo);
    close_needs(&app); /* before the end is printed: who reads it finds the workspace unlocked */
    if (!output_finish(&app.out, name, rc, &e, signo, &late) && !status) {
        fprintf(stderr, "dmfsync: %s\n", late.msg);
        status = ec_exit_status(late.code);
    }
    close_log(&log_fd);
    output_release(&app.out);
    arena_release(&l.arena);
    return status;
}

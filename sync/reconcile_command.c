/*
 * reconcile_command.c -- COMMAND of a reconcile: begun once, its output in a file of its own, its end known even when we are gone.
 *
 * A supervisor (our process forked, with nothing of ours left open) makes the mark .dmfsync/command.began and starts COMMAND
 * in a session of its own; when COMMAND has ended it writes the exit status to command.ended and goes. So a mark that is
 * missing means that COMMAND never began, and an end that is missing means that it still runs, or that the machine went
 * down. Only async-signal-safe calls between fork and exec: our process has threads.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/step.h"
#include "sync/reconcile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_MS = 100, TICK_MS = 1000 };

extern char **environ;

struct marks {
    struct arena a;
    char *began, *ended, *ended_part, *log;
};

static void marks_of(struct reconcile *r, struct marks *k)
{
    const struct workspace *ws = &r->app->ws;

    memset(k, 0, sizeof(*k));
    k->began = workspace_path(ws, &k->a, ".dmfsync/command.began");
    k->ended = workspace_path(ws, &k->a, ".dmfsync/command.ended");
    k->ended_part = workspace_path(ws, &k->a, ".dmfsync/command.ended.part");
    k->log = workspace_path(ws, &k->a, ".dmfsync/reports/command-%lld.log", (long long)r->run.id);
}

void command_forget(struct reconcile *r)
{
    struct marks k;

    marks_of(r, &k);
    (void)unlink(k.began);
    (void)unlink(k.ended);
    arena_release(&k.a);
}

/* "RUN PID STARTED": the number of the run, the supervisor and its start in clock ticks, so that a number used again is told. */
static bool read_mark(const char *path, int64_t *ret_run, long *ret_pid, unsigned long long *ret_start)
{
    struct strbuf s = STRBUF(200);
    long long run = 0;
    bool ok =
        !file_read(path, 200, &s, NULL) && sscanf(strbuf_str(&s), "%lld %ld %llu", &run, ret_pid, ret_start) >= 2;

    *ret_run = run;
    strbuf_release(&s);
    return ok;
}

/* Field 22 of /proc/PID/stat; 0 = there is no such process. */
static unsigned long long start_of(long pid)
{
    char path[60];
    struct strbuf s = STRBUF(4096);
    unsigned long long v = 0;
    const char *p;

    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    {
        FILE *f = fopen(path, "re");
        char buf[2048];
        size_t n = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;

        if (f)
            fclose(f);
        strbuf_add(&s, buf, n);
    }
    p = s.len ? strrchr(s.buf, ')') : NULL;
    for (int field = 2; p && field < 22; field++)
        p = strchr(p + 1, ' ');
    if (p)
        v = strtoull(p + 1, NULL, 10);
    strbuf_release(&s);
    return v;
}

enum rec_command command_look(struct reconcile *r, int *ret_status)
{
    struct marks k;
    unsigned long long start = 0;
    long pid = 0, status = 0;
    int64_t run = 0;
    enum rec_command c = COMMAND_NOT_RUN;

    marks_of(r, &k);
    *ret_status = 0;
    if (read_mark(k.began, &run, &pid, &start) && run == r->run.id) {
        unsigned long long ignored = 0;
        bool lives = start && start_of(pid) == start;

        /* Looked at in this order: one that ends between the two looks has left its status. */
        if (read_mark(k.ended, &run, &status, &ignored) && run == r->run.id) {
            *ret_status = (int)status;
            c = COMMAND_ENDED;
        } else {
            c = lives ? COMMAND_BEGAN : COMMAND_UNKNOWN;
        }
    }
    arena_release(&k.a);
    return c;
}

/* ---- between fork and exec ---- */

struct launch {
    const char *program;
    char *const *argv, *const *env;
    const char *dir, *began, *ended, *ended_part;
    int64_t run;
    int log, report; /* report: where an exec that failed leaves its errno */
};

static size_t put_number(char *to, int64_t v)
{
    char rev[24];
    size_t n = 0, k = 0;

    do
        rev[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    while (n)
        to[k++] = rev[--n];
    return k;
}

static void put_file(const char *path, int64_t a, int64_t b, unsigned long long c)
{
    char text[80];
    size_t n = put_number(text, a);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    text[n++] = ' ';
    n += put_number(text + n, b);
    text[n++] = ' ';
    n += put_number(text + n, (int64_t)c);
    text[n++] = '\n';
    if (fd < 0)
        return;
    (void)!write(fd, text, n);
    (void)fsync(fd);
    close(fd);
}

/* The start of this very process: the text of /proc/self/stat without the C library's streams. */
static unsigned long long own_start(void)
{
    char buf[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC), field = 2;
    ssize_t n = fd >= 0 ? read(fd, buf, sizeof(buf) - 1) : -1;
    unsigned long long v = 0;
    char *p = NULL;

    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < n; i++)
        if (buf[i] == ')')
            p = buf + i;
    if (!p)
        return 0;
    buf[n] = '\0';
    for (p++; *p && field < 22; p++)
        field += *p == ' ';
    for (; *p >= '0' && *p <= '9'; p++)
        v = v * 10 + (unsigned long long)(*p - '0');
    return v;
}

_Noreturn static void become(const struct launch *l)
{
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        (void)signal(s, SIG_DFL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    if (!chdir(l->dir))
        (void)execve(l->program, l->argv, l->env);
    {
        int e = errno;

        (void)!write(l->report, &e, sizeof(e));
    }
    _exit(127);
}

static volatile sig_atomic_t target; /* supervisor: COMMAND's process group */

static void hand_on(int signo)
{
    if (target)
        (void)kill(-(pid_t)target, signo);
}

_Noreturn static void supervise(const struct launch *l)
{
    struct sigaction sa = { .sa_handler = hand_on };
    int status = 0, keep = l->report;
    sigset_t none;
    pid_t pid;

    (void)setsid();
    sigemptyset(&sa.sa_mask);
    (void)sigaction(SIGINT, &sa, NULL);
    (void)sigaction(SIGTERM, &sa, NULL);
    (void)sigaction(SIGHUP, &sa, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)dup2(l->log, 1);
    (void)dup2(l->log, 2);
    (void)close(0);
    (void)open("/dev/null", O_RDONLY);
    /* Nothing of ours stays open here: no database, no lock, no connection. */
    if (keep != 3) {
        (void)dup3(keep, 3, O_CLOEXEC);
        keep = 3;
    }
    (void)close_range(4, ~0U, 0);
    put_file(l->began, l->run, getpid(), own_start());
    pid = fork();
    if (!pid) {
        struct launch mine = *l;

        mine.report = keep;
        become(&mine);
    }
    target = pid > 0 ? pid : 0;
    close(keep);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    put_file(l->ended_part, l->run,
             pid < 0             ? 126
             : WIFEXITED(status) ? WEXITSTATUS(status)
                                 : 128 + WTERMSIG(status),
             0);
    (void)rename(l->ended_part, l->ended);
    _exit(0);
}

/* ---- in our process ---- */

static const char *find_program(const char *name, struct arena *a)
{
    const char *path = getenv("PATH");

    if (strchr(name, '/'))
        return name;
    for (const char *p = path ? path : "/usr/local/bin:/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        char *full = arena_printf(a, "%.*s/%s", (int)n, p, name);

        if (n && !access(full, X_OK))
            return full;
        p += n + (p[n] == ':');
    }
    return NULL;
}

static bool is_secret(const char *v)
{
    size_t n = strcspn(v, "=");
    const char *const WORDS[] = { "SECRET", "PASSWORD", "TOKEN" };

    for (size_t i = 0; i < COUNT(WORDS); i++) {
        const char *at = strstr(v, WORDS[i]);

        if (!strncmp(v, "DMFSYNC_", 8) && at && at < v + n)
            return true;
    }
    return false;
}

/* Ours: what it may want to know. Secrets of ours stay here; its own variables are its business. */
static char **environment(struct reconcile *r, struct marks *k)
{
    struct strbuf maps = STRBUF(0);
    size_t n = 0, count = 0;
    char **env;

    while (environ[n])
        n++;
    env = arena_zalloc(&k->a, (n + 8) * sizeof(*env));
    for (size_t i = 0; i < n; i++)
        if (!is_secret(environ[i]) && strncmp(environ[i], "DMFSYNC_STEP_", 13))
            env[count++] = environ[i];
    for (size_t i = 0; i < r->n; i++)
        strbuf_addf(&maps, "%s%s", i ? "," : "", r->maps[i].c.alias);
    env[count++] = arena_printf(&k->a, "DMFSYNC_WORKSPACE=%s", r->app->ws.dir);
    env[count++] = arena_printf(&k->a, "DMFSYNC_RUN=%lld", (long long)r->run.id);
    env[count++] = arena_printf(&k->a, "DMFSYNC_MAPS=%s", strbuf_str(&maps));
    env[count++] = arena_printf(&k->a, "DMFSYNC_FNO=%s", r->app->cfg.fno.url);
    env[count++] = arena_printf(&k->a, "DMFSYNC_DATAVERSE=%s", r->app->cfg.dataverse.url);
    env[count++] = "DMFSYNC_LOCK_HELD=1"; /* reading commands of ours may be called, others refuse */
    strbuf_release(&maps);
    return env;
}

static enum ec start(struct reconcile *r, struct marks *k, pid_t *ret, struct err *reterr)
{
    struct launch l = { .argv = (char *const *)(uintptr_t)r->argv,
                        .env = environment(r, k),
                        .dir = ".",
                        .began = k->began,
                        .ended = k->ended,
                        .ended_part = k->ended_part,
                        .run = r->run.id };
    int fds[2], errnum = 0;
    enum ec rc = EC_OK;

    l.program = find_program(r->argv[0], &k->a);
    if (!l.program) {
        err_set(reterr, EC_USAGE, "COMMAND '%s' is not found in PATH", r->argv[0]);
        return err_hint(reterr, "no shell is used: give the program, then its arguments");
    }
    l.log = open(k->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (l.log < 0)
        return err_errno(reterr, EC_IO, errno, "open '%s'", k->log);
    if (pipe2(fds, O_CLOEXEC)) {
        close(l.log);
        return err_errno(reterr, EC_IO, errno, "make a pipe");
    }
    l.report = fds[1];
    *ret = fork();
    if (!*ret)
        supervise(&l);
    if (*ret < 0)
        rc = err_errno(reterr, EC_FAIL, errno, "start COMMAND");
    close(fds[1]);
    close(l.log);
    while (!rc && read(fds[0], &errnum, sizeof(errnum)) < 0 && errno == EINTR)
        ;
    close(fds[0]);
    if (!rc && errnum) {
        rc = err_errno(reterr, EC_USAGE, errnum, "run COMMAND '%s'", r->argv[0]);
        err_hint(reterr, "no shell is used: give the program, executable, then its arguments");
    }
    return rc;
}

/* What came into the log since the last look, on our standard error. */
static void show(struct reconcile *r, int *fd, const char *path)
{
    char buf[8192];
    ssize_t n;

    if (*fd < 0)
        *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || r->app->out.quiet)
        return;
    while ((n = read(*fd, buf, sizeof(buf))) > 0) {
        progress_erase(&r->app->out);
        (void)!write(2, buf, (size_t)n);
    }
}

static void wait_for_end(struct reconcile *r, struct marks *k, pid_t child, void (*tick)(void *arg), void *arg)
{
    int fd = -1, status = 0;
    bool passed = false;
    int64_t ticked = clock_mono_ms();
    enum rec_command c;

    for (;;) {
        c = command_look(r, &status);
        if (child > 0 && waitpid(child, NULL, WNOHANG) == child)
            child = -1;
        show(r, &fd, k->log);
        if (c != COMMAND_BEGAN)
            break;
        if (stop_signal() && stop_signal() != SIGALRM && !passed) {
            unsigned long long start = 0;
            int64_t run;
            long pid = 0;

            passed = true;
            if (read_mark(k->began, &run, &pid, &start) && start_of(pid) == start)
                (void)kill((pid_t)pid, stop_signal()); /* the supervisor hands it on */
            out_warn(&r->app->out, "the signal is passed on to COMMAND; its end is waited for");
        }
        if (tick && clock_mono_ms() - ticked >= TICK_MS) {
            ticked = clock_mono_ms();
            tick(arg);
        }
        progress_update(&r->app->out, "COMMAND", r->argv[0], -1, -1, "running");
        {
            struct timespec t = { .tv_nsec = LOOK_MS * 1000000L };

            (void)nanosleep(&t, NULL);
        }
    }
    if (child > 0)
        (void)waitpid(child, NULL, 0);
    show(r, &fd, k->log);
    if (fd >= 0)
        close(fd);
    progress_clear(&r->app->out);
    r->command = c == COMMAND_ENDED ? COMMAND_ENDED : COMMAND_UNKNOWN;
    r->command_status = status;
}

enum ec command_run(struct reconcile *r, void (*tick)(void *arg), void *arg, struct err *reterr)
{
    struct marks k;
    int status = 0;
    pid_t child = -1;
    enum rec_command c = command_look(r, &status);
    enum ec rc = EC_OK;

    marks_of(r, &k);
    if (c == COMMAND_NOT_RUN) {
        struct strbuf line = STRBUF(600);

        for (size_t i = 0; i < r->argc; i++)
            strbuf_addf(&line, "%s%s", i ? " " : "", r->argv[i]);
        log_info("reconcile", "COMMAND begins: %s (output in %s)",
                 strbuf_full(&line) ? r->argv[0] : strbuf_str(&line), k.log);
        strbuf_release(&line);
        STEP(command_begin);
        rc = start(r, &k, &child, reterr);
        if (rc && child > 0) { /* what could not become the program has not begun */
            (void)waitpid(child, NULL, 0);
            command_forget(r);
        }
    }
    if (!rc)
        wait_for_end(r, &k, child, tick, arg);
    STEP(command_ended);
    arena_release(&k.a);
    return rc;
}

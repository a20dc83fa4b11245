#include "sync/child.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILL_AFTER_MS = 10000, TICK_MS = 1000, DRAIN_MS = 2000 };

extern char **environ;

/* A hook of the user's needs no secret of ours. */
static bool is_secret(const char *variable)
{
    static const char *const WORDS[] = { "SECRET", "PASSWORD", "TOKEN" };
    size_t n = strcspn(variable, "=");

    for (size_t i = 0; i < COUNT(WORDS); i++) {
        const char *at = strstr(variable, WORDS[i]);

        if (at && at < variable + n)
            return true;
    }
    return false;
}

static bool given(const char *const *env, const char *variable)
{
    size_t n = strcspn(variable, "=");

    for (size_t i = 0; env && env[i]; i++)
        if (!strncmp(env[i], variable, n) && env[i][n] == '=')
            return true;
    return false;
}

static const char **environment(const char *const *env)
{
    size_t n = 0, k = 0;
    const char **all;

    while (environ[n])
        n++;
    while (env && env[k])
        k++;
    all = xcalloc(n + k + 1, sizeof(*all));
    k = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_secret(environ[i]) && !given(env, environ[i]))
            all[k++] = environ[i];
    for (size_t i = 0; env && env[i]; i++)
        all[k++] = env[i];
    return all;
}

static int spawn(const struct child *c, int out, pid_t *ret)
{
    posix_spawn_file_actions_t actions;
    const char **env = environment(c->env);
    posix_spawnattr_t attr;
    sigset_t none, all;
    int errnum;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, out, 2);
    if (c->dir)
        posix_spawn_file_actions_addchdir_np(&actions, c->dir);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    errnum = posix_spawnp(ret, c->argv[0], &actions, &attr, (char *const *)(uintptr_t)c->argv,
                          (char *const *)(uintptr_t)env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    free(env);
    return errnum;
}

static void keep_tail(struct strbuf *tail, const char *p, size_t n)
{
    size_t max = tail->max ? tail->max : 4096;

    if (n >= max) {
        strbuf_reset(tail);
        strbuf_add(tail, p + n - max, max);
        return;
    }
    if (tail->len + n > max) {
        size_t drop = tail->len + n - max;

        memmove(tail->buf, tail->buf + drop, tail->len - drop);
        tail->len -= drop;
        tail->buf[tail->len] = '\0';
    }
    strbuf_add(tail, p, n);
}

struct watching {
    const struct child *c;
    struct strbuf *tail;
    pid_t pid;
    int fd, log, passed_on;
    int64_t began, terminated, ended, ticked;
    bool over_time, eof;
    int status;
};

static enum ec take_output(struct watching *w, struct err *reterr)
{
    char buf[8192];
    ssize_t n = read(w->fd, buf, sizeof(buf));
    enum ec rc = EC_OK;

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return EC_OK;
    if (n <= 0) {
        w->eof = true;
        return EC_OK;
    }
    if (w->log >= 0)
        rc = file_write_all(w->log, buf, (size_t)n, w->c->log, reterr);
    if (w->c->show)
        (void)!write(2, buf, (size_t)n);
    if (w->tail)
        keep_tail(w->tail, buf, (size_t)n);
    return rc;
}

static void pass_signals_on(struct watching *w)
{
    int64_t now = clock_mono_ms();

    if (!w->passed_on && stop_signal() && stop_signal() != SIGALRM) {
        w->passed_on = stop_signal();
        (void)kill(-w->pid, w->passed_on);
    }
    if (w->c->limit_ms && !w->terminated && now - w->began > w->c->limit_ms) {
        w->over_time = true;
        w->terminated = now;
        (void)kill(-w->pid, SIGTERM);
    }
    if (w->terminated && now - w->terminated > KILL_AFTER_MS)
        (void)kill(-w->pid, SIGKILL);
    if (w->c->tick && now - w->ticked >= TICK_MS) {
        w->ticked = now;
        w->c->tick(w->c->tick_arg);
    }
}

/* Ends when the child has ended and its output is read; what it left running in the background may hold the pipe for ever. */
static enum ec watch(struct watching *w, struct err *reterr)
{
    enum ec rc = EC_OK, first = EC_OK;

    while (!w->ended || (!w->eof && clock_mono_ms() - w->ended < DRAIN_MS)) {
        struct pollfd p = { .fd = w->eof ? -1 : w->fd, .events = POLLIN };
        int status = 0;

        if (poll(&p, 1, w->ended ? 50 : 200) > 0)
            rc = take_output(w, first ? NULL : reterr);
        else if (w->ended)
            break;
        first = first ? first : rc;
        if (!w->ended && waitpid(w->pid, &status, WNOHANG) == w->pid) {
            w->ended = clock_mono_ms();
            w->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        if (!w->ended)
            pass_signals_on(w);
    }
    return first;
}

enum ec child_run(const struct child *c, int *ret_status, struct strbuf *tail, struct err *reterr)
{
    struct watching w = { .c = c, .tail = tail, .log = -1, .began = clock_mono_ms() };
    int fds[2], errnum;
    enum ec rc;

    if (c->log) {
        w.log = open(c->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
        if (w.log < 0)
            return err_errno(reterr, EC_IO, errno, "open '%s'", c->log);
    }
    if (pipe2(fds, O_CLOEXEC)) {
        rc = err_errno(reterr, EC_IO, errno, "make a pipe");
        goto out;
    }
    errnum = spawn(c, fds[1], &w.pid);
    close(fds[1]);
    if (errnum) {
        close(fds[0]);
        rc = err_errno(reterr, EC_CONFIG, errnum, "run '%s'", c->argv[0]);
        err_hint(reterr, "no shell is used: give the program itself, executable, and its arguments one by one");
        goto out;
    }
    w.fd = fds[0];
    rc = watch(&w, reterr);
    close(fds[0]);
    if (w.over_time && !rc)
        rc = err_set(reterr, EC_LIMIT, "'%s' was ended: it took longer than %lld s", c->argv[0],
                     (long long)(c->limit_ms / 1000));
    *ret_status = w.status;
out:
    if (w.log >= 0)
        close(w.log);
    return rc;
}

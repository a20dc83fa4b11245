/* secret.c -- where a client secret comes from: a file, a command's output, the environment; never dmfsync.ini itself. */
#include "base/file.h"
#include "net/auth_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_SECRET = 8192 };

extern char **environ;

static enum ec from_command(const char *command, struct strbuf *out, struct err *reterr)
{
    char *argv[] = { "/bin/sh", "-c", (char *)(uintptr_t)command, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    char buf[512];
    int fds[2], status = 0, errnum;
    pid_t pid;
    ssize_t r;

    if (pipe2(fds, O_CLOEXEC))
        return err_errno(reterr, EC_CONFIG, errno, "run client_secret_command");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    errnum = posix_spawn(&pid, argv[0], &actions, &attr, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    close(fds[1]);
    if (errnum) {
        close(fds[0]);
        return err_errno(reterr, EC_CONFIG, errnum, "run client_secret_command");
    }
    while ((r = read(fds[0], buf, sizeof(buf))) > 0 || (r < 0 && errno == EINTR))
        if (r > 0 && out->len + (size_t)r <= MAX_SECRET)
            strbuf_add(out, buf, (size_t)r);
    explicit_bzero(buf, sizeof(buf));
    close(fds[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        err_set(reterr, EC_CONFIG, "client_secret_command ended with status %d",
                WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        return err_hint(reterr, "run the command by hand: it must print the secret and end with status 0");
    }
    return EC_OK;
}

enum ec secret_read(const struct auth_config *cfg, struct strbuf *out, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (cfg->secret) {
        strbuf_adds(out, cfg->secret);
    } else if (cfg->secret_file) {
        rc = file_read(cfg->secret_file, MAX_SECRET, out, reterr);
        if (rc) {
            rc = err_ctx(reterr, EC_CONFIG, "read the client secret");
            err_hint(reterr,
                     "put the secret's value into the file that client_secret_file names, readable for this user");
        }
    } else {
        rc = from_command(cfg->secret_command, out, reterr);
    }
    while (!rc && out->len && (out->buf[out->len - 1] == '\n' || out->buf[out->len - 1] == '\r'))
        out->buf[--out->len] = 0;
    if (!rc && !out->len) {
        rc = err_set(reterr, EC_CONFIG, "the client secret of %s is empty", cfg->client_id);
        err_hint(reterr, "store the secret's value in the file, or let the command print it");
    }
    return rc;
}

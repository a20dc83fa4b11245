/*
 * measure.c -- measure FILE COMMAND..: runs COMMAND and appends "seconds user_seconds peak_kib status" to FILE. The
 * peak is the largest resident size of the process (ru_maxrss), as scripts/bench compares it.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct rusage use;
    int status, rc;
    double begun;
    FILE *f;
    pid_t pid;

    if (argc < 3) {
        fprintf(stderr, "usage: measure FILE COMMAND..\n");
        return 2;
    }
    begun = now();
    rc = posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ);
    if (rc) {
        fprintf(stderr, "measure: %s: %s\n", argv[2], strerror(rc));
        return 127;
    }
    while (wait4(pid, &status, 0, &use) < 0)
        if (errno != EINTR)
            return 1;
    rc = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    f = fopen(argv[1], "a");
    if (!f) {
        fprintf(stderr, "measure: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    fprintf(f, "%.2f %.2f %ld %d\n", now() - begun, (double)use.ru_utime.tv_sec + (double)use.ru_utime.tv_usec / 1e6,
            use.ru_maxrss, rc);
    return fclose(f) ? 1 : rc;
}

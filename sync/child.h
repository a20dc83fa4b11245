/*
 * child.h -- a program of the user's: run without a shell, watched, its output kept and shown.
 * Layer: sync. Errors: EC_CONFIG (cannot be started), EC_LIMIT (ended for taking too long), EC_IO. Threads: one.
 *
 * The child gets its own process group, default signals, standard input from /dev/null, and our environment without what
 * holds secrets (any variable whose name has SECRET, PASSWORD or TOKEN in it), plus the variables given. SIGINT, SIGTERM and SIGHUP that reach us are passed on to its group
 * once each; it decides what to do with them.
 */
#ifndef SYNC_CHILD_H
#define SYNC_CHILD_H

#include "base/strbuf.h"

struct child {
    const char *const *argv; /* argv[0] with a slash is that file, else it is looked up in PATH; NULL at the end */
    const char *dir; /* NULL = where we are */
    const char *const *env; /* "NAME=value", NULL at the end; win over the inherited ones */
    const char *log; /* file that gets standard output and error, appended; NULL = none */
    bool show; /* also on our standard error */
    int64_t limit_ms; /* 0 = none; beyond it SIGTERM to the group, 10 s later SIGKILL */
    void (*tick)(void *arg); /* about once a second while it runs; NULL = none */
    void *tick_arg;
};
/*
 * *ret_status: its exit status, 128 + signal when one ended it. `tail` (may be NULL) gets the end of its output, at most its
 * ceiling.
 */
enum ec child_run(const struct child *c, int *ret_status, struct strbuf *tail, struct err *reterr);

#endif

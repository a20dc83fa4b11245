#include "base/step.h"
#include "base/err.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const NAMES[] = {
#define X(name) #name,
    STEP_TABLE(X)
#undef X
};

const char *step_name(enum step s)
{
    return (unsigned)s < COUNT(NAMES) ? NAMES[s] : "?";
}

#ifdef DMFSYNC_FAULT
void step_passed(enum step s)
{
    static long passed, kill_at = -1;
    static int trace = -2;
    char line[80];
    int n;

    if (trace == -2) {
        const char *t = getenv("DMFSYNC_STEP_TRACE"), *k = getenv("DMFSYNC_STEP_KILL");

        trace = t ? open(t, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
        kill_at = k ? atol(k) : -1;
    }
    passed++;
    n = snprintf(line, sizeof(line), "%ld %s\n", passed, step_name(s));
    if (trace >= 0 && write(trace, line, (size_t)n) != n) {
        /* a trace that cannot be written shows as a name never reached */
    }
    if (passed == kill_at)
        raise(SIGKILL);
}
#endif

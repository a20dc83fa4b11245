/*
 * clock_shift.c -- moves the calendar of the program it is preloaded into, for tests of what happens over weeks:
 *     LD_PRELOAD=build/release/clock_shift.so CLOCK_SHIFT_SECONDS=86400 dmfsync ...
 * Only the time of day moves; waits and the monotonic clock stay. The product itself has no switch for this.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

int clock_gettime(clockid_t id, struct timespec *ts);
time_t time(time_t *t);
int gettimeofday(struct timeval *restrict tv, void *restrict tz);

static time_t shift(void)
{
    const char *s = getenv("CLOCK_SHIFT_SECONDS");

    return s ? (time_t)strtoll(s, NULL, 10) : 0;
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    static int (*real)(clockid_t, struct timespec *);
    int rc;

    if (!real)
        real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    rc = real(id, ts);
    if (!rc && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        ts->tv_sec += shift();
    return rc;
}

time_t time(time_t *t)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    if (t)
        *t = ts.tv_sec;
    return ts.tv_sec;
}

int gettimeofday(struct timeval *restrict tv, void *restrict tz)
{
    struct timespec ts;

    (void)tz;
    clock_gettime(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

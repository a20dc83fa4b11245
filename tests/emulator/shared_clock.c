#include "shared_clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WAITS = 512, STALL_MS = 1 };
static const char MAGIC[8] = "SHCLOCK";

struct wait {
    enum { WAIT_FREE, WAIT_GOES_ON, WAIT_OVER } state;
    int64_t until_ms;
};
struct shared_clock {
    char magic[8];
    pthread_mutex_t lock;
    pthread_cond_t moved;
    int64_t now_ms, utc_from_now_ms;
    int waiting; /* how many waits go on */
    struct wait waits[WAITS];
};

static struct shared_clock *shared;

static int64_t now(void *arg)
{
    int64_t ms;

    (void)arg;
    pthread_mutex_lock(&shared->lock);
    ms = shared->now_ms;
    pthread_mutex_unlock(&shared->lock);
    return ms;
}

static int64_t utc(void *arg)
{
    return now(arg) + shared->utc_from_now_ms;
}

/* Moves time on, but not beyond the end of the first wait; whoever waited until then goes on. */
static void move_to(int64_t ms)
{
    struct shared_clock *s = shared;

    for (int i = 0; i < WAITS; i++)
        if (s->waits[i].state == WAIT_GOES_ON && s->waits[i].until_ms < ms)
            ms = s->waits[i].until_ms;
    if (ms > s->now_ms)
        s->now_ms = ms;
    for (int i = 0; i < WAITS; i++)
        if (s->waits[i].state == WAIT_GOES_ON && s->waits[i].until_ms <= s->now_ms) {
            s->waits[i].state = WAIT_OVER;
            s->waiting--;
        }
    pthread_cond_broadcast(&s->moved);
}

static void lead_sleep(void *arg, int64_t ms)
{
    (void)arg;
    pthread_mutex_lock(&shared->lock);
    move_to(shared->now_ms + ms);
    pthread_mutex_unlock(&shared->lock);
}

static int64_t lead_wait(void *arg, int64_t ms, int in_flight)
{
    int64_t wall = STALL_MS; /* somebody works: look again when something has come, or soon */

    (void)arg;
    pthread_mutex_lock(&shared->lock);
    if (shared->waiting >= in_flight) {
        int before = shared->waiting;

        move_to(shared->now_ms + ms);
        if (shared->waiting == before) /* it was our own wait that ended */
            wall = 0;
    }
    pthread_mutex_unlock(&shared->lock);
    return wall;
}

void shared_clock_wait(int64_t ms)
{
    struct shared_clock *s = shared;
    int i = 0;

    if (!s) {
        (void)clock_sleep_ms(ms);
        return;
    }
    pthread_mutex_lock(&s->lock);
    while (i < WAITS && s->waits[i].state != WAIT_FREE)
        i++;
    BUG_IF(i == WAITS, "too many answers wait at a time");
    s->waits[i] = (struct wait){ WAIT_GOES_ON, s->now_ms + ms };
    s->waiting++;
    while (s->waits[i].state == WAIT_GOES_ON && !stop_requested()) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++; /* to see a stop */
        pthread_cond_timedwait(&s->moved, &s->lock, &until);
    }
    s->waits[i].state = WAIT_FREE;
    pthread_mutex_unlock(&s->lock);
}

static enum ec map(int fd, const char *path, struct err *reterr)
{
    void *p = mmap(NULL, sizeof(struct shared_clock), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (p == MAP_FAILED)
        return err_errno(reterr, EC_IO, errno, "map '%s'", path);
    shared = p;
    return EC_OK;
}

static void set_up(struct shared_clock *s)
{
    pthread_mutexattr_t m;
    pthread_condattr_t c;

    pthread_mutexattr_init(&m);
    pthread_mutexattr_setpshared(&m, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&s->lock, &m);
    pthread_mutexattr_destroy(&m);
    pthread_condattr_init(&c);
    pthread_condattr_setpshared(&c, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&s->moved, &c);
    pthread_condattr_destroy(&c);
    s->now_ms = clock_mono_ms();
    s->utc_from_now_ms = clock_utc_ms() - s->now_ms;
    memcpy(s->magic, MAGIC, sizeof(MAGIC));
}

enum ec shared_clock_make(const char *path, struct err *reterr)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum ec rc = EC_OK;

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "create '%s'", path);
    if (ftruncate(fd, (off_t)sizeof(struct shared_clock)))
        rc = err_errno(reterr, EC_IO, errno, "make room in '%s'", path);
    if (!rc)
        rc = map(fd, path, reterr);
    (void)close(fd);
    if (rc)
        return rc;
    set_up(shared);
    clock_replace(&(struct clock_source){ .utc_ms = utc, .mono_ms = now });
    return EC_OK;
}

enum ec shared_clock_lead(const char *path, struct err *reterr)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    enum ec rc = EC_OK;

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "open '%s'", path);
    if (lseek(fd, 0, SEEK_END) != (off_t)sizeof(struct shared_clock))
        rc = err_set(reterr, EC_FORMAT, "'%s' is no clock of an emulator", path);
    if (!rc)
        rc = map(fd, path, reterr);
    (void)close(fd);
    if (!rc && memcmp(shared->magic, MAGIC, sizeof(MAGIC)) != 0)
        rc = err_set(reterr, EC_FORMAT, "'%s' is no clock of an emulator", path);
    if (!rc)
        clock_replace(
            &(struct clock_source){ .utc_ms = utc, .mono_ms = now, .sleep_ms = lead_sleep, .wait_ms = lead_wait });
    return rc;
}

#include "store/marks.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A writer buffers 32 KiB a partition, but no more than 4 MiB in all. */
enum {
    BUFFERED_MAX = 819,
    BUFFERED_MIN = 16,
    WRITER_OCTETS = 4 << 20,
    EXTENT_OCTETS = 64 * 1024,
    EXTENT_MARKS = EXTENT_OCTETS / (int)sizeof(struct mark)
};

/* A writer's part of one partition: a buffer, and the extent of the file that it fills. */
struct lane {
    struct mark *buf;
    uint32_t n; /* in buf */
    uint32_t used; /* marks in the extent */
    uint64_t extent; /* offset; valid while used < EXTENT_MARKS */
    bool has_extent;
};
struct extent {
    uint64_t offset;
    uint32_t n; /* marks */
};
struct part {
    struct extent *extents;
    size_t n, cap;
    uint64_t marks;
};
struct marks {
    int fd, bits;
    unsigned writers;
    uint32_t buffered; /* marks of a lane's buffer */
    size_t parts_n;
    uint64_t end;
    pthread_mutex_t lock; /* end, parts */
    struct lane *lanes; /* writers x parts */
    struct mark **slabs; /* one per writer: the buffers of its lanes */
    struct part *parts;
};

enum ec marks_new(const char *dir, int bits, unsigned writers, struct marks **ret, struct err *reterr)
{
    struct marks *m;
    char path[4096];
    int fd;

    if (snprintf(path, sizeof(path), "%s/marks.XXXXXX", dir) >= (int)sizeof(path))
        return err_set(reterr, EC_LIMIT, "path too long: '%.80s...'", dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "create a temporary file in '%s'", dir);
    (void)unlink(path);
    m = xcalloc(1, sizeof(*m));
    m->fd = fd;
    m->bits = bits;
    m->writers = writers;
    m->parts_n = (size_t)1 << bits;
    m->buffered = (uint32_t)(WRITER_OCTETS / m->parts_n / sizeof(struct mark));
    m->buffered = m->buffered > BUFFERED_MAX ? BUFFERED_MAX : m->buffered < BUFFERED_MIN ? BUFFERED_MIN : m->buffered;
    m->parts = xcalloc(m->parts_n, sizeof(*m->parts));
    m->lanes = xcalloc(m->parts_n * writers, sizeof(*m->lanes));
    m->slabs = xcalloc(writers, sizeof(*m->slabs));
    for (unsigned w = 0; w < writers; w++) {
        m->slabs[w] = xmalloc(m->parts_n * m->buffered * sizeof(struct mark));
        for (size_t p = 0; p < m->parts_n; p++)
            m->lanes[w * m->parts_n + p].buf = m->slabs[w] + p * m->buffered;
    }
    pthread_mutex_init(&m->lock, NULL);
    *ret = m;
    return EC_OK;
}

static enum ec write_at(int fd, const void *p, size_t n, uint64_t offset, struct err *reterr)
{
    const char *at = p;

    while (n) {
        ssize_t w = pwrite(fd, at, n, (off_t)offset);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return err_errno(reterr, w ? (errno == ENOSPC || errno == EFBIG ? EC_DISK : EC_IO) : EC_DISK,
                             w ? errno : ENOSPC, "write the temporary file of the comparison");
        at += w;
        n -= (size_t)w;
        offset += (uint64_t)w;
    }
    return EC_OK;
}

/* The lane's extent is full, or the end has come: what it holds belongs to the partition. */
static void give_extent(struct marks *m, size_t part, struct lane *l)
{
    struct part *p = &m->parts[part];

    if (!l->has_extent || !l->used)
        return;
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 4;
        p->extents = xrealloc(p->extents, p->cap * sizeof(*p->extents));
    }
    p->extents[p->n++] = (struct extent){ l->extent, l->used };
    p->marks += l->used;
    l->has_extent = false;
    l->used = 0;
}

static enum ec flush_lane(struct marks *m, size_t part, struct lane *l, struct err *reterr)
{
    uint32_t at = 0;

    while (at < l->n) {
        uint32_t n;
        enum ec rc;

        if (!l->has_extent || l->used == EXTENT_MARKS) {
            pthread_mutex_lock(&m->lock);
            give_extent(m, part, l);
            l->extent = m->end;
            m->end += EXTENT_OCTETS;
            pthread_mutex_unlock(&m->lock);
            l->has_extent = true;
            l->used = 0;
        }
        n = l->n - at < EXTENT_MARKS - l->used ? l->n - at : EXTENT_MARKS - l->used;
        rc = write_at(m->fd, l->buf + at, n * sizeof(struct mark), l->extent + l->used * sizeof(struct mark), reterr);
        if (rc)
            return rc;
        at += n;
        l->used += n;
    }
    l->n = 0;
    return EC_OK;
}

enum ec marks_add(struct marks *m, unsigned writer, const struct mark *mark, struct err *reterr)
{
    size_t part = m->bits ? (size_t)(mark->key.hi >> (64 - m->bits)) : 0;
    struct lane *l = &m->lanes[writer * m->parts_n + part];

    l->buf[l->n++] = *mark;
    return l->n == m->buffered ? flush_lane(m, part, l, reterr) : EC_OK;
}

enum ec marks_flush(struct marks *m, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (unsigned w = 0; w < m->writers && !rc; w++) {
        for (size_t p = 0; p < m->parts_n && !rc; p++) {
            struct lane *l = &m->lanes[w * m->parts_n + p];

            rc = flush_lane(m, p, l, reterr);
            give_extent(m, p, l);
        }
        free(m->slabs[w]);
        m->slabs[w] = NULL;
    }
    return rc;
}

enum ec marks_load(const struct marks *m, unsigned part, struct mark **buf, size_t *cap, size_t *ret_n,
                   struct err *reterr)
{
    const struct part *p = &m->parts[part];
    size_t at = 0;

    if (p->marks > *cap) {
        free(*buf);
        *cap = p->marks + p->marks / 8;
        *buf = xmalloc(*cap * sizeof(**buf));
    }
    for (size_t i = 0; i < p->n; i++) {
        char *to = (char *)(*buf + at);
        size_t n = p->extents[i].n * sizeof(struct mark);
        uint64_t offset = p->extents[i].offset;

        while (n) {
            ssize_t r = pread(m->fd, to, n, (off_t)offset);

            if (r < 0 && errno == EINTR)
                continue;
            if (r <= 0)
                return err_errno(reterr, EC_IO, r ? errno : EIO, "read the temporary file of the comparison");
            to += r;
            n -= (size_t)r;
            offset += (uint64_t)r;
        }
        at += p->extents[i].n;
    }
    *ret_n = at;
    return EC_OK;
}

uint64_t marks_count(const struct marks *m)
{
    uint64_t n = 0;

    for (size_t p = 0; p < m->parts_n; p++)
        n += m->parts[p].marks;
    return n;
}

void marks_drop(struct marks *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

void marks_free(struct marks *m)
{
    if (!m)
        return;
    for (size_t p = 0; p < m->parts_n; p++)
        free(m->parts[p].extents);
    for (unsigned w = 0; w < m->writers; w++)
        free(m->slabs[w]);
    free(m->slabs);
    free(m->lanes);
    free(m->parts);
    marks_drop(m);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

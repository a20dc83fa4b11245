#include "store/spill.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUFFER_OCTETS = 16 * 1024, HEAD_OCTETS = 20 };

struct extent {
    uint64_t offset;
    uint32_t len;
};
struct part {
    char *buf;
    size_t used;
    struct extent *extents;
    size_t n, cap;
    uint64_t octets; /* in the file */
    uint64_t records;
};
struct spill {
    int fd;
    uint64_t end;
    char name[64]; /* for messages; the file itself is unlinked */
    struct part parts[SPILL_PARTITIONS];
    char *loaded;
    struct spill_record *records;
    size_t cap_records, cap_loaded;
};

enum ec spill_new(const char *dir, struct spill **ret, struct err *reterr)
{
    struct spill *s = xcalloc(1, sizeof(*s));
    char path[4096];

    s->fd = -1;
    if (snprintf(path, sizeof(path), "%s/spill.XXXXXX", dir) >= (int)sizeof(path)) {
        free(s);
        return err_set(reterr, EC_LIMIT, "path too long: '%.80s...'", dir);
    }
    s->fd = mkostemp(path, O_CLOEXEC);
    if (s->fd < 0) {
        free(s);
        return err_errno(reterr, EC_IO, errno, "create a temporary file in '%s'", dir);
    }
    (void)unlink(path);
    snprintf(s->name, sizeof(s->name), "temporary file of the snapshot");
    *ret = s;
    return EC_OK;
}

static enum ec flush_part(struct spill *s, struct part *p, struct err *reterr)
{
    enum ec rc;

    if (!p->used)
        return EC_OK;
    if (lseek(s->fd, (off_t)s->end, SEEK_SET) < 0)
        return err_errno(reterr, EC_IO, errno, "seek the %s", s->name);
    rc = file_write_all(s->fd, p->buf, p->used, s->name, reterr);
    if (rc)
        return rc;
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->extents = xrealloc(p->extents, p->cap * sizeof(*p->extents));
    }
    p->extents[p->n++] = (struct extent){ s->end, (uint32_t)p->used };
    s->end += p->used;
    p->octets += p->used;
    p->used = 0;
    return EC_OK;
}

static void put64(char *p, uint64_t v)
{
    memcpy(p, &v, 8);
}

enum ec spill_add(struct spill *s, struct digest d, const void *p, size_t n, struct err *reterr)
{
    struct part *part = &s->parts[d.hi >> 56];
    char head[HEAD_OCTETS];
    uint32_t len = (uint32_t)n;
    enum ec rc;

    BUG_IF(n > UINT32_MAX, "spilled record too long");
    if (!part->buf)
        part->buf = xmalloc(BUFFER_OCTETS);
    if (part->used + HEAD_OCTETS + n > BUFFER_OCTETS) {
        rc = flush_part(s, part, reterr);
        if (rc)
            return rc;
    }
    put64(head, d.hi);
    put64(head + 8, d.lo);
    memcpy(head + 16, &len, 4);
    part->records++;
    if (HEAD_OCTETS + n > BUFFER_OCTETS) {
        /* A record larger than a buffer becomes an extent of its own. */
        char *keep = part->buf;

        part->buf = xmalloc(HEAD_OCTETS + n);
        memcpy(part->buf, head, HEAD_OCTETS);
        memcpy(part->buf + HEAD_OCTETS, p, n);
        part->used = HEAD_OCTETS + n;
        rc = flush_part(s, part, reterr);
        free(part->buf);
        part->buf = keep;
        part->used = 0;
        return rc;
    }
    memcpy(part->buf + part->used, head, HEAD_OCTETS);
    if (n)
        memcpy(part->buf + part->used + HEAD_OCTETS, p, n);
    part->used += HEAD_OCTETS + n;
    return EC_OK;
}

static int by_digest(const void *x, const void *y)
{
    const struct spill_record *a = x, *b = y;
    int c = digest_cmp(a->d, b->d);

    return c ? c : (a->order > b->order) - (a->order < b->order);
}

static enum ec read_at(int fd, char *p, size_t n, uint64_t offset, const char *name, struct err *reterr)
{
    while (n) {
        ssize_t r = pread(fd, p, n, (off_t)offset);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return err_errno(reterr, EC_IO, r ? errno : EIO, "read the %s", name);
        p += r;
        n -= (size_t)r;
        offset += (uint64_t)r;
    }
    return EC_OK;
}

enum ec spill_partition(struct spill *s, unsigned part, struct spill_record **ret, size_t *ret_n, struct err *reterr)
{
    struct part *p = &s->parts[part];
    size_t total = p->octets + p->used, at = 0, n = 0;

    if (total > s->cap_loaded) {
        free(s->loaded);
        s->cap_loaded = total;
        s->loaded = xmalloc(total);
    }
    if (p->records > s->cap_records) {
        free(s->records);
        s->cap_records = p->records;
        s->records = xmalloc(p->records * sizeof(*s->records));
    }
    for (size_t i = 0; i < p->n; i++) {
        enum ec rc = read_at(s->fd, s->loaded + at, p->extents[i].len, p->extents[i].offset, s->name, reterr);

        if (rc)
            return rc;
        at += p->extents[i].len;
    }
    if (p->used)
        memcpy(s->loaded + at, p->buf, p->used);
    for (at = 0; at < total;) {
        struct spill_record *r = &s->records[n];

        memcpy(&r->d.hi, s->loaded + at, 8);
        memcpy(&r->d.lo, s->loaded + at + 8, 8);
        memcpy(&r->n, s->loaded + at + 16, 4);
        r->p = s->loaded + at + HEAD_OCTETS;
        r->order = (uint32_t)n++;
        at += HEAD_OCTETS + r->n;
        BUG_IF(at > total || n > p->records, "damaged spill file");
    }
    if (n > 1)
        qsort(s->records, n, sizeof(*s->records), by_digest);
    *ret = s->records;
    *ret_n = n;
    return EC_OK;
}

void spill_free(struct spill *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < SPILL_PARTITIONS; i++) {
        free(s->parts[i].buf);
        free(s->parts[i].extents);
    }
    if (s->fd >= 0)
        close(s->fd);
    free(s->loaded);
    free(s->records);
    free(s);
}

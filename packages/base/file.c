#include "base/file.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void parent_of(const char *path, char *out, size_t n)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        snprintf(out, n, ".");
    else if (slash == path)
        snprintf(out, n, "/");
    else
        snprintf(out, n, "%.*s", (int)(slash - path), path);
}

enum ec dir_sync(const char *path, struct err *reterr)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "open folder '%s'", path);
    if (fsync(fd) && errno != EINVAL) {
        enum ec rc = err_errno(reterr, EC_IO, errno, "sync folder '%s'", path);

        close(fd);
        return rc;
    }
    close(fd);
    return EC_OK;
}

enum ec file_publish(const char *part, const char *path, struct err *reterr)
{
    char dir[4096];
    int fd = open(part, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "open '%s'", part);
    if (fsync(fd)) {
        enum ec rc = err_errno(reterr, EC_IO, errno, "sync '%s'", part);

        close(fd);
        return rc;
    }
    close(fd);
    if (rename(part, path))
        return err_errno(reterr, EC_IO, errno, "rename '%s' to '%s'", part, path);
    parent_of(path, dir, sizeof(dir));
    return dir_sync(dir, reterr);
}

enum ec file_write_all(int fd, const void *p, size_t n, const char *path, struct err *reterr)
{
    const char *c = p;

    while (n) {
        ssize_t w = write(fd, c, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return err_errno(reterr, EC_IO, errno, "write '%s'", path);
        c += w;
        n -= (size_t)w;
    }
    return EC_OK;
}

enum ec file_write_atomic(const char *path, const void *p, size_t n, unsigned mode, struct err *reterr)
{
    char part[4096];
    int fd;
    enum ec rc;

    if (snprintf(part, sizeof(part), "%s.part%ld", path, (long)getpid()) >= (int)sizeof(part))
        return err_set(reterr, EC_LIMIT, "path too long: '%.80s...'", path);
    fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "create '%s'", part);
    rc = file_write_all(fd, p, n, part, reterr);
    if (close(fd) && !rc)
        rc = err_errno(reterr, EC_IO, errno, "close '%s'", part);
    if (!rc)
        rc = file_publish(part, path, reterr);
    if (rc)
        (void)unlink(part);
    return rc;
}

/* Trying again helps against a failing disk only. */
static enum ec unreadable(int errnum)
{
    return errnum == ENOENT                                                                      ? EC_NOTFOUND
           : errnum == EISDIR || errnum == EACCES || errnum == ENOTDIR || errnum == ENAMETOOLONG ? EC_CONFIG
                                                                                                 : EC_IO;
}

enum ec file_read(const char *path, size_t max, struct strbuf *out, struct err *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t total = 0;
    char buf[65536];
    enum ec rc = EC_OK;

    if (fd < 0)
        return err_errno(reterr, unreadable(errno), errno, "open '%s'", path);
    for (;;) {
        ssize_t r = read(fd, buf, sizeof(buf));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0) {
            rc = err_errno(reterr, unreadable(errno), errno, "read '%s'", path);
            break;
        }
        if (r == 0)
            break;
        total += (size_t)r;
        if (total > max) {
            rc = err_set(reterr, EC_LIMIT, "'%s' is larger than the limit of %zu octets", path, max);
            break;
        }
        strbuf_add(out, buf, (size_t)r);
    }
    close(fd);
    return rc;
}

enum ec dir_make(const char *path, unsigned mode, struct err *reterr)
{
    char p[4096];

    if (snprintf(p, sizeof(p), "%s", path) >= (int)sizeof(p))
        return err_set(reterr, EC_LIMIT, "path too long: '%.80s...'", path);
    for (char *c = p + 1;; c++) {
        char end = *c;

        if (end != '/' && end != 0)
            continue;
        *c = 0;
        if (mkdir(p, mode) && errno != EEXIST)
            return err_errno(reterr, EC_IO, errno, "create folder '%s'", p);
        *c = end;
        if (!end)
            break;
    }
    return EC_OK;
}

static enum ec empty_fd(int dirfd, const char *path, struct err *reterr)
{
    DIR *d = fdopendir(dirfd);
    struct dirent *e;
    enum ec rc = EC_OK;

    if (!d) {
        close(dirfd);
        return err_errno(reterr, EC_IO, errno, "read folder '%s'", path);
    }
    while (!rc && (errno = 0, e = readdir(d))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (unlinkat(dirfd, e->d_name, 0) == 0)
            continue;
        if (errno == EISDIR || errno == EPERM) {
            int sub = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

            if (sub < 0)
                rc = err_errno(reterr, EC_IO, errno, "open '%s/%s'", path, e->d_name);
            else
                rc = empty_fd(sub, path, reterr);
            if (!rc && unlinkat(dirfd, e->d_name, AT_REMOVEDIR))
                rc = err_errno(reterr, EC_IO, errno, "remove '%s/%s'", path, e->d_name);
        } else {
            rc = err_errno(reterr, EC_IO, errno, "remove '%s/%s'", path, e->d_name);
        }
    }
    closedir(d);
    return rc;
}

enum ec dir_empty(const char *path, struct err *reterr)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? EC_OK : err_errno(reterr, EC_IO, errno, "open folder '%s'", path);
    return empty_fd(fd, path, reterr);
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

int64_t file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) ? -1 : (int64_t)st.st_size;
}

int64_t disk_free(const char *path)
{
    struct statvfs v;

    return statvfs(path, &v) ? -1 : (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

/* Names by their magic numbers (linux/magic.h), kept here because they are few. */
static const char *network_fs(const char *path)
{
    struct statfs s;

    if (statfs(path, &s))
        return NULL;
    switch ((unsigned long)s.f_type & 0xffffffffUL) {
    case 0x6969UL: return "NFS";
    case 0x517bUL: return "SMB";
    case 0xfe534d42UL: return "SMB2";
    case 0xff534d42UL: return "CIFS";
    case 0x01021997UL: return "9p";
    default: return NULL;
    }
}

enum ec file_lock(struct file_lock *l, const char *path, const char *command, int64_t wait_ms, struct err *reterr)
{
    char dir[4096], text[600], host[256] = "?", now[32];
    int64_t until = clock_mono_ms() + wait_ms;
    const char *fs;
    int fd, n;

    l->fd = -1;
    parent_of(path, dir, sizeof(dir));
    fs = network_fs(dir);
    if (fs) {
        err_set(reterr, EC_STATE, "the workspace '%s' is on a %s share, whose locks cannot be trusted", dir, fs);
        return err_hint(reterr, "move the workspace to a local disk");
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(reterr, EC_STATE, errno, "open the lock '%s'", path);
    for (;;) {
        struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        ssize_t r;

        if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
            break;
        if (errno != EAGAIN && errno != EACCES && errno != EINTR) {
            enum ec rc = err_errno(reterr, EC_STATE, errno, "lock '%s'", path);

            close(fd);
            return rc;
        }
        if (clock_mono_ms() < until && !stop_requested()) {
            clock_sleep_ms(100);
            continue;
        }
        r = pread(fd, text, sizeof(text) - 1, 0);
        text[r > 0 ? r : 0] = 0;
        close(fd);
        err_set(reterr, EC_LOCKED, "another run is working in this workspace (%s)",
                text[0] ? text : "holder unknown");
        return err_hint(reterr, "wait for it, give --lock-wait SECONDS, or look with 'dmfsync status'");
    }
    (void)gethostname(host, sizeof(host) - 1);
    clock_format_utc(clock_utc_ms(), now);
    n = snprintf(text, sizeof(text), "host %s, pid %ld, since %s, command %.200s", host, (long)getpid(), now,
                 command);
    if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n) {
        /* The text is a courtesy; the lock itself is held. */
    }
    l->fd = fd;
    return EC_OK;
}

void file_unlock(struct file_lock *l)
{
    if (l->fd >= 0) {
        if (ftruncate(l->fd, 0)) {
            /* nothing to do: the next holder overwrites the text */
        }
        close(l->fd);
    }
    l->fd = -1;
}

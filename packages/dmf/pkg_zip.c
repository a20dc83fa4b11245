#include "dmf/pkg_zip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_RATIO = 1000, RATIO_FLOOR = 1 << 16, MAX_DIRECTORY = 16 << 20 };
enum { END_OCTETS = 22, END64_OCTETS = 56, LOCATOR_OCTETS = 20, CENTRAL_OCTETS = 46, LOCAL_OCTETS = 30 };
enum { FLAG_ENCRYPTED = 1, FLAG_MASKED = 1 << 13 };

/* One member as the directory describes it. */
struct place {
    const char *name; /* folded, for finding; libzip's spelling in UTF-8 */
    const char *shown;
    const unsigned char *raw; /* octets of the name in the directory */
    size_t raw_n;
    uint64_t at, end, size, packed;
    uint32_t index;
    unsigned flags, method;
};
struct dmf_zip {
    zip_t *z;
    char *what;
    struct dmf_zip_rules rules;
    struct place *places; /* sorted by folded name */
    size_t n;
    struct arena a;
};
struct directory {
    int fd;
    uint64_t file, at, octets, n; /* octets of the file; place, octets and entries of the directory */
    unsigned char *p;
};

static unsigned get16(const unsigned char *p)
{
    return (unsigned)(p[0] | p[1] << 8);
}

static uint64_t get32(const unsigned char *p)
{
    return get16(p) | (uint64_t)get16(p + 2) << 16;
}

static uint64_t get64(const unsigned char *p)
{
    return get32(p) | get32(p + 4) << 32;
}

static enum ec read_at(const struct dmf_zip *z, int fd, uint64_t at, void *buf, size_t n, struct err *reterr)
{
    for (size_t have = 0; have < n;) {
        ssize_t got = pread(fd, (char *)buf + have, n - have, (off_t)(at + have));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(reterr, EC_IO, errno, "read %s", z->what);
        if (!got)
            return err_set(reterr, EC_FORMAT, "%s is cut off", z->what);
        have += (size_t)got;
    }
    return EC_OK;
}

/* ---- the directory, read by us ---- */

static enum ec damaged(const struct dmf_zip *z, const char *why, struct err *reterr)
{
    return err_set(reterr, EC_FORMAT, "%s is not %s: %s", z->what, z->rules.kind, why);
}

/* The end record of 64-bit zips, when a locator stands before the classic one. */
static enum ec find_end64(const struct dmf_zip *z, struct directory *d, uint64_t end_at, struct err *reterr)
{
    unsigned char p[END64_OCTETS];
    uint64_t at;
    enum ec rc;

    if (end_at < LOCATOR_OCTETS)
        return EC_OK;
    rc = read_at(z, d->fd, end_at - LOCATOR_OCTETS, p, LOCATOR_OCTETS, reterr);
    if (rc || memcmp(p, "PK\6\7", 4) != 0)
        return rc;
    at = get64(p + 8);
    if (at > d->file || d->file - at < END64_OCTETS)
        return damaged(z, "its end record lies outside of it", reterr);
    rc = read_at(z, d->fd, at, p, END64_OCTETS, reterr);
    if (rc)
        return rc;
    if (memcmp(p, "PK\6\6", 4) != 0 || get32(p + 16) || get32(p + 20) || get64(p + 24) != get64(p + 32))
        return damaged(z, "its 64-bit end record is damaged", reterr);
    d->n = get64(p + 32);
    d->octets = get64(p + 40);
    d->at = get64(p + 48);
    return EC_OK;
}

static enum ec find_end(const struct dmf_zip *z, struct directory *d, struct err *reterr)
{
    size_t n = d->file < END_OCTETS + UINT16_MAX ? (size_t)d->file : END_OCTETS + UINT16_MAX, i;
    unsigned char *tail = xmalloc(n + 1);
    enum ec rc = read_at(z, d->fd, d->file - n, tail, n, reterr);
    bool found = false;

    for (i = n < END_OCTETS ? 0 : n - END_OCTETS + 1; i-- > 0 && !rc && !found;)
        if (!memcmp(tail + i, "PK\5\6", 4) && get16(tail + i + 20) <= n - i - END_OCTETS) {
            const unsigned char *p = tail + i;

            found = true;
            d->n = get16(p + 10);
            d->octets = get32(p + 12);
            d->at = get32(p + 16);
            if (get16(p + 4) || get16(p + 6) || get16(p + 8) != get16(p + 10))
                rc = damaged(z, "a zip in several volumes", reterr);
            else
                rc = find_end64(z, d, d->file - n + i, reterr);
        }
    free(tail);
    if (!rc && !found)
        rc = damaged(z, "no zip, or one that is cut off", reterr);
    return rc;
}

/* Sizes and place that a classic entry has no room for. */
static bool read_extra64(struct place *e, const unsigned char *p, size_t n)
{
    uint64_t *const wanted[] = { &e->size, &e->packed, &e->at };

    while (n >= 4) {
        size_t len = get16(p + 2);

        if (len > n - 4)
            return false;
        for (size_t i = 0, at = 4; i < COUNT(wanted) && get16(p) == 1; i++)
            if (*wanted[i] == UINT32_MAX) {
                if (at + 8 > len + 4)
                    return false;
                *wanted[i] = get64(p + at);
                at += 8;
            }
        p += len + 4;
        n -= len + 4;
    }
    return true;
}

static enum ec read_entry(const struct dmf_zip *z, const struct directory *d, size_t *at, struct place *e,
                          struct err *reterr)
{
    const unsigned char *p = d->p + *at;
    size_t left = (size_t)d->octets - *at, name, extra, comment;

    if (left < CENTRAL_OCTETS || memcmp(p, "PK\1\2", 4) != 0)
        return damaged(z, "its directory is damaged", reterr);
    e->flags = get16(p + 8);
    e->method = get16(p + 10);
    e->packed = get32(p + 20);
    e->size = get32(p + 24);
    name = get16(p + 28), extra = get16(p + 30), comment = get16(p + 32);
    e->at = get32(p + 42);
    if (name + extra + comment > left - CENTRAL_OCTETS || !read_extra64(e, p + CENTRAL_OCTETS + name, extra))
        return damaged(z, "its directory is damaged", reterr);
    e->raw = p + CENTRAL_OCTETS;
    e->raw_n = name;
    *at += CENTRAL_OCTETS + name + extra + comment;
    return EC_OK;
}

static enum ec read_directory(struct dmf_zip *z, struct directory *d, struct err *reterr)
{
    size_t at = 0;
    enum ec rc = find_end(z, d, reterr);

    if (rc)
        return rc;
    if (d->n > z->rules.max_members)
        return err_set(reterr, EC_LIMIT, "%s has %llu members, over the limit of %zu", z->what,
                       (unsigned long long)d->n, z->rules.max_members);
    if (d->octets > MAX_DIRECTORY)
        return err_set(reterr, EC_LIMIT, "%s has a directory of %llu octets, over the limit of %d", z->what,
                       (unsigned long long)d->octets, MAX_DIRECTORY);
    if (d->at > d->file || d->octets > d->file - d->at)
        return damaged(z, "its directory lies outside of it", reterr);
    d->p = arena_alloc(&z->a, (size_t)d->octets + 1);
    rc = read_at(z, d->fd, d->at, d->p, (size_t)d->octets, reterr);
    z->n = (size_t)d->n;
    z->places = arena_zalloc(&z->a, (z->n + 1) * sizeof(*z->places));
    for (size_t i = 0; i < z->n && !rc; i++) {
        z->places[i].index = (uint32_t)i;
        rc = read_entry(z, d, &at, &z->places[i], reterr);
    }
    if (!rc && at != d->octets)
        rc = damaged(z, "its directory states another number of members than it has", reterr);
    return rc;
}

/* ---- checks of the members ---- */

static enum ec refuse(const struct dmf_zip *z, const struct place *e, enum ec rc, const char *why, struct err *reterr)
{
    return err_set(reterr, rc, "%s: member '%.100s' %s", z->what, e->shown, why);
}

/* "a/../b", "./a" and "a//b" are as bad as "..". */
static bool names_folders(const char *name)
{
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");

        if ((n == 1 && p[0] == '.') || (n == 2 && !memcmp(p, "..", 2)) || (!n && (p == name || *p)))
            return true;
        p += n;
        if (!*p)
            return false;
    }
}

static enum ec check_name(const struct dmf_zip *z, const struct place *e, struct err *reterr)
{
    const char *name = e->shown;

    if (!*name)
        return refuse(z, e, EC_FORMAT, "has no name", reterr);
    if (utf8_valid_prefix(name, strlen(name)) < strlen(name))
        return refuse(z, e, EC_FORMAT, "has a name that is not text", reterr);
    if (strchr(name, '\\') || strchr(name, ':') || (!z->rules.folders && strchr(name, '/')))
        return refuse(z, e, EC_FORMAT, "has a folder in its name", reterr);
    return names_folders(name) ? refuse(z, e, EC_FORMAT, "names a folder", reterr) : EC_OK;
}

static enum ec check_sizes(const struct dmf_zip *z, const struct place *e, struct err *reterr)
{
    char why[120];

    if (e->flags & (FLAG_ENCRYPTED | FLAG_MASKED))
        return refuse(z, e, EC_FORMAT, "is encrypted", reterr);
    if (e->method != ZIP_CM_STORE && e->method != ZIP_CM_DEFLATE) {
        snprintf(why, sizeof(why), "is compressed by method %u, which data packages do not use", e->method);
        return refuse(z, e, EC_FORMAT, why, reterr);
    }
    if (e->size > z->rules.max_member) {
        snprintf(why, sizeof(why), "inflates to %llu octets, over the limit of %llu", (unsigned long long)e->size,
                 (unsigned long long)z->rules.max_member);
        return refuse(z, e, EC_LIMIT, why, reterr);
    }
    snprintf(why, sizeof(why), "inflates to over %d times its size", MAX_RATIO);
    if (e->size > RATIO_FLOOR &&
        (e->size / MAX_RATIO > e->packed || (z->rules.packed && e->size / MAX_RATIO > z->rules.packed)))
        return refuse(z, e, EC_LIMIT, why, reterr);
    if (e->method == ZIP_CM_STORE && e->size != e->packed)
        return refuse(z, e, EC_FORMAT, "is stored, but states two sizes", reterr);
    return EC_OK;
}

/* What stands before the member's octets must agree with the directory; from there its end is known. */
static enum ec check_local(const struct dmf_zip *z, const struct directory *d, struct place *e, struct err *reterr)
{
    unsigned char p[LOCAL_OCTETS];
    unsigned char name[UINT16_MAX];
    uint64_t room;
    enum ec rc;

    if (e->at >= d->at || d->at - e->at < LOCAL_OCTETS + e->raw_n)
        return refuse(z, e, EC_FORMAT, "lies outside of the zip", reterr);
    rc = read_at(z, d->fd, e->at, p, sizeof(p), reterr);
    if (!rc)
        rc = read_at(z, d->fd, e->at + LOCAL_OCTETS, name, e->raw_n, reterr);
    if (rc)
        return rc;
    if (memcmp(p, "PK\3\4", 4) != 0 || get16(p + 26) != e->raw_n || memcmp(name, e->raw, e->raw_n) != 0)
        return refuse(z, e, EC_FORMAT, "is not where the directory says", reterr);
    if (get16(p + 6) & (FLAG_ENCRYPTED | FLAG_MASKED))
        return refuse(z, e, EC_FORMAT, "is encrypted", reterr);
    if (get16(p + 8) != e->method)
        return refuse(z, e, EC_FORMAT, "is compressed in two ways", reterr);
    e->end = e->at + LOCAL_OCTETS + e->raw_n + get16(p + 28);
    room = e->end < d->at ? d->at - e->end : 0;
    if (e->end > d->at || e->packed > room)
        return refuse(z, e, EC_FORMAT, "lies outside of the zip: its size is not the one the directory states",
                      reterr);
    e->end += e->packed;
    return EC_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->at != y->at ? (x->at < y->at ? -1 : 1) : x->index < y->index ? -1 : 1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->name, ((const struct place *)b)->name);
}

/* libzip must see the directory that we checked, or the checks are worth nothing. */
static enum ec check_view(struct dmf_zip *z, struct err *reterr)
{
    if ((uint64_t)zip_get_num_entries(z->z, 0) != z->n)
        return damaged(z, "its directory can be read in two ways", reterr);
    for (size_t i = 0; i < z->n; i++) {
        struct place *e = &z->places[i];
        const char *raw = zip_get_name(z->z, i, ZIP_FL_ENC_RAW), *name;
        zip_stat_t st;

        if (!raw || strlen(raw) != e->raw_n || memcmp(raw, e->raw, e->raw_n) != 0)
            return damaged(z, "the name of a member can be read in two ways", reterr);
        name = zip_get_name(z->z, i, 0);
        e->shown = arena_strdup(&z->a, name ? name : "");
        e->name = cell_cstr(&z->a, cell_lower(&z->a, cell_of(e->shown)));
        if (zip_stat_index(z->z, i, 0, &st) || !(st.valid & ZIP_STAT_SIZE) || !(st.valid & ZIP_STAT_COMP_SIZE) ||
            st.size != e->size || st.comp_size != e->packed)
            return refuse(z, e, EC_FORMAT, "does not state its sizes", reterr);
    }
    return EC_OK;
}

/* Members that share octets of the file are how a small zip inflates without end. */
static enum ec check_members(struct dmf_zip *z, const struct directory *d, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < z->n && !rc; i++) {
        rc = check_name(z, &z->places[i], reterr);
        if (!rc)
            rc = check_sizes(z, &z->places[i], reterr);
    }
    qsort(z->places, z->n, sizeof(*z->places), by_place);
    for (size_t i = 0; i < z->n && !rc; i++) {
        struct place *e = &z->places[i];

        if (i && e->at < e[-1].end)
            return err_set(reterr, EC_FORMAT, "%s: its members '%.100s' and '%.100s' overlap", z->what, e[-1].shown,
                           e->shown);
        rc = check_local(z, d, e, reterr);
    }
    if (rc)
        return rc;
    qsort(z->places, z->n, sizeof(*z->places), by_name);
    for (size_t i = 1; i < z->n; i++)
        if (!strcmp(z->places[i - 1].name, z->places[i].name))
            return err_set(reterr, EC_FORMAT, "%s has two members named '%.100s'", z->what, z->places[i].name);
    return EC_OK;
}

/* ---- the zip ---- */

static enum ec open_libzip(struct dmf_zip *z, int *fd, struct err *reterr)
{
    zip_error_t e;
    int zerr = 0;
    enum ec rc;

    z->z = zip_fdopen(*fd, 0, &zerr);
    if (z->z) {
        *fd = -1; /* libzip has closed it and keeps another one */
        return EC_OK;
    }
    zip_error_init_with_code(&e, zerr);
    rc = zerr == ZIP_ER_READ || zerr == ZIP_ER_SEEK || zerr == ZIP_ER_OPEN
             ? err_errno(reterr, EC_IO, errno, "read %s", z->what)
             : damaged(z, zip_error_strerror(&e), reterr);
    zip_error_fini(&e);
    return rc;
}

enum ec dmf_zip_open(int fd, const char *what, const struct dmf_zip_rules *rules, struct dmf_zip **ret,
                     struct err *reterr)
{
    struct dmf_zip *z = xcalloc(1, sizeof(*z));
    struct directory d = { .fd = -1 };
    struct stat st;
    enum ec rc;

    z->what = xstrdup(what);
    z->rules = *rules;
    d.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (d.fd < 0 || fstat(fd, &st)) {
        rc = err_errno(reterr, EC_IO, errno, "read %s", what);
        goto out;
    }
    d.file = (uint64_t)st.st_size;
    rc = S_ISREG(st.st_mode) ? read_directory(z, &d, reterr) : damaged(z, "not a file", reterr);
    if (!rc)
        rc = open_libzip(z, &fd, reterr);
    if (!rc)
        rc = check_view(z, reterr);
    if (!rc)
        rc = check_members(z, &d, reterr);
out:
    if (fd >= 0)
        close(fd);
    if (d.fd >= 0)
        close(d.fd);
    if (rc)
        dmf_zip_close(z);
    else
        *ret = z;
    return rc;
}

enum ec dmf_zip_open_path(const char *path, const char *what, const struct dmf_zip_rules *rules, struct dmf_zip **ret,
                          struct err *reterr)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo is refused later, not waited for */

    if (fd < 0)
        return err_errno(reterr, errno == ENOENT ? EC_NOTFOUND : EC_IO, errno, "open %s", what);
    return dmf_zip_open(fd, what, rules, ret, reterr);
}

void dmf_zip_close(struct dmf_zip *z)
{
    if (!z)
        return;
    if (z->z)
        zip_discard(z->z);
    arena_release(&z->a);
    free(z->what);
    free(z);
}

size_t dmf_zip_members(const struct dmf_zip *z)
{
    return z->n;
}

const char *dmf_zip_name(const struct dmf_zip *z, size_t i)
{
    return z->places[i].shown;
}

int64_t dmf_zip_find(const struct dmf_zip *z, struct cell name)
{
    struct arena a = { 0 };
    struct place key = { .name = cell_cstr(&a, cell_lower(&a, name)) };
    const struct place *e = z->n && name.len && !memchr(name.ptr, 0, name.len)
                                ? bsearch(&key, z->places, z->n, sizeof(key), by_name)
                                : NULL;

    arena_release(&a);
    return e ? e - z->places : -1;
}

/* ---- one member ---- */

enum ec dmf_member_open(struct dmf_zip *z, int64_t i, struct dmf_member *ret, struct err *reterr)
{
    const struct place *e = &z->places[i];
    zip_file_t *f = zip_fopen_index(z->z, e->index, 0);

    if (!f)
        return err_set(reterr, EC_FORMAT, "%s: member '%.100s': %s", z->what, e->shown, zip_strerror(z->z));
    *ret = (struct dmf_member){ .file = f, .size = e->size, .packed = e->packed };
    ret->name = xmalloc(strlen(z->what) + strlen(e->shown) + 8);
    sprintf(ret->name, "'%s' of %s", e->shown, z->what);
    return EC_OK;
}

int64_t dmf_member_read(struct dmf_member *m, void *buf, size_t n, struct err *reterr)
{
    zip_int64_t got;

    if (m->ended)
        return 0;
    got = zip_fread(m->file, buf, n);
    if (got < 0) {
        err_set(reterr, EC_FORMAT, "%s is damaged: %s", m->name, zip_file_strerror(m->file));
        return -1;
    }
    m->got += (uint64_t)got;
    if (m->got > m->size || (!got && m->got < m->size)) {
        err_set(reterr, EC_FORMAT, "%s is damaged: its size is not the one the zip states", m->name);
        return -1;
    }
    m->ended = got == 0;
    return got;
}

void dmf_member_close(struct dmf_member *m)
{
    if (m->file)
        zip_fclose(m->file);
    free(m->name);
    *m = (struct dmf_member){ 0 };
}

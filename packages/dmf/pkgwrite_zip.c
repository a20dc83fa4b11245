/*
 * pkgwrite_zip.c -- the end of a package: documents, digest, the zip, publishing it.
 *
 * The zip is put together here and not by libzip, which would copy every octet once more, on one core, at the very end. Its largest
 * member is where it was compressed to; the others are written behind it. The directory lists PackageHeader.xml, Manifest.xml and the
 * data files in entity order; where in the file a member is, is free ("APPNOTE.TXT - .ZIP File Format Specification", 4.3.1).
 */
#include "dmf/pkgwrite_parts.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Digest of the content: name, size and SHA-256 of each member, in their order. */
static void digest_member(struct sha256 *all, struct cell name, uint64_t octets, const char *hex)
{
    char line[96];

    sha256_add(all, name.ptr, name.len);
    sha256_add(all, line, (size_t)snprintf(line, sizeof(line), "%c%llu %s\n", 0, (unsigned long long)octets, hex));
}

/* ---- the zip's structures (APPNOTE.TXT, 4.3.7, 4.3.12, 4.3.16) ---- */

enum {
    METHOD_DEFLATE = 8,
    VERSION_NEEDED = 20,
    VERSION_MADE_BY = 63,
    NAME_IS_UTF8 = 1 << 11,
    NO_DATE = 0x21 /* the first day that there is */
};

static void put16(struct strbuf *out, unsigned v)
{
    strbuf_addc(out, (char)v);
    strbuf_addc(out, (char)(v >> 8));
}

static void put32(struct strbuf *out, uint64_t v)
{
    put16(out, (unsigned)(v & 0xFFFF));
    put16(out, (unsigned)(v >> 16 & 0xFFFF));
}

/* A member, and where it is. */
struct member {
    struct cell name;
    const struct deflate_stream *s;
    uint64_t at;
};

/* What the local header and the directory have in common. */
static void put_common(struct strbuf *out, const struct member *m)
{
    bool ascii = true;

    for (size_t i = 0; i < m->name.len; i++)
        ascii = ascii && !(m->name.ptr[i] & 0x80);
    put16(out, VERSION_NEEDED);
    put16(out, ascii ? 0 : NAME_IS_UTF8);
    put16(out, METHOD_DEFLATE);
    put16(out, 0); /* time */
    put16(out, NO_DATE);
    put32(out, m->s->crc);
    put32(out, m->s->octets_out);
    put32(out, m->s->octets_in);
    put16(out, (unsigned)m->name.len);
    put16(out, 0); /* extra field */
}

static void put_local(struct strbuf *out, const struct member *m)
{
    strbuf_adds(out, "PK\3\4");
    put_common(out, m);
    strbuf_add(out, m->name.ptr, m->name.len);
}

static void put_directory(struct strbuf *out, const struct member *m)
{
    strbuf_adds(out, "PK\1\2");
    put16(out, VERSION_MADE_BY);
    put_common(out, m);
    put16(out, 0); /* comment */
    put16(out, 0); /* disk */
    put16(out, 0); /* attributes */
    put32(out, 0);
    put32(out, m->at);
    strbuf_add(out, m->name.ptr, m->name.len);
}

static void put_end(struct strbuf *out, size_t members, uint64_t at, uint64_t octets, const char *comment)
{
    strbuf_adds(out, "PK\5\6");
    put16(out, 0);
    put16(out, 0);
    put16(out, (unsigned)members);
    put16(out, (unsigned)members);
    put32(out, octets);
    put32(out, at);
    put16(out, (unsigned)strlen(comment));
    strbuf_adds(out, comment);
}

/* ---- its members ---- */

/* A zip being put together: all but its largest member, which is in the file already. */
struct assembling {
    struct dmf_writer *w;
    struct member *members; /* documents, then data files */
    size_t n, cap;
    struct strbuf documents[2];
    struct deflate_stream streams[2]; /* of the documents */
    int fd;
    const char *path;
    uint64_t octets; /* of the file */
    struct sha256 *all;
};

static enum ec keep(void *arg, const void *p, size_t n, struct err *reterr)
{
    (void)reterr;
    strbuf_add(arg, p, n);
    return EC_OK;
}

static enum ec put_octets(struct assembling *z, const void *p, size_t n, struct err *reterr)
{
    z->octets += n;
    return file_write_all(z->fd, p, n, z->path, reterr);
}

/* A document is compressed like the data: the zip's octets depend on one compressor alone. */
static enum ec add_document(struct assembling *z, const char *name, struct strbuf *text, struct err *reterr)
{
    size_t i = z->n;
    struct deflate_stream *s = &z->streams[i];
    char hex[33];
    enum ec rc;

    *s = (struct deflate_stream){ .sink = keep, .arg = &z->documents[i] };
    digest_format_hex(digest_bytes_plain(text->buf, text->len), hex);
    digest_member(z->all, cell_of(name), text->len, hex);
    rc = spool_compress(z->w, s, text, reterr);
    if (!rc)
        rc = deflate_end(z->w->pool, s, reterr);
    z->members[z->n++] = (struct member){ .name = cell_of(name), .s = s };
    return rc;
}

static enum ec add_data(struct assembling *z, size_t i, struct err *reterr)
{
    struct spool *s = &z->w->spools[i];
    char hex[33];

    digest_format_hex(octet_digest_end(s->digest), hex);
    s->digest = NULL;
    if (s->octets > CLASSIC_ZIP_MAX) {
        err_set(reterr, EC_LIMIT, "data file '" CELL_FMT "' has %llu octets, more than a package without zip64 holds",
                CELL_ARG(s->name), (unsigned long long)s->octets);
        return err_hint(reterr, "lower package_rows in [load]");
    }
    digest_member(z->all, s->name, s->octets, hex);
    z->members[z->n++] = (struct member){ .name = s->name, .s = &s->deflate };
    return EC_OK;
}

/* The octets of the file `from` behind those of the zip. */
static enum ec append_file(struct assembling *z, const char *from, struct err *reterr)
{
    char *buf = NULL;
    enum ec rc = EC_OK;
    int fd = open(from, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "open '%s'", from);
    buf = xmalloc(BLOCK_OCTETS);
    while (!rc) {
        ssize_t got = read(fd, buf, BLOCK_OCTETS);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = err_errno(reterr, EC_IO, errno, "read '%s'", from);
        if (got <= 0)
            break;
        rc = put_octets(z, buf, (size_t)got, reterr);
    }
    free(buf);
    close(fd);
    return rc;
}

static enum ec write_local(struct member *m, const char *path, int fd, struct err *reterr)
{
    struct strbuf head = STRBUF(0);
    enum ec rc = EC_OK;

    put_local(&head, m);
    if (pwrite(fd, head.buf, head.len, 0) != (ssize_t)head.len)
        rc = err_errno(reterr, EC_IO, errno, "write '%s'", path);
    strbuf_release(&head);
    return rc;
}

/* Every spool becomes a member with its header. */
static enum ec finish_local(struct spool *s, struct member *m, struct err *reterr)
{
    int fd = open(s->path, O_WRONLY | O_CLOEXEC);
    enum ec rc;

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "open '%s'", s->path);
    rc = write_local(m, s->path, fd, reterr);
    if (close(fd) && !rc)
        rc = err_errno(reterr, EC_IO, errno, "close '%s'", s->path);
    return rc;
}

static size_t largest(const struct dmf_writer *w)
{
    size_t at = 0;

    for (size_t i = 1; i < w->p->n; i++)
        if (w->spools[i].deflate.octets_out > w->spools[at].deflate.octets_out)
            at = i;
    return at;
}

/* Ends the data files; the header rows of entities without rows are in them, too. */
static enum ec end_files(struct dmf_writer *w, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < w->p->n && !rc; i++) {
        dmf_data_end(w->spools[i].rows);
        rc = spool_flush(w, &w->spools[i], reterr);
        if (!rc)
            rc = deflate_end(w->pool, &w->spools[i].deflate, reterr);
    }
    return rc ? rc : writer_close(w, reterr);
}

/* Opens the file that becomes the zip: that of the largest member, or a copy where a rename from there could not reach `path`. */
static enum ec open_zip(struct assembling *z, size_t base, const char *path, struct err *reterr)
{
    struct dmf_writer *w = z->w;
    struct spool *s = &w->spools[base];
    const char *slash = strrchr(path, '/');
    char *dir = !slash ? "." : slash == path ? "/" : arena_dup(&w->a, path, (size_t)(slash - path));
    struct stat tmp, there;
    bool near = !stat(w->tmp_dir, &tmp) && !stat(dir, &there) && tmp.st_dev == there.st_dev;

    z->path = near ? s->path : arena_printf(&w->a, "%s.part", path);
    z->fd = near ? open(z->path, O_WRONLY | O_APPEND | O_CLOEXEC)
                 : open(z->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (z->fd < 0)
        return err_errno(reterr, EC_IO, errno, "create '%s'", z->path);
    if (!near)
        return append_file(z, s->path, reterr);
    z->octets = ZIP_LOCAL_OCTETS + s->name.len + s->deflate.octets_out;
    return EC_OK;
}

/* Documents and data files in this order, behind the one that is in the file. */
static enum ec write_members(struct assembling *z, size_t base, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < z->n && !rc; i++) {
        struct member *m = &z->members[i];
        struct strbuf head = STRBUF(0);

        if (i == base + COUNT(z->documents))
            continue;
        m->at = z->octets;
        if (i < COUNT(z->documents)) {
            put_local(&head, m);
            rc = put_octets(z, head.buf, head.len, reterr);
            if (!rc)
                rc = put_octets(z, z->documents[i].buf, z->documents[i].len, reterr);
        } else {
            rc = append_file(z, z->w->spools[i - COUNT(z->documents)].path, reterr);
        }
        strbuf_release(&head);
        if (!rc && z->octets > CLASSIC_ZIP_MAX)
            rc = err_set(reterr, EC_LIMIT, "the package has more octets than a zip without zip64 holds");
    }
    return rc;
}

static enum ec write_directory(struct assembling *z, const char *comment, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    uint64_t at = z->octets;
    enum ec rc;

    for (size_t i = 0; i < z->n; i++)
        put_directory(&text, &z->members[i]);
    put_end(&text, z->n, at, text.len, comment);
    rc = put_octets(z, text.buf, text.len, reterr);
    strbuf_release(&text);
    return rc;
}

static enum ec describe(struct assembling *z, struct dmf_result *res, struct err *reterr)
{
    struct dmf_writer *w = z->w;
    struct strbuf header = STRBUF(0), manifest = STRBUF(0);
    enum ec rc = dmf_header_text(w->p, &header, reterr);

    if (!rc)
        rc = dmf_manifest_text(w->p, w->written, &manifest, reterr);
    if (!rc)
        rc = add_document(z, DMF_HEADER_NAME, &header, reterr);
    if (!rc)
        rc = add_document(z, DMF_MANIFEST_NAME, &manifest, reterr);
    for (size_t i = 0; i < w->p->n && !rc; i++) {
        rc = add_data(z, i, reterr);
        if (!rc)
            rc = finish_local(&w->spools[i], &z->members[z->n - 1], reterr);
        res->rows += w->written[i].rows;
    }
    strbuf_release(&header);
    strbuf_release(&manifest);
    return rc;
}

static enum ec write_zip(struct dmf_writer *w, const char *path, struct dmf_result *res, struct err *reterr)
{
    struct assembling z = { .w = w, .fd = -1, .all = sha256_new() };
    size_t base = largest(w);
    char comment[64];
    enum ec rc = EC_OK;

    if (!w->p->n)
        rc = err_set(reterr, EC_FORMAT, "a package without entities cannot be written");
    else if (w->p->n + COUNT(z.documents) > UINT16_MAX)
        rc = err_set(reterr, EC_LIMIT, "a package of %zu entities is more than a zip without zip64 holds", w->p->n);
    z.members = arena_zalloc(&w->a, (w->p->n + COUNT(z.documents)) * sizeof(*z.members));
    if (!rc)
        rc = describe(&z, res, reterr);
    res->compressor = deflate_name(w->pool);
    snprintf(comment, sizeof(comment), DMF_COMMENT "%s", res->compressor);
    if (!rc)
        rc = open_zip(&z, base, path, reterr);
    if (!rc)
        rc = write_members(&z, base, reterr);
    if (!rc)
        rc = write_directory(&z, comment, reterr);
    if (z.fd >= 0 && close(z.fd) && !rc)
        rc = err_errno(reterr, EC_IO, errno, "close '%s'", z.path);
    res->octets = z.octets;
    if (!rc && res->octets > CLASSIC_ZIP_MAX)
        rc = err_set(reterr, EC_LIMIT, "package '%s' has %llu octets, more than a zip without zip64 holds", path,
                     (unsigned long long)res->octets);
    if (!rc)
        rc = file_publish(z.path, path, reterr);
    if (rc && z.path)
        (void)unlink(z.path);
    else if (z.path == w->spools[base].path)
        w->spools[base].path = NULL; /* it is the package now */
    for (size_t i = 0; i < COUNT(z.documents); i++) {
        deflate_abandon(w->pool, &z.streams[i]); /* an error */
        strbuf_release(&z.documents[i]);
    }
    sha256_hex(z.all, res->digest);
    return rc;
}

/* The package without the entities that got no row; the caller's is not touched. */
static enum ec leave_out(struct dmf_writer *w, struct err *reterr)
{
    struct dmf_package *p = arena_zalloc(&w->a, sizeof(*p));
    size_t all = w->p->n;
    enum ec rc = deflate_drain(w->pool, reterr); /* streams are about to move */

    if (!rc)
        rc = writer_close(w, reterr);
    if (rc)
        return rc;
    *p = *w->p;
    p->entities = arena_zalloc(&w->a, (all + 1) * sizeof(*p->entities));
    p->n = 0;
    for (size_t i = 0; i < all; i++) {
        if (!w->written[i].rows) {
            spool_drop(w, &w->spools[i]);
            continue;
        }
        p->entities[p->n] = w->p->entities[i];
        if (p->n != i) {
            struct spool *to = &w->spools[p->n];

            *to = w->spools[i];
            to->deflate.arg = to;
            to->rows->e = &p->entities[p->n];
            w->spools[i] = (struct spool){ .w = w };
            w->written[p->n] = w->written[i];
        }
        p->n++;
    }
    w->p = p;
    return EC_OK;
}

enum ec dmf_writer_finish(struct dmf_writer *w, const char *path, struct dmf_result *ret, struct err *reterr)
{
    struct dmf_result res = { .rows = 0 };
    enum ec rc = w->leave_out_empty ? leave_out(w, reterr) : EC_OK;

    if (!rc)
        rc = end_files(w, reterr);
    if (!rc)
        rc = write_zip(w, path, &res, reterr);
    if (!rc)
        *ret = res;
    dmf_writer_abandon(w);
    return rc;
}

/* pkgwrite_zip.c -- the end of a package: documents, digest, the zip from compressed spools, publishing it. */
#include "dmf/pkgwrite_parts.h"

#include "base/file.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Digest of the content: name, size and SHA-256 of each member, in their order. */
static void digest_member(struct sha256 *all, struct cell name, uint64_t octets, const char *hex)
{
    char line[96];

    sha256_add(all, name.ptr, name.len);
    sha256_add(all, line, (size_t)snprintf(line, sizeof(line), "%c%llu %s\n", 0, (unsigned long long)octets, hex));
}

static enum ec add_member(zip_t *zip, struct cell name, zip_source_t *src, struct arena *a, struct err *reterr)
{
    char *n = cell_cstr(a, name);
    zip_int64_t at = src ? zip_file_add(zip, n, src, ZIP_FL_ENC_UTF_8) : -1;

    if (at < 0) {
        zip_source_free(src);
        return err_set(reterr, EC_IO, "add '%s' to the package: %s", n, zip_strerror(zip));
    }
    if (zip_set_file_compression(zip, (zip_uint64_t)at, ZIP_CM_DEFLATE, 1) ||
        zip_file_set_dostime(zip, (zip_uint64_t)at, 0, 0x21, 0) ||
        zip_file_set_external_attributes(zip, (zip_uint64_t)at, 0, ZIP_OPSYS_DOS, 0))
        return err_set(reterr, EC_IO, "add '%s' to the package: %s", n, zip_strerror(zip));
    return EC_OK;
}

/* A spool to libzip: a member that is compressed already, whose sizes and CRC are known. */
static zip_int64_t spool_source(void *arg, void *data, zip_uint64_t n, zip_source_cmd_t cmd)
{
    struct spool *s = arg;

    switch (cmd) {
    case ZIP_SOURCE_OPEN:
        s->reading = fopen(s->path, "rbe");
        if (s->reading) /* libzip asks for 8 kB at a time */
            (void)setvbuf(s->reading, NULL, _IOFBF, BLOCK_OCTETS);
        return s->reading ? 0 : -1;
    case ZIP_SOURCE_READ: {
        size_t got = fread(data, 1, n, s->reading);

        return got < n && ferror(s->reading) ? -1 : (zip_int64_t)got;
    }
    case ZIP_SOURCE_CLOSE:
        if (s->reading)
            fclose(s->reading);
        s->reading = NULL;
        return 0;
    case ZIP_SOURCE_STAT: {
        zip_stat_t *st = data;

        zip_stat_init(st);
        st->valid = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC | ZIP_STAT_COMP_METHOD;
        st->size = s->deflate.octets_in;
        st->comp_size = s->deflate.octets_out;
        st->crc = s->deflate.crc;
        st->comp_method = ZIP_CM_DEFLATE;
        return sizeof(*st);
    }
    case ZIP_SOURCE_ERROR: {
        int e[2] = { ZIP_ER_READ, errno };

        memcpy(data, e, sizeof(e));
        return sizeof(e);
    }
    case ZIP_SOURCE_FREE: return 0;
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
                                              ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, -1);
    default: return -1;
    }
}

static enum ec add_text(struct dmf_writer *w, zip_t *zip, const char *name, struct strbuf *text, struct spool *s,
                        struct sha256 *all, struct err *reterr)
{
    char hex[33];
    enum ec rc;

    /* through the same compressor as the data: the zip's octets depend on one alone */
    s->w = w;
    s->deflate = (struct deflate_stream){ .sink = spool_add, .arg = s };
    s->octets = text->len;
    digest_format_hex(digest_bytes_plain(text->buf, text->len), hex);
    digest_member(all, cell_of(name), text->len, hex);
    rc = spool_compress(w, s, text, reterr);
    if (!rc)
        rc = deflate_end(w->pool, &s->deflate, reterr);
    return rc ? rc : add_member(zip, cell_of(name), zip_source_function(zip, spool_source, s), &w->a, reterr);
}

static enum ec add_data(struct dmf_writer *w, zip_t *zip, size_t i, struct sha256 *all, struct err *reterr)
{
    struct spool *s = &w->spools[i];
    char hex[33];

    digest_format_hex(octet_digest_end(s->digest), hex);
    s->digest = NULL;
    if (s->octets > CLASSIC_ZIP_MAX) {
        err_set(reterr, EC_LIMIT, "data file '" CELL_FMT "' has %llu octets, more than a package without zip64 holds",
                CELL_ARG(w->p->entities[i].input_file), (unsigned long long)s->octets);
        return err_hint(reterr, "lower package_rows in [load]");
    }
    digest_member(all, w->p->entities[i].input_file, s->octets, hex);
    return add_member(zip, w->p->entities[i].input_file, zip_source_function(zip, spool_source, s), &w->a, reterr);
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
    return rc;
}

/* Where the zip grows: in the temporary folder, unless a rename from there could not reach `path`. */
static char *part_path(struct dmf_writer *w, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = !slash ? "." : slash == path ? "/" : arena_dup(&w->a, path, (size_t)(slash - path));
    struct stat tmp, there;

    if (!stat(w->tmp_dir, &tmp) && !stat(dir, &there) && tmp.st_dev == there.st_dev)
        return arena_printf(&w->a, "%s/%s.part", w->tmp_dir, slash ? slash + 1 : path);
    return arena_printf(&w->a, "%s.part", path);
}

static enum ec zip_failed(zip_t *zip, const char *part, struct err *reterr)
{
    zip_error_t *e = zip_get_error(zip);

    if (zip_error_system_type(e) == ZIP_ET_SYS && zip_error_code_system(e))
        return err_errno(reterr, EC_IO, zip_error_code_system(e), "write '%s'", part);
    return err_set(reterr, EC_IO, "write '%s': %s", part, zip_strerror(zip));
}

static enum ec write_zip(struct dmf_writer *w, const char *part, struct dmf_result *res, struct err *reterr)
{
    struct strbuf header = STRBUF(0), manifest = STRBUF(0);
    struct spool documents[2] = { { .path = NULL } };
    char comment[64];
    struct sha256 *all = sha256_new();
    zip_t *zip = NULL;
    int zerr = 0;
    enum ec rc = dmf_header_text(w->p, &header, reterr);

    if (!rc)
        rc = dmf_manifest_text(w->p, w->written, &manifest, reterr);
    if (rc)
        goto out;
    zip = zip_open(part, ZIP_CREATE | ZIP_TRUNCATE, &zerr);
    if (!zip) {
        rc = zerr == ZIP_ER_OPEN ? err_errno(reterr, EC_IO, errno, "create '%s'", part)
                                 : err_set(reterr, EC_IO, "create '%s': libzip error %d", part, zerr);
        goto out;
    }
    rc = add_text(w, zip, DMF_HEADER_NAME, &header, &documents[0], all, reterr);
    if (!rc)
        rc = add_text(w, zip, DMF_MANIFEST_NAME, &manifest, &documents[1], all, reterr);
    for (size_t i = 0; i < w->p->n && !rc; i++) {
        rc = add_data(w, zip, i, all, reterr);
        res->rows += w->written[i].rows;
    }
    if (rc)
        goto out;
    res->compressor = deflate_name(w->pool);
    snprintf(comment, sizeof(comment), DMF_COMMENT "%s", res->compressor);
    if (zip_set_archive_comment(zip, comment, (zip_uint16_t)strlen(comment))) {
        rc = err_set(reterr, EC_IO, "write '%s': %s", part, zip_strerror(zip));
        goto out;
    }
    if (zip_close(zip)) { /* libzip reads the members and reports most errors here */
        rc = zip_failed(zip, part, reterr);
        goto out;
    }
    zip = NULL;
out:
    if (zip)
        zip_discard(zip);
    for (size_t i = 0; i < COUNT(documents); i++)
        if (documents[i].path)
            (void)unlink(documents[i].path);
    sha256_hex(all, res->digest);
    strbuf_release(&header);
    strbuf_release(&manifest);
    return rc;
}

/* The package without the entities that got no row; the caller's is not touched. */
static enum ec leave_out(struct dmf_writer *w, struct err *reterr)
{
    struct dmf_package *p = arena_zalloc(&w->a, sizeof(*p));
    size_t all = w->p->n;
    enum ec rc = deflate_drain(w->pool, reterr); /* streams are about to move */

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
    char *part = part_path(w, path);
    struct dmf_result res = { .rows = 0 };
    enum ec rc = w->leave_out_empty ? leave_out(w, reterr) : EC_OK;

    if (!rc)
        rc = end_files(w, reterr);

    if (!rc)
        rc = write_zip(w, part, &res, reterr);
    if (!rc) {
        int64_t octets = file_size(part);

        res.octets = octets > 0 ? (uint64_t)octets : 0;
        if (res.octets > CLASSIC_ZIP_MAX)
            rc = err_set(reterr, EC_LIMIT, "package '%s' has %llu octets, more than a zip without zip64 holds", path,
                         (unsigned long long)res.octets);
    }
    if (!rc)
        rc = file_publish(part, path, reterr);
    if (rc)
        (void)unlink(part);
    else
        *ret = res;
    dmf_writer_abandon(w);
    return rc;
}

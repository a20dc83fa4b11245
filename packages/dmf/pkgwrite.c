#include "dmf/pkgwrite_parts.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SYNC_OCTETS = 4 << 20 };

/* A new spool begins with room for its local header, whose sums are known at the end. */
static enum ec spool_create(struct spool *s, int *ret_fd, struct err *reterr)
{
    struct dmf_writer *w = s->w;
    char *path = arena_printf(&w->a, "%s/data-XXXXXX", w->tmp_dir), *room;
    int fd = mkostemp(path, O_CLOEXEC);

    if (fd < 0)
        return err_errno(reterr, EC_IO, errno, "create a file in '%s'", w->tmp_dir);
    s->path = path;
    room = arena_zalloc(&w->a, ZIP_LOCAL_OCTETS + s->name.len);
    *ret_fd = fd;
    return file_write_all(fd, room, ZIP_LOCAL_OCTETS + s->name.len, path, reterr);
}

/*
 * So that little is left to write when the package is published, and the disk works meanwhile: of whole stretches, as what is appended to
 * a page would wait while that is being written.
 */
static void begin_to_sync(struct spool *s, int fd)
{
    uint64_t now = s->deflate.octets_out / SYNC_OCTETS * SYNC_OCTETS;

    if (now == s->synced)
        return;
    (void)sync_file_range(fd, (off_t)s->synced, (off_t)(now - s->synced), SYNC_FILE_RANGE_WRITE); /* or later */
    s->synced = now;
}

enum ec writer_close(struct dmf_writer *w, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (w->open && close(w->fd))
        rc = err_errno(reterr, EC_IO, errno, "close '%s'", w->open->path);
    w->open = NULL;
    return rc;
}

/* Only one is kept open: a package may have a hundred entities. */
static enum ec spool_open(struct spool *s, struct err *reterr)
{
    struct dmf_writer *w = s->w;
    enum ec rc = writer_close(w, reterr);

    if (rc)
        return rc;
    if (!s->path) {
        rc = spool_create(s, &w->fd, reterr);
        if (s->path)
            w->open = s;
        return rc;
    }
    w->fd = open(s->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (w->fd < 0)
        return err_errno(reterr, EC_IO, errno, "open '%s'", s->path);
    w->open = s;
    return EC_OK;
}

/* Compressed octets behind those in the file. */
enum ec spool_add(void *arg, const void *p, size_t n, struct err *reterr)
{
    struct spool *s = arg;
    enum ec rc = s->w->open == s ? EC_OK : spool_open(s, reterr);

    if (!rc)
        rc = file_write_all(s->w->fd, p, n, s->path, reterr);
    if (!rc)
        begin_to_sync(s, s->w->fd);
    return rc;
}

/* Leaves `text` empty. */
enum ec spool_compress(struct dmf_writer *w, struct deflate_stream *s, struct strbuf *text, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (text->len <= DEFLATE_BLOCK)
        return deflate_block(w->pool, s, text, reterr);
    for (size_t at = 0; at < text->len && !rc; at += BLOCK_OCTETS) { /* a very long row */
        struct strbuf piece = STRBUF(0);

        strbuf_add(&piece, text->buf + at, text->len - at < BLOCK_OCTETS ? text->len - at : BLOCK_OCTETS);
        rc = deflate_block(w->pool, s, &piece, reterr);
        strbuf_release(&piece);
    }
    strbuf_reset(text);
    return rc;
}

enum ec spool_flush(struct dmf_writer *w, struct spool *s, struct err *reterr)
{
    struct strbuf *held = &s->rows->out;

    octet_digest_add(s->digest, held->buf, held->len);
    s->octets += held->len;
    return spool_compress(w, &s->deflate, held, reterr);
}

void spool_drop(struct dmf_writer *w, struct spool *s)
{
    deflate_abandon(w->pool, &s->deflate);
    if (w->open == s)
        (void)writer_close(w, NULL);
    if (s->path)
        (void)unlink(s->path);
    if (s->digest)
        octet_digest_end(s->digest);
    dmf_data_free(s->rows);
    *s = (struct spool){ .w = w };
}

static enum ec check_package(const struct dmf_package *p, struct err *reterr)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct dmf_entity *e = &p->entities[i];
        struct cell f = e->input_file;

        if (cell_blank(e->label) || cell_blank(f))
            return err_set(reterr, EC_FORMAT, "entity %zu of the package has no label or no file name", i + 1);
        if (utf8_valid_prefix(f.ptr, f.len) < f.len || memchr(f.ptr, '/', f.len) || memchr(f.ptr, '\\', f.len) ||
            memchr(f.ptr, 0, f.len) || cell_is(f, "..") || cell_is(f, ".") ||
            cell_ieq(f, CELL_LIT(DMF_HEADER_NAME)) || cell_ieq(f, CELL_LIT(DMF_MANIFEST_NAME)))
            return err_set(reterr, EC_FORMAT, "'" CELL_FMT "' cannot be the name of a data file", CELL_ARG(f));
        for (size_t j = 0; j < i; j++)
            if (cell_ieq(f, p->entities[j].input_file))
                return err_set(reterr, EC_FORMAT, "two entities of the package use the file '" CELL_FMT "'",
                               CELL_ARG(f));
    }
    return p->n ? EC_OK : err_set(reterr, EC_FORMAT, "a package without entities cannot be written");
}

enum ec dmf_writer_new(const struct dmf_package *p, const struct dmf_format *f, const char *tmp_dir,
                       struct dmf_writer **ret, struct err *reterr)
{
    struct dmf_writer *w;
    enum ec rc = check_package(p, reterr);

    if (rc)
        return rc;
    w = xcalloc(1, sizeof(*w));
    w->p = p;
    w->format = *f;
    w->tmp_dir = xstrdup(tmp_dir);
    rc = deflate_pool_new(DEFLATE_AUTO, 0, &w->own_pool, reterr);
    w->pool = w->own_pool;
    w->spools = xcalloc(p->n, sizeof(*w->spools));
    w->written = xcalloc(p->n, sizeof(*w->written));
    for (size_t i = 0; i < p->n; i++) {
        w->spools[i].w = w;
        w->spools[i].name = p->entities[i].input_file;
        w->spools[i].digest = octet_digest_new();
        w->spools[i].deflate = (struct deflate_stream){ .sink = spool_add, .arg = &w->spools[i], .wide = f->utf16 };
        w->written[i].qualified = arena_zalloc(&w->a, p->entities[i].n + 1);
    }
    for (size_t i = 0; i < p->n && !rc; i++) {
        rc = dmf_data_new(&p->entities[i], f, &w->spools[i].rows, reterr);
        if (!rc)
            rc = dmf_data_begin(w->spools[i].rows, reterr);
    }
    if (rc)
        dmf_writer_abandon(w);
    else
        *ret = w;
    return rc;
}

void dmf_writer_leave_out_empty(struct dmf_writer *w)
{
    w->leave_out_empty = true;
}

void dmf_writer_use_pool(struct dmf_writer *w, struct deflate_pool *pool)
{
    w->pool = pool;
}

uint64_t dmf_writer_octets(const struct dmf_writer *w, size_t entity)
{
    return w->spools[entity].octets + w->spools[entity].rows->out.len;
}

/* ---- rows ---- */

/* A block stays within its first size: it is not to be moved as it grows. */
struct dmf_data *dmf_writer_data(struct dmf_writer *w, size_t entity)
{
    struct dmf_data *r;

    BUG_IF(entity >= w->p->n, "a row for an entity that the package does not have");
    r = w->spools[entity].rows;
    if (r->out.cap < DEFLATE_BLOCK)
        strbuf_reserve(&r->out, DEFLATE_BLOCK - r->out.len);
    return r;
}

static void note_qualified(bool *qualified, uint64_t bits)
{
    for (; bits; bits &= bits - 1)
        qualified[__builtin_ctzll(bits)] = true;
}

enum ec dmf_writer_added(struct dmf_writer *w, size_t entity, struct err *reterr)
{
    struct spool *s = &w->spools[entity];
    struct dmf_written *written = &w->written[entity];

    written->rows++;
    note_qualified(written->qualified, s->rows->qualified);
    for (size_t i = 64; i < s->rows->e->n; i++)
        written->qualified[i] |= s->rows->qualified_all[i];
    return s->rows->out.len >= BLOCK_OCTETS ? spool_flush(w, s, reterr) : EC_OK;
}

enum ec dmf_writer_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const bool *datetime,
                       size_t *ret_field, struct err *reterr)
{
    enum ec rc = dmf_data_add(dmf_writer_data(w, entity), cells, datetime, ret_field, reterr);

    return rc ? rc : dmf_writer_added(w, entity, reterr);
}

/* Rows behind those of the block, until it is full; how many. The same blocks as from one row after the other. */
static size_t add_made(const struct dmf_writer *w, struct strbuf *out, const char *text, size_t from,
                       const struct dmf_made *made, size_t n, uint64_t *qualified)
{
    const bool wide = w->format.utf16;
    size_t i = 0, first = from;

    for (; i < n && out->len + (from - first) < BLOCK_OCTETS; i++) {
        *qualified |= made[i].qualified;
        if (wide) {
            dmf_widen(out, text + from, made[i].end - from);
            first = made[i].end;
        }
        from = made[i].end;
    }
    strbuf_add(out, text + first, from - first);
    return i;
}

enum ec dmf_writer_made(struct dmf_writer *w, size_t entity, const char *text, size_t from,
                        const struct dmf_made *made, size_t n, struct err *reterr)
{
    struct spool *s = &w->spools[entity];
    struct strbuf *out = &dmf_writer_data(w, entity)->out;
    uint64_t qualified = 0;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < n && !rc;) {
        i += add_made(w, out, text, i ? made[i - 1].end : from, made + i, n - i, &qualified);
        if (out->len >= BLOCK_OCTETS)
            rc = spool_flush(w, s, reterr);
    }
    w->written[entity].rows += n;
    note_qualified(w->written[entity].qualified, qualified);
    return rc;
}

void dmf_writer_abandon(struct dmf_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->p->n; i++)
        spool_drop(w, &w->spools[i]);
    deflate_pool_free(w->own_pool);
    free(w->spools);
    free(w->written);
    free(w->tmp_dir);
    arena_release(&w->a);
    free(w);
}

#include "dmf/pkgwrite_parts.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Compressed octets behind those in the file. No descriptor is kept: a package may have a hundred entities. */
enum ec spool_add(void *arg, const void *p, size_t n, struct err *reterr)
{
    struct spool *s = arg;
    struct dmf_writer *w = s->w;
    enum ec rc;
    int fd;

    if (!s->path) {
        char *path = arena_printf(&w->a, "%s/data-XXXXXX", w->tmp_dir);

        fd = mkostemp(path, O_CLOEXEC);
        if (fd < 0)
            return err_errno(reterr, EC_IO, errno, "create a file in '%s'", w->tmp_dir);
        s->path = path;
    } else {
        fd = open(s->path, O_WRONLY | O_APPEND | O_CLOEXEC);
        if (fd < 0)
            return err_errno(reterr, EC_IO, errno, "open '%s'", s->path);
    }
    rc = file_write_all(fd, p, n, s->path, reterr);
    if (close(fd) && !rc)
        rc = err_errno(reterr, EC_IO, errno, "close '%s'", s->path);
    return rc;
}

/* Leaves `text` empty. */
enum ec spool_compress(struct dmf_writer *w, struct spool *s, struct strbuf *text, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (text->len <= DEFLATE_BLOCK)
        return deflate_block(w->pool, &s->deflate, text, reterr);
    for (size_t at = 0; at < text->len && !rc; at += BLOCK_OCTETS) { /* a very long row */
        struct strbuf piece = STRBUF(0);

        strbuf_add(&piece, text->buf + at, text->len - at < BLOCK_OCTETS ? text->len - at : BLOCK_OCTETS);
        rc = deflate_block(w->pool, &s->deflate, &piece, reterr);
        strbuf_release(&piece);
    }
    strbuf_reset(text);
    return rc;
}

enum ec spool_flush(struct dmf_writer *w, struct spool *s, struct err *reterr)
{
    octet_digest_add(s->digest, s->held.buf, s->held.len);
    s->octets += s->held.len;
    return spool_compress(w, s, &s->held, reterr);
}

void spool_drop(struct dmf_writer *w, struct spool *s)
{
    deflate_abandon(w->pool, &s->deflate);
    if (s->path)
        (void)unlink(s->path);
    if (s->digest)
        octet_digest_end(s->digest);
    strbuf_release(&s->held);
    *s = (struct spool){ .w = w };
}

static bool is_name(struct cell c)
{
    for (size_t i = 0; i < c.len; i++) {
        char k = c.ptr[i];
        bool letter = (k >= 'a' && k <= 'z') || (k >= 'A' && k <= 'Z') || k == '_';

        if (!letter && (!i || !((k >= '0' && k <= '9') || k == '.' || k == '-')))
            return false;
    }
    return c.len > 0;
}

/* The first octets of a data file: header row, or the opening of the document. */
static enum ec begin_file(struct dmf_writer *w, const struct dmf_entity *e, struct spool *s, struct err *reterr)
{
    bool first = true;

    strbuf_reset(&w->text);
    if (w->format.kind != DMF_CSV) {
        struct cell name = cell_upper(&w->a, e->aot);

        if (!is_name(name))
            return err_set(reterr, EC_FORMAT,
                           "entity '" CELL_FMT "': its rows in XML are named after its AOT name, "
                           "which is not known",
                           CELL_ARG(e->label));
        s->element = cell_cstr(&w->a, name);
        for (size_t i = 0; i < e->n; i++)
            if (!is_name(field_column(&e->fields[i])))
                return err_set(reterr, EC_FORMAT,
                               "entity '" CELL_FMT "': '" CELL_FMT "' cannot be the name of an XML "
                               "element",
                               CELL_ARG(e->label), CELL_ARG(field_column(&e->fields[i])));
        strbuf_addf(&w->text, "<?xml version=\"1.0\" encoding=\"utf-8\"?>%s<Document>%s", writer_row_end(w),
                    writer_row_end(w));
        return spool_emit(w, s, reterr);
    }
    if (w->format.utf16)
        strbuf_adds(&w->text, "\xEF\xBB\xBF"); /* becomes FF FE */
    for (size_t i = 0; i < e->n; i++) {
        struct cell name = field_column(&e->fields[i]);

        if (e->fields[i].auto_generated)
            continue;
        if (!is_name(name)) /* so that no reader can disagree about quoting a header */
            return err_set(reterr, EC_FORMAT, "entity '" CELL_FMT "': '" CELL_FMT "' cannot be a column name",
                           CELL_ARG(e->label), CELL_ARG(name));
        if (!first)
            strbuf_addc(&w->text, w->format.delimiter);
        strbuf_add(&w->text, name.ptr, name.len);
        first = false;
    }
    if (first)
        return err_set(reterr, EC_FORMAT, "entity '" CELL_FMT "' has no column to write", CELL_ARG(e->label));
    strbuf_adds(&w->text, writer_row_end(w));
    return spool_emit(w, s, reterr);
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

static enum ec check_format(const struct dmf_format *f, struct err *reterr)
{
    if (f->kind == DMF_CSV &&
        ((signed char)f->delimiter <= 0 || strchr("\r\n", f->delimiter) || f->delimiter == f->qualifier ||
         (signed char)f->qualifier < 0 || (f->qualifier && strchr("\r\n", f->qualifier))))
        return err_set(reterr, EC_FORMAT, "delimiter and text qualifier must be two different ASCII characters");
    return EC_OK;
}

enum ec dmf_writer_new(const struct dmf_package *p, const struct dmf_format *f, const char *tmp_dir,
                       struct dmf_writer **ret, struct err *reterr)
{
    struct dmf_writer *w;
    size_t widest = 0;
    enum ec rc = check_package(p, reterr);

    if (!rc)
        rc = check_format(f, reterr);
    if (rc)
        return rc;
    w = xcalloc(1, sizeof(*w));
    w->p = p;
    w->format = *f;
    w->tmp_dir = xstrdup(tmp_dir);
    rc = deflate_pool_new(DEFLATE_AUTO, 0, &w->own_pool, reterr);
    w->pool = w->own_pool;
    csv_classify(f, w->class);
    w->spools = xcalloc(p->n, sizeof(*w->spools));
    w->written = xcalloc(p->n, sizeof(*w->written));
    for (size_t i = 0; i < p->n; i++) {
        w->spools[i].w = w;
        w->spools[i].digest = octet_digest_new();
        w->spools[i].deflate = (struct deflate_stream){ .sink = spool_add, .arg = &w->spools[i] };
        w->written[i].qualified = arena_zalloc(&w->a, p->entities[i].n + 1);
        widest = widest < p->entities[i].n ? p->entities[i].n : widest;
    }
    w->qualified = arena_zalloc(&w->a, widest + 1);
    w->generated = arena_zalloc(&w->a, p->n + 1);
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->entities[i].n; k++)
            w->generated[i] |= p->entities[i].fields[k].auto_generated;
    for (size_t i = 0; i < p->n && !rc; i++)
        rc = begin_file(w, &p->entities[i], &w->spools[i], reterr);
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
    return w->spools[entity].octets + w->spools[entity].held.len;
}

void dmf_writer_abandon(struct dmf_writer *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->p->n; i++)
        spool_drop(w, &w->spools[i]);
    strbuf_release(&w->text);
    deflate_pool_free(w->own_pool);
    free(w->spools);
    free(w->written);
    free(w->tmp_dir);
    arena_release(&w->a);
    free(w);
}

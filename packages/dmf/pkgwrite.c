#include "dmf/pkgwrite.h"
#include "dmf/dmf_parts.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_OCTETS = DEFLATE_BLOCK / 2 }; /* of text before it is compressed; a row may go beyond */
#define CLASSIC_ZIP_MAX ((uint64_t)UINT32_MAX - 1)

/* What is special about an octet of a CSV cell. */
enum { IS_DELIMITER = 1, IS_QUALIFIER = 2, IS_BREAK = 4, IS_NUL = 8, IS_HIGH = 16 };

/* One data file: compressed into a file of its own as it grows. */
struct spool {
    struct dmf_writer *w;
    char *path; /* NULL = nothing was written yet */
    struct strbuf held; /* octets not yet compressed */
    struct deflate_stream deflate;
    struct octet_digest *digest;
    uint64_t octets; /* all that the member will have */
    char *element; /* XML: name of a row */
    FILE *reading; /* while libzip copies it */
};
struct dmf_writer {
    const struct dmf_package *p;
    struct dmf_format format;
    unsigned char class[256];
    char *tmp_dir;
    struct deflate_pool *pool, *own_pool;
    bool leave_out_empty;
    struct spool *spools; /* one per entity */
    struct dmf_written *written; /* one per entity, for the manifest */
    struct strbuf text; /* one row, UTF-8 */
    bool *qualified; /* of the row being written */
    bool *generated; /* per entity: some field comes from a number sequence */
    struct arena a;
};

/* Compressed octets behind those in the file. No descriptor is kept: a package may have a hundred entities. */
static enum ec spool_add(void *arg, const void *p, size_t n, struct err *reterr)
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
static enum ec compress(struct dmf_writer *w, struct spool *s, struct strbuf *text, struct err *reterr)
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

static enum ec spool_flush(struct dmf_writer *w, struct spool *s, struct err *reterr)
{
    octet_digest_add(s->digest, s->held.buf, s->held.len);
    s->octets += s->held.len;
    return compress(w, s, &s->held, reterr);
}

/* UTF-16LE of valid UTF-8. */
static void widen(struct strbuf *out, const char *p, size_t n)
{
    char *o;
    size_t i = 0;

    strbuf_reserve(out, 2 * n + 2);
    o = out->buf + out->len;
    while (i < n) {
        uint64_t w;
        uint32_t cp;
        size_t step;

        for (; n - i >= sizeof(w); i += sizeof(w), o += 2 * sizeof(w)) { /* ASCII, eight at a time */
            memcpy(&w, p + i, sizeof(w));
            if (w & 0x8080808080808080U)
                break;
            for (size_t k = 0; k < sizeof(w); k++) {
                o[2 * k] = p[i + k];
                o[2 * k + 1] = 0;
            }
        }
        if (i == n)
            break;
        cp = (unsigned char)p[i];
        step = cp >= 0x80 ? utf8_decode(p + i, n - i, &cp) : 1;
        if (cp >= 0x10000) {
            uint32_t high = 0xD800 + ((cp - 0x10000) >> 10), low = 0xDC00 + (cp & 0x3FF);

            *o++ = (char)high, *o++ = (char)(high >> 8);
            *o++ = (char)low, *o++ = (char)(low >> 8);
        } else {
            *o++ = (char)cp, *o++ = (char)(cp >> 8);
        }
        i += step;
    }
    *o = 0;
    out->len = (size_t)(o - out->buf);
}

/* Puts w->text into the entity's file. */
static enum ec emit(struct dmf_writer *w, struct spool *s, struct err *reterr)
{
    if (!s->held.cap)
        strbuf_reserve(&s->held, DEFLATE_BLOCK);
    if (w->format.kind == DMF_CSV && w->format.utf16)
        widen(&s->held, w->text.buf, w->text.len);
    else
        strbuf_add(&s->held, w->text.buf, w->text.len);
    return s->held.len >= BLOCK_OCTETS ? spool_flush(w, s, reterr) : EC_OK;
}

static const char *row_end(const struct dmf_writer *w)
{
    return w->format.row_end && *w->format.row_end ? w->format.row_end : "\r\n";
}

static struct cell column_name(const struct dmf_field *f)
{
    return cell_blank(f->file) ? f->staging : f->file;
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
            if (!is_name(column_name(&e->fields[i])))
                return err_set(reterr, EC_FORMAT,
                               "entity '" CELL_FMT "': '" CELL_FMT "' cannot be the name of an XML "
                               "element",
                               CELL_ARG(e->label), CELL_ARG(column_name(&e->fields[i])));
        strbuf_addf(&w->text, "<?xml version=\"1.0\" encoding=\"utf-8\"?>%s<Document>%s", row_end(w), row_end(w));
        return emit(w, s, reterr);
    }
    if (w->format.utf16)
        strbuf_adds(&w->text, "\xEF\xBB\xBF"); /* becomes FF FE */
    for (size_t i = 0; i < e->n; i++) {
        struct cell name = column_name(&e->fields[i]);

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
    strbuf_adds(&w->text, row_end(w));
    return emit(w, s, reterr);
}

static void classify(const struct dmf_format *f, unsigned char class[static 256])
{
    for (int c = 0; c < 256; c++)
        class[c] = c >= 0x80 ? IS_HIGH : 0;
    class[0] = IS_NUL;
    class['\r'] = class['\n'] = IS_BREAK;
    if (f->kind != DMF_CSV)
        return;
    class[(unsigned char)f->delimiter] |= IS_DELIMITER;
    if (f->qualifier)
        class[(unsigned char)f->qualifier] |= IS_QUALIFIER;
}

static const char *why_not(const struct dmf_format *f, struct cell c, unsigned kinds)
{
    if (kinds & IS_NUL)
        return "a NUL octet";
    if ((kinds & IS_HIGH) && utf8_valid_prefix(c.ptr, c.len) < c.len)
        return "octets that are not valid UTF-8";
    if ((kinds & IS_QUALIFIER) && !f->doubled_quotes)
        return "the text qualifier of the CSV format";
    if ((kinds & IS_BREAK) && (!f->doubled_quotes || !f->qualifier))
        return "a line break";
    if ((kinds & IS_DELIMITER) && !f->qualifier)
        return "the delimiter of the CSV format, which has no text qualifier";
    return NULL;
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
    classify(f, w->class);
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

/* "2024-05-01T12:00:00Z" */
static bool is_instant(struct cell c)
{
    unsigned odd = 0;

    if (c.len != 20 || c.ptr[4] != '-' || c.ptr[7] != '-' || c.ptr[10] != 'T' || c.ptr[13] != ':' ||
        c.ptr[16] != ':' || c.ptr[19] != 'Z')
        return false;
    for (size_t i = 0; i < 19; i++) /* digits, and what was looked at above */
        odd |= (unsigned)((unsigned char)(c.ptr[i] - '0') > 9) &
               (unsigned)(i != 4 && i != 7 && i != 10 && i != 13 && i != 16);
    return !odd;
}

const char *dmf_cell_refused(const struct dmf_format *f, struct cell c)
{
    struct strbuf scratch = STRBUF(0);
    unsigned char class[256];
    unsigned kinds = 0;
    const char *why;

    if (cell_blank(c))
        return NULL;
    if (f->kind != DMF_CSV) {
        why = dmf_xml_escape(&scratch, c);
        strbuf_release(&scratch);
        return why;
    }
    classify(f, class);
    for (size_t i = 0; i < c.len; i++)
        kinds |= class[(unsigned char)c.ptr[i]];
    return why_not(f, c, kinds);
}

uint64_t dmf_writer_octets(const struct dmf_writer *w, size_t entity)
{
    return w->spools[entity].octets + w->spools[entity].held.len;
}

/* Appends one cell of a CSV row at *o, where there is room for twice its octets and two, or says why it cannot travel. */
static const char *csv_cell(const struct dmf_writer *w, char **o, struct cell c, bool datetime, bool *ret_qualified)
{
    char *out = *o, q = w->format.qualifier;
    unsigned kinds = 0;
    const char *why;

    if (datetime && is_instant(c)) {
        memcpy(out, c.ptr, 10);
        out[10] = ' ';
        memcpy(out + 11, c.ptr + 11, 8);
        *o = out + 19;
        return NULL;
    }
    for (size_t i = 0; i < c.len; i++) { /* copied on the chance that nothing is special about it */
        out[i] = c.ptr[i];
        kinds |= w->class[(unsigned char)c.ptr[i]];
    }
    *o = out + c.len;
    if (!kinds)
        return NULL;
    why = why_not(&w->format, c, kinds);
    if (why || !(kinds & (IS_QUALIFIER | IS_BREAK | IS_DELIMITER)))
        return why;
    *ret_qualified = true;
    *out++ = q;
    for (size_t i = 0; i < c.len; i++) {
        if (c.ptr[i] == q)
            *out++ = q;
        *out++ = c.ptr[i];
    }
    *out++ = q;
    *o = out;
    return NULL;
}

static const char *csv_row(struct dmf_writer *w, const struct dmf_entity *e, const struct cell *cells,
                           const bool *datetime, size_t *ret_field)
{
    size_t most = 4;
    bool first = true;
    char *o;

    for (size_t i = 0; i < e->n; i++)
        most += 2 * cells[i].len + 3;
    strbuf_reserve(&w->text, most);
    o = w->text.buf;
    for (size_t i = 0; i < e->n; i++) {
        const char *why;

        w->qualified[i] = false;
        if (e->fields[i].auto_generated)
            continue;
        if (!first)
            *o++ = w->format.delimiter;
        first = false;
        *ret_field = i;
        why = csv_cell(w, &o, cells[i], datetime && datetime[i], &w->qualified[i]);
        if (why)
            return why;
    }
    if (o == w->text.buf) { /* one column and no value: the row would be a blank line, which fails the whole file */
        if (!w->format.qualifier)
            return "nothing, and a row of one empty cell would be a blank line";
        *o++ = w->format.qualifier;
        *o++ = w->format.qualifier;
        w->qualified[*ret_field] = true;
    }
    *o = 0;
    w->text.len = (size_t)(o - w->text.buf);
    strbuf_adds(&w->text, row_end(w));
    return NULL;
}

/* Short texts, mostly: two moves that overlap instead of a call. */
static inline char *put(char *o, const char *p, size_t n)
{
    if (n > 16) {
        memcpy(o, p, n);
    } else if (n >= 8) {
        uint64_t first, last;

        memcpy(&first, p, 8);
        memcpy(&last, p + n - 8, 8);
        memcpy(o, &first, 8);
        memcpy(o + n - 8, &last, 8);
    } else if (n >= 4) {
        uint32_t first, last;

        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        memcpy(o, &first, 4);
        memcpy(o + n - 4, &last, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            o[i] = p[i];
    }
    return o + n;
}

/* By the general way: what is refused is refused there, and named. */
static enum ec whole_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const size_t *index,
                         const struct dmf_verbatim *v, size_t *ret_field, struct err *reterr)
{
    struct arena a = { 0 };
    size_t n = w->p->entities[entity].n;
    struct cell *in_order = arena_alloc(&a, (n + 1) * sizeof(*in_order));
    bool *datetime = arena_alloc(&a, n + 1);
    enum ec rc;

    for (size_t i = 0; i < n; i++) {
        in_order[i] = cells[index[i]];
        datetime[i] = v->datetime >> i & 1;
    }
    rc = dmf_writer_row(w, entity, in_order, datetime, ret_field, reterr);
    arena_release(&a);
    return rc;
}

static void note_qualified(bool *qualified, uint64_t bits)
{
    for (; bits; bits &= bits - 1)
        qualified[__builtin_ctzll(bits)] = true;
}

enum ec dmf_writer_verbatim_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const size_t *index,
                                const struct dmf_verbatim *v, size_t *ret_field, struct err *reterr)
{
    const struct dmf_entity *e = &w->p->entities[entity];
    struct spool *s = &w->spools[entity];
    const uint64_t copied = v->same & ~v->datetime & ~(w->format.doubled_quotes ? 0 : v->quoted);
    const size_t end_n = strlen(row_end(w));
    struct strbuf *out = w->format.utf16 ? &w->text : &s->held;
    bool *qualified = w->written[entity].qualified;
    size_t most = 2 * v->octets + 8 * e->n + 16, before;
    const char *why = NULL;
    char *o;

    if (w->format.kind != DMF_CSV || w->generated[entity])
        return whole_row(w, entity, cells, index, v, ret_field, reterr);
    for (uint64_t bits = ~copied & (e->n < 64 ? ((uint64_t)1 << e->n) - 1 : ~(uint64_t)0); bits; bits &= bits - 1)
        most += 2 * cells[index[__builtin_ctzll(bits)]].len;
    if (!s->held.cap)
        strbuf_reserve(&s->held, DEFLATE_BLOCK);
    if (w->format.utf16)
        strbuf_reset(&w->text);
    before = out->len;
    strbuf_reserve(out, most);
    o = out->buf + before;
    for (size_t i = 0; i < e->n && !why; i++) {
        const struct cell c = cells[index[i]];

        if (i)
            *o++ = w->format.delimiter;
        if (copied >> i & 1) { /* and the fields behind it, as long as they stand there side by side */
            int from = v->columns[i];
            uint64_t more = i < 63 ? ~((copied & v->adjacent) >> (i + 1)) : ~(uint64_t)0;
            size_t n = more ? (size_t)__builtin_ctzll(more) : 63 - i;

            n = n < e->n - i - 1 ? n : e->n - i - 1;
            o = put(o, v->begin[from], (size_t)(v->begin[from + (int)n + 1] - 1 - v->begin[from]));
            i += n;
        } else if ((v->same & v->datetime) >> i & 1 && c.len == 20) { /* "2024-05-01T12:00:00Z" */
            o = put(o, c.ptr, 19);
            o[-9] = ' ';
        } else {
            *ret_field = i;
            why = csv_cell(w, &o, c, v->datetime >> i & 1, &qualified[i]);
        }
    }
    if (why || o == out->buf + before) { /* refused, or a blank line */
        out->buf[before] = 0;
        return whole_row(w, entity, cells, index, v, ret_field, reterr);
    }
    if (copied & v->quoted)
        note_qualified(qualified, copied & v->quoted);
    o = put(o, row_end(w), end_n);
    *o = 0;
    out->len = (size_t)(o - out->buf);
    w->written[entity].rows++;
    if (w->format.utf16)
        widen(&s->held, w->text.buf, w->text.len);
    return s->held.len >= BLOCK_OCTETS ? spool_flush(w, s, reterr) : EC_OK;
}

static const char *xml_row(struct dmf_writer *w, const struct dmf_entity *e, const struct spool *s,
                           const struct cell *cells, size_t *ret_field)
{
    bool attributes = w->format.kind == DMF_XML_ATTRIBUTE;

    strbuf_addf(&w->text, attributes ? "  <%s" : "  <%s>", s->element);
    for (size_t i = 0; i < e->n; i++) {
        struct cell name = column_name(&e->fields[i]);
        const char *why;

        w->qualified[i] = false;
        if (e->fields[i].auto_generated)
            continue;
        *ret_field = i;
        strbuf_addf(&w->text, attributes ? " %.*s=\"" : "<%.*s>", (int)name.len, name.ptr);
        why = dmf_xml_escape(&w->text, cells[i]);
        if (why)
            return why;
        if (attributes)
            strbuf_addc(&w->text, '"');
        else
            strbuf_addf(&w->text, "</%.*s>", (int)name.len, name.ptr);
    }
    if (attributes)
        strbuf_addf(&w->text, "/>%s", row_end(w));
    else
        strbuf_addf(&w->text, "</%s>%s", s->element, row_end(w));
    return NULL;
}

enum ec dmf_writer_row(struct dmf_writer *w, size_t entity, const struct cell *cells, const bool *datetime,
                       size_t *ret_field, struct err *reterr)
{
    const struct dmf_entity *e = &w->p->entities[entity];
    struct spool *s = &w->spools[entity];
    size_t field = 0;
    const char *why;
    enum ec rc;

    BUG_IF(entity >= w->p->n, "a row for an entity that the package does not have");
    strbuf_reset(&w->text);
    why = w->format.kind == DMF_CSV ? csv_row(w, e, cells, datetime, &field) : xml_row(w, e, s, cells, &field);
    if (why) {
        *ret_field = field;
        err_set(reterr, EC_FORMAT, CELL_FMT " holds %s", CELL_ARG(e->fields[field].staging), why);
        if (w->format.kind == DMF_CSV)
            err_hint(reterr, "load in XML-Element, which carries every text, or allow doubled text qualifiers where "
                             "the environment reads them");
        return EC_FORMAT;
    }
    rc = emit(w, s, reterr);
    if (rc)
        return rc;
    w->written[entity].rows++;
    for (size_t i = 0; i < e->n; i++)
        w->written[entity].qualified[i] |= w->qualified[i];
    return EC_OK;
}

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
    rc = compress(w, s, text, reterr);
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
        if (w->format.kind != DMF_CSV) {
            strbuf_reset(&w->text);
            strbuf_addf(&w->text, "</Document>%s", row_end(w));
            rc = emit(w, &w->spools[i], reterr);
        }
        if (!rc)
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

static void spool_drop(struct dmf_writer *w, struct spool *s)
{
    deflate_abandon(w->pool, &s->deflate);
    if (s->path)
        (void)unlink(s->path);
    if (s->digest)
        octet_digest_end(s->digest);
    strbuf_release(&s->held);
    *s = (struct spool){ .w = w };
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

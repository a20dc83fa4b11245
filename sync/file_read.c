/* file_read.c -- side files in chunks, one thread each. */
#include "sync/file_read.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHUNK_OCTETS = 8 << 20, LOOK_OCTETS = 128 * 1024, MAX_TOLD = 5, LONGEST_ROW = 2 << 20 };

/* ---- opening ---- */

static enum ec read_head(struct file_input *in, const struct csv_row *first, struct err *reterr)
{
    uint64_t n = first ? first->offset : in->octets, at = 0;

    if (n > 1 << 20)
        return err_set(reterr, EC_LIMIT, "the header of '%s' is longer than 1 MiB", in->path);
    strbuf_reserve(&in->head, (size_t)n + 2);
    while (at < n) {
        ssize_t r = pread(in->fd, in->head.buf + at, (size_t)(n - at), (off_t)at);

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return err_errno(reterr, EC_IO, r ? errno : EIO, "read '%s'", in->path);
        at += (uint64_t)r;
    }
    in->head.len = (size_t)n;
    if (n && in->head.buf[n - 1] != '\n')
        strbuf_addc(&in->head, '\n');
    return EC_OK;
}

enum ec file_input_open(struct map_ctx *m, bool fno, const char *path, struct file_input *ret, struct err *reterr)
{
    struct file_input in = { .path = path, .fd = -1 };
    struct csv_dialect d = { 0 };
    struct csv_reader *csv = NULL;
    struct csv_row row;
    struct arena a = { 0 };
    const struct cell *header;
    unsigned char bom[2] = { 0 };
    size_t n = strlen(path), header_n;
    bool more = false;
    enum ec rc = csv_open(path, &d, &csv, reterr);

    if (rc)
        goto out;
    header = csv_header(csv, &header_n);
    if (!header_n) {
        rc = err_set(reterr, EC_FORMAT, "'%s' has no header row", path);
        goto out;
    }
    rc = file_side_bind(m, fno, path, header, header_n, &in.side, reterr);
    if (rc)
        goto out;
    in.fd = open(path, O_RDONLY | O_CLOEXEC);
    in.octets = in.fd < 0 ? 0 : (uint64_t)file_size(path);
    if (in.fd < 0) {
        rc = err_errno(reterr, EC_IO, errno, "open '%s'", path);
        goto out;
    }
    in.direct = (n < 4 || strcmp(path + n - 4, ".zst") != 0) && pread(in.fd, bom, 2, 0) >= 0 &&
                !(bom[0] == 0xFF && bom[1] == 0xFE) && !(bom[0] == 0xFE && bom[1] == 0xFF);
    if (in.direct) {
        rc = csv_next(csv, &a, &row, &more, reterr);
        if (!rc)
            rc = read_head(&in, more ? &row : NULL, reterr);
    }
out:
    csv_close(csv);
    arena_release(&a);
    if (rc)
        file_input_close(&in);
    else
        *ret = in;
    return rc;
}

void file_input_close(struct file_input *in)
{
    file_side_free(in->side);
    in->side = NULL;
    if (in->fd >= 0)
        close(in->fd);
    in->fd = -1;
    strbuf_release(&in->head);
}

/* ---- a piece of a file as a CSV of its own: the header, then what stands from `at` on ---- */

struct piece {
    const struct file_input *in;
    size_t head; /* octets of it that were given */
    uint64_t at, end;
};

static int64_t fill(void *arg, void *buf, size_t n, struct err *reterr)
{
    struct piece *p = arg;

    if (p->head < p->in->head.len) {
        n = n < p->in->head.len - p->head ? n : p->in->head.len - p->head;
        memcpy(buf, p->in->head.buf + p->head, n);
        p->head += n;
        return (int64_t)n;
    }
    if (p->at >= p->end)
        return 0;
    n = n < p->end - p->at ? n : (size_t)(p->end - p->at);
    for (;;) {
        ssize_t r = pread(p->in->fd, buf, n, (off_t)p->at);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0) {
            err_errno(reterr, EC_IO, errno, "read '%s'", p->in->path);
            return -1;
        }
        p->at += (uint64_t)r;
        return r;
    }
}

/* ---- where chunks begin ---- */

/* Do the next two rows look like rows of this file? */
static bool begins_row(const struct file_input *in, const char *p, size_t n, bool whole)
{
    struct strbuf text = STRBUF(0);
    struct csv_dialect d = { 0 };
    struct csv_reader *r = NULL;
    struct csv_row row;
    struct arena a = { 0 };
    bool good, more = false;

    strbuf_add(&text, in->head.buf, in->head.len);
    strbuf_add(&text, p, n);
    good = !csv_open_memory(in->path, text.buf, text.len, &d, &r, NULL);
    for (int i = 0; i < 2 && good; i++) {
        good = !csv_next(r, &a, &row, &more, NULL);
        if (!more)
            break;
        good = good && row.regular && row.n == in->side->header_n;
    }
    good = good && (more || whole);
    csv_close(r);
    arena_release(&a);
    strbuf_release(&text);
    return good;
}

/* A row's beginning at or behind `at`; the file's end when none is to be seen nearby. */
static uint64_t row_near(const struct file_input *in, uint64_t at)
{
    char *buf = xmalloc(LOOK_OCTETS), *p;
    ssize_t n = pread(in->fd, buf, LOOK_OCTETS, (off_t)at);
    uint64_t found = in->octets;
    int tries = 0;

    for (p = buf; n > 0 && (p = memchr(p, '\n', (size_t)(buf + n - p))); tries++) {
        p++;
        if (tries > 200)
            break;
        if (p < buf + n && begins_row(in, p, (size_t)(buf + n - p), at + (uint64_t)n >= in->octets)) {
            found = at + (uint64_t)(p - buf);
            break;
        }
    }
    free(buf);
    return found;
}

/* ---- reading ---- */

struct chunk {
    unsigned input;
    uint64_t begin, end;
};
struct reading {
    struct file_input *in;
    size_t n;
    unsigned jobs;
    const struct file_sink *sink;
    struct chunk *chunks;
    size_t n_chunks;
    bool careful; /* one piece per file, irregular rows welcome */
    pthread_mutex_t lock;
    size_t next;
    bool cut_wrong; /* a chunk ends inside of a row, or a row is not regular */
    enum ec rc;
    struct err err;
    uint64_t done; /* octets */
    unsigned told;
};
struct worker {
    struct reading *r;
    unsigned no;
    struct side_worker *side[2];
    uint64_t rows[2], excluded[2], faults[2];
};

static void failed(struct reading *r, enum ec rc, const struct err *e)
{
    pthread_mutex_lock(&r->lock);
    if (!r->rc) {
        r->rc = rc;
        r->err = *e;
    }
    pthread_mutex_unlock(&r->lock);
}

static bool over(struct reading *r)
{
    bool yes;

    pthread_mutex_lock(&r->lock);
    yes = r->rc || r->cut_wrong;
    pthread_mutex_unlock(&r->lock);
    return yes;
}

static void wrong(struct reading *r)
{
    pthread_mutex_lock(&r->lock);
    r->cut_wrong = true;
    pthread_mutex_unlock(&r->lock);
}

static void tell_fault(struct worker *w, const struct file_side *s, const struct side_row *row, uint64_t line)
{
    struct reading *r = w->r;
    struct arena a = { 0 };
    bool tell;

    pthread_mutex_lock(&r->lock);
    tell = r->told++ < MAX_TOLD;
    pthread_mutex_unlock(&r->lock);
    if (tell) {
        struct cell name = (size_t)row->fault_field < s->m->b->n ? s->m->b->fields[row->fault_field].name
                                                                 : CELL_LIT("a column that is not mapped");

        log_warn("read", "%s%s: " CELL_FMT " of row '" CELL_FMT "': %s", s->path,
                 line ? arena_printf(&a, ":%llu", (unsigned long long)line) : "", CELL_ARG(name),
                 CELL_ARG(bind_key_text(s->m->b, row->cells, &a)), row->fault_why);
    }
    arena_release(&a);
}

/* A row made canonical: counted, and given on when it is wanted. */
static enum ec count_and_give(struct worker *w, unsigned input, const struct side_row *row, uint64_t line,
                              uint64_t offset, uint64_t octets, struct err *reterr)
{
    struct reading *r = w->r;

    if (!row->wanted) {
        w->excluded[input]++;
        return EC_OK;
    }
    w->rows[input]++;
    if (row->faults) {
        w->faults[input]++;
        tell_fault(w, r->in[input].side, row, line);
    }
    return r->sink->row(r->sink->arg, w->no, input, row, offset, octets, reterr);
}

/*
 * Rows in [begin, end), all of them well-formed; else the whole file is read again with care. A chunk ends behind a line end: where
 * that is one inside of quotes, so that the next chunk began inside of a row, a quote is open at the chunk's end: not well-formed.
 */
static enum ec scan_chunk(struct worker *w, const struct chunk *c, struct err *reterr)
{
    struct reading *r = w->r;
    const struct file_input *in = &r->in[c->input];
    struct piece piece = { .in = in, .head = in->head.len, .at = c->begin, .end = c->end };
    struct csv_scan *scan = csv_scan_new(fill, &piece, c->begin);
    struct csv_scan_row row;
    struct side_row side;
    uint64_t seen = 0;
    enum ec rc = EC_OK;

    while (!rc) {
        enum csv_scanned found = csv_scan_next(scan, &row, reterr);

        if (found == CSV_SCAN_ERROR) {
            rc = reterr->code;
            break;
        }
        if (found == CSV_SCAN_END)
            break;
        if (found == CSV_SCAN_IRREGULAR || row.n != in->side->header_n) {
            wrong(r);
            break;
        }
        side_worker_scan(w->side[c->input], &row, &side);
        rc = count_and_give(w, c->input, &side, 0, row.offset, row.octets, reterr);
        if (!rc && !(++seen & 4095)) {
            if (stop_requested())
                rc = err_set(reterr, EC_STOPPED, "stopped while reading '%s'", in->path);
            else if (over(r))
                break;
        }
    }
    csv_scan_free(scan);
    return rc;
}

/* All rows of a file, by the careful reader. */
static enum ec read_whole(struct worker *w, const struct chunk *c, struct err *reterr)
{
    struct reading *r = w->r;
    const struct file_input *in = &r->in[c->input];
    struct csv_dialect d = { 0 };
    struct csv_reader *csv = NULL;
    struct arena a = { 0 };
    struct csv_row row;
    struct side_row side;
    bool more = false;
    enum ec rc = csv_open(in->path, &d, &csv, reterr);

    while (!rc) {
        uint64_t octets = 0;

        arena_reset(&a);
        rc = csv_next_borrowed(csv, &a, &row, &more, reterr);
        if (rc || !more)
            break;
        if (row.fault) {
            rc = err_set(reterr, EC_FORMAT, "%s:%llu: %s", in->path, (unsigned long long)row.line,
                         csv_fault_text(row.fault));
            err_hint(reterr, "a row that cannot be read is not a row that is not there: correct the file");
            break;
        }
        if (row.n != in->side->header_n) {
            rc = err_set(reterr, EC_FORMAT, "%s:%llu: the row has %zu fields, the header has %zu", in->path,
                         (unsigned long long)row.line, row.n, in->side->header_n);
            break;
        }
        side_worker_row(w->side[c->input], &row, &side);
        if (row.regular && row.plain)
            octets = row.plain->octets;
        rc = count_and_give(w, c->input, &side, row.line, row.offset, octets, reterr);
        if (!rc && !(row.number & 4095) && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while reading '%s'", in->path);
        if (over(r))
            break;
    }
    csv_close(csv);
    arena_release(&a);
    return rc;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct reading *r = w->r;

    for (;;) {
        struct err e = { 0 };
        struct chunk c;
        enum ec rc;

        pthread_mutex_lock(&r->lock);
        if (r->next == r->n_chunks || r->rc || r->cut_wrong) {
            pthread_mutex_unlock(&r->lock);
            return NULL;
        }
        c = r->chunks[r->next++];
        pthread_mutex_unlock(&r->lock);
        rc = r->careful || !r->in[c.input].direct ? read_whole(w, &c, &e) : scan_chunk(w, &c, &e);
        if (rc)
            failed(r, rc, &e);
        pthread_mutex_lock(&r->lock);
        r->done += c.end - c.begin;
        pthread_mutex_unlock(&r->lock);
    }
}

/* Chunks of all files, alternating, so that two disks or two files' read-ahead are both busy. */
static void plan_chunks(struct reading *r)
{
    size_t cap = 0, n = 0;
    uint64_t at[2] = { 0, 0 };
    bool more = true;

    for (size_t i = 0; i < r->n; i++) {
        cap += (size_t)(r->in[i].octets / CHUNK_OCTETS) + 2;
        at[i] = r->in[i].direct ? r->in[i].head.len : 0;
        if (r->in[i].direct && at[i] > r->in[i].octets)
            at[i] = r->in[i].octets;
    }
    free(r->chunks);
    r->chunks = xcalloc(cap, sizeof(*r->chunks));
    while (more) {
        more = false;
        for (size_t i = 0; i < r->n; i++) {
            const struct file_input *in = &r->in[i];
            uint64_t end = in->octets;

            if (at[i] >= in->octets)
                continue;
            if (!r->careful && in->direct && in->octets - at[i] > CHUNK_OCTETS + CHUNK_OCTETS / 4)
                end = row_near(in, at[i] + CHUNK_OCTETS);
            r->chunks[n++] = (struct chunk){ (unsigned)i, at[i], end };
            at[i] = end;
            more = true;
        }
    }
    r->n_chunks = n;
    r->next = 0;
}

static void run(struct reading *r)
{
    struct worker *ws = xcalloc(r->jobs, sizeof(*ws));
    pthread_t *t = xcalloc(r->jobs, sizeof(*t));
    unsigned n = 0;

    for (unsigned i = 0; i < r->jobs; i++) {
        ws[i] = (struct worker){ .r = r, .no = i };
        for (size_t k = 0; k < r->n; k++)
            ws[i].side[k] = side_worker_new(r->in[k].side);
    }
    for (unsigned i = 1; i < r->jobs; i++)
        if (!pthread_create(&t[n], NULL, work, &ws[i]))
            n++;
    work(&ws[0]);
    for (unsigned i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    for (size_t k = 0; k < r->n; k++)
        r->in[k].rows = r->in[k].excluded = r->in[k].faults = 0;
    for (unsigned i = 0; i < r->jobs; i++)
        for (size_t k = 0; k < r->n; k++) {
            r->in[k].rows += ws[i].rows[k];
            r->in[k].excluded += ws[i].excluded[k];
            r->in[k].faults += ws[i].faults[k];
            side_worker_free(ws[i].side[k]);
        }
    free(ws);
    free(t);
}

enum ec file_rows_read(struct file_input *in, size_t n, unsigned jobs, const struct file_sink *sink,
                       struct err *reterr)
{
    struct reading r = { .in = in, .n = n, .jobs = jobs ? jobs : 1, .sink = sink };
    enum ec rc;

    BUG_IF(n > 2, "more than two side files");
    pthread_mutex_init(&r.lock, NULL);
    plan_chunks(&r);
    run(&r);
    if (!r.rc && r.cut_wrong) {
        log_info("read", "%s: read again in one piece, a row of it is not plain CSV", in[0].path);
        r.careful = true;
        r.cut_wrong = false;
        r.told = 0;
        r.rc = sink->again(sink->arg, &r.err);
        if (!r.rc) {
            plan_chunks(&r);
            run(&r);
        }
    }
    rc = r.rc;
    if (rc && reterr)
        *reterr = r.err;
    free(r.chunks);
    pthread_mutex_destroy(&r.lock);
    return rc;
}

/* ---- rows again ---- */

static enum ec read_at(const struct file_input *in, const struct file_place *p, struct strbuf *out,
                       struct err *reterr)
{
    size_t octets = p->octets ? p->octets : LONGEST_ROW, at = 0;

    if (octets > in->octets - p->offset)
        octets = (size_t)(in->octets - p->offset);
    strbuf_reserve(out, octets + 1);
    while (at < octets) {
        ssize_t r = pread(in->fd, out->buf + out->len + at, octets - at, (off_t)(p->offset + at));

        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return err_errno(reterr, EC_IO, r ? errno : EIO, "read '%s'", in->path);
        at += (size_t)r;
    }
    out->len += octets;
    if (octets && out->buf[out->len - 1] != '\n')
        strbuf_addc(out, '\n');
    return EC_OK;
}

/* The text of rows [from, to) behind the header; a row of unknown length stands alone. */
static enum ec fetch_some(const struct file_input *in, struct side_worker *w, const struct file_place *places,
                          size_t from, size_t to, file_row_fn *fn, void *arg, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    struct csv_dialect d = { 0 };
    struct csv_reader *csv = NULL;
    struct arena a = { 0 };
    enum ec rc = EC_OK;

    strbuf_add(&text, in->head.buf, in->head.len);
    for (size_t i = from; i < to && !rc; i++)
        rc = read_at(in, &places[i], &text, reterr);
    if (!rc)
        rc = csv_open_memory(in->path, strbuf_str(&text), text.len, &d, &csv, reterr);
    for (size_t i = from; i < to && !rc; i++) {
        struct csv_row row;
        struct side_row side;
        bool more;

        arena_reset(&a);
        rc = csv_next_borrowed(csv, &a, &row, &more, reterr);
        if (!rc && (!more || row.fault || row.n != in->side->header_n)) {
            rc = err_set(reterr, EC_STATE, "'%s' was changed while it was read", in->path);
            err_hint(reterr, "run the command again when nobody writes into the file");
        }
        if (rc)
            break;
        side_worker_row(w, &row, &side);
        rc = fn(arg, i, &side, reterr);
    }
    csv_close(csv);
    arena_release(&a);
    strbuf_release(&text);
    return rc;
}

enum ec file_fetch(const struct file_input *in, struct side_worker *w, const struct file_place *places, size_t n,
                   file_row_fn *fn, void *arg, struct err *reterr)
{
    enum ec rc = EC_OK;
    size_t to;

    for (size_t from = 0; from < n && !rc; from = to) {
        to = from + 1;
        while (places[from].octets && to < n && places[to].octets)
            to++;
        rc = fetch_some(in, w, places, from, to, fn, arg, reterr);
    }
    return rc;
}

#include "loader/source_stream.h"

#include "data/csv_chunk.h"
#include "loader/source_quick.h"

#include <pthread.h>
#include <stdlib.h>

enum { COMPANIES = 32, STRETCH_MAX = 8 << 20 };

/* A piece of the file, with what a worker needs to read it. */
struct piece {
    struct work work;
    struct source_stream *st;
    uint64_t turn; /* which piece of the chunks it reads */
    struct strbuf text; /* of the file */
    uint64_t offset;
    bool last;
    enum ec rc; /* of reading it */
    struct err why;
    struct source src; /* the stream's source with a reader and a memory of its own */
    struct package_form form;
    struct dmf_data *data;
    struct arena own, row; /* form; the row at work */
    /* what it holds */
    struct run_line *lines;
    struct dmf_made *made;
    size_t n, cap;
    uint64_t physical_lines;
    char companies[COMPANIES][COMPANY_CODE_OCTETS];
    size_t n_companies;
    bool open_end; /* a quote is open: rows from the last one on are not those of the file */
};
struct source_stream {
    struct source *s;
    struct workers *ws;
    struct csv_reader *file, *part; /* of the source: row by row, and within a piece */
    struct csv_chunks *chunks; /* NULL = row by row, up to `resume` */
    pthread_mutex_t reading; /* the chunks and the next three; whoever has the turn reads */
    pthread_cond_t read;
    uint64_t turn;
    bool all_read; /* nothing is left, or reading failed */
    bool divisible, ended;
    uint64_t resume;
    size_t stretch; /* octets that are read row by row before the next try */
    struct piece *pieces; /* a ring: given at `head`, taken at `tail` */
    size_t n_pieces;
    uint64_t head, tail;
    uint64_t part_in; /* the piece that `part` reads, counted from 1 */
    bool taken; /* the piece at `tail` is finished and being given out */
    size_t at; /* its next row */
    uint64_t line, number; /* where it begins */
};

/* ---- a worker's part ---- */

static struct run_line *add_line(struct piece *p)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 2048;
        p->lines = xrealloc(p->lines, p->cap * sizeof(*p->lines));
        p->made = xrealloc(p->made, p->cap * sizeof(*p->made));
    }
    return &p->lines[p->n];
}

/* Index of the company in the piece's list, COMPANIES = there are too many. `code` as quick_plain has it. */
static size_t company_index(struct piece *p, const char *code)
{
    size_t i = p->n ? p->lines[p->n - 1].company : 0; /* mostly that of the row before */

    if (i < p->n_companies && !memcmp(code, p->companies[i], COMPANY_CODE_OCTETS))
        return i;
    for (i = 0; i < p->n_companies; i++)
        if (!memcmp(code, p->companies[i], COMPANY_CODE_OCTETS))
            return i;
    if (i < COMPANIES)
        memcpy(p->companies[p->n_companies++], code, COMPANY_CODE_OCTETS);
    return i;
}

/* Writes the row down where that is all there is to do. */
static enum run_kind make_row(struct piece *p, struct run_line *l, const struct source_row *r)
{
    struct err why;
    size_t field, company;
    char code[COMPANY_CODE_OCTETS] = "";

    if (r->verdict == SOURCE_OTHER_COMPANY)
        return RUN_OTHER_COMPANY;
    if (r->verdict != SOURCE_GOOD || package_second_pass(&p->src, r))
        return RUN_ROW;
    if (r->company.len >= sizeof(code))
        return RUN_ROW;
    memcpy(code, r->company.ptr, r->company.len);
    company = company_index(p, code);
    if (company == COMPANIES || package_data_row(p->data, &p->form, &p->src, r, &p->row, &field, &why))
        return RUN_ROW; /* that the format cannot carry it is the owner's to tell */
    l->company = (uint8_t)company;
    return RUN_MADE;
}

/* The same without making cells, where the row is plain and known to be good. */
static bool copy_row(struct piece *p, struct run_line *l, const struct csv_plain *row)
{
    struct source *s = &p->src;
    struct quick_plain q;
    struct cell values[64];
    struct source_row r = { .values = values };
    size_t company;

    if (!s->quick || !package_copies(&p->form, p->data, row) ||
        !source_quick_plain(s->quick, s, row, &p->row, values, &q))
        return false;
    if (q.other_company) {
        l->kind = RUN_OTHER_COMPANY;
        return true;
    }
    company = company_index(p, q.company);
    if (company == COMPANIES || package_second_pass(s, &r) || !package_copy(p->data, &p->form, row, values, q.same))
        return false;
    l->company = (uint8_t)company;
    l->kind = RUN_MADE;
    return true;
}

/*
 * The piece's octets, read by who works on them, so that they are in that processor's cache. One after the other: where a piece begins is
 * known when the one before is read. Those before were begun before, so none waits for long.
 */
static bool read_piece(struct piece *p)
{
    struct source_stream *st = p->st;

    pthread_mutex_lock(&st->reading);
    while (st->turn != p->turn)
        pthread_cond_wait(&st->read, &st->reading);
    p->rc = EC_OK;
    p->last = false;
    strbuf_reset(&p->text);
    if (!st->all_read) {
        p->rc = csv_chunks_next(st->chunks, &p->text, &p->offset, &p->last, &p->why);
        st->all_read = p->rc || p->last || !p->text.len;
    }
    st->turn++;
    pthread_cond_broadcast(&st->read);
    pthread_mutex_unlock(&st->reading);
    return !p->rc;
}

static void make_piece(struct work *w, int thread)
{
    struct piece *p = (struct piece *)w; /* its first member */
    struct source *s = &p->src;
    struct source_row r;
    bool more = true;

    (void)thread;
    p->n = p->n_companies = 0;
    p->open_end = false;
    strbuf_reset(&p->data->out);
    if (!read_piece(p))
        return;
    csv_part(s->csv, p->text.buf, p->text.len, (struct csv_place){ 0, 1, 1 });
    for (;;) {
        struct run_line *l = add_line(p);
        const struct csv_plain *plain = csv_next_plain(s->csv);

        if (p->row.used_octets)
            arena_reset(&p->row);
        if (plain) {
            *l = (struct run_line){ .offset = (uint32_t)plain->offset, .line = (uint32_t)(plain->line - 1) };
            if (!copy_row(p, l, plain)) {
                csv_plain_row(s->csv, plain, &s->row);
                source_look(s, &p->row, &r);
                l->kind = (uint8_t)make_row(p, l, &r);
            }
        } else {
            BUG_IF(source_next(s, &p->row, &r, &more, NULL), "an error of a file where none is read");
            if (!more)
                break;
            *l = (struct run_line){ .offset = (uint32_t)r.offset, .line = (uint32_t)(r.line - 1) };
            if (s->row.fault == CSV_OPEN_QUOTE && !p->last) {
                p->open_end = true;
                break;
            }
            l->kind = (uint8_t)make_row(p, l, &r);
        }
        p->made[p->n++] = (struct dmf_made){ p->data->out.len, p->data->qualified };
    }
    p->physical_lines = csv_here(s->csv).line - 1;
}

/* ---- the owner's ---- */

static enum ec piece_begin(struct source_stream *st, struct piece *p, const struct dmf_format *f, struct err *reterr)
{
    struct dmf_format in_utf8 = *f;
    size_t header_n;

    in_utf8.utf16 = false;
    p->work.run = make_piece;
    p->st = st;
    p->src = *st->s;
    p->src.csv = csv_part_reader(st->file);
    (void)csv_header(st->file, &header_n);
    p->src.quick = st->s->quick ? source_quick_new(&p->src, header_n) : NULL;
    package_form(&p->src, 1, "", &in_utf8, "", &p->own, &p->form);
    return dmf_data_new(&p->form.entity, &in_utf8, &p->data, reterr);
}

static void piece_end(struct piece *p)
{
    csv_close(p->src.csv);
    source_quick_free(p->src.quick);
    dmf_data_free(p->data);
    strbuf_release(&p->text);
    arena_release(&p->own);
    arena_release(&p->row);
    free(p->lines);
    free(p->made);
}

static enum ec open_chunks(struct source_stream *st, struct err *reterr)
{
    struct csv_place at = csv_here(st->file);

    st->line = at.line;
    st->number = at.number;
    st->all_read = false;
    st->turn = st->head;
    return csv_chunks_open(st->s->path, at.offset, csv_quote(st->file), csv_max_row(st->file), &st->chunks, reterr);
}

enum ec source_stream_new(struct source *s, struct workers *ws, const struct dmf_format *f,
                          struct source_stream **ret, struct err *reterr)
{
    struct source_stream *st = xcalloc(1, sizeof(*st));
    enum ec rc = EC_OK;

    st->s = s;
    st->ws = ws;
    st->file = s->csv;
    st->divisible = csv_divisible(s->csv) && s->n <= 64;
    st->stretch = CSV_CHUNK_OCTETS;
    st->resume = UINT64_MAX;
    pthread_mutex_init(&st->reading, NULL);
    pthread_cond_init(&st->read, NULL);
    if (st->divisible) {
        st->part = csv_part_reader(s->csv);
        st->n_pieces = (size_t)workers_threads(ws) + 7; /* enough of them that nobody waits while the owner writes */
        st->pieces = xcalloc(st->n_pieces, sizeof(*st->pieces));
        for (size_t i = 0; i < st->n_pieces && !rc; i++)
            rc = piece_begin(st, &st->pieces[i], f, reterr);
        if (!rc)
            rc = open_chunks(st, reterr);
    }
    if (rc)
        source_stream_free(st);
    else
        *ret = st;
    return rc;
}

/* What is under way is of no use. */
static void drop_pieces(struct source_stream *st)
{
    for (uint64_t i = st->tail + st->taken; i < st->head; i++)
        workers_finish(st->ws, &st->pieces[i % st->n_pieces].work);
    st->tail = st->head;
    st->taken = false;
    csv_chunks_close(st->chunks);
    st->chunks = NULL;
}

void source_stream_free(struct source_stream *st)
{
    if (!st)
        return;
    drop_pieces(st);
    for (size_t i = 0; st->pieces && i < st->n_pieces; i++)
        piece_end(&st->pieces[i]);
    st->s->csv = st->file;
    csv_close(st->part);
    pthread_cond_destroy(&st->read);
    pthread_mutex_destroy(&st->reading);
    free(st->pieces);
    free(st);
}

/* Keeps all but one of the pieces with the workers: the one is what the owner is at. Those behind the file's end come back empty. */
static void give_pieces(struct source_stream *st)
{
    while (st->head - st->tail < st->n_pieces) {
        struct piece *p = &st->pieces[st->head % st->n_pieces];

        p->turn = st->head++;
        workers_give(st->ws, &p->work);
    }
}

/* Row by row from `at` on, as far as the pieces went wrong and somewhat further, the more often in a row the further. */
static enum ec row_by_row(struct source_stream *st, struct csv_place at, uint64_t wrong_to, struct err *reterr)
{
    drop_pieces(st);
    st->resume = wrong_to + st->stretch;
    st->stretch = st->stretch < STRETCH_MAX ? st->stretch * 2 : STRETCH_MAX;
    st->s->csv = st->file;
    return csv_seek(st->file, at.offset, at.line, at.number, reterr);
}

/* The row at `i` of the piece, read by the owner. */
static enum ec own_row(struct source_stream *st, const struct piece *p, size_t i, struct arena *a,
                       struct source_row *ret, struct err *reterr)
{
    struct csv_place is = csv_here(st->part);
    struct csv_place at = { p->offset + p->lines[i].offset, st->line + p->lines[i].line, st->number + i };
    bool more = false;
    enum ec rc;

    if (is.offset != at.offset ||
        st->part_in != st->tail + 1) /* it does not stand behind the row before, in this piece */
        csv_part(st->part, p->text.buf + p->lines[i].offset, p->text.len - p->lines[i].offset, at);
    st->part_in = st->tail + 1;
    st->s->csv = st->part;
    rc = source_next(st->s, a, ret, &more, reterr);
    BUG_IF(!rc && (!more || ret->offset != at.offset || ret->line != at.line), "a row that is not where it was");
    return rc;
}

static enum ec give_run(struct source_stream *st, struct piece *p, struct arena *a, struct source_run *ret,
                        struct err *reterr)
{
    size_t i = st->at, n = i + 1;
    const struct run_line *l = &p->lines[i];

    *ret = (struct source_run){ .kind = l->kind,
                                .number = st->number + i,
                                .lines = l,
                                .offset = p->offset,
                                .line = st->line,
                                .company = p->companies[l->company],
                                .text = p->data->out.buf,
                                .from = i ? p->made[i - 1].end : 0,
                                .made = &p->made[i] };
    while (l->kind != RUN_ROW && n < p->n && p->lines[n].kind == l->kind && p->lines[n].company == l->company)
        n++;
    ret->n = n - i;
    st->at = n;
    return l->kind == RUN_ROW ? own_row(st, p, i, a, &ret->row, reterr) : EC_OK;
}

static enum ec next_row(struct source_stream *st, struct arena *a, struct source_run *ret, bool *ret_more,
                        struct err *reterr)
{
    *ret = (struct source_run){ .kind = RUN_ROW, .n = 1 };
    st->s->csv = st->file;
    return source_next(st->s, a, &ret->row, ret_more, reterr);
}

/* The piece at the tail has been given out: on to what comes behind it. */
static enum ec leave_piece(struct source_stream *st, struct piece *p, struct err *reterr)
{
    bool nothing_found = !p->text.len && !p->last;
    struct csv_place at = { p->offset, st->line, st->number };

    if (p->open_end || nothing_found) {
        if (p->open_end)
            at = (struct csv_place){ p->offset + p->lines[p->n].offset, st->line + p->lines[p->n].line,
                                     st->number + p->n };
        return row_by_row(st, at, p->offset + p->text.len, reterr);
    }
    st->ended = p->last;
    st->line += p->physical_lines;
    st->number += p->n;
    st->stretch = CSV_CHUNK_OCTETS;
    st->taken = false;
    st->tail++;
    return EC_OK;
}

enum ec source_stream_next(struct source_stream *st, struct arena *a, struct source_run *ret, bool *ret_more,
                           struct err *reterr)
{
    *ret_more = false;
    for (;;) {
        struct piece *p;
        enum ec rc = EC_OK;

        if (!st->chunks) {
            if (!st->divisible || csv_here(st->file).offset < st->resume)
                return next_row(st, a, ret, ret_more, reterr);
            rc = open_chunks(st, reterr);
            if (rc)
                return rc;
        }
        p = &st->pieces[st->tail % st->n_pieces];
        if (!st->taken) {
            if (!st->ended)
                give_pieces(st);
            if (st->ended)
                return EC_OK;
            workers_finish(st->ws, &p->work);
            st->taken = true;
            st->at = 0;
        }
        if (p->rc) {
            if (reterr)
                *reterr = p->why;
            return p->rc;
        }
        if (st->at < p->n) {
            rc = give_run(st, p, a, ret, reterr);
            *ret_more = !rc;
            return rc;
        }
        rc = leave_piece(st, p, reterr);
        if (rc)
            return rc;
    }
}

/* file_diff.c -- two side files joined by key digest, partition by partition; only rows that differ are read again. */
#include "sync/file_diff.h"
#include "base/clock.h"
#include "base/step.h"
#include "store/marks.h"
#include "sync/diff_parts.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS_A_PARTITION = 48000, MAX_BITS = 11, MIN_BITS = 4, QUEUE = 4, MAX_COMPANIES = 1024 };

/* ---- reading: marks and sums ---- */

struct company_sum {
    char name[16];
    uint64_t rows;
    struct digest sum;
};
enum { CODE_SLOTS = 64 };
struct sums { /* of one worker and side */
    struct company_sum *all;
    size_t n, last;
    struct {
        uint64_t code; /* short names, octets and length; 0 = free */
        uint32_t at;
    } slots[CODE_SLOTS];
    uint64_t rows;
    struct digest sum;
};
struct gathering {
    struct map_ctx *m;
    struct marks *marks[2];
    struct sums *sums; /* workers x 2 */
    unsigned jobs;
    int bits;
    const char *tmp;
};

static bool is_company(const struct company_sum *c, struct cell name)
{
    return strlen(c->name) == name.len && !memcmp(c->name, name.ptr, name.len);
}

static struct company_sum *sum_of(struct sums *s, struct cell name)
{
    if (name.len > 15)
        name.len = 15;
    if (s->n && is_company(&s->all[s->last], name))
        return &s->all[s->last];
    for (size_t i = 0; i < s->n; i++)
        if (is_company(&s->all[i], name)) {
            s->last = i;
            return &s->all[i];
        }
    if (s->n == MAX_COMPANIES)
        return NULL;
    s->all = xrealloc(s->all, (s->n + 1) * sizeof(*s->all));
    s->last = s->n++;
    s->all[s->last] = (struct company_sum){ .rows = 0 };
    if (name.len)
        memcpy(s->all[s->last].name, name.ptr, name.len);
    return &s->all[s->last];
}

/* Companies come in any order, so none is the likely one: a short name is looked up without going through all. */
static inline struct company_sum *sum_of_code(struct sums *s, struct cell name)
{
    struct company_sum *c;
    uint64_t code = name.len + 1;
    size_t slot;

    if (name.len > 7)
        return sum_of(s, name);
    for (size_t i = 0; i < name.len; i++)
        code = code << 8 | (unsigned char)name.ptr[i];
    slot = (size_t)(code * 0x9E3779B97F4A7C15U >> 58);
    if (s->slots[slot].code == code)
        return &s->all[s->slots[slot].at];
    c = sum_of(s, name);
    if (c) {
        s->slots[slot].code = code;
        s->slots[slot].at = (uint32_t)(c - s->all);
    }
    return c;
}

static enum ec add_row(void *arg, unsigned worker, unsigned input, const struct side_row *row, uint64_t offset,
                       uint64_t octets, struct err *reterr)
{
    struct gathering *g = arg;
    struct sums *s = &g->sums[worker * 2 + input];
    struct company_sum *c = sum_of_code(s, row->company);
    struct mark m = { row->key, row->row, offset << 24 | octets };

    if (!c)
        return err_set(reterr, EC_LIMIT, "more than %d companies in one file", MAX_COMPANIES);
    c->rows++;
    digest_sum_add(&c->sum, row->row);
    s->rows++;
    digest_sum_add(&s->sum, row->row);
    return marks_add(g->marks[input], worker, &m, reterr);
}

static void forget(struct gathering *g)
{
    for (unsigned i = 0; i < g->jobs * 2; i++) {
        free(g->sums[i].all);
        g->sums[i] = (struct sums){ 0 };
    }
    for (int i = 0; i < 2; i++) {
        marks_free(g->marks[i]);
        g->marks[i] = NULL;
    }
}

static enum ec begin(void *arg, struct err *reterr)
{
    struct gathering *g = arg;
    enum ec rc;

    forget(g);
    rc = marks_new(g->tmp, g->bits, g->jobs, &g->marks[0], reterr);
    return rc ? rc : marks_new(g->tmp, g->bits, g->jobs, &g->marks[1], reterr);
}

/* ---- joining ---- */

struct event { /* a key that is not equal on both sides */
    struct digest key;
    struct file_place at[2];
    bool in[2], twin[2]; /* twin: a further row of a key that this side has already, to be taken off its sums */
    struct leaf_row row[2];
    struct cell packed[2]; /* what the rows' cells lie in */
    struct judged judged;
};
struct batch {
    struct event *events;
    size_t n;
    struct arena a; /* their cells */
    struct batch *next;
};
struct joining {
    struct map_ctx *m;
    struct file_input *in;
    struct gathering *g;
    pthread_mutex_t lock;
    pthread_cond_t filled, taken;
    unsigned next, parts, running;
    struct batch *first, **last;
    unsigned queued;
    bool stop;
    enum ec rc;
    struct err err;
};
struct joiner {
    struct joining *j;
    struct side_worker *side[2];
    struct strbuf packed; /* the row at hand */
    struct mark *marks[2];
    size_t cap[2], n[2];
    uint32_t *table; /* pairs: index + 1 of either side */
    size_t table_cap;
    struct event *events;
    size_t n_events, events_cap;
    struct file_place *places;
    size_t *of; /* event of each place */
    size_t places_cap;
    unsigned fetching; /* side */
    struct batch *batch;
};

static struct event *add_event(struct joiner *w, struct digest key)
{
    if (w->n_events == w->events_cap) {
        w->events_cap = w->events_cap ? w->events_cap * 2 : 256;
        w->events = xrealloc(w->events, w->events_cap * sizeof(*w->events));
    }
    w->events[w->n_events] = (struct event){ .key = key };
    return &w->events[w->n_events++];
}

static void put_side(struct event *e, unsigned side, const struct mark *m)
{
    e->in[side] = true;
    e->at[side] = (struct file_place){ mark_offset(m), mark_octets(m) };
}

static bool same_key(const struct joiner *w, const uint32_t *slot, struct digest key)
{
    return digest_eq(slot[0] ? w->marks[0][slot[0] - 1].key : w->marks[1][slot[1] - 1].key, key);
}

/* Every mark of both sides into one table; a second row of a key stays out of it: the one that stands first in the file counts. */
static void fill_table(struct joiner *w, size_t slots)
{
    memset(w->table, 0, slots * 2 * sizeof(*w->table));
    for (unsigned side = 0; side < 2; side++)
        for (size_t i = 0; i < w->n[side]; i++) {
            const struct mark *m = &w->marks[side][i];
            size_t at = (size_t)m->key.lo & (slots - 1);
            uint32_t *slot;

            while (slot = &w->table[at * 2], (slot[0] || slot[1]) && !same_key(w, slot, m->key))
                at = (at + 1) & (slots - 1);
            if (slot[side]) {
                const struct mark *have = &w->marks[side][slot[side] - 1], *other = m;
                struct event *e;

                if (m->place < have->place) {
                    other = have;
                    slot[side] = (uint32_t)i + 1;
                }
                e = add_event(w, m->key);
                e->twin[side] = true;
                put_side(e, side, other);
            } else {
                slot[side] = (uint32_t)i + 1;
            }
        }
}

static int by_key(const void *x, const void *y)
{
    const struct event *a = x, *b = y;

    return digest_cmp(a->key, b->key);
}

static void find_events(struct joiner *w)
{
    size_t slots = 64;

    while (slots < (w->n[0] + w->n[1]) * 3 / 2)
        slots *= 2;
    if (slots > w->table_cap) {
        free(w->table);
        w->table = xmalloc(slots * 2 * sizeof(*w->table));
        w->table_cap = slots;
    }
    w->n_events = 0;
    fill_table(w, slots);
    for (size_t i = 0; i < slots; i++) {
        const uint32_t *slot = &w->table[i * 2];
        const struct mark *a = slot[0] ? &w->marks[0][slot[0] - 1] : NULL;
        const struct mark *b = slot[1] ? &w->marks[1][slot[1] - 1] : NULL;
        struct event *e;

        if ((!a && !b) || (a && b && digest_eq(a->row, b->row)))
            continue;
        e = add_event(w, a ? a->key : b->key);
        if (a)
            put_side(e, 0, a);
        if (b)
            put_side(e, 1, b);
    }
    if (w->n_events > 1)
        qsort(w->events, w->n_events, sizeof(*w->events), by_key);
}

/* ---- rows that differ, again ---- */

static enum ec keep_row(void *arg, size_t i, const struct side_row *row, struct err *reterr)
{
    struct joiner *w = arg;
    struct event *e = &w->events[w->of[i]];
    size_t n = w->j->m->b->n;
    struct arena *a = &w->batch->a;
    struct cell *cells = arena_alloc(a, (n + 1) * sizeof(*cells)), *packed = &e->packed[w->fetching];

    if (!row->wanted || !digest_eq(row->key, e->key)) {
        err_set(reterr, EC_STATE, "'%s' was changed while it was read", w->j->in[w->fetching].path);
        return err_hint(reterr, "run the command again when nobody writes into the file");
    }
    strbuf_reset(&w->packed);
    row_pack(&w->packed, row->cells, n);
    *packed = cell_dup(a, (struct cell){ w->packed.buf, w->packed.len });
    BUG_IF(!row_unpack(packed->ptr, packed->len, cells, n), "a packed row");
    e->row[w->fetching] =
        (struct leaf_row){ .key = row->key, .row = row->row, .cells = cells, .company = cell_dup(a, row->company) };
    return EC_OK;
}

static enum ec fetch(struct joiner *w, unsigned side, struct err *reterr)
{
    size_t n = 0;

    if (w->n_events > w->places_cap) {
        w->places_cap = w->n_events * 2;
        w->places = xrealloc(w->places, w->places_cap * sizeof(*w->places));
        w->of = xrealloc(w->of, w->places_cap * sizeof(*w->of));
    }
    for (size_t i = 0; i < w->n_events; i++)
        if (w->events[i].in[side]) {
            w->places[n] = w->events[i].at[side];
            w->of[n++] = i;
        }
    w->fetching = side;
    return file_fetch(&w->j->in[side], w->side[side], w->places, n, keep_row, w, reterr);
}

static void judge(struct joiner *w, struct event *e)
{
    struct leaf_pair p = { .in_a = e->in[0], .in_b = e->in[1], .key = e->key, .a = e->row[0], .b = e->row[1] };

    if (e->twin[0] || e->twin[1])
        return;
    comparing_judge(w->j->m->b, &p, &w->batch->a, &e->judged);
    e->judged.d.fno_packed = e->packed[0];
    e->judged.d.dv_packed = e->packed[1];
}

static void hand_over(struct joining *j, struct batch *b)
{
    pthread_mutex_lock(&j->lock);
    while (j->queued == QUEUE && !j->stop)
        pthread_cond_wait(&j->taken, &j->lock);
    *j->last = b;
    j->last = &b->next;
    j->queued++;
    pthread_cond_signal(&j->filled);
    pthread_mutex_unlock(&j->lock);
}

static enum ec join_part(struct joiner *w, unsigned part, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (unsigned side = 0; side < 2 && !rc; side++)
        rc = marks_load(w->j->g->marks[side], part, &w->marks[side], &w->cap[side], &w->n[side], reterr);
    if (rc)
        return rc;
    find_events(w);
    if (!w->n_events)
        return EC_OK;
    w->batch = xcalloc(1, sizeof(*w->batch));
    for (unsigned side = 0; side < 2 && !rc; side++)
        rc = fetch(w, side, reterr);
    for (size_t i = 0; i < w->n_events && !rc; i++)
        judge(w, &w->events[i]);
    w->batch->events = w->events;
    w->batch->n = w->n_events;
    w->events = NULL;
    w->events_cap = 0;
    if (rc) {
        arena_release(&w->batch->a);
        free(w->batch->events);
        free(w->batch);
    } else {
        hand_over(w->j, w->batch);
    }
    w->batch = NULL;
    return rc;
}

static void *join(void *arg)
{
    struct joiner *w = arg;
    struct joining *j = w->j;
    bool last;

    for (;;) {
        struct err e = { 0 };
        unsigned part;
        enum ec rc;

        pthread_mutex_lock(&j->lock);
        part = j->next < j->parts && !j->stop ? j->next++ : j->parts;
        pthread_mutex_unlock(&j->lock);
        if (part == j->parts)
            break;
        rc = stop_requested() ? err_set(&e, EC_STOPPED, "stopped while comparing") : join_part(w, part, &e);
        if (rc) {
            pthread_mutex_lock(&j->lock);
            if (!j->rc) {
                j->rc = rc;
                j->err = e;
            }
            j->stop = true;
            pthread_mutex_unlock(&j->lock);
        }
    }
    pthread_mutex_lock(&j->lock);
    last = --j->running == 0;
    pthread_cond_signal(&j->filled);
    pthread_mutex_unlock(&j->lock);
    /* Giving a large temporary file back takes a while: it is done while the delta is committed. */
    for (int i = 0; i < 2 && last; i++)
        marks_drop(j->g->marks[i]);
    return NULL;
}

/* ---- the delta, on the calling thread, which owns the database ---- */

static void take_off(struct comparing *c, struct gathering *g, const struct event *e)
{
    for (unsigned side = 0; side < 2; side++) {
        struct company_sum *s;

        if (!e->twin[side])
            continue;
        s = sum_of(&g->sums[side], e->row[side].company);
        if (s) { /* these are subtracted: below zero in one worker's sums is fine, they are added up modulo 2^64 */
            s->rows--;
            digest_sum_sub(&s->sum, e->row[side].row);
        }
        g->sums[side].rows--;
        digest_sum_sub(&g->sums[side].sum, e->row[side].row);
        c->twins++;
    }
}

static enum ec settle(struct comparing *c, struct gathering *g, struct batch *b, struct err *reterr)
{
    enum ec rc = EC_OK;

    for (size_t i = 0; i < b->n && !rc; i++) {
        struct event *e = &b->events[i];

        if (e->twin[0] || e->twin[1]) {
            take_off(c, g, e);
            comparing_warn_twin(c, e->row[e->twin[1]].cells);
            continue;
        }
        rc = comparing_settle(c, &e->judged, reterr);
    }
    return rc;
}

static struct batch *take(struct joining *j)
{
    struct batch *b;

    pthread_mutex_lock(&j->lock);
    while (!j->first && j->running)
        pthread_cond_wait(&j->filled, &j->lock);
    b = j->first;
    if (b) {
        j->first = b->next;
        if (!j->first)
            j->last = &j->first;
        j->queued--;
        pthread_cond_signal(&j->taken);
    }
    pthread_mutex_unlock(&j->lock);
    return b;
}

static enum ec join_all(struct comparing *c, struct joining *j, unsigned jobs, struct err *reterr)
{
    struct joiner *ws = xcalloc(jobs, sizeof(*ws));
    pthread_t *t = xcalloc(jobs, sizeof(*t));
    unsigned n = 0;
    struct batch *b;
    enum ec rc = EC_OK;

    j->running = jobs;
    for (unsigned i = 0; i < jobs; i++) {
        ws[i].j = j;
        for (unsigned side = 0; side < 2; side++)
            ws[i].side[side] = side_worker_new(j->in[side].side);
        if (pthread_create(&t[n], NULL, join, &ws[i])) {
            pthread_mutex_lock(&j->lock);
            j->running--;
            pthread_mutex_unlock(&j->lock);
        } else {
            n++;
        }
    }
    if (!n)
        rc = err_set(reterr, EC_LIMIT, "no thread could be started");
    while ((b = take(j))) {
        if (!rc)
            rc = settle(c, j->g, b, reterr);
        if (rc) {
            pthread_mutex_lock(&j->lock);
            j->stop = true;
            pthread_cond_broadcast(&j->taken);
            pthread_mutex_unlock(&j->lock);
        }
        arena_release(&b->a);
        free(b->events);
        free(b);
    }
    for (unsigned i = 0; i < n; i++)
        pthread_join(t[i], NULL);
    for (unsigned i = 0; i < jobs; i++) {
        for (unsigned side = 0; side < 2; side++) {
            side_worker_free(ws[i].side[side]);
            free(ws[i].marks[side]);
        }
        strbuf_release(&ws[i].packed);
        free(ws[i].table);
        free(ws[i].events);
        free(ws[i].places);
        free(ws[i].of);
    }
    free(ws);
    free(t);
    if (!rc && j->rc) {
        rc = j->rc;
        if (reterr)
            *reterr = j->err;
    }
    return rc;
}

/* ---- */

static void add_sums(struct comparing *c, struct gathering *g)
{
    for (unsigned i = 0; i < g->jobs * 2; i++) {
        const struct sums *s = &g->sums[i];
        bool fno = i % 2 == 0;

        *(fno ? &c->res->all.fno_rows : &c->res->all.dataverse_rows) += s->rows;
        digest_sum_add(fno ? &c->res->all.fno_digest : &c->res->all.dataverse_digest, s->sum);
        for (size_t k = 0; k < s->n; k++) {
            struct diff_counts *d = comparing_company(c, s->all[k].name);

            *(fno ? &d->fno_rows : &d->dataverse_rows) += s->all[k].rows;
            digest_sum_add(fno ? &d->fno_digest : &d->dataverse_digest, s->all[k].sum);
        }
    }
}

static int bits_for(const struct file_input in[2])
{
    uint64_t octets = in[0].octets > in[1].octets ? in[0].octets : in[1].octets;
    int bits = MIN_BITS;

    while (bits < MAX_BITS && octets / 150 >> bits > ROWS_A_PARTITION)
        bits++;
    return bits;
}

enum ec file_diff(struct map_ctx *m, struct file_input in[2], unsigned jobs, struct arena *a, struct diff_result *ret,
                  struct err *reterr)
{
    struct diff_result res = { 0 };
    struct comparing c = { .m = m, .res = &res, .a = a };
    struct gathering g = { .m = m, .jobs = jobs ? jobs : 1, .bits = bits_for(in) };
    struct joining j = { .m = m, .in = in, .g = &g, .parts = 1U << g.bits };
    struct file_sink sink = { add_row, begin, &g };
    enum ec rc;

    pthread_mutex_init(&j.lock, NULL);
    pthread_cond_init(&j.filled, NULL);
    pthread_cond_init(&j.taken, NULL);
    j.last = &j.first;
    g.tmp = workspace_path(&m->pair->app->ws, a, ".dmfsync/tmp");
    g.sums = xcalloc((size_t)g.jobs * 2, sizeof(*g.sums));
    rc = comparing_begin(&c, reterr);
    if (!rc)
        rc = begin(&g, reterr);
    if (!rc)
        rc = file_rows_read(in, 2, g.jobs, &sink, reterr);
    for (unsigned i = 0; i < 2 && !rc; i++)
        rc = marks_flush(g.marks[i], reterr);
    if (rc)
        goto out;
    STEP(delta_store);
    rc = store_begin(m->state, reterr);
    if (rc)
        goto out;
    rc = comparing_clear(m, reterr);
    if (!rc)
        rc = join_all(&c, &j, g.jobs, reterr);
    if (!rc)
        rc = waivers_store(m, &c.waivers, reterr);
    rc = store_end(m->state, rc, reterr);
    STEP(delta_stored);
    if (rc)
        goto out;
    add_sums(&c, &g);
    res.all.excluded_fno = in[0].excluded;
    res.all.excluded_dataverse = in[1].excluded;
    for (size_t i = 0; i < res.n_companies; i++)
        comparing_finish_counts(&res.companies[i], 0);
    comparing_finish_counts(&res.all, c.twins);
    *ret = res;
out:
    comparing_end(&c);
    forget(&g);
    free(g.sums);
    pthread_mutex_destroy(&j.lock);
    pthread_cond_destroy(&j.filled);
    pthread_cond_destroy(&j.taken);
    return rc;
}

#include "dv/dv_parts.h"

#include <stdlib.h>
#include <string.h>

/* ---- slices ---- */

struct slice *slice_new(const struct dv_bulk_row *rows, size_t n, bool create, enum slice_how how)
{
    struct slice *s = xcalloc(1, sizeof(*s));

    s->rows = xmalloc(n * sizeof(*rows));
    memcpy(s->rows, rows, n * sizeof(*rows));
    s->n = n;
    s->create = create;
    s->how = how;
    s->again = how;
    return s;
}

struct slice *slice_part(const struct slice *s, size_t from, size_t n)
{
    struct slice *p = slice_new(s->rows + from, n, s->create, s->how);

    p->again = s->again;
    p->upsert = s->upsert;
    p->looked = s->looked;
    p->lost = s->lost;
    p->tries = s->tries;
    p->since_ms = s->since_ms;
    return p;
}

void slice_free(struct slice *s)
{
    if (!s)
        return;
    free(s->rows);
    free(s->why);
    free(s->found);
    strbuf_release(&s->url);
    strbuf_release(&s->body);
    free(s);
}

void slice_push(struct slice_queue *q, struct slice *s)
{
    s->next = NULL;
    if (q->tail)
        q->tail->next = s;
    else
        q->head = s;
    q->tail = s;
}

struct slice *slice_pop_due(struct slice_queue *q, int64_t now_ms)
{
    struct slice *before = NULL;

    for (struct slice *s = q->head; s; before = s, s = s->next) {
        if (s->due_ms > now_ms)
            continue;
        if (before)
            before->next = s->next;
        else
            q->head = s->next;
        if (q->tail == s)
            q->tail = before;
        s->next = NULL;
        return s;
    }
    return NULL;
}

int64_t slice_next_due(const struct slice_queue *q)
{
    int64_t due = -1;

    for (const struct slice *s = q->head; s; s = s->next)
        if (due < 0 || s->due_ms < due)
            due = s->due_ms;
    return due;
}

/* ---- the set of ids: open addressing, deletion by moving the rest of the run up ---- */

/* Never 0. Ids of our own making differ in every octet, others in some. */
static uint64_t short_id(const uint8_t id[static 16])
{
    uint64_t a, b;

    memcpy(&a, id, 8);
    memcpy(&b, id + 8, 8);
    a = (a ^ a >> 32 ^ b * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xff51afd7ed558ccd);
    a ^= a >> 32;
    return a ? a : 1;
}

static size_t seek(const struct id_set *s, uint64_t id)
{
    size_t i = id & (s->cap - 1);

    while (s->slots[i] && s->slots[i] != id)
        i = (i + 1) & (s->cap - 1);
    return i;
}

bool id_set_has(const struct id_set *s, const uint8_t id[static 16])
{
    return s->cap && s->slots[seek(s, short_id(id))];
}

static void grow(struct id_set *s)
{
    struct id_set bigger = { .cap = s->cap ? s->cap * 2 : 1024, .n = s->n };

    bigger.slots = xcalloc(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < s->cap; i++)
        if (s->slots[i])
            bigger.slots[seek(&bigger, s->slots[i])] = s->slots[i];
    free(s->slots);
    *s = bigger;
}

bool id_set_add(struct id_set *s, const uint8_t id[static 16])
{
    uint64_t what = short_id(id);
    size_t i;

    if (2 * (s->n + 1) > s->cap)
        grow(s);
    i = seek(s, what);
    if (s->slots[i])
        return false;
    s->slots[i] = what;
    s->n++;
    return true;
}

void id_set_drop(struct id_set *s, const uint8_t id[static 16])
{
    size_t hole, mask = s->cap - 1;

    if (!s->cap)
        return;
    hole = seek(s, short_id(id));
    if (!s->slots[hole])
        return;
    s->n--;
    for (size_t i = (hole + 1) & mask; s->slots[i]; i = (i + 1) & mask) {
        size_t h = s->slots[i] & mask;

        /* may the entry at i move to the hole? only if its home is not between the two */
        if (((i - h) & mask) < ((i - hole) & mask))
            continue;
        s->slots[hole] = s->slots[i];
        hole = i;
    }
    s->slots[hole] = 0;
}

void id_set_release(struct id_set *s)
{
    free(s->slots);
    *s = (struct id_set){ 0 };
}

/* ---- size ---- */

int dv_batch_size(int now, size_t sent, int64_t elapsed_ms)
{
    if (elapsed_ms > 12000) {
        int64_t fit = (int64_t)sent * 10000 / elapsed_ms;

        if (fit < now)
            now = fit < 10 ? 10 : (int)fit;
    } else if (elapsed_ms < 3000 && sent >= (size_t)now) {
        now = now * 3 / 2 > 1000 ? 1000 : now * 3 / 2;
    }
    return now;
}

/* ---- whom does a message mean? ---- */

static bool has_text(struct cell c, const char *text36)
{
    /* ids in bodies are written in lower case by us, and by the service */
    return c.len >= 36 && memmem(c.ptr, c.len, text36, 36);
}

size_t slice_named_rows(const struct slice *s, const char *message, bool *marks)
{
    size_t n = 0, len = strlen(message);
    int looked_at = 0;

    memset(marks, 0, s->n * sizeof(*marks));
    for (size_t i = 0; i + 36 <= len && looked_at < 32;) {
        uint8_t id[16];
        char lower[37];

        if (!dv_guid((struct cell){ message + i, 36 }, id)) {
            i++;
            continue;
        }
        for (int k = 0; k < 36; k++)
            lower[k] = message[i + k] >= 'A' && message[i + k] <= 'F' ? (char)(message[i + k] + 32) : message[i + k];
        lower[36] = 0;
        for (size_t r = 0; r < s->n; r++)
            if (!marks[r] && (cell_ieq(cell_of(s->rows[r].id), cell_of(lower)) || has_text(s->rows[r].body, lower))) {
                marks[r] = true;
                n++;
            }
        looked_at++;
        i += 36;
    }
    return n;
}

/*
 * Service protection per user, over a sliding window. Source: "Service protection API limits": number of requests,
 * combined execution time, concurrent requests; 429 with Retry-After, which grows while a client keeps sending.
 *
 * Execution time is accounted, 100 ms for a call and some milliseconds for each row written; it is really waited for only
 * when dv_row_us is set.
 */
#include "emu_dv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MS = 100, ROW_US = 4000 };

struct spent {
    int64_t at_ms, cost_ms;
};
struct window { /* what was served in one window since the first write */
    int64_t calls, rows, cost_ms;
};
struct dv_user {
    struct dv_user *next;
    char *client;
    char id[37];
    struct spent *spent; /* ring of what lies in the window */
    size_t first, n, cap;
    int64_t cost_ms; /* sum over the ring */
    int64_t *busy_until; /* requests that are still being waited for */
    size_t n_busy, cap_busy;
    int64_t penalty_until; /* 0 = none */
    int64_t refused; /* in this penalty */
    int64_t told_ms; /* when the last 429 was given */
    int64_t n_calls, n_rows, n_refused, n_early;
    struct window *windows;
    size_t n_windows;
};

static struct dv_user *user_of(struct emu *e, const char *client)
{
    struct dv_user *u;

    for (u = e->dv->users; u; u = u->next)
        if (!strcmp(u->client, client))
            return u;
    return NULL;
}

/* "" is the service itself. */
const char *dv_user_id(struct emu *e, const char *client)
{
    struct dv_user *u = user_of(e, client);
    const struct dv_table *t;
    struct dv_change ch;
    struct arena a = { 0 };
    struct dv_op op = { .e = e, .a = &a, .prefer = "", .inside = true };
    char text[200], id[37];

    if (u)
        return u->id;
    u = xcalloc(1, sizeof(*u));
    u->client = xstrdup(client);
    snprintf(text, sizeof(text), "systemuser|%.120s", client);
    emu_guid(e, text, u->id);
    u->next = e->dv->users;
    e->dv->users = u;
    t = dv_table_by_logical(e, "systemuser", 10);
    if (t && !dv_exists(e, t, u->id)) {
        op.user_id = u->id;
        dv_change_init(&op, t, &ch);
        if (t->primary_name >= 0) {
            ch.set[t->primary_name] = true;
            ch.v[t->primary_name] = *client ? arena_printf(&a, "# application %.100s", client) : "SYSTEM";
        }
        BUG_IF(!dv_create(&op, t, u->id, &ch, id), "an application user cannot be made");
    }
    arena_release(&a);
    return u->id;
}

static void drop_old(struct dv_user *u, int64_t since)
{
    while (u->n && u->spent[u->first].at_ms <= since) {
        u->cost_ms -= u->spent[u->first].cost_ms;
        u->first = (u->first + 1) % u->cap;
        u->n--;
    }
}

static void add_spent(struct dv_user *u, int64_t now, int64_t cost)
{
    if (u->n == u->cap) {
        size_t cap = u->cap ? u->cap * 2 : 256;
        struct spent *more = xcalloc(cap, sizeof(*more));

        for (size_t i = 0; i < u->n; i++)
            more[i] = u->spent[(u->first + i) % u->cap];
        free(u->spent);
        u->spent = more;
        u->cap = cap;
        u->first = 0;
    }
    u->spent[(u->first + u->n++) % u->cap] = (struct spent){ now, cost };
    u->cost_ms += cost;
}

static int64_t busy(struct dv_user *u, int64_t now)
{
    size_t n = 0;

    for (size_t i = 0; i < u->n_busy; i++)
        if (u->busy_until[i] > now)
            u->busy_until[n++] = u->busy_until[i];
    u->n_busy = n;
    return (int64_t)n;
}

static void add_busy(struct dv_user *u, int64_t until)
{
    if (u->n_busy == u->cap_busy) {
        u->cap_busy = u->cap_busy ? u->cap_busy * 2 : 64;
        u->busy_until = xrealloc(u->busy_until, u->cap_busy * sizeof(*u->busy_until));
    }
    u->busy_until[u->n_busy++] = until;
}

static void grouped(char *out, size_t size, int64_t n)
{
    char digits[32];
    size_t k = 0, len = (size_t)snprintf(digits, sizeof(digits), "%" PRId64, n);

    for (size_t i = 0; i < len && k + 2 < size; i++) {
        out[k++] = digits[i];
        if ((len - i - 1) % 3 == 0 && i + 1 < len && digits[i] != '-')
            out[k++] = ',';
    }
    out[k] = '\0';
}

static void headers(struct dv_op *op, const struct dv_user *u)
{
    int64_t requests = EMU_KNOB(op->e, dv_limit_requests), time = EMU_KNOB(op->e, dv_limit_execution_ms), left;
    char text[40];

    emu_add_header(op->r, op->q, "x-ms-dop-hint", "%" PRId64, EMU_KNOB(op->e, dv_dop_hint));
    if (EMU_KNOB(op->e, dv_no_quota_headers))
        return;
    left = requests ? requests - (int64_t)u->n : 6000;
    emu_add_header(op->r, op->q, "x-ms-ratelimit-burst-remaining-xrm-requests", "%" PRId64, left > 0 ? left : 0);
    left = time ? time - u->cost_ms : 1200000;
    left = left > 0 ? left : 0;
    grouped(text, sizeof(text), left / 1000);
    emu_add_header(op->r, op->q, "x-ms-ratelimit-time-remaining-xrm-requests", "%s.%02" PRId64, text,
                   left % 1000 / 10);
}

/* When enough of the window has passed that the sum is below the limit again. */
static int64_t time_until_free(const struct dv_user *u, int64_t now, int64_t window, int64_t over_requests,
                               int64_t over_cost)
{
    for (size_t i = 0; i < u->n; i++) {
        const struct spent *s = &u->spent[(u->first + i) % u->cap];

        over_requests--;
        over_cost -= s->cost_ms;
        if (over_requests < 0 && over_cost < 0)
            return s->at_ms + window - now;
    }
    return window;
}

static bool refuse(struct dv_op *op, struct dv_user *u, int64_t now, uint32_t code, int64_t wait_ms)
{
    int64_t window = EMU_KNOB(op->e, dv_window_ms), left;
    char limit[40], text[16];

    /* whoever keeps sending waits longer: each refused request adds a second, up to one more window */
    if (u->penalty_until <= now) {
        u->refused = 0;
        u->penalty_until = now + wait_ms;
    } else if (code != 0x80072326) {
        u->refused++;
        u->penalty_until += 1000;
        if (u->penalty_until > now + 2 * window)
            u->penalty_until = now + 2 * window;
    }
    left = u->penalty_until - now;
    if (code == 0x80072326) {
        u->penalty_until = 0;
        left = wait_ms;
    }
    snprintf(text, sizeof(text), EMU_KNOB(op->e, dv_code_decimal) ? "%d" : "0x%x", (int)code);
    switch (code) {
    case 0x80072322:
        dv_refuse(&op->fail, 429, text,
                  "Number of requests exceeded the limit of %" PRId64 " over time window of %" PRId64 " seconds.",
                  EMU_KNOB(op->e, dv_limit_requests), window / 1000);
        break;
    case 0x80072321:
        grouped(limit, sizeof(limit), EMU_KNOB(op->e, dv_limit_execution_ms));
        dv_refuse(
            &op->fail, 429, text,
            "Combined execution time of incoming requests exceeded limit of %s milliseconds over time window of "
            "%" PRId64 " seconds. Decrease number of concurrent requests or reduce the duration of requests and "
            "try again later.",
            limit, window / 1000);
        break;
    default:
        dv_refuse(&op->fail, 429, text, "Number of concurrent requests exceeded the limit of %" PRId64 ".",
                  EMU_KNOB(op->e, dv_limit_concurrent));
    }
    dv_answer_fail(op);
    if (!EMU_KNOB(op->e, dv_no_retry_after))
        emu_add_header(op->r, op->q, "Retry-After", "%" PRId64, (left + 999) / 1000);
    headers(op, u);
    emu_count(op->e, "dv.429", 1);
    u->n_refused++;
    u->told_ms = now;
    return false;
}

/* A request within the time that a 429 named, by a client that has had time enough to read it. */
static void watch_early(struct dv_op *op, struct dv_user *u, int64_t now)
{
    int64_t grace = 300 * EMU_KNOB(op->e, time_scale);

    if (u->penalty_until > now && u->told_ms && now > u->told_ms + grace) {
        u->n_early++;
        emu_count(op->e, "dv.429.early", 1);
    }
}

bool dv_limits_enter(struct dv_op *op)
{
    struct emu *e = op->e;
    struct dv_user *u = user_of(e, op->q->user);
    int64_t now = emu_now_ms(e), window = EMU_KNOB(e, dv_window_ms), requests = EMU_KNOB(e, dv_limit_requests),
            time = EMU_KNOB(e, dv_limit_execution_ms), concurrent = EMU_KNOB(e, dv_limit_concurrent);

    BUG_IF(!u, "a request without its user");
    drop_old(u, now - window);
    u->n_calls++;
    watch_early(op, u, now);
    if (concurrent && busy(u, now) >= concurrent)
        return refuse(op, u, now, 0x80072326, 1000);
    if (requests && (int64_t)u->n >= requests)
        return refuse(op, u, now, 0x80072322, time_until_free(u, now, window, (int64_t)u->n - requests, -1));
    if (time && u->cost_ms >= time)
        return refuse(op, u, now, 0x80072321, time_until_free(u, now, window, -1, u->cost_ms - time));
    if (u->penalty_until > now)
        return refuse(op, u, now, requests && (int64_t)u->n * 10 >= requests * 9 ? 0x80072322 : 0x80072321, 0);
    return true;
}

/* Windows are counted from the first write of any user on. */
static void note(struct dv_op *op, struct dv_user *u, int64_t now, int64_t cost)
{
    struct dv *d = op->e->dv;
    size_t at;

    if (!d->first_write_ms && !op->rows)
        return;
    if (!d->first_write_ms)
        d->first_write_ms = now;
    if (op->rows)
        d->last_write_ms = now;
    at = (size_t)((now - d->first_write_ms) / EMU_KNOB(op->e, dv_window_ms));
    if (at >= 100000)
        return;
    if (at >= u->n_windows) {
        u->windows = xrealloc(u->windows, (at + 1) * sizeof(*u->windows));
        memset(u->windows + u->n_windows, 0, (at + 1 - u->n_windows) * sizeof(*u->windows));
        u->n_windows = at + 1;
    }
    u->windows[at].cost_ms += cost;
    u->windows[at].calls += op->rows > 0;
    u->windows[at].rows += op->rows;
    u->n_rows += op->rows;
}

/*
 * What was reached in the whole windows after the first one, against what the limits allow for calls of these sizes: with n
 * rows in a call of T(n), users * limit / window * n / T(n) rows a second.
 */
static void steady(struct emu *e, struct strbuf *out)
{
    const struct dv *d = e->dv;
    int64_t window = EMU_KNOB(e, dv_window_ms), time = EMU_KNOB(e, dv_limit_execution_ms), users = 0;
    int64_t row_us = EMU_KNOB(e, dv_row_us);
    size_t whole = d->first_write_ms ? (size_t)((d->last_write_ms - d->first_write_ms) / window) : 0;
    struct window sum = { 0 };
    double seconds, n, t, ceiling, reached;

    for (const struct dv_user *u = d->users; u; u = u->next) {
        users += u->n_rows > 0;
        for (size_t i = 1; i < whole && i < u->n_windows; i++) {
            sum.calls += u->windows[i].calls;
            sum.rows += u->windows[i].rows;
            sum.cost_ms += u->windows[i].cost_ms;
        }
    }
    seconds = whole > 1 ? (double)(whole - 1) * (double)window / 1000 : 0;
    n = sum.calls ? (double)sum.rows / (double)sum.calls : 0;
    t = CALL_MS / 1000.0 + n * (double)(row_us ? row_us : ROW_US) / 1e6;
    ceiling = (double)users * (double)time / (double)window * n / t;
    reached = seconds > 0 ? (double)sum.rows / seconds : 0;
    strbuf_addf(out,
                "\"steady\":{\"windows\":%zu,\"users\":%" PRId64 ",\"calls\":%" PRId64 ",\"rows\":%" PRId64
                ",\"rows_per_call\":%.1f,\"seconds_per_call\":%.3f,\"execution_ms\":%" PRId64
                ",\"ceiling_rows_per_s\":%.1f,\"reached_rows_per_s\":%.1f,\"ratio\":%.4f}",
                whole > 1 ? whole - 1 : 0, users, sum.calls, sum.rows, n, t, sum.cost_ms, ceiling, reached,
                ceiling > 0 ? reached / ceiling : 0);
}

void dv_limits_json(struct emu *e, struct strbuf *out)
{
    const char *sep = "";

    strbuf_addf(out, "{\"window_ms\":%" PRId64 ",\"execution_ms\":%" PRId64 ",\"users\":[", EMU_KNOB(e, dv_window_ms),
                EMU_KNOB(e, dv_limit_execution_ms));
    for (const struct dv_user *u = e->dv->users; u; u = u->next) {
        if (!u->n_calls)
            continue;
        strbuf_addf(out, "%s{\"client\":", sep);
        emu_json_str(out, u->client, strlen(u->client));
        strbuf_addf(out, ",\"calls\":%" PRId64 ",\"rows\":%" PRId64 ",\"refused\":%" PRId64 ",\"early\":%" PRId64 "}",
                    u->n_calls, u->n_rows, u->n_refused, u->n_early);
        sep = ",";
    }
    strbuf_adds(out, "],");
    steady(e, out);
    strbuf_addc(out, '}');
}

void dv_limits_leave(struct dv_op *op)
{
    struct dv_user *u = user_of(op->e, op->q->user);
    int64_t row_us = EMU_KNOB(op->e, dv_row_us), now = emu_now_ms(op->e),
            cost = CALL_MS + op->rows * (row_us ? row_us : ROW_US) / 1000;

    add_spent(u, now, cost);
    note(op, u, now, cost);
    if (row_us)
        op->r->cost_ms += CALL_MS + op->rows * row_us / 1000;
    if (op->r->cost_ms + EMU_KNOB(op->e, latency_ms) > 0)
        add_busy(u, now + op->r->cost_ms + EMU_KNOB(op->e, latency_ms));
    headers(op, u);
}

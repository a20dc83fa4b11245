#include "net/governor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROWTH_EVERY_MS = 5000,
    UNHINTED_CAP_MS = 300000,
    WINDOW_MS = 300000,
    LOOK_MS = 50,
    FIRST_GUESS_MS = 500,
    SPREAD_CATCH_MS = 6000,
    FIRST_PART_MS = 10
};
/* How far ahead starts are spread, in parts of the window: what a standstill left over is made up for within that time. */
enum { AHEAD = GOVERNOR_PARTS * 2 / 3 };
static const double MARGIN = 0.985, MARGIN_LEAST = 0.9, FREE_SHARE = 0.5;

const char *wait_reason_name(enum wait_reason r)
{
    static const char *const NAMES[WAIT_REASONS] = { "none",           "throttled", "execution_budget",
                                                     "request_budget", "tpslimit",  "pause_file" };

    return NAMES[r];
}

static void budget_init(struct governor_budget *b, double published)
{
    *b = (struct governor_budget){ .published = published, .scale = 1, .margin = MARGIN };
}

void governor_init(struct governor *g, enum governor_kind kind, int start, int ceiling)
{
    memset(g, 0, sizeof(*g));
    g->kind = kind;
    g->ceiling = ceiling > 0 ? ceiling : 1;
    g->concurrency = start > g->ceiling ? g->ceiling : start > 0 ? start : 1;
    g->window_ms = WINDOW_MS;
    g->call_ms = FIRST_GUESS_MS;
    g->part_ms = FIRST_PART_MS;
    budget_init(&g->time, kind == GOVERNOR_DATAVERSE ? 1200000 : 0);
    budget_init(&g->requests, kind == GOVERNOR_DATAVERSE ? 6000 : 0);
    g->last_growth_ms = clock_mono_ms();
    g->bucket = g->last_growth_ms / (g->window_ms / GOVERNOR_PARTS);
}

/* ---- budgets ---- */

static void drop(struct governor_budget *b, int64_t bucket)
{
    double *slot = &b->spent[bucket % GOVERNOR_BUCKETS];

    b->sum -= *slot;
    *slot = 0;
    if (b->sum < 0)
        b->sum = 0;
}

/* Moves the window to now: what lies before it is forgotten. */
static void roll(struct governor *g, int64_t now)
{
    int64_t bucket = now / (g->window_ms / GOVERNOR_PARTS), from = g->bucket + 1;

    if (bucket - from >= GOVERNOR_BUCKETS)
        from = bucket - GOVERNOR_BUCKETS + 1;
    for (int64_t i = from; i <= bucket; i++) {
        drop(&g->time, i);
        drop(&g->requests, i);
    }
    if (bucket > g->bucket) {
        int64_t moved = (bucket - g->bucket) * (g->window_ms / GOVERNOR_PARTS);
        double left = moved < g->window_ms ? 1 - (double)moved / (double)g->window_ms : 0;

        g->time.foreign *= left;
        g->requests.foreign *= left;
        g->bucket = bucket;
    }
}

static void book(struct governor *g, struct governor_budget *b, int64_t at_ms, double amount)
{
    int64_t bucket = at_ms / (g->window_ms / GOVERNOR_PARTS);

    if (bucket <= g->bucket - GOVERNOR_BUCKETS)
        return; /* has left the window meanwhile */
    if (b->spent[bucket % GOVERNOR_BUCKETS] + amount < 0)
        amount = -b->spent[bucket % GOVERNOR_BUCKETS];
    b->spent[bucket % GOVERNOR_BUCKETS] += amount;
    b->sum += amount;
}

/*
 * How long a call of this size has to wait for the budget. Above the free share starts are spread: of all stretches of
 * time from now to the window's length, the one in which least becomes available sets the pace.
 */
static int64_t budget_wait(const struct governor *g, struct governor_budget *b, int64_t now, double one)
{
    int64_t width = g->window_ms / GOVERNOR_PARTS, first = 0;
    double cap = (b->limit * b->margin - b->foreign) / b->scale, left = cap - b->sum, expired = 0, pace = -1;

    if (!b->limit || b->sum + b->foreign / b->scale + one <= FREE_SHARE * b->limit / b->scale)
        return 0;
    for (int64_t i = g->bucket - GOVERNOR_BUCKETS + 1; i <= g->bucket; i++) {
        int64_t gone = (i + GOVERNOR_BUCKETS) * width - now; /* when that bucket has left the window */
        double here;

        expired += b->spent[i % GOVERNOR_BUCKETS];
        if (gone <= 0)
            continue;
        if (!first && left + expired >= one)
            first = gone;
        here = (left + expired) / (double)gone;
        if (gone <= AHEAD * width && (pace < 0 || here < pace))
            pace = here;
    }
    if (left < one)
        return first ? first : width;
    if (pace <= 0)
        return width;
    if (now < b->next_ms)
        return b->next_ms - now;
    /* the spread begins anew after a pause: what was not used then is part of the pace already */
    b->next_ms = (b->next_ms > now - SPREAD_CATCH_MS ? b->next_ms : now) + (int64_t)(one / pace);
    return 0;
}

/* What the service says it counts against what we booked. */
static void calibrate(struct governor_budget *b, double left)
{
    double used, ratio;

    if (left < 0 || !b->published)
        return;
    if (!b->limit) {
        if (left + b->sum < b->published / 2)
            return; /* other limits, or others are at work: wait for a refusal, which names the figures */
        b->limit = b->published;
    }
    if (left > b->limit)
        b->limit = left;
    used = b->limit - left;
    if (used > b->sum + b->limit * 0.02) {
        b->foreign = used - b->sum;
        b->scale = 1;
        return;
    }
    b->foreign = 0;
    if (b->sum < b->limit * 0.02)
        return;
    ratio = used / b->sum < 0.01 ? 0.01 : used / b->sum > 1 ? 1 : used / b->sum;
    /* of several web servers the fuller ones count for more */
    b->scale += (ratio - b->scale) * (ratio > b->scale ? 0.25 : 0.1);
}

/* "1,200,000" behind a phrase; -1 = not there. */
static double figure_behind(const char *text, const char *phrase)
{
    const char *p = text ? strstr(text, phrase) : NULL;
    double n = 0;
    bool any = false;

    if (!p)
        return -1;
    for (p += strlen(phrase); (*p >= '0' && *p <= '9') || (*p == ',' && any); p++)
        if (*p != ',') {
            n = n * 10 + (*p - '0');
            any = true;
        }
    return any ? n : -1;
}

static void learn_window(struct governor *g, double seconds, int64_t now)
{
    int64_t ms = (int64_t)(seconds * 1000);

    if (seconds <= 0 || seconds > 86400 || ms < GOVERNOR_PARTS || ms == g->window_ms)
        return;
    g->window_ms = ms;
    g->bucket = now / (ms / GOVERNOR_PARTS);
    memset(g->time.spent, 0, sizeof(g->time.spent));
    memset(g->requests.spent, 0, sizeof(g->requests.spent));
    g->time.sum = g->requests.sum = 0;
}

/* A refusal names the limit that was reached ("... exceeded limit of 1,200,000 milliseconds over time window of 300 ..."). */
static void learn_limit(struct governor *g, const char *text, int64_t now)
{
    double time = figure_behind(text, "execution time of incoming requests exceeded limit of "),
           requests = figure_behind(text, "Number of requests exceeded the limit of ");
    struct governor_budget *b = time > 0 ? &g->time : requests > 0 ? &g->requests : NULL;

    if (!b || !b->published)
        return;
    learn_window(g, figure_behind(text, "over time window of "), now);
    b->limit = time > 0 ? time : requests;
    if (b->sum >= b->limit / 2) /* else others used it up: the wait that came with the refusal says it all */
        calibrate(b, 0);
    b->margin = b->margin - 0.01 < MARGIN_LEAST ? MARGIN_LEAST : b->margin - 0.01;
}

/* ---- asking ---- */

static int64_t blocked(struct governor *g, int64_t now, int64_t wait, enum wait_reason why)
{
    if (g->why != WAIT_NONE && g->why != WAIT_THROTTLED && now - g->asked_ms < 5000) /* longer: nobody wanted to go */
        g->waited_ms[g->why] += (uint64_t)(now - g->asked_ms);
    g->why = why;
    g->asked_ms = now;
    g->until_ms = now + wait;
    return wait;
}

int64_t governor_ask(struct governor *g, size_t parts, struct governor_call *ret)
{
    int64_t now = clock_mono_ms(), wait;
    double ms = parts ? g->part_ms * (double)parts : g->call_ms;

    roll(g, now);
    if (now < g->not_before_ms)
        return blocked(g, now, g->not_before_ms - now, WAIT_THROTTLED);
    if (g->in_flight >= g->concurrency) {
        g->full = true;
        (void)blocked(g, now, 0, WAIT_NONE);
        return LOOK_MS;
    }
    wait = budget_wait(g, &g->requests, now, 1);
    if (wait)
        return blocked(g, now, wait, WAIT_REQUESTS);
    wait = budget_wait(g, &g->time, now, ms);
    if (wait)
        return blocked(g, now, wait, WAIT_EXECUTION);
    (void)blocked(g, now, 0, WAIT_NONE);
    *ret = (struct governor_call){ now, ms, parts };
    book(g, &g->time, now, ms);
    book(g, &g->requests, now, 1);
    g->in_flight++;
    g->calls++;
    return 0;
}

/* ---- answers ---- */

static void shrink(struct governor *g, int64_t retry_after_ms)
{
    /* Short waits mean the concurrency limit: give up a third; long ones the request or time window: one is enough. */
    int less = retry_after_ms >= 0 && retry_after_ms < 10000 ? g->concurrency / 3 : 1;

    g->concurrency -= less > 0 ? less : 1;
    if (g->concurrency < 1)
        g->concurrency = 1;
}

static void refused(struct governor *g, const struct governor_answer *a, int64_t now)
{
    int64_t wait = a->retry_after_ms;
    /* Calls that were in flight together are refused together: they count as one refusal. */
    bool fresh = ++g->throttled == 1 || now - g->last_429_ms > 1000;

    if (wait < 0) { /* no word from the service: double up from its usual figures */
        g->unhinted += fresh && g->unhinted < 8;
        wait = (int64_t)(g->kind == GOVERNOR_FNO ? 10000 : 1000) << (g->unhinted > 0 ? g->unhinted - 1 : 0);
        if (wait > UNHINTED_CAP_MS)
            wait = UNHINTED_CAP_MS;
    }
    if (fresh) {
        shrink(g, a->retry_after_ms);
        learn_limit(g, a->text, now);
    }
    g->last_429_ms = now;
    if (now + wait > g->not_before_ms) {
        g->waited_ms[WAIT_THROTTLED] += (uint64_t)(now + wait - (g->not_before_ms > now ? g->not_before_ms : now));
        g->not_before_ms = now + wait;
    }
    g->last_growth_ms = g->not_before_ms;
}

void governor_undo(struct governor *g, const struct governor_call *call)
{
    roll(g, clock_mono_ms());
    if (g->in_flight > 0)
        g->in_flight--;
    book(g, &g->time, call->began_ms, -call->booked_ms);
    book(g, &g->requests, call->began_ms, -1);
}

void governor_done(struct governor *g, const struct governor_call *call, const struct governor_answer *a)
{
    int64_t now = clock_mono_ms();
    bool served = a->status >= 200 && a->status < 500 && a->status != 429;

    roll(g, now);
    if (g->in_flight > 0)
        g->in_flight--;
    book(g, &g->time, call->began_ms, (a->status == 429 ? 0 : (double)a->elapsed_ms) - call->booked_ms);
    if (a->dop_hint > 0 && a->dop_hint < 1000) {
        g->ceiling = a->dop_hint;
        if (g->concurrency > g->ceiling)
            g->concurrency = g->ceiling;
    }
    if (a->status == 429) {
        refused(g, a, now);
        return;
    }
    if (a->status > 0 && call->parts)
        g->part_ms += ((double)a->elapsed_ms / (double)call->parts - g->part_ms) / 8;
    else if (a->status > 0)
        g->call_ms += ((double)a->elapsed_ms - g->call_ms) / 8;
    calibrate(&g->time, a->time_left_ms);
    calibrate(&g->requests, a->requests_left);
    if (!served)
        return;
    g->unhinted = 0;
    if (g->full && g->concurrency < g->ceiling && now - g->last_growth_ms >= GROWTH_EVERY_MS) {
        g->concurrency++;
        g->full = false;
        g->last_growth_ms = now;
    }
}

/* ---- what to show ---- */

void governor_reason(const struct governor *g, char *ret, size_t n, int64_t *ret_until_ms)
{
    int64_t now = clock_mono_ms();

    *ret_until_ms = 0;
    ret[0] = 0;
    if (now < g->not_before_ms) {
        *ret_until_ms = g->not_before_ms;
        snprintf(ret, n, "throttled by the service, %lld s left", (long long)((g->not_before_ms - now + 999) / 1000));
        return;
    }
    if (now - g->asked_ms > 5000)
        return;
    if (g->why == WAIT_EXECUTION)
        snprintf(ret, n, "the limit of %.0f s of execution in %lld s sets the pace", g->time.limit / 1000,
                 (long long)(g->window_ms / 1000));
    else if (g->why == WAIT_REQUESTS)
        snprintf(ret, n, "the limit of %.0f requests in %lld s sets the pace", g->requests.limit,
                 (long long)(g->window_ms / 1000));
    if (ret[0] && g->until_ms > now)
        *ret_until_ms = g->until_ms;
}

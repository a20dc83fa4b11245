#include "net/governor.h"

#include <stdio.h>
#include <string.h>

enum { GROWTH_EVERY_MS = 5000, UNHINTED_CAP_MS = 300000 };

void governor_init(struct governor *g, enum governor_kind kind, int start, int ceiling, double tps_limit)
{
    memset(g, 0, sizeof(*g));
    g->kind = kind;
    g->ceiling = ceiling > 0 ? ceiling : 1;
    g->concurrency = start > g->ceiling ? g->ceiling : start > 0 ? start : 1;
    g->tps_limit = tps_limit;
    g->last_growth_ms = clock_mono_ms();
}

int64_t governor_ask(struct governor *g)
{
    int64_t now = clock_mono_ms();

    if (now < g->not_before_ms) {
        snprintf(g->reason, sizeof(g->reason), "throttled by the service, %lld s left",
                 (long long)((g->not_before_ms - now + 999) / 1000));
        return g->not_before_ms - now;
    }
    if (g->in_flight >= g->concurrency) {
        g->reason[0] = 0;
        return 50;
    }
    if (g->tps_limit > 0 && now < g->next_slot_ms) {
        snprintf(g->reason, sizeof(g->reason), "--tpslimit %g", g->tps_limit);
        return g->next_slot_ms - now;
    }
    g->reason[0] = 0;
    if (g->tps_limit > 0) {
        int64_t step = (int64_t)(1000.0 / g->tps_limit);

        g->next_slot_ms = (g->next_slot_ms > now - step ? g->next_slot_ms : now) + step;
    }
    g->in_flight++;
    g->calls++;
    return 0;
}

static void shrink(struct governor *g, int64_t retry_after_ms)
{
    /* Short waits mean the concurrency limit: give up a third; long ones the request or time window: one is enough. */
    int less = retry_after_ms >= 0 && retry_after_ms < 10000 ? g->concurrency / 3 : 1;

    g->concurrency -= less > 0 ? less : 1;
    if (g->concurrency < 1)
        g->concurrency = 1;
}

void governor_done(struct governor *g, int status, int64_t retry_after_ms, int dop_hint)
{
    int64_t now = clock_mono_ms();

    if (g->in_flight > 0)
        g->in_flight--;
    if (dop_hint > 0 && dop_hint < 1000) {
        g->ceiling = dop_hint;
        if (g->concurrency > g->ceiling)
            g->concurrency = g->ceiling;
    }
    if (status == 429) {
        int64_t wait = retry_after_ms;

        g->throttled++;
        /* Calls that were in flight together are refused together: they count as one refusal. */
        bool fresh = g->throttled == 1 || now - g->last_429_ms > 1000;

        if (wait < 0) { /* no word from the service: double up from its usual figures */
            g->unhinted += fresh && g->unhinted < 8;
            wait = (int64_t)(g->kind == GOVERNOR_FNO ? 10000 : 1000) << (g->unhinted > 0 ? g->unhinted - 1 : 0);
            if (wait > UNHINTED_CAP_MS)
                wait = UNHINTED_CAP_MS;
        }
        if (fresh)
            shrink(g, retry_after_ms);
        g->last_429_ms = now;
        if (now + wait > g->not_before_ms) {
            g->waited_ms += (uint64_t)(now + wait - (g->not_before_ms > now ? g->not_before_ms : now));
            g->not_before_ms = now + wait;
        }
        g->last_growth_ms = g->not_before_ms;
        return;
    }
    if (status >= 200 && status < 500)
        g->unhinted = 0;
    if (status >= 200 && status < 500 && g->concurrency < g->ceiling && now - g->last_growth_ms >= GROWTH_EVERY_MS) {
        g->concurrency++;
        g->last_growth_ms = now;
    }
}

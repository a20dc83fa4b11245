/*
 * governor.h -- how fast and how parallel we may call one service as one application user.
 * Layer: net. Source: Dataverse "Service protection API limits" (6,000 requests, 1,200 s execution, 52 concurrent per 300 s
 * and web server); F&O "Service protection API limits" and "Priority-based throttling" (resource-based 429 only).
 * Pure logic over the clock: no I/O, so tests drive it with a clock of their own.
 *
 * Two budgets are kept per user, execution time and number of requests over the sliding window. What a call took is
 * booked where it began; the remaining-quota headers say how much of that the answering web server counts (there may be
 * several, and our time includes the network's). Below half of a budget calls go as fast as concurrency lets them; above
 * it starts are spread so that the budget is used up evenly. Without those headers, and on F&O, a 429 is what teaches.
 */
#ifndef NET_GOVERNOR_H
#define NET_GOVERNOR_H

#include "base/clock.h"

enum governor_kind { GOVERNOR_FNO, GOVERNOR_DATAVERSE };
/* Why a call waits. The first four are a user's, the last two the whole session's. */
enum wait_reason { WAIT_NONE, WAIT_THROTTLED, WAIT_EXECUTION, WAIT_REQUESTS, WAIT_RATE, WAIT_PAUSE, WAIT_REASONS };
const char *wait_reason_name(enum wait_reason r); /* "throttled", "execution_budget" .. */

/* A bucket leaves when the youngest call in it is as old as the window: one more than the window has. */
enum { GOVERNOR_PARTS = 300, GOVERNOR_BUCKETS = GOVERNOR_PARTS + 1 };
/* One budget over a sliding window, in our own units: milliseconds, or calls. */
struct governor_budget {
    double limit; /* of the service, 0 = not known: not governed */
    double published; /* what the documentation says; taken as soon as the service sends its quota headers */
    double spent[GOVERNOR_BUCKETS], sum;
    double scale; /* how much of what we book the service counts, 1 = all */
    double foreign; /* what it counts beyond ours: others work as the same user */
    double margin; /* share of the limit that we use */
    int64_t next_ms; /* spread starts: not before */
};
struct governor {
    enum governor_kind kind;
    int concurrency; /* how many calls may be in flight now */
    int ceiling; /* never above: the server's hint (x-ms-dop-hint), or the configured maximum */
    int in_flight;
    bool full; /* concurrency was what held a call back since it last grew */
    int64_t not_before_ms; /* monotonic; all calls of the user wait until then */
    int64_t last_429_ms, last_growth_ms;
    int unhinted; /* 429s in a row that named no wait */
    int64_t window_ms, bucket; /* number of the newest bucket since the clock's zero */
    struct governor_budget time, requests;
    double call_ms, part_ms; /* what a call takes, by the last ones: without parts, and for each part */
    enum wait_reason why; /* what the last question was told, WAIT_NONE = go */
    int64_t asked_ms, until_ms; /* when it was asked, and until when it waits (monotonic) */
    uint64_t calls, throttled, waited_ms[WAIT_REASONS];
};
struct governor_call { /* one call in flight */
    int64_t began_ms;
    double booked_ms;
    size_t parts;
};
struct governor_answer {
    int status; /* 0 = no answer */
    int64_t retry_after_ms; /* -1 = none given */
    int64_t elapsed_ms;
    int dop_hint; /* 0 = none given */
    double time_left_ms, requests_left; /* of the quota headers, -1 = none given */
    const char *text; /* of a 429: which limit, and how much it is; NULL = unknown */
};
void governor_init(struct governor *g, enum governor_kind kind, int start, int ceiling);
/*
 * 0 = go now (in_flight grows, *ret is the call's), else milliseconds until the next look. parts: rows that the call
 * carries, since what it will take grows with them; 0 = it carries none.
 */
int64_t governor_ask(struct governor *g, size_t parts, struct governor_call *ret);
void governor_done(struct governor *g, const struct governor_call *call, const struct governor_answer *a);
/* The call did not go out after all. */
void governor_undo(struct governor *g, const struct governor_call *call);
/* Why the user waits now, "" = it does not; *ret_until_ms (monotonic) 0 = not known. */
void governor_reason(const struct governor *g, char *ret, size_t n, int64_t *ret_until_ms);

#endif

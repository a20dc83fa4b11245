/*
 * governor.h -- how fast and how parallel we may call one service as one application user.
 * Layer: net. Source: Dataverse "Service protection API limits" (6,000 requests, 1,200 s execution, 52 concurrent per 300 s
 * and web server); F&O "Service protection API limits" and "Priority-based throttling" (resource-based 429 only).
 * Pure logic over the clock: no I/O, so tests drive it with a clock of their own.
 */
#ifndef NET_GOVERNOR_H
#define NET_GOVERNOR_H

#include "base/clock.h"

enum governor_kind { GOVERNOR_FNO, GOVERNOR_DATAVERSE };
struct governor {
    enum governor_kind kind;
    int concurrency; /* how many calls may be in flight now */
    int ceiling; /* never above: the server's hint (x-ms-dop-hint), or the configured maximum */
    int in_flight;
    int64_t not_before_ms; /* monotonic; all calls of the user wait until then */
    int64_t last_429_ms, last_growth_ms;
    double tps_limit; /* --tpslimit, 0 = none */
    int64_t next_slot_ms;
    int unhinted; /* 429s in a row that named no wait */
    uint64_t calls, throttled, waited_ms;
    char reason[120]; /* why it waits, for the progress line; "" = it does not */
};
void governor_init(struct governor *g, enum governor_kind kind, int start, int ceiling, double tps_limit);
/* 0 = go now (in_flight grows), else milliseconds until the next look. */
int64_t governor_ask(struct governor *g);
/* A call ended. status 0 = no answer. retry_after_ms -1 = none given; dop_hint 0 = none given. */
void governor_done(struct governor *g, int status, int64_t retry_after_ms, int dop_hint);

#endif

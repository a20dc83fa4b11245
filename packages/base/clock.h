/*
 * clock.h -- time. Waits use the monotonic clock; stamps are UTC, milliseconds since 1970, never local time.
 * Layer: base. Threads: safe, except that clock_replace() is for tests before threads start.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/err.h"

int64_t clock_utc_ms(void);
int64_t clock_mono_ms(void);
/* Sleeps in slices; returns early (false) when stop_requested() becomes true. */
bool clock_sleep_ms(int64_t ms);

/* "2026-01-05T09:00:00Z", always 20 characters for years 0001-9999. */
void clock_format_utc(int64_t utc_ms, char ret[static 32]);
/* RFC 1123 as in HTTP headers: "Mon, 05 Jan 2026 09:00:00 GMT". */
void clock_format_http(int64_t utc_ms, char ret[static 40]);
/* Accepts yyyy-MM-dd[(T| )HH:mm[:ss[.fff]][Z|+hh:mm]]; no zone means UTC. False when `s` is anything else. */
bool clock_parse_utc(const char *s, size_t n, int64_t *ret_utc_ms);
bool clock_parse_http(const char *s, int64_t *ret_utc_ms);
/* Days since 1970-01-01 of a proleptic Gregorian date, and back. Validity of the date is the caller's business. */
int64_t days_from_civil(int64_t y, unsigned m, unsigned d);
void civil_from_days(int64_t days, int64_t *y, unsigned *m, unsigned *d);
bool civil_valid(int64_t y, unsigned m, unsigned d); /* year 1..9999 */

/* Another source of time, for tests; NULL members keep the real one. */
struct clock_source {
    int64_t (*utc_ms)(void *arg);
    int64_t (*mono_ms)(void *arg);
    void (*sleep_ms)(void *arg, int64_t ms);
    void *arg;
    /* how long a wait of `ms` that others do for us, with so many calls in flight, really lasts; NULL = by `scale` */
    int64_t (*wait_ms)(void *arg, int64_t ms, int in_flight);
    int64_t scale; /* that clock runs so many times faster than the wall's; 0 = 1 */
};
void clock_replace(const struct clock_source *src); /* NULL = the real clock */
/* How long a wait that others do for us (poll, for the answers of calls in flight) really lasts: the same, but under another clock. */
int64_t clock_wall_ms(int64_t ms, int in_flight);
/* All of the clock `scale` times as fast from now on, for rehearsals against services that run as fast. */
void clock_fast(int64_t scale);

/*
 * Stopping: the first SIGINT, SIGTERM or SIGHUP asks the run to drain and save; a second one ends the process at once
 * (status 128 + signal). stop_signal() is 0 until then.
 */
void stop_install(void);
bool stop_requested(void);
int stop_signal(void);
/* From now on SIGHUP asks for new settings instead of an end. reload_taken() tells once for all that came until then. */
void reload_install(void);
bool reload_requested(void);
bool reload_taken(void);
void stop_request(int signo); /* as if the signal had come; for tests and --max-duration */

#endif

/*
 * pace.h -- what a person says about the pace: so many requests a second, and a file that holds everything back.
 * Layer: net. Both may change while a run goes on: the pause file comes and goes, and a rate given as @FILE is read again,
 * both looked at every half second. Threads: one.
 */
#ifndef NET_PACE_H
#define NET_PACE_H

#include "net/governor.h"

struct pace {
    double tps; /* requests a second, 0 = no limit */
    char *tps_file, *pause_file; /* NULL = none */
    bool paused;
    int64_t looked_ms, next_ms;
    enum wait_reason why;
    int64_t asked_ms;
    uint64_t waited_ms[WAIT_REASONS];
};
void pace_init(struct pace *p, double tps, const char *tps_file, const char *pause_file);
void pace_release(struct pace *p);
/* 0 = a request may start (pace_take() when it does), else milliseconds until the next look. limited: counts for the rate. */
int64_t pace_ask(struct pace *p, bool limited);
void pace_take(struct pace *p);
void pace_reason(const struct pace *p, char *ret, size_t n); /* "" = it holds nothing back */
/* The rate out of a file's text: a number above 0; nothing or 0 = no limit. False = neither. */
bool pace_rate(const char *text, double *ret);

#endif

/*
 * round.h -- one round of the incremental stage over the maps whose gate is open.
 * Layer: sync. A map that fails says so and does not hold the others; only sign-in and a stop end the round. Threads: one.
 */
#ifndef SYNC_ROUND_H
#define SYNC_ROUND_H

#include "sync/apply.h"

struct round {
    struct app *app;
    struct pair *p;
    struct json *list; /* one object per map goes there; NULL = what happened goes to the log */
    bool dry_run;
    bool *events; /* its own: maps that data events came for */
    /* outcome */
    size_t open; /* maps worked on */
    size_t failed;
    uint64_t changed, written; /* over all maps */
};
enum ec sync_round(struct round *r, struct err *reterr);
/* Rounds until stopped, the workspace's lock given back between them. */
enum ec sync_follow(struct app *app, struct pair *p, struct err *reterr);

#endif

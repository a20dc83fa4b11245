/*
 * feed_events.h -- data events dropped into a folder: hints that a record changed, for near real time.
 * Layer: sync. An event may be late, doubled or out of order, and what it says about values is not looked at: its key goes into
 * `pending`, and the records are read. A file is removed once its keys are stored; one that cannot be read goes to bad/ beside it.
 * Source: "Microsoft Azure integration", RemoteExecutionContext; "Finance and operations data events" (virtual entities "mserp_...").
 * Threads: one.
 */
#ifndef SYNC_FEED_EVENTS_H
#define SYNC_FEED_EVENTS_H

#include "sync/feed.h"

struct event_counts {
    uint64_t files, events, taken, foreign, bad; /* foreign: of no map here, or told by another feed anyway */
};
/* ret_maps[i]: keys came for map i. */
enum ec feed_events(struct pair *p, bool *ret_maps, struct event_counts *ret, struct err *reterr);

#endif

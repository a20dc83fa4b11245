/*
 * control.h -- who stops, pauses and starts dual-write maps: a person, a program of the user's, or the management gateway.
 * Layer: sync. Errors: EC_GUARD (cannot be done this way, or refused by the person), EC_LIMIT (not seen within the limit),
 * EC_CONFIG, EC_NET, EC_AUTH, EC_FAIL (the hook or the gateway said no), EC_STOPPED. Threads: one.
 *
 * [dualwrite] control = manual | hook | gateway. What was asked for is never taken for what is: control_wait() reads the maps'
 * states until all are seen. States come from supported reads (F&O's DualWriteProjectConfigurations: a row = started, its status
 * tells paused from running; Dataverse's active msdyn_dualwriteruntimeconfig rows), with `gateway` from its list of maps. Source
 * of the latter: Microsoft's published dual-write tools; it is not supported by Microsoft. See docs/reconcile.md.
 */
#ifndef SYNC_CONTROL_H
#define SYNC_CONTROL_H

#include "cli/command.h"

struct control;
struct map_ctx;
struct control_map {
    const char *alias; /* "" = none */
    struct cell name, label, set, logical; /* F&O label, Dataverse set, the table's logical name */
};
/* What a map's context says, borrowed from it. */
struct control_map control_map_of(const struct map_ctx *m);

enum map_state { MAP_UNKNOWN, MAP_STOPPED, MAP_INITIAL, MAP_RESUMING, MAP_RUNNING, MAP_PAUSED };
const char *map_state_word(enum map_state s);
bool map_state_of(struct cell word, enum map_state *ret);
enum control_action {
    CONTROL_STOP,
    CONTROL_START, /* without initial sync */
    CONTROL_PAUSE,
    CONTROL_RESUME, /* the queue is replayed */
    CONTROL_RESUME_DISCARD, /* the queue is thrown away */
};
const char *control_action_word(enum control_action a);
/* The state that an action leads to. */
enum map_state control_action_state(enum control_action a);

enum ec control_open(struct app *app, struct control **ret, struct err *reterr);
void control_close(struct control *c);
const char *control_kind(const struct control *c); /* "manual", "hook", "gateway" */
bool control_can(const struct control *c, enum control_action a);
/*
 * States as they are now; MAP_UNKNOWN where it cannot be told or the sides do not agree (ret_why, if given, says so for the
 * first such map).
 */
enum ec control_read(struct control *c, const struct control_map *maps, size_t n, enum map_state *ret,
                     char ret_why[static 200], struct err *reterr);
/* Asks for it, all maps in one request; returns before it is so. Nothing to do for maps that are there already. */
enum ec control_ask(struct control *c, enum control_action a, const struct control_map *maps, size_t n,
                    struct err *reterr);
/*
 * Until all maps are seen in that state: at most limit_ms (0 = [dualwrite] control_wait). Where states cannot be read at all, a
 * person at the terminal confirms; without a terminal this is EC_GUARD with what to do. tick (may be NULL) is called between
 * looks.
 */
enum ec control_wait(struct control *c, enum map_state wanted, const struct control_map *maps, size_t n,
                     int64_t limit_ms, void (*tick)(void *arg), void *tick_arg, struct err *reterr);
/* control_ask() and control_wait(). */
enum ec control_do(struct control *c, enum control_action a, const struct control_map *maps, size_t n,
                   struct err *reterr);

#endif

/* control_parts.h -- inside of control: the three adapters. Layer: sync, private to control*.c. */
#ifndef SYNC_CONTROL_PARTS_H
#define SYNC_CONTROL_PARTS_H

#include "sync/control.h"

enum control_kinds { CONTROL_MANUAL, CONTROL_HOOK, CONTROL_GATEWAY };
struct gateway;
struct control {
    struct app *app;
    enum control_kinds kind;
    struct gateway *gateway;
};

/* control_hook.c */
enum ec hook_ask(struct control *c, enum control_action a, const struct control_map *maps, size_t n,
                 struct err *reterr);
/* The hook's own word on states (action "state"), where the services do not tell; *ret_told false = it does not either. */
enum ec hook_read(struct control *c, const struct control_map *maps, size_t n, enum map_state *ret, bool *ret_told,
                  struct err *reterr);

/* control_gateway.c */
enum ec gateway_open(struct app *app, struct gateway **ret, struct err *reterr);
void gateway_close(struct gateway *g);
enum ec gateway_ask(struct gateway *g, enum control_action a, const struct control_map *maps, size_t n,
                    struct err *reterr);
enum ec gateway_read(struct gateway *g, const struct control_map *maps, size_t n, enum map_state *ret,
                     struct err *reterr);

#endif

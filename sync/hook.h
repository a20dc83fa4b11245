/*
 * hook.h -- the program that [parity] on_change names: called when a map's verdict is another one than before.
 * Layer: sync. Its contract is in docs/scheduling.md. It runs for a bounded time; whatever it does, the verdict and the command's
 * status stay as they are, a failure is a warning. Threads: one.
 */
#ifndef SYNC_HOOK_H
#define SYNC_HOOK_H

#include "sync/night.h"

void hook_verdict(struct app *app, const struct night_map *x, const char *summary);

#endif

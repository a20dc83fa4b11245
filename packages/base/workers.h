/*
 * workers.h -- pieces of computation done side by side: a few threads and one queue.
 * Layer: base (pthread). Threads: giving and finishing belong to one thread, the owner; a piece runs on any thread, once.
 *
 * The owner takes part: while it waits for a piece it does others. So with no threads at all everything is done by the owner, in the
 * order in which it was given, and a machine with n cores needs n - 1 threads. Pieces must not wait for each other.
 */
#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include <stdbool.h>

struct work; /* within what it works on; the owner may touch that before giving and after finishing only */
typedef void work_run(struct work *w, int thread); /* thread: 0 = the owner's, up to workers_threads() */
struct work {
    work_run *run;
    /* private */
    struct work *next;
    bool done;
};
struct workers;
struct workers *workers_new(int threads); /* fewer where the system gives no more */
void workers_free(struct workers *ws); /* what was given must be finished; NULL is fine */
int workers_threads(const struct workers *ws);
void workers_give(struct workers *ws, struct work *w);
void workers_finish(struct workers *ws, struct work *w); /* returns when it is done */

#endif

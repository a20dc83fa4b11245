/*
 * shared_clock.h -- simulated time that emulator and client share, and that stands still while either of them works.
 *
 * One file, mapped by both. The client leads: when all of its calls in flight are being waited for by the emulator (their work
 * is done, their simulated time is not over), nothing can happen before the first of these waits ends or the client's own wait
 * does, and time jumps there. So what a run measures against time does not depend on how fast or busy the machine is. Stands
 * on packages/base alone: linked into the emulator and into programs that measure against it.
 */
#ifndef SHARED_CLOCK_H
#define SHARED_CLOCK_H

#include "base/clock.h"

/* The emulator's end: makes the file; time starts as the wall's. From then on base/clock.h shows it. */
enum ec shared_clock_make(const char *path, struct err *reterr);
/* The client's end: time goes on by its waits only, also those of packages/net. */
enum ec shared_clock_lead(const char *path, struct err *reterr);
/* The emulator, for an answer that takes so long: by the shared clock where there is one, else by the wall's. */
void shared_clock_wait(int64_t ms);

#endif

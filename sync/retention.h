/*
 * retention.h -- what a workspace that is compared every night for years gets rid of: [retention].
 * Layer: sync, under the lock. Removes only what nothing refers to: of each map the last verdict, the last green one and the one
 * that opened its gate stay, open conflicts, the last load's failed rows, and packages whose rows are not settled. Threads: one.
 */
#ifndef SYNC_RETENTION_H
#define SYNC_RETENTION_H

#include "loader/public/pair.h"

/* p may be NULL: the catalog and the folders only. */
enum ec retention_run(struct app *app, struct pair *p, struct err *reterr);

#endif

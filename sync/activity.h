/* activity.h -- what a command's calls to the services cost, kept for report and metrics. Layer: sync. Writes the table activity. */
#ifndef SYNC_ACTIVITY_H
#define SYNC_ACTIVITY_H

#include "cli/command.h"

/*
 * At the end of a command that holds the lock, before its clients are closed: one row; called earlier as well, the same row. What cannot be stored is logged, never an
 * error: the command's own result stands already.
 */
void activity_store(struct app *app);

#endif

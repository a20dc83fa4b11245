/*
 * workspace.h -- the user's directory: paths, the lock, creating it.
 * Layer: cli. Errors: EC_STATE (not a workspace, not writable), EC_LOCKED. .dmfsync/ is made with umask 077.
 */
#ifndef CLI_WORKSPACE_H
#define CLI_WORKSPACE_H

#include "base/file.h"

struct workspace {
    char dir[3000]; /* absolute */
    struct file_lock lock;
};
enum ec workspace_open(const char *dir, struct workspace *ret, struct err *reterr);
/*
 * Takes the lock, makes the folders, empties .dmfsync/tmp. With DMFSYNC_LOCK_HELD set by reconcile's child this is
 * EC_LOCKED.
 */
enum ec workspace_lock(struct workspace *ws, const char *command, int64_t wait_ms, struct err *reterr);
/*
 * The folders under .dmfsync/, as workspace_lock() makes them; for reading commands in a workspace where nothing
 * ran yet.
 */
enum ec workspace_folders(const struct workspace *ws, struct err *reterr);
void workspace_close(struct workspace *ws);
/* dir + "/" + formatted path, in `a`; absolute paths are kept. */
char *workspace_path(const struct workspace *ws, struct arena *a, const char *fmt, ...) PRINTF_LIKE(3, 4);
enum ec workspace_init(const char *dir, struct err *reterr);

#endif

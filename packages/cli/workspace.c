#include "cli/workspace.h"

#include "cli/config.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const FOLDERS[] = { "tmp", "maps", "packages", "snapshots", "rejects", "reports" };

/* Absolute, but not resolved: symbolic links in the user's path stay as typed. */
static enum ec absolute(const char *dir, char ret[static 3000], struct err *reterr)
{
    char cwd[PATH_MAX];
    int n;

    if (dir[0] == '/') {
        n = snprintf(ret, 3000, "%s", dir);
    } else {
        if (!getcwd(cwd, sizeof(cwd)))
            return err_errno(reterr, EC_STATE, errno, "find the current folder");
        n = !strcmp(dir, ".") ? snprintf(ret, 3000, "%s", cwd) : snprintf(ret, 3000, "%s/%s", cwd, dir);
    }
    if (n < 0 || n >= 3000)
        return err_set(reterr, EC_STATE, "the workspace's path is longer than 3000 octets");
    while (n > 1 && ret[n - 1] == '/')
        ret[--n] = 0;
    return EC_OK;
}

char *workspace_path(const struct workspace *ws, struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *text;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    BUG_IF(n < 0, "path format");
    text = arena_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return text[0] == '/' ? text : arena_printf(a, "%s/%s", ws->dir, text);
}

enum ec workspace_open(const char *dir, struct workspace *ret, struct err *reterr)
{
    struct workspace ws = { .lock = { -1 } };
    struct arena a = { 0 };
    struct stat st;
    enum ec rc = absolute(dir, ws.dir, reterr);

    if (rc)
        return rc;
    if (stat(ws.dir, &st)) {
        rc = err_errno(reterr, EC_STATE, errno, "open the workspace '%s'", ws.dir);
        err_hint(reterr, "make one with 'dmfsync init %s', or name yours with --dir", dir);
    } else if (!S_ISDIR(st.st_mode)) {
        rc = err_set(reterr, EC_STATE, "'%s' is not a folder", ws.dir);
    } else if (!file_exists(workspace_path(&ws, &a, "dmfsync.ini"))) {
        rc = err_set(reterr, EC_STATE, "'%s' is not a workspace: it has no dmfsync.ini", ws.dir);
        err_hint(reterr, "go to your workspace, name it with --dir DIR, or make one with 'dmfsync init'");
    }
    arena_release(&a);
    if (!rc)
        *ret = ws;
    return rc;
}

enum ec workspace_folders(const struct workspace *ws, struct err *reterr)
{
    struct arena a = { 0 };
    mode_t old = umask(077);
    enum ec rc = dir_make(workspace_path(ws, &a, ".dmfsync"), 0700, reterr);

    for (size_t i = 0; i < COUNT(FOLDERS) && !rc; i++)
        rc = dir_make(workspace_path(ws, &a, ".dmfsync/%s", FOLDERS[i]), 0700, reterr);
    umask(old);
    if (!rc && access(workspace_path(ws, &a, ".dmfsync"), W_OK)) {
        rc = err_errno(reterr, EC_STATE, errno, "write to '%s/.dmfsync'", ws->dir);
    } else if (rc && rc != EC_DISK) {
        rc = err_ctx(reterr, EC_STATE, "the workspace's own folder");
    }
    if (rc == EC_STATE)
        err_hint(reterr, "the user that runs dmfsync needs write access to .dmfsync/, also for reading commands");
    arena_release(&a);
    return rc;
}

enum ec workspace_lock(struct workspace *ws, const char *command, int64_t wait_ms, struct err *reterr)
{
    struct arena a = { 0 };
    mode_t old;
    enum ec rc;

    if (getenv("DMFSYNC_LOCK_HELD")) {
        err_set(reterr, EC_LOCKED, "this command runs inside 'dmfsync reconcile', which holds the workspace's lock");
        return err_hint(reterr, "inside reconcile only reading commands can be used (status, diff, errors, explain)");
    }
    rc = workspace_folders(ws, reterr);
    if (rc)
        return rc;
    old = umask(077);
    rc = file_lock(&ws->lock, workspace_path(ws, &a, ".dmfsync/lock"), command, wait_ms, reterr);
    umask(old);
    if (!rc)
        rc = dir_empty(workspace_path(ws, &a, ".dmfsync/tmp"), reterr);
    if (rc && rc != EC_LOCKED)
        file_unlock(&ws->lock);
    arena_release(&a);
    return rc;
}

void workspace_close(struct workspace *ws)
{
    if (ws->dir[0])
        file_unlock(&ws->lock);
    ws->dir[0] = 0;
}

static const char GITIGNORE[] =
    "# dmfsync's own files: catalog, snapshots, packages. Everything else belongs into version control.\n"
    ".dmfsync/\n";

enum ec workspace_init(const char *dir, struct err *reterr)
{
    struct workspace ws = { .lock = { -1 } };
    struct arena a = { 0 };
    const char *ini, *text = config_template();
    enum ec rc = absolute(dir, ws.dir, reterr);

    if (rc)
        return rc;
    ini = workspace_path(&ws, &a, "dmfsync.ini");
    if (file_exists(ini)) {
        rc = err_set(reterr, EC_STATE, "'%s' is a workspace already", ws.dir);
        err_hint(reterr, "edit its dmfsync.ini, or choose another folder");
        goto out;
    }
    rc = dir_make(workspace_path(&ws, &a, "maps"), 0777, reterr);
    if (!rc)
        rc = dir_make(workspace_path(&ws, &a, "sources"), 0777, reterr);
    if (!rc)
        rc = workspace_folders(&ws, reterr);
    if (!rc && !file_exists(workspace_path(&ws, &a, ".gitignore")))
        rc = file_write_atomic(workspace_path(&ws, &a, ".gitignore"), GITIGNORE, sizeof(GITIGNORE) - 1, 0644, reterr);
    /*
     * The ini file comes last: only with it the folder counts as a workspace, so a cut-off init is simply run
     * again.
     */
    if (!rc)
        rc = file_write_atomic(ini, text, strlen(text), 0644, reterr);
out:
    arena_release(&a);
    return rc;
}

#include "sync/undo_file.h"
#include "base/file.h"
#include "data/csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH = 256 << 10 };

enum ec undo_file_open(struct map_ctx *m, struct undo_file *f, struct arena *a, struct err *reterr, const char *fmt,
                       ...)
{
    char name[200], *dir = workspace_path(&m->pair->app->ws, a, ".dmfsync/undo");
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(name, sizeof(name), fmt, ap);
    va_end(ap);
    if (mkdir(dir, 0700) && errno != EEXIST)
        return err_errno(reterr, EC_IO, errno, "create '%s'", dir);
    f->path = arena_printf(a, "%s/%s", dir, name);
    f->part = arena_printf(a, "%s.part", f->path);
    f->fd = open(f->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f->fd < 0) {
        f->fd = 0;
        return err_errno(reterr, EC_IO, errno, "create '%s'", f->part);
    }
    return EC_OK;
}

void undo_file_cell(struct undo_file *f, struct cell text)
{
    if (f->begun)
        strbuf_addc(&f->out, ',');
    csv_add(&f->out, text, ',');
    f->begun = true;
}

enum ec undo_file_row(struct undo_file *f, struct err *reterr)
{
    enum ec rc = EC_OK;

    strbuf_adds(&f->out, "\r\n");
    f->begun = false;
    if (f->out.len > FLUSH) {
        rc = file_write_all(f->fd, f->out.buf, f->out.len, f->part, reterr);
        f->out.len = 0;
    }
    return rc;
}

enum ec undo_file_close(struct undo_file *f, bool rows, enum ec rc, char **ret_path, struct err *reterr)
{
    *ret_path = "";
    if (!f->fd)
        return rc;
    if (!rc && rows)
        rc = file_write_all(f->fd, f->out.buf, f->out.len, f->part, reterr);
    close(f->fd);
    f->fd = 0;
    strbuf_release(&f->out);
    if (!rc && rows)
        rc = file_publish(f->part, f->path, reterr);
    else
        (void)unlink(f->part);
    if (!rc && !rows)
        (void)unlink(f->path);
    if (!rc && rows)
        *ret_path = f->path;
    return rc;
}

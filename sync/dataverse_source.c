/* dataverse_source.c -- rows that Dataverse has and F&O lacks, as a source file in F&O's staging fields. */
#include "base/file.h"
#include "base/log.h"
#include "data/csv.h"
#include "sync/delta_row.h"
#include "sync/pairing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FLUSH = 256 << 10 };
static const char WHERE[] = "class in ('only_dataverse', 'differ') and dataverse is not null";

struct making {
    struct map_ctx *m;
    const struct run *run;
    int fd;
    const char *path;
    struct strbuf out;
    struct arena a;
    uint64_t rows, refused;
};

/* A column of the file: what flows to F&O, the key, and constants towards F&O. */
static bool is_column(const struct bound_field *f)
{
    return f->f && f->kind != BOUND_COMPANY && (f->key || map_dir_to_fno(f->dir));
}

static void header(struct making *k)
{
    const struct binding *b = k->m->b;
    const char *comma = "";

    if (b->striped) {
        strbuf_adds(&k->out, "DATAAREAID");
        comma = ",";
    }
    for (size_t i = 0; i < b->n; i++)
        if (is_column(&b->fields[i])) {
            strbuf_adds(&k->out, comma);
            csv_add(&k->out, b->fields[i].f->staging, ',');
            comma = ",";
        }
    strbuf_adds(&k->out, "\r\n");
}

/* The row is named among the errors: `errors` shows why it did not go. */
static enum ec refuse(struct making *k, const struct delta_row *row, struct cell field, struct cell value,
                      const char *why, struct err *reterr)
{
    struct exception e = { .side = "dataverse",
                           .row_no = -1,
                           .line = -1,
                           .offset = -1,
                           .key = row->key,
                           .state = "rejected",
                           .stage = "read",
                           .field = field,
                           .code = CELL_LIT("value") };

    k->refused++;
    e.message = cell_printf(&k->a, "'" CELL_FMT "': %s", CELL_ARG(value), why);
    return exception_add(k->m, k->run->id, &e, reterr);
}

/* Does anything of the row have to go? Only fields that flow to F&O count; a blank is no opinion: F&O has its default there. */
static bool wanted(const struct binding *b, const struct delta_row *row)
{
    int differ[512];
    size_t n = row->fno ? diff_fields(b, row->fno, row->dv, differ, COUNT(differ)) : 0;

    if (!row->fno)
        return true;
    for (size_t i = 0; i < n && i < COUNT(differ); i++)
        if (is_column(&b->fields[differ[i]]) && !cell_blank(row->dv[differ[i]]))
            return true;
    return false;
}

static enum ec add_row(struct making *k, const struct delta_row *row, struct err *reterr)
{
    const struct binding *b = k->m->b;
    size_t began = k->out.len;
    const char *comma = "";

    if (!wanted(b, row))
        return EC_OK;
    if (b->striped) {
        csv_add(&k->out, row->dv[0], ',');
        comma = ",";
    }
    for (size_t i = 0; i < b->n; i++) {
        const char *why = "";
        struct cell text;

        if (!is_column(&b->fields[i]))
            continue;
        if (!bind_to_fno_value(b, (int)i, row->dv[i], &k->a, &text, &why)) {
            k->out.len = began;
            return refuse(k, row, b->fields[i].name, row->dv[i], why, reterr);
        }
        strbuf_adds(&k->out, comma);
        csv_add(&k->out, text, ',');
        comma = ",";
    }
    strbuf_adds(&k->out, "\r\n");
    k->rows++;
    return EC_OK;
}

static enum ec flush(struct making *k, struct err *reterr)
{
    enum ec rc = file_write_all(k->fd, k->out.buf, k->out.len, k->path, reterr);

    k->out.len = 0;
    return rc;
}

static enum ec write_rows(struct making *k, struct err *reterr)
{
    struct delta_reader *r = NULL;
    struct delta_row row;
    bool more = true;
    enum ec rc = delta_reader_new(k->m, WHERE, &r, reterr);

    header(k);
    while (!rc && more) {
        arena_reset(&k->a);
        rc = delta_reader_next(r, &row, &more, reterr);
        if (!rc && more)
            rc = add_row(k, &row, reterr);
        if (!rc && (k->out.len > FLUSH || !more))
            rc = flush(k, reterr);
        if (!rc && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while writing '%s'", k->path);
    }
    delta_reader_free(r);
    return rc;
}

/* Lines after the header, of a file that an earlier try of this run has made. */
static enum ec count_rows(const char *path, uint64_t *ret, struct err *reterr)
{
    struct csv_dialect d = { .delimiter = ',' };
    struct csv_reader *r = NULL;
    struct csv_row row;
    struct arena a = { 0 };
    bool more = true;
    enum ec rc = csv_open(path, &d, &r, reterr);

    *ret = 0;
    while (!rc && more) {
        arena_reset(&a);
        rc = csv_next(r, &a, &row, &more, reterr);
        *ret += !rc && more;
    }
    csv_close(r);
    arena_release(&a);
    return rc;
}

enum ec dataverse_source(struct map_ctx *m, const struct run *run, struct arena *a, char **ret_path,
                         uint64_t *ret_rows, struct err *reterr)
{
    const struct workspace *ws = &m->pair->app->ws;
    char *dir = workspace_path(ws, a, ".dmfsync/sources");
    char *path = arena_printf(a, "%s/%s-%lld.csv", dir, m->cfg->alias, (long long)run->id);
    char *part = arena_printf(a, "%s.part", path);
    struct making k = { .m = m, .run = run, .path = part };
    enum ec rc;

    *ret_path = NULL;
    if (file_size(path) >= 0) {
        rc = count_rows(path, ret_rows, reterr);
        *ret_path = *ret_rows ? path : NULL;
        return rc;
    }
    if (mkdir(dir, 0700) && errno != EEXIST)
        return err_errno(reterr, EC_IO, errno, "create '%s'", dir);
    k.fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (k.fd < 0)
        return err_errno(reterr, EC_IO, errno, "create '%s'", part);
    rc = store_begin(m->state, reterr);
    if (!rc)
        rc = exception_clear(m, run->id, "dataverse", reterr);
    if (!rc)
        rc = write_rows(&k, reterr);
    if (store_in_transaction(m->state))
        rc = store_end(m->state, rc, reterr);
    close(k.fd);
    if (!rc)
        rc = file_publish(part, path, reterr);
    if (rc)
        (void)unlink(part);
    strbuf_release(&k.out);
    arena_release(&k.a);
    if (rc)
        return rc;
    log_info("load", "%s: %llu rows of Dataverse for F&O in '%s'%s", m->cfg->alias, (unsigned long long)k.rows, path,
             k.refused ? ", some could not be written as F&O values (dmfsync errors)" : "");
    *ret_rows = k.rows;
    *ret_path = k.rows ? path : NULL;
    return EC_OK;
}

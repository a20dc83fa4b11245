/* file_snapshot.c -- a side's file into a leaf file, named in the map's state. */
#include "sync/file_snapshot.h"
#include "base/clock.h"
#include "sync/file_read.h"
#include "sync/snapshot_parts.h"

#include <pthread.h>

struct building {
    struct map_ctx *m;
    struct leaf_builder *b;
    const char *path;
    size_t cells;
    pthread_mutex_t lock;
};

static enum ec add_row(void *arg, unsigned worker, unsigned input, const struct side_row *row, uint64_t offset,
                       uint64_t octets, struct err *reterr)
{
    struct building *f = arg;
    struct leaf_row leaf = { .key = row->key, .row = row->row, .cells = row->cells, .company = row->company };

    (void)input;
    (void)octets;
    return leaf_add_from(f->b, worker, offset, &leaf, reterr);
}

static enum ec begin(void *arg, struct err *reterr)
{
    struct building *f = arg;
    struct arena a = { 0 };
    enum ec rc;

    leaf_abandon(f->b);
    f->b = NULL;
    rc = leaf_build(f->path, workspace_path(&f->m->pair->app->ws, &a, ".dmfsync/tmp"), snapshot_bits(f->m), f->cells,
                    &f->b, reterr);
    if (!rc)
        leaf_build_jobs(f->b, (unsigned)f->m->pair->app->opt->jobs);
    arena_release(&a);
    return rc;
}

enum ec snapshot_csv(struct map_ctx *m, bool fno, const char *path, struct arena *a, struct snapshot *ret,
                     struct err *reterr)
{
    struct file_input in = { .fd = -1 };
    struct building f = { .m = m };
    struct file_sink sink = { add_row, begin, &f };
    struct snapshot s = { .cursor = "" };
    struct leaf_finish_hooks hooks = { .duplicate = snapshot_warn_duplicate, .arg = m };
    struct leaf_totals t;
    struct fno_shape shape;
    const char *side = fno ? "fno" : "dataverse";
    char *file = snapshot_file(m, side, a);
    enum ec rc;

    s.path = arena_printf(a, "%s/%s", m->dir, file);
    f.path = s.path;
    clock_format_utc(clock_utc_ms(), s.began_at);
    rc = file_input_open(m, fno, path, &in, reterr);
    if (rc)
        goto out;
    f.cells = in.side->n;
    rc = begin(&f, reterr);
    if (!rc)
        rc = file_rows_read(&in, 1, (unsigned)m->pair->app->opt->jobs, &sink, reterr);
    if (rc) {
        leaf_abandon(f.b);
        goto out;
    }
    s.excluded = in.excluded;
    s.faults = in.faults;
    rc = fno_shape_of(m, a, &shape, reterr);
    if (rc) {
        leaf_abandon(f.b);
        goto out;
    }
    snapshot_describe(m, f.b, fno ? &shape : NULL);
    leaf_meta(f.b, "side", side);
    leaf_meta(f.b, "began_at", s.began_at);
    leaf_meta(f.b, "from", path);
    rc = leaf_finish(f.b, &hooks, &t, reterr);
    if (!rc)
        rc = snapshot_name(m, side, "csv", file, &t, &s, reterr);
    if (!rc)
        *ret = s;
out:
    file_input_close(&in);
    return rc ? err_ctx(reterr, rc, "snapshot of %s from '%s'", fno ? "F&O" : "Dataverse", path) : EC_OK;
}

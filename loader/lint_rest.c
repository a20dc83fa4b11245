/*
 * lint_rest.c -- a corrected reject file against the rows of its source that were not rejected. A key that one of them has would
 * overwrite what landed. Which rows of the source the file replaces, its columns dmfsync_file and dmfsync_line tell; where they
 * are gone or name another file, nothing is compared.
 */
#include "loader/lint_profile.h"

static size_t column(const struct cell *header, size_t n, const char *name)
{
    size_t i = 0;

    while (i < n && !cell_is(header[i], name))
        i++;
    return i;
}

/* The lines of the source that the file replaces; all of its rows must say so. */
static enum ec replaced_lines(const struct lint_profile *p, const char *path, struct mask *lines, bool *ret_known,
                              struct err *reterr)
{
    struct csv_dialect d = { .delimiter = p->m->cfg->delimiter };
    struct csv_reader *csv = NULL;
    struct arena a = { 0 };
    size_t n = 0, file, line;
    bool more = true;
    enum ec rc = csv_open(path, &d, &csv, reterr);
    const struct cell *header = rc ? NULL : csv_header(csv, &n);

    file = column(header, n, SOURCE_REJECT_PREFIX "file");
    line = column(header, n, SOURCE_REJECT_PREFIX "line");
    *ret_known = !rc && file < n && line < n;
    while (!rc && *ret_known) {
        struct csv_row r;
        int64_t no;

        arena_reset(&a);
        rc = csv_next(csv, &a, &r, &more, reterr);
        if (rc || !more)
            break;
        if (r.fault)
            continue; /* it has no key either */
        *ret_known = file < r.n && line < r.n && cell_is(r.cells[file], p->m->cfg->source) &&
                     cell_to_i64(r.cells[line], &no) && no > 0 && no < (int64_t)1 << 40;
        if (*ret_known)
            mask_add(lines, (uint64_t)no);
    }
    csv_close(csv);
    arena_release(&a);
    return rc;
}

struct adding {
    struct lint_profile *p;
    struct mask lines; /* not these */
};

static enum ec add_key(void *arg, struct source_row *r, struct arena *a, struct err *reterr)
{
    struct adding *d = arg;

    return r->verdict == SOURCE_GOOD && !mask_has(&d->lines, r->line) ? lint_keys_add_rest(d->p, r, a, reterr)
                                                                      : EC_OK;
}

enum ec lint_rest(struct lint_profile *p, const struct source *rejects, struct err *reterr)
{
    struct adding d = { .p = p };
    struct source *s = NULL;
    bool known = false;
    enum ec rc = replaced_lines(p, rejects->path, &d.lines, &known, reterr);

    if (!rc && known)
        rc = source_open(p->m, &s, reterr);
    if (!rc && s) {
        source_some_canonical(s, source_key_fields(s));
        rc = source_each(s, add_key, &d, reterr);
    }
    source_close(s);
    mask_release(&d.lines);
    return rc;
}

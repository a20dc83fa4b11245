/*
 * lint_rest.c -- a corrected reject file against the rows of its source that were not rejected. A key that one of them has would
 * overwrite what landed. Which rows of the source the file replaces, its columns dmfsync_file and dmfsync_line tell; where they
 * are gone or name another file, nothing is compared.
 */
#include "base/clock.h"
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

static enum ec add_keys(struct lint_profile *p, struct source *s, const struct mask *lines, struct err *reterr)
{
    const struct binding *b = p->m->b;
    bool *wanted = arena_zalloc(&s->arena, b->n + 1);
    struct arena a = { 0 };
    enum ec rc = EC_OK;

    for (size_t i = 0; i < b->n_key; i++)
        wanted[b->key[i]] = true;
    for (size_t i = 0; i < b->n; i++)
        wanted[i] = wanted[i] || b->fields[i].kind == BOUND_COMPANY;
    source_some_canonical(s, wanted);
    while (!rc) {
        struct source_row r;
        bool more = false;

        arena_reset(&a);
        rc = source_next(s, &a, &r, &more, reterr);
        if (rc || !more)
            break;
        if (r.verdict == SOURCE_GOOD && !mask_has(lines, r.line))
            rc = lint_keys_add_rest(p, &r, &a, reterr);
        if (!rc && !(r.number & 4095) && stop_requested())
            rc = err_set(reterr, EC_STOPPED, "stopped while reading the source of '%s'", p->m->cfg->alias);
    }
    arena_release(&a);
    return rc;
}

enum ec lint_rest(struct lint_profile *p, const struct source *rejects, struct err *reterr)
{
    struct source *s = NULL;
    struct mask lines = { 0 };
    bool known = false;
    enum ec rc = replaced_lines(p, rejects->path, &lines, &known, reterr);

    if (!rc && known)
        rc = source_open(p->m, &s, reterr);
    if (!rc && s)
        rc = add_keys(p, s, &lines, reterr);
    source_close(s);
    mask_release(&lines);
    return rc;
}

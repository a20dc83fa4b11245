/*
 * lint_reject.c -- the rows that would not arrive, as they are in the file, each with file, line, rule and reason. A corrected
 * reject file is a source: columns that begin with dmfsync_ are no data. It appears complete or not at all.
 */
#include "base/clock.h"
#include "loader/lint_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { HELD = 256 * 1024 };

struct lint_rejects {
    int fd;
    char *part, *path;
    struct strbuf held;
    bool *data; /* per column of the source: not one of ours from an earlier time */
    size_t n_columns;
    size_t at_file, at_line; /* columns of the first rejection, in a file that was corrected and is still wrong */
    char delimiter;
    uint64_t rows;
};

static bool ours(struct cell header)
{
    size_t n = sizeof(SOURCE_REJECT_PREFIX) - 1;

    return header.len > n && !memcmp(header.ptr, SOURCE_REJECT_PREFIX, n);
}

static void put_header(struct lint_rejects *rj, const struct source *s)
{
    const struct cell *header = csv_header(s->csv, &rj->n_columns);
    bool first = true;

    rj->at_file = rj->at_line = SIZE_MAX; /* rows of a corrected file may have more cells than this header */
    rj->data = xcalloc(rj->n_columns + 1, sizeof(*rj->data));
    strbuf_adds(&rj->held, "\xEF\xBB\xBF"); /* UTF-8, whatever the source's encoding was */
    for (size_t i = 0; i < rj->n_columns; i++) {
        rj->data[i] = !ours(header[i]);
        if (cell_is(header[i], SOURCE_REJECT_PREFIX "file"))
            rj->at_file = i;
        if (cell_is(header[i], SOURCE_REJECT_PREFIX "line"))
            rj->at_line = i;
        if (!rj->data[i])
            continue;
        if (!first)
            strbuf_addc(&rj->held, rj->delimiter);
        csv_add(&rj->held, header[i], rj->delimiter);
        first = false;
    }
    for (size_t i = 0; i < 5; i++) {
        static const char *const NAMES[] = { "file", "line", "rule", "reason", "text" };

        strbuf_addf(&rj->held, "%c" SOURCE_REJECT_PREFIX "%s", rj->delimiter, NAMES[i]);
    }
    strbuf_adds(&rj->held, "\r\n");
}

static char *free_name(struct lint_profile *p, struct arena *a)
{
    char now[32], stamp[32];
    size_t n = 0;

    clock_format_utc(clock_utc_ms(), now);
    for (const char *c = now; *c; c++)
        if (*c != '-' && *c != ':')
            stamp[n++] = *c;
    stamp[n] = 0;
    for (int i = 1;; i++) {
        char *path =
            i == 1 ? workspace_path(&p->m->pair->app->ws, a, ".dmfsync/rejects/%s-%s.csv", p->m->cfg->alias, stamp)
                   : workspace_path(&p->m->pair->app->ws, a, ".dmfsync/rejects/%s-%s-%d.csv", p->m->cfg->alias, stamp,
                                    i);

        if (!file_exists(path))
            return path;
    }
}

static enum ec begin(struct lint_profile *p, const struct source *s, struct err *reterr)
{
    struct lint_rejects *rj;
    struct arena a = { 0 };
    enum ec rc = workspace_folders(&p->m->pair->app->ws, reterr);

    if (rc)
        return rc;
    rj = xcalloc(1, sizeof(*rj));
    rj->delimiter = p->m->cfg->delimiter ? p->m->cfg->delimiter : ',';
    rj->path = xstrdup(free_name(p, &a));
    rj->part = xstrdup(arena_printf(&a, "%s.%ld.part", rj->path, (long)getpid()));
    rj->fd = open(rj->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (rj->fd < 0)
        rc = err_errno(reterr, EC_IO, errno, "create '%s'", rj->part);
    else
        put_header(rj, s);
    p->rejects = rj;
    arena_release(&a);
    return rc;
}

static enum ec flush(struct lint_rejects *rj, struct err *reterr)
{
    enum ec rc = file_write_all(rj->fd, rj->held.buf, rj->held.len, rj->part, reterr);

    strbuf_reset(&rj->held);
    return rc;
}

/* Where the row stands in the source; of a corrected reject file that is wrong still: where it stood first. */
static void put_place(struct lint_profile *p, struct lint_rejects *rj, const struct source_row *r)
{
    bool again = cell_absent(r->raw_text) && rj->at_file < r->n_raw && rj->at_line < r->n_raw &&
                 !cell_blank(r->raw[rj->at_file]) && !cell_blank(r->raw[rj->at_line]);

    strbuf_addc(&rj->held, rj->delimiter);
    csv_add(&rj->held, again ? r->raw[rj->at_file] : cell_of(p->file), rj->delimiter);
    strbuf_addc(&rj->held, rj->delimiter);
    if (again)
        csv_add(&rj->held, r->raw[rj->at_line], rj->delimiter);
    else
        strbuf_addf(&rj->held, "%llu", (unsigned long long)r->line);
    strbuf_addc(&rj->held, rj->delimiter);
}

static void put_why(struct lint_profile *p, struct lint_rejects *rj, const struct source_row *r,
                    const struct lint_fault *faults, size_t n)
{
    struct strbuf rules = STRBUF(0), reasons = STRBUF(0);

    for (size_t i = 0; i < n; i++) {
        if (faults[i].severity != LINT_ERROR)
            continue;
        strbuf_addf(&rules, "%s%s", rules.len ? "; " : "", faults[i].code);
        strbuf_addf(&reasons, "%s" CELL_FMT "%s%s", reasons.len ? "; " : "", CELL_ARG(faults[i].field),
                    cell_blank(faults[i].field) ? "" : ": ", faults[i].why);
    }
    put_place(p, rj, r);
    csv_add(&rj->held, (struct cell){ strbuf_str(&rules), rules.len }, rj->delimiter);
    strbuf_addc(&rj->held, rj->delimiter);
    csv_add(&rj->held, (struct cell){ strbuf_str(&reasons), reasons.len }, rj->delimiter);
    strbuf_addc(&rj->held, rj->delimiter);
    csv_add(&rj->held, r->raw_text, rj->delimiter);
    strbuf_adds(&rj->held, "\r\n");
    strbuf_release(&rules);
    strbuf_release(&reasons);
}

enum ec lint_reject_row(struct lint_profile *p, const struct source *s, const struct source_row *r,
                        const struct lint_fault *faults, size_t n, struct err *reterr)
{
    struct lint_rejects *rj;
    bool first = true, unread = !cell_absent(r->raw_text);
    enum ec rc = p->rejects ? EC_OK : begin(p, s, reterr);

    if (rc)
        return rc;
    rj = p->rejects;
    for (size_t i = 0; i < rj->n_columns; i++) {
        if (!rj->data[i])
            continue;
        if (!first)
            strbuf_addc(&rj->held, rj->delimiter);
        first = false;
        /* Cells of a row that could not be split are in no known column: its whole text stands in the last one. */
        if (!unread && i < r->n_raw)
            csv_add(&rj->held, r->raw[i], rj->delimiter);
    }
    put_why(p, rj, r, faults, n);
    rj->rows++;
    return rj->held.len >= HELD ? flush(rj, reterr) : EC_OK;
}

enum ec lint_reject_finish(struct lint_profile *p, enum ec rc, struct err *reterr)
{
    struct lint_rejects *rj = p->rejects;

    if (!rj)
        return rc;
    if (!rc)
        rc = flush(rj, reterr);
    if (rj->fd >= 0 && close(rj->fd) && !rc)
        rc = err_errno(reterr, EC_IO, errno, "close '%s'", rj->part);
    if (!rc)
        rc = file_publish(rj->part, rj->path, reterr);
    if (rc)
        (void)unlink(rj->part);
    else
        p->reject_path = xstrdup(rj->path);
    p->reject_rows = rj->rows;
    strbuf_release(&rj->held);
    free(rj->data);
    free(rj->part);
    free(rj->path);
    free(rj);
    p->rejects = NULL;
    return rc;
}

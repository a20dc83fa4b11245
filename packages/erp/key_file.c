/*
 * key_file.c -- rows of error files whose layout nobody has documented. Understood: CSV with a header that names fields; one
 * key per line joined by '|'; tab-separated without a header.
 */
#include "data/csv.h"
#include "erp/pkgapi.h"

#include <stdlib.h>

enum { MAX_COLUMNS = 1024 };

struct layout {
    char delimiter;
    bool header;
    int at[32]; /* column of each key field */
    int message; /* -1 = none */
};

static int column_named(const struct cell *names, size_t n, struct cell want)
{
    for (size_t i = 0; i < n; i++)
        if (cell_ieq(cell_rtrim(names[i]), want))
            return (int)i;
    return -1;
}

/* Does the first line name every key field? Then it is a header. */
static bool read_header(const struct cell *names, size_t n, const struct cell *fields, size_t n_fields,
                        struct layout *l)
{
    static const char *const MESSAGES[] = { "ErrorMessage", "Error", "Message", "ErrorDescription", "Error message" };

    l->message = -1;
    for (size_t i = 0; i < n_fields; i++) {
        l->at[i] = column_named(names, n, fields[i]);
        if (l->at[i] < 0)
            return false;
    }
    for (size_t i = 0; i < COUNT(MESSAGES) && l->message < 0; i++)
        l->message = column_named(names, n, cell_of(MESSAGES[i]));
    return true;
}

static bool choose(const char *path, const struct cell *fields, size_t n_fields, struct layout *l)
{
    static const char DELIMITERS[] = { ',', '\t', '|', ';' };

    for (size_t d = 0; d < COUNT(DELIMITERS); d++) {
        struct csv_dialect dialect = { .delimiter = DELIMITERS[d] };
        struct csv_reader *r = NULL;
        const struct cell *names;
        size_t n = 0;
        bool fits;

        if (csv_open(path, &dialect, &r, NULL))
            return false;
        names = csv_header(r, &n);
        fits = n && read_header(names, n, fields, n_fields, l);
        l->delimiter = DELIMITERS[d];
        l->header = true;
        csv_close(r);
        if (fits)
            return true;
    }
    /* No header: the delimiter that gives as many columns as the key has parts. */
    for (size_t d = 0; d < COUNT(DELIMITERS); d++) {
        struct csv_dialect dialect = { .delimiter = DELIMITERS[d] };
        struct csv_reader *r = NULL;
        size_t n = 0;

        if (csv_open(path, &dialect, &r, NULL))
            return false;
        (void)csv_header(r, &n);
        csv_close(r);
        if (n == n_fields || (n > n_fields && DELIMITERS[d] == '\t')) {
            l->delimiter = DELIMITERS[d];
            l->header = false;
            l->message = -1;
            for (size_t i = 0; i < n_fields; i++)
                l->at[i] = (int)i;
            return true;
        }
    }
    return false;
}

static enum ec give(const struct layout *l, const struct cell *cells, size_t n, size_t n_fields, erp_key_fn *fn,
                    void *arg, struct err *reterr)
{
    struct cell key[32];

    for (size_t i = 0; i < n_fields; i++)
        key[i] = (size_t)l->at[i] < n ? cell_rtrim(cells[l->at[i]]) : CELL_ABSENT;
    return fn(arg, key, n_fields, l->message >= 0 && (size_t)l->message < n ? cells[l->message] : CELL_ABSENT,
              reterr);
}

enum ec erp_key_file(const char *path, const struct cell *fields, size_t n_fields, erp_key_fn *fn, void *arg,
                     struct err *reterr)
{
    struct layout l = { 0 };
    struct csv_dialect d = { 0 };
    struct csv_reader *r = NULL;
    struct arena a = { 0 };
    const struct cell *names;
    size_t n;
    enum ec rc;

    if (!n_fields || n_fields > COUNT(l.at) || !choose(path, fields, n_fields, &l))
        return err_set(reterr, EC_FORMAT, "the service's error file has a layout that is not understood");
    d.delimiter = l.delimiter;
    rc = csv_open(path, &d, &r, reterr);
    if (rc)
        return rc;
    names = csv_header(r, &n);
    if (!l.header)
        rc = give(&l, names, n, n_fields, fn, arg, reterr); /* the reader took the first row for a header */
    while (!rc) {
        struct csv_row row;
        bool more = false;

        arena_reset(&a);
        rc = csv_next(r, &a, &row, &more, reterr);
        if (rc || !more)
            break;
        if (row.fault == CSV_OK)
            rc = give(&l, row.cells, row.n, n_fields, fn, arg, reterr);
    }
    csv_close(r);
    arena_release(&a);
    return rc;
}

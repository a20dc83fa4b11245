/*
 * key_file.c -- rows of error files whose layout nobody has documented. Understood: CSV with a header that names fields; one
 * key per line joined by '|'; tab-separated without a header.
 */
#include "data/csv.h"
#include "erp/pkgapi.h"

enum { MAX_KEY = 32, NO_QUOTE = 1 /* a control character that no key has */ };

struct layout {
    struct csv_dialect dialect; /* delimiter 0 = the file is empty */
    bool header;
    int at[MAX_KEY]; /* column of each key field */
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

/* First row of the file as the dialect reads it; n 0 = empty file, or a first row that is broken in this dialect. */
static enum ec first_row(const char *path, const struct csv_dialect *d, struct csv_reader **ret,
                         const struct cell **names, size_t *n, bool *ret_broken, struct err *reterr)
{
    struct err mine = { 0 };
    enum ec rc = csv_open(path, d, ret, &mine);

    *n = 0;
    *ret_broken = rc == EC_FORMAT;
    if (!rc)
        *names = csv_header(*ret, n);
    else if (rc != EC_FORMAT && reterr)
        *reterr = mine;
    return rc == EC_FORMAT ? EC_OK : rc;
}

static enum ec choose(const char *path, const struct cell *fields, size_t n_fields, struct layout *l,
                      struct err *reterr)
{
    /* Lines of keys joined by bars or tabs have no quoting: a quote in a key is one of its characters. */
    static const struct csv_dialect DIALECTS[] = {
        { .delimiter = ',' },
        { .delimiter = '\t' },
        { .delimiter = '|' },
        { .delimiter = ';' },
        { .delimiter = '\t', .quote = NO_QUOTE },
        { .delimiter = '|', .quote = NO_QUOTE },
    };
    bool empty = true;

    /* A header counts wherever one is found; without one, the delimiter that gives as many columns as the key has parts. */
    for (int header = 1; header >= 0; header--)
        for (size_t i = 0; i < COUNT(DIALECTS); i++) {
            const struct csv_dialect *d = &DIALECTS[header ? i : COUNT(DIALECTS) - 1 - i];
            struct csv_reader *r = NULL;
            const struct cell *names = NULL;
            size_t n = 0;
            bool broken = false, fits;
            enum ec rc = first_row(path, d, &r, &names, &n, &broken, reterr);

            if (rc)
                return rc;
            empty = empty && !n && !broken;
            fits = header ? n && read_header(names, n, fields, n_fields, l) : n == n_fields;
            csv_close(r);
            if (!fits)
                continue;
            l->dialect = *d;
            l->header = header;
            for (size_t k = 0; k < n_fields && !header; k++)
                l->at[k] = (int)k;
            if (!header)
                l->message = -1;
            return EC_OK;
        }
    return empty ? EC_OK : err_set(reterr, EC_FORMAT, "the service's error file has a layout that is not understood");
}

static enum ec give(const struct layout *l, const struct cell *cells, size_t n, size_t n_fields, erp_key_fn *fn,
                    void *arg, struct err *reterr)
{
    struct cell key[MAX_KEY];

    for (size_t i = 0; i < n_fields; i++)
        key[i] = (size_t)l->at[i] < n ? cell_rtrim(cells[l->at[i]]) : CELL_ABSENT;
    return fn(arg, key, n_fields, l->message >= 0 && (size_t)l->message < n ? cells[l->message] : CELL_ABSENT,
              reterr);
}

enum ec erp_key_file(const char *path, const struct cell *fields, size_t n_fields, erp_key_fn *fn, void *arg,
                     struct err *reterr)
{
    struct layout l = { 0 };
    struct csv_reader *r = NULL;
    struct arena a = { 0 };
    const struct cell *names;
    size_t n;
    enum ec rc;

    if (!n_fields || n_fields > MAX_KEY)
        return err_set(reterr, EC_LIMIT, "a key of %zu fields is more than dmfsync handles", n_fields);
    rc = choose(path, fields, n_fields, &l, reterr);
    if (rc || !l.dialect.delimiter)
        return rc;
    rc = csv_open(path, &l.dialect, &r, reterr);
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
        /* A broken row names no key: the counters will say that one is missing. */
    }
    csv_close(r);
    arena_release(&a);
    return rc;
}

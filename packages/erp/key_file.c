/*
 * key_file.c -- rows of error files whose layout nobody has documented. Understood: CSV with a header that names fields; one
 * key per line joined by '|'; tab-separated without a header.
 */
#include "data/csv.h"
#include "erp/pkgapi.h"

enum { MAX_KEY = 32 };

struct layout {
    char delimiter; /* 0 = the file is empty */
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

static enum ec choose(const char *path, const struct cell *fields, size_t n_fields, struct layout *l,
                      struct err *reterr)
{
    static const char DELIMITERS[] = { ',', '\t', '|', ';' };

    for (size_t d = 0; d < COUNT(DELIMITERS); d++) {
        struct csv_dialect dialect = { .delimiter = DELIMITERS[d] };
        struct csv_reader *r = NULL;
        const struct cell *names;
        size_t n = 0;
        bool fits;

        enum ec rc = csv_open(path, &dialect, &r, reterr);

        if (rc)
            return rc;
        names = csv_header(r, &n);
        fits = n && read_header(names, n, fields, n_fields, l);
        l->delimiter = n ? DELIMITERS[d] : 0;
        l->header = true;
        csv_close(r);
        if (fits || !n)
            return EC_OK;
    }
    /* No header: the delimiter that gives as many columns as the key has parts. */
    for (size_t d = 0; d < COUNT(DELIMITERS); d++) {
        struct csv_dialect dialect = { .delimiter = DELIMITERS[d] };
        struct csv_reader *r = NULL;
        size_t n = 0;

        enum ec rc = csv_open(path, &dialect, &r, reterr);

        if (rc)
            return rc;
        (void)csv_header(r, &n);
        csv_close(r);
        if (n == n_fields || (n > n_fields && DELIMITERS[d] == '\t')) {
            l->delimiter = DELIMITERS[d];
            l->header = false;
            l->message = -1;
            for (size_t i = 0; i < n_fields; i++)
                l->at[i] = (int)i;
            return EC_OK;
        }
    }
    return err_set(reterr, EC_FORMAT, "the service's error file has a layout that is not understood");
}

/* A row with a quote in the middle of a key: lines of bars or tabs have no quoting at all, so the octets count as they are. */
static size_t split_plain(struct cell raw, char delimiter, struct cell *ret, size_t max)
{
    size_t n = 0, from = 0;

    for (size_t i = 0; i <= raw.len && n < max; i++)
        if (i == raw.len || raw.ptr[i] == delimiter) {
            ret[n++] = (struct cell){ raw.ptr + from, i - from };
            from = i + 1;
        }
    return n;
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
    struct csv_dialect d = { 0 };
    struct csv_reader *r = NULL;
    struct arena a = { 0 };
    const struct cell *names;
    size_t n;
    enum ec rc;

    if (!n_fields || n_fields > MAX_KEY)
        return err_set(reterr, EC_LIMIT, "a key of %zu fields is more than dmfsync handles", n_fields);
    rc = choose(path, fields, n_fields, &l, reterr);
    if (rc || !l.delimiter)
        return rc;
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
        if (row.fault == CSV_OK) {
            rc = give(&l, row.cells, row.n, n_fields, fn, arg, reterr);
        } else if (row.fault == CSV_STRAY_QUOTE && !l.header && l.delimiter != ',') {
            struct cell parts[MAX_KEY];

            rc = give(&l, parts, split_plain(row.raw, l.delimiter, parts, MAX_KEY), n_fields, fn, arg, reterr);
        }
        /* Another broken row names no key: the counters will say that one is missing. */
    }
    csv_close(r);
    arena_release(&a);
    return rc;
}

#include "data/json_build.h"

#include <stdlib.h>

struct json_rows {
    struct json_build b;
    struct arena rows, envelope;
    char *what;
};

struct json_rows *json_rows_new(const char *what, const struct json_limits *lim, json_row_fn *row, void *arg)
{
    struct json_rows *r = xcalloc(1, sizeof(*r));

    r->what = xstrdup(what); /* the caller's buffer need not outlive the answer */
    json_build_init(&r->b, r->what, lim, &r->envelope);
    r->b.row = row;
    r->b.row_arg = arg;
    r->b.row_arena = &r->rows;
    r->b.envelope_arena = &r->envelope;
    return r;
}

enum ec json_rows_feed(struct json_rows *r, const char *p, size_t n, struct err *reterr)
{
    return json_build_feed(&r->b, p, n, reterr);
}

enum ec json_rows_end(struct json_rows *r, const struct json **ret_envelope, struct err *reterr)
{
    enum ec rc = json_build_end(&r->b, reterr);

    if (!rc)
        *ret_envelope = r->b.root;
    return rc;
}

void json_rows_free(struct json_rows *r)
{
    if (!r)
        return;
    json_build_release(&r->b);
    arena_release(&r->rows);
    arena_release(&r->envelope);
    free(r->what);
    free(r);
}

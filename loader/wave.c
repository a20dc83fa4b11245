#include "loader/public/wave.h"

#include <errno.h>
#include <stdlib.h>

enum ec wave_rules_read(struct app *app, struct wave_rules *ret, struct err *reterr)
{
    const char *option = option_value(app, "--max-errors"), *text = option ? option : app->cfg.max_errors;
    char *end;

    *ret = (struct wave_rules){ .keep_going = option_given(app, "--keep-going") };
    if (cell_to_i64(cell_of(text), &ret->max_errors) && ret->max_errors >= 0)
        return EC_OK;
    errno = 0;
    ret->max_errors = -1;
    ret->max_share = strtod(text, &end);
    if (errno || end == text || strcmp(end, "%") || !(ret->max_share >= 0 && ret->max_share <= 100))
        return err_set(reterr, EC_USAGE, "--max-errors %.40s: it is a number of rows, or a share such as 0.5%%",
                       text);
    return EC_OK;
}

bool wave_too_many(const struct wave_rules *w, uint64_t rejected, uint64_t rows)
{
    if (w->max_errors >= 0)
        return rejected > (uint64_t)w->max_errors;
    return (double)rejected * 100 > w->max_share * (double)rows;
}

const char *wave_load_red(const struct wave_rules *w, const struct load_counts *c)
{
    if (c->unsent || c->parked || c->unknown)
        return "rows are unsent, parked or unknown in F&O";
    if (wave_too_many(w, c->rejected, c->rows))
        return "more rows were rejected than max_errors allows";
    return NULL;
}

const struct map_ctx *wave_blocked_by(const struct pair *p, const struct map_ctx *m, const bool *red)
{
    for (size_t k = 0; k < p->deps.n_edges; k++) {
        const struct deps_edge *e = &p->deps.edges[k];

        if (e->from != m->b || e->self || e->deferred)
            continue;
        for (size_t i = 0; i < p->n; i++)
            if (red[i] && p->maps[i].b == e->to)
                return &p->maps[i];
    }
    return NULL;
}

const struct map_ctx *wave_waits_for(const struct pair *p, const struct map_ctx *m, const bool *done)
{
    for (size_t k = 0; k < p->deps.n_edges; k++) {
        const struct deps_edge *e = &p->deps.edges[k];

        for (size_t i = 0; i < p->n && e->from == m->b && e->deferred; i++)
            if (p->maps[i].b == e->to && p->maps[i].selected && !(done && done[i]))
                return &p->maps[i];
    }
    return NULL;
}

int wave_of_second_pass(const struct map_ctx *m)
{
    int wave = m->wave;

    for (size_t i = 0; i < m->pair->n; i++) {
        bool wanted = false;

        for (size_t k = 0; k < m->pair->deps.n_edges; k++) {
            const struct deps_edge *e = &m->pair->deps.edges[k];

            wanted = wanted || (e->deferred && e->from == m->b && e->to == m->pair->maps[i].b);
        }
        if (wanted && m->pair->maps[i].wave > wave)
            wave = m->pair->maps[i].wave;
    }
    return wave;
}

bool wave_goes_on(const struct wave_rules *w, enum ec rc)
{
    switch (rc) {
    case EC_FNO:
    case EC_DATAVERSE:
    case EC_LIMIT:
    case EC_FORMAT:
    case EC_CONFIG:
    case EC_STATE:
    case EC_NOTFOUND:
    case EC_CONFLICT: return w->keep_going;
    default: return false;
    }
}

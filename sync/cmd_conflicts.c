/* cmd_conflicts.c -- what both sides changed, what waits for a person, and a person's word about it. */
#include "base/clock.h"
#include "base/log.h"
#include "sync/sync_commands.h"
#include "sync/verdict.h"

#include <string.h>

static enum ec open_maps(struct app *app, size_t first_arg, struct pair **ret, struct err *reterr)
{
    return pair_open(app, PAIR_CACHED | PAIR_STATE | PAIR_GAPS_OK, first_arg, ret, reterr);
}

/* Records that wait as a whole: deleted here and changed there, deletions that are only reported, left the filter. */
static enum ec waiting_records(struct app *app, struct map_ctx *m, struct json *list, int64_t *open,
                               struct err *reterr)
{
    struct query *q =
        store_query(m->state, "select key, reason, at, resolve from pending p where state = 'conflict' and not "
                              "exists(select 1 from conflict c where c.key = p.key and c.outcome = 'open') "
                              "order by at");

    while (query_step(q)) {
        struct json *v = out_object(&app->out, list, NULL);
        const char *word = query_get_str(q, 3);

        ++*open;
        out_str(&app->out, v, "map", m->cfg->alias);
        out_cell(&app->out, v, "key", query_get_cell(q, 0));
        out_str(&app->out, v, "field", NULL);
        out_cell(&app->out, v, "reason", query_get_cell(q, 1));
        out_str(&app->out, v, "outcome", word[0] ? word : "open");
        out_cell(&app->out, v, "at", query_get_cell(q, 2));
        out_line(&app->out, "%s %s " CELL_FMT ": " CELL_FMT "%s%s", query_get_str(q, 2), m->cfg->alias,
                 CELL_ARG(query_get_cell(q, 0)), CELL_ARG(query_get_cell(q, 1)), word[0] ? " -> " : "", word);
    }
    return query_done(q, reterr);
}

enum ec cmd_conflicts_list(struct app *app, struct err *reterr)
{
    struct json *list = out_array(&app->out, NULL, "conflicts");
    struct pair *p = NULL;
    int64_t open = 0;
    enum ec rc = open_maps(app, 0, &p, reterr);

    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];
        struct query *q;

        if (!m->selected || !m->state)
            continue;
        rc = waiting_records(app, m, list, &open, reterr);
        if (rc)
            break;
        q = store_query(m->state,
                        "select id, key, field, base, fno, dataverse, rule, outcome, at from conflict where not ?1 "
                        "or outcome = 'open' order by id");
        query_int(q, 1, option_given(app, "--open"));
        while (query_step(q)) {
            struct json *v = out_object(&app->out, list, NULL);

            out_str(&app->out, v, "map", m->cfg->alias);
            out_cell(&app->out, v, "key", query_get_cell(q, 1));
            out_cell(&app->out, v, "field", query_get_cell(q, 2));
            out_cell(&app->out, v, "base", query_get_cell(q, 3));
            out_cell(&app->out, v, "fno", query_get_cell(q, 4));
            out_cell(&app->out, v, "dataverse", query_get_cell(q, 5));
            out_cell(&app->out, v, "rule", query_get_cell(q, 6));
            out_cell(&app->out, v, "outcome", query_get_cell(q, 7));
            out_cell(&app->out, v, "at", query_get_cell(q, 8));
            open += cell_is(query_get_cell(q, 7), "open");
            out_line(&app->out,
                     "%s %s " CELL_FMT " " CELL_FMT ": base '" CELL_FMT "', F&O '" CELL_FMT "', Dataverse '" CELL_FMT
                     "', rule %s -> %s",
                     query_get_str(q, 8), m->cfg->alias, CELL_ARG(query_get_cell(q, 1)),
                     CELL_ARG(query_get_cell(q, 2)), CELL_ARG(query_get_cell(q, 3)), CELL_ARG(query_get_cell(q, 4)),
                     CELL_ARG(query_get_cell(q, 5)), query_get_str(q, 6), query_get_str(q, 7));
        }
        rc = query_done(q, reterr);
    }
    if (!rc && open)
        out_status(&app->out, EC_CONFLICT);
    pair_close(p);
    return rc;
}

enum ec cmd_parked(struct app *app, struct err *reterr)
{
    struct json *list = out_array(&app->out, NULL, "parked");
    struct pair *p = NULL;
    enum ec rc = open_maps(app, 0, &p, reterr);

    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];
        struct query *q;

        if (!m->selected || !m->state)
            continue;
        q = store_query(m->state, "select key, state, reason, tries, at from pending where state in ('parked', "
                                  "'conflict', 'poison') order by at");
        while (query_step(q)) {
            struct json *v = out_object(&app->out, list, NULL);

            out_str(&app->out, v, "map", m->cfg->alias);
            out_cell(&app->out, v, "key", query_get_cell(q, 0));
            out_cell(&app->out, v, "state", query_get_cell(q, 1));
            out_cell(&app->out, v, "reason", query_get_cell(q, 2));
            out_int(&app->out, v, "tries", query_get_int(q, 3));
            out_cell(&app->out, v, "since", query_get_cell(q, 4));
            out_line(&app->out, "%s %s " CELL_FMT " since %s: " CELL_FMT, m->cfg->alias, query_get_str(q, 1),
                     CELL_ARG(query_get_cell(q, 0)), query_get_str(q, 4), CELL_ARG(query_get_cell(q, 2)));
        }
        rc = query_done(q, reterr);
    }
    pair_close(p);
    return rc;
}

/* ---- one key ---- */

static enum ec one_map(struct app *app, struct pair **ret_p, struct map_ctx **ret, struct err *reterr)
{
    enum ec rc = open_maps(app, app->opt->n_args, ret_p, reterr);

    if (rc)
        return rc;
    *ret = pair_map(*ret_p, app->opt->args[0]);
    if (!*ret)
        return err_set(reterr, EC_USAGE, "there is no map '%s' in dmfsync.ini", app->opt->args[0]);
    if (!(*ret)->state)
        return err_set(reterr, EC_STATE, "map '%s' has no state yet", app->opt->args[0]);
    return EC_OK;
}

enum ec cmd_conflicts_show(struct app *app, struct err *reterr)
{
    struct pair *p = NULL;
    struct map_ctx *m = NULL;
    struct json *list = out_array(&app->out, NULL, "conflicts");
    struct output *o = &app->out;
    struct query *q;
    size_t n = 0;
    enum ec rc = one_map(app, &p, &m, reterr);

    if (rc)
        goto out;
    q = store_query(m->state, "select state, reason, tries, at, resolve from pending where key = ?1");
    query_str(q, 1, app->opt->args[1]);
    if (query_step(q)) {
        struct json *v = out_object(o, NULL, "pending");

        n++;
        out_cell(o, v, "state", query_get_cell(q, 0));
        out_cell(o, v, "reason", query_get_cell(q, 1));
        out_int(o, v, "tries", query_get_int(q, 2));
        out_cell(o, v, "since", query_get_cell(q, 3));
        out_cell(o, v, "resolve", query_get_cell(q, 4));
        out_line(o, "%s since %s, looked at %lld times: %s%s%s", query_get_str(q, 0), query_get_str(q, 3),
                 (long long)query_get_int(q, 2), query_get_str(q, 1),
                 query_get_str(q, 4)[0] ? "; to be taken from " : "", query_get_str(q, 4));
    }
    rc = query_done(q, reterr);
    if (rc)
        goto out;
    q = store_query(m->state,
                    "select field, base, fno, dataverse, rule, outcome, at from conflict where key = ?1 order by id");
    query_str(q, 1, app->opt->args[1]);
    while (query_step(q)) {
        static const char *const NAMES[] = { "field", "base", "fno", "dataverse", "rule", "outcome", "at" };
        struct json *v = out_object(o, list, NULL);

        n++;
        for (int i = 0; i < 7; i++)
            out_cell(o, v, NAMES[i], query_get_cell(q, i));
        out_line(o, "%s  " CELL_FMT, query_get_str(q, 6), CELL_ARG(query_get_cell(q, 0)));
        out_line(o, "    base       '" CELL_FMT "'", CELL_ARG(query_get_cell(q, 1)));
        out_line(o, "    F&O        '" CELL_FMT "'", CELL_ARG(query_get_cell(q, 2)));
        out_line(o, "    Dataverse  '" CELL_FMT "'", CELL_ARG(query_get_cell(q, 3)));
        out_line(o, "    rule %s -> %s", query_get_str(q, 4), query_get_str(q, 5));
    }
    rc = query_done(q, reterr);
    if (!rc && !n)
        rc = err_set(reterr, EC_STATE, "nothing waits and nothing was in conflict under the key '%s' of map '%s'",
                     app->opt->args[1], m->cfg->alias);
out:
    pair_close(p);
    return rc;
}

/* A person's word: stored with the key, obeyed by the next sync. Needs no service. */
enum ec cmd_conflicts_resolve(struct app *app, struct err *reterr)
{
    const char *take = option_value(app, "--take"), *key = app->opt->n_args > 1 ? app->opt->args[1] : NULL;
    struct pair *p = NULL;
    struct map_ctx *m = NULL;
    struct query *q;
    int64_t n = 0;
    enum ec rc = EC_OK;

    if (!take || (strcmp(take, "fno") && strcmp(take, "dataverse")))
        rc = err_set(reterr, EC_USAGE, "say which side is right: --take fno or --take dataverse");
    else if (!key == !option_given(app, "--all"))
        rc = err_set(reterr, EC_USAGE, "name one key, or --all");
    if (!rc)
        rc = one_map(app, &p, &m, reterr);
    if (rc)
        goto out;
    q = store_query(m->state,
                    "update pending set resolve = ?2, state = 'new', next_at = '' where (key = ?1 or ?1 is null) and "
                    "(state = 'conflict' or (state in ('parked', 'poison') and ?1 is not null))");
    query_str(q, 1, key);
    query_str(q, 2, take);
    rc = query_run(q, reterr);
    n = store_changes(m->state);
    if (!rc && !n && key)
        rc = err_set(reterr, EC_STATE, "nothing waits under the key '%s' of map '%s'", key, m->cfg->alias);
    if (rc)
        goto out;
    out_int(&app->out, NULL, "resolved", n);
    out_line(&app->out, "%s: %lld record%s will be taken from %s by the next sync", m->cfg->alias, (long long)n,
             n == 1 ? "" : "s", !strcmp(take, "fno") ? "F&O" : "Dataverse");
out:
    pair_close(p);
    return rc;
}

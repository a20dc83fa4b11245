/* cmd_waive.c -- accepted differences: waive, waive list, waive drop. */
#include "base/clock.h"
#include "sync/sync_commands.h"
#include "sync/waive.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

static struct cell option_cell(const struct app *app, const char *name)
{
    const char *v = option_value(app, name);

    return v ? cell_of(v) : CELL_LIT("");
}

/* Who waives: --by, else whoever is logged in. */
static struct cell who(const struct app *app, struct arena *a)
{
    const struct passwd *pw;

    if (option_value(app, "--by"))
        return option_cell(app, "--by");
    pw = getpwuid(getuid());
    return cell_of(pw && pw->pw_name ? arena_strdup(a, pw->pw_name) : "");
}

/* The same rows and field, however key and field are spelled in the file. */
static bool same(const struct waiver *in_file, const struct waiver *w, struct map_ctx *m, struct arena *a)
{
    struct waiver v = *in_file;

    if (!cell_eq(v.map, w->map) || (v.key.len > 0) != (w->key.len > 0) || !cell_eq(v.filter, w->filter))
        return false;
    if (waiver_bind(&v, m, a, NULL)) /* a damaged line stays as it is: whoever reads the file whole will say so */
        return false;
    return v.bound == w->bound && (!v.key.len || digest_eq(v.digest, w->digest));
}

static enum ec one_line(struct cell c, const char *option, struct err *reterr)
{
    for (size_t i = 0; i < c.len; i++)
        if ((unsigned char)c.ptr[i] < ' ')
            return err_set(reterr, EC_USAGE, "%s: a line end or another control character", option);
    if (c.len > 2000 || utf8_valid_prefix(c.ptr, c.len) < c.len)
        return err_set(reterr, EC_USAGE, "%s: longer than 2000 octets, or not UTF-8", option);
    return EC_OK;
}

/* What the command line names, bound to its map. */
static enum ec from_options(struct app *app, struct pair *p, bool dropping, struct waiver *w, struct map_ctx **ret_m,
                            struct err *reterr)
{
    struct map_ctx *m = pair_map(p, app->opt->args[0]);
    enum ec rc = EC_OK;

    if (!m)
        return err_set(reterr, EC_USAGE, "no map '%s' in this workspace", app->opt->args[0]);
    *w = (struct waiver){ .map = cell_of(m->cfg->alias),
                          .key = app->opt->n_args > 1 ? cell_of(app->opt->args[1]) : CELL_LIT(""),
                          .filter = option_cell(app, "--filter"),
                          .field = option_cell(app, "--field"),
                          .until = option_cell(app, "--until"),
                          .reason = option_cell(app, "--reason"),
                          .by = CELL_LIT("") };
    *ret_m = m;
    if (!w->key.len && !w->filter.len)
        return err_set(reterr, EC_USAGE, "name the KEY, or the rows by --filter");
    if (w->key.len && w->filter.len)
        return err_set(reterr, EC_USAGE, "a KEY and --filter: one of the two");
    if (dropping) {
        w->reason = CELL_LIT("-");
        w->until = CELL_LIT("9999-12-31");
    } else if (!w->reason.len) {
        return err_set(reterr, EC_USAGE, "an accepted difference needs its --reason");
    } else if (!w->until.len) {
        return err_set(reterr, EC_USAGE, "an accepted difference needs its last day: --until 2027-03-31");
    }
    rc = one_line(w->reason, "--reason", reterr);
    if (!rc)
        rc = one_line(w->key, "KEY", reterr);
    if (!rc)
        rc = one_line(w->filter, "--filter", reterr);
    if (!rc)
        rc = waiver_bind(w, m, &p->arena, reterr);
    if (!rc && w->ended)
        rc = err_set(reterr, EC_USAGE, "--until " CELL_FMT " has passed already", CELL_ARG(w->until));
    return rc;
}

static size_t find(const struct waivers *all, const struct waiver *w, struct map_ctx *m)
{
    struct arena a = { 0 };
    size_t i = 0;

    while (i < all->n && !same(&all->v[i], w, m, &a))
        i++;
    arena_release(&a);
    return i;
}

static void tell(struct app *app, const struct waiver *w, const char *verb)
{
    struct output *o = &app->out;
    struct cell rows = w->key.len ? w->key : w->filter;

    out_line(o, CELL_FMT ": %s '" CELL_FMT "'%s" CELL_FMT "; %s is part of your version control", CELL_ARG(w->map),
             verb, CELL_ARG(rows), w->field.len ? ", field " : "", CELL_ARG(w->field), WAIVERS_FILE);
    out_cell(o, NULL, "map", w->map);
    out_cell(o, NULL, w->key.len ? "key" : "filter", rows);
    out_cell(o, NULL, "field", w->field);
}

enum ec cmd_waive(struct app *app, struct err *reterr)
{
    struct waivers all = { 0 };
    struct pair *p = NULL;
    struct map_ctx *m;
    struct waiver w;
    size_t at;
    enum ec rc = pair_open(app, PAIR_CACHED | PAIR_GAPS_OK, app->opt->n_args, &p, reterr);

    if (!rc)
        rc = from_options(app, p, false, &w, &m, reterr);
    if (!rc) {
        w.by = who(app, &p->arena);
        rc = one_line(w.by, "--by", reterr);
    }
    if (!rc)
        rc = waivers_read(&app->ws, &all, reterr);
    if (rc)
        goto out;
    at = find(&all, &w, m);
    if (at == all.n)
        all.v = xrealloc(all.v, (++all.n) * sizeof(*all.v));
    else
        w.key = all.v[at].key;
    all.v[at] = w; /* a second time: another reason or date */
    rc = waivers_write(&app->ws, &all, reterr);
    if (!rc)
        tell(app, &w, "waived");
out:
    waivers_release(&all);
    pair_close(p);
    return rc;
}

enum ec cmd_waive_drop(struct app *app, struct err *reterr)
{
    struct waivers all = { 0 };
    struct pair *p = NULL;
    struct map_ctx *m = NULL;
    struct waiver w;
    size_t at, n = 0, dropped = 0;
    bool ended = option_given(app, "--ended");
    enum ec rc = pair_open(app, PAIR_CACHED | PAIR_GAPS_OK, app->opt->n_args, &p, reterr);

    if (!rc && !ended)
        rc = from_options(app, p, true, &w, &m, reterr);
    if (!rc)
        rc = waivers_read(&app->ws, &all, reterr);
    if (rc)
        goto out;
    if (ended) {
        m = pair_map(p, app->opt->args[0]);
        if (!m)
            rc = err_set(reterr, EC_USAGE, "no map '%s' in this workspace", app->opt->args[0]);
        for (size_t i = 0; i < all.n && !rc; i++) {
            struct waiver v = all.v[i];
            bool go = false;

            if (cell_is(v.map, m->cfg->alias)) {
                rc = waiver_bind(&v, m, &p->arena, reterr);
                go = v.ended;
            }
            if (!go)
                all.v[n++] = all.v[i];
        }
        dropped = all.n - n;
        all.n = rc ? all.n : n;
    } else {
        at = find(&all, &w, m);
        if (at == all.n) {
            rc = err_set(reterr, EC_NOTFOUND, "there is no such waiver");
            err_hint(reterr, "'dmfsync waive list' shows all of them");
        } else {
            memmove(&all.v[at], &all.v[at + 1], (all.n - at - 1) * sizeof(*all.v));
            all.n--;
            dropped = 1;
        }
    }
    if (!rc)
        rc = waivers_write(&app->ws, &all, reterr);
    if (!rc && ended)
        out_line(&app->out, "%s: %zu dropped whose day had passed", m->cfg->alias, dropped);
    else if (!rc)
        tell(app, &w, "dropped the waiver of");
    if (!rc)
        out_int(&app->out, NULL, "dropped", (int64_t)dropped);
out:
    waivers_release(&all);
    pair_close(p);
    return rc;
}

/* How many differences it covered in the map's last comparison; -1 = not known. */
static int64_t covered(struct map_ctx *m, const struct waiver *w)
{
    struct query *q;
    int64_t n = -1;

    if (!m->state)
        return -1;
    q = store_query(m->state, "select keys from waiver where key = ?1 and filter = ?2 and field = ?3");
    query_cell(q, 1, w->key);
    query_cell(q, 2, w->filter);
    query_cell(q, 3, w->field);
    if (query_step(q))
        n = query_get_int(q, 0);
    return query_done(q, NULL) ? -1 : n;
}

enum ec cmd_waive_list(struct app *app, struct err *reterr)
{
    static const char *const HEADERS[] = { "map", "rows", "field", "until", "covers", "by", "reason" };
    struct output *o = &app->out;
    struct pair *p = NULL;
    struct table *t;
    struct json *list = out_array(o, NULL, "waivers");
    enum ec rc = pair_open(app, PAIR_CACHED | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);

    if (rc)
        return rc;
    t = table_new(o, HEADERS, COUNT(HEADERS), "llllrll");
    for (size_t i = 0; i < p->n && !rc; i++) {
        struct map_ctx *m = &p->maps[i];
        struct waivers w = { 0 };

        if (!m->selected)
            continue;
        rc = waivers_for(m, &w, reterr);
        for (size_t k = 0; k < w.n; k++) {
            const struct waiver *v = &w.v[k];
            struct json *obj = out_object(o, list, NULL);
            int64_t n = covered(m, v);

            table_cell(t, "%s", m->cfg->alias);
            table_cell(t, CELL_FMT, CELL_ARG(v->key.len ? v->key : v->filter));
            table_cell(t, CELL_FMT, CELL_ARG(v->field));
            table_cell(t, CELL_FMT "%s", CELL_ARG(v->until), v->ended ? " (over)" : "");
            if (n < 0)
                table_cell(t, "?");
            else
                table_cell(t, "%lld", (long long)n);
            table_cell(t, CELL_FMT, CELL_ARG(v->by));
            table_cell(t, CELL_FMT, CELL_ARG(v->reason));
            out_cell(o, obj, "map", v->map);
            out_cell(o, obj, v->key.len ? "key" : "filter", v->key.len ? v->key : v->filter);
            out_cell(o, obj, "field", v->field);
            out_cell(o, obj, "until", v->until);
            out_bool(o, obj, "ended", v->ended);
            out_cell(o, obj, "reason", v->reason);
            out_cell(o, obj, "by", v->by);
            if (n >= 0)
                out_int(o, obj, "keys", n);
        }
        waivers_release(&w);
    }
    table_print(t);
    pair_close(p);
    return rc;
}

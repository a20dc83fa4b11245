/* cmd_snapshot.c -- the command `snapshot`: one side in, and what can be done with snapshots. */
#include "sync/archive.h"
#include "sync/file_snapshot.h"
#include "sync/snapshot_export.h"
#include "sync/sync_commands.h"
#include "sync/synapse.h"

/* `snapshot MAP --side SIDE --from csv FILE`, `--from synapse DIR`: no service is asked. */
static enum ec snapshot_from_file(struct app *app, const char *side, const char *from, struct arena *a,
                                  struct snapshot *ret, struct err *reterr)
{
    const char *file = app->opt->n_args > 1 ? workspace_path(&app->ws, a, "%s", app->opt->args[1]) : NULL;
    bool synapse = !strcmp(from, "synapse"), fno = !strcmp(side, "fno");
    struct pair *p = NULL;
    enum ec rc;

    if (synapse && fno)
        return err_set(reterr, EC_USAGE, "--from synapse is for --side dataverse: F&O's tables are not its entities");
    if (!file)
        return err_set(reterr, EC_USAGE, "--from %s needs the %s: dmfsync snapshot MAP --side %s --from %s %s", from,
                       synapse ? "folder" : "file", side, from, synapse ? "DIR" : "FILE");
    app->opt->n_args = 1; /* the second one is no map */
    rc = pair_open(app, PAIR_CACHED | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);
    for (size_t i = 0; !rc && i < p->n; i++)
        if (p->maps[i].selected)
            rc = synapse ? snapshot_synapse(&p->maps[i], file, a, ret, reterr)
                         : snapshot_csv(&p->maps[i], fno, file, a, ret, reterr);
    pair_close(p);
    return rc;
}

static void tell_snapshot(struct app *app, const struct snapshot *s)
{
    char sum[64];

    digest_format_sum(s->sum, sum);
    out_str(&app->out, NULL, "file", s->path);
    out_int(&app->out, NULL, "rows", (int64_t)s->rows);
    out_int(&app->out, NULL, "excluded", (int64_t)s->excluded);
    out_int(&app->out, NULL, "faults", (int64_t)s->faults);
    out_str(&app->out, NULL, "digest", sum);
    out_str(&app->out, NULL, "began_at", s->began_at);
    out_str(&app->out, NULL, "ended_at", s->ended_at);
    out_line(&app->out, "%s: %llu rows, %llu outside of filters and companies, %s, %s to %s", s->path,
             (unsigned long long)s->rows, (unsigned long long)s->excluded, sum, s->began_at, s->ended_at);
}

/* ---- what is there already: no service is asked ---- */

static enum ec export(struct app *app, struct map_ctx *m, struct err *reterr) {
    static const char *const SIDES[] = { "fno", "dataverse" };
    const char *side = option_value(app, "--side"), *file = option_value(app, "--export");
    struct json *list = out_array(&app->out, NULL, "sides"); struct export_side done[2]; struct arena a = { 0 };
    char *path = workspace_path(&app->ws, &a, "%s", file); size_t n = 0;
    enum ec rc = snapshot_export(m, path, side ? &side : SIDES, side ? 1 : 2, &a, done, &n, reterr);

    for (size_t i = 0; i < n && !rc; i++){ struct json *o = out_object(&app->out, list, NULL);

                                           out_str(&app->out, o, "side", done[i].side);
                                           out_int(&app->out, o, "rows", (int64_t)done[i].s.rows);
                                           out_str(&app->out, o, "ended_at", done[i].s.ended_at);
                                           out_line(&app->out, "%s: table %s, %llu rows as of %s", path, done[i].side,
                                                    (unsigned long long)done[i].s.rows, done[i].s.ended_at); }
if (!rc) out_str(&app->out, NULL, "file", path);
arena_release(&a);
return rc;
}

static void tell_archive(struct output *o, struct json *list, const struct archive *x, const char *state)
{
    struct json *v = out_object(o, list, NULL);
    char sum[64];

    digest_format_sum(x->sum, sum);
    out_int(o, v, "id", x->id);
    out_str(o, v, "side", x->side);
    out_str(o, v, "file", x->path);
    out_int(o, v, "octets", x->octets);
    out_str(o, v, "state", state);
    if (x->bad)
        return;
    out_int(o, v, "base", x->base);
    out_int(o, v, "rows", (int64_t)x->rows);
    out_str(o, v, "digest", sum);
    out_str(o, v, "began_at", x->began_at);
    out_str(o, v, "ended_at", x->ended_at);
}

static enum ec archive(struct app *app, struct map_ctx *m, struct err *reterr)
{
    static const char *const SIDES[] = { "fno", "dataverse" };
    const char *side = option_value(app, "--side");
    struct json *list = out_array(&app->out, NULL, "archives");
    size_t done = 0;
    enum ec rc = EC_OK;

    for (size_t i = 0; i < COUNT(SIDES) && !rc; i++) {
        struct arena a = { 0 };
        struct archive x = { 0 };
        bool made = false;

        if (side && strcmp(side, SIDES[i]) != 0)
            continue;
        rc = archive_make(m, SIDES[i], &a, &x, &made, reterr);
        if (rc == EC_NOTFOUND && !side && (done || !i)) {
            rc = EC_OK; /* the other side has one */
        } else if (!rc) {
            done++;
            tell_archive(&app->out, list, &x, made ? "made" : "there");
            out_line(&app->out, "%s: snapshot %lld of %s, %llu rows in %lld octets%s%s", x.path, (long long)x.id,
                     x.side, (unsigned long long)x.rows, (long long)x.octets, x.base ? ", as a difference" : "",
                     made ? "" : " (was there)");
        }
        arena_release(&a);
    }
    return rc;
}

/* `--archives` lists, `--verify` looks at every octet. */
static enum ec archives(struct app *app, struct map_ctx *m, struct err *reterr)
{
    static const char *const HEADERS[] = { "id",   "side",   "from",          "ended at",
                                           "rows", "octets", "difference to", "state" };
    bool check = option_given(app, "--verify");
    struct json *out = out_array(&app->out, NULL, "archives");
    struct table *t = table_new(&app->out, HEADERS, COUNT(HEADERS), "rlllrrrl");
    struct archive *list = NULL;
    struct arena a = { 0 };
    size_t n = 0, bad = 0;
    enum ec rc = archive_list(m, &a, &list, &n, reterr);

    for (size_t i = 0; i < n && !rc; i++) {
        const struct archive *x = &list[i];
        struct err e = { 0 };
        const char *state = x->bad ? x->bad : "";

        if (check) {
            enum ec ec = archive_verify(m, list, n, i, &e);

            if (ec == EC_STOPPED)
                rc = err_set(reterr, ec, "%s", e.msg);
            state = ec ? arena_strdup(&a, e.msg) : "intact";
            bad += ec != EC_OK;
        }
        tell_archive(&app->out, out, x, state);
        table_cell(t, "%lld", (long long)x->id);
        table_cell(t, "%s", x->side);
        table_cell(t, "%s", x->bad ? "" : x->origin);
        table_cell(t, "%s", x->bad ? "" : x->ended_at);
        table_cell(t, "%llu", (unsigned long long)x->rows);
        table_cell(t, "%lld", (long long)x->octets);
        if (x->base)
            table_cell(t, "%lld", (long long)x->base);
        else
            table_cell(t, "%s", "");
        table_cell(t, "%s", state);
    }
    table_print(t);
    if (!rc && bad) {
        rc = err_set(reterr, EC_STATE, "%zu of %zu archived snapshots of map '%s' cannot be restored", bad, n,
                     m->cfg->alias);
        err_hint(reterr, "the list says which and why; bring these files back from a copy, or remove them");
    }
    arena_release(&a);
    return rc;
}

static enum ec restore(struct app *app, struct map_ctx *m, struct err *reterr)
{
    struct arena a = { 0 };
    struct snapshot s;
    int64_t id;
    enum ec rc = option_int(app, "--restore", 0, 1, INT64_MAX, &id, reterr);

    if (!rc)
        rc = archive_restore(m, id, &a, &s, reterr);
    if (!rc)
        tell_snapshot(app, &s);
    arena_release(&a);
    return rc;
}

static enum ec on_stored(struct app *app, enum ec (*fn)(struct app *app, struct map_ctx *m, struct err *reterr),
                         struct err *reterr)
{
    struct pair *p = NULL;
    enum ec rc;

    if (option_given(app, "--from") || app->opt->n_args > 1)
        return err_set(reterr, EC_USAGE, "this works on snapshots that are there; --from takes a new one");
    rc = pair_open(app, PAIR_CACHED | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);
    for (size_t i = 0; !rc && i < p->n; i++)
        if (p->maps[i].selected)
            rc = fn(app, &p->maps[i], reterr);
    pair_close(p);
    return rc;
}

enum ec cmd_snapshot(struct app *app, struct err *reterr)
{
    const char *side = option_value(app, "--side"), *from = option_value(app, "--from");
    struct arena a = { 0 };
    struct pair *p = NULL;
    struct dict *d = NULL;
    struct snapshot s;
    enum ec rc = EC_OK;

    if (side && strcmp(side, "fno") && strcmp(side, "dataverse"))
        return err_set(reterr, EC_USAGE, "--side %s is not known: fno or dataverse", side);
    if (option_given(app, "--export"))
        return on_stored(app, export, reterr);
    if (option_given(app, "--archive"))
        return on_stored(app, archive, reterr);
    if (option_given(app, "--archives") || option_given(app, "--verify"))
        return on_stored(app, archives, reterr);
    if (option_given(app, "--restore"))
        return on_stored(app, restore, reterr);
    if (!side)
        return err_set(reterr, EC_USAGE, "snapshot needs --side fno or --side dataverse");
    if (from && strcmp(from, "odata") && strcmp(from, "package") && strcmp(from, "csv") && strcmp(from, "synapse"))
        return err_set(reterr, EC_USAGE, "--from %s is not known: odata, package, csv FILE or synapse DIR", from);
    if (from && (!strcmp(from, "csv") || !strcmp(from, "synapse"))) {
        rc = snapshot_from_file(app, side, from, &a, &s, reterr);
        if (!rc)
            tell_snapshot(app, &s);
        arena_release(&a);
        return rc;
    }
    if (app->opt->n_args > 1)
        return err_set(reterr, EC_USAGE, "a file is for --from csv, a folder for --from synapse");
    rc = pair_open(app, PAIR_LIVE | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);
    if (!rc)
        rc = pair_companies(p, reterr);
    for (size_t i = 0; !rc && i < p->n; i++) {
        if (!p->maps[i].selected)
            continue;
        if (!strcmp(side, "fno")) {
            rc = snapshot_fno(&p->maps[i], from && !strcmp(from, "package") ? FROM_PACKAGE : FROM_ODATA, false, &a,
                              &s, reterr);
        } else {
            rc = dict_open(p, &d, reterr);
            if (!rc)
                rc = snapshot_dv(&p->maps[i], d, &a, &s, reterr);
        }
        if (!rc)
            tell_snapshot(app, &s);
    }
    dict_close(d);
    pair_close(p);
    arena_release(&a);
    return rc;
}

/* cmd_parity.c -- the command `parity`. */
#include "base/clock.h"
#include "base/log.h"
#include "data/sign.h"
#include "sync/archive.h"
#include "sync/certificate.h"
#include "sync/night.h"
#include "sync/report.h"
#include "sync/sides.h"
#include "sync/sync_commands.h"
#include "sync/waive.h"

enum { REPORT_DAYS = 90 };

static void row(struct table *t, const struct map_ctx *m, const struct comparison *c)
{
    const struct diff_counts *n = &c->diff.all;

    table_cell(t, CELL_FMT, CELL_ARG(m->map->name));
    table_cell(t, "%llu", (unsigned long long)n->fno_rows);
    table_cell(t, "%llu", (unsigned long long)n->dataverse_rows);
    table_cell(t, "%llu", (unsigned long long)n->equal);
    table_cell(t, "%llu", (unsigned long long)n->differ);
    table_cell(t, "%llu", (unsigned long long)n->only_fno);
    table_cell(t, "%llu", (unsigned long long)n->only_dataverse);
    table_cell(t, "%llu", (unsigned long long)(n->waiting + n->waived + n->in_flight));
    table_cell(t, "%llu", (unsigned long long)n->errors);
    if (c->diff.tolerated)
        table_cell(t, "%s (%llu tolerated)", verdict_name(c->verdict), (unsigned long long)c->diff.tolerated);
    else
        table_cell(t, "%s", verdict_name(c->verdict));
}

/* A gate that only other rules of comparing had shut opens again on the first verdict under the new ones. */
static enum ec renew_gate(struct map_ctx *m, const struct comparison *c, struct err *reterr)
{
    bool waits = false;
    enum ec rc = EC_OK;

    if (c->verdict == VERDICT_PARITY && !c->diff.tolerated)
        rc = gate_waits_for_rules(m, &waits, reterr);
    if (!rc && waits)
        rc = gate_hand_over(m, reterr);
    if (!rc && waits)
        out_line(&m->pair->app->out, "%s: the gate is open again under the new rules of comparing", m->cfg->alias);
    return rc;
}

/* [parity] keep_snapshots: what was compared is archived; retention removes the oldest. */
static enum ec keep_snapshots(struct map_ctx *m, struct err *reterr)
{
    static const char *const SIDES[] = { "fno", "dataverse" };
    enum ec rc = EC_OK;

    for (size_t i = 0; m->pair->app->cfg.keep_snapshots && i < COUNT(SIDES) && !rc; i++) {
        struct arena a = { 0 };
        struct archive x;
        bool made;

        rc = archive_make(m, SIDES[i], &a, &x, &made, reterr);
        arena_release(&a);
    }
    return rc;
}

/* Where the certificate goes, and the key that signs it; no path = none is wanted. */
static enum ec certificate_place(struct app *app, struct arena *a, const char **ret_path, const char **ret_key,
                                 struct err *reterr)
{
    const char *asked = option_value(app, "--certificate"), *given = option_value(app, "--key");
    const char *key = given ? given : app->cfg.certificate_key;
    char now[32];

    *ret_path = NULL;
    *ret_key = key;
    if (!asked && !app->cfg.certificate_key)
        return given ? err_set(reterr, EC_USAGE, "--key signs a certificate; give --certificate FILE, too") : EC_OK;
    if (!key) {
        err_set(reterr, EC_CONFIG, "a certificate is signed: no key is set (certificate_key in [parity], or --key)");
        return err_hint(reterr, "make one: openssl genpkey -algorithm ed25519 -out key.pem");
    }
    clock_format_utc(clock_utc_ms(), now);
    *ret_path = asked ? asked
                      : workspace_path(&app->ws, a, ".dmfsync/reports/parity-%.4s%.2s%.2sT%.2s%.2s%.2sZ.json", now,
                                       now + 5, now + 8, now + 11, now + 14, now + 17);
    return EC_OK;
}

static enum ec finish_certificate(struct app *app, struct certificate *c, const char *path, const char *key,
                                  struct err *reterr)
{
    enum ec rc = certificate_write(c, path, key, reterr);

    if (!rc) {
        out_str(&app->out, NULL, "certificate", path);
        out_line(&app->out, "certificate: %s", path);
    }
    return rc;
}

enum ec cmd_parity(struct app *app, struct err *reterr)
{
    static const char *const HEADERS[] = { "map",    "F&O",      "Dataverse",      "equal",
                                           "differ", "only F&O", "only Dataverse", "waiting",
                                           "errors", "verdict" };
    struct pair *p = NULL;
    struct dict *d = NULL;
    struct table *t;
    struct json *list;
    struct certificate *cert = NULL;
    struct arena own = { 0 };
    struct night night;
    const char *path = NULL, *key = NULL;
    int64_t recheck;
    bool files = sides_given(app);
    enum ec rc = option_int(app, "--recheck", 1000, 0, INT64_MAX, &recheck, reterr);

    if (!rc)
        rc = certificate_place(app, &own, &path, &key, reterr);
    if (!rc && path) { /* that the key is unfit had better show before an hour of reading */
        struct sign_key *k = NULL;

        rc = sign_key_read(key, &k, reterr);
        sign_key_free(k);
    }
    if (!rc && path && files)
        rc = err_set(reterr, EC_USAGE, "a certificate is about what the services hold, not about files");
    if (!rc && path)
        certificate_begin(app, &cert);
    if (!rc)
        rc = pair_open(app, (files ? PAIR_CACHED : PAIR_LIVE) | PAIR_STATE | PAIR_GAPS_OK, 0, &p, reterr);
    if (!rc)
        rc = files ? sides_check(app, p, reterr) : pair_companies(p, reterr);
    if (!rc && !files)
        rc = dict_open(p, &d, reterr);
    t = table_new(&app->out, HEADERS, COUNT(HEADERS), "lrrrrrrrrl");
    list = out_array(&app->out, NULL, "maps");
    night_begin(&night, app, p ? p->n : 0);
    for (size_t i = 0; !rc && i < p->n; i++) {
        struct map_ctx *m = &p->maps[i];
        struct arena a = { 0 };
        struct comparison c;

        if (!m->selected)
            continue;
        rc = files                                ? sides_compare(m, &a, &c, reterr)
             : option_given(app, "--incremental") ? compare_map_changes(m, d, (uint64_t)recheck, &a, &c, reterr)
                                                  : compare_map(m, d, (uint64_t)recheck, &a, &c, reterr);
        if (!rc && !files) /* one over files is as of the files */
            rc = verdict_store(m, 0, c.verdict, &c.diff, NULL, reterr);
        if (!rc && !files)
            rc = night_after(&night, m, d, (uint64_t)recheck, &a, &c, reterr);
        if (!rc)
            rc = verdict_output(m, list, c.verdict, &c.diff, c.checked_at, reterr);
        if (!rc)
            rc = waivers_warn_idle(m, reterr);
        if (!rc && cert)
            rc = certificate_map(cert, m, &c, reterr);
        if (!rc)
            rc = files ? EC_OK : renew_gate(m, &c, reterr);
        if (!rc) {
            row(t, m, &c);
            if (c.verdict != VERDICT_PARITY)
                out_status(&app->out, EC_DIFFERENT);
            rc = files ? EC_OK : keep_snapshots(m, reterr);
        }
        if (!rc)
            rc = snapshot_prune(m, 2, reterr);
        arena_release(&a);
    }
    progress_clear(&app->out);
    table_print(t);
    if (!rc && cert)
        rc = finish_certificate(app, cert, path, key, reterr);
    certificate_free(cert);
    night_end(&night, rc, !files);
    if (!rc && files && option_value(app, "--report"))
        rc = report_write(app, option_value(app, "--report"), REPORT_DAYS, reterr);
    arena_release(&own);
    dict_close(d);
    pair_close(p);
    return rc;
}

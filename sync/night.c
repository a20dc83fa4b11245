/* night.c -- `parity` left alone: automatic repair under its guard, the summary line, the end of the night. */
#include "sync/night.h"
#include "base/clock.h"
#include "base/log.h"
#include "sync/activity.h"
#include "sync/hook.h"
#include "sync/repair.h"
#include "sync/report.h"
#include "sync/retention.h"

#include <stdio.h>
#include <string.h>

enum { SAMPLES = 3 };

void night_begin(struct night *t, struct app *app, size_t maps)
{
    *t = (struct night){ .app = app };
    t->maps = arena_zalloc(&t->arena, (maps + 1) * sizeof(*t->maps));
}

int64_t night_repair_rows(const struct map_ctx *m, const struct diff_counts *n)
{
    return (int64_t)(n->differ + (m->cfg->master_dataverse ? n->only_dataverse : n->only_fno));
}

int64_t night_allowed(const char *share, int64_t keys)
{
    int64_t n = (int64_t)share_of(share, (uint64_t)keys);

    return strchr(share, '%') && n < 10 ? 10 : n;
}

static bool asked_for(const struct map_ctx *m)
{
    return m->cfg->auto_repair == AUTO_REPAIR_DEFAULT ? m->pair->app->cfg.auto_repair
                                                      : m->cfg->auto_repair == AUTO_REPAIR_YES;
}

/* Why the rows stay as they are; NULL = they may be written. */
static const char *refuse(struct night *t, struct map_ctx *m, const struct comparison *c)
{
    int64_t rows = night_repair_rows(m, &c->diff.all), keys = (int64_t)c->diff.all.keys;
    int64_t allowed = night_allowed(t->app->cfg.auto_repair_max, keys);
    struct err e = { 0 };

    if (!rows)
        return "no differing row is one that repair writes";
    if (rows > allowed) {
        out_status(&t->app->out, EC_GUARD);
        return arena_printf(&t->arena, "%lld rows are more than auto_repair_max = %s allows (%lld)", (long long)rows,
                            t->app->cfg.auto_repair_max, (long long)allowed);
    }
    if (pair_check_not_running(m->pair, &e)) {
        out_status(&t->app->out, e.code);
        return arena_strdup(&t->arena, e.msg);
    }
    return NULL;
}

static enum ec write_rows(struct map_ctx *m, struct dict *d, struct night_map *x, struct run *run, struct err *reterr)
{
    static const struct repair_scope SCOPE = { .master_only = true };
    struct repair_counts dv = { 0 };
    struct repair_fno_counts fno = { 0 };
    enum ec rc;

    rc = run_begin(m->pair, "repair", run, reterr);
    if (!rc)
        rc = repair_dataverse(m, run, d, &SCOPE, &dv, reterr);
    if (!rc)
        rc = repair_fno(m, run, &fno, reterr);
    x->repaired = (int64_t)(dv.written.created + dv.written.updated + fno.created + fno.updated);
    return rc;
}

static enum ec repair(struct night *t, struct map_ctx *m, struct dict *d, uint64_t recheck, struct arena *a,
                      struct night_map *x, struct comparison *c, struct err *reterr)
{
    struct run run;
    struct err e = { 0 };
    enum ec rc = write_rows(m, d, x, &run, &e);

    if (rc == EC_STOPPED || rc == EC_DISK) {
        *reterr = e;
        return rc;
    }
    if (rc) { /* the verdict of drift stands; the next night, or a person, tries again */
        x->not_repaired = arena_strdup(&t->arena, e.msg);
        out_status(&t->app->out, rc);
        return EC_OK;
    }
    rc = compare_map(m, d, recheck, a, c, reterr);
    if (!rc)
        rc = verdict_store(m, run.id, c->verdict, &c->diff, NULL, reterr);
    if (!rc)
        rc = run_end(t->app, &run, "done", reterr);
    return rc;
}

enum ec night_after(struct night *t, struct map_ctx *m, struct dict *d, uint64_t recheck, struct arena *a,
                    struct comparison *c, struct err *reterr)
{
    struct night_map *x = &t->maps[t->n++];
    enum ec rc = EC_OK;

    x->m = m;
    if (c->verdict == VERDICT_DRIFT && asked_for(m)) {
        x->not_repaired = refuse(t, m, c);
        if (!x->not_repaired)
            rc = repair(t, m, d, recheck, a, x, c, reterr);
    }
    x->word = c->verdict;
    x->n = c->diff.all;
    snprintf(x->checked_at, sizeof(x->checked_at), "%s", c->checked_at);
    return rc;
}

/* The first keys of what differs, as the map's delta has them. */
static void keys(struct night_map *x, struct strbuf *out)
{
    struct query *q =
        store_query(x->m->state, "select substr(key, 1, 80) from delta where class in ('differ', 'only_fno', "
                                 "'only_dataverse', 'error') order by company, key limit ?1");
    const char *sep = " (";

    query_int(q, 1, SAMPLES);
    while (query_step(q)) {
        strbuf_addf(out, "%s%s", sep, query_get_str(q, 0));
        sep = ", ";
    }
    if (!query_done(q, NULL) && sep[0] == ',')
        strbuf_adds(out, x->n.differ + x->n.only_fno + x->n.only_dataverse + x->n.errors > SAMPLES ? ", ..)" : ")");
}

char *night_summary(struct night *t, bool *ret_well)
{
    struct strbuf text = STRBUF(0), all = STRBUF(0);
    size_t bad = 0, repaired = 0;
    char *ret;

    for (size_t i = 0; i < t->n; i++) {
        struct night_map *x = &t->maps[i];
        unsigned long long drift = x->n.differ + x->n.only_fno + x->n.only_dataverse + x->n.errors;

        if (x->word == VERDICT_PARITY && !x->repaired)
            continue;
        strbuf_addf(&text, "%s%s ", bad + repaired ? "; " : "", x->m->cfg->alias);
        if (x->word == VERDICT_PARITY) {
            repaired++;
            strbuf_addf(&text, "drifted, %lld rows repaired, parity", (long long)x->repaired);
            continue;
        }
        bad++;
        strbuf_addf(&text, "%s, %llu row%s", verdict_name(x->word), drift, drift == 1 ? "" : "s");
        if (drift)
            keys(x, &text);
        if (x->repaired)
            strbuf_addf(&text, " after %lld rows were repaired", (long long)x->repaired);
        if (x->not_repaired)
            strbuf_addf(&text, ", not repaired: %s", x->not_repaired);
    }
    if (bad)
        strbuf_addf(&all, "parity: %zu of %zu maps not: %s", bad, t->n, strbuf_str(&text));
    else
        strbuf_addf(&all, "parity: all %zu maps%s%s", t->n, repaired ? ": " : "", strbuf_str(&text));
    *ret_well = !bad && !repaired;
    ret = arena_strdup(&t->arena, strbuf_str(&all));
    for (char *p = ret; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' '; /* one line, whatever the keys hold */
    strbuf_release(&text);
    strbuf_release(&all);
    return ret;
}

static void say(struct night *t, const char *summary, bool well)
{
    out_str(&t->app->out, NULL, "summary", summary);
    if (t->app->out.json)
        return;
    if (!t->app->out.quiet) {
        out_line(&t->app->out, "%s", summary);
    } else if (!well) { /* cron mails what is printed */
        out_raw(&t->app->out, summary, strlen(summary));
        out_raw(&t->app->out, "\n", 1);
    }
}

/* An option wins over the setting; "{date}" in a name becomes the day. */
static const char *target(struct night *t, const char *option, const char *setting)
{
    const char *path = option_value(t->app, option), *mark;
    char now[32];

    if (!path)
        path = setting;
    mark = path ? strstr(path, "{date}") : NULL;
    if (!mark)
        return path && path[0] ? path : NULL;
    clock_format_utc(clock_utc_ms(), now);
    return arena_printf(&t->arena, "%.*s%.10s%s", (int)(mark - path), path, now, mark + 6);
}

static void write_files(struct night *t)
{
    const char *report = target(t, "--report", t->app->cfg.parity_report);
    const char *metrics = target(t, "--metrics", t->app->cfg.parity_metrics);
    struct err e = { 0 };

    if (report && report_write(t->app, report, 90, &e)) {
        out_status(&t->app->out, e.code);
        out_warn(&t->app->out, "%s", e.msg);
    }
    if (metrics && metrics_write(t->app, metrics, &e)) {
        out_status(&t->app->out, e.code);
        out_warn(&t->app->out, "%s", e.msg);
    }
}

void night_end(struct night *t, enum ec rc, bool services)
{
    struct err e = { 0 };
    bool well = true;
    char *summary;

    if (!services) /* files were compared: that is nobody's night */
        goto out;
    summary = night_summary(t, &well);
    if (!rc || t->n)
        say(t, summary, well);
    if (rc != EC_STOPPED)
        for (size_t i = 0; i < t->n; i++)
            hook_verdict(t->app, &t->maps[i], summary);
    activity_store(t->app); /* so that report and metrics have this command's costs as well */
    write_files(t);
    if (!rc && retention_run(t->app, t->n ? t->maps[0].m->pair : NULL, &e))
        out_warn(&t->app->out, "what is old was not removed: %s", e.msg);
out:
    arena_release(&t->arena);
}

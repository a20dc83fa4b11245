/*
 * reconcile_rates.c -- what each step of a run took, and what it will take with other rows and another latency.
 *
 * A step's time is its calls, one after the other, times the latency, and a time per row beyond that; what a round of the feeds takes although it
 * brings nothing is measured apart (drain). So the rates of a rehearsal on the emulator, or on a sandbox further away, carry over.
 */
#include "base/clock.h"
#include "base/file.h"
#include "dv/dv.h"
#include "erp/erp.h"
#include "sync/reconcile.h"

#include <stdio.h>
#include <string.h>

enum { PROBES = 3, MAX_RATES = 65536 };

static int64_t calls_now(const struct reconcile *r)
{
    struct session_stats f, d;
    int64_t calls;

    session_stats(erp_session(r->app->erp), &f);
    session_stats(dv_session(r->app->dv), &d);
    calls = (int64_t)f.calls + (int64_t)d.calls;
    return calls;
}

void rec_clock(struct reconcile *r, int64_t *ret_began, int64_t *ret_calls)
{
    *ret_began = clock_mono_ms();
    *ret_calls = calls_now(r);
}

void rec_took(struct reconcile *r, enum rec_step s, int64_t began, int64_t calls, int64_t rows)
{
    struct session_stats d;
    int64_t n = calls_now(r) - calls;
    struct rec_time *t = &r->rates.t[s];

    session_stats(dv_session(r->app->dv), &d);
    if (s == TIME_BULK && d.concurrency > 1)
        n /= d.concurrency; /* side by side */
    t->ms += clock_mono_ms() - began;
    t->rows += rows;
    t->calls += n;
    t->times++;
}

enum ec rates_latency(struct reconcile *r, struct err *reterr)
{
    int64_t fno = INT64_MAX, dv = INT64_MAX;
    struct dv_whoami who;
    struct arena a = { 0 };
    enum ec rc = EC_OK;

    for (int i = 0; i < PROBES && !rc; i++) {
        int64_t began = clock_mono_ms();
        char *version;

        rc = erp_version(r->app->erp, &a, &version, reterr);
        if (clock_mono_ms() - began < fno)
            fno = clock_mono_ms() - began;
        began = clock_mono_ms();
        if (!rc)
            rc = dv_whoami(r->app->dv, &who, reterr);
        if (clock_mono_ms() - began < dv)
            dv = clock_mono_ms() - began;
    }
    r->rates.fno_ms = fno;
    r->rates.dv_ms = dv;
    arena_release(&a);
    return rc;
}

enum ec rates_write(struct reconcile *r, struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    struct jsonw w = { .out = &text };
    struct arena a = { 0 };
    char now[32];
    enum ec rc;

    clock_format_utc(clock_utc_ms(), now);
    jw_begin(&w, '{');
    jw_pi64(&w, "schema", 1);
    jw_ps(&w, "at", now);
    jw_pi64(&w, "fno_latency_ms", r->rates.fno_ms);
    jw_pi64(&w, "dataverse_latency_ms", r->rates.dv_ms);
    jw_name(&w, "steps");
    jw_begin(&w, '{');
    for (int i = 0; i < TIME_STEPS; i++) {
        jw_name(&w, rec_step_word((enum rec_step)i));
        jw_begin(&w, '{');
        jw_pi64(&w, "ms", r->rates.t[i].ms);
        jw_pi64(&w, "rows", r->rates.t[i].rows);
        jw_pi64(&w, "calls", r->rates.t[i].calls);
        jw_pi64(&w, "times", r->rates.t[i].times);
        jw_end(&w, '}');
    }
    jw_end(&w, '}');
    jw_end(&w, '}');
    strbuf_addc(&text, '\n');
    rc = file_write_atomic(workspace_path(&r->app->ws, &a, ".dmfsync/rates.json"), text.buf, text.len, 0600, reterr);
    strbuf_release(&text);
    arena_release(&a);
    return rc;
}

enum ec rates_read(struct app *app, const char *path, struct rec_rates *ret, struct err *reterr)
{
    struct strbuf text = STRBUF(MAX_RATES);
    struct arena a = { 0 };
    struct json *v = NULL;
    const char *file =
        path ? workspace_path(&app->ws, &a, "%s", path) : workspace_path(&app->ws, &a, ".dmfsync/rates.json");
    enum ec rc = EC_OK;

    *ret = (struct rec_rates){ .known = false };
    if (!path && !file_exists(file))
        goto out;
    rc = file_read(file, MAX_RATES, &text, reterr);
    if (!rc)
        rc = json_parse(file, strbuf_str(&text), text.len, NULL, &a, &v, reterr);
    if (!rc && json_i64(json_get(v, "schema"), 0) != 1)
        rc = err_set(reterr, EC_CONFIG, "'%s' holds no rates of a reconcile", file);
    if (rc)
        goto out;
    ret->known = true;
    ret->fno_ms = json_i64(json_get(v, "fno_latency_ms"), 0);
    ret->dv_ms = json_i64(json_get(v, "dataverse_latency_ms"), 0);
    snprintf(ret->from, sizeof(ret->from), "%s of " CELL_FMT, path ? "rehearsal" : "run",
             CELL_ARG(json_member(v, "at")));
    for (int i = 0; i < TIME_STEPS; i++) {
        const struct json *t = json_get(json_get(v, "steps"), rec_step_word((enum rec_step)i));

        ret->t[i] = (struct rec_time){ json_i64(json_get(t, "ms"), 0), json_i64(json_get(t, "rows"), 0),
                                       json_i64(json_get(t, "calls"), 0), json_i64(json_get(t, "times"), 0) };
    }
out:
    strbuf_release(&text);
    arena_release(&a);
    return rc;
}

static double latency_of(const struct rec_rates *r, enum rec_step s)
{
    switch (s) {
    case TIME_DRAIN:
    case TIME_EXPORT:
    case TIME_SCAN: return (double)r->fno_ms;
    case TIME_IDLE:
    case TIME_CHANGES:
    case TIME_BULK:
    case TIME_VERIFY: return (double)r->dv_ms;
    default: return ((double)r->fno_ms + (double)r->dv_ms) / 2;
    }
}

/* One occurrence of a step without its latency, and its calls. */
static void per_time(const struct rec_rates *r, enum rec_step s, double *ret_ms, double *ret_calls)
{
    const struct rec_time *t = &r->t[s];
    double times = t->times ? (double)t->times : 1, ms;

    *ret_calls = (double)t->calls / times;
    ms = (double)t->ms / times - *ret_calls * latency_of(r, s);
    *ret_ms = ms < 0 ? 0 : ms;
}

/* The step that tells what this one takes when it brings nothing. */
static enum rec_step when_idle(enum rec_step s)
{
    return s == TIME_EXPORT ? TIME_DRAIN : s == TIME_CHANGES || s == TIME_VERIFY ? TIME_IDLE : TIME_STEPS;
}

int64_t rates_predict(const struct rec_rates *had, const struct rec_rates *now, enum rec_step s, int64_t rows)
{
    const struct rec_time *t = &had->t[s];
    double fixed_ms = 0, fixed_calls = 0, ms, calls, share, lat = latency_of(now, s);
    enum rec_step fixed = when_idle(s);

    if (!t->times)
        return 0;
    if (fixed != TIME_STEPS)
        per_time(had, fixed, &fixed_ms, &fixed_calls);
    ms = (double)t->ms - (double)t->calls * latency_of(had, s);
    calls = (double)t->calls;
    if (ms < 0)
        ms = 0;
    if (s == TIME_DRAIN || s == TIME_IDLE || s == TIME_STOP || s == TIME_RESUME || !t->rows) {
        per_time(had, s, &ms, &calls);
        return (int64_t)(ms + calls * lat);
    }
    fixed_ms *= (double)t->times;
    fixed_calls *= (double)t->times;
    if (fixed_ms > ms)
        fixed_ms = ms;
    if (fixed_calls > calls)
        fixed_calls = calls;
    share = (double)rows / (double)t->rows;
    return (int64_t)(fixed_ms + (ms - fixed_ms) * share + (fixed_calls + (calls - fixed_calls) * share) * lat);
}

#include "net/pace.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY_MS = 500, FILE_MAX = 4096 };

void pace_init(struct pace *p, double tps, const char *tps_file, const char *pause_file)
{
    *p = (struct pace){ .tps = tps, .looked_ms = INT64_MIN / 2 };
    p->tps_file = tps_file ? xstrdup(tps_file) : NULL;
    p->pause_file = pause_file ? xstrdup(pause_file) : NULL;
}

void pace_release(struct pace *p)
{
    free(p->tps_file);
    free(p->pause_file);
    *p = (struct pace){ 0 };
}

bool pace_rate(const char *text, double *ret)
{
    char *end;
    double v;

    text += strspn(text, " \t\r\n");
    *ret = 0;
    if (!*text)
        return true;
    v = strtod(text, &end);
    end += strspn(end, " \t\r\n");
    if (*end || !isfinite(v) || v < 0 || v > 100000)
        return false;
    *ret = v;
    return true;
}

static void look_for_rate(struct pace *p)
{
    struct strbuf text = STRBUF(0);
    struct err e = { 0 };
    double rate = 0;

    if (file_exists(p->tps_file)) {
        if (file_read(p->tps_file, FILE_MAX, &text, &e) || !pace_rate(strbuf_str(&text), &rate)) {
            log_warn("net", "--tpslimit @%s: %s; the rate stays at %g", p->tps_file,
                     e.code ? e.msg : "it holds no number", p->tps);
            rate = p->tps;
        }
    }
    strbuf_release(&text);
    if (rate < p->tps || rate > p->tps)
        log_info("net", rate > 0 ? "--tpslimit @%s: now %g requests a second" : "--tpslimit @%s: no limit now",
                 p->tps_file, rate);
    if (rate > p->tps) /* the wait that the slower rate set is over sooner */
        p->next_ms = 0;
    p->tps = rate;
}

static void look(struct pace *p, int64_t now)
{
    bool there;

    if (now - p->looked_ms < LOOK_EVERY_MS)
        return;
    p->looked_ms = now;
    if (p->tps_file)
        look_for_rate(p);
    if (!p->pause_file)
        return;
    there = file_exists(p->pause_file);
    if (there != p->paused)
        log_info("net", there ? "paused: '%s' exists" : "resumed: '%s' is gone", p->pause_file);
    p->paused = there;
}

static int64_t blocked(struct pace *p, int64_t now, int64_t wait, enum wait_reason why)
{
    if (p->why != WAIT_NONE && now - p->asked_ms < 5000) /* longer: nobody wanted to go meanwhile */
        p->waited_ms[p->why] += (uint64_t)(now - p->asked_ms);
    p->why = why;
    p->asked_ms = now;
    return wait;
}

int64_t pace_ask(struct pace *p, bool limited)
{
    int64_t now = clock_mono_ms();

    if (!p->pause_file && !p->tps_file && p->tps <= 0)
        return 0;
    look(p, now);
    if (p->paused)
        return blocked(p, now, LOOK_EVERY_MS, WAIT_PAUSE);
    if (limited && p->tps > 0 && now < p->next_ms) {
        int64_t wait = p->next_ms - now;

        /* a rate that is read from a file may rise before then */
        return blocked(p, now, p->tps_file && wait > LOOK_EVERY_MS ? LOOK_EVERY_MS : wait, WAIT_RATE);
    }
    (void)blocked(p, now, 0, WAIT_NONE);
    return 0;
}

void pace_take(struct pace *p)
{
    int64_t now = clock_mono_ms(), step;

    if (p->tps <= 0) {
        p->next_ms = 0;
        return;
    }
    step = (int64_t)(1000.0 / p->tps);
    p->next_ms = (p->next_ms > now - step ? p->next_ms : now) + step;
}

void pace_reason(const struct pace *p, char *ret, size_t n)
{
    ret[0] = 0;
    if (p->paused)
        snprintf(ret, n, "paused: the file '%.80s' exists", p->pause_file);
    else if (p->why == WAIT_RATE && p->tps > 0 && clock_mono_ms() - p->asked_ms < 5000)
        snprintf(ret, n, "--tpslimit %g", p->tps);
}

/* Progress: lines that are redrawn on a terminal, log lines elsewhere. */
#include "cli/output.h"
#include "cli/text_width.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { REDRAW_MS = 100, LOG_EVERY_MS = 30000, STALE_MS = 60000, SAVE_MS = 1000, WAITING_MS = 2000 };

struct progress_map {
    char map[34], phase[40], why[160];
    int64_t done, total;
    int64_t since_ms, first_done; /* of this phase, for the rate */
    int64_t seen_ms, logged_ms;
};

static struct progress_map *line_of(struct output *o, const char *map)
{
    for (size_t i = 0; i < o->n_running; i++)
        if (!strcmp(o->running[i].map, map))
            return &o->running[i];
    o->running = xrealloc(o->running, (o->n_running + 1) * sizeof(*o->running));
    o->running[o->n_running] = (struct progress_map){ .logged_ms = clock_mono_ms() };
    snprintf(o->running[o->n_running].map, sizeof(o->running[0].map), "%s", map);
    return &o->running[o->n_running++];
}

/* 20400 as "20,400" */
static void add_number(struct strbuf *b, int64_t v)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%lld", (long long)v);

    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            strbuf_addc(b, ',');
        strbuf_addc(b, digits[i]);
    }
}

/* Why this map does not go on: what it says itself, else what holds back the requests. */
static const char *why_of(const struct output *o, const struct progress_map *m, int64_t now)
{
    return m->why[0] ? m->why : now - o->waiting_ms < WAITING_MS ? o->waiting : "";
}

static void describe(const struct output *o, struct strbuf *b, const struct progress_map *m, int64_t now)
{
    int64_t ran = now - m->since_ms, moved = m->done - m->first_done;

    strbuf_addf(b, "%-20s %-20s ", m->map, m->phase);
    if (m->done >= 0) {
        add_number(b, m->done);
        if (m->total >= 0) {
            strbuf_adds(b, "/");
            add_number(b, m->total);
        }
    }
    if (m->done >= 0 && m->total > 0)
        strbuf_addf(b, "  %lld %%", (long long)(m->done * 100 / m->total));
    if (ran >= 1000 && moved > 0) {
        strbuf_adds(b, "  ");
        add_number(b, moved * 1000 / ran);
        strbuf_adds(b, "/s");
        if (m->total > m->done) {
            double left_s = (double)(m->total - m->done) * (double)ran / (double)moved / 1000.0;
            int64_t s = left_s < 360000.0 ? (int64_t)left_s + 1 : 360000;

            if (s >= 3600)
                strbuf_addf(b, "  ETA %lld:%02lld:%02lld", (long long)(s / 3600), (long long)(s / 60 % 60),
                            (long long)(s % 60));
            else
                strbuf_addf(b, "  ETA %lld:%02lld", (long long)(s / 60), (long long)(s % 60));
        }
    }
    if (why_of(o, m, now)[0])
        strbuf_addf(b, "  waiting: %s", why_of(o, m, now));
}

static size_t terminal_width(void)
{
    struct winsize w;

    return !ioctl(2, TIOCGWINSZ, &w) && w.ws_col >= 20 ? w.ws_col : 80;
}

/* Back to the first of our lines, everything from there on erased. */
static void erase(struct output *o, struct strbuf *b)
{
    if (!o->progress_lines)
        return;
    if (o->progress_lines > 1)
        strbuf_addf(b, "\033[%dA", o->progress_lines - 1);
    strbuf_adds(b, "\r\033[J");
    o->progress_lines = 0;
}

static void write_out(const struct strbuf *b)
{
    for (size_t at = 0; at < b->len;) {
        ssize_t n = write(2, b->buf + at, b->len - at);

        if (n <= 0)
            return; /* progress is a courtesy */
        at += (size_t)n;
    }
}

static void redraw(struct output *o, int64_t now)
{
    struct strbuf b = STRBUF(0), line = STRBUF(0);
    size_t width = terminal_width() - 1;

    fflush(stdout);
    erase(o, &b);
    for (size_t i = 0; i < o->n_running; i++) {
        struct cell shown;

        if (now - o->running[i].seen_ms > STALE_MS)
            continue; /* a map that is done without having said so */
        strbuf_reset(&line);
        describe(o, &line, &o->running[i], now);
        shown = text_cut((struct cell){ strbuf_str(&line), line.len }, width);
        if (o->progress_lines)
            strbuf_addc(&b, '\n');
        strbuf_add(&b, shown.ptr, shown.len);
        o->progress_lines++;
    }
    write_out(&b);
    strbuf_release(&b);
    strbuf_release(&line);
}

static void write_file(const char *path, const struct strbuf *b)
{
    struct strbuf part = STRBUF(0);
    FILE *f;
    bool good;

    strbuf_addf(&part, "%s.part", path);
    f = fopen(part.buf, "we");
    good = f && fwrite(b->buf, 1, b->len, f) == b->len;
    if (f && fclose(f) != 0)
        good = false;
    if (!good || rename(part.buf, path) < 0)
        (void)unlink(part.buf); /* a courtesy, too */
    strbuf_release(&part);
}

static void save(struct output *o, int64_t now)
{
    struct strbuf b = STRBUF(0);
    struct jsonw w = { .out = &b };
    char at[32];

    if (!o->progress_file || now - o->saved_ms < SAVE_MS)
        return;
    o->saved_ms = now;
    clock_format_utc(clock_utc_ms(), at);
    jw_begin(&w, '{');
    jw_ps(&w, "at", at);
    jw_name(&w, "maps");
    jw_begin(&w, '[');
    for (size_t i = 0; i < o->n_running; i++) {
        const struct progress_map *m = &o->running[i];

        if (now - m->seen_ms > STALE_MS)
            continue;
        jw_begin(&w, '{');
        jw_ps(&w, "map", m->map);
        jw_ps(&w, "phase", m->phase);
        jw_pi64(&w, "done", m->done);
        jw_pi64(&w, "total", m->total);
        jw_ps(&w, "why", m->why);
        jw_end(&w, '}');
    }
    jw_end(&w, ']');
    if (o->waiting[0] && now - o->waiting_ms < WAITING_MS) {
        jw_name(&w, "waiting");
        jw_begin(&w, '{');
        jw_ps(&w, "why", o->waiting);
        if (o->waiting_until) {
            clock_format_utc(o->waiting_until, at);
            jw_ps(&w, "until", at);
        }
        jw_end(&w, '}');
    }
    jw_end(&w, '}');
    strbuf_addc(&b, '\n');
    write_file(o->progress_file, &b);
    strbuf_release(&b);
}

void progress_keep(struct output *o, const char *path)
{
    if (o->progress_file)
        (void)unlink(o->progress_file);
    free(o->progress_file);
    o->progress_file = path ? xstrdup(path) : NULL;
    o->saved_ms = 0;
}

void progress_waiting(struct output *o, const char *reason, int64_t until_utc_ms)
{
    int64_t now = clock_mono_ms();

    snprintf(o->waiting, sizeof(o->waiting), "%s", reason);
    o->waiting_until = until_utc_ms;
    o->waiting_ms = now;
    save(o, now);
    if (o->progress && o->n_running && now - o->last_progress_ms >= REDRAW_MS) {
        for (size_t i = 0; reason[0] && i < o->n_running; i++)
            if (now - o->running[i].seen_ms < STALE_MS)
                o->running[i].seen_ms = now; /* it waits, it has not gone */
        o->last_progress_ms = now;
        redraw(o, now);
    }
}

void progress_update(struct output *o, const char *map, const char *phase, int64_t done, int64_t total,
                     const char *why)
{
    int64_t now = clock_mono_ms();
    struct progress_map *m = line_of(o, map);
    bool changed = strncmp(m->phase, phase, sizeof(m->phase) - 1) || (why && why[0] && !m->why[0]);

    if (strncmp(m->phase, phase, sizeof(m->phase) - 1) || done < m->done) {
        snprintf(m->phase, sizeof(m->phase), "%s", phase);
        m->since_ms = now;
        m->first_done = done;
    }
    m->done = done;
    m->total = total;
    m->seen_ms = now;
    snprintf(m->why, sizeof(m->why), "%s", why ? why : "");
    save(o, now);
    if (o->quiet)
        return;
    if (o->progress) {
        if (now - o->last_progress_ms >= REDRAW_MS || changed) {
            o->last_progress_ms = now;
            redraw(o, now);
        }
    } else if (now - m->logged_ms >= LOG_EVERY_MS) {
        struct strbuf b = STRBUF(0);

        m->logged_ms = now;
        describe(o, &b, m, now);
        log_info("progress", "%s", strbuf_str(&b));
        strbuf_release(&b);
    }
}

void progress_erase(struct output *o)
{
    struct strbuf b = STRBUF(0);

    erase(o, &b);
    write_out(&b);
    strbuf_release(&b);
    o->last_progress_ms = 0;
}

void progress_clear(struct output *o)
{
    progress_erase(o);
    for (size_t i = 0; i < o->n_running; i++)
        o->running[i].seen_ms = INT64_MIN / 2; /* not shown any more */
    /* Without a terminal the time of the last log line is kept, so that many short spans stay quiet. */
    if (o->progress)
        o->n_running = 0;
}

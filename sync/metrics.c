/*
 * metrics.c -- the numbers of a workspace in Prometheus' text format (version 0.0.4), for node_exporter's textfile collector.
 * Every map of the settings has every series, so that an alert on a missing or old value works from the first day; the time of the
 * last green verdict is 0 where there is none. Labels are the alias and short words of ours, never data of a row.
 */
#include "sync/report.h"

#include <stdio.h>

extern const char DMFSYNC_VERSION[];

static void family(struct strbuf *out, const char *name, const char *type, const char *help)
{
    strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Backslash, quote and line feed are escaped in label values; what is no UTF-8 does not get into the file. */
static void label(struct strbuf *out, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n;) {
        size_t len = utf8_decode(text + i, n - i, NULL);

        if (text[i] == '\\' || text[i] == '"')
            strbuf_addf(out, "\\%c", text[i]);
        else if (text[i] == '\n')
            strbuf_adds(out, "\\n");
        else if (!len)
            strbuf_adds(out, "\xef\xbf\xbd");
        else
            strbuf_add(out, text + i, len);
        i += len ? len : 1;
    }
}

static void sample(struct strbuf *out, const char *name, const char *map, const char *label2, const char *value2,
                   int64_t v)
{
    strbuf_adds(out, name);
    if (map || label2) {
        strbuf_addc(out, '{');
        if (map) {
            strbuf_adds(out, "map=\"");
            label(out, map);
            strbuf_addc(out, '"');
        }
        if (label2) {
            strbuf_addf(out, "%s%s=\"", map ? "," : "", label2);
            label(out, value2);
            strbuf_addc(out, '"');
        }
        strbuf_addc(out, '}');
    }
    strbuf_addf(out, " %lld\n", (long long)v);
}

typedef int64_t map_value(const struct report *r, const struct report_map *m);

static int64_t green(const struct report *r, const struct report_map *m)
{
    (void)r;
    return m->green_ms / 1000;
}
static int64_t checked(const struct report *r, const struct report_map *m)
{
    (void)r;
    return m->checked_ms / 1000;
}
static int64_t parity(const struct report *r, const struct report_map *m)
{
    (void)r;
    return m->has_verdict && m->word == VERDICT_PARITY;
}
static int64_t gate_is_open(const struct report *r, const struct report_map *m)
{
    (void)r;
    return !strcmp(m->gate, "open");
}
static int64_t rows_fno(const struct report *r, const struct report_map *m)
{
    (void)r;
    return m->n.fno_rows;
}
static int64_t rows_dataverse(const struct report *r, const struct report_map *m)
{
    (void)r;
    return m->n.dataverse_rows;
}
static int64_t failed(const struct report *r, const struct report_map *m)
{
    (void)r;
    return m->failed_rows;
}
static int64_t lag(const struct report *r, const struct report_map *m)
{
    return m->oldest_pending_ms && r->now_ms > m->oldest_pending_ms ? (r->now_ms - m->oldest_pending_ms) / 1000 : 0;
}
static int64_t cursor(const struct report *r, const struct report_map *m)
{
    (void)r;
    return m->cursor_ms / 1000;
}

static void per_map(struct report *r, struct strbuf *out, const char *name, const char *help, map_value *value)
{
    family(out, name, "gauge", help);
    for (size_t i = 0; i < r->n_maps; i++)
        sample(out, name, r->maps[i].alias, NULL, NULL, value(r, &r->maps[i]));
}

static void keys(struct report *r, struct strbuf *out)
{
    static const struct {
        const char *class;
        size_t at;
    } CLASSES[] = { { "equal", offsetof(struct report_counts, equal) },
                    { "differ", offsetof(struct report_counts, differ) },
                    { "only_fno", offsetof(struct report_counts, only_fno) },
                    { "only_dataverse", offsetof(struct report_counts, only_dataverse) },
                    { "waiting", offsetof(struct report_counts, waiting) },
                    { "waived", offsetof(struct report_counts, waived) },
                    { "in_flight", offsetof(struct report_counts, in_flight) },
                    { "error", offsetof(struct report_counts, errors) } };

    family(out, "dmfsync_keys", "gauge", "Keys of the last comparison by class; the classes sum to all keys.");
    for (size_t i = 0; i < r->n_maps; i++)
        for (size_t k = 0; k < COUNT(CLASSES); k++)
            sample(out, "dmfsync_keys", r->maps[i].alias, "class", CLASSES[k].class,
                   *(const int64_t *)((const char *)&r->maps[i].n + CLASSES[k].at));
}

static void changes(struct report *r, struct strbuf *out)
{
    family(out, "dmfsync_changes", "gauge", "Changes of the incremental stage that are not done, by state.");
    for (size_t i = 0; i < r->n_maps; i++) {
        const struct report_map *m = &r->maps[i];

        sample(out, "dmfsync_changes", m->alias, "state", "pending", m->pending);
        sample(out, "dmfsync_changes", m->alias, "state", "parked", m->parked);
        sample(out, "dmfsync_changes", m->alias, "state", "conflict", m->conflicts);
        sample(out, "dmfsync_changes", m->alias, "state", "refused", m->poison);
    }
}

static void services(struct report *r, struct strbuf *out)
{
    static const char *const SIDES[] = { "fno", "dataverse" };
    const struct report_activity *last = r->n_activity ? &r->activity[0] : NULL;

    family(out, "dmfsync_service_calls", "gauge", "Calls to the service today and yesterday (UTC).");
    for (int i = 0; i < 2; i++)
        sample(out, "dmfsync_service_calls", NULL, "service", SIDES[i], r->total.calls[i]);
    family(out, "dmfsync_service_throttled", "gauge",
           "Calls that the service throttled (429) today and yesterday (UTC).");
    for (int i = 0; i < 2; i++)
        sample(out, "dmfsync_service_throttled", NULL, "service", SIDES[i], r->total.throttled[i]);
    family(out, "dmfsync_service_waited_seconds", "gauge",
           "Time waited because of throttling today and yesterday (UTC).");
    for (int i = 0; i < 2; i++)
        sample(out, "dmfsync_service_waited_seconds", NULL, "service", SIDES[i], r->total.waited_ms[i] / 1000);
    if (!last)
        return;
    family(out, "dmfsync_last_command_time_seconds", "gauge",
           "When the last command that asked a service ended (Unix time).");
    sample(out, "dmfsync_last_command_time_seconds", NULL, "command", last->command, last->ended_ms / 1000);
    family(out, "dmfsync_last_command_status", "gauge", "Its exit status.");
    sample(out, "dmfsync_last_command_status", NULL, "command", last->command, last->status);
}

void metrics_text(struct report *r, struct strbuf *out)
{
    family(out, "dmfsync_info", "gauge", "The program that wrote this file; always 1.");
    sample(out, "dmfsync_info", NULL, "version", DMFSYNC_VERSION, 1);
    family(out, "dmfsync_metrics_time_seconds", "gauge", "When this file was written (Unix time).");
    sample(out, "dmfsync_metrics_time_seconds", NULL, NULL, NULL, r->now_ms / 1000);
    per_map(r, out, "dmfsync_last_green_time_seconds",
            "When the map was last proven to be at parity (Unix time), 0 when it never was.", green);
    per_map(r, out, "dmfsync_last_verdict_time_seconds",
            "When the map was last compared (Unix time), 0 when it never was.", checked);
    per_map(r, out, "dmfsync_parity", "1 when the last verdict is parity.", parity);
    per_map(r, out, "dmfsync_gate_open", "1 when the gate for incremental sync is open.", gate_is_open);
    per_map(r, out, "dmfsync_fno_rows", "Rows of F&O in the last comparison.", rows_fno);
    per_map(r, out, "dmfsync_dataverse_rows", "Rows of Dataverse in the last comparison.", rows_dataverse);
    keys(r, out);
    changes(r, out);
    per_map(r, out, "dmfsync_lag_seconds",
            "Age of the oldest change that was read and is not applied, 0 when none waits.", lag);
    per_map(r, out, "dmfsync_feed_time_seconds",
            "When a feed's position moved last (Unix time), 0 when it never did.", cursor);
    per_map(r, out, "dmfsync_failed_rows", "Rows of the last load that did not arrive.", failed);
    services(r, out);
}

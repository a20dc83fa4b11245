/*
 * report.h -- what is known about a workspace, gathered once, for the page of `report`, the numbers of `metrics` and `history`.
 * Layer: sync. Only reads: work.db and each map's state.db are opened as a status command opens them, so a working process is
 * never waited for nor disturbed; a table that an older workspace lacks counts as empty. Everything lives in the report's arena.
 * Memory does not grow with rows: lists are cut (the counts are not). Threads: one.
 */
#ifndef SYNC_REPORT_H
#define SYNC_REPORT_H

#include "sync/verdict.h"

#define REPORT_DAY_MS INT64_C(86400000)

struct report_counts { /* of one verdict; absent numbers are 0 */
    int64_t fno_rows, dataverse_rows, keys, equal, differ, only_fno, only_dataverse;
    int64_t waiting, waived, in_flight, errors, excluded_fno, excluded_dataverse;
    bool same_digest; /* both sides' digests are there and equal */
};
int64_t report_drift(const struct report_counts *n); /* what makes a verdict red, without what waits */
struct report_company {
    const char *company;
    struct report_counts n;
};
/* One day of one map; days without a verdict have word -1. The worst verdict of the day counts. */
struct report_day {
    int word; /* enum verdict_word, -1 = none */
    int verdicts;
    int64_t drift;
};
struct report_error { /* failed rows of one cause */
    const char *alias, *side, *stage, *code, *message;
    const char *key, *field; /* of the first row */
    int64_t line, rows; /* line -1 = none */
};
struct report_item { /* a conflict, a parked row, a waiver, a differing row */
    const char *alias, *key, *a, *b, *c, *at;
};
struct report_list {
    struct report_item *v;
    size_t n;
    int64_t total;
};
struct report_map {
    const char *alias, *name;
    bool has_verdict, stale;
    enum verdict_word word;
    int64_t checked_ms, green_ms; /* last verdict, last green one; 0 = none */
    int64_t since_ms; /* since when the verdict is what it is */
    char checked_at[32];
    struct report_counts n;
    struct report_company *companies;
    size_t n_companies;
    const char *gate, *gate_reason; /* "open", "closed", "never opened" */
    struct report_day *days; /* report->n_days of them, the last is today */
    int64_t pending, parked, conflicts, poison; /* now, of the incremental stage */
    int64_t oldest_pending_ms; /* when the oldest change that waits was read; 0 = none waits */
    int64_t cursor_ms; /* when the feed's position moved last; 0 = it never did */
    int64_t failed_rows; /* of the last load, and of writes since */
    int64_t source_rows; /* of the last load's source */
    int64_t load_rows, load_ms; /* rows and time of the last load's packages */
    int64_t read_rows, read_ms; /* of the last pair of snapshots */
};
struct report_run {
    int64_t id;
    const char *kind, *state;
    int64_t started_ms, ended_ms; /* 0 = not ended */
};
struct report_activity { /* one command's calls to the services */
    const char *command;
    int64_t started_ms, ended_ms, status;
    int64_t calls[2], retries[2], throttled[2], waited_ms[2], octets[2]; /* F&O, Dataverse */
};
struct report_service_day {
    int64_t calls[2], throttled[2], waited_ms[2];
};
struct report {
    struct arena arena;
    struct app *app;
    int64_t now_ms, first_day; /* days since 1970 of days[0] */
    size_t n_days;
    struct report_map *maps;
    size_t n_maps;
    struct report_run *runs; /* the newest first, at most REPORT_RUNS */
    size_t n_runs;
    struct report_activity *activity;
    size_t n_activity;
    struct report_activity total; /* over the days of the report */
    struct report_service_day *service_days;
    struct report_error *errors; /* the most rows first, at most REPORT_ERRORS */
    size_t n_errors;
    int64_t error_rows, error_kinds;
    struct report_list conflicts, parked, waivers, drift;
};
enum { REPORT_RUNS = 15, REPORT_ERRORS = 40, REPORT_ITEMS = 25, REPORT_COMPANIES = 400 };

enum ec report_gather(struct app *app, size_t days, struct report *ret, struct err *reterr);
void report_release(struct report *r);
int64_t report_time(struct cell c); /* a time of the catalog in ms; 0 when it is none */
bool report_has_table(struct store *s, const char *name);
/* Adds what one map's state.db holds (report_state.c). */
enum ec report_state(struct report *r, struct report_map *m, struct store *state, struct err *reterr);
/* Failed rows are collected map by map and sorted at the end (report_errors.c). */
struct report_causes;
struct report_causes *report_causes_new(struct report *r);
enum ec report_causes_add(struct report_causes *c, struct store *state, struct report_map *m, struct err *reterr);
void report_causes_end(struct report_causes *c);

/* ---- may we go live? ---- */
enum report_answer { REPORT_YES, REPORT_NO, REPORT_UNPROVEN };
struct report_finding {
    bool blocks;
    const char *map; /* alias, NULL = the workspace */
    const char *text, *todo; /* todo: a command or a sentence; NULL = none */
};
struct report_summary {
    enum report_answer answer;
    const char *headline;
    struct report_finding *v;
    size_t n;
    size_t green;
};
void report_judge(struct report *r, struct report_summary *ret);

/* ---- the page ---- */
void report_html(struct report *r, struct strbuf *out);
/* Text between tags or inside of a quoted attribute: markup escaped, controls, broken UTF-8 and direction marks shown as U+FFFD,
 * secrets removed, cut after `max` characters (0 = not). */
void html_text(struct strbuf *out, struct cell text, size_t max);
void html_str(struct strbuf *out, const char *text);
void html_number(struct strbuf *out, int64_t n); /* 1 234 567 with thin blanks */
/* Charts: inline SVG with a title and a text alternative (report_svg.c). */
void svg_calendar(struct report *r, struct strbuf *out);
void svg_drift(struct report *r, struct strbuf *out);
void svg_service(struct report *r, struct strbuf *out);
void svg_share(struct strbuf *out, const struct report_counts *n);
void report_day_name(int64_t day, char ret[static 16]); /* 2026-01-31 */

/* ---- metrics ---- */
void metrics_text(struct report *r, struct strbuf *out);

/* Both write through a neighbour and a rename: a reader sees the old file or the new one, whole. */
enum ec report_write(struct app *app, const char *path, size_t days, struct err *reterr);
enum ec metrics_write(struct app *app, const char *path, struct err *reterr);

#endif

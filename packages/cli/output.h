/*
 * output.h -- what the user sees: results on standard output, progress and log on standard error.
 * Layer: cli. With --json the only thing on standard output is one object
 * {"schema":1,"ok":true,"command":"parity","data":{},"warnings":[]} or "ok":false with "error":{"code","message","hint"}
 * (and data when there is some). Several exit statuses may apply to a run: they are collected here, the one that comes
 * first in the order of docs/commands.md is the process's, all are in data.statuses. Text tables fit the terminal.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "data/json.h"

struct output {
    struct arena arena;
    bool json, quiet, color, progress; /* progress: standard error is a terminal and not --no-progress */
    struct json *data;     /* object; commands fill it with out_*() */
    struct json *warnings; /* array of strings */
    uint32_t statuses;     /* bit per enum ec seen */
    int width;
    int64_t last_progress_ms;
    int progress_lines;
};
/* Text for people; nothing with --json. */
void out_line(struct output *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
void out_raw(struct output *o, const char *p, size_t n); /* rows of --format jsonl and the like: printed even with --quiet */
void out_warn(struct output *o, const char *fmt, ...) PRINTF_LIKE(2, 3); /* standard error + warnings[] */
/* A further status that applies (rows failed, differences found, conflicts wait) although the command goes on. */
void out_status(struct output *o, enum ec code);
/* data members */
struct json *out_object(struct output *o, struct json *parent, const char *name); /* parent NULL = data */
struct json *out_array(struct output *o, struct json *parent, const char *name);
void out_str(struct output *o, struct json *obj, const char *name, const char *value); /* NULL = null */
void out_cell(struct output *o, struct json *obj, const char *name, struct cell value);
void out_int(struct output *o, struct json *obj, const char *name, int64_t value);
void out_bool(struct output *o, struct json *obj, const char *name, bool value);
/* A table for people: columns with headers, numbers right-aligned, cut to the width with "…". */
struct table;
struct table *table_new(struct output *o, const char *const *headers, size_t n, const char *align); /* "lrr": l or r */
void table_cell(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3); /* fills row after row */
void table_print(struct table *t); /* prints and frees */
/*
 * Progress: one line per running map, redrawn at most 10 times a second on a terminal; without one a log line at most
 * every 30 seconds per map. done < 0 = unknown, total < 0 = unknown. `why` = reason for waiting, "" = it does not.
 */
void progress_update(struct output *o, const char *map, const char *phase, int64_t done, int64_t total, const char *why);
void progress_clear(struct output *o);

#endif

/*
 * output.h -- what the user sees: results on standard output, progress and log on standard error.
 * Layer: cli. With --json the only thing on standard output is one object
 * {"schema":1,"ok":true,"command":"parity","data":{},"warnings":[]} or "ok":false with
 * "error":{"code","message","hint"} (and data when there is some). Several exit statuses may apply to a run: they are
 * collected here, the one that comes first in the order of docs/commands.md is the process's, all are in
 * data.statuses. Text tables fit the terminal.
 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include "data/json.h"

struct output {
    struct arena arena;
    bool json, quiet, color, progress; /* progress: standard error is a terminal and not --no-progress */
    struct json *data; /* object; commands fill it with out_*() */
    struct json *warnings; /* array of strings */
    uint32_t statuses; /* bit per enum ec seen */
    int width;
    int64_t last_progress_ms;
    int progress_lines;
    struct progress_map *running; /* lines of progress, one per map (progress.c) */
    size_t n_running;
    char *progress_file; /* what `status` of another process reads; NULL = none */
    int64_t saved_ms, waiting_ms; /* monotonic: when it was written, when `waiting` was said */
    char waiting[160]; /* why no request goes out, "" = they do */
    int64_t waiting_until; /* UTC, 0 = not known */
};
/*
 * json, quiet and no_progress as on the command line; looks at the terminal. Everything is freed by
 * output_release().
 */
void output_init(struct output *o, bool json, bool quiet, bool no_progress);
void output_release(struct output *o);
/* Text for people; nothing with --json. */
void out_line(struct output *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
void out_raw(struct output *o, const char *p,
             size_t n); /* rows of --format jsonl and the like: printed even with --quiet */
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
/* A table for people: columns with headers, numbers right-aligned, cut to the width with "…"; where too little would be left
 * of a column, each row takes several lines. */
struct table;
struct table *table_new(struct output *o, const char *const *headers, size_t n,
                        const char *align); /* "lrr": l or r */
void table_cell(struct table *t, const char *fmt, ...) PRINTF_LIKE(2, 3); /* fills row after row */
void table_print(struct table *t); /* prints and frees */
/*
 * Progress: one line per running map, redrawn at most 10 times a second on a terminal; without one a log line at most
 * every 30 seconds per map. done < 0 = unknown, total < 0 = unknown. `why` = reason for waiting, "" = it does not.
 */
void progress_update(struct output *o, const char *map, const char *phase, int64_t done, int64_t total,
                     const char *why);
void progress_clear(struct output *o); /* the maps shown are done */
/* Why no request to a service goes out at the moment, and until when (UTC, 0 = not known); "" = they do. */
void progress_waiting(struct output *o, const char *reason, int64_t until_utc_ms);
/*
 * From now on the same is kept in a file, at most once a second: {"at":"..","maps":[{"map","phase","done","total","why"}],
 * "waiting":{"why","until"}}. NULL removes it. It is not made durable: it says what a living process does.
 */
void progress_keep(struct output *o, const char *path);
void progress_erase(struct output *o); /* takes the lines off the terminal until the next update */

/* ---- the end of a run (command_main) ---- */
/*
 * Exit statuses and what they mean, in the order in which one wins over the next: the numbers of docs/commands.md.
 * The entry of a run that was ended by a signal comes first with status 130; its number is 128 + the signal.
 */
struct exit_status {
    int status;
    const char *meaning; /* "differences found" */
};
extern const struct exit_status EXIT_STATUSES[]; /* ends with meaning NULL; 0 is not in it */
/* The process's status for a set of codes (bit per enum ec); signo = the signal that stopped the run, 0 = none. */
int status_of(uint32_t codes, int signo);
/*
 * All statuses that apply, in that order; at least one entry (0 when nothing else does). At most COUNT of them: 20.
 */
size_t status_list(uint32_t codes, int signo, int ret[static 20]);
const char *status_meaning(int status);
/*
 * Prints the end: with --json the envelope, else the error of `e` (rc not EC_OK) as "dmfsync: message" and "hint:
 * ..." on standard error. Returns false when standard output could not be written (*reterr says why; a reader that
 * went away is not an error).
 */
bool output_finish(struct output *o, const char *command, enum ec rc, const struct err *e, int signo,
                   struct err *reterr);

#endif

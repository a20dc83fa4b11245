/*
 * night.h -- what makes `parity` fit for cron: repair where it is configured, one line that says what is wrong, a program of the
 * user's when a verdict changes, report and metrics, retention.
 * Layer: sync. Nothing here changes a verdict: what fails is a warning. Threads: one.
 */
#ifndef SYNC_NIGHT_H
#define SYNC_NIGHT_H

#include "sync/compare.h"

struct night_map {
    struct map_ctx *m;
    enum verdict_word word;
    struct diff_counts n;
    char checked_at[32];
    int64_t repaired; /* rows written by the automatic repair */
    const char *not_repaired; /* why it was not tried or did not help; NULL = it was not asked for */
};
struct night {
    struct app *app;
    struct arena arena;
    struct night_map *maps;
    size_t n;
};
void night_begin(struct night *t, struct app *app, size_t maps);
/*
 * After its verdict is stored. A drifting map whose settings say auto_repair is repaired when the guard allows it, compared again,
 * and its new verdict stored; *c is the comparison that counts. Nothing is deleted.
 */
enum ec night_after(struct night *t, struct map_ctx *m, struct dict *d, uint64_t recheck, struct arena *a,
                    struct comparison *c, struct err *reterr);
/*
 * The end: with what was compared until then, also when the command failed (rc). The summary line (also under --quiet, when something
 * is wrong or was repaired), the hook, retention, report and metrics.
 */
void night_end(struct night *t, enum ec rc, bool services);

/* Rows of a map's delta that repair would write; and how many the guard allows. */
int64_t night_repair_rows(const struct map_ctx *m, const struct diff_counts *n);
int64_t night_allowed(const char *share, int64_t keys);
/* "2 of 9 maps: customers drift, 3 rows (usmf|C-1, usmf|C-2, usmf|C-3); vendors ..." */
char *night_summary(struct night *t, bool *ret_well);

#endif

/*
 * verdict.h -- the parity verdict of a map and the gate it opens.
 * Layer: sync. parity: differ, only_*, errors are zero and waiting within max_waiting; drift otherwise; unknown when a side could
 * not be read whole. Fresh: younger than verdict_max_age, same settings and map, no load since. Threads: one.
 */
#ifndef SYNC_VERDICT_H
#define SYNC_VERDICT_H

#include "sync/diff.h"

enum verdict_word { VERDICT_PARITY, VERDICT_DRIFT, VERDICT_UNKNOWN };
const char *verdict_name(enum verdict_word v);
enum verdict_word verdict_word_of(struct cell name);
/* Differing keys within the map's tolerance are parity still, and counted in r->tolerated; they open no gate. */
enum verdict_word verdict_of(const struct map_ctx *m, struct diff_result *r);
/* Stores it, and closes the gate of that map when it is not parity. Returns the verdict's id. */
enum ec verdict_store(struct map_ctx *m, int64_t run_id, enum verdict_word v, const struct diff_result *r,
                      int64_t *ret_id, struct err *reterr);
/* The object of `parity --json` for this map, appended to parent[] of the output. */
enum ec verdict_output(struct map_ctx *m, struct json *array, enum verdict_word v, const struct diff_result *r,
                       const char *checked_at, struct err *reterr);
/* "1%" of n, or a number of its own: max_delete, tolerance. */
uint64_t share_of(const char *share, uint64_t n);
/* So many deletions max_delete allows where the base has n rows: a map's, or one company's. *ret_share: the setting. */
uint64_t deletes_allowed(const struct map_ctx *m, uint64_t n, const char **ret_share);
struct verdict_row {
    int64_t id;
    enum verdict_word word;
    char checked_at[32];
    char map_hash[65];
    char *data;
    uint64_t tolerated;
    int canon; /* version of the canonical rules that it went by */
};
enum ec verdict_latest(struct map_ctx *m, struct arena *a, struct verdict_row *ret,
                       struct err *reterr); /* EC_NOTFOUND */

/* Baseline from a Dataverse snapshot proven equal; clears overlay and pending changes; sets both cursors. */
enum ec baseline_set(struct map_ctx *m, const struct snapshot *dv, struct err *reterr);
/* Row of the merge base: overlay first, else the leaf. cells NULL = not in the base. */
struct base_row {
    struct cell *cells;
    struct cell dv_id;
    bool deleted;
};
struct baseline;
enum ec baseline_open(struct map_ctx *m, struct baseline **ret, struct err *reterr); /* EC_NOTFOUND = none set */
void baseline_close(struct baseline *b);
enum ec baseline_row(struct baseline *b, struct digest key, struct arena *a, struct base_row *ret,
                     struct err *reterr);
/* Inside the caller's transaction on the map's state.db. cells NULL = deleted on both sides. */
enum ec baseline_put(struct map_ctx *m, struct digest key, struct cell key_text, const struct cell *cells,
                     struct cell dv_id, struct err *reterr);

/* Every row of the base that is not deleted, in the order of the key digests; the function may write to the map's state. */
typedef enum ec baseline_fn(void *arg, struct digest key, const struct base_row *row, struct err *reterr);
enum ec baseline_each(struct baseline *b, baseline_fn *fn, void *arg, struct err *reterr);
/* Those of them that the set of keys does not hold. */
enum ec baseline_missing(struct baseline *b, struct leaf_file *seen, baseline_fn *fn, void *arg, struct err *reterr);
/*
 * What changed since the base's file was made goes into a new file, once that is more than 5 % of its rows and at least [sync]
 * compact_from: rows streamed into "snap-N-base-K.db", then one transaction names it and empties the overlay. Ended in between, the old
 * file and the overlay are as they were. Needs the workspace's lock, and no open baseline of the caller's.
 */
enum ec baseline_compact(struct map_ctx *m, struct err *reterr);
/* Rows of the base's file per company; none when there is no base. */
enum ec baseline_companies(struct map_ctx *m, struct arena *a, struct leaf_company **ret, size_t *ret_n,
                           struct err *reterr);
uint64_t leaf_company_rows(const struct leaf_company *list, size_t n, struct cell company);
/* Is this file the base made of that snapshot, or what compaction made of it since? */
bool baseline_made_of(const char *base_file, const char *snapshot_file);
/* Feed positions: side dataverse (delta link) or fno (per company: the execution that set the position). NULL = none. */
enum ec cursor_set(struct map_ctx *m, const char *side, const char *company, const char *value, struct err *reterr);
enum ec cursor_get(struct map_ctx *m, const char *side, const char *company, struct arena *a, char **ret,
                   struct err *reterr);

enum gate_state { GATE_NONE, GATE_OPEN, GATE_CLOSED };
enum ec gate_read(struct map_ctx *m, enum gate_state *ret, char ret_reason[static 400], struct err *reterr);
/* Open but for the canonical rules: it was opened under another version of them, and nothing else changed since. */
enum ec gate_waits_for_rules(struct map_ctx *m, bool *ret, struct err *reterr);
/* Refuses (EC_GUARD, with the reason) unless the latest verdict is parity, fresh, of this map and settings. */
enum ec gate_open(struct map_ctx *m, struct err *reterr);
enum ec gate_check(struct map_ctx *m, struct err *reterr); /* the same rules, nothing opened */
/* The newest Dataverse snapshot becomes the base, the F&O feed has a position before it, the gate opens (cmd_gate.c). */
/* The compared state becomes the base and the feeds' positions are set; nothing when that was done for this comparison already. */
enum ec gate_take_base(struct map_ctx *m, struct err *reterr);
/* The gate of a map that dual-write carries from now on: proven by the caller. */
enum ec gate_handed_over(struct map_ctx *m, const char *reason, struct err *reterr);
enum ec gate_hand_over(struct map_ctx *m, struct err *reterr);
enum ec gate_close(struct map_ctx *m, const char *reason, struct err *reterr);

#endif

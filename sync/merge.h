/*
 * merge.h -- three-way merge of one record, field by field. Pure: no I/O, tested as a table.
 * Layer: sync. Changes to different fields both survive; the same field changed on both sides follows its rule; equal changes
 * are no conflict. Two records made independently under one key: what is blank on one side is filled from the other, what both
 * filled differently is a conflict. Fields flow only where their direction allows; a one-way field changed against its direction is reported.
 */
#ifndef SYNC_MERGE_H
#define SYNC_MERGE_H

#include "map/bind.h"

enum merge_rule { MERGE_MASTER, MERGE_NEWEST, MERGE_QUEUE };
enum merge_word { WORD_NONE, WORD_FNO, WORD_DV }; /* a person's word about one record: this side is right */
enum merge_action { MERGE_NOTHING, MERGE_UPDATE, MERGE_CREATE, MERGE_DELETE, MERGE_WAIT };
struct merge_in {
    const struct binding *b;
    const struct cell *base; /* NULL = not in the base */
    const struct cell *fno; /* NULL = not there (deleted or never) */
    const struct cell *dv;
    enum merge_rule rule;
    enum merge_word word;
    int64_t fno_time_ms, dv_time_ms, skew_ms; /* MERGE_NEWEST; 0 = unknown (falls back to MASTER) */
};
struct merge_conflict {
    int field;
    struct cell base, fno, dv;
    bool open;
    bool fno_won;
    const char *rule; /* what decided: master, newest, queue (open), resolve */
};
struct merge_out {
    enum merge_action to_fno, to_dv;
    bool *fno_fields, *dv_fields; /* binding->n each: which to write */
    struct cell *merged; /* the new base row; NULL when deleted or nothing merged */
    struct merge_conflict *conflicts;
    size_t n_conflicts;
    bool delete_update; /* one side deleted, the other changed: waits, an edit is never thrown away by a deletion */
    bool against; /* a one-way field was changed against its direction */
    bool by_word; /* a person decided: the rules about deletions were asked then */
    const char *why; /* for the log */
};
void merge_record(const struct merge_in *in, struct arena *a, struct merge_out *ret);

#endif

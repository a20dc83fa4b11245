/* migrate.h -- the main job over one map and over all of them. Layer: sync. */
#ifndef SYNC_MIGRATE_H
#define SYNC_MIGRATE_H

#include "loader/public/wave.h"
#include "sync/repair.h"
#include "sync/verdict.h"

/* What came of one map, for the table at the end and for --json. */
struct map_outcome {
    struct load_counts load; /* zero without a source */
    struct proof_counts proof;
    struct repair_counts repair;
    struct diff_result diff;
    enum verdict_word verdict;
    char checked_at[32];
    bool loaded, compared, green, skipped, was_green, failed;
    bool half; /* its rows are there and agree, but for lookups of a cycle, which wait for another map */
    const char *why; /* one phrase when it is not green */
};
/* With keep_going an error of one map is told and kept in its outcome (failed); the maps that depend on it are skipped. */
enum ec migrate_all(struct pair *p, const struct run *run, const struct wave_rules *rules, struct arena *a,
                    struct map_outcome *outcomes, struct err *reterr);

#endif

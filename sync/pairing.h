/*
 * pairing.h -- loading in every direction: `load --from csv|fno|dataverse --to fno|dataverse|both`.
 * Layer: sync. Files into F&O alone is the loader's own job (loader/public/load.h); the rest compares the side that is written
 * with the rows that are given, and writes what is missing or differs:
 *
 *   csv -> dataverse   the source's good rows, without F&O in between: only columns that the file has are written
 *   csv -> both        into F&O, then the rows that F&O took into Dataverse
 *   fno -> dataverse   F&O's rows by export package (OData where the entity has no export)
 *   dataverse -> fno   Dataverse's rows as a source file in staging fields, then packages as for any other file
 *
 * Fields go only where the map's direction allows, rows that the written side already holds follow `existing`, nothing is
 * deleted. An open gate of a map that was written is closed: its base is no longer what both sides agreed on.
 */
#ifndef SYNC_PAIRING_H
#define SYNC_PAIRING_H

#include "sync/repair.h"

enum load_from { LOAD_FROM_CSV, LOAD_FROM_FNO, LOAD_FROM_DATAVERSE };
enum load_to { LOAD_TO_FNO, LOAD_TO_DATAVERSE, LOAD_TO_BOTH };
struct pairing {
    enum load_from from;
    enum load_to to;
};
/* Out of the options' words; EC_USAGE for words and pairings that make no sense, saying what does. NULL = csv, fno. */
enum ec pairing_parse(const char *from, const char *to, struct pairing *ret, struct err *reterr);
const char *pairing_kind(struct pairing p); /* names runs: at most one unfinished run of each */

struct pairing_counts {
    uint64_t rows; /* given: of the file, or of the side that is read */
    uint64_t equal, left_alone, skipped; /* skipped: not taken by F&O (csv -> both) */
    struct load_counts fno; /* what went into F&O, by the ledger */
    struct repair_counts dataverse;
    bool to_fno, to_dataverse;
};
/*
 * One map; continues where an unfinished run was cut off. more: this run comes to the map again when the maps are written that a
 * cycle leads to, and lookups of the cycle may wait for that; again: it is here again, and `counts` are those of the turns before.
 */
struct pairing_turn {
    bool more, again;
};
enum ec pairing_load(struct map_ctx *m, struct dict *d, const struct run *run, struct pairing p,
                     struct pairing_turn turn, struct pairing_counts *counts, struct err *reterr);

/* An open gate is shut, and the verdict that there is does not hold any more: before rows are written past the sync. */
enum ec pairing_begin(struct map_ctx *m, const struct run *run, struct err *reterr);
/* Loads a file of staging fields, as dataverse_source() writes it, in the place of the map's source; `cfg` must outlive it. */
void pairing_own_file(const struct config_map *was, const char *path, struct config_map *cfg);

/*
 * Rows of the stored delta that Dataverse has and F&O lacks, or holds otherwise in a field that flows to F&O, as a source file of
 * the map: .dmfsync/sources/ALIAS-RUN.csv, staging fields, complete or not there. ret_path in `a`, ret_rows = rows written.
 */
enum ec dataverse_source(struct map_ctx *m, const struct run *run, struct arena *a, char **ret_path,
                         uint64_t *ret_rows, struct err *reterr);

#endif

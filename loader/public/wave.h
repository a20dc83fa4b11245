/*
 * wave.h -- which maps may start: a map that is not green stops those that depend on it, and no others.
 * Layer: loader/public. Used by `load` and `migrate`. Errors: EC_USAGE. Threads: one.
 *
 * --max-errors N|P% takes the place of max_errors of the settings: rows of a map, or their share of its source, that may be
 * rejected in a green map. --keep-going: an error that ends a map (a refused package, a job that never ends) does not end the
 * run either; it stops that map and those that depend on it.
 */
#ifndef LOADER_PUBLIC_WAVE_H
#define LOADER_PUBLIC_WAVE_H

#include "loader/public/load.h"

struct wave_rules {
    int64_t max_errors; /* a number, or -1 */
    double max_share; /* of 100; when max_errors is -1 */
    bool keep_going;
};
/* The lines for a command's table of options. */
#define WAVE_OPTIONS                                                                                              \
    { "--max-errors", "N|P%", "rows of a map that may be rejected, or their share, in the place of max_errors" }, \
    {                                                                                                             \
        "--keep-going", NULL, "an error that ends one map only stops those that depend on it"                     \
    }
enum ec wave_rules_read(struct app *app, struct wave_rules *ret, struct err *reterr);
bool wave_too_many(const struct wave_rules *w, uint64_t rejected, uint64_t rows);
/* Why the F&O side of a load is not green, NULL = it is. */
const char *wave_load_red(const struct wave_rules *w, const struct load_counts *c);
/* A map among those marked in `red` (by their place in the pair) that this one depends on; NULL = none. */
const struct map_ctx *wave_blocked_by(const struct pair *p, const struct map_ctx *m, const bool *red);
/*
 * Lookups of `m` that close a cycle are filled when the maps that they look up are in. A selected one of them that is not
 * `done` (by its place in the pair; NULL = none is); NULL = nothing to wait for.
 */
int wave_of_second_pass(
    const struct map_ctx *m); /* the last wave of those maps; the map's own where there are none */
const struct map_ctx *wave_waits_for(const struct pair *p, const struct map_ctx *m, const bool *done);
/* With --keep-going: is this an error of the map alone? */
bool wave_goes_on(const struct wave_rules *w, enum ec rc);

#endif

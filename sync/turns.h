/*
 * turns.h -- which maps are to be written once more in a run, since rows that theirs look up have come meanwhile.
 * Layer: sync. Lookups name rows of other maps. In the order of the waves a map's parents come first; where maps look up each
 * other in a cycle, or a parent itself had to wait for its own, rows stay open until the parent has landed. Threads: one.
 */
#ifndef SYNC_TURNS_H
#define SYNC_TURNS_H

#include "loader/public/dvload.h"
#include "loader/public/wave.h"

struct turns {
    const struct pair *p;
    size_t *last, *landed; /* per map: its last turn, and the last one that made rows in its table; 0 = none */
    bool *open, *waiting; /* of its last turn: rows that are parked, and rows without a lookup of a cycle */
    size_t now;
};
void turns_init(struct turns *t, const struct pair *p, struct arena *a);
/* Map `i` of the pair was written. */
void turns_note(struct turns *t, size_t i, const struct dvload_counts *c);
/* Is map `i` to be written once more? It ends: each further turn follows rows that came, or is a cycle's last one. */
bool turns_due(const struct turns *t, size_t i);
bool turns_first(const struct turns *t, size_t i);
/* May lookups of a cycle be left for a later turn of this run? Only in the first one. */
bool turns_more(const struct turns *t, size_t i);

#endif

/*
 * nearest.h -- "did you mean": the word that is closest to a mistyped one.
 * Layer: base. Case is ignored and '-' counts as '_'. Threads: no shared state.
 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

/* Words longer than this are never similar to anything. */
enum { NEAREST_MAX = 60 };
/* Edits (insert, delete, replace, swap of neighbours) between two words; NEAREST_MAX when one is too long to matter. */
size_t word_edits(const char *a, const char *b);
/* Edits that still count as a slip of this word: one in short words, three in long ones. */
size_t word_slips(const char *word);
/* The most similar of n words (n 0: up to a NULL), NULL when none is close. The first of equally close ones wins. */
const char *word_nearest(const char *word, const char *const *words, size_t n);

#endif

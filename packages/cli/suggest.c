/* suggest.c -- the nearest known name, for messages about mistyped ones. */
#include "base/nearest.h"
#include "cli/config_parts.h"

const char *nearest_word(const char *word, const char *const *words, size_t n)
{
    return word_nearest(word, words, n);
}

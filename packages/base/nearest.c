/* nearest.c -- edit distance between names, for suggestions. */
#include "base/nearest.h"

#include <ctype.h>
#include <string.h>

static int lower_at(const char *s, size_t i)
{
    int c = tolower((unsigned char)s[i]);

    return c == '-' ? '_' : c; /* max-errors for max_errors is a likely slip */
}

size_t word_edits(const char *a, const char *b)
{
    size_t rows[3][NEAREST_MAX + 1];
    size_t n = strlen(a), m = strlen(b);
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    if (n > NEAREST_MAX || m > NEAREST_MAX)
        return NEAREST_MAX;
    for (size_t j = 0; j <= m; j++)
        last[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *t;

        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t same = lower_at(a, i - 1) == lower_at(b, j - 1) ? 0 : 1;
            size_t best = last[j - 1] + same;

            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && lower_at(a, i - 1) == lower_at(b, j - 2) &&
                lower_at(a, i - 2) == lower_at(b, j - 1) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        t = before;
        before = last;
        last = now;
        now = t;
    }
    return last[m];
}

size_t word_slips(const char *word)
{
    size_t slips = strlen(word) / 3 + 1;

    return slips > 3 ? 3 : slips;
}

const char *word_nearest(const char *word, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t best_edits = word_slips(word);

    for (size_t i = 0; n ? i < n : words[i] != NULL; i++) {
        size_t d = word_edits(word, words[i]);

        if (d < best_edits || (d == best_edits && !best)) {
            best = words[i];
            best_edits = d;
        }
    }
    return best;
}

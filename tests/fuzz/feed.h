/* feed.h -- octets handed out a few at a time, for readers that take a callback. */
#ifndef FUZZ_FEED_H
#define FUZZ_FEED_H

#include "base/err.h"

#include <string.h>

struct feed {
    const char *p;
    size_t n, step;
};
static inline int64_t feed_fill(void *arg, void *buf, size_t n, struct err *reterr)
{
    struct feed *s = arg;
    size_t k = s->step < n ? s->step : n;

    (void)reterr;
    k = k < s->n ? k : s->n;
    memcpy(buf, s->p, k);
    s->p += k;
    s->n -= k;
    return (int64_t)k;
}

#endif

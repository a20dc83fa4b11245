/*
 * strbuf.h -- one growing text with a ceiling.
 * Layer: base. Invariants: `buf` is NUL-terminated and never NULL after the first add (strbuf_str() always is usable);
 * len < cap. A text that would pass `max` octets sets `full` and stays as it was: callers that read from outside check
 * strbuf_full() once at the end. Threads: one owner.
 */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include "base/err.h"

struct strbuf {
    char *buf;
    size_t len, cap;
    size_t max; /* 0 = no ceiling (text of our own making) */
    bool full;
};
#define STRBUF(max_octets)               \
    {                                    \
        .buf = NULL, .max = (max_octets) \
    }

void strbuf_add(struct strbuf *s, const void *p, size_t n);
void strbuf_adds(struct strbuf *s, const char *text);
void strbuf_addc(struct strbuf *s, char c);
void strbuf_addf(struct strbuf *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
void strbuf_reserve(struct strbuf *s, size_t more);
/* Percent-encode everything but unreserved characters (RFC 3986), and `keep`. */
void strbuf_add_url(struct strbuf *s, const void *p, size_t n, const char *keep);
void strbuf_reset(struct strbuf *s); /* len 0, memory kept, `full` cleared */
void strbuf_release(struct strbuf *s);
char *strbuf_detach(struct strbuf *s, size_t *ret_len); /* caller frees; never NULL */
static inline const char *strbuf_str(const struct strbuf *s)
{
    return s->buf ? s->buf : "";
}
static inline bool strbuf_full(const struct strbuf *s)
{
    return s->full;
}

#endif

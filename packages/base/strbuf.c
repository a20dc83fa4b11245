#include "base/strbuf.h"
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool room(struct strbuf *s, size_t more)
{
    size_t need;

    if (s->max && (more > s->max || s->len > s->max - more)) {
        s->full = true;
        return false;
    }
    need = s->len + more + 1;
    BUG_IF(need < more, "text too long");
    if (need > s->cap) {
        size_t cap = s->cap ? s->cap + s->cap / 2 : 64;

        if (cap < need)
            cap = need;
        s->buf = xrealloc(s->buf, cap);
        s->cap = cap;
    }
    return true;
}

void strbuf_reserve(struct strbuf *s, size_t more)
{
    if (room(s, more))
        s->buf[s->len] = 0;
}

void strbuf_add(struct strbuf *s, const void *p, size_t n)
{
    if (!room(s, n))
        return;
    if (n)
        memcpy(s->buf + s->len, p, n);
    s->len += n;
    s->buf[s->len] = 0;
}

void strbuf_adds(struct strbuf *s, const char *text)
{
    strbuf_add(s, text, strlen(text));
}

void strbuf_addc(struct strbuf *s, char c)
{
    strbuf_add(s, &c, 1);
}

void strbuf_addf(struct strbuf *s, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    BUG_IF(n < 0, "vsnprintf");
    if (room(s, (size_t)n)) {
        vsnprintf(s->buf + s->len, (size_t)n + 1, fmt, again);
        s->len += (size_t)n;
    }
    va_end(again);
}

void strbuf_add_url(struct strbuf *s, const void *p, size_t n, const char *keep)
{
    static const char HEX[] = "0123456789ABCDEF";
    const unsigned char *c = p;

    for (size_t i = 0; i < n; i++) {
        bool plain = (c[i] >= 'a' && c[i] <= 'z') || (c[i] >= 'A' && c[i] <= 'Z') || (c[i] >= '0' && c[i] <= '9') ||
                     (c[i] && strchr("-._~", c[i])) || (c[i] && keep && strchr(keep, c[i]));

        if (plain) {
            strbuf_addc(s, (char)c[i]);
        } else {
            char e[3] = { '%', HEX[c[i] >> 4], HEX[c[i] & 15] };

            strbuf_add(s, e, 3);
        }
    }
}

void strbuf_reset(struct strbuf *s)
{
    s->len = 0;
    s->full = false;
    if (s->buf)
        s->buf[0] = 0;
}

void strbuf_release(struct strbuf *s)
{
    free(s->buf);
    s->buf = NULL;
    s->len = s->cap = 0;
    s->full = false;
}

char *strbuf_detach(struct strbuf *s, size_t *ret_len)
{
    char *p;

    strbuf_reserve(s, 0);
    p = s->buf;
    if (ret_len)
        *ret_len = s->len;
    s->buf = NULL;
    s->len = s->cap = 0;
    return p;
}

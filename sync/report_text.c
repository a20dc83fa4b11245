/* report_text.c -- texts of others inside of HTML. Whatever a row, a service or a settings file says is shown, never obeyed. */
#include "base/log.h"
#include "sync/report.h"

#include <stdio.h>

/* Shown as a replacement sign: controls, and marks that turn the direction of what follows. */
static bool is_hidden(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x61c || (cp >= 0x200b && cp <= 0x200f) ||
           (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff ||
           (cp >= 0xfff9 && cp <= 0xfffb) || (cp & 0xfffe) == 0xfffe || (cp >= 0xe0000 && cp <= 0xe0fff);
}

void html_text(struct strbuf *out, struct cell text, size_t max)
{
    struct strbuf clean = STRBUF(0);
    const char *p;
    size_t n, chars = 0;

    redact(text.ptr ? text.ptr : "", text.len, &clean);
    p = strbuf_str(&clean);
    n = clean.len;
    while (n) {
        uint32_t cp = 0xfffd;
        size_t len = utf8_decode(p, n, &cp);

        if (max && chars++ == max) {
            strbuf_adds(out, "\xe2\x80\xa6");
            break;
        }
        if (cp == '&')
            strbuf_adds(out, "&amp;");
        else if (cp == '<')
            strbuf_adds(out, "&lt;");
        else if (cp == '>')
            strbuf_adds(out, "&gt;");
        else if (cp == '"')
            strbuf_adds(out, "&quot;");
        else if (cp == '\'')
            strbuf_adds(out, "&#39;");
        else if (cp == '\n' || cp == '\t' || cp == '\r')
            strbuf_addc(out, ' ');
        else if (!len || is_hidden(cp))
            strbuf_adds(out, "\xef\xbf\xbd");
        else
            strbuf_add(out, p, len);
        p += len ? len : 1;
        n -= len ? len : 1;
    }
    strbuf_release(&clean);
}

void html_str(struct strbuf *out, const char *text)
{
    html_text(out, cell_of(text), 0);
}

void html_number(struct strbuf *out, int64_t v)
{
    char digits[24];
    int n = snprintf(digits, sizeof(digits), "%lld", (long long)(v < 0 ? -v : v));

    if (v < 0)
        strbuf_adds(out, "\xe2\x88\x92");
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0)
            strbuf_adds(out, "\xe2\x80\xaf"); /* narrow, does not break */
        strbuf_addc(out, digits[i]);
    }
}

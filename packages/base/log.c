#include "base/log.h"
#include "base/clock.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static struct log_config config = { .level = LOG_INFO, .fd = 2 };

void log_configure(const struct log_config *cfg)
{
    config = *cfg;
}

enum log_level log_level(void)
{
    return config.level;
}

static bool starts(const char *p, const char *end, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(end - p) >= n && !strncasecmp(p, word, n);
}

static bool value_end(char c)
{
    return c == '&' || c == '"' || c == '\'' || c == ' ' || c == '\n' || c == '\r' || c == ',' || c == '}' ||
           c == '<';
}

/* At a URL's '?': does its query carry a signature? */
static bool signed_query(const char *p, const char *end)
{
    for (const char *q = p; q < end && *q != ' ' && *q != '"' && *q != '\'' && *q != '<' && *q != '\n'; q++)
        if (starts(q, end, "sig=") && (q[-1] == '?' || q[-1] == '&' || q[-1] == ';'))
            return true;
    return false;
}

void redact(const char *text, size_t n, struct strbuf *out)
{
    static const char *const NAMES[] = { "client_secret", "client_assertion", "access_token", "refresh_token",
                                         "password" };
    const char *p = text, *end = text + n;

    while (p < end) {
        bool hit = false;

        if (*p == '?' && signed_query(p, end)) {
            strbuf_adds(out, "?[signed]");
            while (p < end && *p != ' ' && *p != '"' && *p != '\'' && *p != '<' && *p != '\n')
                p++;
            continue;
        }
        if (starts(p, end, "bearer ")) {
            strbuf_add(out, p, 7);
            strbuf_adds(out, "[secret]");
            for (p += 7; p < end && !isspace((unsigned char)*p) && *p != '"' && *p != '\''; p++)
                ;
            continue;
        }
        for (size_t i = 0; i < COUNT(NAMES) && !hit; i++) {
            size_t len = strlen(NAMES[i]);
            const char *v = p + len;

            if (!starts(p, end, NAMES[i]))
                continue;
            while (v < end && (*v == '"' || *v == ' '))
                v++;
            if (v >= end || (*v != '=' && *v != ':'))
                continue;
            v++;
            while (v < end && (*v == '"' || *v == ' '))
                v++;
            strbuf_add(out, p, (size_t)(v - p));
            strbuf_adds(out, "[secret]");
            while (v < end && !value_end(*v))
                v++;
            p = v;
            hit = true;
        }
        if (!hit)
            strbuf_addc(out, *p++);
    }
}

static void add_json_text(struct strbuf *b, const char *p, size_t n)
{
    strbuf_addc(b, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == '"' || c == '\\')
            strbuf_addf(b, "\\%c", c);
        else if (c < 0x20)
            strbuf_addf(b, "\\u%04x", c);
        else
            strbuf_addc(b, (char)c);
    }
    strbuf_addc(b, '"');
}

void log_line(enum log_level level, const char *area, const char *fmt, ...)
{
    static const char *const NAMES[] = { "error", "warn", "info", "debug" };
    struct strbuf clean = STRBUF(0), line = STRBUF(0);
    char now[32], msg[8192];
    va_list ap;

    if (level > config.level)
        return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    redact(msg, strlen(msg), &clean);
    clock_format_utc(clock_utc_ms(), now);
    if (config.json) {
        strbuf_addf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"area\":\"%s\",\"message\":", now, NAMES[level], area);
        add_json_text(&line, strbuf_str(&clean), clean.len);
        strbuf_adds(&line, "}\n");
    } else {
        for (size_t i = 0; i < clean.len; i++)
            if ((unsigned char)clean.buf[i] < 0x20)
                clean.buf[i] = ' ';
        if (config.progress_line)
            strbuf_adds(&line, "\r\033[K");
        strbuf_addf(&line, "%s %-5s %s: %s\n", now, NAMES[level], area, strbuf_str(&clean));
    }
    if (write(config.fd, line.buf, line.len) < 0) {
        /* A log that cannot be written must not end the run. */
    }
    strbuf_release(&clean);
    strbuf_release(&line);
}

#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int status;
    bool transient;
    const char *word;
} CODES[] = {
#define X(name, status, transient, word) { status, transient, word },
    EC_TABLE(X)
#undef X
};

int ec_exit_status(enum ec code)
{
    return (unsigned)code < COUNT(CODES) ? CODES[code].status : 70;
}

bool ec_transient(enum ec code)
{
    return (unsigned)code < COUNT(CODES) && CODES[code].transient;
}

const char *ec_word(enum ec code)
{
    return (unsigned)code < COUNT(CODES) ? CODES[code].word : "internal";
}

/* Octets of the UTF-8 character that begins at p, 0 = none does (data/cell.h has the full decoder, one layer up). */
static int character(const unsigned char *p)
{
    static const struct {
        unsigned char from, to, first_min, first_max; /* lead octets, and what may follow them first */
        int n;
    } FORMS[] = {
        { 0xC2, 0xDF, 0x80, 0xBF, 2 }, { 0xE0, 0xE0, 0xA0, 0xBF, 3 }, { 0xE1, 0xEC, 0x80, 0xBF, 3 },
        { 0xED, 0xED, 0x80, 0x9F, 3 }, { 0xEE, 0xEF, 0x80, 0xBF, 3 }, { 0xF0, 0xF0, 0x90, 0xBF, 4 },
        { 0xF1, 0xF3, 0x80, 0xBF, 4 }, { 0xF4, 0xF4, 0x80, 0x8F, 4 },
    };

    for (size_t i = 0; i < COUNT(FORMS); i++) {
        if (p[0] < FORMS[i].from || p[0] > FORMS[i].to || p[1] < FORMS[i].first_min || p[1] > FORMS[i].first_max)
            continue;
        for (int k = 2; k < FORMS[i].n; k++)
            if (p[k] < 0x80 || p[k] > 0xBF)
                return 0;
        return FORMS[i].n;
    }
    return 0;
}

/* Messages are one line of UTF-8: service texts contain CR, LF and tabs, files contain anything, and long texts are cut. */
static void one_line(char *s)
{
    while (*s) {
        unsigned char c = (unsigned char)*s;
        int n = c < 0x80 ? 1 : character((unsigned char *)s);

        if (c < 0x20 || c == 0x7f)
            *s = ' ';
        else if (!n)
            *s = '?';
        s += n ? n : 1;
    }
}

static enum ec set_va(struct err *e, enum ec code, const char *fmt, va_list ap)
{
    if (!e)
        return code;
    e->code = code;
    e->transient = ec_transient(code);
    e->wait_ms = 0;
    e->http_status = 0;
    e->service_code[0] = 0;
    e->hint[0] = 0;
    vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
    one_line(e->msg);
    return code;
}

enum ec err_set(struct err *reterr, enum ec code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    set_va(reterr, code, fmt, ap);
    va_end(ap);
    return code;
}

enum ec err_ctx(struct err *reterr, enum ec code, const char *fmt, ...)
{
    char old[sizeof(reterr->msg)];
    va_list ap;
    int n;

    if (!reterr)
        return code;
    memcpy(old, reterr->msg, sizeof(old));
    va_start(ap, fmt);
    n = vsnprintf(reterr->msg, sizeof(reterr->msg), fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    if ((size_t)n < sizeof(reterr->msg) && old[0])
        snprintf(reterr->msg + n, sizeof(reterr->msg) - (size_t)n, ": %s", old);
    one_line(reterr->msg);
    reterr->code = code;
    return code;
}

enum ec err_hint(struct err *reterr, const char *fmt, ...)
{
    va_list ap;

    if (!reterr)
        return EC_FAIL;
    if (!reterr->hint[0]) {
        va_start(ap, fmt);
        vsnprintf(reterr->hint, sizeof(reterr->hint), fmt, ap);
        va_end(ap);
        one_line(reterr->hint);
    }
    return reterr->code;
}

enum ec err_errno(struct err *reterr, enum ec code, int errnum, const char *fmt, ...)
{
    va_list ap;
    char text[128];

    if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
        code = EC_DISK;
    va_start(ap, fmt);
    set_va(reterr, code, fmt, ap);
    va_end(ap);
    if (reterr) {
        size_t n = strlen(reterr->msg);

        snprintf(reterr->msg + n, sizeof(reterr->msg) - n, ": %s", strerror_r(errnum, text, sizeof(text)));
        if (code == EC_DISK)
            err_hint(reterr, "free some space or move the workspace, then run the same command again");
    }
    return code;
}

_Noreturn void bug_abort(const char *file, int line, const char *what)
{
    fprintf(stderr, "dmfsync: internal error at %s:%d: %s\n", file, line, what);
    fflush(stderr);
    _Exit(70);
}

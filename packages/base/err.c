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

/* Messages are one line: service texts contain CR, LF and tabs. */
static void one_line(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = ' ';
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

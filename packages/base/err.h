/*
 * err.h -- an error is a value that travels up and is printed once, by cli/.
 * Layer: base. Threads: no shared state.
 *
 * A function that can fail returns an `enum ec` and fills `struct err` (its last parameter, `reterr`). Every level that
 * forwards an error may put one noun phrase in front of it with err_ctx(). Outputs are untouched on failure. `reterr`
 * may be NULL where the caller does not want the text.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Code name, exit status of the process (docs/commands.md), whether trying again can help, word used in --json.
 * Several codes may share an exit status.
 */
#define EC_TABLE(X)                        \
    X(OK, 0, false, "ok")                  \
    X(FAIL, 1, false, "failed")            \
    X(USAGE, 2, false, "usage")            \
    X(CONFIG, 3, false, "configuration")   \
    X(STATE, 4, false, "workspace_state")  \
    X(DB, 4, false, "database")            \
    X(BUSY, 5, true, "temporary")          \
    X(NET, 5, true, "network")             \
    X(IO, 5, true, "file")                 \
    X(DISK, 5, true, "disk_full")          \
    X(AUTH, 6, false, "sign_in")           \
    X(FNO, 7, false, "finance_operations") \
    X(DATAVERSE, 8, false, "dataverse")    \
    X(DIFFERENT, 9, false, "different")    \
    X(ROWS, 10, false, "rows_failed")      \
    X(LOCKED, 11, false, "locked")         \
    X(LIMIT, 12, false, "limit")           \
    X(GUARD, 13, false, "guard")           \
    X(CONFLICT, 14, false, "conflicts")    \
    X(FORMAT, 3, false, "bad_input")       \
    X(NOTFOUND, 1, false, "not_found")     \
    X(BUG, 70, false, "internal")          \
    X(STOPPED, 130, false, "stopped")

enum ec {
#define X(name, status, transient, word) EC_##name,
    EC_TABLE(X)
#undef X
        EC_COUNT
};

struct err {
    enum ec code;
    bool transient; /* default by code; the HTTP layer overrides it per answer */
    uint32_t wait_ms; /* the service's hint (Retry-After), 0 = none */
    int http_status; /* 0 = the error is not an HTTP answer */
    char service_code[40]; /* code inside the service's error envelope, "" = none (Dataverse "0x80040217") */
    char msg[1200]; /* one line, UTF-8, no secrets, no line breaks */
    char hint[400]; /* what to do about it, "" = none */
};

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Fill *reterr (all other fields reset) and return `code`, so that failing is one statement. */
enum ec err_set(struct err *reterr, enum ec code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Put "phrase: " in front of the message that is already there; returns `code` (which may differ from the old one). */
enum ec err_ctx(struct err *reterr, enum ec code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Add advice for the user; the first hint given wins. Returns reterr->code. */
enum ec err_hint(struct err *reterr, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As err_set() with ": strerror(errnum)" at the end; ENOSPC, EDQUOT and EFBIG become EC_DISK whatever `code` says. */
enum ec err_errno(struct err *reterr, enum ec code, int errnum, const char *fmt, ...) PRINTF_LIKE(4, 5);

int ec_exit_status(enum ec code);
bool ec_transient(enum ec code);
const char *ec_word(enum ec code); /* "network" */

/* A broken invariant of ours: prints file and line to standard error and ends the process with status 70. */
#define BUG_IF(cond, what) ((cond) ? bug_abort(__FILE__, __LINE__, (what)) : (void)0)
_Noreturn void bug_abort(const char *file, int line, const char *what);

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif

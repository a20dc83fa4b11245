/*
 * log.h -- the run's log: one line per event, text or JSON, to standard error or a file.
 * Layer: base. Threads: one line is written with one write(2). Everything passes redact(): bearer tokens, secrets and
 * the query strings of signed URLs never reach a log, a report or the catalog.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/strbuf.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
struct log_config {
    enum log_level level; /* lines above it are dropped */
    bool json; /* one JSON object per line instead of text */
    int fd; /* where lines go; 2 = standard error */
    bool progress_line; /* a progress line may stand on the terminal: erase it before writing */
};
void log_configure(const struct log_config *cfg);
enum log_level log_level(void);
/* `area` is the module's short name ("load", "net", "parity"). */
void log_line(enum log_level level, const char *area, const char *fmt, ...) PRINTF_LIKE(3, 4);
#define log_error(area, ...) log_line(LOG_ERROR, area, __VA_ARGS__)
#define log_warn(area, ...) log_line(LOG_WARN, area, __VA_ARGS__)
#define log_info(area, ...) log_line(LOG_INFO, area, __VA_ARGS__)
#define log_debug(area, ...) log_line(LOG_DEBUG, area, __VA_ARGS__)

/*
 * Copy `text` to `out` without secrets: what stands behind "Bearer ", the values of client_secret, client_assertion,
 * access_token, refresh_token, sig and password, and the query of any URL that has a "sig=" in it ("?[signed]").
 */
void redact(const char *text, size_t n, struct strbuf *out);

#endif

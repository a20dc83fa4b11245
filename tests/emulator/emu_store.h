/*
 * emu_store.h -- the emulator's database, its simulated clock, its knobs and the token check: what the core's files
 * share.
 */
#ifndef EMU_STORE_H
#define EMU_STORE_H

#include "emu.h"

/* ---- database (emu_store.c): <dir>/tenant.db survives the end of the process, not of the machine ---- */
enum ec emu_store_open(struct emu *e, struct err *reterr);
void emu_store_close(struct emu *e);
/* Around every request: its changes are there as a whole or not at all. */
void emu_store_begin(struct emu *e);
void emu_store_commit(struct emu *e);

/* emu_sql() bound by `types`: t text (NULL = null), i int64_t. Reset it after reading. */
sqlite3_stmt *emu_select(struct emu *e, const char *sql, const char *types, ...);
void emu_exec(struct emu *e, const char *sql, const char *types, ...);
int64_t emu_int(struct emu *e, const char *sql, const char *types,
                ...); /* first column of the first row, 0 = no row */
/* true = a row; at the end the statement is reset. Ends the emulator on an error. */
bool emu_step(struct emu *e, sqlite3_stmt *s);
sqlite3_stmt *emu_prepare(struct emu *e, const char *sql); /* not cached: the caller finalizes */
const char *emu_text(sqlite3_stmt *s, int column); /* "" for null */
int64_t emu_state(struct emu *e, const char *name, int64_t dflt); /* a number that outlives the process */
void emu_state_set(struct emu *e, const char *name, int64_t value);

/* The clock: `time_scale` may change while it runs, without a jump. */
void emu_clock_scale(struct emu *e, int64_t scale);
/* Milliseconds of the wall clock that so many simulated ones take. */
int64_t emu_wall_ms(const struct emu *e, int64_t simulated_ms);

/* 32 octets that follow from the seed and `text`. */
void emu_key(const struct emu *e, const char *text, unsigned char ret[static 32]);
uint64_t emu_hash(const struct emu *e, const char *text); /* 64 bits of it */
/* base64 of HMAC-SHA-256 with emu_key(purpose); `url` = the URL-safe alphabet without padding. */
void emu_sign(const struct emu *e, const char *purpose, const void *p, size_t n, bool url, struct strbuf *out);
void emu_base64(const void *p, size_t n, bool url, struct strbuf *out);
bool emu_unbase64(const char *p, size_t n, struct strbuf *out); /* either alphabet, padding optional */

/* ---- knobs (emu_knobs.c) ---- */
void emu_knobs_default(struct emu *e);
bool emu_knob_set(struct emu *e, const char *name, int64_t value); /* false = no such knob */
bool emu_knobs_flip(struct emu *e, const char *how); /* "all", "mix:SEED" */
void emu_knobs_json(const struct emu *e, struct strbuf *out);
void emu_knobs_help(struct strbuf *out);

/* ---- sign-in (emu_login.c) ---- */
/* The client id of a valid token for `service` in an Authorization header's value, in `a`; NULL = none. */
const char *emu_login_user(const struct emu *e, struct arena *a, const char *authorization, enum emu_service service);
bool emu_login_registered(const char *client_id); /* has an application user in both services */

/* Registers a certificate (PEM) for both applications; false = it is none (emu_login_cert.c). */
bool emu_login_register(struct emu *e, const char *pem, size_t n);
/* Checks a client assertion; 0 = good, else the number of the AADSTS error. `audience` = the token URL. */
int emu_login_assertion(const struct emu *e, const char *assertion, const char *client_id, const char *audience);

/* ---- requests (emu_main.c, emu_http.c) ---- */
/* Answers one request under the lock; *ret_wait_ms = simulated time to wait before the answer goes out. */
void emu_serve(struct emu *e, struct emu_request *q, struct emu_response *r, int64_t *ret_wait_ms);
struct emu_listener;
struct emu_tls { /* NULL = plain */
    const char *certificate, *key; /* PEM texts */
};
/* port 0 = any. NULL = the port cannot be had, or the certificate and its key are none. */
struct emu_listener *emu_http_listen(struct emu *e, enum emu_service service, int port, const struct emu_tls *tls,
                                     int *ret_port);
void emu_http_stop(struct emu_listener *l);
/* Decodes %XX (and '+' where `form`) into `a`; *ret_n = length. NULL when an octet is 0 or the escape is broken. */
char *emu_url_decode(struct arena *a, const char *p, size_t n, bool form);
/* "a=b&c=d" into pairs. False when it cannot be decoded. */
bool emu_url_pairs(struct arena *a, const char *query, struct emu_pair **ret, size_t *ret_n);

/* A side is put back to a saved moment, or F&O's database is replaced by a copy (emu_moment.c); false = not understood. */
bool emu_moment(struct emu *e, const char *side, const char *what, char *msg, size_t msg_size);
/* What logic of the customer's makes of a value that is written: 1 = upper or lower case, 2 = one more sign. */
char *emu_recomputed(struct arena *a, const char *value, int64_t how, bool fno);

#endif

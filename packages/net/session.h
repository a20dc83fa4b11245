/*
 * session.h -- calls to one service as one or several application users: token, pace, retries, errors.
 * Layer: net. Errors: EC_NET, EC_BUSY (429/5xx that outlasted the deadline), EC_AUTH (401/403), service_error (the code given
 * in the config: EC_FNO or EC_DATAVERSE) for other statuses, with err.http_status and err.service_code set and the text
 * of the service's error envelope in the message. The bearer token goes only to the configured scheme, host and port:
 * links in answers come from outside. Threads: one.
 */
#ifndef NET_SESSION_H
#define NET_SESSION_H

#include "data/json.h"
#include "net/auth.h"
#include "net/pace.h"

struct session;
struct session_config {
    const char *name; /* "F&O" or "Dataverse", for messages */
    const char *base_url; /* no trailing slash */
    enum ec service_error; /* EC_FNO or EC_DATAVERSE */
    enum governor_kind governor;
    const struct auth_config *users; /* one or more application users */
    size_t n_users;
    const struct http_header *headers; /* sent with every call (OData-Version ...); borrowed, static */
    size_t n_headers;
    int64_t retry_deadline_ms; /* how long transient failures are retried, 0 = 10 min */
    double tps_limit; /* requests a second, 0 = no limit */
    const char *tps_file; /* holds the rate, read again while the run goes on; NULL = none */
    const char *pause_file; /* while it exists no call starts; NULL = none */
    int start_concurrency; /* 0 = 4 */
    int max_concurrency; /* 0 = by the server's hint, at most 48 */
};
enum ec session_new(const struct session_config *cfg, struct http *http, struct session **ret, struct err *reterr);
void session_free(struct session *s);
const char *session_base(const struct session *s);
const char *session_name(const struct session *s);
/* Called a few times a second while calls are waited for: why nothing goes on ("" = it does), until when (0 = unknown). */
typedef void session_wait_fn(void *arg, const char *reason, int64_t until_utc_ms);
void session_on_wait(struct session *s, session_wait_fn *fn, void *arg);

enum call_repeat {
    CALL_REPEATABLE, /* reads, upserts by key: retried after lost answers too */
    CALL_ONCE, /* never sent again once the request may have reached the service; a lost answer is EC_NET with
                        err.transient false and resp->request_sent true, and the caller looks up what happened */
};
struct call {
    struct http_request
        http; /* url may be relative ("/data/..."): the base is put in front; an absolute one must have the
                                 same origin as the base (links from answers), else EC_FORMAT */
    enum call_repeat repeat;
    bool anonymous; /* no token: blob storage; any allowed URL */
    bool
        statuses_are_mine; /* a status that is not 2xx (and not 401/429/5xx) returns EC_OK; the caller reads resp->status */
    bool
        json_object; /* what comes under status 200 must be a JSON object, by its ends; anything else (a proxy's page, half
                       * an answer) is a lost answer: repeated like one, else EC_NET */
    bool
        kept_alive; /* CALL_ONCE: on a kept-alive connection all the same. For calls whose fate is cheap to look up */
    int user; /* index of the application user, -1 = the least busy one */
    size_t parts; /* rows that it carries: what it will take grows with them; 0 = none */
};
enum ec session_do(struct session *s, const struct call *c, struct http_response *r, struct err *reterr);

/*
 * Side by side: keeps as many calls in flight as the governors allow. `next` fills *c (borrowing what must live until
 * `done`) and returns false when there is nothing to start now; `done` gets each result, after retries. Returns when `next`
 * said false and nothing is in flight, or with the first error that `next` or `done` returned (in-flight calls are
 * finished first; calls that wait for another attempt end with EC_STOPPED instead), or EC_STOPPED after draining when a stop was requested.
 */
struct session_job {
    struct call call;
    struct http_response resp;
    void *arg; /* the caller's own */
};
struct session_pool {
    bool (*next)(void *ctx, struct session_job *job, struct err *reterr); /* false and reterr->code set = error */
    enum ec (*done)(void *ctx, struct session_job *job, enum ec rc, struct err *call_err, struct err *reterr);
    void (*idle)(void *ctx); /* called about four times a second; NULL = none */
    void *ctx;
    int max_in_flight; /* 0 = the governors decide */
};
enum ec session_run(struct session *s, const struct session_pool *p, struct err *reterr);

struct session_stats {
    uint64_t calls, retries, throttled, waited_ms, sent_octets, got_octets;
    uint64_t waits_ms[WAIT_REASONS]; /* waited_ms by reason, summed over the users */
    size_t users;
    int concurrency, in_flight;
    int64_t clock_skew_ms; /* server's Date minus ours, last seen */
    char reason[160]; /* why it waits now, "" = it does not */
    int64_t until_utc_ms; /* until when, 0 = not known */
};
void session_stats(const struct session *s, struct session_stats *ret);
int64_t session_server_now_ms(const struct session *s); /* our clock corrected by the last Date header */

/*
 * The service's error text out of a body that may be JSON of two envelopes, XML, HTML or empty. ret_code gets the
 * envelope's code ("0x80040217", decimal forms normalised to hex; "AuthenticationFailed"). Text in `a`, one line.
 * Sources: F&O action errors (innererror.message, prefix stripped), Dataverse Web API "Compose HTTP requests and handle
 * errors", Blob storage "Status and error codes".
 */
const char *service_error_text(const struct http_response *r, struct arena *a, char ret_code[static 40]);

#endif

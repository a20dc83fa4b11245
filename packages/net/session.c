/* session.c -- attempts: token, pace, retries. One call at a time, or many side by side. */
#include "net/session.h"
#include "base/log.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_USERS = 32, MAX_SLOTS = 128, MAX_CALL_HEADERS = 24, SERVER_FAULTS = 3, UNREADABLE = 6 };
/*
 * The hint is for the environment, not for one user of several. But fewer than this cannot use up a user's execution time
 * (1,200 s in 300 s are four calls side by side).
 */
enum { HINT_LEAST = 6, TELL_EVERY_MS = 250 };
enum { BACKOFF_FIRST_MS = 400, BACKOFF_CAP_MS = 30000, THROTTLE_DEADLINE_MS = 6 * 3600 * 1000 };
/* A host that never answered is more likely a wrong address than a passing fault: say so soon. */
enum { FIRST_CONTACT_MS = 15000 };

struct user {
    struct auth *auth;
    struct governor gov;
};
struct session {
    char *name, *base;
    char origin[300];
    enum ec service_error;
    struct http *http;
    struct user users[MAX_USERS];
    size_t n_users;
    const struct http_header *headers;
    size_t n_headers;
    int64_t retry_deadline_ms;
    size_t turn; /* which of several idle users is next */
    struct pace pace;
    bool answered; /* the service has been reached at least once */
    struct session_stats stats;
    session_wait_fn *on_wait;
    void *on_wait_arg;
    int64_t told_ms;
    uint32_t dice;
};

/* One call on its way, over all its attempts. */
struct attempt {
    struct session *s;
    const struct call *call;
    struct http_response *resp;
    struct http_request q;
    struct http_header headers[MAX_CALL_HEADERS];
    struct strbuf url, bearer;
    struct user *user;
    struct governor_call governed;
    int64_t began_ms, not_before_ms;
    int64_t failing_since_ms; /* first of the failures in a row; -1 = none. Throttling is not a failure */
    int tries, faults, unreadable, backoffs, refusals;
    bool renew, renewed;
};
enum judged { JUDGED_DONE, JUDGED_AGAIN };

enum ec session_new(const struct session_config *cfg, struct http *http, struct session **ret, struct err *reterr)
{
    struct session *s = xcalloc(1, sizeof(*s));
    size_t n = strlen(cfg->base_url);
    enum ec rc = EC_OK;

    s->name = xstrdup(cfg->name);
    s->base = xstrdup(cfg->base_url);
    while (n && s->base[n - 1] == '/')
        s->base[--n] = 0;
    url_origin(s->base, s->origin);
    s->service_error = cfg->service_error;
    s->http = http;
    s->headers = cfg->headers;
    s->n_headers = cfg->n_headers;
    s->retry_deadline_ms = cfg->retry_deadline_ms ? cfg->retry_deadline_ms : 10 * 60 * 1000;
    pace_init(&s->pace, cfg->tps_limit, cfg->tps_file, cfg->pause_file);
    s->dice = (uint32_t)clock_utc_ms() * 2654435761u ^ 2463534242u; /* jitter must differ between processes */
    s->dice += !s->dice;
    if (!s->origin[0])
        rc = err_set(reterr, EC_CONFIG, "the %s url '%s' is not a URL", s->name, cfg->base_url);
    else if (!cfg->n_users || cfg->n_users > MAX_USERS)
        rc = err_set(reterr, EC_CONFIG, "%s needs 1 to %d application users", s->name, MAX_USERS);
    for (size_t i = 0; i < cfg->n_users && !rc; i++) {
        rc = auth_new(&cfg->users[i], http, &s->users[i].auth, reterr);
        governor_init(&s->users[i].gov, cfg->governor, cfg->start_concurrency ? cfg->start_concurrency : 4,
                      cfg->max_concurrency ? cfg->max_concurrency : 48);
        s->n_users = i + 1;
    }
    if (rc) {
        session_free(s);
        return rc;
    }
    *ret = s;
    return EC_OK;
}

void session_free(struct session *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_users; i++)
        auth_free(s->users[i].auth);
    free(s->name);
    free(s->base);
    pace_release(&s->pace);
    free(s);
}

const char *session_base(const struct session *s)
{
    return s->base;
}

static void add_reason(const struct session *s, size_t i, struct session_stats *ret)
{
    char why[100];
    int64_t until;

    governor_reason(&s->users[i].gov, why, sizeof(why), &until);
    if (!why[0] || ret->reason[0])
        return;
    if (s->n_users > 1)
        snprintf(ret->reason, sizeof(ret->reason), "%s, user %zu of %zu: %s", s->name, i + 1, s->n_users, why);
    else
        snprintf(ret->reason, sizeof(ret->reason), "%s: %s", s->name, why);
    if (until)
        ret->until_utc_ms = clock_utc_ms() + until - clock_mono_ms();
}

void session_stats(const struct session *s, struct session_stats *ret)
{
    *ret = s->stats;
    ret->throttled = ret->waited_ms = 0;
    ret->concurrency = ret->in_flight = 0;
    ret->users = s->n_users;
    ret->until_utc_ms = 0;
    pace_reason(&s->pace, ret->reason, sizeof(ret->reason));
    for (int k = 0; k < WAIT_REASONS; k++)
        ret->waits_ms[k] = s->pace.waited_ms[k];
    for (size_t i = 0; i < s->n_users; i++) {
        ret->throttled += s->users[i].gov.throttled;
        ret->concurrency += s->users[i].gov.concurrency;
        ret->in_flight += s->users[i].gov.in_flight;
        for (int k = 0; k < WAIT_REASONS; k++)
            ret->waits_ms[k] += s->users[i].gov.waited_ms[k];
        add_reason(s, i, ret);
    }
    for (int k = 0; k < WAIT_REASONS; k++)
        ret->waited_ms += ret->waits_ms[k];
}

const char *session_name(const struct session *s)
{
    return s->name;
}

void session_on_wait(struct session *s, session_wait_fn *fn, void *arg)
{
    s->on_wait = fn;
    s->on_wait_arg = arg;
}

/* Says why nothing goes on, a few times a second. */
static void tell(struct session *s)
{
    struct session_stats st;
    int64_t now = clock_mono_ms();

    if (!s->on_wait || now - s->told_ms < TELL_EVERY_MS)
        return;
    s->told_ms = now;
    session_stats(s, &st);
    s->on_wait(s->on_wait_arg, st.reason, st.until_utc_ms);
}

int64_t session_server_now_ms(const struct session *s)
{
    return clock_utc_ms() + s->stats.clock_skew_ms;
}

static int64_t jitter(struct session *s, int64_t up_to)
{
    s->dice ^= s->dice << 13;
    s->dice ^= s->dice >> 17;
    s->dice ^= s->dice << 5;
    return up_to > 0 ? (int64_t)(s->dice % (uint32_t)up_to) : 0;
}

static void attempt_init(struct attempt *t, struct session *s, const struct call *c, struct http_response *r)
{
    memset(t, 0, sizeof(*t));
    t->s = s;
    t->call = c;
    t->resp = r;
    t->began_ms = clock_mono_ms();
    t->failing_since_ms = -1;
}

static void attempt_release(struct attempt *t)
{
    if (t->bearer.buf)
        explicit_bzero(t->bearer.buf, t->bearer.cap);
    strbuf_release(&t->bearer);
    strbuf_release(&t->url);
}

/* The user with the fewest calls in flight whose governor lets one more go; NULL = none, *ret_wait until the next look. */
static struct user *pick_user(struct session *s, int wanted, size_t parts, struct governor_call *ret_call,
                              int64_t *ret_wait)
{
    bool asked[MAX_USERS] = { false };
    int64_t soonest = INT64_MAX;

    for (size_t tries = 0; tries < s->n_users; tries++) {
        struct user *best = NULL;
        int64_t wait;

        for (size_t k = 0; k < s->n_users; k++) {
            size_t i = (s->turn + k) % s->n_users;

            if (!asked[i] && (wanted < 0 || (size_t)wanted == i) &&
                (!best || s->users[i].gov.in_flight < best->gov.in_flight))
                best = &s->users[i];
        }
        if (!best)
            break;
        asked[best - s->users] = true;
        wait = governor_ask(&best->gov, parts, ret_call);
        if (!wait) {
            s->turn = (size_t)(best - s->users) + 1;
            return best;
        }
        if (wait < soonest)
            soonest = wait;
    }
    *ret_wait = soonest;
    return NULL;
}

static enum ec prepare_url(struct attempt *t, struct err *reterr)
{
    const char *url = t->call->http.url;
    char origin[300];

    strbuf_reset(&t->url);
    if (url[0] == '/') {
        strbuf_adds(&t->url, t->s->base);
        strbuf_adds(&t->url, url);
        return EC_OK;
    }
    strbuf_adds(&t->url, url);
    if (t->call->anonymous)
        return EC_OK;
    url_origin(url, origin);
    if (strcmp(origin, t->s->origin))
        return err_set(reterr, EC_FORMAT, "%s: %s sent a link to another host (%s), which is not followed",
                       t->call->http.what, t->s->name, origin[0] ? origin : "not a URL");
    return EC_OK;
}

static int64_t backoff(struct attempt *t)
{
    int shift = t->backoffs++;
    int64_t ms = (int64_t)BACKOFF_FIRST_MS << (shift < 7 ? shift : 7);

    if (ms > BACKOFF_CAP_MS)
        ms = BACKOFF_CAP_MS;
    return ms + jitter(t->s, ms / 2);
}

/* Is there time left to try again after a failure? The clock of a call runs from its first failure in a row. */
static bool in_time(struct attempt *t)
{
    int64_t now = clock_mono_ms(), limit = t->s->retry_deadline_ms;

    if (t->failing_since_ms < 0)
        t->failing_since_ms = now;
    if (!t->s->answered && limit > FIRST_CONTACT_MS)
        limit = FIRST_CONTACT_MS;
    return now - t->failing_since_ms < limit && !stop_requested();
}

/*
 * The token of the attempt's user. After a 401 a token other than the refused one is tried first: of many calls that an
 * expired token stopped, one renews it for all.
 */
static enum ec attempt_token(struct attempt *t, const char **ret, struct err *reterr)
{
    const char *token = NULL;
    bool renew = false;
    enum ec rc = auth_token(t->user->auth, false, &token, reterr);

    if (!rc && t->renew && (t->refusals > 1 || (t->bearer.len > 7 && !strcmp(t->bearer.buf + 7, token)))) {
        renew = true;
        rc = auth_token(t->user->auth, true, &token, reterr);
    }
    if (rc)
        return rc;
    t->renewed = t->renewed || renew;
    t->renew = false;
    *ret = token;
    return EC_OK;
}

/* 0 = ready to start, > 0 = milliseconds to wait; < 0 = error in *rc. */
static int64_t attempt_prepare(struct attempt *t, enum ec *rc, struct err *reterr)
{
    const char *token = NULL;
    size_t n = 0;
    int64_t wait = 0, now = clock_mono_ms();

    *rc = EC_OK;
    if (stop_requested()) {
        *rc = err_set(reterr, EC_STOPPED, "stopped before %s", t->call->http.what);
        return -1;
    }
    if (now < t->not_before_ms)
        return t->not_before_ms - now;
    wait = pace_ask(&t->s->pace, !t->call->anonymous);
    if (wait)
        return wait;
    *rc = prepare_url(t, reterr);
    if (*rc)
        return -1;
    t->user = NULL;
    if (!t->call->anonymous) {
        t->user = pick_user(t->s, t->call->user >= 0 && (size_t)t->call->user < t->s->n_users ? t->call->user : -1,
                            t->call->parts, &t->governed, &wait);
        if (!t->user)
            return wait > 0 ? wait : 20;
        *rc = attempt_token(t, &token, reterr);
        if (*rc) {
            governor_undo(&t->user->gov, &t->governed);
            if (!reterr->transient || !t->s->answered || !in_time(t))
                return -1;
            *rc = EC_OK;
            wait = backoff(t);
            t->not_before_ms = clock_mono_ms() + wait;
            return wait;
        }
        strbuf_reset(&t->bearer);
        strbuf_adds(&t->bearer, "Bearer ");
        strbuf_adds(&t->bearer, token);
        t->headers[n++] = (struct http_header){ "Authorization", t->bearer.buf };
        for (size_t i = 0; i < t->s->n_headers && n < MAX_CALL_HEADERS; i++)
            t->headers[n++] = t->s->headers[i];
        pace_take(&t->s->pace);
    }
    for (size_t i = 0; i < t->call->http.n_headers && n < MAX_CALL_HEADERS; i++)
        t->headers[n++] = t->call->http.headers[i];
    t->q = t->call->http;
    t->q.url = t->url.buf;
    t->q.headers = t->headers;
    t->q.once = t->call->repeat == CALL_ONCE;
    t->q.kept = t->call->kept_alive;
    t->q.n_headers = n;
    t->tries++;
    return 0;
}

/* "1,200.00" as a number; -1 = no such header. */
static double quota(const struct http_response *r, const char *name, struct arena *a)
{
    const char *v = http_header_get(r, name, a);
    char digits[40];
    size_t n = 0;

    for (; v && *v && n + 1 < sizeof(digits); v++)
        if (*v != ',')
            digits[n++] = *v;
    digits[n] = 0;
    return n && (isdigit((unsigned char)digits[0])) ? strtod(digits, NULL) : -1;
}

/* What an answer tells the governor of its user. */
static void govern(struct attempt *t)
{
    const struct session *s = t->s;
    struct governor_answer g = { .status = t->resp->status,
                                 .retry_after_ms = t->resp->retry_after_ms,
                                 .elapsed_ms = t->resp->elapsed_ms,
                                 .time_left_ms = -1,
                                 .requests_left = -1 };
    struct arena a = { 0 };
    char code[40];
    const char *v = http_header_get(t->resp, "x-ms-dop-hint", &a);

    if (v) {
        int hint = atoi(v), least = hint < HINT_LEAST ? hint : HINT_LEAST, share = hint / (int)s->n_users;

        g.dop_hint = share > least ? share : least;
    }
    if (g.status > 0) {
        g.requests_left = quota(t->resp, "x-ms-ratelimit-burst-remaining-xrm-requests", &a);
        g.time_left_ms = quota(t->resp, "x-ms-ratelimit-time-remaining-xrm-requests", &a);
        if (g.time_left_ms >= 0)
            g.time_left_ms *= 1000; /* seconds */
    }
    if (g.status == 429)
        g.text = service_error_text(t->resp, &a, code);
    governor_done(&t->user->gov, &t->governed, &g);
    arena_release(&a);
}

static enum judged again(struct attempt *t, int64_t wait_ms)
{
    t->not_before_ms = clock_mono_ms() + wait_ms;
    t->s->stats.retries++;
    return JUDGED_AGAIN;
}

/* An error status into an error value. */
static enum ec status_error(struct attempt *t, enum ec code, struct err *reterr)
{
    struct arena a = { 0 };
    char service_code[40];
    const char *text = service_error_text(t->resp, &a, service_code);

    err_set(reterr, code, "%s: %s%s%s%s (HTTP %d)", t->call->http.what, text, service_code[0] ? " [" : "",
            service_code, service_code[0] ? "]" : "", t->resp->status);
    reterr->http_status = t->resp->status;
    snprintf(reterr->service_code, sizeof(reterr->service_code), "%s", service_code);
    arena_release(&a);
    return code;
}

static enum judged no_answer(struct attempt *t, enum ec *rc, struct err *reterr)
{
    bool may_repeat = t->call->repeat == CALL_REPEATABLE || !t->resp->request_sent;

    if (*rc != EC_NET)
        return JUDGED_DONE;
    if (reterr->transient && may_repeat && in_time(t) && t->unreadable < UNREADABLE) {
        int64_t wait = backoff(t);

        log_debug("net", "%s; trying again in %lld ms", reterr->msg, (long long)wait);
        return again(t, wait);
    }
    if (!may_repeat)
        reterr->transient = false;
    if (t->tries > 1) {
        *rc = err_ctx(reterr, EC_NET, "no answer from %s after %d tries in %lld s", t->s->name, t->tries,
                      (long long)((clock_mono_ms() - t->began_ms) / 1000));
        err_hint(reterr,
                 "check url in dmfsync.ini, the network and the environment's state, then run the same again");
    }
    return JUDGED_DONE;
}

static enum judged unauthorized(struct attempt *t, enum ec *rc, struct err *reterr)
{
    if (t->resp->status == 401 && !t->renewed && !t->call->anonymous) {
        t->renew = true;
        t->refusals++;
        return again(t, 0);
    }
    *rc = status_error(t, t->call->anonymous ? t->s->service_error : EC_AUTH, reterr);
    if (!t->call->anonymous)
        err_hint(reterr,
                 t->resp->status == 401
                     ? "%s does not accept the token: check url, tenant and that the application is registered there"
                     : "the application user lacks a privilege in %s, or is not registered there",
                 t->s->name);
    return JUDGED_DONE;
}

/* A fault of the service itself, not of the data: worth another try. */
static bool passing_fault(struct attempt *t)
{
    struct arena a = { 0 };
    char code[40];
    const char *text = service_error_text(t->resp, &a, code);
    bool yes = !code[0] || !strcasecmp(code, "0x80044150") || !strcasecmp(code, "0x80044151") ||
               !strcasecmp(code, "0x80048105") || !strcasecmp(code, "0x8004ed47") ||
               strstr(text, "Sql Number: 1205") != NULL;

    arena_release(&a);
    return yes && t->faults++ < SERVER_FAULTS;
}

static enum judged judge_status(struct attempt *t, enum ec *rc, struct err *reterr)
{
    int status = t->resp->status;
    bool may_repeat = t->call->repeat == CALL_REPEATABLE;

    if (status >= 200 && status < 300)
        return JUDGED_DONE;
    if (status == 429) {
        /* Refused before any work: every kind of call may go again; throttling is no failure of the row. */
        t->failing_since_ms = -1;
        if (clock_mono_ms() - t->began_ms < THROTTLE_DEADLINE_MS && !stop_requested()) {
            int64_t wait = t->resp->retry_after_ms >= 0 ? t->resp->retry_after_ms : backoff(t);

            log_info("net", "%s: throttled by %s, waiting %lld ms", t->call->http.what, t->s->name, (long long)wait);
            /* the governor holds back this user for that long; another one may take the call right away */
            return again(t, t->user ? jitter(t->s, 50) : wait + jitter(t->s, 50));
        }
        *rc = status_error(t, EC_BUSY, reterr);
        return JUDGED_DONE;
    }
    if (status == 401 || (status == 403 && !t->call->statuses_are_mine))
        return unauthorized(t, rc, reterr);
    if (status == 408 || status == 502 || status == 503 || status == 504) {
        if (may_repeat && in_time(t)) {
            int64_t wait = t->resp->retry_after_ms >= 0 ? t->resp->retry_after_ms : backoff(t);

            log_info("net", "%s: %s answered %d, trying again in %lld ms", t->call->http.what, t->s->name, status,
                     (long long)wait);
            return again(t, wait);
        }
        *rc = status_error(t, EC_BUSY, reterr);
        if (!may_repeat)
            reterr->transient = false;
        return JUDGED_DONE;
    }
    if (status >= 500) {
        if (may_repeat && in_time(t) && passing_fault(t))
            return again(t, backoff(t));
        *rc = status_error(t, t->s->service_error, reterr);
        return JUDGED_DONE;
    }
    if (!t->call->statuses_are_mine)
        *rc = status_error(t, t->s->service_error, reterr);
    return JUDGED_DONE;
}

static bool is_object(const struct strbuf *body)
{
    const char *p = strbuf_str(body), *end = p + body->len;

    if (body->len >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        p += 3;
    while (p < end && isspace((unsigned char)*p))
        p++;
    while (end > p && isspace((unsigned char)end[-1]))
        end--;
    return end - p >= 2 && *p == '{' && end[-1] == '}';
}

/* An answer that cannot be one is as good as lost: the service may have done its work. */
static void check_form(struct attempt *t, enum ec *rc, struct err *reterr)
{
    struct arena a = { 0 };
    char code[40];

    if (*rc || !t->call->json_object || t->resp->status != 200 || is_object(&t->resp->body))
        return;
    t->resp->request_sent = true;
    t->unreadable++;
    *rc = err_set(reterr, EC_NET, "%s: the answer of %s is not a JSON object: %s", t->call->http.what, t->s->name,
                  service_error_text(t->resp, &a, code));
    reterr->transient = true;
    err_hint(reterr, "something on the way answers in place of %s: look for a proxy or a maintenance page",
             t->s->name);
    arena_release(&a);
}

static enum judged attempt_judge(struct attempt *t, enum ec *rc, struct err *reterr)
{
    struct session *s = t->s;
    struct arena a = { 0 };

    s->stats.calls++;
    s->answered = s->answered || t->resp->status > 0;
    s->stats.sent_octets += t->resp->sent_octets;
    s->stats.got_octets += t->resp->got_octets;
    if (t->user)
        govern(t);
    if (t->resp->server_date_ms >= 0)
        s->stats.clock_skew_ms = t->resp->server_date_ms - clock_utc_ms();
    log_debug("net", "%s %s -> %d in %lld ms", t->q.method, url_shown(t->url.buf, &a), t->resp->status,
              (long long)t->resp->elapsed_ms);
    arena_release(&a);
    check_form(t, rc, reterr);
    return *rc ? no_answer(t, rc, reterr) : judge_status(t, rc, reterr);
}

enum ec session_do(struct session *s, const struct call *c, struct http_response *r, struct err *reterr)
{
    struct attempt t;
    struct err local = { 0 };
    enum ec rc;

    if (!reterr)
        reterr = &local;
    attempt_init(&t, s, c, r);
    for (;;) {
        int64_t wait = attempt_prepare(&t, &rc, reterr);

        if (wait < 0)
            break;
        if (wait > 0) {
            tell(s);
            clock_sleep_ms(wait > 500 ? 500 : wait);
            continue;
        }
        rc = http_do(s->http, &t.q, r, reterr);
        if (attempt_judge(&t, &rc, reterr) == JUDGED_DONE)
            break;
    }
    attempt_release(&t);
    return rc;
}

/* ---- side by side ---- */

struct slot {
    enum { SLOT_FREE, SLOT_READY, SLOT_FLYING, SLOT_OVER } state;
    struct session_job job;
    struct attempt t;
    enum ec rc;
    struct err err;
};
struct running {
    struct session *s;
    const struct session_pool *p;
    struct slot *slots;
    size_t n, busy;
    bool dry; /* next() said there is nothing now */
    enum ec rc; /* first error of next() or done() */
    struct err *err;
};

static void slot_done(void *arg, enum ec rc, struct err *err)
{
    struct slot *sl = arg;

    sl->rc = rc;
    sl->err = *err;
    sl->state = SLOT_OVER;
}

static bool take_job(struct running *r, struct slot *sl)
{
    struct err e = { 0 };

    memset(&sl->job.call, 0, sizeof(sl->job.call));
    sl->job.call.user = -1;
    sl->job.arg = NULL;
    if (!r->p->next(r->p->ctx, &sl->job, &e)) {
        r->dry = true;
        if (e.code) {
            r->rc = e.code;
            *r->err = e;
        }
        return false;
    }
    attempt_init(&sl->t, r->s, &sl->job.call, &sl->job.resp);
    sl->state = SLOT_READY;
    r->busy++;
    return true;
}

static void end_slot(struct running *r, struct slot *sl)
{
    struct err e = { 0 };
    enum ec rc = r->p->done(r->p->ctx, &sl->job, sl->rc, &sl->err, &e);

    attempt_release(&sl->t);
    strbuf_release(&sl->job.resp.body); /* so many answers in as many slots would stay the largest ones' memory */
    sl->state = SLOT_FREE;
    r->busy--;
    r->dry = false; /* a result may bring new work */
    if (rc && !r->rc) {
        r->rc = rc;
        *r->err = e;
    }
}

/* After an error nothing new goes out, and nothing that waits for its turn to go again. */
static void drop_ready(struct running *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct slot *sl = &r->slots[i];

        if (sl->state != SLOT_READY)
            continue;
        sl->rc = err_set(&sl->err, EC_STOPPED, "%s was not sent: an earlier call failed", sl->job.call.http.what);
        end_slot(r, sl);
    }
}

static int64_t start_ready(struct running *r)
{
    int64_t soonest = 250;

    for (size_t i = 0; i < r->n; i++) {
        struct slot *sl = &r->slots[i];
        int64_t wait;

        if (sl->state != SLOT_READY)
            continue;
        wait = attempt_prepare(&sl->t, &sl->rc, &sl->err);
        if (wait > 0) {
            soonest = wait < soonest ? wait : soonest;
            continue;
        }
        if (wait < 0) {
            end_slot(r, sl);
            continue;
        }
        sl->rc = http_start(r->s->http, &sl->t.q, &sl->job.resp, slot_done, sl, &sl->err);
        if (sl->rc) {
            if (sl->t.user)
                governor_undo(&sl->t.user->gov, &sl->t.governed);
            end_slot(r, sl);
        } else {
            sl->state = SLOT_FLYING;
        }
    }
    return soonest;
}

static void judge_over(struct running *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct slot *sl = &r->slots[i];

        if (sl->state != SLOT_OVER)
            continue;
        if (attempt_judge(&sl->t, &sl->rc, &sl->err) == JUDGED_DONE)
            end_slot(r, sl);
        else
            sl->state = SLOT_READY;
    }
}

/* How many calls it makes sense to hold: what the governors allow now, and one more that waits its turn. */
static size_t room(const struct running *r)
{
    size_t n = 1;

    for (size_t i = 0; i < r->s->n_users; i++)
        n += (size_t)r->s->users[i].gov.concurrency;
    if (r->p->max_in_flight > 0 && n > (size_t)r->p->max_in_flight)
        n = (size_t)r->p->max_in_flight;
    return n < r->n ? n : r->n;
}

enum ec session_run(struct session *s, const struct session_pool *p, struct err *reterr)
{
    struct err local = { 0 };
    struct running r = { .s = s, .p = p, .n = MAX_SLOTS, .err = reterr ? reterr : &local };
    int64_t idled = 0;

    r.slots = xcalloc(r.n, sizeof(*r.slots));
    for (size_t i = 0; i < r.n; i++)
        http_response_init(&r.slots[i].job.resp);
    for (;;) {
        int64_t wait;

        for (size_t i = 0; i < r.n && !r.dry && !r.rc && !stop_requested() && r.busy < room(&r); i++)
            if (r.slots[i].state == SLOT_FREE)
                take_job(&r, &r.slots[i]);
        if (r.rc)
            drop_ready(&r);
        if (!r.busy)
            break;
        wait = start_ready(&r);
        if (http_in_flight(s->http)) {
            enum ec rc = http_pump(s->http, wait, &local);

            if (rc && !r.rc) {
                r.rc = rc;
                *r.err = local;
                http_cancel_all(s->http);
            }
        } else if (r.busy) {
            clock_sleep_ms(wait);
        }
        judge_over(&r);
        tell(s);
        if (p->idle && clock_mono_ms() - idled > 250) {
            idled = clock_mono_ms();
            p->idle(p->ctx);
        }
    }
    for (size_t i = 0; i < r.n; i++)
        http_response_release(&r.slots[i].job.resp);
    free(r.slots);
    if (!r.rc && stop_requested())
        return err_set(reterr, EC_STOPPED, "stopped");
    return r.rc;
}

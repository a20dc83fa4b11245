/*
 * Injected faults: a small rule language, read line by line (docs/emulator.md).
 *
 *   on SERVICE METHOD PATH-GLOB [body GLOB] [nth N | every N | from A to B | chance P] do ACTION
 *
 * The first rule that fires decides. A rule counts the requests that it matches, fired or not; chances are drawn from
 * the seed, the rule and that count, so they do not depend on anything else.
 */
#include "emu_fault.h"

#include "emu_store.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum when { ALWAYS, NTH, EVERY, FROM_TO, CHANCE };
enum action { STATUS, DROP_BEFORE, DROP_AFTER, CUT, GARBAGE, DELAY, EXPIRE_SAS, IMPORT_STOP, IMPORT_FAIL };
enum { RULES_MAX = 200, WORDS_MAX = 32, BODY_LOOK = 1 << 20 };

struct rule {
    char *service, *method, *path, *body; /* body NULL = any */
    enum when when;
    int64_t a, b;
    double chance;
    enum action action;
    int64_t value, retry_after; /* -1 = none */
    bool partial;
    int64_t seen;
};
struct emu_fault {
    struct arena arena;
    const char *text;
    struct rule *rules;
    size_t n;
    /* of the request being answered */
    int64_t stop_at, partial, fail_rows;
    bool sas_expired;
};

/* ---- reading ---- */
struct words {
    char *w[WORDS_MAX];
    size_t n, at;
};

/* Blanks separate; "..." keeps them. */
static bool split(struct arena *a, const char *line, size_t n, struct words *out)
{
    *out = (struct words){ .n = 0 };
    for (size_t i = 0; i < n;) {
        struct strbuf s = STRBUF(0);
        bool quote = false;

        if (line[i] == ' ' || line[i] == '\t' || line[i] == '\r') {
            i++;
            continue;
        }
        if (line[i] == '#')
            break;
        for (; i < n && (quote || (line[i] != ' ' && line[i] != '\t' && line[i] != '\r')); i++)
            if (line[i] == '"')
                quote = !quote;
            else
                strbuf_addc(&s, line[i]);
        if (quote || out->n == WORDS_MAX) {
            strbuf_release(&s);
            return false;
        }
        out->w[out->n++] = arena_strdup(a, strbuf_str(&s));
        strbuf_release(&s);
    }
    return true;
}

static char *take(struct words *w)
{
    return w->at < w->n ? w->w[w->at++] : NULL;
}

static bool word(struct words *w, const char *text)
{
    if (w->at >= w->n || strcmp(w->w[w->at], text) != 0)
        return false;
    w->at++;
    return true;
}

static bool number(struct words *w, int64_t *ret)
{
    const char *s = take(w);
    char *end;

    if (!s || *s < '0' || *s > '9')
        return false;
    *ret = strtoll(s, &end, 10);
    return !*end;
}

static bool read_when(struct words *w, struct rule *r)
{
    if (word(w, "nth")) {
        r->when = NTH;
        return number(w, &r->a) && r->a > 0;
    }
    if (word(w, "every")) {
        r->when = EVERY;
        return number(w, &r->a) && r->a > 0;
    }
    if (word(w, "from")) {
        r->when = FROM_TO;
        return number(w, &r->a) && word(w, "to") && number(w, &r->b) && r->a <= r->b;
    }
    if (word(w, "chance")) {
        const char *s = take(w);
        char *end = NULL;

        r->when = CHANCE;
        r->chance = s ? strtod(s, &end) : -1;
        return s && !*end && r->chance >= 0 && r->chance <= 1;
    }
    return true;
}

static bool read_action(struct words *w, struct rule *r)
{
    r->retry_after = -1;
    if (word(w, "status")) {
        r->action = STATUS;
        return number(w, &r->value) && r->value >= 200 && r->value <= 599 &&
               (!word(w, "retry-after") || number(w, &r->retry_after));
    }
    if (word(w, "drop")) {
        r->action = word(w, "before") ? DROP_BEFORE : DROP_AFTER;
        return r->action == DROP_BEFORE || word(w, "after");
    }
    if (word(w, "cut") || word(w, "delay")) {
        r->action = strcmp(w->w[w->at - 1], "cut") != 0 ? DELAY : CUT;
        return number(w, &r->value) && (r->action == DELAY || r->value > 0);
    }
    if (word(w, "garbage")) {
        r->action = GARBAGE;
        return true;
    }
    if (word(w, "expire-sas")) {
        r->action = EXPIRE_SAS;
        return true;
    }
    if (!word(w, "import"))
        return false;
    if (word(w, "stop-at")) {
        r->action = IMPORT_STOP;
        if (!number(w, &r->value) || r->value < 1)
            return false;
        r->partial = word(w, "partial");
        return r->partial || word(w, "failed");
    }
    r->action = IMPORT_FAIL;
    return word(w, "fail-rows") && number(w, &r->value) && r->value > 0;
}

static bool read_rule(struct words *w, struct rule *r)
{
    static const char *const SERVICES[] = { "login", "blob", "fno", "dataverse", "gateway", "*" };
    bool known = false;

    if (!word(w, "on") || !(r->service = take(w)) || !(r->method = take(w)) || !(r->path = take(w)))
        return false;
    for (size_t i = 0; i < COUNT(SERVICES); i++)
        known = known || !strcmp(SERVICES[i], r->service);
    if (!known || (word(w, "body") && !(r->body = take(w))))
        return false;
    return read_when(w, r) && word(w, "do") && read_action(w, r) && w->at == w->n;
}

bool emu_fault_load(struct emu *e, const char *text, size_t n, char *msg, size_t msg_size)
{
    struct emu_fault *f = xcalloc(1, sizeof(*f));
    size_t line = 0;

    f->text = arena_dup(&f->arena, text, n);
    f->rules = arena_zalloc(&f->arena, RULES_MAX * sizeof(*f->rules));
    for (const char *p = f->text; *p;) {
        size_t len = strcspn(p, "\n");
        struct words w;
        bool ok = split(&f->arena, p, len, &w);

        line++;
        if (ok && w.n)
            ok = f->n < RULES_MAX && read_rule(&w, &f->rules[f->n++]);
        if (!ok) {
            snprintf(msg, msg_size, "line %zu is not a rule: %.*s", line, len < 120 ? (int)len : 120, p);
            arena_release(&f->arena);
            free(f);
            return false;
        }
        p += len + (p[len] == '\n');
    }
    emu_fault_free(e);
    e->faults = f;
    return true;
}

const char *emu_fault_text(const struct emu *e)
{
    return e->faults ? e->faults->text : "";
}

void emu_fault_free(struct emu *e)
{
    if (!e->faults)
        return;
    arena_release(&e->faults->arena);
    free(e->faults);
    e->faults = NULL;
}

/* ---- matching ---- */
static const char *service_name(enum emu_service s)
{
    static const char *const NAMES[EMU_SERVICES] = { "login", "blob", "fno", "dataverse", "admin", "gateway" };

    return NAMES[s];
}

static bool concerns(const struct rule *r, const struct emu_request *q)
{
    return (!strcmp(r->service, "*") || !strcmp(r->service, service_name(q->service))) &&
           (!strcmp(r->method, "*") || !strcasecmp(r->method, q->method)) &&
           /* A path may be given with or without the query. */
           (!fnmatch(r->path, q->path, 0) || !fnmatch(r->path, q->raw_target, 0)) &&
           (!r->body || (q->body_len <= BODY_LOOK && !fnmatch(r->body, q->body, 0)));
}

static bool fires(struct emu *e, struct rule *r, size_t index)
{
    char text[64];

    r->seen++;
    switch (r->when) {
    case ALWAYS: return true;
    case NTH: return r->seen == r->a;
    case EVERY: return r->seen % r->a == 0;
    case FROM_TO: return r->seen >= r->a && r->seen <= r->b;
    case CHANCE:
        snprintf(text, sizeof(text), "fault/%zu/%" PRId64, index, r->seen);
        return (double)(emu_hash(e, text) >> 11) / 9007199254740992.0 < r->chance;
    }
    return false;
}

static void apply(struct emu_fault *f, const struct rule *r, struct emu_fault_plan *p)
{
    switch (r->action) {
    case STATUS:
        p->status = (int)r->value;
        p->retry_after = r->retry_after;
        break;
    case DROP_BEFORE: p->drop_before = true; break;
    case DROP_AFTER: p->drop_after = true; break;
    case CUT: p->cut = (size_t)r->value; break;
    case GARBAGE: p->garbage = true; break;
    case DELAY: p->delay_ms = r->value; break;
    case EXPIRE_SAS: f->sas_expired = true; break;
    case IMPORT_STOP:
        f->stop_at = r->value;
        f->partial = r->partial;
        break;
    case IMPORT_FAIL: f->fail_rows = r->value; break;
    }
}

void emu_fault_match(struct emu *e, const struct emu_request *q, struct emu_fault_plan *ret)
{
    struct emu_fault *f = e->faults;
    bool done = false;

    *ret = (struct emu_fault_plan){ .retry_after = -1 };
    if (!f)
        return;
    f->stop_at = f->partial = f->fail_rows = 0;
    f->sas_expired = false;
    for (size_t i = 0; i < f->n; i++) {
        if (!concerns(&f->rules[i], q) || !fires(e, &f->rules[i], i) || done)
            continue;
        apply(f, &f->rules[i], ret);
        emu_count(e, "faults.fired", 1);
        done = true;
    }
}

int64_t emu_fault_import(struct emu *e, const char *what)
{
    const struct emu_fault *f = e->faults;

    if (!f)
        return 0;
    return !strcmp(what, "stop-at") ? f->stop_at : !strcmp(what, "partial") ? f->partial : f->fail_rows;
}

bool emu_fault_sas_expired(const struct emu *e)
{
    return e->faults && e->faults->sas_expired;
}

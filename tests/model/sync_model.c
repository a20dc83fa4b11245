/*
 * sync_model.c -- a model of two-way sync against the real program and the emulator: random edits by users of both sides, random
 * syncs (whole, killed at a step, under faults, with positions that were taken back), and what must be so in the end.
 *
 *   sync_model WORKSPACE ADMIN_URL DMFSYNC FIRST_SEED SEEDS
 *
 * DMFSYNC is the build with kill points. The workspace's map `customers` is at parity, its gate open, deletes = apply, key_scan = 1ms.
 * A seed is an episode; the next one goes on from where it ended. Checked:
 *   - after an undisturbed sync, every field is what a three-way merge by hand says; a field that both sides changed has a log entry
 *     with base, both values and the winner; there were no more writes than records that had to be written;
 *   - after the episode, both sides hold the same; a field that one side alone edited holds its last value, one that both edited the
 *     last value of either; the value that was lost is in the log, or was seen by the side that replaced it;
 *   - one more sync writes nothing.
 * Prints one line per seed that fails, and "N seeds, M failed" at the end. Status 1 when any failed.
 */
#include "data/json.h"

#include <curl/curl.h>
#include <signal.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
enum { FNO, DV, SLOTS = 12, FIELDS = 6, VALUE = 40 };
static const char *const NAMES[FIELDS][2] = { { "ORGANIZATIONNAME", "name" },
                                              { "PRIMARYCONTACTPHONE", "telephone1" },
                                              { "SALESMEMO", "description" },
                                              { "CREDITRATING", "msdyn_creditrating" },
                                              { "IDENTIFICATIONNUMBER", "msdyn_identificationnumber" },
                                              { "CUSTOMERGROUPID", "msdyn_customergroupid" } };
static const bool DV_MASTER[FIELDS] = { [1] = true, [3] = true }; /* as the workspace's settings say */
static const char *const GROUPS[] = { "10", "20", "30", "80" };

struct row {
    bool there, outside;
    char f[FIELDS][VALUE];
};
struct edit { /* the last one of a field on one side in this episode */
    int step; /* 0 = none */
    char value[VALUE];
    char was
        [VALUE]; /* what the field held at the last whole sync: polling sees the net of edits, so going back to it is none */
};
struct slot {
    char key[24];
    bool odd; /* made, deleted, renamed or out of the filter in this episode: only that both sides agree is checked */
    bool used;
    struct edit e[FIELDS][2];
    struct row agreed; /* as both sides were after the last undisturbed sync */
    bool has_agreed;
};
static struct {
    const char *ws, *admin, *bin;
    CURL *curl;
    uint64_t dice;
    struct slot s[SLOTS];
    int step, last_sync_step[64], n_syncs, serial;
    int whole_step; /* of the last sync that ended well */
    char why[600];
    bool verbose;
    char old_link[4000];
} M;

static unsigned roll(unsigned n)
{
    M.dice ^= M.dice << 13;
    M.dice ^= M.dice >> 7;
    M.dice ^= M.dice << 17;
    return (unsigned)((M.dice >> 11) % n);
}

static bool fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!M.why[0])
        vsnprintf(M.why, sizeof(M.why), fmt, ap);
    va_end(ap);
    return false;
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    va_list ap;

    if (!M.verbose)
        return;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

/* ---- the admin port ---- */

static size_t collect(char *p, size_t n, size_t m, void *arg)
{
    strbuf_add(arg, p, n * m);
    return n * m;
}

static long call(const char *path, const char *body, struct strbuf *out)
{
    char url[600];
    long status = 0;

    strbuf_reset(out);
    snprintf(url, sizeof(url), "%s%s", M.admin, path);
    curl_easy_reset(M.curl);
    curl_easy_setopt(M.curl, CURLOPT_URL, url);
    curl_easy_setopt(M.curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(M.curl, CURLOPT_WRITEDATA, out);
    if (body)
        curl_easy_setopt(M.curl, CURLOPT_POSTFIELDS, body);
    if (curl_easy_perform(M.curl) == CURLE_OK)
        curl_easy_getinfo(M.curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool post(const char *path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool post(const char *path, const char *fmt, ...)
{
    struct strbuf out = STRBUF(0);
    char body[1200];
    va_list ap;
    long status;

    va_start(ap, fmt);
    vsnprintf(body, sizeof(body), fmt, ap);
    va_end(ap);
    status = call(path, body, &out);
    say("  %s %s -> %ld", path, body, status);
    if (status != 200)
        fail("%s %s: %ld %s", path, body, status, strbuf_str(&out));
    strbuf_release(&out);
    return status == 200;
}

static void take_value(char ret[VALUE], struct cell c)
{
    const char *at = c.ptr ? memchr(c.ptr, '@', c.len) : NULL;

    if (at)
        c.len = (size_t)(at - c.ptr);
    snprintf(ret, VALUE, "%.*s", (int)c.len, c.ptr ? c.ptr : "");
}

static struct row read_row(const char *key, int side)
{
    struct strbuf out = STRBUF(0);
    struct arena a = { 0 };
    struct json *v = NULL;
    struct row r = { 0 };
    char path[300];

    snprintf(path, sizeof(path),
             side == FNO ? "/fno/row?entity=Customers%%20V3&company=usmf&key=%s"
                         : "/dataverse/row?table=account&company=USMF&key=%s",
             key);
    if (call(path, NULL, &out) == 200 && !json_parse("row", out.buf, out.len, NULL, &a, &v, NULL)) {
        r.there = true;
        r.outside = side == FNO ? !cell_is(json_member(v, "PARTYTYPE"), "Organization")
                                : !cell_is(json_member(v, "customertypecode"), "3");
        for (int f = 0; f < FIELDS; f++)
            take_value(r.f[f], json_member(v, NAMES[f][side]));
    }
    arena_release(&a);
    strbuf_release(&out);
    return r;
}

static int64_t writes_so_far(void)
{
    static const char *const COUNTED[] = { "fno.odata.writes", "dv.writes.single", "dv.batch.ops" };
    struct strbuf out = STRBUF(0);
    struct arena a = { 0 };
    struct json *v = NULL;
    int64_t n = 0;

    if (call("/counters", NULL, &out) == 200 && !json_parse("counters", out.buf, out.len, NULL, &a, &v, NULL))
        for (size_t i = 0; i < COUNT(COUNTED); i++)
            n += json_i64(json_get(v, COUNTED[i]), 0);
    arena_release(&a);
    strbuf_release(&out);
    return n;
}

/* ---- the program ---- */

static int run(char *const argv[], int kill_step)
{
    char *env[400], text[60];
    size_t n = 0;
    posix_spawn_file_actions_t fa;
    pid_t pid;
    int st = 0;

    for (char **e = environ; *e && n < 390; e++)
        if (strncmp(*e, "DMFSYNC_STEP_", 13))
            env[n++] = *e;
    if (kill_step) {
        snprintf(text, sizeof(text), "DMFSYNC_STEP_KILL=%d", kill_step);
        env[n++] = text;
    }
    env[n] = NULL;
    posix_spawn_file_actions_init(&fa);
    posix_spawn_file_actions_addopen(&fa, 1, "model.out", 01101, 0600);
    posix_spawn_file_actions_addopen(&fa, 2, "model.err", 01101, 0600);
    if (posix_spawn(&pid, M.bin, &fa, NULL, argv, env))
        return -1;
    posix_spawn_file_actions_destroy(&fa);
    waitpid(pid, &st, 0);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static int do_sync(int kill_step)
{
    char *const argv[] = { (char *)M.bin, "sync", "--once", "customers", NULL };
    int st = run(argv, kill_step);

    if (M.n_syncs < 64)
        M.last_sync_step[M.n_syncs++] = ++M.step;
    if (!st || st == 14)
        M.whole_step = M.step;
    say("  sync%s -> %d", kill_step ? " (killed)" : "", st);
    if (st && st != 14)
        (void)rename("model.err", "model.failed"); /* the last one that did not end well, for whoever looks */
    return st;
}

static sqlite3 *state(void)
{
    sqlite3 *db = NULL;

    if (sqlite3_open(".dmfsync/maps/customers/state.db", &db))
        fail("state.db: %s", sqlite3_errmsg(db));
    sqlite3_busy_timeout(db, 5000);
    return db;
}

static int64_t number(const char *sql, const char *p1, const char *p2, const char *p3, const char *p4)
{
    sqlite3 *db = state();
    sqlite3_stmt *s = NULL;
    const char *p[] = { p1, p2, p3, p4 };
    int64_t n = -1;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL))
        fail("%s: %s", sql, sqlite3_errmsg(db));
    for (int i = 0; i < 4; i++)
        if (p[i])
            sqlite3_bind_text(s, i + 1, p[i], -1, SQLITE_TRANSIENT);
    if (sqlite3_step(s) == SQLITE_ROW)
        n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

/* The position goes back to where it was some time ago: everything since comes again. */
static void rewind_position(void)
{
    sqlite3 *db = state();
    sqlite3_stmt *s = NULL;

    if (M.old_link[0]) {
        sqlite3_prepare_v2(db, "update cursor set value = ?1 where side = 'dataverse'", -1, &s, NULL);
        sqlite3_bind_text(s, 1, M.old_link, -1, SQLITE_TRANSIENT);
        sqlite3_step(s);
        sqlite3_finalize(s);
        say("  the position was taken back");
    }
    if (!roll(3) || !M.old_link[0]) {
        sqlite3_prepare_v2(db, "select value from cursor where side = 'dataverse'", -1, &s, NULL);
        if (sqlite3_step(s) == SQLITE_ROW)
            snprintf(M.old_link, sizeof(M.old_link), "%s", (const char *)sqlite3_column_text(s, 0));
        sqlite3_finalize(s);
    }
    sqlite3_close(db);
}

/* ---- users ---- */

static void new_value(int f, char ret[VALUE])
{
    if (f == 5)
        snprintf(ret, VALUE, "%s", GROUPS[roll(COUNT(GROUPS))]);
    else
        snprintf(ret, VALUE, "%c%u", f == 3 ? 'R' : 'v', 1 + roll(f == 3 ? 9 : 10000));
}

static bool user_update(struct slot *s, int side, int f, const char *now)
{
    struct edit *e = &s->e[f][side];
    char value[VALUE];

    new_value(f, value);
    if (!post(side == FNO ? "/fno/rows" : "/dataverse/rows",
              side == FNO ? "{\"entity\":\"Customers "
                            "V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"%s\",\"%s\":\"%s\"}}"
                          : "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"%s\"},"
                            "\"values\":{\"%s\":\"%s\"}}",
              s->key, NAMES[f][side], value))
        return false;
    if (!e->step || e->step < M.whole_step)
        snprintf(e->was, VALUE, "%s", now);
    e->step = ++M.step;
    snprintf(e->value, VALUE, "%s", value);
    return true;
}

static bool user_create(struct slot *s, int side)
{
    char name[VALUE];

    s->used = s->odd = true;
    new_value(0, name);
    return post(
        side == FNO ? "/fno/rows" : "/dataverse/rows",
        side == FNO
            ? "{\"entity\":\"Customers V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"%s\","
              "\"ORGANIZATIONNAME\":\"%s\",\"CUSTOMERGROUPID\":\"10\",\"SALESCURRENCYCODE\":\"USD\"}}"
            : "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"%s\"},\"values\":{\"name\":"
              "\"%s\",\"customertypecode\":\"3\",\"msdyn_customergroupid\":\"10\",\"transactioncurrencyid\":"
              "\"USD\"}}",
        s->key, name);
}

static bool user_delete(struct slot *s, int side)
{
    s->odd = true;
    return post(
        side == FNO ? "/fno/rows" : "/dataverse/rows",
        side == FNO
            ? "{\"entity\":\"Customers "
              "V3\",\"company\":\"usmf\",\"delete\":true,\"values\":{\"CUSTOMERACCOUNT\":\"%s\"}}"
            : "{\"table\":\"account\",\"company\":\"USMF\",\"delete\":true,\"key\":{\"accountnumber\":\"%s\"}}",
        s->key);
}

static bool user_filter(struct slot *s, int side, bool in)
{
    s->odd = true;
    return side == FNO
               ? post("/fno/rows",
                      "{\"entity\":\"Customers "
                      "V3\",\"company\":\"usmf\",\"values\":{\"CUSTOMERACCOUNT\":\"%s\",\"PARTYTYPE\":\"%s\"}}",
                      s->key, in ? "Organization" : "Person")
               : post("/dataverse/rows",
                      "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"%s\"},\"values\":{"
                      "\"customertypecode\":\"%s\"}}",
                      s->key, in ? "3" : "1");
}

static struct slot *free_slot(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (!M.s[i].used) {
            M.s[i] = (struct slot){ .used = true, .odd = true };
            snprintf(M.s[i].key, sizeof(M.s[i].key), "M-%06d", ++M.serial);
            return &M.s[i];
        }
    return NULL;
}

/* Dataverse's user gives the record another key: from then on it is another record. */
static bool user_rename(struct slot *s)
{
    struct slot *to = free_slot();

    if (!to)
        return true;
    s->odd = true;
    return post("/dataverse/rows",
                "{\"table\":\"account\",\"company\":\"USMF\",\"key\":{\"accountnumber\":\"%s\"},\"values\":{"
                "\"accountnumber\":\"%s\"}}",
                s->key, to->key);
}

static bool one_edit(void)
{
    struct slot *s = &M.s[roll(SLOTS)];
    int side = (int)roll(2);
    unsigned what = roll(100);
    struct row r;

    if (!s->used) {
        s = what < 60 ? NULL : free_slot();
        if (!s)
            return true;
        return user_create(s, side) && (what < 90 || user_create(s, !side));
    }
    r = read_row(s->key, side);
    if (!r.there)
        return what < 50 || user_create(s, side);
    if (what < 84) {
        int f = (int)roll(FIELDS);

        return user_update(s, side, f, r.f[f]);
    }
    if (what < 89)
        return user_delete(s, side);
    if (what < 92)
        return side == DV ? user_rename(s) : true;
    return r.outside || what < 96 ? user_filter(s, side, r.outside) : true;
}

/* ---- checks ---- */

static bool same_rows(const struct row *a, const struct row *b)
{
    if (a->there != b->there)
        return false;
    for (int f = 0; a->there && f < FIELDS; f++)
        if (strcmp(a->f[f], b->f[f]))
            return false;
    return true;
}

static void key_text(const struct slot *s, char ret[40])
{
    snprintf(ret, 40, "usmf|%s", s->key);
}

/* One field after an undisturbed sync, by a merge by hand. */
static bool check_field(const struct slot *s, int f, const struct row *was, const struct row *fno,
                        const struct row *dv, const struct row *now)
{
    const char *base = was->f[f], *x = fno->f[f], *y = dv->f[f], *want;
    char key[40];

    key_text(s, key);
    if (!strcmp(x, y) || !strcmp(y, base))
        want = x;
    else if (!strcmp(x, base))
        want = y;
    else {
        want = DV_MASTER[f] ? y : x;
        if (number("select count(*) from conflict where key = ?1 and field = ?2 and fno is ?3 and dataverse is ?4",
                   key, NAMES[f][FNO], x, y) < 1)
            return fail("%s.%s: base '%s', F&O '%s', Dataverse '%s': no log entry", s->key, NAMES[f][0], base, x, y);
    }
    return !strcmp(now->f[f], want) ? true
                                    : fail("%s.%s: base '%s', F&O '%s', Dataverse '%s' became '%s', not '%s'", s->key,
                                           NAMES[f][0], base, x, y, now->f[f], want);
}

/* An undisturbed sync, looked at closely. False = something is wrong. */
static bool clean_sync(void)
{
    struct row fno[SLOTS], dv[SLOTS];
    int64_t before, records = 0, slack = 0;
    int st;

    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &M.s[i];

        if (!s->used)
            continue;
        fno[i] = read_row(s->key, FNO);
        dv[i] = read_row(s->key, DV);
        /* what a key may cost: a write to either side; a record that is made, once more for what the other side fills in */
        records += s->odd || !s->has_agreed ? 0 : !same_rows(&fno[i], &s->agreed) + !same_rows(&dv[i], &s->agreed);
        slack += s->odd || !s->has_agreed ? 4 : 0;
    }
    before = writes_so_far();
    st = do_sync(0);
    if (st && st != 14)
        return fail("sync ended with %d", st);
    if (writes_so_far() - before > records + slack)
        return fail("%lld writes for %lld changed records (slack %lld)", (long long)(writes_so_far() - before),
                    (long long)records, (long long)slack);
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &M.s[i];
        struct row f2, d2;

        if (!s->used)
            continue;
        f2 = read_row(s->key, FNO);
        d2 = read_row(s->key, DV);
        if (!s->odd && s->has_agreed) {
            if (!same_rows(&f2, &d2))
                return fail("%s: the sides differ after an undisturbed sync", s->key);
            for (int f = 0; f < FIELDS; f++)
                if (!check_field(s, f, &s->agreed, &fno[i], &dv[i], &f2))
                    return false;
            memset(s->e, 0, sizeof(s->e));
        }
        s->has_agreed = same_rows(&f2, &d2) && f2.there && !f2.outside && !d2.outside;
        s->agreed = f2;
    }
    return true;
}

static void disturb(void)
{
    static const char *const RULES[] = {
        "on dataverse PATCH * chance 0.3 do drop after",
        "on fno PATCH * chance 0.3 do drop after",
        "on fno POST *CustomersV3* chance 0.5 do drop after",
        "on dataverse POST *accounts* chance 0.5 do drop after",
        "on dataverse * * chance 0.1 do status 429 retry-after 0",
        "on fno * * chance 0.1 do status 429 retry-after 0",
        "on dataverse GET *deltatoken* nth 1 do cut 60",
        "on fno DELETE * chance 0.5 do drop after",
        "on fno PATCH * nth 1 do status 500",
        "on dataverse PATCH * nth 1 do garbage",
    };

    post("/faults", "%s\n", RULES[roll(COUNT(RULES))]);
}

static bool segment(void)
{
    unsigned n = 1 + roll(7), how = roll(100);

    for (unsigned i = 0; i < n; i++)
        if (!one_edit())
            return false;
    if (how < 50)
        return clean_sync();
    for (int i = 0; i < SLOTS; i++)
        M.s[i].has_agreed = false;
    if (how < 75) {
        (void)do_sync(1 + (int)roll(70));
    } else if (how < 90) {
        disturb();
        (void)do_sync(0);
        post("/faults", "%s", "");
    } else {
        rewind_position();
        (void)do_sync(0);
    }
    return true;
}

/* Users and the operator put an end to what waits. */
static bool end_what_waits(void)
{
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &M.s[i];
        struct row f = read_row(s->key, FNO), d = read_row(s->key, DV);

        if (!s->used)
            continue;
        if (f.there && f.outside && !user_filter(s, FNO, true))
            return false;
        if (d.there && d.outside && !user_filter(s, DV, true))
            return false;
    }
    for (int round = 0; round < 8; round++) {
        int st = do_sync(0);
        char *const argv[] = {
            (char *)M.bin, "conflicts", "resolve", "customers", "--all", "--take", roll(2) ? "fno" : "dataverse", NULL
        };

        if (st && st != 14)
            return fail("the last syncs ended with %d", st);
        if (st == 14 && run(argv, 0))
            return fail("conflicts resolve failed");
        if (!st && !number("select count(*) from pending", NULL, NULL, NULL, NULL) && round > 1)
            return true;
    }
    return fail("it does not come to rest: %lld keys wait",
                (long long)number("select count(*) from pending", NULL, NULL, NULL, NULL));
}

static bool check_last(const struct slot *s, int f, const struct row *now)
{
    const struct edit *x = &s->e[f][FNO], *y = &s->e[f][DV], *lost, *won;
    char key[40];

    if (!x->step && !y->step)
        return true;
    if (!x->step || !y->step) {
        const struct edit *e = x->step ? x : y;

        return !strcmp(now->f[f], e->value) ? true
                                            : fail("%s.%s: %s alone edited it to '%s', and it is '%s'", s->key,
                                                   NAMES[f][0], x->step ? "F&O" : "Dataverse", e->value, now->f[f]);
    }
    if (!strcmp(now->f[f], x->value))
        won = x, lost = y;
    else if (!strcmp(now->f[f], y->value))
        won = y, lost = x;
    else
        return fail("%s.%s: '%s' is the last edit of neither side ('%s', '%s')", s->key, NAMES[f][0], now->f[f],
                    x->value, y->value);
    if (!strcmp(won->value, lost->value) || !strcmp(lost->value, lost->was))
        return true;
    for (int i = 0; i < M.n_syncs; i++)
        if (M.last_sync_step[i] > lost->step && M.last_sync_step[i] < won->step)
            return true; /* it had come over before it was replaced */
    key_text(s, key);
    if (number("select count(*) from conflict where key = ?1 and field = ?2 and ?3 in (fno, dataverse)", key,
               NAMES[f][FNO], lost->value, NULL) > 0)
        return true;
    return fail("%s.%s: '%s' was lost to '%s' without a log entry", s->key, NAMES[f][0], lost->value, won->value);
}

static bool episode(void)
{
    int64_t before;
    unsigned segments = 1 + roll(4);

    M.step = M.n_syncs = M.whole_step = 0;
    for (int i = 0; i < SLOTS; i++) {
        M.s[i].odd = false;
        memset(M.s[i].e, 0, sizeof(M.s[i].e));
    }
    for (unsigned i = 0; i < segments; i++)
        if (!segment())
            return false;
    if (!end_what_waits())
        return false;
    before = writes_so_far();
    if (do_sync(0) || writes_so_far() != before)
        return fail("a sync without edits wrote %lld times", (long long)(writes_so_far() - before));
    for (int i = 0; i < SLOTS; i++) {
        struct slot *s = &M.s[i];
        struct row f, d;

        if (!s->used)
            continue;
        f = read_row(s->key, FNO);
        d = read_row(s->key, DV);
        if (!same_rows(&f, &d) || f.outside || d.outside)
            return fail("%s: the sides differ in the end (F&O %s '%s', Dataverse %s '%s')", s->key,
                        f.there ? "has" : "lacks", f.f[0], d.there ? "has" : "lacks", d.f[0]);
        for (int k = 0; k < FIELDS && !s->odd; k++)
            if (!check_last(s, k, &f))
                return false;
        s->used = f.there;
        s->has_agreed = f.there;
        s->agreed = f;
    }
    return true;
}

static bool parity(void)
{
    char *const argv[] = { (char *)M.bin, "parity", "customers", NULL };
    int st = run(argv, 0);

    return st ? fail("parity ended with %d", st) : true;
}

int main(int argc, char **argv)
{
    uint64_t first, n, bad = 0;

    if (argc != 6 || chdir(argv[1])) {
        fprintf(stderr, "usage: sync_model WORKSPACE ADMIN_URL DMFSYNC FIRST_SEED SEEDS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    M.ws = argv[1];
    M.admin = argv[2];
    M.bin = argv[3];
    M.verbose = getenv("MODEL_VERBOSE") != NULL;
    first = strtoull(argv[4], NULL, 10);
    n = strtoull(argv[5], NULL, 10);
    M.serial = (int)(first % 900) * 1000;
    M.curl = curl_easy_init();
    for (uint64_t seed = first; seed < first + n; seed++) {
        bool ok;

        M.dice = seed * 0x9e3779b97f4a7c15u + 1;
        for (int i = 0; i < 20; i++)
            (void)roll(2);
        M.why[0] = 0;
        say("seed %llu", (unsigned long long)seed);
        ok = episode() && (seed % 10 || parity());
        if (!ok) {
            bad++;
            printf("seed %llu: %s\n", (unsigned long long)seed, M.why);
            fflush(stdout);
            if (getenv("MODEL_STOP"))
                break;
            /* begin anew with other records */
            post("/faults", "%s", "");
            (void)end_what_waits();
            memset(M.s, 0, sizeof(M.s));
        }
    }
    printf("%llu seeds, %llu failed\n", (unsigned long long)n, (unsigned long long)bad);
    curl_easy_cleanup(M.curl);
    return bad != 0;
}

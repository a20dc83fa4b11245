/*
 * The emulator's database and what lives in it without belonging to a service: counters, numbers that outlive the
 * process, the simulated clock; and everything that follows from the seed.
 */
#include "emu_store.h"

#include "base/file.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 1024 };

struct emu_store {
    sqlite3_stmt *cache[SLOTS]; /* by hash of the text, linear probing */
    size_t n;
    /* simulated = base_sim + (monotonic - base_mono) * scale */
    int64_t base_sim, base_mono, scale;
};

static _Noreturn void sql_failed(struct emu *e, const char *sql)
{
    fprintf(stderr, "dmfsync-emulator: SQL error: %s in: %s\n", sqlite3_errmsg(e->db), sql);
    abort();
}

sqlite3_stmt *emu_prepare(struct emu *e, const char *sql)
{
    sqlite3_stmt *s = NULL;

    if (sqlite3_prepare_v2(e->db, sql, -1, &s, NULL) != SQLITE_OK)
        sql_failed(e, sql);
    return s;
}

static size_t text_hash(const char *s)
{
    uint64_t h = 1469598103934665603ULL;

    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 1099511628211ULL;
    return (size_t)(h ^ h >> 32);
}

sqlite3_stmt *emu_sql(struct emu *e, const char *sql)
{
    struct emu_store *st = e->store;
    size_t i = text_hash(sql) % SLOTS;

    while (st->cache[i] && strcmp(sqlite3_sql(st->cache[i]), sql) != 0)
        i = (i + 1) % SLOTS;
    if (!st->cache[i]) {
        BUG_IF(st->n >= SLOTS / 2, "too many different SQL texts for the cache");
        if (sqlite3_prepare_v3(e->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->cache[i], NULL) != SQLITE_OK)
            sql_failed(e, sql);
        st->n++;
    }
    sqlite3_reset(st->cache[i]);
    sqlite3_clear_bindings(st->cache[i]);
    return st->cache[i];
}

static sqlite3_stmt *bind(struct emu *e, const char *sql, const char *types, va_list ap)
{
    sqlite3_stmt *s = emu_sql(e, sql);

    for (int i = 1; *types; types++, i++) {
        int rc = *types == 't' ? sqlite3_bind_text(s, i, va_arg(ap, const char *), -1, SQLITE_TRANSIENT)
                               : sqlite3_bind_int64(s, i, va_arg(ap, int64_t));

        if (rc != SQLITE_OK)
            sql_failed(e, sql);
    }
    return s;
}

bool emu_step(struct emu *e, sqlite3_stmt *s)
{
    int rc = sqlite3_step(s);

    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        sql_failed(e, sqlite3_sql(s));
    sqlite3_reset(s);
    return false;
}

sqlite3_stmt *emu_select(struct emu *e, const char *sql, const char *types, ...)
{
    va_list ap;
    sqlite3_stmt *s;

    va_start(ap, types);
    s = bind(e, sql, types, ap);
    va_end(ap);
    return s;
}

void emu_exec(struct emu *e, const char *sql, const char *types, ...)
{
    va_list ap;
    sqlite3_stmt *s;

    va_start(ap, types);
    s = bind(e, sql, types, ap);
    va_end(ap);
    while (emu_step(e, s))
        continue;
}

int64_t emu_int(struct emu *e, const char *sql, const char *types, ...)
{
    va_list ap;
    sqlite3_stmt *s;
    int64_t v = 0;

    va_start(ap, types);
    s = bind(e, sql, types, ap);
    va_end(ap);
    if (emu_step(e, s))
        v = sqlite3_column_int64(s, 0);
    sqlite3_reset(s);
    return v;
}

const char *emu_text(sqlite3_stmt *s, int column)
{
    const char *t = (const char *)sqlite3_column_text(s, column);

    return t ? t : "";
}

int64_t emu_state(struct emu *e, const char *name, int64_t dflt)
{
    sqlite3_stmt *s = emu_select(e, "select value from emu_state where name = ?1", "t", name);
    int64_t v = emu_step(e, s) ? sqlite3_column_int64(s, 0) : dflt;

    sqlite3_reset(s);
    return v;
}

void emu_state_set(struct emu *e, const char *name, int64_t value)
{
    emu_exec(e, "insert into emu_state(name, value) values(?1, ?2) on conflict(name) do update set value = ?2", "ti",
             name, value);
}

void emu_count(struct emu *e, const char *name, int64_t add)
{
    emu_exec(e,
             "insert into emu_counter(name, value) values(?1, ?2) on conflict(name) do update set value = value + ?2",
             "ti", name, add);
}

enum ec emu_store_open(struct emu *e, struct err *reterr)
{
    static const char SETTINGS[] = "pragma journal_mode = wal; pragma synchronous = off; pragma cache_size = -200000;"
                                   "pragma temp_store = memory; pragma wal_autocheckpoint = 20000;"
                                   "create table if not exists emu_counter(name text primary key, value integer);"
                                   "create table if not exists emu_state(name text primary key, value integer);";
    struct arena a = { 0 };
    const char *path = arena_printf(&a, "%s/tenant.db", e->dir);
    int64_t last;
    enum ec rc = dir_make(e->dir, 0700, reterr);

    e->store = xcalloc(1, sizeof(*e->store));
    e->store->scale = 1;
    if (!rc && sqlite3_open_v2(path, &e->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                               NULL) != SQLITE_OK)
        rc = err_set(reterr, EC_IO, "open '%s': %s", path, e->db ? sqlite3_errmsg(e->db) : "out of memory");
    if (!rc && sqlite3_exec(e->db, SETTINGS, NULL, NULL, NULL) != SQLITE_OK)
        rc = err_set(reterr, EC_IO, "'%s': %s", path, sqlite3_errmsg(e->db));
    arena_release(&a);
    if (rc)
        return rc;
    /* A tenant that comes back does not live through the same time twice. */
    last = emu_state(e, "clock_ms", 0);
    e->store->base_sim = clock_utc_ms() > last ? clock_utc_ms() : last;
    e->store->base_mono = clock_mono_ms();
    return EC_OK;
}

void emu_store_close(struct emu *e)
{
    if (!e->store)
        return;
    for (size_t i = 0; i < SLOTS; i++)
        sqlite3_finalize(e->store->cache[i]);
    sqlite3_close(e->db);
    free(e->store);
    e->store = NULL;
    e->db = NULL;
}

void emu_store_begin(struct emu *e)
{
    emu_exec(e, "begin", "");
}

void emu_store_commit(struct emu *e)
{
    emu_state_set(e, "clock_ms", emu_now_ms(e));
    emu_exec(e, "commit", "");
}

int64_t emu_now_ms(const struct emu *e)
{
    const struct emu_store *st = e->store;

    return st->base_sim + (clock_mono_ms() - st->base_mono) * st->scale + e->time_offset_ms;
}

void emu_clock_scale(struct emu *e, int64_t scale)
{
    struct emu_store *st = e->store;
    int64_t mono = clock_mono_ms();

    st->base_sim += (mono - st->base_mono) * st->scale;
    st->base_mono = mono;
    st->scale = scale > 0 ? scale : 1;
}

int64_t emu_wall_ms(const struct emu *e, int64_t simulated_ms)
{
    return simulated_ms <= 0 ? 0 : (simulated_ms + e->store->scale - 1) / e->store->scale;
}

/* ---- what follows from the seed ---- */
void emu_key(const struct emu *e, const char *text, unsigned char ret[static 32])
{
    struct strbuf s = STRBUF(0);

    strbuf_addf(&s, "%llu/%s", (unsigned long long)e->seed, text);
    SHA256((const unsigned char *)strbuf_str(&s), s.len, ret);
    strbuf_release(&s);
}

uint64_t emu_hash(const struct emu *e, const char *text)
{
    unsigned char d[32];
    uint64_t v = 0;

    emu_key(e, text, d);
    for (int i = 0; i < 8; i++)
        v = v << 8 | d[i];
    return v;
}

void emu_guid(const struct emu *e, const char *text, char ret[static 37])
{
    unsigned char d[32];

    emu_key(e, text, d);
    d[6] = (unsigned char)((d[6] & 0x0f) | 0x40);
    d[8] = (unsigned char)((d[8] & 0x3f) | 0x80);
    for (size_t i = 0, at = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            ret[at++] = '-';
        ret[at++] = "0123456789abcdef"[d[i] >> 4];
        ret[at++] = "0123456789abcdef"[d[i] & 15];
    }
    ret[36] = '\0';
}

void emu_base64(const void *p, size_t n, bool url, struct strbuf *out)
{
    const unsigned char *s = p;
    const char *abc = url ? "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
                          : "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        size_t k = n - i < 3 ? n - i : 3;
        uint32_t v = (uint32_t)s[i] << 16 | (k > 1 ? (uint32_t)s[i + 1] << 8 : 0) | (k > 2 ? (uint32_t)s[i + 2] : 0);

        for (size_t j = 0; j < 4; j++)
            if (j <= k)
                strbuf_addc(out, abc[v >> (18 - 6 * j) & 63]);
            else if (!url)
                strbuf_addc(out, '=');
    }
}

bool emu_unbase64(const char *p, size_t n, struct strbuf *out)
{
    uint32_t v = 0;
    int bits = 0;

    while (n && p[n - 1] == '=')
        n--;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];
        int d = c >= 'A' && c <= 'Z'   ? c - 'A'
                : c >= 'a' && c <= 'z' ? c - 'a' + 26
                : c >= '0' && c <= '9' ? c - '0' + 52
                : c == '+' || c == '-' ? 62
                : c == '/' || c == '_' ? 63
                                       : -1;

        if (d < 0)
            return false;
        v = v << 6 | (uint32_t)d;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            strbuf_addc(out, (char)(v >> bits & 255));
        }
    }
    return n % 4 != 1;
}

void emu_sign(const struct emu *e, const char *purpose, const void *p, size_t n, bool url, struct strbuf *out)
{
    unsigned char key[32], mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    emu_key(e, purpose, key);
    if (!HMAC(EVP_sha256(), key, sizeof(key), p, n, mac, &len))
        bug_abort(__FILE__, __LINE__, "HMAC");
    emu_base64(mac, len, url, out);
}

#include "check.h"

#include "store/store.h"

#include "base/file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUR_ID = 0x646d6674 };

static const char *const STEPS[] = {
    "create table t(id integer primary key, name text, data blob)",
    "alter table t add column extra text not null default 'two'; insert into t(id, name) values(1000, 'by step 2')",
    "create table u(t_id integer references t(id)); create index u_t on u(t_id)",
};
static const struct store_schema V1 = { OUR_ID, 1, STEPS }, V2 = { OUR_ID, 2, STEPS }, V3 = { OUR_ID, 3, STEPS };

static struct store *open_ok(const char *path, enum store_mode mode, const struct store_schema *schema)
{
    struct store *s = NULL;
    struct err e = { 0 };

    CHECK_OK(store_open(path, mode, schema, &s, &e), &e);
    return s;
}

static int64_t ask(struct store *s, const char *sql)
{
    struct query *q = store_query(s, sql);
    struct err e = { 0 };
    int64_t v = -1;

    if (query_step(q))
        v = query_get_int(q, 0);
    CHECK_OK(query_done(q, &e), &e);
    return v;
}

static void exec_ok(struct store *s, const char *sql)
{
    struct err e = { 0 };

    CHECK_OK(store_exec(s, sql, &e), &e);
}

static void settings(void **state)
{
    struct store *s = open_ok("settings.db", STORE_WRITE, &V2);
    struct query *q;
    struct err e = { 0 };

    (void)state;
    CHECK(ask(s, "pragma application_id") == OUR_ID && ask(s, "pragma user_version") == 2, "labelled");
    CHECK(ask(s, "pragma synchronous") == 2, "FULL");
    CHECK(ask(s, "pragma foreign_keys") == 1 && ask(s, "pragma cell_size_check") == 1, "checks on");
    CHECK(ask(s, "pragma trusted_schema") == 0, "schema not trusted");
    q = store_query(s, "pragma journal_mode");
    CHECK(query_step(q), "a row");
    CHECK_STR(query_get_str(q, 0), "wal", "journal");
    CHECK_OK(query_done(q, &e), &e);
    CHECK(store_exec(s, "select \"no such column\"", &e) == EC_DB, "double quotes are names");
    CHECK_STR(store_path(s), "settings.db", "path");
    CHECK(store_handle(s), "handle");
    store_close(s);
    store_close(NULL);
}

static void binding(void **state)
{
    struct store *s = open_ok("binding.db", STORE_WRITE, &V1);
    struct query *q = store_query(s, "insert into t(id, name, data) values(?1, ?2, ?3)");
    struct err e = { 0 };

    (void)state;
    query_int(q, 1, INT64_MIN);
    query_cell(q, 2, CELL_ABSENT);
    query_blob(q, 3, NULL, 0);
    CHECK_OK(query_run(q, &e), &e);
    CHECK(store_last_id(s) == INT64_MIN && store_changes(s) == 1, "id and count");
    q = store_query(s, "insert into t(id, name, data) values(?1, ?2, ?3)");
    query_int(q, 1, 2);
    query_cell(q, 2, CELL_LIT(""));
    query_blob(q, 3, "", 0);
    CHECK_OK(query_run(q, &e), &e);
    q = store_query(s, "insert into t(id, name, data) values(?1, ?2, ?3)");
    query_int(q, 1, 3);
    query_cell(q, 2, (struct cell){ "abcdef", 3 });
    query_blob(q, 3, "x\0y", 3);
    CHECK_OK(query_run(q, &e), &e);
    q = store_query(s, "insert into t(id, name, data) values(?1, ?2, ?3)");
    query_int(q, 1, 4); /* nothing of the row before is left */
    query_str(q, 2, NULL);
    query_null(q, 3);
    CHECK_OK(query_run(q, &e), &e);
    q = store_query(s, "insert into t(id, name, data) values(?1, ?2, ?3)");
    CHECK_OK(query_run(q, &e), &e);
    CHECK(ask(s, "select count(*) from t where name is null and data is null") == 3, "unbound is NULL");
    CHECK(ask(s, "select id from t where name = '' and data = x'' and typeof(data) = 'blob'") == 2, "empty is empty");

    q = store_query(s, "select name, data, id from t where id in (-9223372036854775808, 2, 3) order by id");
    CHECK(query_step(q), "first");
    CHECK(cell_absent(query_get_cell(q, 0)) && cell_absent(query_get_blob(q, 1)) && query_is_null(q, 0), "absent");
    CHECK_STR(query_get_str(q, 0), "", "as a C text");
    CHECK(query_get_int(q, 2) == INT64_MIN, "64 bits");
    CHECK(query_step(q), "second");
    CHECK_CELL(query_get_cell(q, 0), "", "empty text");
    CHECK_CELL(query_get_blob(q, 1), "", "empty blob");
    CHECK(!query_is_null(q, 0), "not null");
    CHECK(query_step(q), "third");
    CHECK_CELL(query_get_cell(q, 0), "abc", "with its length");
    CHECK(cell_eq(query_get_blob(q, 1), (struct cell){ "x\0y", 3 }), "NUL inside");
    CHECK(!query_step(q) && !query_step(q), "the end stays the end");
    CHECK(cell_absent(query_get_cell(q, 0)) && query_get_int(q, 2) == 0 && query_is_null(q, 2), "no row, no values");
    CHECK_OK(query_done(q, &e), &e);
    store_close(s);
}

static void sticky_errors(void **state)
{
    struct store *s = open_ok("errors.db", STORE_WRITE, &V1);
    struct query *q, *other;
    struct err e = { 0 };

    (void)state;
    q = store_query(s, "insert into t(id) values(?1)");
    query_int(q, 2, 1); /* there is no second parameter */
    query_int(q, 1, 1);
    CHECK(!query_step(q), "nothing is done after an error");
    CHECK(query_done(q, &e) == EC_DB && strstr(e.msg, "insert into t(id)"), "%s", e.msg);
    CHECK(ask(s, "select count(*) from t") == 0, "nothing was inserted");
    q = store_query(s, "insert into t(id) values(?1)"); /* good again */
    query_int(q, 1, 1);
    CHECK_OK(query_run(q, &e), &e);
    q = store_query(s, "insert into t(id) values(?1)");
    query_int(q, 1, 1);
    CHECK(query_run(q, &e) == EC_DB && strstr(e.msg, "UNIQUE"), "%s", e.msg);
    CHECK(query_run(store_query(s, "select\n  nonsense\n from  t"), &e) == EC_DB, "does not compile");
    CHECK(strstr(e.msg, "select nonsense from t") && strstr(e.msg, "errors.db"), "one line: %s", e.msg);
    CHECK(query_run(store_query(s, "select 1; select 2"), &e) == EC_BUG, "two statements");
    CHECK(query_run(store_query(s, "select 1; "), &e) == EC_OK, "one and a semicolon");
    CHECK(query_run(store_query(s, ""), &e) == EC_BUG, "none");

    q = store_query(s, "select id from t");
    CHECK(query_step(q), "a row");
    other = store_query(s, "select id from t");
    CHECK(!query_step(other) && query_done(other, &e) == EC_BUG, "in use twice: %s", e.msg);
    CHECK(query_get_int(q, 0) == 1, "the first is not disturbed");
    CHECK_OK(query_done(q, &e), &e);
    CHECK(query_done(store_query(s, "select id from t"), NULL) == EC_OK, "free again, never stepped");
    CHECK(store_exec(s, "insert into t(id) values(7); bogus", &e) == EC_DB && strstr(e.msg, "syntax"), "%s", e.msg);
    store_close(s);
}

static void many_statements(void **state)
{
    struct store *s = open_ok("many.db", STORE_WRITE, &V1);
    struct query *q = store_query(s, "select 4711 as held");

    (void)state;
    CHECK(query_step(q), "held");
    for (int i = 0; i < 1000; i++) { /* more than the cache holds; what is in use stays */
        char sql[40];

        snprintf(sql, sizeof(sql), "select %d", i);
        CHECK(ask(s, sql) == i, "%s", sql);
    }
    CHECK(query_get_int(q, 0) == 4711, "still there");
    CHECK(query_done(q, NULL) == EC_OK, "done");
    store_close(s);
}

static void transactions(void **state)
{
    struct store *s = open_ok("tx.db", STORE_WRITE, &V1);
    struct err e = { 0 };

    (void)state;
    CHECK_OK(store_begin(s, &e), &e);
    CHECK(store_in_transaction(s), "in");
    CHECK(store_begin(s, &e) == EC_BUG, "nested");
    exec_ok(s, "insert into t(id) values(1)");
    CHECK(store_end(s, EC_NET, &e) == EC_NET, "the code comes back");
    CHECK(!store_in_transaction(s) && ask(s, "select count(*) from t") == 0, "rolled back");
    CHECK_OK(store_begin(s, &e), &e);
    exec_ok(s, "insert into t(id) values(1)");
    CHECK_OK(store_end(s, EC_OK, &e), &e);
    CHECK(ask(s, "select count(*) from t") == 1, "committed");
    CHECK_OK(store_begin(s, &e), &e);
    exec_ok(s, "delete from t");
    store_rollback(s);
    store_rollback(s); /* harmless */
    CHECK(ask(s, "select count(*) from t") == 1, "rolled back");
    CHECK(store_commit(s, &e) == EC_DB, "nothing to commit");
    CHECK_OK(store_begin(s, &e), &e);
    exec_ok(s, "insert into t(id) values(2)");
    store_close(s); /* in the middle */
    s = open_ok("tx.db", STORE_WRITE, &V1);
    CHECK(ask(s, "select count(*) from t") == 1, "closing is not committing");
    store_close(s);
}

static void two_connections(void **state)
{
    struct store *w = open_ok("two.db", STORE_WRITE, &V1), *r, *w2;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(store_begin(w, &e), &e);
    exec_ok(w, "insert into t(id) values(1)");
    r = open_ok("two.db", STORE_READ, &V1); /* never blocked by a writer */
    CHECK(ask(r, "select count(*) from t") == 0, "sees what is committed");
    CHECK(store_exec(r, "insert into t(id) values(2)", &e) == EC_STATE, "a reader cannot write: %s", e.msg);
    w2 = open_ok("two.db", STORE_WRITE, &V1);
    sqlite3_busy_timeout(store_handle(w2), 20);
    CHECK(store_begin(w2, &e) == EC_LOCKED && e.hint[0], "a second writer waits, then gives up: %s", e.msg);
    CHECK_OK(store_begin(r, &e), &e);
    CHECK(ask(r, "select count(*) from t") == 0, "view begins");
    CHECK_OK(store_commit(w, &e), &e);
    CHECK(ask(r, "select count(*) from t") == 0, "one unchanging view");
    CHECK_OK(store_end(r, EC_OK, &e), &e);
    CHECK(ask(r, "select count(*) from t") == 1, "then the new one");
    store_close(w2);
    store_close(w);
    store_close(r);
}

static void migration(void **state)
{
    struct store *s = open_ok("m.db", STORE_WRITE, &V1);
    struct err e = { 0 };

    (void)state;
    CHECK(!file_exists("m.db.v1.bak"), "a new file needs no backup");
    exec_ok(s, "insert into t(id, name) values(1, 'old')");
    store_close(s);
    s = NULL;
    CHECK(store_open("m.db", STORE_READ, &V3, &s, &e) == EC_STATE && !s && strstr(e.msg, "older"), "%s", e.msg);
    s = open_ok("m.db", STORE_WRITE, &V3);
    CHECK(ask(s, "pragma user_version") == 3, "two steps");
    CHECK(ask(s, "select count(*) from t where extra = 'two'") == 2, "rows kept and changed");
    exec_ok(s, "insert into u values(1)");
    CHECK(store_exec(s, "insert into u values(77)", &e) == EC_DB, "foreign keys are checked afterwards");
    store_close(s);
    s = open_ok("m.db.v1.bak", STORE_WRITE, &V1);
    CHECK(ask(s, "pragma user_version") == 1 && ask(s, "select count(*) from t") == 1, "the backup is the old file");
    store_close(s);
    CHECK(!file_exists("m.db.v1.bak.part"), "nothing half-made left");
    s = NULL;
    CHECK(store_open("m.db", STORE_WRITE, &V2, &s, &e) == EC_STATE && !s, "newer");
    CHECK(strstr(e.msg, "newer dmfsync") && strstr(e.msg, "3") && e.hint[0], "%s", e.msg);
    CHECK(store_open("m.db", STORE_READ, &V2, &s, &e) == EC_STATE && !s, "newer, reading");
    s = open_ok("m.db", STORE_WRITE, &V3); /* again: nothing to do */
    CHECK(ask(s, "select count(*) from t") == 2, "untouched");
    store_close(s);
}

static void failing_migration(void **state)
{
    static const char *const BROKEN[] = { "create table t(id integer primary key, name text, data blob)",
                                          "insert into t(id) values(5); create table half(x); bogus" };
    static const char *const ORPHANS[] = {
        "create table p(id integer primary key); create table c(p integer references p); insert into p values(1);"
        "insert into c values(1)",
        "delete from p"
    };
    static const struct store_schema B2 = { OUR_ID, 2, BROKEN }, O1 = { OUR_ID, 1, ORPHANS },
                                     O2 = { OUR_ID, 2, ORPHANS };
    struct store *s = NULL;
    struct err e = { 0 };

    (void)state;
    store_close(open_ok("f.db", STORE_WRITE, &V1));
    CHECK(store_open("f.db", STORE_WRITE, &B2, &s, &e) == EC_DB && !s, "%s", e.msg);
    CHECK(strstr(e.msg, "version 1 to 2"), "%s", e.msg);
    s = open_ok("f.db", STORE_WRITE, &V1);
    CHECK(ask(s, "pragma user_version") == 1, "as it was");
    CHECK(ask(s, "select count(*) from sqlite_schema where name = 'half'") == 0 &&
              ask(s, "select count(*) from t") == 0,
          "nothing of the step");
    store_close(s);
    s = NULL;
    store_close(open_ok("o.db", STORE_WRITE, &O1));
    CHECK(store_open("o.db", STORE_WRITE, &O2, &s, &e) == EC_DB && !s && strstr(e.msg, "1 rows"), "%s", e.msg);
    s = open_ok("o.db", STORE_WRITE, &O1);
    CHECK(ask(s, "select count(*) from p") == 1, "as it was");
    store_close(s);
}

static void not_ours(void **state)
{
    static const struct store_schema OTHER = { OUR_ID + 1, 1, STEPS };
    struct strbuf before = { 0 }, after = { 0 };
    struct store *s = NULL;
    sqlite3 *db = NULL;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(file_write_atomic("text.db",
                               "This is a letter, not a database. It is long enough to have a header, though: "
                               "one hundred octets are needed before anybody looks at it.",
                               135, 0600, &e),
             &e);
    CHECK(store_open("text.db", STORE_WRITE, &V1, &s, &e) == EC_STATE && !s, "%s", e.msg);
    CHECK(strstr(e.msg, "is not a database") && e.hint[0], "%s", e.msg);
    CHECK(store_open("text.db", STORE_READ, &V1, &s, &e) == EC_STATE && !s, "%s", e.msg);
    CHECK(store_open("text.db", STORE_SEALED, &V1, &s, &e) == EC_STATE && !s, "%s", e.msg);

    CHECK(!sqlite3_open("foreign.db", &db) && !sqlite3_exec(db, "create table x(y)", NULL, NULL, NULL), "foreign");
    sqlite3_close(db);
    CHECK_OK(file_read("foreign.db", 1 << 20, &before, &e), &e);
    CHECK(store_open("foreign.db", STORE_WRITE, &V1, &s, &e) == EC_STATE && !s && strstr(e.msg, "not one of"), "%s",
          e.msg);
    CHECK_OK(file_read("foreign.db", 1 << 20, &after, &e), &e);
    CHECK(before.len == after.len && !memcmp(before.buf, after.buf, before.len), "left exactly as it was");
    store_close(open_ok("kind.db", STORE_WRITE, &V1));
    CHECK(store_open("kind.db", STORE_WRITE, &OTHER, &s, &e) == EC_STATE && !s, "another kind of ours: %s", e.msg);
    CHECK(store_open("missing.db", STORE_READ, &V1, &s, &e) == EC_STATE && !file_exists("missing.db"), "%s", e.msg);
    CHECK(store_open("missing.db", STORE_SEALED, &V1, &s, &e) == EC_STATE && !file_exists("missing.db"), "%s", e.msg);
    CHECK(store_open("no/such/folder/x.db", STORE_WRITE, &V1, &s, &e) == EC_STATE && strstr(e.msg, "does not exist"),
          "%s", e.msg);
    CHECK(file_write_atomic("empty.db", "", 0, 0600, &e) == EC_OK, "empty");
    CHECK(store_open("empty.db", STORE_READ, &V1, &s, &e) == EC_STATE && strstr(e.msg, "empty"), "%s", e.msg);
    store_close(open_ok("empty.db", STORE_WRITE, &V1)); /* which may become ours */
    strbuf_release(&before);
    strbuf_release(&after);
}

static void building(void **state)
{
    static const char *const NAMES[] = { "snap.db", "snap 50%?mode=rw&x#y.db", "\xC3\xA9\"'.db" };
    struct store *s;
    struct query *q;
    struct err e = { 0 };
    char path[4096];

    (void)state;
    for (size_t i = 0; i < COUNT(NAMES); i++) {
        CHECK_OK(file_write_atomic("part", "left over", 9, 0600, &e), &e);
        s = open_ok("part", STORE_BUILD, &V1);
        CHECK_OK(store_begin(s, &e), &e);
        for (int k = 0; k < 2000; k++) {
            q = store_query(s, "insert into t(id, name) values(?1, 'some text to fill pages with')");
            query_int(q, 1, k);
            CHECK_OK(query_run(q, &e), &e);
        }
        CHECK_OK(store_end(s, EC_OK, &e), &e);
        CHECK_OK(store_finish(s, &e), &e);
        CHECK_OK(file_publish("part", NAMES[i], &e), &e);
        CHECK(!file_exists("part-journal") && !file_exists("part-wal"), "one file");
        s = open_ok(NAMES[i], STORE_SEALED, &V1);
        CHECK(ask(s, "select count(*) from t") == 2000, "all rows, %s", NAMES[i]);
        CHECK(store_exec(s, "delete from t", &e) == EC_STATE, "immutable: %s", e.msg);
        store_close(s);
        CHECK(getcwd(path, sizeof(path) - 200), "cwd");
        snprintf(path + strlen(path), 200, "/%s", NAMES[i]);
        s = open_ok(path, STORE_SEALED, &V1);
        CHECK(ask(s, "select count(*) from t") == 2000, "by its full path");
        store_close(s);
    }
    s = open_ok("part", STORE_BUILD, &V1);
    CHECK_OK(store_begin(s, &e), &e);
    CHECK(store_finish(s, &e) == EC_BUG, "a transaction is open");
    s = NULL;
    CHECK(store_open(NAMES[0], STORE_SEALED, &V2, &s, &e) == EC_STATE && !s && strstr(e.hint, "snapshot"),
          "older: %s", e.msg);
}

/* `ulimit -f` and a page limit stand for a full disk. */
static void disk_full(void **state)
{
    struct store *s = open_ok("full.db", STORE_WRITE, &V1);
    struct rlimit old, small;
    struct query *q;
    struct err e = { 0 };
    enum ec rc = EC_OK;

    (void)state;
    exec_ok(s, "insert into t(id, name) values(1, 'kept')");
    CHECK(ask(s, "pragma max_page_count=20") == 20, "limit");
    CHECK_OK(store_begin(s, &e), &e);
    for (int i = 2; i < 1000 && !rc; i++) {
        q = store_query(s, "insert into t(id, data) values(?1, zeroblob(3000))");
        query_int(q, 1, i);
        rc = query_run(q, &e);
    }
    CHECK(rc == EC_DISK && e.hint[0], "%s", e.msg);
    CHECK(store_end(s, rc, &e) == EC_DISK, "ended");
    CHECK(ask(s, "select count(*) from t") == 1, "intact");
    store_close(s);

    s = open_ok("full.db", STORE_WRITE, &V1);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = old;
    small.rlim_cur = 100000;
    CHECK(!setrlimit(RLIMIT_FSIZE, &small), "limit");
    rc = store_begin(s, &e);
    for (int i = 2; i < 1000 && !rc; i++) {
        q = store_query(s, "insert into t(id, data) values(?1, zeroblob(3000))");
        query_int(q, 1, i);
        rc = query_run(q, &e);
    }
    rc = store_end(s, rc, &e);
    CHECK(!setrlimit(RLIMIT_FSIZE, &old), "limit off");
    CHECK(rc == EC_DISK, "%d %s", (int)rc, e.msg);
    CHECK(!store_in_transaction(s) && ask(s, "select count(*) from t") == 1, "intact");
    CHECK_OK(store_begin(s, &e), &e);
    exec_ok(s, "insert into t(id) values(2)");
    CHECK_OK(store_end(s, EC_OK, &e), &e);
    store_close(s);
}

/* Root may write anywhere, so the test gives its rights up in a child. */
static void read_only_folder(void **state)
{
    char folder[] = "/tmp/dmfsync-store-XXXXXX", path[64];
    struct store *s;
    int status = -1;
    pid_t child;

    (void)state;
    CHECK(mkdtemp(folder), "folder");
    snprintf(path, sizeof(path), "%s/x.db", folder);
    store_close(open_ok(path, STORE_WRITE, &V1));
    CHECK(!chmod(path, 0666) && !chmod(folder, 0555), "rights");
    child = fork();
    if (!child) {
        struct err e = { 0 };
        int bad = 0;

        if (geteuid() == 0 && setuid(65534))
            _exit(99);
        s = NULL;
        bad |= !(store_open(path, STORE_READ, &V1, &s, &e) == EC_STATE && strstr(e.msg, "not writable") && e.hint[0]);
        bad |= (!(store_open(path, STORE_WRITE, &V1, &s, &e) == EC_STATE && strstr(e.msg, "not writable"))) << 1;
        bad |= (s != NULL) << 2;
        _exit(bad);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child, "child");
    CHECK(!chmod(folder, 0755), "rights back");
    CHECK(!unlink(path) && !rmdir(folder), "nothing else was left in the folder");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child said %#x", (unsigned)status);
}

/* A writer killed in the middle: the log it leaves behind is read by whoever comes next. */
static void killed_writer(void **state)
{
    int status = 0;
    pid_t child = fork();
    struct store *s;

    (void)state;
    if (!child) {
        struct store *w = NULL;

        if (store_open("killed.db", STORE_WRITE, &V1, &w, NULL) ||
            store_exec(w, "insert into t(id) values(1)", NULL) || store_begin(w, NULL) ||
            store_exec(w, "insert into t(id) values(2)", NULL))
            _exit(1);
        raise(SIGKILL);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status), "killed");
    s = open_ok("killed.db", STORE_READ, &V1);
    CHECK(ask(s, "select count(*) from t") == 1, "what was committed, and only that");
    store_close(s);
    s = open_ok("killed.db", STORE_WRITE, &V1);
    CHECK(ask(s, "select sum(id) from t") == 1, "writer too");
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),        cmocka_unit_test(binding),           cmocka_unit_test(sticky_errors),
        cmocka_unit_test(many_statements), cmocka_unit_test(transactions),      cmocka_unit_test(two_connections),
        cmocka_unit_test(migration),       cmocka_unit_test(failing_migration), cmocka_unit_test(not_ours),
        cmocka_unit_test(building),        cmocka_unit_test(disk_full),         cmocka_unit_test(read_only_folder),
        cmocka_unit_test(killed_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "store/store_private.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUSY_TIMEOUT_MS = 10000 };

enum ec store_error_code(sqlite3 *db, int rc)
{
    int primary = rc & 0xff;

    switch (primary) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return EC_OK;
    case SQLITE_FULL: return EC_DISK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return EC_LOCKED;
    case SQLITE_NOTADB:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN: return EC_STATE;
    case SQLITE_IOERR: {
        /* Only ENOSPC becomes SQLITE_FULL; a quota and `ulimit -f` come as plain I/O errors. */
        int e = db ? sqlite3_system_errno(db) : 0;

        return e == ENOSPC || e == EDQUOT || e == EFBIG ? EC_DISK : EC_IO;
    }
    default: return EC_DB;
    }
}

enum ec store_fail(sqlite3 *db, int rc, const char *path, const char *doing, struct err *reterr)
{
    enum ec code = store_error_code(db, rc);

    err_set(reterr, code, "%s '%s': %s", doing, path, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    switch (code) {
    case EC_DISK: err_hint(reterr, "free some disk space, then run the same command again"); break;
    case EC_LOCKED: err_hint(reterr, "another process is writing this file; try again when it has finished"); break;
    case EC_STATE:
        err_hint(reterr, "dmfsync must be able to write to the workspace's .dmfsync folder, even for reading");
        break;
    default: break;
    }
    return code;
}

static enum ec run(struct store *s, const char *sql, const char *doing, struct err *reterr)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

    return rc ? store_fail(s->db, rc, s->path, doing, reterr) : EC_OK;
}

/* First column of the first row. */
static enum ec ask_int(struct store *s, const char *sql, int64_t *ret, struct err *reterr)
{
    sqlite3_stmt *st = NULL;
    enum ec code = EC_OK;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

    if (!rc) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            *ret = sqlite3_column_int64(st, 0);
    }
    if (rc != SQLITE_ROW)
        code = store_fail(s->db, rc == SQLITE_DONE ? SQLITE_ERROR : rc, s->path, "read", reterr);
    sqlite3_finalize(st);
    return code;
}

/*
 * Whose file is this? *ret_version: 0 = empty file, nobody's yet. Reading the header first matters: a file that is
 * not ours must stay as it is, down to its journal mode.
 */
static enum ec identify(struct store *s, int64_t *ret_version, struct err *reterr)
{
    int64_t id = 0, version = 0, tables = 0;
    enum ec rc = ask_int(s, "pragma application_id", &id, reterr);

    if (!rc)
        rc = ask_int(s, "pragma user_version", &version, reterr);
    if (!rc)
        rc = ask_int(s, "select count(*) from sqlite_schema", &tables, reterr);
    if (rc == EC_STATE && (sqlite3_errcode(s->db) & 0xff) == SQLITE_NOTADB) {
        err_set(reterr, EC_STATE, "'%s' is not a database", s->path);
        err_hint(reterr, "move it away and run the command again, or choose another workspace");
    }
    if (rc)
        return rc;
    if (!id && !version && !tables) {
        *ret_version = 0;
        return EC_OK;
    }
    if ((uint32_t)id != s->schema->application_id || version < 1) {
        err_set(reterr, EC_STATE,
                "'%s' is a database, but not one of dmfsync's of this kind (application id %#x, not %#x)", s->path,
                (unsigned)(uint32_t)id, (unsigned)s->schema->application_id);
        return err_hint(reterr, "move it away and run the command again, or choose another workspace");
    }
    if (version > s->schema->version) {
        err_set(reterr, EC_STATE, "'%s' was made by a newer dmfsync (file version %lld, this program knows up to %d)",
                s->path, (long long)version, s->schema->version);
        return err_hint(reterr, "use the newer dmfsync; the file was left as it is");
    }
    *ret_version = version;
    return EC_OK;
}

/* A copy through SQLite itself: the file is live, and opening it any other way would drop SQLite's locks. */
static enum ec back_up(struct store *s, int64_t version, struct err *reterr)
{
    struct strbuf part = { 0 }, path = { 0 };
    sqlite3_stmt *st = NULL;
    enum ec code;
    int rc;

    strbuf_addf(&path, "%s.v%lld.bak", s->path, (long long)version);
    strbuf_addf(&part, "%s.part", strbuf_str(&path));
    (void)unlink(strbuf_str(&part)); /* of an interrupted run */
    rc = sqlite3_prepare_v2(s->db, "vacuum into ?1", -1, &st, NULL);
    if (!rc)
        rc = sqlite3_bind_text(st, 1, strbuf_str(&part), -1, SQLITE_STATIC);
    if (!rc)
        rc = sqlite3_step(st);
    if (rc == SQLITE_DONE)
        code = EC_OK;
    else
        code = store_fail(s->db, rc, s->path, "back up", reterr);
    sqlite3_finalize(st);
    if (!code)
        code = file_publish(strbuf_str(&part), strbuf_str(&path), reterr);
    if (code)
        (void)unlink(strbuf_str(&part));
    strbuf_release(&part);
    strbuf_release(&path);
    return code;
}

/* All steps in one transaction: after a kill the file has its old version or the new one. */
static enum ec migrate(struct store *s, struct err *reterr)
{
    char sql[96];
    int64_t version = 0, broken = 0, before;
    enum ec rc = run(s, "begin immediate", "open", reterr);

    if (rc)
        return rc;
    rc = identify(s, &version, reterr); /* again: another process may have been faster */
    before = version;
    for (; !rc && version < s->schema->version; version++) {
        rc = run(s, s->schema->steps[version], version ? "upgrade" : "create", reterr);
        if (rc)
            err_ctx(reterr, rc, "step from version %lld to %lld", (long long)version, (long long)version + 1);
    }
    if (!rc && before && before < version) {
        rc = ask_int(s, "select count(*) from pragma_foreign_key_check", &broken, reterr);
        if (!rc && broken)
            rc = err_set(reterr, EC_DB, "upgrade '%s': %lld rows lost what they refer to; nothing was changed",
                         s->path, (long long)broken);
    }
    if (!rc && before < version) {
        snprintf(sql, sizeof(sql), "pragma application_id=%d;pragma user_version=%d", (int)s->schema->application_id,
                 s->schema->version);
        rc = run(s, sql, "open", reterr);
    }
    if (!rc)
        rc = run(s, "commit", "open", reterr);
    if (!sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "rollback", NULL, NULL, NULL);
    return rc;
}

static enum ec folder_writable(const char *path, struct err *reterr)
{
    char *folder = xstrdup(path), *slash = strrchr(folder, '/');
    enum ec rc = EC_OK;

    if (!slash)
        strcpy(folder, folder[0] ? "." : "");
    else if (slash == folder)
        slash[1] = 0;
    else
        *slash = 0;
    if (access(folder, W_OK | X_OK)) {
        int e = errno;

        err_set(reterr, EC_STATE, "'%s' cannot be used: its folder '%s' %s", path, folder,
                e == ENOENT || e == ENOTDIR ? "does not exist" : "is not writable");
        rc = err_hint(reterr, "dmfsync must be able to write to the workspace's .dmfsync folder, even for reading");
    }
    free(folder);
    return rc;
}

static enum ec set_up_write(struct store *s, struct err *reterr)
{
    sqlite3_stmt *st = NULL;
    int64_t version = 0;
    bool wal = false;
    enum ec rc;
    int db_rc;

    if (sqlite3_db_readonly(s->db, "main") == 1) {
        err_set(reterr, EC_STATE, "'%s' is not writable", s->path);
        return err_hint(reterr, "give the user who runs dmfsync write access to the workspace");
    }
    rc = identify(s, &version, reterr);
    if (rc)
        return rc;
    db_rc = sqlite3_prepare_v2(s->db, "pragma journal_mode=wal", -1, &st, NULL);
    if (!db_rc)
        db_rc = sqlite3_step(st);
    if (db_rc == SQLITE_ROW)
        wal = !sqlite3_stricmp((const char *)sqlite3_column_text(st, 0), "wal");
    if (db_rc != SQLITE_ROW)
        rc = store_fail(s->db, db_rc, s->path, "open", reterr);
    else if (!wal)
        rc = err_set(reterr, EC_STATE, "'%s': its file system does not support SQLite's write-ahead log", s->path);
    sqlite3_finalize(st);
    if (!rc)
        rc = run(s, "pragma synchronous=full;pragma secure_delete=off", "open", reterr);
    if (!rc && version && version < s->schema->version)
        rc = back_up(s, version, reterr);
    if (!rc && version < s->schema->version)
        rc = migrate(s, reterr);
    if (!rc)
        rc = run(s, "pragma foreign_keys=on", "open", reterr); /* off while steps rebuild tables */
    return rc;
}

static enum ec set_up_read(struct store *s, struct err *reterr)
{
    int64_t version = 0;
    enum ec rc = identify(s, &version, reterr);

    if (rc)
        return rc;
    if (!version) {
        err_set(reterr, EC_STATE, "'%s' is empty", s->path);
        return err_hint(reterr, "the command that fills it has not run, or was cut off; run it again");
    }
    if (version < s->schema->version) {
        err_set(reterr, EC_STATE, "'%s' has the older file version %lld, this program reads version %d", s->path,
                (long long)version, s->schema->version);
        return err_hint(reterr, s->mode == STORE_SEALED ? "take the snapshot again"
                                                        : "a command that writes (sync, load, parity) upgrades it");
    }
    return run(s, "pragma query_only=on", "open", reterr);
}

static enum ec set_up_build(struct store *s, struct err *reterr)
{
    /* Nobody else can see the file and it is thrown away when the process ends early, so no journal and no syncs. */
    enum ec rc = run(s,
                     "pragma page_size=16384;pragma journal_mode=off;pragma synchronous=off;"
                     "pragma locking_mode=exclusive;pragma secure_delete=off;pragma cache_size=-8192",
                     "create", reterr);

    if (!rc)
        rc = migrate(s, reterr);
    if (!rc)
        rc = run(s, "pragma foreign_keys=on", "create", reterr);
    return rc;
}

static enum ec connect_to(struct store *s, struct err *reterr)
{
    struct strbuf uri = { 0 };
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    const char *name = s->path;
    int rc;

    switch (s->mode) {
    case STORE_WRITE:
    case STORE_BUILD: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE; break;
    case STORE_READ:
        /* Not READONLY: a log left by a killed writer must be recovered before anything can be read. */
        flags |= SQLITE_OPEN_READWRITE;
        break;
    case STORE_SEALED:
        flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
        strbuf_adds(&uri, s->path[0] == '/' ? "file://" : "file:");
        strbuf_add_url(&uri, s->path, strlen(s->path), "/");
        strbuf_adds(&uri, "?mode=ro&immutable=1");
        name = strbuf_str(&uri);
        break;
    }
    rc = sqlite3_open_v2(name, &s->db, flags, NULL);
    strbuf_release(&uri);
    return rc ? store_fail(s->db, rc, s->path, "open", reterr) : EC_OK;
}

enum ec store_open(const char *path, enum store_mode mode, const struct store_schema *schema, struct store **ret,
                   struct err *reterr)
{
    struct store *s = NULL;
    enum ec rc = EC_OK;

    if ((mode == STORE_READ || mode == STORE_SEALED) && access(path, F_OK)) {
        err_set(reterr, EC_STATE, "'%s' does not exist", path);
        return err_hint(reterr, "the command that makes it has not run yet in this workspace");
    }
    if (mode != STORE_SEALED)
        rc = folder_writable(path, reterr);
    if (rc)
        return rc;
    if (mode == STORE_BUILD && unlink(path) && errno != ENOENT) /* left over from a build that was cut off */
        return err_errno(reterr, EC_IO, errno, "remove '%s'", path);
    s = xcalloc(1, sizeof(*s));
    s->path = xstrdup(path);
    s->mode = mode;
    s->schema = schema;
    rc = connect_to(s, reterr);
    if (rc)
        goto out;
    sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    /* A file may have been tampered with: its schema may not call functions of ours that do more than compute. */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    /* A misspelt column in double quotes is an error, not a text. */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    rc = run(s, "pragma cell_size_check=on;pragma mmap_size=0", "open", reterr);
    if (rc)
        goto out;
    switch (mode) {
    case STORE_WRITE: rc = set_up_write(s, reterr); break;
    case STORE_BUILD: rc = set_up_build(s, reterr); break;
    case STORE_READ:
    case STORE_SEALED: rc = set_up_read(s, reterr); break;
    }
    if (rc)
        goto out;
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL); /* after journal_mode=off, which it would refuse */
    *ret = s;
    s = NULL;
out:
    if (s && mode == STORE_BUILD)
        (void)unlink(path);
    store_close(s);
    return rc;
}

enum ec store_finish(struct store *s, struct err *reterr)
{
    int64_t pages = 0, page_octets = 0;
    char *path = xstrdup(s->path);
    int fd = -1, db_rc;
    enum ec rc = EC_OK;

    BUG_IF(s->mode != STORE_BUILD, "store_finish is for files being built");
    if (!sqlite3_get_autocommit(s->db))
        rc = err_set(reterr, EC_BUG, "finish '%s': a transaction is open", path);
    if (!rc)
        rc = ask_int(s, "pragma page_count", &pages, reterr);
    if (!rc)
        rc = ask_int(s, "pragma page_size", &page_octets, reterr);
    store_drop_queries(s);
    db_rc = sqlite3_close(s->db); /* refuses while a statement is alive, so nothing is written after this */
    if (db_rc) {
        if (!rc)
            rc = store_fail(s->db, db_rc, path, "close", reterr);
        sqlite3_close_v2(s->db);
    }
    s->db = NULL;
    store_close(s);
    if (rc)
        goto out;
    fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        rc = err_errno(reterr, EC_IO, errno, "open '%s'", path);
        goto out;
    }
    if (lseek(fd, 0, SEEK_END) != (off_t)(pages * page_octets))
        rc = err_set(reterr, EC_IO, "'%s' is not as long as what was written to it", path);
    else if (fsync(fd))
        rc = err_errno(reterr, EC_IO, errno, "write '%s' to disk", path);
out:
    if (fd >= 0)
        (void)close(fd);
    free(path);
    return rc;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_drop_queries(s);
    sqlite3_close_v2(s->db); /* rolls an open transaction back */
    free(s->path);
    free(s);
}

const char *store_path(const struct store *s)
{
    return s->path;
}

sqlite3 *store_handle(struct store *s)
{
    return s->db;
}

static bool only_reads(const struct store *s)
{
    return s->mode == STORE_READ || s->mode == STORE_SEALED;
}

enum ec store_begin(struct store *s, struct err *reterr)
{
    if (!sqlite3_get_autocommit(s->db))
        return err_set(reterr, EC_BUG, "'%s': a transaction inside a transaction", s->path);
    /* A reader's transaction is one unchanging view over several queries. */
    return run(s, only_reads(s) ? "begin" : "begin immediate", "begin to write", reterr);
}

enum ec store_commit(struct store *s, struct err *reterr)
{
    enum ec rc;

    if (sqlite3_get_autocommit(s->db)) /* SQLite itself rolls back on some errors, such as a full disk */
        return err_set(reterr, EC_DB, "commit to '%s': the transaction had been rolled back", s->path);
    rc = run(s, "commit", "commit to", reterr);
    if (rc)
        store_rollback(s);
    return rc;
}

void store_rollback(struct store *s)
{
    if (!sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "rollback", NULL, NULL, NULL);
}

enum ec store_end(struct store *s, enum ec rc, struct err *reterr)
{
    if (!rc)
        return store_commit(s, reterr);
    store_rollback(s);
    return rc;
}

bool store_in_transaction(const struct store *s)
{
    return !sqlite3_get_autocommit(s->db);
}

enum ec store_exec(struct store *s, const char *sql, struct err *reterr)
{
    return run(s, sql, "change", reterr);
}

int64_t store_last_id(const struct store *s)
{
    return sqlite3_last_insert_rowid(s->db);
}

int64_t store_changes(const struct store *s)
{
    return sqlite3_changes64(s->db);
}

#include "check.h"

#include "cli/workspace.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void paths(void **state)
{
    struct workspace ws = { .dir = "/a/b" };
    struct arena a = { 0 };

    (void)state;
    CHECK_STR(workspace_path(&ws, &a, "maps/%s.json", "x"), "/a/b/maps/x.json", "relative");
    CHECK_STR(workspace_path(&ws, &a, "/abs/%d", 1), "/abs/1", "absolute");
    arena_release(&a);
}

static void init_and_open(void **state)
{
    struct workspace ws;
    struct err e = { 0 };
    struct stat st;
    char cwd[2000];

    (void)state;
    assert_int_equal(workspace_open("w", &ws, &e), EC_STATE);
    CHECK(strstr(e.hint, "dmfsync init w"), "%s", e.hint);
    CHECK_OK(workspace_init("w/deeper/", &e), &e);
    assert_int_equal(workspace_open("w", &ws, &e), EC_STATE);
    CHECK(strstr(e.msg, "no dmfsync.ini"), "%s", e.msg);
    CHECK_OK(workspace_open("w/deeper/", &ws, &e), &e);
    assert_non_null(getcwd(cwd, sizeof(cwd)));
    CHECK(!strncmp(ws.dir, cwd, strlen(cwd)) && !strcmp(ws.dir + strlen(cwd), "/w/deeper"), "%s", ws.dir);
    assert_int_equal(stat("w/deeper/.dmfsync/packages", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(stat("w/deeper/maps", &st), 0);
    assert_int_equal(stat("w/deeper/sources", &st), 0);
    assert_true(file_exists("w/deeper/.gitignore"));
    assert_int_equal(workspace_init("w/deeper", &e), EC_STATE);
    workspace_close(&ws);
}

static void keeps_a_gitignore(void **state)
{
    struct strbuf text = STRBUF(0);
    struct err e = { 0 };

    (void)state;
    CHECK_OK(dir_make("g", 0777, &e), &e);
    CHECK_OK(file_write_atomic("g/.gitignore", "mine\n", 5, 0644, &e), &e);
    CHECK_OK(workspace_init("g", &e), &e);
    CHECK_OK(file_read("g/.gitignore", 100, &text, &e), &e);
    CHECK_STR(strbuf_str(&text), "mine\n", "untouched");
    strbuf_release(&text);
}

static void one_writer(void **state)
{
    struct workspace a, b;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(workspace_init("l", &e), &e);
    CHECK_OK(workspace_open("l", &a, &e), &e);
    CHECK_OK(workspace_open("l", &b, &e), &e);
    CHECK_OK(file_write_atomic("l/.dmfsync/tmp/left-over", "x", 1, 0600, &e), &e);
    CHECK_OK(workspace_lock(&a, "migrate", 0, &e), &e);
    assert_false(file_exists("l/.dmfsync/tmp/left-over"));
    CHECK_OK(file_write_atomic("l/.dmfsync/tmp/in-use", "x", 1, 0600, &e), &e);
    assert_int_equal(workspace_lock(&b, "load", 0, &e), EC_LOCKED);
    CHECK(strstr(e.msg, "migrate"), "%s", e.msg);
    assert_true(file_exists("l/.dmfsync/tmp/in-use")); /* the one who waits does not clean up */
    workspace_close(&a);
    CHECK_OK(workspace_lock(&b, "load", 0, &e), &e);
    workspace_close(&b);
}

static void inside_reconcile(void **state)
{
    struct workspace ws;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(workspace_init("r", &e), &e);
    CHECK_OK(workspace_open("r", &ws, &e), &e);
    setenv("DMFSYNC_LOCK_HELD", "1", 1);
    assert_int_equal(workspace_lock(&ws, "load", 0, &e), EC_LOCKED);
    CHECK(strstr(e.msg, "reconcile"), "%s", e.msg);
    unsetenv("DMFSYNC_LOCK_HELD");
    CHECK_OK(workspace_lock(&ws, "load", 0, &e), &e);
    workspace_close(&ws);
}

/*
 * A folder that cannot be written is a matter of the workspace, not of the disk. Root may write anywhere, so it
 * steps down.
 */
static void not_writable(void **state)
{
    struct err e = { 0 };
    int status;
    pid_t pid;

    (void)state;
    CHECK_OK(dir_make("n", 0755, &e), &e);
    CHECK_OK(file_write_atomic("n/dmfsync.ini", "", 0, 0644, &e), &e);
    assert_int_equal(chmod("n", 0555), 0);
    assert_int_equal(chmod(".", 0755), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        struct workspace ws = { .lock = { -1 }, .dir = "n" };

        if (!getuid() && setuid(65534))
            _exit(3);
        _exit(workspace_lock(&ws, "load", 0, &e) == EC_STATE && strstr(e.hint, "write access") ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),      cmocka_unit_test(init_and_open),    cmocka_unit_test(keeps_a_gitignore),
        cmocka_unit_test(one_writer), cmocka_unit_test(inside_reconcile), cmocka_unit_test(not_writable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

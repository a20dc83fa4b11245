/* Custom steps, privileges, version of Dataverse: the requests as documented, and environments that do not tell. */
#include "check.h"

#include "dv/dv_admin.h"
#include "dv_fake.h"

struct bench {
    struct fake f;
    struct http *http;
    struct dv *d;
};

static struct bench *bench_new(const struct canned *c, size_t n)
{
    char url[60];
    struct auth_config user = { .tenant = "t", .client_id = "c", .secret = "s" };
    struct dv_config dc = { .users = &user, .n_users = 1 };
    struct bench *b = xcalloc(1, sizeof(*b));

    fake_start(&b->f);
    b->f.canned = c;
    b->f.n_canned = n;
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", b->f.l.port);
    user.authority = user.resource = url;
    dc.url = url;
    assert_int_equal(http_new(&(struct http_config){ .user_agent = "test" }, &b->http, NULL), EC_OK);
    assert_int_equal(dv_open(&dc, b->http, &b->d, NULL), EC_OK);
    return b;
}

static void bench_free(struct bench *b)
{
    dv_close(b->d);
    http_free(b->http);
    fake_stop(&b->f);
    free(b);
}

static enum ec note_step(void *arg, const struct dv_step *s, struct err *reterr)
{
    (void)reterr;
    strbuf_addf(arg, CELL_FMT "%s;", CELL_ARG(s->name), s->synchronous ? "" : "~");
    return EC_OK;
}

static enum ec note_privilege(void *arg, struct cell name, struct cell id, struct err *reterr)
{
    (void)reterr;
    strbuf_addf(arg, CELL_FMT "=" CELL_FMT ";", CELL_ARG(name), CELL_ARG(id));
    return EC_OK;
}

static void steps(void **state)
{
    static const struct canned C[] = {
        { "GET",
          "sdkmessagefilters?$select=sdkmessagefilterid&$filter=primaryobjecttypecode%20eq%20'account'%20and%20"
          "sdkmessageid/"
          "name%20eq%20'Create'&$expand=sdkmessagefilterid_sdkmessageprocessingstep($select=name,stage,mode;"
          "$filter=statecode%20eq%200%20and%20customizationlevel%20eq%201%20and%20iscustomizable/Value%20eq%20true)",
          200, NULL,
          "{\"value\":[{\"sdkmessagefilterid_sdkmessageprocessingstep\":[{\"name\":\"A\",\"mode\":0},{\"name\":\"B\","
          "\"mode\":1}]},"
          "{\"sdkmessagefilterid\":\"x\"},{\"sdkmessagefilterid_sdkmessageprocessingstep\":[{\"name\":\"C\",\"mode\":"
          "0}]}]}" },
        { "GET", "'Update'", 404, NULL, "{}" },
    };
    struct bench *b = bench_new(C, COUNT(C));
    struct strbuf got = STRBUF(0);
    struct err e = { 0 };

    (void)state;
    CHECK_OK(dv_custom_steps(b->d, CELL_LIT("account"), "Create", note_step, &got, &e), &e);
    assert_string_equal(strbuf_str(&got), "A;B~;C;");
    assert_int_equal(dv_custom_steps(b->d, CELL_LIT("account"), "Update", note_step, &got, &e), EC_NOTFOUND);
    strbuf_release(&got);
    bench_free(b);
}

static void privileges(void **state)
{
    static const struct canned C[] = {
        { "GET", "systemusers(u-1)/Microsoft.Dynamics.CRM.RetrieveUserPrivileges", 200, NULL,
          "{\"RolePrivileges\":[{\"PrivilegeId\":\"1\",\"PrivilegeName\":\"prvReadAccount\"},{\"PrivilegeId\":\"2\"}]"
          "}" },
        { "GET", "systemusers(u-1)", 404, NULL, "{}" },
        { "GET", "systemusers(u-1)", 200, NULL, "{\"other\":1}" },
        { "GET", "RetrieveVersion()", 200, NULL, "{\"Version\":\"9.2.1\"}" },
        { "GET", "RetrieveVersion()", 404, NULL, "{}" },
    };
    struct bench *b = bench_new(C, COUNT(C));
    struct strbuf got = STRBUF(0);
    struct arena a = { 0 };
    struct err e = { 0 };
    char *version = NULL;

    (void)state;
    CHECK_OK(dv_privileges(b->d, "u-1", note_privilege, &got, &e), &e);
    assert_string_equal(strbuf_str(&got), "prvReadAccount=1;=2;");
    assert_int_equal(dv_privileges(b->d, "u-1", note_privilege, &got, &e), EC_NOTFOUND);
    assert_int_equal(dv_privileges(b->d, "u-1", note_privilege, &got, &e), EC_NOTFOUND);
    CHECK_OK(dv_version(b->d, &a, &version, &e), &e);
    assert_string_equal(version, "9.2.1");
    assert_int_equal(dv_version(b->d, &a, &version, &e), EC_NOTFOUND);
    strbuf_release(&got);
    arena_release(&a);
    bench_free(b);
}

static void stems(void **state)
{
    (void)state;
    assert_true(cell_is(dv_privilege_stem(CELL_LIT("account")), "account"));
    assert_true(cell_is(dv_privilege_stem(CELL_LIT("salesorder")), "order"));
    assert_true(cell_is(dv_privilege_stem(CELL_LIT("salesorderdetail")), "order"));
    assert_true(cell_is(dv_privilege_stem(CELL_LIT("msdyn_salesorder")), "msdyn_salesorder"));
}

static void probe(void **state)
{
    static const struct canned C[] = {
        { "GET", "accounts?$select=accountid&$top=1", 200, NULL, "{\"value\":[]}" },
        { "GET", "accounts?$select=accountid&$top=1", 403, NULL,
          "{\"error\":{\"code\":\"0x80040220\",\"message\":\"missing prvReadAccount\"}}" },
        { "GET", "accounts?$select=accountid&$top=1", 400, NULL,
          "{\"error\":{\"code\":\"0x0\",\"message\":\"no\"}}" },
    };
    struct bench *b = bench_new(C, COUNT(C));
    struct dv_table t = { .set = CELL_LIT("accounts"), .pk = CELL_LIT("accountid") };
    struct err e = { 0 };
    bool readable = false;

    (void)state;
    CHECK_OK(dv_probe_read(b->d, &t, &readable, &e), &e);
    assert_true(readable);
    CHECK_OK(dv_probe_read(b->d, &t, &readable, &e), &e);
    assert_false(readable);
    assert_int_equal(dv_probe_read(b->d, &t, &readable, &e), EC_DATAVERSE);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(steps), cmocka_unit_test(privileges),
                                        cmocka_unit_test(probe), cmocka_unit_test(stems) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

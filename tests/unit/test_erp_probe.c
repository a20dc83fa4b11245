/* The probes of F&O: what a record and a refusal tell, and the entity list, against a scripted service. */
#include "check.h"

#include "erp/erp_probe.h"
#include "erp_fake.h"

static struct fno_entity CUSTOMERS = { .label = { "Customers V3", 12 }, .set = { "CustomersV3", 11 } };

static void one_record(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *body;
        bool readable, found, etags;
        enum ec rc;
    } CASES[] = {
        { "a record with its version", 200, "{\"value\":[{\"@odata.etag\":\"W/\\\"1\\\"\",\"K\":\"1\"}]}", true, true,
          true, EC_OK },
        { "a record without", 200, "{\"value\":[{\"K\":\"1\"}]}", true, true, false, EC_OK },
        { "no record", 200, "{\"value\":[]}", true, false, false, EC_OK },
        { "no privilege", 403, "{\"Message\":\"Forbidden\"}", false, false, false, EC_OK },
        { "no such entity", 404, "{}", false, false, false, EC_FNO },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const struct line line = { .method = "GET",
                                   .part = "/data/CustomersV3?$top=1&cross-company=true",
                                   .status = CASES[i].status,
                                   .body = CASES[i].body };
        struct erp_probe p = { 0 };
        struct script s;

        script_start(&s, &line, 1);
        CHECK(erp_probe_entity(s.e, &CUSTOMERS, &p, &s.err) == CASES[i].rc, "%s: %s", CASES[i].name, s.err.msg);
        if (!CASES[i].rc) {
            CHECK(p.readable == CASES[i].readable, "%s: readable", CASES[i].name);
            CHECK(p.found == CASES[i].found, "%s: found", CASES[i].name);
            CHECK(p.etags == CASES[i].etags, "%s: etags", CASES[i].name);
        }
        script_end(&s);
    }
}

static void entity_list(void **state)
{
    static const struct {
        const char *body;
        bool listed;
    } CASES[] = {
        { "{\"value\":[{\"EntityName\":\"customers v3\"}]}", true },
        { "{\"value\":[]}", false },
        { "{\"value\":[{\"EntityName\":\"Customers V3 details\"}]}",
          false }, /* a service that takes eq for a prefix */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const struct line line = {
            .method = "GET",
            .part = "/data/DataManagementEntities?$select=EntityName&$filter=EntityName%20eq%20%27",
            .body = CASES[i].body
        };
        struct script s;
        bool listed = false;

        script_start(&s, &line, 1);
        CHECK_OK(erp_probe_listed(s.e, CUSTOMERS.label, &listed, &s.err), &s.err);
        CHECK(listed == CASES[i].listed, "case %zu", i);
        script_end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(one_record), cmocka_unit_test(entity_list) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

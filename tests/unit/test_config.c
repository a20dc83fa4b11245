#include "check.h"

#include "base/file.h"
#include "cli/config.h"
#include "cli/config_parts.h"

static enum ec read_text(const char *text, char *const *env, struct config *c, struct err *e)
{
    struct err w = { 0 };

    CHECK_OK(file_write_atomic("dmfsync.ini", text, strlen(text), 0600, &w), &w);
    return config_read("/proc/self/cwd/dmfsync.ini", env, c, e);
}

static const char FULL[] = "\xef\xbb\xbf; a remark\r\n"
                           "[fno]\r\n"
                           "url = https://contoso.operations.dynamics.com/   ; a remark\r\n"
                           "tenant=t1\r\n"
                           "  client_id = c1\r\n"
                           "  client_secret_file = keys/fno\r\n"
                           "[dataverse]\n"
                           "url = https://contoso.crm4.dynamics.com\n"
                           "tag =\n"
                           "bypass = sync, flows\n"
                           "credentials = a;b\n"
                           "[credential.a]\n"
                           "client_id = ca\n"
                           "client_secret_command = echo a; echo b\n"
                           "[credential.b]\n"
                           "client_id = cb\n"
                           "certificate_file = /abs/b.pem\n"
                           "[load]\n"
                           "package_rows = 50_000\n"
                           "existing = Keep\n"
                           "max_errors = 7\n"
                           "lost_answer_wait = 1h30m\n"
                           "status_poll = 250ms\n"
                           "[sync]\n"
                           "poll_seconds = 5\n"
                           "[parity]\n"
                           "verdict_max_age = 7d\n"
                           "[map.customers]\n"
                           "name = Customers V3 (accounts)\n"
                           "file = maps/accounts--customers-v3.json\n"
                           "key = dataAreaId,CustomerAccount\n"
                           "source = sources/customers.csv\n"
                           "source_format = date:d, M yyyy H:mm, decimal:comma, group:dot, enum:label, "
                           "encoding:utf-16, delimiter:semicolon\n"
                           "columns.Phone = PRIMARYCONTACTPHONE\n"
                           "columns.Sales: total [EUR] = CREDITLIMIT\n"
                           "const.SALESMEMO = \" x ; y \"\n"
                           "const.EMPTY =\n"
                           "ignore = a b, c\n"
                           "companies = USMF,gbmf\n"
                           "master = dataverse\n"
                           "master.telephone1 = FNO\n"
                           "conflict = queue\n"
                           "deletes = apply\n"
                           "max_delete = 0.5 %\n"
                           "handoff = dual-write\n"
                           "existing = update\n"
                           "[map.currencies]\n"
                           "name = Currencies (transactioncurrencies)\n"
                           "file = /elsewhere/transactioncurrencies--currencies.json\n";

static void all_settings(void **state)
{
    struct config c;
    struct err e = { 0 };
    const struct config_map *m;

    (void)state;
    CHECK_OK(read_text(FULL, NULL, &c, &e), &e);
    CHECK_STR(c.fno.url, "https://contoso.operations.dynamics.com", "url");
    CHECK_STR(c.fno.authority, "https://login.microsoftonline.com", "authority");
    assert_int_equal(c.fno.n_users, 1);
    CHECK_STR(c.fno.users[0].client_id, "c1", "client");
    CHECK_STR(c.fno.users[0].secret_file, "/proc/self/cwd/keys/fno", "relative to the file");
    CHECK_STR(c.dataverse.tenant, "t1", "tenant of [fno]");
    assert_int_equal(c.dataverse.n_users, 2);
    CHECK_STR(c.dataverse.users[0].secret_command, "echo a; echo b", "a ; without a blank before it");
    CHECK_STR(c.dataverse.users[1].certificate_file, "/abs/b.pem", "absolute");
    CHECK_STR(c.tag, "", "tag");
    CHECK_STR(c.bypass, "sync, flows", "bypass");
    CHECK_STR(c.control, "manual", "control");
    assert_int_equal(c.package_rows, 50000);
    assert_int_equal(c.existing, EXISTING_KEEP);
    assert_string_equal(c.max_errors, "7");
    assert_int_equal(c.lost_answer_wait_ms, 5400000);
    assert_int_equal(c.poll_ms, 250);
    assert_int_equal(c.sync_poll_ms, 5000);
    assert_int_equal(c.verdict_max_age_ms, INT64_C(7) * 86400000);
    assert_int_equal(c.import_timeout_ms, INT64_C(24) * 3600000);
    assert_int_equal(c.max_waiting, 100);
    CHECK_STR(c.data_format, "CSV-Unicode", "format");
    assert_int_equal(c.n_maps, 2);
    m = &c.maps[0];
    CHECK_STR(m->alias, "customers", "alias");
    CHECK_STR(m->date, "d, M yyyy H:mm", "a date pattern with a comma");
    assert_int_equal(m->decimal, ',');
    assert_int_equal(m->group, '.');
    assert_int_equal(m->delimiter, ';');
    CHECK_STR(m->encoding, "utf-16", "encoding");
    assert_true(m->enum_labels);
    assert_int_equal(m->n_columns, 2);
    CHECK_STR(m->columns[1].name, "Sales: total [EUR]", "a header with what libinih would split at");
    CHECK_STR(m->columns[1].value, "CREDITLIMIT", "its field");
    assert_int_equal(m->n_consts, 2);
    CHECK_STR(m->consts[0].value, " x ; y ", "quoted");
    CHECK_STR(m->consts[1].value, "", "empty constant");
    assert_int_equal(m->n_ignore, 2);
    CHECK_STR(m->ignore[0], "a b", "ignored");
    assert_int_equal(m->n_companies, 2);
    CHECK_STR(m->companies[0], "usmf", "lower case");
    assert_true(m->master_dataverse);
    CHECK_STR(m->masters[0].value, "fno", "master of a field");
    assert_int_equal(m->conflict, CONFLICT_QUEUE);
    assert_int_equal(m->deletes, DELETES_APPLY);
    CHECK_STR(m->max_delete, "0.5 %", "share");
    assert_true(m->handoff_dual_write);
    assert_true(m->has_existing);
    assert_int_equal(m->existing, EXISTING_UPDATE);
    m = &c.maps[1];
    assert_false(m->has_existing);
    assert_null(m->source);
    assert_null(m->date);
    assert_int_equal(m->decimal, '.');
    assert_int_equal(m->delimiter, ',');
    CHECK_STR(m->max_delete, "1%", "default");
    CHECK_OK(config_check_online(&c, true, true, &e), &e);
    config_release(&c);
}

static void finding_maps(void **state)
{
    static const struct {
        const char *text, *want;
    } CASES[] = {
        { "customers", "customers" },
        { "CUSTOMERS", "customers" },
        { "customers v3 (accounts)", "customers" },
        { "[Customers V3] - [accounts]", "customers" },
        { "accounts--customers-v3", "customers" },
        { "currencies", "currencies" },
        { "transactioncurrencies--CURRENCIES", "currencies" },
        { "[Currencies] - [accounts]", NULL },
        { "accounts", NULL },
        { "", NULL },
    };
    struct config c;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(read_text(FULL, NULL, &c, &e), &e);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const struct config_map *m = config_map_find(&c, CASES[i].text);

        CHECK_STR(m ? m->alias : NULL, CASES[i].want, "'%s'", CASES[i].text);
    }
    config_release(&c);
}

static void refusals(void **state)
{
    static const struct {
        const char *name, *text, *msg, *hint;
    } CASES[] = {
        { "unknown key", "[load]\nmax_error = 1\n", "dmfsync.ini:2: [load] max_error: there is no such",
          "'max_errors'" },
        { "dash", "[load]\nmax-errors = 1\n", "no such setting", "'max_errors'" },
        { "far off", "[load]\nzzz = 1\n", "no such setting", "docs/commands.md" },
        { "unknown section", "[laod]\nx = 1\n", "no section [laod]", "[load]" },
        { "bare map", "[map]\nname = x\n", "no section [map]", "[map.ALIAS]" },
        { "alias", "[map.Big-Map]\nname = x\n", "cannot be an alias", "a-z" },
        { "long alias", "[map.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\nname = x\n", "cannot be an alias", "32" },
        { "long section", "[map.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]\n", "too long", "" },
        { "twice", "[load]\nmax_errors = 1\n\nmax_errors = 2\n",
          "dmfsync.ini:4: 'max_errors' was already given in line 2", "" },
        { "section twice", "[load]\n[sync]\n[load]\n", "dmfsync.ini:3: section [load]", "" },
        { "no section", "max_errors = 1\n", "before the first [section]", "" },
        { "no equals", "[load]\nmax_errors\n", "dmfsync.ini:2: neither", "" },
        { "no name", "[load]\n= 1\n", "neither", "" },
        { "broken section", "[load\n", "a section is written", "" },
        { "behind a section", "[load] x = 1\n", "nothing behind", "" },
        { "control character", "[load]\nmax_errors = 1\x02\n", "control character", "" },
        { "invalid UTF-8", "[load]\nmax_errors = \xff\n", "UTF-8", "" },
        { "open quote", "[map.a]\nconst.X = \"abc\n", "double quote", "" },
        { "quote inside", "[map.a]\nconst.X = \"a\"b\"\n", "double quote", "" },
        { "empty value", "[load]\nmax_errors =\n", "is not allowed", "default" },
        { "share", "[load]\nmax_errors = -1\n", "'-1' is not allowed", "a share such as" },
        { "number", "[load]\npackage_rows = -1\n", "'-1' is not allowed", "whole number" },
        { "overflow", "[load]\npackage_rows = 99999999999999999999\n", "not allowed", "whole number" },
        { "range", "[load]\npackage_rows = 0\n", "out of range", "1 to 10000000" },
        { "duration", "[load]\nlost_answer_wait = 30\n", "not allowed", "with a unit" },
        { "choice", "[load]\nexisting = yes\n", "'yes' is not allowed", "refuse, keep or update" },
        { "share", "[map.a]\nmax_delete = 101%\n", "not allowed", "1%" },
        { "url", "[fno]\nurl = ftp://x\n", "not allowed", "https://" },
        { "http", "[fno]\nurl = http://x.com\n", "not allowed", "own machine" },
        { "url with a user", "[fno]\nurl = https://u@x.com\n", "not allowed", "address only" },
        { "secret", "[fno]\nclient_secret = s3cr3t\n", "does not belong into this file", "client_secret_file" },
        { "bypass", "[dataverse]\nbypass = sync, plugins\n", "not allowed", "sync, async and flows" },
        { "credential missing", "[dataverse]\ncredentials = a\n", "no section [credential.a]", "" },
        { "credential unused", "[credential.a]\nclient_id = x\n", "[credential.a] is used by no side", "" },
        { "both", "[fno]\ncredentials = a\nclient_id = x\n[credential.a]\nclient_id = y\n", "stands beside it",
          "either" },
        { "master", "[map.a]\nmaster.x = both\n", "not allowed", "fno or dataverse" },
        { "format", "[map.a]\nsource_format = dat:x\n", "'dat:x' is not known", "an example" },
        { "format without colon", "[map.a]\nsource_format = label\n", "not of the form", "" },
        { "date pattern", "[map.a]\nsource_format = date:MM/dd\n", "date pattern 'MM/dd'", "" },
        { "delimiter", "[map.a]\nsource_format = delimiter:x\n", "not known", "" },
        { "same signs", "[map.a]\nsource_format = decimal:comma, group:comma\n", "same sign", "" },
        { "same document", "[map.a]\nfile = m.json\n[map.b]\nfile = m.json\n", "are the same map", "" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct config c;
        struct err e = { 0 };
        enum ec rc = read_text(CASES[i].text, NULL, &c, &e);

        CHECK(rc == EC_CONFIG && e.code == EC_CONFIG, "%s: %d %s", CASES[i].name, rc, e.msg);
        CHECK(strstr(e.msg, CASES[i].msg), "%s: message '%s'", CASES[i].name, e.msg);
        CHECK(strstr(e.hint, CASES[i].hint), "%s: hint '%s'", CASES[i].name, e.hint);
        CHECK(!strstr(e.msg, "s3cr3t"), "%s: the secret is repeated", CASES[i].name);
    }
}

static void nul_octet(void **state)
{
    struct config c;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(file_write_atomic("dmfsync.ini", "[load]\n\0", 8, 0600, &e), &e);
    assert_int_equal(config_read("/proc/self/cwd/dmfsync.ini", NULL, &c, &e), EC_CONFIG);
    CHECK(strstr(e.msg, "NUL"), "%s", e.msg);
}

/*
 * Every length around libinih's limits, and with what it would trip over at every place, comes back as it was
 * written.
 */
static void long_lines(void **state)
{
    (void)state;
    for (size_t n = 1; n < 1500; n += n < 420 ? 1 : 97) {
        struct strbuf text = STRBUF(0), want = STRBUF(0);
        struct config c;
        struct err e = { 0 };

        strbuf_adds(&text, "[map.a]\nname = before\nconst.X = \"");
        for (size_t i = 0; i < n; i++)
            strbuf_add(&want, &" ;x#=:[]\tü"[i % 9], 1);
        while (want.len && (want.buf[want.len - 1] & 0x80)) /* a cut character is not UTF-8 */
            want.buf[--want.len] = 0;
        strbuf_add(&text, strbuf_str(&want), want.len);
        strbuf_adds(&text, "\"\nkey = after\n");
        CHECK_OK(read_text(text.buf, NULL, &c, &e), &e);
        CHECK_STR(c.maps[0].consts[0].value, strbuf_str(&want), "%zu octets", n);
        CHECK_STR(c.maps[0].key, "after", "%zu octets", n);
        CHECK_STR(c.maps[0].name, "before", "%zu octets", n);
        config_release(&c);
        strbuf_release(&text);
        strbuf_release(&want);
    }
}

static void line_too_long(void **state)
{
    struct strbuf text = STRBUF(0);
    struct config c;
    struct err e = { 0 };

    (void)state;
    strbuf_adds(&text, "[map.a]\nconst.X = ");
    for (size_t i = 0; i < 60000; i++)
        strbuf_addc(&text, 'x');
    CHECK_OK(read_text(text.buf, NULL, &c, &e), &e);
    assert_int_equal(strlen(c.maps[0].consts[0].value), 60000);
    config_release(&c);
    for (size_t i = 0; i < 6000; i++)
        strbuf_addc(&text, 'x');
    assert_int_equal(read_text(text.buf, NULL, &c, &e), EC_CONFIG);
    CHECK(strstr(e.msg, "64 KiB"), "%s", e.msg);
    strbuf_release(&text);
}

static void environment(void **state)
{
    static char *const ENV[] = { "DMFSYNC_LOAD_MAX_ERRORS=9",
                                 "DMFSYNC_FNO_CLIENT_SECRET=hush",
                                 "DMFSYNC_MAP_PAYMENT_DAYS_MAX_DELETE=3",
                                 "DMFSYNC_MAP_PAYMENT_DAYS_COLUMNS_DAY_NAME=OTHER",
                                 "DMFSYNC_MAP_ELSEWHERE_MASTER=fno",
                                 "DMFSYNC_ROOT=/x",
                                 "DMFSYNC_HTTP_CA_FILE=ca.pem",
                                 "PATH=/bin",
                                 NULL };
    static const char TEXT[] = "[fno]\nclient_id = c\n[load]\nmax_errors = 1\n[map.payment_days]\nname = P (p)\n"
                               "columns.Day name = NAME\n";
    static char *const TYPO[] = { "DMFSYNC_LOAD_MAX_ERROR=1", NULL };
    static char *const MAP_TYPO[] = { "DMFSYNC_MAP_PAYMENT_DAYS_MASTR=fno", NULL };
    static char *const BAD[] = { "DMFSYNC_MAP_PAYMENT_DAYS_MASTER=me", NULL };
    struct config c;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(read_text(TEXT, ENV, &c, &e), &e);
    assert_string_equal(c.max_errors, "9");
    CHECK_STR(c.fno.users[0].secret, "hush", "secret");
    CHECK_STR(c.dataverse.users[0].secret, "hush", "the same user on the other side");
    CHECK_STR(c.maps[0].max_delete, "3", "a key of a map whose alias has an underscore");
    CHECK_STR(c.maps[0].columns[0].value, "OTHER", "a column");
    CHECK_STR(c.ca_file, "/proc/self/cwd/ca.pem", "a section that the file has not");
    config_release(&c);
    assert_int_equal(read_text(TEXT, TYPO, &c, &e), EC_CONFIG);
    CHECK(strstr(e.hint, "DMFSYNC_LOAD_MAX_ERRORS"), "%s", e.hint);
    assert_int_equal(read_text(TEXT, MAP_TYPO, &c, &e), EC_CONFIG);
    CHECK(strstr(e.hint, "DMFSYNC_MAP_PAYMENT_DAYS_MASTER"), "%s", e.hint);
    assert_int_equal(read_text(TEXT, BAD, &c, &e), EC_CONFIG);
    CHECK(strstr(e.msg, "environment variable DMFSYNC_MAP_PAYMENT_DAYS_MASTER"), "%s", e.msg);
}

static void template_names_all(void **state)
{
    struct strbuf open_ = STRBUF(0);
    struct config c;
    struct err e = { 0 };
    const char *text = config_template();

    (void)state;
    CHECK_OK(read_text(text, NULL, &c, &e), &e);
    assert_int_equal(c.n_maps, 0);
    CHECK_OK(config_check_online(&c, true, true, &e), &e);
    config_release(&c);
    /* With the semicolons of commented-out settings taken away it is still read: no example in it is wrong. */
    for (const char *p = text; *p;) {
        size_t n = strcspn(p, "\n");
        size_t name = strcspn(p + 1, " =");
        bool setting =
            p[0] == ';' && (p[1] == '[' || (p[1] >= 'a' && p[1] <= 'z' && strchr("=", p[1 + name + 1]) != NULL));

        if (setting && strncmp(p, ";client_id", 10) && strncmp(p, ";client_secret_f", 16))
            strbuf_add(&open_, p + 1, n);
        else if (setting && strstr(strbuf_str(&open_), "[credential.a]"))
            strbuf_add(&open_, p + 1, n);
        else
            strbuf_add(&open_, p, n + 1);
        p += n + 1;
    }
    CHECK_OK(read_text(open_.buf, NULL, &c, &e), &e);
    assert_int_equal(c.n_maps, 2);
    assert_int_equal(c.dataverse.n_users, 2);
    CHECK_STR(c.maps[1].load_entity, "Customer definitions", "example");
    config_release(&c);
    for (size_t i = 0; i < CONFIG_N_KEYS; i++) {
        char with_eq[80];

        if (CONFIG_KEYS[i].kind == KEY_SECRET)
            continue;
        snprintf(with_eq, sizeof(with_eq), "%s%s", CONFIG_KEYS[i].name, CONFIG_KEYS[i].kind == KEY_PAIRS ? "" : " =");
        CHECK(strstr(text, with_eq), "%s is not in the template", CONFIG_KEYS[i].name);
    }
    strbuf_release(&open_);
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t want; /* -1 = refused */
    } CASES[] = { { "500ms", 500 },    { "10s", 10000 },    { "30m", 1800000 },
                  { "24h", 86400000 }, { "7d", 604800000 }, { "1h30m", 5400000 },
                  { "0s", 0 },         { "5", -1 },         { "", -1 },
                  { "s", -1 },         { "5 s", -1 },       { "-5s", -1 },
                  { "5x", -1 },        { "1m1h", -1 },      { "1s1s", -1 },
                  { "1.5h", -1 },      { "5S", 5000 },      { "99999999999999999d", -1 } };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        int64_t v = -1;
        bool ok = config_duration(CASES[i].text, &v);

        CHECK(ok == (CASES[i].want >= 0) && (!ok || v == CASES[i].want), "'%s' gives %lld", CASES[i].text,
              (long long)v);
    }
}

static void identity(void **state)
{
    static const struct {
        const char *name, *text;
        bool same;
    } CASES[] = {
        { "poll interval", "[fno]\nurl = https://a\n[sync]\npoll_seconds = 9\n[map.a]\nname = A (a)\n", true },
        { "secret path", "[fno]\nurl = https://a\nclient_secret_file = x\n[map.a]\nname = A (a)\n", true },
        { "url", "[fno]\nurl = https://b\n[map.a]\nname = A (a)\n", false },
        { "package_rows", "[fno]\nurl = https://a\n[load]\npackage_rows = 5\n[map.a]\nname = A (a)\n", false },
        { "companies", "[fno]\nurl = https://a\n[map.a]\nname = A (a)\ncompanies = x\n", false },
        { "format", "[fno]\nurl = https://a\n[map.a]\nname = A (a)\nsource_format = decimal:comma\n", false },
        { "master", "[fno]\nurl = https://a\n[map.a]\nname = A (a)\nmaster = dataverse\n", false },
        { "field master", "[fno]\nurl = https://a\n[map.a]\nname = A (a)\nmaster.x = dataverse\n", false },
    };
    struct strbuf lines = STRBUF(0);
    struct config c;
    struct err e = { 0 };
    char base[65], other[65];

    (void)state;
    CHECK_OK(read_text("[fno]\nurl = https://a\n[map.a]\nname = A (a)\n", NULL, &c, &e), &e);
    config_identity(&c, &lines, base);
    CHECK(strstr(lines.buf, "fno.url=https://a\n"), "%s", lines.buf);
    config_release(&c);
    assert_int_equal(strlen(base), 64);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        CHECK_OK(read_text(CASES[i].text, NULL, &c, &e), &e);
        config_identity(&c, &lines, other); /* `lines` keeps what was there: only the new part is hashed */
        CHECK(!strcmp(base, other) == CASES[i].same, "%s", CASES[i].name);
        config_release(&c);
    }
    strbuf_release(&lines);
}

static void nearest(void **state)
{
    static const char *const WORDS[] = { "max_errors", "existing", "package_rows", "--json" };
    static const struct {
        const char *word, *want;
    } CASES[] = { { "max_error", "max_errors" },
                  { "max-errors", "max_errors" },
                  { "exsiting", "existing" },
                  { "packagerows", "package_rows" },
                  { "--jsno", "--json" },
                  { "nothing", NULL },
                  { "", NULL } };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        CHECK_STR(nearest_word(CASES[i].word, WORDS, COUNT(WORDS)), CASES[i].want, "'%s'", CASES[i].word);
}

static void sign_in_settings(void **state)
{
    static const struct {
        const char *text, *msg;
    } CASES[] = {
        { "[load]\n", "[fno] has no url" },
        { "[fno]\nurl = https://a\n", "[fno] has no tenant" },
        { "[fno]\nurl = https://a\ntenant = t\n", "[fno] has no client_id" },
        { "[fno]\nurl = https://a\ntenant = t\nclient_id = c\n", "client_secret_file" },
        { "[fno]\nurl = https://a\ntenant = t\nclient_id = c\nclient_secret_file = f\n", "[dataverse] has no url" },
        { "[fno]\nurl = https://a\ntenant = t\nclient_id = c\nclient_secret_file = f\n[dataverse]\nurl = https://b\n"
          "client_id = d\n",
          "[dataverse] has no client_secret_file" },
    };
    struct config c;
    struct err e = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        CHECK_OK(read_text(CASES[i].text, NULL, &c, &e), &e);
        assert_int_equal(config_check_online(&c, true, true, &e), EC_CONFIG);
        CHECK(strstr(e.msg, CASES[i].msg), "%zu: %s", i, e.msg);
        assert_int_equal(config_check_online(&c, false, false, &e), EC_OK);
        config_release(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_settings), cmocka_unit_test(finding_maps),
        cmocka_unit_test(refusals),     cmocka_unit_test(nul_octet),
        cmocka_unit_test(long_lines),   cmocka_unit_test(line_too_long),
        cmocka_unit_test(environment),  cmocka_unit_test(template_names_all),
        cmocka_unit_test(durations),    cmocka_unit_test(identity),
        cmocka_unit_test(nearest),      cmocka_unit_test(sign_in_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

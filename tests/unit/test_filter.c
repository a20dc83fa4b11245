/* Both filter languages: what they accept, what they mean, what they refuse. */
#include "check.h"

#include "map/filter.h"

/* A row with one field of each kind. */
static bool get(void *arg, struct cell field, struct cell *ret)
{
    static const struct {
        const char *name, *value;
    } ROW[] = {
        { "Name", "Contoso" },
        { "Group", "010" },
        { "Amount", "12.50" },
        { "Big", "9007199254740993" },
        { "Neg", "-3" },
        { "Empty", "" },
        { "Null", NULL },
        { "PartyType", "Organization" },
        { "Id", "0f9d1c52-3a51-4c7e-9a11-0d5e5a3c0001" },
        { "Quote", "it's" },
        { "Flag", "true" },
        { "Day", "2024-05-01" },
        { "Trail", "x  " },
    };

    ++*(int *)arg;
    for (size_t i = 0; i < COUNT(ROW); i++)
        if (cell_ieq(field, cell_of(ROW[i].name))) {
            *ret = cell_of(ROW[i].value);
            return true;
        }
    return false;
}

static const struct filter_case {
    const char *text;
    bool want;
} XPP[] = {
    { "", true },
    { "  ", true },
    { "((PartyType == \"Organization\"))", true },
    { "((PartyType == \"Organization\") || (PartyType == \"Person\"))", true },
    { "(PartyType = 'organization')", true },
    { "PartyType == DirPartyBaseType::Organization", true },
    { "PartyType == DirPartyBaseType::Person", false },
    { "PartyType != \"Organization\"", false },
    { "!(PartyType == \"Person\")", true },
    { "!!(PartyType == \"Person\")", false },
    { "Amount == 12.5", true },
    { "Amount == 12.500", true },
    { "Amount > 9", true }, /* as a number; as text \"12\" < \"9\" */
    { "Amount < 100", true },
    { "Amount <= 12.50 && Amount >= 12.5", true },
    { "Amount < 12.5", false },
    { "Neg < 0", true },
    { "Neg > -10", true },
    { "Neg < -2.9", true },
    { "Big == 9007199254740992", false }, /* beyond the exact range of a double */
    { "Big > 9007199254740992", true },
    { "Group == \"10\"", false }, /* a literal in quotes is text */
    { "Group == 10", true },
    { "Name == \"CONTOSO\"", true },
    { "Name == \"Contoso  \"", true }, /* trailing blanks do not count */
    { "Trail == \"x\"", true },
    { "Name == \"a\\\"b\"", false },
    { "Quote == \"it's\"", true },
    { "Quote == 'it''s'", true },
    { "Empty == \"\"", true },
    { "Empty != \"\"", false },
    { "Null == \"\"", true },
    { "Null != \"\"", false },
    { "Null != \"x\"", true },
    { "Null > \"a\"", false },
    { "Name == \"a && b || c\"", false }, /* operators inside a string are text */
    { "Name == \"Contoso\" || Amount == 0 && Amount == 1", true }, /* && binds tighter */
    { "(Name == \"Contoso\" || Amount == 0) && Amount == 1", false },
    { "NoSuch == 1", false },
};
static const struct filter_case ODATA[] = {
    { "", true },
    { "customertypecode eq 3", false },
    { "Amount eq 12.5", true },
    { "Amount gt 12 and Amount lt 13", true },
    { "Amount gt 12 and not (Amount lt 13)", false },
    { "Name eq 'Contoso' or Name eq 'x'", true },
    { "not (Name eq 'Contoso')", false },
    { "Quote eq 'it''s'", true },
    { "Null eq null", true },
    { "Null ne null", false },
    { "Name ne null", true },
    { "Name eq null", false },
    { "Empty eq null", false },
    { "contains(Name,'OSO')", true },
    { "startswith(Name,'con')", true },
    { "endswith(Name, 'oso')", true },
    { "endswith(Name,'Contoso!')", false },
    { "contains(Null,'x')", false },
    { "contains(Name,null)", false },
    { "Amount ge null", false },
    { "not (Amount lt null)", true },
    { "contains(Name,'')", true },
    { "PartyType eq Microsoft.Dynamics.DataEntities.DirPartyBaseType'Organization'", true },
    { "Id eq 0f9d1c52-3a51-4c7e-9a11-0d5e5a3c0001", true },
    { "Id eq 0F9D1C52-3A51-4C7E-9A11-0D5E5A3C0001", true },
    { "Id eq af9d1c52-3a51-4c7e-9a11-0d5e5a3c0001", false }, /* a GUID may begin with a letter */
    { "Flag eq true", true },
    { "Day ge 2024-05-01", true },
    { "Day lt 2024-05-01", false },
    { "(Flag eq true) and (((Amount ge -5)))", true },
};

static void check_all(const struct filter_case *cases, size_t n, bool xpp)
{
    for (size_t i = 0; i < n; i++) {
        struct arena a = { 0 };
        struct filter *f = NULL;
        struct err e = { 0 };
        int asked = 0;
        enum ec rc = xpp ? filter_parse_xpp(cell_of(cases[i].text), &a, &f, &e)
                         : filter_parse_odata(cell_of(cases[i].text), &a, &f, &e);

        CHECK(rc == EC_OK, "%s: %s", cases[i].text, e.msg);
        CHECK(filter_match(f, get, &asked) == cases[i].want, "%s", cases[i].text);
        CHECK((asked > 0) == (f != NULL), "%s", cases[i].text);
        arena_release(&a);
    }
}

static void xpp(void **state)
{
    (void)state;
    check_all(XPP, COUNT(XPP), true);
}

static void odata(void **state)
{
    (void)state;
    check_all(ODATA, COUNT(ODATA), false);
}

static void refusals(void **state)
{
    static const struct {
        bool xpp;
        const char *text;
    } CASES[] = {
        { true, "(A == 1" },
        { true, "A == 1)" },
        { true, "A ==" },
        { true, "== 1" },
        { true, "A" },
        { true, "A == \"x" },
        { true, "A eq 1" },
        { true, "A == 1 B == 2" },
        { true, "A & 1" },
        { true, "A == 1 &&" },
        { true, "contains(A,'x')" },
        { true, "\"x\" == A" },
        { false, "A == 1" },
        { false, "A eq" },
        { false, "A eq 'x" },
        { false, "A eq 1 and" },
        { false, "length(A) eq 1" },
        { false, "contains(A)" },
        { false, "contains(A,'x'" },
        { false, "(A eq 1" },
        { false, "A eq 1;drop" },
        { false, "A eq \"x\"" },
        { false, "not" },
        { false, "A in (1,2)" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct arena a = { 0 };
        struct filter *f = NULL;
        struct err e = { 0 };
        enum ec rc = CASES[i].xpp ? filter_parse_xpp(cell_of(CASES[i].text), &a, &f, &e)
                                  : filter_parse_odata(cell_of(CASES[i].text), &a, &f, &e);

        CHECK(rc == EC_FORMAT && !f, "'%s' is accepted", CASES[i].text);
        CHECK(strstr(e.msg, CASES[i].text), "'%s': %s", CASES[i].text, e.msg);
        arena_release(&a);
    }
}

static void no_bounds_are_crossed(void **state)
{
    struct strbuf deep = STRBUF(0), wide = STRBUF(0);
    struct arena a = { 0 };
    struct filter *f = NULL;
    struct err e = { 0 };
    int asked = 0;

    (void)state;
    for (int i = 0; i < 5000; i++)
        strbuf_adds(&deep, "(");
    assert_int_equal(filter_parse_odata(cell_of(deep.buf), &a, &f, &e), EC_FORMAT);
    strbuf_adds(&wide, "A eq 1");
    while (wide.len < 16000)
        strbuf_adds(&wide, " or A eq 1");
    CHECK_OK(filter_parse_odata(cell_of(wide.buf), &a, &f, &e), &e);
    assert_false(filter_match(f, get, &asked));
    assert_true(asked > 1000);
    while (wide.len < 20000)
        strbuf_adds(&wide, " or A eq 1");
    assert_int_equal(filter_parse_odata(cell_of(wide.buf), &a, &f, &e), EC_FORMAT);
    strbuf_release(&deep);
    strbuf_release(&wide);
    arena_release(&a);
}

static void collect(void *arg, struct cell field)
{
    strbuf_addf(arg, "[%.*s]", CELL_ARG(field));
}

static void names_its_fields(void **state)
{
    struct strbuf out = STRBUF(0);
    struct arena a = { 0 };
    struct filter *f = NULL;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(filter_parse_odata(CELL_LIT("(a eq 1 or not (b ne null)) and contains(c,'d')"), &a, &f, &e), &e);
    filter_fields(f, collect, &out);
    CHECK_STR(strbuf_str(&out), "[a][b][c]", "fields");
    filter_fields(NULL, collect, &out);
    strbuf_release(&out);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xpp),
        cmocka_unit_test(odata),
        cmocka_unit_test(refusals),
        cmocka_unit_test(no_bounds_are_crossed),
        cmocka_unit_test(names_its_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

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
    { "Name like \"con*\"", true },
    { "(Name LIKE '*OSO')", true },
    { "Name like \"*ntos*\"", true },
    { "Name like \"ntos*\"", false },
    { "Name like \"contoso\"", true },
    { "Day == 1\\5\\2024", true }, /* as X++ writes dates */
    { "Day < 01\\05\\2024", false },
    { "Day >= 2024-05-01", true },
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
        { true, "A like \"a*b\"" },
        { true, "A like \"a?\"" },
        { true, "A like 1" },
        { true, "A == 1\\13\\2024" },
        { true, "A == 1\\5" },
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

/* ---- from one language into the other ---- */

static bool names(void *arg, struct cell field, struct cell *ret_name, struct cell *ret_enum)
{
    (void)arg;
    if (!cell_ieq(field, CELL_LIT("partytype")))
        return false;
    *ret_name = CELL_LIT("PartyType");
    *ret_enum = CELL_LIT("DirPartyType");
    return true;
}

static void translations(void **state)
{
    /* own: the same filter printed in the language that it came in */
    static const struct {
        bool xpp;
        const char *text, *other, *own;
    } CASES[] = {
        { true, "((PartyType == \"Organization\"))",
          "PartyType eq Microsoft.Dynamics.DataEntities.DirPartyType'Organization'",
          "(PartyType == DirPartyType::Organization)" },
        { true, "((A == \"x\") || (B = \"y\"))", "A eq 'x' or B eq 'y'", "((A == \"x\") || (B == \"y\"))" },
        { true, "(SalesOrderNumber != \"\")", "SalesOrderNumber ne ''", "(SalesOrderNumber != \"\")" },
        { true, "A == \"x || y && !z\"", "A eq 'x || y && !z'", "(A == \"x || y && !z\")" },
        { true, "A == \"O'Brien\"", "A eq 'O''Brien'", "(A == \"O'Brien\")" },
        { true, "A == 'say \\'hi\\''", "A eq 'say ''hi'''", "(A == \"say 'hi'\")" },
        { true, "A == \"back\\\\slash \\\"q\\\"\"", "A eq 'back\\slash \"q\"'",
          "(A == \"back\\\\slash \\\"q\\\"\")" },
        { true, "(A == 1 || B >= 2.50) && !(C < -3)", "(A eq 1 or B ge 2.50) and not (C lt -3)",
          "(((A == 1) || (B >= 2.50)) && !(C < -3))" },
        { true, "A == 1 || B == 2 && C == 3", "A eq 1 or (B eq 2 and C eq 3)",
          "((A == 1) || ((B == 2) && (C == 3)))" },
        { true, "Blocked == NoYes::Yes", "Blocked eq Microsoft.Dynamics.DataEntities.NoYes'Yes'",
          "(Blocked == NoYes::Yes)" },
        { true, "D <= 1\\5\\2024", "D le 2024-05-01", "(D <= 01\\05\\2024)" },
        { true, "D > 2024-05-01T10:00:00", "D gt 2024-05-01T10:00:00Z", "(D > 2024-05-01T10:00:00)" },
        { true, "N like \"ab*\" && N like \"*c\"", "startswith(N,'ab') and endswith(N,'c')",
          "((N like \"ab*\") && (N like \"*c\"))" },
        { true, "A > 12345678901234567890.10", "A gt 12345678901234567890.10", "(A > 12345678901234567890.10)" },
        { true, "", "", "" },
        { false, "customertypecode eq 3", "(customertypecode == 3)", "customertypecode eq 3" },
        { false, "not contains(a,'x*') or b eq true", NULL, "not (contains(a,'x*')) or b eq true" },
        { false, "contains(a,'it''s')", "(a like \"*it's*\")", "contains(a,'it''s')" },
        { false, "a eq Microsoft.Dynamics.DataEntities.NoYes'Yes'", "(a == NoYes::Yes)",
          "a eq Microsoft.Dynamics.DataEntities.NoYes'Yes'" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        bool from_xpp = CASES[i].xpp;
        struct arena a = { 0 };
        struct strbuf other = STRBUF(0), own = STRBUF(0);
        struct filter *f = NULL;
        struct err e = { 0 };
        enum ec rc;

        CHECK_OK((from_xpp ? filter_parse_xpp : filter_parse_odata)(cell_of(CASES[i].text), &a, &f, &e), &e);
        rc = (from_xpp ? filter_to_odata : filter_to_xpp)(f, names, NULL, &other, &e);
        CHECK((rc == EC_OK) == (CASES[i].other != NULL), "%s: %s", CASES[i].text, e.msg);
        if (CASES[i].other)
            CHECK_STR(strbuf_str(&other), CASES[i].other, "%s", CASES[i].text);
        CHECK_OK((from_xpp ? filter_to_xpp : filter_to_odata)(f, names, NULL, &own, &e), &e);
        CHECK_STR(strbuf_str(&own), CASES[i].own, "%s", CASES[i].text);
        strbuf_release(&other);
        strbuf_release(&own);
        arena_release(&a);
    }
}

static void no_equivalent(void **state)
{
    static const struct {
        bool xpp; /* the text's language */
        const char *text, *says;
    } CASES[] = {
        { false, "a eq 1 and b eq null", "null at character 17" },
        { false, "b ne 0f9d1c52-3a51-4c7e-9a11-0d5e5a3c0001", "an id at character 6" },
        { false, "a gt 2024-05-01T10:00:00+02:00", "at character 6" },
        { false, "a gt 2024-05-01T10:00:00.5Z", "at character 6" },
        { false, "a eq 1 or parent/name eq 'x'", "another table at character 11" },
        { false, "contains(a,'x?')", "at character 12" },
        { false, "startswith(a,3)", "at character 14" },
        { false, "a eq b", "another field, at character 6" },
        { true, "A == 1 && B == C", "another field, at character 16" },
        { true, "(CustTable.AccountNum == \"1\")", "another data source at character 2" },
        { true, "A == 12abc", "at character 6" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct arena a = { 0 };
        struct strbuf out = STRBUF(0);
        struct filter *f = NULL;
        struct err e = { 0 };

        CHECK_OK((CASES[i].xpp ? filter_parse_xpp : filter_parse_odata)(cell_of(CASES[i].text), &a, &f, &e), &e);
        CHECK((CASES[i].xpp ? filter_to_odata : filter_to_xpp)(f, NULL, NULL, &out, &e) == EC_FORMAT, "%s gives %s",
              CASES[i].text, strbuf_str(&out));
        CHECK(strstr(e.msg, CASES[i].says), "%s: %s", CASES[i].text, e.msg);
        CHECK(!out.len, "%s leaves '%s'", CASES[i].text, strbuf_str(&out));
        strbuf_release(&out);
        arena_release(&a);
    }
}

/* ---- any tree survives both languages ---- */

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

static void random_leaf(struct arena *a, struct filter *f)
{
    static const char *const FIELDS[] = { "Name", "Group", "Amount", "Neg", "Empty", "PartyType", "Quote", "Day" };
    static const char *const BARE[] = {
        "12.50", "-3", "0", "9007199254740993", "true", "2024-05-01", "2024-05-01T10:00:00Z"
    };
    static const char ALPHABET[] = "aB 1'\"\\&|!()=,;<>:%";

    f->field = cell_of(FIELDS[pick(COUNT(FIELDS))]);
    f->op = (enum filter_op)pick(6);
    if (pick(4) == 0)
        f->op = (enum filter_op)(FILTER_CONTAINS + pick(3));
    if (f->op <= FILTER_GE && pick(3) == 0) {
        f->value = cell_of(BARE[pick(COUNT(BARE))]);
    } else if (f->op <= FILTER_GE && pick(4) == 0) {
        f->enum_name = CELL_LIT("DirPartyType");
        f->value = CELL_LIT("Organization");
        f->quoted = true;
    } else {
        char text[12];
        size_t n = 1 + pick(10);

        for (size_t i = 0; i < n; i++)
            text[i] = ALPHABET[pick(sizeof(ALPHABET) - 1)];
        f->value = (struct cell){ arena_dup(a, text, n), n };
        f->quoted = true;
    }
}

static struct filter *random_tree(struct arena *a, int depth)
{
    struct filter *f = arena_zalloc(a, sizeof(*f));
    unsigned k = depth ? pick(5) : 4;

    if (k < 2) {
        f->op = k ? FILTER_AND : FILTER_OR;
        f->a = random_tree(a, depth - 1);
        f->b = random_tree(a, depth - 1);
    } else if (k == 2) {
        f->op = FILTER_NOT;
        f->a = random_tree(a, depth - 1);
    } else {
        random_leaf(a, f);
    }
    return f;
}

/* A chain of one operator is read from the left: (a and (b and c)) comes back as a tree of the same meaning. */
static void check_meaning(const struct filter *want, const struct filter *got, const char *text)
{
    struct strbuf w = STRBUF(0), g = STRBUF(0);
    int asked = 0;

    filter_normal(want, &w);
    filter_normal(got, &g);
    CHECK_STR(strbuf_str(&g), w.buf, "%s", text);
    CHECK(filter_match(want, get, &asked) == filter_match(got, get, &asked), "%s", text);
    strbuf_release(&w);
    strbuf_release(&g);
}

static void round_trips(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct arena a = { 0 };
        struct strbuf xpp = STRBUF(0), odata = STRBUF(0), again = STRBUF(0);
        struct filter *f, *g = NULL, *h = NULL;
        struct err e = { 0 };

        seed = (uint64_t)i * 7919 + 1;
        f = random_tree(&a, (int)pick(5));
        CHECK_OK(filter_to_xpp(f, NULL, NULL, &xpp, &e), &e);
        CHECK_OK(filter_parse_xpp((struct cell){ xpp.buf, xpp.len }, &a, &g, &e), &e);
        check_meaning(f, g, xpp.buf);
        CHECK_OK(filter_to_odata(g, NULL, NULL, &odata, &e), &e);
        CHECK_OK(filter_parse_odata((struct cell){ odata.buf, odata.len }, &a, &h, &e), &e);
        check_meaning(f, h, odata.buf);
        CHECK_OK(filter_to_xpp(h, NULL, NULL, &again, &e), &e);
        CHECK_STR(again.buf, xpp.buf, "X++ to OData and back");
        strbuf_release(&xpp);
        strbuf_release(&odata);
        strbuf_release(&again);
        arena_release(&a);
    }
}

static void normal_form(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } CASES[] = {
        { "A == 1 && B == 2", "((B==2)&&(a = 1))", true },
        { "(A == \"x\") || ((B == 1) || (C == 2))", "C == 2 || A == 'x' || B == 1", true },
        { "A == \"x\"", "A == \"X\"", false },
        { "A == 1", "A == \"1\"", false },
        { "A == 1 && B == 2", "A == 1 || B == 2", false },
        { "A == 1 && B == 2 || C == 3", "A == 1 && (B == 2 || C == 3)", false },
        { "!(A == 1)", "A == 1", false },
        { "A == \"a b\"", "A == \"a  b\"", false },
        { "A == noyes::Yes", "A == NoYes::Yes", true },
        { "A == 1\\5\\2024", "A == 01\\05\\2024", true },
        { "A == 1 && A == 1", "A == 1", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct arena a = { 0 };
        struct strbuf x = STRBUF(0), y = STRBUF(0);
        struct filter *f = NULL, *g = NULL;
        struct err e = { 0 };

        CHECK_OK(filter_parse_xpp(cell_of(CASES[i].a), &a, &f, &e), &e);
        CHECK_OK(filter_parse_xpp(cell_of(CASES[i].b), &a, &g, &e), &e);
        filter_normal(f, &x);
        filter_normal(g, &y);
        CHECK(!strcmp(x.buf, y.buf) == CASES[i].same, "%s | %s", x.buf, y.buf);
        strbuf_release(&x);
        strbuf_release(&y);
        arena_release(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xpp),
        cmocka_unit_test(odata),
        cmocka_unit_test(refusals),
        cmocka_unit_test(no_bounds_are_crossed),
        cmocka_unit_test(names_its_fields),
        cmocka_unit_test(translations),
        cmocka_unit_test(no_equivalent),
        cmocka_unit_test(round_trips),
        cmocka_unit_test(normal_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

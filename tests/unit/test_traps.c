/*
 * test_traps.c -- where comparers of two systems go wrong: values that look different and are the same, and values that look the
 * same and are different. Each is read as F&O's OData gives it, as a DMF package spells it, and as Dataverse's Web API gives it,
 * through a bound map; both readings of F&O must have one digest, and digest and field comparison must say the same.
 */
#include "tenant_schema.h"

static const char TENANT[] =
    "{'enums':{'NoYes':[['No','No'],['Yes','Yes']],'Hold':[['No','No'],['Invoice','Invoice'],['All','All']],"
    "'Terms':[['Net','Net'],['CurrentMth','Current month']]},"
    "'entity':{'label':'Traps','aot':'TrapEntity','public':'Trap','set':'Traps','key':['CODE'],'fields':["
    "{'name':'CODE','property':'Code','type':'string'},{'name':'NAME','property':'Name','type':'string'},"
    "{'name':'MEMO','property':'Memo','type':'string'},{'name':'AMOUNT','property':'Amount','type':'real'},"
    "{'name':'RATE','property':'Rate','type':'real'},{'name':'QTY','property':'Qty','type':'int'},"
    "{'name':'BIG','property':'Big','type':'int64'},{'name':'DAY','property':'Day','type':'date'},"
    "{'name':'MOMENT','property':'Moment','type':'utcdatetime'},{'name':'BIRTH','property':'Birth','type':'"
    "utcdatetime'},"
    "{'name':'FLAG','property':'Flag','type':'enum','enum':'NoYes'},"
    "{'name':'PLAINFLAG','property':'PlainFlag','type':'enum','enum':'NoYes'},"
    "{'name':'HOLD','property':'Hold','type':'enum','enum':'Hold'},"
    "{'name':'TERMS','property':'Terms','type':'enum','enum':'Terms'},"
    "{'name':'UID','property':'Uid','type':'guid'},{'name':'GROUPID','property':'GroupId','type':'string'},"
    "{'name':'COUNTRY','property':'Country','type':'string'}]},"
    "'tables':[{'logical':'cdm_company','set':'cdm_companies','pk':'cdm_companyid','primary_name':'cdm_name','"
    "columns':["
    "{'name':'cdm_companycode','type':'String','length':4}]},"
    "{'logical':'new_group','set':'new_groups','pk':'new_groupid','primary_name':'new_name','columns':["
    "{'name':'new_name','type':'String','length':20},"
    "{'name':'new_company','type':'Lookup','nav':{'cdm_company':'new_company'}}]},"
    "{'logical':'new_trap','set':'new_traps','pk':'new_trapid','primary_name':'new_name','columns':["
    "{'name':'new_code','type':'String','length':40},{'name':'new_name','type':'String','length':100},"
    "{'name':'new_memo','type':'Memo','length':2000},{'name':'new_amount','type':'Money','precision':2},"
    "{'name':'new_rate','type':'Decimal','precision':10},{'name':'new_qty','type':'Integer'},"
    "{'name':'new_big','type':'BigInt'},{'name':'new_day','type':'DateTime','behavior':'DateOnly'},"
    "{'name':'new_moment','type':'DateTime','behavior':'UserLocal'},"
    "{'name':'new_birth','type':'DateTime','behavior':'DateOnly'},{'name':'new_flag','type':'Boolean'},"
    "{'name':'new_plainflag','type':'String','length':10},"
    "{'name':'new_hold','type':'Picklist'},{'name':'new_terms','type':'String','length':20},"
    "{'name':'new_uid','type':'Uniqueidentifier'},"
    "{'name':'new_group','type':'Lookup','nav':{'new_group':'new_group'}},"
    "{'name':'new_country','type':'String','length':10},"
    "{'name':'new_company','type':'Lookup','nav':{'cdm_company':'new_company'}}],"
    "'keys':[{'name':'new_key','columns':['new_code','new_company']}]}]}";

/* clang-format off */
#define PLAIN(f, c) "{'syncDirection':3,'sourceField':'" f "','destinationField':'" c "'}"
#define WORDS(f, c, words) "{'syncDirection':3,'sourceField':'" f "','destinationField':'" c "','valueTransforms':[" \
    "{'transformType':'ValueMap','valueMap':{" words "}}]}"
static const char MAP[] =
    "{'name':'[Traps] - [new_traps]','leftEnvironmentType':'AX','centerEnvironmentType':'CRM',"
    "'rightEnvironmentType':'UNDEFINED','legs':[{'id':'001','sourceSchema':'Traps','sourceEnvironmentType':'AX',"
    "'sourceFilter':'','destinationSchema':'new_traps','destinationEnvironmentType':'CRM','reversedSourceFilter':'',"
    "'fieldMappings':["
    PLAIN("CODE", "new_code") "," PLAIN("NAME", "new_name") "," PLAIN("MEMO", "new_memo") ","
    PLAIN("AMOUNT", "new_amount") "," PLAIN("RATE", "new_rate") "," PLAIN("QTY", "new_qty") ","
    PLAIN("BIG", "new_big") "," PLAIN("DAY", "new_day") "," PLAIN("MOMENT", "new_moment") ","
    PLAIN("BIRTH", "new_birth") "," PLAIN("UID", "new_uid") "," PLAIN("PLAINFLAG", "new_plainflag") ","
    PLAIN("TERMS", "new_terms") "," PLAIN("COUNTRY", "new_country") ","
    "{'syncDirection':3,'sourceField':'GROUPID','destinationField':'new_group.new_name',"
    "'destinationLookupFieldRelatedEntity':'new_groups'},"
    WORDS("FLAG", "new_flag", "'no':'False','yes':'True'") ","
    WORDS("HOLD", "new_hold", "'no':'1','invoice':'2','all':'3'") "]}]}";
/* clang-format on */

enum want { SAME, OTHER };
static const struct {
    const char *name, *field;
    const char *odata, *package; /* F&O's text; NULL = null or no such cell; package "" = as OData */
    const char *column, *dv; /* Dataverse's JSON literal with ' for ", NULL = null */
    enum want want;
} TRAPS[] = {
    /* numbers */
    { "1.50 and 1.5", "AMOUNT", "1.50", "1.500000", "new_amount", "1.5", SAME },
    { "12 and 12.0000", "AMOUNT", "12", "12.0000000000000000", "new_amount", "12.0000", SAME },
    { "more digits than money keeps", "AMOUNT", "10.005", "10.005000", "new_amount", "10.01", SAME },
    { "a cent apart", "AMOUNT", "10.00", "10.00", "new_amount", "10.01", OTHER },
    { "half a cent rounds away from zero", "AMOUNT", "-10.005", "-10.005", "new_amount", "-10.01", SAME },
    { "money of 19 digits", "AMOUNT", "92233720368547758.07", "92233720368547758.07", "new_amount",
      "92233720368547758.07", SAME },
    { "money of 19 digits, the last one apart", "AMOUNT", "92233720368547758.07", "92233720368547758.07",
      "new_amount", "92233720368547758.06", OTHER },
    { "an exponent", "AMOUNT", "1E2", "100.00", "new_amount", "1.0E+2", SAME },
    { "minus zero", "AMOUNT", "-0.00", "0", "new_amount", "0", SAME },
    { "the sign", "AMOUNT", "5.00", "5.00", "new_amount", "-5.00", OTHER },
    { "0 and null", "AMOUNT", "0", "0.00", "new_amount", NULL, SAME },
    { "0.01 and null", "AMOUNT", "0.01", "0.01", "new_amount", NULL, OTHER },
    { "0.004 and null where two decimals count", "AMOUNT", "0.004", "0.004", "new_amount", NULL, SAME },
    { "ten decimals", "RATE", "1.0000000001", "1.0000000001000000", "new_rate", "1.0000000001", SAME },
    { "ten decimals, the last one apart", "RATE", "1.0000000001", "1.0000000001", "new_rate", "1.0000000002", OTHER },
    { "a double's noise", "RATE", "0.3", "0.3", "new_rate", "0.30000000000000004", SAME },
    { "leading zeros of an integer", "QTY", "7", "007", "new_qty", "7", SAME },
    { "0 and null, integer", "QTY", "0", "", "new_qty", NULL, SAME },
    { "1 and null, integer", "QTY", "1", "1", "new_qty", NULL, OTHER },
    { "beyond a double", "BIG", "9007199254740993", "9007199254740993", "new_big", "9007199254740993", SAME },
    { "beyond a double, one apart", "BIG", "9007199254740993", "9007199254740993", "new_big", "9007199254740992",
      OTHER },
    /* dates */
    { "1900-01-01 and null", "DAY", "1900-01-01T12:00:00Z", "1900-01-01", "new_day", NULL, SAME },
    { "1900-01-02 and null", "DAY", "1900-01-02T12:00:00Z", "1900-01-02", "new_day", NULL, OTHER },
    { "a day at noon", "DAY", "2024-05-01T12:00:00Z", "2024-05-01", "new_day", "'2024-05-01'", SAME },
    { "a day at midnight", "DAY", "2024-05-01T00:00:00Z", "2024-05-01 00:00:00", "new_day", "'2024-05-01'", SAME },
    { "the day after", "DAY", "2024-05-01T12:00:00Z", "2024-05-01", "new_day", "'2024-05-02'", OTHER },
    { "29 February", "DAY", "2024-02-29T12:00:00Z", "2024-02-29", "new_day", "'2024-02-29'", SAME },
    { "F&O's last day is a day", "DAY", "2154-12-31T12:00:00Z", "2154-12-31", "new_day", NULL, OTHER },
    { "a time in UTC", "MOMENT", "2024-05-01T10:00:00Z", "2024-05-01 10:00:00", "new_moment",
      "'2024-05-01T10:00:00Z'", SAME },
    { "midnight in UTC+14", "MOMENT", "2024-04-30T10:00:00Z", "2024-04-30T10:00:00", "new_moment",
      "'2024-05-01T00:00:00+14:00'", SAME },
    { "the same wall time in another zone", "MOMENT", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z", "new_moment",
      "'2024-05-01T10:00:00+02:00'", OTHER },
    { "a second apart", "MOMENT", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00Z", "new_moment",
      "'2024-05-01T10:00:01Z'", OTHER },
    { "a fraction of a second", "MOMENT", "2024-05-01T10:00:00Z", "2024-05-01T10:00:00", "new_moment",
      "'2024-05-01T10:00:00.25Z'", SAME },
    { "no time at all", "MOMENT", "1900-01-01T00:00:00Z", "1900-01-01 00:00:00", "new_moment", NULL, SAME },
    { "a time kept as a day", "BIRTH", "1987-05-01T12:00:00Z", "1987-05-01 12:00:00", "new_birth", "'1987-05-01'",
      SAME },
    { "a time kept as another day", "BIRTH", "1987-05-01T12:00:00Z", "1987-05-01T12:00:00", "new_birth",
      "'1987-04-30'", OTHER },
    /* texts */
    { "a blank at the end", "NAME", "Acme", "Acme", "new_name", "'Acme '", SAME },
    { "blanks at the end in F&O", "NAME", "Acme  ", "Acme", "new_name", "'Acme'", SAME },
    { "a blank in front", "NAME", "Acme", "Acme", "new_name", "' Acme'", OTHER },
    { "two blanks inside", "NAME", "A  B", "A  B", "new_name", "'A B'", OTHER },
    { "a tab at the end", "NAME", "Acme", "Acme", "new_name", "'Acme\\t'", OTHER },
    { "a no-break space", "NAME", "A B", "A B", "new_name", "'A\\u00a0B'", OTHER },
    { "acme and ACME in a name", "NAME", "acme", "acme", "new_name", "'ACME'", OTHER },
    { "composed and decomposed e", "NAME", "Caf\xC3\xA9", "Cafe\xCC\x81", "new_name", "'Cafe\\u0301'", SAME },
    { "e without its accent", "NAME", "Caf\xC3\xA9", "Caf\xC3\xA9", "new_name", "'Cafe'", OTHER },
    { "a ligature", "NAME", "\xEF\xAC\x81n", "\xEF\xAC\x81n", "new_name", "'fin'", OTHER },
    { "Greek A and Latin A", "NAME", "\xCE\x91", "\xCE\x91", "new_name", "'A'", OTHER },
    { "a zero-width space", "NAME", "AB", "AB", "new_name", "'A\\u200bB'", OTHER },
    { "empty and null", "NAME", "", NULL, "new_name", NULL, SAME },
    { "blanks only and null", "NAME", "   ", "", "new_name", NULL, SAME },
    { "a dot and null", "NAME", ".", ".", "new_name", NULL, OTHER },
    { "digits are text", "NAME", "1.50", "1.50", "new_name", "'1.5'", OTHER },
    { "leading zeros identify", "NAME", "0042", "0042", "new_name", "'42'", OTHER },
    { "the word null", "NAME", "null", "null", "new_name", NULL, OTHER },
    { "an emoji beyond 16 bits", "NAME", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80", "new_name", "'\\ud83d\\ude00'",
      SAME },
    { "line ends", "MEMO", "a\nb", "a\r\nb", "new_memo", "'a\\r\\nb'", SAME },
    { "a line more", "MEMO", "a\nb", "a\nb", "new_memo", "'a\\n\\nb'", OTHER },
    /* enums and booleans */
    { "NoYes and boolean", "FLAG", "Yes", "Yes", "new_flag", "true", SAME },
    { "NoYes and the other boolean", "FLAG", "Yes", "Yes", "new_flag", "false", OTHER },
    { "No and null", "FLAG", "No", "No", "new_flag", NULL, SAME },
    { "Yes and null", "FLAG", "Yes", "Yes", "new_flag", NULL, OTHER },
    { "an element in other case", "FLAG", "Yes", "yes", "new_flag", "true", SAME },
    { "an option's number", "HOLD", "Invoice", "Invoice", "new_hold", "2", SAME },
    { "another option's number", "HOLD", "Invoice", "Invoice", "new_hold", "3", OTHER },
    { "the first element and null", "HOLD", "No", "No", "new_hold", NULL, SAME },
    { "another element and null", "HOLD", "All", "All", "new_hold", NULL, OTHER },
    { "an option that the map does not know", "HOLD", "No", "No", "new_hold", "9", OTHER },
    { "a label in the package", "TERMS", "CurrentMth", "Current month", "new_terms", "'CurrentMth'", SAME },
    { "an element as a text, other case", "TERMS", "CurrentMth", "CurrentMth", "new_terms", "'currentmth'", SAME },
    /* identities */
    { "GUID in other case", "UID", "6F9619FF-8B86-D011-B42D-00C04FC964FF", "{6F9619FF-8B86-D011-B42D-00C04FC964FF}",
      "new_uid", "'6f9619ff-8b86-d011-b42d-00c04fc964ff'", SAME },
    { "GUID, a digit apart", "UID", "6F9619FF-8B86-D011-B42D-00C04FC964FF", "6F9619FF-8B86-D011-B42D-00C04FC964FF",
      "new_uid", "'6f9619ff-8b86-d011-b42d-00c04fc964fe'", OTHER },
    { "the zero GUID and null", "UID", "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000000",
      "new_uid", NULL, SAME },
    { "a lookup by the key in other case", "GROUPID", "row1", "ROW1", "_new_group_value", "'id1'", SAME },
    { "a lookup to another row", "GROUPID", "ROW1", "ROW1", "_new_group_value", "'id2'", OTHER },
    { "a lookup to a row that nobody knows", "GROUPID", "ROW9", "ROW9", "_new_group_value", "'id9'", OTHER },
    { "an empty lookup", "GROUPID", "", "", "_new_group_value", NULL, SAME },
    { "the key in other case", "CODE", "k-1", "K-1", "new_code", "'K-1'", SAME },
    { "the key with a blank at its end", "CODE", "K-1 ", "K-1", "new_code", "'K-1'", SAME },
};

struct row_at_hand {
    size_t trap;
    bool package;
};

static struct cell fno_get(void *arg, const struct fno_field *f)
{
    const struct row_at_hand *r = arg;
    const char *text = r->package ? TRAPS[r->trap].package : TRAPS[r->trap].odata;

    if (!f)
        return r->package ? CELL_LIT("usmf") : CELL_LIT("USMF");
    if (cell_is(f->staging, TRAPS[r->trap].field)) /* an empty cell of a package is an empty cell */
        return r->package && text && !*text ? CELL_LIT("") : cell_of(text);
    if (cell_is(f->staging, "CODE"))
        return CELL_LIT("K-1");
    /* What F&O shows of fields that nobody filled. */
    switch (f->type) {
    case FNO_ENUM: return f->en->members[0];
    case FNO_REAL:
    case FNO_INT:
    case FNO_INT64: return CELL_LIT("0");
    case FNO_DATE: return CELL_LIT("1900-01-01T12:00:00Z");
    case FNO_UTCDATETIME: return CELL_LIT("1900-01-01T00:00:00Z");
    case FNO_GUID: return CELL_LIT("00000000-0000-0000-0000-000000000000");
    case FNO_STRING:
    case FNO_OTHER: break;
    }
    return CELL_LIT("");
}

static bool dict(void *arg, const struct bound_lookup *l, struct cell id, struct cell *ret_parts)
{
    char last = id.ptr[id.len - 1];

    (void)l;
    if (last == '9')
        return false;
    ret_parts[0] = cell_printf(arg, "ROW%c", last);
    return true;
}

static bool company_dict(void *arg, struct cell id, struct cell *ret_code)
{
    (void)arg;
    (void)id;
    *ret_code = CELL_LIT("USMF");
    return true;
}

/* JSON with ' in the place of ". */
static struct json *parse(struct arena *a, const char *text)
{
    char *copy = arena_strdup(a, text);
    struct json *v = NULL;
    struct err e = { 0 };

    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    CHECK_OK(json_parse("text", copy, strlen(copy), NULL, a, &v, &e), &e);
    return v;
}

struct world {
    struct schema s;
    struct map *m;
    struct binding *b;
};

static void open_world(struct world *w)
{
    struct bind_settings set = { .alias = CELL_LIT("traps") };
    struct json *v;
    struct err e = { 0 };
    struct arena a = { 0 };
    struct strbuf text = STRBUF(0);

    memset(w, 0, sizeof(*w));
    v = parse(&w->s.arena, TENANT);
    tenant_entity(&w->s, json_get(v, "entity"), json_get(v, "enums"));
    for (const struct json *t = json_get(v, "tables")->child; t; t = t->next)
        tenant_table(&w->s, t, NULL);
    json_write(&text, parse(&a, MAP));
    CHECK_OK(map_read_text("traps", text.buf, text.len, &w->m, &e), &e);
    strbuf_release(&text);
    arena_release(&a);
    CHECK_OK(bind_map(w->m, &w->s, &set, &w->b, &e), &e);
}

static struct json *dv_record(struct arena *a, size_t i)
{
    const char *base = !strcmp(TRAPS[i].column, "new_code") ? "" : ",'new_code':'K-1'";

    return parse(a, arena_printf(a, "{'new_trapid':'x','_new_company_value':'c'%s,'%s':%s}", base, TRAPS[i].column,
                                 TRAPS[i].dv ? TRAPS[i].dv : "null"));
}

static void traps(void **state)
{
    struct world w;
    struct arena a = { 0 };

    (void)state;
    open_world(&w);
    assert_true(COUNT(TRAPS) >= 40);
    for (size_t i = 0; i < COUNT(TRAPS); i++) {
        struct row_at_hand by_odata = { i, false }, by_package = { i, true };
        struct cell x[32], y[32], z[32];
        struct bind_fault faults[4];
        size_t differ = 0, package_differs = 0;
        bool same;

        CHECK(!bind_from_fno(w.b, fno_get, &by_odata, &a, x, faults, 4), "%s: F&O: %s", TRAPS[i].name, faults[0].why);
        CHECK(!bind_from_fno(w.b, fno_get, &by_package, &a, y, faults, 4), "%s: package: %s", TRAPS[i].name,
              faults[0].why);
        CHECK(!bind_from_dv(w.b, dv_record(&a, i), dict, company_dict, &a, &a, z, faults, 4), "%s: Dataverse: %s",
              TRAPS[i].name, faults[0].why);
        for (size_t k = 0; k < w.b->n_compared; k++) {
            size_t c = w.b->compared[k];

            differ += !canon_equal(&w.b->rules[c], x[c], z[c], NULL);
            package_differs += !canon_equal(&w.b->rules[c], x[c], y[c], NULL);
        }
        same = digest_eq(bind_row_digest(w.b, x, &a), bind_row_digest(w.b, z, &a));
        CHECK(digest_eq(bind_row_digest(w.b, x, &a), bind_row_digest(w.b, y, &a)) && !package_differs,
              "%s: OData and package have two digests", TRAPS[i].name);
        CHECK(same == (TRAPS[i].want == SAME), "%s: %s", TRAPS[i].name,
              same ? "a real difference is missed" : "a false one");
        CHECK(differ == (TRAPS[i].want == SAME ? 0 : 1), "%s: %zu fields differ", TRAPS[i].name, differ);
        CHECK(digest_eq(bind_key_digest(w.b, x, &a), bind_key_digest(w.b, z, &a)), "%s: one key", TRAPS[i].name);
        for (size_t k = 0; k < w.b->n_compared; k++) {
            const char *why;

            CHECK(!bind_cell_fault(w.b, w.b->compared[k], x[w.b->compared[k]], &why), "%s: %s", TRAPS[i].name, why);
            CHECK(!bind_cell_fault(w.b, w.b->compared[k], z[w.b->compared[k]], &why), "%s: %s", TRAPS[i].name, why);
        }
        arena_reset(&a);
    }
    print_message("%zu traps\n", COUNT(TRAPS));
    binding_free(w.b);
    map_free(w.m);
    schema_release(&w.s);
    arena_release(&a);
}

/* Keys that look alike and are two rows. */
static void keys(void **state)
{
    static const char *const PAIRS[][2] = {
        { "M\xC3\xBCller", "Muller" }, { "0042", "42" }, { "A|B", "A" }, { "A", "A-" }, { "A B", "A  B" },
        { "A\xC2\xA0", "A" }
    };
    struct world w;
    struct arena a = { 0 };

    (void)state;
    open_world(&w);
    for (size_t i = 0; i < COUNT(PAIRS); i++) {
        struct cell x[32] = { { 0 } }, y[32] = { { 0 } };
        int at = binding_field(w.b, CELL_LIT("CODE"));
        const char *why;

        x[0] = y[0] = CELL_LIT("usmf");
        CHECK(canon_cell(&w.b->rules[at], NULL, cell_of(PAIRS[i][0]), &a, &x[at], &why) == CANON_FINE, "pair %zu", i);
        CHECK(canon_cell(&w.b->rules[at], NULL, cell_of(PAIRS[i][1]), &a, &y[at], &why) == CANON_FINE, "pair %zu", i);
        CHECK(!digest_eq(bind_key_digest(w.b, x, &a), bind_key_digest(w.b, y, &a)), "pair %zu is one key", i);
    }
    binding_free(w.b);
    map_free(w.m);
    schema_release(&w.s);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(traps), cmocka_unit_test(keys) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

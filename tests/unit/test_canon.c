#include "check.h"

#include "data/canon.h"

#define E_ACUTE "\xC3\xA9"
#define E_AND_ACUTE "e\xCC\x81"
#define BAD NULL

static const struct canon_rule RULES[] = {
    [CANON_TEXT] = { .type = CANON_TEXT },
    [CANON_INT] = { .type = CANON_INT },
    [CANON_DECIMAL] = { .type = CANON_DECIMAL, .scale = -1 },
    [CANON_BOOL] = { .type = CANON_BOOL },
    [CANON_DATE] = { .type = CANON_DATE },
    [CANON_DATETIME] = { .type = CANON_DATETIME },
    [CANON_WORD] = { .type = CANON_WORD },
    [CANON_KEY] = { .type = CANON_KEY },
    [CANON_COMPANY] = { .type = CANON_COMPANY },
    [CANON_GUID] = { .type = CANON_GUID },
};

/* One text in the service's spelling; *ret_why is set when it is refused. */
static bool canon(const struct canon_rule *r, const struct canon_format *f, struct cell in, struct arena *a,
                  struct cell *ret, const char **ret_why)
{
    *ret_why = NULL;
    if (canon_cell(r, f, in, a, ret, ret_why) == CANON_FINE)
        return true;
    CHECK(*ret_why && **ret_why, "a reason for '" CELL_FMT "'", CELL_ARG(in));
    return false;
}

static const struct {
    enum canon_type type;
    const char *in, *want; /* want BAD = refused; "~" = absent */
} FORMS[] = {
    { CANON_TEXT, "abc", "abc" },
    { CANON_TEXT, "", "" },
    { CANON_TEXT, "   ", "" },
    { CANON_TEXT, " a b  ", " a b" },
    { CANON_TEXT, "a\t", "a\t" },
    { CANON_TEXT, "a\r\nb\rc\nd", "a\nb\nc\nd" },
    { CANON_TEXT, "a\r\n", "a\n" },
    { CANON_TEXT, "a\r", "a\n" },
    { CANON_TEXT, "caf" E_AND_ACUTE, "caf" E_ACUTE },
    { CANON_TEXT, "caf" E_ACUTE, "caf" E_ACUTE },
    { CANON_TEXT, "Acme", "Acme" },
    { CANON_TEXT, "\xE2\x84\xAB", "\xC3\x85" }, /* Angstrom sign */
    { CANON_TEXT, "\xE1\x84\x80\xE1\x85\xA1", "\xEA\xB0\x80" }, /* Hangul */
    { CANON_TEXT, "\xEF\xAC\x81", "\xEF\xAC\x81" }, /* the ligature fi is not taken apart */
    { CANON_TEXT, "\xF0\x9F\x98\x80 ", "\xF0\x9F\x98\x80" },
    { CANON_TEXT, "\xFF", BAD },
    { CANON_TEXT, "\xC0\x80", BAD },
    { CANON_TEXT, "1.50", "1.50" },
    { CANON_INT, "0", "0" },
    { CANON_INT, "-0", "0" },
    { CANON_INT, "+5", "5" },
    { CANON_INT, "007", "7" },
    { CANON_INT, " 12 ", "12" },
    { CANON_INT, "-0012", "-12" },
    { CANON_INT, "9223372036854775808999", "9223372036854775808999" },
    { CANON_INT, "5.00", "5" },
    { CANON_INT, "1E3", "1000" },
    { CANON_INT, "-0.00E-5", "0" },
    { CANON_INT, "5.5", BAD },
    { CANON_INT, "15E-1", BAD },
    { CANON_INT, "", "~" },
    { CANON_INT, "  ", "~" },
    { CANON_INT, "x", BAD },
    { CANON_INT, "-", BAD },
    { CANON_INT, "1,000", BAD },
    { CANON_INT, "0x10", BAD },
    { CANON_INT, "1 2", BAD },
    { CANON_INT, "\xD9\xA1", BAD }, /* an Arabic digit */
    { CANON_DECIMAL, "1.50", "1.5" },
    { CANON_DECIMAL, "1.5", "1.5" },
    { CANON_DECIMAL, "0", "0" },
    { CANON_DECIMAL, "0.000000", "0" },
    { CANON_DECIMAL, "-0.00", "0" },
    { CANON_DECIMAL, "-0", "0" },
    { CANON_DECIMAL, "-0.50", "-0.5" },
    { CANON_DECIMAL, "-.5", "-0.5" },
    { CANON_DECIMAL, ".5", "0.5" },
    { CANON_DECIMAL, "5.", "5" },
    { CANON_DECIMAL, "00.10", "0.1" },
    { CANON_DECIMAL, "100", "100" },
    { CANON_DECIMAL, "+1.0", "1" },
    { CANON_DECIMAL, "1234567890123456789.12", "1234567890123456789.12" },
    { CANON_DECIMAL, "12345678901234567890123456789012345.678901234567890123456789012345",
      "12345678901234567890123456789012345.678901234567890123456789012345" },
    { CANON_DECIMAL, "1E2", "100" },
    { CANON_DECIMAL, "1.25e+1", "12.5" },
    { CANON_DECIMAL, "1.25e-3", "0.00125" },
    { CANON_DECIMAL, "125E-2", "1.25" },
    { CANON_DECIMAL, "0.00125E3", "1.25" },
    { CANON_DECIMAL, "0E5", "0" },
    { CANON_DECIMAL, "1E401", BAD },
    { CANON_DECIMAL, "1E-401", BAD },
    { CANON_DECIMAL, "1E99999999999999999999", BAD },
    { CANON_DECIMAL, "1E", BAD },
    { CANON_DECIMAL, "1E+", BAD },
    { CANON_DECIMAL, "E5", BAD },
    { CANON_DECIMAL, ".", BAD },
    { CANON_DECIMAL, "-", BAD },
    { CANON_DECIMAL, "1.2.3", BAD },
    { CANON_DECIMAL, "1,5", BAD },
    { CANON_DECIMAL, "1-", BAD },
    { CANON_DECIMAL, "--1", BAD },
    { CANON_DECIMAL, "NaN", BAD },
    { CANON_DECIMAL, "Infinity", BAD },
    { CANON_DECIMAL, "12abc", BAD },
    { CANON_DECIMAL, "", "~" },
    { CANON_BOOL, "true", "true" },
    { CANON_BOOL, "True", "true" },
    { CANON_BOOL, "FALSE", "false" },
    { CANON_BOOL, "Yes", "true" },
    { CANON_BOOL, "no", "false" },
    { CANON_BOOL, "1", "true" },
    { CANON_BOOL, "0", "false" },
    { CANON_BOOL, " yes ", "true" },
    { CANON_BOOL, "", "~" },
    { CANON_BOOL, "2", BAD },
    { CANON_BOOL, "ja", BAD },
    { CANON_BOOL, "truee", BAD },
    { CANON_DATE, "2024-02-29", "2024-02-29" },
    { CANON_DATE, "2024-02-29T12:00:00Z", "2024-02-29" },
    { CANON_DATE, "2024-02-29T00:00:00Z", "2024-02-29" },
    { CANON_DATE, "2024-02-29 23:59:59", "2024-02-29" },
    { CANON_DATE, "2024-01-01T00:00:00+14:00", "2024-01-01" },
    { CANON_DATE, "2024-01-01T23:00:00-12:00", "2024-01-01" },
    { CANON_DATE, "2024-01-01T00:00:00.0000000", "2024-01-01" },
    { CANON_DATE, "1900-01-01", "~" },
    { CANON_DATE, "1900-01-01T12:00:00Z", "~" },
    { CANON_DATE, "1900-01-02", "1900-01-02" },
    { CANON_DATE, "", "~" },
    { CANON_DATE, "2023-02-29", BAD },
    { CANON_DATE, "1900-02-29", BAD },
    { CANON_DATE, "2000-02-29", "2000-02-29" },
    { CANON_DATE, "2024-02-31", BAD },
    { CANON_DATE, "2024-13-01", BAD },
    { CANON_DATE, "2024-00-01", BAD },
    { CANON_DATE, "2024-01-00", BAD },
    { CANON_DATE, "0000-01-01", BAD },
    { CANON_DATE, "2024-1-1", BAD },
    { CANON_DATE, "24-01-01", BAD },
    { CANON_DATE, "20240101", BAD },
    { CANON_DATE, "01/02/2024", BAD },
    { CANON_DATE, "2024-01-01T", BAD },
    { CANON_DATE, "2024-01-01Tx", BAD },
    { CANON_DATE, "2024-01-01Z", BAD },
    { CANON_DATE, "2024-01-01T24:00:00Z", BAD },
    { CANON_DATE, "2024-01-01 extra", BAD },
    { CANON_DATETIME, "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z" },
    { CANON_DATETIME, "2024-01-01", "2024-01-01T00:00:00Z" },
    { CANON_DATETIME, "2024-01-01 08:30", "2024-01-01T08:30:00Z" },
    { CANON_DATETIME, "2024-01-01t08:30:15z", "2024-01-01T08:30:15Z" },
    { CANON_DATETIME, "2024-01-01T08:30:15.9999999Z", "2024-01-01T08:30:15Z" },
    { CANON_DATETIME, "2024-01-01T00:00:00+14:00", "2023-12-31T10:00:00Z" },
    { CANON_DATETIME, "2024-02-28T23:30:00-01:00", "2024-02-29T00:30:00Z" },
    { CANON_DATETIME, "2023-02-28T23:30:00-0100", "2023-03-01T00:30:00Z" },
    { CANON_DATETIME, "2024-01-01T05:30:00+05:30", "2024-01-01T00:00:00Z" },
    { CANON_DATETIME, "2024-01-01T02:00:00+02", "2024-01-01T00:00:00Z" },
    { CANON_DATETIME, "1900-01-01T00:00:00Z", "~" },
    { CANON_DATETIME, "1900-01-01T17:45:00Z", "~" },
    { CANON_DATETIME, "1899-12-31T23:00:00-01:00", "~" },
    { CANON_DATETIME, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z" },
    { CANON_DATETIME, "9999-12-31T23:59:59-01:00", BAD },
    { CANON_DATETIME, "0001-01-01T00:00:00+01:00", BAD },
    { CANON_DATETIME, "2024-01-01T24:00:00Z", BAD },
    { CANON_DATETIME, "2024-01-01T23:60:00Z", BAD },
    { CANON_DATETIME, "2024-12-31T23:59:60Z", BAD },
    { CANON_DATETIME, "2024-01-01T00:00:00+14:01", BAD },
    { CANON_DATETIME, "2024-01-01T00:00:00+1", BAD },
    { CANON_DATETIME, "2024-01-01T00:00:00.Z", BAD },
    { CANON_DATETIME, "2024-01-01T00:00:00ZZ", BAD },
    { CANON_DATETIME, "2024-01-01T00", BAD },
    { CANON_WORD, " Yes ", "Yes" },
    { CANON_WORD, "", "~" },
    { CANON_WORD, "754400002", "754400002" },
    { CANON_WORD, "soci" E_AND_ACUTE "t" E_AND_ACUTE, "soci" E_ACUTE "t" E_ACUTE },
    { CANON_KEY, "C-0042 ", "C-0042" },
    { CANON_KEY, " C", " C" },
    { CANON_KEY, "", "" },
    { CANON_COMPANY, "USMF", "usmf" },
    { CANON_COMPANY, " usMF ", "usmf" },
    { CANON_COMPANY, "", "~" },
    { CANON_GUID, "{68F7A1B2-0000-0000-0000-00000000000F}", "68f7a1b2-0000-0000-0000-00000000000f" },
    { CANON_GUID, "68F7A1B20000000000000000000000AF", "68f7a1b2-0000-0000-0000-0000000000af" },
    { CANON_GUID, "68f7a1b2-0000-0000-0000-00000000000f", "68f7a1b2-0000-0000-0000-00000000000f" },
    { CANON_GUID, "00000000-0000-0000-0000-000000000000", "~" },
    { CANON_GUID, "{00000000-0000-0000-0000-000000000000}", "~" },
    { CANON_GUID, "", "~" },
    { CANON_GUID, "68f7a1b2-0000-0000-0000-00000000000", BAD },
    { CANON_GUID, "68f7a1b2-0000-0000-0000-00000000000g", BAD },
    { CANON_GUID, "68f7a1b200000-0000-0000-00000000000f", BAD },
    { CANON_GUID, "{68f7a1b2-0000-0000-0000-00000000000f", BAD },
};

static void forms(void **state)
{
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(FORMS); i++) {
        const struct canon_rule *r = &RULES[FORMS[i].type];
        struct cell got = CELL_LIT("untouched"), again = CELL_LIT("untouched");
        const char *why;
        /* An exact copy without a NUL behind it: nothing may read on. */
        size_t n = strlen(FORMS[i].in);
        char *copy = malloc(n ? n : 1);
        bool fine;

        memcpy(copy, FORMS[i].in, n);
        fine = canon(r, NULL, (struct cell){ copy, n }, &a, &got, &why);
        CHECK(fine == (FORMS[i].want != BAD), "type %d '%s': %s", (int)FORMS[i].type, FORMS[i].in,
              why ? why : "taken");
        if (fine) {
            const char *want = strcmp(FORMS[i].want, "~") ? FORMS[i].want : NULL;

            CHECK_CELL(got, want, "type %d '%s'", (int)FORMS[i].type, FORMS[i].in);
            CHECK(canon(r, NULL, got, &a, &again, &why), "canonical again: '%s'", FORMS[i].in);
            CHECK_CELL(again, want, "canonical twice: '%s'", FORMS[i].in);
        } else {
            CHECK_CELL(got, "untouched", "'%s'", FORMS[i].in);
        }
        free(copy);
        arena_reset(&a);
    }
    for (enum canon_type t = CANON_TEXT; t <= CANON_GUID; t++) {
        struct cell got = CELL_LIT("untouched");
        const char *why;

        CHECK(canon(&RULES[t], NULL, CELL_ABSENT, &a, &got, &why), "absent");
        CHECK_CELL(got, NULL, "absent stays absent, type %d", (int)t);
        CHECK(!canon(&RULES[t], NULL, (struct cell){ "1\0", 2 }, &a, &got, &why), "NUL is never fine, type %d",
              (int)t);
    }
    arena_release(&a);
}

/* Two cells as two sides would send them. */
enum verdict { EQUAL, BY_DEFAULT, DIFFERS };
#define PAIR(n, t, x, y, w, ...)                                     \
    {                                                                \
        .name = n, .type = t, .a = x, .b = y, .want = w, __VA_ARGS__ \
    }
static const struct {
    const char *name;
    enum canon_type type;
    const char *a, *b; /* NULL = absent */
    enum verdict want;
    bool strict;
    const char *zero;
    int scale; /* 0 = all digits here */
} PAIRS[] = {
    /* What looks different and is the same. */
    PAIR("1.50 and 1.5", CANON_DECIMAL, "1.50", "1.5", EQUAL),
    PAIR("4 and 4.0", CANON_DECIMAL, "4", "4.0", EQUAL),
    PAIR("exponent", CANON_DECIMAL, "1E2", "100.00", EQUAL),
    PAIR("money of 19 digits", CANON_DECIMAL, "1234567890123456789.10", "1234567890123456789.1", EQUAL),
    PAIR("rounded to the lower scale", CANON_DECIMAL, "10.123456", "10.1235", EQUAL, .scale = 4),
    PAIR("half away from zero", CANON_DECIMAL, "-0.125", "-0.13", EQUAL, .scale = 2),
    PAIR("minus nothing", CANON_DECIMAL, "-0.00", "0", EQUAL),
    PAIR("1900-01-01 and null", CANON_DATE, "1900-01-01", NULL, EQUAL),
    PAIR("1900-01-01 at noon and null", CANON_DATE, "1900-01-01T12:00:00Z", NULL, EQUAL),
    PAIR("null date and time", CANON_DATETIME, "1900-01-01T00:00:00Z", NULL, EQUAL),
    PAIR("noon and midnight", CANON_DATE, "2024-05-01T12:00:00Z", "2024-05-01", EQUAL),
    PAIR("midnight in UTC+14 is a day", CANON_DATE, "2024-05-01T00:00:00+14:00", "2024-05-01", EQUAL),
    PAIR("midnight in UTC+14 is a moment", CANON_DATETIME, "2024-05-01T00:00:00+14:00", "2024-04-30T10:00:00Z",
         EQUAL),
    PAIR("fraction of a second", CANON_DATETIME, "2024-05-01T10:00:00.25Z", "2024-05-01T10:00:00Z", EQUAL),
    PAIR("usmf and USMF", CANON_COMPANY, "usmf", "USMF", EQUAL),
    PAIR("NoYes and boolean", CANON_BOOL, "Yes", "true", EQUAL),
    PAIR("NoYes and boolean, no", CANON_BOOL, "No", "False", EQUAL),
    PAIR("NoYes and number", CANON_BOOL, "1", "Yes", EQUAL),
    PAIR("element name, other case", CANON_WORD, "Net30", "NET30", EQUAL),
    PAIR("trailing blank", CANON_TEXT, "Acme ", "Acme", EQUAL),
    PAIR("line ends", CANON_TEXT, "a\r\nb", "a\nb", EQUAL),
    PAIR("composed and decomposed", CANON_TEXT, "Caf" E_ACUTE, "Caf" E_AND_ACUTE, EQUAL),
    PAIR("composed and decomposed key", CANON_KEY, "CAF" E_ACUTE, "caf" E_AND_ACUTE, EQUAL),
    PAIR("capital with accent in a key", CANON_KEY, "\xC3\x89TAT", E_ACUTE "tat", EQUAL),
    PAIR("sharp s in a key", CANON_KEY, "STRASSE",
         "stra\xC3\x9F"
         "e",
         EQUAL),
    PAIR("key, other case", CANON_KEY, "C-0042", "c-0042", EQUAL),
    PAIR("GUID, other case", CANON_GUID, "6F9619FF-8B86-D011-B42D-00C04FC964FF",
         "6f9619ff-8b86-d011-b42d-00c04fc964ff", EQUAL),
    PAIR("GUID in braces", CANON_GUID, "{6f9619ff-8b86-d011-b42d-00c04fc964ff}",
         "6f9619ff-8b86-d011-b42d-00c04fc964ff", EQUAL),
    PAIR("zero GUID and null", CANON_GUID, "00000000-0000-0000-0000-000000000000", NULL, EQUAL),
    PAIR("both null", CANON_TEXT, NULL, NULL, EQUAL),
    PAIR("both empty", CANON_TEXT, "", "", EQUAL),
    PAIR("null and blank number", CANON_INT, "", NULL, EQUAL),
    /* The same only because F&O has no null. */
    PAIR("0 and null", CANON_DECIMAL, "0", NULL, BY_DEFAULT),
    PAIR("0.00 and null", CANON_DECIMAL, "0.00", NULL, BY_DEFAULT),
    PAIR("0 and null, whole number", CANON_INT, "0", NULL, BY_DEFAULT),
    PAIR("No and null", CANON_BOOL, "No", NULL, BY_DEFAULT),
    PAIR("first element and null", CANON_WORD, "None", NULL, BY_DEFAULT, .zero = "None"),
    PAIR("first element in other case and null", CANON_WORD, "NONE", NULL, BY_DEFAULT, .zero = "None"),
    PAIR("empty and null", CANON_TEXT, "", NULL, BY_DEFAULT),
    PAIR("blanks and null", CANON_TEXT, "   ", NULL, BY_DEFAULT),
    PAIR("empty key and null", CANON_KEY, "", NULL, BY_DEFAULT),
    /* What looks alike and is not the same. */
    PAIR("acme and ACME in a name", CANON_TEXT, "acme", "ACME", DIFFERS),
    PAIR("leading blank", CANON_TEXT, " Acme", "Acme", DIFFERS),
    PAIR("double blank inside", CANON_TEXT, "Acme  Ltd", "Acme Ltd", DIFFERS),
    PAIR("no-break space", CANON_TEXT,
         "Acme\xC2\xA0"
         "Ltd",
         "Acme Ltd", DIFFERS),
    PAIR("trailing no-break space", CANON_TEXT, "Acme\xC2\xA0", "Acme", DIFFERS),
    PAIR("trailing tab", CANON_TEXT, "Acme\t", "Acme", DIFFERS),
    PAIR("number as text", CANON_TEXT, "1.50", "1.5", DIFFERS),
    PAIR("leading zero of a key", CANON_KEY, "0042", "42", DIFFERS),
    PAIR("accent", CANON_TEXT, "Muller", "M\xC3\xBCller", DIFFERS),
    PAIR("accent in a key", CANON_KEY, "Muller", "M\xC3\xBCller", DIFFERS),
    PAIR("ligature", CANON_TEXT, "\xEF\xAC\x81", "fi", DIFFERS),
    PAIR("ligature in a word is folded apart", CANON_WORD, "\xEF\xAC\x81", "fi", EQUAL),
    PAIR("typographic apostrophe", CANON_TEXT, "O\xE2\x80\x99Neil", "O'Neil", DIFFERS),
    PAIR("last digit of 19", CANON_DECIMAL, "1234567890123456789.10", "1234567890123456789.11", DIFFERS),
    PAIR("2^53 + 1", CANON_INT, "9007199254740993", "9007199254740992", DIFFERS),
    PAIR("sign", CANON_DECIMAL, "-1", "1", DIFFERS),
    PAIR("within the scale", CANON_DECIMAL, "10.1234", "10.1235", DIFFERS, .scale = 4),
    PAIR("one cent rounds up", CANON_DECIMAL, "0.005", NULL, DIFFERS, .scale = 2),
    PAIR("less than half a cent", CANON_DECIMAL, "0.004", NULL, BY_DEFAULT, .scale = 2),
    PAIR("next day", CANON_DATE, "2024-05-01T12:00:00Z", "2024-05-02T12:00:00Z", DIFFERS),
    PAIR("a second", CANON_DATETIME, "2024-05-01T10:00:00Z", "2024-05-01T10:00:01Z", DIFFERS),
    PAIR("other zone, same wall time", CANON_DATETIME, "2024-05-01T10:00:00+02:00", "2024-05-01T10:00:00Z", DIFFERS),
    PAIR("the day after the sentinel", CANON_DATE, "1900-01-02", NULL, DIFFERS),
    PAIR("end of time is a date", CANON_DATE, "2154-12-31", NULL, DIFFERS),
    PAIR("Yes and null", CANON_BOOL, "Yes", NULL, DIFFERS),
    PAIR("element name and label number", CANON_WORD, "Net30", "30", DIFFERS),
    PAIR("option number and label", CANON_WORD, "754400002", "Preferred", DIFFERS),
    PAIR("another element and null", CANON_WORD, "Net30", NULL, DIFFERS, .zero = "None"),
    PAIR("no first element known", CANON_WORD, "None", NULL, DIFFERS),
    PAIR("company and null", CANON_COMPANY, "usmf", NULL, DIFFERS),
    PAIR("0 and 1", CANON_INT, "0", "1", DIFFERS),
    /* strict */
    PAIR("0 and null, strict", CANON_DECIMAL, "0", NULL, DIFFERS, .strict = true),
    PAIR("No and null, strict", CANON_BOOL, "No", NULL, DIFFERS, .strict = true),
    PAIR("empty and null, strict", CANON_TEXT, "", NULL, DIFFERS, .strict = true),
    PAIR("first element and null, strict", CANON_WORD, "None", NULL, DIFFERS, .strict = true, .zero = "None"),
    PAIR("1900-01-01 and null, strict", CANON_DATE, "1900-01-01", NULL, DIFFERS, .strict = true),
    PAIR("zero GUID and null, strict", CANON_GUID, "00000000-0000-0000-0000-000000000000", NULL, DIFFERS,
         .strict = true),
    PAIR("still a number, strict", CANON_DECIMAL, "1.50", "1.5", EQUAL, .strict = true),
    PAIR("both null, strict", CANON_DECIMAL, NULL, NULL, EQUAL, .strict = true),
};

static void pairs(void **state)
{
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(PAIRS); i++) {
        struct canon_rule r = { .type = PAIRS[i].type,
                                .scale = PAIRS[i].scale ? PAIRS[i].scale : -1,
                                .strict = PAIRS[i].strict,
                                .zero = cell_of(PAIRS[i].zero) };
        bool by = true, by_back = true, same = PAIRS[i].want != DIFFERS;
        struct cell x, y;
        const char *why;

        CHECK(canon(&r, NULL, cell_of(PAIRS[i].a), &a, &x, &why), "%s: %s", PAIRS[i].name, why);
        CHECK(canon(&r, NULL, cell_of(PAIRS[i].b), &a, &y, &why), "%s: %s", PAIRS[i].name, why);
        CHECK(canon_equal(&r, x, y, &by) == same, "%s", PAIRS[i].name);
        CHECK(canon_equal(&r, y, x, &by_back) == same && by == by_back, "%s, other way round", PAIRS[i].name);
        CHECK(by == (PAIRS[i].want == BY_DEFAULT), "%s: by default?", PAIRS[i].name);
        CHECK(canon_equal(&r, y, x, NULL) == same, "%s, nobody asks why", PAIRS[i].name);
        /* The digest must never disagree with the comparison: a skipped leaf is not looked at again. */
        CHECK(digest_eq(digest_cells(&r, &x, NULL, 1, &a), digest_cells(&r, &y, NULL, 1, &a)) == same, "%s: digest",
              PAIRS[i].name);
        CHECK(cell_eq(canon_fold(&r, x, &a), canon_fold(&r, y, &a)) == same, "%s: fold", PAIRS[i].name);
        arena_reset(&a);
    }
    arena_release(&a);
}

/* What compare.FIELD changes, each word with a pair that it makes equal or different. */
static void settings(void **state)
{
    static const struct {
        const char *word;
        enum canon_type type;
        const char *a, *b;
        bool same_before, same;
    } CASES[] = {
        { "nocase", CANON_TEXT, "acme", "ACME", false, true },
        { "nocase", CANON_TEXT, "\xC3\x89tat", "\xC3\xA9TAT", false, true },
        { "nocase", CANON_TEXT, "acme", "acne", false, false },
        { "case", CANON_WORD, "Net30", "NET30", true, false },
        { "case", CANON_KEY, "c-1", "C-1", true, false },
        { "blanks", CANON_TEXT, "Acme ", "Acme", true, false },
        { "blanks", CANON_TEXT, "a\r\nb", "a\nb", true, true },
        { "exact", CANON_TEXT, "a\r\nb", "a\nb", true, false },
        { "exact", CANON_TEXT, "e\xCC\x81", "\xC3\xA9", true, false },
        { "exact", CANON_TEXT, "Acme ", "Acme", true, false },
        { "day", CANON_DATETIME, "2024-05-01T10:00:00Z", "2024-05-01T23:59:59Z", false, true },
        { "day", CANON_DATETIME, "2024-05-01T23:30:00-02:00", "2024-05-01T23:59:59Z", false, false },
        { "scale:2", CANON_DECIMAL, "1.004", "1", false, true },
        { "scale:2", CANON_DECIMAL, "1.005", "1", false, false },
        { "scale:2", CANON_DECIMAL, "0.004", NULL, false, true },
        { "scale:0", CANON_DECIMAL, "9.5", "10", false, true },
        { "strict", CANON_INT, "0", NULL, true, false },
        { "strict", CANON_GUID, "00000000-0000-0000-0000-000000000000", NULL, true, false },
    };
    static const struct {
        const char *word;
        enum canon_type type;
    } REFUSED[] = { { "nocase", CANON_INT },     { "day", CANON_DATE },         { "day", CANON_TEXT },
                    { "scale:2", CANON_TEXT },   { "scale:17", CANON_DECIMAL }, { "scale:x", CANON_DECIMAL },
                    { "scale:", CANON_DECIMAL }, { "loose", CANON_TEXT },       { "", CANON_TEXT },
                    { "blanks", CANON_DECIMAL }, { "exact", CANON_GUID } };
    struct arena a = { 0 };
    const char *why = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        for (int tuned = 0; tuned < 2; tuned++) {
            struct canon_rule r = { .type = CASES[i].type, .scale = -1 };
            bool want = tuned ? CASES[i].same : CASES[i].same_before;
            struct cell x, y;

            if (tuned)
                CHECK(canon_rule_set(&r, cell_of(CASES[i].word), &why), "case %zu: %s", i, why);
            CHECK(canon(&r, NULL, cell_of(CASES[i].a), &a, &x, &why), "case %zu: %s", i, why);
            CHECK(canon(&r, NULL, cell_of(CASES[i].b), &a, &y, &why), "case %zu: %s", i, why);
            CHECK(canon_equal(&r, x, y, NULL) == want, "case %zu, %s %d", i, CASES[i].word, tuned);
            CHECK(canon_equal(&r, y, x, NULL) == want, "case %zu, %s %d, other way", i, CASES[i].word, tuned);
            CHECK(digest_eq(digest_cells(&r, &x, NULL, 1, &a), digest_cells(&r, &y, NULL, 1, &a)) == want,
                  "case %zu, %s %d: digest", i, CASES[i].word, tuned);
            CHECK(*canon_rule_text(&r, &a), "case %zu: in words", i);
        }
        arena_reset(&a);
    }
    for (size_t i = 0; i < COUNT(REFUSED); i++) {
        struct canon_rule r = { .type = REFUSED[i].type, .scale = -1 };

        why = NULL;
        CHECK(!canon_rule_set(&r, cell_of(REFUSED[i].word), &why) && why && !r.tuned, "refused case %zu", i);
    }
    arena_release(&a);
}

static void rounding(void **state)
{
    static const struct {
        const char *in;
        int scale;
        const char *want;
    } CASES[] = {
        { "0.5", 0, "1" },
        { "-0.5", 0, "-1" },
        { "0.4999999999999999999999", 0, "0" },
        { "1.005", 2, "1.01" },
        { "-1.005", 2, "-1.01" },
        { "2.675", 2, "2.68" },
        { "9.99", 1, "10" },
        { "999.995", 2, "1000" },
        { "0.05", 1, "0.1" },
        { "0.049", 1, "0" },
        { "-0.004", 2, "0" },
        { "0.0005", 3, "0.001" },
        { "5", 0, "5" },
        { "1.10", 4, "1.1" },
        { "9.5", 0, "10" },
        { "0.95", 1, "1" },
        { "1E-3", 2, "0" },
        { "5E-3", 2, "0.01" },
        { "12345678901234567890123456789.995", 2, "12345678901234567890123456790" },
        { "0.12345678901234567890123456789012345", 30, "0.12345678901234567890123456789" },
        { "99999999999999999999999999999999.5", 0, "100000000000000000000000000000000" },
        { "1234.5", -1, "1234.5" },
    };
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct canon_rule r = { .type = CANON_DECIMAL, .scale = CASES[i].scale };
        struct cell got;
        const char *why;

        CHECK(canon(&r, NULL, cell_of(CASES[i].in), &a, &got, &why), "%s: %s", CASES[i].in, why);
        CHECK_CELL(got, CASES[i].want, "%s at %d", CASES[i].in, CASES[i].scale);
    }
    arena_release(&a);
}

static void source_formats(void **state)
{
    static const struct {
        enum canon_type type;
        struct canon_format f;
        const char *in, *want;
    } CASES[] = {
        { CANON_DECIMAL, { .decimal = ',' }, "1,50", "1.5" },
        { CANON_DECIMAL, { .decimal = ',' }, "1.50", BAD },
        { CANON_DECIMAL, { .decimal = ',', .group = '.' }, "1.234.567,80", "1234567.8" },
        { CANON_DECIMAL, { .decimal = ',', .group = '.' }, "1.50", BAD }, /* would become 150 */
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, "12,34,567.5", "1234567.5" },
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, "1,5", BAD },
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, "1,500", "1500" },
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, "-1,500.25", "-1500.25" },
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, "1500.25", "1500.25" },
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, "1500,250", BAD },
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, ",500", BAD },
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, "1,,500", BAD },
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, "1,500,", BAD },
        { CANON_DECIMAL, { .decimal = '.', .group = ',' }, "1.500,25", BAD },
        { CANON_DECIMAL, { .decimal = '.', .group = '\'' }, "1'234.50", "1234.5" },
        { CANON_DECIMAL, { .decimal = ',', .group = ' ' }, "1 234,50", "1234.5" },
        { CANON_INT, { .group = ',' }, "1,234", "1234" },
        { CANON_DATE, { .date = "M/d/yyyy" }, "2/29/2024", "2024-02-29" },
        { CANON_DATE, { .date = "M/d/yyyy" }, "02/09/2024", "2024-02-09" },
        { CANON_DATE, { .date = "M/d/yyyy" }, "29/2/2024", BAD },
        { CANON_DATE, { .date = "M/d/yyyy" }, "2024-02-29", BAD },
        { CANON_DATE, { .date = "M/d/yyyy" }, "2/29/24", BAD },
        { CANON_DATE, { .date = "M/d/yyyy" }, "2/29/2024 10:00", BAD },
        { CANON_DATE, { .date = "M/d/yyyy" }, "2/30/2024", BAD },
        { CANON_DATE, { .date = "dd.MM.yyyy" }, "01.02.2024", "2024-02-01" },
        { CANON_DATE, { .date = "dd.MM.yyyy" }, "1.2.2024", BAD },
        { CANON_DATE, { .date = "d.M.yy" }, "1.2.49", "2049-02-01" },
        { CANON_DATE, { .date = "d.M.yy" }, "1.2.50", "1950-02-01" },
        { CANON_DATE, { .date = "d.M.yy" }, "1.2.2024", BAD },
        { CANON_DATE, { .date = "yyyyMMdd" }, "20240201", "2024-02-01" },
        { CANON_DATE, { .date = "yyyyMMdd" }, "2024021", BAD },
        { CANON_DATE, { .date = "M/d/yyyy" }, "1/1/1900", "~" },
        { CANON_DATE, { .date = "M/d/yyyy H:mm" }, "1/2/2024", "2024-01-02" },
        { CANON_DATETIME, { .date = "M/d/yyyy H:mm" }, "1/2/2024 0:05", "2024-01-02T00:05:00Z" },
        { CANON_DATETIME, { .date = "M/d/yyyy H:mm" }, "1/2/2024", "2024-01-02T00:00:00Z" },
        { CANON_DATETIME, { .date = "M/d/yyyy H:mm" }, "1/2/2024 24:00", BAD },
        { CANON_DATETIME, { .date = "M/d/yyyy H:mm" }, "1/2/2024 5", BAD },
        { CANON_DATETIME, { .date = "M/d/yyyy H:mm" }, "1/2/2024 5:", BAD },
        { CANON_DATETIME, { .date = "M/d/yyyy H:mm" }, "1/2/2024 5:5", BAD },
        { CANON_DATETIME, { .date = "M/d/yyyy HH:mm:ss" }, "1/2/2024 05:06:07", "2024-01-02T05:06:07Z" },
        { CANON_DATETIME, { .date = "M/d/yyyy h:mm tt" }, "1/2/2024 12:00 AM", "2024-01-02T00:00:00Z" },
        { CANON_DATETIME, { .date = "M/d/yyyy h:mm tt" }, "1/2/2024 12:30 pm", "2024-01-02T12:30:00Z" },
        { CANON_DATETIME, { .date = "M/d/yyyy h:mm tt" }, "1/2/2024 1:30 PM", "2024-01-02T13:30:00Z" },
        { CANON_DATETIME, { .date = "M/d/yyyy h:mm tt" }, "1/2/2024 13:30 PM", BAD },
        { CANON_DATETIME, { .date = "M/d/yyyy h:mm tt" }, "1/2/2024 0:30 AM", BAD },
        { CANON_DATETIME, { .date = "M/d/yyyy h:mm tt" }, "1/2/2024 1:30", BAD },
        { CANON_DATETIME, { .date = "M/d/yyyy h:mm tt" }, "1/2/2024 1:30 X", BAD },
        { CANON_DATETIME, { .date = "yyyy-MM-dd'T'HH:mm" }, "2024-01-02T05:06", "2024-01-02T05:06:00Z" },
        { CANON_DATETIME, { .date = "d. M. yyyy 'at' H\\h" }, "1. 2. 2024 at 7h", "2024-02-01T07:00:00Z" },
        { CANON_DATETIME, { .date = "H:mm d.M.yyyy" }, "7:08 1.2.2024", "2024-02-01T07:08:00Z" },
        { CANON_DATETIME, { .date = "H:mm d.M.yyyy" }, "1.2.2024", BAD },
        { CANON_DATE, { .date = "MMM d yyyy" }, "Jan 1 2024", BAD },
    };
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct cell got = CELL_LIT("untouched");
        const char *why;
        bool fine = canon(&RULES[CASES[i].type], &CASES[i].f, cell_of(CASES[i].in), &a, &got, &why);

        CHECK(fine == (CASES[i].want != BAD), "'%s' by %s: %s", CASES[i].in, CASES[i].f.date ? CASES[i].f.date : "-",
              why ? why : "taken");
        if (fine)
            CHECK_CELL(got, strcmp(CASES[i].want, "~") ? CASES[i].want : NULL, "'%s'", CASES[i].in);
    }
    arena_release(&a);
}

static void date_patterns(void **state)
{
    static const struct {
        const char *pattern;
        bool good;
    } CASES[] = {
        { NULL, true },
        { "yyyy-MM-dd", true },
        { "M/d/yyyy h:mm:ss tt", true },
        { "d.M.yy", true },
        { "'day' d.M.yyyy", true },
        { "\"d\"d.M.yyyy", true },
        { "", false },
        { "M/yyyy", false },
        { "d/M/M/yyyy", false },
        { "d/M/yyyy h:mm", false },
        { "d/M/yyyy H:mm tt", false },
        { "d/MMM/yyyy", false },
        { "dddd d/M/yyyy", false },
        { "d/M/yyy", false },
        { "d/M/yyyy HH:mm:ss.fff", false },
        { "d/M/yyyy HH:mmzzz", false },
        { "d/M/yyyy 'x", false },
        { "d/M/yyyy\\", false },
        { "d/M/yyyy HH HH", false },
        { "d/M/yyyy t", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *why = NULL;

        CHECK(canon_date_pattern_ok(CASES[i].pattern, &why) == CASES[i].good, "%s", CASES[i].pattern);
        CHECK(!why == CASES[i].good, "%s: reason", CASES[i].pattern);
    }
}

static void reasons(void **state)
{
    static const struct {
        enum canon_type type;
        const char *in, *want;
    } CASES[] = {
        { CANON_DATE, "2024-02-31", "31 February does not exist" },
        { CANON_DATE, "2023-02-29", "29 February 2023 does not exist" },
        { CANON_DATE, "2024-04-31", "31 April does not exist" },
        { CANON_DATE, "2024-13-01", "month 13 does not exist" },
        { CANON_DATE, "31.12.2024", "not a date" },
        { CANON_DATETIME, "2024-01-01T24:00:00Z", "24:00:00 is not a time of day" },
        { CANON_DECIMAL, "twelve", "not a number" },
        { CANON_INT, "1.5", "not a whole number" },
        { CANON_BOOL, "maybe", "not yes or no" },
        { CANON_GUID, "42", "not a GUID" },
        { CANON_TEXT, "\xFF", "not valid UTF-8" },
        { CANON_DECIMAL, "1E999", "exponent is too large" },
    };
    struct arena a = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct cell got;
        const char *why;

        CHECK(!canon(&RULES[CASES[i].type], NULL, cell_of(CASES[i].in), &a, &got, &why), "%s", CASES[i].in);
        CHECK_STR(why, CASES[i].want, "%s", CASES[i].in);
    }
    arena_release(&a);
}

static void digests(void **state)
{
    static const struct canon_rule R[3] = { { .type = CANON_KEY }, { .type = CANON_TEXT }, { .type = CANON_WORD } };
    struct cell x[3] = { CELL_LIT("C-1"), CELL_LIT("ab"), CELL_LIT("c") };
    struct cell y[3] = { CELL_LIT("c-1"), CELL_LIT("a"), CELL_LIT("bc") };
    struct cell big[3] = { CELL_ABSENT, CELL_ABSENT, CELL_ABSENT };
    struct arena a = { 0 };
    struct digest d, e, sum = { 0, 0 };
    char text[64], *many;

    (void)state;
    d = digest_cells(R, x, NULL, 3, &a);
    CHECK(!digest_eq(d, digest_cells(R, y, NULL, 3, &a)), "lengths are part of it");
    CHECK(digest_eq(digest_cells(R, x, NULL, 1, &a), digest_cells(R, y, NULL, 1, &a)), "folded");
    CHECK(digest_eq(digest_cells(R, x, (uint16_t[]){ 0, 1, 2 }, 3, &a), d), "selected in order");
    CHECK(!digest_eq(digest_cells(R, x, (uint16_t[]){ 1, 0, 2 }, 3, &a), d), "order counts");
    CHECK(digest_eq(digest_cells(R, x, (uint16_t[]){ 0 }, 1, &a), digest_cells(R, x, NULL, 1, &a)), "one of them");
    CHECK(digest_eq(d, digest_bytes("\x04"
                                    "c-1\x03"
                                    "ab\x02"
                                    "c",
                                    9)),
          "the octets that are hashed");
    /* Stored in every snapshot: a change here is another CANON_VERSION. */
    digest_format_hex(d, text);
    CHECK_STR(text, "4607f2448713aab7964493962494e77b", "version %d", CANON_VERSION);

    many = malloc(100000);
    memset(many, 'X', 100000); /* larger than the buffer on the stack, folded and not */
    big[0] = big[1] = (struct cell){ many, 100000 };
    d = digest_cells(R, big, NULL, 3, &a);
    memset(many, 'x', 50000);
    e = digest_cells(R, big, (uint16_t[]){ 0 }, 1, &a);
    memset(many, 'X', 100000);
    CHECK(digest_eq(e, digest_cells(R, big, (uint16_t[]){ 0 }, 1, &a)), "large and folded");
    CHECK(digest_eq(d, digest_cells(R, big, NULL, 3, &a)), "large again");
    memcpy(many + 99998, E_ACUTE, 2);
    e = digest_cells(R, big, (uint16_t[]){ 0 }, 1, &a);
    memcpy(many + 99998, "\xC3\x89", 2);
    CHECK(digest_eq(e, digest_cells(R, big, (uint16_t[]){ 0 }, 1, &a)), "large, folded by Unicode");
    free(many);

    digest_sum_add(&sum, (struct digest){ 1, UINT64_MAX });
    digest_sum_add(&sum, (struct digest){ UINT64_MAX, 1 });
    CHECK(sum.hi == 1 && sum.lo == 0, "carry, modulo 2^128");
    digest_sum_sub(&sum, (struct digest){ UINT64_MAX, 1 });
    CHECK(sum.hi == 1 && sum.lo == UINT64_MAX, "borrow");
    digest_format_sum((struct digest){ 0x0123456789abcdef, 1 }, text);
    CHECK_STR(text, "xxh3-sum:c1:0123456789abcdef0000000000000001", "sum");
    digest_format_hex((struct digest){ 0x0123456789abcdef, 1 }, text);
    CHECK(digest_parse_hex(cell_of(text), &d) && d.hi == 0x0123456789abcdef && d.lo == 1, "back");
    CHECK(digest_parse_hex(CELL_LIT("0123456789ABCDEF0000000000000001"), &e) && digest_eq(d, e), "capitals");
    CHECK(!digest_parse_hex(CELL_LIT("0123456789abcdef000000000000000"), &d), "too short");
    CHECK(!digest_parse_hex(CELL_LIT("0123456789abcdef000000000000000g"), &d), "not hex");
    CHECK(!digest_parse_hex(CELL_ABSENT, &d), "absent");
    CHECK(digest_cmp((struct digest){ 1, 0 }, (struct digest){ 0, 5 }) > 0, "high half first");
    CHECK(digest_eq(digest_bytes(NULL, 0), digest_bytes("x", 0)), "nothing");
    CHECK(!digest_eq(digest_bytes("x", 1), digest_bytes("y", 1)), "something");
    arena_release(&a);
}

static void packing(void **state)
{
    struct strbuf s = { 0 };
    struct cell in[5] = { CELL_ABSENT, CELL_LIT(""), CELL_LIT("x"), { "a\0b", 3 }, CELL_ABSENT }, out[5];
    char *large = malloc(70000);

    (void)state;
    memset(large, 'y', 70000);
    for (size_t n = 126; n <= 70000; n = n < 129 ? n + 1 : n < 16382 ? 16382 : n < 16386 ? n + 1 : n + 53614) {
        in[4] = (struct cell){ large, n };
        strbuf_reset(&s);
        row_pack(&s, in, 5);
        CHECK(row_packed_size(s.buf, s.len, 5) == s.len, "size, %zu", n);
        CHECK(row_unpack(s.buf, s.len, out, 5), "unpack, %zu", n);
        for (size_t i = 0; i < 5; i++)
            CHECK(cell_eq(in[i], out[i]), "cell %zu of %zu", i, n);
        CHECK(!row_unpack(s.buf, s.len, out, 4), "octets left over");
        CHECK(!row_unpack(s.buf, s.len, out, 6), "a cell missing");
        for (size_t cut = 0; cut < s.len; cut += cut < 20 ? 1 : 997) {
            char *exact = malloc(cut ? cut : 1);

            memcpy(exact, s.buf, cut);
            CHECK(!row_unpack(exact, cut, out, 5), "cut at %zu", cut);
            CHECK(row_packed_size(exact, cut, 5) == SIZE_MAX, "cut at %zu", cut);
            free(exact);
        }
    }
    CHECK(!row_unpack("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 11, out, 1), "varint too long");
    CHECK(!row_unpack("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10, out, 1), "length beyond the end");
    CHECK(row_unpack("", 0, out, 0) && row_packed_size("", 0, 0) == 0, "no cells");
    free(large);
    strbuf_release(&s);
}

static void keys(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        const char *parts[3];
    } CASES[] = {
        { "usmf|C-0042", 2, { "usmf", "C-0042" } },
        { "", 1, { "" } },
        { "|", 2, { "", "" } },
        { "a\\|b|c", 2, { "a|b", "c" } },
        { "a\\\\|b", 2, { "a\\", "b" } },
        { "a|b|c", 3, { "a", "b", "c" } },
        { "\\|\\\\\\|", 1, { "|\\|" } },
    };
    static const char *const MALFORMED[] = { "a\\", "a\\b", "a|b|c|d", "\\" };
    struct arena a = { 0 };
    struct cell parts[3];

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        CHECK(key_split(&a, cell_of(CASES[i].text), parts, 3) == CASES[i].n, "%s", CASES[i].text);
        for (size_t k = 0; k < CASES[i].n; k++)
            CHECK_CELL(parts[k], CASES[i].parts[k], "%s, part %zu", CASES[i].text, k);
        CHECK_CELL(key_join(&a, parts, CASES[i].n), CASES[i].text, "joined again");
    }
    for (size_t i = 0; i < COUNT(MALFORMED); i++)
        CHECK(key_split(&a, cell_of(MALFORMED[i]), parts, 3) == 0, "%s", MALFORMED[i]);
    CHECK(key_split(&a, CELL_ABSENT, parts, 3) == 0, "absent");
    arena_release(&a);
}

static void sha(void **state)
{
    struct sha256 *s = sha256_new();
    char hex[65];

    (void)state;
    sha256_add(s, "a", 1);
    sha256_add(s, "", 0);
    sha256_add(s, "bc", 2);
    sha256_hex(s, hex);
    CHECK_STR(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "FIPS 180-2, abc in pieces");
    s = sha256_new();
    sha256_hex(s, hex);
    CHECK_STR(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "nothing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(pairs),
        cmocka_unit_test(settings),
        cmocka_unit_test(rounding),
        cmocka_unit_test(source_formats),
        cmocka_unit_test(date_patterns),
        cmocka_unit_test(reasons),
        cmocka_unit_test(digests),
        cmocka_unit_test(packing),
        cmocka_unit_test(keys),
        cmocka_unit_test(sha),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What counts as a difference between two maps, and what does not. */
#include "check.h"

#include "map/map_diff.h"

#include <ctype.h>
#include <dirent.h>

static struct map *read_text(const char *text)
{
    struct map *m = NULL;
    struct err e = { 0 };

    CHECK_OK(map_read_text("t.json", text, strlen(text), &m, &e), &e);
    return m;
}

/* A map with one leg; leg and fields are JSON texts. */
static struct map *made(const char *leg, const char *fields)
{
    struct strbuf b = STRBUF(0);
    struct map *m;

    strbuf_addf(
        &b,
        "{\"name\":\"[W] - [w]\",\"legs\":[{\"id\":\"001\",\"sourceSchema\":\"W\",\"destinationSchema\":\"w\","
        "%s\"fieldMappings\":[%s]}]}",
        leg, fields);
    m = read_text(b.buf);
    strbuf_release(&b);
    return m;
}

static void rows_of(const struct map *a, const struct map *b, struct strbuf *out)
{
    struct map_diff d;

    map_diff(a, b, &d);
    for (size_t i = 0; i < d.n; i++)
        strbuf_addf(out, "%s%c %.*s | %.*s | %.*s | %.*s", i ? "\n" : "", d.rows[i].sign, CELL_ARG(d.rows[i].place),
                    CELL_ARG(d.rows[i].what), CELL_ARG(d.rows[i].a.ptr ? d.rows[i].a : CELL_LIT("-")),
                    CELL_ARG(d.rows[i].b.ptr ? d.rows[i].b : CELL_LIT("-")));
    map_diff_release(&d);
}

#define A "{\"syncDirection\":\"3\",\"sourceField\":\"A\",\"destinationField\":\"a\"}"
#define B "{\"syncDirection\":3,\"sourceField\":\"B\",\"destinationField\":\"b.c\"}"
#define VM(more)                                                                                                     \
    "{\"syncDirection\":3,\"sourceField\":\"V\",\"destinationField\":\"v\",\"valueTransforms\":[{\"transformType\":" \
    "\"ValueMap\"," more "}]}"

static const struct diff_case {
    const char *name, *leg_a, *fields_a, *leg_b, *fields_b, *want;
} CASES[] = {
    { "same", "", A "," B, "", A "," B, "" },
    { "order of fields", "", A "," B, "", B "," A, "" },
    { "case of fields and of keys", "", A, "",
      "{\"SYNCDIRECTION\":3,\"SourceField\":\"a\",\"destinationfield\":\"A\"}", "" },
    { "spelling of a direction", "", A, "",
      "{\"syncDirection\":\"Bidirectional\",\"sourceField\":\"A\",\"destinationField\":\"a\"}", "" },
    { "direction", "", A, "", "{\"syncDirection\":1,\"sourceField\":\"A\",\"destinationField\":\"a\"}",
      "* A : a | direction | both ways | to Dataverse" },
    { "null, absent and empty", "\"sourceFilter\":\"\",\"new\":null,\"mashup\":[],",
      "{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"a\",\"valueTransforms\":[],"
      "\"destinationLookupFieldRelatedEntity\":null,\"isSystemGenerated\":false}",
      "\"reversedSourceFilter\":null,\"deleteNonMatchingData\":false,\"entityFileFormat\":0,", A, "" },
    { "of the environment", "\"sourceEnvironment\":\"e1\",\"isSourceFilterEditable\":true,", A,
      "\"sourceEnvironment\":\"e2\",", A, "" },
    { "a filter's blanks and parentheses", "\"sourceFilter\":\"((A == \\\"x\\\") || (B = 1))\",", A,
      "\"sourceFilter\":\"(b==1)||A=='x'\",", A, "" },
    { "a filter's literal", "\"sourceFilter\":\"(A == \\\"x  y\\\")\",", A,
      "\"sourceFilter\":\"(A == \\\"x y\\\")\",", A, "* map | F&O filter | (A == \"x  y\") | (A == \"x y\")" },
    { "a filter more", "", A, "\"reversedSourceFilter\":\"a eq 1\",", A, "+ map | Dataverse filter | - | a eq 1" },
    { "unreadable filters", "\"sourceFilter\":\"A like\",", A, "\"sourceFilter\":\"A  like \",", A, "" },
    { "unreadable filters that differ", "\"sourceFilter\":\"A like\",", A, "\"sourceFilter\":\"A liken\",", A,
      "* map | F&O filter | A like | A liken" },
    { "value map: order and case of keys", "", VM("\"valueMap\":{\"no\":\"False\",\"Yes\":\"true\"}"), "",
      VM("\"valueMap\":{\"yes\":\"True\",\"No\":\"false\"}"), "" },
    { "value map: one entry", "", VM("\"valueMap\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}"), "",
      VM("\"valueMap\":{\"C\":\"3\",\"a\":\"1\",\"B\":\"4\"}"), "* V : v | value map: b | 2 | 4" },
    { "value map: more and less", "", VM("\"valueMap\":{\"a\":\"1\",\"b\":\"2\"}"), "",
      VM("\"valueMap\":{\"a\":\"1\",\"c\":\"2\"}"),
      "- V : v | value map: b | 2 | -\n+ V : v | value map: c | - | 2" },
    { "value map: numbers and texts", "", VM("\"valueMap\":{\"a\":1}"), "", VM("\"valueMap\":{\"a\":\"1\"}"), "" },
    { "createValuesOnDestination", "", VM("\"valueMap\":{},\"createValuesOnDestination\":false"), "",
      VM("\"valueMap\":{},\"createValuesOnDestination\":true"), "+ V : v | createValuesOnDestination | - | true" },
    { "$type", "", VM("\"$type\":\"x\""), "", VM("\"$type\":\"y\""), "" },
    { "transform gone", "", VM("\"valueMap\":{\"a\":\"1\"}"), "",
      "{\"syncDirection\":3,\"sourceField\":\"V\",\"destinationField\":\"v\"}",
      "- V : v | transform | ValueMap | -" },
    { "default value", "",
      "{\"syncDirection\":1,\"destinationField\":\"v\",\"valueTransforms\":[{\"transformType\":\"Default\","
      "\"defaultValue\":\"3\"}]}",
      "",
      "{\"syncDirection\":1,\"sourceField\":\"none\",\"destinationField\":\"v\",\"valueTransforms\":[{"
      "\"transformType\":\"default\",\"defaultValue\":\"4\"}]}",
      "* none : v | default value | 3 | 4" },
    { "a transform that is not known", "",
      "{\"syncDirection\":1,\"sourceField\":\"S\",\"destinationField\":\"v\",\"valueTransforms\":[{"
      "\"transformType\":\"Cut\",\"at\":12345678901234567890}]}",
      "",
      "{\"syncDirection\":1,\"sourceField\":\"S\",\"destinationField\":\"v\",\"valueTransforms\":[{"
      "\"transformType\":\"Cut\",\"at\":12345678901234567891}]}",
      "* S : v | at | 12345678901234567890 | 12345678901234567891" },
    { "fields more and less", "", A, "", B, "- A : a | field | A = a | -\n+ B : b.c | field | - | B = b.c" },
    { "another destination", "", A, "", "{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"z\"}",
      "* A : a | destination | a | z" },
    { "another source", "", A, "", "{\"syncDirection\":3,\"sourceField\":\"Z\",\"destinationField\":\"a\"}",
      "* A : a | source | A | Z" },
    { "twice the same", "", A "," A, "", A, "- A : a | field | A = a | -" },
    { "related table", "", A, "",
      "{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"a\",\"destinationLookupFieldRelatedEntity\":"
      "\"as\"}",
      "+ A : a | related table | - | as" },
    { "members that are not known", "\"new\":{\"x\":[1,2],\"y\":null},", A, "\"NEW\":{\"x\":[1,3]},", A,
      "* map | new | {\"x\":[1,2],\"y\":null} | {\"x\":[1,3]}" },
    { "names that differ in case only", "\"new\":1,\"NEW\":2,\"New\":3,", A, "\"New\":3,\"NEW\":2,\"new\":1,", A,
      "" },
    { "the same members", "\"new\":{\"x\":[1,2],\"y\":null},", A, "\"NEW\":{\"X\":[1,2]},", A, "" },
    { "dangerous", "", A, "\"deleteNonMatchingData\":true,", A, "+ map | deleteNonMatchingData | - | true" },
};

static void differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct map *a = made(CASES[i].leg_a, CASES[i].fields_a), *b = made(CASES[i].leg_b, CASES[i].fields_b);
        struct strbuf out = STRBUF(0), back = STRBUF(0);
        size_t lines = 0, lines_back = 0;

        rows_of(a, b, &out);
        CHECK_STR(strbuf_str(&out), CASES[i].want, "%s", CASES[i].name);
        rows_of(b, a, &back); /* the other way round as many */
        for (size_t k = 0; k < out.len; k++)
            lines += out.buf[k] == '\n';
        for (size_t k = 0; k < back.len; k++)
            lines_back += back.buf[k] == '\n';
        CHECK(lines == lines_back && !out.len == !back.len, "%s turned round: %s", CASES[i].name, strbuf_str(&back));
        map_free(a);
        map_free(b);
        strbuf_release(&out);
        strbuf_release(&back);
    }
}

/* A leg with Dataverse as its source says the same as the leg from the other end. */
static void turned(void **state)
{
    struct map *a = read_text(
        "{\"legs\":[{\"sourceSchema\":\"W\",\"destinationSchema\":\"w\",\"sourceEnvironmentType\":\"AX\","
        "\"destinationEnvironmentType\":\"CRM\",\"sourceFilter\":\"A == 1\",\"reversedSourceFilter\":\"a eq 1\","
        "\"fieldMappings\":[{\"syncDirection\":1,\"sourceField\":\"A\",\"destinationField\":\"a\","
        "\"valueTransforms\":[{"
        "\"transformType\":\"ValueMap\",\"valueMap\":{\"yes\":\"1\",\"no\":\"0\"}}]}]}]}");
    struct map *b = read_text(
        "{\"legs\":[{\"sourceSchema\":\"w\",\"destinationSchema\":\"W\",\"sourceEnvironmentType\":\"CRM\","
        "\"destinationEnvironmentType\":\"AX\",\"sourceFilter\":\"a eq 1\",\"reversedSourceFilter\":\"A == 1\","
        "\"fieldMappings\":[{\"syncDirection\":2,\"sourceField\":\"a\",\"destinationField\":\"A\","
        "\"valueTransforms\":[{"
        "\"transformType\":\"ValueMap\",\"valueMap\":{\"0\":\"no\",\"1\":\"yes\"}}]}]}]}");
    struct strbuf out = STRBUF(0);

    (void)state;
    rows_of(a, b, &out);
    CHECK_STR(strbuf_str(&out), "", "turned");
    map_free(a);
    map_free(b);
    strbuf_release(&out);
}

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33) % n;
}

/* A tree in another order of members, other case of names, numbers and texts swapped for directions; same meaning. */
static void write_shuffled(const struct json *v, struct strbuf *out)
{
    const struct json *list[400];
    size_t n = 0;
    bool any_order =
        v->type == JSON_OBJECT || (v->type == JSON_ARRAY && cell_ieq(v->name, CELL_LIT("fieldMappings")));

    if (v->type != JSON_OBJECT && v->type != JSON_ARRAY) {
        if (cell_ieq(v->name, CELL_LIT("syncDirection")) && pick(2))
            strbuf_addf(out, "%.*s", CELL_ARG(v->text));
        else
            json_write(out, v);
        return;
    }
    for (const struct json *m = v->child; m; m = m->next) {
        assert_true(n < COUNT(list));
        list[n++] = m;
    }
    for (size_t i = n; any_order && i > 1; i--) {
        size_t k = pick((unsigned)i);
        const struct json *t = list[k];

        list[k] = list[i - 1];
        list[i - 1] = t;
    }
    strbuf_addc(out, v->type == JSON_OBJECT ? '{' : '[');
    for (size_t i = 0; i < n; i++) {
        strbuf_adds(out, i ? " ,\n" : "");
        if (v->type == JSON_OBJECT) {
            struct strbuf name = STRBUF(0);

            jw_str(&(struct jsonw){ .out = &name }, list[i]->name);
            for (size_t k = 1; k < name.len && name.buf[k] != '$' && pick(3); k++)
                name.buf[k] = (char)toupper((unsigned char)name.buf[k]);
            strbuf_addf(out, "%s : ", name.buf);
            strbuf_release(&name);
        }
        write_shuffled(list[i], out);
    }
    strbuf_addc(out, v->type == JSON_OBJECT ? '}' : ']');
}

/* Published maps: shuffled they are the same, and one changed value-map entry is one line. */
static void published_maps(void **state)
{
    const char *samples = getenv("DMFSYNC_SAMPLES");
    struct arena a = { 0 };
    struct dirent *d;
    size_t maps = 0, entries = 0;
    DIR *dir;

    (void)state;
    if (!samples)
        skip();
    dir = opendir(arena_printf(&a, "%s/dual-write-maps", samples));
    assert_non_null(dir);
    while ((d = readdir(dir))) {
        struct strbuf text = STRBUF(0), out = STRBUF(0);
        struct map *m = NULL, *other = NULL;
        struct err e = { 0 };

        if (d->d_name[0] == '.' || strstr(d->d_name, ".properties."))
            continue;
        CHECK_OK(map_read_file(arena_printf(&a, "%s/dual-write-maps/%s", samples, d->d_name), &m, &e), &e);
        for (int round = 0; round < 20; round++) {
            seed = maps * 1000 + (unsigned)round + 7;
            strbuf_reset(&text);
            strbuf_reset(&out);
            write_shuffled(m->doc, &text);
            CHECK_OK(map_read_text(d->d_name, text.buf, text.len, &other, &e), &e);
            rows_of(m, other, &out);
            CHECK_STR(strbuf_str(&out), "", "%s, round %d", d->d_name, round);
            map_free(other);
            other = NULL;
        }
        for (size_t i = 0; i < m->n; i++)
            for (size_t k = 0; k < m->fields[i].n_pairs; k++) {
                const struct json *t = json_at(json_iget(m->fields[i].doc, "valueTransforms"), 0);
                struct json *entry = json_iget(t, "valueMap")->child;
                struct cell was;

                for (size_t at = 0; at < k; at++)
                    entry = entry->next;
                strbuf_reset(&text);
                strbuf_reset(&out);
                was = entry->text;
                entry->text = CELL_LIT("something else");
                map_write_text(m, &text);
                entry->text = was;
                CHECK_OK(map_read_text(d->d_name, text.buf, text.len, &other, &e), &e);
                rows_of(m, other, &out);
                CHECK(out.len && out.buf[0] == '*' && !strchr(out.buf, '\n') && strstr(out.buf, "value map: "),
                      "%s: %s", d->d_name, strbuf_str(&out));
                map_free(other);
                other = NULL;
                entries++;
            }
        map_free(m);
        strbuf_release(&text);
        strbuf_release(&out);
        maps++;
    }
    closedir(dir);
    CHECK(maps >= 10 && entries >= 100, "%zu maps, %zu entries", maps, entries);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(differences),
        cmocka_unit_test(turned),
        cmocka_unit_test(published_maps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

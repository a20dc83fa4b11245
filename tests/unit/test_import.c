/* Maps out of every form they come in: what is found, what is kept, what is refused, and which version is taken. */
#include "check.h"

#include "base/file.h"
#include "map/import.h"

#include <dirent.h>
#include <sqlite3.h>
#include <zip.h>

#define FIELD "{\"syncDirection\":3,\"sourceField\":\"A\",\"destinationField\":\"acme_a\"}"
#define DOC(label, set, more)                                                                \
    "{\"name\":\"x\",\"legs\":[{\"sourceSchema\":\"" label "\",\"destinationSchema\":\"" set \
    "\",\"fieldMappings\":[" FIELD "]" more "}]}"

static struct import imported(const char *text)
{
    struct import i = { 0 };
    struct err e = { 0 };

    CHECK_OK(import_text(&i, "t.json", text, strlen(text), &e), &e);
    return i;
}

/* `text` as a JSON string, `times` over. */
static char *quoted(struct arena *a, const char *text, int times)
{
    for (; times > 0; times--) {
        struct strbuf out = STRBUF(0);

        jw_str(&(struct jsonw){ .out = &out }, cell_of(text));
        text = arena_strdup(a, out.buf);
        strbuf_release(&out);
    }
    return arena_strdup(a, text);
}

static char *row(struct arena *a, const char *name, const char *version, const char *created, const char *doc)
{
    return arena_printf(
        a, "{\"msdyn_name\":\"%s\",\"msdyn_version\":\"%s\",\"createdon\":%s%s%s,\"msdyn_mapping\":%s}", name,
        version, created ? "\"" : "", created ? created : "null", created ? "\"" : "", quoted(a, doc, 1));
}

static void forms(void **state)
{
    static const char DOCUMENT[] = DOC("Widgets", "acme_widgets", "");
    struct arena a = { 0 };
    const char *one_row = row(&a, "acme_[acme_widgets - Widgets]", "1.0.0.3", NULL, DOCUMENT);
    const struct {
        const char *name, *text;
        size_t n;
    } CASES[] = {
        { "document", DOCUMENT, 1 },
        { "with a mark", arena_printf(&a, "\xEF\xBB\xBF  %s\r\n", DOCUMENT), 1 },
        { "a string", quoted(&a, DOCUMENT, 1), 1 },
        { "a string of a string", quoted(&a, DOCUMENT, 2), 1 },
        { "thrice", quoted(&a, DOCUMENT, 3), 1 },
        { "a row", one_row, 1 },
        { "a row, its mapping quoted twice",
          arena_printf(&a, "{\"msdyn_name\":\"n\",\"msdyn_mapping\":%s}", quoted(&a, DOCUMENT, 2)), 1 },
        { "a row, its mapping decoded", arena_printf(&a, "{\"msdyn_name\":\"n\",\"msdyn_mapping\":%s}", DOCUMENT),
          1 },
        { "an answer", arena_printf(&a, "{\"@odata.context\":\"c\",\"value\":[%s]}", one_row), 1 },
        { "an answer of documents", arena_printf(&a, "{\"value\":[%s,%s]}", DOCUMENT, DOCUMENT), 2 },
        { "an array of rows", arena_printf(&a, "[%s,%s]", one_row, one_row), 2 },
        { "a quoted answer", quoted(&a, arena_printf(&a, "{\"value\":[%s]}", one_row), 1), 1 },
        { "a project",
          arena_printf(&a,
                       "{\"name\":\"DWM-1\",\"templateIdentifier\":{\"version\":{\"major\":1,\"minor\":2,\"build\":3,"
                       "\"revision\":4}},\"environments\":[{\"name\":\"e\"}],\"entityMappingTasks\":[%s]}",
                       DOCUMENT),
          1 },
        { "XML",
          "<a><msdyn_dualwriteentitymap id='1'><msdyn_name>n</msdyn_name><msdyn_mapping>  " DOC(
              "Widgets", "acme_widgets", "") "</msdyn_mapping></msdyn_dualwriteentitymap></a>",
          1 },
        { "configuration data",
          "<entities><record id='1'><field name='msdyn_version' value='1.0.0.7'/><field name='msdyn_mapping' "
          "value='{&quot;legs&quot;:[{&quot;sourceSchema&quot;:&quot;Widgets&quot;,&quot;destinationSchema&quot;:&"
          "quot;"
          "acme_widgets&quot;,&quot;fieldMappings&quot;:[]}]}'/></record></entities>",
          1 },
        { "XML of two documents under one parent",
          "<list><i>" DOC("Widgets", "acme_widgets", "") "</i><i><![CDATA[" DOC("Widgets", "acme_widgets",
                                                                                "") "]]></i></list>",
          2 },
    };

    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++) {
        struct import i = imported(CASES[k].text);

        CHECK(i.n == CASES[k].n, "%s: %zu maps", CASES[k].name, i.n);
        for (size_t m = 0; m < i.n; m++) {
            CHECK(i.maps[m].map, "%s: %s", CASES[k].name, i.maps[m].err.msg);
            CHECK_CELL(i.maps[m].map->name, "Widgets (acme_widgets)", "%s", CASES[k].name);
        }
        import_release(&i);
    }
    arena_release(&a);
}

/* What came with the document is kept beside it, unknown columns included. */
static void what_comes_along(void **state)
{
    struct arena a = { 0 };
    struct import i = imported(arena_printf(&a,
                                            "{\"@odata.etag\":\"W/1\",\"msdyn_name\":\"acme_[w - "
                                            "W]\",\"msdyn_version\":\"1.0.0.3\",\"new_column\":{\"x\":1},"
                                            "\"msdyn_mapping\":%s}",
                                            quoted(&a, DOC("W", "w", ""), 1)));
    struct strbuf s = STRBUF(0);

    (void)state;
    CHECK_CELL(i.maps[0].version, "1.0.0.3", "version");
    CHECK_CELL(i.maps[0].row_name, "acme_[w - W]", "name");
    json_write(&s, i.maps[0].beside);
    CHECK_STR(strbuf_str(&s),
              "{\"dmfsync\":\"what came with the map as a row\",\"row\":{\"msdyn_name\":\"acme_[w - W]\","
              "\"msdyn_version\":\"1.0.0.3\",\"new_column\":{\"x\":1}}}",
              "beside");
    import_release(&i);
    i = imported("{\"name\":\"DWM-1\",\"templateIdentifier\":{\"version\":{\"major\":1,\"minor\":2,\"build\":3,"
                 "\"revision\":4}},\"environments\":[{\"n\":12345678901234567.10}],\"entityMappingTasks\":[" DOC(
                     "W", "w", "") "]}");
    CHECK_CELL(i.maps[0].version, "1.2.3.4", "version of the project's template");
    strbuf_reset(&s);
    json_write(&s, i.maps[0].beside);
    CHECK(strstr(s.buf, "12345678901234567.10"), "%s", s.buf);
    import_release(&i);
    strbuf_release(&s);
    arena_release(&a);
}

/* One spelling, every member kept, every digit too. */
static void lossless(void **state)
{
    static const char IN[] =
        "{\"new\":[1,{\"deep\":12345678901234567.89}],\"legs\":[{\"sourceSchema\":\"W\",\"destinationSchema\":\"w\","
        "\"legNew\":{\"a\":null},\"isSourceFilterEditable\":\"True\",\"fieldMappings\":[{\"fieldNew\":\"\\u00e9\","
        "\"syncDirection\":\"Forward\",\"sourceField\":\"A\",\"destinationField\":\"b.c.d\",\"isSystemGenerated\":"
        "\"false\",\"valueTransforms\":[{\"$type\":\"T\",\"transformType\":\"Truncate\",\"length\":"
        "1234567890123456789,"
        "\"opaque\":[true]}]},{\"syncDirection\":2,\"sourceField\":\"B\",\"destinationField\":"
        "\"customerid.Account(accountnumber).Contact(msdyn_contactpersonid)\",\"valueTransforms\":[{"
        "\"transformType\":"
        "\"ValueMap\",\"valueMap\":{\"a\":9223372036854775807},\"createValuesOnDestination\":\"FALSE\"}]}]}]}";
    static const char OUT[] =
        "{\"new\":[1,{\"deep\":12345678901234567.89}],\"legs\":[{\"sourceSchema\":\"W\",\"destinationSchema\":\"w\","
        "\"legNew\":{\"a\":null},\"isSourceFilterEditable\":true,\"fieldMappings\":[{\"fieldNew\":\"\xC3\xA9\","
        "\"syncDirection\":1,\"sourceField\":\"A\",\"destinationField\":\"b.c.d\",\"isSystemGenerated\":"
        "false,\"valueTransforms\":[{\"$type\":\"T\",\"transformType\":\"Truncate\",\"length\":1234567890123456789,"
        "\"opaque\":[true]}]},{\"syncDirection\":2,\"sourceField\":\"B\",\"destinationField\":"
        "\"customerid.Account(accountnumber).Contact(msdyn_contactpersonid)\",\"valueTransforms\":[{"
        "\"transformType\":"
        "\"ValueMap\",\"valueMap\":{\"a\":9223372036854775807},\"createValuesOnDestination\":false}]}]}]}";
    struct import i = imported(IN);
    const struct map_field *f = i.maps[0].map->fields;
    struct strbuf s = STRBUF(0), text = STRBUF(0);
    struct import again;

    (void)state;
    json_write(&s, i.maps[0].map->doc);
    CHECK_STR(strbuf_str(&s), OUT, "normalised");
    CHECK_CELL(f[0].unknown_transform, "Truncate", "an unknown transform is told");
    assert_int_equal(f[0].n_path, 3);
    CHECK_CELL(f[1].path[1].target, "Account", "polymorphic");
    CHECK_CELL(f[1].path[2].name, "msdyn_contactpersonid", "polymorphic");
    map_write_text(i.maps[0].map, &text);
    again = imported(text.buf);
    strbuf_reset(&s);
    map_write_text(again.maps[0].map, &s);
    CHECK_STR(strbuf_str(&s), text.buf, "written, read and written");
    CHECK(strstr(text.buf, "12345678901234567.89") && strstr(text.buf, "1234567890123456789"), "%s", text.buf);
    import_release(&again);
    import_release(&i);
    strbuf_release(&s);
    strbuf_release(&text);
}

/* A second value map in one field must not write beyond the first one's entries. */
static void several_transforms(void **state)
{
    struct import i = imported(
        "{\"legs\":[{\"sourceSchema\":\"W\",\"destinationSchema\":\"w\",\"fieldMappings\":[{\"syncDirection\":1,"
        "\"sourceField\":\"A\",\"destinationField\":\"a\",\"valueTransforms\":[{\"transformType\":\"ValueMap\","
        "\"valueMap\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}},{\"transformType\":\"ValueMap\",\"valueMap\":{\"d\":"
        "\"4\"}"
        "},{\"transformType\":\"Default\",\"defaultValue\":\"x\"}]}]}]}");

    (void)state;
    CHECK(i.maps[0].map, "%s", i.maps[0].err.msg);
    assert_int_equal(i.maps[0].map->fields[0].n_pairs, 3);
    assert_false(cell_absent(i.maps[0].map->fields[0].unknown_transform));
    import_release(&i);
}

static void notes_and_refusals(void **state)
{
    static const struct {
        const char *text, *note, *refused;
    } CASES[] = {
        { "{\"IsDualWriteProject\":true}", "properties of a map", NULL },
        { "{\"dmfsync\":\"what came\",\"row\":{}}", "earlier import", NULL },
        { "{\"value\":[]}", "no rows", NULL },
        { "{\"value\":[{\"msdyn_name\":\"n\",\"msdyn_mapping\":null}]}", NULL, "no msdyn_mapping" },
        { "{\"value\":[{\"msdyn_name\":\"n\"}]}", NULL, "no msdyn_mapping" },
        { "{\"value\":[{\"msdyn_mapping\":\"{\\\"legs\\\":\"}]}", NULL, "not valid JSON" },
        { "{\"value\":[{\"msdyn_mapping\":\"{}\"}]}", NULL, "no legs" },
        { "{\"@odata.nextLink\":\"l\",\"value\":[{\"msdyn_mapping\":\"[1]\"}]}", "next page", "no legs" },
        { "{\"x\":1}", NULL, "neither legs" },
        { "7", NULL, "neither legs" },
        { "\"text\"", NULL, "not valid JSON" },
        { "[[[[[[[[[[1]]]]]]]]]]", NULL, "wrapped too often" },
        { "{\"entityMappingTasks\":[]}", NULL, "no entityMappingTasks" },
        { "{\"entityMappingTasks\":[{\"legs\":[]}]}", NULL, "no legs" },
        { "{\"legs\":[{},{}]}", NULL, "2 legs" },
        { "{\"legs\":[{\"sourceSchema\":\"a\\nb\",\"destinationSchema\":\"c\",\"fieldMappings\":[]}]}", NULL,
          "control character" },
    };

    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++) {
        struct import i = imported(CASES[k].text);

        CHECK((i.n_notes == 1) == (CASES[k].note != NULL), "%s: %zu notes", CASES[k].text, i.n_notes);
        CHECK((i.n == 1) == (CASES[k].refused != NULL), "%s: %zu entries", CASES[k].text, i.n);
        if (CASES[k].note)
            CHECK(strstr(i.notes[0].ptr, CASES[k].note), "%s: %s", CASES[k].text, i.notes[0].ptr);
        if (CASES[k].refused) {
            CHECK(!i.maps[0].map && i.maps[0].err.code, "%s", CASES[k].text);
            CHECK(strstr(i.maps[0].err.msg, CASES[k].refused), "%s: %s", CASES[k].text, i.maps[0].err.msg);
        }
        import_choose(&i);
        import_release(&i);
    }
}

/* One bad row of three: the others stand. */
static void others_still_stand(void **state)
{
    struct arena a = { 0 };
    struct import i =
        imported(arena_printf(&a, "{\"value\":[%s,{\"msdyn_name\":\"bad\",\"msdyn_mapping\":\"{\"},%s]}",
                              row(&a, "p_[w - W]", "1.0.0.0", NULL, DOC("W", "w", "")),
                              row(&a, "p_[v - V]", "1.0.0.0", NULL, DOC("V", "v", ""))));

    (void)state;
    import_choose(&i);
    assert_int_equal(i.n, 3);
    assert_true(i.maps[0].chosen && i.maps[2].chosen && !i.maps[1].map);
    CHECK(strstr(i.maps[1].origin.ptr, "value[1] (bad"), "%s", i.maps[1].origin.ptr);
    import_release(&i);
    arena_release(&a);
}

static void versions(void **state)
{
    static const struct {
        const char *a, *b;
        int want;
    } ORDER[] = {
        { "1.0.0.10", "1.0.0.9", 1 },   { "1.0.0.9", "1.0.0.10", -1 }, { "2.0.0.0", "1.9.9.9", 1 },
        { "1.0.0.0", "1.0.0.0", 0 },    { "1.0.0", "1.0.0.0", -1 },    { "x", "y", 0 },
        { "1.0.0.0.0", "0.0.0.1", -1 }, { "-1.0.0.0", "0.0.0.0", -1 }, { "999999999999.0.0.0", "0.0.0.1", -1 },
        { "1..0.0", "0.0.0.0", -1 },
    };
    struct arena a = { 0 };

    (void)state;
    for (size_t k = 0; k < COUNT(ORDER); k++)
        CHECK(map_version_compare(cell_of(ORDER[k].a), cell_of(ORDER[k].b)) == ORDER[k].want, "%s %s", ORDER[k].a,
              ORDER[k].b);
    assert_true(map_version_parked(CELL_LIT("9.9.9.9")));
    assert_false(map_version_parked(CELL_LIT("9.9.9.8")));
    assert_false(map_version_parked(CELL_ABSENT));
    CHECK_CELL(map_row_key(&a, CELL_LIT("contoso_[accounts - Customers V3]")), "accounts - customers v3", "key");
    CHECK_CELL(map_row_key(&a, CELL_LIT("x [a - b [c]]")), "a - b [c]", "first and last bracket");
    CHECK_CELL(map_row_key(&a, CELL_LIT("] [")), NULL, "no brackets");
    arena_release(&a);
}

static void choosing(void **state)
{
    /* of each case: version and time of up to three rows, the one taken (-1 none), and what its note says */
    static const struct {
        const char *name, *v[3], *t[3];
        int taken;
        const char *says;
    } CASES[] = {
        { "one", { "1.0.0.0" }, { 0 }, 0, NULL },
        { "highest", { "1.0.0.9", "1.0.0.10", "1.0.0.2" }, { 0 }, 1, "the highest of 3" },
        { "parked", { "1.0.0.9", "9.9.9.9" }, { 0 }, 0, "parked ones left out" },
        { "only parked", { "9.9.9.9" }, { 0 }, 0, "only version there is parked" },
        { "newest",
          { "1.0.0.9", "1.0.0.10" },
          { "2024-02-01T00:00:00Z", "2024-01-01T00:00:00Z" },
          0,
          "1.0.0.10 is higher, but was made earlier" },
        { "parked and newest",
          { "1.0.0.9", "9.9.9.9" },
          { "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z" },
          0,
          "the newest" },
        { "a time is missing", { "1.0.0.9", "1.0.0.10" }, { "2024-02-01T00:00:00Z", NULL }, 1, "the highest" },
    };

    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++) {
        struct arena a = { 0 };
        struct strbuf page = STRBUF(0);
        struct import i;

        strbuf_adds(&page, "{\"value\":[");
        for (int r = 0; r < 3 && CASES[k].v[r]; r++)
            strbuf_addf(&page, "%s%s", r ? "," : "",
                        row(&a, "p_[w - W]", CASES[k].v[r], CASES[k].t[r],
                            r ? DOC("W", "w", ",\"n\":1") : DOC("w", "W", "")));
        strbuf_adds(&page, "]}");
        i = imported(page.buf);
        import_choose(&i);
        for (size_t r = 0; r < i.n; r++)
            CHECK(i.maps[r].chosen == ((int)r == CASES[k].taken), "%s: row %zu", CASES[k].name, r);
        if (CASES[k].says)
            CHECK(strstr(i.maps[CASES[k].taken].note.ptr, CASES[k].says), "%s: %s", CASES[k].name,
                  i.maps[CASES[k].taken].note.ptr);
        else
            CHECK_CELL(i.maps[CASES[k].taken].note, NULL, "%s", CASES[k].name);
        import_release(&i);
        strbuf_release(&page);
        arena_release(&a);
    }
}

/* Two documents of one map, and nothing that orders them. */
static void twins(void **state)
{
    struct import i = imported("[" DOC("W", "w", "") "," DOC("W", "w", ",\"n\":1") "]");

    (void)state;
    import_choose(&i);
    assert_true(!i.maps[0].chosen && !i.maps[1].chosen);
    CHECK(strstr(i.maps[0].err.msg, "element[1]") && strstr(i.maps[1].err.msg, "element[0]"), "%s | %s",
          i.maps[0].err.msg, i.maps[1].err.msg);
    import_release(&i);
    i = imported("[" DOC("W", "w", "") "," DOC("W", "w", "") "]");
    import_choose(&i);
    assert_true(i.maps[0].chosen != i.maps[1].chosen);
    import_release(&i);
}

static void utf16(void **state)
{
    static const char TEXT[] = DOC("Größe \xF0\x9D\x84\x9E", "acme_w", "");

    (void)state;
    for (int big = 0; big < 2; big++) {
        struct strbuf out = STRBUF(0);
        struct import i = { 0 };
        struct err e = { 0 };

        strbuf_add(&out, big ? "\xFE\xFF" : "\xFF\xFE", 2);
        for (size_t at = 0; at < strlen(TEXT);) {
            uint32_t cp, unit[2];
            size_t n = 1;

            at += utf8_decode(TEXT + at, strlen(TEXT) - at, &cp);
            unit[0] = cp;
            if (cp > 0xFFFF) {
                unit[0] = 0xD800 + ((cp - 0x10000) >> 10);
                unit[1] = 0xDC00 + ((cp - 0x10000) & 0x3FF);
                n = 2;
            }
            for (size_t k = 0; k < n; k++) {
                strbuf_addc(&out, (char)(big ? unit[k] >> 8 : unit[k] & 0xFF));
                strbuf_addc(&out, (char)(big ? unit[k] & 0xFF : unit[k] >> 8));
            }
        }
        CHECK_OK(import_text(&i, "t", out.buf, out.len, &e), &e);
        assert_int_equal(i.n, 1);
        CHECK_CELL(i.maps[0].map->label, "Größe \xF0\x9D\x84\x9E", "big %d", big);
        import_release(&i);
        strbuf_release(&out);
    }
}

static void xml_prolog(void **state)
{
    static const char BODY[] = "<a><msdyn_mapping>" DOC("W", "w", "") "</msdyn_mapping></a>";
    static const struct {
        const char *head;
        enum ec rc;
    } CASES[] = {
        { "", EC_OK },
        { "<?xml version='1.0' encoding='utf-16'?>", EC_OK },
        { "<?xml version='1.0' encoding='utf-8'?>\n<!-- <!DOCTYPE a> --><?x <!DOCTYPE?> ", EC_OK },
        { "<!DOCTYPE a>", EC_FORMAT },
        { "<?xml version='1.0'?><!-- x --> <!DOCTYPE a [<!ENTITY b 'c'>]>", EC_FORMAT },
        { "<!-- ", EC_FORMAT },
        { "<?x ", EC_FORMAT },
    };

    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++) {
        struct strbuf s = STRBUF(0);
        struct import i = { 0 };
        struct err e = { 0 };

        strbuf_addf(&s, "%s%s", CASES[k].head, BODY);
        CHECK(import_text(&i, "t.xml", s.buf, s.len, &e) == CASES[k].rc, "%s: %s", CASES[k].head, e.msg);
        CHECK(i.n == (CASES[k].rc ? 0u : 1u), "%s: %zu", CASES[k].head, i.n);
        import_release(&i);
        strbuf_release(&s);
    }
}

/* ---- zips ---- */

struct part {
    const char *name, *text;
    size_t n; /* 0 = strlen */
};

static void build(const char *path, const struct part *parts, size_t n)
{
    int zerr = 0;
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &zerr);

    CHECK(z, "libzip error %d", zerr);
    for (size_t i = 0; i < n; i++)
        CHECK(zip_file_add(z, parts[i].name,
                           zip_source_buffer(z, parts[i].text, parts[i].n ? parts[i].n : strlen(parts[i].text), 0),
                           ZIP_FL_ENC_UTF_8) >= 0,
              "%s: %s", parts[i].name, zip_strerror(z));
    CHECK(zip_close(z) == 0, "%s", zip_strerror(z));
}

static void solutions(void **state)
{
    static const char CUSTOMIZATIONS[] =
        "<?xml version='1.0' encoding='utf-8'?><ImportExportXml><Entities/><msdyn_dualwriteentitymaps>"
        "<msdyn_dualwriteentitymap msdyn_dualwriteentitymapid='{1}'><msdyn_name>p_[w - W]</msdyn_name>"
        "<msdyn_version>1.0.0.5</msdyn_version><msdyn_mapping>" DOC(
            "W", "w", "") "</msdyn_mapping>"
                          "</msdyn_dualwriteentitymap><msdyn_dualwriteentitymap><msdyn_name>p_[w - "
                          "W]</msdyn_name><msdyn_version>9.9.9.9"
                          "</msdyn_version><msdyn_mapping>" DOC(
                              "W", "w", ",\"n\":1") "</msdyn_mapping></msdyn_dualwriteentitymap>"
                                                    "</msdyn_dualwriteentitymaps></ImportExportXml>";
    const struct part PARTS[] = { { "[Content_Types].xml", "<Types/>", 0 },
                                  { "solution.xml", "<ImportExportXml/>", 0 },
                                  { "customizations.xml", CUSTOMIZATIONS, 0 },
                                  { "WebResources/new_legs.js", "var legs = [1, 2];", 0 },
                                  { "WebResources/broken.html", "<p>legs<br></p>", 0 },
                                  { "Assets/map.bin", DOC("V", "v", ""), 0 },
                                  { "Assets/half.json", "{\"legs\":[{\"fieldMappings\":", 0 } };
    struct strbuf inner = STRBUF(0);
    struct import i = { 0 };
    struct err e = { 0 };
    struct part outer[2];

    (void)state;
    build("s.zip", PARTS, COUNT(PARTS));
    CHECK_OK(import_file(&i, "s.zip", &e), &e);
    import_choose(&i);
    assert_int_equal(i.n, 3);
    CHECK_CELL(i.maps[0].version, "1.0.0.5", "version of the row");
    CHECK_CELL(i.maps[0].map->name, "W (w)", "name");
    assert_true(i.maps[0].chosen && i.maps[1].parked && !i.maps[1].chosen && i.maps[2].chosen);
    CHECK(strstr(i.maps[0].origin.ptr, "'customizations.xml' of 's.zip', line 1"), "%s", i.maps[0].origin.ptr);
    CHECK_CELL(i.maps[2].map->name, "V (v)", "found by content");
    assert_int_equal(i.n_notes, 2);
    CHECK(strstr(i.notes[0].ptr, "broken.html") && strstr(i.notes[1].ptr, "half.json"), "%s | %s", i.notes[0].ptr,
          i.notes[1].ptr);
    import_release(&i);
    /* a package that holds the solution */
    CHECK_OK(file_read("s.zip", 1 << 20, &inner, &e), &e);
    outer[0] = (struct part){ "PkgFolder/s.zip", inner.buf, inner.len };
    outer[1] = (struct part){ "readme.txt", "legs fieldMappings", 0 };
    build("p.zip", outer, 2);
    CHECK_OK(import_file(&i, "p.zip", &e), &e);
    assert_int_equal(i.n, 3);
    import_release(&i);
    /* and deeper than packages go */
    for (int k = 0; k < 3; k++) {
        strbuf_reset(&inner);
        CHECK_OK(file_read("p.zip", 1 << 20, &inner, &e), &e);
        outer[0] = (struct part){ "x.zip", inner.buf, inner.len };
        build("p.zip", outer, 1);
    }
    assert_int_equal(import_file(&i, "p.zip", &e), EC_LIMIT);
    CHECK(strstr(e.msg, "deeper"), "%s", e.msg);
    import_release(&i);
    strbuf_release(&inner);
}

static void hostile_zips(void **state)
{
    static char zeros[8 << 20];
    const struct {
        const char *name;
        struct part parts[2];
        size_t n;
        enum ec rc;
        const char *says;
    } CASES[] = {
        { "no map", { { "a.txt", "x", 0 } }, 1, EC_FORMAT, "holds no dual-write map" },
        { "up", { { "a/../../b", "x", 0 } }, 1, EC_FORMAT, "leads out" },
        { "up with backslashes", { { "a\\..\\b", "x", 0 } }, 1, EC_FORMAT, "leads out" },
        { "absolute", { { "/etc/passwd", "x", 0 } }, 1, EC_FORMAT, "absolute" },
        { "drive", { { "c:x", "x", 0 } }, 1, EC_FORMAT, "absolute" },
        { "bomb", { { "b.json", zeros, sizeof(zeros) } }, 1, EC_LIMIT, "times its size" },
        { "two names", { { "a.json", "x", 0 }, { "A.json", "y", 0 } }, 2, EC_FORMAT, "no dual-write map" },
        { "DOCTYPE",
          { { "c.xml", "<!DOCTYPE a [<!ENTITY b 'legs'>]><a><msdyn_mapping>&b;</msdyn_mapping></a>", 0 } },
          1,
          EC_FORMAT,
          "no dual-write map" },
    };
    struct import i = { 0 };
    struct strbuf whole = STRBUF(0);
    struct err e = { 0 };

    (void)state;
    for (size_t k = 0; k < COUNT(CASES); k++) {
        enum ec rc;

        build("h.zip", CASES[k].parts, CASES[k].n);
        rc = import_file(&i, "h.zip", &e);
        CHECK(rc == CASES[k].rc, "%s: %d %s", CASES[k].name, rc, e.msg);
        CHECK(strstr(e.msg, CASES[k].says) && strstr(e.msg, "h.zip"), "%s: %s", CASES[k].name, e.msg);
        import_release(&i);
    }
    /* Any octet of it flipped, any length cut: an error or maps, nothing else. */
    build("h.zip", (struct part[]){ { "m.json", DOC("W", "w", ""), 0 } }, 1);
    CHECK_OK(file_read("h.zip", 1 << 20, &whole, &e), &e);
    for (size_t at = 0; at < whole.len; at++) {
        whole.buf[at] ^= 0x55;
        if (import_text(&i, "f", whole.buf, whole.len, &e))
            CHECK(e.msg[0], "octet %zu", at);
        import_release(&i);
        whole.buf[at] ^= 0x55;
        (void)import_text(&i, "f", whole.buf, at, &e);
        import_release(&i);
    }
    strbuf_release(&whole);
}

/* Lists, notes and columns without end: bounded, told, and quick. */
static void floods(void **state)
{
    struct strbuf s = STRBUF(0);
    struct import i = { 0 };
    struct err e = { 0 };

    (void)state;
    strbuf_adds(&s, "[1");
    while (s.len < 4 << 20)
        strbuf_adds(&s, ",1");
    strbuf_adds(&s, "]");
    CHECK_OK(import_text(&i, "t", s.buf, s.len, &e), &e);
    assert_int_equal(i.n, 5001);
    CHECK(strstr(i.maps[5000].err.msg, "more than 5000 maps"), "%s", i.maps[5000].err.msg);
    import_choose(&i);
    import_release(&i);
    strbuf_reset(&s);
    strbuf_adds(&s, "[{\"dmfsync\":1}");
    while (s.len < 1 << 20)
        strbuf_adds(&s, ",{\"dmfsync\":1}");
    strbuf_adds(&s, "]");
    CHECK_OK(import_text(&i, "t", s.buf, s.len, &e), &e);
    assert_int_equal(i.n_notes, 1000);
    CHECK(strstr(i.notes[999].ptr, "and so on"), "%s", i.notes[999].ptr);
    import_release(&i);
    strbuf_reset(&s);
    strbuf_adds(&s, "<a>");
    while (s.len < 4 << 20)
        strbuf_adds(&s, "<b>x</b>");
    strbuf_addf(&s, "<msdyn_mapping>%s</msdyn_mapping></a>", DOC("W", "w", ""));
    CHECK_OK(import_text(&i, "t", s.buf, s.len, &e), &e);
    assert_int_equal(i.n, 1);
    CHECK_CELL(i.maps[0].map->name, "W (w)", "behind all of it");
    import_release(&i);
    strbuf_reset(&s);
    for (int k = 0; k < 100; k++)
        strbuf_adds(&s, "<a>");
    CHECK(import_text(&i, "t", s.buf, s.len, &e) == EC_LIMIT, "%s", e.msg);
    import_release(&i);
    strbuf_release(&s);
}

/* ---- what others made ---- */

/* The tree as SQLite sees it: path, type and value of every leaf, in order of paths. Independent of our own reader. */
static void tree_of(sqlite3 *db, const char *text, size_t n, struct strbuf *out)
{
    sqlite3_stmt *s = NULL;

    /* A direction is the same as number and as text. */
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "select fullkey, case key when 'syncDirection' then 'direction' else type "
                                        "end, atom from json_tree(?1) order by fullkey",
                                        -1, &s, NULL),
                     SQLITE_OK);
    sqlite3_bind_text(s, 1, text, (int)n, SQLITE_STATIC);
    while (sqlite3_step(s) == SQLITE_ROW)
        strbuf_addf(out, "%s|%s|%s\n", (const char *)sqlite3_column_text(s, 0),
                    (const char *)sqlite3_column_text(s, 1),
                    sqlite3_column_text(s, 2) ? (const char *)sqlite3_column_text(s, 2) : "(null)");
    CHECK(sqlite3_reset(s) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_finalize(s);
}

static bool ends(const char *s, const char *tail)
{
    size_t n = strlen(s), t = strlen(tail);

    return n >= t && !strcmp(s + n - t, tail);
}

/* Every published map: imported, written, and the same document to a reader that is not ours. */
static void published_maps(void **state)
{
    const char *samples = getenv("DMFSYNC_SAMPLES");
    struct arena a = { 0 };
    sqlite3 *db = NULL;
    struct dirent *d;
    size_t maps = 0, properties = 0;
    DIR *dir;

    (void)state;
    if (!samples)
        skip();
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    dir = opendir(arena_printf(&a, "%s/dual-write-maps", samples));
    assert_non_null(dir);
    while ((d = readdir(dir))) {
        char *path = arena_printf(&a, "%s/dual-write-maps/%s", samples, d->d_name);
        struct strbuf in = STRBUF(0), out = STRBUF(0), x = STRBUF(0), y = STRBUF(0);
        struct import i = { 0 };
        struct err e = { 0 };

        if (!ends(d->d_name, ".json"))
            continue;
        CHECK_OK(import_file(&i, path, &e), &e);
        if (ends(d->d_name, ".properties.json")) {
            CHECK(!i.n && i.n_notes == 1, "%s", d->d_name);
            properties++;
        } else {
            import_choose(&i);
            CHECK(i.n == 1 && i.maps[0].map && i.maps[0].chosen, "%s", d->d_name);
            map_write_text(i.maps[0].map, &out);
            CHECK_OK(file_read(path, 1 << 20, &in, &e), &e);
            tree_of(db, in.buf, in.len, &x);
            tree_of(db, out.buf, out.len, &y);
            CHECK(x.len > 1000, "%s: %zu", d->d_name, x.len);
            CHECK_STR(y.buf, x.buf, "%s", d->d_name);
            maps++;
        }
        import_release(&i);
        strbuf_release(&in);
        strbuf_release(&out);
        strbuf_release(&x);
        strbuf_release(&y);
    }
    closedir(dir);
    sqlite3_close(db);
    CHECK(maps >= 10 && properties >= 10, "%zu maps, %zu properties", maps, properties);
    arena_release(&a);
}

/* The JSON test suite through the importer: no file of it is a map, and none does harm. */
static void json_suite(void **state)
{
    const char *samples = getenv("DMFSYNC_SAMPLES");
    struct arena a = { 0 };
    struct dirent *d;
    size_t n = 0;
    DIR *dir;

    (void)state;
    if (!samples)
        skip();
    dir = opendir(arena_printf(&a, "%s/json", samples));
    assert_non_null(dir);
    while ((d = readdir(dir))) {
        struct import i = { 0 };
        struct err e = { 0 };
        enum ec rc;

        if (d->d_name[0] == '.')
            continue;
        n++;
        rc = import_file(&i, arena_printf(&a, "%s/json/%s", samples, d->d_name), &e);
        CHECK(rc || i.n || i.n_notes, "%s: nothing is said", d->d_name);
        CHECK(!rc || e.msg[0], "%s", d->d_name);
        CHECK(d->d_name[0] != 'n' || rc || ends(d->d_name, "U+2060_word_joined.json"), "%s is accepted", d->d_name);
        for (size_t k = 0; k < i.n; k++)
            CHECK(!i.maps[k].map, "%s is a map", d->d_name);
        import_release(&i);
    }
    closedir(dir);
    CHECK(n > 100, "only %zu samples", n);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(what_comes_along),
        cmocka_unit_test(lossless),
        cmocka_unit_test(several_transforms),
        cmocka_unit_test(notes_and_refusals),
        cmocka_unit_test(others_still_stand),
        cmocka_unit_test(versions),
        cmocka_unit_test(choosing),
        cmocka_unit_test(twins),
        cmocka_unit_test(utf16),
        cmocka_unit_test(solutions),
        cmocka_unit_test(hostile_zips),
        cmocka_unit_test(xml_prolog),
        cmocka_unit_test(floods),
        cmocka_unit_test(published_maps),
        cmocka_unit_test(json_suite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

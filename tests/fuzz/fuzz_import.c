/*
 * fuzz_import.c -- any octets as something that maps come in. What is found is written and read again as the same map; a map
 * differs from itself in nothing, and two maps differ in both directions or in none.
 */
#include "fuzz_must.h"

#include "map/import.h"
#include "map/map_diff.h"

static void same(const struct map *a, const struct map *b)
{
    struct map_diff d;

    map_diff(a, b, &d);
    MUST(!d.n);
    map_diff_release(&d);
}

static void both_or_none(const struct map *a, const struct map *b)
{
    struct map_diff x, y;

    map_diff(a, b, &x);
    map_diff(b, a, &y);
    MUST(!x.n == !y.n);
    for (size_t i = 0; i < x.n; i++)
        MUST(x.rows[i].what.len && (x.rows[i].sign == '*' || x.rows[i].sign == '+' || x.rows[i].sign == '-'));
    map_diff_release(&x);
    map_diff_release(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct import i = { 0 };
    struct err e = { 0 };
    const struct map *last = NULL;

    if (import_text(&i, "fuzz", (const char *)p, n, &e))
        MUST(e.msg[0]);
    import_choose(&i);
    for (size_t k = 0; k < i.n && k < 20; k++) {
        struct import_map *m = &i.maps[k];
        struct strbuf text = STRBUF(0), twice = STRBUF(0);
        struct import again = { 0 };

        MUST(m->map || (m->err.code && m->err.msg[0]));
        if (!m->map)
            continue;
        map_write_text(m->map, &text);
        MUST(!import_text(&again, "again", text.buf, text.len, &e));
        MUST(again.n == 1 && again.maps[0].map);
        map_write_text(again.maps[0].map, &twice);
        MUST(text.len == twice.len && !memcmp(text.buf, twice.buf, text.len));
        same(m->map, again.maps[0].map);
        if (last)
            both_or_none(last, m->map);
        last = m->map;
        import_release(&again);
        strbuf_release(&text);
        strbuf_release(&twice);
    }
    import_release(&i);
    return 0;
}

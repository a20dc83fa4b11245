/*
 * fuzz_canon.c -- two cells and a rule. A canonical cell is canonical again; equality, fold and digest agree and do not
 * depend on the order; packed rows come back; joined keys are split into the same parts.
 * Octets: type, flags, scale, length of the date pattern, length of the first cell, then pattern, first and second cell.
 */
#include "fuzz_must.h"

#include "data/canon.h"

static bool canon(const struct canon_rule *r, const struct canon_format *f, struct cell in, struct arena *a,
                  struct cell *ret)
{
    const char *why = NULL;

    if (canon_cell(r, f, in, a, ret, &why) == CANON_FINE)
        return true;
    MUST(why && *why);
    return false;
}

/* What a compare setting may say of a field. */
static const char *const WORDS[] = { "nocase", "case", "blanks", "exact", "day", "scale:2", "scale:0" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a = { 0 };
    struct canon_rule r = { 0 };
    struct canon_format f = { 0 };
    struct cell in[2], out[2], back[2], parts[2];
    struct strbuf packed = { 0 };
    size_t pattern_n, first_n;
    const char *p = (const char *)data + 5;
    bool fine[2];

    if (size < 5 || size > 2000)
        return 0;
    size -= 5;
    r.type = (enum canon_type)(data[0] % (CANON_GUID + 1));
    r.strict = data[1] & 1;
    r.zero = data[1] & 2 ? CELL_LIT("None") : CELL_ABSENT;
    r.scale = (int)(data[2] % 40) - 1;
    for (unsigned w = 0; w < COUNT(WORDS); w++) {
        const char *why = NULL;

        if (data[1] >> 5 == w + 1 && !canon_rule_set(&r, cell_of(WORDS[w]), &why))
            MUST(why && *why);
    }
    MUST(*canon_rule_text(&r, &a));
    f.decimal = data[1] & 4 ? ',' : 0;
    f.group = data[1] & 8 ? (data[1] & 4 ? '.' : ',') : 0;
    pattern_n = data[1] & 16 ? (data[3] < size ? data[3] : size) : 0;
    if (pattern_n)
        f.date = arena_dup(&a, p, pattern_n);
    p += pattern_n;
    size -= pattern_n;
    first_n = data[4] < size ? data[4] : size;
    in[0] = (struct cell){ p, first_n };
    in[1] = (struct cell){ p + first_n, size - first_n };
    for (int i = 0; i < 2; i++) {
        struct cell again;

        fine[i] = canon(&r, &f, in[i], &a, &out[i]);
        if (!fine[i])
            continue;
        MUST(!out[i].len || utf8_valid_prefix(out[i].ptr, out[i].len) == out[i].len);
        MUST(canon(&r, NULL, out[i], &a, &again) && cell_eq(out[i], again));
        MUST(canon_equal(&r, out[i], out[i], NULL));
        MUST(canon_is_default(&r, out[i]) == cell_absent(canon_fold(&r, out[i], &a)));
        MUST(cell_eq(canon_fold(&r, out[i], &a), canon_fold(&r, canon_fold(&r, out[i], &a), &a)));
    }
    if (fine[0] && fine[1]) {
        bool by = false, by_back = false, same = canon_equal(&r, out[0], out[1], &by);

        MUST(same == canon_equal(&r, out[1], out[0], &by_back) && by == by_back && (same || !by));
        MUST(same == digest_eq(digest_cells(&r, &out[0], NULL, 1, &a), digest_cells(&r, &out[1], NULL, 1, &a)));
        MUST(same == cell_eq(canon_fold(&r, out[0], &a), canon_fold(&r, out[1], &a)));
        row_pack(&packed, out, 2);
        MUST(row_packed_size(packed.buf, packed.len, 2) == packed.len && row_unpack(packed.buf, packed.len, back, 2));
        MUST(cell_eq(back[0], out[0]) && cell_eq(back[1], out[1]));
    }
    MUST(key_split(&a, key_join(&a, in, 2), parts, 2) == 2);
    MUST(parts[0].len == in[0].len && parts[1].len == in[1].len);
    MUST(!in[0].len || !memcmp(parts[0].ptr, in[0].ptr, in[0].len));
    (void)key_split(&a, in[0], parts, 2);
    if (row_packed_size(in[0].ptr, in[0].len, 2) == in[0].len)
        MUST(row_unpack(in[0].ptr, in[0].len, back, 2));
    else
        MUST(!row_unpack(in[0].ptr, in[0].len, back, 2));
    strbuf_release(&packed);
    arena_release(&a);
    return 0;
}

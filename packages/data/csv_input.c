#include "data/csv_input.h"

#include <stdlib.h>

enum { READ_OCTETS = 256 * 1024 };

static size_t unit(const struct csv_input *in)
{
    return in->encoding == ENC_UTF16LE || in->encoding == ENC_UTF16BE ? 2 : 1;
}

enum ec csv_input_more(struct csv_input *in, uint64_t keep, struct err *reterr)
{
    size_t gone = (size_t)(keep - in->base);
    struct err why = { 0 };
    int64_t got;

    if (in->eof)
        return EC_OK;
    if (gone) {
        memmove(in->buf, in->buf + gone, in->len - gone);
        in->len -= gone;
        in->base = keep;
    }
    if (in->cap - in->len < READ_OCTETS / 2) { /* grows with the longest row, which has a ceiling */
        in->cap = in->cap ? in->cap * 2 : READ_OCTETS;
        in->buf = xrealloc(in->buf, in->cap);
    }
    if (in->file) {
        got = zreader_read(in->file, in->buf + in->len, in->cap - in->len, &why);
    } else if (in->fill) {
        got = in->fill(in->fill_arg, in->buf + in->len, in->cap - in->len, &why);
    } else {
        size_t left = in->memory_octets - (size_t)in->read_at, room = in->cap - in->len;

        got = (int64_t)(left < room ? left : room);
        if (got)
            memcpy(in->buf + in->len, in->memory + in->read_at, (size_t)got);
    }
    if (got < 0) {
        if (!why.code)
            err_set(&why, EC_IO, "read '%s': failed", in->name);
        if (reterr)
            *reterr = why;
        return why.code;
    }
    in->eof = got == 0;
    in->len += (size_t)got;
    in->read_at += (uint64_t)got;
    return EC_OK;
}

enum ec csv_input_begin(struct csv_input *in, enum text_encoding wanted, uint64_t *ret_at, struct err *reterr)
{
    static const struct {
        const char *bom;
        size_t n;
        enum text_encoding encoding;
    } MARKS[] = { { "\xEF\xBB\xBF", 3, ENC_UTF8 }, { "\xFF\xFE", 2, ENC_UTF16LE }, { "\xFE\xFF", 2, ENC_UTF16BE } };
    enum ec rc = EC_OK;

    while (!rc && in->len < 3 && !in->eof) /* a stream may give one octet at a time */
        rc = csv_input_more(in, 0, reterr);
    if (rc)
        return rc;
    *ret_at = 0;
    in->encoding = wanted == ENC_AUTO ? ENC_UTF8 : wanted;
    for (size_t i = 0; i < COUNT(MARKS); i++) {
        if (in->len < MARKS[i].n || memcmp(in->buf, MARKS[i].bom, MARKS[i].n) ||
            (wanted != ENC_AUTO && wanted != MARKS[i].encoding))
            continue;
        in->encoding = MARKS[i].encoding;
        *ret_at = MARKS[i].n;
        break;
    }
    return EC_OK;
}

/* Index of the first CR or LF in p[0..n), n = none. */
static size_t find_end(enum text_encoding e, const char *p, size_t n)
{
    if (e == ENC_UTF16LE || e == ENC_UTF16BE) {
        size_t low = e == ENC_UTF16LE ? 0 : 1;

        for (size_t i = 0; i + 1 < n; i += 2)
            if (!p[i + 1 - low] && (p[i + low] == '\n' || p[i + low] == '\r'))
                return i;
    } else {
        const char *lf = n ? memchr(p, '\n', n) : NULL;
        size_t m = lf ? (size_t)(lf - p) : n;
        const char *cr = m ? memchr(p, '\r', m) : NULL;

        return cr ? (size_t)(cr - p) : m;
    }
    return n;
}

static bool is_unit(const struct csv_input *in, const char *p, char c)
{
    switch (in->encoding) {
    case ENC_UTF16LE: return p[0] == c && !p[1];
    case ENC_UTF16BE: return p[1] == c && !p[0];
    default: return p[0] == c;
    }
}

enum ec csv_input_line(struct csv_input *in, uint64_t keep, uint64_t at, size_t max, struct csv_line *ret,
                       struct err *reterr)
{
    size_t u = unit(in);

    for (;;) {
        const char *p = csv_input_at(in, at);
        size_t have = in->len - (size_t)(at - in->base), i = find_end(in->encoding, p, have);
        enum ec rc;

        *ret = (struct csv_line){ 0 };
        if (i < have) {
            bool cr = is_unit(in, p + i, '\r');

            /* Whether a CR is followed by LF must be seen before the line can be given out. */
            if (!cr || have - i >= 2 * u || in->eof) {
                ret->end = cr && have - i >= 2 * u && is_unit(in, p + i + u, '\n') ? 2 * u : u;
                ret->octets = i + ret->end;
                ret->too_long = ret->octets > max;
                return EC_OK;
            }
        } else if (in->eof) {
            ret->octets = have;
            ret->too_long = have > max;
            return EC_OK;
        }
        if (i > max) {
            ret->too_long = true;
            return EC_OK;
        }
        rc = csv_input_more(in, keep, reterr);
        if (rc)
            return rc;
    }
}

enum ec csv_input_skip(struct csv_input *in, uint64_t at, uint64_t *ret_at, struct err *reterr)
{
    size_t u = unit(in);

    for (;;) {
        struct csv_line l;
        size_t have;
        enum ec rc = csv_input_line(in, at, at, READ_OCTETS, &l, reterr);

        if (rc)
            return rc;
        if (l.octets || !l.too_long) {
            *ret_at = at + l.octets;
            return EC_OK;
        }
        /* No end among these, but the last unit may be the CR of a CRLF. */
        have = in->len - (size_t)(at - in->base);
        at += (have - u) / u * u;
    }
}

const char *csv_input_at(const struct csv_input *in, uint64_t at)
{
    return in->buf + (size_t)(at - in->base);
}

enum ec csv_input_seek(struct csv_input *in, uint64_t at, struct err *reterr)
{
    enum ec rc = EC_OK;

    if (in->file) {
        rc = zreader_seek(in->file, at, reterr);
    } else if (in->fill) {
        rc = err_set(reterr, EC_STATE, "'%s' cannot be read from the middle", in->name);
    } else if (at > in->memory_octets) {
        rc = err_set(reterr, EC_STATE, "'%s' has no octet %llu", in->name, (unsigned long long)at);
    }
    if (rc)
        return rc;
    in->len = 0;
    in->base = in->read_at = at;
    in->eof = false;
    return EC_OK;
}

void csv_input_borrow(struct csv_input *in, const char *p, size_t n, uint64_t offset)
{
    BUG_IF(in->buf && !in->borrowed, "octets borrowed in the place of a file's");
    in->buf = (char *)(uintptr_t)p; /* never written to: there is nothing to read on */
    in->len = n;
    in->base = offset;
    in->read_at = offset + n;
    in->borrowed = in->eof = true;
}

void csv_input_release(struct csv_input *in)
{
    zreader_close(in->file);
    if (!in->borrowed)
        free(in->buf);
    free(in->name);
    *in = (struct csv_input){ 0 };
}

/* Windows-1252 0x80..0x9F; 0 = not assigned. The rest is Latin-1. */
static const uint16_t CP1252[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

static bool add_cp(struct strbuf *out, uint32_t cp)
{
    char utf8[4];

    strbuf_add(out, utf8, utf8_encode(cp, utf8));
    return cp <= 0x10FFFF && !(cp >= 0xD800 && cp <= 0xDFFF);
}

static bool from_utf16(bool big, const unsigned char *p, size_t n, struct strbuf *out)
{
    bool good = true;

    for (size_t i = 0; i + 1 < n; i += 2) {
        uint32_t cp = big ? (uint32_t)p[i] << 8 | p[i + 1] : (uint32_t)p[i + 1] << 8 | p[i];

        if (cp >= 0xD800 && cp <= 0xDBFF && i + 3 < n) {
            uint32_t low = big ? (uint32_t)p[i + 2] << 8 | p[i + 3] : (uint32_t)p[i + 3] << 8 | p[i + 2];

            if (low >= 0xDC00 && low <= 0xDFFF) {
                cp = 0x10000 + ((cp - 0xD800) << 10) + (low - 0xDC00);
                i += 2;
            }
        }
        good &= add_cp(out, cp);
    }
    if (n % 2) /* half a unit at the end of the file */
        good &= add_cp(out, 0xD800);
    return good;
}

bool csv_to_utf8(enum text_encoding from, const char *p, size_t n, struct strbuf *out)
{
    const unsigned char *s = (const unsigned char *)p;
    bool good = true;

    if (from != ENC_CP1252)
        return from_utf16(from == ENC_UTF16BE, s, n, out);
    for (size_t i = 0; i < n; i++) {
        uint32_t cp = s[i] >= 0x80 && s[i] < 0xA0 ? CP1252[s[i] - 0x80] : s[i];

        good &= add_cp(out, !cp && s[i] ? 0xD800 : cp);
    }
    return good;
}

#include "loader/lineage.h"

#include "base/file.h"
#include "data/zio.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char MAGIC[] = "dmfsync lineage 1";
enum { FLUSH_OCTETS = 64 * 1024, HEAD_MAX = 8192 };

struct lineage {
    struct arena a;
    char *path, *part;
    struct zwriter *z;
    struct strbuf held;
    uint64_t line, offset; /* of the row before */
};

static char *path_of(const char *package, size_t entity, struct arena *a)
{
    return entity ? arena_printf(a, "%s.%zu.lines.zst", package, entity) : arena_printf(a, "%s.lines.zst", package);
}

static void stamp(const char *path, long long *octets, long long *mtime_ns)
{
    struct stat st;

    *octets = *mtime_ns = -1;
    if (stat(path, &st))
        return;
    *octets = (long long)st.st_size;
    *mtime_ns = (long long)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

enum ec lineage_new(const char *package, size_t entity, const char *source, struct lineage **ret, struct err *reterr)
{
    struct lineage *l = xcalloc(1, sizeof(*l));
    long long octets, mtime_ns;
    enum ec rc;

    l->path = path_of(package, entity, &l->a);
    l->part = arena_printf(&l->a, "%s.%zu.part", package, entity); /* not ".zst": entities may change places */
    rc = zwriter_open(l->part, 1, &l->z, reterr);
    if (rc) {
        lineage_abandon(l);
        return rc;
    }
    stamp(source, &octets, &mtime_ns);
    strbuf_addf(&l->held, "%s\n%s\n%lld %lld\n", MAGIC, source, octets, mtime_ns);
    *ret = l;
    return EC_OK;
}

static inline size_t put_varint(unsigned char *out, uint64_t v)
{
    size_t n = 0;

    for (; v >= 0x80; v >>= 7)
        out[n++] = (unsigned char)(v | 0x80);
    out[n++] = (unsigned char)v;
    return n;
}

enum ec lineage_add(struct lineage *l, uint64_t line, uint64_t offset, struct err *reterr)
{
    unsigned char two[20];
    size_t n = put_varint(two, line - l->line);
    enum ec rc = EC_OK;

    n += put_varint(two + n, offset - l->offset);
    strbuf_add(&l->held, two, n);
    l->line = line;
    l->offset = offset;
    if (l->held.len >= FLUSH_OCTETS) {
        rc = zwriter_add(l->z, l->held.buf, l->held.len, reterr);
        strbuf_reset(&l->held);
    }
    return rc;
}

void lineage_entity(struct lineage *l, const char *package, size_t entity)
{
    l->path = path_of(package, entity, &l->a);
}

enum ec lineage_close(struct lineage *l, struct err *reterr)
{
    enum ec rc = zwriter_add(l->z, l->held.buf, l->held.len, reterr), closed;

    closed = zwriter_close(l->z, rc ? NULL : reterr);
    l->z = NULL;
    rc = rc ? rc : closed;
    if (!rc)
        rc = file_publish(l->part, l->path, reterr);
    lineage_abandon(l);
    return rc;
}

void lineage_abandon(struct lineage *l)
{
    if (!l)
        return;
    if (l->z)
        zwriter_close(l->z, NULL);
    (void)unlink(l->part); /* not there any more when it was published */
    strbuf_release(&l->held);
    arena_release(&l->a);
    free(l);
}

/* ---- reading ---- */

struct octets {
    struct zreader *z;
    unsigned char buf[FLUSH_OCTETS];
    size_t n, at;
};

/* Next octet, -1 at the end, -2 on an error. */
static int next_octet(struct octets *o, struct err *reterr)
{
    if (o->at == o->n) {
        int64_t got = zreader_read(o->z, o->buf, sizeof(o->buf), reterr);

        if (got <= 0)
            return got < 0 ? -2 : -1;
        o->n = (size_t)got;
        o->at = 0;
    }
    return o->buf[o->at++];
}

static int next_varint(struct octets *o, uint64_t *ret, struct err *reterr)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        int c = next_octet(o, reterr);

        if (c < 0)
            return shift ? -2 : c;
        v |= (uint64_t)(c & 0x7F) << shift;
        if (!(c & 0x80)) {
            *ret = v;
            return 0;
        }
    }
    return -2;
}

static bool next_text(struct octets *o, struct strbuf *ret, struct err *reterr)
{
    int c;

    strbuf_reset(ret);
    while ((c = next_octet(o, reterr)) >= 0 && c != '\n' && ret->len < HEAD_MAX)
        strbuf_addc(ret, (char)c);
    return c == '\n';
}

static enum ec damaged(const char *path, struct err *reterr)
{
    if (reterr && reterr->code)
        return reterr->code;
    return err_set(reterr, EC_FORMAT, "'%s' is damaged", path);
}

static enum ec find(struct octets *o, const char *path, uint64_t row, struct arena *a, struct lineage_place *ret,
                    struct err *reterr)
{
    struct strbuf text = STRBUF(0);
    long long octets = 0, mtime_ns = 0, now_octets, now_ns;
    enum ec rc = EC_OK;
    uint64_t at = 0, line, offset;

    *ret = (struct lineage_place){ 0 };
    if (!next_text(o, &text, reterr) || strcmp(strbuf_str(&text), MAGIC) || !next_text(o, &text, reterr)) {
        rc = damaged(path, reterr);
        goto out;
    }
    ret->source = arena_dup(a, strbuf_str(&text), text.len);
    if (!next_text(o, &text, reterr) || sscanf(strbuf_str(&text), "%lld %lld", &octets, &mtime_ns) != 2) {
        rc = damaged(path, reterr);
        goto out;
    }
    stamp(ret->source, &now_octets, &now_ns);
    ret->changed = octets != now_octets || mtime_ns != now_ns;
    while (at < row) {
        int got = next_varint(o, &line, reterr);

        if (got == -1) {
            rc = err_set(reterr, EC_NOTFOUND, "the package has no data row %llu, it has %llu",
                         (unsigned long long)row, (unsigned long long)at);
            goto out;
        }
        if (got || next_varint(o, &offset, reterr)) {
            rc = damaged(path, reterr);
            goto out;
        }
        ret->line += line;
        ret->offset += offset;
        at++;
    }
out:
    strbuf_release(&text);
    return rc;
}

enum ec lineage_find(const char *package, size_t entity, uint64_t row, struct arena *a, struct lineage_place *ret,
                     struct err *reterr)
{
    char *path = path_of(package, entity, a);
    struct octets *o;
    enum ec rc;

    if (!file_exists(path)) {
        err_set(reterr, EC_NOTFOUND, "no lineage '%s' stands beside the package", path);
        return err_hint(reterr, "dmfsync writes it with the packages that it builds; keep the two together");
    }
    o = xcalloc(1, sizeof(*o));
    rc = zreader_open(path, &o->z, reterr);
    if (!rc)
        rc = find(o, path, row ? row : 1, a, ret, reterr);
    zreader_close(o->z);
    free(o);
    return rc;
}

/*
 * Shared strings: any cell may name any of them, so they must be reachable by number, and there may be more than memory
 * should hold. Two files, the texts and where each begins, read through a few pages each.
 */
#include "dmf/xlsx_parts.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 64, WRITE_OCTETS = 65536 };
struct paged {
    int fd;
    char *path; /* for messages; the file has no name any more */
    uint64_t octets; /* written to the file */
    struct strbuf held; /* not yet written */
    char *pages; /* PAGES of them, page i in slot i % PAGES */
    uint64_t in_slot[PAGES]; /* page number + 1, 0 = empty */
};
struct xlsx_strings {
    struct paged text, index;
    uint64_t n;
};

static enum ec paged_open(struct paged *p, const char *tmp_dir, struct err *reterr)
{
    p->path = xmalloc(strlen(tmp_dir) + 20);
    strcpy(p->path, tmp_dir);
    strcat(p->path, "/strings-XXXXXX");
    p->fd = mkostemp(p->path, O_CLOEXEC);
    if (p->fd < 0)
        return err_errno(reterr, EC_IO, errno, "create a file in '%s'", tmp_dir);
    (void)unlink(p->path);
    return EC_OK;
}

static enum ec paged_flush(struct paged *p, struct err *reterr)
{
    enum ec rc = file_write_all(p->fd, p->held.buf, p->held.len, p->path, reterr);

    p->octets += p->held.len;
    strbuf_reset(&p->held);
    return rc;
}

static enum ec paged_add(struct paged *p, const void *octets, size_t n, struct err *reterr)
{
    strbuf_add(&p->held, octets, n);
    return p->held.len >= WRITE_OCTETS ? paged_flush(p, reterr) : EC_OK;
}

static enum ec load_page(struct paged *p, uint64_t page, char **ret, struct err *reterr)
{
    size_t slot = page % PAGES, have = 0, want = PAGE;

    if (!p->pages)
        p->pages = xmalloc((size_t)PAGE * PAGES);
    *ret = p->pages + slot * PAGE;
    if (p->in_slot[slot] == page + 1)
        return EC_OK;
    p->in_slot[slot] = 0;
    if (p->octets - page * PAGE < PAGE)
        want = (size_t)(p->octets - page * PAGE);
    while (have < want) {
        ssize_t got = pread(p->fd, *ret + have, want - have, (off_t)(page * PAGE + have));

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return err_errno(reterr, EC_IO, got ? errno : EIO, "read '%s'", p->path);
        have += (size_t)got;
    }
    p->in_slot[slot] = page + 1;
    return EC_OK;
}

static enum ec paged_get(struct paged *p, uint64_t at, size_t n, struct strbuf *out, struct err *reterr)
{
    while (n) {
        size_t in_page = at % PAGE, k = PAGE - in_page;
        char *page;
        enum ec rc = load_page(p, at / PAGE, &page, reterr);

        if (rc)
            return rc;
        k = k < n ? k : n;
        strbuf_add(out, page + in_page, k);
        at += k;
        n -= k;
    }
    return EC_OK;
}

static void paged_close(struct paged *p)
{
    if (p->fd >= 0)
        close(p->fd);
    free(p->path);
    free(p->pages);
    strbuf_release(&p->held);
}

enum ec xlsx_text(struct xml_stream *in, struct strbuf *out, struct err *reterr)
{
    int depth = xmlTextReaderDepth(in->reader), got, phonetic = -1;
    size_t from = out->len;
    bool in_text = false;

    if (xmlTextReaderIsEmptyElement(in->reader) == 1)
        return EC_OK;
    while ((got = xml_stream_next(in, reterr)) == 1) {
        int type = xml_type(in), at = xmlTextReaderDepth(in->reader);

        if (type == XML_READER_TYPE_END_ELEMENT) {
            if (at == depth) {
                xlsx_unescape(out, from);
                return EC_OK;
            }
            in_text = false;
            phonetic = at == phonetic ? -1 : phonetic;
        } else if (type == XML_READER_TYPE_ELEMENT && xmlTextReaderIsEmptyElement(in->reader) != 1) {
            in_text = phonetic < 0 && !strcmp(xml_name(in), "t");
            if (phonetic < 0 && !strcmp(xml_name(in), "rPh"))
                phonetic = at;
        } else if (in_text && xml_is_text(type)) {
            strbuf_adds(out, (const char *)xmlTextReaderConstValue(in->reader));
            if (out->len > XLSX_MAX_ROW_OCTETS)
                return xml_stream_fail(in, "more text than a row can have", reterr);
        }
    }
    return got < 0 ? xml_stream_code(in) : xml_stream_fail(in, NULL, reterr);
}

static enum ec add_string(struct xlsx_strings *s, struct xml_stream *in, struct strbuf *text, struct err *reterr)
{
    uint64_t at = s->text.octets + s->text.held.len;
    enum ec rc;

    strbuf_reset(text);
    rc = xlsx_text(in, text, reterr);
    if (!rc)
        rc = paged_add(&s->index, &at, sizeof(at), reterr);
    if (!rc && text->len)
        rc = paged_add(&s->text, text->buf, text->len, reterr);
    s->n++;
    return rc;
}

enum ec xlsx_strings_open(struct dmf_zip *zip, int64_t member, const char *tmp_dir, struct xlsx_strings **ret,
                          struct err *reterr)
{
    struct xlsx_strings *s = xcalloc(1, sizeof(*s));
    struct strbuf text = STRBUF(0);
    struct xlsx_part part = { 0 };
    uint64_t end;
    int got = 0;
    enum ec rc;

    s->text.fd = s->index.fd = -1;
    rc = paged_open(&s->text, tmp_dir, reterr);
    if (!rc)
        rc = paged_open(&s->index, tmp_dir, reterr);
    if (!rc)
        rc = xlsx_part_open(&part, zip, member, reterr);
    while (!rc && (got = xml_stream_next(&part.in, reterr)) == 1)
        if (xml_type(&part.in) == XML_READER_TYPE_ELEMENT && !strcmp(xml_name(&part.in), "si"))
            rc = add_string(s, &part.in, &text, reterr);
    if (!rc && got < 0)
        rc = xml_stream_code(&part.in);
    end = s->text.octets + s->text.held.len;
    if (!rc)
        rc = paged_add(&s->index, &end, sizeof(end), reterr);
    if (!rc)
        rc = paged_flush(&s->index, reterr);
    if (!rc)
        rc = paged_flush(&s->text, reterr);
    xlsx_part_close(&part);
    strbuf_release(&text);
    if (rc)
        xlsx_strings_close(s);
    else
        *ret = s;
    return rc;
}

uint64_t xlsx_strings_count(const struct xlsx_strings *s)
{
    return s ? s->n : 0;
}

enum ec xlsx_strings_get(struct xlsx_strings *s, uint64_t i, size_t max, struct strbuf *out, struct err *reterr)
{
    uint64_t bounds[2];
    char store[2 * sizeof(uint64_t) + 1];
    struct strbuf both = { .buf = store, .cap = sizeof(store) };
    enum ec rc = paged_get(&s->index, i * sizeof(uint64_t), sizeof(bounds), &both, reterr);

    if (rc)
        return rc;
    memcpy(bounds, store, sizeof(bounds));
    if (bounds[1] - bounds[0] > max)
        return err_set(reterr, EC_LIMIT, "a row with more text than %d octets", XLSX_MAX_ROW_OCTETS);
    return paged_get(&s->text, bounds[0], (size_t)(bounds[1] - bounds[0]), out, reterr);
}

void xlsx_strings_close(struct xlsx_strings *s)
{
    if (!s)
        return;
    paged_close(&s->text);
    paged_close(&s->index);
    free(s);
}

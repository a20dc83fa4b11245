/*
 * fuzz_package.c -- any octets as a data package: opened, and all rows of all entities read. Whatever comes of it, an error
 * has its text and cells are UTF-8.
 * Octet 0: 0 = the rest is a zip. 1 = the rest is members, "\x1E" NAME "\x1F" TEXT and so on, in a zip without a fault.
 * 2 = the same, and the last 8 octets are two changes of the zip: place from its end (16 bits), then two octets.
 */
#include "fuzz_zip.h"

static void build(struct fuzz_zip *z, const char *p, size_t n)
{
    const char *end = p + n;

    for (p = memchr(p, 0x1E, n); p;) {
        const char *name = p + 1, *text = memchr(name, 0x1F, (size_t)(end - name));
        size_t len;

        if (!text)
            break;
        p = memchr(text, 0x1E, (size_t)(end - text));
        len = (size_t)((p ? p : end) - text - 1);
        fuzz_zip_add(z, name, (size_t)(text - name), text + 1, len);
    }
    fuzz_zip_end(z);
}

static void change(struct fuzz_zip *z, const unsigned char *p)
{
    for (int i = 0; i < 2; i++, p += 4) {
        size_t back = (size_t)(p[0] | p[1] << 8);

        if (back + 2 < z->out.len)
            memcpy(z->out.buf + z->out.len - back - 2, p + 2, 2);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct dmf_limits LIMITS = { .max_member = 1 << 20, .max_members = 50 };
    struct fuzz_zip z = { 0 };
    struct dmf_reader *r = NULL;
    struct strbuf out = STRBUF(0);
    struct err e = { 0 };
    char path[40];
    enum ec rc;
    int fd;

    if (!size || size > 1 << 16)
        return 0;
    if (data[0] % 3 == 0) {
        strbuf_add(&z.out, data + 1, size - 1);
    } else if (data[0] % 3 == 2 && size > 9) {
        build(&z, (const char *)data + 1, size - 9);
        change(&z, data + size - 8);
    } else {
        build(&z, (const char *)data + 1, size - 1);
    }
    fd = fuzz_file(strbuf_str(&z.out), z.out.len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    rc = dmf_reader_open(path, "/tmp", &LIMITS, &r, &e);
    MUST((rc == EC_OK) == (r != NULL));
    MUST(!rc || (e.code == rc && e.msg[0] && fuzz_is_text(cell_of(e.msg))));
    MUST(rc == EC_OK || rc == EC_FORMAT || rc == EC_LIMIT);
    for (size_t i = 0; r && i < dmf_reader_package(r)->n && i < 5; i++) {
        strbuf_reset(&out);
        (void)fuzz_rows(r, i, NULL, &out);
    }
    dmf_reader_close(r);
    close(fd);
    fuzz_zip_release(&z);
    strbuf_release(&out);
    return 0;
}

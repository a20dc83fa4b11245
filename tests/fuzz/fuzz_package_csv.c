/*
 * fuzz_package_csv.c -- any octets as the CSV file of a package. Cells are UTF-8; a file that is valid UTF-8 has the same
 * rows when it comes as UTF-16.
 * Octet 0 chooses delimiter and qualifier, the rest is the file.
 */
#include "fuzz_zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dmf_format f = { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"' };
    struct strbuf one = STRBUF(0), two = STRBUF(0), wide = STRBUF(0);
    struct dmf_reader *r;
    const char *p = (const char *)data + 1;
    size_t n = size - 1;
    enum ec rc;

    if (!size || size > 1 << 14)
        return 0;
    f.delimiter = ",;\t|"[data[0] % 4];
    f.qualifier = "\"'"[data[0] / 4 % 3 % 2];
    if (data[0] / 4 % 3 == 2)
        f.qualifier = 0;
    r = fuzz_package(p, n);
    rc = fuzz_rows(r, 0, &f, &one);
    dmf_reader_close(r);
    /* A BOM in front, or NUL octets: another encoding is meant. */
    if (utf8_valid_prefix(p, n) == n && !memchr(p, 0, n) && !(n >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3)) &&
        !(n >= 4 && !memcmp(p, "PK\3\4", 4)) && n) {
        fuzz_widen(&wide, p, n);
        r = fuzz_package(wide.buf, wide.len);
        MUST(fuzz_rows(r, 0, &f, &two) == rc);
        MUST(rc || (one.len == two.len && (!one.len || !memcmp(one.buf, two.buf, one.len))));
        dmf_reader_close(r);
    }
    strbuf_release(&one);
    strbuf_release(&two);
    strbuf_release(&wide);
    return 0;
}

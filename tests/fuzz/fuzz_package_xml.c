/*
 * fuzz_package_xml.c -- any octets as the XML file of a package. Cells are UTF-8; a file that is valid UTF-8 and has an end
 * has the same rows when it comes as UTF-16. A DOCTYPE never gets through.
 */
#include "fuzz_zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char START[] = "<Document>";
    struct strbuf text = STRBUF(0), one = STRBUF(0), two = STRBUF(0), wide = STRBUF(0);
    struct dmf_reader *r;
    enum ec rc;

    if (!size || size > 1 << 14)
        return 0;
    if (data[0] % 2) /* the beginning that most inputs would not find */
        strbuf_adds(&text, START);
    strbuf_add(&text, data + 1, size - 1);
    if (data[0] % 4 == 3)
        strbuf_adds(&text, "</Document>");
    strbuf_reserve(&text, 1);
    r = fuzz_package(strbuf_str(&text), text.len);
    rc = fuzz_rows(r, 0, NULL, &one);
    dmf_reader_close(r);
    if (text.len && text.buf[0] == '<' && utf8_valid_prefix(text.buf, text.len) == text.len &&
        !memchr(text.buf, 0, text.len) && !memmem(text.buf, text.len, "encoding", 8)) {
        fuzz_widen(&wide, text.buf, text.len);
        r = fuzz_package(wide.buf, wide.len);
        MUST(fuzz_rows(r, 0, NULL, &two) == rc);
        MUST(rc || (one.len == two.len && (!one.len || !memcmp(one.buf, two.buf, one.len))));
        dmf_reader_close(r);
    }
    strbuf_release(&text);
    strbuf_release(&one);
    strbuf_release(&two);
    strbuf_release(&wide);
    return 0;
}

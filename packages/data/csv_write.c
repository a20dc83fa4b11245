#include "data/csv.h"

void csv_add(struct strbuf *out, struct cell c, char delimiter)
{
    bool quote = c.ptr && !c.len; /* an empty text must not come back as absent */

    if (cell_absent(c))
        return;
    for (size_t i = 0; i < c.len && !quote; i++)
        quote = c.ptr[i] == delimiter || c.ptr[i] == '"' || c.ptr[i] == '\r' || c.ptr[i] == '\n';
    if (!quote)
        quote = c.ptr[0] == ' ' || c.ptr[0] == '\t' || c.ptr[c.len - 1] == ' ' || c.ptr[c.len - 1] == '\t';
    if (!quote) {
        strbuf_add(out, c.ptr, c.len);
        return;
    }
    strbuf_addc(out, '"');
    for (size_t i = 0; i < c.len; i++) {
        if (c.ptr[i] == '"')
            strbuf_addc(out, '"');
        strbuf_addc(out, c.ptr[i]);
    }
    strbuf_addc(out, '"');
}

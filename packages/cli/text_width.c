#include "cli/text_width.h"

static size_t width_of(uint32_t cp)
{
    if ((cp >= 0x300 && cp <= 0x36f) || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0xfe00 && cp <= 0xfe0f))
        return 0; /* combining marks, joiners, variation selectors */
    if ((cp >= 0x1100 && cp <= 0x115f) || (cp >= 0x2e80 && cp <= 0xa4cf) || (cp >= 0xac00 && cp <= 0xd7a3) ||
        (cp >= 0xf900 && cp <= 0xfaff) || (cp >= 0xfe30 && cp <= 0xfe6f) || (cp >= 0xff00 && cp <= 0xff60) ||
        (cp >= 0xffe0 && cp <= 0xffe6) || (cp >= 0x1f300 && cp <= 0x1faff) || (cp >= 0x20000 && cp <= 0x3fffd))
        return 2;
    return 1;
}

struct cell text_cut(struct cell c, size_t width)
{
    size_t used = 0, i = 0;

    while (i < c.len) {
        uint32_t cp = '?';
        size_t n = utf8_decode(c.ptr + i, c.len - i, &cp);
        size_t w = width_of(cp);

        if (used + w > width)
            break;
        used += w;
        i += n ? n : 1;
    }
    return (struct cell){ c.ptr, i };
}

size_t text_width(struct cell c)
{
    size_t used = 0;

    for (size_t i = 0; i < c.len;) {
        uint32_t cp = '?';
        size_t n = utf8_decode(c.ptr + i, c.len - i, &cp);

        used += width_of(cp);
        i += n ? n : 1;
    }
    return used;
}

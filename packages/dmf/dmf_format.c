#include "dmf/dmf.h"

#include <strings.h>

char *dmf_file_name(struct cell label, const char *extension, struct arena *a)
{
    char *name = arena_alloc(a, label.len + strlen(extension) + 1);
    size_t n = 0;

    for (size_t i = 0; i < label.len; i++) {
        unsigned char c = (unsigned char)label.ptr[i];

        if (c >= 0x20 && c != 0x7F && !strchr("\\/:*?\"<>|", c)) /* dropped, not replaced */
            name[n++] = (char)c;
    }
    memcpy(name + n, extension, strlen(extension) + 1);
    return name;
}

bool dmf_format_named(const char *name, struct dmf_format *ret)
{
    static const struct {
        const char *name;
        struct dmf_format format;
    } KNOWN[] = {
        { "CSV-Unicode", { .kind = DMF_CSV, .utf16 = true, .delimiter = ',', .qualifier = '"', .row_end = "\r\n" } },
        { "CSV-UTF8", { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"', .row_end = "\r\n" } },
        { "XML-Element", { .kind = DMF_XML_ELEMENT, .row_end = "\r\n" } },
        { "XML-Attribute", { .kind = DMF_XML_ATTRIBUTE, .row_end = "\r\n" } },
    };

    for (size_t i = 0; i < COUNT(KNOWN); i++)
        if (!strcasecmp(name, KNOWN[i].name)) {
            *ret = KNOWN[i].format;
            return true;
        }
    return false;
}

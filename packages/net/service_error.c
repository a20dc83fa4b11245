/* service_error.c -- the sentence a service wants us to read, out of whatever it sent. */
#include "net/session.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Dataverse writes its codes as hex of either case or as signed decimals: one spelling for all. */
static void normal_code(struct cell c, char ret[static 40])
{
    char text[40];
    char *end;
    long long v;

    snprintf(text, sizeof(text), "%.*s", (int)(c.len > 39 ? 39 : c.len), c.ptr ? c.ptr : "");
    v = strtoll(text, &end, 0);
    if (text[0] && end != text && !*end && (v < 0 || !strncasecmp(text, "0x", 2)))
        snprintf(ret, 40, "0x%08x", (unsigned)(uint32_t)v);
    else
        snprintf(ret, 40, "%s", text);
}

static const char *one_line(struct arena *a, struct cell c)
{
    /* Cut between characters, not inside one. */
    size_t n = c.len > 900 ? utf8_valid_prefix(c.ptr, 900) : c.len;
    char *s = arena_dup(a, c.ptr, n ? n : c.len > 900 ? 900 : c.len), *out = s;
    bool blank = false;

    for (const char *p = s; *p; p++) {
        if (isspace((unsigned char)*p)) {
            blank = out != s;
        } else {
            if (blank)
                *out++ = ' ';
            blank = false;
            *out++ = *p;
        }
    }
    *out = 0;
    return s;
}

/* "Exception occurred while executing action ImportFromPackage on Entity DataManagementDefinitionGroup: TEXT" */
static struct cell strip_prefix(struct cell c)
{
    static const char MARK[] = " on Entity DataManagementDefinitionGroup: ";
    const char *p = c.len > 30 && !memcmp(c.ptr, "Exception occurred while", 24)
                        ? memmem(c.ptr, c.len, MARK, sizeof(MARK) - 1)
                        : NULL;

    if (p) {
        p += sizeof(MARK) - 1;
        c.len -= (size_t)(p - c.ptr);
        c.ptr = p;
    }
    return c;
}

static struct cell between(const char *text, const char *open, const char *close)
{
    const char *p = strstr(text, open), *e;

    if (!p)
        return CELL_ABSENT;
    p += strlen(open);
    e = strstr(p, close);
    return e ? (struct cell){ p, (size_t)(e - p) } : CELL_ABSENT;
}

const char *service_error_text(const struct http_response *r, struct arena *a, char ret_code[static 40])
{
    const char *body = strbuf_str(&r->body);
    struct json *v = NULL;
    struct cell text = CELL_ABSENT, code = CELL_ABSENT;

    ret_code[0] = 0;
    if (!r->body.len)
        return arena_printf(a, "HTTP %d without a text", r->status);
    if (!json_parse("error", body, r->body.len, &(struct json_limits){ .octets = 1 << 20 }, a, &v, NULL)) {
        const struct json *e = json_get(v, "error"), *inner = json_get(e, "innererror");

        code = json_member(e, "code");
        text = json_member(inner, "message");
        if (cell_blank(text))
            text = json_member(e, "message");
        if (cell_blank(text))
            text = json_member(v, "Message");
        if (cell_blank(text) && e && e->type == JSON_STRING)
            text = json_member(v, "error_description");
    } else if (strstr(body, "<Error>")) {
        code = between(body, "<Code>", "</Code>");
        text = between(body, "<Message>", "</Message>");
    }
    if (!cell_blank(code))
        normal_code(code, ret_code);
    if (!cell_blank(text))
        return one_line(a, strip_prefix(text));
    if (body[0] == '<')
        return arena_printf(a, "HTTP %d with a page instead of a message", r->status);
    return one_line(a, (struct cell){ body, r->body.len > 300 ? 300 : r->body.len });
}

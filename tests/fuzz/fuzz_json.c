/*
 * fuzz_json.c -- any octets as JSON. Whole and in pieces they are taken or refused alike; what is taken is UTF-8, is
 * written as JSON again, and that reads as the same.
 */
#include "fuzz_must.h"

#include "data/json.h"

static void check_texts(const struct json *v)
{
    MUST(!v->text.len || utf8_valid_prefix(v->text.ptr, v->text.len) == v->text.len);
    MUST(!v->name.len || utf8_valid_prefix(v->name.ptr, v->name.len) == v->name.len);
    for (const struct json *m = v->child; m; m = m->next)
        check_texts(m);
}

static enum ec add_row(void *arg, const struct json *row, struct err *reterr)
{
    struct json *all = ((void **)arg)[0];
    struct arena *a = ((void **)arg)[1];
    struct strbuf text = { 0 };
    struct json *copy = NULL;
    enum ec rc;

    json_write(&text, row);
    rc = json_parse("row", text.buf, text.len, NULL, a, &copy, reterr);
    MUST(rc == EC_OK);
    json_append(all, copy);
    strbuf_release(&text);
    return EC_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct json_limits LIMITS = { .octets = 5000, .depth = 20, .token = 300 };
    struct arena a = { 0 };
    struct json *v = NULL;
    struct strbuf text = { 0 }, again = { 0 };
    enum ec rc = json_parse("x", (const char *)data, size, &LIMITS, &a, &v, NULL);

    if (!rc) {
        struct json *back = NULL;

        check_texts(v);
        json_write(&text, v);
        MUST(json_parse("again", text.buf, text.len, NULL, &a, &back, NULL) == EC_OK);
        json_write(&again, back);
        MUST(text.len == again.len && !memcmp(text.buf, again.buf, text.len));
        strbuf_reset(&again);
        json_write_pretty(&again, v);
        MUST(json_parse("pretty", again.buf, again.len, NULL, &a, &back, NULL) == EC_OK);
        strbuf_reset(&again);
        json_write(&again, back);
        MUST(text.len == again.len && !memcmp(text.buf, again.buf, text.len));
    }
    for (size_t step = 1; step < 8; step += 3) {
        struct json *all = json_new(&a, JSON_ARRAY, CELL_ABSENT);
        void *arg[2] = { all, &a };
        struct json_rows *r = json_rows_new("x", &LIMITS, add_row, arg);
        const struct json *env = NULL;
        enum ec rows_rc = EC_OK;

        for (size_t at = 0; at < size && !rows_rc; at += step)
            rows_rc = json_rows_feed(r, (const char *)data + at, size - at < step ? size - at : step, NULL);
        if (!rows_rc)
            rows_rc = json_rows_end(r, &env, NULL);
        MUST(!rc == !rows_rc);
        if (!rc) { /* with the rows put back, the envelope is the whole */
            struct json *value = (struct json *)(uintptr_t)json_get(env, "value");

            if (value && value->type == JSON_ARRAY) {
                value->child = all->child;
                value->last = all->last;
                value->n = all->n;
            }
            strbuf_reset(&again);
            json_write(&again, env);
            MUST(text.len == again.len && !memcmp(text.buf, again.buf, text.len));
        }
        json_rows_free(r);
    }
    strbuf_release(&text);
    strbuf_release(&again);
    arena_release(&a);
    return 0;
}

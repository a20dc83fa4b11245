/*
 * Memory of reading does not grow with the package: each format at two sizes, in a process of its own, whose peaks are
 * compared. DMFSYNC_BIG=1 takes 100 MB and 1 GB of data in place of 8 and 64 MB.
 */
#include "dmf_zip.h"

#include "dmf/xlsx.h"

#include <sys/resource.h>
#include <sys/wait.h>

enum shape { CSV8, CSV16, XML, EXCEL_INLINE, EXCEL_SHARED };

/* Rows written when they are asked for, so that the package costs no memory either. */
struct content {
    enum shape shape;
    bool strings; /* the shared texts of EXCEL_SHARED, not its rows */
    uint64_t rows, row;
    int stage; /* 0 = before the rows, 1 = in them, 2 = behind them, 3 = at the end */
    struct strbuf line;
    size_t at;
    zip_error_t error;
};
/* Filler, so that Excel's 1,048,576 rows are enough for a gigabyte. */
static const char FILLER[] = "the quick brown fox jumps over the lazy dog and has done so for as long as anybody "
                             "can remember, in every office that ever had a typewriter; ";
enum { REPEATED = 7 };

static void text_of(struct content *c, uint64_t i)
{
    strbuf_addf(&c->line, "Text %llu ", (unsigned long long)i);
    for (int k = 0; k < REPEATED; k++)
        strbuf_add(&c->line, FILLER, sizeof(FILLER) - 1);
}

static void one_row(struct content *c)
{
    uint64_t i = c->row++;
    bool excel = c->shape >= EXCEL_INLINE;

    if (c->strings) {
        strbuf_adds(&c->line, "<si><t>");
        text_of(c, i);
        strbuf_adds(&c->line, "</t></si>");
        return;
    }
    strbuf_addf(&c->line,
                excel             ? "<row><c><v>%llu</v></c>"
                : c->shape == XML ? "<W><Code>%llu</Code><NAME>"
                                  : "%llu,",
                (unsigned long long)i);
    if (c->shape == EXCEL_SHARED)
        strbuf_addf(&c->line, "<c t=\"s\"><v>%llu</v></c>", (unsigned long long)(i * 7919 % c->rows));
    else if (excel)
        strbuf_adds(&c->line, "<c t=\"inlineStr\"><is><t>");
    if (c->shape == CSV8 || c->shape == CSV16)
        strbuf_addf(&c->line, "\"Text %llu\"", (unsigned long long)i);
    else if (c->shape != EXCEL_SHARED)
        text_of(c, i);
    strbuf_adds(&c->line, c->shape == EXCEL_INLINE   ? "</t></is></c></row>"
                          : c->shape == EXCEL_SHARED ? "</row>"
                          : c->shape == XML          ? "</NAME></W>\n"
                                                     : "\r\n");
}

static void frame(struct content *c, bool end)
{
    static const char *const FRAMES[][2] = {
        { "Code,NAME\r\n", "" },
        { "Code,NAME\r\n", "" },
        { "<Document>", "</Document>" },
        { "<worksheet><sheetData><row><c t=\"str\"><v>Code</v></c><c t=\"str\"><v>NAME</v></c></row>",
          "</sheetData></worksheet>" },
        { "<worksheet><sheetData><row><c t=\"str\"><v>Code</v></c><c t=\"str\"><v>NAME</v></c></row>",
          "</sheetData></worksheet>" },
    };

    if (c->strings)
        strbuf_adds(&c->line, end ? "</sst>" : "<sst>");
    else
        strbuf_adds(&c->line, FRAMES[c->shape][end]);
}

static void more(struct content *c)
{
    strbuf_reset(&c->line);
    c->at = 0;
    if (!c->stage++)
        frame(c, false);
    else if (c->row < c->rows)
        for (c->stage = 1; c->line.len < 65536 && c->row < c->rows;)
            one_row(c);
    else if (c->stage == 2)
        frame(c, true);
    if (c->shape == CSV16 && c->line.len) { /* ASCII only */
        strbuf_reserve(&c->line, c->line.len + 1);
        for (size_t i = c->line.len; i-- > 0;) {
            c->line.buf[2 * i] = c->line.buf[i];
            c->line.buf[2 * i + 1] = 0;
        }
        c->line.len *= 2;
    }
}

static zip_int64_t source(void *arg, void *data, zip_uint64_t len, zip_source_cmd_t cmd)
{
    struct content *c = arg;
    size_t n;

    switch (cmd) {
    case ZIP_SOURCE_OPEN:
        c->row = 0, c->stage = 0, c->at = 0;
        strbuf_reset(&c->line);
        return 0;
    case ZIP_SOURCE_READ:
        while (c->at == c->line.len && c->stage < 3)
            more(c);
        n = c->line.len - c->at;
        n = n < len ? n : (size_t)len;
        memcpy(data, strbuf_str(&c->line) + c->at, n);
        c->at += n;
        return (zip_int64_t)n;
    case ZIP_SOURCE_STAT: zip_stat_init(data); return sizeof(zip_stat_t);
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&c->error, data, len);
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
                                              ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, -1);
    default: return 0;
    }
}

static void add(zip_t *z, const char *name, struct content *c, const char *text)
{
    zip_source_t *s = c ? zip_source_function(z, source, c) : zip_source_buffer(z, text, strlen(text), 0);
    zip_int64_t at = zip_file_add(z, name, s, ZIP_FL_ENC_UTF_8);

    CHECK(at >= 0, "%s", zip_strerror(z));
    (void)zip_set_file_compression(z, (zip_uint64_t)at, ZIP_CM_DEFLATE, 1);
}

static uint64_t generate(enum shape shape, uint64_t octets)
{
    static const unsigned WIDTH[] = { 25, 50, 1041, 1061, 1021 };
    struct content c = { .shape = shape, .rows = octets / WIDTH[shape] }, strings = c;
    bool excel = shape >= EXCEL_INLINE;
    const char *path = excel ? "big.xlsx" : "big.zip";
    int zerr;
    zip_t *z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &zerr);

    assert_non_null(z);
    strings.strings = true;
    if (excel) {
        add(z, "xl/workbook.xml", NULL, "<workbook><sheets><sheet name=\"S\" id=\"a\"/></sheets></workbook>");
        add(z, "xl/_rels/workbook.xml.rels", NULL,
            "<Relationships><Relationship Id=\"a\" Type=\"x/worksheet\" Target=\"s.xml\"/><Relationship Id=\"b\" "
            "Type=\"x/sharedStrings\" Target=\"t.xml\"/></Relationships>");
        add(z, "xl/s.xml", &c, NULL);
        if (shape == EXCEL_SHARED)
            add(z, "xl/t.xml", &strings, NULL);
    } else {
        add(z, "PackageHeader.xml", NULL, HEADER);
        add(z, "Manifest.xml", NULL, MANIFEST);
        add(z, "w.csv", &c, NULL);
    }
    CHECK(!zip_close(z), "%s", zip_strerror(z));
    strbuf_release(&c.line);
    strbuf_release(&strings.line);
    return c.rows;
}

static uint64_t read_package(void)
{
    struct dmf_format f = { .kind = DMF_CSV, .delimiter = ',', .qualifier = '"' };
    struct dmf_reader *r = NULL;
    struct dmf_rows *s = NULL;
    struct arena a = { 0 };
    struct err e = { 0 };
    uint64_t n = 0;
    bool going = true;

    CHECK_OK(dmf_reader_open("big.zip", "tmp", NULL, &r, &e), &e);
    CHECK_OK(dmf_rows_open(r, 0, &f, &s, &e), &e);
    while (going) {
        struct cell *cells;
        const char *fault;
        size_t m;

        arena_reset(&a);
        CHECK_OK(dmf_rows_next(s, &a, &cells, &m, &fault, &going, &e), &e);
        n += going && !fault;
    }
    dmf_rows_close(s);
    dmf_reader_close(r);
    arena_release(&a);
    return n;
}

static uint64_t read_workbook(void)
{
    struct xlsx_options o = { .tmp_dir = "tmp" };
    struct xlsx_reader *x = NULL;
    struct arena a = { 0 };
    struct err e = { 0 };
    struct xlsx_row row;
    uint64_t n = 0;
    bool going = true;

    CHECK_OK(xlsx_open("big.xlsx", &o, &x, &e), &e);
    while (going) {
        arena_reset(&a);
        CHECK_OK(xlsx_next(x, &a, &row, &going, &e), &e);
        n += going && !row.fault && row.cells[1].len;
    }
    xlsx_close(x);
    arena_release(&a);
    return n;
}

/* Peak in KiB of a process that reads what a process before it has made; *ret_ms: processor time that it took. */
static long peak_of(enum shape shape, uint64_t octets, long *ret_ms)
{
    struct rusage use;
    uint64_t made = 0;
    int fds[2], status;
    pid_t pid;

    for (int reading = 0; reading < 2; reading++) {
        uint64_t rows = 0;

        assert_int_equal(pipe(fds), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (!pid) {
            rows = !reading ? generate(shape, octets) : shape >= EXCEL_INLINE ? read_workbook() : read_package();
            _exit(write(fds[1], &rows, sizeof(rows)) != sizeof(rows));
        }
        close(fds[1]);
        status = 1;
        (void)!read(fds[0], &rows, sizeof(rows));
        close(fds[0]);
        assert_int_equal(wait4(pid, &status, 0, &use), pid);
        assert_int_equal(status, 0);
        assert_true(rows > octets / 1200 && (!reading || rows == made));
        made = rows;
    }
    *ret_ms =
        (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000 + (use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000;
    return use.ru_maxrss;
}

static void flat(void **state)
{
    static const char *const NAMES[] = { "CSV, UTF-8", "CSV, UTF-16", "XML", "Excel, inline texts",
                                         "Excel, shared texts" };
    bool big = getenv("DMFSYNC_BIG") != NULL;
    uint64_t mb = 1000000;
    struct err e = { 0 };

    (void)state;
    CHECK_OK(dir_make("tmp", 0700, &e), &e);
    for (int shape = CSV8; shape <= EXCEL_SHARED; shape++) {
        long ms, small = peak_of((enum shape)shape, (big ? 100 : 8) * mb, &ms);
        long large = peak_of((enum shape)shape, (big ? 1000 : 64) * mb, &ms);

        print_message("%-20s %5ld KiB at %4d MB, %5ld KiB at %4d MB, %6ld ms\n", NAMES[shape], small, big ? 100 : 8,
                      large, big ? 1000 : 64, ms);
#ifndef __SANITIZE_ADDRESS__ /* whose own memory grows with what was freed */
        CHECK(large < small + 4096 && large < 32 << 10, "%s: %ld KiB, then %ld KiB", NAMES[shape], small, large);
#endif
    }
    (void)unlink("big.zip");
    (void)unlink("big.xlsx");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(flat) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

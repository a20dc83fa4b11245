/* retry_parts.h -- what retry.c and retry_file.c share. Layer: loader, private to them. */
#ifndef LOADER_RETRY_PARTS_H
#define LOADER_RETRY_PARTS_H

#include "dmf/dmf.h"
#include "loader/mask.h"
#include "loader/package_rows.h"
#include "loader/retry.h"

/* The rows of one company that go into the next package. */
struct retry_group {
    char company[16];
    struct mask pick;
    uint64_t later_rows, octets;
    struct row_place first;
    uint64_t last_row;
};
struct retry_planning {
    struct map_ctx *m;
    int64_t retry, load_run, version;
    struct retry_group *groups;
    size_t n_groups;
    struct mask taken; /* rows of the source that were taken up */
    uint64_t again;
    struct holder *holders; /* packages that counted rows, newest first */
    size_t n_holders;
    struct dmf_format format;
    bool or_xml, unfit;
};

/* ---- retry.c ---- */
/* The row's exceptions go to exception_past, and the package that had counted the row counts one less. */
enum ec retry_take_up(struct retry_planning *g, uint64_t row_no, struct err *reterr);
/* A good row into its company's package. */
enum ec retry_add(struct retry_planning *g, const struct source *s, const struct source_row *r, struct err *reterr);
enum ec retry_flush(struct retry_planning *g, struct err *reterr); /* what is left, before the version changes */

/* ---- retry_file.c ---- */
/* Rows of a corrected file: copied, joined, checked, into the leaf file and into groups. */
enum ec retry_take_file(struct retry_planning *g, const char *file, struct err *reterr);

#endif

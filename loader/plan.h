/* plan.h -- what a plan knows of each map: volume, time, limits, direction. Layer: loader, private to the command `plan`. */
#ifndef LOADER_PLAN_H
#define LOADER_PLAN_H

#include "loader/public/pair.h"
#include "map/standard_maps.h"

struct plan_rate {
    double rows_per_s;
    bool measured;
    int64_t rows; /* of the measurement */
};
struct plan_map {
    struct map_ctx *m;
    int standard; /* index in the list of standard maps, -1 = none of them */
    int64_t rows; /* -1 = not known */
    const char *rows_from;
    int64_t octets, row_octets; /* of the source file (-1 = none), and about of one row of it */
    int64_t companies; /* lanes: legal entities, 1 for shared maps */
    bool second_pass; /* package pass 2 for rows that look up their own table */
    int64_t packages, package_octets; /* the largest one, estimated */
    int64_t upload_s; /* of that package */
    int64_t fno_requests, dv_requests;
    struct plan_rate fno, dv;
    int64_t fno_s, dv_s; /* -1 = not known */
    const char *direction, *direction_why;
};
struct plan_limit {
    const char *code;
    const struct plan_map *map; /* NULL = the whole plan */
    const char *text, *todo;
};
struct plan {
    struct app *app;
    struct pair *p;
    struct arena arena;
    struct standard_maps std;
    struct plan_map *maps; /* the selected ones, in wave order */
    size_t n;
    struct plan_limit *limits;
    size_t n_limits;
    int64_t upload_mbit; /* of the line, per second */
    int64_t dv_rows, total_s; /* sums; total_s -1 when some map's rows are not known */
};

/* plan_estimate.c: rows, packages, requests, time. */
enum ec plan_estimate(struct plan *pl, struct err *reterr);
/* plan_limits.c: the limits of the services that this plan meets, and the direction advised. */
void plan_limits(struct plan *pl);
/* plan_show.c */
void plan_show(struct plan *pl);
void plan_dot(struct plan *pl);
/* plan_standard.c: the plan by the list of standard maps alone. */
enum ec plan_standard(struct app *app, struct err *reterr);

/* "3 h 20 min", in `a`; "unknown" for -1. */
const char *plan_duration(struct arena *a, int64_t seconds);
/* Quoted for Graphviz. */
void plan_dot_text(struct strbuf *out, struct cell text);

#endif

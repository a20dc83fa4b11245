/*
 * check.h -- cmocka with the name of the table's row in the failure, for all unit tests.
 * CHECK(what holds, "case %s", name); CHECK_CELL(got, want, ...) compares a cell with a C text, where NULL is absent.
 */
#ifndef TEST_CHECK_H
#define TEST_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka.h wants the five above before it */
#include <cmocka.h>

#include "data/cell.h"

#define CHECK(cond, ...)                          \
    do {                                          \
        if (!(cond)) {                            \
            print_error("not true: %s: ", #cond); \
            print_error(__VA_ARGS__);             \
            print_error("\n");                    \
            fail();                               \
        }                                         \
    } while (0)
#define CHECK_OK(rc, reterr) CHECK((rc) == EC_OK, "%s", (reterr)->msg)
#define CHECK_CELL(got, want, ...)                                                                                  \
    do {                                                                                                            \
        struct cell got_ = (got), want_ = cell_of(want);                                                            \
                                                                                                                    \
        if (!cell_eq(got_, want_)) {                                                                                \
            print_error("got %s'" CELL_FMT "', want %s'" CELL_FMT "': ", got_.ptr ? "" : "absent ", CELL_ARG(got_), \
                        want_.ptr ? "" : "absent ", CELL_ARG(want_));                                               \
            print_error(__VA_ARGS__);                                                                               \
            print_error("\n");                                                                                      \
            fail();                                                                                                 \
        }                                                                                                           \
    } while (0)
#define CHECK_STR(got, want, ...) CHECK_CELL(cell_of(got), want, __VA_ARGS__)

#endif

/*
 * build.h -- packages from source files in one pass, without a network and without a run.
 * Layer: loader. Errors: EC_CONFIG, EC_IO, EC_DISK, EC_LIMIT, EC_STOPPED, EC_STATE (the folder holds other things). Threads: the
 * caller's, and those of the compression.
 *
 * Of each map: one package per company and slice, and one for its second pass (self lookups). With `together` the entities of
 * all maps share a package per company, sequenced by wave (unit 1, level = wave, sequence = order); those are not sliced.
 * Rows that are rejected are listed in rejects.csv. Duplicate keys are not looked for here: that takes every key of the file
 * (`lint`, and each `load`).
 */
#ifndef LOADER_BUILD_H
#define LOADER_BUILD_H

#include "loader/public/pair.h"

struct build_package {
    char *file; /* name in the folder */
    char *maps; /* aliases, comma between */
    char company[16];
    int pass, wave;
    int64_t slice;
    uint64_t rows, octets;
    char digest[65];
    const char *format; /* F&O's name of the data format */
};
struct build_map {
    const char *alias;
    uint64_t rows, packed, rejected, other_companies;
    bool moved_to_xml;
};
struct build {
    struct arena arena;
    struct build_package *packages; /* in the order in which to import them */
    size_t n;
    struct build_map *maps;
    size_t n_maps;
    uint64_t rejected;
    const char *compressor;
};
/* The selected maps of the pair that have a source. `dir` is made; packages of an earlier build in it are replaced. */
enum ec build_packages(struct pair *p, const char *dir, bool together, struct build *ret, struct err *reterr);
void build_release(struct build *b);

#endif

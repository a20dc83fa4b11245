/*
 * certificate.h -- a parity certificate: what was compared, what came of it, who says so; one file, signed.
 * Layer: sync. Errors: EC_CONFIG (key), EC_IO, EC_FORMAT, EC_DIFFERENT (a certificate that was changed). Threads: one.
 *
 * The file is JSON: "head" (tool, operator, time, pair), per map "map ALIAS" (scope, filters, fields with their rules, hash, cursors,
 * snapshots, counts, digests, roots, the proof source <-> F&O) and "differences ALIAS" (each with its disposition), then "sections"
 * (SHA-256 of each, of its JSON without white space), the Ed25519 signature over them and the public key. A root is
 * SHA-256 over the canonical rows of one side in the order of their key digests; both sides' roots are equal exactly when all
 * compared cells of all rows are.
 */
#ifndef SYNC_CERTIFICATE_H
#define SYNC_CERTIFICATE_H

#include "sync/compare.h"

struct certificate;
void certificate_begin(struct app *app, struct certificate **ret);
/* After the verdict was stored and the delta is this comparison's. */
enum ec certificate_map(struct certificate *c, struct map_ctx *m, const struct comparison *cmp, struct err *reterr);
/* Signs and publishes. */
enum ec certificate_write(struct certificate *c, const char *path, const char *key_path, struct err *reterr);
void certificate_free(struct certificate *c); /* NULL is fine */

/* Root of one side from its snapshot's file: SHA-256, hex. */
enum ec certificate_root(const char *path, const struct canon_rule *rules, const uint16_t *compared, size_t n,
                         char ret[static 65], struct err *reterr);

/* What a check found. */
struct certificate_check {
    struct json *doc; /* in the arena given */
    char key[65]; /* of the file; who it belongs to only --key can tell */
    bool key_matches; /* the one given */
    size_t maps, parity;
};
/* key_path NULL = the file's own key; EC_DIFFERENT names what was changed. */
enum ec certificate_verify(const char *path, const char *key_path, struct arena *a, struct certificate_check *ret,
                           struct err *reterr);
/* Recomputes the roots of the certificate's maps from the snapshots in a workspace's folder. */
enum ec certificate_against(const struct certificate_check *c, const char *workspace, struct output *o,
                            struct err *reterr);
/* SHA-256, hex, of a section without white space. */
void certificate_section_hash(const struct json *section, char ret[static 65]);
/* What is signed: a line that says what it is, and the sections. */
void certificate_signed_text(const struct json *sections, struct strbuf *out);

#define CERTIFICATE_FORMAT "1"

#endif

/*
 * canon.h -- the canonical form of one cell, its comparison, and the digests of rows.
 * Layer: data. Errors: a cell that is not of its type is CANON_BAD with a reason, never silently passed.
 *
 * Both sides and the source pass through this one module; it decides what "equal" means (docs/parity.md lists every
 * rule with examples). CANON_VERSION is part of every digest: another version closes gates until the next parity.
 */
#ifndef DATA_CANON_H
#define DATA_CANON_H

#include "data/cell.h"

#define CANON_VERSION 1

enum canon_type {
    CANON_TEXT, /* NFC, trailing blanks off, CRLF and CR as LF; case kept */
    CANON_INT, /* no plus sign, no leading zeros */
    CANON_DECIMAL, /* plain notation, rounded half away from zero to `scale`, no trailing zeros, "-0" is "0" */
    CANON_BOOL, /* "true" / "false" from true/false/True/False/1/0/yes/no (case ignored) */
    CANON_DATE, /* yyyy-MM-dd; a time part is dropped without time-zone arithmetic (the noon rule) */
    CANON_DATETIME, /* yyyy-MM-ddTHH:mm:ssZ, offsets applied, fractions dropped */
    CANON_WORD, /* enum element, option value or value-map word: trimmed, case ignored when compared */
    CANON_KEY, /* key or lookup text: as TEXT, but compared and hashed with case folded */
    CANON_COMPANY, /* company code: lower case */
    CANON_GUID, /* lower case, no braces */
};
struct canon_rule {
    enum canon_type type;
    int scale; /* decimals, CANON_DECIMAL only; -1 = as many as there are */
    bool strict; /* null and the F&O default of the type stay different */
    struct cell zero; /* for CANON_WORD: the word of F&O's default (enum element 0), absent = none */
    /* What the settings say of this field (compare.FIELD); all zero = as its type is compared. */
    bool blanks; /* blanks at the end of a text count */
    bool exact; /* and so do line ends and the Unicode form: the text octet by octet */
    /* These act in comparison and digest only: the canonical cell, which may be written, keeps what it has. */
    bool tuned; /* one of them is set */
    enum { CANON_CASE_OF_TYPE, CANON_CASE_FOLDED, CANON_CASE_KEPT } letters;
    bool day; /* CANON_DATETIME: by its UTC day */
    int8_t round; /* numbers rounded to round - 1 decimals; 0 = no */
};
/*
 * One word of a compare setting: strict, nocase, case, blanks, exact, day, scale:N. False with the reason when it is
 * no such word or does not fit the rule's type.
 */
bool canon_rule_set(struct canon_rule *r, struct cell word, const char **ret_why);
/* How cells are compared, in words: "decimal, rounded to 2 places; null is 0". In `a`. */
char *canon_rule_text(const struct canon_rule *r, struct arena *a);
/* The type's name alone: "decimal". */
const char *canon_type_name(enum canon_type t);
/* How the incoming text spells dates and decimals. {0} = as the services do: ISO dates, '.' decimals. */
struct canon_format {
    const char *date; /* .NET-style pattern such as "M/d/yyyy H:mm"; NULL = ISO (date or date-time, T or blank) */
    char decimal; /* 0 = '.' */
    char group; /* digit grouping accepted and dropped, 0 = none */
};
enum canon_outcome { CANON_FINE, CANON_BAD };
/*
 * *ret: the canonical cell, in `a` or borrowed from `in`. Absent stays absent. Empty text of a non-text type becomes
 * absent. A dates' null sentinel (1900-01-01, any time) becomes absent for DATE and DATETIME unless rule->strict; the
 * zero GUID likewise. On CANON_BAD *ret_why is a short reason ("not a date", "31 February does not exist", "not a number").
 */
enum canon_outcome canon_cell(const struct canon_rule *rule, const struct canon_format *fmt, struct cell in,
                              struct arena *a, struct cell *ret, const char **ret_why);
/*
 * Can the pattern be used? It needs year, month and day once each, h with tt, and only the letters d, dd, M, MM, yy
 * (00-49 = 20xx), yyyy, H, HH, h, hh, m, mm, s, ss, tt; anything else is literal ('text', "text" and \x quote
 * letters). A time part at the end may be missing as a whole in a cell. *ret_why as above. NULL is fine (ISO).
 */
bool canon_date_pattern_ok(const char *pattern, const char **ret_why);
/*
 * Code points that no normalisation to form C touches, whatever of the same kind stands beside them: starters that neither change
 * by themselves nor are the second part of a composition. Not all there are, but what business texts hold.
 */
bool canon_stays(uint32_t cp);
/* True for absent, and for F&O's default of the type (empty text, 0, No/zero word, false) unless strict. */
bool canon_is_default(const struct canon_rule *rule, struct cell canonical);
/*
 * Equality of two canonical cells. *ret_by_default (may be NULL) tells that they are equal only because null equals the
 * type's default.
 */
bool canon_equal(const struct canon_rule *rule, struct cell a, struct cell b, bool *ret_by_default);
/* What is hashed: case folded where the type says so, defaults as absent. Borrowed or in `a`. */
struct cell canon_fold(const struct canon_rule *rule, struct cell canonical, struct arena *a);

/* Digests. XXH3-128 (seeded by CANON_VERSION) over length-prefixed folded cells; sums are modulo 2^128, so equal content
 * gives equal sums in whatever order rows came. */
struct digest {
    uint64_t hi, lo;
};
struct digest digest_bytes(const void *p, size_t n);
/* rules[i] belongs to cells[i]; idx selects n cells in order (NULL = 0..n-1). */
struct digest digest_cells(const struct canon_rule *rules, const struct cell *cells, const uint16_t *idx, size_t n,
                           struct arena *scratch);
/* What digest_cells() hashes, appended: the same octets exactly when the cells are equal by their rules. */
void digest_text(const struct canon_rule *rules, const struct cell *cells, const uint16_t *idx, size_t n,
                 struct arena *scratch, struct strbuf *out);
/* What digest_cells() hashes of one cell; digest_bytes() over these, one after the other, is its digest. In `a`. */
struct cell digest_encoded(const struct canon_rule *rule, struct cell canonical, struct arena *a);
static inline bool digest_eq(struct digest a, struct digest b)
{
    return a.hi == b.hi && a.lo == b.lo;
}
static inline int digest_cmp(struct digest a, struct digest b)
{
    return a.hi != b.hi ? (a.hi < b.hi ? -1 : 1) : a.lo != b.lo ? (a.lo < b.lo ? -1 : 1) : 0;
}
void digest_sum_add(struct digest *sum, struct digest d);
void digest_sum_sub(struct digest *sum, struct digest d);
/* "xxh3-sum:c1:" + 32 hex digits */
void digest_format_sum(struct digest d, char ret[static 64]);
/* The version of the rules in a text that digest_format_sum() made; 0 = it is no such text. */
int digest_canon_version(struct cell sum);
void digest_format_hex(struct digest d, char ret[static 33]);
bool digest_parse_hex(struct cell hex, struct digest *ret);

/*
 * One canonical row as octets: for each cell a varint (length + 1, 0 = absent) and the text. Self-delimiting given n.
 * row_unpack borrows from `p`; false = damaged.
 */
void row_pack(struct strbuf *out, const struct cell *cells, size_t n);
bool row_unpack(const void *p, size_t len, struct cell *cells, size_t n);
/* Octets that n packed cells take at p (at most len), SIZE_MAX when damaged. */
size_t row_packed_size(const void *p, size_t len, size_t n);

/* Readable key: parts joined by '|', a literal bar and backslash escaped with '\' ("usmf|C-0042"). */
struct cell key_join(struct arena *a, const struct cell *parts, size_t n);
/* Splits into at most max parts; returns the number found, 0 when the text is malformed. */
size_t key_split(struct arena *a, struct cell text, struct cell *parts, size_t max);

/* XXH3-128 of octets in pieces, without a seed: names content, signs nothing. */
struct digest digest_bytes_plain(const void *p, size_t n); /* in one piece */
struct octet_digest;
struct octet_digest *octet_digest_new(void);
void octet_digest_add(struct octet_digest *d, const void *p, size_t n);
struct digest octet_digest_end(struct octet_digest *d); /* ends and frees it */

/* SHA-256 of octets in pieces, lower-case hex. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *s, const void *p, size_t n);
void sha256_hex(struct sha256 *s, char ret[static 65]); /* ends and frees it */

#endif

/*
 * dv_parts.h -- what the files of dv/ share among themselves; users include dv/dv.h only.
 * Layer: dv. Threads: one per `struct dv`.
 */
#ifndef DV_DV_PARTS_H
#define DV_DV_PARTS_H

#include "dv/dv.h"

#define DV_API "/api/data/v9.2/"
/* A plain GET may have 32,768 characters of URL; the host and what a proxy adds need some of them. */
#define DV_URL_MAX 30000

struct dv_set_name { /* what we learned about a set while counting */
    struct dv_set_name *next;
    char *set, *pk;
};
struct dv {
    struct session *session;
    char *base; /* without trailing slash */
    struct strbuf tag; /* "tag=DualWrite", percent-encoded; empty = none */
    struct http_header write_headers[2]; /* what our writes skip (MSCRM.*) */
    size_t n_write_headers;
    char bypass[40]; /* value of MSCRM.BypassBusinessLogicExecution */
    int page_rows;
    int64_t retry_deadline_ms;
    bool annotations;
    struct dv_set_name *names;
};

/* ---- requests (dv_client.c) ---- */
struct dv_request {
    const char *method, *url; /* url: from '/', or an absolute link of the service */
    const char *what; /* names the call in messages */
    const char *prefer, *if_match; /* NULL = not sent */
    const char *content_type; /* NULL = JSON when there is a body */
    struct cell body; /* absent = none */
    struct dv_multiple *rows; /* the body of a bulk call, in place of `body` */
    bool write; /* adds the bypass headers; the tag is part of the URL (dv_add_tag) */
    enum call_repeat repeat;
    bool json_object; /* the answer under status 200 must be one */
    uint64_t max_answer; /* 0 = http.h's */
};
/* Header lines of one call in flight: must live until it is done. */
struct dv_headers {
    struct http_header line[12];
    size_t n;
    char request_id[40];
};
void dv_call_fill(const struct dv *d, const struct dv_request *q, struct dv_headers *h, struct call *ret);
/* One call. Statuses other than 401, 429 and 5xx are the caller's: EC_OK with r->status. */
enum ec dv_call(struct dv *d, const struct dv_request *q, struct http_response *r, struct err *reterr);
/* A GET whose answer is parsed into `a`. ret_status (may be NULL) makes 404 not an error. */
enum ec dv_get_json(struct dv *d, const char *url, const char *what, struct arena *a, struct json **ret,
                    int *ret_status, struct err *reterr);
/* "?tag=..." or "&tag=..." behind a URL that is being built; nothing when no tag is set. */
void dv_add_tag(const struct dv *d, struct strbuf *url, bool has_query);
/* ETag of an answer with a representation: from the header, else from @odata.etag; "" when there is none. */
void dv_etag_of(const struct http_response *r, char ret[static 80]);

/* ---- errors (dv_errors.c) ---- */
/* Classes of Dataverse answers, by what a writer does about them. */
enum dv_fault {
    DVF_NONE,
    DVF_THROTTLE, /* service protection: wait, never a failure */
    DVF_BUSY, /* server busy: back off and repeat */
    DVF_SQL, /* deadlock and kin: back off, smaller, fewer side by side */
    DVF_SHRINK, /* time-out or too large: the same rows in smaller calls */
    DVF_STORAGE, /* the environment is full: stop */
    DVF_DATA, /* this row, as it is, will never be taken */
    DVF_REFERENCE, /* a row that it points to, or the row itself, is not there */
    DVF_PLUGIN, /* somebody's logic said no */
    DVF_PERMISSION,
    DVF_CONFIG, /* names, metadata, settings */
    DVF_DUPLICATE,
    DVF_CONFLICT, /* the version is not the one we read */
    DVF_RESYNC, /* change-tracking token expired */
    DVF_UNSUPPORTED, /* the message does not exist for this table */
};
/* "0x80040217", "80040217", "-2147220969", any case -> the number; false for anything else. "" and "0x0" are 0. */
bool dv_code(const char *text, uint32_t *ret);
enum dv_fault dv_classify(int http_status, const char *code, const char *message);
bool dv_fault_is_row(enum dv_fault f); /* a refusal that one row of several may have caused */
int dv_fault_class(enum dv_fault f); /* DV_CLASS_* */
/* Fills *ret (EC_DATAVERSE, EC_AUTH, EC_CONFLICT, EC_BUSY) from a refused answer: the service's text, code, status. */
enum dv_fault dv_answer_error(const struct http_response *r, struct err *ret);
/* As above with "what: " in front; returns the code. */
enum ec dv_fail(const struct http_response *r, const char *what, struct err *reterr);

/* ---- ids (dv_id.c) ---- */
bool dv_guid(struct cell text, uint8_t ret[static 16]); /* 8-4-4-4-12 hex, any case, no braces; false = not one */

/* ---- $batch (dv_batch.c) ---- */
void dv_batch_boundary(char ret[static 48]);
/* One operation outside any changeset. `path` from '/', body absent = none. content_id > 0. */
void dv_batch_op(struct strbuf *out, const char *boundary, const char *method, const char *path,
                 const struct http_header *headers, size_t n_headers, size_t content_id, struct cell body);
void dv_batch_end(struct strbuf *out, const char *boundary);

struct dv_batch_part {
    int status;
    long content_id; /* -1 = none given */
    int64_t retry_after_ms; /* -1 = none given */
    struct cell content_type, etag; /* absent = none; borrowed from the text */
    struct cell body; /* borrowed from the text */
};
/* Boundary out of a Content-Type value ("multipart/mixed; boundary=x"), into `a`; NULL = not multipart. */
const char *dv_batch_boundary_of(const char *content_type, struct arena *a);
/*
 * The operations' answers in order; parts inside changeset answers are listed in place. Tolerates LF for CRLF, a missing
 * end line, boundaries in quotes; a part without a status line is left out. At most `max` parts (more is EC_LIMIT).
 * *ret_complete: the closing line was seen. EC_FORMAT when the text holds no part at all.
 */
enum ec dv_batch_parse(const char *boundary, const char *p, size_t n, size_t max, struct arena *a,
                       struct dv_batch_part **ret, size_t *ret_n, bool *ret_complete, struct err *reterr);

/* ---- bodies (dv_multiple.c) ---- */
void dv_multiple_head(struct strbuf *out, const struct dv_table *t); /* of each target, up to its id */
void dv_multiple_begin(struct dv_multiple *m, struct cell head, const struct dv_bulk_row *rows, size_t n);
size_t dv_multiple_read(void *m, uint64_t at, char *p, size_t n); /* http_request.fill */
void dv_multiple_url(const struct dv *d, struct strbuf *out, const struct dv_table *t, const char *message);
/* The same rows as a $batch of POST or PATCH with If-Match: * (content ids 1..n). */
void dv_batch_body(const struct dv *d, struct strbuf *out, const char *boundary, const struct dv_table *t,
                   const struct dv_bulk_row *rows, size_t n);
/* Ids of a CreateMultiple answer against the ones we chose: index of the first that differs, n = all ours or no list. */
size_t dv_multiple_check_ids(const struct http_response *r, const struct dv_bulk_row *rows, size_t n);
/* {"pk":"id",body} or {body}. */
void dv_row_json(struct strbuf *out, struct cell pk, const char *id, struct cell members);

/* ---- reads (dv_read.c) ---- */
/* Name of the primary key of a set: asked once, or known from a loaded table. Borrowed from `d`. */
enum ec dv_pk_of_set(struct dv *d, const char *set, const char **ret, struct err *reterr);
void dv_remember_pk(struct dv *d, struct cell set, struct cell pk);
/*
 * URL that finds rows by values of one column; takes as many of values[0..n) as fit and returns that number, 0 = not even
 * the first one fits. Absent values are taken and left out of the question; *ret_asked counts those in it.
 */
size_t dv_in_url(const struct dv_table *t, struct cell column, const struct cell *values, size_t n,
                 struct cell company_column, struct cell company_id, const char *select, struct strbuf *out,
                 size_t *ret_asked);

/* {"Targets":[...]} for CreateMultiple, UpdateMultiple and UpsertMultiple, read piece by piece; all name each row by its primary key. */
struct dv_multiple {
    struct cell head; /* borrowed, as the rows are */
    const struct dv_bulk_row *rows;
    size_t n, row, off;
    int k;
    uint64_t len, at;
};
/* ---- parts of a bulk write (dv_slice.c) ---- */
enum slice_how { HOW_MULTIPLE, HOW_BATCH, HOW_LOOKUP };
/* Rows that travel together in one call. */
struct slice {
    struct slice *next;
    struct dv_bulk_row *rows;
    size_t n;
    bool create;
    enum slice_how how, again; /* HOW_LOOKUP: how the missing rows go out again */
    bool upsert; /* creations after a lost answer, whose ids a look did not find: UpsertMultiple */
    bool looked; /* a look after a refusal as duplicates found none of its ids */
    bool lost; /* an answer about these rows was lost and nothing has settled them since */
    bool refuse_missing; /* HOW_LOOKUP: what is not found is refused with why[i] */
    struct err *why; /* per row, with refuse_missing; owned */
    bool *found; /* HOW_LOOKUP, per row; owned */
    int tries; /* failures of the transient kind */
    int64_t since_ms; /* monotonic time of the first of them, 0 = none */
    int64_t due_ms; /* monotonic; not before */
    /* of the call in flight */
    struct strbuf url, body;
    struct dv_multiple multiple;
    size_t octets; /* of its body */
    char boundary[48], content_type[80];
    struct dv_headers headers;
};
struct slice *slice_new(const struct dv_bulk_row *rows, size_t n, bool create, enum slice_how how);
/* Rows [from, from+n) of `s` as a slice with the same history. */
struct slice *slice_part(const struct slice *s, size_t from, size_t n);
void slice_free(struct slice *s);

struct slice_queue {
    struct slice *head, *tail;
};
void slice_push(struct slice_queue *q, struct slice *s);
struct slice *slice_pop_due(struct slice_queue *q, int64_t now_ms); /* NULL = none due */
int64_t slice_next_due(const struct slice_queue *q); /* -1 = empty */

/*
 * The ids that are on their way: a second row with one of them has to wait. Kept as 64 bits each, so that the set stays in the
 * processor's cache: should two ids ever share them, one of them waits for the other.
 */
struct id_set {
    uint64_t *slots; /* 0 = free */
    size_t cap, n;
};
bool id_set_has(const struct id_set *s, const uint8_t id[static 16]);
bool id_set_add(struct id_set *s, const uint8_t id[static 16]);
void id_set_drop(struct id_set *s, const uint8_t id[static 16]);
void id_set_release(struct id_set *s);

/*
 * Rows per call after one with `sent` rows took elapsed_ms without a failure: half as much again below 3 s (when the call
 * was a full one), back to what fits 10 s above 12 s, from 10 to 1,000.
 */
int dv_batch_size(int now, size_t sent, int64_t elapsed_ms);

/* Rows whose body or id holds one of the ids that a service text names: marks[i]; returns how many. */
size_t slice_named_rows(const struct slice *s, const char *message, bool *marks);

#endif

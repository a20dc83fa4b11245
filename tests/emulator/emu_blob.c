/*
 * Blob storage as far as packages need it: Put Blob, Put Block, Put Block List, Get Blob with ranges, all through
 * signed URLs. Blobs are files; SQLite knows which file is which blob. Facts follow the storage service's REST
 * reference ("Put Blob", "Put Block", "Status and error codes") and captured URLs of Finance & Operations.
 */
#include "emu_blob.h"

#include "base/file.h"
#include "emu_fault.h"
#include "emu_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libxml/xmlreader.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { START_SLACK_MS = 5 * 60000, BLOCKS_MAX = 50000 };
static const char SAS_VERSION[] = "2014-02-14", CONTAINER[] = "/dmf/";
static const int64_t KEEP_MS = 7LL * 86400000;

static void schema(struct emu *e)
{
    emu_exec(e, "create table if not exists blob(name text primary key, file text, etag text, modified_ms integer)",
             "");
    emu_exec(
        e,
        "create table if not exists blob_block(name text, id text, file text, primary key(name, id)) without rowid",
        "");
}

/* ---- signatures ---- */
struct sas {
    const char *sv, *sr, *sig, *st, *se, *sp;
};

static void signature(const struct emu *e, const char *path, const struct sas *s, struct strbuf *out)
{
    struct strbuf t = STRBUF(0);

    strbuf_addf(&t, "%s\n%s\n%s\n%s\n%s\n%s", s->sp, s->st, s->se, path, s->sv, s->sr);
    emu_sign(e, "blob", t.buf, t.len, false, out);
    strbuf_release(&t);
}

static void signed_url(struct emu *e, const char *host, const char *name, const char *sp, int64_t minutes,
                       struct strbuf *out)
{
    struct strbuf path = STRBUF(0), sig = STRBUF(0);
    char st[32], se[32];
    int64_t start = emu_now_ms(e) - START_SLACK_MS;
    struct sas s = { SAS_VERSION, "b", "", st, se, sp };

    clock_format_utc(start, st);
    clock_format_utc(start + START_SLACK_MS + minutes * 60000, se);
    strbuf_addf(&path, "%s%s", CONTAINER, name);
    signature(e, path.buf, &s, &sig);
    strbuf_addf(out, "%s://%s:%d", emu_scheme, host, e->ports[EMU_BLOB]);
    strbuf_add_url(out, path.buf, path.len, "/");
    strbuf_addf(out, "?sv=%s&sr=b&sig=", SAS_VERSION);
    strbuf_add_url(out, sig.buf, sig.len, "");
    strbuf_adds(out, "&st=");
    strbuf_add_url(out, st, strlen(st), "");
    strbuf_adds(out, "&se=");
    strbuf_add_url(out, se, strlen(se), "");
    strbuf_addf(out, "&sp=%s", sp);
    strbuf_release(&path);
    strbuf_release(&sig);
}

/* Why a request with this query may not touch `path`; NULL = it may. */
static const char *denied(struct emu *e, const char *path, const struct emu_pair *query, size_t n, char permission,
                          const char **ret_code)
{
    struct sas s = { NULL, NULL, NULL, NULL, NULL, NULL };
    struct strbuf wanted = STRBUF(0);
    int64_t start, end, now = emu_now_ms(e);
    bool same;

    *ret_code = "AuthenticationFailed";
    for (size_t i = 0; i < n; i++) {
        const char **to = !strcmp(query[i].name, "sv")    ? &s.sv
                          : !strcmp(query[i].name, "sr")  ? &s.sr
                          : !strcmp(query[i].name, "sig") ? &s.sig
                          : !strcmp(query[i].name, "st")  ? &s.st
                          : !strcmp(query[i].name, "se")  ? &s.se
                          : !strcmp(query[i].name, "sp")  ? &s.sp
                                                          : NULL;

        if (to)
            *to = query[i].value;
    }
    if (!s.sv || !s.sr || !s.sig || !s.st || !s.se || !s.sp)
        return "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
               "correctly "
               "including the signature.";
    signature(e, path, &s, &wanted);
    same = !strcmp(wanted.buf, s.sig);
    strbuf_release(&wanted);
    if (!same || !clock_parse_utc(s.st, strlen(s.st), &start) || !clock_parse_utc(s.se, strlen(s.se), &end))
        return "Server failed to authenticate the request. Signature did not match.";
    if (now < start || now >= end || emu_fault_sas_expired(e))
        return "Server failed to authenticate the request. Signature not valid in the specified time frame.";
    if (strchr(s.sp, permission))
        return NULL;
    *ret_code = "AuthorizationPermissionMismatch";
    return "This request is not authorized to perform this operation using this permission.";
}

/* ---- files ---- */
/* The blob's file, in `a`; NULL = there is no such blob (any more: they are deleted after seven days). */
static const char *find(struct emu *e, struct arena *a, const char *name, const char **ret_etag,
                        int64_t *ret_modified)
{
    sqlite3_stmt *s = emu_select(e, "select file, etag, modified_ms from blob where name = ?1", "t", name);
    const char *file = NULL;

    if (emu_step(e, s) && sqlite3_column_int64(s, 2) + KEEP_MS > emu_now_ms(e)) {
        file = arena_printf(a, "%s/blobs/%s", e->dir, emu_text(s, 0));
        *ret_etag = arena_strdup(a, emu_text(s, 1));
        *ret_modified = sqlite3_column_int64(s, 2);
    }
    sqlite3_reset(s);
    return file;
}

/* A name for a new file in the blobs folder. */
static const char *fresh_file(struct emu *e, struct arena *a)
{
    int64_t n = emu_state(e, "blob_files", 0) + 1;

    emu_state_set(e, "blob_files", n);
    return arena_printf(a, "%" PRId64 ".blob", n);
}

/* Makes file `path` (moved there) the content of blob `name`. */
static bool publish(struct emu *e, struct arena *a, const char *name, const char *path, const char **ret_etag)
{
    const char *etag = NULL, *old, *file = fresh_file(e, a);
    int64_t modified = 0;

    old = find(e, a, name, &etag, &modified);
    if (rename(path, arena_printf(a, "%s/blobs/%s", e->dir, file)) < 0)
        return false;
    if (old)
        (void)unlink(old);
    *ret_etag = arena_printf(a, "\"0x%016" PRIX64 "\"", emu_hash(e, arena_printf(a, "blob-etag/%s", file)));
    emu_exec(e, "insert or replace into blob(name, file, etag, modified_ms) values(?1, ?2, ?3, ?4)", "ttti", name,
             file, *ret_etag, emu_now_ms(e));
    return true;
}

static bool append_file(int to, const char *path)
{
    char buf[65536];
    int from = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    bool ok = from >= 0;

    while (ok && (n = read(from, buf, sizeof(buf))) > 0)
        ok = !file_write_all(to, buf, (size_t)n, path, NULL);
    if (from >= 0)
        (void)close(from);
    return ok && n == 0;
}

static const char *temporary(struct emu *e, struct arena *a)
{
    return arena_printf(a, "%s/tmp/%s", e->dir, fresh_file(e, a));
}

/* ---- for the other parts ---- */
void emu_blob_write_url(struct emu *e, struct emu_request *q, const char *name, struct strbuf *ret_url)
{
    size_t n = strcspn(q->host, ":");

    signed_url(e, n ? arena_dup(q->arena, q->host, n) : "127.0.0.1", name, "rw", EMU_KNOB(e, sas_minutes), ret_url);
}

bool emu_blob_make(struct emu *e, const char *name, const char *path, int minutes, struct strbuf *ret_url)
{
    struct arena a = { 0 };
    const char *copy, *etag;
    int fd;
    bool ok;

    schema(e);
    copy = temporary(e, &a);
    fd = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ok = fd >= 0 && append_file(fd, path);
    if (fd >= 0 && close(fd) < 0)
        ok = false;
    ok = ok && publish(e, &a, name, copy, &etag);
    if (ok)
        signed_url(e, "127.0.0.1", name, "r", minutes, ret_url);
    arena_release(&a);
    return ok;
}

const char *emu_blob_open_for_read(struct emu *e, struct arena *a, const char *url, char *msg, size_t msg_size)
{
    char local[64], named[64];
    const char *path, *query, *why, *code, *file = NULL, *etag;
    size_t n, skip;
    struct emu_pair *pairs;
    int64_t modified;

    schema(e);
    snprintf(named, sizeof(named), "%s://127.0.0.1:%d/", emu_scheme, e->ports[EMU_BLOB]);
    snprintf(local, sizeof(local), "%s://localhost:%d/", emu_scheme, e->ports[EMU_BLOB]);
    skip = !strncasecmp(url, named, strlen(named))   ? strlen(named) - 1
           : !strncasecmp(url, local, strlen(local)) ? strlen(local) - 1
                                                     : 0;
    if (!skip) {
        snprintf(msg, msg_size, "The remote name could not be resolved.");
        return NULL;
    }
    n = strcspn(url + skip, "?");
    path = emu_url_decode(a, url + skip, n, false);
    query = url[skip + n] ? url + skip + n + 1 : "";
    if (!path || !emu_url_pairs(a, query, &pairs, &n)) {
        snprintf(msg, msg_size, "Invalid URI: The URI is not valid.");
        return NULL;
    }
    why = denied(e, path, pairs, n, 'r', &code);
    if (why)
        snprintf(msg, msg_size, "The remote server returned an error: (403) Forbidden. %s", why);
    else if (strncmp(path, CONTAINER, strlen(CONTAINER)) != 0 ||
             !(file = find(e, a, path + strlen(CONTAINER), &etag, &modified)))
        snprintf(msg, msg_size,
                 "The remote server returned an error: (404) Not Found. The specified blob does not exist.");
    return file;
}

/* ---- requests ---- */
struct blob_call {
    struct emu *e;
    struct emu_request *q;
    struct emu_response *r;
    const char *name;
};

static void fail(struct blob_call *c, int status, const char *code, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void fail(struct blob_call *c, int status, const char *code, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    c->r->status = status;
    emu_add_header(c->r, c->q, "Content-Type", "application/xml");
    emu_add_header(c->r, c->q, "x-ms-error-code", "%s", code);
    if (strcmp(c->q->method, "HEAD") != 0)
        strbuf_addf(&c->r->body,
                    "\xef\xbb\xbf<?xml version=\"1.0\" "
                    "encoding=\"utf-8\"?><Error><Code>%s</Code><Message>%s</Message></Error>",
                    code, text);
}

/*
 * The version of the service that answers: x-ms-version, else the one that the URL was signed with; NULL = refused.
 */
static const char *version_of(struct blob_call *c)
{
    const char *v = emu_header(c->q, "x-ms-version"), *sv = emu_query(c->q, "sv");

    if (!v)
        return EMU_KNOB(c->e, blob_sas_version_rules) ? (sv ? sv : SAS_VERSION) : "2019-12-12";
    if (strlen(v) != 10 || strspn(v, "0123456789-") != 10 || v[4] != '-' || v[7] != '-' ||
        strcmp(v, "2009-09-19") < 0) {
        fail(c, 400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format.");
        return NULL;
    }
    return v;
}

static bool size_ok(struct blob_call *c, const char *version, bool block)
{
    uint64_t mib = strcmp(version, "2016-05-31") < 0   ? (block ? 4 : 64)
                   : strcmp(version, "2019-12-12") < 0 ? (block ? 100 : 256)
                                                       : (block ? 4000 : 5000);

    if (c->q->body_len <= mib << 20)
        return true;
    fail(c, 413, "RequestBodyTooLarge", "The request body is too large and exceeds the maximum permissible limit.");
    return false;
}

static void stored(struct blob_call *c, const char *etag)
{
    char when[40];

    c->r->status = 201;
    if (!etag)
        return;
    clock_format_http(emu_now_ms(c->e), when);
    emu_add_header(c->r, c->q, "ETag", "%s", etag);
    emu_add_header(c->r, c->q, "Last-Modified", "%s", when);
}

/* Content-MD5 is of the request's octets, base64 ("Put Blob": the storage service checks the hash of what has arrived). */
static bool md5_ok(struct blob_call *c)
{
    const char *want = emu_header(c->q, "Content-MD5");
    struct strbuf raw = STRBUF(0);
    unsigned char md[EVP_MAX_MD_SIZE], buf[65536];
    unsigned len = 0;
    EVP_MD_CTX *ctx;
    ssize_t got = 0;
    bool form, same;
    int fd;

    if (!want)
        return true;
    ctx = EVP_MD_CTX_new();
    EVP_DigestInit_ex(ctx, EVP_md5(), NULL);
    fd = open(c->q->body_path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && (got = read(fd, buf, sizeof(buf))) > 0)
        EVP_DigestUpdate(ctx, buf, (size_t)got);
    if (fd >= 0)
        close(fd);
    EVP_DigestFinal_ex(ctx, md, &len);
    EVP_MD_CTX_free(ctx);
    form = emu_unbase64(want, strlen(want), &raw) && raw.len == 16;
    same = form && !memcmp(raw.buf, md, 16);
    strbuf_release(&raw);
    if (!form)
        fail(c, 400, "InvalidMd5",
             "The MD5 value specified in the request is invalid. MD5 value must be 128 bits and base64-encoded.");
    else if (!same)
        fail(c, 400, "Md5Mismatch",
             "The MD5 value specified in the request did not match with the MD5 value calculated by the server.");
    return same;
}

static void forget_blocks(struct blob_call *c)
{
    sqlite3_stmt *s = emu_select(c->e, "select file from blob_block where name = ?1", "t", c->name);

    while (emu_step(c->e, s))
        (void)unlink(arena_printf(c->q->arena, "%s/blobs/%s", c->e->dir, emu_text(s, 0)));
    emu_exec(c->e, "delete from blob_block where name = ?1", "t", c->name);
}

static void put_blob(struct blob_call *c, const char *version)
{
    const char *type = emu_header(c->q, "x-ms-blob-type"), *etag = NULL;

    if (!type)
        fail(c, 400, "MissingRequiredHeader",
             "An HTTP header that&apos;s mandatory for this request is not specified.");
    else if (strcmp(type, "BlockBlob") != 0)
        fail(c, 400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format.");
    else if (!size_ok(c, version, false) || !md5_ok(c))
        return;
    else if (!publish(c->e, c->q->arena, c->name, c->q->body_path, &etag))
        fail(c, 500, "InternalError", "The server encountered an internal error. Please retry the request.");
    else {
        forget_blocks(c);
        emu_count(c->e, "blob.puts", 1);
        stored(c, etag);
    }
}

static void put_block(struct blob_call *c, const char *version)
{
    const char *id = emu_query(c->q, "blockid"), *file;
    struct strbuf raw = STRBUF(0);
    bool id_ok = id && *id && strlen(id) % 4 == 0 && emu_unbase64(id, strlen(id), &raw) && raw.len <= 64;

    strbuf_release(&raw);
    if (!id_ok)
        fail(c, 400, "InvalidQueryParameterValue",
             "Value for one of the query parameters specified in the request URI is invalid.");
    else if (emu_int(c->e, "select count(*) from blob_block where name = ?1 and length(id) <> length(?2)", "tt",
                     c->name, id))
        fail(c, 400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.");
    else if (emu_int(c->e, "select count(*) >= 100000 from blob_block where name = ?1", "t", c->name))
        fail(c, 409, "BlockCountExceedsLimit",
             "The uncommitted block count cannot exceed the maximum limit of 100,000 blocks.");
    else if (size_ok(c, version, true) && md5_ok(c)) {
        file = fresh_file(c->e, c->q->arena);
        if (rename(c->q->body_path, arena_printf(c->q->arena, "%s/blobs/%s", c->e->dir, file)) < 0) {
            fail(c, 500, "InternalError", "The server encountered an internal error. Please retry the request.");
            return;
        }
        emu_exec(c->e, "insert or replace into blob_block(name, id, file) values(?1, ?2, ?3)", "ttt", c->name, id,
                 file);
        emu_count(c->e, "blob.blocks", 1);
        stored(c, NULL);
    }
}

/* Adds the blocks named by the list to `fd`; an error's code, or NULL. */
static const char *join_blocks(struct blob_call *c, const char *xml, size_t n, int fd)
{
    xmlTextReaderPtr x =
        xmlReaderForMemory(xml, (int)n, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    const char *bad = NULL;
    size_t count = 0;
    int rc = -1;

    while (x && !bad && (rc = xmlTextReaderRead(x)) == 1) {
        const char *element = (const char *)xmlTextReaderConstLocalName(x);
        xmlChar *id = NULL;
        sqlite3_stmt *s;

        if (xmlTextReaderNodeType(x) == XML_READER_TYPE_DOCUMENT_TYPE)
            bad = "InvalidXmlDocument";
        if (xmlTextReaderNodeType(x) != XML_READER_TYPE_ELEMENT || xmlTextReaderDepth(x) != 1)
            continue;
        id = xmlTextReaderReadString(x);
        s = emu_select(c->e, "select file from blob_block where name = ?1 and id = ?2", "tt", c->name,
                       (const char *)id);
        if (++count > BLOCKS_MAX)
            bad = "BlockListTooLong";
        else if ((strcmp(element, "Latest") != 0 && strcmp(element, "Uncommitted") != 0) || !id || !emu_step(c->e, s))
            bad = "InvalidBlockList";
        else if (!append_file(fd, arena_printf(c->q->arena, "%s/blobs/%s", c->e->dir, emu_text(s, 0))))
            bad = "InternalError";
        sqlite3_reset(s);
        xmlFree(id);
    }
    if (!bad && rc != 0)
        bad = "InvalidXmlDocument";
    xmlFreeTextReader(x);
    return bad;
}

static void put_block_list(struct blob_call *c)
{
    struct strbuf xml = STRBUF((size_t)16 << 20);
    const char *path = temporary(c->e, c->q->arena), *bad = "InvalidXmlDocument", *etag = NULL;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd >= 0 && !file_read(c->q->body_path, (size_t)16 << 20, &xml, NULL))
        bad = join_blocks(c, strbuf_str(&xml), xml.len, fd);
    if (fd >= 0)
        (void)close(fd);
    strbuf_release(&xml);
    if (!bad && !publish(c->e, c->q->arena, c->name, path, &etag))
        bad = "InternalError";
    if (bad) {
        (void)unlink(path);
        fail(c, strcmp(bad, "InternalError") != 0 ? 400 : 500, bad, "The specified block list is invalid.");
        return;
    }
    forget_blocks(c);
    emu_count(c->e, "blob.puts", 1);
    stored(c, etag);
}

/*
 * "bytes=a-b", "bytes=a-", "bytes=-n" -> [from, to). False = not satisfiable; a form that is not understood is
 * ignored.
 */
static bool range_of(const char *h, int64_t size, int64_t *from, int64_t *to, bool *ret_partial)
{
    char *end;

    *from = 0;
    *to = size;
    *ret_partial = false;
    if (!h || strncmp(h, "bytes=", 6) != 0)
        return true;
    h += 6;
    if (*h == '-') {
        int64_t last = strtoll(h + 1, &end, 10);

        if (*end || last <= 0)
            return *end != '\0';
        *from = last < size ? size - last : 0;
    } else {
        *from = strtoll(h, &end, 10);
        if (*end != '-')
            return true;
        if (end[1])
            *to = strtoll(end + 1, NULL, 10) + 1;
        if (*to > size)
            *to = size;
        if (*from < 0 || *from >= size || *to <= *from)
            return false;
    }
    *ret_partial = true;
    return true;
}

static void get_blob(struct blob_call *c)
{
    const char *etag = NULL, *file, *wanted = emu_header(c->q, "If-Match"), *range = emu_header(c->q, "x-ms-range"),
               *if_range = emu_header(c->q, "If-Range");
    int64_t modified = 0, size, from = 0, to = 0;
    bool partial = false;
    char when[40];
    int fd;

    file = find(c->e, c->q->arena, c->name, &etag, &modified);
    if (!file) {
        fail(c, 404, "BlobNotFound", "The specified blob does not exist.");
        return;
    }
    if (wanted && strcmp(wanted, "*") != 0 && strcmp(wanted, etag) != 0) {
        fail(c, 412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.");
        return;
    }
    if (!range)
        range = emu_header(c->q, "Range");
    if (if_range && strcmp(if_range, etag) != 0)
        range = NULL;
    size = file_size(file);
    if (!range_of(range, size, &from, &to, &partial)) {
        emu_add_header(c->r, c->q, "Content-Range", "bytes */%" PRId64, size);
        fail(c, 416, "InvalidRange", "The range specified is invalid for the current size of the resource.");
        return;
    }
    fd = open(file, O_RDONLY | O_CLOEXEC);
    strbuf_reserve(&c->r->body, (size_t)(to - from) + 1);
    while (fd >= 0 && from + (int64_t)c->r->body.len < to) {
        ssize_t n = pread(fd, c->r->body.buf + c->r->body.len, (size_t)(to - from) - c->r->body.len,
                          from + (int64_t)c->r->body.len);

        if (n <= 0)
            break;
        c->r->body.len += (size_t)n;
    }
    if (fd >= 0)
        (void)close(fd);
    c->r->status = partial ? 206 : 200;
    clock_format_http(modified, when);
    emu_add_header(c->r, c->q, "Content-Type", "application/octet-stream");
    emu_add_header(c->r, c->q, "ETag", "%s", etag);
    emu_add_header(c->r, c->q, "Last-Modified", "%s", when);
    emu_add_header(c->r, c->q, "Accept-Ranges", "bytes");
    emu_add_header(c->r, c->q, "x-ms-blob-type", "BlockBlob");
    if (partial)
        emu_add_header(c->r, c->q, "Content-Range", "bytes %" PRId64 "-%" PRId64 "/%" PRId64, from, to - 1, size);
    emu_count(c->e, "blob.gets", 1);
}

void emu_blob_handle(struct emu *e, struct emu_request *q, struct emu_response *r)
{
    struct blob_call c = { e, q, r, NULL };
    const char *version, *why, *code, *comp = emu_query(q, "comp");
    bool put = !strcmp(q->method, "PUT"), get = !strcmp(q->method, "GET") || !strcmp(q->method, "HEAD");
    char id[37];

    schema(e);
    emu_guid(e,
             arena_printf(q->arena, "blob-request/%" PRId64,
                          emu_int(e, "select value from emu_counter where name = 'http.blob'", "")),
             id);
    emu_add_header(r, q, "x-ms-request-id", "%s", id);
    emu_add_header(r, q, "Server", "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0");
    if (emu_header(q, "Authorization")) {
        /* A token of another service has no business here; whoever sends it has leaked it. */
        emu_count(e, "blob.authorization_leaked", 1);
        fail(&c, 403, "AuthenticationFailed",
             "Server failed to authenticate the request. Make sure the value of Authorization "
             "header is formed correctly including the signature.");
        return;
    }
    version = version_of(&c);
    if (!version)
        return;
    emu_add_header(r, q, "x-ms-version", "%s", version);
    why = denied(e, q->path, q->query, q->n_query, put ? 'w' : 'r', &code);
    if (why) {
        fail(&c, 403, code, "%s", why);
        return;
    }
    if (strncmp(q->path, CONTAINER, strlen(CONTAINER)) != 0 || !q->path[strlen(CONTAINER)]) {
        fail(&c, 404, "ContainerNotFound", "The specified container does not exist.");
        return;
    }
    c.name = q->path + strlen(CONTAINER);
    if (put && !comp)
        put_blob(&c, version);
    else if (put && !strcmp(comp, "block"))
        put_block(&c, version);
    else if (put && !strcmp(comp, "blocklist"))
        put_block_list(&c);
    else if (get && !comp)
        get_blob(&c);
    else
        fail(&c, 405, "UnsupportedHttpVerb", "The resource doesn&apos;t support the specified HTTP verb.");
}

#include "data/md5.h"

#include "base/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 256 << 10 };

static enum ec add_octets(EVP_MD_CTX *ctx, int fd, const char *path, uint64_t offset, uint64_t n, struct err *reterr)
{
    char *buf = xmalloc(PIECE);
    enum ec rc = EC_OK;

    while (n && !rc) {
        ssize_t got = pread(fd, buf, n < PIECE ? (size_t)n : PIECE, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            rc = err_errno(reterr, EC_IO, errno, "read '%s'", path);
        else if (!got)
            rc = err_set(reterr, EC_IO, "'%s' became shorter while it was read", path);
        else
            BUG_IF(EVP_DigestUpdate(ctx, buf, (size_t)got) != 1, "MD5 update");
        if (!rc) {
            offset += (uint64_t)got;
            n -= (uint64_t)got;
        }
    }
    free(buf);
    return rc;
}

enum ec md5_of_file(const char *path, uint64_t offset, uint64_t n, char ret[static 25], struct err *reterr)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    enum ec rc = EC_OK;
    int fd;

    ret[0] = 0;
    if (!ctx || EVP_DigestInit_ex(ctx, EVP_md5(), NULL) != 1) {
        EVP_MD_CTX_free(ctx);
        return EC_OK;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        rc = err_errno(reterr, EC_IO, errno, "open '%s'", path);
    } else {
        rc = add_octets(ctx, fd, path, offset, n, reterr);
        close(fd);
    }
    if (!rc) {
        BUG_IF(EVP_DigestFinal_ex(ctx, md, &len) != 1 || len != 16, "MD5 final");
        EVP_EncodeBlock((unsigned char *)ret, md, 16);
    }
    EVP_MD_CTX_free(ctx);
    return rc;
}

/* fuzz_config.c -- dmfsync.ini from anywhere: no crash, no leak, and what is accepted can be hashed and searched. */
#include "cli/config.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *const ENV[] = { (char *)"DMFSYNC_LOAD_MAX_ERRORS=3", (char *)"DMFSYNC_MAP_A_MASTER=fno", NULL };
    static int fd = -1;
    struct strbuf lines = STRBUF(0);
    struct err e = { 0 };
    struct config c;
    char path[64], hash[65];

    if (fd < 0)
        fd = memfd_create("dmfsync.ini", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
        return 0;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (!config_read(path, ENV, &c, &e)) {
        config_identity(&c, &lines, hash);
        for (size_t i = 0; i < c.n_maps; i++) {
            const struct config_map *m = config_map_find(&c, c.maps[i].alias);

            BUG_IF(m != &c.maps[i], "an alias does not find its map");
        }
        (void)config_check_online(&c, true, true, &e);
        config_release(&c);
    } else {
        BUG_IF(!e.msg[0], "an error without a message");
    }
    strbuf_release(&lines);
    return 0;
}

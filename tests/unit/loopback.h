/*
 * loopback.h -- a port on loopback for fakes of services: one thread accepts, one more for each connection.
 * `answer` answers one request on fd and says whether the connection stays; `in` keeps what came of the next one.
 */
#ifndef TEST_LOOPBACK_H
#define TEST_LOOPBACK_H

#include "base/arena.h"
#include "base/strbuf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOPBACK_MAX = 256 };
struct loopback {
    int fd, port;
    int open[LOOPBACK_MAX]; /* connections, -1 = free */
    int connections;
    pthread_t thread;
    pthread_mutex_t lock; /* for the fake's own state, too */
    bool (*answer)(void *arg, int fd, struct strbuf *in);
    void *arg;
};
struct loopback_one {
    struct loopback *l;
    int fd, at;
};

static void *loopback_connection(void *arg)
{
    struct loopback_one *c = arg;
    struct loopback *l = c->l;
    struct strbuf in = { 0 };

    while (l->answer(l->arg, c->fd, &in))
        ;
    strbuf_release(&in);
    pthread_mutex_lock(&l->lock);
    shutdown(c->fd, SHUT_RDWR);
    close(c->fd);
    l->open[c->at] = -1;
    l->connections--;
    pthread_mutex_unlock(&l->lock);
    free(c);
    return NULL;
}

static void *loopback_main(void *arg)
{
    struct loopback *l = arg;

    for (;;) {
        struct loopback_one *c;
        pthread_t t;
        int fd = accept(l->fd, NULL, NULL), at = 0;

        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&l->lock);
        while (at < LOOPBACK_MAX && l->open[at] >= 0)
            at++;
        BUG_IF(at == LOOPBACK_MAX, "connections of a test");
        l->open[at] = fd;
        l->connections++;
        pthread_mutex_unlock(&l->lock);
        c = xcalloc(1, sizeof(*c));
        *c = (struct loopback_one){ .l = l, .fd = fd, .at = at };
        BUG_IF(pthread_create(&t, NULL, loopback_connection, c), "no thread");
        pthread_detach(t);
    }
}

static void loopback_start(struct loopback *l, bool (*answer)(void *arg, int fd, struct strbuf *in), void *arg)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(sa);

    *l = (struct loopback){ .answer = answer, .arg = arg };
    for (int i = 0; i < LOOPBACK_MAX; i++)
        l->open[i] = -1;
    pthread_mutex_init(&l->lock, NULL);
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    BUG_IF(bind(l->fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(l->fd, 64), "no port");
    getsockname(l->fd, (struct sockaddr *)&sa, &n);
    l->port = ntohs(sa.sin_port);
    BUG_IF(pthread_create(&l->thread, NULL, loopback_main, l), "no thread");
}

/* Connections that are still open are closed. */
static void loopback_stop(struct loopback *l)
{
    bool over = false;

    shutdown(l->fd, SHUT_RDWR);
    pthread_join(l->thread, NULL);
    close(l->fd);
    for (int i = 0; !over; i++, usleep(1000)) {
        BUG_IF(i > 60000, "connections of a test that do not end");
        pthread_mutex_lock(&l->lock);
        for (int k = 0; k < LOOPBACK_MAX; k++)
            if (l->open[k] >= 0)
                shutdown(l->open[k], SHUT_RDWR);
        over = l->connections == 0;
        pthread_mutex_unlock(&l->lock);
    }
    pthread_mutex_destroy(&l->lock);
}

#endif

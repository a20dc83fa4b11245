/*
 * bad_proxy.h -- a TCP proxy that changes one octet of what is sent, as a scanning appliance may: each octet of a connection whose
 * number is a multiple of `every`, as long as `left` lasts.
 */
#ifndef TEST_BAD_PROXY_H
#define TEST_BAD_PROXY_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

struct bad_proxy {
    int fd, port, to_port;
    uint64_t every;
    atomic_int left, damaged;
    pthread_t thread;
};
struct proxied {
    struct bad_proxy *p;
    int client;
};

static int loopback(int port, bool listening)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listening ? bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 16)
                  : connect(fd, (struct sockaddr *)&a, sizeof(a))) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool send_all(int fd, const unsigned char *p, ssize_t n)
{
    for (ssize_t k; n > 0; p += k, n -= k)
        if ((k = send(fd, p, (size_t)n, MSG_NOSIGNAL)) <= 0)
            return false;
    return true;
}

static void *carry(void *arg)
{
    struct proxied *c = arg;
    struct bad_proxy *p = c->p;
    int server = loopback(p->to_port, false);
    struct pollfd f[2] = { { .fd = c->client, .events = POLLIN }, { .fd = server, .events = POLLIN } };
    static _Thread_local unsigned char buf[65536];
    uint64_t sent = 0, next;
    bool open = server >= 0;

    while (open && poll(f, 2, -1) > 0)
        for (int i = 0; i < 2 && open; i++) {
            ssize_t n = f[i].revents ? recv(f[i].fd, buf, sizeof(buf), 0) : -1;

            if (!f[i].revents)
                continue;
            next = (sent + p->every - 1) / p->every * p->every;
            if (i == 0 && n > 0 && next > 0 && next < sent + (uint64_t)n && atomic_fetch_sub(&p->left, 1) > 0) {
                buf[next - sent] ^= 1;
                atomic_fetch_add(&p->damaged, 1);
            }
            if (i == 0 && n > 0)
                sent += (uint64_t)n;
            open = n > 0 && send_all(f[1 - i].fd, buf, n);
        }
    if (server >= 0)
        close(server);
    close(c->client);
    free(c);
    return NULL;
}

static void *take(void *arg)
{
    struct bad_proxy *p = arg;

    for (;;) {
        int fd = accept(p->fd, NULL, NULL);
        struct proxied *c;
        pthread_t t;

        if (fd < 0)
            return NULL;
        c = malloc(sizeof(*c));
        *c = (struct proxied){ p, fd };
        if (pthread_create(&t, NULL, carry, c)) {
            close(fd);
            free(c);
        } else {
            pthread_detach(t);
        }
    }
}

static void bad_proxy_start(struct bad_proxy *p, int to_port)
{
    struct sockaddr_in a;
    socklen_t n = sizeof(a);

    memset(p, 0, sizeof(*p));
    p->to_port = to_port;
    p->fd = loopback(0, true);
    CHECK(p->fd >= 0, "no port for the proxy");
    getsockname(p->fd, (struct sockaddr *)&a, &n);
    p->port = ntohs(a.sin_port);
    CHECK(!pthread_create(&p->thread, NULL, take, p), "no thread for the proxy");
}

static void bad_proxy_stop(struct bad_proxy *p)
{
    shutdown(p->fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->fd);
}

#endif

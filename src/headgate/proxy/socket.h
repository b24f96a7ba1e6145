/* Sockets where platforms differ. */
#ifndef HEADGATE_SOCKET_H
#define HEADGATE_SOCKET_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

/* A connection from the queue of a listening socket, not blocking and not inherited; or -1. */
static inline int hg_accept(int fd, struct sockaddr_storage *address, socklen_t *size)
{
#ifdef __linux__
    return accept4(fd, (struct sockaddr *)address, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int accepted = accept(fd, (struct sockaddr *)address, size);
    if (accepted >= 0) {
        fcntl(accepted, F_SETFL, O_NONBLOCK);
        fcntl(accepted, F_SETFD, FD_CLOEXEC);
    }
    return accepted;
#endif
}

/* The address as 16 bytes, IPv4 mapped into IPv6, its text and its port. 0 where there is none. */
static inline int hg_address(const struct sockaddr_storage *address, unsigned char *packed,
                             char *text, int *port)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const void *ip;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        memcpy(packed, mapped, 12);
        memcpy(packed + 12, &in->sin_addr, 4);
        *port = ntohs(in->sin_port);
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        memcpy(packed, &in6->sin6_addr, 16);
        *port = ntohs(in6->sin6_port);
    } else {
        return 0;
    }
    ip = memcmp(packed, mapped, 12) == 0 ? (const void *)(packed + 12) : (const void *)packed;
    inet_ntop(ip == (const void *)packed ? AF_INET6 : AF_INET, ip, text, INET6_ADDRSTRLEN);
    return 1;
}

static inline void hg_option(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof value);
}

/* Let close() reset the connection. */
static inline void hg_reset_on_close(int fd)
{
    struct linger linger = {1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Whether the peer is gone although nothing was read: it ended its side, or it reset the connection. */
enum { HG_ENDED = 1, HG_RESET = 2 };
static inline int hg_hung_up(int fd)
{
    struct pollfd entry = {fd, POLLRDHUP, 0};
    if (poll(&entry, 1, 0) <= 0)
        return 0;
    return entry.revents & POLLERR ? HG_RESET : entry.revents & (POLLHUP | POLLRDHUP) ? HG_ENDED : 0;
}

/* Whether nothing at all came: no byte, no end, no error. */
static inline int hg_quiet(int fd)
{
    struct pollfd entry = {fd, POLLIN | POLLRDHUP, 0};
    return poll(&entry, 1, 0) == 0;
}

/* Bytes that the kernel took and the peer did not acknowledge. */
static inline int hg_unacknowledged(int fd)
{
    int size = 0;
#ifdef TIOCOUTQ
    if (ioctl(fd, TIOCOUTQ, &size) < 0)
        size = 0;
#endif
    return size;
}

/* Moves bytes from a socket to a pipe or back without copying them; -1 with errno as read(2). */
static inline ssize_t hg_splice(int from, int to, size_t size)
{
#ifdef __linux__
    return splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
#else
    (void)from, (void)to, (void)size;
    errno = ENOSYS;
    return -1;
#endif
}

#ifdef __linux__
#define HG_CAN_SPLICE 1
#else
#define HG_CAN_SPLICE 0
#endif
#endif

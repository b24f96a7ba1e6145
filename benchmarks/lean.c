/* The lean backend: one fixed answer to every request, for as little CPU as a process can.

   On a machine with two cores the load generator and the backend share one, and nginx as the backend
   makes that core the limit before a proxy that needs 16 us a request is busy. Requests have no body.
   A path that begins with /fields is answered with the request head as it came.

   lean PORT                                                                                        */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384, EVENTS = 256, CONNECTIONS = 65536 };

#define BODY "hello world, this is a small body from the backend 0123456789\n"

static const char ANSWER[] =
    "HTTP/1.1 200 OK\r\nServer: lean\r\nDate: Sat, 21 Nov 2026 06:30:00 GMT\r\n"
    "Content-Type: text/plain\r\nContent-Length: 62\r\nConnection: keep-alive\r\n"
    "Cache-Control: private, max-age=0, no-store\r\n"
    "Set-Cookie: sid=1234567890abcdef; Path=/; HttpOnly; Secure; SameSite=Lax\r\n"
    "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
    "X-Content-Type-Options: nosniff\r\nVary: Accept-Encoding, Cookie\r\n"
    "ETag: \"abcdef0123456789\"\r\n"
    "X-Trace: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\r\n" BODY;

struct connection {
    size_t size; /* bytes of a head that is not complete yet */
    char head[HEAD_BYTES];
};

static struct connection *connections[CONNECTIONS];

static int send_all(int fd, const char *data, size_t size) {
    return write(fd, data, size) == (ssize_t)size; /* small enough for any socket buffer */
}

static int answer(int fd, const char *head, size_t size) {
    char echo[HEAD_BYTES + 128];
    const char *path = memchr(head, ' ', size);
    int length;
    if (path == NULL || strncmp(path, " /fields", 8) != 0)
        return send_all(fd, ANSWER, sizeof ANSWER - 1);
    length = snprintf(echo, sizeof echo, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", size);
    memcpy(echo + length, head, size);
    return send_all(fd, echo, length + size);
}

/* Read once and answer every head that is complete; 0 when the connection is over. */
static int serve(int fd) {
    struct connection *connection = connections[fd];
    char *begin = connection->head, *end;
    ssize_t got = read(fd, connection->head + connection->size, HEAD_BYTES - connection->size);
    if (got <= 0)
        return 0;
    connection->size += got;
    while ((end = memmem(begin, connection->head + connection->size - begin, "\r\n\r\n", 4)) != NULL) {
        if (!answer(fd, begin, end + 4 - begin))
            return 0;
        begin = end + 4;
    }
    connection->size -= begin - connection->head;
    memmove(connection->head, begin, connection->size);
    return connection->size < HEAD_BYTES;
}

static void drop(int fd) {
    close(fd);
    free(connections[fd]);
    connections[fd] = NULL;
}

static void take(int listener, int poll) {
    struct epoll_event event = {.events = EPOLLIN};
    int on = 1, fd = accept(listener, NULL, NULL);
    if (fd < 0)
        return;
    if (fd >= CONNECTIONS || (connections[fd] = calloc(1, sizeof *connections[fd])) == NULL) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    event.data.fd = fd;
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

int main(int count, char **arguments) {
    /* Not 127.0.0.1 alone: 127.0.0.2 and so on are further endpoints of the balancers. */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    struct epoll_event events[EVENTS], event = {.events = EPOLLIN};
    int on = 1, poll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_port = htons(count == 2 ? atoi(arguments[1]) : 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, 4096) != 0) {
        perror("lean");
        return 1;
    }
    event.data.fd = listener;
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int i, ready = epoll_wait(poll, events, EVENTS, -1);
        for (i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                take(listener, poll);
            else if (!serve(fd))
                drop(fd);
        }
    }
}

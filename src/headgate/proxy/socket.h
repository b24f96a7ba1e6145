/* Sockets where platforms differ. */
#ifndef HEADGATE_SOCKET_H
#define HEADGATE_SOCKET_H
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <poll.h>
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif
#endif

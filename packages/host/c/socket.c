// Unix sockets.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <fcntl.h>
#include <unistd.h>
#include "host.h"

#define MAX_RECEIVED_FDS 8

static JSValue close_with(JSContext *ctx, int fd, int error) {
  close(fd);
  return failure(ctx, error);
}

// False: the path does not fit (ENAMETOOLONG in errno) or is no string (a JS exception is pending, errno is 0).
static bool address_argument(JSContext *ctx, JSValueConst value, struct sockaddr_un *address) {
  errno = 0;
  const char *path = path_argument(ctx, value);
  if (path == NULL) return false;
  size_t length = strlen(path);
  bool fits = length > 0 && length < sizeof address->sun_path;
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (fits) memcpy(address->sun_path, path, length + 1);
  JS_FreeCString(ctx, path);
  if (!fits) errno = ENAMETOOLONG;
  return fits;
}

CALL(call_socketListen) {
  UNUSED;
  struct sockaddr_un address;
  int mode, backlog;
  if (!int_argument(ctx, argv[1], &mode) || !int_argument(ctx, argv[2], &backlog)) return JS_EXCEPTION;
  if (!address_argument(ctx, argv[0], &address)) return errno == 0 ? JS_EXCEPTION : failure(ctx, errno);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return failure(ctx, errno);
  mode_t mask = umask(0777 & ~(mode_t)mode); // so that the file never has a wider mode (one thread: this hurts nobody)
  int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
  int error = errno;
  umask(mask);
  if (bound < 0) return close_with(ctx, fd, error);
  return listen(fd, backlog) < 0 ? close_with(ctx, fd, errno) : JS_NewInt32(ctx, fd);
}

CALL(call_socketAccept) {
  UNUSED;
  int fd, connection;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  do connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  while (connection < 0 && errno == EINTR);
  return outcome(ctx, connection);
}

CALL(call_socketConnect) {
  UNUSED;
  struct sockaddr_un address;
  int timeout;
  if (!int_argument(ctx, argv[1], &timeout)) return JS_EXCEPTION;
  if (!address_argument(ctx, argv[0], &address)) return errno == 0 ? JS_EXCEPTION : failure(ctx, errno);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(ctx, errno);
  struct timeval limit = {.tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  int done;
  do done = connect(fd, (struct sockaddr *)&address, sizeof address);
  while (done < 0 && errno == EINTR);
  if (done < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) return close_with(ctx, fd, errno);
  return JS_NewInt32(ctx, fd);
}

CALL(call_socketPeer) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  struct ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return failure(ctx, errno);
  return int_array(ctx, (int64_t[]){peer.pid, peer.uid, peer.gid}, 3);
}

CALL(call_socketReceiveFd) {
  UNUSED;
  int fd;
  if (!int_argument(ctx, argv[0], &fd)) return JS_EXCEPTION;
  char name[4096]; // runc sends the console's path along
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * MAX_RECEIVED_FDS)];
  } control;
  struct iovec data = {.iov_base = name, .iov_len = sizeof name};
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t count;
  do count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  while (count < 0 && errno == EINTR);
  if (count < 0) return failure(ctx, errno);
  int received = -1;
  for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part != NULL; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    size_t fds = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < fds; i++) {
      int each;
      memcpy(&each, CMSG_DATA(part) + i * sizeof each, sizeof each);
      if (received < 0) received = each;
      else close(each);
    }
  }
  if (received >= 0) return JS_NewInt32(ctx, received);
  return failure(ctx, count == 0 ? EPIPE : EBADMSG);
}

CALL(call_socketSendFd) {
  UNUSED;
  int fd, descriptor;
  uint8_t *bytes;
  size_t length;
  if (!int_argument(ctx, argv[0], &fd) || !int_argument(ctx, argv[1], &descriptor) ||
      !bytes_argument(ctx, argv[2], &bytes, &length))
    return JS_EXCEPTION;
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
  struct iovec data = {.iov_base = bytes, .iov_len = length};
  struct msghdr message = {
    .msg_iov = &data, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t count;
  do count = sendmsg(fd, &message, MSG_NOSIGNAL);
  while (count < 0 && errno == EINTR);
  return outcome(ctx, count);
}

static const JSCFunctionListEntry socket_rows[] = {
  ROW(socketListen, 3), ROW(socketAccept, 1), ROW(socketConnect, 2), ROW(socketPeer, 1), ROW(socketReceiveFd, 1),
  ROW(socketSendFd, 3),
};
TABLE(socket);

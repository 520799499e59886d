// Calls that only berth-launch makes.
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>
#include "host.h"

// notify(socket, state, pid): one datagram with the credentials of that process, as sd_pid_notify(3) sends it.
CALL(call_notify) {
  UNUSED;
  int pid;
  if (!int_argument(ctx, argv[2], &pid)) return JS_EXCEPTION;
  const char *path = path_argument(ctx, argv[0]), *state = path == NULL ? NULL : path_argument(ctx, argv[1]);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = path == NULL ? 0 : strlen(path);
  bool valid = state != NULL, fits = length > 1 && length < sizeof address.sun_path;
  int error = fits ? 0 : ENAMETOOLONG;
  if (valid && fits) {
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') address.sun_path[0] = '\0'; // an abstract one (unix(7))
    struct iovec text = {.iov_base = (void *)state, .iov_len = strlen(state)};
    union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(struct ucred))]; } control = {0};
    struct msghdr message = {
      .msg_name = &address, .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
      .msg_iov = &text, .msg_iovlen = 1,
      .msg_control = &control, .msg_controllen = sizeof control,
    };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_CREDENTIALS;
    head->cmsg_len = CMSG_LEN(sizeof(struct ucred));
    struct ucred sender = {.pid = pid, .uid = getuid(), .gid = getgid()};
    memcpy(CMSG_DATA(head), &sender, sizeof sender);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendmsg(fd, &message, MSG_NOSIGNAL) < 0) error = errno;
    if (fd >= 0) close(fd);
  }
  JS_FreeCString(ctx, path);
  JS_FreeCString(ctx, state);
  if (!valid) return JS_EXCEPTION;
  return error == 0 ? JS_NewInt32(ctx, 0) : failure(ctx, error);
}

// pidfdOpen(pid): a descriptor that is readable once the process has ended (Linux 5.3).
CALL(call_pidfdOpen) {
  UNUSED;
  int pid;
  if (!int_argument(ctx, argv[0], &pid)) return JS_EXCEPTION;
  return outcome(ctx, syscall(SYS_pidfd_open, pid, 0)); // close-on-exec
}

CALL(call_syncfs) {
  UNUSED;
  const char *path = path_argument(ctx, argv[0]);
  if (path == NULL) return JS_EXCEPTION;
  int fd = open(path, O_RDONLY | O_CLOEXEC), done = fd < 0 ? -1 : syncfs(fd);
  JSValue result = outcome(ctx, done);
  if (fd >= 0) close(fd);
  JS_FreeCString(ctx, path);
  return result;
}

CALL(call_unshareNetwork) {
  UNUSED;
  if (unshare(CLONE_NEWNET) < 0) return failure(ctx, errno);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return failure(ctx, errno);
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP}; // netdevice(7)
  JSValue result = outcome(ctx, ioctl(fd, SIOCSIFFLAGS, &request));
  close(fd);
  return result;
}

static const JSCFunctionListEntry helper_rows[] = {
  ROW(notify, 3), ROW(pidfdOpen, 1), ROW(syncfs, 1), ROW(unshareNetwork, 0),
};
TABLE(helper);

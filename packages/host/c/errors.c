// The names and texts of errno(3). Of our own, because C libraries word them differently and daemons' clients look for
// some of them: these are the words of the GNU one, which are also Go's but for the first letter.
#include "host.h"

struct entry {
  const char *name, *text;
};

#define ENTRY(number, text) [number] = {#number, text}
static const struct entry entries[] = {
  ENTRY(EPERM, "Operation not permitted"),
  ENTRY(ENOENT, "No such file or directory"),
  ENTRY(ESRCH, "No such process"),
  ENTRY(EINTR, "Interrupted system call"),
  ENTRY(EIO, "Input/output error"),
  ENTRY(ENXIO, "No such device or address"),
  ENTRY(E2BIG, "Argument list too long"),
  ENTRY(ENOEXEC, "Exec format error"),
  ENTRY(EBADF, "Bad file descriptor"),
  ENTRY(ECHILD, "No child processes"),
  ENTRY(EAGAIN, "Resource temporarily unavailable"),
  ENTRY(ENOMEM, "Cannot allocate memory"),
  ENTRY(EACCES, "Permission denied"),
  ENTRY(EFAULT, "Bad address"),
  ENTRY(ENOTBLK, "Block device required"),
  ENTRY(EBUSY, "Device or resource busy"),
  ENTRY(EEXIST, "File exists"),
  ENTRY(EXDEV, "Invalid cross-device link"),
  ENTRY(ENODEV, "No such device"),
  ENTRY(ENOTDIR, "Not a directory"),
  ENTRY(EISDIR, "Is a directory"),
  ENTRY(EINVAL, "Invalid argument"),
  ENTRY(ENFILE, "Too many open files in system"),
  ENTRY(EMFILE, "Too many open files"),
  ENTRY(ENOTTY, "Inappropriate ioctl for device"),
  ENTRY(ETXTBSY, "Text file busy"),
  ENTRY(EFBIG, "File too large"),
  ENTRY(ENOSPC, "No space left on device"),
  ENTRY(ESPIPE, "Illegal seek"),
  ENTRY(EROFS, "Read-only file system"),
  ENTRY(EMLINK, "Too many links"),
  ENTRY(EPIPE, "Broken pipe"),
  ENTRY(EDOM, "Numerical argument out of domain"),
  ENTRY(ERANGE, "Numerical result out of range"),
  ENTRY(EDEADLK, "Resource deadlock avoided"),
  ENTRY(ENAMETOOLONG, "File name too long"),
  ENTRY(ENOLCK, "No locks available"),
  ENTRY(ENOSYS, "Function not implemented"),
  ENTRY(ENOTEMPTY, "Directory not empty"),
  ENTRY(ELOOP, "Too many levels of symbolic links"),
  ENTRY(ENOMSG, "No message of desired type"),
  ENTRY(EIDRM, "Identifier removed"),
  ENTRY(ECHRNG, "Channel number out of range"),
  ENTRY(EL2NSYNC, "Level 2 not synchronized"),
  ENTRY(EL3HLT, "Level 3 halted"),
  ENTRY(EL3RST, "Level 3 reset"),
  ENTRY(ELNRNG, "Link number out of range"),
  ENTRY(EUNATCH, "Protocol driver not attached"),
  ENTRY(ENOCSI, "No CSI structure available"),
  ENTRY(EL2HLT, "Level 2 halted"),
  ENTRY(EBADE, "Invalid exchange"),
  ENTRY(EBADR, "Invalid request descriptor"),
  ENTRY(EXFULL, "Exchange full"),
  ENTRY(ENOANO, "No anode"),
  ENTRY(EBADRQC, "Invalid request code"),
  ENTRY(EBADSLT, "Invalid slot"),
  ENTRY(EBFONT, "Bad font file format"),
  ENTRY(ENOSTR, "Device not a stream"),
  ENTRY(ENODATA, "No data available"),
  ENTRY(ETIME, "Timer expired"),
  ENTRY(ENOSR, "Out of streams resources"),
  ENTRY(ENONET, "Machine is not on the network"),
  ENTRY(ENOPKG, "Package not installed"),
  ENTRY(EREMOTE, "Object is remote"),
  ENTRY(ENOLINK, "Link has been severed"),
  ENTRY(EADV, "Advertise error"),
  ENTRY(ESRMNT, "Srmount error"),
  ENTRY(ECOMM, "Communication error on send"),
  ENTRY(EPROTO, "Protocol error"),
  ENTRY(EMULTIHOP, "Multihop attempted"),
  ENTRY(EDOTDOT, "RFS specific error"),
  ENTRY(EBADMSG, "Bad message"),
  ENTRY(EOVERFLOW, "Value too large for defined data type"),
  ENTRY(ENOTUNIQ, "Name not unique on network"),
  ENTRY(EBADFD, "File descriptor in bad state"),
  ENTRY(EREMCHG, "Remote address changed"),
  ENTRY(ELIBACC, "Can not access a needed shared library"),
  ENTRY(ELIBBAD, "Accessing a corrupted shared library"),
  ENTRY(ELIBSCN, ".lib section in a.out corrupted"),
  ENTRY(ELIBMAX, "Attempting to link in too many shared libraries"),
  ENTRY(ELIBEXEC, "Cannot exec a shared library directly"),
  ENTRY(EILSEQ, "Invalid or incomplete multibyte or wide character"),
  ENTRY(ERESTART, "Interrupted system call should be restarted"),
  ENTRY(ESTRPIPE, "Streams pipe error"),
  ENTRY(EUSERS, "Too many users"),
  ENTRY(ENOTSOCK, "Socket operation on non-socket"),
  ENTRY(EDESTADDRREQ, "Destination address required"),
  ENTRY(EMSGSIZE, "Message too long"),
  ENTRY(EPROTOTYPE, "Protocol wrong type for socket"),
  ENTRY(ENOPROTOOPT, "Protocol not available"),
  ENTRY(EPROTONOSUPPORT, "Protocol not supported"),
  ENTRY(ESOCKTNOSUPPORT, "Socket type not supported"),
  ENTRY(EOPNOTSUPP, "Operation not supported"),
  ENTRY(EPFNOSUPPORT, "Protocol family not supported"),
  ENTRY(EAFNOSUPPORT, "Address family not supported by protocol"),
  ENTRY(EADDRINUSE, "Address already in use"),
  ENTRY(EADDRNOTAVAIL, "Cannot assign requested address"),
  ENTRY(ENETDOWN, "Network is down"),
  ENTRY(ENETUNREACH, "Network is unreachable"),
  ENTRY(ENETRESET, "Network dropped connection on reset"),
  ENTRY(ECONNABORTED, "Software caused connection abort"),
  ENTRY(ECONNRESET, "Connection reset by peer"),
  ENTRY(ENOBUFS, "No buffer space available"),
  ENTRY(EISCONN, "Transport endpoint is already connected"),
  ENTRY(ENOTCONN, "Transport endpoint is not connected"),
  ENTRY(ESHUTDOWN, "Cannot send after transport endpoint shutdown"),
  ENTRY(ETOOMANYREFS, "Too many references: cannot splice"),
  ENTRY(ETIMEDOUT, "Connection timed out"),
  ENTRY(ECONNREFUSED, "Connection refused"),
  ENTRY(EHOSTDOWN, "Host is down"),
  ENTRY(EHOSTUNREACH, "No route to host"),
  ENTRY(EALREADY, "Operation already in progress"),
  ENTRY(EINPROGRESS, "Operation now in progress"),
  ENTRY(ESTALE, "Stale file handle"),
  ENTRY(EUCLEAN, "Structure needs cleaning"),
  ENTRY(ENOTNAM, "Not a XENIX named type file"),
  ENTRY(ENAVAIL, "No XENIX semaphores available"),
  ENTRY(EISNAM, "Is a named type file"),
  ENTRY(EREMOTEIO, "Remote I/O error"),
  ENTRY(EDQUOT, "Disk quota exceeded"),
  ENTRY(ENOMEDIUM, "No medium found"),
  ENTRY(EMEDIUMTYPE, "Wrong medium type"),
  ENTRY(ECANCELED, "Operation canceled"),
  ENTRY(ENOKEY, "Required key not available"),
  ENTRY(EKEYEXPIRED, "Key has expired"),
  ENTRY(EKEYREVOKED, "Key has been revoked"),
  ENTRY(EKEYREJECTED, "Key was rejected by service"),
  ENTRY(EOWNERDEAD, "Owner died"),
  ENTRY(ENOTRECOVERABLE, "State not recoverable"),
  ENTRY(ERFKILL, "Operation not possible due to RF-kill"),
};
#define COUNT (int)(sizeof entries / sizeof entries[0])

static const struct entry *entry_argument(JSContext *ctx, JSValueConst value) {
  static const struct entry unknown = {"EUNKNOWN", "unknown error"};
  int error;
  if (!int_argument(ctx, value, &error)) return NULL;
  return error > 0 && error < COUNT && entries[error].name != NULL ? &entries[error] : &unknown;
}

CALL(call_errorName) {
  UNUSED;
  const struct entry *entry = entry_argument(ctx, argv[0]);
  return entry == NULL ? JS_EXCEPTION : JS_NewString(ctx, entry->name);
}

CALL(call_errorText) {
  UNUSED;
  const struct entry *entry = entry_argument(ctx, argv[0]);
  return entry == NULL ? JS_EXCEPTION : JS_NewString(ctx, entry->text);
}

static const JSCFunctionListEntry errors_rows[] = {ROW(errorName, 1), ROW(errorText, 1)};
TABLE(errors);

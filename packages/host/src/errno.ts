// Numbers that this package decides on; the same on every Linux architecture that it is built for (errno(3)).
export const EAGAIN = 11;
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EIO = 5;
export const ECHILD = 10;
export const EBUSY = 16;
export const EEXIST = 17;
export const ENOTDIR = 20;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;

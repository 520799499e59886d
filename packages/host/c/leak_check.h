// The check for leaks at the end of a program, in builds with sanitizers; nothing in others.
#ifndef BERTH_LEAK_CHECK_H
#define BERTH_LEAK_CHECK_H

#ifdef __SANITIZE_ADDRESS__
// To be called before the process gives up its root: the check needs /proc.
void leak_check_before_chroot(void);
// Looks for leaks now, and not once more at exit. Does not return where there are any.
void leak_check(void);
#else
#define leak_check_before_chroot() ((void)0)
#endif

#endif

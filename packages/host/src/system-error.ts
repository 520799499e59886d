import { native } from "berth:native";

/**
 * A failed call. `code` is the errno's name ("ENOENT"), `syscall` what was tried ("open"), `path` what it was about
 * (a path, or a descriptor's or process's description; may be empty). Message: `open "/x": no such file or directory`.
 */
export class SystemError extends Error {
  override name = "SystemError";
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  readonly path: string;

  constructor(errno: number, syscall: string, path: string) {
    const text = native.errorText(errno);
    const about = path === "" ? syscall : `${syscall} ${JSON.stringify(path)}`;
    super(`${about}: ${text.charAt(0).toLowerCase()}${text.slice(1)}`);
    this.code = native.errorName(errno);
    this.errno = errno;
    this.syscall = syscall;
    this.path = path;
  }
}

/** Whether the error is a SystemError with one of these codes: `isCode(error, "ENOENT", "ENOTDIR")`. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof SystemError && codes.includes(error.code);
}

/** Gives back a call's result; throws a SystemError where the result is -errno. */
export function check<T>(result: T | number, syscall: string, path: string): T;
export function check(result: number, syscall: string, path: string): number;
export function check<T>(result: T | number, syscall: string, path: string): T | number {
  if (typeof result === "number" && result < 0) throw new SystemError(-result, syscall, path);
  return result;
}

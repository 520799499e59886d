import { unknownError } from "@berth/base";

/** Standard output of a command. What cannot be written stops nothing half way; `finish` throws it. */
export interface Output {
  print(text: string): void;
  /** Resolves when all is written. */
  finish(): Promise<void>;
}

/** `open` is called with the first text: serving opens no standard output. */
export function openOutput(open: () => NodeJS.WritableStream): Output {
  let stream: NodeJS.WritableStream | null = null;
  const failures: Error[] = [];
  const note = (error: Error | null | undefined) => {
    if (error) failures.push(error);
  };
  const written: Promise<void>[] = [];
  return {
    print(text) {
      stream ??= open().on("error", note);
      const { promise, resolve } = Promise.withResolvers<void>();
      written.push(promise);
      stream.write(text, (error) => {
        note(error);
        resolve();
      });
    },
    async finish() {
      await Promise.all(written);
      const [cause] = failures;
      if (cause !== undefined)
        throw unknownError(`standard output cannot be written (${cause.message}): not all was printed`, { cause });
    },
  };
}

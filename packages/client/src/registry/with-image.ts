import { BerthError, failedPrecondition, isNotFound, kindOf, messageOf } from "@berth/base";
import type { PullPolicy } from "../cli/run-options.ts";
import { displayOf, fittingMode } from "../print/pull-display.ts";
import { sentenceOf } from "../print/sentence.ts";
import type { Session } from "../session/session.ts";
import { pullCredentials } from "./pull-credentials.ts";
import { pullImage } from "./transfer.ts";

/** Does what needs an image, which is pulled before or where it is missing; progress goes to stderr. */
export async function withImage<T>(
  session: Session,
  image: string,
  { pull, snapshotter }: { readonly pull: PullPolicy; readonly snapshotter: string },
  work: () => Promise<T>,
): Promise<T> {
  const fetch = async (): Promise<void> => {
    const display = displayOf(session, image, fittingMode());
    const { name, digest } = await pullImage(
      session,
      { reference: image, snapshotter },
      display,
      pullCredentials(session, image),
    );
    display.done(name, digest);
  };
  /** A registry that is away is no berthd that is: whatever runs, nothing of this does. */
  const fetchOrFail = (): Promise<void> =>
    fetch().catch((cause: unknown) => {
      if (kindOf(cause) !== "unavailable") throw cause;
      throw failedPrecondition(`${sentenceOf(cause)}; berth image import takes an archive of it`, { cause });
    });
  if (pull === "always") await fetchOrFail();
  try {
    return await work();
  } catch (error) {
    if (!isMissing(error)) throw error;
    if (pull === "never")
      throw new BerthError(
        "not-found",
        `${messageOf(error)}: fetch it with berth pull, or bring it with berth image import`,
      );
    if (pull === "always") throw error;
    await fetchOrFail();
    return await work();
  }
}

const isMissing = (error: unknown): boolean => isNotFound(error) && messageOf(error).startsWith("image ");

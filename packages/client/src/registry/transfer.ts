// A pull or a push that berthd makes, with the credentials of this program's user.
import { type Credentials, unavailable } from "@berth/base";
import type { Init } from "@berth/proto";
import type {
  PulledImage,
  PullImageRequest,
  PullImageResponse,
  PushImageRequest,
  RegistryCredentials,
} from "@berth/proto/berth/v1";
import type { PullDisplay } from "../print/pull-display.ts";
import type { Session } from "../session/session.ts";

/** null where the user has none for that host. */
export type FindCredentials = (host: string) => Promise<Credentials | null>;

export const pullImage = (
  { connection }: Session,
  request: Init<PullImageRequest>,
  display: PullDisplay,
  findCredentials: FindCredentials,
): Promise<PulledImage> => {
  const answers = new Answers(request);
  return transfer(connection.api.engine.pullImage(answers.messages()), answers, display, findCredentials);
};

/** Resolves to the reference in full, and the digest that it means there. */
export const pushImage = (
  { connection }: Session,
  request: Init<PushImageRequest>,
  display: PullDisplay,
  findCredentials: FindCredentials,
): Promise<PulledImage> => {
  const answers = new Answers(request);
  return transfer(connection.api.engine.pushImage(answers.messages()), answers, display, findCredentials);
};

/** Shows what is told, and gives the credentials that are asked for. A push is told of as a pull is. */
async function transfer(
  told: AsyncIterable<PullImageResponse>,
  answers: Pick<Answers<unknown>, "give" | "end">,
  display: PullDisplay,
  findCredentials: FindCredentials,
): Promise<PulledImage> {
  try {
    for await (const { progress, credentialsWanted, image } of told) {
      if (progress !== null) display.show(progress);
      if (credentialsWanted !== "") {
        display.clear();
        answers.give({ credentials: credentialsToProto(credentialsWanted, await findCredentials(credentialsWanted)) });
      }
      if (image !== null) return image;
    }
    throw unavailable("berthd has ended without an image: try again");
  } finally {
    answers.end();
    display.clear();
  }
}

interface Credited {
  readonly credentials: Init<RegistryCredentials>;
}

/** What is sent while the call goes on. */
class Answers<First> {
  readonly #waiting: (First | Credited)[];
  #more = Promise.withResolvers<void>();
  #isOver = false;

  constructor(first: First) {
    this.#waiting = [first];
  }

  give(message: Credited): void {
    this.#waiting.push(message);
    this.#more.resolve();
  }

  end(): void {
    this.#isOver = true;
    this.#more.resolve();
  }

  async *messages(): AsyncGenerator<First | Credited> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) yield next;
      else if (this.#isOver) return;
      else {
        await this.#more.promise;
        this.#more = Promise.withResolvers<void>();
      }
    }
  }
}

export function credentialsToProto(host: string, found: Credentials | null): Init<RegistryCredentials> {
  if (found === null) return { host };
  if (found.kind === "password") return { host, user: found.user, password: found.password };
  return found.kind === "identity-token" ? { host, identityToken: found.token } : { host, registryToken: found.token };
}

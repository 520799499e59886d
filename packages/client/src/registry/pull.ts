import { type Credentials, unavailable } from "@berth/base";
import type { Init } from "@berth/proto";
import type { PulledImage, PullImageRequest, RegistryCredentials } from "@berth/proto/berth/v1";
import type { PullDisplay } from "../print/pull-display.ts";
import type { Session } from "../session/session.ts";

/** null where the user has none for that host. */
export type FindCredentials = (host: string) => Promise<Credentials | null>;

/** Has berthd pull an image, and gives it the credentials that a registry asks for. */
export async function pullImage(
  { connection }: Session,
  request: Init<PullImageRequest>,
  display: PullDisplay,
  findCredentials: FindCredentials,
): Promise<PulledImage> {
  const answers = new Answers(request);
  try {
    for await (const { progress, credentialsWanted, image } of connection.api.engine.pullImage(answers.messages())) {
      if (progress !== null) display.show(progress);
      if (credentialsWanted !== "") {
        display.clear();
        answers.give({ credentials: toProto(credentialsWanted, await findCredentials(credentialsWanted)) });
      }
      if (image !== null) return image;
    }
    throw unavailable("the pull ended without an image: try again");
  } finally {
    answers.end();
    display.clear();
  }
}

/** What is sent while the call goes on. */
class Answers {
  readonly #waiting: Init<PullImageRequest>[];
  #more = Promise.withResolvers<void>();
  #isOver = false;

  constructor(first: Init<PullImageRequest>) {
    this.#waiting = [first];
  }

  give(message: Init<PullImageRequest>): void {
    this.#waiting.push(message);
    this.#more.resolve();
  }

  end(): void {
    this.#isOver = true;
    this.#more.resolve();
  }

  async *messages(): AsyncGenerator<Init<PullImageRequest>> {
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

function toProto(host: string, found: Credentials | null): Init<RegistryCredentials> {
  if (found === null) return { host };
  if (found.kind === "password") return { host, user: found.user, password: found.password };
  return found.kind === "identity-token" ? { host, identityToken: found.token } : { host, registryToken: found.token };
}

// Pulls and pushes as berth.v1 has them: the caller is told how far it is, and asked for the credentials that a registry wants.
import { invalidArgument, unavailable } from "@berth/base";
import { type EngineDeps, pullImage as pull, pushImage as push } from "@berth/engine";
import type { Credentials, CredentialsFor, PullProgress } from "@berth/images";
import type { Init } from "@berth/proto";
import type {
  PullImageRequest,
  PullImageResponse,
  PushImageRequest,
  PushImageResponse,
  RegistryCredentials,
} from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";
import { credentialsOf } from "./registries.ts";

interface Question {
  readonly host: string;
  readonly answer: PromiseWithResolvers<Credentials | null>;
}

type Told =
  | { readonly progress: PullProgress }
  | { readonly image: { readonly name: string; readonly digest: string } };

export const pullImage = (
  deps: EngineDeps,
  requests: AsyncIterable<PullImageRequest>,
  call: Call,
): AsyncGenerator<Init<PullImageResponse>> =>
  transfer(requests, "a pull begins with what is to be pulled", async function* (first, credentialsFor) {
    for await (const told of pull(deps, { ...first, credentialsFor }, call))
      yield "image" in told ? { image: { name: told.image.name, digest: told.image.target.digest } } : told;
  });

export const pushImage = (
  deps: EngineDeps,
  requests: AsyncIterable<PushImageRequest>,
  call: Call,
): AsyncGenerator<Init<PushImageResponse>> =>
  transfer(requests, "a push begins with what is to be pushed", (first, credentialsFor) =>
    push(deps, { ...first, credentialsFor }, call),
  );

/** One thing at a time is asked, and answered by the next message. */
async function* transfer<Request extends { readonly credentials: RegistryCredentials | null }>(
  requests: AsyncIterable<Request>,
  isEmpty: string,
  begin: (first: Request, credentialsFor: CredentialsFor) => AsyncGenerator<Told>,
): AsyncGenerator<Init<PullImageResponse>> {
  const incoming = requests[Symbol.asyncIterator]();
  const first = await incoming.next();
  if (first.done) throw invalidArgument(isEmpty);
  const questions: Question[] = [];
  let asked = Promise.withResolvers<void>();
  const credentialsFor = (host: string): Promise<Credentials | null> => {
    const answer = Promise.withResolvers<Credentials | null>();
    questions.push({ host, answer });
    asked.resolve();
    return answer.promise;
  };
  const told = begin(first.value, credentialsFor);
  try {
    for (let next = told.next(); ; ) {
      await Promise.race([next, asked.promise]);
      const [question] = questions;
      if (question !== undefined) {
        yield { credentialsWanted: question.host };
        const answer = await incoming.next();
        questions.shift();
        question.answer.resolve(answer.done ? null : credentialsOf(answer.value.credentials));
        continue;
      }
      asked = Promise.withResolvers<void>();
      const { done, value } = await next;
      if (done) return;
      yield "image" in value ? value : { progress: progressToProto(value.progress) };
      next = told.next();
    }
  } finally {
    for (const { answer } of questions)
      answer.reject(unavailable("whoever was asked for credentials has gone: try again"));
    await told.return(undefined);
  }
}

const progressToProto = ({ parts, ...rest }: PullProgress) => ({ ...rest, parts: [...parts] });

import { invalidArgument, unavailable } from "@berth/base";
import { type EngineDeps, pullImage as pull } from "@berth/engine";
import type { Credentials, PullProgress } from "@berth/images";
import type { Init } from "@berth/proto";
import type { PullImageRequest, PullImageResponse, RegistryCredentials } from "@berth/proto/berth/v1";
import type { Call } from "@berth/rpc";

interface Question {
  readonly host: string;
  readonly answer: PromiseWithResolvers<Credentials | null>;
}

/** Passes on what the pull tells, and asks the caller what it asks: one thing at a time, answered by the next message. */
export async function* pullImage(
  deps: EngineDeps,
  requests: AsyncIterable<PullImageRequest>,
  call: Call,
): AsyncGenerator<Init<PullImageResponse>> {
  const incoming = requests[Symbol.asyncIterator]();
  const first = await incoming.next();
  if (first.done) throw invalidArgument("a pull begins with what is to be pulled");
  const questions: Question[] = [];
  let asked = Promise.withResolvers<void>();
  const credentialsFor = (host: string): Promise<Credentials | null> => {
    const answer = Promise.withResolvers<Credentials | null>();
    questions.push({ host, answer });
    asked.resolve();
    return answer.promise;
  };
  const told = pull(deps, { ...first.value, credentialsFor }, call);
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
      yield "image" in value
        ? { image: { name: value.image.name, digest: value.image.target.digest } }
        : { progress: progressToProto(value.progress) };
      next = told.next();
    }
  } finally {
    for (const { answer } of questions)
      answer.reject(unavailable("whoever was asked for credentials has gone: try again"));
    await told.return(undefined);
  }
}

function credentialsOf(told: RegistryCredentials | null): Credentials | null {
  if (told === null) return null;
  const { user, password, identityToken, registryToken } = told;
  if (identityToken !== "") return { kind: "identity-token", token: identityToken };
  if (registryToken !== "") return { kind: "registry-token", token: registryToken };
  return user === "" ? null : { kind: "password", user, password };
}

const progressToProto = ({ parts, ...rest }: PullProgress) => ({ ...rest, parts: [...parts] });

import { BerthError, messageOf } from "@berth/base";

/** A server that has not answered, or not to the end. */
export class Unreachable extends BerthError {
  /** Whether the same request may be answered a moment later. */
  readonly isPassing: boolean;

  /** `from` is put before the sentence, with a colon. */
  constructor(from: string, cause: unknown) {
    super("unavailable", `${from}${sentenceOfNetwork(cause)}`, { cause });
    this.isPassing = passing.has(codeOf(cause));
  }
}

const passing = new Set([
  "ECONNRESET",
  "EPIPE",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "UND_ERR_SOCKET",
  "UND_ERR_BODY_TIMEOUT",
  "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
]);

/** Codes of Node, OpenSSL and undici, in words that say what to look at. */
const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused: nothing listens there",
  ENOTFOUND: "there is no such host",
  EAI_AGAIN: "its name could not be looked up: is there a network, and a name server?",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "its network cannot be reached",
  ETIMEDOUT: "it does not answer",
  UND_ERR_CONNECT_TIMEOUT: "it does not answer",
  UND_ERR_HEADERS_TIMEOUT: "it takes the request and does not answer",
  UND_ERR_BODY_TIMEOUT: "it has stopped in the middle of its answer",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "its answer is not as long as it says",
  UND_ERR_RESPONSE_STATUS_CODE: "the proxy refuses to connect to it",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet: is the clock right?",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is signed by itself: name its authority as ca in hosts.toml",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate's authority is not known here: name it as ca in hosts.toml",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate's authority is not known here: name it as ca in hosts.toml",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate's authority is not known here: name it as ca in hosts.toml",
  ERR_SSL_WRONG_VERSION_NUMBER: "it speaks plain http: configure it as http://",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "it speaks plain http: configure it as http://",
};

/** One half of a sentence, without the server's name. */
function sentenceOfNetwork(error: unknown): string {
  const code = codeOf(error);
  const known = words[code];
  if (known !== undefined) return known;
  const message = messageOf(error).replace(/\s+/g, " ").trim();
  // OpenSSL's codes have the protocol's version in them, its texts do not.
  if (/alert (?:bad certificate|certificate required|unknown ca|certificate unknown)/i.test(message))
    return "it wants a client certificate that it knows: name one as client in hosts.toml";
  if (/wrong version number/i.test(message)) return "it speaks plain http: configure it as http://";
  return code === "" ? message : `${message} (${code})`;
}

/** Of the error or of what has caused it; several addresses that failed have one each. */
function codeOf(error: unknown): string {
  for (let depth = 0, now: unknown = error; depth < 5 && typeof now === "object" && now !== null; depth++) {
    const { code, cause, errors } = now as { code?: unknown; cause?: unknown; errors?: readonly unknown[] };
    if (typeof code === "string" && (words[code] !== undefined || cause === undefined)) return code;
    now = cause ?? errors?.[0];
  }
  return "";
}

// URLs as the net/url package of Go 1.19 takes them apart: containerd's clients write stdio URIs for that.
import { unknownError } from "@berth/base";

export interface GoUrl {
  /** In lower case; empty: there is none, and the text is a path. */
  readonly scheme: string;
  /** Decoded; empty where the scheme is followed by no slash. */
  readonly path: string;
  /** As written. */
  readonly query: string;
}

/** Throws in Go's words. */
export function parseGoUrl(text: string): GoUrl {
  const wrong = (reason: string) => unknownError(`parse ${quoted(text)}: ${reason}: unknown`);
  const hash = text.indexOf("#");
  const whole = hash < 0 ? text : text.slice(0, hash);
  for (let i = 0; i < whole.length; i++)
    if (whole.charCodeAt(i) < 0x20 || whole.charCodeAt(i) === 0x7f)
      throw wrong("net/url: invalid control character in URL");
  if (whole.startsWith(":")) throw wrong("missing protocol scheme");
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(whole)?.[1] ?? "";
  const behind = scheme === "" ? whole : whole.slice(scheme.length + 1);
  const mark = behind.indexOf("?");
  let path = mark < 0 ? behind : behind.slice(0, mark);
  const query = mark < 0 ? "" : behind.slice(mark + 1);
  if (!path.startsWith("/")) {
    if (scheme !== "") return { scheme: scheme.toLowerCase(), path: "", query };
    if (path.split("/", 1)[0]?.includes(":")) throw wrong("first path segment in URL cannot contain colon");
  }
  if (path.startsWith("//") && (scheme !== "" || !path.startsWith("///"))) {
    const slash = path.indexOf("/", 2);
    const reason = wrongAuthority(slash < 0 ? path.slice(2) : path.slice(2, slash));
    if (reason !== "") throw wrong(reason);
    path = slash < 0 ? "" : path.slice(slash);
  }
  for (const part of [path, hash < 0 ? "" : text.slice(hash + 1)]) {
    const bad = wrongEscape(part);
    if (bad !== "") throw wrong(`invalid URL escape ${quoted(bad)}`);
  }
  return { scheme: scheme.toLowerCase(), path: decoded(path), query };
}

/** The pairs of a query, in their order, of each name the first. What is malformed is left out, as url.Query does. */
export function queryPairs(query: string): [name: string, value: string][] {
  const pairs = new Map<string, string>();
  for (const pair of query.split("&")) {
    if (pair === "" || pair.includes(";") || wrongEscape(pair) !== "") continue;
    const equals = pair.indexOf("=");
    const text = pair.replaceAll("+", " ");
    const name = decoded(equals < 0 ? text : text.slice(0, equals));
    if (!pairs.has(name)) pairs.set(name, equals < 0 ? "" : decoded(text.slice(equals + 1)));
  }
  return [...pairs];
}

/** What is wrong with `user@host:port`; empty: nothing. */
function wrongAuthority(authority: string): string {
  const at = authority.lastIndexOf("@");
  if (at >= 0 && !/^[\w\-.:~!$&'()*+,;=%@]*$/.test(authority.slice(0, at))) return "net/url: invalid userinfo";
  const host = authority.slice(at + 1);
  const end = host.lastIndexOf("]");
  if (host.startsWith("[") && end < 0) return "missing ']' in host";
  const colon = host.startsWith("[") ? end + 1 : host.lastIndexOf(":");
  const port = colon < 0 ? "" : host.slice(colon);
  if (!/^(?::\d*)?$/.test(port)) return `invalid port ${quoted(port)} after host`;
  const bad = /%(?!25|[89a-f][0-9a-f]).{0,2}/i.exec(host)?.[0] ?? wrongEscape(host);
  if (bad !== "") return `invalid URL escape ${quoted(bad)}`;
  const strange = /[^\w\-.~!$&'()*+,;=:[\]<>"%\u0080-\uffff]/.exec(host)?.[0];
  return strange === undefined ? "" : `invalid character ${quoted(strange)} in host name`;
}

/** The first escape that is none; empty: all are right. */
const wrongEscape = (text: string): string => /%(?![0-9a-f]{2}).{0,2}/is.exec(text)?.[0] ?? "";

/** Bytes that are no UTF-8 cannot be a path here. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unknownError(`${quoted(text)} has escapes that are no UTF-8: unknown`);
  }
}

const quoted = (text: string): string => JSON.stringify(text);

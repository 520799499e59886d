// What a registry asks for when it answers 401: the challenges of WWW-Authenticate (RFC 9110, 11.6.1).

export interface Challenge {
  /** In lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case; of two of one name the first. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Longer headers are nobody's. */
const LONGEST = 16 << 10;

const token = /[\w!#$%&'*+.^`|~-]+/y;
const quoted = /"((?:[^"\\]|\\.)*)"/y;
const blanks = /[ \t]*/y;

/** Those that can be read: of a header that goes wrong, what stands before that. */
export function parseChallenges(header: string): Challenge[] {
  const text = header.slice(0, LONGEST);
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return null;
    at = pattern.lastIndex;
    return found[1] ?? found[0];
  };
  while (at < text.length) {
    take(blanks);
    if (text[at] === ",") {
      at++;
      continue;
    }
    const word = take(token);
    if (word === null) break;
    take(blanks);
    if (text[at] !== "=") {
      challenges.push({ scheme: word.toLowerCase(), parameters: {} });
      continue;
    }
    at++;
    take(blanks);
    const value = text[at] === '"' ? take(quoted)?.replace(/\\(.)/g, "$1") : take(token);
    const current = challenges.at(-1);
    if (value === undefined || value === null || current === undefined) break;
    const name = word.toLowerCase();
    if (!Object.hasOwn(current.parameters, name)) current.parameters[name] = value;
  }
  return challenges;
}

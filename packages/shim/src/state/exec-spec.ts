// An exec's OCI process as the runtime reads it.

/** Names, strings, brackets and the rest of a JSON text, one after another. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g;

/**
 * The text of a JSON object with its member `terminal` set: the request decides, as with containerd's shim. Only that
 * member is touched: a number of 64 bits (a limit, say) would not outlive being parsed. Go takes names in any case.
 */
export function withTerminal(text: string, terminal: boolean): string {
  let depth = 0;
  let name = "";
  let found = false;
  let out = "";
  let end = 0;
  let before = "";
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    if (token === "}" || token === "]") depth--;
    if (depth === 1 && token === ":") name = before;
    else if (depth === 1 && token === ",") name = "";
    else if (depth === 1 && name.toLowerCase() === '"terminal"' && /^(true|false|null)$/.test(token)) {
      out += `${text.slice(end, index)}${terminal}`;
      end = index + token.length;
      found = true;
    }
    if (token === "{" || token === "[") depth++;
    before = token;
  }
  out += text.slice(end);
  if (found || !terminal) return out;
  const open = out.indexOf("{") + 1;
  return `${out.slice(0, open)}"terminal":true${/^\s*}/.test(out.slice(open)) ? "" : ","}${out.slice(open)}`;
}

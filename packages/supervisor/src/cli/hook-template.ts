import { invalidArgument } from "@berth/base";

export interface HookValues {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly pid: string;
  readonly status: string;
  readonly annotations: Readonly<Record<string, string>>;
}

// One action: its text is anything, or a quoted text, up to the closing braces.
const ACTION = /\{\{(-\s)?((?:"(?:[^"\\\n]|\\.)*"|`[^`]*`|\/\*[\s\S]*?\*\/|[^"`])*?)(\s-)?\}\}/y;
const COMMENT = /^\/\*[\s\S]*\*\/$/;
const ANNOTATION = /^annotation\s+("(?:[^"\\\n]|\\.)*"|`[^`]*`)$/;
const LITERAL = /^("(?:[^"\\\n]|\\.)*"|`[^`]*`)$/;

/**
 * Fills in `{{id}}`, `{{bundle}}`, `{{rootfs}}`, `{{pid}}`, `{{status}}` and `{{annotation "KEY"}}`, with white space
 * trimmed by `{{-` and `-}}`: what hooks use of Go's templates (https://pkg.go.dev/text/template). More is refused.
 */
export function renderHookArgument(template: string, values: HookValues): string {
  let out = "";
  let trimNext = false;
  for (let at = 0; at < template.length; ) {
    const open = template.indexOf("{{", at);
    const plain = template.slice(at, open === -1 ? undefined : open);
    const kept = trimNext ? plain.trimStart() : plain;
    trimNext = false;
    if (open === -1) return out + kept;
    ACTION.lastIndex = open;
    const action = ACTION.exec(template);
    if (action === null) throw refused(template, "an action is not closed by }}");
    const [whole, trimBefore, text = "", trimAfter] = action;
    out += trimBefore === undefined ? kept : kept.trimEnd();
    out += resultOf(text.trim(), values, template);
    trimNext = trimAfter !== undefined;
    at = open + whole.length;
  }
  return out;
}

function resultOf(text: string, values: HookValues, template: string): string {
  if (COMMENT.test(text)) return "";
  if (text === "id" || text === "bundle" || text === "rootfs" || text === "pid" || text === "status")
    return values[text];
  const key = ANNOTATION.exec(text)?.[1];
  if (key !== undefined) {
    const name = unquoted(key, template);
    return Object.hasOwn(values.annotations, name) ? (values.annotations[name] ?? "") : "";
  }
  if (LITERAL.test(text)) return unquoted(text, template);
  throw refused(
    template,
    `${JSON.stringify(text)} is not known: use id, bundle, rootfs, pid, status or annotation "KEY"`,
  );
}

function unquoted(text: string, template: string): string {
  if (text.startsWith("`")) return text.slice(1, -1);
  try {
    return JSON.parse(text) as string;
  } catch (cause) {
    throw refused(template, `${text} has an escape that is not known`, cause);
  }
}

const refused = (template: string, why: string, cause?: unknown): Error =>
  invalidArgument(`oci-hook: argument ${JSON.stringify(template)}: ${why}`, { cause });

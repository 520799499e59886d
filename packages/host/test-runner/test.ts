// Stands in for node:test inside the host: describe, it and test, hooks, and a context with `after` and `signal`.
// Everything runs in the order in which it was written, one at a time.
import { env, exit, print } from "../src/index.ts";

type Body = (context: TestContext) => unknown;
type Hook = () => unknown;

interface Options {
  skip?: boolean | string;
  todo?: boolean | string;
  timeout?: number;
}

interface Suite {
  readonly name: string;
  readonly parent: Suite | null;
  readonly steps: (Suite | Case)[];
  readonly before: Hook[];
  readonly after: Hook[];
  readonly beforeEach: Hook[];
  readonly afterEach: Hook[];
}

interface Case {
  readonly name: string;
  readonly body: Body;
  readonly options: Options;
}

export interface TestContext {
  readonly name: string;
  readonly signal: AbortSignal;
  after(hook: Hook): void;
  diagnostic(message: string): void;
  test(name: string, body: Body): Promise<void>;
}

/** Only tests whose full name contains this are run: $ONLY. */
const only = env("ONLY") ?? "";
const DEFAULT_TIMEOUT_MS = 120_000;

const suiteOf = (name: string, parent: Suite | null): Suite => ({
  name,
  parent,
  steps: [],
  before: [],
  after: [],
  beforeEach: [],
  afterEach: [],
});
const root = suiteOf("", null);
let current = root;
let passed = 0;
let failed = 0;
let skipped = 0;

function add(name: string, optionsOrBody: Options | Body | undefined, maybeBody: Body | undefined): void {
  const options = typeof optionsOrBody === "object" ? optionsOrBody : {};
  const body = typeof optionsOrBody === "function" ? optionsOrBody : maybeBody;
  current.steps.push({ name, options: body === undefined ? { todo: true } : options, body: body ?? (() => {}) });
}

export function test(name: string, optionsOrBody?: Options | Body, body?: Body): void {
  add(name, optionsOrBody, body);
}

test.skip = (name: string, _body?: Body): void => add(name, { skip: true }, () => {});
test.todo = (name: string, _body?: Body): void => add(name, { todo: true }, () => {});

export { test as it };

export function describe(name: string, optionsOrBody: Options | (() => void), maybeBody?: () => void): void {
  const body = typeof optionsOrBody === "function" ? optionsOrBody : maybeBody;
  const suite = suiteOf(name, current);
  current.steps.push(suite);
  if (typeof optionsOrBody === "object" && optionsOrBody.skip) return;
  current = suite;
  try {
    body?.();
  } finally {
    current = suite.parent ?? root;
  }
}

export { describe as suite };

export const before = (hook: Hook): void => void current.before.push(hook);
export const after = (hook: Hook): void => void current.after.push(hook);
export const beforeEach = (hook: Hook): void => void current.beforeEach.push(hook);
export const afterEach = (hook: Hook): void => void current.afterEach.push(hook);

const indent = (text: string): string => text.replace(/^/gm, "    ");

function describeError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ""}`.trimEnd() : String(error);
}

function report(path: string, error: { error: unknown } | null, note = ""): void {
  if (error === null) print(`ok ${++passed + failed + skipped} - ${path}${note}\n`);
  else print(`not ok ${passed + ++failed + skipped} - ${path}\n${indent(describeError(error.error))}\n`);
}

async function attempt(call: () => unknown): Promise<{ error: unknown } | null> {
  try {
    await call();
    return null;
  } catch (error) {
    return { error };
  }
}

async function withTimeout(work: Promise<unknown>, timeout: number, controller: AbortController): Promise<void> {
  let timer: unknown;
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`not finished after ${timeout} ms`)), timeout);
  });
  try {
    await Promise.race([work, late]);
  } finally {
    clearTimeout(timer as never);
    controller.abort();
  }
}

async function runCase(
  path: string,
  { body, options, name }: Case,
  hooks: { before: Hook[]; after: Hook[] },
): Promise<void> {
  if (options.skip || !path.includes(only)) {
    skipped++;
    print(`ok ${passed + failed + skipped} - ${path} # SKIP\n`);
    return;
  }
  const controller = new AbortController();
  const cleanups: Hook[] = [...hooks.after];
  const context: TestContext = {
    name,
    signal: controller.signal,
    after: (hook) => void cleanups.push(hook),
    diagnostic: (message) => print(`# ${message}\n`),
    test: async (inner, innerBody) =>
      runCase(`${path} > ${inner}`, { name: inner, body: innerBody, options: {} }, { before: [], after: [] }),
  };
  let failure = await attempt(async () => {
    for (const hook of hooks.before) await hook();
    await withTimeout(Promise.resolve(body(context)), options.timeout ?? DEFAULT_TIMEOUT_MS, controller);
  });
  for (const hook of cleanups.reverse()) failure = (await attempt(hook)) ?? failure;
  report(path, options.todo ? null : failure, options.todo ? " # TODO" : "");
}

async function runSuite(suite: Suite, outer: { before: Hook[]; after: Hook[] }, path: string): Promise<void> {
  const hooks = { before: [...outer.before, ...suite.beforeEach], after: [...suite.afterEach, ...outer.after] };
  for (const hook of suite.before) {
    const failure = await attempt(hook);
    if (failure !== null) return report(`${path} (before)`, failure);
  }
  for (const step of suite.steps) {
    const name = path === "" ? step.name : `${path} > ${step.name}`;
    if ("steps" in step) await runSuite(step, hooks, name);
    else await runCase(name, step, hooks);
  }
  for (const hook of suite.after) {
    const failure = await attempt(hook);
    if (failure !== null) report(`${path} (after)`, failure);
  }
}

// The modules of all test files have been evaluated when the first timer fires.
setTimeout(() => {
  void runSuite(root, { before: [], after: [] }, "").then(() => {
    print(`1..${passed + failed + skipped}\n# pass ${passed}\n# fail ${failed}\n`);
    exit(failed === 0 ? 0 : 1);
  });
}, 0);

// Node's module has a default export, and some tests import it by that.
export { test as default };

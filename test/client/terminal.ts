// The real client on a real terminal.
import { type IPty, spawn } from "@lydell/node-pty";
import { berthProgram, testNamespace } from "./berth.ts";

/** So many looks, four a second, at a terminal that shows nothing new. */
const QUIET_LOOKS = 120;

export interface OnTerminal {
  readonly pty: IPty;
  /** What the terminal got so far. */
  screen(): string;
  /** Resolves when that has the text in it, counted from the last `expect`. Rejects when nothing has come for long, or at the end. */
  expect(text: string): Promise<void>;
  type(text: string): void;
  readonly exited: Promise<{ exitCode: number; signal?: number | undefined }>;
}

export async function berthOnTerminal(
  address: string,
  args: readonly string[],
  size = { cols: 80, rows: 24 },
): Promise<OnTerminal> {
  return onTerminal(
    await berthProgram(),
    args,
    { ...process.env, BERTH_ADDRESS: address, BERTH_NAMESPACE: testNamespace },
    size,
  );
}

export function onTerminal(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  size = { cols: 80, rows: 24 },
): OnTerminal {
  const pty = spawn(program, [...args], { ...size, env: env as Record<string, string> });
  let screen = "";
  let seen = 0;
  let ended = false;
  let wake: () => void = () => {};
  pty.onData((text) => {
    screen += text;
    wake();
  });
  const exited = new Promise<{ exitCode: number; signal?: number | undefined }>((resolve) => {
    pty.onExit((exit) => {
      ended = true;
      wake();
      resolve(exit);
    });
  });
  return {
    pty,
    screen: () => screen,
    exited,
    type: (text) => pty.write(text),
    async expect(text) {
      for (let quiet = 0; ; ) {
        const at = screen.indexOf(text, seen);
        if (at >= 0) {
          seen = at + text.length;
          return;
        }
        if (ended || quiet === QUIET_LOOKS)
          throw new Error(`the terminal never showed ${JSON.stringify(text)}: ${JSON.stringify(screen.slice(seen))}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(() => {
            quiet++;
            resolve();
          }, 250);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  };
}

// The real client on a real terminal.
import { type IPty, spawn } from "node-pty";
import { berthProgram, testNamespace } from "./berth.ts";

export interface OnTerminal {
  readonly pty: IPty;
  /** What the terminal got so far. */
  screen(): string;
  /** Resolves when that has the text in it, counted from the last `expect`. Rejects after 20 s or at the end. */
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
      const deadline = Date.now() + 20_000;
      for (;;) {
        const at = screen.indexOf(text, seen);
        if (at >= 0) {
          seen = at + text.length;
          return;
        }
        if (ended || Date.now() > deadline)
          throw new Error(`the terminal never showed ${JSON.stringify(text)}: ${JSON.stringify(screen.slice(seen))}`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, 250);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
    },
  };
}

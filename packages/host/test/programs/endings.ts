// A program that ends in the way that its argument says.
import {
  argv,
  credentials,
  dropCapabilities,
  exit,
  fork,
  onUncaught,
  Pump,
  pipe,
  print,
  printError,
  read,
  readText,
  setsid,
  stdin,
  watch,
} from "@berth/host";

const endings: Record<string, () => unknown> = {
  nothing() {},
  throws() {
    throw new Error("thrown at the top");
  },
  rejects() {
    void Promise.reject(new Error("rejected and forgotten"));
  },
  handledLate() {
    const rejected = Promise.reject(new Error("handled a little later"));
    void Promise.resolve().then(() => rejected.catch(() => print("caught\n")));
  },
  timerThrows() {
    setTimeout(() => {
      throw new Error("thrown in a timer");
    }, 1);
  },
  handler() {
    onUncaught((error) => {
      print(`handler: ${(error as Error).message}\n`);
      exit(3);
    });
    setTimeout(() => {
      throw new Error("told");
    }, 1);
  },
  recovers() {
    onUncaught((error) => print(`went on after: ${(error as Error).message}\n`));
    queueMicrotask(() => {
      throw new Error("first");
    });
    setTimeout(() => print("still there\n"), 2);
  },
  exits() {
    setTimeout(() => print("never\n"), 0);
    try {
      exit(42);
    } finally {
      print("");
    }
  },
  forks() {
    const { read: from, write: to } = pipe();
    if (fork() === 0) {
      from.close();
      setsid();
      setTimeout(() => {
        to.close();
        exit(0);
      }, 5);
      return;
    }
    to.close();
    print(`parent saw the end: ${read(from, 1)?.length}\n`);
  },
  pumpsStdin() {
    const target = pipe({ nonblock: true });
    watch(target.read, { readable: true }, () => {
      const chunk = read(target.read, 65536);
      if (chunk !== null && chunk.length > 0) print(new TextDecoder().decode(chunk));
      else exit(0);
    });
    void new Pump({ from: stdin, to: target.write }).ended.then(() => target.write.close());
  },
  drops() {
    dropCapabilities(["CAP_CHOWN", "CAP_DAC_OVERRIDE"]);
    print(`${credentials().uid}\n${readText("/proc/self/status")}`);
  },
  exhausts() {
    const kept: Uint8Array[] = [];
    try {
      for (;;) kept.push(new Uint8Array(8 << 20));
    } catch (error) {
      const count = kept.length;
      kept.length = 0;
      print(`${count * 8} MiB, then ${String(error)}\n`);
    }
  },
  recurses() {
    const deeper = (n: number): number => 1 + deeper(n + 1);
    try {
      deeper(0);
    } catch (error) {
      print(`${String(error)}\n`);
    }
  },
};

const ending = endings[argv[1] ?? ""];
if (ending === undefined) {
  printError(`no ending named ${argv[1]}\n`);
  exit(2);
}
ending();

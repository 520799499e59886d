import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { monotonic } from "@berth/host";

const bytes = (...values: number[]) => new Uint8Array(values);

describe("text", () => {
  it("goes to UTF-8 and back", () => {
    for (const text of ["", "plain", "zażółć", "漢字", "😀 and \0", "\ufeffbom kept inside"]) {
      assert.equal(new TextDecoder("utf-8", { ignoreBOM: true }).decode(new TextEncoder().encode(text)), text);
    }
    assert.deepEqual([...new TextEncoder().encode("é😀")], [0xc3, 0xa9, 0xf0, 0x9f, 0x98, 0x80]);
  });
  it("has half a surrogate pair replaced", () => {
    assert.deepEqual([...new TextEncoder().encode("a\ud800b")], [97, 0xef, 0xbf, 0xbd, 98]);
  });
  for (const [what, input, text] of [
    ["a lone continuation byte", bytes(0x80), "\ufffd"],
    ["an overlong slash", bytes(0xc0, 0xaf), "\ufffd\ufffd"],
    ["a surrogate", bytes(0xed, 0xa0, 0x80), "\ufffd\ufffd\ufffd"],
    ["a character cut short", bytes(0x41, 0xf0, 0x9f, 0x98, 0x42), "A\ufffdB"],
    ["more than U+10FFFF", bytes(0xf4, 0x90, 0x80, 0x80), "\ufffd\ufffd\ufffd\ufffd"],
    ["the end of a character missing", bytes(0xe2, 0x82), "\ufffd"],
  ] as const) {
    it(`with ${what} is repaired, or refused when fatal`, () => {
      assert.equal(new TextDecoder().decode(input), text);
      assert.throws(() => new TextDecoder("utf-8", { fatal: true }).decode(input), TypeError);
    });
  }
  it("loses a byte order mark once", () => {
    assert.equal(new TextDecoder().decode(bytes(0xef, 0xbb, 0xbf, 0x61)), "a");
    assert.equal(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes(0xef, 0xbb, 0xbf, 0x61)), "\ufeffa");
  });
  it("arrives in pieces", () => {
    const decoder = new TextDecoder();
    const whole = new TextEncoder().encode("a😀é");
    let text = "";
    for (const byte of whole) text += decoder.decode(bytes(byte), { stream: true });
    assert.equal(text + decoder.decode(), "a😀é");
  });
  it("of a view begins where the view begins", () => {
    const view = new Uint8Array(bytes(0x78, 0x61, 0x62, 0x78).buffer, 1, 2);
    assert.equal(new TextDecoder().decode(view), "ab");
  });
});

describe("timers", () => {
  it("fire by their delay, then in the order in which they were set", async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      // Each delay counts from its own call: set again if the machine held us up until the late one was the earlier.
      for (;;) {
        const begun = monotonic();
        const late = setTimeout(() => order.push("late"), 12);
        const early = setTimeout(() => order.push("early"), 1);
        const earlyToo = setTimeout(() => order.push("early too"), 1);
        if (monotonic() - begun < 10) break;
        for (const timer of [late, early, earlyToo]) clearTimeout(timer);
      }
      const gone = setTimeout(() => order.push("cleared"), 2);
      clearTimeout(gone);
      setTimeout(resolve, 25);
    });
    assert.deepEqual(order, ["early", "early too", "late"]);
  });
  it("let microtasks run between each other", async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        order.push("first");
        queueMicrotask(() => order.push("microtask"));
      }, 1);
      setTimeout(() => {
        order.push("second");
        resolve();
      }, 1);
    });
    assert.deepEqual(order, ["first", "microtask", "second"]);
  });
});

describe("an abort signal", () => {
  it("tells its listeners once, with the reason", () => {
    const controller = new AbortController();
    const seen: unknown[] = [];
    const listener = () => seen.push(controller.signal.reason);
    controller.signal.addEventListener("abort", listener);
    controller.signal.addEventListener("abort", listener);
    const removed = () => seen.push("removed");
    controller.signal.addEventListener("abort", removed);
    controller.signal.removeEventListener("abort", removed);
    controller.abort("why");
    controller.abort("again");
    assert.deepEqual(seen, ["why"]);
    assert.throws(
      () => controller.signal.throwIfAborted(),
      (error: unknown) => error === "why",
    );
  });
  it("has an AbortError for a reason when none is given", () => {
    const controller = new AbortController();
    controller.abort();
    assert.equal((controller.signal.reason as Error).name, "AbortError");
  });
  it("comes from the first of several", () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const joined = AbortSignal.any([first.signal, second.signal]);
    second.abort(2);
    first.abort(1);
    assert.equal(joined.reason, 2);
    assert.ok(AbortSignal.any([AbortSignal.abort("x")]).aborted);
  });
  it("comes after a time", async () => {
    const signal = AbortSignal.timeout(5);
    await new Promise<void>((resolve) => {
      signal.addEventListener("abort", () => resolve());
      setTimeout(() => {}, 50);
    });
    assert.equal((signal.reason as Error).name, "TimeoutError");
  });
});

describe("a stack of resources", () => {
  it("is disposed in reverse, once, and not after a move", async () => {
    const order: string[] = [];
    {
      using stack = new DisposableStack();
      stack.defer(() => order.push("a"));
      stack.use({ [Symbol.dispose]: () => order.push("b") });
      stack.adopt("c", (value) => order.push(value));
    }
    assert.deepEqual(order, ["c", "b", "a"]);
    const moved = (() => {
      using stack = new DisposableStack();
      stack.defer(() => order.push("moved"));
      return stack.move();
    })();
    assert.equal(order.length, 3);
    moved.dispose();
    moved.dispose();
    assert.deepEqual(order.slice(3), ["moved"]);
    await (async () => {
      await using stack = new AsyncDisposableStack();
      stack.defer(async () => void order.push("async"));
    })();
    assert.equal(order.at(-1), "async");
  });
  it("throws both errors when two fail", () => {
    const stack = new DisposableStack();
    stack.defer(() => {
      throw new Error("first");
    });
    stack.defer(() => {
      throw new Error("second");
    });
    assert.throws(
      () => stack.dispose(),
      (error: unknown) =>
        error instanceof SuppressedError &&
        /first/.test(String(error.error)) &&
        /second/.test(String(error.suppressed)),
    );
  });
});

import type { LiveTask } from "./live-task.ts";
import { noTask, taskExists } from "./shim-error.ts";

const keyOf = (namespace: string, id: string) => `${namespace}/${id}`;

/** Which tasks there are. A name belongs to one task, or to one create, delete or clean-up under way. */
export class TaskRegistry {
  readonly #tasks = new Map<string, LiveTask>();
  readonly #reserved = new Set<string>();

  /** not-found where there is no task, or one that is not whole yet or any more. */
  get(namespace: string, id: string): LiveTask {
    const task = this.#tasks.get(keyOf(namespace, id));
    if (task === undefined) throw noTask(id);
    return task;
  }

  find(namespace: string, id: string): LiveTask | null {
    return this.#tasks.get(keyOf(namespace, id)) ?? null;
  }

  list(namespace: string): LiveTask[] {
    return [...this.#tasks.values()].filter((task) => task.namespace === namespace);
  }

  all(): LiveTask[] {
    return [...this.#tasks.values()];
  }

  /** Keeps the name until disposed. already-exists where it is taken. */
  reserve(namespace: string, id: string): Disposable {
    const key = keyOf(namespace, id);
    if (this.isTaken(namespace, id)) throw taskExists(id);
    return this.#hold(key);
  }

  /** The name is that of the task from now on. */
  add(task: LiveTask): void {
    this.#tasks.set(keyOf(task.namespace, task.id), task);
  }

  /** Takes the task out and keeps its name reserved until disposed; null where it is out already. */
  remove(task: LiveTask): Disposable | null {
    const key = keyOf(task.namespace, task.id);
    if (this.#tasks.get(key) !== task) return null;
    this.#tasks.delete(key);
    return this.#hold(key);
  }

  isTaken(namespace: string, id: string): boolean {
    const key = keyOf(namespace, id);
    return this.#tasks.has(key) || this.#reserved.has(key);
  }

  /** Whether another task is kept by the shim at this address: the containers of a pod share one. */
  isShared(address: string, namespace: string, id: string): boolean {
    for (const task of this.#tasks.values())
      if (task.journal.address === address && (task.namespace !== namespace || task.id !== id)) return true;
    return false;
  }

  #hold(key: string): Disposable {
    this.#reserved.add(key);
    return { [Symbol.dispose]: () => void this.#reserved.delete(key) };
  }
}

// A supervisor that is going to be killed: creates and starts containers and says which, one line a step.
import { openHost } from "./harness.ts";

const [, , shim = "", directory = "", namespace = "", prefix = ""] = process.argv;
const host = await openHost({ shim, like: { directory, namespace } });
await host.runtime.reconnect();
for (let count = 0; ; count++) {
  const id = `${prefix}-${count}`;
  host.container(id, ["/bin/sleep", "1000"]);
  process.stdout.write(`creating ${id}\n`);
  const task = await host.create(id);
  process.stdout.write(`created ${id}\n`);
  await task.start("");
  process.stdout.write(`started ${id}\n`);
  if (count % 2 === 0) {
    await task.kill("", 9, false);
    await task.wait("", AbortSignal.timeout(20_000));
    process.stdout.write(`deleting ${id}\n`);
    await host.runtime.tasks.delete(namespace, id);
    process.stdout.write(`deleted ${id}\n`);
  }
}

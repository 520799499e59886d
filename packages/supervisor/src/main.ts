import { resolve } from "node:path";
import { type Arguments, help, parseArguments } from "./cli/arguments.ts";
import { effectiveConfig, ttrpcAddressOf } from "./cli/effective-config.ts";
import { type Output, openOutput } from "./cli/output.ts";
import { endingSentence } from "./cli/system-reason.ts";
import { useCompiledCode } from "./server/compiled-code.ts";
import { revision, version } from "./version.ts";

async function main(argv: readonly string[], { print }: Output): Promise<void> {
  const args = parseArguments(argv);
  switch (args.command) {
    case "help":
      print(help);
      return;
    case "version":
      print(`berthd ${version} ${revision}`.trimEnd().concat("\n"));
      return;
    case "publish": {
      const { publish } = await import("./cli/publish.ts");
      const { config } = await effectiveConfig(args);
      const event = { topic: args.topic ?? "", namespace: args.namespace ?? "" };
      await publish(ttrpcAddressOf(config), event, process.stdin);
      return;
    }
    case "oci-hook": {
      const { ociHook } = await import("./cli/oci-hook.ts");
      return await ociHook(args.hook, process.stdin);
    }
    case "config default":
    case "config dump":
    case "config migrate": {
      const { dumpConfig } = await import("./config/dump.ts");
      const { defaultConfig } = await import("./config/load.ts");
      if (args.command === "config default") {
        print(dumpConfig(defaultConfig()));
        return;
      }
      const { config, warnings } = await effectiveConfig(args);
      // What is not in the output, and why.
      for (const warning of warnings) process.stderr.write(`berthd: configuration: ${warning}\n`);
      print(dumpConfig(config));
      return;
    }
    case "recover": {
      const { recover } = await import("./cli/recover.ts");
      const { createLog } = await import("./server/log.ts");
      const { config } = await effectiveConfig(args);
      const log = createLog({ level: "warn", format: "text" });
      await recover(config, log, (sentence) => print(`${sentence}\n`));
      return;
    }
    case "quarantine":
    case "quarantine rm": {
      const { quarantineList, quarantineRemove } = await import("./cli/quarantine.ts");
      const { root, state } = (await effectiveConfig(args)).config.top;
      if (args.command === "quarantine") print(quarantineList([root, state]));
      else await quarantineRemove([root, state], print);
      return;
    }
    case "serve": {
      useCompiledCode();
      const { serve } = await import("./server/serve.ts");
      await serve(await effectiveConfig(args), ownProgram(), mirrorOf(args));
      process.exit(0);
    }
  }
}

const mirrorOf = ({ registryMirror }: Arguments) =>
  registryMirror === null
    ? { value: process.env.CONTAINER_REGISTRY_MIRROR ?? "", name: "CONTAINER_REGISTRY_MIRROR" }
    : { value: registryMirror, name: "--registry-mirror" };

/** The launcher that started us, which shims are told to publish with; as built, where there was none. */
function ownProgram(): string {
  const launcher = process.env.BERTHD_PROGRAM;
  delete process.env.BERTHD_PROGRAM;
  // For this process; shims and runtimes decide for themselves.
  delete process.env.MALLOC_MMAP_THRESHOLD_;
  return launcher ?? resolve(import.meta.dirname, "../../../dist/bin/berthd");
}

try {
  const output = openOutput(() => process.stdout);
  await main(process.argv.slice(2), output);
  await output.finish();
} catch (error) {
  process.stderr.write(`berthd: ${endingSentence(error)}\n`);
  process.exit(1);
}

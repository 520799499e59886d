import type { Init } from "@berth/proto";
import type { RegistryCredentials, RegistryEndpoint } from "@berth/proto/berth/v1";
import { flag } from "../cli/args.ts";
import { command } from "../cli/command.ts";
import { exitCodes } from "../cli/exit-code.ts";
import { UsageError } from "../cli/usage-error.ts";
import { printable } from "../print/table.ts";
import { pullCredentials } from "../registry/pull-credentials.ts";
import { credentialsToProto } from "../registry/transfer.ts";
import type { Session } from "../session/session.ts";

export const registryExplain = command({
  name: "registry explain",
  summary: "Say which servers are asked for an image, in order, and why",
  usage: "IMAGE",
  notes:
    "Behind each server stands what has decided that it is asked: a line of hosts.toml, a setting of berthd's configuration, a flag, a variable, or a default. With --check it ends with 1 if none of them has the image.",
  options: {
    check: flag("ask each of them"),
    json: flag("one JSON object"),
  },
  async run(session, { check, json }, [reference, ...more]) {
    if (reference === undefined) throw new UsageError("the image is missing");
    if (more.length > 0)
      throw new UsageError(`unexpected argument ${JSON.stringify(more[0])}: explain takes one image`);
    const { engine } = session.connection.api;
    const first = await engine.explainRegistry({ reference });
    const hosts = [...new Set(first.endpoints.map(({ url }) => hostOf(url)))];
    const report = check
      ? await engine.explainRegistry({ reference, check, credentials: await known(session, first.reference, hosts) })
      : first;
    const { endpoints, warnings } = report;
    if (json) session.print(`${JSON.stringify(report)}\n`);
    else {
      session.print(`${printable(report.reference)}\n${endpoints.map((one, at) => describe(one, at, check)).join("")}`);
      for (const warning of warnings) session.printError(`berth: ${printable(warning)}\n`);
    }
    return check && endpoints.every(({ digest }) => digest === "") ? exitCodes.failed : exitCodes.ok;
  },
});

const hostOf = (url: string): string => /^\w+:\/\/([^/]+)/.exec(url)?.[1] ?? url;

async function known(
  session: Session,
  reference: string,
  hosts: readonly string[],
): Promise<Init<RegistryCredentials>[]> {
  const find = pullCredentials(session, reference);
  return await Promise.all(hosts.map(async (host) => credentialsToProto(host, await find(host))));
}

function describe(endpoint: RegistryEndpoint, at: number, check: boolean): string {
  const { url, capabilities, namespace, skipVerify, ca, client, headers, hasCredentials, failure, digest } = endpoint;
  const { sourceFile, sourceLine } = endpoint;
  const about = [
    `for ${capabilities.join(", ")}`,
    ...(namespace === "" ? [] : [`as a mirror of ${namespace}`]),
    ...(skipVerify ? ["without looking at its certificate"] : []),
    ...ca.map((path) => `ca ${path}`),
    ...client.map((path) => `certificate ${path}`),
    ...(headers.length === 0 ? [] : [`headers ${headers.join(", ")}`]),
    ...(hasCredentials ? ["credentials of the configuration"] : []),
  ];
  const lines = [
    `${at + 1}. ${url}`,
    `   ${sourceFile}${sourceLine === 0 ? "" : `, line ${sourceLine}`}`,
    `   ${about.join("; ")}`,
    ...(check ? [`   ${digest === "" ? failure : `has it: ${digest}`}`] : []),
  ];
  return lines.map((line) => `${printable(line)}\n`).join("");
}

// Holds the documents against the tree: what a link of theirs points at is there.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

const top = resolve(import.meta.dirname, "..");
const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"], {
  cwd: top,
  encoding: "utf8",
});
const documents = listed.split("\0").filter((path) => path !== "" && existsSync(join(top, path)));
const problems: string[] = [];
for (const document of documents) {
  const path = join(top, document);
  const text = readFileSync(path, "utf8").replace(/^```[\s\S]*?^```/gm, "");
  for (const [, target = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(target)) continue;
    const [file = ""] = target.split("#");
    const found = file === "" ? path : resolve(dirname(path), file);
    if (relative(top, found).startsWith("..") || !existsSync(found))
      problems.push(`${document}: ${target} is not there`);
  }
}
for (const problem of problems) console.log(problem);
console.log(`links: ${documents.length} documents, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;

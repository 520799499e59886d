// Commands of docker, ctr and nerdctl that berth has under another name, or not yet.

/** What to do instead, by the word that was typed. */
const instead: Readonly<Record<string, string>> = {
  attach: "berth logs -f shows what a container in the background writes",
  build: "build elsewhere, and berth pull it, or berth image import what docker save writes",
  commit: "ctr snapshots works on the same containers",
  compose: "berth run starts one container at a time",
  container: "the commands for containers stand alone: berth ps, berth rm",
  containers: "the commands for containers stand alone: berth ps, berth rm",
  content: "ctr content shows the same blobs",
  cp: "berth exec CONTAINER tar -c PATH | tar -x copies out of a container",
  create: "berth run -d makes a container and starts it",
  diff: "ctr snapshots diff works on the same containers",
  export: "berth save, for images; berth exec CONTAINER tar -c / for what a container has",
  history: "berth image history",
  images: "berth image ls",
  import: "berth image import",
  info: "berth version says what answers, berthd config dump how it is set up",
  lease: "ctr leases shows the same leases",
  leases: "ctr leases shows the same leases",
  list: "berth ps, or berth image ls",
  ls: "berth ps, or berth image ls",
  namespace: "ctr namespaces shows the same namespaces",
  namespaces: "ctr namespaces shows the same namespaces",
  network: "a container has no network but the machine's: berth run --network host",
  pause: "ctr tasks pause works on the same containers",
  port: "a container has no network but the machine's: berth run --network host",
  prune: "berth image prune removes images, berth rm containers",
  pull: "berth pull, without image",
  push: "berth push, without image",
  rename: "a container keeps the name that berth run --name gave it",
  restart: "berth stop, then berth start",
  rmi: "berth image rm",
  search: "a registry's own page lists what it has; berth pull takes a name",
  snapshot: "ctr snapshots shows the same snapshots",
  snapshots: "ctr snapshots shows the same snapshots",
  stats: "ctr tasks metrics works on the same containers",
  task: "the commands for containers stand alone: berth exec, berth kill",
  tasks: "the commands for containers stand alone: berth exec, berth kill",
  top: "berth exec CONTAINER ps",
  unpause: "ctr tasks resume works on the same containers",
  update: "ctr works on the same containers; limits are given to berth run",
  volume: "berth run -v SOURCE:TARGET takes a directory of this machine",
};

/** The sentence for a word that berth does not have but others do, or null. */
export const insteadOf = (word: string): string | null =>
  Object.hasOwn(instead, word) ? `berth has no ${word}: ${instead[word]}` : null;

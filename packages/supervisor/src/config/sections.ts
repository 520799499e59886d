// Every key that a configuration file may have: containerd's own names where it has one for the thing,
// so that its files can be used here. Keys without an effect are there so that dockerd's file is accepted.
import { anyTable, choice, duration, flag, fraction, integer, text, textMap, texts, withoutEffect } from "./field.ts";
import { sparseTable, table, type Values } from "./table.ts";

const MAX_MESSAGE = 16 << 20;
const LARGEST_ID = 2 ** 32 - 2;

const plugin = (uri: string) => ["plugins", uri];
const id = (name: string) => integer(name, 0, 0, LARGEST_ID);

export const sections = {
  top: table([], {
    /** What is kept over a restart of the machine. */
    root: text("root", "/var/lib/berth"),
    /** What is not: sockets, bundles. */
    state: text("state", "/run/berth"),
    oomScore: integer("oom_score", 0, -1000, 1000),
    imports: withoutEffect(texts("imports", [])),
    disabledPlugins: withoutEffect(texts("disabled_plugins", [])),
    requiredPlugins: withoutEffect(texts("required_plugins", [])),
    pluginDir: withoutEffect(text("plugin_dir", "")),
    temp: withoutEffect(text("temp", "")),
  }),
  grpc: table(["grpc"], {
    address: text("address", "/run/berth/berth.sock"),
    uid: id("uid"),
    gid: id("gid"),
    maxRecv: integer("max_recv_message_size", MAX_MESSAGE, 0, 2 ** 31 - 1),
    maxSend: integer("max_send_message_size", MAX_MESSAGE, 0, 2 ** 31 - 1),
    tcpAddress: withoutEffect(text("tcp_address", "")),
    tcpTlsCa: withoutEffect(text("tcp_tls_ca", "")),
    tcpTlsCert: withoutEffect(text("tcp_tls_cert", "")),
    tcpTlsKey: withoutEffect(text("tcp_tls_key", "")),
    tcpTlsCommonName: withoutEffect(text("tcp_tls_common_name", "")),
  }),
  /** An empty address is the one of grpc with `.ttrpc` behind it. */
  ttrpc: table(["ttrpc"], { address: text("address", ""), uid: id("uid"), gid: id("gid") }),
  debug: table(["debug"], {
    level: choice("level", "info", ["", "trace", "debug", "info", "warn", "error", "fatal", "panic"]),
    format: choice("format", "text", ["", "text", "json"]),
    address: withoutEffect(text("address", "")),
    uid: withoutEffect(id("uid")),
    gid: withoutEffect(id("gid")),
  }),
  metrics: table(["metrics"], {
    address: withoutEffect(text("address", "")),
    grpcHistogram: withoutEffect(flag("grpc_histogram", false)),
  }),
  /** Where berthd and the shims that it starts are; empty: where it was started. */
  cgroup: table(["cgroup"], { path: text("path", "") }),
  timeouts: table(["timeouts"], {
    shimCleanup: duration("io.containerd.timeout.shim.cleanup", "10s"),
    shimLoad: duration("io.containerd.timeout.shim.load", "5s"),
    shimShutdown: duration("io.containerd.timeout.shim.shutdown", "3s"),
    taskState: duration("io.containerd.timeout.task.state", "2s"),
    boltOpen: withoutEffect(duration("io.containerd.timeout.bolt.open", "0s")),
  }),
  gc: table(plugin("io.containerd.gc.v1.scheduler"), {
    pauseThreshold: fraction("pause_threshold", 0.02, 0.5),
    deletionThreshold: integer("deletion_threshold", 0, 0, 2 ** 31),
    mutationThreshold: integer("mutation_threshold", 100, 0, 2 ** 31),
    scheduleDelay: duration("schedule_delay", "0ms"),
    startupDelay: duration("startup_delay", "100ms"),
  }),
  store: table(plugin("io.berth.store.v1"), {
    /** How long files are kept that a start finds and the database does not know. */
    quarantine: duration("quarantine", "168h"),
  }),
  metadata: table(plugin("io.containerd.metadata.v1.bolt"), {
    contentSharingPolicy: choice("content_sharing_policy", "shared", ["shared", "isolated"]),
  }),
  runtime: table(plugin("io.containerd.runtime.v2.task"), {
    /** The shim of `io.containerd.runc.v2`; empty is berth's own, beside berthd. */
    defaultShim: text("default_shim", ""),
    /** Path of a shim by runtime name. */
    shims: textMap("shims"),
    platforms: withoutEffect(texts("platforms", [])),
    schedCore: withoutEffect(flag("sched_core", false)),
  }),
  transfer: sparseTable(plugin("io.containerd.transfer.v1.local"), {
    /** Before that of `criImages`. */
    configPath: text("config_path", ""),
    /** Blobs of one image. */
    maxConcurrentDownloads: integer("max_concurrent_downloads", 3, 0, 1_000),
    /** Bytes of the parts in which a larger layer is fetched at once; 0: in one piece. */
    layerFetchPart: integer("concurrent_layer_fetch_buffer", 0, 0, 1 << 30),
    maxConcurrentUploads: integer("max_concurrent_uploaded_layers", 3, 0, 1_000),
  }),
  /** Its programs are run in alphabetical order; -1 runs all of them. */
  verifier: table(plugin("io.containerd.image-verifier.v1.bindir"), {
    binDir: text("bin_dir", "/opt/containerd/image-verifier/bin"),
    maxVerifiers: integer("max_verifiers", 10, -1, 1_000),
    timeoutMs: duration("per_verifier_timeout", "10s"),
  }),
  criImages: sparseTable(plugin("io.containerd.cri.v1.images"), {
    /** config_path, mirrors, configs and headers: packages/images/src/registry/hosts. */
    registry: anyTable("registry"),
  }),
  engine: table(plugin("io.berth.engine.v1"), {
    defaultRuntime: text("default_runtime", "io.containerd.runc.v2"),
    defaultSnapshotter: text("default_snapshotter", "overlayfs"),
    /** The program that applies and makes layers; empty is berth's own, beside berthd. */
    unpack: text("unpack", ""),
  }),
} as const;

export type Sections = typeof sections;
export type Config = { readonly [K in keyof Sections]: Values<Sections[K]> };

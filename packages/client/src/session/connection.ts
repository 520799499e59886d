// The supervisor's services as a command sees them, over whatever reaches the supervisor.
import { BerthError, kindOf } from "@berth/base";
import type { Engine } from "@berth/proto/berth/v1";
import type { Events } from "@berth/proto/containerd/services/events/v1";
import type { Images } from "@berth/proto/containerd/services/images/v1";
import type { Namespaces } from "@berth/proto/containerd/services/namespaces/v1";
import type { Tasks } from "@berth/proto/containerd/services/tasks/v1";
import type { Version } from "@berth/proto/containerd/services/version/v1";
import type { Client } from "@berth/rpc";

export interface Api {
  readonly engine: Client<typeof Engine>;
  readonly tasks: Client<typeof Tasks>;
  readonly images: Client<typeof Images>;
  readonly events: Client<typeof Events>;
  readonly namespaces: Client<typeof Namespaces>;
  readonly version: Client<typeof Version>;
}

/** One connected socket. */
export interface Link {
  readonly api: Api;
  /** False once the peer has gone; calls then fail. */
  readonly open: boolean;
  close(): void;
}

export interface ConnectionOptions {
  /** Throws Unreachable. */
  readonly connect: () => Link;
  readonly sleep: (ms: number) => Promise<void>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Told when the supervisor has gone and is waited for. */
  readonly onLost: () => void;
}

/** What usually helps where there is no such socket, or nobody listens. */
const isItRunning = "Is berthd running, and is this its address (--address, $BERTH_ADDRESS)?";

/** The supervisor cannot be reached. The message says which address, why and what to do. */
export class Unreachable extends BerthError {
  override name = "Unreachable";
  constructor(address: string, why: string, remedy: string = isItRunning) {
    super("unavailable", `cannot reach berthd at ${address}: ${why}. ${remedy}`);
  }
}

/** How long a supervisor that went away is waited for. */
const patienceMs = 30_000;
const firstDelayMs = 5;
const lastDelayMs = 250;

/** Connects on first use, and again where a caller asks for it after the supervisor was restarted. */
export class Connection {
  readonly #options: ConnectionOptions;
  #link: Link | null = null;
  #told = false;
  #back = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  /** Throws Unreachable. */
  get api(): Api {
    if (this.#link === null || !this.#link.open) this.#link = this.#options.connect();
    return this.#link.api;
  }

  /**
   * Makes a call that may be repeated; where the supervisor goes away meanwhile, waits for it (30 s at most,
   * counted from the loss) and calls again.
   */
  async persist<T>(call: (api: Api) => Promise<T>): Promise<T> {
    let lostAt: number | null = null;
    let delay = firstDelayMs;
    for (;;) {
      let link: Link | null = null;
      const calledAt = this.#options.now();
      try {
        const { api } = this;
        link = this.#link;
        const answer = await call(api);
        this.#told = false;
        return answer;
      } catch (error) {
        // A supervisor that ends in good order may answer its calls with canceled before it closes the connection.
        const gone = link === null || kindOf(error) === "unavailable" || kindOf(error) === "canceled";
        if (!gone) throw error;
        if (link === this.#link) this.close();
        const now = this.#options.now();
        // A call that held for a while means that the supervisor was back.
        if (lostAt === null || this.#back || (link !== null && now - calledAt > patienceMs / 10)) {
          lostAt = now;
          this.#back = false;
          delay = firstDelayMs;
          this.#tellLoss();
        }
        if (now - lostAt > patienceMs) throw error;
      }
      await this.#options.sleep(delay);
      delay = Math.min(delay * 2, lastDelayMs);
    }
  }

  /** Several calls lose the same connection; the user hears of it once. */
  #tellLoss(): void {
    if (!this.#told) this.#options.onLost();
    this.#told = true;
  }

  /** For a call that goes on for ever: the supervisor has answered, and its next loss is a new one. */
  back(): void {
    this.#told = false;
    this.#back = true;
  }

  close(): void {
    this.#link?.close();
    this.#link = null;
  }
}

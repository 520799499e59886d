// A scenario: what a client does, and what it must see on every pair of daemon and shim.
import type { World } from "./world.ts";

export interface Scenario {
  readonly title: string;
  readonly run: (w: World) => Promise<void>;
}

export const scenario = (title: string, run: (w: World) => Promise<void>): Scenario => ({ title, run });

export interface Area {
  readonly name: string;
  readonly scenarios: readonly Scenario[];
  /** They disturb others in the same daemon: they run one after the other, at the end. */
  readonly alone: boolean;
}

export const area = (name: string, scenarios: readonly Scenario[], { alone = false } = {}): Area => ({
  name,
  scenarios,
  alone,
});

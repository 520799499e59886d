// The call of planted.c, for programs that are built with it.
import { native } from "berth:native";

declare module "berth:native" {
  interface Native {
    plant(kind: string, text: string): boolean;
  }
}

/** The text is a string that nothing else holds, made at run time. */
export function plant(kind: string): void {
  if (!native.plant(kind, `${kind} ${Math.random()}`)) throw new TypeError(`there is no mistake named ${kind}`);
}

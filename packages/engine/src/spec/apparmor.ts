import { readFileSync } from "node:fs";
import { failedPrecondition, invalidArgument } from "@berth/base";

const SWITCH = "/sys/module/apparmor/parameters/enabled";

/** The profile's name, if this kernel can confine by it. Whether it is loaded, the runtime finds out when it asks for it. */
export function checkAppArmor(profile: string): string {
  if (!/^[^\s\0]+$/.test(profile))
    throw invalidArgument(`apparmor profile ${JSON.stringify(profile)} is invalid: give the name of a loaded one`);
  if (!isOn())
    throw failedPrecondition(
      `apparmor profile ${JSON.stringify(profile)} cannot be used: this kernel runs no AppArmor`,
    );
  return profile;
}

function isOn(): boolean {
  try {
    return readFileSync(SWITCH, "utf8").startsWith("Y");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

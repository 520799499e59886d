import { createTarReader, paddedSize, TAR_BLOCK, type TarMember } from "@berth/base";

/** The members of a whole tar with their bodies. */
export function* tarMembers(tar: Uint8Array): Generator<readonly [member: TarMember, body: Uint8Array]> {
  const reader = createTarReader();
  for (let at = 0; at < tar.length; ) {
    const step = reader.header(tar.subarray(at, at + TAR_BLOCK));
    at += TAR_BLOCK;
    if (step.at === "zeros") continue;
    const size = step.at === "extension" ? step.size : step.member.size;
    const body = tar.subarray(at, at + size);
    at += paddedSize(size);
    if (step.at === "extension") reader.extension(body);
    else yield [step.member, body];
  }
}

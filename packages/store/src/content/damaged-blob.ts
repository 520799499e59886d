import { BerthError } from "@berth/base";

/**
 * A blob that is recorded, but whose file is not what it was. It is not-found, because that is what clients of
 * containerd's API heed: `images.Check` calls the image incomplete, a fetch fetches the blob again. Of any other kind
 * they would only fail.
 */
export class DamagedBlob extends BerthError {
  override name = "DamagedBlob";
  /** What is wrong with it: "it has 3 bytes instead of 9". */
  readonly why: string;

  constructor(digest: string, why: string) {
    super("not-found", `content digest ${digest}: not found: it is damaged (${why}); import or pull its image again`);
    this.why = why;
  }
}

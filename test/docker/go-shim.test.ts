// The original: Debian's docker on Debian's containerd with the Go shim. What fails here is a wrong test.
import { dockerOnContainerd } from "./containerd.ts";
import { dockerSuite } from "./suite.ts";

dockerSuite("containerd with the Go shim", () => dockerOnContainerd());

// Moves a client's input to a container. The client's FIFO gives end of file only when nobody holds its write end:
// the shim holds one until CloseIO, so that a client may leave and another one come.
import { type Fd, O, open, Pump } from "@berth/host";
import { closeAll, stdioError } from "./stdio.ts";

export interface InputPump {
  /** CloseIO: lets go of the write end. */
  release(): void;
  close(): void;
}

/** Opens the FIFO at `path`. Owns `to` and closes it at the end of the input, unless it is a terminal's. */
export function startInputPump(path: string, to: Fd, terminal: boolean): InputPump {
  const [from, keeper] = openBothEnds(path);
  // A container that has closed its stdin reads no more: the client's bytes end there (EPIPE).
  const pump = new Pump({ from, to, onError: () => "stop" });
  let over = false;
  const end = () => {
    over = true;
    from.close();
    keeper.close();
    if (!terminal) to.close();
  };
  void pump.ended.then(end, end);
  return {
    release: () => keeper.close(),
    close() {
      if (over) return;
      pump.close();
      end();
    },
  };
}

function openBothEnds(path: string): [from: Fd, held: Fd] {
  const opened: Fd[] = [];
  try {
    for (const flags of [O.RDONLY, O.WRONLY]) opened.push(open(path, flags | O.NONBLOCK));
    return opened as [Fd, Fd];
  } catch (error) {
    closeAll(opened);
    throw stdioError(error);
  }
}

// The in-memory wire: what is put on it arrives on a later turn of the event loop, in order, so that two ends in one process
// neither recurse into each other nor starve the machine's sockets.
export interface Arrival {
  arrive(): void;
}

/** At most this many arrivals a turn, so that a turn stays short. */
const PER_TURN = 512;
/** Arrived entries are dropped from the queue when there are this many. */
const COMPACT_AT = 8192;

let queue: Arrival[] = [];
let head = 0;
let scheduled = false;

/** `arrival.arrive()` runs on the event loop's next turn. */
export function putOnWire(arrival: Arrival): void {
  queue.push(arrival);
  if (scheduled) return;
  scheduled = true;
  setImmediate(turn);
}

function turn(): void {
  const end = Math.min(queue.length, head + PER_TURN);
  try {
    while (head < end) queue[head++]?.arrive();
  } finally {
    if (head >= queue.length) {
      queue = [];
      head = 0;
      scheduled = false;
    } else {
      if (head >= COMPACT_AT) {
        queue = queue.slice(head);
        head = 0;
      }
      setImmediate(turn);
    }
  }
}

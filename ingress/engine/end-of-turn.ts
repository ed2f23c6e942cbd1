// Work put off to the end of the event loop's turn, all of it at once. A write to a socket wakes the process at its other end, which then
// answers one request, falls asleep and has to be woken for the next; the requests and answers of one turn sent together wake it once. To
// wake it is most of what a small request costs: with both sides put off, a GET to a process pod costs a fifth less.

/** So many do not wait for the end: pods and clients work on the first part of a busy turn while the second is made (a sixth more requests). */
const AT_ONCE = 32;

let waiting: (() => void)[] = [];

/** In the order asked for, after the I/O that is ready now, or once many wait; what is put off meanwhile waits for the next turn. */
export function atEndOfTurn(work: () => void): void {
  waiting.push(work);
  if (waiting.length === 1) setImmediate(run);
  if (waiting.length < AT_ONCE) return;
  try {
    run();
  } catch (error) {
    // None of the caller's.
    setImmediate(() => {
      throw error;
    });
  }
}

function run(): void {
  const works = waiting;
  waiting = [];
  let done = 0;
  try {
    while (done < works.length) works[done++]?.();
  } finally {
    // One that throws does not keep the others from being done.
    for (const work of works.slice(done)) atEndOfTurn(work);
  }
}

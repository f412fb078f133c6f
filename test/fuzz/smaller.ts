/** Tries of smaller inputs, and for how long. */
const MOST_TRIES = 3_000;
const MOST_MILLISECONDS = 10_000;

/** A smaller input of which `fails` still says yes: longer parts are left out first, then shorter ones. */
export async function smaller(input: Buffer, fails: (input: Buffer) => Promise<boolean>): Promise<Buffer> {
  const until = performance.now() + MOST_MILLISECONDS;
  let best = input;
  let tries = 0;
  for (let part = Math.ceil(best.length / 2); part >= 1; part = part === 1 ? 0 : Math.ceil(part / 2)) {
    for (let at = 0; at < best.length; ) {
      if (tries++ >= MOST_TRIES || performance.now() > until) return best;
      const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + part)]);
      if (await fails(shorter)) best = shorter;
      else at += part;
    }
  }
  return best;
}

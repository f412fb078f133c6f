// npm run bench mse: CPU milliseconds of a key agreement, and MB per CPU second of RC4: ours in WebAssembly beside a loop in
// JavaScript. docs/decisions/0022-mse.md settles both with these figures.
import { createDiffieHellman, randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { systemRandom } from '../src/lib/random.ts';
import { MSE_KEY_BYTES, MSE_METHODS, MseHandshake, Rc4 } from '../src/torrent/wire/index.ts';

const ROUNDS = 5;
const AGREEMENTS = 300;
const STREAM_BYTES = 32 * 1_048_576;
/** A batch of blocks, one block, a `have`. */
const WRITE_BYTES = [262_144, 16_397, 9];

/** CPU seconds of `work`, the least of ROUNDS runs, since other work on the machine only ever adds. */
function seconds(work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1e6);
  }
  return least;
}

/** What a stranger who sends a key costs: our own key and the secret. */
function agree(): void {
  const side = MseHandshake.respond({
    methods: MSE_METHODS.rc4,
    random: systemRandom,
    find: () => null,
    send: () => undefined,
  });
  const key = randomBytes(MSE_KEY_BYTES);
  key[0] = 0x7f;
  side.push(key);
}

/** The same in OpenSSL, with MSE's prime and one object for all: making it costs much more. */
function opensslAgreements(): () => void {
  const prime =
    'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563';
  const group = createDiffieHellman(Buffer.from(prime, 'hex'), 2);
  const key = randomBytes(MSE_KEY_BYTES);
  key[0] = 0x7f;
  return () => {
    group.setPrivateKey(randomBytes(20));
    group.generateKeys();
    group.computeSecret(key);
  };
}

/** RC4 as a loop over bytes, without anything around it. */
function javascriptRc4(): (bytes: Buffer) => void {
  const state = Uint8Array.from({ length: 256 }, (_, at) => at);
  let i = 0;
  let j = 0;
  return (bytes) => {
    for (let at = 0; at < bytes.length; at++) {
      i = (i + 1) & 255;
      const x = state[i] as number;
      j = (j + x) & 255;
      const y = state[j] as number;
      state[i] = y;
      state[j] = x;
      bytes[at] = (bytes[at] as number) ^ (state[(x + y) & 255] as number);
    }
  };
}

function rate(apply: (bytes: Buffer) => void, writeBytes: number): string {
  const total = Math.min(STREAM_BYTES, writeBytes * 200_000);
  const bytes = randomBytes(writeBytes);
  const used = seconds(() => {
    for (let done = 0; done < total; done += writeBytes) apply(bytes);
  });
  return (total / 1e6 / used).toFixed(0).padStart(6);
}

const many = (work: () => void) => () => {
  for (let count = 0; count < AGREEMENTS; count++) work();
};
const milliseconds = (work: () => void) => ((seconds(many(work)) * 1000) / AGREEMENTS).toFixed(3);
console.log(`least of ${ROUNDS} runs; ${cpus()[0]?.model}, Node ${process.version}`);
console.log(`key agreement, CPU ms: ours ${milliseconds(agree)}, OpenSSL's ${milliseconds(opensslAgreements())}`);
console.log(`making OpenSSL's group, CPU ms: ${(seconds(() => void opensslAgreements()) * 1000).toFixed(1)}`);
const stream = new Rc4(randomBytes(20));
for (const writeBytes of WRITE_BYTES) {
  const ours = rate((bytes) => stream.apply(bytes), writeBytes);
  console.log(
    `RC4, MB per CPU second, ${writeBytes} bytes at a time: WebAssembly ${ours}, JavaScript ${rate(javascriptRc4(), writeBytes)}`,
  );
}

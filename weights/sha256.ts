// SHA-256, whole messages at a time: hashes for the prefix cache and of checkpoints, in any JavaScript engine and without
// waiting (WebCrypto's digest is asynchronous, node:crypto is not everywhere). Not for secrets.
// Source: NIST FIPS 180-4, section 6.2.

const roundConstants = Int32Array.from(fractionsOf((prime) => prime ** (1 / 3), 64));
const initial = fractionsOf((prime) => prime ** 0.5, 8);

/** The digest of some bytes: 64 hexadecimal digits. */
export function sha256(message: Uint8Array): string {
  const state = Uint32Array.from(initial);
  const schedule = new Uint32Array(64);
  const whole = message.length - (message.length % 64);
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  for (let at = 0; at < whole; at += 64) compress(state, schedule, view, at);

  // The rest, a one bit, zeros, and the length in bits as 64 bits, big endian.
  const rest = message.length - whole;
  const tail = new DataView(new ArrayBuffer(rest < 56 ? 64 : 128));
  for (let i = 0; i < rest; i++) tail.setUint8(i, message[whole + i]);
  tail.setUint8(rest, 0x80);
  tail.setBigUint64(tail.byteLength - 8, BigInt(message.length) * 8n);
  for (let at = 0; at < tail.byteLength; at += 64) compress(state, schedule, tail, at);

  return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
}

/** Takes the 64 bytes from `at` on into the state. */
function compress(state: Uint32Array, w: Uint32Array, view: DataView, at: number): void {
  for (let t = 0; t < 16; t++) w[t] = view.getUint32(at + 4 * t);
  for (let t = 16; t < 64; t++) {
    const early = w[t - 15];
    const late = w[t - 2];
    const s0 = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
    const s1 = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
    w[t] = w[t - 16] + s0 + w[t - 7] + s1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let t = 0; t < 64; t++) {
    const sum1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
    const choice = (e & f) ^ (~e & g);
    const first = (h + sum1 + choice + roundConstants[t] + w[t]) | 0;
    const sum0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = (d + first) | 0;
    d = c;
    c = b;
    b = a;
    a = (first + sum0 + majority) | 0;
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] += word;
}

function turn(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

/** The first 32 bits of the fractional parts of the roots of the first n primes. */
function fractionsOf(root: (prime: number) => number, n: number): number[] {
  const primes: number[] = [];
  for (let k = 2; primes.length < n; k++) if (primes.every((prime) => k % prime !== 0)) primes.push(k);
  return primes.map((prime) => Math.floor((root(prime) % 1) * 2 ** 32));
}

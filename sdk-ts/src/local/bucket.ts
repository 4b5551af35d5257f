/** The bucket, from 0 to 99,999, of a unit for one purpose of a flag. */
export const bucket = (salt: string, purpose: string, unit: string): number =>
  Math.floor((head(`${salt}\x1f${purpose}\x1f${unit}`) * 1e5) / 2 ** 32)

type Words = [number, number, number, number, number, number, number, number]

/** The first 32 bits of the fractional part of a root of each of the first primes: SHA-256's constants. */
const roots = (count: number, power: number): number[] => {
  const found: number[] = []
  for (let n = 2; found.length < count; n++) {
    let divisor = 2
    while (n % divisor) divisor++
    if (divisor === n) found.push((n ** power * 2 ** 32) | 0)
  }
  return found
}

/** A word rotated to the right by three numbers of bits, in exclusive or; the last is shifted instead if negative. */
const mixed = (x: number, a: number, b: number, c: number): number =>
  rotated(x, a) ^ rotated(x, b) ^ (c < 0 ? x >>> -c : rotated(x, c))

const rotated = (x: number, n: number): number => (x >>> n) | (x << (32 - n))

/** The first four bytes, big-endian, of the SHA-256 of a text. */
const head = (text: string): number => {
  const bytes = new TextEncoder().encode(text)
  const size = ((bytes.length + 72) >> 6) << 4
  const message: number[] = []
  ;[...bytes, 0x80].forEach((byte, i) => {
    message[i >> 2] = (message[i >> 2] as number) | (byte << (24 - (i % 4) * 8))
  })
  message[size - 1] = bytes.length * 8
  let state = roots(8, 1 / 2)
  for (let block = 0; block < size; block += 16) {
    const w = message.slice(block, block + 16)
    let v = state
    constants.forEach((constant, i) => {
      const [a, b, c, d, e, f, g, h] = v as Words
      const word = (back: number): number => w[i - back] as number
      w[i] = (i < 16 ? word(0) : word(16) + word(7) + mixed(word(15), 7, 18, -3) + mixed(word(2), 17, 19, -10)) | 0
      const first = h + mixed(e, 6, 11, 25) + ((e & f) ^ (~e & g)) + constant + word(0)
      v = [(first + mixed(a, 2, 13, 22) + ((a & b) ^ (a & c) ^ (b & c))) | 0, a, b, c, (d + first) | 0, e, f, g]
    })
    state = state.map((word, i) => (word + (v as Words)[i as 0]) | 0)
  }
  return (state as Words)[0] >>> 0
}

const constants = /* @__PURE__ */ roots(64, 1 / 3)

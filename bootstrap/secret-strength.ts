/** What people write where a secret was to be made. */
const WORDS =
  /secret|passwo?r?d|passphrase|pass|change-?_?me|default|example|sample|test|demo|dummy|roomcast|admin|root|letmein|qwerty|asdf|your|my|key|token|jwt|api|insecure|development|dev|production|prod|placeholder|todo|xxx+/gi

const MIN_DISTINCT = 8
const MIN_OWN = 12

/** The length of the shortest text that makes it when repeated, cut off anywhere. */
const period = (text: string): number => {
  for (let length = 1; length < text.length; length++) if (text.startsWith(text.slice(length))) return length
  return text.length
}

/** The characters of one stretch that counts up, or down, also with repeats ("1122334"), before chance makes such a stretch. */
const MIN_STRETCH = 5

/** The part of the text in such stretches: 1 in "aaaaa" and "abcdef"; over a half in one of 10^10 random hex secrets of 16 bytes. */
const counted = (text: string): number => {
  let covered = 0
  let start = 0
  let direction = 0
  for (let i = 1; i <= text.length; i++) {
    const step = text.charCodeAt(i) - text.charCodeAt(i - 1)
    const goesOn = Math.abs(step) <= 1 && step * direction >= 0
    if (goesOn) direction ||= step
    else {
      if (i - start >= MIN_STRETCH) covered += i - start
      start = i
      direction = 0
    }
  }
  return covered / text.length
}

/**
 * Why somebody could guess the secret, in words that show nothing of it; undefined where nothing speaks against it. It
 * sees what is short, repeated, counted up or made of the usual words; it cannot tell random text from a quotation.
 */
export const weakness = (secret: string, minBytes: number): string | undefined => {
  const bytes = new TextEncoder().encode(secret).length
  if (bytes < minBytes) return `it has ${bytes} bytes`
  const distinct = new Set(secret).size
  if (distinct < MIN_DISTINCT) return `it has only ${distinct} different characters`
  if (period(secret) <= secret.length / 2) return "it repeats itself"
  if (counted(secret) > 0.5) return "it counts up or down"
  if (secret.replace(WORDS, "").replace(/[\W_]/g, "").length < MIN_OWN) return "it is made of well-known words"
  return undefined
}

/**
 * What never reaches a log: fields by name, values by pattern. @logtape/redaction is not used: it passes over Errors,
 * Maps and what stands in a message's text, its patterns take quadratic time, and it works after long values were cut,
 * when half a token is no token any more. Every pattern here begins where a run of its characters begins, or is bounded,
 * so that its time grows with the text's length only.
 */
export const REDACTED = "[redacted]"

const STEMS = /token|secret|passw|passphrase|cookie|credential|authoriz|apikey|sessionid|privatekey|email|address/
const WORDS = new Set(
  "addr auth bearer body claims data info ip ips jwt key keys mail payload phone pid session sid signature".split(" "),
)
const MEASURES = new Set(["bytes", "count", "length", "limit", "ms", "seconds", "size"])

/** `clientAddress`, `x-api-key`, `sessionId`; not `payloadBytes: 12`, nor the id that tells keys apart. */
export const isSensitiveField = (name: string, value: unknown): boolean => {
  const words = name
    .slice(0, 100)
    .replace(/([a-z0-9])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$3 $2")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
  const last = words.at(-1) ?? ""
  if (typeof value === "number" && MEASURES.has(last)) return false
  if (words.at(-2) === "key" && last === "id") return false
  return STEMS.test(words.join("")) || words.some((word) => WORDS.has(word))
}

/** Not personal, and an operator wants to see them: every host's own addresses. */
const isOwnAddress = (address: string): boolean => /^((::ffff:)?(127\.|0\.0\.0\.0$)|::1?$)/i.test(address)

/** `1:2:3` is a time, `::` and eight groups are an address. */
const isIpv6 = (text: string): boolean => {
  const groups = text.split(":").filter((group) => group !== "")
  const count = groups.length + (text.includes(".") ? 1 : 0)
  return text.includes("::") ? count > 0 && count < 8 : count === 8
}

type Rule = readonly [pattern: RegExp, replace: string | ((found: string) => string)]

const RULES: readonly Rule[] = [
  [/((?:set-)?cookie|authorization)(\\{0,7}["']?\s{0,3}[:=]\s{0,3})[^\r\n]+/gi, `$1$2${REDACTED}`],
  [/-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[\s\S]*?(?:-----END[A-Z ]{0,40}-----|$)/g, REDACTED],
  [/\/\/[^\s/@:"']*:[^\s/@]+@/g, `//${REDACTED}@`],
  // A JWT, or as much of one as is there: `eyJ` is `{"` in base64url. RFC 7519, section 3.1.
  [/[\w.%-]{12,}/g, (run) => run.replace(/eyJ[\w-]{8}.*$/, REDACTED)],
  [/\b(Bearer|Basic)\s{1,3}[^\s"',;]+/gi, `$1 ${REDACTED}`],
  [/whsec_[\w+/=-]+/g, REDACTED],
  [/(?<![a-z_])rc_[\w-]{4,}/g, REDACTED],
  [
    /(?<![\w-])([\w-]*(?:token|secret|passw(?:or)?d|api[_-]?key|pid|sid|session(?:[_-]?id)?|email))(\\{0,7}["']?\s{0,3}[:=]\s{0,3}\\{0,7}["']?)(?!\[redacted)[^\s"'&,;}]+/gi,
    `$1$2${REDACTED}`,
  ],
  [/(?<![\p{L}\p{N}._%+-])[\p{L}\p{N}._%+-]+@(?:[\p{L}\p{N}-]+\.)+[\p{L}\p{N}-]{2,}/gu, REDACTED],
  [
    /(?<![\w.])(?:[0-9a-f]{0,4}:){2,7}(?:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f]{1,4})?(?![\w:])/gi,
    (found) => (isIpv6(found) && !isOwnAddress(found) ? REDACTED : found),
  ],
  [/(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)/g, (found) => (isOwnAddress(found) ? found : REDACTED)],
]

const applyRules = (text: string): string => {
  let shown = text
  for (const [pattern, replace] of RULES)
    shown = typeof replace === "string" ? shown.replace(pattern, replace) : shown.replace(pattern, replace)
  return shown
}

/** In a URL a space or a quote is a code, and every boundary that the rules look for is lost: it is decoded first. */
const redactEncoded = (run: string): string => {
  const decoded = run.replace(/(?:%[0-9a-f]{2})+/gi, (codes) => {
    try {
      return decodeURIComponent(codes)
    } catch {
      return codes
    }
  })
  const shown = applyRules(decoded)
  return shown === decoded ? run : shown
}

/** No rule finds anything in a text without one of these: most texts have none. */
const SUSPICIOUS = /[@:=%]|eyJ|rc_|whsec_|\b(?:bearer|basic)\s|-----|\d\.\d/i

export const redactText = (text: string): string =>
  SUSPICIOUS.test(text) ? applyRules(text.replace(/(?<!\S)\S*%[0-9a-f]{2}\S*/gi, redactEncoded)) : text

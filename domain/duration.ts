const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** What configuration and handler modules may give for a duration; for messages. */
export const DURATION_FORMS = '"500ms", "3s", "2m", "24h", "7d" or a whole number of ms'

/**
 * A duration in ms: `500ms`, `30s`, `2m`, `24h`, `7d`, or a whole number of ms, as a number or as text (an environment
 * variable has no numbers). Not negative; undefined where it is none of these.
 */
export const parseDuration = (value: unknown): number | undefined => {
  let ms: number
  if (typeof value === "number") {
    ms = value
  } else {
    const match = typeof value === "string" ? /^(\d{1,16})(ms|s|m|h|d)?$/.exec(value) : null
    if (match === null) return undefined
    ms = Number(match[1]) * (UNITS[match[2] ?? "ms"] ?? 1)
  }
  return Number.isSafeInteger(ms) && ms >= 0 ? ms : undefined
}

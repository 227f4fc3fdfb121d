import { z } from "zod"
import { duration, flag, oneOf, text, whole } from "./config-leaf.ts"

const notEmpty = (value: string): boolean => value.trim() !== ""
const LEVELS = ["trace", "debug", "info", "warning", "warn", "error", "fatal"] as const

export const log = z.strictObject({
  level: oneOf("The least that is logged; warn is warning.", LEVELS)
    .transform((level) => (level === "warn" ? "warning" : level))
    .prefault("info"),
  format: oneOf("One JSON object a line, or for people. In production json, else pretty.", [
    "json",
    "pretty",
  ]).optional(),
  redact: flag(
    "Leaves out secrets, message data, e-mail addresses and IP addresses. Off for development only.",
  ).default(true),
  file: z
    .strictObject({
      path: text("The log file, readable for its owner only.", "a path", notEmpty),
      maxSize: whole("Bytes after which a new file is begun.", 1_024, 10_737_418_240).default(10_485_760),
      maxFiles: whole("Files in all, with the one that is written to.", 1, 1_000).default(5),
      maxAge: duration(
        "Old files are deleted after it; without it only where there are more than maxFiles.",
        "1m",
        "366d",
      ).optional(),
    })
    .describe("Logs into a file as well.")
    .optional(),
})

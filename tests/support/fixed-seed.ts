import process from "node:process"
import fc from "fast-check"

/**
 * The same generated cases in every run, so that a failure is a change's and not a day's. Another seed looks elsewhere:
 * ROOMCAST_SEED=$RANDOM npx vitest run --config tests/vitest.config.ts --project units
 */
fc.configureGlobal({ seed: Number(process.env["ROOMCAST_SEED"] ?? 20_261_123) })

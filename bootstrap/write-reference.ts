import { writeFileSync } from "node:fs"
import { configReference } from "./config-reference.ts"
import { configJsonSchema } from "./show-config.ts"

/** Writes what is generated from the schema; a test holds both files to it. */
writeFileSync(new URL("../docs/configuration.md", import.meta.url), configReference())
writeFileSync(new URL("../docs/roomcast.schema.json", import.meta.url), `${configJsonSchema()}\n`)

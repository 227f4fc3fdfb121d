/** The category of what this adapter logs. */
export const LOG = { category: ["adapters", "redis"] }

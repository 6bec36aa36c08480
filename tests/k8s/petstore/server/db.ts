// The document's settings of the pool: 20 clients, idle 30 s, connect 2 s.
import { Pool } from "pg";
import { drizzle } from "drizzle-orm/node-postgres";
import * as schema from "@shared/schema";

if (!process.env.DATABASE_URL) {
  throw new Error("DATABASE_URL must be set.");
}

export const pool = new Pool({
  connectionString: process.env.DATABASE_URL,
  max: 20,
  idleTimeoutMillis: 30000,
  connectionTimeoutMillis: 2000,
});

// Without listeners node-postgres ends the process when the other side closes
// a connection that runs nothing, in the pool or taken out, as a restart does.
const ended = (error: Error) =>
  console.error("a connection has ended:", error.message);
pool.on("error", ended);
pool.on("connect", (client) => client.on("error", ended));

export const db = drizzle(pool, { schema });

process.on("SIGINT", () => {
  pool.end();
});

process.on("SIGTERM", () => {
  pool.end();
});

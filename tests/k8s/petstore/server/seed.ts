import { db, pool } from "./db";
import { pets } from "@shared/schema";

await db.insert(pets).values([
  { name: "Rex", kind: "wolf", tags: ["big"], stock: 100 },
  { name: "Tom", kind: "cat", stock: 100 },
]).onConflictDoNothing();
await pool.end();

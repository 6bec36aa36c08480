import { createServer } from "node:http";
import { eq, sql } from "drizzle-orm";
import { db, pool } from "./db";
import { orders, pets } from "@shared/schema";

const byName = db.select().from(pets)
  .where(eq(pets.name, sql.placeholder("name"))).prepare("pet_by_name");

/** One of a pet is ordered, or nothing happens. */
async function order(name: string) {
  return db.transaction(async (tx) => {
    const [pet] = await tx.select().from(pets)
      .where(eq(pets.name, name)).for("update");
    await tx.update(pets).set({ stock: pet.stock - 1 })
      .where(eq(pets.id, pet.id));
    const [made] = await tx.insert(orders)
      .values({ petId: pet.id, quantity: 1 }).returning();
    return made;
  });
}

async function answer(method: string, path: string) {
  const [, what, name] = path.split("/");
  if (what === "pets" && name) return byName.execute({ name });
  if (what === "pets") return db.select().from(pets).orderBy(pets.id);
  if (what === "orders" && method === "POST") return order(name);
  if (what === "orders") return [await db.$count(orders)];
  throw new Error("there is no such thing");
}

const server = createServer(async (request, response) => {
  try {
    const found = await answer(request.method!, request.url!);
    response.end(JSON.stringify(found));
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error) + ": " + String((error as Error).cause));
  }
});
// A port, or the path of a unix socket.
server.listen(process.env.PORT);
process.on("SIGTERM", () => server.close());

/*
 * The story through drizzle-orm on node-postgres, with the pool that
 * applications give it: 20 clients, idle for 30 s, 2 s to connect.
 */
'use strict';

const { Pool } = require('pg');
const { drizzle } = require('drizzle-orm/node-postgres');
const { eq, sql, inArray, gt } = require('drizzle-orm');
const { pgTable, integer, text, numeric, jsonb, boolean, bigserial, timestamp }
    = require('drizzle-orm/pg-core');
const story = require('./story.cjs');

const clients = 2 * story.clients;
const { tell } = story;

const item = pgTable('item', {
	id: integer('id').primaryKey(),
	name: text('name'),
	price: numeric('price'),
	doc: jsonb('doc'),
	tags: text('tags').array(),
	at: timestamp('at', { withTimezone: true }),
	isGood: boolean('is_good'),
});
const account = pgTable('account', {
	id: integer('id').primaryKey(),
	balance: integer('balance').notNull(),
});
const drawn = pgTable('drawn', {
	id: bigserial('id', { mode: 'number' }).primaryKey(),
	name: text('name'),
});
const schema = { item, account, drawn };

const pool = new Pool({
	connectionString: process.env.DATABASE_URL,
	max: 20,
	idleTimeoutMillis: 30000,
	connectionTimeoutMillis: 2000,
});
const db = drizzle(pool, { schema });

async function errorOf(promise) {
	try {
		await promise;
	} catch (error) {
		return (error.cause ?? error).code ?? error.message;
	}
	return 'no error';
}

async function rows() {
	tell('insert', await db.insert(item).values([
		{ id: 1, name: 'one ü', price: '1.50', doc: { k: [1] },
		  tags: ['a', 'b"'], at: new Date(0), isGood: true },
		{ id: 2, name: 'two' }, { id: 3 }]).returning());
	tell('insert', await db.insert(item).values({ id: 1, name: 'again' })
	    .onConflictDoUpdate({ target: item.id, set: { name: 'changed' } })
	    .returning({ name: item.name }));
	tell('insert', await errorOf(db.insert(item).values({ id: 1 })));
	tell('select', await db.select().from(item).where(
	    inArray(item.id, [1, 2])).orderBy(item.id));
	tell('select', await db.query.item.findFirst({
	    where: eq(item.id, 2), columns: { name: true } }));
	tell('select', await db.$count(account, gt(account.id, 5)));
	tell('update', await db.update(item).set({ price: '9.99' })
	    .where(eq(item.id, 2)).returning({ price: item.price }));
	tell('delete', (await db.delete(item).where(eq(item.id, 3))).rowCount);
	tell('execute', (await db.execute(
	    sql`select ${7}::int + add_up(${1}, ${2}) as n`)).rows);
}

async function prepared() {
	const query = db.select().from(item).where(eq(item.id,
	    sql.placeholder('id'))).prepare('by_id');
	for (let i = 0; i < 5; i++)
		tell('prepared', (await query.execute({ id: 1 }))[0].name);
	tell('prepared', (await Promise.all(Array.from({ length: clients },
	    () => query.execute({ id: 2 })))).map((r) => r[0].name));
}

async function transactions() {
	const seen = await db.transaction(async (tx) => {
		await tx.insert(account).values({ id: 100, balance: 1 });
		const inner = await errorOf(tx.transaction(async (deep) => {
			await deep.update(account).set({ balance: 77 })
			    .where(eq(account.id, 100));
			await deep.insert(account).values({ id: 100, balance: 2 });
		}));
		await tx.execute(sql`set local search_path = other_schema`);
		const named = await tx.execute(sql`select name from product`);
		return [inner, named.rows];
	});
	tell('transaction', seen, await db.select().from(account)
	    .where(eq(account.id, 100)));
	tell('transaction', await errorOf(db.transaction(async (tx) => {
		await tx.delete(account);
		tx.rollback();
	})));
	tell('transaction', await db.transaction(async (tx) =>
	    (await tx.execute(sql`show transaction_isolation`)).rows,
	    { isolationLevel: 'serializable', accessMode: 'read only',
	      deferrable: true }));
	tell('transaction', await db.$count(account));
}

async function crowd() {
	const seen = await Promise.all(Array.from({ length: clients },
	    async (_, number) => {
		const lines = [];
		for (let turn = 0; turn < 5; turn++) {
			lines.push(await db.transaction(async (tx) => {
				await tx.update(account).set({ balance:
				    sql`${account.balance} + 1` })
				    .where(eq(account.id, number + 1));
				return (await tx.select().from(account)
				    .where(eq(account.id, number + 1)))[0].balance;
			}));
			lines.push(await errorOf(
			    db.execute(sql`select 1 / ${0}::int`)));
			await db.insert(drawn).values({ name: 'drawn' });
		}
		return lines;
	}));
	for (const [number, lines] of seen.entries())
		tell(`crowd ${number}`, lines);
	tell('crowd', await db.$count(drawn), pool.totalCount <= 20);
}

(async () => {
	for (const chapter of [rows, prepared, transactions, crowd])
		await chapter();
	await pool.end();
})().catch((error) => {
	console.error(error);
	process.exit(1);
});

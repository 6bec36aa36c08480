/*
 * A small application on Node.js with its driver's pool, as applications set
 * it: 20 clients, idle for 30 s, 2 s to connect (STORY_MODE: pg, drizzle,
 * postgres).  What it does and says: see pools.py.
 */
'use strict';

const { Pool } = require('pg');
const { drizzle } = require('drizzle-orm/node-postgres');
const { eq, count } = require('drizzle-orm');
const { pgTable, integer, text } = require('drizzle-orm/pg-core');
const postgres = require('postgres');

const url = process.env.DATABASE_URL;
const workers = Number(process.env.STORY_CLIENTS);
const errors = {};
let ends = false;

function note(code) {
	errors[code] = (errors[code] ?? 0) + 1;
}

function newPool() {
	const pool = new Pool({ connectionString: url, max: 20,
	    idleTimeoutMillis: 30000, connectionTimeoutMillis: 2000 });
	/* Without these an error that comes while nobody asks ends a process. */
	pool.on('error', (error) => note(`idle: ${error.code}`));
	pool.on('connect', (client) => client.on('error', () => {}));
	return pool;
}

function onPg() {
	const pool = newPool();
	return {
		read: async (id) => Number((await pool.query(
		    'select count(*) from visit where id = $1', [id])).rows[0].count),
		write: (id) => pool.query({ name: 'write',
		    text: 'insert into visit values ($1, $2)',
		    values: [id, 'alone'] }),
		transact: async (id) => {
			const client = await pool.connect();
			let broken;
			try {
				await client.query('begin');
				await client.query('insert into visit values ($1, $2)',
				    [id, 'together']);
				await client.query('commit');
			} catch (error) {
				await client.query('rollback').catch((second) => {
					broken = second;
				});
				throw error;
			} finally {
				client.release(broken);
			}
		},
		end: () => pool.end(),
	};
}

const visit = pgTable('visit', {
	id: integer('id').primaryKey(),
	note: text('note'),
});

function onDrizzle() {
	const pool = newPool();
	const db = drizzle(pool, { schema: { visit } });
	return {
		read: async (id) => (await db.select({ n: count() }).from(visit)
		    .where(eq(visit.id, id)))[0].n,
		write: (id) => db.insert(visit).values({ id, note: 'alone' }),
		transact: (id) => db.transaction(async (tx) => {
			await tx.insert(visit).values({ id, note: 'together' });
			return tx.select().from(visit).where(eq(visit.id, id));
		}),
		end: () => pool.end(),
	};
}

function onPostgres() {
	const sql = postgres(url, { max: workers, connect_timeout: 2 });
	return {
		read: async (id) => Number((await
		    sql`select count(*) from visit where id = ${id}`)[0].count),
		write: (id) => sql`insert into visit values (${id}, 'alone')`,
		transact: (id) => sql.begin(async (tx) => {
			await tx`insert into visit values (${id}, 'together')`;
		}),
		end: () => sql.end(),
	};
}

/* Whether it went well, and what it said. */
async function tried(what, id) {
	try {
		return [true, await what(id)];
	} catch (error) {
		const cause = error.cause ?? error;
		note(cause.code ?? cause.message);
		/* A pooler that is away is not asked as fast as can be. */
		await new Promise((resolve) => setTimeout(resolve, 20));
		return [false];
	}
}

async function work(app, number) {
	for (let id = number * 1000000; !ends; id++) {
		const [isDone] = await tried(id % 2 ? app.write : app.transact, id);
		const [isRead, seen] = await tried(app.read, id);
		if (isDone)
			console.log(`wrote ${id} ${isRead ? seen : 1}`);
	}
}

async function main() {
	const app = { pg: onPg, drizzle: onDrizzle, postgres: onPostgres }
	    [process.env.STORY_MODE]();
	process.stdin.on('end', () => { ends = true; }).resume();
	await Promise.all(Array.from({ length: workers },
	    (_, number) => work(app, number)));
	await app.end();
	console.log(`errors ${JSON.stringify(errors)}`);
}

main();

/*
 * The story in postgres.js's idiom: describes what it does not know before
 * it binds, pipelines by itself, keeps a pool; STORY_MODE=unprepared for
 * what people set in front of poolers.
 */
'use strict';

const fs = require('fs');
const { Readable } = require('stream');
const { pipeline } = require('stream/promises');
const postgres = require('postgres');
const { url, clients, tell } = require('./story.cjs');

const prepare = process.env.STORY_MODE !== 'unprepared';
const notices = [];

const open = (parameters = '', more = {}) => postgres(url + parameters,
    { prepare, onnotice: (n) => notices.push(n.message), ...more });

async function errorOf(promise) {
	try {
		await promise;
	} catch (error) {
		return `${error.code} ${error.message}`.replace(/:\d+$/, '');
	}
	return 'no error';
}

async function urls() {
	const ca = fs.readFileSync(process.env.STORY_CA, 'utf8');
	const forms = [['?search_path=naytife_schema', {}],
	    ['?sslmode=require&application_name=x', {}],
	    ['', { ssl: { ca }, connection: { application_name: 'y',
	      search_path: 'other_schema, public', statement_timeout: 5000 } }],
	    ['?options=-csearch_path%3Dother_schema', {}],
	    ['?target_session_attrs=read-write', {}],
	    ['?target_session_attrs=prefer-standby', {}],
	    ['?target_session_attrs=primary', { host: ['127.0.0.1', '127.0.0.1'],
	      port: [1, Number(process.env.PGPORT)] }],
	    ['?nosuch=1', {}]];
	for (const [number, [parameters, more]] of forms.entries()) {
		const db = open(parameters, { max: 1, ...more });
		tell(`url ${number}`, await errorOf((async () => {
			const seen = [];
			for (const name of ['search_path', 'application_name',
			    'statement_timeout'])
				seen.push((await db.unsafe(`show ${name}`))[0]);
			tell(`url ${number}`, seen);
		})()));
		await db.end();
	}
}

async function types(db) {
	const values = [[db.typed(true, 16)], [7], ['1099511627776'],
	    [1.5], ["ü ' \\"], [Buffer.from([0, 255])], [new Date(0)],
	    [db.array([1, 2, 3])], [db.json({ a: [1, null] })], [null]];
	const kinds = ['bool', 'int4', 'int8', 'float8', 'text', 'bytea',
	    'timestamptz', 'int4[]', 'jsonb', 'text'];
	for (const [i, [value]] of values.entries())
		tell('types', kinds[i], (await db.unsafe(
		    `select $1::${kinds[i]} as v`, [value]))[0]);
	tell('types', await db`insert into item ${db([
	    { id: 1, name: 'one' }, { id: 2, name: 'two' }])} returning *`);
	tell('types', await db`select name from item where id in ${db([1, 2])}
	    order by id`);
	tell('types', await db`select ${'happy'}::mood, add_up(${1}, ${2})`);
	tell('types', (await db`select * from item`.describe()).columns
	    .map((c) => [c.name, c.type]).slice(0, 6));
	tell('types', await db`select 1 as a, 2 as b`.values());
}

async function prepared(db) {
	for (let i = 0; i < 5; i++)
		tell('prepared', await db`select name from product
		    where id = ${1}`);
	tell('prepared', await Promise.all(Array.from({ length: 30 }, (_, i) =>
	    errorOf(i % 10 === 5 ? db`select nosuch` : db`select ${i}::int`))));
	tell('prepared', await db.unsafe('select 1 as a; select 2 as b'));
	tell('prepared', await db`select 1 as x; select 2 as y`.simple());
	tell('prepared', await errorOf(db`select ${'x'}::int`));
}

async function transactions(db) {
	tell('transaction', await db.begin(async (tx) => {
		await tx`insert into account values (100, 1)`;
		const inner = await errorOf(tx.savepoint(async (deep) => {
			await deep`update account set balance = 77`;
			await deep`insert into account values (${100}, 2)`;
		}));
		await tx`set local search_path = other_schema`;
		return [inner, await tx`select name from product`,
		    await tx`show search_path`];
	}));
	tell('transaction', await db`select * from account where id = 100`);
	tell('transaction', await errorOf(db.begin(async (tx) => {
		await tx`delete from account`;
		await tx`select 1 / ${0}::int`;
	})));
	tell('transaction', await db`select count(*) from account`);
	tell('transaction', await db.begin('isolation level serializable ' +
	    'read only', async (tx) => [await tx`show transaction_isolation`,
	    await tx`select 1 as one`]));
	tell('transaction', await errorOf(db.begin('read only', (tx) =>
	    tx`delete from account`)));
	/* Several statements at once inside of a transaction. */
	tell('transaction', await db.begin((tx) => [
	    tx`select 1 as a`, tx`select 2 as b`, tx`select 3 as c`]));
	await db`select complain('x')`;
	await db`call pay(${1}, ${2}, ${10})`;
	tell('transaction', notices);
}

async function copies(db) {
	const rows = Array.from({ length: 3000 }, (_, i) =>
	    `${i + 10}\tname ${i}\n`);
	await pipeline(Readable.from(rows),
	    await db`copy item (id, name) from stdin`.writable());
	let bytes = 0;
	/* Not more: the driver forgets to go on reading behind 16 KB. */
	for await (const chunk of await db`copy (select id, name from item
	    where id < 500) to stdout`.readable())
		bytes += chunk.length;
	tell('copy', bytes, await db`select count(*) from item`);
}

async function cursors(db) {
	const seen = [];
	await db`select generate_series(1, 30) as n`.cursor(7, (rows) => {
		seen.push(rows.map((r) => r.n));
	});
	tell('cursor', seen);
	let sum = 0;
	for await (const rows of
	    db`select generate_series(1, 1000) as n`.cursor(100)) {
		sum += rows.reduce((all, row) => all + row.n, 0);
		if (sum > 100000)
			break;
	}
	tell('cursor', sum, await db`select 'after' as a`);
	let each = 0;
	await db`select generate_series(1, 100) as n`.forEach((row) => {
		each += row.n;
	});
	tell('cursor', each);
}

async function notifications(db) {
	const heard = [];
	let wake;
	const all = new Promise((resolve) => { wake = resolve; });
	const { unlisten } = await db.listen('news', (payload) => {
		heard.push(payload);
		if (payload === 'stop')
			wake();
	});
	for (let i = 0; i < 3; i++)
		await db.notify('news', `news ${i}`);
	await db.notify('news', 'stop');
	await all;
	await unlisten();
	tell('notify', heard);
}

async function cancels(db) {
	const query = db`select nap(60)`;
	const seen = errorOf(query);
	for (;;) {
		const rows = await db`select 1 from sleeper`;
		if (rows.length > 0)
			break;
	}
	await query.cancel();
	tell('cancel', await seen, await db`select 'after' as a`);
}

async function sessions(db) {
	const mine = await db.reserve();
	await mine`create temp table mine (a int)`;
	await mine`insert into mine values (${1})`;
	await mine`select pg_advisory_lock(${42})`;
	await mine`set work_mem = '9MB'`;
	tell('session', await mine`select a from mine`,
	    await mine`show work_mem`, await db`show work_mem`,
	    await errorOf(db`select a from mine`),
	    await db`select pg_try_advisory_lock(42)`);
	await mine`select pg_advisory_unlock(42)`;
	await mine`drop table mine`;
	await mine`reset all`;
	await mine.release();
	tell('session', await db`select pg_try_advisory_xact_lock(42)`);
	tell('large object', await db.begin(async (tx) => {
		const [{ oid }] = await tx`select lo_from_bytea(0,
		    ${Buffer.from('large object')}) as oid`;
		await tx`select lo_put(${oid}, 6, ${Buffer.from('OB')})`;
		const [{ text }] = await tx`select lo_get(${oid}) as text`;
		return [text.toString(), await tx`select lo_unlink(${oid})`];
	}));
}

async function changing(db) {
	const all = () => db`select * from changing`;
	tell('changing', await all());
	await db`alter table changing add b text default 'b'`;
	/* The driver prepares it again by itself. */
	tell('changing', await all());
	tell('changing', await all());
}

async function crowd() {
	const db = open('', { max: clients, idle_timeout: 20,
	    max_lifetime: 60 });
	const seen = await Promise.all(Array.from({ length: 3 * clients },
	    async (_, number) => {
		const lines = new Set();
		for (let turn = 0; turn < 5; turn++) {
			lines.add((await db`select ${number}::int as n`)[0].n);
			lines.add(await db.begin(async (tx) => {
				await tx`set local search_path =
				    other_schema, public`;
				await tx`update account set balance = balance + 1
				    where id = ${number % clients + 1}`;
				return (await tx`select name from product`)[0].name;
			}));
			lines.add(await errorOf(db`select 1 / ${0}::int`));
		}
		return [...lines];
	}));
	for (const [number, lines] of seen.entries())
		tell(`crowd ${number}`, lines);
	tell('crowd', await db`select sum(balance) from account`);
	await db.end();
}

(async () => {
	await urls();
	for (const chapter of [types, prepared, transactions, copies, cursors,
	    notifications, cancels, sessions, changing]) {
		const db = open('', { max: 3, fetch_types: true });
		await chapter(db);
		await db.end({ timeout: 5 });
	}
	await crowd();
})().catch((error) => {
	console.error(error);
	process.exit(1);
});

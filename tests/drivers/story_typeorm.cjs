/*
 * The story through TypeORM: migrations, synchronizing of the schema, a
 * repository, transactions with locks and savepoints, a query runner that
 * keeps its connection, streams, replication of its own.
 */
'use strict';

const { DataSource, EntitySchema } = require('typeorm');
const { url, clients, tell, errorOf, crowd, story } = require('./story.cjs');

const Author = new EntitySchema({
	name: 'author',
	columns: {
		id: { type: 'int', primary: true, generated: 'increment' },
		name: { type: 'varchar', length: 50, unique: true },
		doc: { type: 'jsonb', nullable: true },
		tags: { type: 'text', array: true, default: [] },
		mood: { type: 'enum', enum: ['sad', 'ok'], default: 'ok' },
		version: { type: 'int', version: true },
		gone: { type: 'timestamptz', deleteDate: true, nullable: true },
	},
	relations: {
		books: { type: 'one-to-many', target: 'book', cascade: true,
		    inverseSide: 'author' },
	},
});
const Book = new EntitySchema({
	name: 'book',
	columns: {
		id: { type: 'uuid', primary: true, generated: 'uuid' },
		title: { type: 'text' },
		price: { type: 'numeric', precision: 10, scale: 2 },
	},
	relations: {
		author: { type: 'many-to-one', target: 'author',
		    inverseSide: 'books', onDelete: 'CASCADE' },
	},
});

class First1700000000001 {
	async up(runner) {
		await runner.query('create table moved (id int primary key)');
		await runner.query('insert into moved values (1)');
	}
	async down(runner) {
		await runner.query('drop table moved');
	}
}
class Second1700000000002 {
	async up(runner) {
		await runner.query('alter table moved add name text default $$a$$');
		await runner.query('select 1 / count(*) from moved');
	}
	async down(runner) {
		await runner.query('alter table moved drop name');
	}
}
class Third1700000000003 {
	async up(runner) {
		await runner.query('create index concurrently on moved (name)');
	}
	async down() {}
}
Third1700000000003.prototype.transaction = false;
class Fourth1700000000004 {
	async up(runner) {
		await runner.query('alter table moved add gone text');
		await runner.query('select 1 / 0');
	}
	async down() {}
}

function source(more) {
	return new DataSource({ type: 'postgres', url, poolSize: clients * 2,
	    entities: [Author, Book], ...more });
}

let db;

async function schema() {
	const early = await source({ migrationsTransactionMode: 'each',
	    migrations: [First1700000000001, Second1700000000002,
	    Third1700000000003] }).initialize();
	tell('migrate', (await early.runMigrations()).map((m) => m.name));
	tell('migrate', await early.showMigrations());
	await early.destroy();
	const late = await source({ migrationsTransactionMode: 'each',
	    migrations: [First1700000000001, Second1700000000002,
	    Third1700000000003, Fourth1700000000004] }).initialize();
	tell('migrate', await errorOf(late.runMigrations()));
	tell('migrate', await late.query('select * from moved'));
	await late.destroy();
	db = await source({ synchronize: true }).initialize();
	tell('schema', (await db.driver.createSchemaBuilder().log())
	    .upQueries.length);
}

async function rows() {
	const authors = db.getRepository(Author);
	const one = await authors.save({ name: 'one ü', doc: { k: [1, null] },
	    tags: ['a', 'b"'], books: [{ title: 'x', price: '1.50' },
	    { title: 'y', price: '2' }] });
	tell('save', one.id, one.version, one.books.length);
	tell('find', await authors.find({ relations: { books: true },
	    select: { id: true, name: true, doc: true, tags: true, mood: true,
	    books: { title: true, price: true } },
	    order: { books: { title: 'ASC' } } }));
	tell('save', await errorOf(authors.insert({ name: 'one ü' })));
	await authors.upsert([{ name: 'one ü', mood: 'sad' }, { name: 'two' }],
	    ['name']);
	await authors.increment({ name: 'two' }, 'version', 5);
	tell('find', await authors.find({ order: { id: 'ASC' } }));
	await authors.softDelete({ name: 'two' });
	tell('find', await authors.count(), await authors.count({
	    withDeleted: true }));
	tell('builder', await db.createQueryBuilder(Book, 'b')
	    .leftJoin('b.author', 'a').select('a.name', 'name')
	    .addSelect('sum(b.price)', 'sum').groupBy('a.name')
	    .having('count(*) > :n', { n: 1 }).getRawMany());
}

async function transactions() {
	tell('transaction', await errorOf(db.transaction('SERIALIZABLE',
	    async (tx) => {
		await tx.insert(Author, { name: 'never' });
		tell('transaction', await tx.query('show transaction_isolation'));
		await tx.insert(Author, { name: 'never' });
	})));
	tell('transaction', await db.transaction(async (tx) => {
		await tx.insert(Author, { name: 'outer' });
		const inner = await errorOf(tx.transaction(async (deep) => {
			await deep.insert(Author, { name: 'inner' });
			await deep.insert(Author, { name: 'inner' });
		}));
		return [inner, await tx.countBy(Author, { name: 'inner' }),
		    await tx.countBy(Author, { name: 'outer' })];
	}));
	tell('lock', await db.transaction(async (tx) => {
		const held = await tx.findOne(Author, { where: { name: 'outer' },
		    lock: { mode: 'pessimistic_write' } });
		const skipped = await db.transaction((other) => other.findOne(
		    Author, { where: { name: 'outer' }, lock: {
		    mode: 'pessimistic_write', onLocked: 'skip_locked' } }));
		return [held.name, skipped];
	}));
}

async function runner() {
	const kept = db.createQueryRunner();
	await kept.connect();
	await kept.query('select pg_advisory_lock(7)');
	await kept.query('set search_path = other_schema');
	await kept.query('create temp table brief (id int)');
	tell('runner', await kept.query('select name from product'),
	    await db.query('select name from product'),
	    await db.query('select pg_try_advisory_lock(7) as lock'));
	await kept.query('insert into brief values (1)');
	tell('runner', await kept.query('select * from brief'));
	await kept.query('drop table brief');
	await kept.query('reset search_path');
	tell('runner', await kept.query('select pg_advisory_unlock(7) as lock'));
	const stream = await kept.stream(
	    'select i from generate_series(1, $1::int) i', [1000]);
	let sum = 0;
	for await (const row of stream)
		sum += row.i;
	tell('stream', sum);
	await kept.release();
}

async function many() {
	await crowd('crowd', async (number) => {
		const lines = [];
		for (let turn = 0; turn < 5; turn++) {
			await db.transaction(async (tx) => {
				const own = await tx.save(Author, {
				    name: `${number} ${turn}`,
				    books: [{ title: 't', price: turn }] });
				lines.push(await tx.countBy(Book, {
				    author: { id: own.id } }));
			});
			lines.push(await errorOf(db.query('select 1 / $1::int',
			    [0])));
			lines.push((await db.getRepository(Author).findOne({
			    where: { name: `${number} ${turn}` },
			    relations: { books: true } })).books[0].price);
		}
		return lines;
	});
	tell('crowd', await db.getRepository(Book).count());
	await db.destroy();
}

async function splits() {
	const split = await source({ url: undefined, applicationName: 'split',
	    schema: 'naytife_schema', replication: { defaultMode: 'slave',
	    master: { url }, slaves: [{ url }] } }).initialize();
	tell('split', await split.query('show application_name'),
	    await split.query('select current_schema()'));
	await split.query("insert into naytife_schema.product values (9, 'n')");
	await split.synchronize();
	await split.getRepository(Author).insert({ name: 'split' });
	tell('split', await split.getRepository(Author).find(
	    { select: { name: true } }));
	await split.destroy();
}

story(schema, rows, transactions, runner, many, splits);

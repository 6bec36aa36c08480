/*
 * The story through Knex, and Objection on top of it: migrations with their
 * lock, a search path for each connection, streams, batches, graphs.
 */
'use strict';

const Knex = require('knex');
const { Model, transaction } = require('objection');
const { url, clients, tell, errorOf, crowd, story } = require('./story.cjs');

const steps = {
	one: { up: (k) => k.schema.createTable('person', (t) => {
		t.increments();
		t.string('name').unique();
		t.jsonb('doc');
		t.specificType('tags', 'text[]');
		t.enu('mood', ['sad', 'ok'], { useNative: true,
		    enumName: 'person_mood' });
		t.decimal('money', 10, 2);
		t.timestamp('at', { useTz: true });
	}), down: (k) => k.schema.dropTable('person') },
	two: { up: (k) => k.schema.createTable('pet', (t) => {
		t.increments();
		t.integer('person_id').references('person.id').onDelete('cascade');
		t.string('name').index();
	}), down: (k) => k.schema.dropTable('pet') },
	three: { config: { transaction: false },
	    up: (k) => k.raw('create index concurrently on pet (person_id)'),
	    down: () => {} },
	four: { up: async (k) => {
		await k.schema.alterTable('pet', (t) => t.text('gone'));
		await k.raw('select 1 / 0');
	}, down: () => {} },
};
const all = Object.keys(steps);

function migrations(names) {
	return { migrationSource: {
	    getMigrations: () => Promise.resolve(names),
	    getMigrationName: (name) => name,
	    getMigration: (name) => Promise.resolve(steps[name]) } };
}

function open(more) {
	return Knex({ client: 'pg', connection: url,
	    searchPath: ['naytife_schema', 'public'],
	    pool: { min: 0, max: clients * 2 },
	    /* It tells stdout who had no lock. */
	    log: { debug() {}, warn() {}, error() {}, deprecate() {} }, ...more });
}

const db = open();

class Pet extends Model {
	static tableName = 'pet';
}
class Person extends Model {
	static tableName = 'person';
	static relationMappings = { pets: { relation: Model.HasManyRelation,
	    modelClass: Pet, join: { from: 'person.id', to: 'pet.person_id' } } };
}
Model.knex(db);

async function migrate() {
	/* Several begin at once; all may fail while they make Knex's tables. */
	const others = [open(), open(), open()];
	await Promise.allSettled(others.map((other) =>
	    other.migrate.latest(migrations(all.slice(0, 3)))));
	await Promise.all(others.map((other) => other.destroy()));
	await db.migrate.forceFreeMigrationsLock(migrations(all));
	await db.migrate.latest(migrations(all.slice(0, 3)));
	tell('migrate', (await db('knex_migrations').orderBy('id'))
	    .map((m) => m.name));
	tell('migrate', await errorOf(db.migrate.latest(migrations(all))));
	tell('migrate', await db('knex_migrations_lock').select('is_locked'));
	tell('migrate', await db.schema.hasColumn('pet', 'gone'),
	    Object.keys(await db('person').columnInfo()));
}

async function rows() {
	tell('insert', await db('person').insert({ name: 'one ü',
	    doc: { k: [1, null] }, tags: ['a', 'b"'], mood: 'ok', money: '1.50',
	    at: new Date(0) }).returning('*'));
	tell('insert', await errorOf(db('person').insert({ name: 'one ü' })));
	tell('insert', await db('person').insert([{ name: 'one ü', mood: 'sad' },
	    { name: 'two' }]).onConflict('name').merge(['mood'])
	    .returning(['name', 'mood']));
	tell('insert', (await db.batchInsert('pet', Array.from({ length: 300 },
	    (_, i) => ({ name: `pet ${i}` })), 50).returning('id')).length);
	tell('select', await db('person').whereJsonPath('doc', '$.k[0]', '=', 1)
	    .select('name'), await db('product').first(),
	    (await db.raw('select ?::int + ? as n', [1, 2])).rows);
	let count = 0;
	for await (const row of db('pet').select('name').stream())
		count += row.name.length;
	tell('stream', count);
	tell('scripts', (await db.raw('select 1 as a; select 2 as b'))
	    .map((r) => r.rows));
}

async function transactions() {
	tell('transaction', await errorOf(db.transaction(async (tx) => {
		await tx('person').insert({ name: 'never' });
		tell('transaction', (await tx.raw('show transaction_isolation'))
		    .rows);
		await tx('person').insert({ name: 'never' });
	}, { isolationLevel: 'serializable' })));
	tell('transaction', await db.transaction(async (tx) => {
		await tx('person').insert({ name: 'outer' });
		const inner = await errorOf(tx.transaction(async (deep) => {
			await deep('person').insert({ name: 'inner' });
			await deep('person').insert({ name: 'outer' });
		}));
		return [inner, await tx('person').where('name', 'like', '%er')
		    .forUpdate().skipLocked().select('name')];
	}));
	tell('transaction', await db.transaction((tx) => tx('person').count(),
	    { readOnly: true }));
	const tx = await db.transaction();
	await tx.raw('set local search_path = other_schema');
	tell('transaction', await tx('product').first());
	await tx.rollback();
	tell('transaction', await db('product').first());
}

async function graphs() {
	const seen = await transaction(Person.knex(), async (tx) => {
		const made = await Person.query(tx).insertGraph({ name: 'graph',
		    pets: [{ name: 'a' }, { name: 'b' }] });
		await Person.query(tx).upsertGraph({ id: made.id, name: 'graph 2',
		    pets: [{ id: made.pets[0].id, name: 'a 2' }, { name: 'c' }] });
		return Person.query(tx).findById(made.id)
		    .withGraphFetched('pets(order)').modifiers({ order: (q) =>
		    q.select('name').orderBy('name') }).select('name');
	});
	tell('graph', seen);
	tell('graph', await Person.query().withGraphJoined('pets')
	    .where('pets.name', 'c').select('person.name'));
}

async function many() {
	await crowd('crowd', async (number) => {
		const lines = [];
		for (let turn = 0; turn < 5; turn++) {
			await db.transaction(async (tx) => {
				const [{ id }] = await tx('person').insert({
				    name: `${number} ${turn}` }).returning('id');
				await tx('pet').insert({ person_id: id, name: 'z' });
				lines.push((await tx('pet').where({ person_id: id }))
				    .length);
			});
			lines.push(await errorOf(db.raw('select 1 / ?::int', [0])));
			lines.push((await Person.query().findOne({
			    name: `${number} ${turn}` }).withGraphFetched('pets'))
			    .pets[0].name, (await db('product').first()).name);
		}
		return lines;
	});
	tell('crowd', await db('person').count());
	await db.migrate.rollback(migrations(all), true);
	tell('migrate', await db.schema.hasTable('person'));
	await db.destroy();
}

story(migrate, rows, transactions, graphs, many);
